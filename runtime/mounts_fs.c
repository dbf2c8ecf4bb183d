#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/mounts_impl.h"

/* The kernel's own words about what was wrong (Documentation/filesystems/mount_api.rst). */
static void explain(int fs, struct err *e)
{
    char text[160];
    ssize_t n = read(fs, text, sizeof(text) - 1);
    if (n <= 2)
        return;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    err_hint(e, "the kernel says: %s", text + 2);
}

static int refuse_option(int fs, const char *option, const struct mounts_item *m, struct err *e)
{
    (void)err_sys(e, errno, "mounts: %s: option \"%.80s\"", m->spec->destination, option);
    if (str_starts(option, "uid=") || str_starts(option, "gid="))
        err_hint(e, "is the id mapped in the user namespace?");
    explain(fs, e);
    return -1;
}

static int configure(int fs, const char *option, const struct mounts_item *m, struct err *e)
{
    char key[64];
    const char *value = strchr(option, '=');
    size_t len = value ? (size_t)(value - option) : strlen(option);
    if (len >= sizeof(key))
        return err_input(e, "mounts: %s: unknown option \"%.60s\"", m->spec->destination, option);
    memcpy(key, option, len);
    key[len] = '\0';
    int result = value ? fsconfig(fs, FSCONFIG_SET_STRING, key, value + 1, 0)
                       : fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
    return result < 0 ? refuse_option(fs, option, m, e) : 0;
}

static int configure_all(int fs, const char *const *options, const struct mounts_item *m,
                         struct err *e)
{
    for (; options && *options; options++)
        if (configure(fs, *options, m, e) < 0)
            return -1;
    return 0;
}

static int refuse_fs(int fs, const struct mounts_item *m, const char *type, struct err *e)
{
    int errnum = errno;
    (void)err_sys(e, errnum, "mounts: mount %s on %s", type, m->spec->destination);
    explain(fs, e);
    if (errnum == EPERM)
        err_hint(e,
                 "a user namespace may mount a %s only when it owns what that shows, and the "
                 "machine's own is not covered in part",
                 type);
    return -1;
}

int mounts_make_fs(const struct mounts_item *m, const char *type, const char *const *data,
                   const char *extra, uint64_t attrs, struct err *e)
{
    const char *source = m->spec->source;
    auto_fd int fs = fsopen(type, FSOPEN_CLOEXEC);
    if (fs < 0) {
        (void)err_sys(e, errno, "mounts: %s: file system \"%s\"", m->spec->destination, type);
        if (errno == ENODEV)
            err_hint(e, "this kernel does not know it, see /proc/filesystems");
        return -1;
    }
    if (source && source[0] && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
        return err_sys(e, errno, "mounts: %s: source \"%s\"", m->spec->destination, source);
    /* A device that is read-only itself wants a superblock that is. Others must not get it: some
     * superblocks are the whole machine's (debugfs). */
    if (attrs & MOUNT_ATTR_RDONLY && source && source[0] == '/' &&
        fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
        return refuse_option(fs, "ro", m, e);
    if (configure_all(fs, m->super, m, e) < 0 || configure_all(fs, data, m, e) < 0 ||
        (extra && configure(fs, extra, m, e) < 0))
        return -1;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return refuse_fs(fs, m, type, e);
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
    return fd < 0 ? refuse_fs(fs, m, type, e) : fd;
}

int mounts_reconfigure_fs(const struct mounts_item *m, int target_fd, struct err *e)
{
    if (!*m->super && !*m->data)
        return 0;
    auto_fd int fs = fspick(target_fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
    if (fs < 0)
        return err_sys(e, errno, "mounts: %s: remount", m->spec->destination);
    if (configure_all(fs, m->super, m, e) < 0 || configure_all(fs, m->data, m, e) < 0)
        return -1;
    if (fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) == 0)
        return 0;
    (void)err_sys(e, errno, "mounts: %s: remount", m->spec->destination);
    explain(fs, e);
    return -1;
}

uint64_t mounts_new_attributes(const struct mounts_item *m)
{
    return m->attr_set | (m->below_set & ~m->attr_clear);
}

static int set(int fd, unsigned flags, struct mount_attr *attr)
{
    if (!attr->attr_set && !attr->attr_clr && !attr->propagation)
        return 0;
    return mount_setattr(fd, "", AT_EMPTY_PATH | flags, attr, sizeof(*attr));
}

int mounts_set_attributes(const struct mounts_item *m, int fd, struct err *e)
{
    struct mount_attr top = { .attr_set = m->attr_set, .attr_clr = m->attr_clear };
    struct mount_attr below = { .attr_set = m->below_set, .attr_clr = m->below_clear };
    uint64_t propagation = m->propagation ? m->propagation : MS_PRIVATE;
    if (m->is_remount) {
        *(m->propagation_below ? &below.propagation : &top.propagation) = m->propagation;
    } else if (!m->is_recursive) {
        top.propagation = propagation;
    } else if (!m->propagation || m->propagation_below) {
        below.propagation = propagation;
    } else {
        /* What is below must not be the host's peers, as it is not where mounts are slaves. */
        below.propagation = propagation == MS_SHARED ? 0 : MS_SLAVE;
        top.propagation = propagation;
    }
    unsigned whole = m->is_recursive || m->is_remount ? AT_RECURSIVE : 0;
    if (set(fd, whole, &below) == 0 && set(fd, 0, &top) == 0)
        return 0;
    int errnum = errno;
    (void)err_sys(e, errnum, "mounts: %s: set the options of the mount", m->spec->destination);
    if (errnum == EPERM)
        err_hint(e, "options that the mount has outside of a user namespace cannot be taken away "
                    "inside");
    return -1;
}
