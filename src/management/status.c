/* Where status goes: the program's log, and a service. What changes while one is on its way is in the next. */
#include "countersign/base/buf.h"
#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "countersign/json.h"
#include "management/internal.h"

#define TIMEOUT_NS (10 * CS_NS_PER_S)
#define LAST_TIMEOUT_NS (2 * CS_NS_PER_S) /* when the program ends */

enum { FIELDS_MAX = 8 };

/* Where it goes now. */
typedef struct target {
    cs_service *service; /* retained; NULL = none */
    cs_slice partition;
    bool console, manual;
} target;

static target where(cs_management *m, cs_arena *a)
{
    cs_mutex_lock(&m->lock);
    const cs_config *c = m->config;
    cs_service *service = cs_management__service(c, m->services, c->status.service);
    cs_slice partition = c->status.partition;
    target t = {.service = service != NULL ? cs_service_retain(service) : NULL,
                .partition = cs_slice_make(cs_arena_dup(a, partition.p, partition.n), partition.n),
                .console = c->status.console,
                .manual = c->status.manual};
    cs_mutex_unlock(&m->lock);
    return t;
}

void cs_management__reporter_wake(cs_management *m)
{
    cs_management__reporter *r = &m->reporter;
    cs_mutex_lock(&r->lock);
    r->changed = true;
    cs_cond_signal(&r->wake);
    cs_mutex_unlock(&r->lock);
}

static void changed(void *self)
{
    cs_management__reporter_wake(self);
}

/* As OPA's: the members of the document among those of the line. */
static void print(cs_arena *a, cs_value document)
{
    cs_log_field fields[FIELDS_MAX] = {CS_LOG_S("type", CS_LIT("openpolicyagent.org/status"))};
    cs_buf texts[FIELDS_MAX];
    size_t n = 1;
    for (uint32_t i = 0; i < cs_count(document) && n < FIELDS_MAX; i++) {
        cs_value v, key = cs_entry(document, i, &v);
        cs_buf_init(&texts[n]);
        cs_json_write(&texts[n], v, 0);
        fields[n] = (cs_log_field){
            .key = cs_arena_dup(a, cs_text(key).p, cs_text(key).n), .kind = CS_LOG_RAW, .text = cs_buf_view(&texts[n])};
        n++;
    }
    cs_log_always(CS_LOG_INFO, "Status Log", n, fields);
    while (n-- > 1) {
        cs_buf_destroy(&texts[n]);
    }
}

static cs_err send(const target *t, cs_arena *a, cs_value document, bool last, cs_error *e)
{
    size_t n;
    const char *path = cs_arena_printf(a, &n, "status/%.*s", CS_FMT(t->partition));
    cs_buf body;
    cs_buf_init(&body);
    cs_json_write(&body, document, 0);
    cs_http_header type = {CS_LIT("Content-Type"), CS_LIT("application/json")};
    cs_service_request request = {.method = "POST",
                                  .path = cs_slice_make(path, n),
                                  .headers = &type,
                                  .n_headers = 1,
                                  .body = cs_buf_view(&body),
                                  .timeout_ns = last ? LAST_TIMEOUT_NS : TIMEOUT_NS};
    cs_http_answer answer;
    cs_err r = cs_service_do(t->service, &request, &answer, e);
    cs_buf_destroy(&body);
    if (r != CS_OK) {
        return cs_fail_in(e, "status update failed: ");
    }
    int status = answer.status;
    cs_http_answer_destroy(&answer);
    return status >= 200 && status < 300 ? CS_OK
                                         : cs_fail(e, CS_ERR_IO, "status update failed, server replied with HTTP %d %s",
                                                   status, cs_http_status_text(status));
}

static void report(cs_management *m, bool last)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_error e = {0};
    target t = where(m, &a);
    if (!t.manual && (t.console || t.service != NULL)) {
        cs_value document = cs_server_status_document(m->o.server, &a);
        if (t.console) {
            print(&a, document);
        }
        if (t.service != NULL && send(&t, &a, document, last, &e) != CS_OK) {
            cs_log(CS_LOG_ERROR, e.text, 1, (cs_log_field[]){CS_LOG_S("plugin", CS_LIT("status"))});
        }
    }
    cs_service_free(t.service);
    cs_arena_destroy(&a);
}

static void run(void *self)
{
    cs_management *m = self;
    cs_management__reporter *r = &m->reporter;
    cs_thread_be_nice();
    bool stop = false;
    while (!stop) {
        cs_mutex_lock(&r->lock);
        while (!r->changed && !r->stop) {
            cs_cond_wait(&r->wake, &r->lock);
        }
        bool due = r->changed;
        r->changed = false;
        stop = r->stop;
        cs_mutex_unlock(&r->lock);
        if (due) {
            report(m, stop);
        }
    }
}

cs_err cs_management__reporter_start(cs_management *m, cs_error *e)
{
    cs_management__reporter *r = &m->reporter;
    const cs_config *c = m->config;
    if (!c->discovery.configured && c->status.service.n == 0 && !c->status.console) {
        return CS_OK;
    }
    r->changed = true; /* the first says what there is at the start */
    CS_TRY(cs_thread_start(&r->thread, "status", run, m, e));
    r->started = true;
    cs_server_on_status(m->o.server, changed, m);
    return CS_OK;
}

void cs_management__reporter_stop(cs_management *m)
{
    cs_management__reporter *r = &m->reporter;
    if (r->started) {
        cs_mutex_lock(&r->lock);
        r->stop = true;
        cs_cond_signal(&r->wake);
        cs_mutex_unlock(&r->lock);
        cs_thread_join(&r->thread);
        r->started = false;
        cs_server_on_status(m->o.server, NULL, NULL);
    }
}
