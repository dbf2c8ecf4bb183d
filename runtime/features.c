/* `features`: what this runtime can, for engines that ask (runtime-spec features.md,
 * features-linux.md). What is not here is refused when a configuration asks for it. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/version.h"
#include "runtime/memory_policy.h"
#include "runtime/mount_options.h"
#include "runtime/options.h"
#include "runtime/seccomp.h"
#include "runtime/verbs.h"
#include "specs/capability_names.h"

enum {
    FEATURES_BYTES_MAX = 64 * 1024
};

static const char *const hooks[] = { "prestart",       "createRuntime", "createContainer",
                                     "startContainer", "poststart",     "poststop" };
static const char *const namespaces[] = { "cgroup", "ipc",  "mount", "network",
                                          "pid",    "time", "user",  "uts" };
static const char *const actions[] = { "SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO",
                                       "SCMP_ACT_KILL",        "SCMP_ACT_KILL_PROCESS",
                                       "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                                       "SCMP_ACT_NOTIFY",      "SCMP_ACT_TRACE",
                                       "SCMP_ACT_TRAP" };
static const char *const operators[] = { "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
                                         "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
                                         "SCMP_CMP_NE" };
#if defined(__x86_64__)
static const char *const archs[] = { "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64" };
#else
static const char *const archs[] = { "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM" };
#endif
/* Annotations that change what a container does. */
static const char *const unsafe[] = { "run.oci.keep_original_groups", "run.svc.init",
                                      "run.svc.landlock" };

static void put_strings(struct json_writer *w, const char *key, const char *const *items,
                        size_t count)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < count; i++)
        json_put_string(w, NULL, items[i]);
    json_end_array(w);
}

/* IS_SUPPORTED: those that this kernel has too. */
static void put_flags(struct json_writer *w, const char *key, bool is_supported)
{
    const char *name;
    json_begin_array(w, key);
    for (size_t i = 0; (name = seccomp_flag_name(i)) != NULL; i++)
        if (!is_supported || seccomp_flag_is_supported(i))
            json_put_string(w, NULL, name);
    json_end_array(w);
}

static void put_enabled(struct json_writer *w, const char *key, bool enabled)
{
    json_begin_object(w, key);
    json_put_bool(w, "enabled", enabled);
    json_end_object(w);
}

static void put_cgroup(struct json_writer *w)
{
    json_begin_object(w, "cgroup");
    json_put_bool(w, "v1", true);
    json_put_bool(w, "v2", true);
    json_put_bool(w, "systemd", false);
    json_put_bool(w, "systemdUser", false);
    json_put_bool(w, "rdma", true);
    json_end_object(w);
}

static void put_seccomp(struct json_writer *w)
{
    json_begin_object(w, "seccomp");
    json_put_bool(w, "enabled", true);
    put_strings(w, "actions", actions, ARRAY_LEN(actions));
    put_strings(w, "operators", operators, ARRAY_LEN(operators));
    put_strings(w, "archs", archs, ARRAY_LEN(archs));
    put_flags(w, "knownFlags", false);
    put_flags(w, "supportedFlags", true);
    json_end_object(w);
}

static void put_memory_policy(struct json_writer *w)
{
    json_begin_object(w, "memoryPolicy");
    json_begin_array(w, "modes");
    for (size_t i = 0; memory_policy_mode(i); i++)
        json_put_string(w, NULL, memory_policy_mode(i));
    json_end_array(w);
    json_begin_array(w, "flags");
    for (size_t i = 0; memory_policy_flag(i); i++)
        json_put_string(w, NULL, memory_policy_flag(i));
    json_end_array(w);
    json_end_object(w);
}

static void put_linux(struct json_writer *w)
{
    json_begin_object(w, "linux");
    put_strings(w, "namespaces", namespaces, ARRAY_LEN(namespaces));
    json_begin_array(w, "capabilities");
    for (unsigned i = 0; capability_name(i); i++)
        json_put_string(w, NULL, capability_name(i));
    json_end_array(w);
    put_cgroup(w);
    put_seccomp(w);
    put_enabled(w, "apparmor", true);
    put_enabled(w, "selinux", true);
    put_memory_policy(w);
    put_enabled(w, "intelRdt", false);
    json_begin_object(w, "mountExtensions");
    put_enabled(w, "idmap", true);
    json_end_object(w);
    put_enabled(w, "netDevices", true);
    json_end_object(w);
}

int verb_features(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    (void)rt;
    int words = options_parse(NULL, 0, OPTIONS_MIXED, argc - 1, argv + 1, NULL, e);
    if (words < 0 || verb_check_words("features", words, 0, 0, "no arguments", e) < 0)
        return -1;
    auto_buf struct buf text;
    struct json_writer w;
    buf_init(&text, FEATURES_BYTES_MAX);
    json_writer_init(&w, &text, 2);
    json_begin_object(&w, NULL);
    json_put_string(&w, "ociVersionMin", "1.0.0");
    json_put_string(&w, "ociVersionMax", OCI_VERSION);
    put_strings(&w, "hooks", hooks, ARRAY_LEN(hooks));
    json_begin_array(&w, "mountOptions");
    for (size_t i = 0; mount_options_name(i); i++)
        json_put_string(&w, NULL, mount_options_name(i));
    json_end_array(&w);
    put_linux(&w);
    json_begin_object(&w, "annotations");
    json_put_string(&w, "run.svc.version", SVC_VERSION);
    json_put_string(&w, "run.svc.checkpoint.enabled", "false");
    json_end_object(&w);
    put_strings(&w, "potentiallyUnsafeConfigAnnotations", unsafe, ARRAY_LEN(unsafe));
    json_end_object(&w);
    (void)buf_add_char(&text, '\n');
    if (fd_write_all(STDOUT_FILENO, text.data, text.len) < 0)
        return err_sys(e, errno, "write the features");
    return 0;
}
