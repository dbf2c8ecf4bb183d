#pragma once
/* Automatic id ranges: 65536 host uids and gids for each container, shared with no other running
 * container of this machine, whichever stack it belongs to. A range is taken by creating the file
 * ROOT/NUMBER (O_EXCL) that names its owner; ROOT is /run/svc/.ids, so that a reboot frees all. */
#include <stdint.h>

#include "runtime/base/err.h"

enum {
    IDRANGE_COUNT = 65536, /* ids in a range */
    IDRANGE_SLOTS = 4096,
};

/* First host id of slot 0: above what distributions give to users (100000…) and below 2^31. */
#define IDRANGE_BASE 0x30000000u

/* OWNER is "PROJECT/CONTAINER". The same owner gets its range again. */
must_check int idrange_take(int root_fd, const char *owner, uint32_t *base, struct err *e);
void idrange_release(int root_fd, uint32_t base);
/* Releases all ranges whose owner is of PROJECT. */
void idrange_release_project(int root_fd, const char *project);
