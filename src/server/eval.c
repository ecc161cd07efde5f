/* Evaluation of a request's query: the world pinned, the query found prepared or prepared now, run in slices so that a
 * long one does not hold up the other connections of its worker. */
#include "countersign/base/encode.h"
#include "countersign/base/limits.h"
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "internal.h"
#include "override.h"

/* OPA's util.Atoi64: an optional sign and digits. */
static bool whole_number(cs_slice s, int64_t *out)
{
    if (s.n > 1 && s.p[0] == '+') {
        return s.p[1] != '-' && s.p[1] != '+' && cs_slice_i64(cs_slice_sub(s, 1, s.n), out);
    }
    return cs_slice_i64(s, out);
}

cs_print cs_server_print(void)
{
    return cs_log_enabled(CS_LOG_INFO) ? CS_PRINT_DECLARED : CS_PRINT_ERASE;
}

bool cs_server__path_keys(cs_arena *a, cs_slice escaped, const cs_value **keys, size_t *n, cs_slice *bad)
{
    size_t cap = 1;
    for (size_t i = 0; i < escaped.n; i++) {
        cap += escaped.p[i] == '/';
    }
    cs_value *v = cs_arena_alloc(a, cap * sizeof *v);
    size_t count = 0;
    cs_slice piece;
    while (escaped.n != 0 && cs_slice_next(&escaped, '/', &piece)) {
        if (piece.n == 0) {
            continue;
        }
        cs_slice plain = piece;
        if (memchr(piece.p, '%', piece.n) != NULL && !cs_percent_decode(a, piece, false, &plain)) {
            plain = piece;
        }
        if (memchr(plain.p, '"', plain.n) != NULL) {
            *bad = plain;
            return false;
        }
        int64_t number;
        v[count++] = whole_number(plain, &number) ? cs_int(number) : cs_string(plain);
    }
    *keys = v;
    *n = count;
    return true;
}

void cs_server__eval_end(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    if (!v->active) {
        return;
    }
    v->active = false;
    if (v->errors != NULL) {
        cs_errors_destroy(v->errors);
        v->errors = NULL;
    }
    if (v->parked) {
        if (v->prepared != NULL) {
            cs_prepared_release(v->prepared);
        }
        cs_world_release(v->world);
    } else {
        cs_store_unpin(r->w->reader);
    }
}

static void finish(cs_server__request *r)
{
    r->eval.ended = true;
    r->eval.done(r);
}

void cs_server__eval_park(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    if (!v->parked) {
        v->parked = true;
        (void)cs_world_retain(v->world);
        if (v->prepared != NULL) {
            (void)cs_prepared_retain(v->prepared);
        }
        cs_store_unpin(r->w->reader);
    }
    r->w->current = NULL;
}

/* ---- waiting for the network. The wake comes from another thread, perhaps when nobody waits any more; so it only
 * marks the request, whose memory is good until its exchange was ended, and has the worker look at its list. */

static void step(void *self);

static void leave_list(cs_server__request *r)
{
    r->eval.waiting = false;
    for (cs_server__request **at = &r->w->waiting; *at != NULL; at = &(*at)->eval.next_waiting) {
        if (*at == r) {
            *at = r->eval.next_waiting;
            return;
        }
    }
}

static void go_on(void *self)
{
    cs_server__worker *w = self;
    cs_server__request *ready = NULL, **last = &ready;
    for (cs_server__request **at = &w->waiting; *at != NULL;) {
        cs_server__request *r = *at;
        if (!atomic_load_explicit(&r->eval.woken, memory_order_acquire)) {
            at = &r->eval.next_waiting;
            continue;
        }
        *at = r->eval.next_waiting;
        r->eval.waiting = false;
        r->eval.next_waiting = NULL;
        *last = r;
        last = &r->eval.next_waiting;
    }
    while (ready != NULL) {
        cs_server__request *next = ready->eval.next_waiting;
        step(ready);
        ready = next;
    }
}

static void wake(void *self)
{
    cs_server__request *r = self;
    cs_server__worker *w = r->w;
    atomic_store_explicit(&r->eval.woken, true, memory_order_release);
    cs_loop_post(w->loop, go_on, w);
}

static void client_gone(void *self)
{
    cs_server__request *r = self;
    r->eval.cancel = 1;
    if (r->eval.waiting) {
        leave_list(r);
        step(r);
    }
}

static void wait_for_network(cs_server__request *r)
{
    cs_server__eval_park(r);
    if (atomic_load_explicit(&r->eval.woken, memory_order_acquire)) {
        cs_loop_post(r->w->loop, step, r); /* it is there already */
        return;
    }
    r->eval.waiting = true;
    r->eval.next_waiting = r->w->waiting;
    r->w->waiting = r;
    cs_http_on_gone(r->x, client_gone, r);
}

void cs_server__eval_drop(cs_server__request *r)
{
    if (r->eval.active) {
        if (r->eval.run != NULL && !r->eval.ended) {
            cs_run_abandon(r->eval.run);
        }
        if (r->eval.waiting) {
            leave_list(r);
        }
        cs_server__eval_end(r);
    }
}

/* ---- running */

static void step(void *self)
{
    cs_server__request *r = self;
    cs_server__eval *v = &r->eval;
    r->w->current = r;
    cs_run_state state = CS_RUN_DONE;
    int64_t before = r->timed ? cs_time_mono_ns() : 0;
    atomic_store_explicit(&v->woken, false, memory_order_relaxed);
    v->err = cs_run_step(v->run, &state, &v->result, &v->error);
    if (r->timed) {
        v->eval_ns += cs_time_mono_ns() - before;
    }
    if (v->err != CS_OK) {
        v->error.code = v->err;
        v->result = cs_undefined();
    } else if (state == CS_RUN_AGAIN) {
        cs_server__eval_park(r);
        cs_loop_post(r->w->loop, step, r);
        return;
    } else if (state == CS_RUN_WAIT) {
        wait_for_network(r);
        return;
    }
    finish(r);
}

/* Finds or makes the prepared query. */
/* A path may name what the rules there can never have: OPA's compiler says so, as of any query. */
static cs_err check_path(cs_server__request *r, cs_policy *policy)
{
    cs_server__eval *v = &r->eval;
    cs_query *query = NULL;
    cs_query_options options = {.server = v->server};
    cs_err err =
        cs_query_prepare(policy, cs_server__ref_text(r->arena, v->path, v->n_path), &options, &query, v->errors);
    if (err == CS_OK) {
        cs_query_release(query);
    } else if (v->errors->n != 0 && v->errors->v[0].code == CS_ERR_REGO_PARSE) {
        cs_errors_destroy(v->errors);
        cs_errors_init(v->errors); /* a key that has no text in Rego: none that a rule has, either */
        err = CS_OK;
    }
    return err;
}

static bool prepare(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    v->prepared = cs_world_find(v->world, v->key);
    v->hit = v->prepared != NULL;
    if (v->hit) {
        return true;
    }
    int64_t before = cs_time_mono_ns();
    cs_errors *errors = cs_arena_new(r->arena, cs_errors);
    cs_errors_init(errors);
    v->errors = errors;
    cs_query *query = NULL;
    cs_policy *policy = cs_world_policy(v->world);
    if (v->text.n == 0) {
        v->err = check_path(r, policy);
        if (v->err == CS_OK) {
            v->err = cs_query_prepare_path(policy, v->path, v->n_path, &query, errors);
        }
    } else {
        cs_query_options options = {.server = v->server, .print = cs_server_print(), .instrument = v->instrument};
        v->err = cs_query_prepare(policy, v->text, &options, &query, errors);
    }
    v->compile_ns = cs_time_mono_ns() - before;
    if (v->err != CS_OK) {
        v->not_prepared = true;
        return false;
    }
    v->prepared = cs_world_keep(v->world, v->key, query);
    return true;
}

void cs_server__run_here(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    v->err = cs_query_run(cs_prepared_query(v->prepared), &v->spec, &v->result, &v->error);
    if (v->err != CS_OK) {
        v->error.code = v->err;
        v->result = cs_undefined();
    }
}

static void limits_job(cs_server__request *r)
{
    cs_server_world_changed(r->server);
    r->after = cs_server__evaluate;
}

/* The override's time is over, and the ledger still has its limits: that first. */
static bool limits_are_behind(cs_server__request *r, const cs_world *world)
{
    const cs_override *o = r->server->override;
    if (o == NULL || !atomic_load_explicit(&o->over, memory_order_relaxed) ||
        !cs_is_undefined(cs_world_overlay(world))) {
        return false;
    }
    cs_store_unpin(r->w->reader);
    cs_server__on_control(r, limits_job);
    return true;
}

void cs_server__evaluate(cs_server__request *r)
{
    cs_server__eval *v = &r->eval;
    v->world = cs_store_pin(r->w->reader);
    if (limits_are_behind(r, v->world)) {
        return;
    }
    v->active = true;
    v->run = NULL;
    v->cancel = 0;
    v->parked = v->not_prepared = v->ended = false;
    v->err = CS_OK;
    v->compile_ns = v->eval_ns = 0;
    v->result = v->nd_builtin_cache = cs_undefined();
    v->errors = NULL;
    v->instrument = cs_server__instrument(r);
    r->w->current = r;
    if (!prepare(r)) {
        finish(r);
        return;
    }
    if (v->ready != NULL && !v->ready(r)) {
        return;
    }
    const cs_limits *limits = cs_limits_get();
    v->spec = (cs_eval){
        .arena = r->arena,
        .data = cs_world_data(v->world),
        .input = v->input,
        .instrument = v->instrument,
        .nd_builtin_cache = r->server->o.config->nd_builtin_cache ? &v->nd_builtin_cache : NULL,
        .host = &r->w->host,
        .strict = v->strict,
        .cancel = &v->cancel,
        .wake = wake,
        .wake_self = r,
        .deadline_mono_ns = r->http->started_ns + (int64_t)limits->eval_timeout_ms * CS_NS_PER_MS,
    };
    v->spec.live = cs_world_live(v->world, &v->spec.n_live);
    v->error.row = 0;
    v->error.file[0] = v->error.text[0] = 0;
    v->spec.tracer = cs_server__tracer(r);
    if (v->spec.tracer != NULL) {
        cs_server__run_here(r);
        finish(r);
        return;
    }
    if (v->strict && cs_server__run_strict(r)) {
        finish(r);
        return;
    }
    v->run = cs_run_start(cs_prepared_query(v->prepared), &v->spec);
    step(r);
}
