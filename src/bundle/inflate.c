/* Inflating an archive beside whoever reads it: a thread of its own fills pieces ahead of the reader, when the archive
 * is long enough to be worth one. */
#include "bundle/internal.h"

#include "countersign/base/gzip.h"
#include "countersign/base/mem.h"
#include "countersign/base/thread.h"

enum { PIECES = 8, PIECE = 65536, LONG = 262144 };

typedef struct piece {
    size_t n; /* 0 = the end, or the failure */
    char bytes[PIECE];
} piece;

struct cs_bundle__inflate {
    cs_gunzip *gunzip;
    piece *pieces;
    cs_thread thread;
    cs_mutex lock; /* of what follows */
    cs_cond changed;
    unsigned filled, taken; /* pieces so far */
    bool at_one;            /* the reader has the piece `taken` */
    bool stop;
    cs_error failure;
};

static void fill(cs_bundle__inflate *f, piece *p)
{
    size_t n = 0;
    p->n = 0;
    while (p->n < PIECE) {
        cs_error e = {0};
        if (cs_gunzip_read(f->gunzip, p->bytes + p->n, PIECE - p->n, &n, &e) != CS_OK) {
            f->failure = e; /* seen by the reader after the piece */
            p->n = 0;
            return;
        }
        if (n == 0) {
            return;
        }
        p->n += n;
    }
}

static void run(void *self)
{
    cs_bundle__inflate *f = self;
    bool end = false;
    while (!end) {
        cs_mutex_lock(&f->lock);
        while (f->filled - f->taken == PIECES && !f->stop) {
            cs_cond_wait(&f->changed, &f->lock);
        }
        end = f->stop;
        unsigned at = f->filled % PIECES;
        cs_mutex_unlock(&f->lock);
        if (end) {
            return;
        }
        fill(f, &f->pieces[at]);
        end = f->pieces[at].n == 0;
        cs_mutex_lock(&f->lock);
        f->filled++;
        cs_cond_signal(&f->changed);
        cs_mutex_unlock(&f->lock);
    }
}

cs_bundle__inflate *cs_bundle__inflate_open(cs_slice archive)
{
    cs_bundle__inflate *f = cs_zalloc(sizeof *f);
    f->gunzip = cs_gunzip_open(archive);
    f->pieces = cs_alloc_array(archive.n >= LONG ? PIECES : 1, sizeof *f->pieces);
    cs_mutex_init(&f->lock);
    cs_cond_init(&f->changed);
    if (archive.n >= LONG && cs_thread_start(&f->thread, "inflate", run, f, NULL) != CS_OK) {
        f->thread.running = false; /* then it is done by the reader */
    }
    return f;
}

cs_err cs_bundle__inflate_next(cs_bundle__inflate *f, const char **bytes, size_t *n, cs_error *e)
{
    piece *p = f->pieces;
    if (!f->thread.running) {
        fill(f, p);
    } else {
        cs_mutex_lock(&f->lock);
        if (f->at_one) {
            f->taken++; /* the piece before this one is done with */
            cs_cond_signal(&f->changed);
        }
        while (f->filled == f->taken) {
            cs_cond_wait(&f->changed, &f->lock);
        }
        p = &f->pieces[f->taken % PIECES];
        f->at_one = p->n != 0; /* the end stays where it is */
        cs_mutex_unlock(&f->lock);
    }
    if (p->n == 0 && f->failure.code != CS_OK) {
        *e = f->failure;
        return f->failure.code;
    }
    *bytes = p->bytes;
    *n = p->n;
    return CS_OK;
}

void cs_bundle__inflate_close(cs_bundle__inflate *f)
{
    cs_mutex_lock(&f->lock);
    f->stop = true;
    cs_cond_signal(&f->changed);
    cs_mutex_unlock(&f->lock);
    cs_thread_join(&f->thread);
    cs_mutex_destroy(&f->lock);
    cs_cond_destroy(&f->changed);
    cs_gunzip_close(f->gunzip);
    cs_free(f->pieces);
    cs_free(f);
}
