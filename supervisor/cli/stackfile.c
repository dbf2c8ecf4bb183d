#include "supervisor/cli/stackfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/ctl/paths.h"

enum {
    PROBLEM_LINE = 800
};

#define DEFAULT_FILE "stack.json"

/* What is looked for, in this order: ours, then as Compose does it. */
static const char *const default_files[] = { DEFAULT_FILE, "compose.yaml", "compose.yml",
                                             "docker-compose.yml", "docker-compose.yaml" };

static int find_default(const char **path, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(default_files); i++)
        if (access(default_files[i], F_OK) == 0) {
            *path = default_files[i];
            return 0;
        }
    (void)err_input(e, "there is no %s or compose.yaml here", DEFAULT_FILE);
    err_hint(e, "name the file: svc run FILE, or -f FILE");
    return -1;
}

int cli_stackfile_path(const struct cli_args *args, const char **path, struct err *e)
{
    const char *file = args->file;
    struct stat there;
    if (!file && find_default(&file, e) < 0)
        return -1;
    if (stat(file, &there) < 0) {
        (void)err_input(e, "%s: %s", file, errno == ENOENT ? "no such file" : strerror(errno));
        err_hint(e, "give the path of a stack file");
        return -1;
    }
    if (S_ISDIR(there.st_mode)) {
        (void)err_input(e, "%s is a directory, not a stack file", file);
        err_hint(e, "name the file in it: %s%s%s", file, str_ends(file, "/") ? "" : "/",
                 DEFAULT_FILE);
        return -1;
    }
    *path = file;
    return 0;
}

static uint64_t machine_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}

struct stack_load_options cli_stackfile_options(const struct cli_args *args)
{
    return (struct stack_load_options){ .project = args->project,
                                        .env_file = args->env_file,
                                        .environ = environ,
                                        .total_memory_bytes = machine_memory_bytes() };
}

static void print_problems(const struct stack_problems *problems)
{
    char line[PROBLEM_LINE];
    for (size_t i = 0; i < problems->count; i++) {
        stack_problem_line(&problems->items[i], line, sizeof(line));
        (void)fprintf(stderr, "svc: %s\n", line);
    }
    if (problems->truncated)
        (void)fprintf(stderr, "svc: … and more\n");
}

int cli_stackfile_load(const struct cli_args *args, struct stack **out, struct err *e)
{
    const char *path;
    if (cli_stackfile_path(args, &path, e) < 0)
        return -1;
    struct stack_load_options options = cli_stackfile_options(args);
    struct stack_problems problems = { 0 };
    struct err unread = { 0 };
    int result = stack_load(path, &options, out, &problems, &unread);
    print_problems(&problems);
    if (result < 0 && problems.error_count)
        result = 1;
    else if (result < 0)
        *e = unread;
    stack_problems_done(&problems);
    return result;
}

/* The `name` of a file that does not load. */
static char *name_in(const char *path)
{
    struct arena a = { 0 };
    struct json *tree;
    struct err e;
    const char *forced = getenv("COMPOSE_PROJECT_NAME");
    char *name = NULL;
    if (forced && forced[0])
        return str_dup(forced);
    if (json_load(&a, AT_FDCWD, path, &tree, &e) == 0 && json_find_string(tree, "name", NULL))
        name = str_dup(json_find_string(tree, "name", NULL));
    arena_done(&a);
    return name;
}

static void say_nameless(const struct stack_problems *problems, const struct err *unread,
                         struct err *e)
{
    char line[PROBLEM_LINE];
    *e = *unread;
    for (size_t i = 0; i < problems->count; i++) {
        if (!problems->items[i].is_warning) {
            stack_problem_line(&problems->items[i], line, sizeof(line));
            (void)err_input(e, "%s", line);
            return;
        }
    }
}

int cli_stackfile_name(const struct cli_args *args, char **out, struct err *e)
{
    const char *path;
    *out = NULL;
    if (cli_stackfile_path(args, &path, e) < 0)
        return -1;
    struct stack_load_options options = cli_stackfile_options(args);
    struct stack_problems problems = { 0 };
    auto_(stack_free) struct stack *stack = NULL;
    struct err unread = { 0 };
    *out = stack_load(path, &options, &stack, &problems, &unread) == 0 ? str_dup(stack->name)
                                                                       : name_in(path);
    if (!*out)
        say_nameless(&problems, &unread, e);
    stack_problems_done(&problems);
    return *out ? 0 : -1;
}

int cli_stackfile_load_copy(const char *run_dir, const char *project, struct stack **out,
                            struct err *e)
{
    auto_free char *path = str_printf("%s/%s", run_dir, CTL_STACK_FILE);
    auto_buf struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    if (fd_read_file(AT_FDCWD, path, &text, e) < 0)
        return -1;
    char *no_environment[] = { NULL };
    struct stack_load_options options = {
        .project = project,
        .environ = no_environment,
        .is_saved_copy = true,
    };
    struct stack_problems problems = { 0 };
    struct err unread = { 0 };
    int result =
        stack_load_text(path, run_dir, text.data, text.len, &options, out, &problems, &unread);
    if (result < 0)
        (void)err_internal(e, "%s is not a stack file any more", path);
    stack_problems_done(&problems);
    return result;
}
