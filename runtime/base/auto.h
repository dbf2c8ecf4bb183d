#pragma once
/* Scope-bound release and ownership transfer.
 *
 *   auto_free char *path = str_dup(p);           freed at end of scope
 *   auto_fd int fd = -1;                         closed at end of scope, errno kept
 *   DEFINE_AUTO(stack_free, struct stack *)      then: auto_(stack_free) struct stack *s = NULL;
 *   return take_ptr(path); *out = take_fd(&fd);  hand out, so that the scope no longer releases
 *
 * Always initialise at the declaration. Any rank may use it. */
#include "runtime/base/banned.h"

#define must_check        __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

#define auto_(release) __attribute__((cleanup(auto_##release##_)))

/* RELEASE takes the value itself (a pointer, usually), not its address, and accepts NULL. */
#define DEFINE_AUTO(release, type)                \
    static inline void auto_##release##_(type *p) \
    {                                             \
        release(*p);                              \
    }                                             \
    _Static_assert(sizeof(type) > 0, "a type")

static inline void auto_free_(void *p)
{
    free(*(void **)p);
}
#define auto_free __attribute__((cleanup(auto_free_)))

void auto_close_fd_(int *fd);
#define auto_fd __attribute__((cleanup(auto_close_fd_)))

#define take_ptr(p)                 \
    (__extension__({                \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    }))

static inline int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
