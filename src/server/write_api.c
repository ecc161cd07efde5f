/* Writing data: PUT, PATCH, DELETE /v1/data, with the meaning and the words of OPA's storage. Bodies are read by the
 * worker; the transaction runs on the control thread. */
#include "countersign/base/time.h"
#include "internal.h"

typedef struct patch_op {
    cs_txn_op op;
    const cs_slice *path;
    size_t n;
    cs_value value;
    bool there;   /* before the patch */
    bool pending; /* written, and not covered by a later one */
} patch_op;

typedef struct write {
    const cs_slice *path;
    size_t n;
    cs_value value;
    patch_op *ops;
    size_t n_ops;
    bool tenants; /* data.tenants may change */
} write;

/* The first JSON value of the body as sent: OPA does not unpack gzip here. false: an error was replied. */
static bool read_value(cs_server__request *r, cs_value *out)
{
    const char *words;
    int64_t before = cs_time_mono_ns();
    if (cs_server__json_first(r->arena, r->http->body, out, &words) != CS_OK) {
        cs_server__fail(r, 400, "invalid_parameter", "%s", words);
        return false;
    }
    r->parse_ns = cs_time_mono_ns() - before + 1;
    return true;
}

static bool touches_tenants(const cs_slice *path, size_t n)
{
    return n == 0 || cs_slice_is(path[0], "tenants");
}

static bool read_path(cs_server__request *r, write *w)
{
    if (!cs_server__segments(r->arena, r->rest, false, &w->path, &w->n)) {
        cs_server__fail(r, 400, "invalid_parameter", "bad path: %.*s", CS_FMT(r->rest));
        return false;
    }
    w->tenants = touches_tenants(w->path, w->n);
    return true;
}

/* ---- the end of a transaction */

static void answer_written(cs_server__request *r)
{
    const write *w = r->data;
    if (w->tenants) {
        cs_server_world_changed(r->server);
    }
    cs_value about = cs_object_new(r->arena, 2);
    cs_object_put_text(r->arena, about, "method", cs_string(r->http->method));
    cs_object_put_text(r->arena, about, "path", cs_string(r->http->path));
    cs_server__audit(r, "data.written", CS_LIT(""), about);
    if (r->n_params == 0 || !cs_server__flag(r, "metrics")) {
        cs_server__send_empty(r, 204);
        return;
    }
    const cs_server__timer list[] = {
        {"timer_rego_input_parse_ns", r->parse_ns},
        {"timer_server_handler_ns", cs_time_mono_ns() - r->started_ns},
    };
    cs_server__object(r, false);
    cs_server__field(r, "metrics", cs_server__metrics(r, list, 2, false));
    cs_server__object_end(r);
    cs_server__send(r, 200, "application/json");
}

static void commit(cs_server__request *r, cs_txn *txn)
{
    cs_errors errors;
    cs_errors_init(&errors);
    if (cs_txn_commit(txn, &errors) == CS_OK) {
        answer_written(r);
    } else {
        cs_buf text;
        cs_buf_init(&text);
        cs_errors_print(&text, &errors);
        cs_server__fail(r, 400, "invalid_parameter", "%.*s", CS_FMT(cs_buf_view(&text)));
        cs_buf_destroy(&text);
    }
    cs_errors_destroy(&errors);
}

static void give_up(cs_server__request *r, cs_txn *txn, const cs_error *e)
{
    cs_txn_abort(txn);
    cs_server__fail_auto(r, e);
}

/* ---- PUT */

static void put_job(cs_server__request *r)
{
    const write *w = r->data;
    cs_error e = {0};
    cs_txn *txn = cs_store_begin(r->server->o.store);
    cs_value there;
    cs_err err = cs_txn_check_scope(txn, w->path, w->n, &e);
    if (err == CS_OK) {
        err = cs_txn_read(txn, w->path, w->n, &there, &e);
        const cs_slice *only_new = cs_server__header(r, "If-None-Match");
        if (err == CS_OK && only_new != NULL && cs_slice_is(*only_new, "*")) {
            cs_txn_abort(txn);
            cs_server__send_empty(r, 304);
            return;
        }
        if (err == CS_ERR_STORAGE_NOT_FOUND) {
            err = w->n == 0 ? CS_OK : cs_txn_make_dirs(txn, w->path, w->n - 1, &e);
        }
    }
    if (err == CS_OK) {
        err = cs_txn_write(txn, CS_TXN_ADD, w->path, w->n, w->value, &e);
    }
    if (err != CS_OK) {
        give_up(r, txn, &e);
        return;
    }
    commit(r, txn);
}

void cs_server__data_put(cs_server__request *r)
{
    write *w = cs_arena_new(r->arena, write);
    r->data = w;
    if (read_value(r, &w->value) && read_path(r, w)) {
        cs_server__on_control(r, put_job);
    }
}

/* ---- DELETE */

static void delete_job(cs_server__request *r)
{
    const write *w = r->data;
    cs_error e = {0};
    cs_txn *txn = cs_store_begin(r->server->o.store);
    cs_value there;
    cs_err err = cs_txn_check_scope(txn, w->path, w->n, &e);
    if (err == CS_OK) {
        err = cs_txn_read(txn, w->path, w->n, &there, &e);
    }
    if (err == CS_OK) {
        err = cs_txn_write(txn, CS_TXN_REMOVE, w->path, w->n, cs_undefined(), &e);
    }
    if (err != CS_OK) {
        give_up(r, txn, &e);
        return;
    }
    commit(r, txn);
}

void cs_server__data_delete(cs_server__request *r)
{
    write *w = cs_arena_new(r->arena, write);
    r->data = w;
    if (read_path(r, w)) {
        cs_server__on_control(r, delete_job);
    }
}

/* ---- PATCH */

static bool is_below(const patch_op *op, const patch_op *above)
{
    bool below = above->n <= op->n;
    for (size_t i = 0; below && i < above->n; i++) {
        below = cs_slice_eq(op->path[i], above->path[i]);
    }
    return below;
}

/* OPA keeps a patch's changes as a list: one that takes back exactly an earlier one looks at the data from before the
 * patch. false: what it wants to remove or replace was not there. Long patches are not looked at: it is quadratic. */
#define PENDING_MAX 1000U
static bool note_pending(const write *w, size_t i)
{
    patch_op *op = &w->ops[i];
    bool part = false, exact = false;
    for (size_t k = 0; k < i; k++) {
        patch_op *earlier = &w->ops[k];
        if (earlier->pending && is_below(op, earlier)) {
            exact = exact || earlier->n == op->n;
            part = part || earlier->n < op->n;
        }
        if (earlier->pending && is_below(earlier, op)) {
            earlier->pending = false;
        }
    }
    op->pending = !part;
    return !exact || part || op->op == CS_TXN_ADD || op->there;
}

static void patch_job(cs_server__request *r)
{
    const write *w = r->data;
    cs_error e = {0};
    cs_txn *txn = cs_store_begin(r->server->o.store);
    for (size_t i = 0; i < w->n_ops; i++) {
        cs_value there;
        w->ops[i].there = cs_txn_read(txn, w->ops[i].path, w->ops[i].n, &there, NULL) == CS_OK;
    }
    for (size_t i = 0; i < w->n_ops; i++) {
        const patch_op *op = &w->ops[i];
        cs_err err = cs_txn_check_scope(txn, op->path, op->n, &e);
        if (err == CS_OK && w->n_ops <= PENDING_MAX && !note_pending(w, i)) {
            err = cs_fail(&e, CS_ERR_STORAGE_NOT_FOUND, "storage_not_found_error: document does not exist");
        }
        if (err == CS_OK) {
            err = cs_txn_write(txn, op->op, op->path, op->n, op->value, &e);
        }
        if (err != CS_OK) {
            give_up(r, txn, &e);
            return;
        }
    }
    commit(r, txn);
}

/* A member that must be a string where it is given. false: an error was replied. */
static bool text_member(cs_server__request *r, cs_value object, const char *name, cs_slice *out)
{
    const cs_value *v = cs_server__member(object, name);
    *out = CS_LIT("");
    if (v != NULL && cs_is(*v, CS_STRING)) {
        *out = cs_text(*v);
    } else if (v != NULL && !cs_is(*v, CS_NULL)) {
        cs_server__fail(r, 400, "invalid_parameter",
                        "json: cannot unmarshal %s into Go struct field PatchV1.%s of type string",
                        cs_server__go_kind(*v), name);
        return false;
    }
    return true;
}

static cs_slice joined_path(cs_server__request *r, cs_slice path)
{
    size_t n;
    while (path.n != 0 && path.p[0] == '/') {
        path = cs_slice_sub(path, 1, path.n);
    }
    const char *text = cs_arena_printf(r->arena, &n, "%.*s/%.*s", CS_FMT(r->rest), CS_FMT(path));
    return cs_slice_make(text, n);
}

static bool read_op(cs_server__request *r, cs_value item, patch_op *out)
{
    cs_slice op, path;
    if (!text_member(r, item, "op", &op) || !text_member(r, item, "path", &path)) {
        return false;
    }
    if (cs_slice_is(op, "add")) {
        out->op = CS_TXN_ADD;
    } else if (cs_slice_is(op, "remove")) {
        out->op = CS_TXN_REMOVE;
    } else if (cs_slice_is(op, "replace")) {
        out->op = CS_TXN_REPLACE;
    } else {
        cs_server__fail(r, 400, "invalid_parameter", "bad patch operation: %.*s", CS_FMT(op));
        return false;
    }
    if (!cs_server__segments(r->arena, joined_path(r, path), true, &out->path, &out->n)) {
        cs_server__fail(r, 400, "invalid_parameter", "bad patch path: %.*s", CS_FMT(path));
        return false;
    }
    const cs_value *value = cs_server__member(item, "value");
    out->value = value != NULL ? *value : cs_null();
    return true;
}

void cs_server__data_patch(cs_server__request *r)
{
    write *w = cs_arena_new(r->arena, write);
    r->data = w;
    cs_value list;
    if (!read_value(r, &list)) {
        return;
    }
    if (!cs_is(list, CS_ARRAY) && !cs_is(list, CS_NULL)) {
        cs_server__fail(r, 400, "invalid_parameter", "json: cannot unmarshal %s into Go value of type []types.PatchV1",
                        cs_server__go_kind(list));
        return;
    }
    w->n_ops = cs_count(list);
    w->ops = cs_arena_array(r->arena, patch_op, w->n_ops + 1);
    for (size_t i = 0; i < w->n_ops; i++) {
        cs_value item = list.u.items[i];
        if (cs_is(item, CS_NULL)) {
            item = cs_object_new(r->arena, 0);
        }
        if (!cs_is(item, CS_OBJECT)) {
            cs_server__fail(r, 400, "invalid_parameter",
                            "json: cannot unmarshal %s into Go value of type types.PatchV1", cs_server__go_kind(item));
            return;
        }
        if (!read_op(r, item, &w->ops[i])) {
            return;
        }
        w->tenants |= touches_tenants(w->ops[i].path, w->ops[i].n);
    }
    cs_server__on_control(r, patch_job);
}
