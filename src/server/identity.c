/* The tokens file and the identity provider's keys: read, watched, fetched. */
#include "identity.h"

#include <sys/stat.h>

#include "countersign/base/file.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "internal.h"

enum { TOKENS_MAX_BYTES = 16777216, KEYS_MAX_BYTES = 1048576 };
#define LOOK_NS CS_NS_PER_S        /* how often files are looked at */
#define AGAIN_NS (5 * CS_NS_PER_S) /* between two fetches, whoever asks */
#define FETCH_NS (5 * CS_NS_PER_S) /* how long one may take */

/* ---- references */

cs_identity__tokens *cs_identity__tokens_now(cs_server__identity *id)
{
    cs_mutex_lock(&id->lock);
    cs_identity__tokens *t = id->tokens;
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    cs_mutex_unlock(&id->lock);
    return t;
}

void cs_identity__tokens_release(cs_identity__tokens *t)
{
    if (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        cs_arena_destroy(&t->arena);
        cs_free(t);
    }
}

cs_identity__keys *cs_identity__keys_now(cs_server__identity *id)
{
    cs_mutex_lock(&id->lock);
    cs_identity__keys *k = id->keys;
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    cs_mutex_unlock(&id->lock);
    return k;
}

void cs_identity__keys_release(cs_identity__keys *k)
{
    if (k != NULL && atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) == 1) {
        cs_key_set_destroy(&k->set);
        cs_free(k);
    }
}

static cs_identity__tokens *new_tokens(void)
{
    cs_identity__tokens *t = cs_zalloc(sizeof *t);
    atomic_init(&t->refs, 1);
    cs_arena_init(&t->arena, 0);
    return t;
}

static cs_identity__keys *new_keys(void)
{
    cs_identity__keys *k = cs_zalloc(sizeof *k);
    atomic_init(&k->refs, 1);
    cs_key_set_init(&k->set);
    return k;
}

static void put_tokens(cs_server__identity *id, cs_identity__tokens *t)
{
    cs_mutex_lock(&id->lock);
    cs_identity__tokens *old = id->tokens;
    id->tokens = t;
    cs_mutex_unlock(&id->lock);
    cs_identity__tokens_release(old);
}

static void put_keys(cs_server__identity *id, cs_identity__keys *k)
{
    cs_mutex_lock(&id->lock);
    cs_identity__keys *old = id->keys;
    id->keys = k;
    cs_mutex_unlock(&id->lock);
    cs_identity__keys_release(old);
}

/* ---- the tokens file: {"<token>": {"subject", "tenant", "roles", "groups"}} or {"tokens": [{"token", …}]} */

static cs_err add_tokens(cs_identity__tokens *t, cs_value document, cs_error *e)
{
    const cs_value *listed = cs_is(document, CS_OBJECT) ? cs_object_get_text(document, "tokens") : NULL;
    bool list = listed != NULL && cs_is(*listed, CS_ARRAY);
    uint32_t n = list ? listed->n : cs_is(document, CS_OBJECT) ? cs_count(document) : 0;
    if (!cs_is(document, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_INVALID, "it must be an object");
    }
    t->v = cs_arena_array(&t->arena, cs_identity__token, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        cs_value row, key = cs_undefined();
        if (list) {
            row = listed->u.items[i];
            const cs_value *named = cs_is(row, CS_OBJECT) ? cs_object_get_text(row, "token") : NULL;
            key = named != NULL ? *named : key;
        } else {
            key = cs_entry(document, i, &row);
        }
        if (!cs_is(row, CS_OBJECT) || !cs_is(key, CS_STRING) || key.n < 1) {
            return cs_fail(e, CS_ERR_INVALID, "entry %u is no token with an object", i + 1);
        }
        uint8_t digest[CS_DIGEST_MAX];
        (void)cs_digest(CS_SHA256, cs_text(key), digest);
        memcpy(t->v[t->n].digest, digest, sizeof t->v[t->n].digest);
        t->v[t->n++].row = row;
    }
    return CS_OK;
}

static cs_err load_tokens(cs_server__identity *id, cs_error *e)
{
    cs_identity__tokens *t = new_tokens();
    cs_buf text;
    cs_buf_init(&text);
    cs_value document = cs_undefined();
    cs_err r = cs_file_read(id->tokens_file, TOKENS_MAX_BYTES, &text, e);
    if (r == CS_OK) {
        r = cs_json_read(&t->arena, cs_buf_view(&text), NULL, &document, NULL, e);
    }
    if (r == CS_OK) {
        r = add_tokens(t, cs_freeze(&t->arena, document), e);
    }
    cs_buf_destroy(&text);
    if (r != CS_OK) {
        cs_identity__tokens_release(t);
        return cs_fail_in(e, "identity.tokens.file %s: ", id->tokens_file);
    }
    put_tokens(id, t);
    return CS_OK;
}

/* ---- keys */

/* Not one key that can be used: as good as no answer. */
static cs_err take_keys(cs_server__identity *id, cs_slice text, cs_error *e)
{
    cs_identity__keys *k = new_keys();
    cs_err r = cs_key_set_from_jwks(text, &k->set, e);
    if (r == CS_OK && k->set.n == 0) {
        r = cs_fail(e, CS_ERR_INVALID, "there is no key in it that can be used");
    }
    if (r != CS_OK) {
        cs_identity__keys_release(k);
        return r;
    }
    put_keys(id, k);
    return CS_OK;
}

static cs_err load_keys(cs_server__identity *id, cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_err r = cs_file_read(id->keys_file, KEYS_MAX_BYTES, &text, e);
    if (r == CS_OK) {
        r = take_keys(id, cs_buf_view(&text), e);
    }
    cs_buf_destroy(&text);
    return r == CS_OK ? CS_OK : cs_fail_in(e, "identity.jwt.jwks.file %s: ", id->keys_file);
}

static cs_err fetch_keys(cs_server__identity *id, cs_error *e)
{
    cs_http_answer answer;
    cs_http_fetch_options options = {.url = id->keys_url, .timeout_ns = FETCH_NS, .max_bytes = KEYS_MAX_BYTES};
    CS_TRY(cs_http_fetch(&options, &answer, e));
    cs_err r = answer.status == 200 ? take_keys(id, cs_buf_view(&answer.body), e)
                                    : cs_fail(e, CS_ERR_IO, "status %d", answer.status);
    cs_http_answer_destroy(&answer);
    return r == CS_OK ? CS_OK : cs_fail_in(e, "identity.jwt.jwks.url: ");
}

/* ---- the thread */

static cs_identity__stamp look(const char *path)
{
    struct stat s;
    if (path == NULL || stat(path, &s) != 0) {
        return (cs_identity__stamp){0, 0, 0};
    }
    return (cs_identity__stamp){s.st_ino, s.st_size, s.st_mtim.tv_sec * CS_NS_PER_S + s.st_mtim.tv_nsec};
}

/* A file that is gone, or cannot be read, leaves what was read last. */
static void look_again(cs_server__identity *id, const char *path, cs_identity__stamp *last,
                       cs_err (*load)(cs_server__identity *id, cs_error *e))
{
    cs_identity__stamp now = look(path);
    if (path == NULL || now.inode == 0 ||
        (now.inode == last->inode && now.size == last->size && now.changed_ns == last->changed_ns)) {
        return;
    }
    cs_error e = {0};
    *last = now;
    if (load(id, &e) == CS_OK) {
        cs_log(CS_LOG_INFO, "Read again.", 1, (cs_log_field[]){CS_LOG_S("file", cs_slice_of(path))});
    } else {
        cs_logf(CS_LOG_ERROR, "%s; what was read before stays", e.text);
    }
}

static void resume(void *self)
{
    cs_server__enter(self);
}

/* Under the lock, which is let go for the fetch. */
static void fetch(cs_server__identity *id)
{
    cs_error e = {0};
    id->wanted = false;
    id->fetching = true;
    id->tried_mono = cs_time_mono_ns();
    cs_mutex_unlock(&id->lock);
    cs_err r = fetch_keys(id, &e);
    cs_mutex_lock(&id->lock);
    if (r == CS_OK) {
        id->fetched_mono = cs_time_mono_ns();
    }
    if (r != CS_OK && !id->failing) {
        cs_logf(CS_LOG_ERROR, "The identity provider's keys cannot be fetched, those known stay: %s", e.text);
    } else if (r == CS_OK && id->failing) {
        cs_logf(CS_LOG_INFO, "The identity provider's keys can be fetched again.");
    }
    id->failing = r != CS_OK;
    id->fetching = false;
    for (size_t i = 0; i < id->waiting.n && !id->stop; i++) {
        cs_loop_post(id->waiting.v[i]->w->loop, resume, id->waiting.v[i]);
    }
    id->waiting.n = 0;
}

static bool is_due(const cs_server__identity *id)
{
    if (id->keys_url == NULL) {
        return false;
    }
    int64_t now = cs_time_mono_ns();
    bool rested = id->tried_mono == 0 || now - id->tried_mono >= AGAIN_NS;
    bool old = id->fetched_mono == 0 || now - id->fetched_mono >= id->config->identity.jwks_refresh_ns;
    return id->wanted || (rested && old);
}

static void run(void *self)
{
    cs_server__identity *id = self;
    cs_mutex_lock(&id->lock);
    while (!id->stop) {
        if (is_due(id)) {
            fetch(id);
            continue;
        }
        (void)cs_cond_wait_for(&id->wake, &id->lock, LOOK_NS);
        if (id->stop || id->wanted) {
            continue;
        }
        cs_mutex_unlock(&id->lock);
        look_again(id, id->tokens_file, &id->tokens_stamp, load_tokens);
        look_again(id, id->keys_file, &id->keys_stamp, load_keys);
        cs_mutex_lock(&id->lock);
    }
    cs_mutex_unlock(&id->lock);
}

bool cs_identity__wait_for_keys(cs_server__identity *id, cs_server__request *r)
{
    cs_mutex_lock(&id->lock);
    bool rested = id->tried_mono == 0 || cs_time_mono_ns() - id->tried_mono >= AGAIN_NS;
    bool waits = id->keys_url != NULL && !id->stop && (id->fetching || id->wanted || rested);
    if (waits) {
        if (r != NULL) {
            CS_VEC_PUSH(&id->waiting, r);
        }
        id->wanted = id->wanted || !id->fetching;
        cs_cond_signal(&id->wake);
    }
    cs_mutex_unlock(&id->lock);
    return waits;
}

/* ---- beginning and end */

static const char *text_of(cs_server__identity *id, cs_slice s)
{
    return s.n != 0 ? cs_arena_dup(&id->arena, s.p, s.n) : NULL;
}

static cs_err load(cs_server__identity *id, cs_error *e)
{
    id->tokens_stamp = look(id->tokens_file);
    id->keys_stamp = look(id->keys_file);
    if (id->tokens_file != NULL) {
        CS_TRY(load_tokens(id, e));
    }
    if (id->keys_file != NULL) {
        CS_TRY(load_keys(id, e));
    }
    if (id->keys_url != NULL) {
        /* An identity provider that is away must not keep the service away. */
        cs_mutex_lock(&id->lock);
        fetch(id);
        cs_mutex_unlock(&id->lock);
    }
    return cs_thread_start(&id->thread, "identity", run, id, e);
}

cs_err cs_server__identity_new(const cs_config *config, cs_server__identity **out, cs_error *e)
{
    cs_server__identity *id = cs_zalloc(sizeof *id);
    id->config = config;
    cs_arena_init(&id->arena, 0);
    cs_mutex_init(&id->lock);
    cs_cond_init(&id->wake);
    id->tokens = new_tokens();
    id->keys = new_keys();
    id->tokens_file = text_of(id, config->identity.tokens_file);
    id->keys_file = config->identity.jwt ? text_of(id, config->identity.jwks_file) : NULL;
    id->keys_url = config->identity.jwt ? text_of(id, config->identity.jwks_url) : NULL;
    cs_err r = load(id, e);
    if (r != CS_OK) {
        cs_server__identity_free(id);
        return r;
    }
    *out = id;
    return CS_OK;
}

void cs_server__identity_stop(cs_server__identity *id)
{
    if (id != NULL) {
        cs_mutex_lock(&id->lock);
        id->stop = true;
        cs_cond_signal(&id->wake);
        cs_mutex_unlock(&id->lock);
        cs_thread_join(&id->thread);
    }
}

void cs_server__identity_free(cs_server__identity *id)
{
    if (id != NULL) {
        cs_server__identity_stop(id);
        cs_identity__tokens_release(id->tokens);
        cs_identity__keys_release(id->keys);
        CS_VEC_FREE(&id->waiting);
        cs_cond_destroy(&id->wake);
        cs_mutex_destroy(&id->lock);
        cs_arena_destroy(&id->arena);
        cs_free(id);
    }
}
