/* What the files of audit share.
 *
 *   audit.c    opening, closing, what others ask      room.c        what waits to be written
 *   writer.c   the log's thread                        out.c         the file being written, rotation, repair
 *   chain.c    records as lines, and back              checkpoint.c  the signed head
 *   read.c     files and their lines                   verify.c      the first broken record
 *   report.c   what people did                         html.c        the same as a page */
#ifndef CS_AUDIT_INTERNAL_H
#define CS_AUDIT_INTERNAL_H

#include <stdatomic.h>

#include "countersign/audit.h"
#include "countersign/base/thread.h"
#include "countersign/base/vec.h"

enum { CS_AUDIT__HASH = 64, CS_AUDIT__NAME = 80 };

/* ---- chain.c */
/* The line of a record on its way, but for seq, prev and hash: three parts, one behind the other. */
typedef struct cs_audit__parts {
    size_t before; /* {"actor":…,"data":…,"decision_id":…, */
    size_t middle; /* "request_id":…, */
    size_t after;  /* "tenant":…,"time":…,"type":…} */
} cs_audit__parts;

/* A whole record. */
cs_audit_written cs_audit__write(cs_buf *out, const cs_audit_record *record);
/* Where a chain stands. */
typedef struct cs_audit__state {
    uint64_t seq; /* of the last record; 0 = none */
    char hash[CS_AUDIT__HASH + 1];
} cs_audit__state;
void cs_audit__state_init(cs_audit__state *state);
/* Appends the line of the next record, with its end, and moves the state on. */
void cs_audit__chain(cs_buf *out, cs_audit__state *state, cs_hasher *hasher, cs_slice text, cs_audit__parts parts);

/* A line taken apart; everything points into it. Texts are as written, with their escapes. */
typedef struct cs_audit__line {
    cs_slice before; /* up to the comma in front of the member hash */
    cs_slice behind; /* from the member prev on */
    cs_slice hash, prev, request_id, tenant, time, type;
    uint64_t seq;
} cs_audit__line;
/* false: it does not have the form of a record. */
bool cs_audit__line_read(cs_slice text, cs_audit__line *out);
/* Is its hash the hash of the rest? */
bool cs_audit__line_holds(const cs_audit__line *line, cs_hasher *hasher);

/* A tenant's name as it stands in a line, between the quotes. */
void cs_audit__tenant_text(cs_buf *out, cs_slice tenant);

/* ---- read.c */
typedef struct cs_audit__file {
    char name[CS_AUDIT__NAME];
    uint64_t first; /* seq of its first record */
    int64_t day;    /* since 1970, UTC */
} cs_audit__file;
typedef CS_VEC(cs_audit__file) cs_audit__files;

void cs_audit__name(char out[CS_AUDIT__NAME], uint64_t first, int64_t day);
/* The files of a folder by their names, which is the order of the records. A missing folder has none. */
CS_MUST_CHECK cs_err cs_audit__list(const char *dir, cs_audit__files *out, cs_error *e);

/* Lines of one file, forward. */
typedef struct cs_audit__reader {
    int fd;
    cs_buf room;
    size_t at;     /* where the next line begins in the room */
    uint64_t line; /* number of the line given last */
    bool over;     /* nothing more to read */
    bool torn;     /* the last line has no end */
} cs_audit__reader;
CS_MUST_CHECK cs_err cs_audit__reader_open(cs_audit__reader *r, const char *dir, const char *name, cs_error *e);
/* false at the end, and for a file that cannot be read on (*e is set then). A last line without its end is given, and
 * `torn` set. */
bool cs_audit__reader_next(cs_audit__reader *r, cs_slice *line, cs_error *e);
void cs_audit__reader_close(cs_audit__reader *r);

/* ---- out.c */
typedef struct cs_audit__out {
    char *dir;
    int lock_fd;
    int fd; /* -1 = no file is open */
    char name[CS_AUDIT__NAME];
    int64_t day;
    uint64_t size;   /* bytes of whole, chained lines */
    uint64_t synced; /* of them, known to be on disk */
    bool ragged;     /* there may be more bytes behind them */
} cs_audit__out;

/* What was found at the start. */
typedef struct cs_audit__found {
    uint64_t torn_bytes; /* cut from the last file */
    uint64_t bad_lines;  /* at the end of the last file, left alone */
    char file[CS_AUDIT__NAME];
} cs_audit__found;

CS_MUST_CHECK cs_err cs_audit__out_open(cs_audit__out *out, const char *dir, cs_audit__state *state,
                                        cs_audit__found *found, cs_error *e);
void cs_audit__out_close(cs_audit__out *out);
/* A file for records from `first` on, if none is open. */
CS_MUST_CHECK cs_err cs_audit__out_begin(cs_audit__out *out, uint64_t first, int64_t day, cs_error *e);
CS_MUST_CHECK cs_err cs_audit__out_write(cs_audit__out *out, cs_slice bytes, cs_error *e);
CS_MUST_CHECK cs_err cs_audit__out_sync(cs_audit__out *out, cs_error *e);
/* Synced before; the next write goes to a new file. */
void cs_audit__out_end(cs_audit__out *out);
/* Forgets what was written behind `size`. */
void cs_audit__out_back(cs_audit__out *out, uint64_t size);

/* ---- room.c */
typedef struct cs_audit__item {
    size_t at; /* in the bytes */
    cs_audit__parts parts;
    cs_audit_told *told;
    void *self;
    bool done;
} cs_audit__item;

typedef struct cs_audit__room {
    cs_buf bytes;
    CS_VEC(cs_audit__item) items;
    int64_t since_mono; /* when the first of them came */
} cs_audit__room;

struct cs_audit {
    cs_audit_options o;
    cs_thread thread;
    cs_mutex lock;                   /* of what follows */
    cs_cond more;                    /* for the thread: there is something to do */
    cs_cond less;                    /* for those who wait: less waits now, or the log can be written again */
    cs_audit__room filling, writing; /* the thread alone touches `writing`, but for its size */
    size_t writing_bytes;
    int64_t writing_since; /* of the oldest record there; 0 = none */
    bool failing;          /* the last try to write failed */
    _Atomic bool full;     /* decisions must wait or be refused; written under the lock */
    bool stop;
    uint64_t wanted, made; /* checkpoints asked for, and tried */
    bool made_well;
    uint64_t refused, lost; /* since they were last told of */
    int64_t refused_since_ns;
    cs_audit_head head; /* the last one; its texts are in head_room */
    cs_buf head_room;
    /* the thread's own */
    cs_audit__out out;
    cs_audit__state chain;
    cs_hasher *hasher;
    cs_buf text;         /* lines on their way to the file */
    size_t next;         /* item of `writing` that is not on disk yet */
    int64_t head_mono;   /* when the last checkpoint was made */
    int64_t batch_ns;    /* what writing took last */
    int64_t failed_mono; /* since when it fails; 0 = it does not */
    cs_arena names;      /* what the options point to */
    cs_metrics *own_metrics;
    cs_series *records, *refused_total, *lost_total;
};

void cs_audit__room_init(cs_audit__room *room);
void cs_audit__room_destroy(cs_audit__room *room);
void cs_audit__count_refused(cs_audit *audit, uint64_t n);
/* Under the lock: sets `full`, wakes those who wait. */
void cs_audit__look(cs_audit *audit);
/* Puts what must be told of what could not be kept, if there is any. Any thread. */
void cs_audit__put_losses(cs_audit *audit);

/* ---- writer.c */
void cs_audit__run(void *audit);

/* ---- checkpoint.c */
/* Signs where the chain stands, and keeps it in head.json; with `keep` in checkpoints.ndjson as well. Everything before
 * must be on disk. */
CS_MUST_CHECK cs_err cs_audit__checkpoint(cs_audit *audit, bool keep, cs_error *e);
/* The head as the folder has it. CS_ERR_NOT_FOUND without one. */
CS_MUST_CHECK cs_err cs_audit__head_load(const char *dir, cs_arena *a, cs_audit_head *out, cs_error *e);

#endif
