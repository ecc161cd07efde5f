/* gzip over zlib. Input and output go to zlib in pieces, since its counters have 32 bits. */
#include "countersign/base/gzip.h"

#include <limits.h>
#include <zlib.h>

#include "countersign/base/mem.h"

#define GZIP_WINDOW (15 + 16) /* the largest window, in a gzip wrapper */
#define PIECE ((size_t)65536)

bool cs_gzip_is(cs_slice bytes)
{
    return bytes.n >= 2 && (unsigned char)bytes.p[0] == 0x1F && (unsigned char)bytes.p[1] == 0x8B;
}

static void give_input(z_stream *z, cs_slice *rest)
{
    if (z->avail_in == 0 && rest->n > 0) {
        size_t n = rest->n < INT_MAX ? rest->n : INT_MAX;
        /* zlib reads through a pointer that it does not declare const. */
        union {
            const char *ours;
            Bytef *theirs;
        } in = {.ours = rest->p};
        z->next_in = in.theirs;
        z->avail_in = (uInt)n;
        rest->p += n;
        rest->n -= n;
    }
}

static cs_err inflate_all(z_stream *z, cs_slice rest, size_t max, cs_buf *out, cs_error *e)
{
    size_t before = out->n;
    for (;;) {
        give_input(z, &rest);
        z->next_out = (Bytef *)cs_buf_room(out, PIECE);
        z->avail_out = (uInt)PIECE;
        int rc = inflate(z, Z_NO_FLUSH);
        out->n += PIECE - z->avail_out;
        if (out->n - before > max) {
            return cs_fail(e, CS_ERR_LIMIT, "gzip: more than %zu bytes of content", max);
        }
        if (rc == Z_STREAM_END) {
            if (z->avail_in == 0 && rest.n == 0) {
                return CS_OK;
            }
            /* Another member follows. */
            rc = inflateReset(z);
        }
        if (rc == Z_BUF_ERROR || (rc == Z_OK && z->avail_in == 0 && rest.n == 0 && z->avail_out != 0)) {
            return cs_fail(e, CS_ERR_SYNTAX, "gzip: unexpected end");
        }
        if (rc != Z_OK) {
            return cs_fail(e, CS_ERR_SYNTAX, "gzip: %s", z->msg ? z->msg : "damaged stream");
        }
    }
}

cs_err cs_gzip_inflate(cs_slice bytes, size_t max, cs_buf *out, cs_error *e)
{
    z_stream z = {0};
    cs_assert(inflateInit2(&z, GZIP_WINDOW) == Z_OK);
    size_t before = out->n;
    cs_err err = inflate_all(&z, bytes, max, out, e);
    if (err != CS_OK) {
        out->n = before;
    }
    (void)inflateEnd(&z);
    return err;
}

struct cs_gunzip {
    z_stream z;
    cs_slice rest;
    bool done;
};

cs_gunzip *cs_gunzip_open(cs_slice bytes)
{
    cs_gunzip *g = cs_zalloc(sizeof *g);
    g->rest = bytes;
    cs_assert(inflateInit2(&g->z, GZIP_WINDOW) == Z_OK);
    return g;
}

cs_err cs_gunzip_read(cs_gunzip *g, void *out, size_t room, size_t *n, cs_error *e)
{
    size_t want = room < PIECE ? room : PIECE;
    g->z.next_out = out;
    g->z.avail_out = (uInt)want;
    while (!g->done && g->z.avail_out == want) {
        give_input(&g->z, &g->rest);
        int rc = inflate(&g->z, Z_NO_FLUSH);
        bool used_up = g->z.avail_in == 0 && g->rest.n == 0;
        if (rc == Z_STREAM_END) {
            g->done = used_up;
            rc = used_up ? Z_OK : inflateReset(&g->z); /* another member follows */
        } else if (rc == Z_BUF_ERROR || (rc == Z_OK && used_up && g->z.avail_out == want)) {
            return cs_fail(e, CS_ERR_SYNTAX, "gzip: unexpected end");
        }
        if (rc != Z_OK) {
            return cs_fail(e, CS_ERR_SYNTAX, "gzip: %s", g->z.msg ? g->z.msg : "damaged stream");
        }
    }
    *n = want - g->z.avail_out;
    return CS_OK;
}

void cs_gunzip_close(cs_gunzip *g)
{
    if (g != NULL) {
        (void)inflateEnd(&g->z);
        cs_free(g);
    }
}

void cs_gzip_deflate(cs_slice bytes, int level, cs_buf *out)
{
    z_stream z = {0};
    cs_assert(deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    cs_slice rest = bytes;
    int rc = Z_OK;
    while (rc != Z_STREAM_END) {
        give_input(&z, &rest);
        z.next_out = (Bytef *)cs_buf_room(out, PIECE);
        z.avail_out = (uInt)PIECE;
        rc = deflate(&z, rest.n == 0 ? Z_FINISH : Z_NO_FLUSH);
        cs_assert(rc == Z_OK || rc == Z_STREAM_END);
        out->n += PIECE - z.avail_out;
    }
    (void)deflateEnd(&z);
}
