/* The ledger's rows in a snapshot.
 *
 *   1                                              the key of the hashes of ids, the clock of the set
 *   2 day                                          ids that arrived that day, in pieces (seen.c)
 *   3 day                                          corrections that arrived that day: wait, or wait no more
 *   4 tenant currency part                         a book: its version, and its buckets if they are few
 *   5 tenant currency part page                    a book's buckets of four days
 *
 * Ids are only ever added: each snapshot appends those since the one before, and drops whole days that are over. A book
 * is written again when it has changed: of its pages only those that did. Books of families are not here: they are the
 * sums of others. */
#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "spend/internal.h"

enum { ROW_CLOCK = 1, ROW_IDS, ROW_WAITS, ROW_BOOK, ROW_PAGE };
enum { PAGE_SLOTS = 4 * CS_SPEND__SLOTS_A_DAY, INLINE_BUCKETS = 96 };
enum { BOOK_PAGED = 1, BOOK_OVERFLOWN = 2 };

static void put_big(cs_buf *out, uint32_t v) /* most significant byte first, so that keys are in order */
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        cs_bytes_put_u8(out, (uint8_t)(v >> shift));
    }
}

static uint32_t take_big(cs_bytes *in)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        v = v << 8 | cs_bytes_u8(in);
    }
    return v;
}

/* ---- books */

static void put_book_key(cs_buf *out, const cs_spend__book *b, int kind)
{
    cs_buf_clear(out);
    cs_bytes_put_u8(out, (uint8_t)kind);
    cs_bytes_put_text(out, b->account->name);
    cs_buf_put(out, b->currency, 3);
    cs_bytes_put_text(out, b->part != NULL ? b->part->key : CS_LIT(""));
}

/* The buckets and marks of the slots [from, to). Returns how many buckets. */
static size_t put_slots(cs_buf *out, const cs_spend__book *b, int64_t from, int64_t to)
{
    size_t first = cs_spend__book_at(b, from);
    size_t end = cs_spend__book_at(b, to);
    int64_t before = from;
    cs_bytes_put_var(out, end - first);
    for (size_t i = first; i < end; i++) {
        const cs_spend__bucket *k = &b->buckets.v[i];
        cs_bytes_put_var(out, (uint64_t)(k->slot - before));
        cs_bytes_put_signed(out, k->posted);
        cs_bytes_put_var(out, k->events);
        /* Mostly an instant within the slot; INT64_MIN, and what is far away, as what it is. */
        int64_t within = k->last_ns < 0 ? -1 : k->last_ns - k->slot * CS_SPEND__SLOT_NS;
        bool near = within >= 0 && within < CS_SPEND__SLOT_NS;
        cs_bytes_put_var(out, near ? (uint64_t)within + 1 : 0);
        if (!near) {
            cs_bytes_put_u64(out, (uint64_t)k->last_ns);
        }
        before = k->slot;
    }
    size_t n = 0;
    for (size_t i = 0; i < b->marks.n; i++) {
        n += b->marks.v[i].slot >= from && b->marks.v[i].slot < to;
    }
    cs_bytes_put_var(out, n);
    for (size_t i = 0; i < b->marks.n && n > 0; i++) {
        const cs_spend__marks *m = &b->marks.v[i];
        if (m->slot >= from && m->slot < to) {
            cs_bytes_put_var(out, (uint64_t)(m->slot - from));
            cs_bytes_put_signed(out, m->late);
            cs_bytes_put_signed(out, m->corrected);
        }
    }
    return end - first;
}

static void put_pages(cs_spend *s, cs_spend__book *b, cs_snapshot *out)
{
    uint32_t first = b->buckets.n > 0 ? b->buckets.v[0].slot / PAGE_SLOTS : UINT32_MAX;
    uint32_t from = b->paged ? b->changed_from / PAGE_SLOTS : first;
    uint32_t to = b->paged ? b->changed_to / PAGE_SLOTS : UINT32_MAX - 1;
    uint32_t last = b->buckets.n > 0 ? b->buckets.v[b->buckets.n - 1].slot / PAGE_SLOTS : 0;
    put_book_key(&s->save.key, b, ROW_PAGE);
    size_t n = s->save.key.n;
    for (uint32_t page = b->first_page; b->paged && page < first && page <= last; page++) { /* forgotten since */
        s->save.key.n = n;
        put_big(&s->save.key, page);
        cs_snapshot_delete(out, cs_buf_view(&s->save.key));
    }
    for (uint32_t page = from > first ? from : first; page <= to && page <= last; page++) {
        cs_buf_clear(&s->save.row);
        if (put_slots(&s->save.row, b, (int64_t)page * PAGE_SLOTS, (int64_t)(page + 1) * PAGE_SLOTS) > 0) {
            s->save.key.n = n;
            put_big(&s->save.key, page);
            cs_snapshot_put(out, cs_buf_view(&s->save.key), cs_buf_view(&s->save.row));
        }
    }
    b->first_page = first;
    b->paged = true;
}

/* Under the lock of the book's shard: readers note overflows. */
static void put_book(void *self, void *row, cs_snapshot *out)
{
    cs_spend *s = self;
    cs_spend__book *b = row;
    cs_spend__shard *shard = s->save.unlocked ? cs_spend__shard_of(s, b->account->name) : NULL;
    if (shard != NULL) {
        cs_mutex_lock(&shard->lock);
    }
    if (b->paged || b->buckets.n > INLINE_BUCKETS) {
        put_pages(s, b, out);
    }
    cs_buf_clear(&s->save.row);
    cs_bytes_put_u8(&s->save.row, (uint8_t)((b->paged ? BOOK_PAGED : 0) | (b->overflow ? BOOK_OVERFLOWN : 0)));
    cs_bytes_put_var(&s->save.row, b->version);
    if (!b->paged) {
        (void)put_slots(&s->save.row, b, 0, INT64_MAX);
    }
    put_book_key(&s->save.key, b, ROW_BOOK);
    cs_snapshot_put(out, cs_buf_view(&s->save.key), cs_buf_view(&s->save.row));
    if (shard != NULL) {
        cs_mutex_unlock(&shard->lock);
    }
}

void cs_spend__book_touch(cs_spend__book *b, uint32_t slot)
{
    cs_dirty *d = b->account->rows; /* the first: of books */
    if (!d->on) {
        return;
    }
    if (b->dirty.epoch != d->epoch) {
        /* If the snapshot under way fails, what it had of the book must be written after all. */
        bool had = d->out != NULL && b->dirty.epoch == d->epoch - 1;
        cs_dirty_mark(d, b);
        b->changed_from = had ? b->changed_from : slot;
        b->changed_to = had ? b->changed_to : slot;
    }
    b->changed_from = slot < b->changed_from ? slot : b->changed_from;
    b->changed_to = slot > b->changed_to ? slot : b->changed_to;
}

/* ---- corrections that wait: a log, as the ids have */

void cs_spend__wait_note(cs_spend *s, const cs_spend__waiting *w, bool waits)
{
    if (!s->seen.logs) {
        return;
    }
    cs_buf *out = cs_spend__piece_for(&s->save.waits_log, w->slot / CS_SPEND__SLOTS_A_DAY, 256);
    cs_bytes_put_u8(out, waits);
    cs_bytes_put_u64(out, w->id.a);
    cs_bytes_put_u64(out, w->id.b);
    if (waits) {
        cs_bytes_put_u64(out, w->root.a);
        cs_bytes_put_u64(out, w->root.b);
        cs_bytes_put_text(out, w->account->name);
        cs_buf_put(out, w->currency, 3);
        cs_bytes_put_text(out, cs_slice_make(w->scope, w->n_scope));
        cs_bytes_put_signed(out, w->nanos);
        cs_bytes_put_u32(out, w->slot);
    }
}

static bool restore_waits(cs_spend *s, cs_slice piece)
{
    cs_bytes in = cs_bytes_of(piece);
    while (cs_bytes_left(&in) > 0) {
        bool waits = cs_bytes_u8(&in) != 0;
        cs_spend__waiting w = {.id = {cs_bytes_u64(&in), 0}};
        w.id.b = cs_bytes_u64(&in);
        cs_spend__waits_remove(&s->waits, w.id);
        if (!waits) {
            continue;
        }
        w.root.a = cs_bytes_u64(&in);
        w.root.b = cs_bytes_u64(&in);
        cs_slice tenant = cs_bytes_text(&in);
        cs_slice currency = cs_bytes_take(&in, 3);
        cs_slice scope = cs_bytes_text(&in);
        w.nanos = cs_bytes_signed(&in);
        w.slot = cs_bytes_u32(&in);
        if (in.bad) {
            return false;
        }
        memcpy(w.currency, currency.p, 3);
        cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
        cs_mutex_lock(&shard->lock);
        w.account = cs_spend__account_make(s, shard, tenant);
        cs_mutex_unlock(&shard->lock);
        if (scope.n > 0) {
            w.scope = cs_alloc(scope.n);
            w.n_scope = scope.n;
            memcpy(w.scope, scope.p, scope.n);
        }
        cs_spend__waits_add(&s->waits, &w, (int64_t)s->seen.clock - s->seen.keep);
    }
    return !in.bad;
}

/* ---- the days of which there are rows */

static void note_day(cs_spend *s, uint32_t day)
{
    for (size_t i = s->save.days.n; i-- > 0;) {
        if (s->save.days.v[i] == day) {
            return;
        }
    }
    CS_VEC_PUSH(&s->save.days, day);
}

static void put_days(cs_spend *s, cs_snapshot *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->save.days.n; i++) {
        uint32_t day = s->save.days.v[i];
        if ((int64_t)(day + 1) * CS_SPEND__SLOTS_A_DAY + s->seen.keep >= s->seen.clock) {
            s->save.days.v[kept++] = day;
            continue;
        }
        for (int kind = ROW_IDS; kind <= ROW_WAITS; kind++) {
            cs_buf_clear(&s->save.key);
            cs_bytes_put_u8(&s->save.key, (uint8_t)kind);
            put_big(&s->save.key, day);
            cs_snapshot_delete(out, cs_buf_view(&s->save.key));
        }
    }
    s->save.days.n = kept;
}

static bool put_pieces(cs_spend *s, int kind, const cs_spend__pieces *pieces, size_t *next, int64_t until_mono)
{
    for (; *next < pieces->n; (*next)++) {
        if (cs_snapshot_behind(s->save.out) || cs_time_mono_ns() >= until_mono) {
            return false;
        }
        const cs_spend__piece *p = &pieces->v[*next];
        cs_buf_clear(&s->save.key);
        cs_bytes_put_u8(&s->save.key, (uint8_t)kind);
        put_big(&s->save.key, p->day);
        cs_snapshot_append(s->save.out, cs_buf_view(&s->save.key), cs_buf_view(&p->bytes));
    }
    return true;
}

/* ---- the hooks */

static void cut(void *self, cs_snapshot *out)
{
    cs_spend *s = self;
    s->save.out = out;
    s->save.ids_cut = s->seen.log;
    s->save.waits_cut = s->save.waits_log;
    s->seen.log = (cs_spend__pieces){.n = 0};
    s->save.waits_log = (cs_spend__pieces){.n = 0};
    s->save.ids_next = s->save.waits_next = 0;
    for (size_t i = 0; i < s->save.ids_cut.n; i++) {
        note_day(s, s->save.ids_cut.v[i].day);
    }
    cs_buf_clear(&s->save.row);
    cs_bytes_put_u64(&s->save.row, s->seen.key[0]);
    cs_bytes_put_u64(&s->save.row, s->seen.key[1]);
    cs_bytes_put_u32(&s->save.row, s->seen.clock);
    cs_snapshot_put(out, CS_LIT("\1"), cs_buf_view(&s->save.row));
    put_days(s, out);
    cs_dirty_cut(&s->rows[0], out);
}

static bool save(void *self, int64_t until_mono)
{
    cs_spend *s = self;
    if (!put_pieces(s, ROW_IDS, &s->save.ids_cut, &s->save.ids_next, until_mono) ||
        !put_pieces(s, ROW_WAITS, &s->save.waits_cut, &s->save.waits_next, until_mono)) {
        return false;
    }
    s->save.unlocked = true;
    bool all = cs_dirty_save(&s->rows[0], until_mono);
    s->save.unlocked = false;
    return all;
}

/* What was lost goes in front of what came since. */
static void give_back(cs_spend__pieces *to, cs_spend__pieces *from)
{
    for (size_t i = 0; i < to->n; i++) {
        CS_VEC_PUSH(from, to->v[i]);
    }
    CS_VEC_FREE(to);
    *to = *from;
    *from = (cs_spend__pieces){.n = 0};
}

static void saved(void *self, bool ok)
{
    cs_spend *s = self;
    if (ok) {
        cs_spend__pieces_free(&s->save.ids_cut);
        cs_spend__pieces_free(&s->save.waits_cut);
    } else {
        give_back(&s->seen.log, &s->save.ids_cut);
        give_back(&s->save.waits_log, &s->save.waits_cut);
    }
    s->save.out = NULL;
    cs_dirty_saved(&s->rows[0], ok);
}

static bool restore_slots(cs_bytes *in, cs_spend__book *b, int64_t from)
{
    int64_t slot = from;
    for (uint64_t n = cs_bytes_var(in); n > 0 && !in->bad; n--) {
        slot += (int64_t)(cs_bytes_var(in) & UINT32_MAX);
        cs_spend__bucket k = {.slot = (uint32_t)slot};
        k.posted = cs_bytes_signed(in);
        k.events = (uint32_t)cs_bytes_var(in);
        uint64_t within = cs_bytes_var(in);
        k.last_ns = within != 0 ? (int64_t)within - 1 + slot * CS_SPEND__SLOT_NS : (int64_t)cs_bytes_u64(in);
        if (in->bad || (b->buckets.n > 0 && b->buckets.v[b->buckets.n - 1].slot >= k.slot)) {
            return false;
        }
        CS_VEC_PUSH(&b->buckets, k);
    }
    for (uint64_t n = cs_bytes_var(in); n > 0 && !in->bad; n--) {
        cs_spend__marks m = {.slot = (uint32_t)(from + (int64_t)(cs_bytes_var(in) & UINT32_MAX))};
        m.late = cs_bytes_signed(in);
        m.corrected = cs_bytes_signed(in);
        if (in->bad || (b->marks.n > 0 && b->marks.v[b->marks.n - 1].slot >= m.slot)) {
            return false;
        }
        CS_VEC_PUSH(&b->marks, m);
    }
    return !in->bad;
}

static bool restore_book(cs_spend *s, cs_bytes *key, cs_slice value, bool page)
{
    cs_slice tenant = cs_bytes_text(key);
    cs_slice currency = cs_bytes_take(key, 3);
    cs_slice part = cs_bytes_text(key);
    uint32_t number = page ? take_big(key) : 0;
    if (!cs_bytes_whole(key) || tenant.n == 0 || !cs_spend__key_is_whole(part)) {
        return false;
    }
    cs_bytes in = cs_bytes_of(value);
    cs_spend__shard *shard = cs_spend__shard_of(s, tenant);
    cs_mutex_lock(&shard->lock);
    cs_spend__book *b = cs_spend__own_book(cs_spend__account_make(s, shard, tenant), part, currency.p);
    bool good = true;
    if (page) {
        b->first_page = b->buckets.n == 0 ? number : b->first_page;
        good = restore_slots(&in, b, (int64_t)number * PAGE_SLOTS);
    } else {
        uint8_t flags = cs_bytes_u8(&in);
        b->paged = (flags & BOOK_PAGED) != 0;
        b->overflow = (flags & BOOK_OVERFLOWN) != 0;
        b->version = cs_bytes_var(&in);
        good = b->paged || restore_slots(&in, b, 0);
    }
    cs_mutex_unlock(&shard->lock);
    return good && cs_bytes_whole(&in);
}

static cs_err restore(void *self, cs_slice key, cs_slice value, cs_error *e)
{
    cs_spend *s = self;
    cs_bytes in = cs_bytes_of(key);
    uint8_t kind = cs_bytes_u8(&in);
    bool good = false;
    if (kind == ROW_CLOCK) {
        cs_bytes v = cs_bytes_of(value);
        s->seen.key[0] = cs_bytes_u64(&v);
        s->seen.key[1] = cs_bytes_u64(&v);
        s->seen.source_n = 0;
        uint32_t clock = cs_bytes_u32(&v);
        good = cs_bytes_whole(&in) && cs_bytes_whole(&v);
        cs_spend__seen_tick(&s->seen, clock);
    } else if (kind == ROW_IDS || kind == ROW_WAITS) {
        uint32_t day = take_big(&in);
        note_day(s, day);
        good = cs_bytes_whole(&in) &&
               (kind == ROW_IDS ? cs_spend__seen_restore(&s->seen, day, value) : restore_waits(s, value));
    } else if (kind == ROW_BOOK || kind == ROW_PAGE) {
        good = restore_book(s, &in, value, kind == ROW_PAGE);
    }
    return good ? CS_OK : cs_fail(e, CS_ERR_INVALID, "the snapshot's row of kind %u of the ledger is wrong", kind);
}

static cs_err restored(void *self, cs_error *e)
{
    (void)e;
    cs_spend__rebind(self);
    return CS_OK;
}

void cs_spend__save_init(cs_spend *s)
{
    bool on = cs_journal_keeps_snapshots(s->journal);
    s->seen.logs = on;
    cs_dirty_init(&s->rows[0], on, put_book, s, offsetof(cs_spend__book, dirty));
    cs_buf_init(&s->save.row);
    cs_buf_init(&s->save.key);
}

void cs_spend__save_destroy(cs_spend *s)
{
    cs_dirty_destroy(&s->rows[0]);
    cs_dirty_destroy(&s->rows[1]);
    cs_spend__pieces_free(&s->save.waits_log);
    cs_spend__pieces_free(&s->save.ids_cut);
    cs_spend__pieces_free(&s->save.waits_cut);
    CS_VEC_FREE(&s->save.days);
    cs_buf_destroy(&s->save.row);
    cs_buf_destroy(&s->save.key);
}

void cs_spend__save_hooks(cs_fold *fold)
{
    fold->name = "spend";
    fold->format = 2;
    fold->cut = cut;
    fold->save = save;
    fold->saved = saved;
    fold->restore = restore;
    fold->restored = restored;
}
