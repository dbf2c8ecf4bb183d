#pragma once
/* Limits that more than one module shares; a module's own limits stand in its own file. */

enum {
    PATH_LIMIT = 4096,     /* bytes with NUL, PATH_MAX of Linux */
    OPEN_RETRIES = 64,     /* openat2 EAGAIN */
    TREE_DEPTH_MAX = 512,  /* fd_remove_tree: also the fds that it holds open */
    FD_READ_CHUNK = 16384, /* bytes asked for by one read */
    ID_MAX = 128,          /* container id, with NUL */
    NAME_LIMIT = 64,       /* project, service, network and volume names, with NUL */
};
