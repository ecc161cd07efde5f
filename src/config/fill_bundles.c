/* Bundles, and the one of discovery, out of the checked tree. */
#include <stdio.h>

#include "config/fill.h"
#include "countersign/base/time.h"

#define SIZE_LIMIT UINT64_C(1073741824)

/* "bundles.*" or "discovery" with an option below it. */
typedef struct row_name {
    char text[96];
} row_name;

static const char *row(row_name *room, const char *section, const char *name)
{
    (void)snprintf(room->text, sizeof room->text, "%s.%s", section, name);
    return room->text;
}

/* What is wrong with it beyond its single values, as OPA says it, or NULL. */
static const char *polling_fault(const cs_config__filler *f, const char *section, const cs_config_bundle *b)
{
    row_name room;
    bool min = cs_config__is_given(f, row(&room, section, "polling.min_delay_seconds"));
    bool max = cs_config__is_given(f, row(&room, section, "polling.max_delay_seconds"));
    if (min != max) {
        return min ? "polling configuration missing 'max_delay_seconds'"
                   : "polling configuration missing 'min_delay_seconds'";
    }
    if (b->max_delay_ns < b->min_delay_ns) {
        return "max polling delay must be >= min polling delay";
    }
    if (b->long_poll_s < 1 && cs_config__is_given(f, row(&room, section, "polling.long_polling_timeout_seconds"))) {
        return "'long_polling_timeout_seconds' must be at least 1";
    }
    return b->superseded_ns < 0 ? "'superseded_etag_ttl_seconds' must not be negative" : NULL;
}

/* What both have. */
static void fill_source(cs_config__filler *f, const char *section, cs_config_bundle *b)
{
    row_name room;
    b->service = cs_config__text(f, row(&room, section, "service"));
    b->resource = cs_config__text(f, row(&room, section, "resource"));
    b->path = CS_LIT("");
    b->min_delay_ns = cs_config__integer(f, row(&room, section, "polling.min_delay_seconds")) * CS_NS_PER_S;
    b->max_delay_ns = cs_config__integer(f, row(&room, section, "polling.max_delay_seconds")) * CS_NS_PER_S;
    b->long_poll_s = cs_config__integer(f, row(&room, section, "polling.long_polling_timeout_seconds"));
    b->superseded_ns = cs_config__integer(f, row(&room, section, "polling.superseded_etag_ttl_seconds")) * CS_NS_PER_S;
    b->triggered = cs_config__is_given(f, row(&room, section, "trigger"));
    b->manual = cs_slice_is(cs_config__text(f, row(&room, section, "trigger")), "manual");
    b->persist = cs_config__boolean(f, row(&room, section, "persist"));
    b->signing = cs_config__is_given(f, row(&room, section, "signing"));
    b->keyid = cs_config__text(f, row(&room, section, "signing.keyid"));
    b->scope = cs_config__text(f, row(&room, section, "signing.scope"));
    b->exclude_files = cs_config__list(f, row(&room, section, "signing.exclude_files"), &b->n_exclude_files);
    b->unsigned_deltas = cs_config__boolean(f, row(&room, section, "signing.allow_unsigned_delta_bundles"));
    b->size_limit_bytes = SIZE_LIMIT;
}

/* As a key is asked for by the signature's settings; NULL = nothing is wrong. */
static const char *signing_fault(const cs_config__filler *f, const cs_config_bundle *b)
{
    const cs_config *c = f->config;
    if (b->signing && b->keyid.n == 0 && c->n_keys == 0) {
        return "no verification keys configured";
    }
    if (b->keyid.n > 0 && cs_config_find_key(c, b->keyid) == NULL) {
        return cs_arena_printf(&f->config->arena, NULL, "key id %.*s not found", CS_FMT(b->keyid));
    }
    return NULL;
}

/* ---- bundles */

/* OPA offers three, and then takes two. */
static const char *bundle_trigger_fault(const cs_config__filler *f)
{
    const char *fault = cs_config__trigger_fault(f, "bundles.*.trigger", true);
    return fault != NULL ? fault : cs_config__trigger_fault(f, "bundles.*.trigger", false);
}

static void check_bundle(cs_config__filler *f, const cs_config_bundle *b)
{
    const cs_config *c = f->config;
    const char *faults[] = {
        signing_fault(f, b),
        b->path.n == 0 && cs_config_find_service(c, b->service) == NULL
            ? cs_arena_printf(&f->config->arena, NULL, "service name \"%.*s\" not found", CS_FMT(b->service))
            : NULL,
        bundle_trigger_fault(f),
        polling_fault(f, "bundles.*", b),
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (faults[i] != NULL) {
            cs_config__problem(f->report, false, f->item, "invalid configuration for bundle \"%.*s\": %s",
                               CS_FMT(b->name), faults[i]);
        }
    }
}

static void fill_bundle(cs_config__filler *f, cs_config_bundle *b)
{
    cs_config *c = f->config;
    fill_source(f, "bundles.*", b);
    if (b->resource.n == 0) {
        size_t n;
        char *resource = cs_arena_printf(&c->arena, &n, "bundles/%.*s", CS_FMT(b->name));
        b->resource = cs_slice_make(resource, n);
    }
    int64_t size = cs_config__integer(f, "bundles.*.size_limit_bytes");
    b->size_limit_bytes = size > 0 ? (uint64_t)size : SIZE_LIMIT;
    if (cs_slice_starts(b->resource, CS_LIT("file://"))) {
        b->path = cs_slice_sub(b->resource, 7, b->resource.n);
        b->service = CS_LIT("");
    } else if (b->service.n == 0 && c->n_services > 0) {
        b->service = c->services[0].name;
    }
    b->document = cs_config__to_value(&c->arena, f->item);
    check_bundle(f, b);
}

void cs_config__fill_bundles(cs_config__filler *f)
{
    cs_config *c = f->config;
    size_t n;
    const cs_node *section = cs_config__items(f, "bundles", &n);
    c->bundles = cs_arena_array(&c->arena, cs_config_bundle, n + 1);
    for (size_t i = 0; i < n; i++) {
        f->item = section->members.v[i].node;
        if (f->item->kind != CS_NODE_MAP) {
            continue; /* null: as if it were not there */
        }
        c->bundles[c->n_bundles].name = section->members.v[i].key;
        fill_bundle(f, &c->bundles[c->n_bundles++]);
    }
}

/* ---- discovery */

static void check_discovery(cs_config__filler *f, const cs_node *section)
{
    const cs_config *c = f->config;
    const cs_config_bundle *b = &c->discovery.bundle;
    const char *fault = signing_fault(f, b);
    if (fault == NULL && !cs_config__is_given(f, "discovery.service") && c->n_services != 1) {
        fault = "more than one service is defined";
    }
    if (fault == NULL && cs_config_find_service(c, b->service) == NULL) {
        fault = cs_arena_printf(&f->config->arena, NULL, "service name \"%.*s\" not found", CS_FMT(b->service));
    }
    if (fault != NULL) {
        cs_config__problem(f->report, false, section, "invalid configuration for discovery service: %s", fault);
    }
    fault = cs_config__trigger_fault(f, "discovery.trigger", false);
    fault = fault != NULL ? fault : polling_fault(f, "discovery", b);
    if (fault != NULL) {
        cs_config__problem(f->report, false, section, "%s", fault);
    }
}

static cs_slice without_slashes(cs_slice s)
{
    while (s.n != 0 && s.p[0] == '/') {
        s = cs_slice_sub(s, 1, s.n);
    }
    while (s.n != 0 && s.p[s.n - 1] == '/') {
        s.n--;
    }
    return s;
}

/* "data.a.b" out of "/a/b/". */
static cs_slice make_query(cs_arena *a, cs_slice decision)
{
    size_t n;
    char *text = cs_arena_printf(a, &n, "data.%.*s", CS_FMT(without_slashes(decision)));
    for (size_t i = 0; i < n; i++) {
        text[i] = text[i] == '/' ? '.' : text[i];
    }
    return cs_slice_make(text, n);
}

void cs_config__fill_discovery(cs_config__filler *f)
{
    cs_config *c = f->config;
    cs_arena *a = &c->arena;
    const cs_node *section = cs_config__find(f, "discovery");
    if (section == NULL || c->discovery.configured) {
        return;
    }
    cs_config_bundle *b = &c->discovery.bundle;
    c->discovery.configured = true;
    fill_source(f, "discovery", b);
    b->name = CS_LIT("discovery");
    bool named = cs_config__is_given(f, "discovery.name");
    cs_slice name = cs_config__text(f, "discovery.name");
    c->discovery.folder = named ? name : CS_LIT("discovery");
    if (!cs_config__is_given(f, "discovery.resource") && !named) {
        cs_config__problem(f->report, false, section, "missing required discovery.resource field");
        return;
    }
    if (!cs_config__is_given(f, "discovery.resource")) {
        size_t n;
        const char *path =
            cs_arena_printf(a, &n, "%.*s/%.*s", CS_FMT(without_slashes(cs_config__text(f, "discovery.prefix"))),
                            CS_FMT(without_slashes(name)));
        b->resource = cs_slice_make(path, n);
    }
    bool decision = cs_config__is_given(f, "discovery.decision");
    c->discovery.query = decision ? make_query(a, cs_config__text(f, "discovery.decision"))
                         : named  ? make_query(a, name)
                                  : CS_LIT("data");
    if (b->service.n == 0 && c->n_services == 1) {
        b->service = c->services[0].name;
    }
    check_discovery(f, section);
}
