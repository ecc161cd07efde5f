/* Protocol Buffers' wire format. */
#include "countersign/base/protobuf.h"

void cs_pb_put_varint(cs_buf *out, uint64_t v)
{
    while (v >= 0x80) {
        cs_buf_byte(out, (char)(v | 0x80));
        v >>= 7;
    }
    cs_buf_byte(out, (char)v);
}

void cs_pb_put_tag(cs_buf *out, uint32_t number, cs_pb_wire wire)
{
    cs_pb_put_varint(out, (uint64_t)number << 3 | wire);
}

void cs_pb_put_number(cs_buf *out, uint32_t number, int64_t v)
{
    cs_pb_put_tag(out, number, CS_PB_VARINT);
    cs_pb_put_varint(out, (uint64_t)v);
}

void cs_pb_put_double(cs_buf *out, uint32_t number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    cs_pb_put_tag(out, number, CS_PB_FIXED64);
    for (unsigned i = 0; i < 8; i++) {
        cs_buf_byte(out, (char)(bits >> (8 * i)));
    }
}

void cs_pb_put_text(cs_buf *out, uint32_t number, cs_slice s)
{
    cs_pb_put_tag(out, number, CS_PB_BYTES);
    cs_pb_put_varint(out, s.n);
    cs_buf_slice(out, s);
}

size_t cs_pb_begin(cs_buf *out, uint32_t number)
{
    cs_pb_put_tag(out, number, CS_PB_BYTES);
    return out->n;
}

void cs_pb_end(cs_buf *out, size_t from)
{
    size_t n = out->n - from, width = 1;
    for (size_t left = n >> 7; left > 0; left >>= 7) {
        width++;
    }
    (void)cs_buf_room(out, width);
    memmove(out->p + from + width, out->p + from, n);
    out->n = from;
    cs_pb_put_varint(out, n);
    out->n = from + width + n;
}

/* ---- reading */
static bool take_varint(cs_slice *rest, uint64_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < 10 && i < rest->n; i++) {
        uint8_t byte = (uint8_t)rest->p[i];
        *out |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *rest = cs_slice_sub(*rest, i + 1, rest->n);
            return true;
        }
    }
    return false;
}

static bool take_fixed(cs_slice *rest, unsigned width, uint64_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < width && width <= rest->n; i++) {
        *out |= (uint64_t)(uint8_t)rest->p[i] << (8 * i);
    }
    bool there = width <= rest->n;
    *rest = cs_slice_sub(*rest, width, rest->n);
    return there;
}

bool cs_pb_next(cs_slice *rest, cs_pb_field *field, bool *bad)
{
    uint64_t tag, n;
    *field = (cs_pb_field){.bytes = CS_LIT("")};
    if (rest->n == 0) {
        return false;
    }
    bool good = take_varint(rest, &tag) && tag >> 3 > 0 && tag >> 3 <= UINT32_MAX >> 3;
    field->number = good ? (uint32_t)(tag >> 3) : 0;
    field->wire = good ? (cs_pb_wire)(tag & 7) : CS_PB_VARINT;
    switch (field->wire) {
    case CS_PB_VARINT:
        good = good && take_varint(rest, &field->value);
        break;
    case CS_PB_FIXED64:
        good = take_fixed(rest, 8, &field->value);
        break;
    case CS_PB_FIXED32:
        good = take_fixed(rest, 4, &field->value);
        break;
    case CS_PB_BYTES:
        good = take_varint(rest, &n) && n <= rest->n;
        if (good) {
            field->bytes = cs_slice_sub(*rest, 0, n);
            *rest = cs_slice_sub(*rest, n, rest->n);
        }
        break;
    default:
        good = false;
        break;
    }
    *bad = *bad || !good;
    return good;
}
