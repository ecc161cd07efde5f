/* Residual conditions as filters of a data store: condition trees (UCAST) and SQL WHERE clauses.
 *
 * First the residual queries are checked against what the target can say; then they are translated. The texts of the
 * errors, the trees and the SQL are OPA's (internal/compile, internal/ucast), with one exception: a condition that
 * passes the checks but cannot be translated is an error here, where OPA leaves it out and lets every row through.
 * Everything lives in the arena given; one thread at a time. */
#ifndef CS_REGO_FILTER_FILTER_H
#define CS_REGO_FILTER_FILTER_H

#include "rego/topdown/topdown.h"

/* One target: "ucast" with "all", "minimal", "prisma", "linq"; "sql" with "postgresql", "mysql", "sqlserver", "sqlite".
 */
typedef struct cs_filter_target {
    cs_slice target, dialect;
} cs_filter_target;

/* CS_ERR_INTERNAL with OPA's words if there is no such target. */
CS_MUST_CHECK cs_err cs_filter_check_target(const cs_filter_target *target, cs_error *e);

/* Can every target say every residual query? All problems are recorded as CS_ERR_PE_FRAGMENT. `mappings` is what the
 * request said (an object or undefined). */
CS_MUST_CHECK cs_err cs_filter_check(cs_arena *a, const cs_td_partial *partial, const cs_filter_target *targets,
                                     size_t n, cs_value mappings, cs_errors *errors);

/* The names of tables and columns that hold for a target. CS_ERR_INVALID if they are not of the documented shape. */
CS_MUST_CHECK cs_err cs_filter_mappings(cs_value mappings, const cs_filter_target *target, cs_value *out, cs_error *e);

/* The filter of one target: a condition tree, or the text of a WHERE clause. {} and "" let everything through;
 * undefined nothing. `mappings` comes from cs_filter_mappings. CS_ERR_PE_FRAGMENT if something cannot be translated. */
CS_MUST_CHECK cs_err cs_filter_translate(cs_arena *a, const cs_td_partial *partial, const cs_filter_target *target,
                                         cs_value mappings, cs_value *out, cs_error *e);

#endif
