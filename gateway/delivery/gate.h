/*
 * The gate of a target: whether work may start now. One for each target, on the engine's thread; knows no clock but the
 * one it is told.
 *
 *   flowing   everything may start, within the rate
 *   paused    nothing starts until the time; reasons: credential (alarm), throttle (the target named a time), trouble
 *             (so many failures in a row that calling on would only add load: the circuit breaker), refusals (so many
 *             of the last events refused that the target must have changed its rules: rule 8; alarm)
 *   probing   one piece of work is out; its outcome opens the gate or pauses it for longer
 *
 * The gate resumes by itself; an operator may have it try at once.
 */
#ifndef LT_DELIVERY_GATE_H
#define LT_DELIVERY_GATE_H

#include "gateway/base/base.h"
#include "gateway/delivery/outcome.h"

enum lt_gate_state { LT_GATE_FLOWING, LT_GATE_PAUSED, LT_GATE_PROBING };

struct lt_gate {
    enum lt_gate_state state;
    enum lt_outcome reason; /* paused: CREDENTIAL, THROTTLE, REJECT for refusals, RETRY for trouble */
    int64_t since_ms, until_ms;
    unsigned pauses;       /* in a row, without a good answer between them: exponent of the back-off */
    unsigned failures;     /* in a row while flowing */
    unsigned failures_max; /* breaker */
    int64_t retry_min_ms, retry_max_ms;
    double tokens, rate; /* calls a second, 0 = no limit; bucket of one second */
    int64_t filled_ms;
    uint64_t random;  /* state of the jitter */
    uint64_t answers; /* the last 64 definite answers, 1 = refused */
    unsigned answers_len;
    unsigned refused_max; /* percent of them; 0 = no limit */
};

void lt_gate_init(struct lt_gate *g, int64_t rate, unsigned failures_max, int64_t retry_min_ms, int64_t retry_max_ms,
                  uint64_t seed, int64_t now_ms);
/* May one more piece of work start, with `running` out already? Turns a pause whose time has come into a probe. */
bool lt_gate_admits(struct lt_gate *g, int64_t now_ms, size_t running);
/* Take one call from the rate; false: not yet. */
bool lt_gate_take_call(struct lt_gate *g, int64_t now_ms);
/* An outcome came in. wait_ms: what the target asked for, -1 when it did not. Returns true when this paused the gate.
 */
bool lt_gate_outcome(struct lt_gate *g, enum lt_outcome o, int64_t wait_ms, int64_t now_ms);
/* More than so many percent of the last 64 definite answers (20 at least) refused: pause instead of parking all. */
void lt_gate_refuse_at(struct lt_gate *g, unsigned percent);
/* An operator's word: whatever it was paused for, the next piece of work probes now, and refusals count anew. */
void lt_gate_resume(struct lt_gate *g, int64_t now_ms);
/* Paused: probe at that time, or before. */
void lt_gate_try_at(struct lt_gate *g, int64_t at_ms);
void lt_gate_rate(struct lt_gate *g, double rate); /* this instance's share */
/* Full jitter: uniform in 0 .. min(max, min * 2^n). */
int64_t lt_gate_jitter(struct lt_gate *g, unsigned n);
/* Milliseconds until it may be worth asking again, 0 when it is now. */
int64_t lt_gate_wait_ms(const struct lt_gate *g, int64_t now_ms);
const char *lt_gate_state_name(const struct lt_gate *g); /* running, paused, probing */
const char *lt_gate_reason(const struct lt_gate *g);     /* "", credential, throttle, trouble */

#endif
