#include "gateway/delivery/engine.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/delivery/internal.h"

#include <stdio.h>

#define MEMORY_DEFAULT ((size_t)64 << 20)
#define CLIENT_QUEUE_BYTES ((size_t)8 << 20)
#define LOG_RETRY_MS 1000
#define POLL_BURST 256
#define MEANWHILE_MS 1
#define BREAKER_MIN 10
#define LEDGER_ROOM 4096 /* a parked event is larger than it was in its queue by what is known of it */

static int64_t real_clock(void *ctx)
{
    (void)ctx;
    return lt_mono_ms();
}

static int64_t real_wall(void *ctx)
{
    (void)ctx;
    return lt_now_ms();
}

int lt_engine_new(const struct lt_engine_settings *s, struct lt_engine **ret, struct lt_diags *diags)
{
    struct lt_engine *e = lt_alloc(sizeof(*e));
    e->set = *s;
    if (!e->set.now_ms)
        e->set.now_ms = real_clock;
    if (!e->set.wall_ms)
        e->set.wall_ms = real_wall;
    if (e->set.memory == 0)
        e->set.memory = MEMORY_DEFAULT;
    if (e->set.seed == 0)
        lt_random(&e->set.seed, sizeof(e->set.seed));
    e->name = s->target->name;
    e->subject = lt_asprintf("delivery/%s", e->name);
    e->topic = lt_asprintf(LT_TOPIC_QUEUE_PREFIX "%s", e->name);
    e->ledger = lt_asprintf(LT_TOPIC_LEDGER_PREFIX "%s", e->name);
    e->control = lt_asprintf(LT_TOPIC_CONTROL_PREFIX "%s", e->name);
    e->history = lt_asprintf(LT_TOPIC_HISTORY_PREFIX "%s", e->name);
    e->instance_id = lt_asprintf("%s.%s.0", e->topic, s->instance);
    e->dirty_since_ms = -1;
    e->txn_limit = LT_TXN_ITEMS_MAX;
    e->start_by_ms = LT_START_BY_MS;
    int64_t breaker = LT_MAX(2 * s->target->concurrency, BREAKER_MIN);
    lt_gate_init(&e->gate, s->target->rate, (unsigned)breaker, s->target->retry_min_ms, s->target->retry_max_ms,
                 e->set.seed, lt_engine_now(e));
    lt_gate_refuse_at(&e->gate, (unsigned)s->target->refused_max);
    const struct lt_adapter_settings as = {.target = s->target, .engine = e};
    e->traits.batch_max = 1;
    int r = s->adapter->new (&as, &e->adapter, &e->traits, diags);
    if (r != LT_OK) {
        e->adapter = NULL;
        lt_engine_free(e);
        return r;
    }
    lt_identity_begin(e);
    *ret = e;
    return LT_OK;
}

/*
 * Calls go on while a transaction is being committed: those whose intents stand in the log already, and the answers of
 * those that are out. What came of them is looked at in the next turn; items change nothing but their result here.
 */
static bool meanwhile(void *ctx)
{
    struct lt_engine *e = ctx;
    lt_engine_move_calls(e, MEANWHILE_MS);
    return e->flying > 0;
}

void lt_engine_twin(struct lt_engine *e, const struct lt_err *err)
{
    e->fatal = true;
    lt_log_twin_text(e->set.instance, err, e->fatal_text);
    lt_error(e->subject, "twin", "%s", e->fatal_text);
}

const char *lt_engine_fatal_text(const struct lt_engine *e)
{
    return e->fatal_text;
}

static bool open_log(struct lt_engine *e)
{
    if (e->log)
        return true;
    int64_t now = lt_engine_now(e);
    if (now < e->log_retry_ms)
        return false;
    const struct lt_log_settings s = {
        .props = e->set.kafka_props,
        .props_len = e->set.kafka_props_len,
        .group = e->topic,
        .topic = e->topic,
        .instance_id = e->instance_id,
        .callbacks = {.ctx = e, .on_assign = lt_part_on_assign, .on_revoke = lt_part_on_revoke, .meanwhile = meanwhile},
        .claim = &e->claim,
        .leaving = e->set.leaving,
        .other_topic = e->ledger,
        .transaction_timeout_ms = LT_TRANSACTION_MS,
        .record_max = e->set.record_max ? e->set.record_max + LEDGER_ROOM : 0,
        .queue_bytes = CLIENT_QUEUE_BYTES,
    };
    struct lt_err err = LT_ERR_INIT;
    int r = e->set.open_log(e->set.ctx, &s, &e->log, &err);
    if (r == LT_OK) {
        if (e->log_error[0])
            lt_info(e->subject, "log-open", "the log answers");
        e->log_error[0] = 0;
        return true;
    }
    e->log = NULL;
    if (r == LT_LOG_TWIN)
        lt_engine_twin(e, &err);
    else if (strcmp(e->log_error, err.text) != 0)
        lt_warn(e->subject, "log-away", "%s; trying again every second", err.text);
    snprintf(e->log_error, sizeof(e->log_error), "%.*s", (int)sizeof(e->log_error) - 1, err.text);
    e->log_retry_ms = now + LOG_RETRY_MS;
    return false;
}

/* What the poll said besides a record. false: no use polling on in this turn. */
static bool poll_result(struct lt_engine *e, int r, struct lt_log_record *rec, const struct lt_err *err)
{
    switch (r) {
    case LT_LOG_OK:
        lt_part_record_take(e, rec);
        return !e->over_memory && e->bytes <= e->set.memory;
    case LT_LOG_PARTITION: {
        struct lt_part *p = rec ? lt_part_find(e, rec->partition) : NULL;
        if (p && p->state == LT_PART_RUNNING)
            lt_part_failed(e, p, err->text);
        if (rec)
            e->log->ops->record_free(e->log, rec);
        return true;
    }
    case LT_LOG_TWIN:
        lt_engine_twin(e, err);
        return false;
    default:
        if (r < 0) { /* no use any more: another one, once the calls of its partitions ended */
            lt_warn(e->subject, "log-broken", "%s; opening another", err->text);
            e->log_broken = true;
        }
        return false;
    }
}

static void poll_records(struct lt_engine *e, int wait_ms)
{
    e->drain_since_ms = 0;
    for (int n = 0; n < POLL_BURST && !e->fatal; n++) {
        struct lt_log_record *rec = NULL;
        struct lt_err err = LT_ERR_INIT;
        int r = e->log->ops->poll(e->log, n == 0 ? wait_ms : 0, &rec, &err);
        if (!poll_result(e, r, rec, &err))
            return;
    }
}

/* How long the first poll may wait: not when something can be done at once. */
static int idle_ms(const struct lt_engine *e, int timeout_ms, int64_t tick_at)
{
    int64_t now = lt_engine_now(e), until = now + timeout_ms;
    if (e->flying > 0 || e->redrive)
        return 0;
    if (e->dirty_since_ms >= 0 || e->txn.in_doubt)
        until = LT_MIN(until, lt_engine_commit_due(e) ? now : LT_MAX(e->txn_retry_ms, now + 1));
    if (e->counts[LT_ITEM_LOCAL] > 0)
        return 0;
    if (e->counts[LT_ITEM_READY] > 0)
        until = LT_MIN(until, now + LT_MIN(lt_engine_ready_wait_ms(e, now), timeout_ms));
    until = LT_MIN(until, tick_at);
    const struct lt_item *i;
    const struct lt_part *p;
    DL_FOREACH (e->lists[LT_ITEM_DELAYED], i)
        until = LT_MIN(until, i->not_before_ms);
    DL_FOREACH2(e->parts, p, next_part)
    if (p->state == LT_PART_RUNNING)
        until = LT_MIN(until, p->lanes_retrying ? LT_MIN(p->look_at_ms, LT_MAX(p->load_at_ms, now + LT_CALL_WAIT_MS))
                                                : p->look_at_ms);
    if (e->waiting) /* the rate lets the next one through soon */
        until = LT_MIN(until, now + LT_CALL_WAIT_MS);
    DL_FOREACH2(e->parts, p, next_part)
    if (p->state != LT_PART_RUNNING && (p->retry_at_ms > 0 || p->state == LT_PART_LOADING))
        until = LT_MIN(until, p->retry_at_ms);
    return (int)LT_MAX(until - now, 0);
}

/* Its partitions are somebody else's by now. Records of calls that are still out belong to the handle: it goes last. */
static void leave_broken_log(struct lt_engine *e)
{
    lt_redrive_drop(e);
    while (e->parts)
        lt_part_free(e, e->parts);
    e->dirty_since_ms = -1;
    lt_engine_move_calls(e, LT_CALL_WAIT_MS);
    lt_engine_take_results(e);
    if (e->counts[LT_ITEM_RUNNING] > 0)
        return;
    lt_txn_reset(e);
    e->log->ops->close(e->log);
    e->log = NULL;
    e->log_broken = false;
    e->log_retry_ms = lt_engine_now(e) + LOG_RETRY_MS;
}

static void turn(struct lt_engine *e, int timeout_ms)
{
    lt_parts_load(e);
    lt_control_look(e);
    lt_redrive_load(e);
    lt_parts_pause(e);
    lt_parts_bound_spans(e);
    lt_identity_look(e);
    lt_engine_start_ready(e);
    (void)lt_engine_tick(e);
    bool soon = e->counts[LT_ITEM_FINISHED] + e->counts[LT_ITEM_PARKING] + e->counts[LT_ITEM_INTENT] > 0;
    lt_engine_move_calls(e, soon ? 1 : LT_MIN(LT_CALL_WAIT_MS, timeout_ms));
    lt_engine_take_results(e);
    lt_engine_start_ready(e);
    if (lt_engine_commit_due(e))
        lt_engine_commit(e);
}

int lt_engine_step(struct lt_engine *e, int timeout_ms)
{
    if (e->fatal)
        return LT_ENGINE_FATAL;
    if (e->closed)
        return LT_OK;
    if (!open_log(e))
        return e->fatal ? LT_ENGINE_FATAL : LT_OK;
    int64_t tick_at = lt_engine_tick(e);
    if (!e->log_broken)
        poll_records(e, idle_ms(e, timeout_ms, tick_at));
    if (e->log_broken) {
        leave_broken_log(e);
        return LT_OK;
    }
    if (e->txn.in_doubt && !e->fatal)
        lt_engine_resolve(e); /* after the poll: rule 11 */
    if (!e->fatal)
        turn(e, timeout_ms);
    return e->fatal ? LT_ENGINE_FATAL : LT_OK;
}

void lt_engine_close(struct lt_engine *e)
{
    if (e->closed)
        return;
    e->drain_since_ms = 0;
    if (e->log && !e->fatal && !e->log_broken)
        lt_engine_drain(e, NULL);
    e->refusing = true;
    e->closed = true;
    /* What did not end in time is the next owner's: an intent without an outcome tells it. */
    lt_redrive_drop(e);
    while (e->parts)
        lt_part_free(e, e->parts);
    if (e->set.caller.close)
        e->set.caller.close(e->set.caller.ctx);
    while (e->waiting)
        lt_engine_move_calls(e, 0);
    lt_identity_end(e);
    e->set.adapter->free(e->adapter);
    e->adapter = NULL;
    while (e->lists[LT_ITEM_RUNNING])
        lt_item_free(e, e->lists[LT_ITEM_RUNNING]);
    if (e->log) {
        lt_txn_reset(e);
        e->log->ops->close(e->log);
        e->log = NULL;
    }
}

void lt_engine_free(struct lt_engine *e)
{
    if (!e)
        return;
    lt_engine_close(e);
    lt_txn_forget_topics(e);
    lt_vec_deinit(&e->topics);
    lt_vec_deinit(&e->txn.items);
    lt_vec_deinit(&e->txn.parts);
    free(e->subject);
    free(e->topic);
    free(e->ledger);
    free(e->control);
    free(e->history);
    free(e->instance_id);
    free(e);
}
