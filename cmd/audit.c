/* audit: is the log whole, what stands in it, and the report for those who must vouch for it. On a folder, or on a
 * running server's log. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "countersign/audit.h"
#include "countersign/base/file.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "remote.h"

enum { PAGE = 50000, HEAD_BYTES = 65536 };

typedef struct flags {
    cs_remote remote;
    const char *key, *alg, *head, *from, *to, *tenant, *format, *output;
    bool archived;
} flags;

/* Where the records are: a folder, or a copy of what a server gave. */
typedef struct source {
    const char *dir; /* NULL = nothing was made */
    const char *shown;
    bool copied;
} source;

/* ---- a server's log, page by page */

static int get(cs_arena *a, const flags *f, const char *url, cs_http_answer *answer)
{
    cs_remote_request request = {.method = "GET", .url = url};
    return cs_remote_fetch(a, &f->remote, &request, answer);
}

/* The number of the last record of a page, and how many there are. */
static uint64_t last_seq(cs_slice page, uint64_t before)
{
    cs_slice rest = page, line, last = CS_LIT("");
    while (rest.n != 0 && cs_slice_next(&rest, '\n', &line)) {
        last = line.n != 0 ? line : last;
    }
    size_t at = SIZE_MAX, next = cs_slice_find(last, CS_LIT(",\"seq\":"), 0);
    while (next != SIZE_MAX) {
        at = next;
        next = cs_slice_find(last, CS_LIT(",\"seq\":"), at + 1);
    }
    uint64_t seq = before;
    if (at != SIZE_MAX) {
        cs_slice digits = cs_slice_sub(last, at + 7, cs_slice_find_byte(last, ',', at + 1));
        (void)cs_slice_u64(digits, &seq);
    }
    return seq;
}

static const char *page_url(cs_arena *a, const flags *f, uint64_t after, bool filtered)
{
    cs_buf url;
    cs_buf_init(&url);
    cs_buf_text(&url, "/v1/audit");
    cs_remote_param(&url, "from", filtered ? f->from : NULL);
    cs_remote_param(&url, "to", filtered ? f->to : NULL);
    cs_remote_param(&url, "tenant", filtered ? f->tenant : NULL);
    cs_remote_param(&url, "after", cs_arena_printf(a, NULL, "%llu", (unsigned long long)after));
    cs_remote_param(&url, "limit", cs_arena_printf(a, NULL, "%d", PAGE));
    const char *text = cs_arena_dup(a, url.p, url.n);
    cs_buf_destroy(&url);
    return text;
}

static bool write_out(FILE *to, cs_slice bytes)
{
    return bytes.n == 0 || fwrite(bytes.p, 1, bytes.n, to) == bytes.n;
}

/* Every page into a file. The exit status. */
static int download(cs_arena *a, const flags *f, bool filtered, FILE *to)
{
    int status = 0;
    bool more = true;
    for (uint64_t after = 0; more && status == 0;) {
        cs_http_answer answer;
        status = get(a, f, page_url(a, f, after, filtered), &answer);
        if (status != 0) {
            break;
        }
        cs_slice page = cs_buf_view(&answer.body);
        uint64_t last = last_seq(page, after);
        more = page.n != 0 && last > after;
        after = last;
        if (!write_out(to, page)) {
            status = cs_cmd_fail("the records cannot be written: %s", strerror(errno));
        }
        cs_http_answer_destroy(&answer);
    }
    return status;
}

/* The log and its head in a folder of our own, so that one way of reading serves both. */
static int copy_from_server(cs_arena *a, const flags *f, bool filtered, source *s)
{
    char *dir = cs_arena_printf(a, NULL, "/tmp/countersign-audit-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return cs_cmd_fail("no temporary folder: %s", strerror(errno));
    }
    *s = (source){.dir = dir, .shown = "/v1/audit", .copied = true};
    cs_http_answer answer;
    int status = get(a, f, "/v1/audit/head", &answer);
    if (status != 0) {
        return status;
    }
    cs_error e;
    const char *head = cs_arena_printf(a, NULL, "%s/head.json", dir);
    if (cs_file_replace(head, cs_buf_view(&answer.body), &e) != CS_OK) {
        status = cs_cmd_fail_error(&e);
    }
    cs_http_answer_destroy(&answer);
    const char *name = cs_arena_printf(a, NULL, "%s/audit-0000000000000001-1970-01-01.ndjson", dir);
    FILE *file = status == 0 ? fopen(name, "wb") : NULL;
    if (status == 0 && file == NULL) {
        return cs_cmd_fail("%s: %s", name, strerror(errno));
    }
    if (file != NULL) {
        status = download(a, f, filtered, file);
        if (fclose(file) != 0 && status == 0) {
            status = cs_cmd_fail("%s: %s", name, strerror(errno));
        }
    }
    return status;
}

static cs_err remove_one(void *self, const char *relative, cs_error *e)
{
    (void)e;
    cs_buf path;
    cs_buf_init(&path);
    cs_buf_printf(&path, "%s/%s", (const char *)self, relative);
    (void)remove(cs_buf_cstr(&path));
    cs_buf_destroy(&path);
    return CS_OK;
}

static void close_source(const source *s)
{
    if (s->dir != NULL && s->copied) {
        char *dir = (char *)(uintptr_t)s->dir;
        (void)!cs_file_walk(dir, remove_one, dir, NULL);
        (void)rmdir(dir);
    }
}

static int open_source(cs_arena *a, const flags *f, const char *operand, bool filtered, source *s)
{
    *s = (source){.dir = operand, .shown = operand};
    if (operand != NULL && f->remote.url != NULL) {
        return cs_cmd_fail("either a folder or --url");
    }
    return operand != NULL ? 0 : copy_from_server(a, f, filtered, s);
}

/* ---- verify */

static cs_err read_key(cs_arena *a, const flags *f, cs_audit_verify_options *o, cs_key **key, cs_error *e)
{
    cs_slice text;
    if (f->key == NULL) {
        return CS_OK;
    }
    CS_TRY(cs_cmd_key_text(a, f->key, &text, e));
    if (f->alg != NULL) {
        if (!cs_sig_alg_find(cs_slice_of(f->alg), &o->alg)) {
            return cs_fail(e, CS_ERR_INVALID, "unknown algorithm %s", f->alg);
        }
        CS_TRY(cs_key_for(o->alg, text, key, e));
    } else {
        CS_TRY(cs_key_from_pem(text, false, key, e));
        cs_key_kind kind = cs_key_get_kind(*key);
        o->alg = kind == CS_KEY_RSA ? CS_RS256 : kind == CS_KEY_OKP ? CS_EDDSA : CS_ES256;
    }
    o->key = *key;
    return CS_OK;
}

static cs_err read_head(cs_arena *a, const flags *f, cs_audit_verify_options *o, cs_error *e)
{
    if (f->head == NULL) {
        return CS_OK;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_audit_head *head = cs_arena_new(a, cs_audit_head);
    cs_err err = cs_file_read(f->head, HEAD_BYTES, &text, e);
    if (err == CS_OK) {
        cs_slice mine = cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n);
        err = cs_audit_head_read(a, mine, head, e);
    }
    cs_buf_destroy(&text);
    o->heads = head;
    o->n_heads = 1;
    return err == CS_OK ? CS_OK : cs_fail_in(e, "--head %s: ", f->head);
}

static cs_err judge(cs_arena *a, const flags *f, const char *dir, cs_audit_verdict *v, cs_error *e)
{
    cs_audit_verify_options o = {.archived = f->archived};
    cs_key *key = NULL;
    cs_err err = read_key(a, f, &o, &key, e);
    err = err == CS_OK ? read_head(a, f, &o, e) : err;
    err = err == CS_OK ? cs_audit_verify(dir, &o, v, e) : err;
    cs_key_release(key);
    return err;
}

static void print_verdict(cs_arena *a, const cs_audit_verdict *v, const char *shown, bool json)
{
    if (json) {
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, cs_audit_verdict_value(a, v), CS_JSON_PRETTY);
        cs_buf_byte(&text, '\n');
        (void)cs_cmd_write(cs_buf_view(&text));
        cs_buf_destroy(&text);
    } else if (v->good) {
        printf("verified: %llu records, %llu to %llu, %llu checkpoints", (unsigned long long)v->records,
               (unsigned long long)v->first_seq, (unsigned long long)v->last_seq, (unsigned long long)v->checkpoints);
        if (v->signed_seq != 0) {
            printf(", signed up to record %llu\n", (unsigned long long)v->signed_seq);
        } else {
            printf(", signatures not checked (--verification-key)\n");
        }
    } else {
        printf("%s: %s\n  record %llu, %s/%s", v->fault, v->text, (unsigned long long)v->seq, shown, v->file);
        if (v->line != 0) {
            printf(":%llu", (unsigned long long)v->line);
        }
        printf("\n");
    }
}

static int verify(cs_arena *a, const flags *f, const source *s)
{
    cs_error e = {0};
    cs_audit_verdict v;
    if (judge(a, f, s->dir, &v, &e) != CS_OK) {
        return cs_cmd_fail_error(&e);
    }
    print_verdict(a, &v, s->shown, strcmp(f->format, "json") == 0);
    return v.good ? 0 : 1;
}

/* ---- export, report */

static bool instant(const char *text, int64_t *out)
{
    char whole[64];
    if (text == NULL) {
        return true;
    }
    bool day = strlen(text) == 10;
    int n = snprintf(whole, sizeof whole, "%s%s", text, day ? "T00:00:00Z" : "");
    return n < (int)sizeof whole && cs_time_parse_rfc3339(cs_slice_make(whole, (size_t)n), out);
}

static bool read_filter(const flags *f, cs_audit_filter *out)
{
    *out = (cs_audit_filter){.tenant = cs_slice_of(f->tenant != NULL ? f->tenant : "")};
    return instant(f->from, &out->from_ns) && instant(f->to, &out->to_ns);
}

static FILE *open_output(const flags *f)
{
    return f->output == NULL || strcmp(f->output, "-") == 0 ? stdout : fopen(f->output, "wb");
}

static int close_output(const flags *f, FILE *to, bool good)
{
    good = (to == stdout ? fflush(to) == 0 : fclose(to) == 0) && good;
    return good ? 0 : cs_cmd_fail("%s cannot be written", f->output != NULL ? f->output : "the output");
}

static bool print_line(void *self, uint64_t seq, cs_slice line)
{
    (void)seq;
    return write_out(self, line) && write_out(self, CS_LIT("\n"));
}

static int export_log(cs_arena *a, const flags *f, const source *s)
{
    (void)a;
    cs_audit_filter filter;
    cs_error e = {0};
    (void)read_filter(f, &filter);
    FILE *to = open_output(f);
    if (to == NULL) {
        return cs_cmd_fail("%s: %s", f->output, strerror(errno));
    }
    cs_err err = cs_audit_read(s->dir, &filter, print_line, to, &e);
    int status = close_output(f, to, ferror(to) == 0);
    return err == CS_OK ? status : cs_cmd_fail_error(&e);
}

static int report(cs_arena *a, const flags *f, const source *s)
{
    cs_audit_filter filter;
    cs_error e = {0};
    cs_value document;
    cs_audit_verdict v;
    (void)read_filter(f, &filter);
    if (judge(a, f, s->dir, &v, &e) != CS_OK || cs_audit_report(s->dir, &filter, &v, a, &document, &e) != CS_OK) {
        return cs_cmd_fail_error(&e);
    }
    cs_buf text;
    cs_buf_init(&text);
    if (strcmp(f->format, "html") == 0) {
        cs_audit_report_html(&text, document);
    } else {
        cs_json_write(&text, document, CS_JSON_PRETTY);
        cs_buf_byte(&text, '\n');
    }
    FILE *to = open_output(f);
    int status = to != NULL ? close_output(f, to, write_out(to, cs_buf_view(&text)))
                            : cs_cmd_fail("%s: %s", f->output, strerror(errno));
    cs_buf_destroy(&text);
    return status;
}

/* ---- */

static const struct {
    const char *name;
    int (*run)(cs_arena *a, const flags *f, const source *s);
    bool filtered; /* only what is asked for need be fetched */
} verbs[] = {{"verify", verify, false}, {"export", export_log, true}, {"report", report, false}};

static int run(cs_arena *a, const flags *f, const cs_arg_list *words)
{
    cs_audit_filter filter;
    if (!read_filter(f, &filter)) {
        return cs_cmd_fail("--from and --to are RFC 3339 instants or days, as 2026-01-31");
    }
    for (size_t i = 0; words->n != 0 && words->n <= 2 && i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(words->v[0], verbs[i].name) == 0) {
            source s;
            int status = open_source(a, f, words->n == 2 ? words->v[1] : NULL, verbs[i].filtered, &s);
            status = status == 0 ? verbs[i].run(a, f, &s) : status;
            close_source(&s);
            return status;
        }
    }
    return cs_cmd_fail("say what: audit verify|export|report [<folder>]");
}

int cs_cmd_audit(int argc, char **argv)
{
    flags f = {.remote = CS_REMOTE_DEFAULT, .format = "pretty"};
    const cs_arg args[] = {
        CS_REMOTE_URL_ARG(f.remote),
        CS_REMOTE_ARGS(f.remote),
        {"verification-key", 0, CS_ARG_STRING, &f.key, NULL, "public key of the checkpoints (PEM, or a secret)", NULL},
        {"signing-alg", 0, CS_ARG_STRING, &f.alg, NULL, "its algorithm; by default what fits the key", NULL},
        {"head", 0, CS_ARG_STRING, &f.head, NULL, "a head kept elsewhere (GET /v1/audit/head), which must fit", NULL},
        {"archived", 0, CS_ARG_BOOL, &f.archived, NULL, "older files were moved away", NULL},
        {"from", 0, CS_ARG_STRING, &f.from, NULL, "instant or day from which on", NULL},
        {"to", 0, CS_ARG_STRING, &f.to, NULL, "instant or day up to which, exclusive", NULL},
        {"tenant", 0, CS_ARG_STRING, &f.tenant, NULL, "only of this one", NULL},
        {"format", 'f', CS_ARG_ENUM, &f.format, "pretty|json|html", "of verify and report; html is for report", NULL},
        {"output", 'o', CS_ARG_STRING, &f.output, NULL, "file instead of stdout", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list words;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &words);
    status = status == -1 ? run(&a, &f, &words) : status;
    cs_arena_destroy(&a);
    return status;
}
