/*
 * Which refusals that cost the sender nothing (unknown certificate, rate, role) are audited: of each actor and code one
 * a second, so that a flood of one client's hides nobody else's. What is left out is counted and told with the next
 * entry. Bounded: beyond LT_AUDIT_SLOTS actors within a second they share one slot. Thread-safe.
 */
#ifndef LT_INGEST_AUDIT_GATE_H
#define LT_INGEST_AUDIT_GATE_H

#include "gateway/base/base.h"

#define LT_AUDIT_SLOTS 256
#define LT_AUDIT_EVERY_MS 1000

struct lt_audit_gate;
struct lt_audit_gate *lt_audit_gate_new(void);
void lt_audit_gate_free(struct lt_audit_gate *g);
/* Audit it? True: ret_left_out is how many were left out since this slot's last entry. */
bool lt_audit_gate_pass(struct lt_audit_gate *g, const char *actor, const char *code, int64_t mono_ms,
                        uint64_t *ret_left_out);
#endif
