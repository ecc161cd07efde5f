/* The report as a page: one file, no scripts, made to be printed. */
#include "countersign/json.h"
#include "internal.h"

typedef struct column {
    const char *title;
    const char *path; /* of the value: "actor.sub" */
} column;

static const char STYLE[] =
    "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#111}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #999}"
    "table{border-collapse:collapse;width:100%;margin:.5em 0}"
    "th,td{border:1px solid #bbb;padding:.25em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{background:#eee}.good{color:#060}.bad{color:#a00;font-weight:bold}.small{color:#555;font-size:.9em}"
    "@media print{body{margin:0;max-width:none;font-size:10px}tr{break-inside:avoid}h2{break-after:avoid}}";

static void put_text(cs_buf *out, cs_slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '<':
            cs_buf_text(out, "&lt;");
            break;
        case '>':
            cs_buf_text(out, "&gt;");
            break;
        case '&':
            cs_buf_text(out, "&amp;");
            break;
        case '"':
            cs_buf_text(out, "&quot;");
            break;
        default:
            cs_buf_byte(out, s.p[i]);
            break;
        }
    }
}

static void put_value(cs_buf *out, cs_value v)
{
    if (cs_is(v, CS_STRING)) {
        put_text(out, cs_text(v));
    } else if (!cs_is_undefined(v) && !cs_is(v, CS_NULL)) {
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, v, 0);
        put_text(out, cs_buf_view(&text));
        cs_buf_destroy(&text);
    }
}

static cs_value at(cs_value v, const char *path)
{
    cs_slice rest = cs_slice_of(path), name;
    while (cs_slice_next(&rest, '.', &name)) {
        const cs_value *next = cs_is(v, CS_OBJECT) ? cs_object_get(v, cs_string(name)) : NULL;
        if (next == NULL) {
            return cs_undefined();
        }
        v = *next;
    }
    return v;
}

static void head(cs_buf *out, const column *columns, size_t n)
{
    cs_buf_text(out, "<table><thead><tr>");
    for (size_t i = 0; i < n; i++) {
        cs_buf_printf(out, "<th>%s</th>", columns[i].title);
    }
    cs_buf_text(out, "</tr></thead><tbody>\n");
}

static void row(cs_buf *out, cs_value item, const column *columns, size_t n)
{
    cs_buf_text(out, "<tr>");
    for (size_t i = 0; i < n; i++) {
        cs_buf_text(out, "<td>");
        put_value(out, at(item, columns[i].path));
        cs_buf_text(out, "</td>");
    }
    cs_buf_text(out, "</tr>\n");
}

static void table(cs_buf *out, const char *title, cs_value items, const column *columns, size_t n)
{
    cs_buf_printf(out, "<h2>%s</h2>\n", title);
    if (!cs_is(items, CS_ARRAY) || items.n == 0) {
        cs_buf_text(out, "<p>None.</p>\n");
        return;
    }
    head(out, columns, n);
    for (uint32_t i = 0; i < items.n; i++) {
        row(out, items.u.items[i], columns, n);
    }
    cs_buf_text(out, "</tbody></table>\n");
}

#define TABLE(out, title, items, ...)                                                                                  \
    do {                                                                                                               \
        static const column columns_[] = {__VA_ARGS__};                                                                \
        table((out), (title), (items), columns_, sizeof columns_ / sizeof *columns_);                                  \
    } while (0)

/* ---- sections */

static void summary(cs_buf *out, cs_value report)
{
    cs_buf_text(out, "<p class=\"small\">");
    static const column facts[] = {
        {"from", "from"}, {"to", "to"}, {"tenant", "tenant"}, {"records", "records"}, {"made", "made_at"}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        cs_value v = at(report, facts[i].path);
        cs_buf_printf(out, "%s%s: ", i != 0 ? " &middot; " : "", facts[i].title);
        if (cs_is(v, CS_NULL)) {
            cs_buf_text(out, "all");
        } else {
            put_value(out, v);
        }
    }
    cs_buf_text(out, "</p>\n<p>The log that this is made of: ");
    cs_value good = at(report, "log.good");
    if (cs_truthy(good)) {
        cs_buf_text(out, "<span class=\"good\">whole</span>, records ");
        put_value(out, at(report, "log.first_seq"));
        cs_buf_text(out, " to ");
        put_value(out, at(report, "log.last_seq"));
        cs_buf_text(out, ", signature checked up to record ");
        put_value(out, at(report, "log.signed_seq"));
    } else {
        cs_buf_text(out, "<span class=\"bad\">");
        put_value(out, at(report, "log.message"));
        cs_buf_text(out, "</span>");
    }
    cs_buf_text(out, ".</p>\n");
}

static void decisions(cs_buf *out, cs_value report)
{
    static const column columns[] = {{"", "total"}, {"Allowed", "allow"}, {"Refused", "deny"}, {"Other", "other"}};
    cs_value all = at(report, "decisions"), tenants = at(all, "tenants"), reasons = at(all, "reasons");
    cs_buf_text(out, "<h2>Decisions</h2>\n<table><thead><tr><th>Tenant</th><th>Allowed</th><th>Refused</th><th>Other"
                     "</th></tr></thead><tbody>\n");
    for (uint32_t i = 0; i < cs_count(tenants); i++) {
        cs_value c, name = cs_entry(tenants, i, &c);
        cs_buf_text(out, "<tr><td>");
        put_text(out, name.n != 0 ? cs_text(name) : CS_LIT("(none)"));
        cs_buf_text(out, "</td>");
        for (size_t k = 1; k < sizeof columns / sizeof *columns; k++) {
            cs_buf_text(out, "<td>");
            put_value(out, at(c, columns[k].path));
            cs_buf_text(out, "</td>");
        }
        cs_buf_text(out, "</tr>\n");
    }
    cs_buf_text(out, "</tbody></table>\n<p>");
    for (uint32_t i = 0; i < cs_count(reasons); i++) {
        cs_value n, code = cs_entry(reasons, i, &n);
        cs_buf_text(out, i != 0 ? ", " : "Reasons: ");
        put_value(out, code);
        cs_buf_text(out, " ");
        put_value(out, n);
    }
    cs_buf_text(out, "</p>\n");
}

static void duties(cs_buf *out, cs_value report)
{
    cs_value kept = at(report, "separation_of_duty.kept");
    TABLE(out, "Separation of duty", at(report, "separation_of_duty.findings"), {"Severity", "severity"},
          {"Rule", "rule"}, {"Who", "subject"}, {"Approval", "approval"}, {"Records", "records"});
    cs_buf_text(out, cs_truthy(kept) ? "<p class=\"good\">Kept: no violation among the approvals of this report.</p>\n"
                                     : "<p class=\"bad\">Not kept: see the violations above.</p>\n");
}

static void approvals(cs_buf *out, cs_value report)
{
    cs_value items = at(report, "approvals");
    cs_buf_text(out, "<h2>Approvals</h2>\n");
    if (!cs_is(items, CS_ARRAY) || items.n == 0) {
        cs_buf_text(out, "<p>None.</p>\n");
    }
    for (uint32_t i = 0; cs_is(items, CS_ARRAY) && i < items.n; i++) {
        cs_value x = items.u.items[i];
        static const column columns[] = {{"Time", "time"},         {"Act", "type"},        {"Who", "actor.sub"},
                                         {"Known by", "verified"}, {"Comment", "comment"}, {"Request", "request_id"},
                                         {"Record", "seq"}};
        cs_buf_text(out, "<p><b>");
        put_value(out, at(x, "id"));
        cs_buf_text(out, "</b> ");
        put_value(out, at(x, "operation"));
        cs_buf_text(out, ", tenant ");
        put_value(out, at(x, "tenant"));
        cs_buf_text(out, ", asked for by ");
        put_value(out, at(x, "requester"));
        cs_buf_text(out, ", ");
        put_value(out, at(x, "state"));
        cs_buf_text(out, "<br><span class=\"small\">");
        put_value(out, at(x, "digest"));
        cs_buf_text(out, "</span></p>\n");
        head(out, columns, sizeof columns / sizeof *columns);
        cs_value acts = at(x, "acts");
        for (uint32_t k = 0; cs_is(acts, CS_ARRAY) && k < acts.n; k++) {
            row(out, acts.u.items[k], columns, sizeof columns / sizeof *columns);
        }
        cs_buf_text(out, "</tbody></table>\n");
    }
}

void cs_audit_report_html(cs_buf *out, cs_value report)
{
    cs_buf_printf(out,
                  "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Audit report</title>"
                  "<style>%s</style></head><body>\n<h1>Audit report</h1>\n",
                  STYLE);
    summary(out, report);
    duties(out, report);
    approvals(out, report);
    TABLE(out, "Emergency overrides", at(report, "overrides"), {"Time", "time"}, {"Act", "type"}, {"Who", "actor.sub"},
          {"Override", "id"}, {"Revision", "revision"}, {"Until", "expires_at"}, {"Reason", "reason"},
          {"Message", "message"}, {"Record", "seq"});
    TABLE(out, "Changes of policy", at(report, "policy_changes"), {"Time", "time"}, {"Act", "type"},
          {"Who", "actor.sub"}, {"Bundle", "name"}, {"Revision", "revision"}, {"Signer", "keyid"}, {"Digest", "digest"},
          {"What", "path"}, {"Policy", "id"}, {"Message", "message"}, {"Record", "seq"});
    TABLE(out, "Changes of budgets", at(report, "budget_changes"), {"Time", "time"}, {"Who", "actor.sub"},
          {"Tenant", "tenant"}, {"Budget", "budget"}, {"Limit", "limit"}, {"Until", "expires_at"}, {"Reason", "reason"},
          {"Record", "seq"});
    decisions(out, report);
    TABLE(out, "Refused calls", at(report, "access_refused.first"), {"Time", "time"}, {"Who", "actor.sub"},
          {"From", "requested_by"}, {"Method", "method"}, {"Path", "path"}, {"Status", "status"}, {"Code", "code"},
          {"Record", "seq"});
    TABLE(out, "The log itself", at(report, "audit_events"), {"Time", "time"}, {"What", "type"}, {"Record", "seq"});
    cs_buf_text(out, "</body></html>\n");
}
