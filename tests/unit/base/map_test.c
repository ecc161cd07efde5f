/* The map: growth, order, removal, tombstones. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "countersign/base/map.h"

static cs_slice key_of(char out[32], int i)
{
    return cs_slice_make(out, (size_t)snprintf(out, 32, "key-%d", i));
}

Test(map, grows_and_keeps_order)
{
    cs_map m;
    cs_map_init(&m);
    static int values[5000];
    char key[32];
    for (int i = 0; i < 5000; i++) {
        cr_assert_null(cs_map_put(&m, key_of(key, i), &values[i]));
    }
    cr_assert_eq(m.live, 5000);
    for (int i = 0; i < 5000; i++) {
        cr_assert_eq(cs_map_get(&m, key_of(key, i)), &values[i]);
    }
    cr_assert_null(cs_map_get(&m, CS_LIT("key-5000")));
    int i = 0;
    const cs_map_entry *e = NULL;
    for (size_t at = 0; (e = cs_map_next(&m, &at)) != NULL; i++) {
        cr_assert_eq(e->value, &values[i]);
    }
    cr_assert_eq(i, 5000);
    cs_map_destroy(&m);
}

Test(map, removal_and_return)
{
    cs_map m = {0};
    int a = 0;
    int b = 0;
    cr_assert_null(cs_map_get(&m, CS_LIT("")));
    cr_assert_null(cs_map_remove(&m, CS_LIT("x")));
    cr_assert_null(cs_map_put(&m, CS_LIT(""), &a));
    cr_assert_eq(cs_map_put(&m, CS_LIT(""), &b), &a);
    cr_assert_eq(cs_map_remove(&m, CS_LIT("")), &b);
    cr_assert_null(cs_map_get(&m, CS_LIT("")));
    cr_assert_null(cs_map_put(&m, CS_LIT(""), &a));
    cr_assert_eq(cs_map_get(&m, CS_LIT("")), &a);
    cr_assert_null(cs_map_put(&m, cs_slice_make("a\0b", 3), &b));
    cr_assert_null(cs_map_get(&m, CS_LIT("a")));
    cr_assert_eq(cs_map_get(&m, cs_slice_make("a\0b", 3)), &b);
    cs_map_destroy(&m);
}

/* A window of live keys that moves on: removed entries must not pile up, nor cut the probes of others short. */
Test(map, churn)
{
    cs_map m = {0};
    static int value;
    char key[32];
    for (int i = 0; i < 20000; i++) {
        cr_assert_null(cs_map_put(&m, key_of(key, i), &value));
        if (i >= 50) {
            cr_assert_eq(cs_map_remove(&m, key_of(key, i - 50)), &value);
            cr_assert_not_null(cs_map_get(&m, key_of(key, i - 49)));
            cr_assert_null(cs_map_get(&m, key_of(key, i - 50)));
        }
    }
    cr_assert_eq(m.live, 50);
    cr_assert_leq(m.cap, 256);
    cs_map_destroy(&m);
}
