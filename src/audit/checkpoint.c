/* The head of the log, signed: the last record's number and hash. Whoever has a head can tell whether the log that he
 * is shown still holds everything up to it. */
#include <fcntl.h>
#include <unistd.h>

#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "internal.h"

enum { HEAD_MAX = 65536 };

static void put(cs_arena *a, cs_value object, const char *name, cs_slice text)
{
    cs_object_put_text(a, object, name, cs_string(text));
}

cs_value cs_audit_head_value(cs_arena *a, const cs_audit_head *head)
{
    cs_value v = cs_object_new(a, 5);
    put(a, v, "hash", cs_slice_of(cs_arena_dup(a, head->hash, strlen(head->hash))));
    put(a, v, "keyid", head->keyid);
    cs_object_put_text(a, v, "seq", cs_int((int64_t)head->seq));
    cs_object_put_text(a, v, "signature", head->token.n != 0 ? cs_string(head->token) : cs_null());
    put(a, v, "time", cs_slice_of(cs_arena_dup(a, head->time, strlen(head->time))));
    return v;
}

/* What is signed: canonical JSON of hash, seq and time. */
static void write_payload(cs_buf *out, const cs_audit_head *head)
{
    cs_buf_printf(out, "{\"hash\":\"%s\",\"seq\":%llu,\"time\":\"%s\"}", head->hash, (unsigned long long)head->seq,
                  head->time);
}

static cs_err sign(const cs_audit *audit, cs_arena *a, cs_audit_head *head, cs_error *e)
{
    head->keyid = head->token = CS_LIT("");
    if (audit->o.key == NULL) {
        return CS_OK;
    }
    cs_value header = cs_object_new(a, 2);
    put(a, header, "alg", cs_slice_of(cs_sig_alg_name(audit->o.alg)));
    put(a, header, "kid", audit->o.keyid);
    cs_buf text, payload;
    cs_buf_init(&text);
    cs_buf_init(&payload);
    cs_json_write_canonical(&text, header);
    write_payload(&payload, head);
    cs_err err = cs_jws_sign(a, cs_buf_view(&text), cs_buf_view(&payload), audit->o.key, audit->o.alg, &head->token, e);
    cs_buf_destroy(&text);
    cs_buf_destroy(&payload);
    head->keyid = audit->o.keyid;
    return err;
}

static void path_of(cs_buf *out, const char *dir, const char *name)
{
    cs_buf_printf(out, "%s/%s", dir, name);
}

/* One line more in the list of checkpoints that are kept. A torn one is no line, and is left out by readers. */
static cs_err append(const char *dir, cs_slice line, cs_error *e)
{
    cs_buf path;
    cs_buf_init(&path);
    path_of(&path, dir, "checkpoints.ndjson");
    int fd = open(cs_buf_cstr(&path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    ssize_t n = fd >= 0 ? write(fd, line.p, line.n) : -1;
    bool good = n == (ssize_t)line.n && fdatasync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    cs_err err = good ? CS_OK : cs_fail(e, CS_ERR_IO, "audit: %s cannot be written", cs_buf_cstr(&path));
    cs_buf_destroy(&path);
    return err;
}

static cs_err store(const cs_audit *audit, cs_arena *a, const cs_audit_head *head, bool keep, cs_error *e)
{
    cs_buf text, path;
    cs_buf_init(&text);
    cs_buf_init(&path);
    cs_json_write_canonical(&text, cs_audit_head_value(a, head));
    cs_buf_byte(&text, '\n');
    path_of(&path, audit->out.dir, "head.json");
    cs_err err = cs_file_replace(cs_buf_cstr(&path), cs_buf_view(&text), e);
    if (err == CS_OK && keep) {
        err = append(audit->out.dir, cs_buf_view(&text), e);
    }
    cs_buf_destroy(&path);
    cs_buf_destroy(&text);
    return err;
}

static cs_slice keep_text(cs_buf *room, cs_slice text)
{
    size_t at = room->n;
    cs_buf_slice(room, text);
    return cs_slice_make(room->p + at, text.n);
}

cs_err cs_audit__checkpoint(cs_audit *audit, bool keep, cs_error *e)
{
    if (audit->chain.seq == 0) {
        return CS_OK;
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_audit_head head = {.seq = audit->chain.seq};
    memcpy(head.hash, audit->chain.hash, sizeof head.hash);
    size_t n = cs_time_format_rfc3339(cs_time_wall_ns(), head.time);
    head.time[n] = 0;
    cs_err err = sign(audit, &a, &head, e);
    if (err == CS_OK) {
        err = store(audit, &a, &head, keep, e);
    }
    audit->head_mono = cs_time_mono_ns();
    if (err == CS_OK) {
        cs_mutex_lock(&audit->lock);
        cs_buf_clear(&audit->head_room);
        (void)cs_buf_room(&audit->head_room, head.keyid.n + head.token.n + 1);
        audit->head = head;
        audit->head.keyid = keep_text(&audit->head_room, head.keyid);
        audit->head.token = keep_text(&audit->head_room, head.token);
        cs_mutex_unlock(&audit->lock);
    }
    cs_arena_destroy(&a);
    return err;
}

cs_err cs_audit_get_head(cs_audit *audit, cs_arena *a, cs_audit_head *out, cs_error *e)
{
    cs_mutex_lock(&audit->lock);
    uint64_t mine = ++audit->wanted;
    cs_cond_signal(&audit->more);
    while (audit->made < mine) {
        cs_cond_wait(&audit->less, &audit->lock);
    }
    bool good = audit->made_well;
    *out = audit->head;
    out->keyid = cs_slice_make(cs_arena_dup(a, out->keyid.n != 0 ? out->keyid.p : "", out->keyid.n), out->keyid.n);
    out->token = cs_slice_make(cs_arena_dup(a, out->token.n != 0 ? out->token.p : "", out->token.n), out->token.n);
    cs_mutex_unlock(&audit->lock);
    return good ? CS_OK : cs_fail(e, CS_ERR_IO, "the audit log cannot be written");
}

/* ---- reading it */

static bool text_member(cs_value v, const char *name, cs_slice *out)
{
    const cs_value *m = cs_object_get_text(v, name);
    if (m == NULL || !cs_is(*m, CS_STRING)) {
        return false;
    }
    *out = cs_text(*m);
    return true;
}

static bool copy_text(char *to, size_t room, cs_slice text)
{
    if (text.n >= room) {
        return false;
    }
    memcpy(to, text.p, text.n);
    to[text.n] = 0;
    return true;
}

cs_err cs_audit_head_read(cs_arena *a, cs_slice json, cs_audit_head *out, cs_error *e)
{
    cs_value v;
    CS_TRY(cs_json_read(a, json, NULL, &v, NULL, e));
    *out = (cs_audit_head){.seq = 0};
    cs_slice hash, time;
    const cs_value *seq = cs_is(v, CS_OBJECT) ? cs_object_get_text(v, "seq") : NULL;
    if (seq == NULL || !cs_is(*seq, CS_NUMBER) || seq->form != CS_NUMBER_INT || seq->u.i < 0 ||
        !text_member(v, "hash", &hash) || !text_member(v, "time", &time) ||
        !copy_text(out->hash, sizeof out->hash, hash) || !copy_text(out->time, sizeof out->time, time)) {
        return cs_fail(e, CS_ERR_INVALID, "this is no head of an audit log: it needs seq, hash and time");
    }
    out->seq = (uint64_t)seq->u.i;
    if (!text_member(v, "keyid", &out->keyid)) {
        out->keyid = CS_LIT("");
    }
    if (!text_member(v, "signature", &out->token)) {
        out->token = CS_LIT("");
    }
    return CS_OK;
}

cs_err cs_audit__head_load(const char *dir, cs_arena *a, cs_audit_head *out, cs_error *e)
{
    cs_buf path, text;
    cs_buf_init(&path);
    cs_buf_init(&text);
    path_of(&path, dir, "head.json");
    cs_err err = cs_file_read(cs_buf_cstr(&path), HEAD_MAX, &text, e);
    if (err == CS_OK) {
        err = cs_audit_head_read(a, cs_buf_view(&text), out, e);
    }
    cs_buf_destroy(&text);
    cs_buf_destroy(&path);
    return err;
}

cs_err cs_audit_head_check(const cs_audit_head *head, const cs_key *key, cs_sig_alg alg, cs_error *e)
{
    if (head->token.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "the checkpoint of record %llu is not signed", (unsigned long long)head->seq);
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_jws jws;
    cs_err err = cs_jws_decode(&a, head->token, &jws, e);
    cs_buf payload;
    cs_buf_init(&payload);
    write_payload(&payload, head);
    if (err == CS_OK && !cs_jws_verify(&jws, key, alg)) {
        err = cs_fail(e, CS_ERR_INVALID, "the signature of the checkpoint of record %llu is not by this key",
                      (unsigned long long)head->seq);
    } else if (err == CS_OK && !cs_slice_eq(jws.payload, cs_buf_view(&payload))) {
        err = cs_fail(e, CS_ERR_INVALID, "the checkpoint of record %llu says something else than was signed",
                      (unsigned long long)head->seq);
    }
    cs_buf_destroy(&payload);
    cs_arena_destroy(&a);
    return err;
}
