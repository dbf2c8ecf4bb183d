#pragma once
/* What should not be read over somebody's shoulder, out of a stack file as a tree: the contents of
 * secrets, values of the environment whose name says that they are secret, passwords in addresses.
 * Pure. */
#include "specs/json.h"

#define STACK_MASK "********"

/* NAME is PGPASSWORD, GITHUB_TOKEN, API_KEY…: it has "password", "passwd", "secret", "token" or
 * "credential" in it, or one of its words ends in "key" or "pwd". In any case of letters. */
bool stack_mask_is_secret(const char *name);
/* VALUE of a variable NAME as it may be shown: VALUE itself, STACK_MASK, or an address with
 * STACK_MASK in place of its password. */
const char *stack_mask_value(struct arena *a, const char *name, const char *value);
/* The tree with secret texts replaced, in place. */
void stack_mask_tree(struct arena *a, struct json *root);
