#pragma once
/* Calls that this project does not make: each has a bounded, checked or reentrant replacement in
 * runtime/base. Included by auto.h, so that every file sees it. The headers that declare the
 * poisoned names come first, since a poisoned name may not even be declared afterwards. */
#include <alloca.h>
#include <dirent.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#undef alloca
#undef basename
#undef strtok
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll system popen gets alloca
#pragma GCC poison rand readdir_r basename
