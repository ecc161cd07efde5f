/* Errors. A function that can fail returns cs_err and takes a cs_error * for the facts; it never aborts, never jumps,
 * and leaves its outputs alone when it fails. What cannot happen is asserted (cs_assert), also in production.
 *
 * A cs_error belongs to its caller, holds no pointers, and may be passed as NULL where the facts are not wanted.
 * Thread-safety: none needed; nothing here is shared. */
#ifndef CS_BASE_ERR_H
#define CS_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cs_err {
    CS_OK = 0,
#define CS_ERROR(name, code, meaning) CS_ERR_##name,
#include "countersign/base/errors.def"
#undef CS_ERROR
    CS_ERR_COUNT
} cs_err;

#define CS_MUST_CHECK __attribute__((warn_unused_result))
#define CS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Room for the longest message; a longer one is cut at a character boundary and ends in "...". */
#define CS_ERROR_TEXT_MAX 1024
#define CS_ERROR_FILE_MAX 256

typedef struct cs_error {
    cs_err code;
    uint32_t row; /* 1-based; 0 = the error has no place */
    uint32_t col; /* 1-based, in code points, as OPA counts; 0 = unknown */
    char file[CS_ERROR_FILE_MAX];
    char text[CS_ERROR_TEXT_MAX];
} cs_error;

/* The code as it is printed ("rego_parse_error"); a static string. */
const char *cs_err_name(cs_err code);

/* Fills *e (which may be NULL) and returns code, so that a failing function ends in `return cs_fail(e, CS_ERR_X, "...",
 * ...)`. */
CS_MUST_CHECK cs_err cs_fail(cs_error *e, cs_err code, const char *format, ...) CS_PRINTF(3, 4);
/* As cs_fail, with a place. `file` may be NULL. */
CS_MUST_CHECK cs_err cs_fail_at(cs_error *e, cs_err code, const char *file, uint32_t row, uint32_t col,
                                const char *format, ...) CS_PRINTF(6, 7);
/* Puts words in front of the message of an error already filled ("bundle demo: " + text). Returns e->code. */
CS_MUST_CHECK cs_err cs_fail_in(cs_error *e, const char *format, ...) CS_PRINTF(2, 3);

/* A broken promise inside the program: prints the place and aborts. Stays on in production. */
_Noreturn void cs_broken(const char *what, const char *file, int line);
#define cs_assert(condition) ((condition) ? (void)0 : cs_broken(#condition, __FILE__, __LINE__))

/* Returns the failure of `call` to our own caller. */
#define CS_TRY(call)                                                                                                   \
    do {                                                                                                               \
        cs_err cs_try_err_ = (call);                                                                                   \
        if (cs_try_err_ != CS_OK) {                                                                                    \
            return cs_try_err_;                                                                                        \
        }                                                                                                              \
    } while (0)

#endif
