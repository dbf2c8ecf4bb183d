#pragma once
/* See sys/mount.h beside this. */
#include_next <string.h>

/* The words of an errno value, constant; NULL: there is none. */
const char *strerrordesc_np(int errnum);
