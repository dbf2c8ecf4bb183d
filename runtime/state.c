/* `state`: prints the state of a container (runtime.md §State). */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/oom.h"
#include "runtime/options.h"
#include "runtime/verbs.h"

enum {
    INDENTED_TEXT_MAX = 2 * OCI_STATE_TEXT_MAX
};

static int print(struct container *c, struct err *e)
{
    auto_buf struct buf text;
    struct json_writer w;
    enum container_status status = container_status(c);
    if (status == CONTAINER_STOPPED && oom_has_ended(c))
        c->state.exit_cause = "oom";
    buf_init(&text, INDENTED_TEXT_MAX);
    json_writer_init(&w, &text, 2);
    oci_state_write(&w, &c->state, container_status_name(status));
    (void)buf_add_char(&text, '\n');
    if (text.overflow)
        return err_input(e, "the state of %s is longer than %d bytes", c->id, INDENTED_TEXT_MAX);
    return fd_write_all(STDOUT_FILENO, text.data, text.len) < 0
               ? err_sys(e, errno, "write the state")
               : 0;
}

int verb_state(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct container c = { .dir_fd = -1 };
    int words = options_parse(NULL, 0, OPTIONS_MIXED, argc - 1, argv + 1, NULL, e);
    if (words < 0 || verb_check_words("state", words, 1, 1, "ID", e) < 0)
        return -1;
    int result = container_open(rt, argv[1], &c, e);
    if (result == 0)
        result = print(&c, e);
    container_done(&c);
    return result;
}
