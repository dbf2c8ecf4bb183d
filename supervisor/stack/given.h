#pragma once
/* What a replica gets of the machine by file and by node: its secrets and configs, written where
 * nobody else can look, and the numbers of its devices. Engine only.
 *
 * A secret is a file of its own in the bundle (on /run, in directories that only root enters), with
 * the owner and mode that the container shall see; compile_config binds it read-only over its
 * target, idmapped, so that the ids hold inside. It goes with the bundle. Files of the stack are
 * read anew each time a container is made. */
#include "specs/compile.h"
#include "supervisor/stack/project.h"

struct given {
    char **paths; /* one per service.grants */
    size_t path_count;
    struct compile_device *devices; /* one per service.devices */
};
void given_done(struct given *g);
#define auto_given __attribute__((cleanup(given_done)))

/* BUNDLE_FD is the directory PATH. r->account is known. */
must_check int given_make(const struct replica *r, int bundle_fd, const char *path,
                          struct given *out, struct err *e);
