/* `ps`: the processes of a container, as host pids. The table is of our own making: a static
 * program that runs /bin/ps would be one that runs what it finds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/options.h"
#include "runtime/verbs.h"

enum {
    PS_BYTES_MAX = 16 * 1024 * 1024,
    COMMAND_SHOWN = 200,
    PS_WORDS_MAX = 64 /* after the ID come those for /bin/ps of other runtimes (go-runc's Top) */
};

struct ps_options {
    const char *format;
};

static const struct options_row rows[] = {
    { 'f', "format", OPTIONS_STRING, offsetof(struct ps_options, format), "table or json" },
};

/* Its arguments with spaces between; control characters become '?'. */
static void write_command(pid_t pid, struct buf *text)
{
    char path[64], command[COMMAND_SHOWN];
    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, command, sizeof(command));
    for (ssize_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)command[i];
        (void)buf_add_char(text, c == '\0' ? ' ' : (char)(c < ' ' || c == 0x7f ? '?' : c));
    }
}

static void write_table(const pid_t *pids, size_t count, struct buf *text)
{
    (void)buf_add_str(text, "PID      COMMAND\n");
    for (size_t i = 0; i < count; i++) {
        (void)buf_printf(text, "%-8d ", (int)pids[i]);
        write_command(pids[i], text);
        (void)buf_add_char(text, '\n');
    }
}

static void write_json(const pid_t *pids, size_t count, struct buf *text)
{
    struct json_writer w;
    json_writer_init(&w, text, 0);
    json_begin_array(&w, NULL);
    for (size_t i = 0; i < count; i++)
        json_put_i64(&w, NULL, pids[i]);
    json_end_array(&w);
    (void)buf_add_char(text, '\n');
}

static int print_pids(const struct container *c, bool is_json, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    auto_free pid_t *pids = NULL;
    auto_buf struct buf text;
    size_t count = 0;
    buf_init(&text, PS_BYTES_MAX);
    if (container_open_cgroup(c, &cg, e) < 0 || cgroup_pids(cg, &pids, &count, e) < 0)
        return -1;
    if (is_json)
        write_json(pids, count, &text);
    else
        write_table(pids, count, &text);
    if (fd_write_all(STDOUT_FILENO, text.data, text.len) < 0)
        return err_sys(e, errno, "write the processes");
    return 0;
}

int verb_ps(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct ps_options o = { 0 };
    struct container c = { .dir_fd = -1 };
    int words = options_parse(rows, ARRAY_LEN(rows), OPTIONS_MIXED, argc - 1, argv + 1, &o, e);
    if (words < 0 || verb_check_words("ps", words, 1, PS_WORDS_MAX, "ID", e) < 0)
        return -1;
    if (o.format && !str_eq(o.format, "json") && !str_eq(o.format, "table"))
        return err_input(e, "--format: must be table or json, not \"%s\"", o.format);
    int result = container_open(rt, argv[1], &c, e);
    if (result == 0)
        result = print_pids(&c, str_eq(o.format, "json"), e);
    container_done(&c);
    return result;
}
