/* `svc`: one program, five roles. A word that begins with '@' is not typed by people: it is what
 * svc starts itself as. Everything else belongs to the command line. */
#include "runtime/base/auto.h"
#include "runtime/base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/engine.h"
#include "supervisor/health/prober.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/proxy/proxy.h"

static const struct role {
    const char *word;
    int (*run)(int argc, char **argv); /* the whole argv, as main has it */
} roles[] = {
    { "@engine", engine_main },
    { "@keeper", keeper_main },
    { "@prober", prober_main },
    { "@proxy", proxy_worker_main },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(roles); i++)
        if (str_eq(argv[1], roles[i].word))
            return roles[i].run(argc, argv);
    return cli_main(argc, argv);
}
