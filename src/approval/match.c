/* People to rules. A request may ask for two of these groups and one of those; a person who is in both counts in one
 * place only, and which one is chosen so that most places are filled: a bipartite matching, by augmenting paths. */
#include "internal.h"

/* ---- rules */

static bool is_texts(cs_value v)
{
    bool good = cs_is(v, CS_ARRAY) || cs_is(v, CS_SET);
    for (uint32_t i = 0; good && i < cs_count(v); i++) {
        cs_value item = cs_is(v, CS_ARRAY) ? v.u.items[i] : cs_entry(v, i, NULL);
        good = cs_is(item, CS_STRING);
    }
    return good;
}

static cs_err read_rule(cs_value v, size_t index, cs_approval__rule *out, cs_error *e)
{
    int64_t quorum = cs_approval__whole(v, "quorum", 1);
    out->groups = cs_approval__member(v, "groups");
    if (!cs_is(v, CS_OBJECT) || !is_texts(out->groups) || cs_count(out->groups) == 0) {
        return cs_fail(e, CS_ERR_INVALID, "rules[%zu].groups must name at least one group", index);
    }
    if (quorum < 1 || quorum > CS_APPROVAL__PEOPLE) {
        return cs_fail(e, CS_ERR_INVALID, "rules[%zu].quorum must be a whole number from 1 to %d", index,
                       CS_APPROVAL__PEOPLE);
    }
    out->quorum = (uint32_t)quorum;
    return CS_OK;
}

/* Everybody who is in any of the groups: of the request, or of its rules. */
static cs_value all_groups(cs_value request, cs_value rules)
{
    cs_value groups = cs_approval__member(request, "groups");
    return !cs_is_undefined(groups) || !cs_is(rules, CS_ARRAY) || rules.n == 0 ? groups : cs_null();
}

cs_err cs_approval__read_rules(cs_value request, cs_approval__rules *out, cs_error *e)
{
    *out = (cs_approval__rules){.escalation = cs_approval__member(request, "escalation_groups")};
    cs_value rules = cs_approval__member(request, "rules");
    if (!cs_is_undefined(rules) && (!cs_is(rules, CS_ARRAY) || rules.n > CS_APPROVAL__RULES)) {
        return cs_fail(e, CS_ERR_INVALID, "rules must be an array of at most %d", CS_APPROVAL__RULES);
    }
    if (!cs_is_undefined(out->escalation) && !is_texts(out->escalation)) {
        return cs_fail(e, CS_ERR_INVALID, "escalation_groups must be an array of strings");
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; cs_is(rules, CS_ARRAY) && i < rules.n; i++) {
        CS_TRY(read_rule(rules.u.items[i], i, &out->v[out->n], e));
        sum += out->v[out->n++].quorum;
    }
    int64_t quorum = cs_approval__whole(request, "quorum", sum);
    if (quorum < 1 || quorum > CS_APPROVAL__PEOPLE || sum > CS_APPROVAL__PEOPLE) {
        return cs_fail(e, CS_ERR_INVALID, "quorum must be a whole number from 1 to %d", CS_APPROVAL__PEOPLE);
    }
    cs_value groups = all_groups(request, rules);
    if (!cs_is_undefined(groups) && !cs_is(groups, CS_NULL) && (!is_texts(groups) || cs_count(groups) == 0)) {
        return cs_fail(e, CS_ERR_INVALID, "groups must name at least one group");
    }
    out->quorum = (uint32_t)quorum > sum ? (uint32_t)quorum : sum;
    if (out->quorum > sum) {
        out->v[out->n++] = (cs_approval__rule){.groups = groups, .quorum = out->quorum - sum};
    }
    return CS_OK;
}

static bool shares(cs_value x, cs_value y)
{
    for (uint32_t i = 0; i < cs_count(x); i++) {
        cs_value one = cs_is(x, CS_ARRAY) ? x.u.items[i] : cs_entry(x, i, NULL);
        for (uint32_t k = 0; k < cs_count(y); k++) {
            if (cs_equal(one, cs_is(y, CS_ARRAY) ? y.u.items[k] : cs_entry(y, k, NULL))) {
                return true;
            }
        }
    }
    return false;
}

unsigned cs_approval__fits(const cs_approval__rules *rules, cs_value groups, bool escalated)
{
    if (escalated && shares(rules->escalation, groups)) {
        return (1U << rules->n) - 1U;
    }
    unsigned fits = 0;
    for (size_t i = 0; i < rules->n; i++) {
        const cs_approval__rule *rule = &rules->v[i];
        bool good = cs_is_undefined(rule->groups) || shares(rule->groups, groups);
        for (size_t k = 0; cs_is(rule->groups, CS_NULL) && k < rules->n; k++) {
            good = good || shares(rules->v[k].groups, groups);
        }
        fits |= good ? 1U << i : 0U;
    }
    return fits;
}

/* ---- matching */

enum { NOBODY = UINT8_MAX };

typedef struct matching {
    const unsigned *fits;
    uint8_t rule[CS_APPROVAL__PEOPLE]; /* of each place */
    uint8_t who[CS_APPROVAL__PEOPLE];  /* fills it */
    bool tried[CS_APPROVAL__PEOPLE];
    size_t places;
} matching;

/* A place for somebody, if need be by finding another one for whoever fills it: at most one call a place deep. */
static bool seat(matching *m, uint8_t person)
{
    for (size_t i = 0; i < m->places; i++) {
        if (m->tried[i] || (m->fits[person] >> m->rule[i] & 1U) == 0) {
            continue;
        }
        m->tried[i] = true;
        if (m->who[i] == NOBODY || seat(m, m->who[i])) {
            m->who[i] = person;
            return true;
        }
    }
    return false;
}

uint32_t cs_approval__match(const cs_approval__rules *rules, const unsigned *fits, size_t n)
{
    matching m = {.fits = fits};
    uint32_t filled = 0;
    for (size_t i = 0; i < rules->n; i++) {
        for (uint32_t k = 0; k < rules->v[i].quorum && m.places < CS_APPROVAL__PEOPLE; k++) {
            m.rule[m.places] = (uint8_t)i;
            m.who[m.places++] = NOBODY;
        }
    }
    for (size_t i = 0; i < n && i < NOBODY; i++) {
        memset(m.tried, 0, sizeof m.tried);
        filled += seat(&m, (uint8_t)i);
    }
    return filled;
}
