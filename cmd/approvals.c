/* approvals: what waits for people at a running server, and what one of them does about it. */
#include <string.h>

#include "countersign/base/encode.h"
#include "countersign/json.h"
#include "remote.h"

typedef struct flags {
    cs_remote remote;
    const char *tenant, *state, *digest, *requester, *after, *comment, *to, *until;
    int64_t limit;
} flags;

static void put_text(cs_arena *a, cs_value body, const char *name, const char *value)
{
    if (value != NULL) {
        cs_object_put_text(a, body, name, cs_string(cs_slice_of(value)));
    }
}

static int list(cs_arena *a, const flags *f)
{
    cs_buf url;
    cs_buf_init(&url);
    cs_buf_text(&url, "/v1/approvals");
    cs_remote_param(&url, "tenant", f->tenant);
    cs_remote_param(&url, "state", f->state);
    cs_remote_param(&url, "digest", f->digest);
    cs_remote_param(&url, "requester", f->requester);
    cs_remote_param(&url, "after", f->after);
    if (f->limit != 0) {
        cs_remote_param(&url, "limit", cs_arena_printf(a, NULL, "%lld", (long long)f->limit));
    }
    cs_remote_request request = {.method = "GET", .url = cs_buf_cstr(&url)};
    int status = cs_remote_print(a, &f->remote, &request);
    cs_buf_destroy(&url);
    return status;
}

static int post(cs_arena *a, const flags *f, const char *url, cs_value body)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, body, 0);
    cs_remote_request request = {.method = "POST", .url = url, .body = cs_buf_view(&text)};
    int status = cs_remote_print(a, &f->remote, &request);
    cs_buf_destroy(&text);
    return status;
}

/* One, or with approve and reject several at once. */
static int act(cs_arena *a, const flags *f, const char *verb, const cs_arg_list *ids)
{
    cs_value body = cs_object_new(a, 4);
    put_text(a, body, "comment", f->comment);
    bool vote = strcmp(verb, "approve") == 0 || strcmp(verb, "reject") == 0;
    if (ids->n > 2 && vote) {
        cs_value *items = cs_arena_array(a, cs_value, ids->n);
        for (size_t i = 1; i < ids->n; i++) {
            items[i - 1] = cs_string(cs_slice_of(ids->v[i]));
        }
        cs_object_put_text(a, body, "ids", cs_array(items, ids->n - 1));
        put_text(a, body, "decision", verb);
        return post(a, f, "/v1/approvals/bulk", body);
    }
    if (ids->n != 2) {
        return cs_cmd_fail("name the approval: approvals %s <id>", verb);
    }
    put_text(a, body, "digest", f->digest);
    put_text(a, body, "to", f->to);
    put_text(a, body, "until", f->until);
    cs_buf url;
    cs_buf_init(&url);
    cs_buf_text(&url, "/v1/approvals/");
    cs_percent_encode(&url, cs_slice_of(ids->v[1]));
    cs_buf_printf(&url, "/%s", verb);
    int status = post(a, f, cs_buf_cstr(&url), body);
    cs_buf_destroy(&url);
    return status;
}

static int show(cs_arena *a, const flags *f, const cs_arg_list *words)
{
    if (words->n != 2) {
        return cs_cmd_fail("name the approval: approvals show <id>");
    }
    cs_buf url;
    cs_buf_init(&url);
    cs_buf_text(&url, "/v1/approvals/");
    cs_percent_encode(&url, cs_slice_of(words->v[1]));
    cs_remote_request request = {.method = "GET", .url = cs_buf_cstr(&url)};
    int status = cs_remote_print(a, &f->remote, &request);
    cs_buf_destroy(&url);
    return status;
}

static int run(cs_arena *a, const flags *f, const cs_arg_list *words)
{
    static const char *const acts[] = {"approve", "reject", "revoke", "delegate"};
    const char *verb = words->n > 0 ? words->v[0] : "";
    if (strcmp(verb, "list") == 0 && words->n == 1) {
        return list(a, f);
    }
    if (strcmp(verb, "show") == 0) {
        return show(a, f, words);
    }
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        if (strcmp(verb, acts[i]) == 0) {
            return act(a, f, verb, words);
        }
    }
    return cs_cmd_fail("specify one of list, show, approve, reject, revoke, delegate, and what it takes");
}

int cs_cmd_approvals(int argc, char **argv)
{
    flags f = {.remote = CS_REMOTE_DEFAULT};
    const cs_arg args[] = {
        CS_REMOTE_URL_ARG(f.remote),
        CS_REMOTE_ARGS(f.remote),
        {"tenant", 0, CS_ARG_STRING, &f.tenant, NULL, "list: of this one", NULL},
        {"state", 0, CS_ARG_STRING, &f.state, NULL, "list: a state, several with commas, pending or open", NULL},
        {"requester", 0, CS_ARG_STRING, &f.requester, NULL, "list: asked for by them", NULL},
        {"limit", 0, CS_ARG_INT, &f.limit, NULL, "list: how many at most (default 100)", NULL},
        {"after", 0, CS_ARG_STRING, &f.after, NULL, "list: those behind this one (\"next\" of the last list)", NULL},
        {"digest", 0, CS_ARG_STRING, &f.digest, NULL, "list: of this digest; others: only if it has this one", NULL},
        {"comment", 0, CS_ARG_STRING, &f.comment, NULL, "why; others see it", NULL},
        {"to", 0, CS_ARG_STRING, &f.to, NULL, "delegate: to whom", NULL},
        {"until", 0, CS_ARG_STRING, &f.until, NULL, "delegate: until this RFC 3339 instant", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list words;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &words);
    if (status == -1) {
        status = run(&a, &f, &words);
    }
    cs_arena_destroy(&a);
    return status;
}
