/* libcurl, loaded when the first client is made (base/library.h says why). The functions of its header that this folder
 * calls are defined here and pass the call on; nothing but the two initialisers is called while it is not loaded, and
 * those say so as libcurl itself would. */
#include <curl/curl.h>
#include <stdarg.h>

#include "countersign/base/library.h"
#include "countersign/base/log.h"
#include "countersign/base/thread.h"

/* X(result, function, parameters, arguments), for what returns nothing V. */
#define FUNCTIONS(X, V)                                                                                                \
    V(curl_easy_cleanup, (CURL * curl), (curl))                                                                        \
    X(CURLcode, curl_easy_perform, (CURL * curl), (curl))                                                              \
    X(const char *, curl_easy_strerror, (CURLcode code), (code))                                                       \
    X(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL * curl), (multi, curl))                                   \
    X(CURLMcode, curl_multi_remove_handle, (CURLM * multi, CURL * curl), (multi, curl))                                \
    X(CURLMcode, curl_multi_cleanup, (CURLM * multi), (multi))                                                         \
    X(CURLMsg *, curl_multi_info_read, (CURLM * multi, int *left), (multi, left))                                      \
    X(CURLMcode, curl_multi_perform, (CURLM * multi, int *running), (multi, running))                                  \
    X(CURLMcode, curl_multi_poll, (CURLM * multi, struct curl_waitfd * more, unsigned int n, int timeout, int *ready), \
      (multi, more, n, timeout, ready))                                                                                \
    X(CURLMcode, curl_multi_wakeup, (CURLM * multi), (multi))                                                          \
    X(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text), (list, text))              \
    V(curl_slist_free_all, (struct curl_slist * list), (list))

enum {
    FUNCTIONS(CS_LIBRARY_AT, CS_LIBRARY_AT_VOID) AT_curl_global_init,
    AT_curl_easy_init,
    AT_curl_multi_init,
    AT_curl_easy_setopt,
    AT_curl_easy_getinfo,
    AT_curl_multi_setopt,
    N_FUNCTIONS
};

static const char *const names[N_FUNCTIONS] = {
    FUNCTIONS(CS_LIBRARY_NAME, CS_LIBRARY_NAME_VOID) "curl_global_init",
    "curl_easy_init",
    "curl_multi_init",
    "curl_easy_setopt",
    "curl_easy_getinfo",
    "curl_multi_setopt",
};

static cs_library_function *functions[N_FUNCTIONS];
static bool loaded;

static void load(void)
{
    cs_error e;
    loaded = cs_library_load("libcurl.so.4", names, N_FUNCTIONS, functions, &e) == CS_OK;
    if (!loaded) {
        cs_logf(CS_LOG_ERROR, "no HTTP client: %s", e.text);
    }
}

static bool is_loaded(void)
{
    static cs_once once = CS_ONCE_INIT;
    cs_once_run(&once, load);
    return loaded;
}

#define CALL(name) ((__typeof__(name) *)functions[AT_##name])
FUNCTIONS(CS_LIBRARY_FORWARD, CS_LIBRARY_FORWARD_VOID)

CURLcode curl_global_init(long flags)
{
    return is_loaded() ? CALL(curl_global_init)(flags) : CURLE_FAILED_INIT;
}

CURL *curl_easy_init(void)
{
    return is_loaded() ? CALL(curl_easy_init)() : NULL;
}

CURLM *curl_multi_init(void)
{
    return is_loaded() ? CALL(curl_multi_init)() : NULL;
}

/* The number of an option tells the type of its argument. */
enum { POINTERS = CURLOPTTYPE_OBJECTPOINT, FUNCTION_POINTERS = CURLOPTTYPE_FUNCTIONPOINT, OFFSETS = CURLOPTTYPE_OFF_T };

CURLcode(curl_easy_setopt)(CURL *curl, CURLoption option, ...)
{
    va_list list;
    va_start(list, option);
    int number = (int)option;
    CURLcode code;
    if (number < POINTERS) {
        code = CALL(curl_easy_setopt)(curl, option, va_arg(list, long));
    } else if (number >= FUNCTION_POINTERS && number < OFFSETS) {
        code = CALL(curl_easy_setopt)(curl, option, va_arg(list, cs_library_function *));
    } else if (number >= OFFSETS && number < CURLOPTTYPE_BLOB) {
        code = CALL(curl_easy_setopt)(curl, option, va_arg(list, curl_off_t));
    } else {
        code = CALL(curl_easy_setopt)(curl, option, va_arg(list, void *));
    }
    va_end(list);
    return code;
}

/* Only options that are a long are set. */
CURLMcode(curl_multi_setopt)(CURLM *multi, CURLMoption option, ...)
{
    va_list list;
    va_start(list, option);
    CURLMcode code = CALL(curl_multi_setopt)(multi, option, va_arg(list, long));
    va_end(list);
    return code;
}

CURLcode(curl_easy_getinfo)(CURL *curl, CURLINFO info, ...)
{
    va_list list;
    va_start(list, info);
    CURLcode code = CALL(curl_easy_getinfo)(curl, info, va_arg(list, void *));
    va_end(list);
    return code;
}
