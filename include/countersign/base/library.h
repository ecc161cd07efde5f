/* Shared libraries that are loaded when they are first wanted. Most runs of the tool need neither an HTTP client nor
 * archives, and starting what those bring with them (some forty libraries) takes longer than the tests of a policy. */
#ifndef CS_BASE_LIBRARY_H
#define CS_BASE_LIBRARY_H

#include <stddef.h>

#include "countersign/base/err.h"

/* A function of a library; cast it to its real type before calling it. */
typedef void cs_library_function(void);

/* Loads `file` ("libcurl.so.4", found as the dynamic linker finds libraries) and stores the functions called `names` in
 * `out`, in their order. It stays loaded as long as the process lives. Thread-safe. CS_ERR_IO, with the linker's words,
 * if the library or one of the functions is not there; then `out` is not to be used. */
CS_MUST_CHECK cs_err cs_library_load(const char *file, const char *const *names, size_t n, cs_library_function **out,
                                     cs_error *e);

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

#endif
