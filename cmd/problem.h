/* Errors as commands print them: OPA's list of errors, as JSON members or as text, with tracebacks where there are. */
#ifndef CS_CMD_PROBLEM_H
#define CS_CMD_PROBLEM_H

#include "countersign/base/vec.h"
#include "countersign/trace.h"

typedef struct cs_cmd_problem {
    cs_slice code; /* "" without one */
    cs_slice message;
    bool located;
    cs_slice file, place; /* place: what stands for the location in a text */
    uint32_t row, col;
    cs_slice lines;   /* of details, as text: each after a line feed and a tab */
    cs_value details; /* undefined without */
    const cs_traceback_frame *frames;
    size_t n_frames;
} cs_cmd_problem;

typedef struct cs_cmd_problems {
    cs_arena *arena;
    CS_VEC(cs_cmd_problem) list; /* in the arena */
} cs_cmd_problems;

/* The compiler's list. */
void cs_cmd_problems_add_list(cs_cmd_problems *p, const cs_errors *errors);
/* One error, with the traceback of the evaluation that it ended (0 frames: none). */
void cs_cmd_problems_add(cs_cmd_problems *p, const cs_error *e, const cs_traceback_frame *frames, size_t n);

/* What went wrong while files were read: a list in the error's text, told one by one. */
void cs_cmd_problems_add_loading(cs_cmd_problems *p, const cs_error *e);

/* What a query fails with, and the queries that led to it. Only the walker knows them, so the query runs once more,
 * silently, unless it was stopped from outside. The frames are in the list's arena. */
void cs_cmd_problems_trace(cs_cmd_problems *p, const cs_query *query, const cs_eval *eval, const cs_error *e);

/* "file:3: code: message". */
void cs_cmd_problem_print(cs_buf *out, const cs_cmd_problem *problem);
/* "1 error occurred: …" or "2 errors occurred:\n…", without a line feed at the end. */
void cs_cmd_problems_print(cs_buf *out, const cs_cmd_problems *p);
/* One error as an object, and all of them as an array. */
void cs_cmd_problem_write(cs_json_text *out, const cs_cmd_problem *problem);
/* With the code in front, as a test's error stands in its result. */
void cs_cmd_problem_write_code_first(cs_json_text *out, const cs_cmd_problem *problem);
void cs_cmd_problems_write(cs_json_text *out, const cs_cmd_problems *p);

#endif
