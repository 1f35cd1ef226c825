/*
 * The delivery engine of one target (protocol 3): consumes its queue, keeps one lane for each dossier, runs the
 * adapter's steps, and commits outcomes, forwards, answers and consumed offsets in one transaction.
 *
 * Invariants
 *   - one event of a dossier is out at a time; the next starts only after the outcome of the one before it is committed
 *   - inside the log each finished record is forwarded and answered exactly once: what is done beyond the committed
 *     offset stands in the ledger until the offset passes it (ledger.h)
 *   - a step is sent only after its intent is committed, and within start_by (rule 4); questions need no intent
 *   - nothing is skipped and nobody is held up: a dossier that cannot go on is parked in the ledger with its later
 *     events, until an operator decides (control.h). What is wrong with a whole partition stops it with reason and
 *     command; the others go on
 *   - no poll between begin and end of a transaction, so no rebalance callback runs inside one (rule 11)
 *
 * Not excluded (rule 13): a process that is frozen between the check of its intent's age and the socket write, for
 * longer than the session timeout plus settle, sends a call that its successor has decided about.
 *
 * One thread does everything with an engine. Time comes from the settings, so that tests turn the clock.
 */
#ifndef LT_DELIVERY_ENGINE_H
#define LT_DELIVERY_ENGINE_H

#include "gateway/codec/json.h"
#include "gateway/delivery/adapter.h"
#include "gateway/delivery/caller.h"
#include "gateway/kafka/log.h"

struct lt_engine;

struct lt_engine_settings {
    const struct lt_config_target *target; /* lent until free */
    const struct lt_adapter_type *adapter;
    const struct lt_config_prop *kafka_props; /* lent */
    size_t kafka_props_len;
    size_t record_max;          /* topics.record_max; 0 = default */
    const char *instance;       /* name of this gateway instance; lent until free */
    const atomic_bool *leaving; /* lent until free: as in lt_log_settings; NULL: never */
    void *ctx;
    int (*open_log)(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err);
    struct lt_caller caller;       /* closed by the engine */
    int64_t (*now_ms)(void *ctx);  /* monotonic; NULL: lt_mono_ms */
    int64_t (*wall_ms)(void *ctx); /* wall clock, compared over restarts; NULL: lt_now_ms */
    size_t memory;                 /* bytes of records held; 0: 64 MiB */
    size_t span_max;               /* deliveries done beyond the oldest open one, until that one is parked; 0: 10,000 */
    uint64_t seed;                 /* of the jitter; 0: random */
};

enum lt_engine_result {
    LT_ENGINE_FATAL = 1, /* another process runs under this instance name: end with 78 (protocol 2, rule 16) */
};

/* LT_OK or LT_E_INVALID (options of the target, in diags). The log is opened by the first step that can. Takes the
 * caller in any case. */
int lt_engine_new(const struct lt_engine_settings *s, struct lt_engine **ret, struct lt_diags *diags) LT_MUST_CHECK;
/* One turn: poll, start, move bytes, commit. Waits at most about timeout_ms when there is nothing to do. */
int lt_engine_step(struct lt_engine *e, int timeout_ms);
/* Rule 10, shutdown: start no event, let those that are under way end, up to 5 s and the call's time limit, commit
 * outcomes, leave. */
void lt_engine_close(struct lt_engine *e);
/* After LT_ENGINE_FATAL: which name, and who has taken it over. */
const char *lt_engine_fatal_text(const struct lt_engine *e);
void lt_engine_free(struct lt_engine *e); /* closes when that has not been done */

void lt_engine_status(const struct lt_engine *e, struct lt_json_writer *w);
void lt_engine_metrics(const struct lt_engine *e, struct lt_buf *out);
/* At least one partition assigned, all of them running. A target that is paused does not make the gateway unready: it
 * goes on taking events, which wait in Kafka. */
bool lt_engine_ready(const struct lt_engine *e);

#endif
