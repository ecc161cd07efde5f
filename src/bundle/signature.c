/* .signatures.json: one JWS whose payload lists every file with its digest. */
#include "bundle/internal.h"

#include <stdlib.h>

#include "countersign/base/encode.h"
#include "countersign/base/map.h"
#include "countersign/base/vec.h"
#include "countersign/json.h"
#include "countersign/number.h"

/* ---- digests of files: OPA's canonical text of structured ones, the bytes of all others */

static bool is_structured(cs_slice path)
{
    return cs_bundle__is_data(path) || cs_slice_is(cs_bundle__base(path), ".manifest");
}

/* The text of a document on its way to the hasher. */
typedef struct canonical {
    cs_hasher *hasher;
    cs_buf text, scratch;
} canonical;

enum { HASH_PIECE = 16384 };

/* As Go's encoder writes a string without HTML escapes: U+2028 and U+2029 are escaped even then. */
static void put_string(canonical *c, cs_slice s)
{
    cs_buf_clear(&c->scratch);
    cs_json_write_string(&c->scratch, s, 0);
    cs_slice rest = cs_buf_view(&c->scratch);
    const char *found;
    while ((found = memchr(rest.p, '\xe2', rest.n)) != NULL) {
        size_t i = (size_t)(found - rest.p);
        bool separator = rest.n - i > 2 && found[1] == '\x80' && (found[2] == '\xa8' || found[2] == '\xa9');
        cs_buf_put(&c->text, rest.p, separator ? i : i + 1);
        if (separator) {
            cs_buf_text(&c->text, found[2] == '\xa8' ? "\\u2028" : "\\u2029");
        }
        rest = cs_slice_sub(rest, separator ? i + 3 : i + 1, rest.n);
    }
    cs_buf_slice(&c->text, rest);
    if (c->text.n >= HASH_PIECE) {
        cs_hasher_add(c->hasher, cs_buf_view(&c->text));
        cs_buf_clear(&c->text);
    }
}

static void put_value(canonical *c, cs_value v)
{
    char room[32];
    switch ((cs_kind)v.kind) {
    case CS_OBJECT:
        cs_buf_byte(&c->text, '{');
        for (uint32_t i = 0; i < cs_count(v); i++) {
            cs_value item, key = cs_entry(v, i, &item);
            if (i > 0) {
                cs_buf_byte(&c->text, ',');
            }
            put_string(c, cs_text(key));
            cs_buf_byte(&c->text, ':');
            put_value(c, item);
        }
        cs_buf_byte(&c->text, '}');
        return;
    case CS_ARRAY:
        cs_buf_byte(&c->text, '[');
        for (uint32_t i = 0; i < v.n; i++) {
            if (i > 0) {
                cs_buf_byte(&c->text, ',');
            }
            put_value(c, v.u.items[i]);
        }
        cs_buf_byte(&c->text, ']');
        return;
    case CS_STRING:
        put_string(c, cs_text(v));
        return;
    case CS_NUMBER:
        cs_buf_slice(&c->text, cs_number_text(v, room));
        return;
    case CS_BOOL:
        cs_buf_text(&c->text, v.u.i != 0 ? "true" : "false");
        return;
    case CS_NULL:
    case CS_UNDEFINED:
    case CS_SET:
    case CS_PRIVATE:
        break;
    }
    cs_buf_text(&c->text, "null");
}

static size_t hash_document(cs_digest_alg alg, cs_value document, uint8_t out[CS_DIGEST_MAX])
{
    cs_hasher *h = cs_hasher_start(alg);
    canonical c = {.hasher = h};
    cs_buf_init(&c.text);
    cs_buf_init(&c.scratch);
    put_value(&c, document);
    cs_hasher_add(h, cs_buf_view(&c.text));
    cs_buf_destroy(&c.scratch);
    cs_buf_destroy(&c.text);
    return cs_hasher_finish(h, out);
}

static cs_err hash_file(cs_arena *a, cs_digest_alg alg, const cs_bundle_file *file, uint8_t out[CS_DIGEST_MAX],
                        size_t *n, cs_error *e)
{
    if (!is_structured(file->path)) {
        *n = cs_digest(alg, file->bytes, out);
        return CS_OK;
    }
    cs_value document;
    CS_TRY(cs_bundle__read_document(a, file->bytes, &document, e));
    *n = hash_document(alg, document, out);
    return CS_OK;
}

/* ---- verifying */

typedef struct listed {
    cs_slice name, hash, algorithm;
    bool found;
} listed;

typedef struct check {
    cs_bundle *bundle;
    const cs_bundle_options *options;
    cs_freezer *freezer;
    const cs_bundle_verify *verify;
    cs_arena arena; /* documents read for hashing and the like */
    cs_map by_name;
    listed *files;
    size_t n;
} check;

static cs_slice text_of(cs_value object, const char *name)
{
    const cs_value *v = cs_object_get_text(object, name);
    return v != NULL && cs_is(*v, CS_STRING) ? cs_text(*v) : CS_LIT("");
}

static cs_err invalid(cs_error *e, const char *text)
{
    return cs_fail(e, CS_ERR_BUNDLE_INVALID, "%s", text);
}

/* The one token in .signatures.json. */
static cs_err read_token(cs_bundle *b, cs_slice text, cs_slice *token, cs_error *e)
{
    cs_value document;
    cs_error inner = {0};
    if (cs_json_read(&b->arena, text, &(cs_json_options){.prefix = true}, &document, NULL, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle load failed on signatures decode: %s", inner.text);
    }
    const cs_value *list = cs_is(document, CS_OBJECT) ? cs_object_get_text(document, "signatures") : NULL;
    if (!cs_is(document, CS_OBJECT) || (list != NULL && !cs_is(*list, CS_ARRAY))) {
        return invalid(e, "bundle load failed on signatures decode: not a signatures document");
    }
    cs_slice plugin = text_of(document, "plugin");
    if (plugin.n > 0 && !cs_slice_is(plugin, "_default")) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "no verifier exists under id %.*s", CS_FMT(plugin));
    }
    if (list == NULL || list->n == 0) {
        return invalid(e, ".signatures.json: missing JWT (expected exactly one)");
    }
    if (list->n > 1) {
        return invalid(e, ".signatures.json: multiple JWTs not supported (expected exactly one)");
    }
    if (!cs_is(list->u.items[0], CS_STRING)) {
        return invalid(e, "bundle load failed on signatures decode: a signature is not a string");
    }
    *token = cs_text(list->u.items[0]);
    return CS_OK;
}

static const cs_bundle_key *find_key(const cs_bundle_verify *verify, cs_slice id)
{
    for (size_t i = 0; i < verify->n_keys; i++) {
        if (cs_slice_eq(verify->keys[i].id, id)) {
            return &verify->keys[i];
        }
    }
    return NULL;
}

/* Base64 has spare bits at its end that decoders ignore; here they must be zero, so that no byte of the token can be
 * changed. */
static bool is_canonical(cs_arena *a, cs_slice token, const cs_jws *jws)
{
    cs_slice header = cs_base64_encode(a, jws->header_text, CS_BASE64_URL_NOPAD);
    cs_slice payload = cs_base64_encode(a, jws->payload, CS_BASE64_URL_NOPAD);
    cs_slice signature = cs_base64_encode(a, jws->signature, CS_BASE64_URL_NOPAD);
    return token.n == header.n + payload.n + signature.n + 2 && cs_slice_eq(cs_slice_sub(token, 0, header.n), header) &&
           cs_slice_eq(cs_slice_sub(token, header.n + 1, header.n + 1 + payload.n), payload) &&
           cs_slice_ends(token, signature);
}

/* The signature of the token, by the key that configuration, token header or payload name, with the algorithm of the
 * key. */
static cs_err verify_token(check *c, cs_slice token, cs_value *payload, cs_error *e)
{
    cs_arena *a = &c->bundle->arena;
    cs_jws jws;
    cs_error inner = {0};
    if (cs_jws_decode(a, token, &jws, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "failed to verify JWT signature: %s", inner.text);
    }
    if (!is_canonical(&c->arena, token, &jws)) {
        return invalid(e, "failed to verify JWT signature: the token is not canonical base64");
    }
    if (cs_json_read(a, jws.payload, &(cs_json_options){0}, payload, NULL, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "failed to decode JWT payload: %s", inner.text);
    }
    if (!cs_is(*payload, CS_OBJECT)) {
        return invalid(e, "failed to decode JWT payload: not an object");
    }
    cs_slice keyid = c->verify->keyid;
    keyid = keyid.n > 0 ? keyid : jws.kid;
    keyid = keyid.n > 0 ? keyid : text_of(*payload, "keyid");
    if (keyid.n == 0) {
        return invalid(e, "verification key ID is empty");
    }
    const cs_bundle_key *config = find_key(c->verify, keyid);
    if (config == NULL) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "verification key corresponding to ID %.*s not found", CS_FMT(keyid));
    }
    cs_sig_alg alg;
    if (!cs_sig_alg_find(config->algorithm, &alg)) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "unknown signature algorithm: %.*s", CS_FMT(config->algorithm));
    }
    cs_key *key;
    if (cs_key_for(alg, config->key, &key, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "%s", inner.text);
    }
    bool good = cs_jws_verify(&jws, key, alg);
    cs_key_release(key);
    if (!good) {
        return invalid(e, "failed to verify JWT signature: signature not verified");
    }
    cs_slice want = c->verify->scope.n > 0 ? c->verify->scope : config->scope;
    if (!cs_slice_eq(text_of(*payload, "scope"), want)) {
        return invalid(e, "scope mismatch");
    }
    cs_bundle_signature *s = &c->bundle->signature;
    s->keyid = cs_slice_make(cs_arena_dup(a, keyid.p, keyid.n), keyid.n);
    return CS_OK;
}

static cs_err read_payload(check *c, cs_value payload, cs_error *e)
{
    cs_bundle_signature *s = &c->bundle->signature;
    s->scope = text_of(payload, "scope");
    s->issuer = text_of(payload, "iss");
    const cs_value *iat = cs_object_get_text(payload, "iat");
    if (iat != NULL && !cs_is(*iat, CS_NULL) && (!cs_is(*iat, CS_NUMBER) || !cs_number_is_int(*iat, &s->iat))) {
        return invalid(e, "failed to decode JWT payload: iat must be an integer");
    }
    const cs_value *files = cs_object_get_text(payload, "files");
    if (files != NULL && !cs_is(*files, CS_NULL) && !cs_is(*files, CS_ARRAY)) {
        return invalid(e, "failed to decode JWT payload: files must be an array");
    }
    size_t n = files != NULL ? cs_count(*files) : 0;
    c->files = cs_arena_array(&c->arena, listed, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        cs_value item = files->u.items[i];
        if (!cs_is(item, CS_OBJECT)) {
            return invalid(e, "failed to decode JWT payload: an entry of files is not an object");
        }
        listed *file = &c->files[c->n++];
        *file = (listed){text_of(item, "name"), text_of(item, "hash"), text_of(item, "algorithm"), false};
        (void)cs_map_put(&c->by_name, file->name, file);
    }
    return CS_OK;
}

static bool is_excluded(const cs_bundle_verify *verify, cs_slice name)
{
    for (size_t i = 0; i < verify->n_exclude; i++) {
        if (cs_bundle__path_match(verify->exclude[i], name)) {
            return true;
        }
    }
    return false;
}

static cs_err hash_for(check *c, cs_digest_alg alg, cs_bundle_file *file, uint8_t out[CS_DIGEST_MAX], size_t *n,
                       cs_error *e)
{
    if (!cs_bundle__is_data(file->path)) {
        return hash_file(&c->arena, alg, file, out, n, e);
    }
    cs_value document;
    if (cs_bundle__file_document(c->bundle, c->options, c->freezer, file, &document, e) != CS_OK) {
        /* It may be YAML under another name: the digest is right, and reading fails later. */
        bool consumed = c->options->consume && file->bytes.n >= CS_BUNDLE__LARGE;
        return consumed ? CS_ERR_SYNTAX : hash_file(&c->arena, alg, file, out, n, e);
    }
    *n = hash_document(alg, document, out);
    return CS_OK;
}

static cs_err verify_file(check *c, cs_bundle_file *file, cs_slice name, cs_error *e)
{
    listed *entry = cs_map_get(&c->by_name, name);
    if (is_excluded(c->verify, name)) {
        if (entry != NULL) {
            entry->found = true;
        }
        return CS_OK;
    }
    if (entry == NULL) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "file %.*s not included in bundle signature", CS_FMT(name));
    }
    entry->found = true;
    if (entry->algorithm.n == 0) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "no hashing algorithm provided for file %.*s", CS_FMT(name));
    }
    cs_digest_alg alg;
    if (!cs_digest_find(entry->algorithm, &alg)) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "unsupported hashing algorithm: %.*s", CS_FMT(entry->algorithm));
    }
    uint8_t digest[CS_DIGEST_MAX];
    size_t n = 0;
    cs_error inner = {0};
    cs_arena_mark mark = cs_arena_mark_now(&c->arena);
    if (hash_for(c, alg, file, digest, &n, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_BUNDLE_INVALID, "%.*s: %s", CS_FMT(name), inner.text);
    }
    cs_slice want, got = cs_slice_make((const char *)digest, n);
    bool hex = cs_hex_decode(&c->arena, entry->hash, &want, NULL);
    cs_err err = CS_OK;
    if (!hex || !cs_slice_eq(want, got)) {
        err = cs_fail(e, CS_ERR_BUNDLE_INVALID, "%.*s: digest mismatch (want: %.*s, got: %.*s)", CS_FMT(name),
                      CS_FMT(entry->hash), CS_FMT(cs_hex_encode(&c->arena, got)));
    }
    cs_arena_rewind(&c->arena, mark);
    return err;
}

static int by_text(const void *x, const void *y)
{
    const cs_slice *a = x, *b = y;
    return cs_slice_compare(*a, *b);
}

static cs_err check_missing(check *c, cs_error *e)
{
    CS_VEC(cs_slice) missing = {0};
    for (size_t i = 0; i < c->n; i++) {
        if (!c->files[i].found && cs_map_get(&c->by_name, c->files[i].name) == &c->files[i]) {
            CS_VEC_PUSH_IN(&c->arena, &missing, c->files[i].name);
        }
    }
    if (missing.n == 0) {
        return CS_OK;
    }
    qsort(missing.v, missing.n, sizeof *missing.v, by_text);
    cs_buf names;
    cs_buf_init(&names);
    cs_bundle__print_roots(&names, missing.v, missing.n);
    cs_err err =
        cs_fail(e, CS_ERR_BUNDLE_INVALID,
                "file(s) %s specified in bundle signatures but not found in the target bundle", cs_buf_cstr(&names));
    cs_buf_destroy(&names);
    return err;
}

static cs_err verify_all(check *c, cs_slice signatures, cs_slice folder, cs_error *e)
{
    cs_slice token = {0};
    cs_value payload;
    if (c->verify->token.n > 0) {
        token = c->verify->token;
    } else {
        CS_TRY(read_token(c->bundle, signatures, &token, e));
    }
    CS_TRY(verify_token(c, token, &payload, e));
    CS_TRY(read_payload(c, payload, e));
    for (size_t i = 0; i < c->bundle->n_files; i++) {
        cs_bundle_file *file = &c->bundle->files[i];
        if (!cs_bundle__is_signatures(file->path)) {
            cs_slice name = cs_bundle_signed_name(&c->arena, folder, file->path);
            CS_TRY(verify_file(c, file, name, e));
        }
    }
    CS_TRY(check_missing(c, e));
    c->bundle->signature.present = true;
    return CS_OK;
}

cs_err cs_bundle__verify(cs_bundle *b, const cs_bundle_options *options, cs_freezer *freezer, cs_slice folder,
                         cs_error *e)
{
    const cs_bundle_file *signatures = NULL;
    for (size_t i = 0; i < b->n_files; i++) {
        if (!cs_bundle__is_signatures(b->files[i].path)) {
            continue;
        }
        if (signatures != NULL) {
            return cs_fail(e, CS_ERR_BUNDLE_INVALID, "bundle contains multiple signatures files: \"%.*s\" and \"%.*s\"",
                           CS_FMT(signatures->written), CS_FMT(b->files[i].written));
        }
        signatures = &b->files[i];
    }
    if (signatures == NULL) {
        bool required = options->verify != NULL && !options->verify->optional;
        return required ? invalid(e, "bundle missing .signatures.json file") : CS_OK;
    }
    if (options->verify == NULL) {
        return invalid(e, "verification key not provided");
    }
    check c = {.bundle = b, .options = options, .freezer = freezer, .verify = options->verify};
    cs_arena_init(&c.arena, 0);
    cs_map_init(&c.by_name);
    cs_err err = verify_all(&c, signatures->bytes, folder, e);
    cs_map_destroy(&c.by_name);
    cs_arena_destroy(&c.arena);
    return err;
}

/* ---- signing */

static cs_err list_files(cs_arena *a, const cs_bundle_file *files, size_t n, cs_value *out, cs_error *e)
{
    CS_VEC(cs_value) list = {0};
    for (size_t i = 0; i < n; i++) {
        if (cs_bundle__is_signatures(files[i].path)) {
            continue;
        }
        uint8_t digest[CS_DIGEST_MAX];
        size_t size = 0;
        cs_error inner = {0};
        if (hash_file(a, CS_SHA256, &files[i], digest, &size, &inner) != CS_OK) {
            return cs_fail(e, inner.code, "%.*s: %s", CS_FMT(files[i].path), inner.text);
        }
        cs_value entry = cs_object_new(a, 3);
        cs_object_put_text(a, entry, "name", cs_string(files[i].path));
        cs_object_put_text(a, entry, "hash", cs_string(cs_hex_encode(a, cs_slice_make((const char *)digest, size))));
        cs_object_put_text(a, entry, "algorithm", cs_string(cs_slice_of(cs_digest_name(CS_SHA256))));
        CS_VEC_PUSH_IN(a, &list, entry);
    }
    *out = cs_array(list.v, list.n);
    return CS_OK;
}

static void write_header(cs_buf *out, const cs_bundle_signing *signing)
{
    cs_buf_text(out, "{\"alg\":");
    cs_json_write_string(out, signing->algorithm, 0);
    if (signing->keyid.n > 0) {
        cs_buf_text(out, ",\"kid\":");
        cs_json_write_string(out, signing->keyid, 0);
    }
    cs_buf_text(out, ",\"typ\":\"JWT\"}");
}

static cs_err make_token(cs_arena *a, cs_value payload, const cs_bundle_signing *signing, cs_slice *token, cs_error *e)
{
    cs_sig_alg alg;
    if (!cs_sig_alg_find(signing->algorithm, &alg)) {
        return cs_fail(e, CS_ERR_INVALID, "unknown signature algorithm: %.*s", CS_FMT(signing->algorithm));
    }
    cs_key *key;
    CS_TRY(cs_key_for(alg, signing->key, &key, e));
    cs_buf header, body;
    cs_buf_init(&header);
    cs_buf_init(&body);
    write_header(&header, signing);
    cs_json_write(&body, payload, 0);
    cs_err err = cs_jws_sign(a, cs_buf_view(&header), cs_buf_view(&body), key, alg, token, e);
    cs_buf_destroy(&header);
    cs_buf_destroy(&body);
    cs_key_release(key);
    return err;
}

cs_err cs_bundle_sign(cs_arena *a, const cs_bundle_file *files, size_t n, const cs_bundle_signing *signing,
                      cs_slice *text, cs_error *e)
{
    cs_value list, payload = cs_object_new(a, 4);
    CS_TRY(list_files(a, files, n, &list, e));
    cs_object_put_text(a, payload, "files", list);
    if (signing->keyid.n > 0) {
        /* Deprecated in OPA, and written by it all the same. */
        cs_object_put_text(a, payload, "keyid", cs_string(signing->keyid));
    }
    for (uint32_t i = 0; cs_is(signing->claims, CS_OBJECT) && i < cs_count(signing->claims); i++) {
        cs_value v, key = cs_entry(signing->claims, i, &v);
        cs_object_put(a, payload, key, v);
    }
    cs_slice token = {0};
    CS_TRY(make_token(a, payload, signing, &token, e));
    size_t length;
    char *out = cs_arena_printf(a, &length, "{\n \"signatures\": [\n  \"%.*s\"\n ]\n}\n", CS_FMT(token));
    *text = cs_slice_make(out, length);
    return CS_OK;
}
