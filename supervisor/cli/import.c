/* `svc import`: a Compose file as a stack file that a person would write: variables stay variables,
 * short forms where they say the same; and a note for each thing that is worth knowing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/str.h"
#include "specs/stack_load.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/stackfile.h"

enum {
    OUTPUT_BYTES = 16 * 1024 * 1024,
    LINE_BYTES = 800,
    PAIRS_MAX = 2000, /* of a list that becomes an object: each is compared with each */
    INDENT = 2,
    FILE_MODE = 0644
};
#define DEFAULT_OUTPUT "stack.json"

static void note(const char *service, const char *key, const char *what)
{
    (void)fprintf(stderr, "note: services.%s%s%s: %s\n", service, *key ? "." : "", key, what);
}

/* --- short forms --- */

/* All of LIST are "NAME=VALUE" with names that differ (a map has each once). */
static bool is_pair_list(const struct json *list)
{
    if (list->item_count > PAIRS_MAX)
        return false;
    for (size_t i = 0; i < list->item_count; i++) {
        const struct json *item = list->items[i];
        const char *equals = item->type == JSON_STRING ? strchr(item->text, '=') : NULL;
        if (!equals || equals == item->text)
            return false;
        for (size_t k = 0; k < i; k++)
            if (strncmp(list->items[k]->text, item->text, (size_t)(equals - item->text) + 1) == 0)
                return false;
    }
    return list->type == JSON_ARRAY && list->item_count > 0;
}

static void put_environment(struct json_writer *w, const struct json *node)
{
    if (!is_pair_list(node)) {
        json_put_tree(w, node->key, node);
        return;
    }
    json_begin_object(w, node->key);
    for (size_t i = 0; i < node->item_count; i++) {
        const char *text = node->items[i]->text, *equals = strchr(text, '=');
        auto_free char *name = str_ndup(text, (size_t)(equals - text));
        json_put_string(w, name, equals + 1);
    }
    json_end_object(w);
}

/* A map that says no more than a list of its names would. */
static void put_depends_on(struct json_writer *w, const struct json *node)
{
    bool is_plain = node->type == JSON_OBJECT;
    for (size_t i = 0; is_plain && i < node->item_count; i++) {
        const struct json *item = node->items[i];
        is_plain = item->type == JSON_OBJECT && item->item_count == 1 &&
                   str_eq(json_find_string(item, "condition", ""), "service_started");
    }
    if (!is_plain) {
        json_put_tree(w, node->key, node);
        return;
    }
    json_begin_array(w, node->key);
    for (size_t i = 0; i < node->item_count; i++)
        json_put_string(w, NULL, node->items[i]->key);
    json_end_array(w);
}

/* A list of one text is that text. */
static void put_one(struct json_writer *w, const struct json *node)
{
    bool is_one =
        node->type == JSON_ARRAY && node->item_count == 1 && node->items[0]->type == JSON_STRING;
    json_put_tree(w, node->key, is_one ? node->items[0] : node);
}

/* ["CMD-SHELL", TEXT] is TEXT. */
static void put_healthcheck(struct json_writer *w, const struct json *node)
{
    if (node->type != JSON_OBJECT) {
        json_put_tree(w, node->key, node);
        return;
    }
    json_begin_object(w, node->key);
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        bool is_shell = str_eq(item->key, "test") && item->type == JSON_ARRAY &&
                        item->item_count == 2 && item->items[0]->type == JSON_STRING &&
                        str_eq(item->items[0]->text, "CMD-SHELL");
        json_put_tree(w, item->key, is_shell ? item->items[1] : item);
    }
    json_end_object(w);
}

static const struct {
    const char *key;
    void (*put)(struct json_writer *w, const struct json *node);
} short_forms[] = {
    { "depends_on", put_depends_on },
    { "dns", put_one },
    { "dns_search", put_one },
    { "env_file", put_one },
    { "environment", put_environment },
    { "healthcheck", put_healthcheck },
    { "tmpfs", put_one },
};

static void put_service(struct json_writer *w, const struct json *service)
{
    if (service->type != JSON_OBJECT) {
        json_put_tree(w, service->key, service);
        return;
    }
    json_begin_object(w, service->key);
    for (size_t i = 0; i < service->item_count; i++) {
        const struct json *item = service->items[i];
        size_t k = 0;
        while (k < ARRAY_LEN(short_forms) && !str_eq(short_forms[k].key, item->key))
            k++;
        if (k < ARRAY_LEN(short_forms))
            short_forms[k].put(w, item);
        else
            json_put_tree(w, item->key, item);
    }
    json_end_object(w);
}

static void write_stack(const struct json *root, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out, INDENT);
    json_begin_object(&w, NULL);
    for (size_t i = 0; i < root->item_count; i++) {
        const struct json *item = root->items[i];
        if (str_eq(item->key, "version"))
            continue;
        if (!str_eq(item->key, "services") || item->type != JSON_OBJECT) {
            json_put_tree(&w, item->key, item);
            continue;
        }
        json_begin_object(&w, item->key);
        for (size_t k = 0; k < item->item_count; k++)
            put_service(&w, item->items[k]);
        json_end_object(&w);
    }
    json_end_object(&w);
    buf_add_char(out, '\n');
}

/* --- notes --- */

/* Without a tag, or with "latest": what runs is not known. A digest says it. */
static bool is_loose_image(const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *colon = strrchr(slash ? slash : image, ':');
    return !strchr(image, '@') && !strchr(image, '$') && (!colon || str_eq(colon, ":latest"));
}

/* "80:8000", "443:…", "127.0.0.1:8080:…": where people look for a web site. */
static bool is_web_port(const struct json *port)
{
    static const char *const ports[] = { "80:", "443:", "8080:", "8443:" };
    const char *text =
        port->type == JSON_STRING ? port->text : json_find_string(port, "published", "");
    const char *colon = strrchr(text, ':');
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        size_t len = strlen(ports[i]) - 1;
        const char *begin = colon ? colon : text + strlen(text);
        if ((size_t)(begin - text) >= len && strncmp(begin - len, ports[i], len) == 0 &&
            (begin - len == text || begin[-(ptrdiff_t)len - 1] == ':'))
            return true;
    }
    return false;
}

static void note_service(const struct json *service)
{
    const struct json *ports = json_find(service, "ports");
    const char *image = json_find_string(service, "image", NULL);
    if (image && is_loose_image(image))
        note(service->key, "image", "name a version, so that it does not change by itself");
    for (size_t i = 0; ports && i < ports->item_count; i++)
        if (is_web_port(ports->items[i])) {
            note(service->key, "ports", "the proxy could serve this: see \"proxy\" in `svc spec`");
            break;
        }
    if (!json_find(service, "healthcheck"))
        note(service->key, "", "has no healthcheck: nobody notices when it hangs");
}

/* The directory of PATH, for the caller to free; NULL when there is none. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    auto_free char *dir = slash ? str_ndup(path, (size_t)(slash - path)) : str_dup(".");
    return realpath(*dir ? dir : "/", NULL);
}

/* What `svc check` will say of the new file, PATH, without its places. */
static void note_problems(const struct cli_args *args, const char *path, const struct buf *text)
{
    auto_cli_stackfile struct cli_stackfile f = { .count = 0 };
    struct stack_problems problems = { 0 };
    auto_(stack_free) struct stack *stack = NULL;
    struct err e;
    auto_free char *dir = directory_of(path);
    if (!dir || cli_stackfile_find(args, &f, &e) < 0)
        return;
    int result =
        stack_load_text(DEFAULT_OUTPUT, dir, text->data, text->len, &f.options, &stack, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        char line[LINE_BYTES];
        struct stack_problem p = problems.items[i];
        p.place = (struct json_place){ 0 };
        p.is_warning = false;
        stack_problem_line(&p, line, sizeof(line));
        (void)fprintf(stderr, "%s: %s\n", problems.items[i].is_warning ? "note" : "to do", line);
    }
    if (result < 0)
        (void)fprintf(stderr, "to do: the file does not run yet; `svc check` tells where\n");
    stack_problems_done(&problems);
}

static void print_notes(const struct cli_args *args, const struct json *root, const char *path,
                        const struct buf *text)
{
    const struct json *services = json_find(root, "services");
    if (json_find(root, "version"))
        (void)fprintf(stderr, "note: version: has no meaning any more, it was left out\n");
    for (size_t i = 0; services && i < services->item_count; i++)
        note_service(services->items[i]);
    note_problems(args, path, text);
}

static int save(const char *path, const struct buf *text, struct err *e)
{
    if (str_eq(path, "-")) {
        (void)fwrite(text->data, 1, text->len, stdout);
        return 0;
    }
    auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0 && errno == EEXIST) {
        (void)err_conflict(e, "%s is there already", path);
        err_hint(e, "choose another file with -o, or - for stdout");
        return -1;
    }
    if (fd < 0)
        return err_sys(e, errno, "create %s", path);
    if (fd_write_all(fd, text->data, text->len) < 0) {
        int error = errno;
        (void)unlink(path);
        return err_sys(e, error, "write %s", path);
    }
    (void)fprintf(stderr, "%s is written\n", path);
    return 0;
}

/* The new file's usual place is beside the old one: relative paths mean the same there. */
static char *path_beside(const struct cli_args *args, struct err *e)
{
    auto_cli_stackfile struct cli_stackfile f = { .count = 0 };
    if (cli_stackfile_find(args, &f, e) < 0)
        return NULL;
    const char *slash = strrchr(f.paths[0], '/');
    return str_printf("%.*s" DEFAULT_OUTPUT, slash ? (int)(slash - f.paths[0]) + 1 : 0, f.paths[0]);
}

int cli_verb_import(struct cli *cli, struct err *e)
{
    struct cli_args *args = &cli->args;
    struct arena a = { 0 };
    struct json *root = NULL;
    auto_buf struct buf text;
    buf_init(&text, OUTPUT_BYTES);
    if (args->word_count)
        cli_stackfile_word(args);
    auto_free char *beside = path_beside(args, e);
    if (!beside)
        return -1;
    const char *path = args->output ? args->output : beside;
    int result = cli_stackfile_tree(args, true, &a, &root, e);
    if (result > 0)
        result = CLI_USAGE;
    if (result == 0) {
        write_stack(root, &text);
        result = text.overflow ? err_input(e, "the stack is longer than %d bytes", OUTPUT_BYTES)
                               : save(path, &text, e);
    }
    if (result == 0)
        print_notes(args, root, str_eq(path, "-") ? beside : path, &text);
    arena_done(&a);
    return result;
}
