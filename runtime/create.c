/* `create`: the first of the two phases (runtime-spec runtime.md §Lifecycle). */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/create_options.h"
#include "runtime/payload.h"
#include "runtime/verbs.h"

const struct options_row create_options_rows[] = {
    { 'b', "bundle", OPTIONS_STRING, offsetof(struct create_options, bundle),
      "directory with config.json; default: here" },
    { 'f', "config", OPTIONS_STRING, offsetof(struct create_options, config),
      "its config.json, when it is elsewhere" },
    { 0, "console-socket", OPTIONS_STRING, offsetof(struct create_options, console_socket),
      "socket that gets the terminal" },
    { 'd', "detach", OPTIONS_FLAG, offsetof(struct create_options, detach),
      "run: do not wait for its end" },
    { 0, "keep", OPTIONS_FLAG, offsetof(struct create_options, keep),
      "run: do not delete it at its end" },
    { 0, "no-new-keyring", OPTIONS_FLAG, offsetof(struct create_options, no_new_keyring),
      "keep the caller's session keyring" },
    { 0, "no-pivot", OPTIONS_FLAG, offsetof(struct create_options, no_pivot),
      "move the root instead of pivot_root (for a root on a ramdisk)" },
    { 0, "no-subreaper", OPTIONS_FLAG, offsetof(struct create_options, no_subreaper), NULL },
    { 0, "pid-file", OPTIONS_STRING, offsetof(struct create_options, pid_file),
      "file that gets the pid" },
    { 0, "pidfd-socket", OPTIONS_STRING, offsetof(struct create_options, pidfd_socket),
      "socket that gets a pidfd of the container's first process" },
    { 0, "preserve-fds", OPTIONS_UINT, offsetof(struct create_options, preserve_fds),
      "how many fds from 3 on stay open" },
};
const size_t create_options_count = ARRAY_LEN(create_options_rows);

int create_options_parse(int argc, char **argv, struct create_options *o, const char **id,
                         struct err *e)
{
    int words = options_parse(create_options_rows, create_options_count, OPTIONS_MIXED, argc - 1,
                              argv + 1, o, e);
    if (words < 0 || verb_check_words(argv[0], words, 1, 1, "ID", e) < 0)
        return -1;
    unsigned listen_fds = payload_listen_fds();
    o->preserve_fds += listen_fds;
    if (payload_check_preserved(o->preserve_fds, e) < 0)
        return -1;
    *id = argv[1];
    if (o->config && !o->bundle)
        o->bundle = ".";
    if (!realpath(o->bundle ? o->bundle : ".", o->bundle_path))
        return err_sys(e, errno, "bundle %s", o->bundle ? o->bundle : ".");
    o->launch = (struct launch_options){
        .bundle = o->bundle_path,
        .config = o->config,
        .console_socket = o->console_socket,
        .pid_file = o->pid_file,
        .pidfd_socket = o->pidfd_socket,
        .preserve_fds = o->preserve_fds,
        .listen_fds = listen_fds,
        .no_pivot = o->no_pivot,
        .no_new_keyring = o->no_new_keyring,
    };
    return 0;
}

int verb_create(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct create_options o = { 0 };
    struct container c = { .dir_fd = -1 };
    const char *id;
    if (create_options_parse(argc, argv, &o, &id, e) < 0)
        return -1;
    int result = launch_create(rt, id, &o.launch, &c, NULL, e);
    container_done(&c);
    return result;
}
