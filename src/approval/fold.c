/* What the log says of approvals: requested and used by decisions, acted on by people, ended by the clock. Whatever
 * depends on time goes by the event's arrival, so that every replica comes to the same. */
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "countersign/json.h"
#include "internal.h"

#define COMMITTED "io.countersign.decision.committed.v1"
#define VOIDED "io.countersign.hold.voided.v1"
#define PREFIX "io.countersign.approval."
#define OWN_SOURCE "/countersign/"
enum { COMMENT_BYTES = 1024, NAME_BYTES = 256, GROUPS = 64 }; /* as for acts over HTTP */

/* ---- telling */

static void tell(cs_approvals *x, const cs_event *event, cs_approval_news *news)
{
    news->ours = cs_slice_is(event->source, x->source);
    news->past = event->past;
    news->event_id = event->id;
    news->request_id = event->correlation;
    news->at_ns = event->arrived_ns;
    for (size_t i = 0; i < x->n_listeners; i++) {
        if (!event->past || x->listeners[i].past) {
            x->listeners[i].heard(x->listeners[i].self, news);
        }
    }
}

/* ---- composing */

cs_event cs_approval__event(cs_approvals *x, cs_arena *a, const char *what, const cs_approval__item *item,
                            cs_slice request, cs_value data)
{
    char uuid[37];
    cs_random_uuid(uuid);
    size_t n_id = 0;
    size_t n_subject = 0;
    const char *id = cs_arena_printf(a, &n_id, "%.*s-%s", CS_FMT(item->id), uuid);
    const char *subject = cs_arena_printf(a, &n_subject, "approval/%.*s", CS_FMT(item->id));
    cs_object_put_text(a, data, "approval", cs_string(item->id));
    cs_object_put_text(a, data, "tenant", cs_string(item->tenant->name));
    cs_object_put_text(a, data, "digest", cs_string(item->digest));
    cs_event_head head = {.type = cs_arena_printf(a, NULL, PREFIX "%s.v1", what),
                          .source = cs_slice_of(x->source),
                          .id = cs_slice_make(id, n_id),
                          .subject = cs_slice_make(subject, n_subject),
                          .tenant = item->tenant->name,
                          .key = item->key,
                          .correlation = request,
                          .time_ns = x->now_ns(x->now_self)};
    return cs_event_compose(a, &head, data);
}

/* ---- requested */

static bool read_request(cs_value v, cs_approval__item *out)
{
    *out = (cs_approval__item){.id = cs_approval__text(v, "id"),
                               .digest = cs_approval__text(v, "digest"),
                               .key = cs_approval__text(v, "key"),
                               .config = cs_approval__text(v, "config"),
                               .requested_ns = cs_approval__whole(v, "requested_at", 0),
                               .approve_by_ns = cs_approval__whole(v, "approve_by", 0),
                               .execute_ns = cs_approval__whole(v, "execute_within_ns", 0),
                               .escalate_ns = cs_approval__whole(v, "escalates_at", INT64_MAX),
                               .quorum = (uint32_t)cs_approval__whole(v, "quorum", 0),
                               .uses = (uint32_t)cs_approval__whole(v, "uses", 1),
                               .most_rejections = (uint32_t)cs_approval__whole(v, "rejections", 1),
                               .ordinal = (uint32_t)cs_approval__whole(v, "ordinal", 1)};
    cs_approval__rules rules;
    return out->id.n > 0 && cs_approval_is_digest(out->digest) && cs_approval__text(v, "person").n > 0 &&
           out->requested_ns > 0 && out->approve_by_ns > 0 && out->uses > 0 && out->most_rejections > 0 &&
           cs_approval__read_rules(v, &rules, NULL) == CS_OK && rules.quorum == out->quorum;
}

/* The first request for a digest counts, as long as it is open. */
static bool open_item(cs_approvals *x, const cs_event *event, cs_slice tenant, cs_value v)
{
    cs_approval__item like;
    if (!read_request(v, &like)) {
        return false;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, v, 0);
    like.request = cs_buf_view(&text);
    cs_mutex_lock(&x->lock);
    const cs_approval__item *newest = cs_approval__newest(x, tenant, like.digest);
    bool fresh = cs_map_get(&x->by_id, like.id) == NULL &&
                 (newest == NULL || !cs_approval__is_open(cs_approval__state(newest, event->arrived_ns)));
    if (fresh) {
        cs_approval__forget(x);
        cs_dirty_mark(&x->rows, cs_approval__add(x, &like, tenant, CS_LIT("{}")));
    }
    cs_mutex_unlock(&x->lock);
    cs_buf_destroy(&text);
    return fresh;
}

/* ---- used */

static cs_approval__use use_item(cs_approvals *x, const cs_event *event, cs_slice tenant, cs_value v,
                                 cs_approval_news *news)
{
    cs_approval__use use = CS_APPROVAL__USED_UP;
    cs_mutex_lock(&x->lock);
    cs_approval__item *item = cs_map_get(&x->by_id, cs_approval__text(v, "approval"));
    if (item != NULL && cs_slice_eq(item->tenant->name, tenant)) {
        cs_dirty_mark(&x->rows, item);
        use = cs_approval__consume(x, &x->scratch, item, cs_approval__text(event->data, "request_id"),
                                   cs_approval__whole(v, "at", 0), event->arrived_ns);
        news->id = item->id;
        news->digest = item->digest;
    }
    cs_mutex_unlock(&x->lock);
    return use;
}

/* The arrays of a decision; both have one item at most. */
static cs_value only_item(cs_value data, const char *name)
{
    cs_value list = cs_approval__member(data, name);
    return cs_is(list, CS_ARRAY) && list.n == 1 ? list.u.items[0] : cs_undefined();
}

static cs_event_outcome fold_decision(void *self, const cs_event *event)
{
    cs_approvals *x = self;
    cs_slice tenant = cs_approval__text(event->data, "tenant");
    cs_value request = only_item(event->data, "requests"), consume = only_item(event->data, "consumes");
    cs_event_outcome outcome = CS_EVENT_UNSEEN;
    if (!cs_slice_is(event->type, COMMITTED)) {
        return outcome;
    }
    cs_approval_news news = {.tenant = tenant, .actor = CS_LIT("")};
    if (!cs_is_undefined(request)) {
        outcome = CS_EVENT_APPLIED;
        if (open_item(x, event, tenant, request)) {
            news.what = "requested";
            news.id = cs_approval__text(request, "id");
            news.digest = cs_approval__text(request, "digest");
            news.actor = cs_approval__text(request, "requester");
            news.data = request;
            tell(x, event, &news);
        }
    }
    if (!cs_is_undefined(consume)) {
        cs_approval__use use = use_item(x, event, tenant, consume, &news);
        outcome = use == CS_APPROVAL__USED          ? CS_EVENT_APPLIED
                  : use == CS_APPROVAL__USED_BEFORE ? CS_EVENT_DUPLICATE
                                                    : CS_EVENT_CONFLICT;
        if (use == CS_APPROVAL__USED) {
            news.what = "consumed";
            news.data = consume;
            tell(x, event, &news);
        }
    }
    cs_arena_reset(&x->scratch);
    return outcome;
}

static cs_err check_decision(void *self, cs_arena *a, cs_event *event, cs_event_reject *reject)
{
    (void)self;
    cs_value request = cs_approval__member(event->data, "requests");
    cs_value consume = cs_approval__member(event->data, "consumes");
    cs_approval__item like;
    if (!cs_slice_is(event->type, COMMITTED)) {
        return CS_OK;
    }
    if (!cs_is_undefined(request) && !read_request(only_item(event->data, "requests"), &like)) {
        return cs_event_refuse(a, reject, "invalid_requests", "data.requests cannot be read");
    }
    if (!cs_is_undefined(consume) && cs_approval__text(only_item(event->data, "consumes"), "approval").n == 0) {
        return cs_event_refuse(a, reject, "invalid_consumes", "data.consumes cannot be read");
    }
    return CS_OK;
}

/* A decision that was taken back, since its holds did not fit, has used nothing. */
static cs_event_outcome fold_voided(void *self, const cs_event *event)
{
    cs_approvals *x = self;
    cs_slice id = cs_approval__text(event->data, "consumed");
    if (!cs_slice_is(event->type, VOIDED) || id.n == 0 ||
        cs_is_undefined(cs_approval__member(event->data, "contended"))) {
        return CS_EVENT_UNSEEN;
    }
    cs_mutex_lock(&x->lock);
    cs_approval__item *item = cs_map_get(&x->by_id, id);
    cs_approval_news news = {.what = "unconsumed", .actor = CS_LIT(""), .data = event->data};
    bool given = false;
    if (item != NULL) {
        cs_dirty_mark(&x->rows, item);
        given = cs_approval__give_back(x, &x->scratch, item, cs_approval__text(event->data, "request_id"),
                                       cs_approval__whole(event->data, "placed_at", 0));
        news.id = item->id;
        news.digest = item->digest;
        news.tenant = item->tenant->name;
    }
    cs_mutex_unlock(&x->lock);
    if (given) {
        tell(x, event, &news);
    }
    cs_arena_reset(&x->scratch);
    return CS_EVENT_UNSEEN;
}

/* ---- what people did */

static const struct {
    const char *what;
    cs_approval_act act;
} people_acts[] = {{"granted", CS_APPROVAL_APPROVE},
                   {"rejected", CS_APPROVAL_REJECT},
                   {"revoked", CS_APPROVAL_REVOKE},
                   {"delegated", CS_APPROVAL_DELEGATE}};
enum { N_PEOPLE_ACTS = sizeof people_acts / sizeof *people_acts };
static const char *const clock_acts[] = {"escalated", "expired", "cancelled"};
enum { N_CLOCK_ACTS = sizeof clock_acts / sizeof *clock_acts };

/* "granted" of "io.countersign.approval.granted.v1". */
static cs_slice what_of(const cs_event *event)
{
    cs_slice rest = cs_slice_sub(event->type, sizeof PREFIX - 1, event->type.n);
    return cs_slice_ends(rest, CS_LIT(".v1")) ? cs_slice_sub(rest, 0, rest.n - 3) : CS_LIT("");
}

static size_t people_act(cs_slice what)
{
    size_t i = 0;
    while (i < N_PEOPLE_ACTS && !cs_slice_is(what, people_acts[i].what)) {
        i++;
    }
    return i;
}

/* What others write has no `person`: then it is the id in small letters. */
static cs_approval__who read_who(cs_arena *a, cs_value v)
{
    cs_value groups = cs_approval__member(v, "groups");
    cs_approval__who who = {.id = cs_approval__text(v, "id"),
                            .person = cs_approval__text(v, "person"),
                            .groups = cs_is(groups, CS_ARRAY) ? groups : cs_array(NULL, 0)};
    if (who.person.n == 0) {
        who.person = cs_approval__fold_case(a, who.id);
    }
    return who;
}

static bool act(cs_approvals *x, const cs_event *event, cs_approval__item *item, cs_approval_act what,
                cs_approval_news *news)
{
    cs_approval__step step = {.act = what,
                              .who = read_who(&x->scratch, cs_approval__member(event->data, "approver")),
                              .to = read_who(&x->scratch, cs_approval__member(event->data, "to")),
                              .verified = cs_approval__text(event->data, "verified"),
                              .comment = cs_approval__text(event->data, "comment"),
                              .until_ns = cs_approval__whole(event->data, "until", 0),
                              .at_ns = event->arrived_ns};
    if (what != CS_APPROVAL_DELEGATE) {
        step.to = (cs_approval__who){.id = CS_LIT("")};
    }
    cs_approval__refusal why;
    if (cs_approval__judge(&x->scratch, item, &step, &why) != CS_OK) {
        return false;
    }
    bool before = item->approved_ns != 0;
    cs_dirty_mark(&x->rows, item);
    cs_approval__do(x, &x->scratch, item, &step);
    news->actor = step.who.id;
    news->approved = !before && item->approved_ns != 0;
    return true;
}

/* ---- what the clock did, or a changed configuration */

static bool clock_act(cs_approvals *x, const cs_event *event, cs_approval__item *item, cs_slice what)
{
    cs_approval_state state = cs_approval__state(item, event->arrived_ns);
    if (cs_slice_is(what, "escalated")) {
        bool fresh = !item->escalated && item->escalate_ns != INT64_MAX && cs_approval__is_open(state);
        cs_dirty_mark(&x->rows, item);
        item->escalated = item->escalated || fresh;
        if (fresh && x->escalations != NULL && !event->past) {
            cs_series_add(x->escalations, CS_METRICS_ANY, 1);
        }
        return fresh;
    }
    bool ends = item->ended_ns == 0 && (cs_slice_is(what, "cancelled") || state == CS_APPROVAL_EXPIRED);
    if (ends) {
        cs_dirty_mark(&x->rows, item);
        cs_approval__acts acts = cs_approval__read_acts(&x->scratch, item);
        acts.reason = cs_string(cs_approval__text(event->data, "reason"));
        cs_approval__store_acts(&x->scratch, item, &acts);
        cs_approval__end(x, item, cs_slice_is(what, "expired") ? CS_APPROVAL_EXPIRED : CS_APPROVAL_CANCELLED,
                         event->arrived_ns);
    }
    return ends;
}

static cs_event_outcome fold_act(void *self, const cs_event *event)
{
    cs_approvals *x = self;
    cs_slice what = what_of(event);
    size_t by_people = people_act(what);
    bool applied = false;
    cs_approval_news news = {.actor = CS_LIT(""), .data = event->data};
    cs_mutex_lock(&x->lock);
    cs_approval__item *item = cs_map_get(&x->by_id, cs_approval__text(event->data, "approval"));
    cs_slice digest = cs_approval__text(event->data, "digest");
    if (item != NULL && cs_slice_eq(item->tenant->name, cs_approval__text(event->data, "tenant")) &&
        (digest.n == 0 || cs_slice_eq(digest, item->digest))) {
        applied = by_people < N_PEOPLE_ACTS ? act(x, event, item, people_acts[by_people].act, &news)
                                            : clock_act(x, event, item, what);
        news.id = item->id;
        news.digest = item->digest;
        news.tenant = item->tenant->name;
    }
    cs_mutex_unlock(&x->lock);
    for (size_t i = 0; i < N_CLOCK_ACTS; i++) {
        news.what = cs_slice_is(what, clock_acts[i]) ? clock_acts[i] : news.what;
    }
    news.what = by_people < N_PEOPLE_ACTS ? people_acts[by_people].what : news.what;
    if (applied) {
        tell(x, event, &news);
    }
    cs_arena_reset(&x->scratch);
    return applied ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
}

/* Others may write here as well, but must say who has verified whose act it is; that somebody says so is not enough. */
static cs_err check_act(void *self, cs_arena *a, cs_event *event, cs_event_reject *reject)
{
    (void)self;
    cs_slice what = what_of(event), verified = cs_approval__text(event->data, "verified");
    bool by_people = people_act(what) < N_PEOPLE_ACTS, by_clock = false;
    for (size_t i = 0; i < N_CLOCK_ACTS; i++) {
        by_clock = by_clock || cs_slice_is(what, clock_acts[i]);
    }
    if (!by_people && !by_clock) {
        return cs_event_refuse(a, reject, "unknown_type", "nothing here is about events of type \"%.*s\"",
                               (int)(event->type.n < 100 ? event->type.n : 100), event->type.p);
    }
    if (cs_approval__text(event->data, "approval").n == 0 || cs_approval__text(event->data, "tenant").n == 0) {
        return cs_event_refuse(a, reject, "missing_field", "data.approval and data.tenant must name an approval");
    }
    if (by_clock && !cs_slice_starts(event->source, CS_LIT(OWN_SOURCE))) {
        return cs_event_refuse(a, reject, "invalid_source", "only the service itself says what the clock has done");
    }
    if (by_people && cs_approval__text(cs_approval__member(event->data, "approver"), "id").n == 0) {
        return cs_event_refuse(a, reject, "missing_field", "data.approver.id must say whose act it is");
    }
    cs_value approver = cs_approval__member(event->data, "approver");
    if (cs_approval__text(approver, "id").n > NAME_BYTES ||
        cs_count(cs_approval__member(approver, "groups")) > GROUPS ||
        cs_approval__text(event->data, "comment").n > COMMENT_BYTES || verified.n > NAME_BYTES) {
        return cs_event_refuse(a, reject, "too_large",
                               "an id has at most %d bytes, a comment %d, and groups are %d at most", NAME_BYTES,
                               COMMENT_BYTES, GROUPS);
    }
    if (by_people && (verified.n == 0 || cs_slice_is(verified, "asserted"))) {
        return cs_event_refuse(a, reject, "unverified", "data.verified must say who has verified the approver");
    }
    return CS_OK;
}

void cs_approval__fold_init(cs_approvals *x)
{
    /* Behind the folds of holds, before those that remember answers. */
    cs_fold decisions = {
        .types = "io.countersign.decision.", .self = x, .apply = fold_decision, .check = check_decision};
    cs_fold acts = {.types = PREFIX, .self = x, .apply = fold_act, .check = check_act};
    cs_fold voids = {.types = "io.countersign.hold.", .self = x, .apply = fold_voided};
    cs_approval__save_hooks(&decisions);
    cs_fold_without_rows(&acts, "approvals.acts");
    cs_fold_without_rows(&voids, "approvals.voided");
    cs_journal_fold(x->journal, &decisions);
    cs_journal_fold(x->journal, &acts);
    cs_journal_fold(x->journal, &voids);
}
