/* `ps`: the processes of a container, as host pids. The table is of our own making, but for a
 * caller who says what it wants of ps(1), as `docker top` does: then it is that of the first ps of
 * $PATH. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/options.h"
#include "runtime/verbs.h"

enum {
    PS_BYTES_MAX = 16 * 1024 * 1024,
    COMMAND_SHOWN = 200,
    PS_WORDS_MAX = 64,      /* after the ID come those for ps(1) (go-runc's Top) */
    EXIT_NOT_EXECUTED = 127 /* as a shell has it */
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

/* In the child. Its pipe to us is its output; the streams besides are the caller's. */
_Noreturn static void become_ps(int output_fd, char **argv)
{
    if (dup2(output_fd, STDOUT_FILENO) >= 0)
        (void)execvp("ps", argv);
    _exit(EXIT_NOT_EXECUTED);
}

/* ARGV[0] is for the name. */
static int read_ps(char **argv, struct buf *out, struct err *e)
{
    int pair[2], status;
    if (pipe2(pair, O_CLOEXEC) < 0)
        return err_sys(e, errno, "make a pipe");
    auto_fd int ours = pair[0], theirs = pair[1];
    pid_t pid = fork();
    if (pid == 0)
        become_ps(theirs, argv);
    if (pid < 0)
        return err_sys(e, errno, "fork for ps");
    fd_close(&theirs);
    int result = fd_read_all(ours, out);
    int errnum = errno;
    fd_close(&ours); /* ends one that still writes */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_sys(e, errno, "wait for ps");
    if (result < 0)
        return err_sys(e, errnum, "read what ps says");
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_EXECUTED) {
        (void)err_host(e, "ps: no program ps is in $PATH to take its arguments");
        err_hint(e, "install procps, or give no arguments after the ID");
        return -1;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_input(e, "ps: ps(1) does not take the arguments, or found nothing");
    return 0;
}

/* The NUMBER-th word of LINE, from 0; its length to LEN. */
static const char *word_of(const char *line, size_t number, size_t *len)
{
    static const char blanks[] = " \t";
    const char *p = line + strspn(line, blanks);
    for (size_t i = 0; i < number; i++) {
        p += strcspn(p, blanks);
        p += strspn(p, blanks);
    }
    *len = strcspn(p, blanks);
    return p;
}

static bool is_pid_of(const char *line, size_t column, const pid_t *pids, size_t count)
{
    size_t len;
    uint64_t pid;
    char text[16];
    const char *word = word_of(line, column, &len);
    (void)snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : 0), word);
    if (str_to_u64(text, INT32_MAX, &pid) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (pids[i] == (pid_t)pid)
            return true;
    return false;
}

/* Of what ps(1) says: the titles, and the lines whose word under PID is one of the PIDS. */
static int write_ps_lines(char *said, const pid_t *pids, size_t count, struct buf *text,
                          struct err *e)
{
    char *rest = said;
    const char *line = strsep(&rest, "\n"), *word;
    size_t column = 0, len;
    for (;; column++) {
        word = word_of(line, column, &len);
        if (len == 0)
            return err_input(e, "ps: no column PID in what ps(1) says with these arguments");
        if (len == 3 && strncmp(word, "PID", len) == 0)
            break;
    }
    (void)buf_printf(text, "%s\n", line);
    while (rest) {
        line = strsep(&rest, "\n");
        if (is_pid_of(line, column, pids, count))
            (void)buf_printf(text, "%s\n", line);
    }
    return 0;
}

static int write_ps(char **argv, const pid_t *pids, size_t count, struct buf *text, struct err *e)
{
    auto_buf struct buf said;
    buf_init(&said, PS_BYTES_MAX);
    if (read_ps(argv, &said, e) < 0)
        return -1;
    (void)buf_add_char(&said, '\0');
    if (said.overflow)
        return err_host(e, "ps: ps(1) says more than %d bytes", PS_BYTES_MAX);
    return write_ps_lines(said.data, pids, count, text, e);
}

/* ARGV: for ps(1), with its name first; NULL: none. */
static int print_pids(const struct container *c, bool is_json, char **argv, struct err *e)
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
    else if (argv && write_ps(argv, pids, count, &text, e) < 0)
        return -1;
    else if (!argv)
        write_table(pids, count, &text);
    if (fd_write_all(STDOUT_FILENO, text.data, text.len) < 0)
        return err_sys(e, errno, "write the processes");
    return 0;
}

int verb_ps(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct ps_options o = { 0 };
    struct container c = { .dir_fd = -1 };
    char *for_ps[PS_WORDS_MAX + 1] = { "ps" };
    int words =
        options_parse(rows, ARRAY_LEN(rows), OPTIONS_FIRST_STOPS, argc - 1, argv + 1, &o, e);
    if (words < 0 || verb_check_words("ps", words, 1, PS_WORDS_MAX, "ID [PS-OPTION…]", e) < 0)
        return -1;
    if (o.format && !str_eq(o.format, "json") && !str_eq(o.format, "table"))
        return err_input(e, "--format: must be table or json, not \"%s\"", o.format);
    int first = words > 1 && str_eq(argv[2], "--") ? 2 : 1; /* `ps ID -- aux` */
    for (int i = first; i < words; i++)
        for_ps[i - first + 1] = argv[i + 1];
    int result = container_open(rt, argv[1], &c, e);
    if (result == 0)
        result = print_pids(&c, str_eq(o.format, "json"), words > first ? for_ps : NULL, e);
    container_done(&c);
    return result;
}
