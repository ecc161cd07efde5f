/* Shared by the files of this folder: operands, errors, and text under construction. */
#ifndef CS_REGO_BUILTIN_INTERNAL_H
#define CS_REGO_BUILTIN_INTERNAL_H

#include "countersign/base/limits.h"
#include "countersign/number.h"
#include "rego/builtin/builtin.h"

/* ---- the functions of builtins.def */
#define CS_BUILTIN(name, infix, category, function, flags, signature) cs_err function(cs_call *call, cs_value *out);
#define CS_BUILTIN_NONE(name, infix, category, flags, signature)
#include "rego/builtin/builtins.def"
#undef CS_BUILTIN
#undef CS_BUILTIN_NONE

/* ---- operands (i is 1-based): OPA's type error if it is of another kind */
CS_MUST_CHECK cs_err cs_call__number(cs_call *call, uint32_t i, cs_value *out);
CS_MUST_CHECK cs_err cs_call__array(cs_call *call, uint32_t i, cs_value *out);
CS_MUST_CHECK cs_err cs_call__object(cs_call *call, uint32_t i, cs_value *out);
CS_MUST_CHECK cs_err cs_call__set(cs_call *call, uint32_t i, cs_value *out);
/* An integer of any size, however spelled ("integer" in the error). */
CS_MUST_CHECK cs_err cs_call__integral(cs_call *call, uint32_t i, cs_value *out);
/* The same for a value that is not the operand itself but a part of it. */
CS_MUST_CHECK cs_err cs_call__kind(cs_call *call, uint32_t i, cs_value v, cs_kind kind, const char *want);

/* "operand 2 " + text, as a type error. */
CS_MUST_CHECK cs_err cs_call__operand_error(cs_call *call, uint32_t i, const char *format, ...) CS_PRINTF(3, 4);
CS_MUST_CHECK cs_err cs_call__type_error_of(cs_call *call, uint32_t i, cs_value got, const char *want);
/* "operand 1 must be array of numbers but got array containing string". */
CS_MUST_CHECK cs_err cs_call__element_error(cs_call *call, uint32_t i, cs_value composite, cs_value got,
                                            const char *want);
/* Stops the evaluation: what is being made is larger than the limit of that name. */
CS_MUST_CHECK cs_err cs_call__limit_error(cs_call *call, const char *limit);

/* Item i of an array or entry i of a set in order. */
static inline cs_value cs_call__item(cs_value array_or_set, uint32_t i)
{
    return array_or_set.kind == CS_ARRAY ? array_or_set.u.items[i] : cs_entry(array_or_set, i, NULL);
}
static inline bool cs_call__is_list(cs_value v)
{
    return v.kind == CS_ARRAY || v.kind == CS_SET;
}

static inline cs_err cs_call__give(cs_value *out, cs_value v)
{
    *out = v;
    return CS_OK;
}

/* ---- text of a length known beforehand: bytes of the arena to fill, or the error of the limit string_bytes */
CS_MUST_CHECK cs_err cs_call__room(cs_call *call, size_t n, char **out);

/* ---- text under construction: short ones on the stack, longer ones in the arena; never beyond the limit string_bytes
 */
typedef struct cs_sink {
    cs_call *call;
    char *p;
    size_t n;
    size_t cap;
    bool full; /* the limit was hit; what follows is dropped */
    char room[400];
} cs_sink;

static inline void cs_sink__init(cs_sink *s, cs_call *call)
{
    s->call = call;
    s->p = s->room;
    s->n = 0;
    s->cap = sizeof s->room;
    s->full = false;
}
void cs_sink__grow(cs_sink *s, size_t more);
static inline void cs_sink__put(cs_sink *s, const char *p, size_t n)
{
    if (s->cap - s->n < n) {
        cs_sink__grow(s, n);
        if (s->full) {
            return;
        }
    }
    memcpy(s->p + s->n, p, n);
    s->n += n;
}
static inline void cs_sink__byte(cs_sink *s, char c)
{
    cs_sink__put(s, &c, 1);
}
static inline void cs_sink__slice(cs_sink *s, cs_slice text)
{
    if (text.n) {
        cs_sink__put(s, text.p, text.n);
    }
}
static inline void cs_sink__text(cs_sink *s, const char *text)
{
    cs_sink__put(s, text, strlen(text));
}
void cs_sink__rune(cs_sink *s, uint32_t rune);
/* The text as Go's strconv.Quote has it, or the value as Rego text. */
void cs_sink__quote(cs_sink *s, cs_slice text);
void cs_sink__value(cs_sink *s, cs_value v);
void cs_sink__int(cs_sink *s, int64_t v);
/* The text as a string value in the arena, or the error of the limit. */
CS_MUST_CHECK cs_err cs_sink__done(cs_sink *s, cs_value *out);
/* The same as a slice. */
CS_MUST_CHECK cs_err cs_sink__slice_done(cs_sink *s, cs_slice *out);

/* ---- lists under construction */
typedef struct cs_list {
    cs_value *v;
    size_t n;
    size_t cap;
} cs_list;
void cs_list__add(cs_call *call, cs_list *list, cs_value v);
static inline cs_value cs_list__array(const cs_list *list)
{
    return cs_array(list->v, list->n);
}

#endif
