/* Bodies of notices: CloudEvents; and what Jira and ServiceNow take in their places, so that no code is needed there.
 */
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "webhook.h"

#define SOURCE "/countersign/approvals"

bool cs_webhook__event_of(const cs_approval_news *news, cs_approval_state state, const char **event,
                          const char **outcome)
{
    static const char *const ends[] = {"consumed", "expired", "cancelled"};
    const char *what = news->what;
    *event = "decided";
    *outcome = "";
    if (strcmp(what, "requested") == 0) {
        *event = "opened";
        return true;
    }
    if (strcmp(what, "escalated") == 0) {
        *event = "escalated";
        return true;
    }
    if (strcmp(what, "granted") == 0 && news->approved) {
        *outcome = "approved";
        return true;
    }
    if (strcmp(what, "rejected") == 0 && state == CS_APPROVAL_REJECTED) {
        *outcome = "rejected";
        return true;
    }
    if (strcmp(what, "unconsumed") == 0 && state == CS_APPROVAL_APPROVED) {
        *outcome = "approved"; /* again: the decision that used it was taken back */
        return true;
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (strcmp(what, ends[i]) == 0) {
            *outcome = ends[i];
            return true;
        }
    }
    return false;
}

/* ---- words for people */

static cs_slice text_or(cs_value document, const char *name, const char *without)
{
    cs_slice text = cs_approval__text(document, name);
    return text.n > 0 ? text : cs_slice_of(without);
}

static cs_value summary(cs_arena *a, const cs_webhook__news *news)
{
    cs_value d = news->document;
    return cs_string_printf(a, "Approval of %.*s for %.*s", CS_FMT(text_or(d, "operation", "an operation")),
                            CS_FMT(text_or(d, "tenant", "?")));
}

static cs_value description(cs_arena *a, const cs_webhook__news *news)
{
    cs_value d = news->document;
    const char *state = strcmp(news->event, "decided") == 0 ? news->outcome : news->event;
    return cs_string_printf(a,
                            "%.*s asks for %.*s (document %.*s), which may cost %.*s %.*s. %lld approver(s) needed, to "
                            "be approved by %.*s. Now: %s. Approval %.*s, digest %.*s.",
                            CS_FMT(text_or(d, "requester", "Somebody")),
                            CS_FMT(text_or(d, "operation", "an operation")), CS_FMT(text_or(d, "document_id", "?")),
                            CS_FMT(text_or(d, "cost", "an unknown amount")), CS_FMT(text_or(d, "currency", "")),
                            (long long)cs_approval__whole(d, "quorum", 0), CS_FMT(text_or(d, "approve_by", "?")), state,
                            CS_FMT(text_or(d, "id", "?")), CS_FMT(text_or(d, "digest", "?")));
}

/* ---- shapes */

static cs_value text(const char *s)
{
    return cs_string(cs_slice_of(s));
}

static cs_value type_of(cs_arena *a, const cs_webhook__news *news)
{
    return cs_string_printf(a, "io.countersign.approval.%s.v1", news->event);
}

static cs_value data_of(cs_arena *a, const cs_webhook__news *news)
{
    cs_value v = cs_object_new(a, 5);
    cs_object_put_text(a, v, "event", text(news->event));
    if (news->outcome[0] != '\0') {
        cs_object_put_text(a, v, "outcome", text(news->outcome));
    }
    if (news->actor.n > 0) {
        cs_object_put_text(a, v, "actor", cs_string(news->actor));
    }
    cs_object_put_text(a, v, "approval", news->document);
    return v;
}

static void write_generic(cs_arena *a, cs_buf *out, const cs_webhook__news *news)
{
    char time[40];
    size_t n = cs_time_format_rfc3339(news->at_ns, time);
    cs_json_text t = {.out = out};
    cs_json_open(&t, '{');
    cs_json_put_text(&t, "specversion", CS_LIT("1.0"));
    cs_json_put_text(&t, "id", news->id);
    cs_json_put_text(&t, "source", CS_LIT(SOURCE));
    cs_json_put(&t, "type", type_of(a, news));
    cs_json_put(&t, "subject", cs_string_printf(a, "approval/%.*s", CS_FMT(text_or(news->document, "id", ""))));
    cs_json_put_text(&t, "time", cs_slice_make(time, n));
    cs_json_put_text(&t, "datacontenttype", CS_LIT("application/json"));
    if (news->request_id.n > 0) {
        cs_json_put_text(&t, "correlationid", news->request_id);
    }
    cs_json_put(&t, "data", data_of(a, news));
    cs_json_close(&t);
}

static void put_fields(cs_arena *a, cs_value v, const cs_config_webhook *w, const cs_webhook__news *news)
{
    cs_object_put(a, v, cs_string(w->approval_field), cs_string(text_or(news->document, "id", "")));
    cs_object_put(a, v, cs_string(w->digest_field), cs_string(text_or(news->document, "digest", "")));
}

static bool is_outcome(const cs_webhook__news *news, const char *outcome)
{
    return strcmp(news->outcome, outcome) == 0;
}

/* For the trigger "incoming webhook" of Jira's automation: `fields` are those of an issue to be made, or to be found by
 * the field with the approval's id. */
static cs_value jira(cs_arena *a, const cs_config_webhook *w, const cs_webhook__news *news)
{
    cs_value v = cs_object_new(a, 8), fields = cs_object_new(a, 8);
    cs_value label = text("countersign");
    bool yes = is_outcome(news, "approved") || is_outcome(news, "consumed");
    cs_object_put_text(a, fields, "summary", summary(a, news));
    cs_object_put_text(a, fields, "description", description(a, news));
    cs_object_put_text(a, fields, "labels", cs_array_copy(a, &label, 1));
    put_fields(a, fields, w, news);
    cs_object_put_text(a, v, "id", cs_string(news->id));
    cs_object_put_text(a, v, "webhookEvent", cs_string_printf(a, "countersign:approval_%s", news->event));
    cs_object_put_text(a, v, "timestamp", cs_int(news->at_ns / CS_NS_PER_MS));
    cs_object_put_text(a, v, "issues", cs_array(NULL, 0));
    cs_object_put_text(a, v, "fields", fields);
    cs_object_put_text(a, v, "finalDecision",
                       text(news->outcome[0] == '\0' ? "pending"
                            : yes                    ? "approved"
                                                     : "declined"));
    cs_object_put_text(a, v, "data", data_of(a, news));
    return v;
}

/* For an import set or a scripted REST resource of ServiceNow: flat, with the values of sysapproval_approver.state. */
static cs_value servicenow(cs_arena *a, const cs_config_webhook *w, const cs_webhook__news *news)
{
    cs_value v = cs_object_new(a, 16), d = news->document;
    const char *state = news->outcome[0] == '\0'                                       ? "requested"
                        : is_outcome(news, "approved") || is_outcome(news, "consumed") ? "approved"
                        : is_outcome(news, "rejected")                                 ? "rejected"
                        : is_outcome(news, "expired")                                  ? "not_required"
                                                                                       : "cancelled";
    cs_object_put_text(a, v, "short_description", summary(a, news));
    cs_object_put_text(a, v, "description", description(a, news));
    cs_object_put_text(a, v, "correlation_id", cs_string(text_or(d, "id", "")));
    cs_object_put_text(a, v, "correlation_display", text("countersign"));
    cs_object_put_text(a, v, "state", text(state));
    cs_object_put_text(a, v, "u_countersign_notice", cs_string(news->id));
    cs_object_put_text(a, v, "u_countersign_event", text(news->event));
    cs_object_put_text(a, v, "u_countersign_outcome", text(news->outcome));
    cs_object_put_text(a, v, "u_countersign_tenant", cs_string(text_or(d, "tenant", "")));
    cs_object_put_text(a, v, "u_countersign_requester", cs_string(text_or(d, "requester", "")));
    cs_object_put_text(a, v, "u_countersign_operation", cs_string(text_or(d, "operation", "")));
    put_fields(a, v, w, news);
    return v;
}

void cs_webhook__body(cs_buf *out, const cs_config_webhook *w, const cs_webhook__news *news)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    if (cs_slice_is(w->kind, "jira")) {
        cs_json_write(out, jira(&a, w, news), 0);
    } else if (cs_slice_is(w->kind, "servicenow")) {
        cs_json_write(out, servicenow(&a, w, news), 0);
    } else {
        write_generic(&a, out, news);
    }
    cs_arena_destroy(&a);
}
