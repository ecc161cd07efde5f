/* data.settings: what policy must know of the configuration, and data.overrides, where none is active. Only what was
 * said stands in it, so that the bundle's own defaults hold for the rest. */
#include "countersign/base/time.h"
#include "countersign/patch.h"
#include "internal.h"

static const cs_value *said(const cs_config *c, const char *section, const char *name)
{
    const cs_value *s = cs_is(c->document, CS_OBJECT) ? cs_object_get_text(c->document, section) : NULL;
    return s != NULL && cs_is(*s, CS_OBJECT) ? cs_object_get_text(*s, name) : NULL;
}

static bool said_or_env(const cs_config *c, const char *name, const char *variable)
{
    return said(c, "pq", name) != NULL || cs_config_env(variable) != NULL;
}

/* Does the configuration give a tenant a phase of its own? */
static bool tenants_have_phases(cs_value tenants)
{
    for (uint32_t i = 0; cs_is(tenants, CS_OBJECT) && i < cs_count(tenants); i++) {
        cs_value tenant;
        (void)cs_entry(tenants, i, &tenant);
        const cs_value *pq = cs_is(tenant, CS_OBJECT) ? cs_object_get_text(tenant, "pq") : NULL;
        if (pq != NULL && cs_is(*pq, CS_OBJECT) && cs_object_get_text(*pq, "phase") != NULL) {
            return true;
        }
    }
    return false;
}

/* `phase` goes before every tenant's; where the configuration has phases of tenants, its own is for the others, and
 * only the environment (or an override) speaks for all. */
static cs_value make_pq(cs_app *app)
{
    const cs_config *c = app->config;
    cs_value pq = cs_object_new(&app->arena, 3);
    if (said_or_env(c, "phase", "PQ_PHASE")) {
        bool others = cs_config_env("PQ_PHASE") == NULL && tenants_have_phases(c->tenants);
        cs_object_put_text(&app->arena, pq, others ? "phase_for_others" : "phase", cs_string(c->pq.phase));
    }
    if (said_or_env(c, "bypass", "PQ_BYPASS")) {
        cs_object_put_text(&app->arena, pq, "bypass", cs_bool(c->pq.bypass));
    }
    if (said_or_env(c, "introspection", "PQ_INTROSPECTION")) {
        cs_object_put_text(&app->arena, pq, "introspection", cs_bool(c->pq.introspection));
    }
    return pq;
}

static bool has_overrides(const cs_config *c)
{
    return c->overrides.configured || cs_config_find_push(c, CS_LIT("emergency-override")) != NULL;
}

void cs_app__make_settings(cs_app *app)
{
    const cs_config *c = app->config;
    cs_arena *a = &app->arena;
    cs_value s = cs_object_new(a, 8);
    cs_value pq = make_pq(app);
    if (cs_count(pq) != 0) {
        cs_object_put_text(a, s, "pq", pq);
    }
    if (said(c, "spend", "on_stale") != NULL) {
        cs_object_put_text(a, s, "on_stale", cs_string(c->spend.on_stale));
    }
    if (said(c, "spend", "stale_after") != NULL) {
        cs_object_put_text(a, s, "stale_after_ms", cs_int(c->spend.stale_after_ns / CS_NS_PER_MS));
    }
    if (said(c, "approvals", "evidence") != NULL) {
        cs_object_put_text(a, s, "evidence", cs_string(c->approvals.evidence));
    }
    if (cs_is(c->tenants, CS_OBJECT)) {
        cs_object_put_text(a, s, "tenants", c->tenants);
    }
    if (cs_is(c->settings, CS_OBJECT)) {
        s = cs_object_union(a, c->settings, s);
    }
    if (cs_count(s) != 0 || has_overrides(c)) {
        cs_store_mount_value(app->store, "settings", s, true);
    }
    if (has_overrides(c) || c->spend.configured || c->approvals.configured) {
        cs_value none = cs_object_new(a, 1);
        cs_object_put_text(a, none, "active", cs_array(NULL, 0));
        cs_store_mount_value(app->store, "overrides", none, false);
    }
}
