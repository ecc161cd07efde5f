/* The report: who approved what, overrides, changes of policy and of budgets, refused calls, how decisions went, and
 * whether duties were kept apart. */
#include "countersign/base/map.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "internal.h"

enum { REFUSALS_SHOWN = 1000, TENANTS_MAX = 10000 };

typedef CS_VEC(cs_value) values;

typedef struct counts {
    cs_slice name;
    uint64_t allow, deny, other;
} counts;

/* Everything that acts on one approval. */
typedef struct approval {
    cs_slice id;
    values acts;
} approval;

typedef struct builder {
    cs_arena *a; /* of the report */
    cs_arena scratch;
    uint64_t records, decisions, refusals;
    counts total;
    cs_map tenants; /* name → counts */
    cs_map reasons; /* code → uint64_t */
    CS_VEC(counts *) by_tenant;
    CS_VEC(cs_slice) codes;
    CS_VEC(approval *) approvals;
    cs_map approval_of; /* id → approval */
    values overrides, policies, budgets, access, log, findings;
} builder;

static cs_slice text(cs_value object, const char *name)
{
    cs_value v = cs_object_member(object, name);
    return cs_is(v, CS_STRING) ? cs_text(v) : CS_LIT("");
}

static cs_slice copy_text(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.n != 0 ? s.p : "", s.n), s.n);
}

/* ---- decisions */

static counts *counts_of(builder *b, cs_slice tenant)
{
    counts *c = cs_map_get(&b->tenants, tenant);
    if (c == NULL) {
        if (b->by_tenant.n >= TENANTS_MAX) {
            return &b->total;
        }
        c = cs_arena_new(b->a, counts);
        c->name = copy_text(b->a, tenant);
        (void)cs_map_put(&b->tenants, c->name, c);
        CS_VEC_PUSH_IN(b->a, &b->by_tenant, c);
    }
    return c;
}

static void count_outcome(counts *c, cs_slice outcome)
{
    bool allow = cs_slice_is(outcome, "allow"), deny = cs_slice_is(outcome, "deny");
    c->allow += allow ? 1 : 0;
    c->deny += deny ? 1 : 0;
    c->other += !allow && !deny ? 1 : 0;
}

static void count_reason(builder *b, cs_slice code)
{
    uint64_t *n = cs_map_get(&b->reasons, code);
    if (n == NULL && b->codes.n < TENANTS_MAX) {
        n = cs_arena_new(b->a, uint64_t);
        cs_slice mine = copy_text(b->a, code);
        (void)cs_map_put(&b->reasons, mine, n);
        CS_VEC_PUSH_IN(b->a, &b->codes, mine);
    }
    if (n != NULL) {
        (*n)++;
    }
}

static void add_decision(builder *b, cs_value record)
{
    cs_value data = cs_object_member(record, "data"), result = cs_object_member(data, "result");
    counts *c = counts_of(b, text(record, "tenant"));
    b->decisions++;
    count_outcome(&b->total, text(data, "outcome"));
    if (c != &b->total) {
        count_outcome(c, text(data, "outcome"));
    }
    cs_value codes = cs_object_member(cs_object_member(result, "reason"), "codes"),
             reasons = cs_object_member(result, "reasons");
    for (uint32_t i = 0; cs_is(codes, CS_ARRAY) && i < codes.n; i++) {
        if (cs_is(codes.u.items[i], CS_STRING)) {
            count_reason(b, cs_text(codes.u.items[i]));
        }
    }
    for (uint32_t i = 0; cs_is(reasons, CS_ARRAY) && !cs_is(codes, CS_ARRAY) && i < reasons.n; i++) {
        cs_slice code = text(reasons.u.items[i], "code");
        if (code.n != 0) {
            count_reason(b, code);
        }
    }
}

/* ---- acts */

/* The record without its chain: what its data says, who, when and where to find it. */
static cs_value act_of(builder *b, cs_value record)
{
    static const char *const envelope[] = {"actor", "decision_id", "request_id", "seq", "tenant", "time", "type"};
    cs_value data = cs_object_member(record, "data");
    cs_value act = cs_is(data, CS_OBJECT) ? cs_object_clone(b->a, data, 8) : cs_object_new(b->a, 8);
    for (size_t i = 0; i < sizeof envelope / sizeof *envelope; i++) {
        cs_value v = cs_object_member(record, envelope[i]);
        if (!cs_is_undefined(v)) {
            cs_object_put_text(b->a, act, envelope[i], v);
        }
    }
    return act;
}

static void add_approval(builder *b, cs_value act)
{
    cs_slice id = text(act, "id");
    approval *x = cs_map_get(&b->approval_of, id);
    if (x == NULL) {
        x = cs_arena_new(b->a, approval);
        x->id = id;
        (void)cs_map_put(&b->approval_of, id, x);
        CS_VEC_PUSH_IN(b->a, &b->approvals, x);
    }
    CS_VEC_PUSH_IN(b->a, &x->acts, act);
}

static void add_act(builder *b, cs_slice type, cs_slice line)
{
    cs_value record;
    cs_slice mine = copy_text(b->a, line);
    if (cs_json_read(b->a, mine, NULL, &record, NULL, NULL) != CS_OK) {
        return;
    }
    cs_value act = act_of(b, record);
    static const struct {
        const char *prefix;
        size_t list; /* offset in the builder */
    } lists[] = {{"override.", offsetof(builder, overrides)}, {"bundle.", offsetof(builder, policies)},
                 {"policy.", offsetof(builder, policies)},    {"data.", offsetof(builder, policies)},
                 {"budget.", offsetof(builder, budgets)},     {"access.", offsetof(builder, access)},
                 {"audit.", offsetof(builder, log)}};
    if (cs_slice_starts(type, CS_LIT("approval."))) {
        add_approval(b, act);
        return;
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (cs_slice_starts(type, cs_slice_of(lists[i].prefix))) {
            values *list = (values *)(void *)((char *)b + lists[i].list);
            CS_VEC_PUSH_IN(b->a, list, act);
        }
    }
}

static bool add_line(void *self, uint64_t seq, cs_slice line)
{
    builder *b = self;
    cs_audit__line parts;
    if (seq == 0 || !cs_audit__line_read(line, &parts)) {
        return true;
    }
    b->records++;
    if (cs_slice_is(parts.type, "decision")) {
        cs_value record;
        if (cs_json_read(&b->scratch, line, &(cs_json_options){.borrow = true}, &record, NULL, NULL) == CS_OK) {
            add_decision(b, record);
        }
        cs_arena_reset(&b->scratch);
        return true;
    }
    bool refusal = cs_slice_starts(parts.type, CS_LIT("access."));
    b->refusals += refusal ? 1 : 0;
    if (!refusal || b->access.n < REFUSALS_SHOWN) {
        add_act(b, parts.type, line);
    }
    return true;
}

/* ---- duties kept apart */

static cs_slice who(cs_value act)
{
    return text(cs_object_member(act, "actor"), "sub");
}

static bool is(cs_value act, const char *type)
{
    return cs_slice_is(text(act, "type"), type);
}

static void find(builder *b, const char *rule, bool violation, cs_slice subject, cs_slice id, cs_value first,
                 cs_value second)
{
    cs_value f = cs_object_new(b->a, 6), seqs[2] = {cs_object_member(first, "seq"), cs_object_member(second, "seq")};
    cs_object_put_text(b->a, f, "rule", cs_string(cs_slice_of(rule)));
    cs_object_put_text(b->a, f, "severity", cs_string(cs_slice_of(violation ? "violation" : "review")));
    cs_object_put_text(b->a, f, "subject", cs_string(subject));
    if (id.n != 0) {
        cs_object_put_text(b->a, f, "approval", cs_string(id));
    }
    cs_object_put_text(b->a, f, "records", cs_array_copy(b->a, seqs, cs_is_undefined(seqs[1]) ? 1 : 2));
    CS_VEC_PUSH_IN(b->a, &b->findings, f);
}

static cs_slice requester_of(const approval *x)
{
    cs_slice name = CS_LIT("");
    for (size_t i = 0; i < x->acts.n && name.n == 0; i++) {
        name = text(x->acts.v[i], "requester");
    }
    return name;
}

/* A grant that was taken back in between may be given again. */
static bool granted_before(const approval *x, size_t i, cs_value *first)
{
    for (size_t k = i; k-- > 0;) {
        cs_value act = x->acts.v[k];
        if (!cs_slice_eq(who(act), who(x->acts.v[i]))) {
            continue;
        }
        if (is(act, "approval.revoked")) {
            return false;
        }
        if (is(act, "approval.granted")) {
            *first = act;
            return true;
        }
    }
    return false;
}

static void check_approval(builder *b, const approval *x)
{
    cs_slice requester = requester_of(x);
    for (size_t i = 0; i < x->acts.n; i++) {
        cs_value act = x->acts.v[i], first;
        cs_slice subject = who(act);
        if (is(act, "approval.granted") && subject.n != 0 && cs_slice_eq(subject, requester)) {
            find(b, "self_approval", true, subject, x->id, act, cs_undefined());
        }
        if (is(act, "approval.granted") && subject.n != 0 && granted_before(x, i, &first)) {
            find(b, "one_person_twice", true, subject, x->id, first, act);
        }
        cs_slice to = text(act, "to");
        to = to.n != 0 ? to : text(cs_object_member(act, "to"), "id");
        if (is(act, "approval.delegated") && to.n != 0 && cs_slice_eq(to, requester)) {
            find(b, "delegated_to_requester", true, to, x->id, act, cs_undefined());
        }
    }
}

/* Who changes the rules should not be who approves under them. */
static void check_both(builder *b, const values *acts, const char *rule)
{
    for (size_t i = 0; i < acts->n; i++) {
        cs_slice subject = who(acts->v[i]);
        for (size_t k = 0; subject.n != 0 && k < b->approvals.n; k++) {
            const approval *x = b->approvals.v[k];
            for (size_t j = 0; j < x->acts.n; j++) {
                if (is(x->acts.v[j], "approval.granted") && cs_slice_eq(who(x->acts.v[j]), subject)) {
                    find(b, rule, false, subject, x->id, acts->v[i], x->acts.v[j]);
                }
            }
        }
    }
}

static cs_value duties(builder *b)
{
    for (size_t i = 0; i < b->approvals.n; i++) {
        check_approval(b, b->approvals.v[i]);
    }
    check_both(b, &b->policies, "policy_and_approval");
    check_both(b, &b->overrides, "override_and_approval");
    check_both(b, &b->budgets, "budget_and_approval");
    uint64_t violations = 0;
    for (size_t i = 0; i < b->findings.n; i++) {
        violations += cs_slice_is(text(b->findings.v[i], "severity"), "violation") ? 1 : 0;
    }
    cs_value v = cs_object_new(b->a, 4);
    cs_object_put_text(b->a, v, "approvals_checked", cs_int((int64_t)b->approvals.n));
    cs_object_put_text(b->a, v, "findings", cs_array(b->findings.v, b->findings.n));
    cs_object_put_text(b->a, v, "kept", cs_bool(violations == 0));
    cs_object_put_text(b->a, v, "violations", cs_int((int64_t)violations));
    return v;
}

/* ---- putting it together */

static cs_value counts_value(cs_arena *a, const counts *c)
{
    cs_value v = cs_object_new(a, 3);
    cs_object_put_text(a, v, "allow", cs_int((int64_t)c->allow));
    cs_object_put_text(a, v, "deny", cs_int((int64_t)c->deny));
    cs_object_put_text(a, v, "other", cs_int((int64_t)c->other));
    return v;
}

static cs_value decisions_value(builder *b)
{
    cs_value v = counts_value(b->a, &b->total), tenants = cs_object_new(b->a, 16), reasons = cs_object_new(b->a, 16);
    for (size_t i = 0; i < b->by_tenant.n; i++) {
        cs_object_put(b->a, tenants, cs_string(b->by_tenant.v[i]->name), counts_value(b->a, b->by_tenant.v[i]));
    }
    for (size_t i = 0; i < b->codes.n; i++) {
        const uint64_t *n = cs_map_get(&b->reasons, b->codes.v[i]);
        cs_object_put(b->a, reasons, cs_string(b->codes.v[i]), cs_int((int64_t)*n));
    }
    cs_object_put_text(b->a, v, "total", cs_int((int64_t)b->decisions));
    cs_object_put_text(b->a, v, "tenants", tenants);
    cs_object_put_text(b->a, v, "reasons", reasons);
    return v;
}

static cs_value approvals_value(builder *b)
{
    static const char *const names[] = {"tenant", "requester", "operation", "digest",
                                        "cost",   "currency",  "quorum",    "state"};
    cs_value *items = cs_arena_array(b->a, cs_value, b->approvals.n + 1);
    for (size_t i = 0; i < b->approvals.n; i++) {
        const approval *x = b->approvals.v[i];
        items[i] = cs_object_new(b->a, 10);
        cs_object_put_text(b->a, items[i], "id", cs_string(x->id));
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            cs_value last = cs_undefined();
            for (size_t j = x->acts.n; j-- > 0 && cs_is_undefined(last);) {
                last = cs_object_member(x->acts.v[j], names[k]);
            }
            if (!cs_is_undefined(last)) {
                cs_object_put_text(b->a, items[i], names[k], last);
            }
        }
        cs_object_put_text(b->a, items[i], "acts", cs_array(x->acts.v, x->acts.n));
    }
    return cs_array(items, b->approvals.n);
}

static void put_instant(cs_arena *a, cs_value v, const char *name, int64_t ns)
{
    char stamp[40];
    size_t n = cs_time_format_rfc3339(ns, stamp);
    cs_object_put_text(a, v, name, ns != 0 ? cs_string_copy(a, cs_slice_make(stamp, n)) : cs_null());
}

static cs_value report_value(builder *b, const cs_audit_filter *f, const cs_audit_verdict *verdict)
{
    cs_arena *a = b->a;
    cs_value v = cs_object_new(a, 16), refused = cs_object_new(a, 2);
    cs_object_put_text(a, refused, "total", cs_int((int64_t)b->refusals));
    cs_object_put_text(a, refused, "first", cs_array(b->access.v, b->access.n));
    put_instant(a, v, "from", f->from_ns);
    put_instant(a, v, "to", f->to_ns);
    put_instant(a, v, "made_at", cs_time_wall_ns());
    cs_object_put_text(a, v, "tenant", f->tenant.n != 0 ? cs_string_copy(a, f->tenant) : cs_null());
    cs_object_put_text(a, v, "records", cs_int((int64_t)b->records));
    cs_object_put_text(a, v, "log", cs_freeze(a, cs_audit_verdict_value(a, verdict)));
    cs_object_put_text(a, v, "decisions", decisions_value(b));
    cs_object_put_text(a, v, "approvals", approvals_value(b));
    cs_object_put_text(a, v, "overrides", cs_array(b->overrides.v, b->overrides.n));
    cs_object_put_text(a, v, "policy_changes", cs_array(b->policies.v, b->policies.n));
    cs_object_put_text(a, v, "budget_changes", cs_array(b->budgets.v, b->budgets.n));
    cs_object_put_text(a, v, "access_refused", refused);
    cs_object_put_text(a, v, "audit_events", cs_array(b->log.v, b->log.n));
    cs_object_put_text(a, v, "separation_of_duty", duties(b));
    return v;
}

cs_value cs_audit_verdict_value(cs_arena *a, const cs_audit_verdict *v)
{
    cs_value out = cs_object_new(a, 12);
    cs_object_put_text(a, out, "good", cs_bool(v->good));
    cs_object_put_text(a, out, "records", cs_int((int64_t)v->records));
    cs_object_put_text(a, out, "first_seq", cs_int((int64_t)v->first_seq));
    cs_object_put_text(a, out, "last_seq", cs_int((int64_t)v->last_seq));
    cs_object_put_text(a, out, "signed_seq", cs_int((int64_t)v->signed_seq));
    cs_object_put_text(a, out, "checkpoints", cs_int((int64_t)v->checkpoints));
    if (!v->good) {
        cs_object_put_text(a, out, "fault", cs_string(cs_slice_of(v->fault)));
        cs_object_put_text(a, out, "seq", cs_int((int64_t)v->seq));
        cs_object_put_text(a, out, "file", cs_string(cs_slice_of(v->file)));
        cs_object_put_text(a, out, "line", cs_int((int64_t)v->line));
        cs_object_put_text(a, out, "message", cs_string(cs_slice_of(v->text)));
    }
    return out;
}

cs_err cs_audit_report(const char *dir, const cs_audit_filter *filter, const cs_audit_verdict *verdict, cs_arena *a,
                       cs_value *out, cs_error *e)
{
    builder b = {.a = a};
    cs_arena_init(&b.scratch, 0);
    cs_map_init(&b.tenants);
    cs_map_init(&b.reasons);
    cs_map_init(&b.approval_of);
    cs_err err = cs_audit_read(dir, filter, add_line, &b, e);
    if (err == CS_OK) {
        *out = report_value(&b, filter, verdict);
    }
    cs_map_destroy(&b.tenants);
    cs_map_destroy(&b.reasons);
    cs_map_destroy(&b.approval_of);
    cs_arena_destroy(&b.scratch);
    return err;
}
