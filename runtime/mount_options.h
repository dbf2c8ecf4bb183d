#pragma once
/* The names of mount options (runtime-spec config.md §Linux mount options) and what they set. */
#include "runtime/mounts.h"

/* Fills ITEM's attributes, propagation and flags from its spec's options. Those of a superblock go
 * to ITEM->super, what is unknown here is the file system's and goes to ITEM->data, in order. */
void mount_options_parse(struct arena *a, struct mounts_item *item);
/* A bind shows a file system that is mounted already: NAME asks for something that only who mounts
 * it first can have. Not so for a name that asks for the default ("async"). */
bool mount_options_needs_fs(const char *name);
/* The names, sorted, by index; NULL at the end. For `features`. */
const char *mount_options_name(size_t index);
