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

/* The flat form joins "allow r" and "allow w" of one device into "allow rw", which is what opening
 * for both needs. A list that has no flat form is taken as it stands. */
int cgroup_v2_devices(int dir_fd, const struct oci_device_rule *rules, size_t count, struct err *e)
{
    struct device_exceptions x;
    struct oci_device_rule flat[DEVICE_RULES_MAX + 1];
    struct err ignored; /* why there is no flat form: BPF does not need one */
    if (device_rules_flatten(rules, count, &x, &ignored) == 0) {
        flat[0] = (struct oci_device_rule){ x.is_default_allow, 'a', -1, -1, true, true, true };
        memcpy(flat + 1, x.items, x.count * sizeof(*flat));
        rules = flat;
        count = x.count + 1;
    }
    struct bpf_insn insns[DEVICES_BPF_INSNS_MAX];
    size_t insn_count = 0;
    if (devices_bpf_build(rules, count, insns, DEVICES_BPF_INSNS_MAX, &insn_count, e) < 0)
        return -1;
    return devices_bpf_attach(dir_fd, insns, insn_count, e);
}
