/*
 * Code tables: YAML, effective-dated (design 4): procedure local -> national, units with from/to dates and successor,
 * status words, names for the portal. Looked up at an event's own time, never at the time of processing. Immutable once
 * compiled, shared by all threads.
 *
 * table: units
 * kind: units                      # units | codes
 * entries:
 *   - {code: H22.01, name: "…", from: 2010-01-01, to: 2025-07-01, successor: H22.D01}
 *
 * Compiling refuses overlapping entries of a code, successors that are missing, not in force at the hand-over, or in a
 * circle. The trees of the configuration are referred to and must outlive the tables.
 */
#ifndef LT_MAPPING_TABLES_H
#define LT_MAPPING_TABLES_H

#include "gateway/config/config.h"

struct lt_tables;
struct lt_table;

/* LT_OK; LT_E_INVALID with the findings in diags. A finding that is in diags already is not repeated. */
int lt_tables_new(const struct lt_config *c, struct lt_diags *diags, struct lt_tables **ret) LT_MUST_CHECK;
/* For `check`: the entries that are right, even when others are not; free it in every case. */
int lt_tables_survey(const struct lt_config *c, struct lt_diags *diags, struct lt_tables **ret) LT_MUST_CHECK;
void lt_tables_free(struct lt_tables *t);
const struct lt_table *lt_table_find(const struct lt_tables *t, struct lt_span name);
/* NULL-terminated, for suggestions; lent. */
const char *const *lt_tables_names(const struct lt_tables *t);
const char *lt_table_name(const struct lt_table *t);
bool lt_table_is_units(const struct lt_table *t);

struct lt_table_entry {
    const char *code;
    const char *value;               /* what the code maps to; for units the code itself */
    int64_t from_ms, to_ms;          /* [from, to); INT64_MIN / INT64_MAX when open */
    const char *successor;           /* units, "" when none */
    const struct lt_yaml_node *node; /* further fields: name, sector, … */
};
/*
 * The entry of code in force at `at_ms`; NULL when none. ret_other (may be NULL): an entry of that code at another
 * time, the last that ended before at_ms where there is one, else the first to come; NULL when the code is unknown or
 * in force.
 */
const struct lt_table_entry *lt_table_lookup(const struct lt_table *t, struct lt_span code, int64_t at_ms,
                                             const struct lt_table_entry **ret_other);
/*
 * The unit that carries on for e at at_ms: e itself while in force, else along its successors. NULL when the chain ends
 * before (an abolished unit without successor, or one whose successor is not in force).
 */
const struct lt_table_entry *lt_table_successor(const struct lt_table *t, const struct lt_table_entry *e,
                                                int64_t at_ms);
/* A further field of an entry as text, "" when absent ("sector", "name", "linh-vuc" …). */
const char *lt_table_field(const struct lt_table_entry *e, const char *field);
size_t lt_table_len(const struct lt_table *t);
const struct lt_table_entry *lt_table_at(const struct lt_table *t, size_t i);
/* For internal use by the mapping compiler: tables even when some have errors, so that their users are not blamed too.
 */
struct lt_tables *lt_tables_compile(const struct lt_config *c, struct lt_diags *diags);
#endif
