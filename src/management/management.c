/* Start and stop of the management clients. */
#include <math.h>

#include "countersign/base/mem.h"
#include "countersign/base/time.h"
#include "countersign/crypto.h"
#include "management/internal.h"

/* ---- pauses */

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

cs_service *cs_management__service(cs_management *m, cs_slice name)
{
    for (size_t i = 0; i < m->o.config->n_services; i++) {
        if (cs_slice_eq(m->o.config->services[i].name, name)) {
            return m->services[i];
        }
    }
    return NULL;
}

static void make(cs_management *m)
{
    const cs_config *c = m->o.config;
    cs_mutex_init(&m->rest.lock);
    cs_cond_init(&m->rest.wake);
    m->services = cs_zalloc((c->n_services + 1) * sizeof(cs_service *));
    for (size_t i = 0; i < c->n_services; i++) {
        m->services[i] = cs_service_new(c, &c->services[i], &m->stop);
    }
    m->downloads = cs_zalloc((c->n_bundles + 1) * sizeof *m->downloads);
    for (size_t i = 0; i < c->n_bundles; i++) {
        cs_service *service = cs_management__service(m, c->bundles[i].service);
        if (c->bundles[i].path.n == 0 && service != NULL) {
            cs_management__download_init(&m->downloads[m->n_downloads++], m, &c->bundles[i], service);
        }
    }
}

static cs_err start(cs_management *m, cs_error *e)
{
    CS_TRY(cs_management__reporter_start(m, e));
    cs_management__activate_kept(m);
    for (size_t i = 0; i < m->n_downloads; i++) {
        cs_management__download *d = &m->downloads[i];
        if (!d->bundle->manual) {
            CS_TRY(cs_thread_start(&d->thread, "download", cs_management__download_run, d, e));
            d->started = true;
        }
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
    cs_management__reporter_stop(m);
    atomic_store(&m->stop, true);
    cs_mutex_lock(&m->rest.lock);
    m->rest.stop = true;
    cs_cond_broadcast(&m->rest.wake);
    cs_mutex_unlock(&m->rest.lock);
    for (size_t i = 0; i < m->n_downloads; i++) {
        if (m->downloads[i].started) {
            cs_thread_join(&m->downloads[i].thread);
        }
        cs_management__download_destroy(&m->downloads[i]);
    }
    for (size_t i = 0; i < m->o.config->n_services; i++) {
        cs_service_free(m->services[i]);
    }
    cs_mutex_destroy(&m->rest.lock);
    cs_cond_destroy(&m->rest.wake);
    cs_free(m->downloads);
    cs_free(m->services);
    cs_free(m);
}
