#include "runtime/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int names_load(const struct runtime *rt, struct names *out, struct err *e)
{
    *out = (struct names){ 0 };
    int fd = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int errnum = errno;
        fd_close(&fd);
        return errnum == ENOENT ? 0 : err_sys(e, errnum, "read %s", rt->root);
    }
    struct dirent *entry;
    size_t cap = 0;
    while ((entry = readdir(dir)) != NULL) {
        struct err ignored;
        if (container_check_id(entry->d_name, &ignored) < 0)
            continue;
        out->items = mem_grow(out->items, &cap, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = arena_strdup(&out->arena, entry->d_name);
    }
    (void)closedir(dir);
    if (out->count)
        qsort(out->items, out->count, sizeof(*out->items), by_name);
    return 0;
}

int names_match(const struct runtime *rt, const char *pattern, struct names *out, struct err *e)
{
    regex_t regex;
    char why[128];
    *out = (struct names){ 0 };
    int error = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (error) {
        (void)regerror(error, &regex, why, sizeof(why));
        return err_input(e, "--regex: \"%.60s\": %s", pattern, why);
    }
    int result = names_load(rt, out, e);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++)
        if (regexec(&regex, out->items[i], 0, NULL, 0) == 0)
            out->items[kept++] = out->items[i];
    out->count = kept;
    regfree(&regex);
    return result;
}

void names_done(struct names *n)
{
    free(n->items);
    arena_done(&n->arena);
    *n = (struct names){ 0 };
}
