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
 * type, round when not 0), so the same outcome written again by another instance has the same id; lt_cause is the ce_id
 * of the event that caused it.
 */
void lt_effect_note(const struct lt_log_record *r, const struct lt_event *e, const char *target, const char *step,
                    int64_t round, const struct lt_note *n, int64_t now_ms, struct lt_arena *a, struct lt_effect *ret);

/* A delivery that the target refused for good (rule 8). */
#define LT_TYPE_REFUSED "vn.lienthong.delivery.refused.v1"
struct lt_refused {
    const char *target, *step, *reason, *code, *text;
    int64_t rounds; /* redrives before this */
    int64_t wall_ms;
};
/* Its dead letter: the record as it was, with reason; of a value too large for the topic the first 64 KiB, of its key
 * the first KiB, and never a header that is longer than that or has no place beside ours. */
void lt_effect_deadletter(const struct lt_log_record *r, const struct lt_refused *why, size_t record_max,
                          struct lt_arena *a, struct lt_effect *ret);
/* The event of type LT_TYPE_REFUSED to the province. */
void lt_effect_refused(const struct lt_log_record *r, const struct lt_event *e, const struct lt_refused *why,
                       struct lt_arena *a, struct lt_effect *ret);

/* One line of lt.history.<target>: an attempt, or what somebody decided. */
struct lt_attempt {
    int64_t wall_ms, offset, attempt, took_ms; /* took_ms -1: no call */
    struct lt_span id, run;
    const char *step, *what, *code, *text;
};
void lt_effect_history(const struct lt_attempt *t, struct lt_arena *a, struct lt_span *ret_value);

#endif
