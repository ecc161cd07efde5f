/* What the configuration says of a webhook of approvals. Owned and immutable as everything in config.h. */
#ifndef CS_CONFIG_WEBHOOK_H
#define CS_CONFIG_WEBHOOK_H

#include "countersign/value.h"

/* An outside system that hears of approvals, and may act on them (webhook.h). */
typedef struct cs_config_webhook {
    cs_slice name;           /* not empty, and no other webhook's */
    cs_slice kind;           /* "generic", "jira" or "servicenow" */
    cs_slice url;            /* "" = nothing is sent */
    const cs_slice *secrets; /* at least one; the first is the newest. Readable: whsec_ is followed by base64 */
    size_t n_secrets;
    bool opened, escalated, decided; /* what is sent */
    const cs_slice *tenants;         /* none = all */
    size_t n_tenants;
    cs_value headers; /* object of strings */
    int64_t timeout_ns, first_ns, most_ns, give_up_ns;
    uint64_t queue;
    bool inbound, groups_trusted;
    int64_t tolerance_ns;
    cs_slice approval_field, digest_field;
    cs_slice ca_cert;
    bool allow_insecure_tls;
} cs_config_webhook;

#endif
