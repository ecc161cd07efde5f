/* Walks a chain and names the first broken record. */
#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "internal.h"

enum { CHECKPOINTS_MAX = 1 << 28 };

typedef struct walk {
    const char *dir;
    const cs_audit_verify_options *o;
    cs_audit_verdict *v;
    cs_hasher *hasher;
    cs_audit__state chain;
    cs_arena arena;
    CS_VEC(cs_audit_head) heads; /* by their seq */
    size_t next_head;
} walk;

static bool fault(walk *w, const char *kind, uint64_t seq, const char *file, uint64_t line, const char *format, ...)
    CS_PRINTF(6, 7);

static bool fault(walk *w, const char *kind, uint64_t seq, const char *file, uint64_t line, const char *format, ...)
{
    cs_audit_verdict *v = w->v;
    v->good = false;
    v->fault = kind;
    v->seq = seq;
    v->line = line;
    (void)snprintf(v->file, sizeof v->file, "%s", file);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(v->text, sizeof v->text, format, args);
    va_end(args);
    return false;
}

/* ---- checkpoints */

static int by_seq(const cs_audit_head *x, const cs_audit_head *y)
{
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Kept in order; most come in order. */
static void add_head(walk *w, const cs_audit_head *head)
{
    CS_VEC_PUSH_IN(&w->arena, &w->heads, *head);
    for (size_t i = w->heads.n - 1; i > 0 && by_seq(&w->heads.v[i], &w->heads.v[i - 1]) < 0; i--) {
        cs_audit_head other = w->heads.v[i];
        w->heads.v[i] = w->heads.v[i - 1];
        w->heads.v[i - 1] = other;
    }
}

static bool add_checked(walk *w, const cs_audit_head *head, const char *file, uint64_t line)
{
    cs_error e;
    if (w->o->key != NULL && cs_audit_head_check(head, w->o->key, w->o->alg, &e) != CS_OK) {
        return fault(w, "forged", head->seq, file, line, "%s", e.text);
    }
    if (head->seq != 0) {
        add_head(w, head);
    }
    return true;
}

/* checkpoints.ndjson; a torn last line does not count. */
static bool read_kept(walk *w)
{
    static const char name[] = "checkpoints.ndjson";
    cs_audit__reader r;
    cs_error e = {.code = CS_OK};
    cs_buf path;
    cs_buf_init(&path);
    cs_buf_printf(&path, "%s/%s", w->dir, name);
    bool there = cs_file_exists(cs_buf_cstr(&path));
    cs_buf_destroy(&path);
    if (!there || cs_audit__reader_open(&r, w->dir, name, &e) != CS_OK) {
        return true;
    }
    bool good = true;
    cs_slice text;
    while (good && cs_audit__reader_next(&r, &text, &e) && !r.torn) {
        cs_slice mine = cs_slice_make(cs_arena_dup(&w->arena, text.p, text.n), text.n);
        cs_audit_head head;
        good = cs_audit_head_read(&w->arena, mine, &head, &e) == CS_OK
                   ? add_checked(w, &head, name, r.line)
                   : fault(w, "unreadable", 0, name, r.line, "line %llu of %s is no checkpoint: %s",
                           (unsigned long long)r.line, name, e.text);
    }
    cs_audit__reader_close(&r);
    return good;
}

static bool read_heads(walk *w)
{
    cs_audit_head head;
    cs_error e;
    if (!read_kept(w)) {
        return false;
    }
    cs_err err = cs_audit__head_load(w->dir, &w->arena, &head, &e);
    if (err == CS_ERR_NOT_FOUND) {
        return fault(w, "truncated", 0, "head.json", 0,
                     "head.json is missing: nothing says where the log ends, so it may have been cut");
    }
    if (err != CS_OK) {
        return fault(w, "unreadable", 0, "head.json", 1, "head.json is no checkpoint: %s", e.text);
    }
    if (!add_checked(w, &head, "head.json", 1)) {
        return false;
    }
    for (size_t i = 0; i < w->o->n_heads; i++) {
        if (!add_checked(w, &w->o->heads[i], "(the head given)", 1)) {
            return false;
        }
    }
    return true;
}

/* Those about the record that was just read. */
static bool check_heads(walk *w, const char *file, uint64_t line)
{
    for (; w->next_head < w->heads.n && w->heads.v[w->next_head].seq <= w->chain.seq; w->next_head++) {
        const cs_audit_head *head = &w->heads.v[w->next_head];
        if (head->seq != w->chain.seq) {
            continue; /* of records that were moved away */
        }
        if (strcmp(head->hash, w->chain.hash) != 0) {
            return fault(
                w, "changed", head->seq, file, line,
                "record %llu is not the one that the checkpoint of %s vouches for: the log was written anew up "
                "to here",
                (unsigned long long)head->seq, head->time);
        }
        w->v->checkpoints++;
        w->v->signed_seq = w->o->key != NULL ? head->seq : w->v->signed_seq;
    }
    return true;
}

/* ---- records */

/* Does the record stand further on? Then it was not removed. */
static bool stands_later(const walk *w, const cs_audit__files *files, size_t from, uint64_t seq, char *file,
                         uint64_t *at)
{
    bool found = false;
    for (size_t i = from; i < files->n && !found; i++) {
        cs_audit__reader r;
        if (cs_audit__reader_open(&r, w->dir, files->v[i].name, NULL) != CS_OK) {
            continue;
        }
        cs_slice text;
        cs_audit__line line;
        while (!found && cs_audit__reader_next(&r, &text, NULL)) {
            found = cs_audit__line_read(text, &line) && line.seq == seq;
        }
        *at = r.line;
        memcpy(file, files->v[i].name, CS_AUDIT__NAME);
        cs_audit__reader_close(&r);
    }
    return found;
}

static bool out_of_order(walk *w, const cs_audit__files *files, size_t i, uint64_t at, const cs_audit__line *line)
{
    const char *file = files->v[i].name;
    unsigned long long due = w->chain.seq + 1, is = line->seq;
    if (is < due) {
        return fault(w, "repeated", line->seq, file, at,
                     "record %llu stands again in line %llu of %s, behind record %llu: it was copied, or what followed "
                     "it was removed",
                     is, (unsigned long long)at, file, due - 1);
    }
    char other[CS_AUDIT__NAME];
    uint64_t other_line;
    if (stands_later(w, files, i, due, other, &other_line)) {
        return fault(
            w, "reordered", due, file, at,
            "record %llu stands in line %llu of %s, where record %llu belongs; that one stands in line %llu of "
            "%s",
            is, (unsigned long long)at, file, due, (unsigned long long)other_line, other);
    }
    return fault(w, "removed", due, file, at,
                 is == due + 1 ? "record %llu is missing: line %llu of %s is record %llu"
                               : "records from %llu on are missing: line %llu of %s is record %llu",
                 due, (unsigned long long)at, file, is);
}

static bool check_line(walk *w, const cs_audit__files *files, size_t i, uint64_t at, cs_slice text)
{
    const char *file = files->v[i].name;
    unsigned long long due = w->chain.seq + 1, number = at;
    cs_audit__line line;
    if (!cs_audit__line_read(text, &line)) {
        return fault(w, "changed", due, file, at, "line %llu of %s, where record %llu belongs, is no record", number,
                     file, due);
    }
    if (!cs_audit__line_holds(&line, w->hasher)) {
        return fault(w, "changed", due, file, at,
                     "record %llu in line %llu of %s was changed: its hash is not the hash of what stands there", due,
                     number, file);
    }
    bool first = w->v->records == 0 && w->o->archived;
    if (!first && line.seq != due) {
        return out_of_order(w, files, i, at, &line);
    }
    if (!first && memcmp(line.prev.p, w->chain.hash, CS_AUDIT__HASH) != 0) {
        return fault(w, "changed", due, file, at,
                     "record %llu in line %llu of %s does not follow the record before it: one of the two was replaced",
                     due, number, file);
    }
    w->v->first_seq = w->v->records++ == 0 ? line.seq : w->v->first_seq;
    w->chain.seq = line.seq;
    memcpy(w->chain.hash, line.hash.p, CS_AUDIT__HASH);
    return check_heads(w, file, at);
}

static bool check_file(walk *w, const cs_audit__files *files, size_t i)
{
    cs_audit__reader r;
    cs_error e = {.code = CS_OK};
    if (cs_audit__reader_open(&r, w->dir, files->v[i].name, &e) != CS_OK) {
        return fault(w, "unreadable", w->chain.seq + 1, files->v[i].name, 0, "%s", e.text);
    }
    bool good = true, last = i + 1 == files->n;
    cs_slice text;
    while (good && cs_audit__reader_next(&r, &text, &e)) {
        if (r.torn && !last) {
            good = fault(w, "changed", w->chain.seq + 1, files->v[i].name, r.line,
                         "the last line of %s has no end, and another file follows", files->v[i].name);
        } else if (!r.torn) {
            good = check_line(w, files, i, r.line, text);
        }
    }
    if (good && e.code != CS_OK) {
        good = fault(w, "unreadable", w->chain.seq + 1, files->v[i].name, r.line + 1, "%s", e.text);
    }
    cs_audit__reader_close(&r);
    return good;
}

static bool check_end(walk *w, const cs_audit__files *files)
{
    if (w->next_head == w->heads.n) {
        return true;
    }
    const cs_audit_head *head = &w->heads.v[w->heads.n - 1];
    const char *file = files->n != 0 ? files->v[files->n - 1].name : "";
    return fault(
        w, "truncated", w->chain.seq + 1, file, 0,
        "the log ends at record %llu in %s, but the checkpoint of %s vouches for record %llu: the tail was cut",
        (unsigned long long)w->chain.seq, file, head->time, (unsigned long long)head->seq);
}

cs_err cs_audit_verify(const char *dir, const cs_audit_verify_options *options, cs_audit_verdict *out, cs_error *e)
{
    cs_audit__files files = {0};
    CS_TRY(cs_audit__list(dir, &files, e));
    if (files.n == 0 && !cs_file_is_dir(dir)) {
        return cs_fail(e, CS_ERR_NOT_FOUND, "%s is no folder of an audit log", dir);
    }
    *out = (cs_audit_verdict){.good = true, .fault = ""};
    walk w = {.dir = dir, .o = options, .v = out, .hasher = cs_hasher_start(CS_SHA256)};
    cs_arena_init(&w.arena, 0);
    cs_audit__state_init(&w.chain);
    bool heads = read_heads(&w), good = true;
    cs_audit_verdict of_heads = *out;
    out->good = true;
    for (size_t i = 0; i < files.n && good; i++) {
        good = check_file(&w, &files, i);
    }
    if (good && !heads) {
        uint64_t records = out->records, first = out->first_seq;
        *out = of_heads;
        out->records = records;
        out->first_seq = first;
    } else if (good) {
        (void)check_end(&w, &files);
    }
    out->last_seq = w.chain.seq;
    memcpy(out->last_hash, w.chain.hash, sizeof out->last_hash);
    cs_hasher_drop(w.hasher);
    cs_arena_destroy(&w.arena);
    CS_VEC_FREE(&files);
    return CS_OK;
}
