#pragma once
/* The words of config.json's linux.seccomp, by enum: read by oci_linux.c, written by the compiler.
 * runtime-spec config-linux.md §Seccomp. */
#include "specs/oci_config.h"

extern const char *const seccomp_action_names[OCI_SECCOMP_ACTION_COUNT_];
extern const char *const seccomp_op_names[OCI_SECCOMP_OP_COUNT_];
