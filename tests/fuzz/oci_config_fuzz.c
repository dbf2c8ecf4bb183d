/* Any bytes as a config.json: through the reader and the decoder, and what is accepted through
 * those planners of the runtime that only compute. What is refused must say why in words, and blame
 * the input or a feature that is missing. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/caps.h"
#include "runtime/mounts.h"
#include "runtime/rlimits.h"
#include "runtime/sysctl.h"
#include "specs/oci_config.h"

enum {
    MEMORY_MAX = 64 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct err *e)
{
    if ((e->kind != ERR_INPUT && e->kind != ERR_HOST) || !e->what[0] ||
        strlen(e->what) >= sizeof(e->what))
        abort();
    char line[ERR_LINE_MAX];
    if (!strstr(err_line(e, line, sizeof(line)), e->what))
        abort();
}

static void check_strings(const struct oci_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        if (!strings->items[i])
            abort();
}

/* What the rest of the runtime relies on without looking again. */
static void check_promises(const struct oci_config *c)
{
    const struct oci_process *p = &c->process;
    if (!c->root.path || !c->root.path[0])
        abort();
    if (p->is_set && (!p->args.count || !p->args.items[0][0] || !p->cwd || p->cwd[0] != '/'))
        abort();
    check_strings(&p->args);
    check_strings(&p->env);
    check_strings(&c->masked_paths);
    check_strings(&c->readonly_paths);
    for (size_t i = 0; i < c->mount_count; i++) {
        if (!c->mounts[i].destination || c->mounts[i].destination[0] != '/')
            abort();
        check_strings(&c->mounts[i].options);
    }
    for (size_t i = 0; i < c->device_count; i++)
        if (!c->devices[i].path || c->devices[i].path[0] != '/' || c->devices[i].mode > 07777)
            abort();
    for (size_t k = 0; k < OCI_HOOK_COUNT_; k++)
        for (size_t i = 0; i < c->hooks[k].count; i++)
            if (!c->hooks[k].items[i].path || c->hooks[k].items[i].path[0] != '/')
                abort();
}

static void plan(struct arena *a, const struct oci_config *c)
{
    struct err e = { 0 };
    struct caps_plan caps;
    struct rlimits_plan rlimits;
    struct mounts_plan mounts = { 0 };
    if (caps_plan_init(&c->process.capabilities, true, &caps, &e) < 0)
        check_refusal(&e);
    else if (caps.effective & ~caps.permitted || caps.ambient & ~caps.inheritable)
        abort();
    if (rlimits_plan_init(c->process.rlimits, c->process.rlimit_count, &rlimits, &e) < 0)
        check_refusal(&e);
    if (mounts_plan_init(a, c, &mounts, &e) < 0)
        check_refusal(&e);
    else if (!mounts.root)
        abort();
    if (sysctl_check(c, &e) < 0)
        check_refusal(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { .limit_bytes = 0 };
    struct err e = { 0 };
    struct json *doc;
    struct oci_config config = { .bundle = "/bundle" };
    struct oci_process process = { 0 };
    struct oci_resources resources = { 0 };
    if (size > MEMORY_MAX ||
        json_parse(&a, "config.json", (const char *)data, size, &doc, &e) < 0) {
        check_refusal(&e);
    } else {
        if (oci_config_decode(&a, doc, &config, &e) < 0) {
            check_refusal(&e);
        } else {
            check_promises(&config);
            plan(&a, &config);
        }
        if (oci_process_decode(&a, doc, &process, &e) < 0) /* exec --process */
            check_refusal(&e);
        if (oci_resources_decode(&a, doc, &resources, &e) < 0) /* update --resources */
            check_refusal(&e);
    }
    arena_done(&a);
    return 0;
}
