/* Shared libraries that are loaded when they are first wanted. Most runs of the tool need no HTTP client, no
 * archives, no cryptography and no database, and starting those (some forty libraries) takes longer than the tests of
 * a policy. */
#ifndef CS_BASE_LIBRARY_H
#define CS_BASE_LIBRARY_H

#include <stddef.h>

#include "countersign/base/err.h"
#include "countersign/base/thread.h"

/* A function of a library; cast it to its real type before calling it. */
typedef void cs_library_function(void);

/* Loads `file` ("libcurl.so.4", found as the dynamic linker finds libraries) and stores the functions called `names` in
 * `out`, in their order. It stays loaded as long as the process lives. Thread-safe. CS_ERR_IO, with the linker's words,
 * if the library or one of the functions is not there; then `out` is not to be used. */
CS_MUST_CHECK cs_err cs_library_load(const char *file, const char *const *names, size_t n, cs_library_function **out,
                                     cs_error *e);

/* The same for a library without which nobody can go on: if it is not there the process ends, as it would have when it
 * started had the linker looked for it. */
void cs_library_need(const char *file, const char *const *names, size_t n, cs_library_function **out);

/* The library's functions under their own names, each handed on to what was loaded. A file that does so lists them once
 * as F(result, name, parameters, arguments), or V(…) for those without a result, and defines CALL(name). */
#define CS_LIBRARY_FORWARD(result, name, parameters, arguments)                                                        \
    result name parameters                                                                                             \
    {                                                                                                                  \
        return CALL(name) arguments;                                                                                   \
    }
#define CS_LIBRARY_FORWARD_VOID(name, parameters, arguments)                                                           \
    void name parameters                                                                                               \
    {                                                                                                                  \
        CALL(name) arguments;                                                                                          \
    }

/* Of such a list: the names, and AT_<name>, the place of each in what was loaded. */
#define CS_LIBRARY_NAME(result, name, parameters, arguments) #name,
#define CS_LIBRARY_NAME_VOID(name, parameters, arguments) #name,
#define CS_LIBRARY_AT(result, name, parameters, arguments) AT_##name,
#define CS_LIBRARY_AT_VOID(name, parameters, arguments) AT_##name,

/* A whole library that is needed, loaded at the first call of any of its functions; the file has defined FUNCTIONS(F,
 * V), the list of them, and CALL(name) as CS_LIBRARY_CALL(name). */
#define CS_LIBRARY_CALL(name) ((__typeof__(name) *)function_at(AT_##name))
#define CS_LIBRARY_NEEDED(file)                                                                                        \
    static const char *const names[] = {FUNCTIONS(CS_LIBRARY_NAME, CS_LIBRARY_NAME_VOID)};                             \
    enum { FUNCTIONS(CS_LIBRARY_AT, CS_LIBRARY_AT_VOID) N_FUNCTIONS };                                                 \
    static cs_library_function *functions[N_FUNCTIONS];                                                                \
    static void load(void)                                                                                             \
    {                                                                                                                  \
        cs_library_need(file, names, N_FUNCTIONS, functions);                                                          \
    }                                                                                                                  \
    static cs_library_function *function_at(size_t at)                                                                 \
    {                                                                                                                  \
        static cs_once once = CS_ONCE_INIT;                                                                            \
        cs_once_run(&once, load);                                                                                      \
        return functions[at];                                                                                          \
    }                                                                                                                  \
    FUNCTIONS(CS_LIBRARY_FORWARD, CS_LIBRARY_FORWARD_VOID)

#endif
