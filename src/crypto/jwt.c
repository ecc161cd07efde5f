/* JSON Web Tokens (RFC 7519): a signature by a key of the set, then the claims. */
#include "crypto/internal.h"

#include <math.h>

#include "countersign/base/time.h"
#include "countersign/json.h"
#include "countersign/number.h"

/* A NumericDate as nanoseconds, saturated; false if the claim is there and is no number. */
static bool date_claim(cs_value claims, const char *name, bool *present, int64_t *ns)
{
    const cs_value *v = cs_object_get_text(claims, name);
    *present = v != NULL;
    if (v == NULL) {
        return true;
    }
    if (!cs_is(*v, CS_NUMBER)) {
        return false;
    }
    double s = cs_number_double(*v) * (double)CS_NS_PER_S;
    if (isnan(s)) {
        return false;
    }
    *ns = s >= 9.2e18 ? INT64_MAX : s <= -9.2e18 ? INT64_MIN : (int64_t)s;
    return true;
}

static int64_t add_saturated(int64_t x, int64_t y)
{
    int64_t sum;
    if (__builtin_add_overflow(x, y, &sum)) {
        return x < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

static cs_err check_dates(cs_value claims, const cs_jwt_rules *rules, cs_error *e)
{
    bool present;
    int64_t at = 0;
    if (!date_claim(claims, "exp", &present, &at)) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "exp value must be a number");
    }
    if (!present && rules->need_exp) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "token has no exp");
    }
    if (present && add_saturated(at, rules->leeway_ns) <= rules->now_ns) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "token is expired");
    }
    if (!date_claim(claims, "nbf", &present, &at)) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "nbf value must be a number");
    }
    if (present && at > add_saturated(rules->now_ns, rules->leeway_ns)) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "token is not valid yet");
    }
    if (!date_claim(claims, "iat", &present, &at)) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "iat value must be a number");
    }
    if (present && at > add_saturated(rules->now_ns, rules->leeway_ns)) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "token was issued in the future");
    }
    return CS_OK;
}

static bool names_audience(cs_value claims, cs_slice audience)
{
    const cs_value *aud = cs_object_get_text(claims, "aud");
    if (aud == NULL) {
        return false;
    }
    if (cs_is(*aud, CS_STRING)) {
        return cs_slice_eq(cs_text(*aud), audience);
    }
    for (uint32_t i = 0; cs_is(*aud, CS_ARRAY) && i < aud->n; i++) {
        if (cs_is(aud->u.items[i], CS_STRING) && cs_slice_eq(cs_text(aud->u.items[i]), audience)) {
            return true;
        }
    }
    return false;
}

cs_err cs_jwt_check_claims(cs_value claims, const cs_jwt_rules *rules, cs_error *e)
{
    if (!cs_is(claims, CS_OBJECT)) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "the payload is not an object");
    }
    CS_TRY(check_dates(claims, rules, e));
    if (rules->issuer.n > 0) {
        const cs_value *iss = cs_object_get_text(claims, "iss");
        if (iss == NULL || !cs_is(*iss, CS_STRING) || !cs_slice_eq(cs_text(*iss), rules->issuer)) {
            return cs_fail(e, CS_ERR_UNAUTHORIZED, "token is from another issuer");
        }
    }
    if (rules->audience.n > 0 && !names_audience(claims, rules->audience)) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "token is for another audience");
    }
    return CS_OK;
}

cs_err cs_jwt_verify(cs_arena *a, cs_slice token, const cs_key_set *set, const cs_jwt_rules *rules, cs_value *claims,
                     cs_error *e)
{
    cs_jws jws;
    cs_error inner = {0};
    if (cs_jws_decode(a, token, &jws, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "%s", inner.text);
    }
    cs_sig_alg alg;
    if (!cs_sig_alg_find(jws.alg, &alg) || (rules->algs & CS_SIG_BIT(alg)) == 0) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "signature algorithm \"%.*s\" is not accepted", CS_FMT(jws.alg));
    }
    if (!cs_jws_verify_set(&jws, set, rules->algs, NULL)) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "signature not verified");
    }
    cs_value payload;
    if (cs_json_read(a, jws.payload, &(cs_json_options){0}, &payload, NULL, &inner) != CS_OK) {
        return cs_fail(e, CS_ERR_UNAUTHORIZED, "the payload is not JSON: %s", inner.text);
    }
    CS_TRY(cs_jwt_check_claims(payload, rules, e));
    *claims = payload;
    return CS_OK;
}
