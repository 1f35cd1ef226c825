/*
 * Routes: which outputs an accepted event goes to. YAML rules on headers, compiled once, immutable, shared
 * by threads.
 *
 *   routes:
 *     - {name: portal, when: {type: "vn.lienthong.dossier.*", province: [H22, H40]}, via: [population], to: portal}
 *     - {name: land, when: {procedure: {table: procedures, sector: dat-dai}}, to: "topic:lt.events.land"}
 *
 * `when`: type, source, province, unit, procedure, channel; each a text, a glob or a list of them, or {table: T,
 * <field>: <value>}, looked up at ce_time. All conditions of a rule must hold; all matching rules apply; a target gets
 * an event once. With `via` the core writes to the first hop only and the event carries its path (lt_path, lt_hop). An
 * event that no rule takes goes to lt.events.unrouted.
 *
 * One output more is no copy of the event but what its province is told of its verdict (tell.h), by
 * `core.tell_province: [conflict, invalid]`, a list of new, duplicate, conflict, invalid; these two when it is left
 * out.
 *
 * Checked at load, because order depends on it: all events of a dossier bound for one target take the same path, so
 * rules that lead to the same target by different paths must exclude each other by province or procedure.
 */
#ifndef LT_CORE_ROUTES_H
#define LT_CORE_ROUTES_H

#include "gateway/config/config.h"
#include "gateway/mapping/tables.h"
#include "gateway/model/event.h"
#include "gateway/model/verdict.h"

struct lt_routes;

/* All findings to diags; LT_E_INVALID when there was an error. c and tables must outlive the routes. */
int lt_routes_new(const struct lt_config *c, const struct lt_tables *tables, struct lt_diags *diags,
                  struct lt_routes **ret) LT_MUST_CHECK;
void lt_routes_free(struct lt_routes *r);

/* Every topic an event can be written to by a route, in a fixed order: index i is output i everywhere.
 * lt.events.unrouted is one of them, lt.province is one when any verdict is told. */
size_t lt_routes_outputs(const struct lt_routes *r);
const char *lt_routes_output(const struct lt_routes *r, size_t i);

#define LT_ROUTE_COPIES_MAX 32
struct lt_copy {
    uint16_t output;
    const char *path; /* "population,portal" for a delivery queue, NULL for a plain topic */
};
/*
 * Copies of the event, at least one (unrouted). Replays reach a target only when lt_effects names it; plain topics
 * always. replay_effects: LT_SPAN_NULL for an event that is no replay.
 */
size_t lt_routes_match(const struct lt_routes *r, const struct lt_event *e, bool replay, struct lt_span replay_effects,
                       struct lt_copy ret[LT_ROUTE_COPIES_MAX]);

/*
 * The verdicts of an event that its province is told: bits 1 << enum lt_verdict_kind. A replay is the operator's own
 * doing: it is told only when its lt_effects names the target `province`.
 */
unsigned lt_routes_told(const struct lt_routes *r, bool replay, struct lt_span replay_effects);
size_t lt_routes_province(const struct lt_routes *r); /* the output it is told in; only when any verdict is */

/* Warnings for each unit and procedure of the tables that no route reaches ("agency not configured" is a finding, not a
 * loss), and for each word of `when` that no table has. */
void lt_routes_check_reach(const struct lt_routes *r, const struct lt_tables *tables, struct lt_diags *diags);
#endif
