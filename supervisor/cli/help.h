#pragma once
/* Help pages, printed from the tables of verbs.c. */
#include "runtime/base/buf.h"
#include "supervisor/cli/cli.h"

/* What `svc` alone prints: at most 24 lines. */
void cli_help_first(struct buf *out);
/* All verbs and common options. */
void cli_help_all(struct buf *out);
void cli_help_verb(const struct cli_verb *verb, struct buf *out);
/* "svc logs [SERVICE…]" */
void cli_help_usage(const struct cli_verb *verb, struct buf *out);
/* A completion script for bash. */
void cli_help_completion(struct buf *out);
