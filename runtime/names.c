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

void names_done(struct names *n)
{
    free(n->items);
    arena_done(&n->arena);
    *n = (struct names){ 0 };
}

static int call_each(const struct names *names, const regex_t *regex, names_fn *fn, void *self,
                     struct err *e)
{
    int result = 0;
    struct err another;
    for (size_t i = 0; i < names->count; i++)
        if (regexec(regex, names->items[i], 0, NULL, 0) == 0 &&
            fn(self, names->items[i], result < 0 ? &another : e) < 0)
            result = -1;
    return result;
}

int names_each_match(const struct runtime *rt, const char *pattern, names_fn *fn, void *self,
                     struct err *e)
{
    regex_t regex;
    char why[128];
    struct names names;
    int error = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (error) {
        (void)regerror(error, &regex, why, sizeof(why));
        return err_input(e, "--regex: \"%.60s\": %s", pattern, why);
    }
    int result = names_load(rt, &names, e);
    if (result == 0)
        result = call_each(&names, &regex, fn, self, e);
    names_done(&names);
    regfree(&regex);
    return result;
}
