#include "runtime/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#define ANNOTATION "run.svc.landlock"

/* Younger than the headers of the oldest distribution that this is built on. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#    define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#    define LANDLOCK_ACCESS_NET_BIND_TCP    (1ULL << 0)
#    define LANDLOCK_ACCESS_NET_CONNECT_TCP (1ULL << 1)
#endif

enum {
    ABI_FILES = 3, /* 6.2: before, a file that may only be read could be truncated */
    ABI_PORTS = 4, /* 6.7 */
    RULE_PORT = 2, /* LANDLOCK_RULE_NET_PORT */
    PORT_MAX = 65535,
};

struct ruleset_attr {
    uint64_t handled_files, handled_net;
};
struct port_attr {
    uint64_t access, port;
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE                                                                                      \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_REFER |      \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |    \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SYM)
/* Those of them that a file which is no directory can have. */
#define OF_FILES                                                                                  \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | \
     LANDLOCK_ACCESS_FS_EXECUTE)

static const struct {
    char letter;
    uint64_t access;
} letters[] = { { 'r', READ }, { 'w', WRITE }, { 'x', LANDLOCK_ACCESS_FS_EXECUTE } };

static const struct {
    const char *name;
    uint64_t access;
} verbs[] = { { "bind", LANDLOCK_ACCESS_NET_BIND_TCP },
              { "connect", LANDLOCK_ACCESS_NET_CONNECT_TCP } };

/* ---- parent ---- */

static int bad_word(const char *word, const char *why, struct err *e)
{
    return err_input(e, "annotation " ANNOTATION ": \"%.100s\": %s", word, why);
}

static int read_letters(const char *word, size_t len, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        size_t j = 0;
        while (j < ARRAY_LEN(letters) && letters[j].letter != word[i])
            j++;
        if (j == ARRAY_LEN(letters) || *out & letters[j].access)
            return -1;
        *out |= letters[j].access;
    }
    return len ? 0 : -1;
}

static int add_path(struct landlock_plan *p, const char *word, const char *path, struct err *e)
{
    uint64_t access;
    if (read_letters(word, (size_t)(path - word) - 1, &access) < 0)
        return bad_word(word, "before the colon stand letters of \"rwx\", bind or connect", e);
    if (path[0] != '/')
        return bad_word(word, "the path is not absolute", e);
    if (p->path_count == LANDLOCK_PATHS_MAX)
        return bad_word(word, "one path too many, 64 are possible", e);
    p->paths[p->path_count].path = (size_t)(path - p->text);
    p->paths[p->path_count++].access = access;
    p->handled_files = READ | WRITE | LANDLOCK_ACCESS_FS_EXECUTE;
    return 0;
}

static int add_port(struct landlock_plan *p, const char *word, const char *text, uint64_t access,
                    struct err *e)
{
    uint64_t port;
    p->handled_net |= access;
    if (str_eq(text, "none"))
        return 0;
    if (str_to_u64(text, PORT_MAX, &port) < 0)
        return bad_word(word, "after the colon stands a port or \"none\"", e);
    if (p->port_count == LANDLOCK_PORTS_MAX)
        return bad_word(word, "one port too many, 64 are possible", e);
    p->ports[p->port_count].port = (uint16_t)port;
    p->ports[p->port_count++].access = access;
    return 0;
}

static int add_word(struct landlock_plan *p, const char *word, struct err *e)
{
    const char *colon = strchr(word, ':');
    if (!colon)
        return bad_word(word, "a colon is missing", e);
    size_t len = (size_t)(colon - word);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strlen(verbs[i].name) == len && str_starts(word, verbs[i].name))
            return add_port(p, word, colon + 1, verbs[i].access, e);
    return add_path(p, word, colon + 1, e);
}

int landlock_parse(const char *text, struct landlock_plan *out, struct err *e)
{
    *out = (struct landlock_plan){ 0 };
    if (str_copy(out->text, sizeof(out->text), text) < 0)
        return err_input(e, "annotation " ANNOTATION ": longer than %d bytes",
                         LANDLOCK_TEXT_MAX - 1);
    for (char *p = out->text + strspn(out->text, " "); *p;) {
        size_t len = strcspn(p, " ");
        char *next = p + len + strspn(p + len, " ");
        p[len] = '\0';
        if (add_word(out, p, e) < 0)
            return -1;
        p = next;
    }
    if (!out->handled_files && !out->handled_net)
        return err_input(e, "annotation " ANNOTATION ": it has no word");
    return 0;
}

int landlock_check(const struct landlock_plan *p, int abi, struct err *e)
{
    int needed = p->handled_net ? ABI_PORTS : p->handled_files ? ABI_FILES : 0;
    if (abi >= needed)
        return 0;
    if (abi <= 0)
        (void)err_host(e, "annotation " ANNOTATION ": this kernel has no Landlock");
    else
        (void)err_host(e,
                       "annotation " ANNOTATION ": this kernel has version %d of Landlock, %d is "
                       "needed",
                       abi, needed);
    err_hint(e, "paths need Linux 6.2, ports 6.7, and \"landlock\" in the lsm= list");
    return -1;
}

int landlock_plan_new(const struct oci_config *c, const struct oci_process *process,
                      struct landlock_plan **out, struct err *e)
{
    const char *text = NULL;
    for (size_t i = 0; i < c->annotations.count; i++)
        if (str_eq(c->annotations.items[i].key, ANNOTATION))
            text = c->annotations.items[i].value;
    *out = NULL;
    if (!text)
        return 0;
    auto_(landlock_plan_free) struct landlock_plan *p = mem_alloc(sizeof(*p));
    if (landlock_parse(text, p, e) < 0)
        return -1;
    if (!process->no_new_privileges)
        return err_input(e, "annotation " ANNOTATION ": it needs process.noNewPrivileges");
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (landlock_check(p, abi < 0 ? 0 : abi, e) < 0)
        return -1;
    *out = take_ptr(p);
    return 0;
}

void landlock_plan_free(struct landlock_plan *p)
{
    free(p);
}

/* ---- child ---- */

static int add_path_rule(int ruleset, const char *path, uint64_t access, struct err *e)
{
    struct stat st;
    auto_fd int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(e, errno, "annotation " ANNOTATION ": open %s", path);
    struct landlock_path_beneath_attr rule = { .allowed_access =
                                                   S_ISDIR(st.st_mode) ? access : access & OF_FILES,
                                               .parent_fd = fd };
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return err_sys(e, errno, "annotation " ANNOTATION ": allow %s", path);
    return 0;
}

int landlock_open(const struct landlock_plan *p, int *ruleset_fd, struct err *e)
{
    *ruleset_fd = -1;
    if (!p)
        return 0;
    struct ruleset_attr attr = { p->handled_files, p->handled_net };
    /* A kernel that knows no ports takes the shorter form only. */
    size_t size = attr.handled_net ? sizeof(attr) : sizeof(attr.handled_files);
    auto_fd int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (fd < 0)
        return err_sys(e, errno, "annotation " ANNOTATION ": make the rules");
    for (size_t i = 0; i < p->path_count; i++)
        if (add_path_rule(fd, p->text + p->paths[i].path, p->paths[i].access, e) < 0)
            return -1;
    for (size_t i = 0; i < p->port_count; i++) {
        struct port_attr rule = { p->ports[i].access, p->ports[i].port };
        if (syscall(SYS_landlock_add_rule, fd, RULE_PORT, &rule, 0) < 0)
            return err_sys(e, errno, "annotation " ANNOTATION ": allow port %u", p->ports[i].port);
    }
    *ruleset_fd = take_fd(&fd);
    return 0;
}

int landlock_enforce(int ruleset_fd, struct err *e)
{
    if (ruleset_fd >= 0 && syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0)
        return err_sys(e, errno, "annotation " ANNOTATION ": enforce");
    return 0;
}
