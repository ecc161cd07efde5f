/* The configuration: sources and their strength, every problem at once, what is shown of it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "countersign/base/file.h"
#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "countersign/config.h"
#include "countersign/json.h"

static char path[64];
static cs_config_report report;

static void setup(void)
{
    (void)snprintf(path, sizeof path, "/tmp/config-test-%d.yaml", (int)getpid());
    cs_config_report_init(&report);
}

static void teardown(void)
{
    (void)unlink(path);
    cs_config_report_destroy(&report);
}

TestSuite(config, .init = setup, .fini = teardown);

static cs_config *load(const char *text, const char *set)
{
    cr_assert_eq(cs_file_replace(path, cs_slice_of(text), NULL), CS_OK);
    cs_config_sources sources = {.file = path, .set = &set, .n_set = set != NULL};
    cs_config *config = NULL;
    (void)!cs_config_load(&sources, &config, &report);
    return config;
}

static cs_config *must_load(const char *text, const char *set)
{
    cs_config *config = load(text, set);
    cs_buf all;
    cs_buf_init(&all);
    cs_config_report_print(&all, &report, true);
    cr_assert_not_null(config, "%s", cs_buf_cstr(&all));
    cs_buf_destroy(&all);
    return config;
}

/* The report without the file's name. */
static void expect(const char *want, bool warnings)
{
    cs_buf all, got;
    cs_buf_init(&all);
    cs_buf_init(&got);
    cs_config_report_print(&all, &report, warnings);
    cs_slice rest = cs_buf_view(&all), line;
    while (cs_slice_next(&rest, '\n', &line)) {
        if (cs_slice_starts(line, cs_slice_of(path))) {
            line = cs_slice_sub(line, strlen(path) + 1, line.n);
        }
        cs_buf_slice(&got, line);
        cs_buf_text(&got, rest.n > 0 ? "\n" : "");
    }
    cr_assert_str_eq(cs_buf_cstr(&got), want);
    cs_buf_destroy(&all);
    cs_buf_destroy(&got);
}

Test(config, defaults_without_a_file)
{
    cs_config *c = NULL;
    cr_assert_eq(cs_config_load(&(cs_config_sources){0}, &c, &report), CS_OK);
    cr_assert(cs_slice_is(c->default_decision, "/system/main"));
    cr_assert(cs_slice_is(c->default_authorization_decision, "/system/authz/allow"));
    cr_assert_eq(c->server.decoding_max_length, 268435456);
    cr_assert_eq(c->spend.dedupe_ns, 35 * 24 * 3600 * CS_NS_PER_S);
    cr_assert_eq(c->overrides.max_ttl_ns, 7200 * CS_NS_PER_S);
    cr_assert_eq(c->overrides.n_roots, 4);
    cr_assert_eq(c->identity.n_algorithms, 3);
    cr_assert(cs_slice_is(c->approvals.evidence, "verified"));
    cr_assert(!c->journal.configured && !c->spend.configured && !c->identity.configured && !c->audit.configured);
    cr_assert(c->n_services == 0 && c->n_bundles == 0 && c->n_keys == 0 && c->n_push == 0);
    cs_config_free(c);
}

Test(config, a_whole_file)
{
    cs_config *c =
        must_load("services:\n"
                  "  - name: one\n"
                  "    url: http://one\n"
                  "    credentials: {bearer: {token: s3cret}}\n"
                  "  - {name: two, url: http://two, headers: {x: y}, response_header_timeout_seconds: 3}\n"
                  "bundles:\n"
                  "  a: {service: two, resource: b/a.tar.gz, polling: {min_delay_seconds: 1, max_delay_seconds: 2}}\n"
                  "  b: {}\n"
                  "  c: {resource: 'file:///srv/c.tar.gz', signing: {keyid: k, scope: read, exclude_files: [x, y]}}\n"
                  "keys:\n"
                  "  k: {key: PEM, algorithm: ES256}\n"
                  "push: {c: {keyid: k, scope: write}}\n"
                  "labels: {app: demo}\n"
                  "decision_logs: {console: true}\n"
                  "journal: {sqlite: {path: j.db}}\n"
                  "spend:\n"
                  "gateways: {effects: [a/b, c]}\n"
                  "identity: {jwt: {jwks: {file: keys.json}, algorithms: [ES256], leeway: 1m}}\n"
                  "server: {metrics: {prom: {http_request_duration_seconds: {buckets: [0.001, 1]}}}}\n",
                  NULL);
    expect("", false);
    cr_assert(c->n_services == 2 && cs_slice_is(c->services[0].bearer_token, "s3cret"));
    cr_assert_eq(c->services[1].response_header_timeout_ns, 3 * CS_NS_PER_S);
    cr_assert_eq(c->n_bundles, 3);
    cr_assert(cs_slice_is(c->bundles[0].service, "two") && c->bundles[0].max_delay_ns == 2 * CS_NS_PER_S);
    cr_assert(cs_slice_is(c->bundles[1].service, "one") && cs_slice_is(c->bundles[1].resource, "bundles/b"));
    const cs_config_bundle *b = cs_config_find_bundle(c, CS_LIT("c"));
    cr_assert(b->signing && cs_slice_is(b->path, "/srv/c.tar.gz") && b->n_exclude_files == 2);
    cr_assert(cs_slice_is(cs_config_find_key(c, CS_LIT("k"))->algorithm, "ES256"));
    cr_assert(cs_slice_is(cs_config_find_push(c, CS_LIT("c"))->scope, "write"));
    cr_assert_null(cs_config_find_push(c, CS_LIT("d")));
    cr_assert(c->decision_logs.console && c->journal.configured && c->spend.configured && !c->audit.configured);
    cr_assert(c->gateways.n_effects == 2 && cs_slice_is(c->gateways.effects[0], "a/b"));
    cr_assert(c->identity.jwt && c->identity.n_algorithms == 1 && c->identity.leeway_ns == 60 * CS_NS_PER_S);
    cr_assert_eq(c->server.n_duration_buckets, 2);
    cs_config_free(c);
}

Test(config, every_problem_at_once_with_its_line)
{
    cr_assert_null(load("spend:\n"
                        "  dedupe: soon\n"
                        "  on_stale: maybe\n"
                        "  unheard_of: 1\n"
                        "decision_logs:\n"
                        "  console: 'yes'\n"
                        "  novelty: 1\n"
                        "bundles:\n"
                        "  x: {service: gone}\n"
                        "overrides: {max_ttl: 60d}\n"
                        "something: {else: 1}\n"
                        "push:\n"
                        "  y: {scope: write}\n"
                        "limits:\n"
                        "  json_depth: 0\n"
                        "  json_deep: 4\n"
                        "identity: {jwt: {jwks: {file: f}, algorithms: [none]}}\n"
                        "server: {encoding: {gzip: {compression_level: 11}}}\n",
                        NULL));
    expect("2: spend.dedupe must be a duration (300ms, 30s, 2h, 35d)\n"
           "3: spend.on_stale must be one of deny|allow|degrade\n"
           "4: unknown configuration option \"spend.unheard_of\" encountered\n"
           "6: decision_logs.console must be true or false\n"
           "7: warning: unknown configuration option \"decision_logs.novelty\" encountered\n"
           "9: invalid configuration for bundle \"x\": service name \"gone\" not found\n"
           "10: overrides.max_ttl must be within 1s..30d\n"
           "11: warning: unknown configuration option \"something\" encountered\n"
           "13: push.y needs a keyid: what is pushed is always signed\n"
           "15: limits.json_depth must be a positive integer\n"
           "16: unknown configuration option \"limits.json_deep\" encountered\n"
           "17: identity.jwt.algorithms: \"none\" is not one of "
           "RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA|HS256|HS384|HS512\n"
           "18: server.encoding.gzip.compression_level must be within 0..9",
           true);
    cr_assert_eq(report.errors, 11);
}

Test(config, what_no_single_value_tells)
{
    cr_assert_null(load("keys:\n"
                        "  a: {}\n"
                        "services:\n"
                        "  s: {url: u}\n"
                        "bundles:\n"
                        "  p: {polling: {min_delay_seconds: 1}}\n"
                        "  q: {polling: {min_delay_seconds: 9, max_delay_seconds: 1}}\n"
                        "  r: {signing: {keyid: none}}\n"
                        "push:\n"
                        "  t: {keyid: none}\n",
                        NULL));
    expect("2: invalid keys configuration: no keys provided for key ID a\n"
           "6: invalid configuration for bundle \"p\": polling configuration missing 'max_delay_seconds'\n"
           "7: invalid configuration for bundle \"q\": max polling delay must be >= min polling delay\n"
           "8: invalid configuration for bundle \"r\": key id none not found\n"
           "10: push.t: key id none not found",
           true);
}

Test(config, webhooks_by_list_and_what_is_wrong_with_them)
{
    cs_config *c = must_load("approvals:\n"
                             "  webhooks:\n"
                             "    - {name: a, url: 'https://x/y', secret: 0123456789abcdef0, events: [decided],\n"
                             "       old_secrets: [second], retry: {first: 1s, give_up: 2h}, tenants: [acme]}\n"
                             "    - {name: b, kind: servicenow, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZI}\n",
                             NULL);
    const cs_config_webhook *a = &c->approvals.webhooks[0];
    const cs_config_webhook *b = &c->approvals.webhooks[1];
    cr_assert_eq(c->approvals.n_webhooks, 2);
    cr_assert(a->n_secrets == 2 && cs_slice_is(a->secrets[1], "second") && a->n_tenants == 1);
    cr_assert(a->decided && !a->opened && !a->escalated && a->inbound && !a->groups_trusted);
    cr_assert(a->first_ns == CS_NS_PER_S && a->most_ns == 900 * CS_NS_PER_S && a->give_up_ns == 7200 * CS_NS_PER_S);
    cr_assert(cs_slice_is(a->kind, "generic") && cs_slice_is(a->digest_field, "countersign_digest"));
    cr_assert(b->url.n == 0 && b->opened && cs_slice_is(b->approval_field, "u_countersign_approval"));
    cs_config_free(c);
    cr_assert_null(load("approvals:\n"
                        "  webhooks:\n"
                        "    - {name: a, url: 'ftp://x', secret: 0123456789abcdef0}\n"
                        "    - {name: a, inbound: false, secret: whsec_!}\n"
                        "    - {name: b, headers: {\"x\": \"1\\n2\"}}\n"
                        "    - {url: 'http://x', retry: {first: 1h}, kind: fax}\n"
                        "    - plain\n",
                        NULL));
    expect("3: approvals.webhooks.a.url must begin with http:// or https://\n"
           "4: approvals.webhooks: \"a\" is there twice\n"
           "4: approvals.webhooks.a has neither a url nor inbound\n"
           "4: approvals.webhooks.a: whsec_ is not followed by base64\n"
           "5: approvals.webhooks.b.headers: \"x\" is no header\n"
           "5: approvals.webhooks.b needs a secret\n"
           "6: approvals.webhooks[3].kind must be one of generic|jira|servicenow\n"
           "6: approvals.webhooks[3] needs a name\n"
           "7: approvals.webhooks[4] must be a mapping\n"
           "7: approvals.webhooks[4] needs a name",
           false);
}

Test(config, not_a_configuration)
{
    cr_assert_null(load("a: [", NULL));
    cr_assert_eq(report.errors, 1);
    cr_assert(report.v[0].line > 0 && cs_slice_find(report.v[0].text, CS_LIT("failed to parse"), 0) == 0);
    cr_assert_null(load("[1, 2]", NULL));
    cr_assert_null(load("spend: {dedupe: 2d}\nspend: {}\n", NULL));
    cr_assert_null(load("a: &x {b: *x}\n", NULL));
    cr_assert_null(load("spend: 7\n", NULL));
    cs_config *c = NULL;
    cr_assert_neq(cs_config_load(&(cs_config_sources){.file = "/nowhere/at/all.yaml"}, &c, &report), CS_OK);
}

Test(config, json_and_anchors_and_merge_keys)
{
    cs_config *c = must_load("{\"spend\": {\"dedupe\": \"2d\"}, \"labels\": {\"a\": \"b\"}}", NULL);
    cr_assert_eq(c->spend.dedupe_ns, 2 * 24 * 3600 * CS_NS_PER_S);
    cs_config_free(c);
    c = must_load("settings: {base: &b {x: 1, y: 2}, other: {<<: *b, y: 3}}\n", NULL);
    const cs_value *other = cs_object_get_text(c->settings, "other");
    cr_assert(cs_equal(*cs_object_get_text(*other, "x"), cs_int(1)) &&
              cs_equal(*cs_object_get_text(*other, "y"), cs_int(3)));
    cs_config_free(c);
}

Test(config, environment_is_put_in_before_parsing)
{
    cr_assert_eq(setenv("CONFIG_TEST_A", "{console: true}", 1), 0);
    cr_assert_eq(setenv("CONFIG_TEST_B", "", 1), 0);
    cs_config *c = must_load("decision_logs: ${CONFIG_TEST_A}\n"
                             "labels: {a: 'x${CONFIG_TEST_B}y', b: '${CONFIG_TEST_UNSET}', c: '$', d: '${'}\n",
                             NULL);
    cr_assert(c->decision_logs.console);
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(c->labels, "a")), "xy"));
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(c->labels, "b")), "${CONFIG_TEST_UNSET}"));
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(c->labels, "d")), "${"));
    cs_config_free(c);
}

Test(config, switches_in_the_environment_win)
{
    cr_assert_eq(setenv("PQ_PHASE", "log", 1), 0);
    cr_assert_eq(setenv("PQ_BYPASS", "1", 1), 0);
    cr_assert_eq(setenv("PQ_INTROSPECTION", "0", 1), 0);
    cs_config *c = must_load("pq: {phase: enforce, bypass: false, introspection: true}\n", NULL);
    cr_assert(cs_slice_is(c->pq.phase, "log") && c->pq.bypass && !c->pq.introspection);
    cs_config_free(c);
    cr_assert_eq(setenv("PQ_PHASE", "loud", 1), 0);
    cr_assert_null(load("", NULL));
    expect("environment variable PQ_PHASE must be log or enforce", true);
}

Test(config, set_wins_and_lists_are_replaced)
{
    cs_config *c = must_load("gateways: {decision: a/b, effects: [x, y]}\nlabels: {k: v, l: w}\n",
                             "gateways.effects={p\\,q,r},labels.k=2\\=z,server.workers=3,labels.a\\.b=t");
    cr_assert(cs_slice_is(c->gateways.decision, "a/b"));
    cr_assert(c->gateways.n_effects == 2 && cs_slice_is(c->gateways.effects[0], "p,q"));
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(c->labels, "k")), "2=z"));
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(c->labels, "l")), "w"));
    cr_assert(cs_slice_is(cs_text(*cs_object_get_text(c->labels, "a.b")), "t"));
    cr_assert_eq(c->server.workers, 3);
    cs_config_free(c);
    c = must_load("", "services[0].name=s,services[0].url=http://u,bundles.b.service=s,settings.n=007,settings.t=TRUE");
    cr_assert(c->n_services == 1 && cs_slice_is(c->services[0].url, "http://u"));
    cr_assert(cs_is(*cs_object_get_text(c->settings, "n"), CS_STRING));
    cr_assert(cs_is(*cs_object_get_text(c->settings, "t"), CS_BOOL));
    cs_config_free(c);
}

Test(config, set_that_is_malformed)
{
    static const char *const rows[] = {"a", "a=b,c", "a.=1", "a[x]=1", "a[99999999]=1", "settings.a={x", "a[0]b=1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t before = report.errors;
        cr_assert_null(load("", rows[i]), "%s", rows[i]);
        cr_assert_gt(report.errors, before, "%s", rows[i]);
    }
}

Test(config, set_file_takes_the_content)
{
    cr_assert_eq(cs_file_replace(path, CS_LIT("  the key\n\n"), NULL), CS_OK);
    char set[128];
    (void)snprintf(set, sizeof set, "keys.k.key=%s", path);
    const char *list[] = {set};
    cs_config *c = NULL;
    cr_assert_eq(cs_config_load(&(cs_config_sources){.set_file = list, .n_set_file = 1}, &c, &report), CS_OK);
    cr_assert(cs_slice_is(c->keys[0].key, "the key"));
    cs_config_free(c);
    list[0] = "keys.k.key=/nowhere/at/all";
    cr_assert_neq(cs_config_load(&(cs_config_sources){.set_file = list, .n_set_file = 1}, &c, &report), CS_OK);
}

Test(config, secrets_are_not_shown)
{
    cs_config *c = must_load("services: {s: {url: u, credentials: {bearer: {token: hush}}}}\n"
                             "keys: {k: {key: hush, private_key: hush, algorithm: HS256}}\n"
                             "audit: {dir: d, checkpoint_key: hush}\n",
                             NULL);
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, cs_config_public(&a, c), 0);
    cr_assert_str_eq(
        cs_buf_cstr(&text),
        "{\"audit\":{\"dir\":\"d\"},\"default_authorization_decision\":\"/system/authz/allow\",\"default_decision\":"
        "\"/system/main\",\"keys\":{\"k\":{\"algorithm\":\"HS256\"}},\"services\":{\"s\":{\"url\":\"u\"}}}");
    cr_assert(cs_object_get_text(*cs_object_get_text(c->document, "audit"), "checkpoint_key") != NULL);
    cs_buf_destroy(&text);
    cs_arena_destroy(&a);
    cs_config_free(c);
}

Test(config, limits_come_into_force_only_when_asked)
{
    uint64_t before = cs_limits_get()->json_depth;
    cs_config *c = must_load("limits: {json_depth: 77}\n", NULL);
    cr_assert_eq(cs_limits_get()->json_depth, before);
    cs_config_free(c);
    cr_assert_eq(cs_config_load(&(cs_config_sources){.file = path, .limits = true}, &c, &report), CS_OK);
    cr_assert_eq(cs_limits_get()->json_depth, 77);
    cs_config_free(c);
}

Test(config, options_without_effect_are_said_to_be)
{
    cs_config_free(must_load("labels: {}\nstorage: {disk: {}}\n", NULL));
    expect("2: warning: storage has no effect in this version", true);
}

/* docs/config.md is what the rows say. With WRITE_DOCS=1 in the environment it is written instead of compared. */
Test(config, documentation_is_up_to_date)
{
    cs_buf want, have;
    cs_buf_init(&want);
    cs_buf_init(&have);
    cs_config_print_docs(&want);
    cr_assert(cs_slice_find(cs_buf_view(&want), CS_LIT("`identity.jwt.jwks.file`"), 0) != SIZE_MAX);
    if (getenv("WRITE_DOCS") != NULL) {
        cr_assert_eq(cs_file_replace("docs/config.md", cs_buf_view(&want), NULL), CS_OK);
    }
    cr_assert_eq(cs_file_read("docs/config.md", 1 << 20, &have, NULL), CS_OK);
    cr_assert(cs_slice_eq(cs_buf_view(&want), cs_buf_view(&have)),
              "docs/config.md is stale: WRITE_DOCS=1 make unit T=config");
    cs_buf_destroy(&want);
    cs_buf_destroy(&have);
}
