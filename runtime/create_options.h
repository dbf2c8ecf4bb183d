#pragma once
/* The command line of `create` and `run`. */
#include <limits.h>

#include "runtime/launch.h"
#include "runtime/options.h"

struct create_options {
    const char *bundle, *config, *console_socket, *pid_file, *pidfd_socket;
    unsigned preserve_fds;
    bool no_pivot, no_new_keyring;
    bool no_subreaper; /* there never is one */
    bool detach, keep; /* run */
    char bundle_path[PATH_MAX];
    struct launch_options launch; /* points into this struct */
};

extern const struct options_row create_options_rows[];
extern const size_t create_options_count;
/* ARGV[0] is the verb. */
must_check int create_options_parse(int argc, char **argv, struct create_options *o,
                                    const char **id, struct err *e);
