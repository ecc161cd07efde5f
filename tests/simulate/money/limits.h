/* Settings: drawn, put into force, changed by people. */
#ifndef CS_TESTS_MONEY_LIMITS_H
#define CS_TESTS_MONEY_LIMITS_H

#include "alerts.h"

static void draw_limit(limit *l)
{
    l->nanos = upto(40) * CS_NANOS_PER_UNIT;
    l->own = below(3) != 0;
    l->mode = below(4) != 0 ? "enforce" : below(2) == 0 ? "warn" : "log";
    l->ratios = below(2) == 0 ? (unsigned)below(1 << RATIOS) : 0;
    if (!l->charge) { /* what has expired and counts in no window is forgotten, for ever: those stay as they are */
        l->window = windows[below((int)(sizeof windows / sizeof *windows))];
        l->currency = currencies[below(4) == 0];
    }
}
static void draw_tier(int tier)
{
    for (int b = 0; b < BUDGETS; b++) {
        rules_of_tiers[tier].limits[b] = upto(40) * CS_NANOS_PER_UNIT;
    }
    rules_of_tiers[tier].days = !huge && tier < TIERS - 1 && below(3) != 0 ? 1 + below(9) : 0;
}
static void draw_standing(tenant *t)
{
    t->tier = below(TIERS);
    t->since = below(3) != 0 ? now - upto(20 * DAY) : 0;
    t->clean_since = below(3) == 0 ? now - upto(20 * DAY) : 0;
}
static void draw_tenants(void)
{
    for (int i = 0; i < TIERS; i++) {
        draw_tier(i);
    }
    for (int t = 0; t < KNOWN; t++) {
        tenants[t].zone = below(ZONES);
        draw_standing(&tenants[t]);
        for (int b = 0; b < BUDGETS; b++) {
            limit *l = &tenants[t].limits[b];
            *l = (limit){.team = below(2) == 0 ? teams[below(2)] : NULL, .per = below(3) == 0};
            draw_limit(l);
            l->charge = below(3) == 0;
            l->window = l->charge ? windows[below(4)] : l->window;
        }
    }
}

static void write_budget(cs_buf *out, const limit *l)
{
    cs_buf_printf(out, "{\"window\":\"%s\",\"currency\":\"%s\",\"mode\":\"%s\",\"alert_ratios\":[", l->window,
                  l->currency, l->mode);
    const char *comma = "";
    for (int r = RATIOS; r-- > 0;) {
        if ((l->ratios >> r & 1) != 0) {
            cs_buf_printf(out, "%s%g", comma, ratios[r]);
            comma = ",";
        }
    }
    cs_buf_byte(out, ']');
    if (l->own) {
        cs_buf_printf(out, ",\"limit_nanos\":%lld", (long long)l->nanos);
    }
    if (l->team != NULL) {
        cs_buf_printf(out, ",\"scope\":{\"team\":\"%s\"}", l->team);
    }
    cs_buf_printf(out, "%s%s}", l->per ? ",\"per\":\"user\"" : "",
                  l->charge ? ",\"on_expiry\":\"charge_estimate\"" : "");
}

static void write_tenants(cs_buf *out)
{
    for (int t = 0; t < KNOWN; t++) {
        cs_buf_printf(out, "%s\"%s\":{\"timezone\":\"%s\",\"tier\":{\"name\":\"%s\"", t > 0 ? "," : "{", names[t],
                      zones[tenants[t].zone], tiers[tenants[t].tier]);
        if (tenants[t].since != 0) {
            cs_buf_printf(out, ",\"since\":%lld", (long long)tenants[t].since);
        }
        if (tenants[t].clean_since != 0) {
            cs_buf_printf(out, ",\"clean_since\":%lld", (long long)tenants[t].clean_since);
        }
        cs_buf_text(out, "},");
        if (parents[t] >= 0) {
            cs_buf_printf(out, "\"parent\":\"%s\",", names[parents[t]]);
        }
        cs_buf_text(out, "\"budgets\":{");
        for (int b = 0; b < BUDGETS; b++) {
            cs_buf_printf(out, "%s\"b%d\":", b > 0 ? "," : "", b);
            write_budget(out, &tenants[t].limits[b]);
        }
        cs_buf_text(out, "}}");
    }
    cs_buf_byte(out, '}');
}

static void write_tiers(cs_buf *out)
{
    for (int i = 0; i < TIERS; i++) {
        cs_buf_printf(out, "%s\"%s\":{\"budgets\":{", i > 0 ? "," : "{", tiers[i]);
        for (int b = 0; b < BUDGETS; b++) {
            cs_buf_printf(out, "%s\"b%d\":\"%lld\"", b > 0 ? "," : "", b,
                          (long long)(rules_of_tiers[i].limits[b] / CS_NANOS_PER_UNIT));
        }
        cs_buf_byte(out, '}');
        if (rules_of_tiers[i].days > 0) {
            cs_buf_printf(out, ",\"promote\":{\"to\":\"%s\",\"after_clean_days\":%d}", tiers[i + 1],
                          rules_of_tiers[i].days);
        }
        cs_buf_byte(out, '}');
    }
    cs_buf_byte(out, '}');
}

static void configure(void)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf of_tenants, of_tiers;
    cs_buf_init(&of_tenants);
    cs_buf_init(&of_tiers);
    write_tenants(&of_tenants);
    write_tiers(&of_tiers);
    cs_value v, tiers_value;
    cs_error e;
    if (cs_json_read(&a, cs_buf_view(&of_tenants), NULL, &v, NULL, &e) != CS_OK ||
        cs_json_read(&a, cs_buf_view(&of_tiers), NULL, &tiers_value, NULL, &e) != CS_OK ||
        cs_spend_configure(spend, v, tiers_value, &a, NULL, &e) != CS_OK) {
        fail(e.text);
    }
    cs_buf_destroy(&of_tiers);
    cs_buf_destroy(&of_tenants);
    cs_arena_destroy(&a);
    version++;
}

static void told(void *self, const cs_error *error)
{
    *(bool *)self = error == NULL;
}

static int change_budget(void)
{
    static long n;
    int t = below(KNOWN);
    int b = below(BUDGETS);
    limit *l = &tenants[t].limits[b];
    char id[32];
    char budget[8];
    (void)snprintf(id, sizeof id, "c%010ld", n++);
    (void)snprintf(budget, sizeof budget, "b%d", b);
    cs_budget_change c = {.tenant = cs_slice_of(names[t]),
                          .budget = cs_slice_of(budget),
                          .currency = CS_LIT(""),
                          .author = CS_LIT("someone"),
                          .reason = CS_LIT("a reason"),
                          .request_id = cs_slice_of(id),
                          .limit_nanos = upto(60) * CS_NANOS_PER_UNIT,
                          .expires_ns = below(3) == 0 ? INT64_MAX : now + upto(3 * DAY),
                          .reset = below(4) == 0};
    bool good = false;
    cs_error e;
    if (cs_spend_change_budget(spend, &c, told, &good, &e) != CS_OK || !good) {
        fail("a change of a budget was not taken");
    }
    int k = same(l->currency, "EUR");
    if (!l->changes[k].there || now >= l->changes[k].at) {
        l->changes[k].there = true;
        l->changes[k].at = now;
        l->changes[k].nanos = c.limit_nanos;
        l->changes[k].expires = c.reset ? INT64_MIN : c.expires_ns;
    }
    version++;
    return t;
}

static int change_settings(bool zones_may_change)
{
    int t = below(KNOWN);
    if (below(2) == 0 && zones_may_change) {
        tenants[t].zone = below(ZONES);
    }
    if (below(4) == 0) {
        draw_standing(&tenants[t]);
        draw_tier(below(TIERS));
    }
    draw_limit(&tenants[t].limits[below(BUDGETS)]);
    configure();
    return t;
}

#endif
