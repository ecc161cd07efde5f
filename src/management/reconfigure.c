/* Another configuration in place of the one in force. A bundle that is configured as before goes on as it is, with the
 * configuration that it had; others begin, begin anew with the etag of what is active, or are taken away. What a
 * configuration does not speak of at all stays as it was, as with OPA. */
#include "countersign/base/log.h"
#include "countersign/base/mem.h"
#include "management/internal.h"

/* ---- what is the same */

static cs_value service_document(const cs_config *c, cs_slice name)
{
    cs_value services = cs_object_member(c->document, "services");
    for (size_t i = 0; i < c->n_services; i++) {
        if (cs_slice_eq(c->services[i].name, name)) {
            return cs_is(services, CS_ARRAY)                          ? services.u.items[i]
                   : cs_object_get(services, cs_string(name)) != NULL ? *cs_object_get(services, cs_string(name))
                                                                      : cs_undefined();
        }
    }
    return cs_undefined();
}

/* Keys sign, too: a service is the same only with the same keys. */
static bool same_service(const cs_config *a, const cs_config *b, cs_slice name)
{
    return cs_equal(service_document(a, name), service_document(b, name)) &&
           cs_equal(cs_object_member(a->document, "keys"), cs_object_member(b->document, "keys"));
}

static bool same_bundle(const cs_config *a, const cs_config_bundle *x, const cs_config *b, const cs_config_bundle *y)
{
    return cs_equal(x->document, y->document) && x->manual == y->manual && cs_slice_eq(x->service, y->service) &&
           same_service(a, b, x->service);
}

/* ---- services */

static cs_service **make_services(cs_management *m, cs_config *config)
{
    cs_service **services = cs_zalloc((config->n_services + 1) * sizeof(cs_service *));
    for (size_t i = 0; i < config->n_services; i++) {
        cs_slice name = config->services[i].name;
        cs_service *old = cs_management__service(m->config, m->services, name);
        bool same = old != NULL && same_service(m->config, config, name);
        services[i] = same ? cs_service_retain(old) : cs_service_new(config, &config->services[i], &m->stop);
    }
    return services;
}

/* ---- bundles */

static void say(cs_slice name, const char *what)
{
    cs_log(CS_LOG_INFO, what, 2, (cs_log_field[]){CS_LOG_S("name", name), CS_LOG_S("plugin", CS_LIT("bundle"))});
}

static cs_management__download *find(const cs_management *m, cs_slice name)
{
    for (size_t i = 0; i < m->downloads.n; i++) {
        if (cs_slice_eq(m->downloads.v[i]->bundle->name, name)) {
            return m->downloads.v[i];
        }
    }
    return NULL;
}

static void drop(cs_management *m, cs_management__download *d)
{
    for (size_t i = 0; i < m->downloads.n; i++) {
        if (m->downloads.v[i] == d) {
            m->downloads.v[i] = m->downloads.v[--m->downloads.n];
            break;
        }
    }
    cs_management__download_free(d);
}

/* What the new configuration has no more. */
static void remove_bundles(cs_management *m, const cs_config *old, const cs_config *config)
{
    for (size_t i = 0; i < old->n_bundles; i++) {
        cs_slice name = old->bundles[i].name;
        if (cs_config_find_bundle(config, name) != NULL) {
            continue;
        }
        say(name, "Bundle loader configuration removed. Stopping bundle loader.");
        cs_management__download *d = find(m, name);
        if (d != NULL) {
            cs_management__download_stop(d);
        }
        cs_error e = {0};
        if (cs_server_bundle_remove(m->o.server, name, &e) != CS_OK) {
            cs_log(CS_LOG_ERROR, "Failed to deactivate bundle.", 2,
                   (cs_log_field[]){CS_LOG_S("name", name), CS_LOG_S("error", cs_slice_of(e.text))});
        }
        if (d != NULL) {
            drop(m, d);
        }
    }
}

static void begin(cs_management *m, cs_config *config, const cs_config_bundle *b, cs_management__download *old)
{
    cs_server_bundle_expect(m->o.server, b->name);
    if (b->path.n != 0) {
        m->o.load_file(m->o.self, config, b);
        return;
    }
    cs_service *service = cs_management__service(config, m->services, b->service);
    cs_management__download *d = cs_management__download_new(m, config, b, service);
    if (old != NULL) {
        cs_buf_slice(&d->etag, cs_buf_view(&old->etag));
    }
    CS_VEC_PUSH(&m->downloads, d);
    cs_error e = {0};
    if (cs_management__download_start(d, &e) != CS_OK) {
        cs_management__say(d, "Bundle loader cannot start.", &e, NULL);
    }
}

static void put_bundles(cs_management *m, const cs_config *old, cs_config *config)
{
    for (size_t i = 0; i < config->n_bundles; i++) {
        const cs_config_bundle *b = &config->bundles[i], *was = cs_config_find_bundle(old, b->name);
        if (was != NULL && same_bundle(old, was, config, b)) {
            continue;
        }
        say(b->name, was == NULL ? "New bundle loader configuration added. Starting bundle loader."
                                 : "Bundle loader configuration changed. Restarting bundle loader.");
        cs_management__download *d = find(m, b->name);
        if (d != NULL) {
            cs_management__download_stop(d);
        }
        begin(m, config, b, d);
        if (d != NULL) {
            drop(m, d);
        }
    }
}

void cs_management__reconfigure(cs_management *m, cs_config *config)
{
    m->o.reconfigure(m->o.self, config);
    cs_service **services = make_services(m, config);
    cs_mutex_lock(&m->lock);
    cs_config *old = m->config;
    cs_service **old_services = m->services;
    m->config = cs_config_retain(config);
    m->services = services;
    cs_mutex_unlock(&m->lock);
    cs_server_reconfigure(m->o.server, config, config->labels);
    if (!cs_is_undefined(cs_object_member(config->document, "bundles"))) {
        cs_config *before = m->bundles;
        m->bundles = cs_config_retain(config);
        remove_bundles(m, before, config);
        put_bundles(m, before, config);
        cs_config_free(before);
    }
    for (size_t i = 0; i < old->n_services; i++) {
        cs_service_free(old_services[i]);
    }
    cs_free(old_services);
    cs_config_free(old);
    cs_management__reporter_wake(m);
}
