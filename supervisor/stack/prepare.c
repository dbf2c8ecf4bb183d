#include "supervisor/stack/prepare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "specs/compile.h"
#include "supervisor/ctl/paths.h"
#include "supervisor/stack/cgroups.h"
#include "supervisor/stack/etc.h"
#include "supervisor/stack/given.h"
#include "supervisor/stack/host_view.h"
#include "supervisor/stack/idrange.h"
#include "supervisor/stack/replica.h"

enum {
    FILE_BYTES_MAX = 1024 * 1024
};

void prepare_bundle_path(const struct replica *r, char *path, size_t size)
{
    (void)snprintf(path, size, "c/%s", r->id);
}

static const char *find_volume(const struct project *p, const char *key)
{
    for (size_t i = 0; i < p->stack->volume_count; i++)
        if (str_eq(p->stack->volumes[i].key, key))
            return p->volume_paths[i];
    return NULL;
}

static int prepare_volume(struct project *p, size_t index, struct err *e)
{
    const struct stack_volume *v = &p->stack->volumes[index];
    /* Beside the stacks' own directories, so that stacks can share one by `external`. */
    p->volume_paths[index] = str_printf("%s/.volumes/%s", ctl_state_root(), v->name);
    struct stat st;
    if (stat(p->volume_paths[index], &st) == 0)
        return 0;
    if (v->is_external) {
        (void)err_input(e, "volumes.%s: external volume \"%s\" does not exist", v->key, v->name);
        err_hint(e, "create it with: mkdir -p %s", p->volume_paths[index]);
        return -1;
    }
    if (fd_mkdir_all(AT_FDCWD, p->volume_paths[index], 0755) < 0)
        return err_sys(e, errno, "create volume %s", v->name);
    return 0;
}

int prepare_stack(struct project *p, bool is_resumed, struct err *e)
{
    if (fd_mkdir_all(p->run_fd, "c", 0700) < 0)
        return err_sys(e, errno, "create %s/c", p->run_dir);
    p->volume_paths = mem_alloc((p->stack->volume_count + 1) * sizeof(*p->volume_paths));
    for (size_t i = 0; i < p->stack->volume_count; i++)
        if (prepare_volume(p, i, e) < 0)
            return -1;
    for (size_t i = 0; !is_resumed && i < p->stack->service_count; i++)
        if (p->stack->services[i].rootfs.kind == STACK_ROOTFS_HOST)
            return host_view_make(p->state_fd, e);
    return 0;
}

static int open_root(const struct replica *r)
{
    const char *path = r->service->rootfs.kind == STACK_ROOTFS_HOST ? "/" : r->service->rootfs.path;
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_empty_dir(const char *path)
{
    DIR *dir = opendir(path);
    bool is_empty = dir != NULL;
    for (struct dirent *d; is_empty && (d = readdir(dir)) != NULL;)
        is_empty = str_eq(d->d_name, ".") || str_eq(d->d_name, "..");
    if (dir)
        (void)closedir(dir);
    return is_empty;
}

/* An empty volume that is still root's belongs to the user of the service that mounts it first:
 * what copying the image's directory does for images. Ids on disk are those seen inside. */
static int own_new_volumes(const struct replica *r, struct err *e)
{
    struct project *p = r->project;
    for (size_t i = 0; r->account.uid && i < r->service->mount_count; i++) {
        const struct stack_mount *m = &r->service->mounts[i];
        const char *path = m->kind == STACK_MOUNT_VOLUME ? find_volume(p, m->source) : NULL;
        struct stat st;
        if (!path || stat(path, &st) < 0 || st.st_uid != 0 || !is_empty_dir(path))
            continue;
        if (chown(path, r->account.uid, r->account.gid) < 0)
            return err_sys(e, errno, "give volume %s to user %u", m->source, r->account.uid);
    }
    return 0;
}

static int make_layer(struct replica *r, char **upper, char **work, struct err *e)
{
    char path[PATH_LIMIT];
    (void)snprintf(path, sizeof(path), "layers/%s/upper", r->id);
    int made = fd_mkdir_all(r->project->state_fd, path, 0755);
    (void)snprintf(path, sizeof(path), "layers/%s/work", r->id);
    if (made < 0 || fd_mkdir_all(r->project->state_fd, path, 0755) < 0)
        return err_sys(e, errno, "create the writable layer of %s", r->id);
    *upper = str_printf("%s/layers/%s/upper", r->project->state_dir, r->id);
    *work = str_printf("%s/layers/%s/work", r->project->state_dir, r->id);
    return 0;
}

/* The other service's container must be there: what it leaves behind has no network. */
static int find_netns(const struct replica *r, char path[64], struct err *e)
{
    const struct replica *owner = replica_network(r);
    if (owner == r)
        return 0;
    if (!owner || !owner->pid) {
        const char *name = r->project->stack->services[r->service->network_service].name;
        return err_conflict(e, "service \"%s\", whose network it shares, is not running", name);
    }
    (void)snprintf(path, 64, "/proc/%d/ns/net", (int)owner->pid);
    return 0;
}

static int write_config(struct replica *r, int dir_fd, struct err *e)
{
    struct project *p = r->project;
    bool is_host = r->service->rootfs.kind == STACK_ROOTFS_HOST;
    auto_free char *upper = NULL;
    auto_free char *work = NULL;
    if (!is_host && make_layer(r, &upper, &work, e) < 0)
        return -1;
    auto_free char *skeleton = host_view_path(p->state_dir);
    auto_free char *hosts = str_printf("%s/c/%s/hosts", p->run_dir, r->id);
    auto_free char *hostname = str_printf("%s/c/%s/hostname", p->run_dir, r->id);
    auto_free char *resolv = str_printf("%s/c/%s/resolv.conf", p->run_dir, r->id);
    auto_free char *cgroup = str_printf("/svc/%s/%s", p->stack->name, r->id);
    auto_free char *bundle = str_printf("%s/c/%s", p->run_dir, r->id);
    auto_given struct given given = { 0 };
    char netns[64] = "";
    if (given_make(r, dir_fd, bundle, &given, e) < 0 || find_netns(r, netns, e) < 0)
        return -1;
    struct compile_facts facts = {
        .container_id = r->id,
        .replica = r->number,
        .id_base = r->id_base,
        .id_count = IDRANGE_COUNT,
        .uid = r->account.uid,
        .gid = r->account.gid,
        .groups = r->account.groups,
        .group_count = r->account.group_count,
        .home = r->account.home,
        .cgroups_path = cgroup,
        .root_path = is_host ? skeleton : r->service->rootfs.path,
        .upper_dir = upper,
        .work_dir = work,
        .hosts_path = hosts,
        .hostname_path = hostname,
        .resolv_path = resolv,
        .can_limit_swap = cgroups_limit_swap(),
        .volume_paths = (const char *const *)p->volume_paths,
        .grant_paths = (const char *const *)given.paths,
        .devices = given.devices,
        .netns_path = netns,
    };
    auto_buf struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    if (compile_config(p->stack, r->service, &facts, &text, e) < 0)
        return -1;
    return fd_write_file(dir_fd, "config.json", text.data, text.len, 0600, false, e);
}

int prepare_replica(struct replica *r, struct err *e)
{
    struct project *p = r->project;
    char path[PATH_LIMIT];
    prepare_bundle_path(r, path, sizeof(path));
    if (fd_mkdir_all(p->run_fd, path, 0700) < 0)
        return err_sys(e, errno, "create %s/%s", p->run_dir, path);
    auto_fd int dir_fd = openat(p->run_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_fd int root_fd = open_root(r);
    if (dir_fd < 0 || root_fd < 0)
        return err_sys(e, errno, "open the root file system of %s", r->id);
    if (account_resolve(root_fd, r->service->user, &r->service->group_add, &r->account, e) < 0)
        return -1;
    if (!r->service->userns_host && !r->id_base) {
        auto_free char *owner = str_printf("%s/%s", p->stack->name, r->id);
        if (idrange_take(p->id_fd, owner, &r->id_base, e) < 0)
            return -1;
    }
    if (own_new_volumes(r, e) < 0 || etc_write(r, dir_fd, e) < 0)
        return -1;
    return write_config(r, dir_fd, e);
}
