#include "runtime/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/sig.h"
#include "runtime/base/str.h"
#include "runtime/idmap.h"
#include "runtime/pid1.h"
#include "runtime/seccomp_notify.h"
#include "runtime/sync.h"
#include "runtime/terminal.h"
#include "runtime/user.h"

enum {
    PAYLOAD_ENV_OURS = 4, /* HOME, LISTEN_FDS, LISTEN_PID, NULL */
    PAYLOAD_LISTEN_MAX = 4096
};

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int payload_check_preserved(unsigned count, struct err *e)
{
    for (unsigned fd = 3; fd - 3 < count; fd++)
        if (fcntl((int)fd, F_GETFD) < 0)
            return err_input(e, "--preserve-fds: fd %u is not open", fd);
    return 0;
}

unsigned payload_listen_fds(void)
{
    const char *text = getenv("LISTEN_FDS");
    struct err closed;
    uint64_t count;
    if (!text || str_to_u64(text, PAYLOAD_LISTEN_MAX, &count) < 0 || count == 0)
        return 0;
    if (payload_check_preserved((unsigned)count, &closed) < 0) {
        log_event(LOG_WARN, NULL, "listen_fds.ignored", "count=%u reason=\"not all are open\"",
                  (unsigned)count);
        return 0;
    }
    return (unsigned)count;
}

static int plan_personality(const struct oci_config *c, long *out, struct err *e)
{
    *out = -1;
    if (str_eq(c->personality_domain, "LINUX"))
        *out = PER_LINUX;
    else if (str_eq(c->personality_domain, "LINUX32"))
        *out = PER_LINUX32;
    else if (c->personality_domain)
        return err_input(e, "linux.personality: unknown domain \"%s\"", c->personality_domain);
    return 0;
}

static void warn_of_capabilities(const struct caps_plan *p)
{
    char names[512];
    if (p->unavailable)
        log_event(LOG_WARN, NULL, "capabilities.unavailable", "names=\"%s\"",
                  caps_mask_names(p->unavailable, names, sizeof(names)));
    if (p->unknown)
        log_event(LOG_WARN, NULL, "capabilities.unknown", "name=%s",
                  log_quote(names, sizeof(names), p->unknown));
}

static void warn_of_limits(const struct rlimits_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].is_clamped)
            log_event(LOG_WARN, NULL, "rlimit.clamped",
                      "type=%s hard=%llu wanted=%llu reason=\"needs CAP_SYS_RESOURCE\"",
                      rlimits_name(p->items[i].resource),
                      (unsigned long long)p->items[i].value.rlim_max,
                      (unsigned long long)p->items[i].wanted_hard);
}

int payload_plan_init(const struct oci_config *c, const struct oci_process *process,
                      unsigned preserve_fds, unsigned listen_fds, struct payload *out,
                      struct err *e)
{
    *out = (struct payload){
        .process = process,
        .preserve_fds = preserve_fds,
        .terminal_fd = -1,
        .notify_fd = -1,
        .lsm = { .proc_fd = -1 },
        .parent_fd = -1,
    };
    out->has_userns = c->namespaces[OCI_NS_USER].is_wanted;
    if (listen_fds)
        (void)snprintf(out->listen_fds, sizeof(out->listen_fds), "LISTEN_FDS=%u", listen_fds);
    for (size_t i = 0; i < c->annotations.count; i++) {
        if (str_eq(c->annotations.items[i].key, "run.svc.init"))
            out->is_init_wanted = str_eq(c->annotations.items[i].value, "1");
        if (str_eq(c->annotations.items[i].key, "run.oci.keep_original_groups"))
            out->keeps_groups = str_eq(c->annotations.items[i].value, "1");
    }
    if (out->keeps_groups && process->user.additional_gid_count)
        return err_input(e, "process.user.additionalGids: not with run.oci.keep_original_groups");
    if (process->env.count > PAYLOAD_ENV_MAX - PAYLOAD_ENV_OURS)
        return err_input(e, "process.env: more than %d variables",
                         PAYLOAD_ENV_MAX - PAYLOAD_ENV_OURS);
    if (caps_plan_init(&process->capabilities, out->has_userns, &out->caps, e) < 0 ||
        rlimits_plan_init(process->rlimits, process->rlimit_count, &out->rlimits, e) < 0 ||
        scheduling_plan_init(process, &out->scheduling, e) < 0 ||
        memory_policy_plan_init(c, &out->memory_policy, e) < 0 ||
        plan_personality(c, &out->personality, e) < 0 ||
        landlock_plan_new(c, process, &out->landlock, e) < 0 ||
        seccomp_plan_init(&c->seccomp, &out->seccomp, e) < 0 ||
        lsm_plan_init(process, &out->lsm, e) < 0)
        return -1;
    warn_of_capabilities(&out->caps);
    warn_of_limits(&out->rlimits);
    return 0;
}

void payload_done(struct payload *p)
{
    seccomp_plan_done(&p->seccomp);
    lsm_plan_done(&p->lsm);
    landlock_plan_free(p->landlock);
}

void payload_give_streams(const struct oci_config *c, const struct oci_process *process)
{
    uint32_t uid = process->user.uid;
    if (c->namespaces[OCI_NS_USER].is_wanted && !idmap_to_host(&c->uid_mappings, uid, &uid))
        return;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid != uid)
            (void)!fchown(fd, uid, (gid_t)-1); /* what was inherited works all the same */
    }
}

void payload_new_keyring(void)
{
    /* Not fatal: a kernel without keyrings, or a quota that is used up (keyrings(7)). */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

/* ---- finding ---- */

/* CVE-2024-21626: a working directory that a leaked fd led out of the root has no path. */
static int enter_cwd(const char *cwd, bool is_made, struct err *e)
{
    char where[PATH_LIMIT];
    int result = chdir(cwd);
    if (result < 0 && errno == ENOENT && is_made) {
        (void)mkdir(cwd, 0755); /* as other runtimes do; what it could not make, chdir tells */
        result = chdir(cwd);
    }
    if (result < 0)
        return err_sys(e, errno, "process.cwd: enter %s", cwd);
    if (syscall(SYS_getcwd, where, sizeof(where)) < 0 || where[0] != '/')
        return err_host(e, "process.cwd: %s is outside of the container's root", cwd);
    return 0;
}

static int try_program(struct payload *p, const char *dir, size_t dir_len, const char *name)
{
    int n =
        snprintf(p->path, sizeof(p->path), "%.*s%s%s", (int)dir_len, dir, dir_len ? "/" : "", name);
    struct stat st;
    if (n < 0 || (size_t)n >= sizeof(p->path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (stat(p->path, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)) {
        errno = EACCES;
        return -1;
    }
    return 0;
}

/* The only errors with the words by which clients tell that a program is not there, or cannot be
 * executed. */
static int exec_failed(const char *name, int errnum, struct err *e)
{
    if (errnum == ENOENT)
        (void)err_input(e, "exec: \"%s\": no such file or directory", name);
    else
        (void)err_sys(e, errnum, "exec: \"%s\"", name);
    e->kind = ERR_INPUT;
    e->errnum = errnum;
    return -1;
}

static const char *search_path(const struct oci_process *process)
{
    for (size_t i = 0; i < process->env.count; i++)
        if (str_starts(process->env.items[i], "PATH="))
            return process->env.items[i] + 5;
    return PATH_DEFAULT;
}

/* What login would set, and other runtimes do. */
static void find_home(struct payload *p)
{
    for (size_t i = 0; i < p->process->env.count; i++)
        if (str_starts(p->process->env.items[i], "HOME="))
            return;
    auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)!str_copy(p->home, sizeof(p->home), "HOME=");
    user_home(root, p->process->user.uid, p->home + 5, sizeof(p->home) - 5);
}

int payload_find(struct payload *p, struct err *e)
{
    find_home(p);
    const char *name = p->process->args.items[0];
    if (enter_cwd(p->process->cwd, p->makes_cwd, e) < 0)
        return -1;
    if (strchr(name, '/')) {
        if (try_program(p, "", 0, name) == 0)
            return 0;
        return exec_failed(name, errno, e);
    }
    bool was_denied = false;
    for (const char *dir = search_path(p->process); *dir;) {
        size_t len = strcspn(dir, ":");
        if (try_program(p, len ? dir : ".", len ? len : 1, name) == 0)
            return 0;
        was_denied = was_denied || errno == EACCES;
        dir += len + (dir[len] == ':');
    }
    (void)err_input(e, "exec: \"%s\": %s", name,
                    was_denied ? "permission denied" : "executable file not found in $PATH");
    e->errnum = was_denied ? EACCES : ENOENT;
    return -1;
}

/* ---- becoming ---- */

static int set_ids(const struct payload *p, struct err *e)
{
    const struct oci_user *u = &p->process->user;
    /* Raw system calls: glibc's wrappers signal other threads, of which there are none. A user
     * namespace whose setgroups is "deny" (user_namespaces(7)) keeps the groups that it was made
     * with, which lend no rights in here: nothing that was asked for is missing. */
    if (!p->keeps_groups &&
        syscall(SYS_setgroups, u->additional_gid_count, u->additional_gids) < 0 &&
        (errno != EPERM || u->additional_gid_count || !p->has_userns))
        return err_sys(e, errno, "process.user: set %zu groups", u->additional_gid_count);
    if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
        return err_sys(e, errno, "process.user: become group %u", u->gid);
    if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
        return err_sys(e, errno, "process.user: become user %u", u->uid);
    return 0;
}

/* Before the filter, which need not allow these. */
static int become_like(const struct payload *p, struct err *e)
{
    if (p->personality >= 0 && personality((unsigned long)p->personality) < 0)
        return err_sys(e, errno, "linux.personality: set");
    return memory_policy_apply(&p->memory_policy, e);
}

static int limit(const struct payload *p, struct err *e)
{
    const struct oci_process *process = p->process;
    (void)umask(process->user.has_umask ? process->user.umask : 0022);
    if (rlimits_apply(&p->rlimits, e) < 0)
        return -1;
    unsigned first = 3 + p->preserve_fds;
    if (syscall(SYS_close_range, first, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return err_sys(e, errno, "close the runtime's files");
    for (unsigned fd = 3; fd < first; fd++)
        (void)fcntl((int)fd, F_SETFD, 0); /* one that is not open stays so */
    return 0;
}

static int install_filter(const struct payload *p, struct err *e)
{
    if (p->seccomp.wants_listener)
        return seccomp_notify_install(&p->seccomp, p->notify_fd, e);
    return seccomp_install(&p->seccomp, NULL, e);
}

static int confine(const struct payload *p, int ruleset_fd, struct err *e)
{
    const struct oci_process *process = p->process;
    if (!process->no_new_privileges && install_filter(p, e) < 0)
        return -1;
    if (caps_apply_bounding(&p->caps, e) < 0 || set_ids(p, e) < 0 ||
        caps_apply_sets(&p->caps, e) < 0)
        return -1;
    if (process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(e, errno, "set no_new_privs");
    if (landlock_enforce(ruleset_fd, e) < 0)
        return -1;
    /* The change of ids gave it the value of fs.suid_dumpable, which may be 1 (proc(5)). */
    return prctl(PR_SET_DUMPABLE, 0) < 0 ? err_sys(e, errno, "stay hidden until execve") : 0;
}

/* The kernel forgets the wish at every change of ids (prctl(2)), so after them; and the parent may
 * have died before it was made. */
static int die_with_parent(const struct payload *p, struct err *e)
{
    struct pollfd parent = { .fd = p->parent_fd, .events = POLLIN };
    if (p->parent_fd < 0)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_sys(e, errno, "die with the caller");
    if (poll(&parent, 1, 0) > 0 && parent.revents & POLLHUP)
        _exit(128 + SIGKILL);
    return 0;
}

/* The keys of the terminal are for the program, not for the init above it too. */
static void lead_group(bool has_terminal)
{
    sigset_t stop;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTTOU); /* what a background group gets for what follows */
    (void)sigprocmask(SIG_BLOCK, &stop, NULL);
    if (setpgid(0, 0) == 0 && has_terminal)
        (void)tcsetpgrp(STDIN_FILENO, getpid());
}

static void fill_env(const struct payload *p, const char *env[PAYLOAD_ENV_MAX])
{
    size_t count = p->process->env.count;
    if (count)
        memcpy(env, p->process->env.items, count * sizeof(*env));
    if (p->home[0])
        env[count++] = p->home;
    if (p->listen_fds[0]) {
        env[count++] = p->listen_fds;
        env[count++] = "LISTEN_PID=1";
    }
    env[count] = NULL;
}

int payload_exec(struct payload *p, struct err *e)
{
    /* CVE-2017-5226: the terminal of the caller's session could be typed into. */
    if (setsid() < 0 && getsid(0) != getpid())
        return err_sys(e, errno, "make a session");
    if (p->terminal_fd >= 0 && terminal_become(p->terminal_fd, p->process->user.uid, e) < 0)
        return -1;
    if (p->is_init_wanted) {
        /* Before there is a program that could look (pid1_confine does it again). */
        if (prctl(PR_SET_DUMPABLE, 0) < 0)
            return err_sys(e, errno, "hide the init of the container");
        pid_t child = fork();
        if (child < 0)
            return err_sys(e, errno, "fork the program");
        if (child > 0) {
            if (pid1_confine(p->caps.last_cap, e) < 0)
                return -1;
            pid1_run(child);
        }
        lead_group(p->terminal_fd >= 0);
    }
    if (p->seccomp.program.count && !(p->last_words = sync_offer_last_words(p->notify_fd, e)))
        return -1;
    auto_fd int ruleset = -1;
    /* Its paths are opened with the rights, and as many files, as we still have. */
    if (become_like(p, e) < 0 || landlock_open(p->landlock, &ruleset, e) < 0 || limit(p, e) < 0 ||
        confine(p, ruleset, e) < 0 || die_with_parent(p, e) < 0)
        return -1;
    /* A blocked or ignored SIGTERM that we inherited could not stop the program. */
    sig_reset_dispositions();
    sig_unblock_all();
    if (p->process->no_new_privileges && install_filter(p, e) < 0)
        return -1;
    const char *env[PAYLOAD_ENV_MAX];
    fill_env(p, env);
    execve(p->path, (char *const *)(uintptr_t)p->process->args.items,
           (char *const *)(uintptr_t)env);
    int errnum = errno;
    (void)exec_failed(p->path, errnum, e);
    if (errnum == EACCES && p->landlock)
        err_hint(e, "run.svc.landlock must allow x for it, its interpreter and its libraries");
    else if (p->last_words && errnum != EACCES && errnum != ENOENT)
        err_hint(e, "the seccomp filter may not allow execve");
    if (errnum == ENOENT)
        err_hint(e, "it is there: is the interpreter that it names?");
    return -1;
}

_Noreturn void payload_end(struct payload *p, int sync_fd, const struct err *why)
{
    if (p->last_words)
        *p->last_words = *why;
    else
        sync_send_failure(sync_fd, why);
    (void)syscall(SYS_exit_group, 127); /* _exit would try for ever */
    __builtin_trap();
}
