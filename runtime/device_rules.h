#pragma once
/* Device rules of linux.resources.devices, before they are put into force (v1: lines for
 * devices.allow; v2: a BPF program). All is denied, then the rules hold in order, the last match
 * wins, then the devices that every container has (runtime-spec config-linux.md §Default Devices)
 * are allowed. Pure; threads: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

enum {
    DEVICE_RULES_MAX = 256
};

/* The effective list: RULES followed by the defaults. OUT has room for DEVICE_RULES_MAX. */
must_check int device_rules_complete(const struct oci_device_rule *rules, size_t count,
                                     struct oci_device_rule *out, size_t *out_count, struct err *e);

/* The same as exceptions from a default, which is all that v1 knows: "allow all but" or "deny all
 * but". ERR_INPUT when a list cannot be said so (a hole inside a wildcard): never wider. */
struct device_exceptions {
    bool is_default_allow;
    struct oci_device_rule items[DEVICE_RULES_MAX]; /* `allow` is !is_default_allow */
    size_t count;
};
must_check int device_rules_flatten(const struct oci_device_rule *rules, size_t count,
                                    struct device_exceptions *out, struct err *e);
/* "c 1:3 rwm", "b *:* m": a line of devices.allow and devices.deny. Returns TO. */
const char *device_rule_line(const struct oci_device_rule *rule, char *to, size_t size);
