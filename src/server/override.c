/* What override is to be in force: the record, the requests that were heard of, and where both are kept. */
#include "override.h"

#include "countersign/base/bytes.h"
#include "countersign/base/encode.h"
#include "countersign/base/file.h"
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "countersign/number.h"
#include "internal.h"

#define ACTIVATED "io.countersign.override.activated.v1"
#define ENDED "io.countersign.override.ended.v1"
enum { FILE_BYTES = 64 * 1024 * 1024 };

/* ---- records */

static cs_slice keep(cs_arena *a, cs_slice s)
{
    return cs_slice_make(cs_arena_dup(a, s.p != NULL ? s.p : "", s.n), s.n);
}

cs_override__record cs_override__copy(cs_arena *a, const cs_override__record *r)
{
    return (cs_override__record){.id = keep(a, r->id),
                                 .archive = keep(a, r->archive),
                                 .countersignature = keep(a, r->countersignature),
                                 .revision = keep(a, r->revision),
                                 .digest = keep(a, r->digest),
                                 .reason = keep(a, r->reason),
                                 .author = keep(a, r->author),
                                 .put_ns = r->put_ns,
                                 .until_ns = r->until_ns};
}

cs_value cs_override__value(cs_arena *a, const cs_override__record *r)
{
    cs_value v = cs_object_new(a, 10);
    cs_object_put_text(a, v, "id", cs_string(r->id));
    cs_object_put_text(a, v, "revision", cs_string(r->revision));
    cs_object_put_text(a, v, "digest", cs_string(r->digest));
    cs_object_put_text(a, v, "reason", cs_string(r->reason));
    cs_object_put_text(a, v, "author", cs_string(r->author));
    cs_object_put_text(a, v, "put", cs_int(r->put_ns));
    cs_object_put_text(a, v, "until", cs_int(r->until_ns));
    cs_object_put_text(a, v, "countersignature", cs_string(r->countersignature));
    cs_object_put_text(a, v, "archive", cs_string(cs_base64_encode(a, r->archive, CS_BASE64_STD)));
    return v;
}

static cs_slice text_of(cs_value v, const char *name)
{
    const cs_value *m = cs_object_get_text(v, name);
    return m != NULL && cs_is(*m, CS_STRING) ? cs_text(*m) : CS_LIT("");
}

static bool instant_of(cs_value v, const char *name, int64_t *out)
{
    const cs_value *m = cs_object_get_text(v, name);
    return m != NULL && cs_is(*m, CS_NUMBER) && cs_number_is_int(*m, out);
}

bool cs_override__read(cs_arena *a, cs_value v, cs_override__record *out)
{
    if (!cs_is(v, CS_OBJECT)) {
        return false;
    }
    *out = (cs_override__record){.id = text_of(v, "id"),
                                 .revision = text_of(v, "revision"),
                                 .digest = text_of(v, "digest"),
                                 .reason = text_of(v, "reason"),
                                 .author = text_of(v, "author"),
                                 .countersignature = text_of(v, "countersignature")};
    return out->id.n > 0 && out->id.n < CS_OVERRIDE_ID && instant_of(v, "put", &out->put_ns) &&
           instant_of(v, "until", &out->until_ns) &&
           cs_base64_decode(a, text_of(v, "archive"), CS_BASE64_STD, &out->archive, NULL) && out->archive.n > 0 &&
           out->archive.n <= CS_OVERRIDE_BYTES;
}

/* ---- the state. Under the lock. */

static bool known(const cs_override *o, cs_slice id)
{
    return cs_map_get(&o->seen, id) != NULL;
}

static void remember(cs_override *o, cs_slice id)
{
    static char present;
    (void)cs_map_put(&o->seen, id, &present);
    o->row.changed = true;
}

static void set(cs_override *o, const cs_override__record *r)
{
    cs_arena_reset(&o->arena);
    o->has = r != NULL;
    if (r != NULL) {
        o->record = cs_override__copy(&o->arena, r);
        remember(o, r->id);
    }
    o->row.changed = true;
}

bool cs_override__current(cs_override *o, cs_arena *a, int64_t now_ns, cs_override__record *out)
{
    cs_mutex_lock(&o->lock);
    bool has = o->has && now_ns < o->record.until_ns;
    if (has) {
        *out = cs_override__copy(a, &o->record);
    }
    cs_mutex_unlock(&o->lock);
    return has;
}

bool cs_override__seen(cs_override *o, cs_slice id)
{
    cs_mutex_lock(&o->lock);
    bool yes = known(o, id);
    cs_mutex_unlock(&o->lock);
    return yes;
}

/* ---- the journal's events */

static cs_event_outcome activated(cs_override *o, const cs_override__record *r)
{
    if (!known(o, r->id)) {
        set(o, r);
        return CS_EVENT_APPLIED;
    }
    bool same = o->has && cs_slice_eq(o->record.id, r->id) && cs_slice_eq(o->record.archive, r->archive) &&
                o->record.put_ns == r->put_ns;
    return same ? CS_EVENT_DUPLICATE : CS_EVENT_CONFLICT;
}

static cs_event_outcome apply(void *self, const cs_event *event)
{
    cs_override *o = self;
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_value data = cs_event_data(&scratch, event);
    cs_event_outcome outcome = CS_EVENT_UNSEEN;
    cs_override__record r;
    cs_mutex_lock(&o->lock);
    if (cs_slice_is(event->type, ACTIVATED) && cs_override__read(&scratch, data, &r)) {
        outcome = activated(o, &r);
    } else if (cs_slice_is(event->type, ENDED) && cs_is(data, CS_OBJECT)) {
        bool this_one = o->has && cs_slice_eq(o->record.id, text_of(data, "id"));
        outcome = this_one ? CS_EVENT_APPLIED : CS_EVENT_DUPLICATE;
        if (this_one) {
            set(o, NULL);
        }
    }
    cs_mutex_unlock(&o->lock);
    cs_arena_destroy(&scratch);
    if (outcome == CS_EVENT_APPLIED) {
        cs_override__sync_soon(o);
    }
    return outcome;
}

static cs_err append(cs_override *o, const cs_event_head *head, cs_journal_batch *batch, cs_value data, cs_error *e)
{
    cs_event event = cs_event_compose(&batch->arena, head, data);
    cs_journal_batch_add(batch, &event);
    cs_err err = cs_journal_append(o->server->o.journal, batch, e);
    if (err != CS_OK) {
        cs_journal_batch_free(batch);
    }
    return err;
}

cs_err cs_override__append(cs_override *o, const cs_override__record *r, cs_slice request_id, cs_journal_done *done,
                           void *self, cs_error *e)
{
    cs_journal_batch *batch = cs_journal_batch_new(done, self);
    cs_event_head head = {.type = ACTIVATED,
                          .source = CS_LIT("/countersign/overrides"),
                          .id = r->id,
                          .tenant = CS_LIT("meta"),
                          .key = CS_LIT("override"),
                          .correlation = request_id,
                          .time_ns = r->put_ns};
    return append(o, &head, batch, cs_override__value(&batch->arena, r), e);
}

cs_err cs_override__append_end(cs_override *o, cs_slice id, cs_slice author, cs_slice request_id, cs_journal_done *done,
                               void *self, cs_error *e)
{
    cs_journal_batch *batch = cs_journal_batch_new(done, self);
    cs_arena *a = &batch->arena;
    cs_value data = cs_object_new(a, 2);
    cs_object_put_text(a, data, "id", cs_string(id));
    cs_object_put_text(a, data, "author", cs_string(author));
    cs_event_head head = {.type = ENDED,
                          .source = CS_LIT("/countersign/overrides"),
                          .id = cs_text(cs_string_printf(a, "%.*s/ended", CS_FMT(id))),
                          .tenant = CS_LIT("meta"),
                          .key = CS_LIT("override"),
                          .correlation = request_id,
                          .time_ns = cs_time_wall_ns()};
    return append(o, &head, batch, data, e);
}

/* ---- snapshots: one row, the same bytes as the file */

static void write_state(cs_override *o, cs_buf *out)
{
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_value v = cs_object_new(&scratch, 2);
    cs_value *seen = cs_arena_array(&scratch, cs_value, o->seen.live + 1);
    size_t n = 0, cursor = 0;
    for (const cs_map_entry *m; (m = cs_map_next(&o->seen, &cursor)) != NULL;) {
        seen[n++] = cs_string(m->key);
    }
    cs_object_put_text(&scratch, v, "seen", cs_array(seen, n));
    if (o->has) {
        cs_object_put_text(&scratch, v, "override", cs_override__value(&scratch, &o->record));
    }
    cs_json_write(out, v, 0);
    cs_arena_destroy(&scratch);
}

static cs_err read_state(cs_override *o, cs_slice text, cs_error *e)
{
    cs_arena scratch;
    cs_arena_init(&scratch, 0);
    cs_value v = cs_undefined();
    cs_err err = cs_json_read(&scratch, text, NULL, &v, NULL, e);
    const cs_value *seen = cs_is(v, CS_OBJECT) ? cs_object_get_text(v, "seen") : NULL;
    const cs_value *record = cs_is(v, CS_OBJECT) ? cs_object_get_text(v, "override") : NULL;
    cs_override__record r;
    cs_mutex_lock(&o->lock);
    if (err == CS_OK && (seen == NULL || !cs_is(*seen, CS_ARRAY))) {
        err = cs_fail(e, CS_ERR_INVALID, "it does not hold what an override is kept as");
    }
    for (uint32_t i = 0; err == CS_OK && i < seen->n; i++) {
        if (cs_is(seen->u.items[i], CS_STRING)) {
            remember(o, cs_text(seen->u.items[i]));
        }
    }
    if (err == CS_OK && record != NULL) {
        bool good = cs_override__read(&scratch, *record, &r);
        err = good ? CS_OK : cs_fail(e, CS_ERR_INVALID, "the override in it is damaged");
        if (good) {
            set(o, &r);
        }
    }
    o->row.changed = false;
    cs_mutex_unlock(&o->lock);
    cs_arena_destroy(&scratch);
    return err;
}

static void write_row(void *self, cs_buf *out)
{
    cs_override *o = self;
    cs_mutex_lock(&o->lock);
    if (o->row.changed) {
        write_state(o, out);
    }
    o->row.changed = false;
    cs_mutex_unlock(&o->lock);
}

static void cut(void *self, cs_snapshot *out)
{
    cs_whole_cut(&((cs_override *)self)->row, out);
}

static bool save(void *self, int64_t until_mono)
{
    (void)until_mono;
    return cs_whole_save(&((cs_override *)self)->row);
}

static void saved(void *self, bool ok)
{
    cs_override *o = self;
    cs_mutex_lock(&o->lock);
    o->row.changed = cs_whole_saved(&o->row, ok) || o->row.changed;
    cs_mutex_unlock(&o->lock);
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    (void)key;
    return read_state(self, value, e) == CS_OK ? CS_OK : cs_fail_in(e, "the row of overrides: ");
}

/* ---- the file */

static cs_err store(cs_override *o, cs_error *e)
{
    if (o->file == NULL) {
        return CS_OK;
    }
    cs_buf text;
    cs_buf_init(&text);
    write_state(o, &text);
    cs_err err = cs_file_mkdirs_above(o->file, e);
    if (err == CS_OK) {
        err = cs_file_replace(o->file, cs_buf_view(&text), e);
    }
    cs_buf_destroy(&text);
    return err;
}

static cs_err change(cs_override *o, const cs_override__record *r, cs_error *e)
{
    cs_arena was;
    cs_arena_init(&was, 0);
    cs_mutex_lock(&o->lock);
    bool had = o->has;
    cs_override__record old = cs_override__copy(&was, &o->record);
    set(o, r);
    cs_err err = store(o, e);
    if (err != CS_OK) {
        if (r != NULL) {
            (void)cs_map_remove(&o->seen, r->id);
        }
        set(o, had ? &old : NULL);
    }
    cs_mutex_unlock(&o->lock);
    cs_arena_destroy(&was);
    return err;
}

cs_err cs_override__keep(cs_override *o, const cs_override__record *r, cs_error *e)
{
    return change(o, r, e);
}

cs_err cs_override__end(cs_override *o, cs_error *e)
{
    return change(o, NULL, e);
}

static void load(cs_override *o)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_error e = {0};
    if (cs_file_exists(o->file)) {
        cs_err err = cs_file_read(o->file, FILE_BYTES, &text, &e);
        if (err == CS_OK) {
            err = read_state(o, cs_buf_view(&text), &e);
        }
        if (err != CS_OK) {
            cs_logf(CS_LOG_ERROR, "The emergency override cannot be brought back from %s: %s", o->file, e.text);
        }
    }
    cs_buf_destroy(&text);
}

/* ---- beginning and end */

cs_override *cs_override__new(cs_server *server)
{
    cs_override *o = cs_zalloc(sizeof *o);
    o->server = server;
    cs_mutex_init(&o->lock);
    cs_mutex_init(&o->sync);
    cs_arena_init(&o->arena, 0);
    cs_map_init(&o->seen);
    cs_whole_init(&o->row, write_row, o);
    cs_slice nothing = CS_LIT("");
    o->record = (cs_override__record){nothing, nothing, nothing, nothing, nothing, nothing, nothing, 0, 0};
    if (server->o.journal != NULL) {
        cs_journal_fold(server->o.journal, &(cs_fold){.types = "io.countersign.override.",
                                                      .self = o,
                                                      .apply = apply,
                                                      .name = "override",
                                                      .format = 1,
                                                      .cut = cut,
                                                      .save = save,
                                                      .saved = saved,
                                                      .restore = restore});
    } else if (server->o.state_dir != NULL) {
        o->file =
            cs_arena_printf(&server->arena, NULL, "%s/bundles/" CS_OVERRIDE_NAME "/override.json", server->o.state_dir);
    }
    return o;
}

void cs_override__free(cs_override *o)
{
    if (o == NULL) {
        return;
    }
    if (o->timer != NULL) {
        cs_timer_free(o->timer);
    }
    cs_map_destroy(&o->seen);
    cs_whole_destroy(&o->row);
    cs_arena_destroy(&o->arena);
    cs_mutex_destroy(&o->sync);
    cs_mutex_destroy(&o->lock);
    cs_free(o);
}

void cs_server_restore_override(cs_server *server)
{
    cs_override *o = server->override;
    if (o == NULL) {
        return;
    }
    if (o->file != NULL) {
        load(o);
    }
    cs_errors errors;
    cs_errors_init(&errors);
    cs_error e = {0};
    if (cs_override__sync(o, &errors, &e) != CS_OK) {
        cs_logf(CS_LOG_ERROR, "The emergency override is not in force: %s", e.text);
    }
    cs_errors_destroy(&errors);
    cs_override__watch(o);
}
