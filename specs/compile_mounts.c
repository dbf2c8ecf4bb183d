/* The file systems of a container, in the order in which they are mounted: the root, what belongs
 * to every container, the host view's own, generated files, the service's mounts.
 *
 * Three things here are svc-runtime's own, beyond the OCI runtime-spec:
 * - a mount whose destination is "/" makes the root (root.path is its mount point in the bundle);
 * - the option "idmap" maps a bind by the container's user namespace, so that files keep the
 *   owners that are written on the disk;
 * - "rro" makes a bind read-only with everything below it (crun knows it too). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "specs/compile_parts.h"

#define SHM "/dev/shm"

enum {
    SHM_BYTES_DEFAULT = 64 << 20 /* Docker's */
};

struct standard_mount {
    const char *destination, *type, *source;
    const char *options; /* by commas */
};

/* runtime-spec config-linux.md §Default Filesystems, with Docker's and podman's options. */
static const struct standard_mount everywhere[] = {
    { "/proc", "proc", "proc", "nosuid,noexec,nodev" },
    { "/dev", "tmpfs", "tmpfs", "nosuid,noexec,strictatime,mode=755,size=65536k" },
    { "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
    { SHM, "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777" },
    { "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
    { "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro" },
    { "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro" },
};
/* The host view has the machine's programs; what they write to is fresh and private. */
static const struct standard_mount host_view[] = {
    { "/tmp", "tmpfs", "tmpfs", "nosuid,nodev,mode=1777" },
    { "/run", "tmpfs", "tmpfs", "nosuid,nodev,mode=755" },
    { "/var", "tmpfs", "tmpfs", "nosuid,nodev,mode=755" },
    { "/var/tmp", "tmpfs", "tmpfs", "nosuid,nodev,mode=1777" },
};

/* Options that are separated by commas in TEXT, one item each. */
static void put_options(struct json_writer *w, const char *text)
{
    char word[64];
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, ",");
        (void)snprintf(word, sizeof(word), "%.*s", (int)len, p);
        json_put_string(w, NULL, word);
        p += len + (p[len] == ',');
    }
}

static void begin_mount(struct json_writer *w, const char *destination, const char *type,
                        const char *source)
{
    json_begin_object(w, NULL);
    json_put_string(w, "destination", destination);
    json_put_string(w, "type", type);
    json_put_string(w, "source", source);
    json_begin_array(w, "options");
}

static void end_mount(struct json_writer *w)
{
    json_end_array(w);
    json_end_object(w);
}

/* A bind keeps its owners by "idmap", but for a container in the machine's own user namespace. */
static void put_bind(struct json_writer *w, const struct stack_service *s, const char *destination,
                     const char *source, const char *options)
{
    begin_mount(w, destination, "bind", source);
    put_options(w, options);
    if (!s->userns_host)
        json_put_string(w, NULL, "idmap");
    end_mount(w);
}

static bool is_mounted_by(const struct stack_service *s, const char *target)
{
    for (size_t i = 0; i < s->mount_count; i++)
        if (strcmp(s->mounts[i].target, target) == 0)
            return true;
    return false;
}

static void put_size(struct json_writer *w, uint64_t bytes)
{
    char option[40];
    (void)snprintf(option, sizeof(option), "size=%" PRIu64, bytes);
    json_put_string(w, NULL, option);
}

/* A mount of the service at the same place goes before a standard one. */
static void put_standard(struct json_writer *w, const struct stack_service *s,
                         const struct standard_mount *mounts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_mounted_by(s, mounts[i].destination))
            continue;
        begin_mount(w, mounts[i].destination, mounts[i].type, mounts[i].source);
        put_options(w, mounts[i].options);
        if (strcmp(mounts[i].destination, SHM) == 0)
            put_size(w, s->shm_bytes ? s->shm_bytes : SHM_BYTES_DEFAULT);
        end_mount(w);
    }
}

static void put_prefixed(struct json_writer *w, const char *prefix, const char *path)
{
    size_t size = strlen(prefix) + strlen(path) + 1;
    auto_free char *text = mem_alloc(size);
    (void)snprintf(text, size, "%s%s", prefix, path);
    json_put_string(w, NULL, text);
}

static void put_root(struct json_writer *w, const struct stack_service *s,
                     const struct compile_facts *facts)
{
    if (s->rootfs.kind == STACK_ROOTFS_HOST) {
        /* Not "ro" yet: mount points of the service are made in it. root.readonly closes it. */
        put_bind(w, s, "/", facts->root_path, "bind,nosuid,nodev");
        put_bind(w, s, "/usr", "/usr", "rbind,rro,nosuid,nodev");
        return;
    }
    begin_mount(w, "/", "overlay", "overlay");
    put_prefixed(w, "lowerdir=", facts->root_path);
    put_prefixed(w, "upperdir=", facts->upper_dir);
    put_prefixed(w, "workdir=", facts->work_dir);
    json_put_string(w, NULL, "nodev");
    if (!s->userns_host)
        json_put_string(w, NULL, "idmap");
    end_mount(w);
}

static const char *volume_path(const struct stack *stack, const struct compile_facts *facts,
                               const char *key)
{
    for (size_t i = 0; i < stack->volume_count; i++)
        if (strcmp(stack->volumes[i].key, key) == 0)
            return facts->volume_paths[i];
    return NULL; /* the loader refuses a volume that is not declared */
}

static void put_tmpfs(struct json_writer *w, const struct stack_mount *m)
{
    char option[40];
    begin_mount(w, m->target, "tmpfs", "tmpfs");
    put_options(w, m->read_only ? "nosuid,nodev,ro" : "nosuid,nodev");
    (void)snprintf(option, sizeof(option), "mode=%o", m->mode ? m->mode : 01777);
    json_put_string(w, NULL, option);
    if (m->size_bytes)
        put_size(w, m->size_bytes);
    end_mount(w);
}

static void put_service_mount(struct json_writer *w, const struct stack *stack,
                              const struct stack_service *s, const struct compile_facts *facts,
                              const struct stack_mount *m)
{
    const char *options = m->read_only ? "rbind,rro,nosuid,nodev" : "rbind,rw,nosuid,nodev";
    if (m->kind == STACK_MOUNT_TMPFS)
        put_tmpfs(w, m);
    else if (m->kind == STACK_MOUNT_BIND)
        put_bind(w, s, m->target, m->source, options);
    else
        put_bind(w, s, m->target, volume_path(stack, facts, m->source), options);
}

static void put_generated(struct json_writer *w, const struct stack_service *s,
                          const struct compile_facts *facts)
{
    const struct {
        const char *target, *source;
    } files[] = {
        { "/etc/hosts", facts->hosts_path },
        { "/etc/hostname", facts->hostname_path },
        { "/etc/resolv.conf", facts->resolv_path },
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i].source && !is_mounted_by(s, files[i].target))
            put_bind(w, s, files[i].target, files[i].source, "bind,ro,nosuid,nodev,noexec");
}

void compile_put_mounts(struct json_writer *w, const struct stack *stack,
                        const struct stack_service *s, const struct compile_facts *facts)
{
    bool is_host_view = s->rootfs.kind == STACK_ROOTFS_HOST;
    json_begin_object(w, "root");
    json_put_string(w, "path", "rootfs");
    json_put_bool(w, "readonly", s->read_only || is_host_view);
    json_end_object(w);
    json_begin_array(w, "mounts");
    put_root(w, s, facts);
    put_standard(w, s, everywhere, sizeof(everywhere) / sizeof(everywhere[0]));
    if (is_host_view)
        put_standard(w, s, host_view, sizeof(host_view) / sizeof(host_view[0]));
    put_generated(w, s, facts);
    for (size_t i = 0; i < s->mount_count; i++)
        put_service_mount(w, stack, s, facts, &s->mounts[i]);
    /* Last: one may lie in a volume. Configs may be programs, so they can be run. */
    for (size_t i = 0; i < s->grant_count; i++)
        put_bind(w, s, s->grants[i].target, facts->grant_paths[i], "bind,ro,nosuid,nodev");
    json_end_array(w);
}
