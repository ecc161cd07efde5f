/* OPA's management APIs, as a client: bundles of HTTP services, status that is sent somewhere.
 *
 * Threads of its own do what may wait; nothing here ever holds up a decision. A service that is down, slow or lying is
 * asked again, with growing pauses; what went wrong stands in the status, in the program's log and in metrics. */
#ifndef CS_MANAGEMENT_H
#define CS_MANAGEMENT_H

#include "countersign/bundle.h"
#include "countersign/config.h"
#include "countersign/metrics.h"
#include "countersign/server.h"

typedef struct cs_management cs_management;

typedef struct cs_management_options {
    cs_config *config; /* of the start */
    cs_server *server;
    cs_metrics *metrics;
    const cs_host *host;   /* of evaluations of discovery bundles */
    const char *state_dir; /* where bundles with `persist` are kept; NULL = nowhere */
    /* How a bundle of a configuration is to be read; what it points to lives in the arena. */
    cs_bundle_options (*read_options)(void *self, const cs_config *config, const cs_config_bundle *bundle, cs_arena *a);
    /* Activates a bundle that is a file, if it can be; reports. */
    void (*load_file)(void *self, const cs_config *config, const cs_config_bundle *bundle);
    /* A configuration that came by discovery is about to be in force: completes its labels, and puts into force what is
     * not management's (decision logs). On the discovery's thread. */
    void (*reconfigure)(void *self, cs_config *config);
    void *self;
} cs_management_options;

/* Activates the bundles that were kept, then starts the threads. The bundles must have been declared with
 * cs_server_bundle_expect. *options is copied; what it points to outlives this. */
CS_MUST_CHECK cs_err cs_management_start(const cs_management_options *options, cs_management **out, cs_error *e);
/* Ends requests under way, sends the last status, ends the threads. NULL is fine. */
void cs_management_stop(cs_management *management);

#endif
