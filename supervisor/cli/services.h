#pragma once
/* Questions to an answer of /v1/ps: which service a word means, and which are not what they shall
 * be. Pure, but for cli_services_wait. */
#include "runtime/base/buf.h"
#include "specs/json.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/project.h"

struct cli_choice {
    const char *service; /* borrowed from the answer */
    int64_t replica;     /* 0: all of them */
};

/* WORD: "web", one replica of it as "web-2", or the id that ps shows. A service of that very name
 * comes first. ERR_INPUT when there is none. */
must_check int cli_services_choose(const struct json *answer, const char *word,
                                   struct cli_choice *out, struct err *e);
bool cli_choice_has(const struct cli_choice *choice, const char *service, int64_t replica);

/* It was stopped, or ended, and is not at the end of its work: `up` starts it again. */
bool cli_services_is_down(const struct json *service);

enum cli_services_state {
    CLI_SERVICES_WELL,    /* all are healthy, run without a check, or ended with 0 */
    CLI_SERVICES_PENDING, /* some are not, and may become so */
    CLI_SERVICES_BAD,     /* some will not by themselves */
};
/* NAMES gets those that are not well: "api (unhealthy), db (failed)". */
enum cli_services_state cli_services_judge(const struct json *answer, struct buf *names);
/* Asks now. Without an answer: pending, and nobody is named. */
enum cli_services_state cli_services_ask(const struct cli_project *project, struct buf *names);
/* Until all are well, or DEADLINE_MS of CLOCK_MONOTONIC; -1: forever. CLI_OK, or CLI_FAILED, which
 * was told. */
int cli_services_wait(const struct cli_project *project, int64_t deadline_ms);
