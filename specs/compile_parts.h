#pragma once
/* Inside specs only: the parts of compile_config, each writes its own piece of config.json. */
#include "specs/compile.h"
#include "specs/json.h"

struct compile_caps {
    uint64_t bounding; /* what any process of the container can ever have */
    uint64_t added;    /* those that the stack file names */
};

must_check int compile_caps_of(const struct stack_service *s, struct compile_caps *out,
                               struct err *e);
void compile_put_caps(struct json_writer *w, const struct compile_caps *caps, uint32_t uid);
/* The default profile, resolved for BOUNDING; nothing when the service is unconfined. */
void compile_put_seccomp(struct json_writer *w, const struct stack_service *s, uint64_t bounding);
/* "root" and "mounts". */
void compile_put_mounts(struct json_writer *w, const struct stack *stack,
                        const struct stack_service *s, const struct compile_facts *facts);
