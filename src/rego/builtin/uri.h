/* URLs as Go's net/url takes them apart and puts them together. */
#ifndef CS_REGO_BUILTIN_URI_H
#define CS_REGO_BUILTIN_URI_H

#include "rego/builtin/internal.h"

typedef struct cs_url {
    cs_slice scheme, opaque, host, path, query, fragment;
    cs_slice raw_path, raw_fragment; /* as written, if that is not the usual escaping; "" otherwise */
    bool has_user, has_password;
    cs_slice user, password;
    bool force_query; /* ends in '?' */
    bool omit_host;   /* "scheme:/path" */
} cs_url;

/* Errors as Go's: parse "…": …, as an error of the call. What it gives lives in the text or the arena. */
CS_MUST_CHECK cs_err cs_url__parse(cs_call *call, cs_slice text, cs_url *out);
/* `ref` as it is meant in the document at `base` (RFC 3986 §5.2). */
CS_MUST_CHECK cs_err cs_url__resolve(cs_call *call, const cs_url *base, const cs_url *ref, cs_url *out);
/* The path as it is sent: as written if that is a fit escaping, else escaped. */
void cs_url__print_path(cs_sink *s, const cs_url *url);
/* Go's url.QueryEscape. */
void cs_url__escape_query(cs_sink *s, cs_slice text);
/* And url.QueryUnescape. */
CS_MUST_CHECK cs_err cs_url__unescape_query(cs_call *call, cs_slice text, cs_slice *out);
void cs_url__print(cs_sink *s, const cs_url *url);
/* The name without the port and the brackets of an IPv6 address. */
cs_slice cs_url__hostname(cs_slice host);

#endif
