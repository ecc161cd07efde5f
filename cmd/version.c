/* version and capabilities: what this build is and has. */
#include <stdio.h>

#include "countersign/json.h"
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

int cs_cmd_capabilities(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    bool current = false;
    cs_arg args[] = {{"current", 0, CS_ARG_BOOL, &current, NULL, "those of this build (there are no others)", NULL}};
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, 1, &rest);
    if (status < 0) {
        cs_cmd_print_json(cs_rego_capabilities(&a), CS_JSON_PRETTY);
        status = 0;
    }
    cs_arena_destroy(&a);
    return status;
}
