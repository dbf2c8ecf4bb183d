/* `checkpoint` and `restore`: CRIU's business, which this runtime leaves out. Clients ask for them
 * by name, and get one line whatever else they pass. */
#include "runtime/base/str.h"
#include "runtime/verbs.h"

int verb_checkpoint(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    (void)rt;
    if (argc > 1 && (str_eq(argv[1], "--help") || str_eq(argv[1], "-h")))
        return 0;
    return err_host(e, "%s: checkpoint and restore are not supported by this runtime", argv[0]);
}

int verb_restore(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    return verb_checkpoint(rt, argc, argv, e);
}
