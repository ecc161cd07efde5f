/* Start and stop of the management clients. */
#include <math.h>

#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "management/internal.h"

/* ---- pauses */

void cs_management__rest_init(cs_management__rest *rest)
{
    cs_mutex_init(&rest->lock);
    cs_cond_init(&rest->wake);
    rest->stop = false;
    atomic_init(&rest->stopped, false);
}

void cs_management__rest_stop(cs_management__rest *rest)
{
    atomic_store(&rest->stopped, true);
    cs_mutex_lock(&rest->lock);
    rest->stop = true;
    cs_cond_broadcast(&rest->wake);
    cs_mutex_unlock(&rest->lock);
}

void cs_management__rest_destroy(cs_management__rest *rest)
{
    cs_mutex_destroy(&rest->lock);
    cs_cond_destroy(&rest->wake);
}

bool cs_management__pause(cs_management__rest *rest, int64_t ns)
{
    int64_t until = cs_time_mono_ns() + ns;
    cs_mutex_lock(&rest->lock);
    for (int64_t left = ns; !rest->stop && left > 0; left = until - cs_time_mono_ns()) {
        (void)cs_cond_wait_for(&rest->wake, &rest->lock, left);
    }
    bool stop = rest->stop;
    cs_mutex_unlock(&rest->lock);
    return stop;
}

int64_t cs_management__backoff(unsigned failures, int64_t most_ns)
{
    if (failures <= 1) {
        return 0;
    }
    double ns = 1e8 * pow(1.6, failures - 1 < 64 ? failures - 1 : 64);
    ns = ns > (double)most_ns ? (double)most_ns : ns;
    uint32_t bits;
    cs_random(&bits, sizeof bits);
    return (int64_t)(ns * (0.8 + 0.4 * ((double)bits / 4294967296.0)));
}

/* ---- start */

cs_service *cs_management__service(const cs_config *config, cs_service **services, cs_slice name)
{
    for (size_t i = 0; i < config->n_services; i++) {
        if (cs_slice_eq(config->services[i].name, name)) {
            return services[i];
        }
    }
    return NULL;
}

static void make(cs_management *m)
{
    cs_config *c = m->o.config;
    cs_mutex_init(&m->lock);
    cs_mutex_init(&m->reporter.lock);
    cs_cond_init(&m->reporter.wake);
    m->config = cs_config_retain(c);
    m->bundles = cs_config_retain(c);
    m->services = cs_zalloc((c->n_services + 1) * sizeof(cs_service *));
    for (size_t i = 0; i < c->n_services; i++) {
        m->services[i] = cs_service_new(c, &c->services[i], &m->stop);
    }
    for (size_t i = 0; i < c->n_bundles; i++) {
        cs_service *service = cs_management__service(c, m->services, c->bundles[i].service);
        if (c->bundles[i].path.n == 0 && service != NULL) {
            CS_VEC_PUSH(&m->downloads, cs_management__download_new(m, c, &c->bundles[i], service));
        }
    }
    if (c->discovery.configured) {
        cs_service *service = cs_management__service(c, m->services, c->discovery.bundle.service);
        m->discovery = cs_management__download_new(m, c, &c->discovery.bundle, service);
        m->discovery->discovery = true;
        cs_server_discovery_expect(m->o.server);
    }
}

static cs_err start(cs_management *m, cs_error *e)
{
    CS_TRY(cs_management__reporter_start(m, e));
    cs_management__activate_kept(m);
    for (size_t i = 0; i < m->downloads.n; i++) {
        CS_TRY(cs_management__download_start(m->downloads.v[i], e));
    }
    if (m->discovery != NULL) {
        cs_management__discover_kept(m);
        CS_TRY(cs_management__download_start(m->discovery, e));
    }
    return CS_OK;
}

cs_err cs_management_start(const cs_management_options *options, cs_management **out, cs_error *e)
{
    cs_management *m = cs_zalloc(sizeof *m);
    m->o = *options;
    make(m);
    cs_err r = start(m, e);
    if (r != CS_OK) {
        cs_management_stop(m);
        return r;
    }
    *out = m;
    return CS_OK;
}

void cs_management_stop(cs_management *m)
{
    if (m == NULL) {
        return;
    }
    if (m->discovery != NULL) {
        cs_management__download_stop(m->discovery); /* nothing is reconfigured any more */
    }
    cs_management__reporter_stop(m);
    atomic_store(&m->stop, true);
    for (size_t i = 0; i < m->downloads.n; i++) {
        cs_management__rest_stop(&m->downloads.v[i]->rest); /* all at once */
    }
    for (size_t i = 0; i < m->downloads.n; i++) {
        cs_management__download_free(m->downloads.v[i]);
    }
    CS_VEC_FREE(&m->downloads);
    cs_management__download_free(m->discovery);
    for (size_t i = 0; i < m->config->n_services; i++) {
        cs_service_free(m->services[i]);
    }
    cs_config_free(m->config);
    cs_config_free(m->bundles);
    cs_mutex_destroy(&m->lock);
    cs_mutex_destroy(&m->reporter.lock);
    cs_cond_destroy(&m->reporter.wake);
    cs_free(m->services);
    cs_free(m);
}
