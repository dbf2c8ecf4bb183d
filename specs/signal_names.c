#include "specs/signal_names.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/str.h"

enum {
    /* SIGRTMIN of glibc is a call, since it keeps two for itself; containers see the kernel's. */
    RT_FIRST = 34,
    RT_LAST = 64
};

static const struct {
    const char *name;
    int number;
} signals[] = {
    { "SIGABRT", SIGABRT }, { "SIGALRM", SIGALRM },     { "SIGBUS", SIGBUS },
    { "SIGCHLD", SIGCHLD }, { "SIGCONT", SIGCONT },     { "SIGFPE", SIGFPE },
    { "SIGHUP", SIGHUP },   { "SIGILL", SIGILL },       { "SIGINT", SIGINT },
    { "SIGIO", SIGIO },     { "SIGKILL", SIGKILL },     { "SIGPIPE", SIGPIPE },
    { "SIGPOLL", SIGPOLL }, { "SIGPROF", SIGPROF },     { "SIGPWR", SIGPWR },
    { "SIGQUIT", SIGQUIT }, { "SIGSEGV", SIGSEGV },     { "SIGSTKFLT", SIGSTKFLT },
    { "SIGSTOP", SIGSTOP }, { "SIGSYS", SIGSYS },       { "SIGTERM", SIGTERM },
    { "SIGTRAP", SIGTRAP }, { "SIGTSTP", SIGTSTP },     { "SIGTTIN", SIGTTIN },
    { "SIGTTOU", SIGTTOU }, { "SIGURG", SIGURG },       { "SIGUSR1", SIGUSR1 },
    { "SIGUSR2", SIGUSR2 }, { "SIGVTALRM", SIGVTALRM }, { "SIGWINCH", SIGWINCH },
    { "SIGXCPU", SIGXCPU }, { "SIGXFSZ", SIGXFSZ },
};

static int realtime(const char *name)
{
    uint64_t n = 0;
    if (strncasecmp(name, "RTMIN", 5) == 0)
        return !name[5] || (name[5] == '+' && str_to_u64(name + 6, RT_LAST - RT_FIRST, &n) == 0)
                   ? RT_FIRST + (int)n
                   : -1;
    if (strncasecmp(name, "RTMAX", 5) == 0)
        return !name[5] || (name[5] == '-' && str_to_u64(name + 6, RT_LAST - RT_FIRST, &n) == 0)
                   ? RT_LAST - (int)n
                   : -1;
    return -1;
}

int signal_number(const char *name)
{
    uint64_t n;
    if (str_to_u64(name, RT_LAST, &n) == 0)
        return n ? (int)n : -1;
    const char *bare = strncasecmp(name, "SIG", 3) == 0 ? name + 3 : name;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        if (strcasecmp(signals[i].name + 3, bare) == 0)
            return signals[i].number;
    return realtime(bare);
}

const char *signal_name(int number)
{
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        if (signals[i].number == number)
            return signals[i].name;
    return NULL;
}
