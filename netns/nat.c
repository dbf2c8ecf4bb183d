#include "netns/nat.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    NFT_ERRORS_MAX = 65536, /* what nft may say */
    EXIT_NO_NFT = 127,
    EXIT_NO_NETNS = 126
};

/* Cloud machines give out credentials there, without asking for any (instance metadata). */
#define METADATA_ADDR "169.254.169.254"

static const char *const nft_paths[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft" };

void nat_host_table(const char *project, char table[NAT_TABLE_MAX])
{
    (void)snprintf(table, NAT_TABLE_MAX, "svc_%s", project);
}

/* Adding before deleting makes the deletion right whether or not the table is there. */
void nat_remove_text(const char *table, struct buf *b)
{
    (void)buf_printf(b, "table ip %s\ndelete table ip %s\n", table, table);
}

/* The order of the forward chain: what comes back to the stack, nothing else to the stack, then
 * what the stack may not send, then all else. An accept here does not overrule a drop in another
 * table. */
void nat_host_text(const char *table, const char *uplink, struct addr_cidr stack, struct buf *b)
{
    char addr[ADDR_TEXT_MAX];
    (void)addr_format(stack.addr, addr);
    nat_remove_text(table, b);
    (void)buf_printf(b, "table ip %s {\n", table);
    (void)buf_printf(b, "\tchain forward {\n"
                        "\t\ttype filter hook forward priority filter; policy accept;\n");
    (void)buf_printf(b, "\t\toifname \"%s\" ct state established,related accept\n", uplink);
    (void)buf_printf(b, "\t\toifname \"%s\" drop\n", uplink);
    (void)buf_printf(b, "\t\tiifname \"%s\" ip saddr != %s drop\n", uplink, addr);
    (void)buf_printf(b, "\t\tiifname \"%s\" ip daddr " METADATA_ADDR " drop\n", uplink);
    (void)buf_printf(b, "\t\tiifname \"%s\" oifname \"svc-*\" drop\n", uplink);
    (void)buf_printf(b, "\t\tiifname \"%s\" accept\n", uplink);
    (void)buf_printf(b, "\t}\n"
                        "\tchain postrouting {\n"
                        "\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
    (void)buf_printf(b, "\t\tip saddr %s oifname != \"%s\" masquerade\n", addr, uplink);
    (void)buf_add_str(b, "\t}\n}\n");
}

/* Frames within one bridge pass the forward chain only where br_netfilter is loaded (Docker does
 * that); then they must be let through, before conntrack's opinion is asked. */
void nat_stack_text(const char *uplink, const struct nat_bridge *bridges, size_t count,
                    struct buf *b)
{
    nat_remove_text("svc", b);
    (void)buf_add_str(b, "table ip svc {\n"
                         "\tchain forward {\n"
                         "\t\ttype filter hook forward priority filter; policy drop;\n"
                         "\t\tip daddr " METADATA_ADDR " drop\n");
    for (size_t i = 0; i < count; i++)
        (void)buf_printf(b, "\t\tiifname \"%s\" oifname \"%s\" accept\n", bridges[i].name,
                         bridges[i].name);
    (void)buf_add_str(b, "\t\tct state established,related accept\n"
                         "\t\tct state invalid drop\n");
    for (size_t i = 0; i < count; i++) {
        if (!bridges[i].internal)
            (void)buf_printf(b, "\t\tiifname \"%s\" oifname \"%s\" accept\n", bridges[i].name,
                             uplink);
    }
    (void)buf_printf(b,
                     "\t}\n"
                     "\tchain output {\n"
                     "\t\ttype filter hook output priority filter; policy accept;\n"
                     "\t\tip daddr " METADATA_ADDR " drop\n"
                     "\t}\n"
                     "\tchain postrouting {\n"
                     "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
                     "\t\toifname \"%s\" masquerade\n"
                     "\t}\n"
                     "}\n",
                     uplink);
}

/* The child: nft in the namespace, rules on fd 0, its complaints to OUT_FD. */
_Noreturn static void nft_exec(int netns_fd, int text_fd, int out_fd)
{
    static char *const argv[] = { "nft", "-f", "-", NULL };
    static char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* the engine blocks what it reads by signalfd */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if ((netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET)) || dup2(text_fd, 0) < 0 ||
        dup2(out_fd, 1) < 0 || dup2(out_fd, 2) < 0)
        _exit(EXIT_NO_NETNS);
    for (size_t i = 0; i < ARRAY_LEN(nft_paths); i++)
        (void)execve(nft_paths[i], argv, env);
    _exit(EXIT_NO_NFT);
}

/* Waits for PID, kills it when it takes too long; its wait status, -1 with e. */
static int child_wait(pid_t pid, struct err *e)
{
    auto_fd int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd poll_fd = { .fd = pid_fd, .events = POLLIN };
    int ready;
    do {
        ready = pid_fd < 0 ? 1 : poll(&poll_fd, 1, NAT_TIMEOUT_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        (void)kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return err_sys(e, errno, "wait for nft");
    }
    if (ready <= 0)
        return err_host(e, "nft did not end within %d s", NAT_TIMEOUT_MS / 1000);
    return status;
}

/* nft's first line, without its "/dev/stdin:3:1-2: " and "Error: ". */
static int nft_judge(int status, int out_fd, struct err *e)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_NFT) {
        (void)err_host(e, "the program nft is not installed");
        err_hint(e, "apt install nftables");
        return -1;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_NETNS)
        return err_host(e, "start nft in the network namespace");
    auto_buf struct buf said = { 0 };
    buf_init(&said, NFT_ERRORS_MAX);
    if (lseek(out_fd, 0, SEEK_SET) || fd_read_all(out_fd, &said) || !said.len)
        return err_host(e, "nft ended with status %d without a word", status);
    said.data[strcspn(said.data, "\n")] = '\0';
    const char *line = strstr(said.data, "Error: ");
    line = line ? line + strlen("Error: ") : said.data;
    (void)err_host(e, "apply the firewall rules: nft: %.300s", line);
    err_hint(e, "the kernel needs nf_tables, nft_chain_nat, nft_masq and nft_ct");
    return -1;
}

int nat_apply(int netns_fd, const struct buf *text, struct err *e)
{
    if (text->overflow)
        return err_internal(e, "the firewall rules are longer than %d bytes", NAT_TEXT_MAX);
    auto_fd int text_fd = memfd_create("nft-rules", MFD_CLOEXEC);
    auto_fd int out_fd = memfd_create("nft-output", MFD_CLOEXEC);
    if (text_fd < 0 || out_fd < 0 || fd_write_all(text_fd, text->data, text->len) ||
        lseek(text_fd, 0, SEEK_SET))
        return err_sys(e, errno, "write the firewall rules");
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(e, errno, "fork for nft");
    if (pid == 0)
        nft_exec(netns_fd, text_fd, out_fd);
    int status = child_wait(pid, e);
    return status < 0 ? -1 : nft_judge(status, out_fd, e);
}
