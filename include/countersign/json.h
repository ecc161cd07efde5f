/* JSON (RFC 8259), strict, exact numbers, values straight into an arena. The one parser for input, data, bundles and
 * events. Errors carry Go's words, because OPA's clients know them ("invalid character 'x' looking for beginning of
 * value", "unexpected EOF"; "EOF" for a blank text), and row and column of the offending byte. Thread-safe. */
#ifndef CS_JSON_H
#define CS_JSON_H

#include "countersign/value.h"

typedef struct cs_json_options {
    bool borrow; /* strings without escapes and number texts point into the text, which must then outlive the value */
    bool unique; /* two members of one name are an error: of what others may read otherwise nothing is believed */
    bool prefix; /* stop after the first value; otherwise anything but white space behind it is an error */
    uint32_t max_depth;  /* 0 = the limit json_depth */
    cs_freezer *freezer; /* makes the value frozen, in its arena; `borrow` means nothing then */
    bool consume; /* with a freezer: whole pages of the text are given back as they are read, and hold zeros then; the
                     caller owns the text and wants nothing of it any more, and no error has a row and a column */
} cs_json_options;

/* *consumed, if wanted, is how many bytes the value took. Duplicate keys: the last one wins, as in Go. Unpaired
 * surrogates become U+FFFD, invalid UTF-8 bytes likewise. Depth beyond the limit: CS_ERR_LIMIT. */
CS_MUST_CHECK cs_err cs_json_read(cs_arena *a, cs_slice text, const cs_json_options *options, cs_value *out,
                                  size_t *consumed, cs_error *e);

enum {
    CS_JSON_HTML = 1,    /* escape < > & U+2028 U+2029 as Go does; what OPA answers over HTTP */
    CS_JSON_PRETTY = 2,  /* two blanks a level, as OPA's ?pretty */
    CS_JSON_TAB = 4,     /* with PRETTY: a tab a level */
    CS_JSON_AS_MADE = 16 /* keys in the order in which they were put, as long as nothing has sorted the object */
};
/* Objects by their keys' text, sets as arrays in their order, keys that are not strings as their JSON text. */
void cs_json_write(cs_buf *out, cs_value v, unsigned flags);
/* One string with quotes. */
void cs_json_write_string(cs_buf *out, cs_slice s, unsigned flags);
/* RFC 8785 (JCS) except that numbers keep their exact decimal text, reduced: for digests and signatures of documents.
 * true: cs_json_write writes the same, but for characters that need an escape in one of them only. */
bool cs_json_write_canonical(cs_buf *out, cs_value v);
/* Has a JSON text no character that needs an escape in only one of plain, HTML and canonical? */
bool cs_json_is_common(cs_slice json);

/* JSON written piece by piece, for records whose members have an order of their own (Go's structs), where a value's
 * object would be sorted:
 *
 *   cs_json_text t = {.out = &buf, .flags = CS_JSON_PRETTY};
 *   cs_json_open(&t, '{');  cs_json_key(&t, "row");  cs_json_value(&t, cs_int(1));  cs_json_close(&t);
 *
 * Every open is closed again, keys stand in objects only, at most 64 levels are open at a time (within values there may
 * be more). */
typedef struct cs_json_text {
    cs_buf *out;
    unsigned flags;   /* CS_JSON_* */
    uint32_t depth;   /* levels open; the caller may start deeper, to write a part of a larger text */
    uint64_t objects; /* bit i: level i is an object */
    uint64_t filled;  /* bit i: level i has an item already */
    bool keyed;       /* a key was written, its value comes next */
} cs_json_text;
void cs_json_open(cs_json_text *t, char bracket); /* '{' or '[' */
void cs_json_close(cs_json_text *t);
void cs_json_key(cs_json_text *t, const char *key); /* written as it is: a plain word */
void cs_json_key_slice(cs_json_text *t, cs_slice key);
void cs_json_value(cs_json_text *t, cs_value v);
/* Shorthands: a key and its value. */
void cs_json_put(cs_json_text *t, const char *key, cs_value v);
void cs_json_put_text(cs_json_text *t, const char *key, cs_slice text);

/* Where the JSON value that begins at `at` ends: at the comma or the closing bracket of what is around it, or at the
 * end of the text. For JSON that we wrote ourselves: only strings and brackets are looked at. */
size_t cs_json_item_end(cs_slice json, size_t at);

#endif
