/* The snapshots of the journal in memory: part of memory.h. */
#ifndef CS_TESTS_MEMORY_ROWS_H
#define CS_TESTS_MEMORY_ROWS_H

/* ---- what the folds write to */

static void memory_write(cs_snapshot *out, char op, cs_slice key, cs_slice value)
{
    cs_journal *j = out->journal;
    memory_row row = {.fold = out->fold, .op = op, .key = memory_copy(key), .value = memory_copy(value)};
    CS_VEC_PUSH(&j->changes, row);
    j->room -= j->room > 0;
}
void cs_snapshot_put(cs_snapshot *out, cs_slice key, cs_slice value)
{
    memory_write(out, 'P', key, value);
}
void cs_snapshot_append(cs_snapshot *out, cs_slice key, cs_slice value)
{
    memory_write(out, 'A', key, value);
}
void cs_snapshot_delete(cs_snapshot *out, cs_slice key)
{
    memory_write(out, 'D', key, CS_LIT(""));
}
bool cs_snapshot_behind(const cs_snapshot *out)
{
    return out->journal->room == 0;
}

static int memory_compare(const memory_row *x, const memory_row *y)
{
    return x->fold != y->fold ? (x->fold < y->fold ? -1 : 1) : cs_slice_compare(x->key, y->key);
}

/* The first row behind all smaller ones. */
static size_t memory_find(const cs_journal *j, const memory_row *row)
{
    size_t from = 0;
    size_t to = j->rows.n;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (memory_compare(&j->rows.v[middle], row) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static void memory_apply(cs_journal *j, const memory_row *row)
{
    size_t at = memory_find(j, row);
    size_t end = at;
    while (end < j->rows.n && memory_compare(&j->rows.v[end], row) == 0) {
        end++;
    }
    if (row->op != 'A' && end > at) {
        for (size_t i = at; i < end; i++) {
            memory_row_free(&j->rows.v[i]);
        }
        memmove(j->rows.v + at, j->rows.v + end, (j->rows.n - end) * sizeof *j->rows.v);
        j->rows.n -= end - at;
        end = at;
    }
    if (row->op == 'D') {
        memory_row_free(row);
        return;
    }
    CS_VEC_PUSH(&j->rows, *row);
    memmove(j->rows.v + end + 1, j->rows.v + end, (j->rows.n - 1 - end) * sizeof *j->rows.v);
    j->rows.v[end] = *row;
}

static void memory_drop_changes(cs_journal *j)
{
    for (size_t i = 0; i < j->changes.n; i++) {
        memory_row_free(&j->changes.v[i]);
    }
    j->changes.n = 0;
    j->cutting = false;
}

/* The instant of a snapshot. */
static void memory_cut(cs_journal *j)
{
    j->cutting = true;
    for (size_t i = 0; i < j->n_folds; i++) {
        j->outs[i] = (cs_snapshot){.journal = j, .fold = i};
        j->folds[i].cut(j->folds[i].self, &j->outs[i]);
    }
}

/* Some rows of it; when all are out it is durable (true), or with `fails` it never was. */
static bool memory_save(cs_journal *j, size_t rows, bool fails)
{
    bool all = true;
    j->room = rows;
    for (size_t i = 0; all && i < j->n_folds; i++) {
        all = j->folds[i].save(j->folds[i].self, INT64_MAX);
    }
    if (!all && !fails) {
        return false;
    }
    for (size_t i = 0; i < j->n_folds; i++) {
        j->folds[i].saved(j->folds[i].self, !fails);
    }
    if (!fails) {
        for (size_t i = 0; i < j->changes.n; i++) {
            memory_apply(j, &j->changes.v[i]);
        }
        j->changes.n = 0;
    }
    memory_drop_changes(j);
    return !fails;
}

/* The snapshot is lost: the log alone is left. */
static void memory_lose_snapshot(cs_journal *j)
{
    for (size_t i = 0; i < j->rows.n; i++) {
        memory_row_free(&j->rows.v[i]);
    }
    j->rows.n = 0;
}

#endif
