/* Services, status and decision logs out of the checked tree. */
#include "config/fill.h"
#include "countersign/base/time.h"
#include "countersign/number.h"

/* What cannot work with OAuth 2; NULL = nothing. */
static const char *oauth2_fault(const cs_config__filler *f, const cs_config_oauth2 *o)
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

static void fill_oauth2(cs_config__filler *f, cs_config_service *s)
{
    static const char at[] = "services.*.credentials.oauth2";
    if (!cs_config__is_given(f, at)) {
        return;
    }
    cs_config_oauth2 *o = cs_arena_new(&f->config->arena, cs_config_oauth2);
    *o = (cs_config_oauth2){
        .jwt_bearer = cs_slice_is(cs_config__text(f, "services.*.credentials.oauth2.grant_type"), "jwt_bearer"),
        .token_url = cs_config__text(f, "services.*.credentials.oauth2.token_url"),
        .client_id = cs_config__text(f, "services.*.credentials.oauth2.client_id"),
        .client_secret = cs_config__text(f, "services.*.credentials.oauth2.client_secret"),
        .signing_key = cs_config__text(f, "services.*.credentials.oauth2.signing_key"),
        .thumbprint = cs_config__text(f, "services.*.credentials.oauth2.thumbprint"),
        .assertion_type = cs_config__text(f, "services.*.credentials.oauth2.client_assertion_type"),
        .assertion = cs_config__text(f, "services.*.credentials.oauth2.client_assertion"),
        .assertion_path = cs_config__text(f, "services.*.credentials.oauth2.client_assertion_path"),
        .claims = cs_config__document(f, "services.*.credentials.oauth2.additional_claims"),
        .headers = cs_config__document(f, "services.*.credentials.oauth2.additional_headers"),
        .parameters = cs_config__document(f, "services.*.credentials.oauth2.additional_parameters"),
        .jti = cs_config__boolean(f, "services.*.credentials.oauth2.include_jti_claim")};
    o->scopes = cs_config__list(f, "services.*.credentials.oauth2.scopes", &o->n_scopes);
    s->oauth2 = o;
    const char *fault = oauth2_fault(f, o);
    if (fault != NULL) {
        cs_config__problem(f->report, false, f->item, "services.%.*s: oauth2: %s", CS_FMT(s->name), fault);
    }
}

static void fill_client_tls(cs_config__filler *f, cs_config_service *s)
{
    s->client_cert = cs_config__text(f, "services.*.credentials.client_tls.cert");
    s->client_key = cs_config__text(f, "services.*.credentials.client_tls.private_key");
    s->client_key_password = cs_config__text(f, "services.*.credentials.client_tls.private_key_passphrase");
    if (s->ca_cert.n == 0) {
        s->ca_cert = cs_config__text(f, "services.*.credentials.client_tls.ca_cert");
    }
    s->system_ca = s->system_ca || cs_config__boolean(f, "services.*.credentials.client_tls.system_ca_required");
    if (cs_config__is_given(f, "services.*.credentials.client_tls") &&
        (s->client_cert.n == 0 || s->client_key.n == 0)) {
        cs_config__problem(f->report, false, f->item, "services.%.*s: client_tls needs cert and private_key",
                           CS_FMT(s->name));
    }
}

static cs_value cloud(cs_config__filler *f, const char *path)
{
    return cs_config__is_given(f, path) ? cs_config__document(f, path) : cs_undefined();
}

static void fill_clouds(cs_config__filler *f, cs_config_service *s)
{
    s->s3_signing = cloud(f, "services.*.credentials.s3_signing");
    s->gcp_metadata = cloud(f, "services.*.credentials.gcp_metadata");
    s->azure_identity = cloud(f, "services.*.credentials.azure_managed_identity");
}

static void check_service(cs_config__filler *f, const cs_config_service *s, size_t i)
{
    if (s->name.n == 0) {
        cs_config__problem(f->report, false, f->item, "services[%zu] needs a name", i);
    }
    if (s->bearer_token.n > 0 && s->bearer_token_path.n > 0) {
        cs_config__problem(f->report, false, f->item, "services.%.*s: token and token_path exclude each other",
                           CS_FMT(s->name));
    }
    int kinds = cs_config__is_given(f, "services.*.credentials.bearer") +
                cs_config__is_given(f, "services.*.credentials.client_tls") +
                cs_config__is_given(f, "services.*.credentials.oauth2") + !cs_is_undefined(s->s3_signing) +
                !cs_is_undefined(s->gcp_metadata) + !cs_is_undefined(s->azure_identity);
    if (cs_slice_is(cs_config__text(f, "services.*.type"), "oci")) {
        cs_config__problem(f->report, false, f->item,
                           "services.%.*s: type oci is not supported: bundles come over HTTP", CS_FMT(s->name));
    }
    if (kinds > 1) {
        cs_config__problem(f->report, false, f->item,
                           "services.%.*s: a maximum one credential method must be specified", CS_FMT(s->name));
    }
}

/* After fill_keys: what signs is looked for among them. */
void cs_config__fill_services(cs_config__filler *f)
{
    cs_config *c = f->config;
    const cs_node *section = cs_config__items(f, "services", &c->n_services);
    c->services = cs_arena_array(&c->arena, cs_config_service, c->n_services + 1);
    for (size_t i = 0; i < c->n_services; i++) {
        f->item = section->members.v[i].node;
        cs_config_service *s = &c->services[i];
        s->name = section->kind == CS_NODE_LIST ? cs_config__text(f, "services.*.name") : section->members.v[i].key;
        s->url = cs_config__text(f, "services.*.url");
        s->headers = cs_config__document(f, "services.*.headers");
        s->ca_cert = cs_config__text(f, "services.*.tls.ca_cert");
        s->system_ca = cs_config__boolean(f, "services.*.tls.system_ca_required");
        s->allow_insecure_tls = cs_config__boolean(f, "services.*.allow_insecure_tls");
        s->response_header_timeout_ns =
            cs_config__integer(f, "services.*.response_header_timeout_seconds") * CS_NS_PER_S;
        s->bearer_token = cs_config__text(f, "services.*.credentials.bearer.token");
        s->bearer_token_path = cs_config__text(f, "services.*.credentials.bearer.token_path");
        s->bearer_scheme = cs_config__text(f, "services.*.credentials.bearer.scheme");
        fill_client_tls(f, s);
        fill_oauth2(f, s);
        fill_clouds(f, s);
        check_service(f, s, i);
    }
}

const char *cs_config__trigger_fault(const cs_config__filler *f, const char *path, bool immediate)
{
    cs_slice said = cs_config__text(f, path);
    if (cs_slice_is(said, "periodic") || cs_slice_is(said, "manual") || (immediate && cs_slice_is(said, "immediate"))) {
        return NULL;
    }
    return cs_arena_printf(&f->config->arena, NULL, "invalid trigger mode \"%.*s\" (want \"periodic\"%s)", CS_FMT(said),
                           immediate ? ", \"manual\" or \"immediate\"" : " or \"manual\"");
}

/* There are no plugins but those that are built in. */
void cs_config__check_plugins(cs_config__filler *f)
{
    static const char *const users[] = {"decision_logs", "status"};
    size_t n;
    const cs_node *section = cs_config__items(f, "plugins", &n);
    for (size_t i = 0; i < n; i++) {
        cs_config__problem(f->report, false, section->members.v[i].node, "plugin \"%.*s\" not registered",
                           CS_FMT(section->members.v[i].key));
    }
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        const char *path = i == 0 ? "decision_logs.plugin" : "status.plugin";
        if (cs_config__is_given(f, path)) {
            cs_config__problem(f->report, false, cs_config__find(f, path), "invalid plugin name \"%.*s\" in %s",
                               CS_FMT(cs_config__text(f, path)), users[i]);
        }
    }
}

/* Where nothing else is said the first service takes it, as OPA has it. */
void cs_config__fill_status(cs_config__filler *f)
{
    cs_config *c = f->config;
    c->status.service = cs_config__text(f, "status.service");
    c->status.partition = cs_config__text(f, "status.partition_name");
    c->status.manual =
        !cs_slice_is(cs_config__text(f, "status.trigger"), "periodic"); /* as OPA, which knows no other */
    const char *fault = cs_config__trigger_fault(f, "status.trigger", true);
    if (fault != NULL) {
        cs_config__problem(f->report, false, cs_config__find(f, "status.trigger"), "invalid status config: %s", fault);
    }
    bool elsewhere = c->status.console || c->status.prometheus;
    if (cs_config__configured(f, "status") && c->status.service.n == 0 && c->n_services != 0 && !elsewhere) {
        c->status.service = c->services[0].name;
    } else if (c->status.service.n != 0 && cs_config_find_service(c, c->status.service) == NULL) {
        cs_config__problem(f->report, false, cs_config__find(f, "status.service"),
                           "invalid service name \"%.*s\" in status", CS_FMT(c->status.service));
    }
}

/* What does not go together, as OPA says it; NULL = nothing. */
static const char *reporting_fault(const cs_config__filler *f, const cs_config_decision_logs *d)
{
    bool min = cs_config__is_given(f, "decision_logs.reporting.min_delay_seconds");
    bool max = cs_config__is_given(f, "decision_logs.reporting.max_delay_seconds");
    bool bytes = cs_config__is_given(f, "decision_logs.reporting.buffer_size_limit_bytes");
    bool events = cs_config__is_given(f, "decision_logs.reporting.buffer_size_limit_events");
    cs_slice type = cs_config__text(f, "decision_logs.reporting.buffer_type");
    const char *trigger = cs_config__trigger_fault(f, "decision_logs.reporting.trigger", true);
    if (trigger != NULL) {
        return cs_arena_printf(&f->config->arena, NULL, "invalid decision_log config: %s", trigger);
    }
    if (min != max) {
        return min ? "reporting configuration missing 'max_delay_seconds' in decision_logs"
                   : "reporting configuration missing 'min_delay_seconds' in decision_logs";
    }
    if (d->max_delay_ns < d->min_delay_ns) {
        return "max reporting delay must be >= min reporting delay in decision_logs";
    }
    if (!d->by_events && !cs_slice_is(type, "size")) {
        return cs_arena_printf(&f->config->arena, NULL, "invalid buffer type \"%.*s\", expected \"event\" or \"size\"",
                               CS_FMT(type));
    }
    if (d->by_events && bytes) {
        return "invalid decision_log config, 'buffer_size_limit_bytes' isn't supported for the event buffer type";
    }
    if (!d->by_events && events) {
        return "invalid decision_log config, 'buffer_size_limit_events' isn't supported for the size buffer type";
    }
    if (bytes && d->max_per_second > 0) {
        return "invalid decision_log config, specify either 'buffer_size_limit_bytes' or 'max_decisions_per_second'";
    }
    if (bytes && cs_config__integer(f, "decision_logs.reporting.buffer_size_limit_bytes") <= 0) {
        return "invalid decision_log config, 'buffer_size_limit_bytes' must be higher than 0";
    }
    if (events && cs_config__integer(f, "decision_logs.reporting.buffer_size_limit_events") <= 0) {
        return "invalid decision_log config, 'buffer_size_limit_entries' must be higher than 0"; /* OPA's word */
    }
    return NULL;
}

static void fill_reporting(cs_config__filler *f)
{
    enum { UPLOAD_MIN = 90, UPLOAD_DEFAULT = 32768 };
    cs_config_decision_logs *d = &f->config->decision_logs;
    cs_slice trigger = cs_config__text(f, "decision_logs.reporting.trigger");
    d->immediate = cs_slice_is(trigger, "immediate");
    d->manual = cs_slice_is(trigger, "manual");
    d->by_events = cs_slice_is(cs_config__text(f, "decision_logs.reporting.buffer_type"), "event");
    d->buffer_bytes = (uint64_t)cs_config__integer(f, "decision_logs.reporting.buffer_size_limit_bytes");
    d->buffer_events = (uint64_t)cs_config__integer(f, "decision_logs.reporting.buffer_size_limit_events");
    int64_t upload = cs_config__integer(f, "decision_logs.reporting.upload_size_limit_bytes");
    upload = upload < UPLOAD_MIN ? UPLOAD_MIN : upload;
    d->upload_bytes = upload > UINT32_MAX ? UINT32_MAX : (uint64_t)upload;
    d->min_delay_ns = cs_config__integer(f, "decision_logs.reporting.min_delay_seconds") * CS_NS_PER_S;
    d->max_delay_ns = cs_config__integer(f, "decision_logs.reporting.max_delay_seconds") * CS_NS_PER_S;
    const cs_node *rate = cs_config__find(f, "decision_logs.reporting.max_decisions_per_second");
    if (rate != NULL && cs_is(rate->scalar, CS_NUMBER)) {
        d->max_per_second = cs_number_double(rate->scalar);
    }
    if (rate != NULL && !(d->max_per_second > 0)) {
        cs_config__problem(f->report, false, rate, "max_decisions_per_second must be a number above 0");
    }
    const char *fault = reporting_fault(f, d);
    if (fault != NULL) {
        cs_config__problem(f->report, false, cs_config__find(f, "decision_logs.reporting"), "%s", fault);
    }
}

/* Where nothing else is said the first service takes them, as OPA has it. */
void cs_config__fill_decision_logs(cs_config__filler *f)
{
    cs_config *c = f->config;
    cs_config_decision_logs *d = &c->decision_logs;
    d->console = cs_config__boolean(f, "decision_logs.console");
    d->mask_decision = cs_config__text(f, "decision_logs.mask_decision");
    d->drop_decision = cs_config__text(f, "decision_logs.drop_decision");
    d->service = cs_config__text(f, "decision_logs.service");
    d->resource = cs_config__text(f, "decision_logs.resource");
    d->headers = cs_config__list(f, "decision_logs.request_context.http.headers", &d->n_headers);
    cs_slice partition = cs_config__text(f, "decision_logs.partition_name");
    if (partition.n != 0) {
        size_t n;
        const char *path = cs_arena_printf(&c->arena, &n, "/logs/%.*s", CS_FMT(partition));
        d->resource = cs_slice_make(path, n);
    }
    if (cs_config__configured(f, "decision_logs") && d->service.n == 0 && c->n_services != 0 && !d->console) {
        d->service = c->services[0].name;
    } else if (d->service.n != 0 && cs_config_find_service(c, d->service) == NULL) {
        cs_config__problem(f->report, false, cs_config__find(f, "decision_logs.service"),
                           "invalid service name \"%.*s\" in decision_logs", CS_FMT(d->service));
    }
    fill_reporting(f);
}
