#include "runtime/mount_options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "runtime/base/str.h"

enum option_kind {
    OPTION_ATTR,        /* sets or clears `bits` of this mount */
    OPTION_BELOW,       /* … of it and of everything below (rro) */
    OPTION_PROPAGATION, /* `bits` is MS_* */
    OPTION_PROPAGATION_BELOW,
    OPTION_BIND,
    OPTION_RBIND,
    OPTION_IDMAP,
    OPTION_RIDMAP,
    OPTION_COPY_UP,
    OPTION_NOTHING, /* known, and the default */
    OPTION_REFUSED,
};

struct option {
    const char *name;
    enum option_kind kind;
    uint64_t bits;
    bool clears;
};

/* Access-time modes are a field of two bits, not flags: setting one clears the field. */
static const struct option options[] = {
    { "async", OPTION_NOTHING, 0, false },
    { "atime", OPTION_ATTR, MOUNT_ATTR_NOATIME, true },
    { "bind", OPTION_BIND, 0, false },
    { "defaults", OPTION_NOTHING, 0, false },
    { "dev", OPTION_ATTR, MOUNT_ATTR_NODEV, true },
    { "diratime", OPTION_ATTR, MOUNT_ATTR_NODIRATIME, true },
    { "exec", OPTION_ATTR, MOUNT_ATTR_NOEXEC, true },
    { "idmap", OPTION_IDMAP, 0, false },
    { "loud", OPTION_NOTHING, 0, false },
    { "noatime", OPTION_ATTR, MOUNT_ATTR_NOATIME, false },
    { "nodev", OPTION_ATTR, MOUNT_ATTR_NODEV, false },
    { "nodiratime", OPTION_ATTR, MOUNT_ATTR_NODIRATIME, false },
    { "noexec", OPTION_ATTR, MOUNT_ATTR_NOEXEC, false },
    { "norelatime", OPTION_NOTHING, 0, false },
    { "nostrictatime", OPTION_NOTHING, 0, false },
    { "nosuid", OPTION_ATTR, MOUNT_ATTR_NOSUID, false },
    { "nosymfollow", OPTION_ATTR, MOUNT_ATTR_NOSYMFOLLOW, false },
    { "private", OPTION_PROPAGATION, MS_PRIVATE, false },
    { "rbind", OPTION_RBIND, 0, false },
    { "rdev", OPTION_BELOW, MOUNT_ATTR_NODEV, true },
    { "relatime", OPTION_ATTR, MOUNT_ATTR_RELATIME, false },
    { "remount", OPTION_REFUSED, 0, false },
    { "rexec", OPTION_BELOW, MOUNT_ATTR_NOEXEC, true },
    { "ridmap", OPTION_RIDMAP, 0, false },
    { "rnoatime", OPTION_BELOW, MOUNT_ATTR_NOATIME, false },
    { "rnodev", OPTION_BELOW, MOUNT_ATTR_NODEV, false },
    { "rnodiratime", OPTION_BELOW, MOUNT_ATTR_NODIRATIME, false },
    { "rnoexec", OPTION_BELOW, MOUNT_ATTR_NOEXEC, false },
    { "rnosuid", OPTION_BELOW, MOUNT_ATTR_NOSUID, false },
    { "rnosymfollow", OPTION_BELOW, MOUNT_ATTR_NOSYMFOLLOW, false },
    { "ro", OPTION_ATTR, MOUNT_ATTR_RDONLY, false },
    { "rprivate", OPTION_PROPAGATION_BELOW, MS_PRIVATE, false },
    { "rrelatime", OPTION_BELOW, MOUNT_ATTR_RELATIME, false },
    { "rro", OPTION_BELOW, MOUNT_ATTR_RDONLY, false },
    { "rrw", OPTION_BELOW, MOUNT_ATTR_RDONLY, true },
    { "rshared", OPTION_PROPAGATION_BELOW, MS_SHARED, false },
    { "rslave", OPTION_PROPAGATION_BELOW, MS_SLAVE, false },
    { "rstrictatime", OPTION_BELOW, MOUNT_ATTR_STRICTATIME, false },
    { "rsuid", OPTION_BELOW, MOUNT_ATTR_NOSUID, true },
    { "runbindable", OPTION_PROPAGATION_BELOW, MS_UNBINDABLE, false },
    { "rw", OPTION_ATTR, MOUNT_ATTR_RDONLY, true },
    { "shared", OPTION_PROPAGATION, MS_SHARED, false },
    { "slave", OPTION_PROPAGATION, MS_SLAVE, false },
    { "strictatime", OPTION_ATTR, MOUNT_ATTR_STRICTATIME, false },
    { "suid", OPTION_ATTR, MOUNT_ATTR_NOSUID, true },
    { "symfollow", OPTION_ATTR, MOUNT_ATTR_NOSYMFOLLOW, true },
    { "sync", OPTION_REFUSED, 0, false },
    { "tmpcopyup", OPTION_COPY_UP, 0, false },
    { "unbindable", OPTION_PROPAGATION, MS_UNBINDABLE, false },
};

static int by_name(const void *key, const void *row)
{
    return strcmp(key, ((const struct option *)row)->name);
}

static bool is_access_time(uint64_t bits)
{
    return bits == MOUNT_ATTR_RELATIME || bits == MOUNT_ATTR_NOATIME ||
           bits == MOUNT_ATTR_STRICTATIME;
}

static void apply_bits(const struct option *o, uint64_t *set, uint64_t *clear)
{
    if (is_access_time(o->bits)) {
        *set &= ~(uint64_t)MOUNT_ATTR__ATIME;
        *clear |= MOUNT_ATTR__ATIME;
        if (!o->clears)
            *set |= o->bits;
        return;
    }
    *(o->clears ? clear : set) |= o->bits;
    *(o->clears ? set : clear) &= ~o->bits;
}

static int apply(struct mounts_item *m, const struct option *o, struct err *e)
{
    switch (o->kind) {
    case OPTION_ATTR: apply_bits(o, &m->attr_set, &m->attr_clear); break;
    case OPTION_BELOW: apply_bits(o, &m->below_set, &m->below_clear); break;
    case OPTION_PROPAGATION:
    case OPTION_PROPAGATION_BELOW:
        m->propagation = o->bits;
        m->propagation_below = o->kind == OPTION_PROPAGATION_BELOW;
        break;
    case OPTION_BIND: m->is_bind = true; break;
    case OPTION_RBIND: m->is_bind = m->is_recursive = true; break;
    case OPTION_IDMAP: m->wants_idmap = true; break;
    case OPTION_RIDMAP: m->wants_idmap = m->idmap_below = true; break;
    case OPTION_COPY_UP: m->copies_up = true; break;
    case OPTION_NOTHING: break;
    case OPTION_REFUSED:
        return err_input(e, "mounts: %s: option \"%s\" is not supported", m->spec->destination,
                         o->name);
    }
    return 0;
}

int mount_options_parse(struct arena *a, struct mounts_item *m, struct err *e)
{
    const struct oci_strings *names = &m->spec->options;
    size_t count = 0;
    m->data = arena_alloc(a, (names->count + 1) * sizeof(*m->data));
    for (size_t i = 0; i < names->count; i++) {
        const struct option *o =
            bsearch(names->items[i], options, ARRAY_LEN(options), sizeof(*options), by_name);
        if (!o)
            m->data[count++] = names->items[i];
        else if (apply(m, o, e) < 0)
            return -1;
    }
    return 0;
}

const char *mount_options_name(size_t index)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (options[i].kind != OPTION_REFUSED && index-- == 0)
            return options[i].name;
    return NULL;
}
