/* Who calls. OPA's --authentication=token hands the bearer token to the policy as it is, and --authentication=tls the
 * subject of the client's certificate; `identity` of our configuration turns either into a caller {subject, tenant,
 * roles, groups, source}: a token of the tokens file, a JWT whose signature and claims are checked, or a certificate
 * that the TLS layer has verified. */
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "identity.h"
#include "internal.h"

enum { MTLS_ROLES = 64 };

static cs_value member(cs_value object, cs_slice name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get(object, cs_string(name)) : NULL;
    return v != NULL ? *v : cs_undefined();
}

/* A claim by its name, or by the names on the way to it: "realm_access.roles". */
static cs_value claim(cs_value from, cs_slice name)
{
    cs_value v = member(from, name);
    cs_slice rest = name, part;
    if (!cs_is_undefined(v) || cs_slice_find_byte(name, '.', 0) == SIZE_MAX) {
        return v;
    }
    v = from;
    while (rest.n != 0 && !cs_is_undefined(v) && cs_slice_next(&rest, '.', &part)) {
        v = member(v, part);
    }
    return v;
}

/* "FinOps Admin" means finops_admin. */
static cs_value role_name(cs_arena *a, cs_value role)
{
    cs_slice text = cs_slice_trim(cs_text(role));
    char *out = cs_arena_dup(a, text.p, text.n);
    for (size_t i = 0; i < text.n; i++) {
        char c = out[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c == ' ' || c == '-' ? '_' : c;
    }
    return cs_string(cs_slice_make(out, text.n));
}

/* One name, an array of names, or nothing: always an array of strings. */
static cs_value names(cs_arena *a, cs_value v, bool roles)
{
    cs_value one = v;
    const cs_value *items = cs_is(v, CS_ARRAY) ? v.u.items : &one;
    uint32_t n = cs_is(v, CS_ARRAY) ? v.n : cs_is(v, CS_STRING) ? 1 : 0;
    cs_value *out = cs_arena_alloc(a, sizeof *out * (n + 1));
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (cs_is(items[i], CS_STRING)) {
            out[count++] = roles ? role_name(a, items[i]) : items[i];
        }
    }
    return cs_array(out, count);
}

static cs_value make_caller(cs_arena *a, cs_value from, const cs_slice claims[4], const char *source)
{
    cs_value caller = cs_object_new(a, 5);
    cs_value subject = claim(from, claims[0]), tenant = claim(from, claims[1]);
    cs_object_put_text(a, caller, "subject", cs_is(subject, CS_STRING) ? subject : cs_string(CS_LIT("")));
    if (cs_is(tenant, CS_STRING)) {
        cs_object_put_text(a, caller, "tenant", tenant);
    }
    cs_object_put_text(a, caller, "roles", names(a, claim(from, claims[2]), true));
    cs_object_put_text(a, caller, "groups", names(a, claim(from, claims[3]), false));
    cs_object_put_text(a, caller, "source", cs_string(cs_slice_of(source)));
    return caller;
}

/* As rows of the tokens file and of identity.mtls.roles name them. */
static const cs_slice row_names[4] = {{"subject", 7}, {"tenant", 6}, {"roles", 5}, {"groups", 6}};

/* ---- tokens */

static cs_value caller_of_file(cs_server__request *r, cs_slice token)
{
    uint8_t digest[CS_DIGEST_MAX];
    (void)cs_digest(CS_SHA256, token, digest);
    cs_identity__tokens *t = cs_identity__tokens_now(r->server->identity);
    const cs_identity__token *found = NULL;
    for (size_t i = 0; i < t->n; i++) {
        bool equal =
            cs_ct_equal(cs_slice_make((const char *)digest, 32), cs_slice_make((const char *)t->v[i].digest, 32));
        found = equal ? &t->v[i] : found;
    }
    /* The file may be read again while the request goes on. */
    cs_value caller =
        found == NULL ? cs_undefined() : make_caller(r->arena, cs_freeze(r->arena, found->row), row_names, "token");
    cs_identity__tokens_release(t);
    return caller;
}

/* Does the token name a key that is not there? */
static bool names_unknown_key(cs_arena *a, cs_slice token, const cs_key_set *set)
{
    cs_jws jws;
    if (cs_jws_decode(a, token, &jws, NULL) != CS_OK) {
        return false;
    }
    bool known = jws.kid.n == 0 && set->n != 0;
    for (size_t i = 0; i < set->n; i++) {
        known = known || cs_slice_eq(cs_key_id(set->v[i]), jws.kid);
    }
    return !known;
}

static cs_value caller_of_jwt(cs_server__request *r, cs_slice token, cs_error *e)
{
    const cs_config *c = r->server->o.config;
    unsigned algs = 0;
    for (size_t i = 0; i < c->identity.n_algorithms; i++) {
        cs_sig_alg alg;
        algs |= cs_sig_alg_find(c->identity.algorithms[i], &alg) ? CS_SIG_BIT(alg) : 0U;
    }
    cs_jwt_rules rules = {.algs = algs,
                          .issuer = c->identity.issuer,
                          .audience = c->identity.audience,
                          .now_ns = cs_time_wall_ns(),
                          .leeway_ns = c->identity.leeway_ns,
                          .need_exp = true};
    cs_value claims;
    cs_identity__keys *keys = cs_identity__keys_now(r->server->identity);
    cs_err err = cs_jwt_verify(r->arena, token, &keys->set, &rules, &claims, e);
    r->caller.unknown_key = r->caller.unknown_key || (err != CS_OK && names_unknown_key(r->arena, token, &keys->set));
    cs_identity__keys_release(keys);
    if (err != CS_OK) {
        return cs_undefined();
    }
    const cs_slice names_of[4] = {c->identity.claim_subject, c->identity.claim_tenant, c->identity.claim_roles,
                                  c->identity.claim_groups};
    return make_caller(r->arena, claims, names_of, "jwt");
}

cs_value cs_server__caller_of(cs_server__request *r, cs_slice token, cs_error *e)
{
    cs_value caller = caller_of_file(r, token);
    if (!cs_is_undefined(caller)) {
        return caller;
    }
    if (!r->server->o.config->identity.jwt) {
        (void)!cs_fail(e, CS_ERR_UNAUTHORIZED, "unknown token");
        return cs_undefined();
    }
    return caller_of_jwt(r, token, e);
}

/* "Bearer x", as OPA's pattern ^Bearer\s+(\S+)$ has it. */
static bool bearer(cs_slice header, cs_slice *token)
{
    if (!cs_slice_starts(header, CS_LIT("Bearer")) || header.n < 8) {
        return false;
    }
    size_t at = 6;
    while (at < header.n && (header.p[at] == ' ' || header.p[at] == '\t')) {
        at++;
    }
    *token = cs_slice_sub(header, at, header.n);
    return at > 6 && token->n != 0 && memchr(token->p, ' ', token->n) == NULL &&
           memchr(token->p, '\t', token->n) == NULL;
}

/* ---- client certificates */

/* Blanks behind commas do not count: "CN=edge, O=acme" is "CN=edge,O=acme". */
static cs_slice without_blanks(cs_arena *a, cs_slice s)
{
    char *out = cs_arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != ' ' || n == 0 || out[n - 1] != ',') {
            out[n++] = s.p[i];
        }
    }
    return cs_slice_make(out, n);
}

/* Is the certificate called this: its whole subject, its common name ("CN=edge" or "edge"), or another name of it? */
static bool is_called(cs_arena *a, const cs_certificate *c, cs_slice name)
{
    cs_slice plain = without_blanks(a, name);
    bool yes = cs_slice_eq(plain, c->subject);
    if (c->common_name.n != 0) {
        bool prefixed = cs_slice_starts(name, CS_LIT("CN="));
        yes = yes || cs_slice_eq(prefixed ? cs_slice_sub(name, 3, name.n) : name, c->common_name);
    }
    for (size_t i = 0; i < c->n_alternatives && !yes; i++) {
        static const char *const kinds[] = {"", "DNS:", "URI:", "email:"};
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds && !yes; k++) {
            cs_slice kind = cs_slice_of(kinds[k]);
            yes = cs_slice_starts(name, kind) && cs_slice_eq(cs_slice_sub(name, kind.n, name.n), c->alternatives[i]);
        }
    }
    return yes;
}

/* Of all rows that fit: roles and groups add up. */
static cs_value caller_of_certificate(cs_server__request *r, const cs_certificate *c)
{
    cs_arena *a = r->arena;
    cs_value rows = r->server->o.config->identity.mtls_roles, caller = cs_object_new(a, 5);
    cs_value roles[MTLS_ROLES], groups[MTLS_ROLES], tenant = cs_undefined();
    uint32_t n_roles = 0, n_groups = 0;
    for (uint32_t i = 0; i < cs_count(rows); i++) {
        cs_value row, key = cs_entry(rows, i, &row);
        if (!is_called(a, c, cs_text(key))) {
            continue;
        }
        bool whole = cs_is(row, CS_OBJECT);
        cs_value more = names(a, whole ? member(row, CS_LIT("roles")) : row, true);
        for (uint32_t k = 0; k < more.n && n_roles < MTLS_ROLES; k++) {
            roles[n_roles++] = more.u.items[k];
        }
        more = names(a, member(row, CS_LIT("groups")), false);
        for (uint32_t k = 0; k < more.n && n_groups < MTLS_ROLES; k++) {
            groups[n_groups++] = more.u.items[k];
        }
        tenant = cs_is_undefined(tenant) ? member(row, CS_LIT("tenant")) : tenant;
    }
    cs_object_put_text(a, caller, "subject", cs_string(c->subject.n != 0 ? c->subject : c->common_name));
    if (cs_is(tenant, CS_STRING)) {
        cs_object_put_text(a, caller, "tenant", tenant);
    }
    cs_object_put_text(a, caller, "roles", cs_array_copy(a, roles, n_roles));
    cs_object_put_text(a, caller, "groups", cs_array_copy(a, groups, n_groups));
    cs_object_put_text(a, caller, "source", cs_string(CS_LIT("mtls")));
    return caller;
}

static void read_certificate(cs_server__request *r)
{
    const cs_server *s = r->server;
    bool wanted = s->o.authentication == CS_AUTHN_TLS || (s->identity != NULL && s->o.config->identity.mtls);
    cs_certificate c;
    if (!wanted || r->http->peer_certificate.n == 0 ||
        cs_certificate_read(r->arena, r->http->peer_certificate, &c, NULL) != CS_OK) {
        return;
    }
    if (s->o.authentication == CS_AUTHN_TLS) {
        r->caller.token = cs_string(c.subject);
    }
    if (s->identity != NULL && s->o.config->identity.mtls) {
        r->caller.document = caller_of_certificate(r, &c);
    }
}

/* ---- the request */

/* false: the request was answered, or goes on when the keys are there. */
static bool refuse(cs_server__request *r, const cs_error *e)
{
    if (r->caller.unknown_key && !r->caller.waited) {
        r->caller.waited = true;
        if (cs_identity__wait_for_keys(r->server->identity, r)) {
            return false;
        }
    }
    cs_logf(CS_LOG_DEBUG, "A token was refused: %s.", e->text);
    cs_http_add_header(r->x, "WWW-Authenticate", CS_LIT("Bearer error=\"invalid_token\""));
    cs_server__fail(r, 401, "unauthorized", "the token is not valid");
    return false;
}

/* A gateway brings its own token in X-Countersign-Token (or its certificate); Authorization is then its client's, who
 * need not be known here. */
static bool authenticate_gateway(cs_server__request *r, const cs_slice *own, const cs_slice *header)
{
    cs_error e = {0};
    cs_slice token;
    if (own != NULL) {
        r->caller.document = cs_server__caller_of(r, *own, &e);
    }
    if (cs_is_undefined(r->caller.document)) {
        return refuse(r, &e);
    }
    if (header != NULL && bearer(*header, &token)) {
        r->caller.end_user = cs_server__caller_of(r, token, &e);
        if (r->caller.unknown_key) {
            (void)cs_identity__wait_for_keys(r->server->identity,
                                             NULL); /* it may be another provider's: nobody waits */
        }
    }
    return true;
}

bool cs_server__authenticate(cs_server__request *r)
{
    const cs_slice *header = cs_server__header(r, "Authorization");
    const cs_slice *gateway = cs_server__header(r, "X-Countersign-Token");
    cs_slice token;
    read_certificate(r);
    bool certified = !cs_is_undefined(r->caller.document) && cs_server__caller_has_role(r, "gateway");
    if (r->server->identity != NULL && (gateway != NULL || certified) &&
        cs_slice_starts(r->http->path, CS_LIT("/v1/authz/"))) {
        return authenticate_gateway(r, gateway, header);
    }
    if (header == NULL || !bearer(*header, &token)) {
        return true;
    }
    if (r->server->o.authentication == CS_AUTHN_TOKEN) {
        r->caller.token = cs_string(token);
    }
    if (r->server->identity == NULL) {
        return true;
    }
    cs_error e = {0};
    r->caller.document = cs_server__caller_of(r, token, &e);
    if (!cs_is_undefined(r->caller.document)) {
        return true;
    }
    return refuse(r, &e);
}

bool cs_server__caller_has_role(const cs_server__request *r, const char *role)
{
    cs_value roles = member(r->caller.document, CS_LIT("roles"));
    for (uint32_t i = 0; cs_is(roles, CS_ARRAY) && i < roles.n; i++) {
        if (cs_slice_is(cs_text(roles.u.items[i]), role)) {
            return true;
        }
    }
    return false;
}
