/* Protocol Buffers' wire format, for messages whose fields are known by number: writing and reading, no schema.
 * A message inside a message is written behind its tag, and moved for its length when it is complete. Thread-safe. */
#ifndef CS_BASE_PROTOBUF_H
#define CS_BASE_PROTOBUF_H

#include "countersign/base/buf.h"

typedef enum cs_pb_wire { CS_PB_VARINT = 0, CS_PB_FIXED64 = 1, CS_PB_BYTES = 2, CS_PB_FIXED32 = 5 } cs_pb_wire;

void cs_pb_put_varint(cs_buf *out, uint64_t v);
void cs_pb_put_tag(cs_buf *out, uint32_t number, cs_pb_wire wire);
/* Integers, booleans, enums; a negative one takes ten bytes, as int32 and int64 do. */
void cs_pb_put_number(cs_buf *out, uint32_t number, int64_t v);
void cs_pb_put_double(cs_buf *out, uint32_t number, double v);
void cs_pb_put_text(cs_buf *out, uint32_t number, cs_slice s);
/* Begins a message (or packed numbers); what it answers goes to cs_pb_end once the content is written. */
size_t cs_pb_begin(cs_buf *out, uint32_t number);
void cs_pb_end(cs_buf *out, size_t from);

typedef struct cs_pb_field {
    uint32_t number;
    cs_pb_wire wire;
    uint64_t value; /* VARINT, FIXED64, FIXED32 */
    cs_slice bytes; /* BYTES: points into the message */
} cs_pb_field;

/* Takes the next field from *rest. false: there is none, or *bad is set and what is there is none (cut off, a wire type
 * that there is no more). */
bool cs_pb_next(cs_slice *rest, cs_pb_field *field, bool *bad);

#endif
