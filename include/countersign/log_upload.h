/* Decision logs that go to a service, as OPA sends them: POST <service>/<resource>, a gzipped JSON array of records,
 * from time to time or as soon as a chunk is full; what could not be sent is sent again, with growing pauses.
 *
 * What waits is bounded as `decision_logs.reporting` says: by the bytes of finished chunks (buffer_type size) or by
 * events (buffer_type event). Beyond, the oldest goes; and it is counted. A service that is down, slow or lying never
 * holds up a decision. */
#ifndef CS_LOG_UPLOAD_H
#define CS_LOG_UPLOAD_H

#include "countersign/config.h"
#include "countersign/metrics.h"

typedef struct cs_log_upload cs_log_upload;

/* What became of a try to send: `error` is NULL if all is sent; `status` is the HTTP status of a refusal, else 0. On
 * the upload's thread. */
typedef void cs_log_upload_told(void *self, const cs_error *error, int status);

typedef struct cs_log_upload_options {
    cs_config *config;   /* decision_logs, with a service; is kept */
    cs_metrics *metrics; /* NULL = none: OPA's decision_logs_* counters */
    cs_log_upload_told *told;
    void *self;
} cs_log_upload_options;

CS_MUST_CHECK cs_err cs_log_upload_start(const cs_log_upload_options *options, cs_log_upload **out, cs_error *e);
/* A record: a JSON object, copied. Never waits for the network. One thread at a time. */
void cs_log_upload_put(cs_log_upload *upload, cs_slice record);
/* Sends what is left, for at most `grace_ns`; no record may come any more. NULL is fine. */
void cs_log_upload_stop(cs_log_upload *upload, int64_t grace_ns);

#endif
