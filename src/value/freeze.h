/* How the JSON reader makes frozen values straight away. What goes into a collection is frozen already. */
#ifndef CS_VALUE_FREEZE_H
#define CS_VALUE_FREEZE_H

#include "internal.h"

/* A member of an object that is read: three values, as they stand on the reader's stack. */
typedef struct cs_value__member {
    cs_value key;
    cs_value hash; /* CS_PRIVATE; u.i is cs_hash of the key */
    cs_value value;
} cs_value__member;

/* `hash` is cs_hash_bytes of the text. */
cs_value cs_value__freeze_text(cs_freezer *f, cs_slice s, uint32_t hash);
/* Anything but a collection. */
cs_value cs_value__freeze_scalar(cs_freezer *f, cs_value v);
cs_value cs_value__freeze_items(cs_freezer *f, const cs_value *items, uint32_t n);
/* Of equal keys the last one's value wins. */
cs_value cs_value__freeze_members(cs_freezer *f, const cs_value__member *m, uint32_t n);
/* The arena that it makes values in. */
cs_arena *cs_value__freezer_arena(cs_freezer *f);

#endif
