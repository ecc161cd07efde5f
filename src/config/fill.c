/* The typed configuration out of the checked tree. */
#include "config/internal.h"

#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "countersign/number.h"

/* Looks options up by their row's path; `star` stands for its '*'. */
typedef struct filler {
    cs_config *config;
    const cs_node *root;
    cs_config_report *report;
    const cs_node *item; /* the node that '*' stands for */
} filler;

static const cs_node *find(const filler *f, const char *path)
{
    cs_slice rest = cs_slice_of(path), segment;
    const cs_node *at = f->root;
    const char *star = strchr(path, '*');
    if (star != NULL) {
        at = f->item;
        rest = cs_slice_of(star + (star[1] == '.' ? 2 : 1));
    }
    while (at != NULL && cs_slice_next(&rest, '.', &segment)) {
        at = cs_config__member(at, segment);
    }
    return at != NULL && at->kind == CS_NODE_SCALAR && cs_is(at->scalar, CS_NULL) ? NULL : at;
}

static bool is_given(const filler *f, const char *path)
{
    return find(f, path) != NULL;
}

static cs_slice otherwise(const char *path)
{
    const cs_option *row = cs_config__row(path);
    cs_assert(row != NULL);
    return cs_slice_of(row->otherwise);
}

static cs_slice text(const filler *f, const char *path)
{
    const cs_node *node = find(f, path);
    return node != NULL && cs_is(node->scalar, CS_STRING) ? cs_text(node->scalar) : otherwise(path);
}

static bool boolean(const filler *f, const char *path)
{
    const cs_node *node = find(f, path);
    return node != NULL && cs_is(node->scalar, CS_BOOL) ? node->scalar.u.i != 0 : cs_slice_is(otherwise(path), "true");
}

static int64_t integer(const filler *f, const char *path)
{
    const cs_node *node = find(f, path);
    int64_t value = 0;
    if (node == NULL || !cs_is(node->scalar, CS_NUMBER) || !cs_number_is_int(node->scalar, &value)) {
        (void)cs_slice_i64(otherwise(path), &value);
    }
    return value;
}

static int64_t duration(const filler *f, const char *path)
{
    int64_t ns = 0;
    if (!cs_time_parse_duration(text(f, path), true, &ns)) {
        (void)cs_time_parse_duration(otherwise(path), true, &ns);
    }
    return ns;
}

static const cs_slice *list(const filler *f, const char *path, size_t *n)
{
    cs_arena *a = &f->config->arena;
    CS_VEC(cs_slice) out = {0};
    const cs_node *node = find(f, path);
    if (node != NULL) {
        for (size_t i = 0; i < node->members.n; i++) {
            cs_value item = node->members.v[i].node->scalar;
            cs_slice one = cs_is(item, CS_STRING) ? cs_text(item) : CS_LIT("");
            CS_VEC_PUSH_IN(a, &out, one);
        }
    } else {
        cs_slice rest = otherwise(path), one;
        while (rest.n > 0 && cs_slice_next(&rest, ',', &one)) {
            CS_VEC_PUSH_IN(a, &out, one);
        }
    }
    *n = out.n;
    return out.v;
}

static cs_value document(const filler *f, const char *path)
{
    const cs_node *node = find(f, path);
    return node != NULL ? cs_config__to_value(&f->config->arena, node) : cs_object_new(&f->config->arena, 0);
}

static bool configured(const filler *f, const char *section)
{
    return cs_config__member(f->root, cs_slice_of(section)) != NULL;
}

/* The items of a section that are named by the user. */
static const cs_node *items(const filler *f, const char *section, size_t *n)
{
    const cs_node *node = cs_config__member(f->root, cs_slice_of(section));
    *n = node != NULL ? node->members.n : 0;
    return node;
}

/* What cannot work with OAuth 2; NULL = nothing. */
static const char *oauth2_fault(const filler *f, const cs_config_oauth2 *o)
{
    const cs_config_key *key = o->signing_key.n != 0 ? cs_config_find_key(f->config, o->signing_key) : NULL;
    int ways = (o->client_secret.n != 0) + (o->signing_key.n != 0) + (o->assertion.n != 0) + (o->assertion_path.n != 0);
    if (!cs_slice_starts(o->token_url, CS_LIT("https://"))) {
        return "token_url required to use https scheme";
    }
    if (o->signing_key.n != 0 && key == NULL) {
        return "signing_key refers to non-existent key";
    }
    if (key != NULL && key->private_key.n == 0) {
        return "referenced signing_key does not include a private key";
    }
    if (o->jwt_bearer) {
        return o->signing_key.n == 0 ? "signing_key required for jwt_bearer grant type" : NULL;
    }
    if (ways == 0) {
        return "one of client_secret, signing_key, client_assertion or client_assertion_path is required";
    }
    if (ways > 1) {
        return "client_secret, signing_key, client_assertion and client_assertion_path exclude each other";
    }
    return o->client_id.n == 0 && o->signing_key.n == 0 ? "client_id is required" : NULL;
}

static void fill_oauth2(filler *f, cs_config_service *s)
{
    static const char at[] = "services.*.credentials.oauth2";
    if (!is_given(f, at)) {
        return;
    }
    cs_config_oauth2 *o = cs_arena_new(&f->config->arena, cs_config_oauth2);
    *o =
        (cs_config_oauth2){.jwt_bearer = cs_slice_is(text(f, "services.*.credentials.oauth2.grant_type"), "jwt_bearer"),
                           .token_url = text(f, "services.*.credentials.oauth2.token_url"),
                           .client_id = text(f, "services.*.credentials.oauth2.client_id"),
                           .client_secret = text(f, "services.*.credentials.oauth2.client_secret"),
                           .signing_key = text(f, "services.*.credentials.oauth2.signing_key"),
                           .thumbprint = text(f, "services.*.credentials.oauth2.thumbprint"),
                           .assertion_type = text(f, "services.*.credentials.oauth2.client_assertion_type"),
                           .assertion = text(f, "services.*.credentials.oauth2.client_assertion"),
                           .assertion_path = text(f, "services.*.credentials.oauth2.client_assertion_path"),
                           .claims = document(f, "services.*.credentials.oauth2.additional_claims"),
                           .headers = document(f, "services.*.credentials.oauth2.additional_headers"),
                           .parameters = document(f, "services.*.credentials.oauth2.additional_parameters"),
                           .jti = boolean(f, "services.*.credentials.oauth2.include_jti_claim")};
    o->scopes = list(f, "services.*.credentials.oauth2.scopes", &o->n_scopes);
    s->oauth2 = o;
    const char *fault = oauth2_fault(f, o);
    if (fault != NULL) {
        cs_config__problem(f->report, false, f->item, "services.%.*s: oauth2: %s", CS_FMT(s->name), fault);
    }
}

static void fill_client_tls(filler *f, cs_config_service *s)
{
    s->client_cert = text(f, "services.*.credentials.client_tls.cert");
    s->client_key = text(f, "services.*.credentials.client_tls.private_key");
    s->client_key_password = text(f, "services.*.credentials.client_tls.private_key_passphrase");
    if (s->ca_cert.n == 0) {
        s->ca_cert = text(f, "services.*.credentials.client_tls.ca_cert");
    }
    s->system_ca = s->system_ca || boolean(f, "services.*.credentials.client_tls.system_ca_required");
    if (is_given(f, "services.*.credentials.client_tls") && (s->client_cert.n == 0 || s->client_key.n == 0)) {
        cs_config__problem(f->report, false, f->item, "services.%.*s: client_tls needs cert and private_key",
                           CS_FMT(s->name));
    }
}

static void check_service(filler *f, const cs_config_service *s, size_t i)
{
    if (s->name.n == 0) {
        cs_config__problem(f->report, false, f->item, "services[%zu] needs a name", i);
    }
    if (s->bearer_token.n > 0 && s->bearer_token_path.n > 0) {
        cs_config__problem(f->report, false, f->item, "services.%.*s: token and token_path exclude each other",
                           CS_FMT(s->name));
    }
    int kinds = is_given(f, "services.*.credentials.bearer") + is_given(f, "services.*.credentials.client_tls") +
                is_given(f, "services.*.credentials.oauth2");
    if (kinds > 1) {
        cs_config__problem(f->report, false, f->item,
                           "services.%.*s: a maximum one credential method must be specified", CS_FMT(s->name));
    }
}

/* After fill_keys: what signs is looked for among them. */
static void fill_services(filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = items(f, "services", &c->n_services);
    c->services = cs_arena_array(&c->arena, cs_config_service, c->n_services + 1);
    for (size_t i = 0; i < c->n_services; i++) {
        f->item = section->members.v[i].node;
        cs_config_service *s = &c->services[i];
        s->name = section->kind == CS_NODE_LIST ? text(f, "services.*.name") : section->members.v[i].key;
        s->url = text(f, "services.*.url");
        s->headers = document(f, "services.*.headers");
        s->ca_cert = text(f, "services.*.tls.ca_cert");
        s->system_ca = boolean(f, "services.*.tls.system_ca_required");
        s->allow_insecure_tls = boolean(f, "services.*.allow_insecure_tls");
        s->response_header_timeout_ns = integer(f, "services.*.response_header_timeout_seconds") * CS_NS_PER_S;
        s->bearer_token = text(f, "services.*.credentials.bearer.token");
        s->bearer_token_path = text(f, "services.*.credentials.bearer.token_path");
        s->bearer_scheme = text(f, "services.*.credentials.bearer.scheme");
        fill_client_tls(f, s);
        fill_oauth2(f, s);
        check_service(f, s, i);
    }
}

static void fill_keys(filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = items(f, "keys", &c->n_keys);
    c->keys = cs_arena_array(&c->arena, cs_config_key, c->n_keys + 1);
    for (size_t i = 0; i < c->n_keys; i++) {
        f->item = section->members.v[i].node;
        cs_config_key *k = &c->keys[i];
        k->id = section->members.v[i].key;
        k->key = text(f, "keys.*.key");
        k->private_key = text(f, "keys.*.private_key");
        k->algorithm = text(f, "keys.*.algorithm");
        k->scope = text(f, "keys.*.scope");
        if (k->key.n == 0 && k->private_key.n == 0) {
            cs_config__problem(f->report, false, f->item,
                               "invalid keys configuration: no keys provided for key ID %.*s", CS_FMT(k->id));
        }
    }
}

/* What is wrong with a bundle beyond its single values, or NULL. */
static const char *bundle_fault(const filler *f, const cs_config_bundle *b)
{
    const cs_config *c = f->config;
    bool min = find(f, "bundles.*.polling.min_delay_seconds") != NULL;
    bool max = find(f, "bundles.*.polling.max_delay_seconds") != NULL;
    if (min != max) {
        return min ? "polling configuration missing 'max_delay_seconds'"
                   : "polling configuration missing 'min_delay_seconds'";
    }
    if (b->max_delay_ns < b->min_delay_ns) {
        return "max polling delay must be >= min polling delay";
    }
    if (b->signing && b->keyid.n == 0 && c->n_keys == 0) {
        return "no verification keys configured";
    }
    return NULL;
}

static void fill_bundle(filler *f, cs_config_bundle *b)
{
    cs_config *c = f->config;
    b->service = text(f, "bundles.*.service");
    b->resource = text(f, "bundles.*.resource");
    if (b->resource.n == 0) {
        size_t n;
        char *resource = cs_arena_printf(&c->arena, &n, "bundles/%.*s", CS_FMT(b->name));
        b->resource = cs_slice_make(resource, n);
    }
    b->path = CS_LIT("");
    b->min_delay_ns = integer(f, "bundles.*.polling.min_delay_seconds") * CS_NS_PER_S;
    b->max_delay_ns = integer(f, "bundles.*.polling.max_delay_seconds") * CS_NS_PER_S;
    b->long_poll_s = integer(f, "bundles.*.polling.long_polling_timeout_seconds");
    b->superseded_ns = integer(f, "bundles.*.polling.superseded_etag_ttl_seconds") * CS_NS_PER_S;
    b->manual = cs_slice_is(text(f, "bundles.*.trigger"), "manual");
    b->persist = boolean(f, "bundles.*.persist");
    b->signing = cs_config__member(f->item, CS_LIT("signing")) != NULL;
    b->keyid = text(f, "bundles.*.signing.keyid");
    b->scope = text(f, "bundles.*.signing.scope");
    b->exclude_files = list(f, "bundles.*.signing.exclude_files", &b->n_exclude_files);
    int64_t size = integer(f, "bundles.*.size_limit_bytes");
    b->size_limit_bytes = size > 0 ? (uint64_t)size : UINT64_C(1073741824);
    if (cs_slice_starts(b->resource, CS_LIT("file://"))) {
        b->path = cs_slice_sub(b->resource, 7, b->resource.n);
        b->service = CS_LIT("");
    } else if (b->service.n == 0 && c->n_services > 0) {
        b->service = c->services[0].name;
    }
    const char *fault = bundle_fault(f, b);
    if (fault != NULL) {
        cs_config__problem(f->report, false, f->item, "invalid configuration for bundle \"%.*s\": %s", CS_FMT(b->name),
                           fault);
    }
    if (b->path.n == 0 && cs_config_find_service(c, b->service) == NULL) {
        cs_config__problem(f->report, false, f->item,
                           "invalid configuration for bundle \"%.*s\": service name \"%.*s\" not found",
                           CS_FMT(b->name), CS_FMT(b->service));
    }
    if (b->keyid.n > 0 && cs_config_find_key(c, b->keyid) == NULL) {
        cs_config__problem(f->report, false, f->item,
                           "invalid configuration for bundle \"%.*s\": key id %.*s not found", CS_FMT(b->name),
                           CS_FMT(b->keyid));
    }
}

static void fill_bundles(filler *f)
{
    cs_config *c = f->config;
    size_t n;
    const cs_node *section = items(f, "bundles", &n);
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

static void fill_push(filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = items(f, "push", &c->n_push);
    c->push = cs_arena_array(&c->arena, cs_config_push, c->n_push + 1);
    for (size_t i = 0; i < c->n_push; i++) {
        f->item = section->members.v[i].node;
        cs_config_push *p = &c->push[i];
        p->name = section->members.v[i].key;
        p->keyid = text(f, "push.*.keyid");
        p->scope = text(f, "push.*.scope");
        if (p->keyid.n == 0) {
            cs_config__problem(f->report, false, f->item, "push.%.*s needs a keyid: what is pushed is always signed",
                               CS_FMT(p->name));
        } else if (cs_config_find_key(c, p->keyid) == NULL) {
            cs_config__problem(f->report, false, f->item, "push.%.*s: key id %.*s not found", CS_FMT(p->name),
                               CS_FMT(p->keyid));
        }
    }
}

/* Where nothing else is said the first service takes it, as OPA has it. */
static void fill_status(filler *f)
{
    cs_config *c = f->config;
    c->status.service = text(f, "status.service");
    c->status.partition = text(f, "status.partition_name");
    c->status.manual = cs_slice_is(text(f, "status.trigger"), "manual");
    bool elsewhere = c->status.console || c->status.prometheus;
    if (configured(f, "status") && c->status.service.n == 0 && c->n_services != 0 && !elsewhere) {
        c->status.service = c->services[0].name;
    } else if (c->status.service.n != 0 && cs_config_find_service(c, c->status.service) == NULL) {
        cs_config__problem(f->report, false, find(f, "status.service"), "invalid service name \"%.*s\" in status",
                           CS_FMT(c->status.service));
    }
}

static void fill_opa(filler *f)
{
    cs_config *c = f->config;
    c->labels = document(f, "labels");
    c->default_decision = text(f, "default_decision");
    c->default_authorization_decision = text(f, "default_authorization_decision");
    c->persistence_directory = text(f, "persistence_directory");
    c->decision_logs.console = boolean(f, "decision_logs.console");
    c->decision_logs.mask_decision = text(f, "decision_logs.mask_decision");
    c->decision_logs.drop_decision = text(f, "decision_logs.drop_decision");
    c->inter_query_cache.max_size_bytes = integer(f, "caching.inter_query_builtin_cache.max_size_bytes");
    c->inter_query_cache.threshold_percent =
        integer(f, "caching.inter_query_builtin_cache.forced_eviction_threshold_percentage");
    c->inter_query_cache.stale_period_ns =
        integer(f, "caching.inter_query_builtin_cache.stale_entry_eviction_period_seconds") * CS_NS_PER_S;
    c->status.console = boolean(f, "status.console");
    c->status.prometheus = boolean(f, "status.prometheus");
    fill_status(f);
    c->server.decoding_max_length = (uint64_t)integer(f, "server.decoding.max_length");
    c->server.decoding_gzip_max_length = (uint64_t)integer(f, "server.decoding.gzip.max_length");
    c->server.encoding_gzip_min_length = (uint64_t)integer(f, "server.encoding.gzip.min_length");
    c->server.encoding_gzip_level = (int)integer(f, "server.encoding.gzip.compression_level");
    c->server.workers = (uint64_t)integer(f, "server.workers");
    const cs_node *buckets = find(f, "server.metrics.prom.http_request_duration_seconds.buckets");
    size_t n = buckets != NULL ? buckets->members.n : 0;
    double *bounds = cs_arena_array(&c->arena, double, n + 1);
    for (size_t i = 0; i < n; i++) {
        cs_value v = buckets->members.v[i].node->scalar;
        bounds[i] = cs_is(v, CS_NUMBER) ? cs_number_double(v) : 0;
        if (i > 0 && bounds[i] <= bounds[i - 1]) {
            cs_config__problem(f->report, false, buckets, "buckets must grow");
        }
    }
    c->server.duration_buckets = bounds;
    c->server.n_duration_buckets = n;
}

static bool are_names(cs_value v)
{
    bool good = cs_is(v, CS_STRING) || cs_is(v, CS_ARRAY);
    for (uint32_t i = 0; good && cs_is(v, CS_ARRAY) && i < v.n; i++) {
        good = cs_is(v.u.items[i], CS_STRING);
    }
    return good;
}

static void check_mtls_roles(filler *f, const cs_node *section)
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

static void fill_identity(filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = cs_config__member(f->root, CS_LIT("identity"));
    c->identity.configured = section != NULL;
    c->identity.jwt = section != NULL && cs_config__member(section, CS_LIT("jwt")) != NULL;
    c->identity.jwks_file = text(f, "identity.jwt.jwks.file");
    c->identity.jwks_url = text(f, "identity.jwt.jwks.url");
    c->identity.issuer = text(f, "identity.jwt.issuer");
    c->identity.audience = text(f, "identity.jwt.audience");
    c->identity.algorithms = list(f, "identity.jwt.algorithms", &c->identity.n_algorithms);
    c->identity.leeway_ns = duration(f, "identity.jwt.leeway");
    c->identity.claim_subject = text(f, "identity.jwt.claims.subject");
    c->identity.claim_tenant = text(f, "identity.jwt.claims.tenant");
    c->identity.claim_roles = text(f, "identity.jwt.claims.roles");
    c->identity.claim_groups = text(f, "identity.jwt.claims.groups");
    c->identity.tokens_file = text(f, "identity.tokens.file");
    c->identity.mtls_roles = document(f, "identity.mtls.roles");
    c->identity.jwks_refresh_ns = duration(f, "identity.jwt.jwks.refresh");
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
static void add_properties(filler *f, const cs_node *node, cs_slice name, properties *out)
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

static void fill_kafka(filler *f)
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
    const cs_slice *brokers = list(f, "journal.kafka.brokers", &n);
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
    c->journal.kafka_spend = terminated(a, text(f, "journal.kafka.topics.spend"));
    c->journal.kafka_own = terminated(a, text(f, "journal.kafka.topics.own"));
    c->journal.kafka_dead_letter = terminated(a, text(f, "journal.kafka.topics.dead_letter"));
    const cs_node *node = find(f, "journal.kafka.properties");
    properties found = {0};
    if (node != NULL) {
        add_properties(f, node, CS_LIT(""), &found);
    }
    c->journal.kafka_properties = found.v;
    c->journal.n_kafka_properties = found.n;
}

static void check_overrides(filler *f)
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

static void check_secrets(filler *f, const cs_config_webhook *w)
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
static void check_webhook(filler *f, const cs_config_webhook *w, size_t i)
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

static cs_slice field_name(const filler *f, const char *path, cs_slice kind, const char *without)
{
    cs_slice name = text(f, path);
    return name.n > 0 ? name : cs_slice_of(cs_slice_is(kind, "servicenow") ? without : without + 2);
}

static void fill_webhook(filler *f, cs_config_webhook *w)
{
    cs_arena *a = &f->config->arena;
    size_t n = 0;
    w->kind = text(f, "approvals.webhooks.*.kind");
    w->url = text(f, "approvals.webhooks.*.url");
    const cs_slice *old = list(f, "approvals.webhooks.*.old_secrets", &n);
    cs_slice *secrets = cs_arena_array(a, cs_slice, n + 1);
    secrets[0] = text(f, "approvals.webhooks.*.secret");
    for (size_t i = 0; i < n; i++) {
        secrets[i + 1] = old[i];
    }
    w->secrets = secrets;
    w->n_secrets = n + 1;
    const cs_slice *events = list(f, "approvals.webhooks.*.events", &n);
    w->opened = has_word(events, n, "opened");
    w->escalated = has_word(events, n, "escalated");
    w->decided = has_word(events, n, "decided");
    w->tenants = list(f, "approvals.webhooks.*.tenants", &w->n_tenants);
    w->headers = document(f, "approvals.webhooks.*.headers");
    w->timeout_ns = duration(f, "approvals.webhooks.*.timeout");
    w->first_ns = duration(f, "approvals.webhooks.*.retry.first");
    w->most_ns = duration(f, "approvals.webhooks.*.retry.most");
    w->give_up_ns = duration(f, "approvals.webhooks.*.retry.give_up");
    w->queue = (uint64_t)integer(f, "approvals.webhooks.*.queue");
    w->inbound = boolean(f, "approvals.webhooks.*.inbound");
    w->groups_trusted = cs_slice_is(text(f, "approvals.webhooks.*.groups"), "trusted");
    w->tolerance_ns = duration(f, "approvals.webhooks.*.tolerance");
    w->approval_field = field_name(f, "approvals.webhooks.*.fields.approval", w->kind, "u_countersign_approval");
    w->digest_field = field_name(f, "approvals.webhooks.*.fields.digest", w->kind, "u_countersign_digest");
    w->ca_cert = text(f, "approvals.webhooks.*.ca_cert");
    w->allow_insecure_tls = boolean(f, "approvals.webhooks.*.allow_insecure_tls");
}

static void fill_approvals(filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = cs_config__member(f->root, CS_LIT("approvals"));
    c->approvals.configured = section != NULL;
    c->approvals.evidence = text(f, "approvals.evidence");
    const cs_node *node = section != NULL ? cs_config__member(section, CS_LIT("webhooks")) : NULL;
    size_t n = node != NULL ? node->members.n : 0;
    c->approvals.webhooks = cs_arena_array(&c->arena, cs_config_webhook, n + 1);
    for (size_t i = 0; i < n; i++) {
        f->item = node->members.v[i].node;
        cs_config_webhook *w = &c->approvals.webhooks[i];
        w->name = node->kind == CS_NODE_LIST ? text(f, "approvals.webhooks.*.name") : node->members.v[i].key;
        fill_webhook(f, w);
        check_webhook(f, w, i);
        c->approvals.n_webhooks++;
    }
}

static void fill_own(filler *f)
{
    cs_config *c = f->config;
    c->journal.configured = configured(f, "journal");
    c->journal.sqlite_path = text(f, "journal.sqlite.path");
    c->journal.sqlite_sync = text(f, "journal.sqlite.sync");
    c->journal.snapshot_path = text(f, "journal.snapshot.path");
    c->journal.snapshot_interval_ns = duration(f, "journal.snapshot.interval");
    fill_kafka(f);
    c->spend.configured = configured(f, "spend");
    c->spend.dedupe_ns = duration(f, "spend.dedupe");
    c->spend.max_lateness_ns = duration(f, "spend.max_lateness");
    c->spend.stale_after_ns = duration(f, "spend.stale_after");
    c->spend.replay_ns = duration(f, "spend.replay");
    c->spend.on_stale = text(f, "spend.on_stale");
    c->spend.costs = text(f, "spend.costs");
    fill_approvals(f);
    c->gateways.decision = text(f, "gateways.decision");
    c->gateways.effects = list(f, "gateways.effects", &c->gateways.n_effects);
    c->overrides.configured = configured(f, "overrides");
    c->overrides.max_ttl_ns = duration(f, "overrides.max_ttl");
    c->overrides.roots = list(f, "overrides.roots", &c->overrides.n_roots);
    c->overrides.role = text(f, "overrides.role");
    c->overrides.signatures = (uint64_t)integer(f, "overrides.signatures");
    c->overrides.countersigners = list(f, "overrides.countersigners", &c->overrides.n_countersigners);
    check_overrides(f);
    c->audit.configured = configured(f, "audit");
    c->audit.dir = text(f, "audit.dir");
    c->audit.sync = text(f, "audit.sync");
    c->audit.on_full = text(f, "audit.on_full");
    c->audit.checkpoint_key = text(f, "audit.checkpoint_key");
    c->audit.required = boolean(f, "audit.required");
    c->audit.daily = boolean(f, "audit.rotate.daily");
    c->audit.file_bytes = (uint64_t)integer(f, "audit.rotate.size_bytes");
    c->audit.room = (uint64_t)integer(f, "audit.memory_bytes");
    c->pq.phase = text(f, "pq.phase");
    c->pq.bypass = boolean(f, "pq.bypass");
    c->pq.introspection = boolean(f, "pq.introspection");
    c->settings = document(f, "settings");
    c->tenants = document(f, "tenants");
}

/* A switch in the environment: 1, true, 0 or false. */
static void env_switch(filler *f, const char *name, bool *out)
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

static void fill_environment(filler *f)
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
    filler f = {.config = config, .root = root, .report = report};
    config->document = cs_config__to_value(&config->arena, root);
    fill_keys(&f);
    fill_services(&f);
    fill_bundles(&f);
    fill_push(&f);
    fill_opa(&f);
    fill_identity(&f);
    fill_own(&f);
    fill_environment(&f);
}
