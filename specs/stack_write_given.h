#pragma once
/* Inside specs only: what stack_write.c and stack_write_given.c share. Each call writes members of
 * the object that is open in W. */
#include "specs/stack_decode.h"

/* "$" doubled, since reading interpolates. */
void stack_put_text(struct json_writer *w, const char *key, const char *s);
void stack_put_text_or_none(struct json_writer *w, const char *key, const char *s);
void stack_put_list_or_none(struct json_writer *w, const char *key, const struct strings *list);
void stack_put_pairs(struct json_writer *w, const char *key, const struct stack_pairs *pairs);

/* What a service gets of the stack and of the machine. For the hash, secrets and configs stand with
 * what they hold, or the path of it. */
void stack_put_given(struct json_writer *w, const struct stack *stack,
                     const struct stack_service *s, bool is_for_hash);
/* The sections `secrets` and `configs`. */
void stack_put_contents(struct json_writer *w, const struct stack *s);
