/* RE2 behind C. Everything may be used by several threads at once. */
#ifndef CS_REGO_BUILTIN_REGEX_RE2_H
#define CS_REGO_BUILTIN_REGEX_RE2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cs_re2 cs_re2;

typedef enum cs_re2_error {
    CS_RE2_OK,
    CS_RE2_INTERNAL,
    CS_RE2_BAD_ESCAPE,
    CS_RE2_BAD_CLASS,
    CS_RE2_BAD_RANGE,
    CS_RE2_MISSING_BRACKET,
    CS_RE2_MISSING_PAREN,
    CS_RE2_UNEXPECTED_PAREN,
    CS_RE2_TRAILING_BACKSLASH,
    CS_RE2_REPEAT_ARGUMENT,
    CS_RE2_REPEAT_SIZE,
    CS_RE2_REPEAT_OP,
    CS_RE2_BAD_PERL,
    CS_RE2_BAD_UTF8,
    CS_RE2_BAD_NAME,
    CS_RE2_TOO_LARGE
} cs_re2_error;

/* Where a group matched; from == SIZE_MAX if it took no part. */
typedef struct cs_re2_span {
    size_t from, to;
} cs_re2_span;

/* NULL if the pattern is not one; then *error says why and `about` (NUL-terminated, cut to `room` bytes) is the guilty
 * piece. `max_memory` bounds the program and its automata. */
cs_re2 *cs_re2_new(const char *pattern, size_t n, int64_t max_memory, cs_re2_error *error, char *about, size_t room);
void cs_re2_free(cs_re2 *re);
/* Capturing groups, the whole match not counted. */
int cs_re2_groups(const cs_re2 *re);
/* The number of the group with that name, or -1; the first one if several have it. */
int cs_re2_group(const cs_re2 *re, const char *name, size_t n);
/* The leftmost match at or after `start`; what stands before is seen by ^ and \b. spans[0] is the whole match. */
bool cs_re2_match(const cs_re2 *re, const char *text, size_t n, size_t start, cs_re2_span *spans, int n_spans);

#ifdef __cplusplus
}
#endif

#endif
