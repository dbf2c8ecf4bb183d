/* stopwatch COMMAND…: runs it once with the output thrown away and prints
 * `NANOSECONDS CPU_MICROSECONDS MAXRSS_KIB EXIT_STATUS`. Small and static, since the peak RSS of a
 * child counts what its parent had when it forked: from Python every program would be as large as
 * Python. */
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

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    struct timespec begin, end;
    pid_t pid;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int rc = posix_spawn(&pid, argv[1], &actions, NULL, argv + 1, environ);
    if (rc != 0) {
        (void)fprintf(stderr, "stopwatch: %s: %s\n", argv[1], strerror(rc));
        return 127;
    }
    int status = 0;
    struct rusage used;
    while (wait4(pid, &status, 0, &used) < 0)
        if (errno != EINTR)
            return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long long ns = (end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec;
    long long cpu = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL +
                    used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    printf("%lld %lld %ld %d\n", ns, cpu, used.ru_maxrss,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128);
    return 0;
}
