/* Signatures of webhooks against values computed elsewhere, and which news is told as what. */
#include <criterion/criterion.h>

#include "approval/webhook.h"
#include "countersign/base/time.h"

static const cs_slice secrets[] = {{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 38}, {"plain", 5}};
static const cs_config_webhook webhook = {.secrets = secrets, .n_secrets = 2};
static cs_arena arena;

static void setup(void)
{
    cs_arena_init(&arena, 0);
}

static void teardown(void)
{
    cs_arena_destroy(&arena);
}

TestSuite(webhook, .init = setup, .fini = teardown);

#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define AT "1614265330"
#define BODY "{\"test\": 2432232314}"
#define BY_FIRST "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define BY_SECOND "v1,tgOMx2V+ymftc5zrV4Kwy5UOWZAx1XMh0yu4Sm/6/r0="

static bool verify(const char *id, const char *at, const char *signature, const char *body, cs_webhook__proof *proof)
{
    cs_http_header headers[] = {{CS_LIT("Webhook-Id"), cs_slice_of(id)},
                                {CS_LIT("WEBHOOK-TIMESTAMP"), cs_slice_of(at)},
                                {CS_LIT("webhook-signature"), cs_slice_of(signature)}};
    cs_webhook_input in = {.headers = headers, .n_headers = 3, .body = cs_slice_of(body)};
    return cs_webhook__verify(&arena, &webhook, &in, proof);
}

Test(webhook, signs_with_every_secret)
{
    cs_slice all = cs_webhook__sign(&arena, &webhook, CS_LIT(ID), 1614265330, CS_LIT(BODY));
    cr_assert(cs_slice_is(all, BY_FIRST " " BY_SECOND), "%.*s", CS_FMT(all));
}

Test(webhook, takes_any_good_signature_and_nothing_else)
{
    cs_webhook__proof p = {.at_ns = 0};
    cr_assert(verify(ID, AT, BY_FIRST, BODY, &p) && cs_slice_is(p.delivery, ID));
    cr_assert_eq(p.at_ns, 1614265330 * CS_NS_PER_S);
    cr_assert(verify(ID, AT, "v1a,x v1,!! v1, " BY_SECOND, BODY, &p));
    cr_assert(!verify(ID, AT, BY_FIRST, BODY " ", &p));
    cr_assert(!verify(ID "x", AT, BY_FIRST, BODY, &p));
    cr_assert(!verify(ID, "1614265331", BY_FIRST, BODY, &p));
    cr_assert(!verify(ID, "", BY_FIRST, BODY, &p));
    cr_assert(!verify(ID, "-1614265330", BY_FIRST, BODY, &p));
    cr_assert(!verify("", AT, BY_FIRST, BODY, &p));
    cr_assert(!verify(ID, AT, "", BODY, &p));
    cr_assert(!verify(ID, AT, "v1,AAAA", BODY, &p));
    /* The ninth signature is not looked at any more. */
    cr_assert(!verify(ID, AT, "v1,AA== v1,AA== v1,AA== v1,AA== v1,AA== v1,AA== v1,AA== v1,AA== " BY_FIRST, BODY, &p));
}

Test(webhook, an_id_with_a_dot_cannot_move_where_it_ends)
{
    /* The same bytes are signed, cut elsewhere. */
    cs_slice all = cs_webhook__sign(&arena, &webhook, CS_LIT("a"), 5, CS_LIT("6.{}"));
    char *text = cs_arena_dup(&arena, all.p, all.n);
    cs_webhook__proof p = {.at_ns = 0};
    cr_assert(verify("a", "5", text, "6.{}", &p));
    cr_assert(!verify("a.5", "6", text, "{}", &p));
}

static bool verify_body(const char *signature, const char *body, cs_webhook__proof *proof)
{
    cs_http_header headers[] = {{CS_LIT("X-Hub-Signature"), cs_slice_of(signature)}};
    cs_webhook_input in = {.headers = headers, .n_headers = 1, .body = cs_slice_of(body)};
    return cs_webhook__verify(&arena, &webhook, &in, proof);
}

Test(webhook, the_body_alone_may_be_signed_and_says_when)
{
    cs_webhook__proof p = {.at_ns = 0};
    const char *good = "sha256=69f4edeaf442bf755c68e6e0d0291b558a001ffb8138fd64b9eeb5fa97709fcf";
    cr_assert(verify_body(good, "{\"timestamp\":1614265330000}", &p));
    cr_assert_eq(p.at_ns, 1614265330 * CS_NS_PER_S);
    cr_assert(cs_slice_starts(p.delivery, CS_LIT("body-")));
    cr_assert(!verify_body(good, "{\"timestamp\":1614265330001}", &p));
    cr_assert(!verify_body(good + 7, "{\"timestamp\":1614265330000}", &p));
    cr_assert(!verify_body("sha256=", "{\"timestamp\":1614265330000}", &p));
}

static const char *told(const char *what, bool approved, cs_approval_state state)
{
    const char *event = "", *outcome = "";
    cs_approval_news news = {.what = what, .approved = approved};
    bool any = cs_webhook__event_of(&news, state, &event, &outcome);
    return !any ? "nothing" : outcome[0] != '\0' ? outcome : event;
}

Test(webhook, what_is_told)
{
    cr_assert_str_eq(told("requested", false, CS_APPROVAL_REQUESTED), "opened");
    cr_assert_str_eq(told("escalated", false, CS_APPROVAL_PARTIALLY_APPROVED), "escalated");
    cr_assert_str_eq(told("granted", false, CS_APPROVAL_PARTIALLY_APPROVED), "nothing");
    cr_assert_str_eq(told("granted", true, CS_APPROVAL_APPROVED), "approved");
    cr_assert_str_eq(told("rejected", false, CS_APPROVAL_PARTIALLY_APPROVED), "nothing");
    cr_assert_str_eq(told("rejected", false, CS_APPROVAL_REJECTED), "rejected");
    cr_assert_str_eq(told("revoked", false, CS_APPROVAL_REQUESTED), "nothing");
    cr_assert_str_eq(told("delegated", false, CS_APPROVAL_REQUESTED), "nothing");
    cr_assert_str_eq(told("consumed", false, CS_APPROVAL_CONSUMED), "consumed");
    cr_assert_str_eq(told("unconsumed", false, CS_APPROVAL_APPROVED), "approved");
    cr_assert_str_eq(told("unconsumed", false, CS_APPROVAL_EXPIRED), "nothing");
    cr_assert_str_eq(told("expired", false, CS_APPROVAL_EXPIRED), "expired");
    cr_assert_str_eq(told("cancelled", false, CS_APPROVAL_CANCELLED), "cancelled");
}
