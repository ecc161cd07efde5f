#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "countersign/audit.h"
#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/json.h"

static char dir[64];
static cs_arena arena;

static void begin(void)
{
    snprintf(dir, sizeof dir, "/tmp/cs-audit-XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
    cs_arena_init(&arena, 0);
}

static cs_err remove_file(void *self, const char *relative, cs_error *e)
{
    (void)self;
    (void)e;
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, relative);
    (void)unlink(path);
    return CS_OK;
}

static void end(void)
{
    cs_error e;
    (void)!cs_file_walk(dir, remove_file, NULL, &e);
    (void)rmdir(dir);
    cs_arena_destroy(&arena);
}

TestSuite(audit, .init = begin, .fini = end);

static cs_audit *open_log(cs_audit_options o)
{
    cs_audit *audit;
    cs_error e;
    o.dir = dir;
    cr_assert_eq(cs_audit_open(&o, &audit, &e), CS_OK, "%s", e.text);
    return audit;
}

static void put(cs_audit *audit, const char *tenant, int64_t n)
{
    cs_value data = cs_object_new(&arena, 1);
    cs_object_put_text(&arena, data, "n", cs_int(n));
    cs_audit_record r = {
        .type = "decision", .tenant = cs_slice_of(tenant), .actor = cs_undefined(), .data = data, .time_ns = n};
    cr_assert_eq(cs_audit_put(audit, &r, NULL, NULL), CS_AUDIT_TAKEN);
}

/* A log of n records, besides the log's own first one. */
static void make_log(size_t n, uint64_t file_bytes)
{
    cs_audit *audit = open_log((cs_audit_options){.sync = CS_AUDIT_INTERVAL, .file_bytes = file_bytes});
    for (size_t i = 0; i < n; i++) {
        put(audit, "demo", (int64_t)i + 1);
        if (file_bytes != 0 && i % 10 == 0) {
            while (!cs_audit_idle(audit)) {
                cs_time_sleep_ns(CS_NS_PER_MS);
            }
        }
    }
    cs_audit_free(audit);
}

static cs_audit_verdict verify(void)
{
    cs_audit_verdict v;
    cs_error e;
    cr_assert_eq(cs_audit_verify(dir, &(cs_audit_verify_options){.key = NULL}, &v, &e), CS_OK, "%s", e.text);
    return v;
}

typedef struct listing {
    char names[16][128];
    size_t n;
} listing;

static cs_err note(void *self, const char *relative, cs_error *e)
{
    (void)e;
    listing *l = self;
    if (cs_slice_starts(cs_slice_of(relative), CS_LIT("audit-")) && l->n < 16) {
        snprintf(l->names[l->n++], sizeof l->names[0], "%s/%s", dir, relative);
    }
    return CS_OK;
}

static listing files(void)
{
    listing l = {.n = 0};
    cs_error e;
    cr_assert_eq(cs_file_walk(dir, note, &l, &e), CS_OK);
    return l;
}

static cs_buf content(const char *path)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_error e;
    cr_assert_eq(cs_file_read(path, SIZE_MAX / 2, &text, &e), CS_OK, "%s", e.text);
    return text;
}

static void store(const char *path, cs_slice bytes)
{
    cs_error e;
    cr_assert_eq(cs_file_replace(path, bytes, &e), CS_OK, "%s", e.text);
}

/* The offset of line n (1-based), with the text's length for the one behind the last. */
static size_t line_at(const cs_buf *text, size_t n)
{
    size_t at = 0;
    while (--n > 0) {
        at = cs_slice_find_byte(cs_buf_view(text), '\n', at) + 1;
    }
    return at;
}

Test(audit, a_chain_holds)
{
    make_log(100, 0);
    cs_audit_verdict v = verify();
    cr_assert(v.good, "%s", v.text);
    cr_assert_eq(v.records, 101);
    cr_assert_eq(v.last_seq, 101);
    cr_assert_eq(v.checkpoints, 2); /* the head, and the one kept at the end */
}

Test(audit, a_line_is_canonical_and_its_hash_is_of_the_rest)
{
    cs_audit *audit = open_log((cs_audit_options){.sync = CS_AUDIT_NONE, .node = CS_LIT("n1")});
    cs_audit_record r = {.type = "decision",
                         .tenant = CS_LIT("a \"b\" \xc3\xa9 \x01"),
                         .request_id = CS_LIT("r,\"hash\":\"x\""),
                         .decision_id = CS_LIT("d"),
                         .actor = cs_undefined(),
                         .time_ns = 1};
    cs_buf whole;
    cs_buf_init(&whole);
    cs_audit_write_begin(&whole, cs_undefined(), CS_LIT("{\"sub\":\"a\"}"));
    cs_buf_text(&whole, "{\"hash\":\"y\",\"x\":[1,2]}");
    cs_audit_written written = cs_audit_write_end(&whole, &r);
    (void)cs_audit_put_written(audit, &written, NULL, NULL);
    cs_buf_destroy(&whole);
    cs_audit_free(audit);
    listing l = files();
    cs_buf text = content(l.names[0]);
    size_t from = line_at(&text, 2), to = line_at(&text, 3);
    cs_slice line = cs_slice_make(text.p + from, to - from - 1);
    cs_value v;
    cs_error e;
    cr_assert_eq(cs_json_read(&arena, line, NULL, &v, NULL, &e), CS_OK, "%s", e.text);
    cs_buf again;
    cs_buf_init(&again);
    cs_json_write_canonical(&again, v);
    cr_assert(cs_slice_eq(cs_buf_view(&again), line));
    cs_value key = cs_string(CS_LIT("hash"));
    cs_slice hash = cs_text(*cs_object_get_text(v, "hash"));
    cs_buf_clear(&again);
    cs_json_write_canonical(&again, cs_remove(&arena, v, &key, 1));
    cr_assert(cs_slice_eq(cs_digest_hex(&arena, CS_SHA256, cs_buf_view(&again)), hash));
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(v, "request_id")), "r,\"hash\":\"x\""));
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(v, "time")), "1970-01-01T00:00:00.000000001Z"));
    cs_buf_destroy(&again);
    cs_buf_destroy(&text);
    cr_assert(verify().good);
}

Test(audit, every_byte_counts)
{
    make_log(4, 0);
    listing l = files();
    cs_buf text = content(l.names[0]);
    for (size_t i = 0; i < text.n; i++) {
        char was = text.p[i];
        text.p[i] = (char)(was ^ 1);
        store(l.names[0], cs_buf_view(&text));
        text.p[i] = was;
        cs_audit_verdict v = verify();
        cr_assert(!v.good, "byte %zu", i);
        size_t line = 1;
        for (size_t k = 0; k < i; k++) {
            line += text.p[k] == '\n';
        }
        bool tail = i + 1 == text.n; /* the last line's end: then that line is none */
        cr_assert_str_eq(v.fault, tail ? "truncated" : "changed", "byte %zu: %s", i, v.text);
        cr_assert(tail || (v.line == line && v.seq == line), "byte %zu: %s", i, v.text);
    }
    cs_buf_destroy(&text);
}

Test(audit, what_is_missing_or_moved_is_named)
{
    make_log(9, 0);
    listing l = files();
    cs_buf text = content(l.names[0]), other;
    cs_buf_init(&other);
    size_t a = line_at(&text, 4), b = line_at(&text, 5), c = line_at(&text, 6), d = line_at(&text, 10);
    cs_buf_put(&other, text.p, a);
    cs_buf_put(&other, text.p + b, text.n - b);
    store(l.names[0], cs_buf_view(&other));
    cs_audit_verdict v = verify();
    cr_assert(!v.good && strcmp(v.fault, "removed") == 0 && v.seq == 4 && v.line == 4, "%s", v.text);
    cs_buf_clear(&other);
    cs_buf_put(&other, text.p, a);
    cs_buf_put(&other, text.p + b, c - b);
    cs_buf_put(&other, text.p + a, b - a);
    cs_buf_put(&other, text.p + c, text.n - c);
    store(l.names[0], cs_buf_view(&other));
    v = verify();
    cr_assert(!v.good && strcmp(v.fault, "reordered") == 0 && v.seq == 4 && v.line == 4, "%s", v.text);
    cs_buf_clear(&other);
    cs_buf_put(&other, text.p, b);
    cs_buf_put(&other, text.p + a, text.n - a);
    store(l.names[0], cs_buf_view(&other));
    v = verify();
    cr_assert(!v.good && strcmp(v.fault, "repeated") == 0 && v.seq == 4 && v.line == 5, "%s", v.text);
    store(l.names[0], cs_slice_make(text.p, d));
    v = verify();
    cr_assert(!v.good && strcmp(v.fault, "truncated") == 0 && v.seq == 10, "%s", v.text);
    store(l.names[0], cs_buf_view(&text));
    cr_assert(verify().good);
    cs_buf_destroy(&other);
    cs_buf_destroy(&text);
}

Test(audit, files_follow_each_other)
{
    make_log(60, 2000);
    listing l = files();
    cr_assert_gt(l.n, 3);
    cs_audit_verdict v = verify();
    cr_assert(v.good && v.records == 61, "%s", v.text);
    cr_assert_eq(v.checkpoints, l.n + 1);
    (void)unlink(l.names[1]);
    v = verify();
    cr_assert(!v.good && strcmp(v.fault, "removed") == 0, "%s", v.text);
    (void)unlink(l.names[0]);
    cr_assert(!verify().good);
    cs_error e;
    cr_assert_eq(cs_audit_verify(dir, &(cs_audit_verify_options){.archived = true}, &v, &e), CS_OK);
    cr_assert(v.good && v.first_seq > 1 && v.last_seq == 61, "%s", v.text);
}

Test(audit, a_torn_line_is_cut_and_told)
{
    make_log(3, 0);
    listing l = files();
    cs_buf text = content(l.names[0]);
    cs_buf_text(&text, "{\"data\":{\"n\":4},\"ha");
    store(l.names[0], cs_buf_view(&text));
    cs_buf_destroy(&text);
    cr_assert(verify().good); /* it is no record yet */
    make_log(1, 0);
    cs_audit_verdict v = verify();
    cr_assert(v.good && v.records == 7, "%s", v.text); /* opened, 3, repaired, opened, 1 */
    text = content(l.names[0]);
    cr_assert(cs_slice_find(cs_buf_view(&text), CS_LIT("\"torn_bytes\":19"), 0) != SIZE_MAX);
    cs_buf_destroy(&text);
}

Test(audit, a_cut_log_is_not_gone_on_with_in_silence)
{
    make_log(5, 0);
    listing l = files();
    cs_buf text = content(l.names[0]);
    store(l.names[0], cs_slice_make(text.p, line_at(&text, 4)));
    cs_audit *audit;
    cs_error e;
    cs_audit_options o = {.dir = dir, .required = true};
    cr_assert_eq(cs_audit_open(&o, &audit, &e), CS_ERR_INVALID);
    make_log(1, 0);
    cs_audit_verdict v = verify();
    cr_assert(!v.good, "the checkpoint kept at the end knows another record 6");
    cs_buf_destroy(&text);
    text = content(l.names[0]);
    cr_assert(cs_slice_find(cs_buf_view(&text), CS_LIT("audit.truncated"), 0) != SIZE_MAX);
    cs_buf_destroy(&text);
}

Test(audit, one_writes)
{
    cs_audit *audit = open_log((cs_audit_options){.sync = CS_AUDIT_COMMIT}), *second;
    cs_error e;
    cr_assert_eq(cs_audit_open(&(cs_audit_options){.dir = dir}, &second, &e), CS_ERR_OPERATION);
    cs_audit_free(audit);
}

static _Atomic int told;

static void count_told(void *self, const cs_error *error)
{
    (void)self;
    atomic_fetch_add(&told, error == NULL ? 1 : 1000);
}

Test(audit, who_waits_is_told_when_it_is_on_disk)
{
    cs_audit *audit = open_log((cs_audit_options){.sync = CS_AUDIT_COMMIT});
    cs_audit_record r = {.type = "decision", .actor = cs_undefined(), .data = cs_object_new(&arena, 0)};
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(cs_audit_put(audit, &r, count_told, NULL), CS_AUDIT_TELLS);
    }
    for (int i = 0; i < 5000 && atomic_load(&told) != 200; i++) {
        cs_time_sleep_ns(CS_NS_PER_MS);
    }
    cr_assert_eq(atomic_load(&told), 200);
    cr_assert(cs_audit_idle(audit));
    cs_audit_free(audit);
    cr_assert_eq(verify().records, 201);
}

Test(audit, the_head_is_signed)
{
    cs_key *key = cs_key_secret(CS_LIT("0123456789abcdef0123456789abcdef")), *other = cs_key_secret(CS_LIT("another"));
    cs_audit *audit =
        open_log((cs_audit_options){.sync = CS_AUDIT_INTERVAL, .key = key, .alg = CS_HS256, .keyid = CS_LIT("audit")});
    put(audit, "demo", 1);
    cs_audit_head head, again;
    cs_error e;
    cr_assert_eq(cs_audit_get_head(audit, &arena, &head, &e), CS_OK);
    cr_assert_eq(head.seq, 2);
    cr_assert_eq(cs_audit_head_check(&head, key, CS_HS256, &e), CS_OK, "%s", e.text);
    cr_assert_eq(cs_audit_head_check(&head, other, CS_HS256, &e), CS_ERR_INVALID);
    cr_assert_eq(cs_audit_get_head(audit, &arena, &again, &e), CS_OK);
    cr_assert(cs_slice_eq(head.token, again.token), "nothing new, nothing signed");
    cs_audit_free(audit);
    cs_audit_verdict v;
    cs_audit_verify_options o = {.key = key, .alg = CS_HS256, .heads = &head, .n_heads = 1};
    cr_assert_eq(cs_audit_verify(dir, &o, &v, &e), CS_OK);
    cr_assert(v.good && v.signed_seq == 2 && v.checkpoints == 3, "%s", v.text);
    o.key = other;
    cr_assert_eq(cs_audit_verify(dir, &o, &v, &e), CS_OK);
    cr_assert(!v.good && strcmp(v.fault, "forged") == 0);
    memset(head.hash, '1', 64);
    o.key = NULL;
    cr_assert_eq(cs_audit_verify(dir, &o, &v, &e), CS_OK);
    cr_assert(!v.good && v.seq == 2, "a head kept elsewhere does not fit");
    cs_key_release(key);
    cs_key_release(other);
}

static bool count_line(void *self, uint64_t seq, cs_slice line)
{
    (void)line;
    *(uint64_t *)self = *(uint64_t *)self * 10 + seq;
    return true;
}

Test(audit, a_range_and_a_tenant)
{
    cs_audit *audit = open_log((cs_audit_options){.sync = CS_AUDIT_NONE});
    int64_t now = cs_time_wall_ns();
    put(audit, "demo", now + 1000);
    put(audit, "o\"ther", now + 2000);
    put(audit, "demo", now + 3000);
    cs_audit_free(audit);
    uint64_t seen = 0;
    cs_error e;
    cs_audit_filter f = {.from_ns = now + 2000, .to_ns = now + 3001};
    cr_assert_eq(cs_audit_read(dir, &f, count_line, &seen, &e), CS_OK);
    cr_assert_eq(seen, 34);
    seen = 0;
    f = (cs_audit_filter){.tenant = CS_LIT("o\"ther")};
    cr_assert_eq(cs_audit_read(dir, &f, count_line, &seen, &e), CS_OK);
    cr_assert_eq(seen, 3);
    seen = 0;
    f = (cs_audit_filter){.after = 2};
    cr_assert_eq(cs_audit_read(dir, &f, count_line, &seen, &e), CS_OK);
    cr_assert_eq(seen, 34);
}
