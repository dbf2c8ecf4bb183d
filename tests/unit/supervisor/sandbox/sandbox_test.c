/* Code that runs confined can neither open the host's files, nor reach its network, nor start
 * programs. Each role in a child; every attempt has a bit in the exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/sandbox/sandbox.h"

struct world {
    int dir_fd;    /* a directory that is handed over */
    int host_port; /* a listener of this process' network namespace */
    int secret_fd; /* must be closed */
    int netns_fd;  /* a network namespace without anything in it */
};

static int open_beneath(int dir_fd, const char *path)
{
    struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
    return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
}

static int open_anywhere(const char *path)
{
    struct open_how how = { .flags = O_RDONLY };
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static bool can_connect(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

/* 0: all attempts failed and what must work did; else the line of what went wrong. */
static int try_everything(const struct world *w, enum sandbox_role role)
{
#define MUST_FAIL(what)      \
    do {                     \
        if ((what) >= 0)     \
            return __LINE__; \
    } while (0)
    bool reads_files = role == SANDBOX_PROXY;
    if ((open_beneath(w->dir_fd, "passwd") >= 0) != reads_files)
        return __LINE__;
    MUST_FAIL(open_anywhere("/etc/passwd"));
    MUST_FAIL(open_anywhere("/proc/self/status"));
    MUST_FAIL(open_anywhere("/etc"));
    MUST_FAIL(open("/etc/passwd", O_RDONLY));
    MUST_FAIL(openat(w->dir_fd, "../etc/shadow", O_RDONLY));
    MUST_FAIL(open_beneath(w->dir_fd, "shadow"));
    MUST_FAIL(fcntl(w->secret_fd, F_GETFD));
    if (can_connect(w->host_port))
        return __LINE__;
    MUST_FAIL(socket(AF_INET, SOCK_DGRAM, 0));
    MUST_FAIL(socket(AF_INET6, SOCK_STREAM, 0));
    MUST_FAIL(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST_FAIL(socket(AF_NETLINK, SOCK_RAW, 0));
    MUST_FAIL(socket(AF_PACKET, SOCK_RAW, 0));
    MUST_FAIL(execl("/bin/true", "true", (char *)NULL));
    MUST_FAIL(syscall(SYS_execveat, w->dir_fd, "x", NULL, NULL, 0));
    MUST_FAIL(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    MUST_FAIL(fork());
    MUST_FAIL(ptrace(PTRACE_ATTACH, getppid(), 0, 0));
    MUST_FAIL(kill(getppid(), 0));
    MUST_FAIL(unshare(CLONE_NEWUSER));
    MUST_FAIL(setns(w->netns_fd, 0));
    MUST_FAIL(syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL));
    MUST_FAIL(setuid(0));
    MUST_FAIL(mkdirat(w->dir_fd, "made", 0755));
    MUST_FAIL(syscall(SYS_bpf, 0, NULL, 0));
    MUST_FAIL(syscall(SYS_io_uring_setup, 1, NULL));
    MUST_FAIL(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    if (mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
        MAP_FAILED)
        return __LINE__;
    return 0;
#undef MUST_FAIL
}

static void run_role(enum sandbox_role role)
{
    int report[2];
    struct world w = { .dir_fd = open("/etc", O_PATH | O_DIRECTORY) };
    int host = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(a);
    assert_int_equal(bind(host, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(host, 8), 0);
    assert_int_equal(getsockname(host, (struct sockaddr *)&a, &size), 0);
    w.host_port = ntohs(a.sin_port);
    assert_true(can_connect(w.host_port));
    w.secret_fd = open("/etc/shadow", O_RDONLY);
    assert_int_equal(pipe(report), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int result[2] = { 0, 0 }, here = open("/proc/self/ns/net", O_RDONLY);
        struct err e = { 0 };
        const int kept[] = { w.dir_fd, report[1] };
        /* The test's own namespace is left for a new one, which the sandbox then joins by fd. */
        if (unshare(CLONE_NEWNET) < 0)
            _exit(99);
        w.netns_fd = open("/proc/self/ns/net", O_RDONLY);
        (void)setns(here, CLONE_NEWNET);
        const struct sandbox_plan plan = {
            .role = role, .netns_fd = w.netns_fd, .keep_fds = kept, .keep_count = 2
        };
        result[0] = sandbox_enter(&plan, &e);
        result[1] = result[0] == 0 ? try_everything(&w, role) : e.errnum;
        (void)!write(report[1], result, sizeof(result));
        _exit(0);
    }
    int result[2] = { -1, -1 }, status;
    close(report[1]);
    ssize_t n = read(report[0], result, sizeof(result));
    close(report[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(host);
    close(w.dir_fd);
    close(w.secret_fd);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {
        print_message("skipped: no network namespace can be made here\n");
        skip();
    }
    assert_int_equal(n, sizeof(result));
    if (result[0] < 0)
        fail_msg("sandbox_enter: %s", strerror(result[1]));
    if (result[1])
        fail_msg("role %d: line %d was possible", role, result[1]);
}

static void test_proxy(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
    run_role(SANDBOX_PROXY);
}

static void test_prober(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
    run_role(SANDBOX_PROBER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_prober),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
