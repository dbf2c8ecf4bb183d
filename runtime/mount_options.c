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
    OPTION_REMOUNT,
    OPTION_IDMAP,
    OPTION_RIDMAP,
    OPTION_COPY_UP,
    OPTION_COPY_SYMLINK,
    OPTION_SOURCE_NOFOLLOW,
    OPTION_TARGET_NOFOLLOW,
    OPTION_SUPER,     /* of the file system, not of the mount; `clears`: back to the default */
    OPTION_NO_SWITCH, /* the same, and fsconfig(2) cannot pass it on */
    OPTION_NOTHING,   /* the default, or the default's name */
};

struct option {
    const char *name;
    enum option_kind kind;
    uint64_t bits;
    bool clears;
};

/* config.md §Linux mount options, and crun's copy-symlink, src-nofollow, dest-nofollow. Access-time
 * modes are a field of two bits, not flags: setting one clears the field. "iversion" and "silent"
 * were flags of mount(2) that no file system takes from fsconfig(2). */
static const struct option options[] = {
    { "async", OPTION_SUPER, 0, true },
    { "atime", OPTION_ATTR, MOUNT_ATTR_NOATIME, true },
    { "bind", OPTION_BIND, 0, false },
    { "copy-symlink", OPTION_COPY_SYMLINK, 0, false },
    { "defaults", OPTION_NOTHING, 0, false },
    { "dest-nofollow", OPTION_TARGET_NOFOLLOW, 0, false },
    { "dev", OPTION_ATTR, MOUNT_ATTR_NODEV, true },
    { "diratime", OPTION_ATTR, MOUNT_ATTR_NODIRATIME, true },
    { "dirsync", OPTION_SUPER, 0, false },
    { "exec", OPTION_ATTR, MOUNT_ATTR_NOEXEC, true },
    { "idmap", OPTION_IDMAP, 0, false },
    { "iversion", OPTION_NO_SWITCH, 0, false },
    { "lazytime", OPTION_SUPER, 0, false },
    { "loud", OPTION_NOTHING, 0, false },
    { "mand", OPTION_SUPER, 0, false },
    { "noatime", OPTION_ATTR, MOUNT_ATTR_NOATIME, false },
    { "nodev", OPTION_ATTR, MOUNT_ATTR_NODEV, false },
    { "nodiratime", OPTION_ATTR, MOUNT_ATTR_NODIRATIME, false },
    { "noexec", OPTION_ATTR, MOUNT_ATTR_NOEXEC, false },
    { "noiversion", OPTION_NOTHING, 0, false },
    { "nolazytime", OPTION_SUPER, 0, true },
    { "nomand", OPTION_SUPER, 0, true },
    { "norelatime", OPTION_NOTHING, 0, false },
    { "nostrictatime", OPTION_ATTR, MOUNT_ATTR_STRICTATIME, true },
    { "nosuid", OPTION_ATTR, MOUNT_ATTR_NOSUID, false },
    { "nosymfollow", OPTION_ATTR, MOUNT_ATTR_NOSYMFOLLOW, false },
    { "private", OPTION_PROPAGATION, MS_PRIVATE, false },
    { "ratime", OPTION_BELOW, MOUNT_ATTR_NOATIME, true },
    { "rbind", OPTION_RBIND, 0, false },
    { "rdev", OPTION_BELOW, MOUNT_ATTR_NODEV, true },
    { "rdiratime", OPTION_BELOW, MOUNT_ATTR_NODIRATIME, true },
    { "relatime", OPTION_ATTR, MOUNT_ATTR_RELATIME, false },
    { "remount", OPTION_REMOUNT, 0, false },
    { "rexec", OPTION_BELOW, MOUNT_ATTR_NOEXEC, true },
    { "ridmap", OPTION_RIDMAP, 0, false },
    { "rnoatime", OPTION_BELOW, MOUNT_ATTR_NOATIME, false },
    { "rnodev", OPTION_BELOW, MOUNT_ATTR_NODEV, false },
    { "rnodiratime", OPTION_BELOW, MOUNT_ATTR_NODIRATIME, false },
    { "rnoexec", OPTION_BELOW, MOUNT_ATTR_NOEXEC, false },
    { "rnorelatime", OPTION_NOTHING, 0, false },
    { "rnostrictatime", OPTION_BELOW, MOUNT_ATTR_STRICTATIME, true },
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
    { "rsymfollow", OPTION_BELOW, MOUNT_ATTR_NOSYMFOLLOW, true },
    { "runbindable", OPTION_PROPAGATION_BELOW, MS_UNBINDABLE, false },
    { "rw", OPTION_ATTR, MOUNT_ATTR_RDONLY, true },
    { "shared", OPTION_PROPAGATION, MS_SHARED, false },
    { "silent", OPTION_NOTHING, 0, false },
    { "slave", OPTION_PROPAGATION, MS_SLAVE, false },
    { "src-nofollow", OPTION_SOURCE_NOFOLLOW, 0, false },
    { "strictatime", OPTION_ATTR, MOUNT_ATTR_STRICTATIME, false },
    { "suid", OPTION_ATTR, MOUNT_ATTR_NOSUID, true },
    { "symfollow", OPTION_ATTR, MOUNT_ATTR_NOSYMFOLLOW, true },
    { "sync", OPTION_SUPER, 0, false },
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

static void apply_access_time(const struct option *o, uint64_t *set, uint64_t *clear)
{
    bool is_other = *clear & MOUNT_ATTR__ATIME && (*set & MOUNT_ATTR__ATIME) != o->bits;
    if (o->clears && is_other) /* "noatime", then "nostrictatime": takes back what was not set */
        return;
    *set &= ~(uint64_t)MOUNT_ATTR__ATIME;
    *clear |= MOUNT_ATTR__ATIME;
    if (!o->clears)
        *set |= o->bits;
}

static void apply_bits(const struct option *o, uint64_t *set, uint64_t *clear)
{
    if (is_access_time(o->bits)) {
        apply_access_time(o, set, clear);
        return;
    }
    *(o->clears ? clear : set) |= o->bits;
    *(o->clears ? set : clear) &= ~o->bits;
}

static void apply(struct mounts_item *m, const struct option *o)
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
    case OPTION_REMOUNT: m->is_remount = true; break;
    case OPTION_IDMAP: m->wants_idmap = true; break;
    case OPTION_RIDMAP: m->wants_idmap = m->idmap_below = true; break;
    case OPTION_COPY_UP: m->copies_up = true; break;
    case OPTION_COPY_SYMLINK: m->copies_symlink = true; break;
    case OPTION_SOURCE_NOFOLLOW: m->source_nofollow = true; break;
    case OPTION_TARGET_NOFOLLOW: m->target_nofollow = true; break;
    case OPTION_SUPER:
    case OPTION_NO_SWITCH:
    case OPTION_NOTHING: break;
    }
}

static const struct option *find_option(const char *name)
{
    return bsearch(name, options, ARRAY_LEN(options), sizeof(*options), by_name);
}

void mount_options_parse(struct arena *a, struct mounts_item *m)
{
    const struct oci_strings *names = &m->spec->options;
    size_t count = 0, super_count = 0;
    m->data = arena_alloc(a, (names->count + 1) * sizeof(*m->data));
    m->super = arena_alloc(a, (names->count + 1) * sizeof(*m->super));
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        const struct option *o = find_option(name);
        if (o)
            apply(m, o);
        else if (str_starts(name, "idmap="))
            m->idmap_text = name + strlen("idmap=");
        else
            m->data[count++] = name;
        if (o && o->kind == OPTION_SUPER)
            m->super[super_count++] = name;
    }
    m->wants_idmap = m->wants_idmap || m->idmap_text;
}

bool mount_options_needs_fs(const char *name)
{
    const struct option *o = find_option(name);
    if (!o)
        return !str_starts(name, "idmap=");
    return o->kind == OPTION_NO_SWITCH || (o->kind == OPTION_SUPER && !o->clears);
}

const char *mount_options_name(size_t index)
{
    return index < ARRAY_LEN(options) ? options[index].name : NULL;
}
