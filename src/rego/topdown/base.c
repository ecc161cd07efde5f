/* Base documents: data, what `with` put over it, and live documents. */
#include "countersign/number.h"
#include "rego/topdown/internal.h"
#include "rego/topdown/save.h"

static cs_value live_row(cs_td *run, uint32_t live, cs_value key)
{
    if (!cs_is_undefined(run->live_all[live])) {
        return cs_index(run->live_all[live], key);
    }
    for (size_t i = 0; i < run->live_rows.n; i++) {
        if (run->live_rows.v[i].live == live && cs_equal(run->live_rows.v[i].key, key)) {
            return run->live_rows.v[i].row;
        }
    }
    const cs_live *l = &run->eval->live[live];
    cs_td_live_row row = {live, key, l->row(l->self, key, run->arena)};
    CS_VEC_PUSH_IN(run->arena, &run->live_rows, row);
    return row.row;
}

/* One item of a row, where the document answers for items. */
static cs_value live_item(cs_td *run, uint32_t live, cs_value key, cs_value item)
{
    const cs_live *l = &run->eval->live[live];
    cs_value pair[2] = {key, item};
    cs_value both = cs_array_copy(run->arena, pair, 2); /* no row has such a key: rows are JSON's */
    bool whole = !cs_is_undefined(run->live_all[live]);
    for (size_t i = 0; i < run->live_rows.n; i++) {
        const cs_td_live_row *r = &run->live_rows.v[i];
        if (r->live == live && cs_equal(r->key, both)) {
            return r->row;
        }
        whole = whole || (r->live == live && cs_equal(r->key, key));
    }
    if (l->item == NULL || whole) {
        return cs_index(live_row(run, live, key), item);
    }
    cs_td_live_row row = {live, both, l->item(l->self, key, item, run->arena)};
    CS_VEC_PUSH_IN(run->arena, &run->live_rows, row);
    return row.row;
}

/* Rows that were asked for stay as they were seen. */
static cs_value live_all(cs_td *run, uint32_t live)
{
    if (cs_is_undefined(run->live_all[live])) {
        const cs_live *l = &run->eval->live[live];
        cs_value all = l->all(l->self, run->arena);
        all = cs_is(all, CS_OBJECT) ? cs_object_clone(run->arena, all, 0) : cs_object_new(run->arena, 0);
        for (size_t i = 0; i < run->live_rows.n; i++) {
            const cs_td_live_row *r = &run->live_rows.v[i];
            if (r->live == live && !cs_is_undefined(r->row) && !cs_is(r->key, CS_ARRAY)) {
                cs_object_put(run->arena, all, r->key, r->row);
            }
        }
        run->live_all[live] = all;
    }
    return run->live_all[live];
}

/* Base data is JSON, whose keys are strings: data.a[2] means "2" where data.a is an object. */
static cs_value json_index(cs_td *run, cs_value v, cs_value key)
{
    cs_value item = cs_index(v, key);
    if (cs_is_undefined(item) && cs_is(key, CS_NUMBER) && cs_is(v, CS_OBJECT)) {
        char room[32];
        item = cs_index(v, cs_string_copy(run->arena, cs_number_text(key, room)));
    }
    return item;
}

static cs_value stored(cs_td *run, const cs_opd *path, uint32_t n)
{
    cs_value v = run->eval->data;
    if (n == 1) {
        cs_value hidden = cs_string(CS_LIT("system"));
        return cs_is(v, CS_OBJECT) ? cs_remove(run->arena, v, &hidden, 1) : cs_object_new(run->arena, 0);
    }
    cs_value item = json_index(run, v, path[1].v);
    for (uint32_t i = 0; cs_is_undefined(item) && i < run->eval->n_live; i++) {
        if (cs_is(path[1].v, CS_STRING) && cs_slice_is(cs_text(path[1].v), run->eval->live[i].root)) {
            if (n == 2) {
                return live_all(run, i);
            }
            uint32_t used = n > 3 ? 2 : 1;
            item = n > 3 ? live_item(run, i, path[2].v, path[3].v) : live_row(run, i, path[2].v);
            path += used;
            n -= used;
            break;
        }
    }
    for (uint32_t i = 2; i < n && !cs_is_undefined(item); i++) {
        item = json_index(run, item, path[i].v);
    }
    return item;
}

cs_value cs_td__merge(cs_td *run, cs_value a, cs_value b)
{
    if (!cs_is(a, CS_OBJECT) || !cs_is(b, CS_OBJECT)) {
        return a;
    }
    cs_value out = cs_object_clone(run->arena, a, cs_count(b));
    for (uint32_t i = 0; i < cs_count(b); i++) {
        cs_value value;
        cs_value key = cs_entry(b, i, &value);
        const cs_value *there = cs_object_get(a, key);
        cs_object_put(run->arena, out, key, there ? cs_td__merge(run, *there, value) : value);
    }
    return out;
}

bool cs_td__resolve(const cs_td_frame *f, const cs_opd *path, uint32_t n, cs_value *out)
{
    cs_td *run = f->run;
    if (run->partial && cs_td__path_is_unknown(run, path, n)) {
        return false;
    }
    cs_value replaced = f->data;
    for (uint32_t i = 1; i < n && !cs_is_undefined(replaced); i++) {
        replaced = path[i].t ? cs_undefined() : cs_index(replaced, path[i].v);
    }
    *out = replaced;
    if (cs_td__replaced(run, path, n)) {
        return true;
    }
    for (uint32_t i = 1; i < n; i++) {
        if (path[i].t || path[i].v.kind >= CS_ARRAY) {
            return true;
        }
    }
    cs_value real = stored(run, path, n);
    *out = cs_is_undefined(replaced) ? real : cs_is_undefined(real) ? replaced : cs_td__merge(run, replaced, real);
    return true;
}
