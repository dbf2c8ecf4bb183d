/* Detection, paths and limits are pure and tested as such; the life of a container's cgroup is
 * tested on the machine's own hierarchies, below a directory of this test's. */
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

/* ---- detection ---- */

static void test_hybrid_layout(void **state)
{
    (void)state;
    struct cgroup_host host;
    cgroup_host_parse(
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "36 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
        "rw,xattr,release_agent=/lib/agent,name=systemd\n"
        "41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw\n"
        "42 31 0:33 / /elsewhere rw - cgroup cgroup rw,devices\n"
        "broken line\n",
        &host);
    assert_int_equal(host.layout, CGROUP_HYBRID);
    assert_int_equal(host.count, 4);
    assert_string_equal(host.items[0].options, "cpu,cpuacct");
    assert_int_equal(host.items[0].controllers,
                     CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_CPUACCT));
    assert_string_equal(host.items[1].mountpoint, "/sys/fs/cgroup/devices");
    assert_string_equal(host.items[2].options, "name=systemd");
    assert_int_equal(host.items[3].version, 2);
    assert_string_equal(host.items[3].mountpoint, "/sys/fs/cgroup/uni fied");
}

static void test_pure_layouts(void **state)
{
    (void)state;
    struct cgroup_host host;
    cgroup_host_parse("", &host);
    assert_int_equal(host.layout, CGROUP_NONE);
    cgroup_host_parse("1 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate", &host);
    assert_int_equal(host.layout, CGROUP_V2);
    assert_string_equal(host.items[0].options, "");
    cgroup_host_parse("1 2 0:3 / /c/pids rw - cgroup none rw,pids", &host);
    assert_int_equal(host.layout, CGROUP_V1);
    cgroup_host_parse("1 2 0:3 / /c/s rw - cgroup none rw,name=systemd\n"
                      "1 2 0:3 / /c rw - cgroup2 none rw",
                      &host);
    assert_int_equal(host.layout, CGROUP_V2);
}

static void test_controllers(void **state)
{
    (void)state;
    assert_int_equal(cgroup_controllers_parse("cpuset cpu io memory hugetlb pids rdma misc\n", 2),
                     CGROUP_BIT(CGROUP_CPUSET) | CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_BLKIO) |
                         CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_HUGETLB) |
                         CGROUP_BIT(CGROUP_PIDS) | CGROUP_BIT(CGROUP_RDMA) |
                         CGROUP_BIT(CGROUP_MISC));
    assert_int_equal(cgroup_controllers_parse("blkio,io", 1), CGROUP_BIT(CGROUP_BLKIO));
}

/* ---- limits ---- */

static const unsigned all_v1[CGROUP_CONTROLLER_COUNT_] = {
    1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1
};
static struct cgroup_present present = { .memory_max = UINT64_MAX };
static const unsigned all_v2[CGROUP_CONTROLLER_COUNT_] = {
    [CGROUP_BLKIO] = 2,  [CGROUP_CPU] = 2,  [CGROUP_CPUSET] = 2, [CGROUP_HUGETLB] = 2,
    [CGROUP_MEMORY] = 2, [CGROUP_PIDS] = 2, [CGROUP_RDMA] = 2,
};

/* "file=value; file=value" of the plan, or the error's line. */
static const char *planned(const struct oci_resources *res, const unsigned *versions)
{
    static char line[2048];
    struct cgroup_writes w;
    struct err e = { 0 };
    if (cgroup_limits_plan(res, versions, &present, &w, &e) < 0) {
        (void)snprintf(line, sizeof(line), "%s: %s", err_kind_name(e.kind), e.what);
        return line;
    }
    size_t used = 0;
    line[0] = '\0';
    for (size_t i = 0; i < w.count; i++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s=%s", i ? "; " : "",
                                 w.items[i].file, w.items[i].value);
    cgroup_writes_done(&w);
    return line;
}

#define N(v) ((struct oci_i64){ true, (v) })

static void test_memory_limits(void **state)
{
    (void)state;
    struct oci_resources r = { 0 };
    assert_string_equal(planned(&r, all_v1), "");
    r.memory.limit = N(1 << 20);
    r.memory.swap = N(3 << 20);
    r.memory.reservation = N(-1);
    assert_string_equal(planned(&r, all_v1),
                        "memory.limit_in_bytes=1048576; memory.soft_limit_in_bytes=-1; "
                        "memory.memsw.limit_in_bytes=3145728");
    assert_string_equal(planned(&r, all_v2),
                        "memory.max=1048576; memory.low=max; memory.swap.max=2097152");
    r.memory.swap = N(-1);
    assert_string_equal(planned(&r, all_v2),
                        "memory.max=1048576; memory.low=max; memory.swap.max=max");
    r.memory.swap = N(5);
    assert_string_equal(planned(&r, all_v2),
                        "input: linux.resources.memory.swap: 5 is memory and swap together, less "
                        "than memory.limit 1048576");
    r.memory.limit.is_set = false;
    assert_string_equal(planned(&r, all_v2),
                        "input: linux.resources.memory.swap: without memory.limit it cannot be "
                        "told how much of it is swap");
    present.memory_max = 2;
    assert_string_equal(planned(&r, all_v2), "memory.low=max; memory.swap.max=3");
    present.memory_max = 6;
    assert_string_equal(planned(&r, all_v2),
                        "input: linux.resources.memory.swap: 5 is memory and swap together, less "
                        "than the limit of memory in force, 6");
    present.memory_max = UINT64_MAX;
    r = (struct oci_resources){ .memory.limit = N(-1) };
    assert_string_equal(planned(&r, all_v1),
                        "memory.limit_in_bytes=-1; memory.memsw.limit_in_bytes=-1");
    assert_string_equal(planned(&r, all_v2), "memory.max=max; memory.swap.max=max");
    r = (struct oci_resources){ .memory = { .limit = N(0), .swap = N(0), .kernel = N(1) } };
    assert_string_equal(planned(&r, all_v1), "");
    assert_string_equal(planned(&r, all_v2), "memory.swap.max=0");
    r = (struct oci_resources){ .memory.swappiness = N(-1) };
    assert_string_equal(planned(&r, all_v2), "");
    r = (struct oci_resources){ .memory.swappiness = N(101) };
    assert_string_equal(planned(&r, all_v1),
                        "input: linux.resources.memory.swappiness: 101 is not between 0 and 100");
    r = (struct oci_resources){ .memory.swappiness = N(10) };
    assert_string_equal(planned(&r, all_v1), "memory.swappiness=10");
    assert_string_equal(planned(&r, all_v2),
                        "host: linux.resources.memory.swappiness: cgroup v2 has no such limit");
    r = (struct oci_resources){ .memory.disable_oom_killer = true };
    assert_string_equal(planned(&r, all_v1), "memory.oom_control=1");
}

static void test_cpu_limits(void **state)
{
    (void)state;
    struct oci_resources r = { 0 };
    r.cpu.quota = N(50000);
    assert_string_equal(planned(&r, all_v2), "cpu.max=50000");
    r.cpu.period = N(100000);
    r.cpu.shares = N(1024);
    assert_string_equal(planned(&r, all_v1),
                        "cpu.shares=1024; cpu.cfs_period_us=100000; cpu.cfs_quota_us=50000");
    assert_string_equal(planned(&r, all_v2), "cpu.weight=100; cpu.max=50000 100000");
    r.cpu.quota = N(-1);
    assert_string_equal(planned(&r, all_v2), "cpu.weight=100; cpu.max=max 100000");
    r = (struct oci_resources){ .cpu = { .quota = N(0), .period = N(0), .shares = N(0) } };
    assert_string_equal(planned(&r, all_v1), "");
    r = (struct oci_resources){ .cpu = { .cpus = "0-1", .mems = "0" } };
    assert_string_equal(planned(&r, all_v2), "cpuset.cpus=0-1; cpuset.mems=0");
    r = (struct oci_resources){ .cpu.realtime_runtime = N(1) };
    assert_string_equal(planned(&r, all_v2),
                        "host: linux.resources.cpu.realtimeRuntime: cgroup v2 has no such limit");
}

static void test_shares_become_weights(void **state)
{
    (void)state;
    static const struct {
        uint64_t shares, weight;
    } rows[] = { { 0, 1 },          { 2, 1 },         { 4, 2 },      { 128, 21 },
                 { 512, 59 },       { 1024, 100 },    { 2048, 174 }, { 131072, 5478 },
                 { 262144, 10000 }, { 999999, 10000 } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(cgroup_weight_of_shares(rows[i].shares), rows[i].weight);
}

static void test_other_limits(void **state)
{
    (void)state;
    struct oci_resources r = { .pids_limit = N(0) };
    assert_string_equal(planned(&r, all_v2), "pids.max=1");
    r.pids_limit = N(-1);
    assert_string_equal(planned(&r, all_v2), "pids.max=max");
    r.pids_limit = N(64);
    assert_string_equal(planned(&r, all_v1), "pids.max=64");
    static const unsigned nothing[CGROUP_CONTROLLER_COUNT_] = { 0 };
    assert_string_equal(planned(&r, nothing),
                        "host: linux.resources.pids.limit: this machine has no pids controller");
    struct oci_throttle t = { 8, 0, 1000, 0 };
    r = (struct oci_resources){ .block_io = { .weight = N(500), .read_bps = { &t, 1 } } };
    assert_string_equal(planned(&r, all_v1),
                        "blkio.throttle.read_bps_device=8:0 1000; blkio.weight=500");
    assert_string_equal(planned(&r, all_v2), "io.max=8:0 rbps=1000; io.weight=4950");
    struct oci_pair pair = { "memory.high", "1000" };
    r = (struct oci_resources){ .unified = { &pair, 1 } };
    assert_string_equal(planned(&r, all_v2), "memory.high=1000");
    assert_string_equal(planned(&r, all_v1),
                        "host: linux.resources.unified[\"memory.high\"]: the requested cgroup "
                        "controller `memory` is not available on cgroup v2 here");
    pair.key = "memory./../x";
    assert_string_equal(planned(&r, all_v2),
                        "input: linux.resources.unified[\"memory./../x\"]: must be a file name "
                        "without any slash");
    pair.key = "../cgroup.procs";
    assert_string_equal(
        planned(&r, all_v2),
        "input: linux.resources.unified[\"../cgroup.procs\"]: the specified key has "
        "not the form CONTROLLER.VALUE `../cgroup.procs`");
    pair.key = "foo.bar";
    assert_string_equal(
        planned(&r, all_v2),
        "host: linux.resources.unified[\"foo.bar\"]: the requested cgroup controller "
        "`foo` is not available");
    pair.key = "cgroup.max.depth";
    assert_string_equal(planned(&r, all_v2), "cgroup.max.depth=1000");
    pair = (struct oci_pair){ "cgroup.procs", "" };
    assert_string_equal(planned(&r, all_v2),
                        "input: linux.resources.unified[\"cgroup.procs\"]: is no limit; of the "
                        "files cgroup.* only cgroup.max.depth and cgroup.max.descendants are");
    r = (struct oci_resources){ .memory = { .kernel_tcp = N(4096) } };
    assert_string_equal(planned(&r, all_v1), "memory.kmem.tcp.limit_in_bytes=4096");
    assert_string_equal(planned(&r, all_v2), "");
}

static void test_limits_of_devices(void **state)
{
    (void)state;
    struct oci_throttle t[] = { { 8, 0, 100, 0 }, { 8, 16, 0, 0 } };
    struct oci_resources r = { .block_io = { .weight_device = { t, 1 } } };
    assert_string_equal(planned(&r, all_v1), "blkio.weight_device=8:0 100");
    assert_string_equal(planned(&r, all_v2), "io.weight=8:0 910");
    t[0].leaf_weight = 20;
    assert_string_equal(planned(&r, all_v1),
                        "blkio.weight_device=8:0 100; blkio.leaf_weight_device=8:0 20");
    assert_string_equal(planned(&r, all_v2),
                        "host: linux.resources.blockIO.weightDevice.leafWeight: cgroup v2 has no "
                        "such limit");
    r = (struct oci_resources){ .block_io = { .write_iops = { t + 1, 1 } } };
    assert_string_equal(planned(&r, all_v1), "blkio.throttle.write_iops_device=8:16 0");
    assert_string_equal(planned(&r, all_v2), "io.max=8:16 wiops=max");
    __typeof__(*r.rdma) card = { "mlx5_1", N(3), { 0 } };
    r = (struct oci_resources){ .rdma = &card, .rdma_count = 1 };
    assert_string_equal(planned(&r, all_v2), "rdma.max=mlx5_1 hca_handle=3");
    card.hca_objects = N(10000);
    assert_string_equal(planned(&r, all_v1), "rdma.max=mlx5_1 hca_handle=3 hca_object=10000");
    card.device = "a b";
    assert_string_equal(planned(&r, all_v1),
                        "input: linux.resources.rdma[\"a b\"]: is not the name of a device");
    __typeof__(*r.hugepage_limits) page = { "2MB", 4194304 };
    r = (struct oci_resources){ .hugepage_limits = &page, .hugepage_limit_count = 1 };
    assert_string_equal(planned(&r, all_v2),
                        "hugetlb.2MB.max=4194304; hugetlb.2MB.rsvd.max=4194304");
}

static void test_what_puts_a_limit_back(void **state)
{
    (void)state;
    static const struct {
        const char *file, *before, *value, *undo;
    } rows[] = {
        { "memory.max", "max\n", "1000", "max" },
        { "cpu.max", "50000 100000\n", "max 50000", "50000 100000" },
        { "cpuset.cpus", "\n", "0", "\n" },
        { "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "1", "0" },
        { "io.max", "8:0 rbps=5 wbps=max\n8:16 rbps=9\n", "8:16 rbps=1", "8:16 rbps=9" },
        { "io.max", "", "8:0 rbps=1", "8:0 rbps=max wbps=max riops=max wiops=max" },
        { "io.weight", "default 100\n8:0 7\n", "50", "default 100" },
        { "io.weight", "default 100\n", "8:0 50", "8:0 default" },
        { "blkio.throttle.read_bps_device", "", "8:0 50", "8:0 0" },
        { "blkio.weight", "500\n", "50", "500" },
        { "memory.stat", "a 1\nb 2\n", "x", NULL },
        { "io.max", "8:0 rbps=5\n", "8:0 rbps=1\n8:16 rbps=1", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char to[128];
        const char *undo =
            cgroup_undo_text(rows[i].file, rows[i].before, rows[i].value, to, sizeof(to));
        if (rows[i].undo)
            assert_string_equal(undo, rows[i].undo);
        else
            assert_null(undo);
    }
}

/* ---- paths ---- */

static void test_bad_paths_are_refused(void **state)
{
    (void)state;
    struct cgroup_host host = { .layout = CGROUP_V2 };
    struct oci_resources res = { 0 };
    static const char *const paths[] = { "..", "/a/../../b", "/", "", "a/..", "//." };
    static const char *const foreign[] = { "system.slice:svc:one", "::one", "a-b.slice:x:y" };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct cgroup *cg = NULL;
        struct err e = { 0 };
        assert_int_equal(cgroup_new(&host, paths[i], &res, &cg, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
        assert_null(cg);
    }
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        struct cgroup *cg = NULL;
        struct err e = { 0 };
        assert_int_equal(cgroup_new(&host, foreign[i], &res, &cg, &e), -1);
        assert_int_equal(e.kind, ERR_HOST);
        assert_non_null(strstr(e.hint, "native.cgroupdriver=cgroupfs"));
    }
}

static void test_state_strings_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = { "",           "nonsense",        "3::/x /a",
                                       "1:pids /a",  "2::/tmp /a/../b", "2::relative /a",
                                       "2::/tmp /a", "2::/tmp\\0 /a" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct cgroup *cg = NULL;
        struct err e = { 0 };
        assert_int_equal(cgroup_from_string(bad[i], &cg, &e), -1);
        assert_null(cg);
    }
}

/* ---- on this machine ---- */

struct live {
    struct cgroup_host host;
    char path[64];
    struct cgroup *cg;
    struct err e;
};

static int fail_with(struct err *e)
{
    char line[ERR_LINE_MAX];
    fail_msg("%s", err_line(e, line, sizeof(line)));
    return -1;
}
#define OK(call) ((void)((call) == 0 || fail_with(&l->e)))

/* Where the machine lets nobody make cgroups, these tests have nothing to say. */
static bool can_make_cgroups(const struct cgroup_host *host)
{
    return host->layout != CGROUP_NONE && geteuid() == 0 &&
           access(host->items[0].mountpoint, W_OK) == 0;
}

static int live_setup(void **state)
{
    static struct live live;
    struct live *l = &live;
    memset(l, 0, sizeof(*l));
    (void)snprintf(l->path, sizeof(l->path), "/svc-test-%d/one", getpid());
    if (cgroup_host_detect(&l->host, &l->e) < 0)
        return -1;
    *state = l;
    return 0;
}

static int live_teardown(void **state)
{
    struct live *l = *state;
    if (l->cg) {
        (void)!cgroup_signal_all(l->cg, SIGKILL, &l->e);
        while (waitpid(-1, NULL, 0) > 0)
            continue;
        (void)!cgroup_remove(l->cg, 5000, &l->e);
        cgroup_free(l->cg);
    }
    char path[512];
    for (size_t i = 0; i < l->host.count; i++) {
        (void)snprintf(path, sizeof(path), "%s/svc-test-%d", l->host.items[i].mountpoint, getpid());
        (void)rmdir(path);
    }
    return 0;
}

static void skip_without_cgroups(const struct live *l)
{
    if (can_make_cgroups(&l->host))
        return;
    print_message("skipped: needs root and a writable cgroup file system\n");
    skip();
}

static void make(struct live *l, const struct oci_resources *res)
{
    skip_without_cgroups(l);
    OK(cgroup_new(&l->host, l->path, res, &l->cg, &l->e));
}

/* A child that has joined and waits to be killed. */
static pid_t spawn(struct live *l)
{
    struct cgroup_join join;
    int ready[2];
    OK(cgroup_join_open(l->cg, true, &join, &l->e));
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err e;
        char byte = cgroup_join_self(&join, &e) == 0 ? '1' : '0';
        if (write(ready[1], &byte, 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, '1');
    close(ready[0]);
    close(ready[1]);
    cgroup_join_done(&join);
    return pid;
}

static void assert_only(struct live *l, pid_t pid)
{
    auto_free pid_t *pids = NULL;
    size_t count = 0;
    OK(cgroup_pids(l->cg, &pids, &count, &l->e));
    assert_int_equal(count, pid ? 1 : 0);
    if (pid)
        assert_int_equal(pids[0], pid);
}

static void test_life(void **state)
{
    struct live *l = *state;
    struct oci_resources res = { 0 };
    bool is_frozen = true;
    res.memory.limit = N(64 << 20);
    res.pids_limit = N(50);
    res.cpu.quota = N(50000);
    res.cpu.period = N(100000);
    make(l, &res);
    pid_t pid = spawn(l);
    assert_only(l, pid);

    auto_buf struct buf text;
    buf_init(&text, 4096);
    cgroup_to_string(l->cg, &text);
    cgroup_free(take_ptr(l->cg));
    OK(cgroup_from_string(text.data, &l->cg, &l->e));
    assert_string_equal(cgroup_path(l->cg), l->path);
    assert_only(l, pid);

    OK(cgroup_freeze(l->cg, &l->e));
    OK(cgroup_is_frozen(l->cg, &is_frozen, &l->e));
    assert_true(is_frozen);
    OK(cgroup_thaw(l->cg, &l->e));
    OK(cgroup_is_frozen(l->cg, &is_frozen, &l->e));
    assert_false(is_frozen);

    assert_int_equal(cgroup_remove(l->cg, 1, &l->e), -1);
    assert_int_equal(l->e.kind, ERR_CONFLICT);
    int status = 0;
    OK(cgroup_signal_all(l->cg, SIGTERM, &l->e));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_only(l, 0);
    OK(cgroup_signal_all(l->cg, SIGKILL, &l->e));
    OK(cgroup_remove(l->cg, 2000, &l->e));
    OK(cgroup_remove(l->cg, 0, &l->e));
    OK(cgroup_signal_all(l->cg, SIGKILL, &l->e));
    assert_only(l, 0);
}

static void test_kill_reaches_children_of_a_frozen_tree(void **state)
{
    struct live *l = *state;
    struct oci_resources res = { 0 };
    make(l, &res);
    pid_t pid = spawn(l);
    const struct cgroup_dir *v2 = cgroup_dir_v2(l->cg);
    const struct cgroup_dir *dir = v2 ? v2 : cgroup_dir_of(l->cg, CGROUP_FREEZER);
    char text[16];
    assert_int_equal(mkdirat(dir->fd, "inner", 0755), 0);
    assert_int_equal(mkdirat(dir->fd, "inner/most", 0755), 0);
    (void)snprintf(text, sizeof(text), "%d", pid);
    assert_int_equal(cgroup_write_file(dir->fd, "inner/most/cgroup.procs", text), 0);
    assert_only(l, pid);
    OK(cgroup_freeze(l->cg, &l->e));
    OK(cgroup_signal_all(l->cg, SIGKILL, &l->e));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    OK(cgroup_remove(l->cg, 2000, &l->e));
}

static void test_occupied_directory_is_refused(void **state)
{
    struct live *l = *state;
    struct oci_resources res = { 0 };
    make(l, &res);
    (void)spawn(l);
    struct cgroup *other = NULL;
    assert_int_equal(cgroup_new(&l->host, l->path, &res, &other, &l->e), -1);
    assert_int_equal(l->e.kind, ERR_CONFLICT);
    assert_null(other);
}

static void test_refused_limit_names_the_file_and_leaves_nothing(void **state)
{
    struct live *l = *state;
    struct oci_resources res = { .cpu.cpus = "77777" };
    char path[512];
    skip_without_cgroups(l);
    assert_int_equal(cgroup_new(&l->host, l->path, &res, &l->cg, &l->e), -1);
    assert_null(l->cg);
    assert_non_null(strstr(l->e.what, "linux.resources.cpu.cpus: write \"77777\" to "));
    assert_non_null(strstr(l->e.what, "/cpuset.cpus: "));
    for (size_t i = 0; i < l->host.count; i++) {
        (void)snprintf(path, sizeof(path), "%s%s", l->host.items[i].mountpoint, l->path);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void test_device_rules_hold(void **state)
{
    struct live *l = *state;
    struct oci_resources res = { 0 };
    make(l, &res);
    struct cgroup_join join;
    OK(cgroup_join_open(l->cg, true, &join, &l->e));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err e;
        char node[64];
        if (cgroup_join_self(&join, &e) < 0)
            _exit(1);
        if (open("/dev/null", O_RDWR) < 0 || open("/dev/urandom", O_RDONLY) < 0)
            _exit(2);
        /* 1:4 is /dev/port, 1:1 /dev/mem: whoever the opener is, the rules refuse first */
        (void)snprintf(node, sizeof(node), "/tmp/svc-test-node-%d", getpid());
        if (mknod(node, S_IFCHR | 0600, 1 << 8 | 11) < 0)
            _exit(errno == EPERM ? 4 : 3);
        int fd = open(node, O_RDONLY | O_NONBLOCK);
        int cause = errno;
        (void)unlink(node);
        _exit(fd < 0 && cause == EPERM ? 0 : 5);
    }
    cgroup_join_done(&join);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 4) {
        print_message("skipped: no CAP_MKNOD here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_setup, live_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hybrid_layout),
        cmocka_unit_test(test_pure_layouts),
        cmocka_unit_test(test_controllers),
        cmocka_unit_test(test_memory_limits),
        cmocka_unit_test(test_cpu_limits),
        cmocka_unit_test(test_shares_become_weights),
        cmocka_unit_test(test_other_limits),
        cmocka_unit_test(test_limits_of_devices),
        cmocka_unit_test(test_what_puts_a_limit_back),
        cmocka_unit_test(test_bad_paths_are_refused),
        cmocka_unit_test(test_state_strings_are_checked),
        LIVE(test_life),
        LIVE(test_kill_reaches_children_of_a_frozen_tree),
        LIVE(test_occupied_directory_is_refused),
        LIVE(test_refused_limit_names_the_file_and_leaves_nothing),
        LIVE(test_device_rules_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
