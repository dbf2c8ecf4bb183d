#pragma once
/* What a container needs on disk before it is created: the skeleton of the host view, volumes, the
 * private writable layer, the generated /etc files, the bundle. All of it is found again, or made
 * again, by name; nothing is mounted here. Engine only. */
#include "supervisor/stack/project.h"

/* Directories of the stack: bundles, volumes (made when missing), the skeleton. Fills
 * volume_paths. A resumed stack keeps its skeleton: running containers have it as their root. A
 * host without idmapped mounts and a missing external volume are errors. */
must_check int prepare_stack(struct project *p, bool is_resumed, struct err *e);
/* Resolves the user, writes hosts, hostname, resolv.conf and config.json for R. */
must_check int prepare_replica(struct replica *r, struct err *e);
/* Relative to the run directory: "c/ID". */
void prepare_bundle_path(const struct replica *r, char *path, size_t size);
