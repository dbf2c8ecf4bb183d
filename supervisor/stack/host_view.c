#include "supervisor/stack/host_view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"

enum {
    DEPTH_MAX = 4,
    FILE_BYTES_MAX = 4 * 1024 * 1024
};

/* Mount points, and what programs expect to find. */
static const char *const dirs[] = { "dev", "etc", "mnt", "opt", "proc", "root", "run",
                                    "srv", "sys", "tmp", "usr", "var",  "home" };

/* Of the host's /: as they are, usually links into usr. Real directories get a bind by the
 * compiler's facts on machines without a merged /usr; such machines are refused below. */
static const char *const links[] = { "bin", "lib", "lib32", "lib64", "libx32", "sbin" };

/* Below /etc; a name that ends in '*' takes all that begin so. Only what everybody may read is
 * copied: nothing that is private can get in by a wrong entry. */
static const char *const etc[] = {
    "alternatives",
    "bash.bashrc",
    "ca-certificates*",
    "debian_version",
    "ethertypes",
    "fonts",
    "gai.conf",
    "group",
    "gss",
    "host.conf",
    "inputrc",
    "java-*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "login.defs",
    "magic",
    "magic.mime",
    "mailcap",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "perl",
    "php",
    "postgresql-common",
    "profile",
    "profile.d",
    "protocols",
    "python*",
    "rpc",
    "services",
    "shells",
    "terminfo",
    "timezone",
};
static const char *const etc_ssl[] = { "certs", "openssl.cnf" };

static bool is_listed(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list[i]);
        bool is_prefix = list[i][len - 1] == '*';
        if (is_prefix ? strncmp(name, list[i], len - 1) == 0 : str_eq(name, list[i]))
            return true;
    }
    return false;
}

static int copy_link(int from, int to, const char *name)
{
    char target[PATH_LIMIT];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
    if (n < 0)
        return -1;
    target[n] = '\0';
    return symlinkat(target, to, name);
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
    auto_fd int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    auto_fd int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (in < 0 || out < 0)
        return -1;
    for (off_t left = st->st_size; left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        if (n <= 0)
            return (int)n; /* shorter than stat said: it is being written, take what is there */
        left -= n;
    }
    return fchmod(out, (st->st_mode & 0111) | 0644);
}

static int copy_dir(int from, int to, const char *const *list, size_t count, int depth);

static int copy_entry(int from, int to, const char *name, int depth)
{
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to, name);
    if (!(st.st_mode & S_IROTH))
        return 0;
    if (S_ISREG(st.st_mode))
        return st.st_size <= FILE_BYTES_MAX ? copy_file(from, to, name, &st) : 0;
    if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX)
        return 0;
    auto_fd int sub_to = -1;
    int sub_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub_from < 0)
        return -1;
    if (mkdirat(to, name, 0755) == 0 || errno == EEXIST)
        sub_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub_to < 0) {
        fd_close(&sub_from);
        return -1;
    }
    return copy_dir(sub_from, sub_to, NULL, 0, depth + 1);
}

/* Owns FROM. All entries when LIST is NULL. */
static int copy_dir(int from, int to, const char *const *list, size_t count, int depth)
{
    DIR *dir = fdopendir(from);
    if (!dir) {
        fd_close(&from);
        return -1;
    }
    int result = 0;
    struct dirent *d;
    while (result == 0 && (d = readdir(dir)) != NULL) {
        if (str_eq(d->d_name, ".") || str_eq(d->d_name, ".."))
            continue;
        if (!list || is_listed(d->d_name, list, count))
            result = copy_entry(dirfd(dir), to, d->d_name, depth);
    }
    int saved = errno;
    (void)closedir(dir);
    errno = saved;
    return result;
}

static int copy_etc(int view_fd)
{
    auto_fd int etc_to = openat(view_fd, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (etc_to < 0 || mkdirat(etc_to, "ssl", 0755) < 0)
        return -1;
    auto_fd int ssl_to = openat(etc_to, "ssl", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int etc_from = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ssl_to < 0 || etc_from < 0 || copy_dir(etc_from, etc_to, etc, ARRAY_LEN(etc), 0) < 0)
        return -1;
    int ssl_from = open("/etc/ssl", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ssl_from >= 0 && copy_dir(ssl_from, ssl_to, etc_ssl, ARRAY_LEN(etc_ssl), 0) < 0)
        return -1;
    /* Targets of the binds of generated files. */
    static const char *const generated[] = { "hosts", "hostname", "resolv.conf" };
    for (size_t i = 0; i < ARRAY_LEN(generated); i++) {
        auto_fd int fd = openat(etc_to, generated[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return -1;
    }
    return symlinkat("/proc/self/mounts", etc_to, "mtab");
}

static int fill(int view_fd, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (mkdirat(view_fd, dirs[i], 0755) < 0)
            return err_sys(e, errno, "create %s in the host view", dirs[i]);
    auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        struct stat st;
        if (fstatat(root, links[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            (void)err_host(e, "rootfs \"host\": /%s is a directory, not a link into /usr",
                           links[i]);
            err_hint(e, "merge /usr (apt install usrmerge), or use rootfs \"./dir\"");
            return -1;
        }
        if (S_ISLNK(st.st_mode) && copy_link(root, view_fd, links[i]) < 0)
            return err_sys(e, errno, "link %s in the host view", links[i]);
    }
    if (copy_etc(view_fd) < 0)
        return err_sys(e, errno, "copy files of /etc to the host view");
    return 0;
}

int host_view_make(int state_fd, struct err *e)
{
    if (fd_remove_tree(state_fd, HOST_VIEW_DIR) < 0 || mkdirat(state_fd, HOST_VIEW_DIR, 0755) < 0)
        return err_sys(e, errno, "create the host view");
    auto_fd int view_fd = openat(state_fd, HOST_VIEW_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (view_fd < 0)
        return err_sys(e, errno, "open the host view");
    return fill(view_fd, e);
}

char *host_view_path(const char *state_dir)
{
    return str_printf("%s/" HOST_VIEW_DIR, state_dir);
}
