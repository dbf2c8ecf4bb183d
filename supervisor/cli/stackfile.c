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

/* What is looked for, in this order (ours, then as Compose does it), and what is merged over it
 * when it is there. */
static const struct {
    const char *name;
    const char *over[2];
} default_files[] = {
    { DEFAULT_FILE, { "stack.override.json", NULL } },
    { "compose.yaml", { "compose.override.yaml", "compose.override.yml" } },
    { "compose.yml", { "compose.override.yml", "compose.override.yaml" } },
    { "docker-compose.yml", { "docker-compose.override.yml", "docker-compose.override.yaml" } },
    { "docker-compose.yaml", { "docker-compose.override.yaml", "docker-compose.override.yml" } },
};

static uint64_t machine_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}

void cli_stackfile_done(struct cli_stackfile *f)
{
    arena_done(&f->arena);
}

static void add_path(struct cli_stackfile *f, const char *path)
{
    if (f->count < STACK_FILES_MAX)
        f->paths[f->count++] = path;
}

/* DIR is "" or ends in "/". */
static bool find_in(struct cli_stackfile *f, const char *dir)
{
    for (size_t i = 0; i < ARRAY_LEN(default_files); i++) {
        const char *path = arena_printf(&f->arena, "%s%s", dir, default_files[i].name);
        if (access(path, F_OK) < 0)
            continue;
        add_path(f, path);
        for (size_t k = 0; k < ARRAY_LEN(default_files[i].over); k++) {
            const char *name = default_files[i].over[k];
            const char *over = name ? arena_printf(&f->arena, "%s%s", dir, name) : NULL;
            if (over && access(over, F_OK) == 0) {
                add_path(f, over);
                break;
            }
        }
        return true;
    }
    return false;
}

/* Here, then in the directories above, as Compose does. */
static int find_default(struct cli_stackfile *f, struct err *e)
{
    auto_free char *dir = getcwd(NULL, 0);
    if (find_in(f, ""))
        return 0;
    for (char *slash; dir && (slash = strrchr(dir, '/'));) {
        *slash = '\0';
        if (find_in(f, arena_printf(&f->arena, "%s/", dir)))
            return 0;
    }
    (void)err_input(e, "there is no %s or compose.yaml here", DEFAULT_FILE);
    err_hint(e, "name the file: svc run FILE, or -f FILE");
    return -1;
}

static int check_path(const char *file, struct err *e)
{
    struct stat there;
    if (str_eq(file, STACK_STDIN))
        return 0;
    if (stat(file, &there) < 0) {
        (void)err_input(e, "%s: %s", file, errno == ENOENT ? "no such file" : strerror(errno));
        err_hint(e, "give the path of a stack file");
        return -1;
    }
    if (!S_ISDIR(there.st_mode))
        return 0;
    (void)err_input(e, "%s is a directory, not a stack file", file);
    err_hint(e, "name the file in it: %s%s%s", file, str_ends(file, "/") ? "" : "/", DEFAULT_FILE);
    return -1;
}

/* The words of LIST, separated by SEPARATOR, to ITEMS; returns how many. */
static size_t split(struct arena *a, const char *list, char separator, const char **items,
                    size_t max)
{
    size_t count = 0;
    const char stops[] = { separator, '\0' };
    while (list && *list && count < max) {
        size_t len = strcspn(list, stops);
        if (len)
            items[count++] = arena_strndup(a, list, len);
        list += len + (list[len] == separator);
    }
    return count;
}

int cli_stackfile_find(const struct cli_args *args, struct cli_stackfile *out, struct err *e)
{
    *out = (struct cli_stackfile){ .count = 0 };
    if (args->files.count > STACK_FILES_MAX)
        return err_input(e, "more than %d stack files", STACK_FILES_MAX);
    for (size_t i = 0; i < args->files.count; i++)
        add_path(out, args->files.items[i]);
    if (!out->count)
        out->count = split(&out->arena, getenv("COMPOSE_FILE"), ':', out->paths, STACK_FILES_MAX);
    if (!out->count && find_default(out, e) < 0)
        return -1;
    for (size_t i = 0; i < out->count; i++)
        if (check_path(out->paths[i], e) < 0)
            return -1;
    size_t env_count = args->env_files.count;
    for (size_t i = 0; i < env_count; i++)
        out->env_files[i] = args->env_files.items[i];
    if (!env_count)
        env_count =
            split(&out->arena, getenv("COMPOSE_ENV_FILES"), ',', out->env_files, CLI_TEXTS_MAX);
    memcpy(out->profiles, args->profiles.items, args->profiles.count * sizeof(*out->profiles));
    out->options = (struct stack_load_options){ .project = args->project,
                                                .dir = args->project_dir,
                                                .env_files = env_count ? out->env_files : NULL,
                                                .profiles = out->profiles,
                                                .is_lenient = args->lenient,
                                                .wants_variables = args->list_variables,
                                                .environ = environ,
                                                .total_memory_bytes = machine_memory_bytes() };
    return 0;
}

void cli_stackfile_word(struct cli_args *args)
{
    if (args->files.count < CLI_TEXTS_MAX)
        args->files.items[args->files.count++] = args->words[0];
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
    auto_cli_stackfile struct cli_stackfile f = { .count = 0 };
    struct stack_problems problems = { 0 };
    struct err unread = { 0 };
    if (cli_stackfile_find(args, &f, e) < 0)
        return -1;
    int result = stack_load(f.paths, f.count, &f.options, out, &problems, &unread);
    print_problems(&problems);
    if (result < 0 && problems.error_count)
        result = 1;
    else if (result < 0)
        *e = unread;
    stack_problems_done(&problems);
    return result;
}

int cli_stackfile_tree(const struct cli_args *args, bool is_raw, struct arena *a, struct json **out,
                       struct err *e)
{
    auto_cli_stackfile struct cli_stackfile f = { .count = 0 };
    struct stack_problems problems = { 0 };
    struct err unread = { 0 };
    if (cli_stackfile_find(args, &f, e) < 0)
        return -1;
    int result = stack_load_tree(f.paths, f.count, &f.options, is_raw, a, out, &problems, &unread);
    print_problems(&problems);
    if (result < 0 && problems.error_count)
        result = 1;
    else if (result < 0)
        *e = unread;
    stack_problems_done(&problems);
    return result;
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
    auto_cli_stackfile struct cli_stackfile f = { .count = 0 };
    struct stack_problems problems = { 0 };
    struct err unread = { 0 };
    *out = NULL;
    if (cli_stackfile_find(args, &f, e) < 0)
        return -1;
    int result = stack_load_name(f.paths, f.count, &f.options, out, &problems, &unread);
    if (result < 0)
        say_nameless(&problems, &unread, e);
    stack_problems_done(&problems);
    return result;
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
    int result = stack_load_text(path, run_dir, text.data, text.len, &options, out, &problems);
    if (result < 0)
        (void)err_internal(e, "%s is not a stack file any more", path);
    stack_problems_done(&problems);
    return result;
}
