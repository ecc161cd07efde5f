/* The data everything speaks: JSON plus sets, with Rego's total order. A value is 16 bytes, passed by value, immutable
 * once it is visible to anyone but its builder. It owns nothing: what it points to lives in an arena (a request's or a
 * world's) or in the text that it was parsed from, and the value is good exactly as long as that. No reference counts.
 *
 * Order: null < boolean < number < string < array < object < set (OPA v1/ast/compare.go).
 * Thread-safety: values of a world are frozen (cs_freeze) and may be read by all threads; values in a request's arena
 * belong to its thread, since iteration sorts tables in place when it first needs the order. */
#ifndef CS_VALUE_H
#define CS_VALUE_H

#include "countersign/base/arena.h"
#include "countersign/base/buf.h"
#include "countersign/base/err.h"
#include "countersign/base/slice.h"

typedef enum cs_kind {
    CS_UNDEFINED = 0, /* no value; never inside a collection */
    CS_NULL,
    CS_BOOL,
    CS_NUMBER,
    CS_STRING,
    CS_ARRAY,
    CS_OBJECT,
    CS_SET,
    CS_PRIVATE /* for the engine's own registers: never visible outside it, never inside a collection */
} cs_kind;

/* How a number is held: an int64 whose text is its canonical decimal, or a text (number.h). */
enum { CS_NUMBER_INT = 0, CS_NUMBER_TEXT = 1 };

typedef struct cs_table cs_table;
typedef struct cs_number cs_number;

typedef struct cs_value {
    uint8_t kind; /* cs_kind */
    uint8_t form; /* CS_NUMBER_* for numbers; for CS_PRIVATE whatever the engine wants */
    uint16_t aux; /* 0; for CS_PRIVATE whatever the engine wants */
    uint32_t n;   /* bytes of a string, items of an array; 0 otherwise */
    union {
        bool b;
        int64_t i;
        const char *s;
        const struct cs_value *items;
        const cs_number *number;
        cs_table *table; /* objects and sets */
        void *p;
    } u;
} cs_value;

_Static_assert(sizeof(cs_value) == 16, "a value is two words");

/* Objects and sets. Up to CS_TABLE_LINEAR entries are searched by their hashes in a row; more get an open-addressed
 * index. Entries stand in insertion order until somebody needs the order of values; then they are sorted once, in
 * place. */
#define CS_TABLE_LINEAR 8U
struct cs_table {
    uint32_t n;
    uint32_t cap;
    uint32_t mask;  /* slots - 1, or 0 without an index */
    bool sorted;    /* the entries are in cs_compare order of their keys */
    bool frozen;    /* belongs to a world: never written again */
    cs_value *keys; /* `cap` of them; behind them their hashes, and behind those the slots of the index */
    cs_value *vals; /* NULL in a set */
};

/* cs_hash of each key. An empty set has no keys, and then no hashes either. */
static inline uint32_t *cs_table_hashes(const cs_table *t)
{
    return (uint32_t *)((uintptr_t)t->keys + sizeof *t->keys * t->cap);
}
/* The index: 1-based entry numbers, 0 = empty. Of a table with a mask only. */
static inline uint32_t *cs_table_slots(const cs_table *t)
{
    return cs_table_hashes(t) + t->cap;
}

/* ---- constructors: no allocation */
static inline cs_value cs_undefined(void)
{
    return (cs_value){.kind = CS_UNDEFINED};
}
static inline cs_value cs_null(void)
{
    return (cs_value){.kind = CS_NULL};
}
static inline cs_value cs_bool(bool b)
{
    return (cs_value){.kind = CS_BOOL, .u.i = b};
}
static inline cs_value cs_int(int64_t i)
{
    return (cs_value){.kind = CS_NUMBER, .form = CS_NUMBER_INT, .u.i = i};
}
/* Points to the bytes (valid UTF-8, at most UINT32_MAX); does not copy. */
static inline cs_value cs_string(cs_slice s)
{
    return (cs_value){.kind = CS_STRING, .n = (uint32_t)s.n, .u.s = s.p};
}
/* Points to the items; does not copy. */
static inline cs_value cs_array(const cs_value *items, size_t n)
{
    return (cs_value){.kind = CS_ARRAY, .n = (uint32_t)n, .u.items = items};
}

/* ---- constructors that copy into an arena */
cs_value cs_string_copy(cs_arena *a, cs_slice s);
cs_value cs_string_printf(cs_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
cs_value cs_array_copy(cs_arena *a, const cs_value *items, size_t n);

/* ---- objects and sets under construction. `hint` is how many entries to expect (0 = unknown). */
cs_value cs_object_new(cs_arena *a, uint32_t hint);
cs_value cs_set_new(cs_arena *a, uint32_t hint);
/* Adds, or replaces the value of an equal key (the first spelling of the key stays). */
void cs_object_put(cs_arena *a, cs_value object, cs_value key, cs_value value);
/* As put, but when the key is there with another value nothing changes and the answer is false. */
bool cs_object_put_once(cs_arena *a, cs_value object, cs_value key, cs_value value);
/* As put with a string key that is not copied. */
void cs_object_put_text(cs_arena *a, cs_value object, const char *key, cs_value value);
/* false if an equal element was there. */
bool cs_set_add(cs_arena *a, cs_value set, cs_value element);

/* ---- access */
static inline bool cs_is(cs_value v, cs_kind kind)
{
    return v.kind == (uint8_t)kind;
}
static inline bool cs_is_undefined(cs_value v)
{
    return v.kind == CS_UNDEFINED;
}
/* Only false and undefined fail a statement. */
static inline bool cs_truthy(cs_value v)
{
    return v.kind != CS_UNDEFINED && !(v.kind == CS_BOOL && v.u.i == 0);
}
static inline cs_slice cs_text(cs_value string)
{
    return (cs_slice){string.u.s, string.n};
}
/* Items of an array, entries of an object or a set, 0 for anything else. */
static inline uint32_t cs_count(cs_value v)
{
    return v.kind == CS_ARRAY ? v.n : (v.kind == CS_OBJECT || v.kind == CS_SET) ? v.u.table->n : 0;
}
/* The value under a key, or NULL. Objects only. */
const cs_value *cs_object_get(cs_value object, cs_value key);
const cs_value *cs_object_get_text(cs_value object, const char *key);
/* The value itself; undefined if there is none, or what should have it is no object. */
static inline cs_value cs_object_member(cs_value v, const char *key)
{
    const cs_value *found = v.kind == CS_OBJECT ? cs_object_get_text(v, key) : NULL;
    return found != NULL ? *found : cs_undefined();
}
/* With the hash of a string key known beforehand (cs_hash of the string): the engine's fast path. */
const cs_value *cs_object_get_hashed(cs_value object, cs_value key, uint32_t hash);
bool cs_set_has(cs_value set, cs_value element);
/* What Rego's v[key] is: object value, array item (non-negative integral index whose text is an integer), set element;
 * undefined otherwise. */
cs_value cs_index(cs_value v, cs_value key);
/* Entry i of an object or set in the order of values; sorts on first use. NULL of `value` where it is not wanted. */
cs_value cs_entry(cs_value table, uint32_t i, cs_value *value);
/* Sorts now, so that keys[0..n) are in order. */
void cs_table_sort(cs_table *t);

/* ---- comparing */
int cs_compare(cs_value a, cs_value b); /* negative, 0, positive: the total order */
bool cs_equal(cs_value a, cs_value b);  /* 1 == 1.0 */
/* Equal values have equal hashes, whatever their spelling or insertion order. Strings: cs_hash_bytes of the bytes. */
uint32_t cs_hash(cs_value v);

/* ---- copies */
/* A deep copy into `a`, sorted, indexed and never to be written again: what a world is made of. Equal strings of up to
 * 64 bytes become one copy, objects with the same keys share them. Recursion is bounded by the depth limit of what was
 * parsed. */
cs_value cs_freeze(cs_arena *a, cs_value v);
/* The same for several values that may share, and for what is read from JSON (json.h). One thread at a time; lives as
 * long as values are added, the arena longer. */
typedef struct cs_freezer cs_freezer;
cs_freezer *cs_freezer_new(cs_arena *a);
void cs_freezer_free(cs_freezer *f); /* NULL is fine */
cs_value cs_freezer_put(cs_freezer *f, cs_value v);
/* As put, where everything but objects is frozen in the arena already, and most objects: those are taken as they are.
 */
cs_value cs_freezer_put_upper(cs_freezer *f, cs_value v);
/* A shallow copy of a table that may be changed, with room for `extra` more entries. */
cs_value cs_object_clone(cs_arena *a, cs_value object, uint32_t extra);
cs_value cs_set_clone(cs_arena *a, cs_value set, uint32_t extra);

/* ---- texts */
const char *cs_kind_name(cs_value v); /* "null", "boolean", "number", "string", "array", "object", "set", "undefined" */
/* As Rego text: [1, "x"], {"a": 1}, {1, 2}, set(). Strings quoted as OPA quotes them (Go's strconv.Quote). */
void cs_value_print(cs_buf *out, cs_value v);
/* The same on one line, as errors show it: runs of white space become single spaces, and what is longer than `max`
 * characters ends in "...". */
void cs_value_print_line(cs_buf *out, cs_value v, uint32_t max);
/* Go's strconv.Quote of a text. */
void cs_quote(cs_buf *out, cs_slice s);

/* ---- paths: arrays of keys */
/* Follows the keys by cs_index; undefined if any is missing. */
cs_value cs_lookup(cs_value root, const cs_value *path, size_t n);
/* A new root in which the document at `path` is `value`; tables on the way are copied, everything else is shared,
 * missing parents (and parents that are not objects) become objects. n == 0 gives `value`. */
cs_value cs_upsert(cs_arena *a, cs_value root, const cs_value *path, size_t n, cs_value value);
/* A new root without the object key at `path`; the same root if it is not there. */
cs_value cs_remove(cs_arena *a, cs_value root, const cs_value *path, size_t n);
/* Deep merge as OPA merges data files: objects key by key; on any other clash CS_ERR_CONFLICT, and *e names the path.
 */
CS_MUST_CHECK cs_err cs_merge(cs_arena *a, cs_value x, cs_value y, cs_value *out, cs_error *e);

#endif
