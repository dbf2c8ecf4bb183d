#pragma once
/* The files of /etc that are made for a container: hosts, hostname, resolv.conf. Engine only. */
#include "supervisor/stack/project.h"

/* Writes the three into the bundle. */
must_check int etc_write(const struct replica *r, int bundle_fd, struct err *e);
