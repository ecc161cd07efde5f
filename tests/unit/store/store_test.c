/* Worlds, transactions, prepared queries: what cannot be seen from outside the process. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/mem.h"

#include "countersign/json.h"
#include "countersign/store.h"

static cs_store *store;
static cs_store_reader *reader;
static cs_arena arena;

static void setup(void)
{
    cs_arena_init(&arena, 0);
    cr_assert_eq(cs_store_new(&(cs_store_options){.rego_version = 1, .prepared = 16}, &store, NULL), CS_OK);
    reader = cs_store_reader_new(store);
}

static void teardown(void)
{
    cs_store_reader_free(reader);
    cs_store_free(store);
    cs_arena_destroy(&arena);
}

TestSuite(store, .init = setup, .fini = teardown);

static cs_value json(const char *text)
{
    cs_value v;
    cr_assert_eq(cs_json_read(&arena, cs_slice_of(text), NULL, &v, NULL, NULL), CS_OK, "%s", text);
    return v;
}

static size_t path(const char *text, cs_slice out[8])
{
    cs_slice rest = cs_slice_of(text), piece;
    size_t n = 0;
    while (rest.n != 0 && cs_slice_next(&rest, '/', &piece)) {
        out[n++] = piece;
    }
    return n;
}

static cs_err write_in(cs_txn *txn, cs_txn_op op, const char *where, const char *value, cs_error *e)
{
    cs_slice p[8];
    size_t n = path(where, p);
    return cs_txn_write(txn, op, p, n, value != NULL ? json(value) : cs_undefined(), e);
}

static cs_err commit(cs_txn *txn)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_err r = cs_txn_commit(txn, &errors);
    cs_errors_destroy(&errors);
    return r;
}

static void put(const char *where, const char *value)
{
    cs_txn *txn = cs_store_begin(store);
    cr_assert_eq(write_in(txn, CS_TXN_ADD, where, value, NULL), CS_OK, "%s", where);
    cr_assert_eq(commit(txn), CS_OK);
}

static void is(const char *want)
{
    const cs_world *w = cs_store_pin(reader);
    cs_buf out;
    cs_buf_init(&out);
    cs_json_write(&out, cs_world_data(w), 0);
    cr_assert(cs_equal(cs_world_data(w), json(want)), "want %s, got %s", want, cs_buf_cstr(&out));
    cs_buf_destroy(&out);
    cs_store_unpin(reader);
}

Test(store, writes)
{
    put("a", "{\"b\":[1,2,3]}");
    put("a/b/1", "9");
    put("a/b/-", "4");
    put("c", "1");
    is("{\"a\":{\"b\":[1,9,2,3,4]},\"c\":1}");
    cs_txn *txn = cs_store_begin(store);
    cr_assert_eq(write_in(txn, CS_TXN_REMOVE, "a/b/0", NULL, NULL), CS_OK);
    cr_assert_eq(write_in(txn, CS_TXN_REPLACE, "a/b/0", "\"r\"", NULL), CS_OK);
    cr_assert_eq(write_in(txn, CS_TXN_REMOVE, "c", NULL, NULL), CS_OK);
    cr_assert_eq(commit(txn), CS_OK);
    is("{\"a\":{\"b\":[\"r\",2,3,4]}}");
}

Test(store, refusals_in_the_words_of_opa)
{
    static const struct {
        cs_txn_op op;
        const char *path, *words;
    } cases[] = {
        {CS_TXN_ADD, "x/y", "storage_not_found_error: document does not exist"},
        {CS_TXN_REMOVE, "x", "storage_not_found_error: document does not exist"},
        {CS_TXN_REPLACE, "a/b/7", "storage_not_found_error: /a/b/7: array index out of range"},
        {CS_TXN_ADD, "a/b/x", "storage_not_found_error: /a/b/x: array index must be integer"},
        {CS_TXN_REMOVE, "a/b/-", "storage_invalid_patch_error: /a/b/-: invalid patch path"},
        {CS_TXN_REMOVE, "a/b/1", "storage_invalid_patch_error: /a/b/1: invalid patch path"},
        {CS_TXN_REMOVE, "", "storage_invalid_patch_error: root cannot be removed"},
        {CS_TXN_ADD, "", "storage_invalid_patch_error: root must be object"},
    };
    put("a", "{\"b\":[1]}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cs_txn *txn = cs_store_begin(store);
        cs_error e = {0};
        cr_assert_neq(write_in(txn, cases[i].op, cases[i].path, "1", &e), CS_OK, "%s", cases[i].path);
        cr_assert_str_eq(e.text, cases[i].words);
        cs_txn_abort(txn);
    }
    is("{\"a\":{\"b\":[1]}}");
}

Test(store, an_aborted_transaction_leaves_nothing)
{
    put("a", "1");
    for (int i = 0; i < 100; i++) {
        cs_txn *txn = cs_store_begin(store);
        cr_assert_eq(write_in(txn, CS_TXN_ADD, "big", "[\"0123456789012345678901234567890123456789\"]", NULL), CS_OK);
        cs_txn_policy_put(txn, CS_LIT("p"), CS_LIT("package p\nx := 1\n"), 1);
        cs_txn_abort(txn);
    }
    is("{\"a\":1}");
    const cs_world *w = cs_store_pin(reader);
    cr_assert_eq(cs_world_serial(w), 2);
    cr_assert_eq(cs_world_policy_count(w), 0);
    cs_store_unpin(reader);
}

/* Overwriting the same document again and again must not keep what is dead. */
Test(store, memory_is_given_back)
{
    cs_buf text;
    cs_buf_init(&text);
    uint64_t after_ten = 0;
    for (int i = 0; i < 400; i++) {
        cs_buf_clear(&text);
        cs_buf_printf(&text, "{\"n\":%d,\"pad\":\"%0*d\"}", i, 40000, i);
        cs_value v;
        cs_arena_reset(&arena);
        cr_assert_eq(cs_json_read(&arena, cs_buf_view(&text), NULL, &v, NULL, NULL), CS_OK);
        cs_txn *txn = cs_store_begin(store);
        cs_slice p = CS_LIT("doc");
        cr_assert_eq(cs_txn_write(txn, CS_TXN_ADD, &p, 1, v, NULL), CS_OK);
        cr_assert_eq(commit(txn), CS_OK);
        after_ten = i == 10 ? cs_mem_in_use() : after_ten;
    }
    cr_assert_lt(cs_mem_in_use(), after_ten + 8 * 1024 * 1024, "%llu bytes, after ten writes %llu",
                 (unsigned long long)cs_mem_in_use(), (unsigned long long)after_ten);
    cs_buf_destroy(&text);
}

Test(store, an_old_world_stays_whole_while_it_is_held)
{
    put("a", "{\"x\":[1,2,3],\"keep\":{\"deep\":true}}");
    const cs_world *old = cs_world_retain(cs_store_pin(reader));
    cs_store_unpin(reader);
    for (int i = 0; i < 300; i++) {
        char text[9000];
        (void)snprintf(text, sizeof text, "\"%08000d\"", i);
        put("a/x/0", text);
        cs_txn *txn = cs_store_begin(store);
        cr_assert_eq(write_in(txn, CS_TXN_REMOVE, "a/x/0", NULL, NULL), CS_OK);
        cr_assert_eq(commit(txn), CS_OK);
    }
    cr_assert(cs_equal(cs_world_data(old), json("{\"a\":{\"x\":[1,2,3],\"keep\":{\"deep\":true}}}")));
    cs_world_release(old);
    is("{\"a\":{\"x\":[1,2,3],\"keep\":{\"deep\":true}}}");
}

static cs_query *prepare(const cs_world *w)
{
    cs_errors errors;
    cs_errors_init(&errors);
    cs_query *q = NULL;
    cs_value key = cs_string(CS_LIT("a"));
    cr_assert_eq(cs_query_prepare_path(cs_world_policy(w), &key, 1, &q, &errors), CS_OK);
    cs_errors_destroy(&errors);
    return q;
}

/* More queries than there is room for: each can be used while the world is pinned, and none leaks. */
Test(store, prepared_queries_make_room)
{
    const cs_world *w = cs_store_pin(reader);
    cs_prepared *kept = cs_prepared_retain(cs_world_keep(w, CS_LIT("first"), prepare(w)));
    for (int i = 0; i < 500; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        cs_prepared *p = cs_world_keep(w, cs_slice_of(key), prepare(w));
        cr_assert_eq(cs_world_find(w, cs_slice_of(key)), p);
        cr_assert_not_null(cs_prepared_query(p));
    }
    cr_assert_eq(cs_world_keep(w, CS_LIT("k499"), prepare(w)), cs_world_find(w, CS_LIT("k499")));
    cr_assert_null(cs_world_find(w, CS_LIT("k1")));
    cs_store_unpin(reader);
    cr_assert_not_null(cs_prepared_query(kept));
    cs_prepared_release(kept);
}

static cs_err put_bundle(const char *name, const char *root, const char *data, const char *rego, cs_error *e)
{
    cs_slice roots = cs_slice_of(root);
    cs_policy_source module = {.file = cs_slice_of(name), .text = cs_slice_of(rego), .rego_version = 1};
    cs_txn_bundle b = {.name = cs_slice_of(name),
                       .revision = CS_LIT("r"),
                       .etag = CS_LIT(""),
                       .roots = &roots,
                       .n_roots = 1,
                       .data = json(data),
                       .manifest = json("{\"revision\":\"r\"}"),
                       .modules = &module,
                       .n_modules = 1};
    cs_txn *txn = cs_store_begin(store);
    cs_err r = cs_txn_bundle_put(txn, &b, e);
    if (r != CS_OK) {
        cs_txn_abort(txn);
        return r;
    }
    return commit(txn);
}

Test(store, bundles_own_their_roots)
{
    put("mine", "1");
    put("a", "{\"old\":1}");
    cr_assert_eq(put_bundle("x", "a", "{\"a\":{\"new\":2}}", "package a.p\nv := data.a.new\n", NULL), CS_OK);
    is("{\"mine\":1,\"a\":{\"new\":2},\"system\":{\"bundles\":{\"x\":{\"manifest\":{\"revision\":\"r\"},\"etag\":\"\"}}"
       "}}");
    cs_error e = {0};
    cr_assert_eq(put_bundle("y", "a/b", "{}", "package a.b\nv := 1\n", &e), CS_ERR_BUNDLE_ROOTS);
    cr_assert_eq(put_bundle("y", "", "{}", "package z\nv := 1\n", &e), CS_ERR_BUNDLE_ROOTS);
    cs_txn *txn = cs_store_begin(store);
    cs_slice p[2] = {CS_LIT("a"), CS_LIT("z")};
    cr_assert_eq(cs_txn_check_scope(txn, p, 2, &e), CS_ERR_INVALID);
    cr_assert_str_eq(e.text, "path a/z is owned by bundle \"x\"");
    cr_assert(cs_txn_bundle_remove(txn, CS_LIT("x")));
    cr_assert_not(cs_txn_bundle_remove(txn, CS_LIT("x")));
    cr_assert_eq(commit(txn), CS_OK);
    is("{\"mine\":1,\"system\":{\"bundles\":{}}}");
}

/* A bundle that does not compile changes nothing, neither data nor policies. */
Test(store, bundles_are_all_or_nothing)
{
    cr_assert_eq(put_bundle("x", "a", "{\"a\":{\"v\":1}}", "package a.p\nv := 1\n", NULL), CS_OK);
    cr_assert_neq(put_bundle("x", "a", "{\"a\":{\"v\":2}}", "package a.p\nv := unknown(1)\n", NULL), CS_OK);
    cr_assert_neq(put_bundle("x", "a", "{\"a\":{\"p\":{\"v\":2}}}", "package a.p\nv := 1\n", NULL), CS_OK);
    const cs_world *w = cs_store_pin(reader);
    cr_assert_eq(cs_world_policy_count(w), 1);
    cr_assert_eq(cs_world_bundle_count(w), 1);
    cs_store_unpin(reader);
    is("{\"a\":{\"v\":1},\"system\":{\"bundles\":{\"x\":{\"manifest\":{\"revision\":\"r\"},\"etag\":\"\"}}}}");
}

Test(store, rewriting_keeps_what_bundles_brought)
{
    cr_assert_eq(put_bundle("x", "a/b", "{\"a\":{\"b\":{\"v\":[1,2]}}}", "package a.b.p\nv := 1\n", NULL), CS_OK);
    for (int i = 0; i < 200; i++) {
        char text[21000];
        (void)snprintf(text, sizeof text, "\"%020000d\"", i);
        put("pad", text);
    }
    put("pad", "0");
    is("{\"pad\":0,\"a\":{\"b\":{\"v\":[1,2]}},\"system\":{\"bundles\":{\"x\":{\"manifest\":{\"revision\":\"r\"},"
       "\"etag\":"
       "\"\"}}}}");
}

/* ---- the overlay */

static void lay_over(int64_t until_ns, const char *data, const char *root)
{
    cs_slice roots[1] = {cs_slice_of(root)};
    cs_txn_overlay overlay = {.bundle = {.name = CS_LIT("o"),
                                         .revision = CS_LIT("r"),
                                         .etag = CS_LIT(""),
                                         .roots = roots,
                                         .n_roots = 1,
                                         .data = json(data),
                                         .manifest = cs_undefined()},
                              .until_ns = until_ns,
                              .about = json("{\"id\":\"o-1\"}")};
    cs_txn *txn = cs_store_begin(store);
    cr_assert_eq(cs_txn_overlay_put(txn, &overlay, NULL), CS_OK);
    cr_assert_eq(commit(txn), CS_OK);
}

Test(store, an_overlay_lies_over_what_is_there_and_what_comes)
{
    put("a", "{\"x\":1,\"y\":{\"z\":2}}");
    lay_over(INT64_MAX, "{\"a\":{\"y\":{\"z\":3,\"new\":true}}}", "a");
    is("{\"a\":{\"x\":1,\"y\":{\"z\":3,\"new\":true}}}");
    put("a/y/more", "4");
    put("b", "5");
    is("{\"a\":{\"x\":1,\"y\":{\"z\":3,\"new\":true,\"more\":4}},\"b\":5}");
    const cs_world *w = cs_store_pin(reader);
    cr_assert_not(cs_is_undefined(cs_world_overlay(w)));
    cr_assert_eq(cs_world_bundle_count(w), 1);
    const cs_world *kept = cs_world_retain(w);
    cs_store_unpin(reader);
    cs_txn *txn = cs_store_begin(store);
    cr_assert(cs_txn_overlay_remove(txn));
    cr_assert_eq(commit(txn), CS_OK);
    is("{\"a\":{\"x\":1,\"y\":{\"z\":2,\"more\":4}},\"b\":5}");
    cr_assert(cs_equal(cs_world_data(kept), json("{\"a\":{\"x\":1,\"y\":{\"z\":3,\"new\":true,\"more\":4}},\"b\":5}")));
    cs_world_release(kept);
}

Test(store, an_overlay_whose_time_is_over_is_not_seen)
{
    put("a", "1");
    lay_over(1, "{\"a\":2}", "a");
    is("{\"a\":1}");
    const cs_world *w = cs_store_pin(reader);
    cr_assert(cs_is_undefined(cs_world_overlay(w)));
    cs_store_unpin(reader);
    put("b", "2");
    is("{\"a\":1,\"b\":2}");
}

/* The tail is rewritten below an overlay that shares its values. */
Test(store, an_overlay_outlives_the_rewriting_of_what_lies_below)
{
    put("a", "{\"kept\":\"0123456789012345678901234567890123456789\"}");
    lay_over(INT64_MAX, "{\"a\":{\"o\":1}}", "a");
    for (int i = 0; i < 40000; i++) {
        put("big", "[\"0123456789012345678901234567890123456789\"]");
    }
    is("{\"a\":{\"kept\":\"0123456789012345678901234567890123456789\",\"o\":1},"
       "\"big\":[\"0123456789012345678901234567890123456789\"]}");
}

Test(store, mounted_values_and_the_overlay)
{
    cs_store_mount_value(store, "settings", json("{\"p\":{\"q\":1,\"r\":2}}"), true);
    cs_store_mount_value(store, "closed", json("{\"c\":1}"), false);
    lay_over(INT64_MAX, "{\"settings\":{\"p\":{\"q\":9}}}", "settings");
    const cs_world *w = cs_store_pin(reader);
    size_t n;
    const cs_live *live = cs_world_live(w, &n);
    cr_assert_eq(n, 2);
    cr_assert(cs_equal(live[0].all(live[0].self, &arena), json("{\"p\":{\"q\":9,\"r\":2}}")));
    cr_assert(cs_equal(live[1].row(live[1].self, cs_string(CS_LIT("c")), &arena), cs_int(1)));
    cs_store_unpin(reader);
    cs_slice roots[1] = {CS_LIT("closed/x")};
    cs_txn *txn = cs_store_begin(store);
    cs_txn_overlay overlay = {.bundle = {.name = CS_LIT("o"), .roots = roots, .n_roots = 1}};
    cr_assert_eq(cs_txn_overlay_put(txn, &overlay, NULL), CS_ERR_BUNDLE_ROOTS);
    overlay.bundle.n_roots = 0;
    cr_assert_eq(cs_txn_overlay_put(txn, &overlay, NULL), CS_ERR_BUNDLE_ROOTS);
    cs_txn_abort(txn);
}
