/* net.lookup_ip_addr, and the pause that tests make: what waits for the network without http.send's rules. */
#include "countersign/base/time.h"
#include "rego/builtin/http.h"
#include "rego/builtin/ip.h"

cs_err cs_builtin__net_lookup_ip_addr(cs_call *call, cs_value *out)
{
    cs_slice name;
    const cs_exchange_answer *answer;
    *out = cs_undefined();
    CS_TRY(cs_call_string(call, 1, &name));
    if (!cs_http__host_allowed(call->state->host, name)) {
        return cs_call_error(call, "disallowed host: %.*s", CS_FMT(name));
    }
    cs_ip ip;
    if (cs_ip__parse(name, &ip)) { /* an address is its own answer */
        *out = cs_set_new(call->arena, 1);
        char text[64];
        size_t n = cs_ip__print(&ip, text);
        (void)cs_set_add(call->arena, *out, cs_string_copy(call->arena, cs_slice_make(text, n)));
        return CS_OK;
    }
    cs_exchange_request request = {.kind = CS_EXCHANGE_LOOKUP, .host = name};
    if (!cs_call_exchange(call, &request, &answer)) {
        return CS_OK;
    }
    cs_err err = CS_OK;
    if (answer == NULL) {
        err = cs_call_error(call, "lookup %.*s: there is no network", CS_FMT(name));
    } else if (answer->failure != CS_EXCHANGE_OK) {
        err = cs_call_error(call, "%.*s", CS_FMT(answer->text));
    } else {
        *out = cs_set_new(call->arena, (uint32_t)answer->n_addresses);
        for (size_t i = 0; i < answer->n_addresses; i++) {
            (void)cs_set_add(call->arena, *out, cs_string_copy(call->arena, answer->addresses[i]));
        }
    }
    cs_call_exchange_end(call);
    return err;
}

cs_err cs_builtin__test_sleep(cs_call *call, cs_value *out)
{
    cs_slice text;
    const cs_exchange_answer *answer;
    cs_exchange_request request = {.kind = CS_EXCHANGE_PAUSE};
    *out = cs_undefined();
    CS_TRY(cs_call_string(call, 1, &text));
    if (!cs_time_parse_duration(text, false, &request.delay_ns)) {
        return cs_call_error(call, "time: invalid duration");
    }
    if (!cs_call_exchange(call, &request, &answer)) {
        return CS_OK;
    }
    cs_call_exchange_end(call);
    *out = cs_null();
    return CS_OK;
}
