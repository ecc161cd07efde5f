/* GET, PUT, DELETE /v1/policies. */
#include "countersign/base/encode.h"
#include "countersign/base/time.h"
#include "internal.h"

static const char compile_message[] = "error(s) occurred while compiling module(s)";

/* The id is the decoded rest of the path. */
static cs_slice policy_id(cs_server__request *r)
{
    cs_slice id;
    return cs_percent_decode(r->arena, r->rest, false, &id) ? id : r->rest;
}

static void fail_missing(cs_server__request *r, cs_slice id)
{
    cs_buf quoted;
    cs_buf_init(&quoted);
    cs_quote(&quoted, id);
    cs_server__fail(r, 404, "resource_not_found", "storage_not_found_error: policy id %.*s",
                    CS_FMT(cs_buf_view(&quoted)));
    cs_buf_destroy(&quoted);
}

static cs_value describe(cs_server__request *r, const cs_world *world, size_t i)
{
    cs_arena *a = r->arena;
    cs_policy_source source = cs_world_policy_at(world, i);
    cs_value v = cs_object_new(a, 3);
    cs_object_put_text(a, v, "id", cs_string(source.file));
    cs_object_put_text(a, v, "raw", cs_string(source.text));
    cs_object_put_text(a, v, "ast", cs_policy_module_ast(a, cs_world_policy(world), i));
    return v;
}

static void answer_result(cs_server__request *r, cs_value result)
{
    cs_server__object(r, r->pretty);
    cs_server__field_as_made(r, "result", result);
    cs_server__object_end(r);
    cs_store_unpin(r->w->reader);
    cs_server__send(r, 200, "application/json");
}

void cs_server__policy_list(cs_server__request *r)
{
    const cs_world *world = cs_store_pin(r->w->reader);
    size_t n = cs_world_policy_count(world);
    cs_value *items = cs_arena_alloc(r->arena, sizeof *items * (n + 1));
    for (size_t i = 0; i < n; i++) {
        items[i] = describe(r, world, i);
    }
    answer_result(r, cs_array(items, n));
}

void cs_server__policy_get(cs_server__request *r)
{
    cs_slice id = policy_id(r);
    const cs_world *world = cs_store_pin(r->w->reader);
    size_t i = cs_world_policy_find(world, id);
    if (i == SIZE_MAX) {
        cs_store_unpin(r->w->reader);
        fail_missing(r, id);
        return;
    }
    answer_result(r, describe(r, world, i));
}

static void answer_done(cs_server__request *r, const cs_server__timer *list, size_t n)
{
    cs_server__object(r, r->pretty);
    if (r->n_params != 0 && cs_server__flag(r, "metrics")) {
        cs_server__field(r, "metrics", cs_server__metrics(r, list, n, false));
    }
    cs_server__object_end(r);
    cs_server__send(r, 200, "application/json");
}

/* May the API touch the package of this policy? */
static cs_err check_package(cs_txn *txn, cs_slice id, cs_error *e)
{
    const cs_slice *path;
    size_t n;
    return cs_txn_policy_package(txn, id, &path, &n) ? cs_txn_check_scope(txn, path, n, e) : CS_OK;
}

static bool is_empty_module(cs_slice text)
{
    cs_slice line;
    while (cs_slice_next(&text, '\n', &line)) {
        line = cs_slice_trim(line);
        if (line.n != 0 && line.p[0] != '#') {
            return false;
        }
    }
    return true;
}

/* Compiles, commits, answers. */
static void commit(cs_server__request *r, cs_txn *txn, cs_slice put, const char *failure, const char *timer)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    int64_t before = cs_time_mono_ns();
    cs_err err = cs_txn_compile(txn, &errors);
    int64_t spent = cs_time_mono_ns() - before + 1;
    if (err == CS_OK && put.n != 0) {
        err = check_package(txn, put, &e);
    }
    if (err != CS_OK) {
        cs_txn_abort(txn);
    } else {
        err = cs_txn_commit(txn, &errors);
    }
    if (err == CS_OK) {
        cs_value about = cs_object_new(r->arena, 2);
        cs_object_put_text(r->arena, about, "id", cs_string(policy_id(r)));
        if (put.n != 0) {
            cs_slice hex = cs_digest_hex(r->arena, CS_SHA256, r->http->body);
            cs_object_put_text(r->arena, about, "sha256", cs_string(hex));
        }
        cs_server__audit(r, put.n != 0 ? "policy.put" : "policy.deleted", CS_LIT(""), about);
        const cs_server__timer list[] = {{"timer_server_read_bytes_ns", put.n != 0 ? 1 : 0},
                                         {"timer_rego_module_parse_ns", put.n != 0 ? spent / 4 + 1 : 0},
                                         {timer, spent}};
        answer_done(r, list, 3);
    } else if (e.code != CS_OK) {
        cs_server__fail_auto(r, &e);
    } else {
        cs_server__fail_list(r, 400, failure, compile_message, cs_errors_to_json(r->arena, &errors));
    }
    cs_errors_destroy(&errors);
}

static void put_job(cs_server__request *r)
{
    cs_slice id = policy_id(r);
    cs_error e = {0};
    cs_txn *txn = cs_store_begin(r->server->o.store);
    const cs_policy_source *old = cs_txn_policy(txn, id);
    if (old != NULL && check_package(txn, id, &e) != CS_OK) {
        cs_txn_abort(txn);
        cs_server__fail_auto(r, &e);
        return;
    }
    if (old != NULL && cs_slice_eq(old->text, r->http->body)) {
        cs_txn_abort(txn);
        answer_done(r, &(cs_server__timer){"timer_server_read_bytes_ns", 1}, 1);
        return;
    }
    if (is_empty_module(r->http->body)) {
        cs_txn_abort(txn);
        cs_server__fail(r, 400, "invalid_parameter", "%.*s:0: rego_parse_error: empty module", CS_FMT(id));
        return;
    }
    cs_txn_policy_put(txn, id, r->http->body, r->server->o.rego_version);
    commit(r, txn, id, "invalid_parameter", "timer_rego_module_compile_ns");
}

void cs_server__policy_put(cs_server__request *r)
{
    cs_server__on_control(r, put_job);
}

static void delete_job(cs_server__request *r)
{
    cs_slice id = policy_id(r);
    cs_error e = {0};
    cs_txn *txn = cs_store_begin(r->server->o.store);
    if (cs_txn_policy(txn, id) == NULL) {
        cs_txn_abort(txn);
        fail_missing(r, id);
        return;
    }
    if (check_package(txn, id, &e) != CS_OK) {
        cs_txn_abort(txn);
        cs_server__fail_auto(r, &e);
        return;
    }
    (void)cs_txn_policy_remove(txn, id);
    commit(r, txn, CS_LIT(""), "invalid_operation", "timer_rego_module_compile_ns");
}

void cs_server__policy_delete(cs_server__request *r)
{
    cs_server__on_control(r, delete_job);
}
