/* Opening and closing. */
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "internal.h"

#define FILE_BYTES (UINT64_C(256) << 20)
#define ROOM ((size_t)64 << 20)

/* ---- metrics */

static void gather_lag(void *self, cs_metrics_sink *sink)
{
    cs_audit *audit = self;
    cs_mutex_lock(&audit->lock);
    int64_t since = audit->writing_since;
    if (since == 0 && audit->filling.items.n != 0) {
        since = audit->filling.since_mono;
    }
    cs_mutex_unlock(&audit->lock);
    cs_metrics_emit(sink, NULL, since != 0 ? (double)(cs_time_mono_ns() - since) / 1e9 : 0.0);
}

static void gather_full(void *self, cs_metrics_sink *sink)
{
    cs_metrics_emit(sink, NULL, cs_audit_is_full(self) ? 1.0 : 0.0);
}

static void measure(cs_audit *audit, bool on)
{
    cs_metrics_on_gather(audit->o.metrics, CS_METRIC_AUDIT_LAG, on ? gather_lag : NULL, audit);
    cs_metrics_on_gather(audit->o.metrics, CS_METRIC_AUDIT_FULL, on ? gather_full : NULL, audit);
}

/* ---- the first records */

static void put_own(cs_audit *audit, const char *type, cs_value data)
{
    cs_audit_record record = {.type = type, .actor = cs_undefined(), .data = data, .done = true};
    (void)cs_audit_put(audit, &record, NULL, NULL);
}

static void tell_repair(cs_audit *audit, cs_arena *a, const cs_audit__found *found)
{
    if (found->torn_bytes == 0 && found->bad_lines == 0) {
        return;
    }
    cs_log(found->bad_lines != 0 ? CS_LOG_ERROR : CS_LOG_WARN, "The end of the audit log was damaged.", 3,
           (cs_log_field[]){CS_LOG_S("file", cs_slice_of(found->file)),
                            CS_LOG_I("torn_bytes", (int64_t)found->torn_bytes),
                            CS_LOG_I("bad_lines", (int64_t)found->bad_lines)});
    cs_value data = cs_object_new(a, 3);
    cs_object_put_text(a, data, "bad_lines", cs_int((int64_t)found->bad_lines));
    cs_object_put_text(a, data, "file", cs_string(cs_slice_of(found->file)));
    cs_object_put_text(a, data, "torn_bytes", cs_int((int64_t)found->torn_bytes));
    put_own(audit, "audit.repaired", data);
}

static bool is_cut(const cs_audit *audit, const cs_audit_head *head)
{
    return head->seq > audit->chain.seq ||
           (head->seq == audit->chain.seq && strcmp(head->hash, audit->chain.hash) != 0);
}

static void tell_cut(cs_audit *audit, cs_arena *a, const cs_audit_head *head)
{
    cs_log(CS_LOG_ERROR, "The audit log ends before what its head vouches for: records were removed.", 2,
           (cs_log_field[]){CS_LOG_I("last", (int64_t)audit->chain.seq), CS_LOG_I("head", (int64_t)head->seq)});
    cs_value data = cs_object_new(a, 2);
    cs_object_put_text(a, data, "head", cs_audit_head_value(a, head));
    cs_object_put_text(a, data, "last_seq", cs_int((int64_t)audit->chain.seq));
    put_own(audit, "audit.truncated", data);
}

static void tell_opening(cs_audit *audit, cs_arena *a)
{
    static const char *const words[] = {"commit", "interval", "none"};
    cs_value data = cs_object_new(a, 3);
    cs_object_put_text(a, data, "node", cs_string(audit->o.node));
    cs_object_put_text(a, data, "on_full", cs_string(cs_slice_of(audit->o.block ? "block" : "deny")));
    cs_object_put_text(a, data, "sync", cs_string(cs_slice_of(words[audit->o.sync])));
    put_own(audit, "audit.opened", data);
}

/* ---- open and close */

static cs_err check_end(cs_audit *audit, cs_arena *a, const cs_audit__found *found, cs_error *e)
{
    cs_audit_head head;
    cs_error ignored;
    bool cut = cs_audit__head_load(audit->out.dir, a, &head, &ignored) == CS_OK && is_cut(audit, &head);
    if (audit->o.required && cut) {
        return cs_fail(e, CS_ERR_INVALID,
                       "audit: %s ends at record %llu, but its head vouches for record %llu: records were removed or "
                       "changed; see `countersign audit verify`, move the folder away to begin a new log",
                       audit->out.dir, (unsigned long long)audit->chain.seq, (unsigned long long)head.seq);
    }
    if (audit->o.required && found->bad_lines != 0) {
        return cs_fail(e, CS_ERR_INVALID,
                       "audit: the last %llu lines of %s/%s are damaged; see `countersign audit verify`, move the "
                       "folder away to begin a new log",
                       (unsigned long long)found->bad_lines, audit->out.dir, found->file);
    }
    tell_repair(audit, a, found);
    if (cut) {
        tell_cut(audit, a, &head);
    }
    tell_opening(audit, a);
    return CS_OK;
}

static cs_audit *make(const cs_audit_options *o)
{
    cs_audit *audit = cs_zalloc(sizeof *audit);
    audit->o = *o;
    audit->o.file_bytes = o->file_bytes != 0 ? o->file_bytes : FILE_BYTES;
    audit->o.room = o->room != 0 ? o->room : ROOM;
    audit->o.key = o->key != NULL ? cs_key_retain(o->key) : NULL;
    cs_arena_init(&audit->names, 0);
    audit->o.keyid =
        cs_slice_make(cs_arena_dup(&audit->names, o->keyid.n != 0 ? o->keyid.p : "", o->keyid.n), o->keyid.n);
    audit->o.node = cs_slice_make(cs_arena_dup(&audit->names, o->node.n != 0 ? o->node.p : "", o->node.n), o->node.n);
    audit->own_metrics = o->metrics == NULL ? cs_metrics_new(1) : NULL;
    audit->o.metrics = o->metrics != NULL ? o->metrics : audit->own_metrics;
    cs_mutex_init(&audit->lock);
    cs_cond_init(&audit->more);
    cs_cond_init(&audit->less);
    cs_audit__room_init(&audit->filling);
    cs_audit__room_init(&audit->writing);
    cs_buf_init(&audit->head_room);
    cs_buf_init(&audit->text);
    audit->head.keyid = audit->head.token = CS_LIT("");
    audit->hasher = cs_hasher_start(CS_SHA256);
    audit->out = (cs_audit__out){.lock_fd = -1, .fd = -1};
    audit->records = cs_metrics_series(audit->o.metrics, CS_METRIC_AUDIT_RECORDS, NULL);
    audit->refused_total = cs_metrics_series(audit->o.metrics, CS_METRIC_AUDIT_REFUSED, NULL);
    audit->lost_total = cs_metrics_series(audit->o.metrics, CS_METRIC_AUDIT_LOST, NULL);
    return audit;
}

static void destroy(cs_audit *audit)
{
    cs_audit__out_close(&audit->out);
    cs_hasher_drop(audit->hasher);
    cs_key_release(audit->o.key);
    cs_audit__room_destroy(&audit->filling);
    cs_audit__room_destroy(&audit->writing);
    cs_buf_destroy(&audit->head_room);
    cs_buf_destroy(&audit->text);
    cs_arena_destroy(&audit->names);
    cs_cond_destroy(&audit->more);
    cs_cond_destroy(&audit->less);
    cs_mutex_destroy(&audit->lock);
    cs_metrics_free(audit->own_metrics);
    cs_free(audit);
}

cs_err cs_audit_open(const cs_audit_options *options, cs_audit **out, cs_error *e)
{
    cs_audit *audit = make(options);
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_audit__found found;
    cs_err err = cs_audit__out_open(&audit->out, options->dir, &audit->chain, &found, e);
    if (err == CS_OK) {
        err = check_end(audit, &a, &found, e);
    }
    cs_arena_destroy(&a);
    if (err == CS_OK) {
        err = cs_thread_start(&audit->thread, "audit", cs_audit__run, audit, e);
    }
    if (err != CS_OK) {
        destroy(audit);
        return err;
    }
    measure(audit, true);
    *out = audit;
    return CS_OK;
}

void cs_audit_stop(cs_audit *audit)
{
    if (audit == NULL || !audit->thread.running) {
        return;
    }
    cs_mutex_lock(&audit->lock);
    audit->stop = true;
    cs_cond_signal(&audit->more);
    cs_mutex_unlock(&audit->lock);
    cs_thread_join(&audit->thread);
    cs_mutex_lock(&audit->lock);
    size_t left = audit->filling.items.n + audit->writing.items.n;
    audit->failing = true; /* nothing is taken any more */
    cs_audit__look(audit);
    cs_mutex_unlock(&audit->lock);
    if (left != 0) {
        cs_log(CS_LOG_ERROR, "Records of the audit log could not be written and are lost.", 1,
               (cs_log_field[]){CS_LOG_I("records", (int64_t)left)});
    }
}

void cs_audit_free(cs_audit *audit)
{
    if (audit != NULL) {
        cs_audit_stop(audit);
        measure(audit, false);
        destroy(audit);
    }
}
