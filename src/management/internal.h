/* What the files of management share. */
#ifndef CS_MANAGEMENT_INTERNAL_H
#define CS_MANAGEMENT_INTERNAL_H

#include <stdatomic.h>

#include "countersign/base/thread.h"
#include "countersign/base/vec.h"
#include "countersign/management.h"
#include "management/cloud.h"
#include "management/service.h"

/* ---- oauth2.c: access tokens (RFC 6749 §4.4, RFC 7523), kept until they end in less than ten seconds */
typedef struct cs_management__token {
    cs_mutex lock; /* of what follows; held while one is asked for */
    cs_buf text;
    int64_t ends_mono;
} cs_management__token;

void cs_management__token_init(cs_management__token *token);
void cs_management__token_destroy(cs_management__token *token);

struct cs_service {
    _Atomic unsigned refs;
    cs_config *config;
    const cs_config_service *s;
    const _Atomic bool *stop;
    cs_management__token token; /* of oauth2 */
    cs_mutex aws_lock;          /* of what follows; held while credentials are asked for */
    cs_aws_kept aws;
};

/* A good token, in `a`: the one that is kept, or a new one. */
CS_MUST_CHECK cs_err cs_management__token_get(cs_service *service, cs_arena *a, cs_slice *out, cs_error *e);

/* ---- service.c */
/* A NUL-terminated copy; NULL for "". */
const char *cs_management__cstr(cs_arena *a, cs_slice text);
/* A small file without white space at its ends, in `a`. */
CS_MUST_CHECK cs_err cs_management__read_secret(cs_arena *a, cs_slice path, cs_slice *out, cs_error *e);

/* ---- pauses that the end of a thread cuts short */
typedef struct cs_management__rest {
    cs_mutex lock;
    cs_cond wake;
    bool stop;
    _Atomic bool stopped; /* the same, for requests under way */
} cs_management__rest;
void cs_management__rest_init(cs_management__rest *rest);
void cs_management__rest_stop(cs_management__rest *rest);
void cs_management__rest_destroy(cs_management__rest *rest);
/* Waits; true if it is to end. */
bool cs_management__pause(cs_management__rest *rest, int64_t ns);
/* After so many failures in a row: none after the first, then 100 ms growing by 1.6 up to `most`, give or take a fifth.
 */
int64_t cs_management__backoff(unsigned failures, int64_t most_ns);

/* ---- download.c */
enum { CS_MANAGEMENT__SUPERSEDED = 8 };

typedef struct cs_management__download cs_management__download;
struct cs_management__download {
    cs_management *m;
    cs_config *config; /* that `bundle` is of */
    const cs_config_bundle *bundle;
    cs_service *service;
    bool discovery; /* not a bundle like others: discovery.c has what to do with it */
    cs_management__rest rest;
    cs_thread thread;
    bool started;
    unsigned failures;
    bool long_poll; /* the server said that it can */
    cs_buf etag;    /* of what is active; "" = none, or it failed */
    struct {
        cs_buf etag;
        int64_t since_mono;
    } superseded[CS_MANAGEMENT__SUPERSEDED]; /* the oldest first */
    size_t n_superseded;
};

/* Keeps the configuration and the service. */
cs_management__download *cs_management__download_new(cs_management *m, cs_config *config,
                                                     const cs_config_bundle *bundle, cs_service *service);
/* Unless it waits to be triggered. */
CS_MUST_CHECK cs_err cs_management__download_start(cs_management__download *d, cs_error *e);
void cs_management__download_stop(cs_management__download *d);
void cs_management__download_free(cs_management__download *d);
/* A line in the program's log. */
void cs_management__say(const cs_management__download *d, const char *what, const cs_error *e, const cs_errors *errors);

/* ---- discovery.c */
/* Activates what was kept, if anything. */
void cs_management__discover_kept(cs_management *m);
/* Makes the configuration out of a discovery bundle that came, and puts it into force; reports. */
CS_MUST_CHECK cs_err cs_management__discover(cs_management *m, const cs_http_answer *answer, cs_error *e);

/* ---- reconfigure.c */
/* Puts a configuration into force: what changed in it begins anew, what is the same goes on. Keeps it. */
void cs_management__reconfigure(cs_management *m, cs_config *config);

/* ---- persist.c */
/* Keeps an archive for the next start, under the folder's name. */
CS_MUST_CHECK cs_err cs_management__keep(cs_management *m, cs_slice folder, cs_slice archive, cs_error *e);
/* The file for that. Appends to *out. */
void cs_management__kept_path(const cs_management *m, cs_slice folder, cs_buf *out);
/* Activates what was kept of the bundles with `persist`. */
void cs_management__activate_kept(cs_management *m);

/* ---- status.c: where status goes */
typedef struct cs_management__reporter {
    cs_thread thread;
    bool started;
    cs_mutex lock;
    cs_cond wake;
    bool changed, stop;
} cs_management__reporter;
CS_MUST_CHECK cs_err cs_management__reporter_start(cs_management *m, cs_error *e);
void cs_management__reporter_stop(cs_management *m);
/* Something of the status, or of where it goes, has changed. */
void cs_management__reporter_wake(cs_management *m);

struct cs_management {
    cs_management_options o;
    _Atomic bool stop; /* ends requests under way */
    cs_mutex lock;     /* of the configuration and its services, which only discovery changes */
    cs_config *config;
    cs_service **services; /* by their place in the configuration */
    cs_config *bundles;    /* the last that spoke of bundles */
    CS_VEC(cs_management__download *) downloads;
    cs_management__download *discovery; /* NULL without */
    cs_management__reporter reporter;
};
/* NULL if there is none. */
cs_service *cs_management__service(const cs_config *config, cs_service **services, cs_slice name);

#endif
