#include "supervisor/stack/given.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/stack/idrange.h"

#define GIVEN_DIR "given"

void given_done(struct given *g)
{
    for (size_t i = 0; i < g->path_count; i++)
        free(g->paths[i]);
    free(g->paths);
    free(g->devices);
    *g = (struct given){ 0 };
}

static int write_grant(const struct replica *r, const struct stack_grant *g, int dir_fd,
                       const char *name, struct err *e)
{
    const struct stack_content *c = stack_granted(r->project->stack, g);
    auto_buf struct buf file = { 0 };
    buf_init(&file, STACK_CONTENT_BYTES_MAX);
    if (c->path && fd_read_file(AT_FDCWD, c->path, &file, e) < 0)
        return -1;
    const char *data = c->path ? file.data : c->text;
    size_t len = c->path ? file.len : strlen(c->text);
    uid_t uid = g->uid < 0 ? r->account.uid : (uid_t)g->uid;
    gid_t gid = g->gid < 0 ? r->account.gid : (gid_t)g->gid;
    if (fd_write_file(dir_fd, name, data ? data : "", len, (mode_t)g->mode, false, e) < 0)
        return -1;
    if (fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(e, errno, "give it to %u:%u", uid, gid);
    return 0;
}

static int write_grants(const struct replica *r, int bundle_fd, const char *path, struct given *out,
                        struct err *e)
{
    const struct stack_service *s = r->service;
    char name[24];
    if (!s->grant_count)
        return 0;
    if (fd_mkdir_all(bundle_fd, GIVEN_DIR, 0700) < 0)
        return err_sys(e, errno, "create %s/" GIVEN_DIR, path);
    auto_fd int dir_fd = openat(bundle_fd, GIVEN_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return err_sys(e, errno, "open %s/" GIVEN_DIR, path);
    out->paths = mem_alloc(s->grant_count * sizeof(*out->paths));
    for (size_t i = 0; i < s->grant_count; i++) {
        const struct stack_grant *g = &s->grants[i];
        (void)snprintf(name, sizeof(name), "%zu", i);
        if (write_grant(r, g, dir_fd, name, e) < 0)
            return err_wrap(e, "%s \"%s\"", g->is_config ? "config" : "secret",
                            stack_granted(r->project->stack, g)->key);
        out->paths[out->path_count++] = str_printf("%s/" GIVEN_DIR "/%s", path, name);
    }
    return 0;
}

/* An id of the host that the container cannot have is root's there. */
static uint32_t id_inside(const struct replica *r, uint32_t id)
{
    return r->service->userns_host || id < IDRANGE_COUNT ? id : 0;
}

static int look_at_device(const struct replica *r, const char *path, struct compile_device *out,
                          struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_sys(e, errno, "device %s", path);
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_input(e, "%s is not a device", path);
    *out = (struct compile_device){
        .type = S_ISBLK(st.st_mode) ? 'b' : 'c',
        .major = major(st.st_rdev),
        .minor = minor(st.st_rdev),
        .mode = st.st_mode & 0777,
        .uid = id_inside(r, st.st_uid),
        .gid = id_inside(r, st.st_gid),
    };
    return 0;
}

int given_make(const struct replica *r, int bundle_fd, const char *path, struct given *out,
               struct err *e)
{
    const struct stack_service *s = r->service;
    auto_given struct given g = { 0 };
    if (write_grants(r, bundle_fd, path, &g, e) < 0)
        return -1;
    g.devices = mem_alloc((s->device_count + 1) * sizeof(*g.devices));
    for (size_t i = 0; i < s->device_count; i++)
        if (look_at_device(r, s->devices[i].source, &g.devices[i], e) < 0)
            return -1;
    *out = g;
    g = (struct given){ 0 };
    return 0;
}
