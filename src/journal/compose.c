/* Events of our own: CloudEvents 1.0 documents, and batches of them whose fate is all that matters. */
#include "countersign/base/time.h"
#include "countersign/journal.h"
#include "countersign/json.h"

cs_event cs_event_compose(cs_arena *a, const cs_event_head *head, cs_value data)
{
    char time[40];
    size_t n = cs_time_format_rfc3339(head->time_ns, time);
    cs_buf out;
    cs_buf_init(&out);
    cs_json_text t = {.out = &out};
    cs_json_open(&t, '{');
    cs_json_put_text(&t, "specversion", CS_LIT("1.0"));
    cs_json_put_text(&t, "id", head->id);
    cs_json_put_text(&t, "source", head->source);
    cs_json_put_text(&t, "type", cs_slice_of(head->type));
    cs_json_put(&t, "subject",
                head->subject.n > 0 ? cs_string(head->subject)
                                    : cs_string_printf(a, "tenant/%.*s", CS_FMT(head->tenant)));
    cs_json_put_text(&t, "time", cs_slice_make(time, n));
    cs_json_put_text(&t, "datacontenttype", CS_LIT("application/json"));
    cs_json_put_text(&t, "partitionkey", head->key.n > 0 ? head->key : head->tenant);
    if (head->correlation.n > 0) {
        cs_json_put_text(&t, "correlationid", head->correlation);
    }
    cs_json_put(&t, "data", data);
    cs_json_close(&t);
    cs_slice text = {cs_arena_dup(a, out.p, out.n), out.n};
    cs_buf_destroy(&out);
    cs_event event;
    cs_event_reject reject;
    cs_err err = cs_event_read(a, text, false, &event, &reject);
    cs_assert(err == CS_OK);
    cs_slice key = head->key.n > 0 ? head->key : head->subject.n > 0 ? head->tenant : CS_LIT("");
    event.key = (cs_slice){cs_arena_dup(a, key.p, key.n), key.n};
    return event;
}

typedef struct telling {
    cs_journal_told *told;
    void *self;
} telling;

static void done(void *self, cs_journal_batch *batch, const cs_error *error)
{
    telling t = *(const telling *)self; /* lies in the batch */
    t.told(t.self, error);
    cs_journal_batch_free(batch);
}

cs_journal_batch *cs_journal_batch_telling(cs_journal_told *told, void *self)
{
    cs_journal_batch *batch = cs_journal_batch_new(done, NULL);
    telling *t = cs_arena_new(&batch->arena, telling);
    *t = (telling){.told = told, .self = self};
    batch->self = t;
    return batch;
}
