/*
 * Code tables: YAML, effective-dated: procedure local -> national, units with from/to dates and successor,
 * status words, names for the portal. Looked up at an event's own time, never at the time of processing. Shared by all
 * threads; a table's content is replaced as a whole (lt_tables_take) while nobody holds it (lt_tables_hold).
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
/*
 * Entries, and every text of them, are lent only between hold and release; what is kept longer is copied. Cheap, any
 * number of threads at once, not to be nested. Needed only where another thread may take.
 */
void lt_tables_hold(const struct lt_tables *t);
void lt_tables_release(const struct lt_tables *t);
/*
 * The running tables get the contents of the fresh ones, which get the former contents: pointers to a table stay good.
 * Tables that only the fresh ones have are not taken. The fresh configuration must outlive the running tables from now
 * on, the former one need only outlive the fresh tables. Waits until nobody holds the running ones.
 */
void lt_tables_take(struct lt_tables *running, struct lt_tables *fresh);
/* May they be taken? LT_E_INVALID: a running table is missing among the fresh ones or of another kind. */
int lt_tables_fit(const struct lt_tables *running, const struct lt_tables *fresh, struct lt_err *err) LT_MUST_CHECK;
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
