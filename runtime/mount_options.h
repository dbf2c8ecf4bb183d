#pragma once
/* The names of mount options (runtime-spec config.md §Linux mount options) and what they set. */
#include "runtime/mounts.h"

/* Fills ITEM's attributes, propagation and flags from its spec's options; what is no option of the
 * VFS goes to ITEM->data in order. ERR_INPUT for options that this runtime refuses. */
must_check int mount_options_parse(struct arena *a, struct mounts_item *item, struct err *e);
/* The names that are not refused, by index; NULL at the end. For `features`. */
const char *mount_options_name(size_t index);
