#include "countersign/base/library.h"

#include <dlfcn.h>
#include <string.h>

/* The result of dlsym is a function in an object pointer, which ISO C has no cast for. */
_Static_assert(sizeof(void *) == sizeof(cs_library_function *), "functions and objects have addresses of one size");

cs_err cs_library_load(const char *file, const char *const *names, size_t n, cs_library_function **out, cs_error *e)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < n && library != NULL; i++) {
        void *found = dlsym(library, names[i]);
        if (found == NULL) {
            library = NULL;
        }
        memcpy(&out[i], &found, sizeof found);
    }
    if (library != NULL) {
        return CS_OK;
    }
    const char *why = dlerror();
    return cs_fail(e, CS_ERR_IO, "%s", why != NULL ? why : file);
}

void cs_library_need(const char *file, const char *const *names, size_t n, cs_library_function **out)
{
    cs_error e;
    if (cs_library_load(file, names, n, out, &e) != CS_OK) {
        cs_broken(e.text, __FILE__, __LINE__);
    }
}
