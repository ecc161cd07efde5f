/* Where base and virtual documents meet. */
#include "countersign/number.h"
#include "rego/vm/internal.h"

static cs_value live_document(uint32_t i)
{
    return (cs_value){.kind = CS_PRIVATE, .form = CS_P_LIVE, .n = i};
}

/* data[key] of the base: what is there, or a live document of that name. */
static cs_value root_key(const cs_run *run, const cs_context *c, cs_value key, uint32_t hash)
{
    if (c->data.kind == CS_OBJECT) {
        const cs_value *v = cs_object_get_hashed(c->data, key, hash);
        if (v) {
            return *v;
        }
    }
    for (uint32_t i = 0; i < run->eval->n_live; i++) {
        if (key.kind == CS_STRING && cs_slice_is(cs_text(key), run->eval->live[i].root)) {
            return live_document(i);
        }
    }
    return cs_undefined();
}

/* The row as a document of its own, not made yet. */
static cs_value lazy_row(cs_run *run, const cs_live *live, cs_value key)
{
    if (run->n_lives == run->cap_lives) {
        uint32_t cap = run->cap_lives ? run->cap_lives * 2 : 8;
        cs_live_doc *lives = cs_arena_array(run->arena, cs_live_doc, cap);
        if (run->n_lives) {
            memcpy(lives, run->lives, run->n_lives * sizeof *lives);
        }
        run->lives = lives;
        run->cap_lives = cap;
    }
    run->lives[run->n_lives] = (cs_live_doc){.live = live, .key = key};
    return live_document(run->n_lives++);
}

cs_value cs_vm__live_row(cs_run *run, uint32_t live, cs_value key)
{
    const cs_live_doc doc = run->lives[live];
    if (doc.known) {
        return cs_index(doc.all, key);
    }
    for (uint32_t i = 0; i < run->n_live_rows; i++) {
        if (run->live_rows[i].live == live && cs_equal(run->live_rows[i].key, key)) {
            return run->live_rows[i].row;
        }
    }
    if (run->n_live_rows == run->cap_live_rows) {
        uint32_t cap = run->cap_live_rows ? run->cap_live_rows * 2 : 8;
        cs_live_row *rows = cs_arena_array(run->arena, cs_live_row, cap);
        if (run->n_live_rows) {
            memcpy(rows, run->live_rows, run->n_live_rows * sizeof *rows);
        }
        run->live_rows = rows;
        run->cap_live_rows = cap;
    }
    const cs_live *l = doc.live;
    cs_value row = !cs_is_undefined(doc.key) ? l->item(l->self, doc.key, key, run->arena)
                   : l->item                 ? lazy_row(run, l, key)
                                             : l->row(l->self, key, run->arena);
    run->live_rows[run->n_live_rows++] = (cs_live_row){live, key, row};
    return row;
}

/* Rows that the decision has already seen stay as they were seen. */
cs_value cs_vm__live_all(cs_run *run, uint32_t live)
{
    cs_live_doc doc = run->lives[live];
    if (doc.known) {
        return doc.all;
    }
    const cs_live *l = doc.live;
    bool is_row = !cs_is_undefined(doc.key);
    cs_value all = is_row ? l->row(l->self, doc.key, run->arena) : l->all(l->self, run->arena);
    if (all.kind != CS_OBJECT && !is_row) {
        all = cs_object_new(run->arena, 0);
    } else if (all.kind == CS_OBJECT && all.u.table->frozen) {
        all = cs_object_clone(run->arena, all, 0);
    }
    for (uint32_t i = 0; i < run->n_live_rows && all.kind == CS_OBJECT; i++) {
        const cs_live_row r = run->live_rows[i];
        cs_value row = r.live != live             ? cs_undefined()
                       : r.row.kind == CS_PRIVATE ? cs_vm__live_all(run, r.row.n)
                                                  : r.row;
        if (!cs_is_undefined(row)) {
            cs_object_put(run->arena, all, r.key, row);
        }
    }
    run->lives[live].all = all;
    run->lives[live].known = true;
    return all;
}

/* Base data is JSON, whose keys are strings: data.a[2] means "2" where data.a is an object. */
static cs_value by_text(cs_run *run, cs_value object, cs_value key)
{
    if (key.kind != CS_NUMBER || object.kind != CS_OBJECT) {
        return cs_undefined();
    }
    char room[32];
    const cs_value *item = cs_object_get(object, cs_string_copy(run->arena, cs_number_text(key, room)));
    return item ? *item : cs_undefined();
}

cs_value cs_vm__base(cs_run *run, const cs_context *c, const cs_path *path)
{
    if (path->n == 0) {
        return c->data;
    }
    cs_value v = root_key(run, c, path->keys[0], path->hashes[0]);
    if (cs_is_undefined(v)) {
        v = by_text(run, c->data, path->keys[0]);
    }
    for (uint32_t i = 1; i < path->n && !cs_is_undefined(v); i++) {
        if (v.kind == CS_OBJECT) {
            const cs_value *item = cs_object_get_hashed(v, path->keys[i], path->hashes[i]);
            v = item ? *item : by_text(run, v, path->keys[i]);
        } else if (v.kind == CS_PRIVATE) {
            v = cs_vm__live_row(run, v.n, path->keys[i]);
            if (v.kind == CS_PRIVATE && i + 1 == path->n) {
                v = cs_vm__live_all(run, v.n); /* whoever reads a path of two keys takes it for a value */
            }
        } else {
            v = cs_index(v, path->keys[i]);
        }
    }
    return v;
}

cs_value cs_vm__base_at(cs_run *run, const cs_context *c, uint32_t node)
{
    if (node == 0) {
        return c->data;
    }
    const cs_node *n = &run->program->nodes[node];
    if (n->parent == 0) {
        return root_key(run, c, n->key, n->hash);
    }
    cs_value above = cs_vm__base_at(run, c, n->parent);
    return above.kind == CS_PRIVATE ? cs_vm__live_row(run, above.n, n->key) : cs_index(above, n->key);
}

static uint32_t child_of(const cs_program *program, uint32_t node, cs_value key)
{
    const cs_node *n = &program->nodes[node];
    uint32_t lo = 0;
    uint32_t hi = n->n_children;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int order = cs_compare(program->nodes[n->children[mid]].key, key);
        if (order == 0) {
            return n->children[mid];
        }
        if (order < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return CS_NO_NODE;
}

cs_value cs_vm__node_dot(cs_run *run, const cs_context *c, uint32_t node, cs_value key, uint32_t *call)
{
    *call = CS_NO_CODE;
    uint32_t child = cs_vm__hidden(run, c, node) ? CS_NO_NODE : child_of(run->program, node, key);
    if (child != CS_NO_NODE && run->program->nodes[child].document != CS_NO_CODE) {
        if (run->program->nodes[child].is_rule) {
            *call = run->program->nodes[child].document;
            return cs_undefined();
        }
        return (cs_value){.kind = CS_PRIVATE, .form = CS_P_NODE, .n = child};
    }
    if (node == 0) {
        return root_key(run, c, key, cs_hash(key));
    }
    cs_value base = cs_vm__base_at(run, c, node);
    return base.kind == CS_PRIVATE ? cs_vm__live_row(run, base.n, key) : cs_index(base, key);
}

static cs_value keys_of_value(cs_run *run, cs_value v)
{
    uint32_t n = cs_count(v);
    cs_value *keys = cs_arena_array(run->arena, cs_value, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = v.kind == CS_ARRAY ? cs_int(i) : cs_entry(v, i, NULL);
    }
    return cs_array(keys, n);
}

cs_value cs_vm__keys(cs_run *run, const cs_context *c, cs_value v)
{
    if (v.kind != CS_PRIVATE) {
        return keys_of_value(run, v);
    }
    if (v.form == CS_P_LIVE) {
        return keys_of_value(run, cs_vm__live_all(run, v.n));
    }
    cs_value base = cs_vm__base_at(run, c, v.n);
    if (base.kind == CS_PRIVATE) {
        base = cs_vm__live_all(run, base.n);
    }
    if (cs_vm__hidden(run, c, v.n)) {
        return keys_of_value(run, base);
    }
    const cs_node *node = &run->program->nodes[v.n];
    uint32_t n = base.kind == CS_OBJECT ? cs_count(base) : 0;
    cs_value *keys = cs_arena_array(run->arena, cs_value, n + node->n_children + 1);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = cs_entry(base, i, NULL);
    }
    for (uint32_t i = 0; i < node->n_children; i++) {
        const cs_node *child = &run->program->nodes[node->children[i]];
        if (child->document != CS_NO_CODE && !(base.kind == CS_OBJECT && cs_object_get(base, child->key))) {
            keys[n++] = child->key;
        }
    }
    return cs_array(keys, n);
}

static cs_value lay_over(cs_arena *a, cs_value rules, cs_value base, bool root)
{
    cs_value out = cs_object_clone(a, rules, cs_count(base));
    for (uint32_t i = 0; i < cs_count(base); i++) {
        cs_value value;
        cs_value key = cs_entry(base, i, &value);
        if (root && cs_equal(key, cs_string(CS_LIT("system")))) {
            continue;
        }
        const cs_value *below = cs_object_get(rules, key);
        if (below && below->kind == CS_OBJECT && value.kind == CS_OBJECT) {
            value = lay_over(a, *below, value, false);
        }
        cs_object_put(a, out, key, value);
    }
    return out;
}

cs_value cs_vm__underlay(cs_run *run, const cs_context *c, cs_value rules, uint32_t node)
{
    cs_value base = cs_vm__base_at(run, c, node);
    if (base.kind == CS_PRIVATE) {
        base = cs_vm__live_all(run, base.n);
    }
    if (cs_is_undefined(base)) {
        return rules;
    }
    return base.kind == CS_OBJECT ? lay_over(run->arena, rules, base, node == 0) : base;
}
