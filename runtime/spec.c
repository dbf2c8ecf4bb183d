/* `spec`: writes an example config.json: a shell in ROOTFS with the usual mounts and namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/options.h"
#include "runtime/verbs.h"

struct spec_options {
    const char *bundle, *file;
    bool rootless;
};

static const struct options_row rows[] = {
    { 'b', "bundle", OPTIONS_STRING, offsetof(struct spec_options, bundle),
      "directory that gets config.json; default: here" },
    { 'f', "file", OPTIONS_STRING, offsetof(struct spec_options, file),
      "its name, when it is not config.json" },
    { 0, "rootless", OPTIONS_FLAG, offsetof(struct spec_options, rootless),
      "with a user namespace in which the caller is root" },
};

#define CAPS "[\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]"

static const char head[] =
    "{\n"
    "  \"ociVersion\": \"" OCI_VERSION "\",\n"
    "  \"process\": {\n"
    "    \"terminal\": true,\n"
    "    \"user\": { \"uid\": 0, \"gid\": 0 },\n"
    "    \"args\": [\"sh\"],\n"
    "    \"env\": [\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\", "
    "\"TERM=xterm\"],\n"
    "    \"cwd\": \"/\",\n"
    "    \"capabilities\": {\n"
    "      \"bounding\": " CAPS ",\n"
    "      \"effective\": " CAPS ",\n"
    "      \"permitted\": " CAPS "\n"
    "    },\n"
    "    \"rlimits\": [{ \"type\": \"RLIMIT_NOFILE\", \"soft\": 1024, \"hard\": 1024 }],\n"
    "    \"noNewPrivileges\": true\n"
    "  },\n"
    "  \"root\": { \"path\": \"rootfs\", \"readonly\": true },\n"
    "  \"hostname\": \"svc-runtime\",\n"
    "  \"mounts\": [\n"
    "    { \"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\" },\n"
    "    { \"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
    "      \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"] },\n"
    "    { \"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
    "      \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", "
    "\"mode=0620\"%s] },\n"
    "    { \"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
    "      \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"] },\n"
    "    { \"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
    "      \"options\": [\"nosuid\", \"noexec\", \"nodev\"] },\n"
    "    { \"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
    "      \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"] },\n"
    "    { \"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
    "      \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"] }\n"
    "  ],\n"
    "  \"linux\": {\n"
    "    \"namespaces\": [\n"
    "      { \"type\": \"pid\" }, { \"type\": \"network\" }, { \"type\": \"ipc\" }, "
    "{ \"type\": \"uts\" },\n"
    "      { \"type\": \"mount\" }, { \"type\": \"cgroup\" }%s\n"
    "    ],\n";
static const char tail[] =
    "    \"maskedPaths\": [\"/proc/acpi\", \"/proc/asound\", \"/proc/interrupts\", "
    "\"/proc/kcore\",\n"
    "      \"/proc/keys\", \"/proc/latency_stats\", \"/proc/sched_debug\", \"/proc/scsi\",\n"
    "      \"/proc/timer_list\", \"/proc/timer_stats\", \"/sys/devices/virtual/powercap\", "
    "\"/sys/firmware\"],\n"
    "    \"readonlyPaths\": [\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", "
    "\"/proc/sysrq-trigger\"]\n"
    "  }\n"
    "}\n";

static void write_spec(bool is_rootless, struct buf *text)
{
    (void)buf_printf(text, head, is_rootless ? "" : ", \"gid=5\"",
                     is_rootless ? ", { \"type\": \"user\" }" : "");
    if (is_rootless)
        (void)buf_printf(
            text,
            "    \"uidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n"
            "    \"gidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n",
            (unsigned)geteuid(), (unsigned)getegid());
    (void)buf_add_str(text, tail);
}

int verb_spec(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    (void)rt;
    struct spec_options o = { 0 };
    int words = options_parse(rows, ARRAY_LEN(rows), OPTIONS_MIXED, argc - 1, argv + 1, &o, e);
    if (words < 0 || verb_check_words("spec", words, 0, 0, "no arguments", e) < 0)
        return -1;
    const char *bundle = o.bundle ? o.bundle : ".";
    const char *name = o.file ? o.file : "config.json";
    auto_buf struct buf text;
    buf_init(&text, 2 * sizeof(head) + sizeof(tail));
    write_spec(o.rootless, &text);
    auto_fd int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_sys(e, errno, "open bundle %s", bundle);
    auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST)
        return err_conflict(e, "%s/%s already exists", bundle, name);
    if (fd < 0 || fd_write_all(fd, text.data, text.len) < 0)
        return err_sys(e, errno, "write %s/%s", bundle, name);
    return 0;
}
