/* Two values for one document. Evaluation ends with the first conflict; then the rules run again, so that the error
 * lists every value and its place (OPA: v1/topdown/conflicts.go). */
#include "rego/topdown/internal.h"

#define CONFLICTS_MAX 10U
/* Long values are cut to so many characters, so that an error stays readable. */
#define VALUE_TEXT_MAX 80U

/* Ends a rule that has produced a value of the list: one from each is enough to point at it. */
static const cs_stop found_one = {CS_STOP_ERROR, NULL};

static void print_ref(cs_buf *out, cs_td *run, const cs_td_rule *rule)
{
    cs_term ref = {.kind = CS_TERM_REF, .u.list = rule->ref};
    (void)run;
    cs_term_print(out, &ref);
}

cs_go cs_td__conflict(cs_td *run, const cs_td_rule *rule)
{
    cs_buf text;
    cs_buf_init(&text);
    print_ref(&text, run, rule);
    bool function = rule->rule->head.args.n > 0;
    cs_go stop =
        cs_td__fail(run, rule->rule->loc, CS_ERR_EVAL_CONFLICT, "%s %.*s produced conflicting values%s",
                    function ? "function" : "rule", CS_FMT(cs_buf_view(&text)), function ? " for the same inputs" : "");
    cs_buf_destroy(&text);
    run->conflict_of = rule->rule;
    return stop;
}

static cs_go add_value(cs_td_conflicts *c, const cs_rule *rule, cs_value v)
{
    if (c->n > 0 && cs_equal(c->values[0], v)) {
        return NULL;
    }
    if (c->n == CONFLICTS_MAX) {
        c->more = true;
        return &found_one;
    }
    c->values[c->n] = v;
    c->places[c->n++] = rule->loc;
    return c->n == 1 ? NULL : &found_one;
}

cs_go cs_td__conflict_take(cs_td_conflicts *c, cs_td_frame *child, const cs_rule *rule)
{
    cs_td__event_rule(child, CS_TRACE_EXIT, rule);
    cs_opd v = cs_td__plug_term(child, rule->head.value);
    if (!v.t) {
        CS_GO(add_value(c, rule, v.v));
    }
    cs_td__event_rule(child, CS_TRACE_REDO, rule);
    return NULL;
}

static bool stands_before(const cs_loc *a, const cs_loc *b)
{
    cs_slice x = a->source ? a->source->file : CS_LIT("");
    cs_slice y = b->source ? b->source->file : CS_LIT("");
    int order = cs_slice_compare(x, y);
    return order ? order < 0 : a->row != b->row ? a->row < b->row : a->col < b->col;
}

static void sort_by_place(cs_td_conflicts *c)
{
    for (uint32_t i = 1; i < c->n; i++) {
        for (uint32_t j = i; j > 0 && stands_before(&c->places[j], &c->places[j - 1]); j--) {
            cs_value v = c->values[j];
            cs_loc place = c->places[j];
            c->values[j] = c->values[j - 1];
            c->places[j] = c->places[j - 1];
            c->values[j - 1] = v;
            c->places[j - 1] = place;
        }
    }
}

static void list_values(cs_buf *text, const cs_td_conflicts *c)
{
    cs_buf_byte(text, ':');
    for (uint32_t i = 0; i < c->n; i++) {
        const cs_loc *loc = &c->places[i];
        cs_buf_text(text, "\n  ");
        cs_value_print_line(text, c->values[i], VALUE_TEXT_MAX);
        cs_buf_text(text, " at ");
        cs_slice file = loc->source ? loc->source->file : CS_LIT("");
        cs_buf_slice(text, file);
        cs_buf_printf(text, file.n ? ":%u" : "%u", loc->row);
        if (!file.n) {
            cs_buf_printf(text, ":%u", loc->col);
        }
    }
    if (c->more) {
        cs_buf_text(text, "\n  ...");
    }
}

cs_go cs_td__conflict_list(cs_td_frame *f, cs_go stop, const cs_td_rule *rule, const cs_td_rules *rules,
                           cs_go (*again)(void *self, const cs_td_rule *rule, cs_td_conflicts *c, bool *produced),
                           void *self)
{
    cs_td *run = f->run;
    if (stop->kind != CS_STOP_ERROR || run->conflict_of != rule->rule || run->partial) {
        return stop;
    }
    cs_error error = run->error;
    cs_td_conflicts c = {.n = 0};
    bool produced = false;
    run->conflict_of = NULL;
    run->quiet_builtins = true;
    for (uint32_t i = 0; i < rules->n && !c.more; i++) {
        if (rules->v[i].is_other && produced) {
            continue;
        }
        cs_go ended = again(self, &rules->v[i], &c, &produced);
        if (ended && ended->kind == CS_STOP_ERROR && ended != &found_one) {
            break;
        }
    }
    run->quiet_builtins = false;
    run->err = error.code;
    run->error = error;
    if (c.n < 2) {
        return stop; /* with nondeterministic functions the conflict may be gone */
    }
    sort_by_place(&c);
    cs_buf text;
    cs_buf_init(&text);
    cs_buf_text(&text, error.text);
    list_values(&text, &c);
    run->err = cs_fail(&run->error, error.code, "%.*s", CS_FMT(cs_buf_view(&text)));
    memcpy(run->error.file, error.file, sizeof error.file);
    run->error.row = error.row;
    run->error.col = error.col;
    cs_buf_destroy(&text);
    return stop;
}
