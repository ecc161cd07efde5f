/* The typed configuration out of the checked tree. */
#include "config/fill.h"

#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/number.h"

static bool is_algorithm(cs_slice name)
{
    cs_slice rest = cs_slice_of(cs_config__row("keys.*.algorithm")->range), one;
    while (cs_slice_next(&rest, '|', &one)) {
        if (cs_slice_eq(one, name)) {
            return true;
        }
    }
    return false;
}

static void fill_keys(cs_config__filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = cs_config__items(f, "keys", &c->n_keys);
    c->keys = cs_arena_array(&c->arena, cs_config_key, c->n_keys + 1);
    for (size_t i = 0; i < c->n_keys; i++) {
        f->item = section->members.v[i].node;
        cs_config_key *k = &c->keys[i];
        k->id = section->members.v[i].key;
        k->key = cs_config__text(f, "keys.*.key");
        k->private_key = cs_config__text(f, "keys.*.private_key");
        k->algorithm = cs_config__text(f, "keys.*.algorithm");
        k->scope = cs_config__text(f, "keys.*.scope");
        if (!is_algorithm(k->algorithm)) {
            cs_config__problem(f->report, false, f->item, "unsupported algorithm '%.*s'", CS_FMT(k->algorithm));
        }
        if (k->key.n == 0 && k->private_key.n == 0) {
            cs_config__problem(f->report, false, f->item,
                               "invalid keys configuration: no keys provided for key ID %.*s", CS_FMT(k->id));
        }
    }
}

static void fill_push(cs_config__filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = cs_config__items(f, "push", &c->n_push);
    c->push = cs_arena_array(&c->arena, cs_config_push, c->n_push + 1);
    for (size_t i = 0; i < c->n_push; i++) {
        f->item = section->members.v[i].node;
        cs_config_push *p = &c->push[i];
        p->name = section->members.v[i].key;
        p->keyid = cs_config__text(f, "push.*.keyid");
        p->scope = cs_config__text(f, "push.*.scope");
        if (p->keyid.n == 0) {
            cs_config__problem(f->report, false, f->item, "push.%.*s needs a keyid: what is pushed is always signed",
                               CS_FMT(p->name));
        } else if (cs_config_find_key(c, p->keyid) == NULL) {
            cs_config__problem(f->report, false, f->item, "push.%.*s: key id %.*s not found", CS_FMT(p->name),
                               CS_FMT(p->keyid));
        }
    }
}

static const double *fill_buckets(cs_config__filler *f, const char *path, size_t *n)
{
    const cs_node *buckets = cs_config__find(f, path);
    *n = buckets != NULL ? buckets->members.n : 0;
    double *bounds = cs_arena_array(&f->config->arena, double, *n + 1);
    for (size_t i = 0; i < *n; i++) {
        cs_value v = buckets->members.v[i].node->scalar;
        bounds[i] = cs_is(v, CS_NUMBER) ? cs_number_double(v) : 0;
        if (i > 0 && bounds[i] <= bounds[i - 1]) {
            cs_config__problem(f->report, false, buckets, "buckets must grow");
        }
    }
    return bounds;
}

static void fill_opa(cs_config__filler *f)
{
    cs_config *c = f->config;
    c->labels = cs_config__document(f, "labels");
    c->default_decision = cs_config__text(f, "default_decision");
    c->default_authorization_decision = cs_config__text(f, "default_authorization_decision");
    c->persistence_directory = cs_config__text(f, "persistence_directory");
    c->nd_builtin_cache = cs_config__boolean(f, "nd_builtin_cache");
    cs_config__fill_decision_logs(f);
    c->inter_query_cache.max_size_bytes = cs_config__integer(f, "caching.inter_query_builtin_cache.max_size_bytes");
    c->inter_query_cache.threshold_percent =
        cs_config__integer(f, "caching.inter_query_builtin_cache.forced_eviction_threshold_percentage");
    c->inter_query_cache.stale_period_ns =
        cs_config__integer(f, "caching.inter_query_builtin_cache.stale_entry_eviction_period_seconds") * CS_NS_PER_S;
    c->status.console = cs_config__boolean(f, "status.console");
    c->status.prometheus = cs_config__boolean(f, "status.prometheus");
    cs_config__fill_status(f);
    c->server.decoding_max_length = (uint64_t)cs_config__integer(f, "server.decoding.max_length");
    c->server.decoding_gzip_max_length = (uint64_t)cs_config__integer(f, "server.decoding.gzip.max_length");
    c->server.encoding_gzip_min_length = (uint64_t)cs_config__integer(f, "server.encoding.gzip.min_length");
    c->server.encoding_gzip_level = (int)cs_config__integer(f, "server.encoding.gzip.compression_level");
    c->server.workers = (uint64_t)cs_config__integer(f, "server.workers");
    c->server.duration_buckets =
        fill_buckets(f, "server.metrics.prom.http_request_duration_seconds.buckets", &c->server.n_duration_buckets);
    c->status.loading_buckets = fill_buckets(
        f, "status.prometheus_config.collectors.bundle_loading_duration_ns.buckets", &c->status.n_loading_buckets);
}

static bool are_names(cs_value v)
{
    bool good = cs_is(v, CS_STRING) || cs_is(v, CS_ARRAY);
    for (uint32_t i = 0; good && cs_is(v, CS_ARRAY) && i < v.n; i++) {
        good = cs_is(v.u.items[i], CS_STRING);
    }
    return good;
}

static void check_mtls_roles(cs_config__filler *f, const cs_node *section)
{
    cs_value rows = f->config->identity.mtls_roles;
    if (!cs_is(rows, CS_OBJECT)) {
        cs_config__problem(f->report, false, section, "identity.mtls.roles must be an object of names to roles");
        f->config->identity.mtls_roles = cs_object_new(&f->config->arena, 0);
        return;
    }
    for (uint32_t i = 0; i < cs_count(rows); i++) {
        cs_value row, key = cs_entry(rows, i, &row);
        const cs_value *roles = cs_is(row, CS_OBJECT) ? cs_object_get_text(row, "roles") : &row;
        if (roles == NULL || !are_names(*roles)) {
            cs_config__problem(f->report, false, section,
                               "identity.mtls.roles: %.*s must have a role, a list of them, or an object with roles",
                               CS_FMT(cs_text(key)));
        }
    }
}

static void fill_identity(cs_config__filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = cs_config__member(f->root, CS_LIT("identity"));
    c->identity.configured = section != NULL;
    c->identity.jwt = section != NULL && cs_config__member(section, CS_LIT("jwt")) != NULL;
    c->identity.jwks_file = cs_config__text(f, "identity.jwt.jwks.file");
    c->identity.jwks_url = cs_config__text(f, "identity.jwt.jwks.url");
    c->identity.issuer = cs_config__text(f, "identity.jwt.issuer");
    c->identity.audience = cs_config__text(f, "identity.jwt.audience");
    c->identity.algorithms = cs_config__list(f, "identity.jwt.algorithms", &c->identity.n_algorithms);
    c->identity.leeway_ns = cs_config__duration(f, "identity.jwt.leeway");
    c->identity.claim_subject = cs_config__text(f, "identity.jwt.claims.subject");
    c->identity.claim_tenant = cs_config__text(f, "identity.jwt.claims.tenant");
    c->identity.claim_roles = cs_config__text(f, "identity.jwt.claims.roles");
    c->identity.claim_groups = cs_config__text(f, "identity.jwt.claims.groups");
    c->identity.tokens_file = cs_config__text(f, "identity.tokens.file");
    c->identity.mtls_roles = cs_config__document(f, "identity.mtls.roles");
    c->identity.jwks_refresh_ns = cs_config__duration(f, "identity.jwt.jwks.refresh");
    c->identity.mtls = section != NULL && cs_config__member(section, CS_LIT("mtls")) != NULL;
    if (c->identity.jwt && (c->identity.jwks_file.n == 0) == (c->identity.jwks_url.n == 0)) {
        cs_config__problem(f->report, false, section, "identity.jwt needs either jwks.file or jwks.url");
    }
    check_mtls_roles(f, section);
}

typedef CS_VEC(cs_config_property) properties;

static cs_slice terminated(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p, s.n), s.n);
}

/* Names with dots, however they are written: "security.protocol: x" or "security: {protocol: x}". */
static void add_properties(cs_config__filler *f, const cs_node *node, cs_slice name, properties *out)
{
    cs_arena *a = &f->config->arena;
    for (size_t i = 0; node->kind == CS_NODE_MAP && i < node->members.n; i++) {
        const cs_node_member *m = &node->members.v[i];
        size_t n = 0;
        char *whole = cs_arena_printf(a, &n, "%.*s%s%.*s", CS_FMT(name), name.n > 0 ? "." : "", CS_FMT(m->key));
        add_properties(f, m->node, cs_slice_make(whole, n), out);
    }
    if (node->kind == CS_NODE_MAP) {
        return;
    }
    char room[32];
    cs_value v = node->scalar;
    cs_slice value = cs_is(v, CS_STRING)   ? cs_text(v)
                     : cs_is(v, CS_NUMBER) ? cs_number_text(v, room)
                     : cs_is(v, CS_BOOL)   ? cs_slice_of(v.u.i != 0 ? "true" : "false")
                                           : CS_LIT("");
    if (node->kind == CS_NODE_LIST || name.n == 0 || cs_is(v, CS_NULL)) {
        cs_config__problem(f->report, false, node,
                           "journal.kafka.properties%s%.*s must be a text, a number or a boolean",
                           name.n > 0 ? "." : "", CS_FMT(name));
        return;
    }
    cs_config_property property = {name, terminated(a, value)};
    CS_VEC_PUSH_IN(a, out, property);
}

static void fill_kafka(cs_config__filler *f)
{
    cs_config *c = f->config;
    cs_arena *a = &c->arena;
    const cs_node *journal = cs_config__member(f->root, CS_LIT("journal"));
    const cs_node *kafka = journal != NULL ? cs_config__member(journal, CS_LIT("kafka")) : NULL;
    c->journal.kafka = kafka != NULL;
    if (kafka == NULL) {
        return;
    }
    size_t n = 0;
    const cs_slice *brokers = cs_config__list(f, "journal.kafka.brokers", &n);
    cs_slice all = CS_LIT("");
    for (size_t i = 0; i < n; i++) {
        size_t length = 0;
        char *joined = cs_arena_printf(a, &length, "%.*s%s%.*s", CS_FMT(all), i > 0 ? "," : "", CS_FMT(brokers[i]));
        all = cs_slice_make(joined, length);
    }
    if (n == 0) {
        cs_config__problem(f->report, false, kafka, "journal.kafka needs brokers");
    }
    if (cs_config__member(journal, CS_LIT("sqlite")) != NULL) {
        cs_config__problem(f->report, false, journal, "journal is either sqlite or kafka");
    }
    c->journal.kafka_brokers = all;
    c->journal.kafka_spend = terminated(a, cs_config__text(f, "journal.kafka.topics.spend"));
    c->journal.kafka_own = terminated(a, cs_config__text(f, "journal.kafka.topics.own"));
    c->journal.kafka_dead_letter = terminated(a, cs_config__text(f, "journal.kafka.topics.dead_letter"));
    const cs_node *node = cs_config__find(f, "journal.kafka.properties");
    properties found = {0};
    if (node != NULL) {
        add_properties(f, node, CS_LIT(""), &found);
    }
    c->journal.kafka_properties = found.v;
    c->journal.n_kafka_properties = found.n;
}

static void check_overrides(cs_config__filler *f)
{
    const cs_config *c = f->config;
    const cs_node *section = cs_config__member(f->root, CS_LIT("overrides"));
    const cs_config_push *push = cs_config_find_push(c, CS_LIT("emergency-override"));
    for (size_t i = 0; i < c->overrides.n_roots; i++) {
        cs_slice rest = c->overrides.roots[i], first = CS_LIT("");
        (void)cs_slice_next(&rest, '/', &first);
        if (first.n == 0 || cs_slice_is(first, "system")) {
            cs_config__problem(f->report, false, section, "overrides.roots: an override cannot have the root \"%.*s\"",
                               CS_FMT(c->overrides.roots[i]));
        }
    }
    for (size_t i = 0; i < c->overrides.n_countersigners; i++) {
        cs_slice id = c->overrides.countersigners[i];
        if (cs_config_find_key(c, id) == NULL) {
            cs_config__problem(f->report, false, section, "overrides.countersigners: key id %.*s not found",
                               CS_FMT(id));
        } else if (push != NULL && cs_slice_eq(push->keyid, id)) {
            cs_config__problem(f->report, false, section,
                               "overrides.countersigners: %.*s is the key of push.emergency-override itself",
                               CS_FMT(id));
        }
    }
    if (c->overrides.signatures > 1 && c->overrides.n_countersigners == 0) {
        cs_config__problem(f->report, false, section, "overrides.signatures: 2 needs overrides.countersigners");
    }
}

/* ---- webhooks */

static void check_secrets(cs_config__filler *f, const cs_config_webhook *w)
{
    cs_slice key;
    for (size_t i = 0; i < w->n_secrets; i++) {
        if (cs_slice_starts(w->secrets[i], CS_LIT("whsec_")) &&
            (!cs_base64_decode(&f->config->arena, cs_slice_sub(w->secrets[i], 6, w->secrets[i].n), CS_BASE64_STD, &key,
                               NULL) ||
             key.n == 0)) {
            cs_config__problem(f->report, false, f->item, "approvals.webhooks.%.*s: whsec_ is not followed by base64",
                               CS_FMT(w->name));
        }
    }
    if (w->n_secrets == 0 || w->secrets[0].n == 0) {
        cs_config__problem(f->report, false, f->item, "approvals.webhooks.%.*s needs a secret", CS_FMT(w->name));
    } else if (w->secrets[0].n < 16) {
        cs_config__problem(f->report, true, f->item, "approvals.webhooks.%.*s: a secret of %zu bytes can be guessed",
                           CS_FMT(w->name), w->secrets[0].n);
    }
}

/* What no single value tells. */
static void check_webhook(cs_config__filler *f, const cs_config_webhook *w, size_t i)
{
    const cs_config *c = f->config;
    if (w->name.n == 0) {
        cs_config__problem(f->report, false, f->item, "approvals.webhooks[%zu] needs a name", i);
        return;
    }
    for (size_t k = 0; k < i; k++) {
        if (cs_slice_eq(c->approvals.webhooks[k].name, w->name)) {
            cs_config__problem(f->report, false, f->item, "approvals.webhooks: \"%.*s\" is there twice",
                               CS_FMT(w->name));
        }
    }
    if (w->url.n > 0 && !cs_slice_starts(w->url, CS_LIT("http://")) && !cs_slice_starts(w->url, CS_LIT("https://"))) {
        cs_config__problem(f->report, false, f->item, "approvals.webhooks.%.*s.url must begin with http:// or https://",
                           CS_FMT(w->name));
    }
    if (w->url.n == 0 && !w->inbound) {
        cs_config__problem(f->report, false, f->item, "approvals.webhooks.%.*s has neither a url nor inbound",
                           CS_FMT(w->name));
    }
    if (w->most_ns < w->first_ns) {
        cs_config__problem(f->report, false, f->item, "approvals.webhooks.%.*s.retry: most is less than first",
                           CS_FMT(w->name));
    }
    for (uint32_t k = 0; cs_is(w->headers, CS_OBJECT) && k < cs_count(w->headers); k++) {
        cs_value value, name = cs_entry(w->headers, k, &value);
        cs_slice v = cs_is(value, CS_STRING) ? cs_text(value) : CS_LIT("");
        if (cs_slice_find_byte(v, '\n', 0) != SIZE_MAX || cs_slice_find_byte(v, '\r', 0) != SIZE_MAX ||
            cs_slice_find_byte(cs_text(name), ':', 0) != SIZE_MAX || cs_text(name).n == 0) {
            cs_config__problem(f->report, false, f->item, "approvals.webhooks.%.*s.headers: \"%.*s\" is no header",
                               CS_FMT(w->name), CS_FMT(cs_text(name)));
        }
    }
    check_secrets(f, w);
}

static bool has_word(const cs_slice *words, size_t n, const char *word)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        found = found || cs_slice_is(words[i], word);
    }
    return found;
}

static cs_slice field_name(const cs_config__filler *f, const char *path, cs_slice kind, const char *without)
{
    cs_slice name = cs_config__text(f, path);
    return name.n > 0 ? name : cs_slice_of(cs_slice_is(kind, "servicenow") ? without : without + 2);
}

static void fill_webhook(cs_config__filler *f, cs_config_webhook *w)
{
    cs_arena *a = &f->config->arena;
    size_t n = 0;
    w->kind = cs_config__text(f, "approvals.webhooks.*.kind");
    w->url = cs_config__text(f, "approvals.webhooks.*.url");
    const cs_slice *old = cs_config__list(f, "approvals.webhooks.*.old_secrets", &n);
    cs_slice *secrets = cs_arena_array(a, cs_slice, n + 1);
    secrets[0] = cs_config__text(f, "approvals.webhooks.*.secret");
    for (size_t i = 0; i < n; i++) {
        secrets[i + 1] = old[i];
    }
    w->secrets = secrets;
    w->n_secrets = n + 1;
    const cs_slice *events = cs_config__list(f, "approvals.webhooks.*.events", &n);
    w->opened = has_word(events, n, "opened");
    w->escalated = has_word(events, n, "escalated");
    w->decided = has_word(events, n, "decided");
    w->tenants = cs_config__list(f, "approvals.webhooks.*.tenants", &w->n_tenants);
    w->headers = cs_config__document(f, "approvals.webhooks.*.headers");
    w->timeout_ns = cs_config__duration(f, "approvals.webhooks.*.timeout");
    w->first_ns = cs_config__duration(f, "approvals.webhooks.*.retry.first");
    w->most_ns = cs_config__duration(f, "approvals.webhooks.*.retry.most");
    w->give_up_ns = cs_config__duration(f, "approvals.webhooks.*.retry.give_up");
    w->queue = (uint64_t)cs_config__integer(f, "approvals.webhooks.*.queue");
    w->inbound = cs_config__boolean(f, "approvals.webhooks.*.inbound");
    w->groups_trusted = cs_slice_is(cs_config__text(f, "approvals.webhooks.*.groups"), "trusted");
    w->tolerance_ns = cs_config__duration(f, "approvals.webhooks.*.tolerance");
    w->approval_field = field_name(f, "approvals.webhooks.*.fields.approval", w->kind, "u_countersign_approval");
    w->digest_field = field_name(f, "approvals.webhooks.*.fields.digest", w->kind, "u_countersign_digest");
    w->ca_cert = cs_config__text(f, "approvals.webhooks.*.ca_cert");
    w->allow_insecure_tls = cs_config__boolean(f, "approvals.webhooks.*.allow_insecure_tls");
}

static void fill_approvals(cs_config__filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = cs_config__member(f->root, CS_LIT("approvals"));
    c->approvals.configured = section != NULL;
    c->approvals.evidence = cs_config__text(f, "approvals.evidence");
    const cs_node *node = section != NULL ? cs_config__member(section, CS_LIT("webhooks")) : NULL;
    size_t n = node != NULL ? node->members.n : 0;
    c->approvals.webhooks = cs_arena_array(&c->arena, cs_config_webhook, n + 1);
    for (size_t i = 0; i < n; i++) {
        f->item = node->members.v[i].node;
        cs_config_webhook *w = &c->approvals.webhooks[i];
        w->name = node->kind == CS_NODE_LIST ? cs_config__text(f, "approvals.webhooks.*.name") : node->members.v[i].key;
        fill_webhook(f, w);
        check_webhook(f, w, i);
        c->approvals.n_webhooks++;
    }
}

static void fill_own(cs_config__filler *f)
{
    cs_config *c = f->config;
    c->journal.configured = cs_config__configured(f, "journal");
    c->journal.sqlite_path = cs_config__text(f, "journal.sqlite.path");
    c->journal.sqlite_sync = cs_config__text(f, "journal.sqlite.sync");
    c->journal.snapshot_path = cs_config__text(f, "journal.snapshot.path");
    c->journal.snapshot_interval_ns = cs_config__duration(f, "journal.snapshot.interval");
    fill_kafka(f);
    c->spend.configured = cs_config__configured(f, "spend");
    c->spend.dedupe_ns = cs_config__duration(f, "spend.dedupe");
    c->spend.max_lateness_ns = cs_config__duration(f, "spend.max_lateness");
    c->spend.stale_after_ns = cs_config__duration(f, "spend.stale_after");
    c->spend.replay_ns = cs_config__duration(f, "spend.replay");
    c->spend.on_stale = cs_config__text(f, "spend.on_stale");
    c->spend.costs = cs_config__text(f, "spend.costs");
    fill_approvals(f);
    c->gateways.decision = cs_config__text(f, "gateways.decision");
    c->gateways.effects = cs_config__list(f, "gateways.effects", &c->gateways.n_effects);
    c->overrides.configured = cs_config__configured(f, "overrides");
    c->overrides.max_ttl_ns = cs_config__duration(f, "overrides.max_ttl");
    c->overrides.roots = cs_config__list(f, "overrides.roots", &c->overrides.n_roots);
    c->overrides.role = cs_config__text(f, "overrides.role");
    c->overrides.signatures = (uint64_t)cs_config__integer(f, "overrides.signatures");
    c->overrides.countersigners = cs_config__list(f, "overrides.countersigners", &c->overrides.n_countersigners);
    check_overrides(f);
    c->audit.configured = cs_config__configured(f, "audit");
    c->audit.dir = cs_config__text(f, "audit.dir");
    c->audit.sync = cs_config__text(f, "audit.sync");
    c->audit.on_full = cs_config__text(f, "audit.on_full");
    c->audit.checkpoint_key = cs_config__text(f, "audit.checkpoint_key");
    c->audit.required = cs_config__boolean(f, "audit.required");
    c->audit.daily = cs_config__boolean(f, "audit.rotate.daily");
    c->audit.file_bytes = (uint64_t)cs_config__integer(f, "audit.rotate.size_bytes");
    c->audit.room = (uint64_t)cs_config__integer(f, "audit.memory_bytes");
    c->pq.phase = cs_config__text(f, "pq.phase");
    c->pq.bypass = cs_config__boolean(f, "pq.bypass");
    c->pq.introspection = cs_config__boolean(f, "pq.introspection");
    c->settings = cs_config__document(f, "settings");
    c->tenants = cs_config__document(f, "tenants");
}

/* A switch in the environment: 1, true, 0 or false. */
static void env_switch(cs_config__filler *f, const char *name, bool *out)
{
    const char *value = cs_config_env(name);
    if (value == NULL || value[0] == '\0') {
        return;
    }
    if (strcmp(value, "1") == 0 || strcmp(value, "true") == 0) {
        *out = true;
    } else if (strcmp(value, "0") == 0 || strcmp(value, "false") == 0) {
        *out = false;
    } else {
        cs_config__problem(f->report, false, NULL, "environment variable %s must be 0 or 1", name);
    }
}

static void fill_environment(cs_config__filler *f)
{
    cs_config *c = f->config;
    const char *phase = cs_config_env("PQ_PHASE");
    if (phase != NULL && (strcmp(phase, "log") == 0 || strcmp(phase, "enforce") == 0)) {
        c->pq.phase = cs_slice_make(cs_arena_dup(&c->arena, phase, strlen(phase)), strlen(phase));
    } else if (phase != NULL && phase[0] != '\0') {
        cs_config__problem(f->report, false, NULL, "environment variable PQ_PHASE must be log or enforce");
    }
    env_switch(f, "PQ_BYPASS", &c->pq.bypass);
    env_switch(f, "PQ_INTROSPECTION", &c->pq.introspection);
}

void cs_config__fill(cs_config *config, const cs_node *root, cs_config_report *report)
{
    cs_config__filler f = {.config = config, .root = root, .report = report};
    config->document = cs_config__to_value(&config->arena, root);
    fill_keys(&f);
    cs_config__fill_services(&f);
    cs_config__fill_bundles(&f);
    cs_config__fill_discovery(&f);
    cs_config__check_plugins(&f);
    fill_push(&f);
    fill_opa(&f);
    fill_identity(&f);
    fill_own(&f);
    fill_environment(&f);
}
