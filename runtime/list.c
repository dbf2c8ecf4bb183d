/* `list`: the containers of this --root, as a table, as ids (-q) or as JSON. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/names.h"
#include "runtime/options.h"
#include "runtime/verbs.h"

enum {
    LIST_BYTES_MAX = 16 * 1024 * 1024
};

struct list_options {
    bool quiet;
    const char *format;
};

static const struct options_row rows[] = {
    { 'f', "format", OPTIONS_STRING, offsetof(struct list_options, format), "table or json" },
    { 'q', "quiet", OPTIONS_FLAG, offsetof(struct list_options, quiet), "ids only" },
};

static void write_row(const struct container *c, const struct list_options *o,
                      struct json_writer *w)
{
    enum container_status status = container_status(c);
    if (o->quiet)
        (void)buf_printf(w->to, "%s\n", c->id);
    else if (str_eq(o->format, "json"))
        oci_state_write(w, &c->state, container_status_name(status));
    else
        (void)buf_printf(w->to, "%-24s %-8d %-9s %-31s %s\n", c->id,
                         status == CONTAINER_STOPPED ? 0 : (int)c->state.pid,
                         container_status_name(status), c->state.created, c->state.bundle);
}

static void write_list(const struct runtime *rt, const struct list_options *o,
                       const struct names *names, struct buf *text)
{
    bool is_json = !o->quiet && str_eq(o->format, "json");
    struct json_writer w;
    json_writer_init(&w, text, 0);
    if (is_json)
        json_begin_array(&w, NULL);
    else if (!o->quiet)
        (void)buf_printf(text, "%-24s %-8s %-9s %-31s %s\n", "ID", "PID", "STATUS", "CREATED",
                         "BUNDLE");
    for (size_t i = 0; i < names->count; i++) {
        struct container c = { .dir_fd = -1 };
        struct err ignored; /* being created, or deleted, right now */
        if (container_open(rt, names->items[i], &c, &ignored) == 0)
            write_row(&c, o, &w);
        container_done(&c);
    }
    if (is_json) {
        json_end_array(&w);
        (void)buf_add_char(text, '\n');
    }
}

int verb_list(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct list_options o = { 0 };
    int words = options_parse(rows, ARRAY_LEN(rows), OPTIONS_MIXED, argc - 1, argv + 1, &o, e);
    if (words < 0 || verb_check_words("list", words, 0, 0, "no arguments", e) < 0)
        return -1;
    if (o.format && !str_eq(o.format, "json") && !str_eq(o.format, "table"))
        return err_input(e, "--format: must be table or json, not \"%s\"", o.format);
    struct names names = { 0 };
    auto_buf struct buf text;
    buf_init(&text, LIST_BYTES_MAX);
    int result = names_load(rt, &names, e);
    if (result == 0)
        write_list(rt, &o, &names, &text);
    names_done(&names);
    if (result == 0 && text.overflow)
        return err_host(e, "the list is longer than %d bytes", LIST_BYTES_MAX);
    if (result == 0 && fd_write_all(STDOUT_FILENO, text.data, text.len) < 0)
        return err_sys(e, errno, "write the list");
    return result;
}
