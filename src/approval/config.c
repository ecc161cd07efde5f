/* Who is who and who may, out of the bundle: aliases, members of groups, and what of a tenant's section tells one set
 * of approvers from another. */
#include "countersign/base/mem.h"
#include "countersign/base/utf8.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "internal.h"

enum { POOL = 200, PARENTS = 16 };

/* ---- people */

cs_slice cs_approval__fold_case(cs_arena *a, cs_slice id)
{
    id = cs_slice_trim(id);
    cs_buf out;
    cs_buf_init(&out);
    for (size_t i = 0, width = 0; i < id.n; i += width) {
        char bytes[4];
        cs_buf_put(&out, bytes, cs_utf8_encode(cs_utf8_lower(cs_utf8_decode(id.p + i, id.n - i, &width)), bytes));
    }
    cs_slice folded = {cs_arena_dup(a, cs_buf_view(&out).p, out.n), out.n};
    cs_buf_destroy(&out);
    return folded;
}

cs_slice cs_approvals_person(cs_approvals *x, cs_arena *a, cs_slice id)
{
    cs_slice folded = cs_approval__fold_case(a, id);
    cs_mutex_lock(&x->lock);
    const char *target = cs_map_get(&x->aliases, folded);
    if (target != NULL) {
        size_t n = strlen(target);
        folded = cs_slice_make(cs_arena_dup(a, target, n), n);
    }
    cs_mutex_unlock(&x->lock);
    return folded;
}

/* The same with a document instead of the table in force. */
static cs_slice person_by(cs_arena *a, cs_value aliases, cs_slice id)
{
    cs_slice folded = cs_approval__fold_case(a, id);
    for (uint32_t i = 0; cs_is(aliases, CS_OBJECT) && i < cs_count(aliases); i++) {
        cs_value to, from = cs_entry(aliases, i, &to);
        if (cs_slice_eq(cs_approval__fold_case(a, cs_text(from)), folded)) {
            return cs_approval__fold_case(a, cs_text(to));
        }
    }
    return folded;
}

static cs_err check_people(cs_value people, cs_arena *a, cs_error *e)
{
    cs_value aliases = cs_approval__member(people, "aliases"), groups = cs_approval__member(people, "groups");
    bool good = cs_is_undefined(people) || cs_is(people, CS_OBJECT);
    good = good && (cs_is_undefined(aliases) || cs_is(aliases, CS_OBJECT));
    for (uint32_t i = 0; good && i < cs_count(aliases); i++) {
        cs_value to, from = cs_entry(aliases, i, &to);
        good = cs_is(from, CS_STRING) && cs_is(to, CS_STRING);
    }
    if (!good) {
        return cs_fail(e, CS_ERR_INVALID, "countersign.people.aliases must be an object of strings");
    }
    for (uint32_t i = 0; i < cs_count(aliases); i++) {
        cs_value to, from = cs_entry(aliases, i, &to);
        cs_slice person = cs_approval__fold_case(a, cs_text(to));
        if (!cs_slice_eq(person_by(a, aliases, person), person)) {
            return cs_fail(e, CS_ERR_INVALID, "countersign.people.aliases.%.*s leads to another alias",
                           CS_FMT(cs_text(from)));
        }
    }
    good = cs_is_undefined(groups) || cs_is(groups, CS_OBJECT);
    for (uint32_t i = 0; good && i < cs_count(groups); i++) {
        cs_value members;
        (void)cs_entry(groups, i, &members);
        good = cs_is(members, CS_ARRAY);
        for (uint32_t k = 0; good && k < members.n; k++) {
            good = cs_is(members.u.items[k], CS_STRING);
        }
    }
    return good ? CS_OK
                : cs_fail(e, CS_ERR_INVALID, "countersign.people.groups must be an object of arrays of strings");
}

/* ---- is there somebody to spare? */

typedef struct pool {
    cs_arena *a;
    cs_value aliases;
    cs_slice person[POOL];
    unsigned fits[POOL];
    size_t n;
} pool;

static void pool_add(pool *p, cs_slice id, unsigned fits)
{
    cs_slice person = person_by(p->a, p->aliases, id);
    size_t i = 0;
    while (i < p->n && !cs_slice_eq(p->person[i], person)) {
        i++;
    }
    if (i < POOL) {
        p->person[i] = person;
        p->fits[i] = (i < p->n ? p->fits[i] : 0) | fits;
        p->n += i == p->n;
    }
}

/* Everybody in the groups of the rules; false if the members of one are not known. */
static bool pool_of_groups(pool *p, const cs_approval__rules *rules, cs_value members)
{
    bool known = rules->n > 0;
    for (size_t r = 0; known && r < rules->n; r++) {
        cs_value groups = rules->v[r].groups;
        known = !cs_is_undefined(groups);
        for (uint32_t i = 0; known && i < cs_count(groups); i++) {
            cs_value name = cs_is(groups, CS_ARRAY) ? groups.u.items[i] : cs_entry(groups, i, NULL);
            const cs_value *list = cs_is(members, CS_OBJECT) ? cs_object_get(members, name) : NULL;
            known = list != NULL;
            for (uint32_t k = 0; known && k < cs_count(*list); k++) {
                pool_add(p, cs_text(list->u.items[k]), cs_approval__fits(rules, cs_array(&name, 1), false));
            }
        }
    }
    return known;
}

/* Whoever asks does not count: without any one of them it must still be possible. */
static bool can_spare(const pool *p, const cs_approval__rules *rules)
{
    bool good = true;
    for (size_t gone = 0; good && gone < p->n; gone++) {
        unsigned fits[POOL];
        memcpy(fits, p->fits, sizeof fits);
        fits[gone] = 0;
        good = cs_approval__match(rules, fits, p->n) >= rules->quorum;
    }
    return good && p->n > 0;
}

static cs_err check_tenant(cs_arena *a, cs_slice name, cs_value approval, cs_value people, cs_error *e)
{
    cs_approval__rules rules;
    if (cs_is_undefined(cs_approval__member(approval, "quorum")) &&
        cs_is_undefined(cs_approval__member(approval, "rules"))) {
        return CS_OK;
    }
    if (cs_approval__read_rules(approval, &rules, e) != CS_OK) {
        return cs_fail_in(e, "tenants.%.*s.approval: ", CS_FMT(name));
    }
    pool named = {.a = a, .aliases = cs_approval__member(people, "aliases")}, grouped = named;
    cs_value approvers = cs_approval__member(approval, "approvers");
    for (uint32_t i = 0; cs_is(approvers, CS_ARRAY) && i < approvers.n; i++) {
        if (cs_is(approvers.u.items[i], CS_STRING)) {
            pool_add(&named, cs_text(approvers.u.items[i]), ~0U);
        }
    }
    bool known = pool_of_groups(&grouped, &rules, cs_approval__member(people, "groups"));
    bool bad_named = cs_is(approvers, CS_ARRAY) && !can_spare(&named, &rules);
    if (bad_named || (known && !can_spare(&grouped, &rules))) {
        return cs_fail(e, CS_ERR_INVALID,
                       "tenants.%.*s.approval.quorum: %u people cannot be found among the %zu who may approve once one "
                       "of them is the requester; it must be smaller than the pool",
                       CS_FMT(name), rules.quorum, bad_named ? named.n : grouped.n);
    }
    return CS_OK;
}

cs_err cs_approvals_check(cs_value tenants, cs_value people, cs_arena *a, cs_error *e)
{
    CS_TRY(check_people(people, a, e));
    for (uint32_t i = 0; cs_is(tenants, CS_OBJECT) && i < cs_count(tenants); i++) {
        cs_value tenant, name = cs_entry(tenants, i, &tenant);
        if (cs_is(name, CS_STRING)) {
            CS_TRY(check_tenant(a, cs_text(name), cs_approval__member(tenant, "approval"), people, e));
        }
    }
    return CS_OK;
}

/* ---- what is in force */

static void copy_member(cs_arena *a, cs_value to, const char *name, cs_value from)
{
    cs_value v = cs_approval__member(from, name);
    if (!cs_is_undefined(v)) {
        cs_object_put_text(a, to, name, v);
    }
}

static void add_members(cs_arena *a, cs_value to, cs_value groups, cs_value members)
{
    for (uint32_t i = 0; i < cs_count(groups) && cs_is(members, CS_OBJECT); i++) {
        cs_value name = cs_is(groups, CS_ARRAY) ? groups.u.items[i] : cs_entry(groups, i, NULL);
        const cs_value *list = cs_object_get(members, name);
        if (list != NULL) {
            cs_object_put(a, to, name, *list);
        }
    }
}

/* Those above, as their order in the log is that of the one at the top. */
static cs_value parents_of(cs_arena *a, cs_value tenants, cs_value tenant)
{
    cs_value names[PARENTS];
    size_t n = 0;
    for (cs_value parent = cs_approval__member(tenant, "parent"); cs_is(parent, CS_STRING) && n < PARENTS; n++) {
        names[n] = parent;
        const cs_value *above = cs_object_get(tenants, parent);
        parent = above != NULL ? cs_approval__member(*above, "parent") : cs_undefined();
    }
    return cs_array_copy(a, names, n);
}

static void config_of(cs_arena *a, cs_value tenants, cs_value tenant, cs_value people, char *out)
{
    static const char *const fields[] = {"quorum", "groups", "rules", "approvers", "escalation_groups"};
    cs_value approval = cs_approval__member(tenant, "approval"), listed = cs_approval__member(people, "groups");
    out[0] = '\0';
    if (!cs_is(approval, CS_OBJECT)) {
        return;
    }
    cs_value seen = cs_object_new(a, 8), members = cs_object_new(a, 8);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        copy_member(a, seen, fields[i], approval);
    }
    cs_value rules = cs_approval__member(approval, "rules");
    add_members(a, members, cs_approval__member(approval, "groups"), listed);
    add_members(a, members, cs_approval__member(approval, "escalation_groups"), listed);
    for (uint32_t i = 0; cs_is(rules, CS_ARRAY) && i < rules.n; i++) {
        add_members(a, members, cs_approval__member(rules.u.items[i], "groups"), listed);
    }
    cs_object_put_text(a, seen, "members", members);
    cs_object_put_text(a, seen, "parents", parents_of(a, tenants, tenant));
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write_canonical(&text, seen);
    cs_slice hex = cs_digest_hex(a, CS_SHA256, cs_buf_view(&text));
    cs_buf_destroy(&text);
    memcpy(out, hex.p, CS_APPROVAL__CONFIG);
    out[CS_APPROVAL__CONFIG] = '\0';
}

void cs_approval__config_destroy(cs_approvals *x)
{
    size_t cursor = 0;
    const cs_map_entry *e = NULL;
    while ((e = cs_map_next(&x->aliases, &cursor)) != NULL) {
        cs_free(e->value);
    }
    cs_map_destroy(&x->aliases);
}

static void set_aliases(cs_approvals *x, cs_arena *a, cs_value aliases)
{
    cs_approval__config_destroy(x);
    cs_map_init(&x->aliases);
    for (uint32_t i = 0; cs_is(aliases, CS_OBJECT) && i < cs_count(aliases); i++) {
        cs_value to, from = cs_entry(aliases, i, &to);
        if (cs_is(from, CS_STRING) && cs_is(to, CS_STRING)) {
            cs_slice person = cs_approval__fold_case(a, cs_text(to));
            char *text = cs_zalloc(person.n + 1);
            memcpy(text, person.p, person.n);
            cs_free(cs_map_put(&x->aliases, cs_approval__fold_case(a, cs_text(from)), text));
        }
    }
}

void cs_approvals_configure(cs_approvals *x, cs_value tenants, cs_value people)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    uint32_t n = cs_is(tenants, CS_OBJECT) ? cs_count(tenants) : 0;
    char(*configs)[CS_APPROVAL__CONFIG + 1] = cs_arena_alloc(&a, (n + 1) * sizeof *configs);
    for (uint32_t i = 0; i < n; i++) {
        cs_value tenant;
        (void)cs_entry(tenants, i, &tenant);
        config_of(&a, tenants, tenant, people, configs[i]);
    }
    cs_mutex_lock(&x->lock);
    set_aliases(x, &a, cs_approval__member(people, "aliases"));
    size_t cursor = 0;
    const cs_map_entry *e = NULL;
    while ((e = cs_map_next(&x->tenants, &cursor)) != NULL) {
        ((cs_approval__tenant *)e->value)->configured = false;
    }
    for (uint32_t i = 0; i < n; i++) {
        cs_approval__tenant *t = cs_approval__tenant_of(x, cs_text(cs_entry(tenants, i, NULL)), true);
        memcpy(t->config, configs[i], sizeof configs[i]);
        t->configured = true;
    }
    for (cursor = 0; (e = cs_map_next(&x->tenants, &cursor)) != NULL;) {
        cs_approval__tenant *t = e->value;
        if (!t->configured) {
            t->config[0] = '\0';
        }
    }
    x->changed_config = true;
    cs_mutex_unlock(&x->lock);
    cs_arena_destroy(&a);
}
