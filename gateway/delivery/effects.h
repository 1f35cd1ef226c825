/*
 * The records of an outcome transaction (protocol 3 rule 5): the forward to the next target of lt_path, the answer
 * event, the event to the province. Pure functions of the queue record and the result, so that a transaction is written
 * again with the same bytes.
 */
#ifndef LT_DELIVERY_EFFECTS_H
#define LT_DELIVERY_EFFECTS_H

#include "gateway/delivery/adapter.h"
#include "gateway/kafka/log.h"

struct lt_effect {
    const char *topic; /* static or in the arena */
    struct lt_headers headers;
    struct lt_span key, value;
};

enum lt_effects_result { LT_EFFECTS_LAST = 1 };

/*
 * The record for the target after `target` in lt_path: same ce_id, headers and value (unless `data` is given), lt_hop
 * + 1. LT_OK; LT_EFFECTS_LAST (nothing follows); LT_E_INVALID (lt_path does not name this target, or lt_hop is no
 * number).
 */
int lt_effect_forward(const struct lt_log_record *r, const char *target, struct lt_span data, struct lt_arena *a,
                      struct lt_effect *ret, struct lt_err *err) LT_MUST_CHECK;
/*
 * A note as an event of its own. Its ce_id is the first 128 bits of SHA-256 over (target, ce_id, lt_replay, step,
 * type), so the same outcome written again by another instance has the same id; lt_cause is the ce_id of the event that
 * caused it.
 */
void lt_effect_note(const struct lt_log_record *r, const struct lt_event *e, const char *target, enum lt_step step,
                    const struct lt_note *n, int64_t now_ms, struct lt_arena *a, struct lt_effect *ret);

#endif
