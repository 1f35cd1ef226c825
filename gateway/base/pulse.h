/*
 * A thread's sign of life. It beats wherever it gets on; anyone can ask how long it has been silent, and never waits
 * for it: a thread that hangs is seen from outside.
 */
#ifndef LT_BASE_PULSE_H
#define LT_BASE_PULSE_H

#include "gateway/base/clock.h"

#include <stdatomic.h>

/* Silence that no step of a thread with a log of Kafka takes, not even its opening or its closing while Kafka hangs. */
#define LT_PULSE_HANGS_MS INT64_C(120000)

struct lt_pulse {
    atomic_llong beat_ms;
};

static inline void lt_pulse_beat(struct lt_pulse *p)
{
    atomic_store_explicit(&p->beat_ms, lt_mono_ms(), memory_order_relaxed);
}

static inline int64_t lt_pulse_silent_ms(const struct lt_pulse *p)
{
    return lt_mono_ms() - atomic_load_explicit(&p->beat_ms, memory_order_relaxed);
}
#endif
