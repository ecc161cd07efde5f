/* strings.render_template. */
#include "rego/builtin/template.h"

#include "countersign/json.h"

/* Values reach the template through JSON: a set or a key that is no string is an error there. */
static cs_err as_json(cs_call *call, cs_value v, cs_value *out)
{
    cs_buf text;
    cs_error e;
    cs_buf_init(&text);
    cs_value_print(&text, v);
    cs_err err = cs_json_read(call->arena, cs_buf_view(&text), &(cs_json_options){.borrow = false, .prefix = true}, out,
                              NULL, &e);
    cs_buf_destroy(&text);
    return err == CS_OK ? CS_OK : cs_call_error(call, "%s", e.text);
}

/* What has no value is said in Rego's word. */
static void replace_no_value(cs_sink *s, cs_slice text)
{
    const cs_slice no_value = CS_LIT("<no value>");
    size_t at = 0, found;
    while ((found = cs_slice_find(text, no_value, at)) != SIZE_MAX) {
        cs_sink__slice(s, cs_slice_sub(text, at, found));
        cs_sink__text(s, "<undefined>");
        at = found + no_value.n;
    }
    cs_sink__slice(s, cs_slice_sub(text, at, text.n));
}

cs_err cs_builtin__strings_render_template(cs_call *call, cs_value *out)
{
    cs_slice text, made;
    cs_value variables, data;
    cs_tmpl_set set;
    cs_sink rendered, replaced;
    CS_TRY(cs_call_string(call, 1, &text));
    CS_TRY(cs_call__object(call, 2, &variables));
    CS_TRY(as_json(call, variables, &data));
    CS_TRY(cs_tmpl__parse(call, text, &set));
    cs_sink__init(&rendered, call);
    CS_TRY(cs_tmpl__execute(call, &set, data, &rendered));
    CS_TRY(cs_sink__slice_done(&rendered, &made));
    cs_sink__init(&replaced, call);
    replace_no_value(&replaced, made);
    return cs_sink__done(&replaced, out);
}
