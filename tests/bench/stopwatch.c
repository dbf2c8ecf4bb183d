/* stopwatch COMMAND… [::: COMMAND…]…: runs it once with the output thrown away (several: all at
 * once, until the last one has ended) and prints `NANOSECONDS CPU_MICROSECONDS MAXRSS_KIB
 * EXIT_STATUS`: CPU of all, the largest peak, the highest status. Small and static, since the peak
 * RSS of a child counts what its parent had when it forked: from Python every program would be as
 * large as Python, and starting fifty would take longer than they do. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct total {
    long long cpu_us;
    long peak_kib;
    int status;
};

static int start(char **argv)
{
    static posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    int rc = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    if (rc != 0)
        (void)fprintf(stderr, "stopwatch: %s: %s\n", argv[0], strerror(rc));
    return rc;
}

/* Of one that has ended; -1: nobody is left. */
static int reap(struct total *t)
{
    int status = 0;
    struct rusage used;
    pid_t pid;
    do
        pid = wait4(-1, &status, 0, &used);
    while (pid < 0 && errno == EINTR);
    if (pid < 0)
        return -1;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    t->cpu_us += (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec +
                 used.ru_stime.tv_usec;
    t->peak_kib = used.ru_maxrss > t->peak_kib ? used.ru_maxrss : t->peak_kib;
    t->status = code > t->status ? code : t->status;
    return 0;
}

int main(int argc, char **argv)
{
    struct total t = { 0 };
    struct timespec begin, end;
    if (argc < 2)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (char **from = argv + 1, **p = from; p <= argv + argc; p++) {
        if (*p != NULL && strcmp(*p, ":::") != 0)
            continue;
        *p = NULL;
        if (start(from) != 0)
            return 127;
        from = p + 1;
    }
    while (reap(&t) == 0)
        continue;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long long ns = (end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec;
    printf("%lld %lld %ld %d\n", ns, t.cpu_us, t.peak_kib, t.status);
    return 0;
}
