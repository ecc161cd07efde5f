/* Tables in box-drawing characters, as OPA's commands print them: a centered head, cells to the left, columns as wide
 * as their widest line on a terminal. */
#ifndef CS_CMD_TABLE_H
#define CS_CMD_TABLE_H

#include "countersign/base/arena.h"
#include "countersign/base/buf.h"

typedef struct cs_cmd_table {
    cs_arena *arena; /* holds the rows; texts are not copied */
    size_t columns;
    const cs_slice *head; /* NULL: none */
    cs_slice **rows;
    size_t n, cap;
    bool lines;       /* a line between any two rows */
    bool keep_spaces; /* white space around cells stays */
} cs_cmd_table;

/* A row of `columns` texts, copied as an array. */
void cs_cmd_table_add(cs_cmd_table *t, const cs_slice *cells);
void cs_cmd_table_print(cs_buf *out, const cs_cmd_table *t);

#endif
