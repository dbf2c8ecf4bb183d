#include "runtime/device_rules.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"

enum {
    ANY = -1
};

/* runtime-spec config-linux.md §Default Devices: null, zero, full, random, urandom, tty, console,
 * ptmx (5:2 and, of a devpts of one's own, 136:* behind it). Making nodes of any kind is harmless,
 * since opening them is what counts, and is what other runtimes allow ("c *:* m"). */
static const struct oci_device_rule defaults[] = {
    { true, 'c', ANY, ANY, false, false, true }, { true, 'b', ANY, ANY, false, false, true },
    { true, 'c', 1, 3, true, true, true },       { true, 'c', 1, 5, true, true, true },
    { true, 'c', 1, 7, true, true, true },       { true, 'c', 1, 8, true, true, true },
    { true, 'c', 1, 9, true, true, true },       { true, 'c', 5, 0, true, true, true },
    { true, 'c', 5, 1, true, true, true },       { true, 'c', 5, 2, true, true, true },
    { true, 'c', 136, ANY, true, true, true },
};

int device_rules_complete(const struct oci_device_rule *rules, size_t count,
                          struct oci_device_rule *out, size_t *out_count, struct err *e)
{
    if (count + ARRAY_LEN(defaults) > DEVICE_RULES_MAX)
        return err_input(e, "linux.resources.devices: %zu rules, at most %zu are possible", count,
                         DEVICE_RULES_MAX - ARRAY_LEN(defaults));
    for (size_t i = 0; i < count; i++) {
        if (!memchr("abc", rules[i].type, 3))
            return err_input(e, "linux.resources.devices[%zu]: type must be a, b or c", i);
        out[i] = rules[i];
    }
    memcpy(out + count, defaults, sizeof(defaults));
    *out_count = count + ARRAY_LEN(defaults);
    return 0;
}

/* "a" means every device of both types; major, minor and access count for it as for others, but
 * the usual spelling is all wildcards and rwm. */
static bool is_everything(const struct oci_device_rule *r)
{
    return r->type == 'a' && r->major == ANY && r->minor == ANY && r->read && r->write && r->mknod;
}

static bool covers(const struct oci_device_rule *big, const struct oci_device_rule *small)
{
    return big->type == small->type && (big->major == ANY || big->major == small->major) &&
           (big->minor == ANY || big->minor == small->minor);
}

static bool overlaps(const struct oci_device_rule *a, const struct oci_device_rule *b)
{
    return a->type == b->type && (a->major == ANY || b->major == ANY || a->major == b->major) &&
           (a->minor == ANY || b->minor == ANY || a->minor == b->minor);
}

static bool shares_access(const struct oci_device_rule *a, const struct oci_device_rule *b)
{
    return (a->read && b->read) || (a->write && b->write) || (a->mknod && b->mknod);
}

static int add_exception(struct device_exceptions *x, const struct oci_device_rule *r,
                         struct err *e)
{
    for (size_t i = 0; i < x->count; i++) {
        struct oci_device_rule *old = &x->items[i];
        if (covers(old, r) && covers(r, old)) {
            old->read |= r->read;
            old->write |= r->write;
            old->mknod |= r->mknod;
            return 0;
        }
    }
    if (x->count == DEVICE_RULES_MAX)
        return err_input(e, "linux.resources.devices: more than %d exceptions", DEVICE_RULES_MAX);
    x->items[x->count++] = *r;
    return 0;
}

/* Takes back what R says from the exceptions made so far. */
static int remove_exception(struct device_exceptions *x, const struct oci_device_rule *r,
                            struct err *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < x->count; i++) {
        struct oci_device_rule old = x->items[i];
        if (covers(r, &old)) {
            old.read &= !r->read;
            old.write &= !r->write;
            old.mknod &= !r->mknod;
        } else if (overlaps(r, &old) && shares_access(r, &old)) {
            char inner[48], outer[48];
            return err_input(e,
                             "linux.resources.devices: cgroup v1 cannot take \"%s\" out of \"%s\"",
                             device_rule_line(r, inner, sizeof(inner)),
                             device_rule_line(&old, outer, sizeof(outer)));
        }
        if (old.read || old.write || old.mknod)
            x->items[kept++] = old;
    }
    x->count = kept;
    return 0;
}

static int apply(struct device_exceptions *x, const struct oci_device_rule *rule, struct err *e)
{
    if (is_everything(rule)) {
        x->is_default_allow = rule->allow;
        x->count = 0;
        return 0;
    }
    struct oci_device_rule r = *rule;
    const char *types = rule->type == 'a' ? "bc" : (const char[]){ rule->type, '\0' };
    for (const char *t = types; *t; t++) {
        r.type = *t;
        r.allow = !x->is_default_allow;
        int result = rule->allow == x->is_default_allow ? remove_exception(x, &r, e)
                                                        : add_exception(x, &r, e);
        if (result < 0)
            return -1;
    }
    return 0;
}

int device_rules_flatten(const struct oci_device_rule *rules, size_t count,
                         struct device_exceptions *out, struct err *e)
{
    out->is_default_allow = false;
    out->count = 0;
    for (size_t i = 0; i < count; i++)
        if (apply(out, &rules[i], e) < 0)
            return -1;
    return 0;
}

static const char *number(int64_t n, char *to, size_t size)
{
    if (n == ANY)
        return "*";
    (void)snprintf(to, size, "%lld", (long long)n);
    return to;
}

const char *device_rule_line(const struct oci_device_rule *r, char *to, size_t size)
{
    char major[24], minor[24];
    (void)snprintf(to, size, "%c %s:%s %s%s%s", r->type, number(r->major, major, sizeof(major)),
                   number(r->minor, minor, sizeof(minor)), r->read ? "r" : "", r->write ? "w" : "",
                   r->mknod ? "m" : "");
    return to;
}
