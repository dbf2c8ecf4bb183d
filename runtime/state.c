/* `state`: prints the state of a container (runtime.md §State). */
#include <stdio.h>

#include "runtime/oom.h"
#include "runtime/options.h"
#include "runtime/verbs.h"

enum {
    STATE_TEXT_MAX = 1024 * 1024
};

int verb_state(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct container c = { .dir_fd = -1 };
    int words = options_parse(NULL, 0, OPTIONS_MIXED, argc - 1, argv + 1, NULL, e);
    if (words < 0 || verb_check_words("state", words, 1, 1, "ID", e) < 0)
        return -1;
    if (container_open(rt, argv[1], &c, e) < 0) {
        container_done(&c);
        return -1;
    }
    auto_buf struct buf text;
    struct json_writer w;
    buf_init(&text, STATE_TEXT_MAX);
    json_writer_init(&w, &text, 2);
    enum container_status status = container_status(&c);
    if (status == CONTAINER_STOPPED && oom_has_ended(&c))
        c.state.exit_cause = "oom";
    oci_state_write(&w, &c.state, container_status_name(status));
    (void)fwrite(text.data, 1, text.len, stdout);
    (void)putchar('\n');
    container_done(&c);
    return 0;
}
