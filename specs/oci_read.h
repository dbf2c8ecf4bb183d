#pragma once
/* Reading members of a config.json object: each function takes the object, the member's name and
 * the path of the object for messages; a member that is absent leaves *out as it is. Errors are
 * ERR_INPUT with the place. Shared by oci_config.c and oci_linux.c only. */
#include "specs/oci_config.h"

struct oci_reader {
    struct arena *arena;
    const struct json *obj; /* may be NULL: every member is absent */
    const char *path;       /* "linux.resources" */
    struct err *e;
};

/* The member must be an object (NULL when absent); its path goes on from R's. */
must_check int oci_enter(const struct oci_reader *r, const char *key, struct oci_reader *out);
/* `config.json:3:7: PATH.KEY: WHAT`; returns -1. */
int oci_bad(const struct oci_reader *r, const char *key, const struct json *node, const char *fmt,
            ...) printf_like(4, 5);

must_check int oci_read_string(const struct oci_reader *r, const char *key, const char **out);
must_check int oci_read_bool(const struct oci_reader *r, const char *key, bool *out);
must_check int oci_read_i64(const struct oci_reader *r, const char *key, int64_t min, int64_t max,
                            int64_t *out);
must_check int oci_read_u32(const struct oci_reader *r, const char *key, uint32_t *out);
/* Up to UINT64_MAX, which JSON numbers of this size stand for "unlimited" in rlimits. */
must_check int oci_read_u64(const struct oci_reader *r, const char *key, uint64_t *out);
must_check int oci_read_optional(const struct oci_reader *r, const char *key, struct oci_i64 *out);
must_check int oci_read_strings(const struct oci_reader *r, const char *key,
                                struct oci_strings *out);
/* An object of strings. */
must_check int oci_read_pairs(const struct oci_reader *r, const char *key, struct oci_pairs *out);
/* The array KEY (NULL when absent), all items objects. */
must_check int oci_read_array(const struct oci_reader *r, const char *key, const struct json **out);
/* ERR_INPUT when one of the COUNT members KEYS is an object that is not empty: to ignore what was
 * asked for would be worse (runtime-spec runtime.md §Errors). */
must_check int oci_refuse(const struct oci_reader *r, const char *const *keys, size_t count);
/* A reader for item INDEX of the array. */
struct oci_reader oci_item(const struct oci_reader *r, const char *key, const struct json *array,
                           size_t index);

/* oci_linux.c */
must_check int oci_read_linux(const struct oci_reader *r, struct oci_config *out);
must_check int oci_read_resources(const struct oci_reader *r, struct oci_resources *out);
must_check int oci_read_idmaps(const struct oci_reader *r, const char *key, struct oci_idmaps *out);
