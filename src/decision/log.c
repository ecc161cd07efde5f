/* The decision log: records come over a queue as bytes; this thread drops, masks and prints them. The policy decides
 * what is dropped (system.log.drop) and what is masked (system.log.mask), with the record as input, as in OPA. */
#include <stdatomic.h>

#include "countersign/base/encode.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/queue.h"
#include "countersign/base/thread.h"
#include "countersign/decision.h"
#include "countersign/json.h"

enum { QUEUE_DEFAULT = 65536, PATH_MAX_KEYS = 32 };

typedef struct record {
    size_t n;
    char bytes[];
} record;

typedef struct question {
    cs_value keys[PATH_MAX_KEYS];
    size_t n; /* 0 = not asked */
    cs_slice key;
} question;

struct cs_decision_log {
    cs_decision_log_options o;
    cs_queue *queue;
    cs_thread thread;
    cs_store_reader *reader;
    cs_arena names;
    question mask, drop;
    cs_arena arena; /* of one record */
    _Atomic uint64_t dropped;
    _Atomic bool stop;
};

static record stop_mark;

static void set_question(cs_decision_log *log, question *q, cs_slice path, const char *key)
{
    cs_slice piece;
    while (path.n != 0 && cs_slice_next(&path, '/', &piece) && q->n < PATH_MAX_KEYS) {
        if (piece.n != 0) {
            q->keys[q->n++] = cs_string_copy(&log->names, piece);
        }
    }
    q->key = cs_slice_of(key);
}

/* The answer of a rule about the record; undefined where there is no such rule or it fails. Pinned by the caller. */
static cs_err ask(cs_decision_log *log, const question *q, const cs_world *world, cs_value event, cs_value *out,
                  cs_error *e)
{
    *out = cs_undefined();
    cs_policy *policy = cs_world_policy(world);
    if (q->n == 0 || !cs_policy_has_rule(policy, q->keys, q->n, true)) {
        return CS_OK;
    }
    cs_prepared *prepared = cs_world_find(world, q->key);
    if (prepared == NULL) {
        cs_errors errors;
        cs_errors_init(&errors);
        cs_query *query;
        cs_err r = cs_query_prepare_path(policy, q->keys, q->n, &query, &errors);
        cs_errors_destroy(&errors);
        if (r != CS_OK) {
            return cs_fail(e, r, "the rule cannot be asked");
        }
        prepared = cs_world_keep(world, q->key, query);
    }
    cs_eval eval = {.arena = &log->arena, .data = cs_world_data(world), .input = event, .host = log->o.host};
    eval.live = cs_world_live(world, &eval.n_live);
    return cs_query_run(cs_prepared_query(prepared), &eval, out, e);
}

/* ---- masks: "/input/x" or {"op": "remove" | "upsert", "path": …, "value": …} */

static bool split(cs_arena *a, cs_slice path, const cs_value **keys, size_t *n)
{
    static const char *const roots[] = {"input", "result", "nd_builtin_cache"};
    if (path.n < 2 || path.p[0] != '/') {
        return false;
    }
    path = cs_slice_sub(path, 1, path.n);
    cs_value *v = cs_arena_alloc(a, (path.n + 1) * sizeof *v);
    *n = 0;
    cs_slice piece, plain;
    while (path.n != 0 && cs_slice_next(&path, '/', &piece)) {
        if (!cs_percent_decode(a, piece, false, &plain)) {
            plain = piece;
        }
        char *out = cs_arena_alloc(a, plain.n + 1);
        size_t length = 0;
        for (size_t i = 0; i < plain.n; i++) {
            bool escape = plain.p[i] == '~' && i + 1 < plain.n && (plain.p[i + 1] == '0' || plain.p[i + 1] == '1');
            out[length++] = escape ? (plain.p[i + 1] == '0' ? '~' : '/') : plain.p[i];
            i += escape ? 1U : 0U;
        }
        v[(*n)++] = cs_string(cs_slice_make(out, length));
    }
    *keys = v;
    for (size_t i = 0; i < sizeof roots / sizeof *roots && *n != 0; i++) {
        if (cs_slice_is(cs_text(v[0]), roots[i])) {
            return true;
        }
    }
    return false;
}

/* Removes what stands at the keys; arrays are stepped into by index. *gone tells whether something did. */
static cs_value without(cs_arena *a, cs_value at, const cs_value *keys, size_t n, bool *gone)
{
    if (cs_is(at, CS_OBJECT)) {
        const cs_value *child = cs_object_get(at, keys[0]);
        if (child == NULL) {
            return at;
        }
        if (n == 1) {
            *gone = true;
            return cs_remove(a, at, keys, 1);
        }
        return cs_upsert(a, at, keys, 1, without(a, *child, keys + 1, n - 1, gone));
    }
    int64_t i;
    if (n > 1 && cs_is(at, CS_ARRAY) && cs_slice_i64(cs_text(keys[0]), &i) && i >= 0 && i < (int64_t)at.n) {
        cs_value copy = cs_array_copy(a, at.u.items, at.n);
        cs_value *items = cs_arena_alloc(a, at.n * sizeof *items);
        memcpy(items, copy.u.items, at.n * sizeof *items);
        items[i] = without(a, items[i], keys + 1, n - 1, gone);
        return cs_array(items, at.n);
    }
    return at;
}

typedef struct applied {
    cs_value *v;
    size_t n;
} applied;

static cs_value apply_mask(cs_arena *a, cs_value event, cs_value rule, applied *erased, applied *masked)
{
    const cs_value *op = cs_is(rule, CS_OBJECT) ? cs_object_get_text(rule, "op") : NULL;
    const cs_value *path = cs_is(rule, CS_OBJECT) ? cs_object_get_text(rule, "path") : &rule;
    const cs_value *keys;
    size_t n;
    if (path == NULL || !cs_is(*path, CS_STRING) || !split(a, cs_text(*path), &keys, &n)) {
        return event;
    }
    bool upsert = op != NULL && cs_is(*op, CS_STRING) && cs_slice_is(cs_text(*op), "upsert");
    if (upsert) {
        const cs_value *value = cs_object_get_text(rule, "value");
        if (cs_object_get(event, keys[0]) == NULL) {
            return event;
        }
        masked->v[masked->n++] = *path;
        return cs_upsert(a, event, keys, n, value != NULL ? *value : cs_null());
    }
    bool gone = false;
    event = without(a, event, keys, n, &gone);
    if (gone) {
        erased->v[erased->n++] = *path;
    }
    return event;
}

static cs_value apply_masks(cs_arena *a, cs_value event, cs_value rules)
{
    bool array = cs_is(rules, CS_ARRAY);
    if (!array && !cs_is(rules, CS_SET)) {
        return event;
    }
    uint32_t n = cs_count(rules);
    applied erased = {.v = cs_arena_alloc(a, (n + 1) * sizeof(cs_value))},
            masked = {.v = cs_arena_alloc(a, (n + 1) * sizeof(cs_value))};
    for (uint32_t i = 0; i < n; i++) {
        event = apply_mask(a, event, array ? rules.u.items[i] : cs_entry(rules, i, NULL), &erased, &masked);
    }
    if (erased.n + masked.n != 0) {
        event = cs_object_clone(a, event, 2);
    }
    if (erased.n != 0) {
        cs_object_put_text(a, event, "erased", cs_array(erased.v, erased.n));
    }
    if (masked.n != 0) {
        cs_object_put_text(a, event, "masked", cs_array(masked.v, masked.n));
    }
    return event;
}

/* ---- the thread */

/* Behind the JSON value at `at`: strings and brackets are all that matters. */
static size_t value_end(cs_slice json, size_t at)
{
    int depth = 0;
    bool text = false;
    for (; at < json.n; at++) {
        char c = json.p[at];
        if (text) {
            at += c == '\\' ? 1 : 0;
            text = c != '"';
        } else if (c == '"') {
            text = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth-- == 0) {
                return at;
            }
        } else if (c == ',' && depth == 0) {
            return at;
        }
    }
    return at;
}

enum { FIELDS_MAX = 24 };

/* The record's members become fields of the line, among level, msg and time. The text is one that we wrote ourselves.
 */
static void print(cs_arena *a, cs_slice json)
{
    cs_log_field fields[FIELDS_MAX] = {CS_LOG_S("type", CS_LIT("openpolicyagent.org/decision_logs"))};
    size_t n = 1, at = 1;
    while (at + 1 < json.n && json.p[at] == '"' && n < FIELDS_MAX) {
        size_t quote = cs_slice_find_byte(json, '"', at + 1);
        size_t end = value_end(json, quote + 2);
        fields[n++] = (cs_log_field){.key = cs_arena_dup(a, json.p + at + 1, quote - at - 1),
                                     .kind = CS_LOG_RAW,
                                     .text = cs_slice_sub(json, quote + 2, end)};
        at = end + 1;
    }
    cs_log_always(CS_LOG_INFO, "Decision Log", n, fields);
}

static void handle(cs_decision_log *log, const record *r)
{
    cs_slice bytes = cs_slice_make(r->bytes, r->n);
    const cs_world *world = cs_store_pin(log->reader);
    cs_policy *policy = cs_world_policy(world);
    bool asks = (log->mask.n != 0 && cs_policy_has_rule(policy, log->mask.keys, log->mask.n, true)) ||
                (log->drop.n != 0 && cs_policy_has_rule(policy, log->drop.keys, log->drop.n, true));
    cs_value event, drop = cs_undefined(), mask = cs_undefined();
    cs_error e = {0};
    cs_buf text;
    cs_buf_init(&text);
    bool keep = true;
    if (asks) {
        cs_err err = cs_json_read(&log->arena, bytes, NULL, &event, NULL, &e);
        if (err == CS_OK && ask(log, &log->drop, world, event, &drop, &e) != CS_OK) {
            drop = cs_undefined();
        }
        keep = err == CS_OK && !(cs_is(drop, CS_BOOL) && drop.u.i != 0);
        if (keep && ask(log, &log->mask, world, event, &mask, &e) != CS_OK) {
            keep = false; /* what should be masked must not come out */
            cs_logf(CS_LOG_ERROR, "Log event masking failed: %s.", e.text);
        }
        if (keep) {
            cs_json_write(&text, apply_masks(&log->arena, event, mask), CS_JSON_HTML);
            bytes = cs_buf_view(&text);
        }
    }
    if (keep && log->o.console) {
        print(&log->arena, bytes);
    }
    cs_store_unpin(log->reader);
    cs_buf_destroy(&text);
    cs_arena_reset(&log->arena);
}

static void run(void *self)
{
    cs_decision_log *log = self;
    log->reader = cs_store_reader_new(log->o.store);
    bool stop = false;
    while (!stop) {
        (void)cs_queue_wait(log->queue, 1000);
        record *r;
        while ((r = cs_queue_take(log->queue)) != NULL) {
            if (r == &stop_mark) {
                stop = true;
                continue;
            }
            handle(log, r);
            cs_free(r);
        }
        stop |= atomic_load(&log->stop);
    }
    cs_store_reader_free(log->reader);
}

cs_err cs_decision_log_start(const cs_decision_log_options *options, cs_decision_log **out, cs_error *e)
{
    cs_decision_log *log = cs_zalloc(sizeof *log);
    log->o = *options;
    cs_arena_init(&log->names, 0);
    cs_arena_init(&log->arena, 0);
    set_question(log, &log->mask, options->mask_decision, "log-mask");
    set_question(log, &log->drop, options->drop_decision, "log-drop");
    cs_err r = cs_queue_new(options->queue != 0 ? options->queue : QUEUE_DEFAULT, &log->queue, e);
    if (r == CS_OK) {
        r = cs_thread_start(&log->thread, "decision-log", run, log, e);
    }
    if (r != CS_OK) {
        cs_decision_log_stop(log);
        return r;
    }
    *out = log;
    return CS_OK;
}

void cs_decision_log_stop(cs_decision_log *log)
{
    if (log == NULL) {
        return;
    }
    atomic_store(&log->stop, true);
    if (log->queue != NULL) {
        (void)!cs_queue_put(log->queue, &stop_mark); /* full: then the thread is awake anyway and sees the flag */
    }
    cs_thread_join(&log->thread);
    cs_queue_free(log->queue);
    cs_arena_destroy(&log->names);
    cs_arena_destroy(&log->arena);
    cs_free(log);
}

bool cs_decision_log_put(cs_decision_log *log, const cs_decision *decision)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_decision_write(&text, decision, log->o.labels);
    record *r = cs_alloc(sizeof *r + text.n);
    r->n = text.n;
    memcpy(r->bytes, text.p, text.n);
    cs_buf_destroy(&text);
    if (cs_queue_put(log->queue, r)) {
        return true;
    }
    cs_free(r);
    atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
    return false;
}
