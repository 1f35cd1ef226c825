/* Starting work (rule 4), and letting it end before a revocation or the end of the process (rule 10). */
#include "gateway/delivery/internal.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define DRAIN_COMMIT_TRIES 6
#define DRAIN_BEGUN_MS 5000
#define DRAIN_GRACE_MS 1000
#define AHEAD_MAX 3.0     /* intents ahead of the calls that may be out, in times of these */
#define AHEAD_CALL_MS 200 /* with calls slower than this the transaction costs nothing worth hiding */

/* A question changes nothing at the target: it needs no intent, and who asks it twice has asked. */
static bool is_question(enum lt_step step)
{
    return step == LT_STEP_CHECK;
}

int64_t lt_engine_start_by_ms(const struct lt_engine *e, enum lt_step step)
{
    /* A step that may be repeated may be several calls, each begun within the time of those before it. */
    const struct lt_config_target *t = e->set.target;
    return e->start_by_ms + (e->set.adapter->once(step) ? 0 : t->timeout_ms + t->connect_timeout_ms);
}

/* A frozen sender does not count its call's time: what it was about to write leaves when it thaws, and within its
 * session nobody knows that it is frozen (rule 13). */
int64_t lt_engine_settled_ms(const struct lt_engine *e, enum lt_step step)
{
    const struct lt_config_target *t = e->set.target;
    return lt_engine_start_by_ms(e, step) + LT_MAX(t->timeout_ms, LT_LOG_SESSION_MS) + t->settle_ms;
}

int64_t lt_engine_settled_ms_max(const struct lt_engine *e, enum lt_step step)
{
    return lt_engine_settled_ms(e, step) + LT_TRANSACTION_MS - e->start_by_ms;
}

/* ---- starting ---- */

void lt_engine_submit(struct lt_engine *e, struct lt_item *i, int64_t start_by_ms)
{
    int64_t now = lt_engine_now(e);
    i->work.step = lt_item_step(i);
    i->work.attempt++;
    i->work.after_unknown = i->unknown;
    i->work.probe = e->gate.state == LT_GATE_PROBING;
    i->work.start_by_ms = start_by_ms;
    i->work.adapter = NULL;
    i->done = i->repeated = false;
    i->part->running++;
    i->sent_ms = now;
    if (start_by_ms > 0)
        e->intent_ms += ((double)(now - i->asked_ms) - e->intent_ms) / 32;
    lt_item_set(e, i, LT_ITEM_RUNNING);
    e->set.adapter->submit(e->adapter, &i->work);
}

static void wake_delayed(struct lt_engine *e, int64_t now)
{
    struct lt_item *i, *next;
    DL_FOREACH_SAFE(e->lists[LT_ITEM_DELAYED], i, next)
    if (i->not_before_ms <= now)
        lt_item_ready(e, i, false);
}

bool lt_engine_try_corners(struct lt_engine *e, int64_t at_ms)
{
    struct lt_item *i;
    if (!e->set.adapter->try_at || !e->set.adapter->try_at(e->adapter, at_ms))
        return false;
    DL_FOREACH (e->lists[LT_ITEM_DELAYED], i) /* of these, who settles is held back when it is to start (rule 7) */
        i->not_before_ms = LT_MIN(i->not_before_ms, at_ms);
    return true;
}

/* How many may have an intent or be at the adapter: while some intents are being committed the others' calls are out.
 */
static size_t out_max(const struct lt_engine *e)
{
    size_t limit = (size_t)LT_MAX(e->set.target->concurrency, 1) * e->traits.batch_max;
    if (e->gate.state == LT_GATE_FLOWING && e->call_ms < AHEAD_CALL_MS)
        limit += (size_t)((double)limit * LT_MIN(e->intent_ms / LT_MAX(e->call_ms, 1.0), AHEAD_MAX));
    if (e->set.target->rate > 0) /* no more than the rate lets out in a second: intents grow old in 2 s */
        limit = LT_MIN(limit, (size_t)LT_MAX(e->gate.rate, 1.0));
    return limit;
}

int64_t lt_engine_ready_wait_ms(const struct lt_engine *e, int64_t now)
{
    size_t out = e->counts[LT_ITEM_RUNNING] + e->counts[LT_ITEM_INTENT];
    if (e->gate.state == LT_GATE_PAUSED)
        return lt_gate_wait_ms(&e->gate, now);
    return out >= out_max(e) || (e->gate.state == LT_GATE_PROBING && out > 0) ? LT_CALL_WAIT_MS : 0;
}

/* false: nothing may start now. */
static bool start(struct lt_engine *e, struct lt_item *i, int64_t now)
{
    size_t out = e->counts[LT_ITEM_RUNNING] + e->counts[LT_ITEM_INTENT];
    bool local = i->state == LT_ITEM_LOCAL;
    if (i->part->state != LT_PART_RUNNING || (i->part->paused_by[0] && !local)) {
        lt_item_set(e, i, LT_ITEM_QUEUED);
    } else if (i->settling && i->settled_ms > now) { /* rule 7, whatever was decided meanwhile */
        lt_item_delay(e, i, i->settled_ms);
    } else if (i->skipped) { /* an operator's decision: neither called nor forwarded */
        lt_item_set(e, i, LT_ITEM_FINISHED);
        lt_item_dirty(e, i);
    } else if (i->untyped) {
        lt_lane_park(e, i, "rejected", "unknown-type", "no steps are known for events of this type");
    } else if (i->step_at >= i->steps_len) { /* no step of this target for the type: pass */
        lt_item_finish(e, i);
    } else if (local) { /* rule 7 */
        lt_lane_park(e, i, "unknown", "no-answer",
                     "it was being sent when the gateway ended; whether the target has it is not known");
    } else if (i->unknown && i->settled_ms > now) {
        lt_item_delay(e, i, i->settled_ms);
    } else if (out >= out_max(e) || !lt_gate_admits(&e->gate, now, out)) {
        return false;
    } else if (is_question(lt_item_step(i))) {
        lt_engine_submit(e, i, 0);
    } else {
        i->asked_ms = now;
        lt_item_set(e, i, LT_ITEM_INTENT);
        lt_item_dirty(e, i);
    }
    return true;
}

/*
 * After failures a probe may end unknown, as those before it did. So what may be repeated probes, while there is any:
 * of what may not each one would park its dossier, one after the other for as long as the target is away.
 */
static struct lt_item *next_ready(const struct lt_engine *e, int64_t now)
{
    struct lt_item *i, *first = e->lists[LT_ITEM_READY];
    size_t out = e->counts[LT_ITEM_RUNNING] + e->counts[LT_ITEM_INTENT];
    bool probes = e->gate.state != LT_GATE_FLOWING && out == 0 && lt_gate_wait_ms(&e->gate, now) == 0;
    if (!first || !probes || e->gate.reason != LT_OUTCOME_RETRY)
        return first;
    DL_FOREACH (first, i)
        if (i->part->state == LT_PART_RUNNING && !i->part->paused_by[0] && !lt_item_once(e, i))
            return i;
    return first;
}

void lt_engine_start_ready(struct lt_engine *e)
{
    int64_t now = lt_engine_now(e);
    wake_delayed(e, now);
    while (e->lists[LT_ITEM_LOCAL])
        (void)start(e, e->lists[LT_ITEM_LOCAL], now);
    for (struct lt_item *i; (i = next_ready(e, now)) && start(e, i, now);)
        ;
}

/* ---- draining ---- */

static bool concerns(const struct lt_item *i, const struct lt_part *p)
{
    return i->part && (!p || i->part == p);
}

static bool any_out(const struct lt_engine *e, const struct lt_part *p)
{
    return p ? p->running > 0 : e->counts[LT_ITEM_RUNNING] > 0;
}

static bool uncommitted(const struct lt_engine *e, const struct lt_part *p)
{
    return p ? p->dirty : e->dirty_since_ms >= 0;
}

static void move(struct lt_engine *e)
{
    (void)lt_engine_tick(e); /* the next turn comes at once */
    lt_engine_move_calls(e, 10);
    lt_engine_take_results(e);
}

/*
 * Events of which a step is done go on to their end: cut off here they would begin anew, which is safe and yet a call
 * more. Nothing else starts. false: none is left, or nothing may start.
 */
static bool continue_begun(struct lt_engine *e, const struct lt_part *p)
{
    int64_t now = lt_engine_now(e);
    bool left = false;
    struct lt_item *i, *next;
    DL_FOREACH_SAFE(e->lists[LT_ITEM_READY], i, next)
    if (concerns(i, p) && i->step_at > 0 && i->step_at < i->steps_len)
        left = start(e, i, now) || left;
    DL_FOREACH (e->lists[LT_ITEM_INTENT], i)
        left = left || concerns(i, p);
    DL_FOREACH (e->lists[LT_ITEM_RUNNING], i)
        left = left || concerns(i, p);
    return left;
}

void lt_engine_drain(struct lt_engine *e, struct lt_part *p)
{
    /* Real time on purpose: a poll or shutdown must end whatever the engine's clock says. Revocations of one poll share
     * the patience. */
    int64_t now = lt_mono_ms();
    if (e->drain_since_ms == 0)
        e->drain_since_ms = now;
    int64_t begun_end = e->drain_since_ms + LT_MIN(DRAIN_BEGUN_MS, e->set.target->timeout_ms);
    bool refusing = e->refusing;
    e->refusing = false;
    while (lt_mono_ms() < begun_end && !e->fatal && !e->txn.in_doubt && continue_begun(e, p)) {
        move(e);
        if (!lt_engine_commit_due(e))
            continue;
        lt_engine_commit(e);
        if (e->txn_retry_ms > lt_engine_now(e)) /* the log does not take it now: no time for patience */
            break;
    }
    int64_t end = lt_mono_ms() + e->set.target->timeout_ms + e->set.target->connect_timeout_ms + DRAIN_GRACE_MS;
    e->refusing = true;
    while (any_out(e, p) && lt_mono_ms() < end)
        move(e);
    /* Intents that were only asked for are not written any more. */
    struct lt_item *i, *next;
    DL_FOREACH_SAFE(e->lists[LT_ITEM_INTENT], i, next)
    if (concerns(i, p))
        lt_item_ready(e, i, false); /* dirty still: the ledger is told */
    for (int n = 0; n < DRAIN_COMMIT_TRIES && !e->fatal && (e->txn.in_doubt || uncommitted(e, p)); n++) {
        e->txn_retry_ms = 0; /* the back-off of ordinary turns would spend the tries on nothing */
        if (e->txn.in_doubt)
            lt_engine_resolve(e);
        else
            lt_engine_commit(e);
    }
    e->refusing = refusing;
}
