/* `svc config`: what a stack file means, after everything was put in. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_mask.h"
#include "specs/yaml_write.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/stackfile.h"

enum {
    OUTPUT_BYTES = 64 * 1024 * 1024,
    INDENT = 2
};

static int print_tree(const struct cli_args *args, const struct json *root, struct err *e)
{
    auto_buf struct buf out;
    buf_init(&out, OUTPUT_BYTES);
    if (args->format && str_eq(args->format, "yaml")) {
        yaml_write(root, &out);
    } else {
        struct json_writer w;
        json_writer_init(&w, &out, INDENT);
        json_put_tree(&w, NULL, root);
        buf_add_char(&out, '\n');
    }
    if (out.overflow)
        return err_input(e, "the stack is longer than %d bytes", OUTPUT_BYTES);
    (void)fwrite(out.data, 1, out.len, stdout);
    return CLI_OK;
}

/* The model is written, and read as a tree: masks and YAML need one. */
static int print_model(const struct cli_args *args, const struct stack *stack, struct err *e)
{
    struct arena a = { 0 };
    struct json *root = NULL;
    auto_buf struct buf text;
    buf_init(&text, OUTPUT_BYTES);
    stack_write_json(stack, &text, 0);
    int result = json_parse(&a, NULL, text.data, text.len, &root, e);
    if (result == 0 && !args->show_secrets)
        stack_mask_tree(&a, root);
    if (result == 0)
        result = print_tree(args, root, e);
    arena_done(&a);
    return result;
}

static void print_variables(const struct cli_args *args, const struct stack *stack)
{
    struct arena a = { 0 };
    for (size_t i = 0; i < stack->variable_count; i++) {
        const struct stack_variable *v = &stack->variables[i];
        if (!v->value)
            (void)printf("%s is not set\n", v->name);
        else
            (void)printf("%s=%s (%s)\n", v->name,
                         args->show_secrets ? v->value : stack_mask_value(&a, v->name, v->value),
                         v->origin);
    }
    arena_done(&a);
}

static int print_hashes(const struct cli_args *args, const struct stack *stack, struct err *e)
{
    for (size_t k = 0; k < args->word_count; k++)
        if (!stack_find_service(stack, args->words[k])) {
            (void)err_input(e, "there is no service \"%.63s\" in %s", args->words[k], stack->file);
            err_hint(e, "a stack file is named with -f");
            return -1;
        }
    for (size_t i = 0; i < stack->service_count; i++) {
        const struct stack_service *s = &stack->services[i];
        bool is_wanted = !args->word_count;
        for (size_t k = 0; k < args->word_count; k++)
            is_wanted |= str_eq(args->words[k], s->name);
        if (is_wanted)
            (void)printf("%s %s\n", s->name, s->hash);
    }
    return CLI_OK;
}

static int print_lists(const struct cli_args *args, const struct stack *stack, struct err *e)
{
    for (size_t i = 0; args->list_services && i < stack->service_count; i++)
        (void)printf("%s\n", stack->services[i].name);
    for (size_t i = 0; args->volumes && i < stack->volume_count; i++)
        (void)printf("%s\n", stack->volumes[i].key);
    for (size_t i = 0; args->list_networks && i < stack->network_count; i++)
        (void)printf("%s\n", stack->networks[i].key);
    if (args->list_variables)
        print_variables(args, stack);
    return args->hash ? print_hashes(args, stack, e) : CLI_OK;
}

/* As they are written; of services that do not take part too. */
static void print_profiles(const struct json *root)
{
    const struct json *services = json_find(root, "services");
    struct strings seen = { 0 };
    struct arena a = { 0 };
    seen.items = arena_alloc(&a, CLI_TEXTS_MAX * sizeof(*seen.items));
    for (size_t i = 0; services && i < services->item_count; i++) {
        const struct json *list = json_find(services->items[i], "profiles");
        for (size_t k = 0; list && k < list->item_count && seen.count < CLI_TEXTS_MAX; k++) {
            bool is_new = list->items[k]->type == JSON_STRING;
            for (size_t n = 0; is_new && n < seen.count; n++)
                is_new = !str_eq(seen.items[n], list->items[k]->text);
            if (!is_new)
                continue;
            seen.items[seen.count++] = list->items[k]->text;
            (void)printf("%s\n", list->items[k]->text);
        }
    }
    arena_done(&a);
}

/* What does not need the model: profiles, and the files with their variables unread. */
static int config_tree(const struct cli_args *args, struct err *e)
{
    struct arena a = { 0 };
    struct json *root = NULL;
    int result = cli_stackfile_tree(args, args->no_interpolate, &a, &root, e);
    if (result)
        result = result < 0 ? -1 : CLI_USAGE;
    else if (args->list_profiles)
        print_profiles(root);
    else {
        if (!args->show_secrets)
            stack_mask_tree(&a, root);
        result = print_tree(args, root, e);
    }
    arena_done(&a);
    return result;
}

int cli_verb_config(struct cli *cli, struct err *e)
{
    struct cli_args *args = &cli->args;
    bool is_list = args->list_services || args->volumes || args->list_networks || args->hash ||
                   args->list_variables;
    if (args->format && !str_eq(args->format, "json") && !str_eq(args->format, "yaml"))
        return err_input(e, "config: --format is json or yaml, not \"%.40s\"", args->format);
    if (args->word_count && !args->hash) {
        (void)err_input(e, "config: \"%.200s\" is too much", args->words[0]);
        err_hint(e, "a stack file is named with -f");
        return -1;
    }
    if (args->list_profiles || (args->no_interpolate && !is_list && !args->quiet))
        return config_tree(args, e);
    auto_(stack_free) struct stack *stack = NULL;
    int loaded = cli_stackfile_load(args, &stack, e);
    if (loaded)
        return loaded < 0 ? -1 : CLI_USAGE;
    if (args->quiet)
        return CLI_OK;
    return is_list ? print_lists(args, stack, e) : print_model(args, stack, e);
}
