/* Who calls. OPA's --authentication=token hands the bearer token to the policy as it is; `identity` of our
 * configuration turns it into a caller {subject, tenant, roles, groups, source}: a token of the tokens file, or a JWT
 * whose signature and claims are checked. */
#include "countersign/base/file.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "internal.h"

enum { TOKENS_MAX_BYTES = 16777216 };

typedef struct known_token {
    uint8_t digest[32]; /* SHA-256: comparing takes as long for any token */
    cs_value caller;
} known_token;

struct cs_server__identity {
    const cs_config *config;
    cs_arena arena;
    known_token *tokens;
    size_t n_tokens;
    cs_key_set keys;
};

static cs_value member(cs_value object, cs_slice name)
{
    const cs_value *v = cs_is(object, CS_OBJECT) ? cs_object_get(object, cs_string(name)) : NULL;
    return v != NULL ? *v : cs_undefined();
}

/* "FinOps Admin" means finops_admin. */
static cs_value role_name(cs_arena *a, cs_value role)
{
    cs_slice text = cs_text(role);
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
    cs_value subject = member(from, claims[0]), tenant = member(from, claims[1]);
    cs_object_put_text(a, caller, "subject", cs_is(subject, CS_STRING) ? subject : cs_string(CS_LIT("")));
    if (cs_is(tenant, CS_STRING)) {
        cs_object_put_text(a, caller, "tenant", tenant);
    }
    cs_object_put_text(a, caller, "roles", names(a, member(from, claims[2]), true));
    cs_object_put_text(a, caller, "groups", names(a, member(from, claims[3]), false));
    cs_object_put_text(a, caller, "source", cs_string(cs_slice_of(source)));
    return caller;
}

/* ---- the tokens file: {"<token>": {"subject", "tenant", "roles", "groups"}} or {"tokens": [{"token", …}]} */

static const cs_slice file_names[4] = {{"subject", 7}, {"tenant", 6}, {"roles", 5}, {"groups", 6}};

static void add_token(cs_server__identity *id, cs_slice token, cs_value row)
{
    known_token *t = &id->tokens[id->n_tokens++];
    uint8_t digest[CS_DIGEST_MAX];
    (void)cs_digest(CS_SHA256, token, digest);
    memcpy(t->digest, digest, sizeof t->digest);
    t->caller = cs_freeze(&id->arena, make_caller(&id->arena, row, file_names, "token"));
}

static cs_err load_tokens(cs_server__identity *id, cs_slice path, cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_value document = cs_undefined();
    cs_err r = cs_file_read(cs_arena_dup(&id->arena, path.p, path.n), TOKENS_MAX_BYTES, &text, e);
    if (r == CS_OK) {
        r = cs_json_read(&id->arena, cs_buf_view(&text), NULL, &document, NULL, e);
    }
    cs_buf_destroy(&text);
    if (r != CS_OK) {
        return cs_fail_in(e, "identity.tokens.file %.*s: ", CS_FMT(path));
    }
    cs_value list = member(document, CS_LIT("tokens"));
    uint32_t n = cs_is(list, CS_ARRAY) ? list.n : cs_count(document);
    id->tokens = cs_arena_array(&id->arena, known_token, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        cs_value row, key;
        if (cs_is(list, CS_ARRAY)) {
            row = list.u.items[i];
            key = member(row, CS_LIT("token"));
        } else {
            key = cs_entry(document, i, &row);
        }
        if (!cs_is(row, CS_OBJECT) || !cs_is(key, CS_STRING) || key.n < 1) {
            return cs_fail(e, CS_ERR_INVALID, "identity.tokens.file %.*s: entry %u is no token with an object",
                           CS_FMT(path), i + 1);
        }
        add_token(id, cs_text(key), row);
    }
    return CS_OK;
}

static cs_err load_jwks(cs_server__identity *id, cs_slice path, cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_err r = cs_file_read(cs_arena_dup(&id->arena, path.p, path.n), TOKENS_MAX_BYTES, &text, e);
    if (r == CS_OK) {
        r = cs_key_set_from_jwks(cs_buf_view(&text), &id->keys, e);
    }
    cs_buf_destroy(&text);
    return r == CS_OK ? CS_OK : cs_fail_in(e, "identity.jwt.jwks.file %.*s: ", CS_FMT(path));
}

static cs_err fetch_jwks(cs_server__identity *id, cs_slice url, cs_error *e)
{
    cs_http_answer answer;
    cs_http_fetch_options options = {.url = cs_arena_dup(&id->arena, url.p, url.n), .timeout_ns = 10 * CS_NS_PER_S};
    CS_TRY(cs_http_fetch(&options, &answer, e));
    cs_err r = answer.status == 200 ? cs_key_set_from_jwks(cs_buf_view(&answer.body), &id->keys, e)
                                    : cs_fail(e, CS_ERR_IO, "status %d", answer.status);
    cs_http_answer_destroy(&answer);
    return r == CS_OK ? CS_OK : cs_fail_in(e, "identity.jwt.jwks.url %.*s: ", CS_FMT(url));
}

cs_err cs_server__identity_new(const cs_config *config, cs_server__identity **out, cs_error *e)
{
    cs_server__identity *id = cs_zalloc(sizeof *id);
    id->config = config;
    cs_arena_init(&id->arena, 0);
    cs_key_set_init(&id->keys);
    cs_err r = config->identity.tokens_file.n != 0 ? load_tokens(id, config->identity.tokens_file, e) : CS_OK;
    if (r == CS_OK && config->identity.jwt && config->identity.jwks_file.n != 0) {
        r = load_jwks(id, config->identity.jwks_file, e);
    } else if (r == CS_OK && config->identity.jwt && config->identity.jwks_url.n != 0) {
        r = fetch_jwks(id, config->identity.jwks_url, e);
    }
    if (r != CS_OK) {
        cs_server__identity_free(id);
        return r;
    }
    *out = id;
    return CS_OK;
}

void cs_server__identity_free(cs_server__identity *id)
{
    if (id != NULL) {
        cs_key_set_destroy(&id->keys);
        cs_arena_destroy(&id->arena);
        cs_free(id);
    }
}

cs_value cs_server__caller_of(cs_server__request *r, cs_slice token, cs_error *e)
{
    const cs_server__identity *id = r->server->identity;
    const cs_config *c = id->config;
    uint8_t digest[CS_DIGEST_MAX];
    (void)cs_digest(CS_SHA256, token, digest);
    const known_token *found = NULL;
    for (size_t i = 0; i < id->n_tokens; i++) {
        bool equal =
            cs_ct_equal(cs_slice_make((const char *)digest, 32), cs_slice_make((const char *)id->tokens[i].digest, 32));
        found = equal ? &id->tokens[i] : found;
    }
    if (found != NULL) {
        return found->caller;
    }
    if (!c->identity.jwt) {
        (void)!cs_fail(e, CS_ERR_UNAUTHORIZED, "unknown token");
        return cs_undefined();
    }
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
    if (cs_jwt_verify(r->arena, token, &id->keys, &rules, &claims, e) != CS_OK) {
        return cs_undefined();
    }
    const cs_slice names_of[4] = {c->identity.claim_subject, c->identity.claim_tenant, c->identity.claim_roles,
                                  c->identity.claim_groups};
    return make_caller(r->arena, claims, names_of, "jwt");
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

static bool refuse(cs_server__request *r, const cs_error *e)
{
    cs_logf(CS_LOG_DEBUG, "A token was refused: %s.", e->text);
    cs_http_add_header(r->x, "WWW-Authenticate", CS_LIT("Bearer error=\"invalid_token\""));
    cs_server__fail(r, 401, "unauthorized", "the token is not valid");
    return false;
}

/* A gateway brings its own token in X-Countersign-Token; Authorization is then its client's, who need not be known
 * here. */
static bool authenticate_gateway(cs_server__request *r, cs_slice own, const cs_slice *header)
{
    cs_error e = {0};
    cs_slice token;
    r->caller.document = cs_server__caller_of(r, own, &e);
    if (cs_is_undefined(r->caller.document)) {
        return refuse(r, &e);
    }
    if (header != NULL && bearer(*header, &token)) {
        r->caller.end_user = cs_server__caller_of(r, token, &e);
    }
    return true;
}

bool cs_server__authenticate(cs_server__request *r)
{
    const cs_slice *header = cs_server__header(r, "Authorization");
    const cs_slice *gateway = cs_server__header(r, "X-Countersign-Token");
    cs_slice token;
    if (r->server->identity != NULL && gateway != NULL && cs_slice_starts(r->http->path, CS_LIT("/v1/authz/"))) {
        return authenticate_gateway(r, *gateway, header);
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
