/* version: what this build is. */
#include <stdio.h>

#include "countersign/version.h"
#include "load.h"

int cs_cmd_version(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, NULL, 0, &rest);
    if (status < 0) {
        printf("Version: %s\nRego Version: v1\n", CS_VERSION);
        status = 0;
    }
    cs_arena_destroy(&a);
    return status;
}
