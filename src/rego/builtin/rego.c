/* rego.parse_module, and rego.metadata.* where there is no rule. */
#include "rego/builtin/internal.h"
#include "rego/syntax/parse.h"

/* The errors as OPA prints a list of them. */
static cs_err parse_error(cs_call *call, const cs_errors *errors)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_errors_print(&text, errors);
    cs_err err = cs_call_error(call, "%s", cs_buf_cstr(&text));
    cs_buf_destroy(&text);
    return err;
}

cs_err cs_builtin__rego_parse_module(cs_call *call, cs_value *out)
{
    cs_slice file;
    CS_TRY(cs_call_string(call, 1, &file));
    CS_TRY(cs_call__kind(call, 1, call->args[1], CS_STRING, "string"));
    cs_ast ast;
    cs_errors errors;
    cs_module *module = NULL;
    cs_parse_options options = {.version = CS_REGO_V1};
    cs_ast_init(&ast, call->arena);
    cs_errors_init(&errors);
    cs_err err = cs_parse_module(&ast, file, cs_text(call->args[1]), &options, &module, &errors);
    if (err == CS_OK) {
        *out = cs_module_to_json(call->arena, module);
    } else {
        err = parse_error(call, &errors);
    }
    cs_errors_destroy(&errors);
    return err;
}

/* In rules the compiler puts the annotations in its place. */
static cs_err outside_of_rules(cs_call *call)
{
    return cs_call_error(call, "the %s function must only be called within the scope of a rule", call->builtin->name);
}

cs_err cs_builtin__rego_metadata_chain(cs_call *call, cs_value *out)
{
    (void)out;
    return outside_of_rules(call);
}

cs_err cs_builtin__rego_metadata_rule(cs_call *call, cs_value *out)
{
    (void)out;
    return outside_of_rules(call);
}
