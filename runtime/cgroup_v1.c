#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/auto.h"
#include "runtime/cgroup_impl.h"
#include "runtime/device_rules.h"

enum {
    CPUSET_LIMIT = 4096
};

int cgroup_v1_seed(int parent_fd, int dir_fd, struct err *e)
{
    static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char text[CPUSET_LIMIT];
        if (cgroup_read_file(dir_fd, files[i], text, sizeof(text)) < 0)
            return err_sys(e, errno, "read %s", files[i]);
        if (text[strspn(text, " \n")])
            continue;
        if (cgroup_read_file(parent_fd, files[i], text, sizeof(text)) < 0)
            return err_sys(e, errno, "read %s of the parent", files[i]);
        if (cgroup_write_file(dir_fd, files[i], text) < 0)
            return err_sys(e, errno, "write %s", files[i]);
    }
    return 0;
}

/* devices.rst: "a" replaces the list by the default, then each line is an exception from it. */
int cgroup_v1_devices(int dir_fd, const struct oci_device_rule *rules, size_t count, struct err *e)
{
    struct device_exceptions x;
    if (device_rules_flatten(rules, count, &x, e) < 0)
        return -1;
    const char *base = x.is_default_allow ? "devices.allow" : "devices.deny";
    const char *exceptions = x.is_default_allow ? "devices.deny" : "devices.allow";
    if (cgroup_write_file(dir_fd, base, "a") < 0)
        return err_sys(e, errno, "linux.resources.devices: write \"a\" to %s", base);
    auto_fd int fd = openat(dir_fd, exceptions, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "open %s", exceptions);
    for (size_t i = 0; i < x.count; i++) {
        char line[64];
        size_t len = strlen(device_rule_line(&x.items[i], line, sizeof(line)));
        if (write(fd, line, len) != (ssize_t)len)
            return err_sys(e, errno, "linux.resources.devices: write \"%s\" to %s", line,
                           exceptions);
    }
    return 0;
}
