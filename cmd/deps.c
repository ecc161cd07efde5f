/* deps: what a query depends on. */
#include <stdio.h>
#include <string.h>

#include "countersign/format.h"
#include "countersign/json.h"
#include "load.h"
#include "table.h"

/* Two columns, or the one that has something in it. */
static void print_table(cs_arena *a, cs_value base, cs_value computed)
{
    const cs_slice heads[2] = {CS_LIT("BASE DOCUMENTS"), CS_LIT("VIRTUAL DOCUMENTS")};
    const cs_value lists[2] = {base, computed};
    size_t shown[2], n = 0, rows = 0;
    cs_slice head[2];
    for (size_t i = 0; i < 2; i++) {
        if (cs_count(lists[i])) {
            head[n] = heads[i];
            shown[n++] = i;
            rows = cs_count(lists[i]) > rows ? cs_count(lists[i]) : rows;
        }
    }
    if (n == 0) {
        return;
    }
    cs_cmd_table t = {.arena = a, .columns = n, .head = head};
    for (uint32_t r = 0; r < rows; r++) {
        cs_slice cells[2] = {CS_LIT(""), CS_LIT("")};
        for (size_t i = 0; i < n; i++) {
            cs_value list = lists[shown[i]];
            if (r < cs_count(list)) {
                cells[i] = cs_text(*cs_object_get_text(list.u.items[r], "text"));
            }
        }
        cs_cmd_table_add(&t, cells);
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_cmd_table_print(&text, &t);
    (void)cs_cmd_write(cs_buf_view(&text));
    cs_buf_destroy(&text);
}

static void put_terms(cs_arena *a, cs_value out, const char *name, cs_value list)
{
    uint32_t n = cs_count(list);
    cs_value *items = cs_arena_array(a, cs_value, n + 1U);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = *cs_object_get_text(list.u.items[i], "terms");
    }
    if (n) {
        cs_object_put_text(a, out, name, cs_array(items, n));
    }
}

static void print_json(cs_arena *a, cs_value base, cs_value computed)
{
    cs_value out = cs_object_new(a, 2);
    put_terms(a, out, "base", base);
    put_terms(a, out, "virtual", computed);
    cs_cmd_print_json(out, CS_JSON_PRETTY | CS_JSON_HTML);
}

static int analyse(cs_arena *a, const cs_cmd_sources *sources, const char *query, bool json)
{
    cs_cmd_loaded loaded;
    cs_errors errors;
    cs_error e = {0};
    cs_value base, computed;
    int status = 0;
    cs_errors_init(&errors);
    /* OPA looks at the query first. */
    bool ok = cs_policy_dependencies(a, NULL, cs_slice_of(query), &base, &computed, &errors) == CS_OK;
    if (!ok) {
        cs_cmd_report(NULL, &errors, &e, false);
        cs_errors_destroy(&errors);
        return 1;
    }
    if (cs_cmd_load(sources, &loaded, &errors, &e) != CS_OK ||
        cs_policy_dependencies(a, loaded.policy, cs_slice_of(query), &base, &computed, &errors) != CS_OK) {
        cs_cmd_report(&loaded, &errors, &e, false);
        status = 1;
    } else if (json) {
        print_json(a, base, computed);
    } else {
        print_table(a, base, computed);
    }
    cs_cmd_loaded_free(&loaded);
    cs_errors_destroy(&errors);
    return status;
}

int cs_cmd_deps(int argc, char **argv)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_cmd_sources sources = {.ignore_conflicts = true, .how = CS_CMD_FORGET};
    const char *format = "pretty";
    bool v1 = false;
    cs_arg args[] = {
        {"bundle", 'b', CS_ARG_LIST, &sources.bundles, NULL, "bundle files or folders", NULL},
        {"data", 'd', CS_ARG_LIST, &sources.data, NULL, "policy or data files or folders", NULL},
        {"format", 'f', CS_ARG_ENUM, &format, "pretty|json", "form of the output", NULL},
        {"ignore", 0, CS_ARG_COMMAS, &sources.ignore, NULL, "patterns of files to leave out", NULL},
        {"v1-compatible", 0, CS_ARG_BOOL, &v1, NULL, "modules are Rego v1", NULL},
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    if (status < 0 && rest.n != 1) {
        status = cs_args_wrong("specify exactly one query argument");
    }
    if (status < 0) {
        status = analyse(&a, &sources, rest.v[0], strcmp(format, "json") == 0);
    }
    cs_arena_destroy(&a);
    return status;
}
