#include "supervisor/ctl/paths.h"

#include <stdlib.h>

#include "runtime/base/str.h"

static const char *root_of(const char *variable, const char *fallback)
{
    const char *root = getenv(variable);
    return root && root[0] == '/' ? root : fallback;
}

const char *ctl_run_root(void)
{
    return root_of("SVC_RUN_ROOT", CTL_RUN_ROOT);
}

const char *ctl_state_root(void)
{
    return root_of("SVC_STATE_ROOT", CTL_STATE_ROOT);
}

char *ctl_run_dir(const char *project)
{
    return str_printf("%s/%s", ctl_run_root(), project);
}

char *ctl_state_dir(const char *project)
{
    return str_printf("%s/%s", ctl_state_root(), project);
}
