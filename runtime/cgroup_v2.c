#include <errno.h>
#include <string.h>

#include "runtime/base/buf.h"
#include "runtime/cgroup_impl.h"
#include "runtime/device_rules.h"
#include "runtime/devices_bpf.h"

/* One write for all is the rule and one system call. When it fails, each by itself: a controller
 * may refuse (EBUSY: processes in an inner directory, cgroup-v2.rst "No Internal Process
 * Constraint"; EINVAL: cpu with real-time tasks; ENOENT: not offered by the parent) and the others
 * still be had. What is missing then shows when a limit of it cannot be written. */
void cgroup_v2_enable(int dir_fd, uint32_t controllers)
{
    char line[256] = "";
    size_t used = 0;
    for (unsigned c = 0; c < CGROUP_CONTROLLER_COUNT_; c++)
        if (controllers & CGROUP_BIT(c))
            used += (size_t)snprintf(line + used, sizeof(line) - used, "%s+%s", used ? " " : "",
                                     cgroup_controller_name(c, 2));
    if (used == 0 || cgroup_write_file(dir_fd, "cgroup.subtree_control", line) == 0)
        return;
    for (unsigned c = 0; c < CGROUP_CONTROLLER_COUNT_; c++) {
        if (!(controllers & CGROUP_BIT(c)))
            continue;
        (void)snprintf(line, sizeof(line), "+%s", cgroup_controller_name(c, 2));
        (void)!cgroup_write_file(dir_fd, "cgroup.subtree_control", line);
    }
}

/* cgroup-v2.rst §Threads: what is made below a threaded cgroup is "domain invalid" until it becomes
 * threaded too. Right below the root that cannot happen. */
int cgroup_v2_settle(int dir_fd, const char *path, struct err *e)
{
    char type[32];
    if (!strchr(path + 1, '/') || cgroup_read_file(dir_fd, "cgroup.type", type, sizeof(type)) < 0 ||
        strncmp(type, "domain invalid", strlen("domain invalid")) != 0)
        return 0;
    if (cgroup_write_file(dir_fd, "cgroup.type", "threaded") < 0)
        return err_sys(e, errno, "make cgroup %s threaded, as its parent is", path);
    return 0;
}

/* The flat form joins "allow r" and "allow w" of one device into "allow rw", which is what opening
 * for both needs, and makes the shortest program. A list that has no flat form is taken as it
 * stands. */
int cgroup_v2_devices(int dir_fd, const struct oci_device_rule *rules, size_t count, struct err *e)
{
    struct device_exceptions x;
    struct bpf_insn insns[DEVICES_BPF_INSNS_MAX];
    size_t insn_count = 0;
    struct err ignored; /* why there is no flat form: BPF does not need one */
    bool is_flat = device_rules_flatten(rules, count, &x, &ignored) == 0;
    int result =
        is_flat ? devices_bpf_build_flat(&x, insns, DEVICES_BPF_INSNS_MAX, &insn_count, e)
                : devices_bpf_build(rules, count, insns, DEVICES_BPF_INSNS_MAX, &insn_count, e);
    return result < 0 ? -1 : devices_bpf_attach(dir_fd, insns, insn_count, e);
}
