/* check: do the modules compile? */
#include <string.h>

#include "load.h"

int cs_cmd_check(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_cmd_sources sources = {.print = CS_PRINT_KEEP, .check_only = true, .only_rego = true, .how = CS_CMD_MERGE};
    const char *format = "pretty";
    bool bundle = false;
    int64_t max_errors = 10;
    cs_arg args[] = {
        {"bundle", 'b', CS_ARG_BOOL, &bundle, NULL, "paths are bundles", NULL},
        {"format", 'f', CS_ARG_ENUM, &format, "pretty|json", "form of the errors", NULL},
        {"capabilities", 0, CS_ARG_CAPABILITIES, &sources.capabilities, NULL, "version or file of capabilities", NULL},
        {"max-errors", 'm', CS_ARG_INT, &max_errors, NULL, "errors after which compilation stops", NULL},
        {"schema", 's', CS_ARG_STRING, &sources.schema, NULL, "schema file or folder", NULL},
        {"strict", 'S', CS_ARG_BOOL, &sources.strict, NULL, "compile in strict mode", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &sources.ignore, NULL, "patterns of files to leave out", NULL},
        {"v0-compatible", 0, CS_ARG_BOOL, &sources.v0, NULL, "modules are Rego v0", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &sources.v1, NULL, "modules are Rego v1, as they are anyway", NULL},
        {"v0-v1", 0, CS_ARG_BOOL, &sources.v0_v1, NULL, "modules can be read as Rego v0 and as v1", NULL},
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    if (status < 0 && rest.n == 0) {
        status = cs_args_wrong("specify at least one file");
    }
    if (status < 0) {
        if (max_errors >= 0) {
            (void)cs_limits_set("rego_errors", max_errors ? (uint64_t)max_errors : UINT32_MAX);
        }
        *(bundle ? &sources.bundles : &sources.data) = rest;
        cs_cmd_loaded loaded;
        cs_errors errors;
        cs_error e = {0};
        cs_errors_init(&errors);
        status = 0;
        if (cs_cmd_load(&sources, &loaded, &errors, &e) != CS_OK) {
            cs_cmd_report(&loaded, &errors, &e, strcmp(format, "json") == 0);
            status = 1;
        }
        cs_cmd_loaded_free(&loaded);
        cs_errors_destroy(&errors);
    }
    cs_arena_destroy(&a);
    return status;
}
