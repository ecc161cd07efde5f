/* Configuration that comes by discovery: what it may say, and the configuration of the start laid over it. */
#include "config/internal.h"

#include "countersign/json.h"

/* ---- values as a tree */

static cs_node *to_node(cs_arena *a, cs_value v)
{
    cs_slice file = CS_LIT("discovery");
    if (cs_is(v, CS_OBJECT)) {
        cs_node *map = cs_config__node(a, CS_NODE_MAP, file, 0);
        for (uint32_t i = 0; i < cs_count(v); i++) {
            cs_value item, key = cs_entry(v, i, &item);
            cs_slice name = cs_text(key);
            cs_config__put(a, map, cs_slice_make(cs_arena_dup(a, name.p, name.n), name.n), to_node(a, item));
        }
        return map;
    }
    if (cs_is(v, CS_ARRAY)) {
        cs_node *list = cs_config__node(a, CS_NODE_LIST, file, 0);
        for (uint32_t i = 0; i < v.n; i++) {
            cs_node_member member = {CS_LIT(""), to_node(a, v.u.items[i])};
            CS_VEC_PUSH_IN(a, &list->members, member);
        }
        return list;
    }
    cs_node *scalar = cs_config__node(a, CS_NODE_SCALAR, file, 0);
    scalar->scalar = v;
    return scalar;
}

/* ${NAME} is replaced here, too. */
static cs_err read(cs_arena *a, cs_value discovered, cs_value *out, cs_error *e)
{
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, discovered, 0);
    cs_slice whole = cs_config__substitute(a, cs_slice_make(cs_arena_dup(a, text.p, text.n), text.n));
    cs_buf_destroy(&text);
    CS_TRY(cs_json_read(a, whole, NULL, out, NULL, e));
    *out = cs_freeze(a, *out);
    return cs_is(*out, CS_OBJECT) ? CS_OK : cs_fail(e, CS_ERR_INVALID, "the discovered configuration is no object");
}

/* ---- what may not change */

static cs_value service_of(cs_value document, cs_slice name)
{
    cs_value services = cs_object_member(document, "services");
    if (cs_is(services, CS_OBJECT)) {
        const cs_value *found = cs_object_get(services, cs_string(name));
        return found != NULL ? *found : cs_undefined();
    }
    for (uint32_t i = 0; cs_is(services, CS_ARRAY) && i < services.n; i++) {
        cs_value own = cs_object_member(services.u.items[i], "name");
        if (cs_is(own, CS_STRING) && cs_slice_eq(cs_text(own), name)) {
            return services.u.items[i];
        }
    }
    return cs_undefined();
}

/* With what is the same unsaid said. */
static cs_value normal_service(cs_arena *a, cs_value service)
{
    cs_value v = cs_object_new(a, 4);
    cs_object_put_text(a, v, "response_header_timeout_seconds", cs_int(10));
    for (uint32_t i = 0; cs_is(service, CS_OBJECT) && i < cs_count(service); i++) {
        cs_value item, key = cs_entry(service, i, &item);
        cs_slice name = cs_text(key);
        if (cs_slice_is(name, "url") && cs_is(item, CS_STRING)) {
            cs_slice url = cs_text(item);
            while (url.n != 0 && url.p[url.n - 1] == '/') {
                url.n--;
            }
            item = cs_string(url);
        }
        if (!cs_is(item, CS_NULL) && !cs_slice_is(name, "name")) {
            cs_object_put(a, v, key, item);
        }
    }
    return cs_freeze(a, v);
}

static cs_value normal_key(cs_arena *a, cs_value key)
{
    static const char *const names[] = {"key", "private_key", "algorithm", "scope"};
    cs_value v = cs_object_new(a, 4);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cs_value item = cs_object_member(key, names[i]);
        bool said = cs_is(item, CS_STRING) && cs_text(item).n != 0;
        cs_object_put_text(a, v, names[i], said ? item : cs_string(i == 2 ? CS_LIT("RS256") : CS_LIT("")));
    }
    return cs_freeze(a, v);
}

static cs_err check(cs_arena *a, const cs_config *boot, cs_value discovered, cs_error *e)
{
    cs_slice name = boot->discovery.bundle.service;
    cs_value service = service_of(discovered, name);
    if (!cs_is_undefined(service) &&
        !cs_equal(normal_service(a, service), normal_service(a, service_of(boot->document, name)))) {
        return cs_fail(e, CS_ERR_INVALID, "updates to the discovery service are not allowed");
    }
    cs_value keys = cs_object_member(discovered, "keys"), ours = cs_object_member(boot->document, "keys");
    for (uint32_t i = 0; cs_is(keys, CS_OBJECT) && cs_is(ours, CS_OBJECT) && i < cs_count(keys); i++) {
        cs_value key, id = cs_entry(keys, i, &key);
        const cs_value *own = cs_object_get(ours, id);
        if (own != NULL && !cs_equal(normal_key(a, key), normal_key(a, *own))) {
            return cs_fail(e, CS_ERR_INVALID, "updates to keys specified in the boot configuration are not allowed");
        }
    }
    return CS_OK;
}

static cs_slice trigger_of(cs_value section)
{
    cs_value v = cs_object_member(section, "trigger");
    return cs_is(v, CS_STRING) ? cs_text(v) : CS_LIT("");
}

static cs_err check_trigger(const cs_config *boot, cs_slice said, const char *of, cs_error *e)
{
    cs_slice own = boot->discovery.bundle.manual ? CS_LIT("manual") : CS_LIT("periodic");
    if (said.n == 0 || cs_slice_eq(said, own)) {
        return CS_OK;
    }
    return cs_fail(e, CS_ERR_INVALID, "%s: trigger mode mismatch: %.*s and %.*s (hint: check discovery configuration)",
                   of, CS_FMT(own), CS_FMT(said));
}

/* All is triggered as discovery is, and may not say otherwise. */
static cs_err take_triggers(const cs_config *boot, cs_config *c, cs_error *e)
{
    bool manual = boot->discovery.bundle.manual;
    for (size_t i = 0; i < c->n_bundles; i++) {
        cs_config_bundle *b = &c->bundles[i];
        const char *of = cs_arena_printf(&c->arena, NULL, "invalid configuration for bundle \"%.*s\"", CS_FMT(b->name));
        CS_TRY(check_trigger(boot, trigger_of(b->document), of, e));
        b->manual = manual;
    }
    cs_value logs = cs_object_member(c->document, "decision_logs");
    cs_slice of_logs = trigger_of(cs_object_member(logs, "reporting"));
    cs_slice of_status = trigger_of(cs_object_member(c->document, "status"));
    CS_TRY(check_trigger(boot, of_logs, "invalid decision_log config", e));
    CS_TRY(check_trigger(boot, of_status, "invalid status config", e));
    c->decision_logs.manual = manual;
    c->status.manual = manual;
    return CS_OK;
}

/* ---- the configuration of the start over it */

typedef struct merger {
    cs_arena *a;
    cs_buf names; /* of what was said in vain */
} merger;

static void note(merger *m, const char *name)
{
    cs_buf_text(&m->names, m->names.n != 0 ? ", " : "");
    cs_buf_text(&m->names, name);
}

static void lay_over(merger *m, cs_node *into, const cs_node *from, const char *prefix)
{
    for (size_t i = 0; i < from->members.n; i++) {
        const cs_node_member *member = &from->members.v[i];
        cs_node *there = cs_config__member(into, member->key);
        const char *name =
            cs_arena_printf(m->a, NULL, "%s%s%.*s", prefix, prefix[0] != '\0' ? "." : "", CS_FMT(member->key));
        bool map = member->node->kind == CS_NODE_MAP;
        if (there != NULL && there->kind == CS_NODE_MAP && map) {
            lay_over(m, there, member->node, name);
            continue;
        }
        if (there != NULL &&
            (map || !cs_equal(cs_config__to_value(m->a, there), cs_config__to_value(m->a, member->node)))) {
            note(m, name);
        }
        cs_config__put(m->a, into, member->key, member->node);
    }
}

static cs_err build(cs_config *c, const cs_config *boot, cs_value discovered, cs_slice *overridden,
                    cs_config_report *report, cs_error *e)
{
    cs_arena *a = &c->arena;
    cs_value said;
    CS_TRY(read(a, discovered, &said, e));
    CS_TRY(check(a, boot, said, e));
    cs_node *root = cs_config__node(a, CS_NODE_MAP, CS_LIT("discovery"), 0);
    for (uint32_t i = 0; i < cs_count(said); i++) {
        cs_value item, key = cs_entry(said, i, &item);
        if (cs_config__is_own(cs_text(key))) {
            cs_config__problem(report, true, root, "%.*s takes effect at the start only: not by discovery",
                               CS_FMT(cs_text(key)));
        } else if (!cs_config__is_known(cs_text(key))) {
            cs_config__problem(report, true, root, "unknown configuration option \"%.*s\" encountered",
                               CS_FMT(cs_text(key)));
        } else if (!cs_slice_is(cs_text(key), "discovery")) {
            cs_slice name = cs_text(key);
            cs_config__put(a, root, cs_slice_make(cs_arena_dup(a, name.p, name.n), name.n), to_node(a, item));
        }
    }
    merger m = {.a = a};
    cs_buf_init(&m.names);
    lay_over(&m, root, to_node(a, boot->document), "");
    *overridden = cs_slice_make(cs_arena_dup(a, m.names.p, m.names.n), m.names.n);
    cs_buf_destroy(&m.names);
    cs_config__check(root, report);
    c->discovery = boot->discovery; /* which lives longer, and does not change */
    cs_config__fill(c, root, report);
    for (size_t i = 0; i < report->n; i++) {
        if (!report->v[i].warning) {
            return cs_fail(e, CS_ERR_INVALID, "%.*s", CS_FMT(report->v[i].text));
        }
    }
    return take_triggers(boot, c, e);
}

cs_err cs_config_discovered(const cs_config *boot, cs_value discovered, cs_config **out, cs_slice *overridden,
                            cs_config_report *report, cs_error *e)
{
    cs_config *c = cs_config__new();
    cs_err r = build(c, boot, discovered, overridden, report, e);
    if (r != CS_OK) {
        cs_config_free(c);
        return r;
    }
    *out = c;
    return CS_OK;
}
