/* What somebody may do to an approval at an instant, and what it makes of it. Asked before an act is recorded, and
 * again in the order of the log, which alone decides. */
#include "countersign/json.h"
#include "internal.h"

static cs_value array_of(cs_value acts, const char *name)
{
    cs_value v = cs_approval__member(acts, name);
    return cs_is(v, CS_ARRAY) ? v : cs_array(NULL, 0);
}

cs_approval__acts cs_approval__read_acts(cs_arena *a, const cs_approval__item *item)
{
    cs_value v = cs_approval__json(a, cs_slice_make(item->acts, item->n_text));
    return (cs_approval__acts){.grants = array_of(v, "grants"),
                               .rejections = array_of(v, "rejections"),
                               .delegations = array_of(v, "delegations"),
                               .consumed = array_of(v, "consumed"),
                               .reason = cs_approval__member(v, "reason")};
}

/* ---- may it be? */

static const char *const too_late[CS_APPROVAL_STATES] = {
    "it is requested",      "it is partially approved", "it has been approved", "it has been consumed",
    "it has been rejected", "it has expired",           "it has been cancelled"};

static cs_err refuse(cs_approval__refusal *why, int status, const char *code, const char *message)
{
    *why = (cs_approval__refusal){status, code, message};
    return CS_ERR_INVALID;
}

/* The act of a person: their own, or one in whose place somebody acted. SIZE_MAX if there is none. */
static size_t act_of(cs_value list, cs_slice person, bool own_only)
{
    for (uint32_t i = 0; i < list.n; i++) {
        cs_value one = list.u.items[i];
        if (cs_slice_eq(cs_approval__text(one, "person"), person) ||
            (!own_only && cs_slice_eq(cs_approval__text(one, "behalf_person"), person))) {
            return i;
        }
    }
    return SIZE_MAX;
}

static bool has_acted(const cs_approval__acts *acts, cs_slice person)
{
    return act_of(acts->grants, person, false) != SIZE_MAX || act_of(acts->rejections, person, false) != SIZE_MAX;
}

/* Somebody who has the right and has lent it to this person, with a fitting group, and has not acted. */
static bool stands_in(const cs_approval__acts *acts, const cs_approval__rules *rules, bool escalated,
                      cs_approval__step *step)
{
    for (uint32_t i = 0; i < acts->delegations.n; i++) {
        cs_value d = acts->delegations.u.items[i];
        cs_value groups = array_of(d, "groups");
        cs_slice from = cs_approval__text(d, "person");
        if (cs_slice_eq(cs_approval__text(d, "to_person"), step->who.person) &&
            cs_approval__whole(d, "until", 0) >= step->at_ns && !has_acted(acts, from) &&
            cs_approval__fits(rules, groups, escalated) != 0) {
            step->to = (cs_approval__who){cs_approval__text(d, "approver"), from, groups};
            step->who.groups = groups;
            return true;
        }
    }
    return false;
}

static cs_err judge_vote(const cs_approval__acts *acts, const cs_approval__rules *rules, bool escalated,
                         cs_approval__step *step, cs_approval__refusal *why)
{
    bool approve = step->act == CS_APPROVAL_APPROVE;
    size_t grant = act_of(acts->grants, step->who.person, false);
    size_t rejection = act_of(acts->rejections, step->who.person, false);
    size_t same = approve ? grant : rejection;
    if (same != SIZE_MAX) {
        cs_value one = (approve ? acts->grants : acts->rejections).u.items[same];
        bool again = cs_slice_eq(cs_approval__text(one, "approver"), step->who.id);
        return again ? refuse(why, 200, "unchanged", "it is so already")
                     : refuse(why, 409, "already_approved", "this person has acted already, by another name");
    }
    if (approve && rejection != SIZE_MAX) {
        return refuse(why, 409, "wrong_state", "this person has rejected it; that must be revoked first");
    }
    if (cs_approval__fits(rules, step->who.groups, escalated) == 0 && !stands_in(acts, rules, escalated, step)) {
        return refuse(why, 403, "approver_ineligible", "none of the caller's groups may approve this");
    }
    return CS_OK;
}

static cs_err judge_delegation(const cs_approval__acts *acts, const cs_approval__rules *rules, bool escalated,
                               const cs_approval__item *item, cs_slice requester, cs_approval__step *step,
                               cs_approval__refusal *why)
{
    if (cs_approval__fits(rules, step->who.groups, escalated) == 0) {
        return refuse(why, 403, "approver_ineligible", "none of the caller's groups may approve this");
    }
    if (has_acted(acts, step->who.person)) {
        return refuse(why, 409, "wrong_state", "the caller has acted already; that must be revoked first");
    }
    if (cs_slice_eq(step->to.person, requester)) {
        return refuse(why, 403, "self_approval", "the requester cannot act for somebody else");
    }
    if (step->to.person.n == 0 || cs_slice_eq(step->to.person, step->who.person)) {
        return refuse(why, 400, "invalid_parameter", "to must name another person");
    }
    step->until_ns = step->until_ns == 0 || step->until_ns > item->approve_by_ns ? item->approve_by_ns : step->until_ns;
    if (step->until_ns <= step->at_ns) {
        return refuse(why, 400, "invalid_parameter", "until is past");
    }
    return CS_OK;
}

cs_err cs_approval__judge(cs_arena *a, const cs_approval__item *item, cs_approval__step *step,
                          cs_approval__refusal *why)
{
    cs_value request = cs_approval__json(a, item->request);
    cs_approval__acts acts = cs_approval__read_acts(a, item);
    cs_approval_state state = cs_approval__state(item, step->at_ns);
    cs_slice requester = cs_approval__text(request, "person");
    bool escalated = cs_approval__is_escalated(item, step->at_ns);
    cs_approval__rules rules;
    if (cs_approval__read_rules(request, &rules, NULL) != CS_OK) {
        return refuse(why, 409, "wrong_state", "the request cannot be read");
    }
    if (cs_slice_eq(step->who.person, requester)) {
        return refuse(why, 403, "self_approval", "the requester cannot act on their own request");
    }
    bool vote = step->act == CS_APPROVAL_APPROVE || step->act == CS_APPROVAL_REJECT;
    bool again = vote && act_of(step->act == CS_APPROVAL_APPROVE ? acts.grants : acts.rejections, step->who.person,
                                true) != SIZE_MAX;
    bool late =
        state == CS_APPROVAL_APPROVED && (step->act == CS_APPROVAL_APPROVE || step->act == CS_APPROVAL_DELEGATE);
    bool rejected = state == CS_APPROVAL_REJECTED && step->act == CS_APPROVAL_REJECT && again;
    if ((!cs_approval__is_open(state) && !rejected) || (late && !again)) {
        return refuse(why, 409, "wrong_state", too_late[state]);
    }
    if (item->acts_done >= CS_APPROVAL__ACTS) {
        return refuse(why, 409, "too_many_acts", "too much was done and undone on this approval");
    }
    if (vote) {
        return judge_vote(&acts, &rules, escalated, step, why);
    }
    if (step->act == CS_APPROVAL_DELEGATE) {
        return judge_delegation(&acts, &rules, escalated, item, requester, step, why);
    }
    bool any = act_of(acts.grants, step->who.person, false) != SIZE_MAX ||
               act_of(acts.rejections, step->who.person, false) != SIZE_MAX ||
               act_of(acts.delegations, step->who.person, true) != SIZE_MAX;
    return any ? CS_OK : refuse(why, 409, "wrong_state", "the caller has done nothing that could be revoked");
}

/* ---- what it makes */

static cs_value without(cs_arena *a, cs_value list, cs_slice person)
{
    cs_value *kept = cs_arena_array(a, cs_value, list.n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < list.n; i++) {
        cs_value one = list.u.items[i];
        if (!cs_slice_eq(cs_approval__text(one, "person"), person) &&
            !cs_slice_eq(cs_approval__text(one, "behalf_person"), person)) {
            kept[n++] = one;
        }
    }
    return cs_array(kept, n);
}

static cs_value with(cs_arena *a, cs_value list, cs_value one)
{
    cs_value *items = cs_arena_array(a, cs_value, list.n + 1);
    for (uint32_t i = 0; i < list.n; i++) {
        items[i] = list.u.items[i];
    }
    items[list.n] = one;
    return cs_array(items, list.n + 1);
}

static cs_value act_value(cs_arena *a, const cs_approval__step *step)
{
    cs_value v = cs_object_new(a, 10);
    cs_object_put_text(a, v, "approver", cs_string(step->who.id));
    cs_object_put_text(a, v, "person", cs_string(step->who.person));
    cs_object_put_text(a, v, "groups", cs_is(step->who.groups, CS_ARRAY) ? step->who.groups : cs_array(NULL, 0));
    cs_object_put_text(a, v, "at", cs_int(step->at_ns));
    cs_object_put_text(a, v, "verified", cs_string(step->verified));
    if (step->comment.n > 0) {
        cs_object_put_text(a, v, "comment", cs_string(step->comment));
    }
    if (step->act == CS_APPROVAL_DELEGATE) {
        cs_object_put_text(a, v, "to", cs_string(step->to.id));
        cs_object_put_text(a, v, "to_person", cs_string(step->to.person));
        cs_object_put_text(a, v, "until", cs_int(step->until_ns));
    } else if (step->to.id.n > 0) {
        cs_object_put_text(a, v, "on_behalf_of", cs_string(step->to.id));
        cs_object_put_text(a, v, "behalf_person", cs_string(step->to.person));
    }
    return v;
}

/* Each grant with the groups that counted when it was given. */
static uint32_t count_have(cs_arena *a, const cs_approval__item *item, cs_value grants)
{
    cs_approval__rules rules;
    if (cs_approval__read_rules(cs_approval__json(a, item->request), &rules, NULL) != CS_OK) {
        return 0;
    }
    unsigned *fits = cs_arena_array(a, unsigned, grants.n + 1);
    for (uint32_t i = 0; i < grants.n; i++) {
        cs_value one = grants.u.items[i];
        bool escalated = cs_approval__is_escalated(item, cs_approval__whole(one, "at", 0));
        fits[i] = cs_approval__fits(&rules, array_of(one, "groups"), escalated);
    }
    return cs_approval__match(&rules, fits, grants.n);
}

void cs_approval__store_acts(cs_arena *a, cs_approval__item *item, const cs_approval__acts *acts)
{
    cs_value v = cs_object_new(a, 5);
    cs_object_put_text(a, v, "grants", acts->grants);
    cs_object_put_text(a, v, "rejections", acts->rejections);
    cs_object_put_text(a, v, "delegations", acts->delegations);
    cs_object_put_text(a, v, "consumed", acts->consumed);
    if (!cs_is_undefined(acts->reason)) {
        cs_object_put_text(a, v, "reason", acts->reason);
    }
    cs_approval__set_acts(item, v);
}

void cs_approval__do(cs_approvals *x, cs_arena *a, cs_approval__item *item, const cs_approval__step *step)
{
    cs_approval__acts acts = cs_approval__read_acts(a, item);
    switch (step->act) {
    case CS_APPROVAL_APPROVE:
        acts.grants = with(a, acts.grants, act_value(a, step));
        break;
    case CS_APPROVAL_REJECT:
        acts.grants = without(a, acts.grants, step->who.person);
        acts.rejections = with(a, acts.rejections, act_value(a, step));
        break;
    case CS_APPROVAL_REVOKE:
        acts.grants = without(a, acts.grants, step->who.person);
        acts.rejections = without(a, acts.rejections, step->who.person);
        acts.delegations = without(a, acts.delegations, step->who.person);
        break;
    case CS_APPROVAL_DELEGATE:
        acts.delegations = with(a, without(a, acts.delegations, step->who.person), act_value(a, step));
        break;
    }
    item->acts_done++;
    item->grants = acts.grants.n;
    item->rejections = acts.rejections.n;
    item->have = count_have(a, item, acts.grants);
    item->approved_ns = item->have < item->quorum ? 0 : item->approved_ns != 0 ? item->approved_ns : step->at_ns;
    cs_approval__store_acts(a, item, &acts);
    if (item->rejections >= item->most_rejections) {
        cs_approval__end(x, item, CS_APPROVAL_REJECTED, step->at_ns);
    }
}

/* ---- uses */

cs_approval__use cs_approval__consume(cs_approvals *x, cs_arena *a, cs_approval__item *item, cs_slice request_id,
                                      int64_t at_ns, int64_t now_ns)
{
    cs_approval__acts acts = cs_approval__read_acts(a, item);
    for (uint32_t i = 0; i < acts.consumed.n; i++) {
        if (cs_slice_eq(cs_approval__text(acts.consumed.u.items[i], "request_id"), request_id)) {
            return CS_APPROVAL__USED_BEFORE;
        }
    }
    if (item->used >= item->uses) {
        return CS_APPROVAL__USED_UP;
    }
    bool good = cs_approval__is_open(cs_approval__state(item, now_ns)) && item->approved_ns != 0;
    cs_value v = cs_object_new(a, 3);
    cs_object_put_text(a, v, "request_id", cs_string(request_id));
    cs_object_put_text(a, v, "at", cs_int(at_ns));
    acts.consumed = with(a, acts.consumed, v);
    item->used++;
    cs_approval__store_acts(a, item, &acts);
    if (item->used >= item->uses && item->ended_ns == 0) {
        cs_approval__end(x, item, CS_APPROVAL_CONSUMED, now_ns);
    }
    return good ? CS_APPROVAL__USED : CS_APPROVAL__USED_IN_VAIN;
}

bool cs_approval__give_back(cs_approvals *x, cs_arena *a, cs_approval__item *item, cs_slice request_id, int64_t at_ns)
{
    cs_approval__acts acts = cs_approval__read_acts(a, item);
    cs_value *kept = cs_arena_array(a, cs_value, acts.consumed.n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < acts.consumed.n; i++) {
        cs_value one = acts.consumed.u.items[i];
        if (!cs_slice_eq(cs_approval__text(one, "request_id"), request_id) ||
            cs_approval__whole(one, "at", 0) != at_ns) {
            kept[n++] = one;
        }
    }
    if (n == acts.consumed.n) {
        return false;
    }
    acts.consumed = cs_array(kept, n);
    item->used--;
    cs_approval__store_acts(a, item, &acts);
    if (item->ended_ns != 0 && item->ended == CS_APPROVAL_CONSUMED) {
        cs_approval__end(x, item, CS_APPROVAL_STATES, 0);
    }
    return true;
}
