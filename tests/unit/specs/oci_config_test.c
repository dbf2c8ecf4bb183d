#include "specs/oci_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/str.h"

#define ROOT "\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"}"

static int decode(struct arena *a, const char *text, struct oci_config *out, struct err *e)
{
    struct json *doc;
    *e = (struct err){ 0 };
    assert_int_equal(json_parse(a, "config.json", text, strlen(text), &doc, e), 0);
    return oci_config_decode(a, doc, out, e);
}

static void decoded(struct arena *a, const char *text, struct oci_config *out)
{
    struct err e;
    if (decode(a, text, out, &e) < 0)
        fail_msg("%s", e.what);
}

static void a_small_document_has_defaults(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct oci_config c = { .bundle = "/b" };
    decoded(&a, "{" ROOT ",\"unknown\":{\"x\":1}}", &c);
    assert_string_equal(c.bundle, "/b");
    assert_string_equal(c.root.path, "r");
    assert_false(c.root.readonly);
    assert_false(c.process.is_set);
    assert_false(c.seccomp.is_set);
    assert_false(c.resources.memory.limit.is_set);
    assert_null(c.hostname);
    assert_int_equal(c.mount_count, 0);
    for (size_t i = 0; i < OCI_NS_COUNT_; i++)
        assert_false(c.namespaces[i].is_wanted);
    arena_done(&a);
}

static void the_process_is_read(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct oci_config c = { 0 };
    decoded(&a,
            "{" ROOT ",\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":24,\"width\":80},"
            "\"cwd\":\"/w\",\"args\":[\"sh\",\"-c\"],\"env\":[\"A=1\",\"B=\"],"
            "\"user\":{\"uid\":1,\"gid\":2,\"umask\":18,\"additionalGids\":[3,4]},"
            "\"capabilities\":{\"bounding\":[\"CAP_A\"],\"effective\":[\"CAP_B\"],"
            "\"inheritable\":[],\"permitted\":[\"CAP_C\"],\"ambient\":[\"CAP_D\"]},"
            "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":5,\"hard\":18446744073709551615}],"
            "\"noNewPrivileges\":true,\"oomScoreAdj\":-7,\"apparmorProfile\":\"p\","
            "\"selinuxLabel\":\"l\"}}",
            &c);
    const struct oci_process *p = &c.process;
    assert_true(p->is_set && p->terminal && p->no_new_privileges);
    assert_int_equal(p->console_height, 24);
    assert_int_equal(p->console_width, 80);
    assert_string_equal(p->cwd, "/w");
    assert_int_equal(p->args.count, 2);
    assert_string_equal(p->args.items[1], "-c");
    assert_null(p->args.items[2]);
    assert_string_equal(p->env.items[1], "B=");
    assert_int_equal(p->user.uid, 1);
    assert_int_equal(p->user.gid, 2);
    assert_true(p->user.has_umask);
    assert_int_equal(p->user.umask, 022);
    assert_int_equal(p->user.additional_gid_count, 2);
    assert_int_equal(p->user.additional_gids[1], 4);
    assert_true(p->capabilities.is_set);
    assert_string_equal(p->capabilities.bounding.items[0], "CAP_A");
    assert_string_equal(p->capabilities.effective.items[0], "CAP_B");
    assert_int_equal(p->capabilities.inheritable.count, 0);
    assert_string_equal(p->capabilities.permitted.items[0], "CAP_C");
    assert_string_equal(p->capabilities.ambient.items[0], "CAP_D");
    assert_int_equal(p->rlimit_count, 1);
    assert_int_equal(p->rlimits[0].soft, 5);
    assert_true(p->rlimits[0].hard == UINT64_MAX);
    assert_true(p->has_oom_score_adj);
    assert_int_equal(p->oom_score_adj, -7);
    assert_string_equal(p->apparmor_profile, "p");
    assert_string_equal(p->selinux_label, "l");
    arena_done(&a);
}

static void mounts_hooks_and_names_are_read(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct oci_config c = { 0 };
    decoded(
        &a,
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\",\"readonly\":true},"
        "\"hostname\":\"h\",\"domainname\":\"d\",\"annotations\":{\"k\":\"v\"},"
        "\"mounts\":[{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"s\","
        "\"options\":[\"ro\"],\"uidMappings\":[{\"containerID\":0,\"hostID\":9,\"size\":1}],"
        "\"gidMappings\":[{\"containerID\":1,\"hostID\":8,\"size\":2}]}],"
        "\"hooks\":{\"prestart\":[{\"path\":\"/0\"}],\"createRuntime\":[{\"path\":\"/1\","
        "\"args\":[\"x\"],\"env\":[\"E=1\"],\"timeout\":3}],\"createContainer\":[{\"path\":\"/2\"}],"
        "\"startContainer\":[{\"path\":\"/3\"}],\"poststart\":[{\"path\":\"/4\"}],"
        "\"poststop\":[{\"path\":\"/5\"}]}}",
        &c);
    assert_true(c.root.readonly);
    assert_string_equal(c.hostname, "h");
    assert_string_equal(c.domainname, "d");
    assert_string_equal(c.annotations.items[0].key, "k");
    assert_string_equal(c.annotations.items[0].value, "v");
    assert_int_equal(c.mount_count, 1);
    assert_string_equal(c.mounts[0].destination, "/m");
    assert_string_equal(c.mounts[0].type, "bind");
    assert_string_equal(c.mounts[0].source, "s");
    assert_string_equal(c.mounts[0].options.items[0], "ro");
    assert_int_equal(c.mounts[0].uid_mappings.items[0].host_id, 9);
    assert_int_equal(c.mounts[0].gid_mappings.items[0].size, 2);
    for (size_t k = 0; k < OCI_HOOK_COUNT_; k++) {
        assert_int_equal(c.hooks[k].count, 1);
        assert_int_equal(c.hooks[k].items[0].path[1], '0' + (int)k);
    }
    const struct oci_hook *hook = &c.hooks[OCI_HOOK_CREATE_RUNTIME].items[0];
    assert_string_equal(hook->args.items[0], "x");
    assert_string_equal(hook->env.items[0], "E=1");
    assert_int_equal(hook->timeout_s, 3);
    arena_done(&a);
}

static void the_linux_part_is_read(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct oci_config c = { 0 };
    decoded(
        &a,
        "{" ROOT ",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\","
        "\"path\":\"/n\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
        "{\"type\":\"user\"},{\"type\":\"cgroup\"},{\"type\":\"time\",\"path\":\"\"}],"
        "\"uidMappings\":[{\"containerID\":1,\"hostID\":2,\"size\":3}],"
        "\"gidMappings\":[{\"containerID\":4,\"hostID\":5,\"size\":6}],"
        "\"timeOffsets\":{\"monotonic\":{\"secs\":-1,\"nanosecs\":2},\"boottime\":{\"secs\":3}},"
        "\"devices\":[{\"type\":\"c\",\"path\":\"/dev/x\",\"major\":10,\"minor\":229,"
        "\"fileMode\":33188,\"uid\":7,\"gid\":8},{\"type\":\"p\",\"path\":\"/dev/y\"}],"
        "\"cgroupsPath\":\"/a..b/c\",\"rootfsPropagation\":\"rslave\",\"sysctl\":{\"a.b\":\"1\"},"
        "\"maskedPaths\":[\"/m\"],\"readonlyPaths\":[\"/p\"],\"mountLabel\":\"ml\","
        "\"personality\":{\"domain\":\"LINUX32\",\"flags\":[]},\"intelRdt\":{}}}",
        &c);
    for (size_t i = 0; i < OCI_NS_COUNT_; i++)
        assert_true(c.namespaces[i].is_wanted);
    assert_string_equal(c.namespaces[OCI_NS_NETWORK].path, "/n");
    assert_null(c.namespaces[OCI_NS_TIME].path);
    assert_int_equal(c.uid_mappings.items[0].host_id, 2);
    assert_int_equal(c.gid_mappings.items[0].container_id, 4);
    assert_true(c.time_offsets.has_monotonic && c.time_offsets.has_boottime);
    assert_int_equal(c.time_offsets.monotonic_s, -1);
    assert_int_equal(c.time_offsets.monotonic_ns, 2);
    assert_int_equal(c.time_offsets.boottime_s, 3);
    assert_int_equal(c.device_count, 2);
    assert_int_equal(c.devices[0].minor, 229);
    assert_int_equal(c.devices[0].mode, 0644);
    assert_int_equal(c.devices[0].uid, 7);
    assert_int_equal(c.devices[1].mode, 0666);
    assert_string_equal(c.cgroups_path, "/a..b/c");
    assert_string_equal(c.rootfs_propagation, "rslave");
    assert_string_equal(c.sysctl.items[0].key, "a.b");
    assert_string_equal(c.masked_paths.items[0], "/m");
    assert_string_equal(c.readonly_paths.items[0], "/p");
    assert_string_equal(c.mount_label, "ml");
    assert_string_equal(c.personality_domain, "LINUX32");
    arena_done(&a);
}

static void resources_are_read(void **state)
{
    (void)state;
    static const char text[] =
        "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\","
        "\"major\":1,\"minor\":3,\"access\":\"rm\"}],"
        "\"memory\":{\"limit\":1,\"reservation\":2,\"swap\":-1,\"kernel\":4,\"kernelTCP\":5,"
        "\"swappiness\":6,\"disableOOMKiller\":true,\"useHierarchy\":true,"
        "\"checkBeforeUpdate\":true},\"cpu\":{\"shares\":1,\"quota\":-2,\"burst\":3,\"period\":4,"
        "\"realtimeRuntime\":5,\"realtimePeriod\":6,\"idle\":1,\"cpus\":\"0-1\",\"mems\":\"0\"},"
        "\"pids\":{\"limit\":9},\"blockIO\":{\"weight\":10,\"leafWeight\":11,"
        "\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":5}],"
        "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":1}],"
        "\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":2}],"
        "\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":3}],"
        "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":4}]},"
        "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":7}],"
        "\"network\":{\"classID\":1,\"priorities\":[{\"name\":\"eth0\",\"priority\":5}]},"
        "\"unified\":{\"memory.high\":\"max\"}}";
    struct arena a = { 0 };
    struct oci_resources r;
    struct json *doc;
    struct err e = { 0 };
    assert_int_equal(json_parse(&a, NULL, text, strlen(text), &doc, &e), 0);
    assert_int_equal(oci_resources_decode(&a, doc, &r, &e), 0);
    assert_int_equal(r.device_count, 2);
    assert_int_equal(r.devices[0].type, 'a');
    assert_int_equal(r.devices[0].major, -1);
    assert_true(r.devices[1].allow && r.devices[1].read && r.devices[1].mknod);
    assert_false(r.devices[1].write);
    const struct oci_i64 *const numbers[] = { &r.memory.limit,
                                              &r.memory.reservation,
                                              &r.memory.swap,
                                              &r.memory.kernel,
                                              &r.memory.kernel_tcp,
                                              &r.memory.swappiness,
                                              &r.cpu.shares,
                                              &r.cpu.quota,
                                              &r.cpu.burst,
                                              &r.cpu.period,
                                              &r.cpu.realtime_runtime,
                                              &r.cpu.realtime_period,
                                              &r.cpu.idle,
                                              &r.pids_limit,
                                              &r.block_io.weight,
                                              &r.block_io.leaf_weight,
                                              &r.network.class_id };
    static const int64_t expected[] = { 1, 2, -1, 4, 5, 6, 1, -2, 3, 4, 5, 6, 1, 9, 10, 11, 1 };
    _Static_assert(ARRAY_LEN(numbers) == ARRAY_LEN(expected), "one value per number");
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_true(numbers[i]->is_set);
        assert_int_equal(numbers[i]->value, expected[i]);
    }
    assert_true(r.memory.disable_oom_killer && r.memory.use_hierarchy &&
                r.memory.check_before_update);
    assert_string_equal(r.cpu.cpus, "0-1");
    assert_string_equal(r.cpu.mems, "0");
    assert_int_equal(r.block_io.weight_device.items[0].rate, 5);
    assert_int_equal(r.block_io.read_bps.items[0].rate, 1);
    assert_int_equal(r.block_io.write_bps.items[0].rate, 2);
    assert_int_equal(r.block_io.read_iops.items[0].rate, 3);
    assert_int_equal(r.block_io.write_iops.items[0].rate, 4);
    assert_string_equal(r.hugepage_limits[0].page_size, "2MB");
    assert_int_equal(r.hugepage_limits[0].limit, 7);
    assert_string_equal(r.network.priorities.items[0].value, "5");
    assert_string_equal(r.unified.items[0].value, "max");
    arena_done(&a);
}

static void a_pids_limit_of_zero_depends_on_the_version(void **state)
{
    (void)state;
    static const struct {
        const char *version, *limit;
        bool is_set;
    } rows[] = {
        { "1.0.2-dev", "0", false }, { "1.2.1", "0", false }, { "1.2.1", "1", true },
        { "1.2.1", "-1", true },     { "1.3.0", "0", true },  { "1.10.0", "0", true },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = { 0 };
        struct oci_config c = { 0 };
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "{\"ociVersion\":\"%s\",\"root\":{\"path\":\"r\"},"
                       "\"linux\":{\"resources\":{\"pids\":{\"limit\":%s}}}}",
                       rows[i].version, rows[i].limit);
        decoded(&a, text, &c);
        assert_int_equal(c.resources.pids_limit.is_set, rows[i].is_set);
        arena_done(&a);
    }
}

static void seccomp_is_read(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct oci_config c = { 0 };
    decoded(
        &a,
        "{" ROOT ",\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\","
        "\"defaultErrnoRet\":38,\"architectures\":[\"SCMP_ARCH_X86_64\"],\"flags\":[\"F\"],"
        "\"listenerPath\":\"/l\",\"listenerMetadata\":\"m\",\"syscalls\":[{\"names\":[\"read\"],"
        "\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":0,\"args\":[{\"index\":5,"
        "\"value\":18446744073709551615,\"valueTwo\":2,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
        "{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]}}}",
        &c);
    const struct oci_seccomp *s = &c.seccomp;
    assert_true(s->is_set && s->has_default_errno);
    assert_int_equal(s->default_action, OCI_SECCOMP_ERRNO);
    assert_int_equal(s->default_errno_ret, 38);
    assert_string_equal(s->architectures.items[0], "SCMP_ARCH_X86_64");
    assert_string_equal(s->flags.items[0], "F");
    assert_string_equal(s->listener_path, "/l");
    assert_string_equal(s->listener_metadata, "m");
    assert_int_equal(s->rule_count, 2);
    assert_int_equal(s->rules[0].action, OCI_SECCOMP_KILL_THREAD);
    assert_true(s->rules[0].has_errno);
    assert_int_equal(s->rules[0].args[0].index, 5);
    assert_true(s->rules[0].args[0].value == UINT64_MAX);
    assert_int_equal(s->rules[0].args[0].value_two, 2);
    assert_int_equal(s->rules[0].args[0].op, OCI_SECCOMP_MASKED_EQ);
    assert_false(s->rules[1].has_errno);
    assert_int_equal(s->rules[1].arg_count, 0);
    arena_done(&a);
}

/* TEXT goes behind ROOT; PLACE and WORDS must be in the message. */
static void process_attributes_and_devices(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct oci_config c;
    struct err e;
    static const char text[] =
        "{" ROOT ",\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"scheduler\":{\"policy\":"
        "\"SCHED_DEADLINE\",\"runtime\":9223372036854775809,\"deadline\":0},\"ioPriority\":{"
        "\"class\":\"IOPRIO_CLASS_BE\",\"priority\":7},\"execCPUAffinity\":{\"final\":\"0-1\"}},"
        "\"linux\":{\"netDevices\":{\"eth0\":{\"name\":\"in%d\"},\"eth1\":{}},"
        "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\"}}}";
    struct json *doc;
    assert_int_equal(json_parse(&a, "config.json", text, sizeof(text) - 1, &doc, &e), 0);
    assert_int_equal(oci_config_decode(&a, doc, &c, &e), 0);
    assert_true(c.process.scheduler.runtime_ns == UINT64_C(9223372036854775809));
    assert_true(c.process.scheduler.has_runtime && c.process.scheduler.has_deadline);
    assert_int_equal(c.process.io_priority.priority, 7);
    assert_null(c.process.exec_cpu_affinity.initial);
    assert_string_equal(c.process.exec_cpu_affinity.final, "0-1");
    assert_int_equal(c.net_devices.count, 2);
    assert_string_equal(c.net_devices.items[0].new_name, "in%d");
    assert_string_equal(c.net_devices.items[1].new_name, "eth1"); /* the same, when not given */
    assert_string_equal(c.memory_policy.mode, "MPOL_BIND");
    arena_done(&a);
}

static void problems_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *words;
    } bad[] = {
        { "\"process\":{\"cwd\":\"/\"}", "process.args", "must name a program" },
        { "\"process\":{\"cwd\":\"w\",\"args\":[\"a\"]}", "process.cwd", "absolute" },
        { "\"process\":{\"cwd\":\"/\",\"args\":[1]}", "process.args", "array of strings" },
        { "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"env\":[\"X\"]}", "process.env",
          "NAME=VALUE" },
        { "\"process\":{\"user\":{\"uid\":-1}}", "process.user.uid", "from 0" },
        { "\"process\":{\"user\":{\"umask\":512}}", "process.user.umask", "to 511" },
        { "\"process\":{\"user\":{\"additionalGids\":[4294967295]}}", "process.user.additionalGids",
          "not a group id" },
        { "\"process\":{\"oomScoreAdj\":1001}", "process.oomScoreAdj", "to 1000" },
        { "\"process\":{\"rlimits\":[{\"soft\":1}]}", "process.rlimits[0].type", "missing" },
        { "\"process\":{\"rlimits\":[{\"type\":\"R\",\"soft\":-1}]}", "process.rlimits[0].soft",
          "2^64-1" },
        { "\"process\":[]", "process", "must be an object, is array" },
        { "\"mounts\":{}", "mounts", "must be an array" },
        { "\"mounts\":[{\"destination\":\"\"}]", "mounts[0].destination", "missing" },
        { "\"hooks\":{\"poststop\":[{\"path\":\"x\"}]}", "hooks.poststop[0].path", "absolute" },
        { "\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":0}]}", "hooks.poststop[0].timeout",
          "from 1" },
        { "\"annotations\":{\"a\":1}", "annotations", "object of strings" },
        { "\"linux\":{\"namespaces\":[{\"type\":\"x\"}]}", "linux.namespaces[0].type", "unknown" },
        { "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}",
          "linux.namespaces[1].type", "twice" },
        { "\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"p\"}]}",
          "linux.namespaces[0].path", "absolute" },
        { "\"linux\":{\"uidMappings\":[{\"size\":0}]}", "linux.uidMappings[0].size", "range" },
        { "\"linux\":{\"gidMappings\":[{\"hostID\":4294967295,\"size\":1}]}",
          "linux.gidMappings[0].size", "range" },
        { "\"linux\":{\"devices\":[{\"type\":\"x\",\"path\":\"/d\"}]}", "linux.devices[0].type",
          "c, u, b or p" },
        { "\"linux\":{\"devices\":[{\"type\":\"c\",\"path\":\"/d\",\"minor\":1}]}",
          "linux.devices[0].major", "missing" },
        { "\"linux\":{\"resources\":{\"devices\":[{\"access\":\"x\"}]}}",
          "linux.resources.devices[0].access", "r, w and m" },
        { "\"linux\":{\"resources\":{\"memory\":{\"limit\":1.5}}}", "linux.resources.memory.limit",
          "whole number" },
        { "\"linux\":{\"cgroupsPath\":\"/a/../b\"}", "linux.cgroupsPath", "\"..\"" },
        { "\"linux\":{\"rootfsPropagation\":\"x\"}", "linux.rootfsPropagation", "unknown" },
        { "\"linux\":{\"intelRdt\":{\"closID\":\"x\"}}", "linux.intelRdt", "not supported" },
        { "\"linux\":{\"resources\":{\"rdma\":{\"a\":1}}}", "linux.resources.rdma.a",
          "must be an object" },
        { "\"linux\":{\"resources\":{\"blockIO\":{\"weightDevice\":[{\"major\":8}]}}}",
          "linux.resources.blockIO.weightDevice[0].minor", "missing" },
        { "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"ioPriority\":{\"priority\":1}}",
          "process.ioPriority.class", "missing" },
        { "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"scheduler\":{\"nice\":1}}",
          "process.scheduler.policy", "missing" },
        { "\"linux\":{\"memoryPolicy\":{\"nodes\":\"0\"}}", "linux.memoryPolicy.mode", "missing" },
        { "\"linux\":{\"netDevices\":{\"eth0\":1}}", "linux.netDevices.eth0", "must be an object" },
        { "\"linux\":{\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"x\"]}}",
          "linux.personality.flags", "has none yet" },
        { "\"linux\":{\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}}",
          "linux.timeOffsets.boottime.nanosecs", "999999999" },
        { "\"linux\":{\"timeOffsets\":{\"realtime\":{\"secs\":1}}}", "linux.timeOffsets.realtime",
          "not a clock that can be offset" },
        { "\"linux\":{\"seccomp\":{\"defaultAction\":\"X\"}}", "linux.seccomp.defaultAction",
          "unknown action" },
        { "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[{"
          "\"names\":[],\"action\":\"SCMP_ACT_LOG\"}]}}",
          "linux.seccomp.syscalls[0].names", "must name" },
        { "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[{"
          "\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,"
          "\"op\":\"SCMP_CMP_EQ\"}]}]}}",
          "linux.seccomp.syscalls[0].args[0].index", "0 to 5" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena a = { 0 };
        struct oci_config c = { 0 };
        struct err e;
        const char *text = arena_printf(&a, "{" ROOT ",\n%s}", bad[i].text);
        if (decode(&a, text, &c, &e) == 0)
            fail_msg("taken: %s", bad[i].text);
        const char *place = arena_printf(&a, " %s: ", bad[i].place);
        assert_int_equal(e.kind, ERR_INPUT);
        const char *at = strstr(e.what, place);
        if (!str_starts(e.what, "config.json:2:") || !at || strstr(at + 1, place) ||
            !strstr(e.what, bad[i].words))
            fail_msg("%s\nsays: %s", bad[i].text, e.what);
        arena_done(&a);
    }
}

static void version_and_root_are_needed(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "[]", "must be an object" },
        { "{}", "ociVersion" },
        { "{\"ociVersion\":\"2.0.0\",\"root\":{\"path\":\"r\"}}", "ociVersion" },
        { "{\"ociVersion\":\"1.0.0\"}", "root.path: is missing" },
        { "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"\"}}", "root.path" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena a = { 0 };
        struct oci_config c = { 0 };
        struct err e;
        assert_int_equal(decode(&a, bad[i][0], &c, &e), -1);
        assert_non_null(strstr(e.what, bad[i][1]));
        arena_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_document_has_defaults),
        cmocka_unit_test(the_process_is_read),
        cmocka_unit_test(mounts_hooks_and_names_are_read),
        cmocka_unit_test(the_linux_part_is_read),
        cmocka_unit_test(resources_are_read),
        cmocka_unit_test(a_pids_limit_of_zero_depends_on_the_version),
        cmocka_unit_test(seccomp_is_read),
        cmocka_unit_test(process_attributes_and_devices),
        cmocka_unit_test(problems_are_named_with_their_place),
        cmocka_unit_test(version_and_root_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
