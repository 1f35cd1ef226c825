#include "gateway/core/foreign.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/model/event.h"

#include <inttypes.h>

#define LOOK_MS 5000
#define ALARM_MS 30000

static void alarm_set(struct lt_partition *p, bool on)
{
    pthread_mutex_lock(&p->lock);
    p->foreign_transaction = on;
    pthread_mutex_unlock(&p->lock);
}

static void note(struct lt_partition *p, int64_t now, int64_t held_back)
{
    if (held_back <= 0) {
        p->unstable_since_ms = 0;
        alarm_set(p, false);
    } else if (!p->unstable_since_ms) {
        p->unstable_since_ms = now;
    } else if (now - p->unstable_since_ms >= ALARM_MS && !p->foreign_transaction) {
        alarm_set(p, true);
        lt_error("core", "foreign-transaction",
                 "partition %d of " LT_TOPIC_INTAKE
                 ": a transaction of another producer has been open for 30 s and holds %" PRId64
                 " records back; only the gateway may write this topic, and never in transactions",
                 (int)p->number, held_back);
    }
}

void lt_foreign_look(struct lt_foreign *f, struct lt_log *log, struct lt_partition *partitions, int32_t partitions_len,
                     const atomic_bool *stopping)
{
    int64_t now = lt_mono_ms(), low, high, stable;
    if (now - f->looked_ms < LOOK_MS)
        return;
    f->looked_ms = now;
    for (int32_t i = 0; i < partitions_len; i++) {
        struct lt_partition *p = &partitions[i];
        if (p->state == LT_PARTITION_ABSENT) /* one that is stopped may be waiting for just what is held back */
            continue;
        /* The high watermark first: what arrives in between must not look like a transaction. */
        if (atomic_load(stopping) || log->ops->watermarks(log, NULL, i, &low, &high, NULL) != LT_LOG_OK ||
            log->ops->stable_end(log, i, &stable, NULL) != LT_LOG_OK)
            return; /* the log is away */
        note(p, now, high - stable);
    }
}
