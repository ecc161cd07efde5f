/* The configuration in force: that of the start, until discovery brings another. Our own sections, the listeners and
 * the limits stay as the start has them (server->o.config). */
#include "internal.h"

/* What was there once stays, though another configuration does not speak of it: as with OPA's plugins. */
static void note_parts(cs_server *s, const cs_config *c)
{
    bool status = c->status.console || c->status.prometheus || c->status.service.n != 0;
    s->live.bundles |= !cs_is_undefined(cs_object_member(c->document, "bundles"));
    s->live.status |= status && !cs_is_undefined(cs_object_member(c->document, "status"));
}

void cs_server__live_init(cs_server *s)
{
    cs_mutex_init(&s->live.lock);
    s->live.labels = s->o.labels;
    note_parts(s, s->o.config);
    cs_server__live_authz(s, s->o.config->default_authorization_decision);
}

void cs_server__live_destroy(cs_server *s)
{
    cs_config_free(s->live.config);
    cs_mutex_destroy(&s->live.lock);
}

/* Workers may look at the old one for as long as the server is there; there are as many as paths were said. */
void cs_server__live_authz(cs_server *s, cs_slice path)
{
    const cs_server__named *old = atomic_load(&s->authz);
    size_t n;
    const char *key = cs_arena_printf(&s->arena, &n, "authz %.*s", CS_FMT(path));
    if (old != NULL && cs_slice_eq(old->key, cs_slice_make(key, n))) {
        return;
    }
    cs_server__named *named = cs_arena_new(&s->arena, cs_server__named);
    *named = (cs_server__named){.key = cs_slice_make(key, n)};
    cs_slice bad, own = cs_slice_make(cs_arena_dup(&s->arena, path.p, path.n), path.n);
    if (!cs_server__path_keys(&s->arena, own, &named->path, &named->n, &bad)) {
        named->n = 0;
    }
    atomic_store_explicit(&s->authz, named, memory_order_release);
}

void cs_server_reconfigure(cs_server *s, cs_config *config, cs_value labels)
{
    cs_mutex_lock(&s->live.lock);
    cs_config *old = s->live.config;
    s->live.config = cs_config_retain(config);
    s->live.labels = labels;
    note_parts(s, config);
    cs_server__live_authz(s, config->default_authorization_decision);
    cs_mutex_unlock(&s->live.lock);
    cs_config_free(old);
}

cs_server__live cs_server__live_get(cs_server *s)
{
    cs_mutex_lock(&s->live.lock);
    cs_server__live now = {.held = s->live.config,
                           .config = s->o.config,
                           .labels = s->live.labels,
                           .bundles = s->live.bundles,
                           .status = s->live.status};
    if (now.held != NULL) {
        now.config = cs_config_retain(now.held);
    }
    cs_mutex_unlock(&s->live.lock);
    return now;
}

void cs_server__live_put(cs_server__live live)
{
    cs_config_free(live.held);
}

cs_slice cs_server__default_decision(cs_server__request *r)
{
    cs_server__live live = cs_server__live_get(r->server);
    cs_slice path = live.config->default_decision;
    path = cs_slice_make(cs_arena_dup(r->arena, path.p, path.n), path.n);
    cs_server__live_put(live);
    return path;
}
