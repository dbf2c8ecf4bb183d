/* Capabilities and system call filter of a service. */
#include <string.h>
#include <strings.h>

#include "specs/capability_names.h"
#include "specs/compile_parts.h"
#include "specs/seccomp_default.h"
#include "specs/seccomp_names.h"

static int mask_of(const struct strings *names, bool *has_all, uint64_t *out, struct err *e)
{
    for (size_t i = 0; i < names->count; i++) {
        int number = capability_number_loose(names->items[i]);
        if (strcasecmp(names->items[i], "ALL") == 0)
            *has_all = true;
        else if (number >= 0)
            *out |= UINT64_C(1) << number;
        else
            return err_input(e, "\"%s\" is not a capability", names->items[i]);
    }
    return 0;
}

int compile_caps_of(const struct stack_service *s, struct compile_caps *out, struct err *e)
{
    bool adds_all = false, drops_all = false;
    uint64_t add = 0, drop = 0;
    if (mask_of(&s->cap_add, &adds_all, &add, e) < 0 ||
        mask_of(&s->cap_drop, &drops_all, &drop, e) < 0)
        return -1;
    uint64_t base = drops_all ? 0 : capability_default_mask;
    out->bounding = ((adds_all ? CAPABILITY_ALL : base) | add) & ~drop;
    out->added = (adds_all ? CAPABILITY_ALL : add) & ~drop;
    return 0;
}

static void put_set(struct json_writer *w, const char *key, uint64_t mask)
{
    json_begin_array(w, key);
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
        if (mask & (UINT64_C(1) << i))
            json_put_string(w, NULL, capability_name(i));
    json_end_array(w);
}

/* Root uses all that the container may have. Anybody else begins with what the stack file added by
 * name, as ambient capabilities, since otherwise the kernel would drop them at exec (podman does
 * the same; capabilities(7), "Transformation of capabilities during execve"). */
void compile_put_caps(struct json_writer *w, const struct compile_caps *caps, uint32_t uid)
{
    uint64_t own = uid == 0 ? caps->bounding : caps->added;
    json_begin_object(w, "capabilities");
    put_set(w, "bounding", caps->bounding);
    put_set(w, "effective", own);
    put_set(w, "permitted", own);
    put_set(w, "inheritable", uid == 0 ? 0 : own);
    put_set(w, "ambient", uid == 0 ? 0 : own);
    json_end_object(w);
}

static void put_names(struct json_writer *w, const char *key, const struct oci_strings *names)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < names->count; i++)
        json_put_string(w, NULL, names->items[i]);
    json_end_array(w);
}

static void put_rule(struct json_writer *w, const struct oci_seccomp_rule *rule)
{
    json_begin_object(w, NULL);
    put_names(w, "names", &rule->names);
    json_put_string(w, "action", seccomp_action_names[rule->action]);
    if (rule->has_errno)
        json_put_u64(w, "errnoRet", rule->errno_ret);
    if (rule->arg_count)
        json_begin_array(w, "args");
    for (size_t i = 0; i < rule->arg_count; i++) {
        json_begin_object(w, NULL);
        json_put_u64(w, "index", rule->args[i].index);
        json_put_u64(w, "value", rule->args[i].value);
        json_put_u64(w, "valueTwo", rule->args[i].value_two);
        json_put_string(w, "op", seccomp_op_names[rule->args[i].op]);
        json_end_object(w);
    }
    if (rule->arg_count)
        json_end_array(w);
    json_end_object(w);
}

void compile_put_seccomp(struct json_writer *w, const struct stack_service *s, uint64_t bounding)
{
    struct arena a = { .limit_bytes = 0 };
    struct oci_seccomp profile = { 0 };
    if (s->seccomp_unconfined)
        return;
    seccomp_default_resolve(&a, bounding, &profile);
    json_begin_object(w, "seccomp");
    json_put_string(w, "defaultAction", seccomp_action_names[profile.default_action]);
    if (profile.has_default_errno)
        json_put_u64(w, "defaultErrnoRet", profile.default_errno_ret);
    if (profile.architectures.count)
        put_names(w, "architectures", &profile.architectures);
    if (profile.flags.count)
        put_names(w, "flags", &profile.flags);
    json_begin_array(w, "syscalls");
    for (size_t i = 0; i < profile.rule_count; i++)
        put_rule(w, &profile.rules[i]);
    json_end_array(w);
    json_end_object(w);
    arena_done(&a);
}
