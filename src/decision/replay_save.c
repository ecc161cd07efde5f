/* Remembered answers in snapshots: a row for each, by tenant and request id. */
#include "countersign/base/bytes.h"
#include "countersign/base/mem.h"
#include "internal.h"

static void put_entry(void *self, void *row, cs_snapshot *out)
{
    cs_effects *x = self;
    const cs_decision__entry *entry = row;
    const cs_answer *answer = &entry->answer;
    cs_buf *b = &x->row;
    cs_buf_clear(b);
    cs_buf_put(b, (const char *)entry->digest, CS_INPUT_DIGEST);
    cs_bytes_put_u64(b, (uint64_t)entry->until_ns);
    cs_bytes_put_u64(b, (uint64_t)entry->placed_ns);
    cs_bytes_put_u8(b, entry->has_answer);
    if (entry->has_answer) {
        cs_bytes_put_var(b, (uint64_t)answer->status);
        cs_bytes_put_text(b, answer->content_type);
        cs_bytes_put_text(b, answer->body);
        cs_bytes_put_var(b, answer->n_headers);
        for (size_t i = 0; i < answer->n_headers; i++) {
            cs_bytes_put_text(b, answer->headers[i].name);
            cs_bytes_put_text(b, answer->headers[i].value);
        }
    }
    cs_snapshot_put(out, entry->key, cs_buf_view(b));
}

static void cut(void *self, cs_snapshot *out)
{
    cs_dirty_cut(&((cs_effects *)self)->rows, out);
}

static bool save(void *self, int64_t until_mono)
{
    return cs_dirty_save(&((cs_effects *)self)->rows, until_mono);
}

static void saved(void *self, bool ok)
{
    cs_dirty_saved(&((cs_effects *)self)->rows, ok);
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_effects *x = self;
    cs_bytes in = cs_bytes_of(value);
    cs_slice digest = cs_bytes_take(&in, CS_INPUT_DIGEST);
    int64_t until = (int64_t)cs_bytes_u64(&in);
    int64_t placed = (int64_t)cs_bytes_u64(&in);
    bool has = cs_bytes_u8(&in) != 0;
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_answer answer = {.content_type = CS_LIT(""), .body = CS_LIT("")};
    if (has) {
        answer.status = (int)cs_bytes_var(&in);
        answer.content_type = cs_bytes_text(&in);
        answer.body = cs_bytes_text(&in);
        uint64_t n = cs_bytes_var(&in);
        n = n <= cs_bytes_left(&in) ? n : 0;
        cs_answer_header *headers = cs_arena_array(&a, cs_answer_header, n);
        for (; answer.n_headers < n; answer.n_headers++) {
            headers[answer.n_headers].name = cs_bytes_text(&in);
            headers[answer.n_headers].value = cs_bytes_text(&in);
        }
        answer.headers = headers;
    }
    bool good = cs_bytes_whole(&in) && digest.n == CS_INPUT_DIGEST;
    cs_mutex_lock(&x->lock);
    if (good) { /* what is over goes with the next decision, from here and from the snapshot */
        cs_decision__entry *entry = cs_decision__replay_add(x, key);
        memcpy(entry->digest, digest.p, CS_INPUT_DIGEST);
        entry->placed_ns = placed;
        cs_decision__replay_settle(x, entry, has ? &answer : NULL, until);
    }
    cs_mutex_unlock(&x->lock);
    cs_arena_destroy(&a);
    return good ? CS_OK : cs_fail(e, CS_ERR_INVALID, "a row of the snapshot's answers is wrong");
}

void cs_decision__replay_save_init(cs_effects *x)
{
    cs_dirty_init(&x->rows, cs_journal_keeps_snapshots(x->journal), put_entry, x, offsetof(cs_decision__entry, dirty));
    cs_buf_init(&x->row);
}

void cs_decision__replay_save_destroy(cs_effects *x)
{
    cs_dirty_destroy(&x->rows);
    cs_buf_destroy(&x->row);
}

void cs_decision__replay_save_hooks(cs_fold *answers, cs_fold *voids)
{
    answers->name = "answers";
    answers->format = 1;
    answers->cut = cut;
    answers->save = save;
    answers->saved = saved;
    answers->restore = restore;
    cs_fold_without_rows(voids, "answers.voided"); /* it only takes answers back */
}
