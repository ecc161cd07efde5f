/* crypto.*: digests and MACs. */
#include "countersign/crypto.h"

#include "countersign/base/encode.h"
#include "rego/builtin/internal.h"

static cs_err digest(cs_call *call, cs_digest_alg alg, cs_value *out)
{
    cs_slice s;
    CS_TRY(cs_call_string(call, 1, &s));
    return cs_call__give(out, cs_string(cs_digest_hex(call->arena, alg, s)));
}

cs_err cs_builtin__crypto_md5(cs_call *call, cs_value *out)
{
    return digest(call, CS_MD5, out);
}

cs_err cs_builtin__crypto_sha1(cs_call *call, cs_value *out)
{
    return digest(call, CS_SHA1, out);
}

cs_err cs_builtin__crypto_sha256(cs_call *call, cs_value *out)
{
    return digest(call, CS_SHA256, out);
}

static cs_err hmac(cs_call *call, cs_digest_alg alg, cs_value *out)
{
    cs_slice message, key;
    uint8_t mac[CS_DIGEST_MAX];
    CS_TRY(cs_call_string(call, 1, &message));
    CS_TRY(cs_call_string(call, 2, &key));
    size_t n = cs_hmac(alg, key, message, mac);
    return cs_call__give(out, cs_string(cs_hex_encode(call->arena, cs_slice_make((const char *)mac, n))));
}

cs_err cs_builtin__crypto_hmac_md5(cs_call *call, cs_value *out)
{
    return hmac(call, CS_MD5, out);
}

cs_err cs_builtin__crypto_hmac_sha1(cs_call *call, cs_value *out)
{
    return hmac(call, CS_SHA1, out);
}

cs_err cs_builtin__crypto_hmac_sha256(cs_call *call, cs_value *out)
{
    return hmac(call, CS_SHA256, out);
}

cs_err cs_builtin__crypto_hmac_sha512(cs_call *call, cs_value *out)
{
    return hmac(call, CS_SHA512, out);
}

cs_err cs_builtin__crypto_hmac_equal(cs_call *call, cs_value *out)
{
    cs_slice x, y;
    CS_TRY(cs_call_string(call, 1, &x));
    CS_TRY(cs_call_string(call, 2, &y));
    return cs_call__give(out, cs_bool(x.n == y.n && cs_ct_equal(x, y)));
}
