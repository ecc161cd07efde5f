/* A row of a snapshot in memory. */
#ifndef CS_TESTS_MEMORY_ROW_H
#define CS_TESTS_MEMORY_ROW_H

/* A row of the snapshot, or a change of one that is under way ('P', 'A', 'D'). */
typedef struct memory_row {
    size_t fold;
    char op;
    cs_slice key, value; /* owned */
} memory_row;

struct cs_snapshot {
    cs_journal *journal;
    size_t fold;
};

static inline cs_slice memory_copy(cs_slice s)
{
    char *p = cs_alloc(s.n + 1);
    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    p[s.n] = 0;
    return cs_slice_make(p, s.n);
}
static inline void memory_row_free(const memory_row *row)
{
    cs_free((char *)(uintptr_t)row->key.p);
    cs_free((char *)(uintptr_t)row->value.p);
}

#endif
