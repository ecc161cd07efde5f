/* What tenants may spend, as documents of the bundle say: data.tenants, data.countersign.tiers. */
#ifndef CS_SPEND_LIMIT_H
#define CS_SPEND_LIMIT_H

#include "spend/book.h"
#include "spend/window.h"

/* ---- tier.c: data.countersign.tiers, and where a tenant stands */
typedef struct cs_spend__tier_limit {
    cs_slice budget; /* its id */
    int64_t limit;
} cs_spend__tier_limit;

typedef struct cs_spend__tier {
    cs_slice name;
    const cs_spend__tier_limit *limits;
    size_t n_limits;
    cs_slice promote_to;               /* "" = nowhere */
    const struct cs_spend__tier *next; /* the tier of that name */
    int64_t clean_ns;                  /* so long without a blemish, then next */
} cs_spend__tier;

/* ---- limit.c */
/* Names of dimensions, sorted: what of data.scope a budget looks at. */
typedef struct cs_spend__pattern {
    cs_slice names[CS_SPEND__PAIRS];
    size_t n;
} cs_spend__pattern;

enum { CS_SPEND__RATIOS = 8 };
#define CS_SPEND__LEVELS 8       /* of organisations above a tenant */
#define CS_SPEND__WHOLE SIZE_MAX /* no pattern: all that the tenant spends */
typedef struct cs_spend__budget {
    cs_slice id, window_text, mode; /* mode "" if there is none */
    char currency[4];
    cs_spend__window window;
    bool has_limit; /* of its own; otherwise the tier says it */
    int64_t limit;
    double ratios[CS_SPEND__RATIOS]; /* alert_ratios, ascending */
    size_t n_ratios;
    bool charges_expired;  /* on_expiry: a hold that expires counts as spent */
    cs_spend__pairs scope; /* only spend with these values */
    cs_slice per;          /* each value of this dimension has the limit for itself; "" = no */
    size_t pattern;        /* of scope: index into the tenant's patterns, or CS_SPEND__WHOLE */
    size_t pattern_each;   /* of scope and per; CS_SPEND__WHOLE without per */
} cs_spend__budget;

typedef struct cs_spend__tenant {
    cs_slice name, timezone, tier; /* tier "" if there is none */
    const cs_zone *zone;
    char currency[4];
    bool has_since, has_clean_since, has_promotes;
    int64_t since_ns, clean_since_ns, promotes_ns;
    const cs_spend__tier *tier_rule;       /* NULL if the tier is not described */
    cs_slice parent_name;                  /* "" = none */
    const struct cs_spend__tenant *parent; /* whose budgets count this tenant's spend too */
    struct cs_spend__account *account;     /* once in force */
    bool has_children;
    const cs_spend__budget *budgets; /* by id */
    size_t n_budgets;
    const cs_spend__pattern *patterns; /* each once; those of whoever is above come last */
    size_t n_patterns;
} cs_spend__tenant;

/* All limits in force. Immutable; freed when replaced, under all shard locks. */
typedef struct cs_spend__limits {
    cs_arena arena;
    cs_spend__tenant *tenants; /* by name */
    size_t n;
    const cs_spend__tier *tiers; /* by name */
    size_t n_tiers;
} cs_spend__limits;

CS_MUST_CHECK cs_err cs_spend__limits_read(cs_value tenants, cs_value tiers, cs_spend__limits **out, cs_arena *a,
                                           cs_value *problems, cs_error *e);
void cs_spend__limits_free(cs_spend__limits *limits);
/* NULL if there is no such tenant. */
const cs_spend__tenant *cs_spend__limits_find(const cs_spend__limits *limits, cs_slice tenant);

/* What reads the documents of limits: every problem is kept with its path. */
typedef struct cs_spend__reader {
    cs_spend__limits *limits;
    cs_arena *a;               /* for problems; NULL = they are not wanted */
    CS_VEC(cs_value) problems; /* in `a` */
    size_t n;
    cs_error *e;
    cs_arena paths; /* of the tenant at hand */
} cs_spend__reader;
void cs_spend__problem(cs_spend__reader *r, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *cs_spend__below(cs_spend__reader *r, const char *path, cs_slice name);
cs_slice cs_spend__keep(cs_spend__reader *r, cs_slice text);
/* A string member: `fallback` (not copied) when it is missing. */
cs_slice cs_spend__text_member(cs_spend__reader *r, cs_value object, const char *name, const char *path,
                               const char *fallback);
/* `limit` or `limit_nanos`; false if there is neither. */
bool cs_spend__limit_member(cs_spend__reader *r, cs_value object, const char *path, int64_t *out);
void cs_spend__tiers_read(cs_spend__reader *r, cs_value tiers);
void cs_spend__tenant_tier_read(cs_spend__reader *r, cs_value tenant, const char *path, cs_spend__tenant *out);

#endif
