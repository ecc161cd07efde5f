/* net.cidr_* */
#include <stdlib.h>

#include "rego/builtin/internal.h"
#include "rego/builtin/ip.h"

static cs_err cidr_of(cs_call *call, cs_value v, cs_cidr *out)
{
    CS_TRY(cs_call__kind(call, 1, v, CS_STRING, "string"));
    if (!cs_cidr__parse(cs_text(v), out)) {
        return cs_call_error(call, "invalid CIDR address: %.*s", CS_FMT(cs_text(v)));
    }
    return CS_OK;
}

static bool cidr_has_cidr(const cs_cidr *outer, const cs_cidr *inner)
{
    cs_ip first, last;
    cs_cidr__range(inner, &first, &last);
    return cs_cidr__has(outer, &first) && cs_cidr__has(outer, &last);
}

/* The right operand: an address, or a block that must lie within the other as a whole. */
static cs_err address_or_cidr(cs_call *call, cs_value v, cs_cidr *out)
{
    CS_TRY(cs_call__kind(call, 1, v, CS_STRING, "string"));
    if (cs_ip__parse(cs_text(v), &out->ip)) {
        out->prefix = out->ip.bits;
        return CS_OK;
    }
    if (!cs_cidr__parse(cs_text(v), out)) {
        return cs_call_error(call, "not a valid textual representation of an IP address or CIDR: %.*s",
                             CS_FMT(cs_text(v)));
    }
    return CS_OK;
}

cs_err cs_builtin__net_cidr_contains(cs_call *call, cs_value *out)
{
    cs_cidr outer, inner;
    CS_TRY(cidr_of(call, call->args[0], &outer));
    CS_TRY(address_or_cidr(call, call->args[1], &inner));
    return cs_call__give(out, cs_bool(cidr_has_cidr(&outer, &inner)));
}

cs_err cs_builtin__net_cidr_overlap(cs_call *call, cs_value *out)
{
    return cs_builtin__net_cidr_contains(call, out);
}

cs_err cs_builtin__net_cidr_intersects(cs_call *call, cs_value *out)
{
    cs_cidr x, y;
    cs_ip first_x, first_y, last;
    CS_TRY(cidr_of(call, call->args[0], &x));
    CS_TRY(cidr_of(call, call->args[1], &y));
    cs_cidr__range(&x, &first_x, &last);
    cs_cidr__range(&y, &first_y, &last);
    return cs_call__give(out, cs_bool(cs_cidr__has(&x, &first_y) || cs_cidr__has(&y, &first_x)));
}

cs_err cs_builtin__net_cidr_is_valid(cs_call *call, cs_value *out)
{
    cs_cidr cidr;
    bool valid = call->args[0].kind == CS_STRING && cs_cidr__parse(cs_text(call->args[0]), &cidr);
    return cs_call__give(out, cs_bool(valid));
}

static cs_value ip_text(cs_call *call, const cs_ip *ip)
{
    char text[64];
    return cs_string_copy(call->arena, cs_slice_make(text, cs_ip__print(ip, text)));
}

cs_err cs_builtin__net_cidr_expand(cs_call *call, cs_value *out)
{
    cs_cidr cidr;
    cs_ip at, last;
    CS_TRY(cidr_of(call, call->args[0], &cidr));
    cs_cidr__range(&cidr, &at, &last);
    int free_bits = cidr.ip.bits - cidr.prefix;
    if (free_bits > 62 || UINT64_C(1) << free_bits > cs_limits_get()->range_items) {
        return cs_call__limit_error(call, "range_items");
    }
    *out = cs_set_new(call->arena, (uint32_t)1 << free_bits);
    for (uint64_t n = UINT64_C(1) << free_bits; n > 0; n--) {
        if (cs_arena_exceeded(call->arena)) {
            return cs_call__limit_error(call, "eval_memory");
        }
        cs_set_add(call->arena, *out, ip_text(call, &at));
        for (int i = at.bits / 8 - 1; i >= 0 && ++at.b[i] == 0; i--) {
        }
    }
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ matches */

typedef struct block {
    cs_cidr cidr;
    cs_value index; /* what stands for it in the result */
    cs_value text;  /* undefined if the element is neither a string nor an array with something in it */
    bool good;      /* `cidr` is what `text` says */
} block;

static block read_block(uint32_t operand, cs_value v, cs_value index)
{
    block b = {.index = index};
    if (v.kind == CS_ARRAY && v.n > 0) {
        b.text = v.u.items[0];
    } else if (v.kind == CS_STRING) {
        b.text = v;
    }
    if (b.text.kind == CS_STRING) {
        b.good = operand == 2 && cs_ip__parse(cs_text(b.text), &b.cidr.ip);
        b.cidr.prefix = b.good ? b.cidr.ip.bits : 0;
        b.good = b.good || cs_cidr__parse(cs_text(b.text), &b.cidr);
    }
    return b;
}

static block *read_blocks(cs_call *call, uint32_t operand, uint32_t *n)
{
    cs_value v = call->args[operand - 1];
    *n = v.kind == CS_STRING ? 1 : cs_count(v);
    block *blocks = cs_arena_alloc(call->arena, (*n ? *n : 1) * sizeof *blocks);
    for (uint32_t i = 0; i < *n; i++) {
        cs_value item = v, index = v;
        if (v.kind == CS_ARRAY) {
            item = v.u.items[i];
            index = cs_int(i);
        } else if (v.kind == CS_OBJECT) {
            index = cs_entry(v, i, &item);
        } else if (v.kind == CS_SET) {
            item = index = cs_entry(v, i, NULL);
        }
        blocks[i] = read_block(operand, item, index);
    }
    return blocks;
}

static cs_err bad_element(cs_call *call, uint32_t operand)
{
    return cs_call_error(call, "operand %u: element must be string or non-empty array", operand);
}

/* A block is complained about when it is compared, so that the error is the one that OPA finds first. */
static cs_err compare_blocks(cs_call *call, const block *outer, const block *inner, bool *has)
{
    cs_cidr ignored;
    if (inner->text.kind == CS_UNDEFINED) {
        return bad_element(call, 2);
    }
    if (!outer->good) {
        return cidr_of(call, outer->text, &ignored);
    }
    if (!inner->good) {
        return address_or_cidr(call, inner->text, &ignored);
    }
    *has = cidr_has_cidr(&outer->cidr, &inner->cidr);
    return CS_OK;
}

cs_err cs_builtin__net_cidr_contains_matches(cs_call *call, cs_value *out)
{
    uint32_t n, m;
    const block *outer = read_blocks(call, 1, &n), *inner = read_blocks(call, 2, &m);
    if ((uint64_t)n * m > 10 * cs_limits_get()->range_items) {
        return cs_call__limit_error(call, "range_items");
    }
    *out = cs_set_new(call->arena, 0);
    for (uint32_t i = 0; i < n; i++) {
        if (outer[i].text.kind == CS_UNDEFINED) {
            return bad_element(call, 1);
        }
        for (uint32_t k = 0; k < m; k++) {
            bool has = false;
            CS_TRY(compare_blocks(call, &outer[i], &inner[k], &has));
            if (has) {
                cs_value pair[] = {outer[i].index, inner[k].index};
                cs_set_add(call->arena, *out, cs_array_copy(call->arena, pair, 2));
            }
        }
    }
    return CS_OK;
}

/* ------------------------------------------------------------------------------------------------ merge */

typedef struct span {
    cs_ip first, last;
    cs_cidr cidr; /* as it was given */
    bool merged;
} span;

/* "10.1.1.1" means its classful network, with the address as it was written. */
static cs_err span_of(cs_call *call, cs_value v, span *out)
{
    if (v.kind != CS_STRING) {
        return cs_call_error(call, "element must be string");
    }
    if (cs_ip__parse(cs_text(v), &out->cidr.ip)) {
        if (out->cidr.ip.bits != 32) {
            return cs_call_error(call, "IPv6 invalid: needs prefix length");
        }
        uint8_t first = out->cidr.ip.b[0];
        out->cidr.prefix = first < 128 ? 8 : first < 192 ? 16 : 24;
    } else {
        CS_TRY(cidr_of(call, v, &out->cidr));
        cs_cidr__range(&out->cidr, &out->cidr.ip, &out->last);
    }
    cs_cidr__range(&out->cidr, &out->first, &out->last);
    out->merged = false;
    return CS_OK;
}

/* In IPv6, where IPv4 addresses stand under ::ffff:0:0/96. */
static void widen(const cs_ip *x, uint8_t out[16])
{
    memset(out, 0, 16);
    if (x->bits == 32) {
        out[10] = out[11] = 0xFF;
        memcpy(out + 12, x->b, 4);
    } else {
        memcpy(out, x->b, 16);
    }
}

static int compare_ips(const cs_ip *x, const cs_ip *y)
{
    uint8_t a[16], b[16];
    widen(x, a);
    widen(y, b);
    return memcmp(a, b, sizeof a);
}

static int compare_spans(const void *x, const void *y)
{
    const span *a = x, *b = y;
    int c = compare_ips(&a->last, &b->last);
    return c ? c : compare_ips(&a->first, &b->first);
}

/* x + 1 or x - 1; false if there is no such address. */
static bool neighbour(const cs_ip *x, bool up, cs_ip *out)
{
    *out = *x;
    for (int i = x->bits / 8 - 1; i >= 0; i--) {
        out->b[i] = (uint8_t)(out->b[i] + (up ? 1 : 255));
        if (out->b[i] != (up ? 0 : 255)) {
            return true;
        }
    }
    return false;
}

static void add_cidr(cs_call *call, cs_value set, const cs_ip *ip, int prefix)
{
    char text[64];
    int n = (int)cs_ip__print(ip, text);
    cs_set_add(call->arena, set, cs_string_printf(call->arena, "%.*s/%d", n, text, prefix));
}

/* The fewest blocks that cover a span exactly: from its start, always the largest that fits. */
static void add_span(cs_call *call, cs_value set, const span *s)
{
    cs_ip at = s->first;
    for (;;) {
        cs_cidr fit = {.ip = at, .prefix = at.bits};
        cs_ip last = at;
        while (fit.prefix > 0) {
            cs_cidr wider = {.ip = at, .prefix = fit.prefix - 1};
            cs_ip first, end;
            cs_cidr__range(&wider, &first, &end);
            if (compare_ips(&first, &at) != 0 || compare_ips(&end, &s->last) > 0) {
                break;
            }
            fit.prefix--;
            last = end;
        }
        add_cidr(call, set, &at, fit.prefix);
        if (compare_ips(&last, &s->last) >= 0 || !neighbour(&last, true, &at)) {
            return;
        }
    }
}

cs_err cs_builtin__net_cidr_merge(cs_call *call, cs_value *out)
{
    cs_value v = call->args[0];
    if (!cs_call__is_list(v)) {
        return cs_call_error(call, "operand must be an array");
    }
    uint32_t n = cs_count(v);
    span *spans = cs_arena_alloc(call->arena, (n ? n : 1) * sizeof *spans);
    for (uint32_t i = 0; i < n; i++) {
        CS_TRY(span_of(call, cs_call__item(v, i), &spans[i]));
    }
    qsort(spans, n, sizeof *spans, compare_spans);
    *out = cs_set_new(call->arena, n);
    for (uint32_t i = n; i > 0; i--) {
        span *s = &spans[i - 1], *before = i > 1 ? &spans[i - 2] : NULL;
        cs_ip previous;
        if (!neighbour(&s->first, false, &previous)) {
            previous = s->first;
        }
        if (before && compare_ips(&previous, &before->last) <= 0) {
            before->last = s->last;
            before->first = compare_ips(&before->first, &s->first) < 0 ? before->first : s->first;
            before->merged = true;
        } else if (s->merged) {
            add_span(call, *out, s);
        } else {
            add_cidr(call, *out, &s->cidr.ip, s->cidr.prefix);
        }
    }
    return CS_OK;
}
