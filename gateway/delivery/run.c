#include "gateway/delivery/internal.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define BEYOND_WINDOW_MS 20 /* how often a record that cannot be marked yet is looked at again */
#define DRAIN_COMMIT_TRIES 6
#define DRAIN_BEGUN_MS 5000
#define DRAIN_GRACE_MS 1000

static void build_effects(struct lt_engine *e, struct lt_item *i);

static enum lt_step step_of(const struct lt_item *i)
{
    return i->steps[i->step_at];
}

static bool is_once(const struct lt_engine *e, const struct lt_item *i)
{
    return e->set.adapter->once(step_of(i));
}

/* ---- starting ---- */

void lt_engine_submit(struct lt_engine *e, struct lt_item *i, int64_t start_by_ms)
{
    i->work.step = step_of(i);
    i->work.attempt++;
    i->work.after_unknown = i->work.after_unknown || (i->unknown && is_once(e, i));
    i->work.start_by_ms = start_by_ms;
    i->work.adapter = NULL;
    i->done = false;
    i->part->running++;
    if (i->unknown && is_once(e, i)) {
        e->repeats++;
        lt_warn(e->subject, "repeat",
                "offset %" PRId64 " of partition %" PRId32 ": %s is sent again after an unknown outcome",
                i->record->offset, i->part->number, lt_step_name(i->work.step));
    }
    lt_item_set(e, i, LT_ITEM_RUNNING);
    e->set.adapter->submit(e->adapter, &i->work);
}

static void wake_delayed(struct lt_engine *e, int64_t now)
{
    struct lt_item *i, *next;
    DL_FOREACH_SAFE(e->lists[LT_ITEM_DELAYED], i, next)
    if (i->not_before_ms <= now)
        lt_item_set(e, i, LT_ITEM_READY);
}

/* false: nothing may start now. */
static bool start(struct lt_engine *e, struct lt_item *i, int64_t now)
{
    size_t limit = (size_t)LT_MAX(e->set.target->concurrency, 1) * e->traits.batch_max;
    if (e->set.target->rate > 0) /* no more than the rate lets out in a second: intents grow old in 2 s */
        limit = LT_MIN(limit, (size_t)e->set.target->rate);
    size_t out = e->counts[LT_ITEM_RUNNING] + e->counts[LT_ITEM_INTENT];
    if (i->part->state != LT_PART_RUNNING) {
        lt_item_set(e, i, LT_ITEM_QUEUED);
    } else if (!lt_delivery_position_covers(&i->part->position, i->record->offset)) {
        if (i->part->items == i) /* before it are only offsets nobody sees, of aborted transactions: pass them */
            lt_part_dirty(e, i->part);
        lt_item_delay(e, i, now + BEYOND_WINDOW_MS);
    } else if (i->step_at >= i->steps_len) { /* no step of this target for the type: pass */
        build_effects(e, i);
    } else if (out >= limit || !lt_gate_admits(&e->gate, now, out)) {
        return false;
    } else if (is_once(e, i)) {
        lt_item_set(e, i, LT_ITEM_INTENT);
        lt_part_dirty(e, i->part);
    } else {
        lt_engine_submit(e, i, 0);
    }
    return true;
}

void lt_engine_start_ready(struct lt_engine *e)
{
    int64_t now = lt_engine_now(e);
    wake_delayed(e, now);
    while (e->lists[LT_ITEM_READY] && start(e, e->lists[LT_ITEM_READY], now))
        ;
}

/* ---- results ---- */

int64_t lt_delivery_now_ms(const struct lt_engine *e)
{
    return lt_engine_now(e);
}

void lt_delivery_done(struct lt_engine *e, struct lt_work *w, const struct lt_result *r)
{
    struct lt_item *i = (struct lt_item *)w;
    (void)e;
    i->result = *r;
    snprintf(i->code, sizeof(i->code), "%s", r->code);
    snprintf(i->reason, sizeof(i->reason), "%s", r->reason);
    i->result.code = i->code;
    i->result.reason = i->reason;
    i->done = true;
}

/* The outcome of the event is decided: its records, once, so that a transaction is written again with the same bytes.
 */
static void build_effects(struct lt_engine *e, struct lt_item *i)
{
    struct lt_err err = LT_ERR_INIT;
    i->effects = lt_arena_alloc(&i->arena, (i->notes_len + 1) * sizeof(*i->effects));
    i->effects_len = 0;
    int r = lt_effect_forward(i->record, e->name, i->forward, &i->arena, &i->effects[0], &err);
    if (r < 0) {
        lt_item_set(e, i, LT_ITEM_HELD);
        lt_part_stop(e, i->part, "BAD-RECORD", false, "find out who writes to the queue besides the core",
                     "offset %" PRId64 ", dossier " LT_SPAN_FMT ": %s", i->record->offset, LT_SPAN_ARG(i->event.key),
                     err.text);
        return;
    }
    if (r == LT_OK)
        i->effects_len++;
    int64_t now = lt_now_ms();
    for (size_t n = 0; n < i->notes_len; n++)
        lt_effect_note(i->record, &i->event, e->name, i->notes[n].step, &i->notes[n].note, now, &i->arena,
                       &i->effects[i->effects_len++]);
    lt_item_set(e, i, LT_ITEM_FINISHED);
    lt_part_dirty(e, i->part);
}

static void step_ended(struct lt_engine *e, struct lt_item *i)
{
    const struct lt_result *r = &i->result;
    if (r->forward.ptr)
        i->forward = r->forward;
    for (size_t n = 0; n < r->notes_len && i->notes_len < LT_ENGINE_NOTES_MAX; n++) {
        i->notes[i->notes_len].note = r->notes[n];
        i->notes[i->notes_len++].step = step_of(i);
    }
    if (is_once(e, i)) {
        i->unknown = false;
        i->once_sent = i->once_sent || r->outcome != LT_OUTCOME_PASS;
    }
    if (r->outcome != LT_OUTCOME_PASS && i->outcome != LT_OUTCOME_EXISTS)
        i->outcome = r->outcome;
    i->step_at++;
    i->work.attempt = 0;
    i->work.after_unknown = false;
    if (i->step_at < i->steps_len && i->part->state == LT_PART_RUNNING)
        lt_item_set_first(e, i, LT_ITEM_READY);
    else if (i->step_at < i->steps_len)
        lt_item_set(e, i, LT_ITEM_QUEUED);
    else
        build_effects(e, i);
}

/* Certainly not applied: later. */
static void again(struct lt_engine *e, struct lt_item *i, int64_t delay_ms)
{
    if (is_once(e, i))
        lt_part_dirty(e, i->part); /* its intent is withdrawn; the next attempt needs a new one */
    if (i->part->state != LT_PART_RUNNING)
        lt_item_set(e, i, LT_ITEM_QUEUED);
    else if (delay_ms > 0)
        lt_item_delay(e, i, lt_engine_now(e) + delay_ms);
    else
        lt_item_set_first(e, i, LT_ITEM_READY);
}

static void ended_unknown(struct lt_engine *e, struct lt_item *i)
{
    int64_t delay = e->set.target->settle_ms + lt_gate_jitter(&e->gate, 0);
    lt_part_dirty(e, i->part);
    if (!is_once(e, i)) {
        i->work.after_unknown = true;
        again(e, i, delay);
        return;
    }
    i->unknown = true;
    if (e->traits.repeat_unknown) {
        again(e, i, delay);
        return;
    }
    lt_item_set(e, i, LT_ITEM_HELD);
    lt_part_stop(e, i->part, "UNKNOWN-PROGRESS", false,
                 "compare the dossier at the target; to send the row again whatever the target has: set "
                 "on_unknown_progress: resend "
                 "in the target's options and restart",
                 "offset %" PRId64 ", dossier " LT_SPAN_FMT ", step %s: %s", i->record->offset,
                 LT_SPAN_ARG(i->event.key), lt_step_name(step_of(i)), i->result.reason);
}

static void take_result(struct lt_engine *e, struct lt_item *i)
{
    const struct lt_result *r = &i->result;
    int64_t now = lt_engine_now(e);
    i->done = false;
    if (!r->local && lt_gate_outcome(&e->gate, r->outcome, r->wait_ms, now)) {
        /* credential needs people; the others pass by themselves */
        lt_log(r->outcome == LT_OUTCOME_CREDENTIAL ? LT_LOG_ERROR : LT_LOG_WARN, e->subject, "target-paused",
               "%s (%s): nothing is sent for %" PRId64 " ms, then one call probes", lt_gate_reason(&e->gate), r->code,
               lt_gate_wait_ms(&e->gate, now));
    }
    if (r->outcome > LT_OUTCOME_PASS)
        e->outcomes[r->outcome]++;
    if (!i->part) { /* the partition is gone; its next owner delivers it */
        lt_item_free(e, i);
        return;
    }
    i->part->running--;
    switch (r->outcome) {
    case LT_OUTCOME_RETRY:
        again(e, i, LT_MAX(lt_gate_jitter(&e->gate, i->work.attempt - 1), r->wait_ms));
        break;
    case LT_OUTCOME_THROTTLE:
    case LT_OUTCOME_CREDENTIAL:
        again(e, i, 0); /* the gate waits */
        break;
    case LT_OUTCOME_UNKNOWN:
        ended_unknown(e, i);
        break;
    case LT_OUTCOME_REJECT:
        if (is_once(e, i))
            lt_part_dirty(e, i->part);
        lt_item_set(e, i, LT_ITEM_HELD);
        lt_info(e->subject, "rejected", "offset %" PRId64 " of partition %" PRId32 ", step %s: %s", i->record->offset,
                i->part->number, lt_step_name(step_of(i)), r->code);
        lt_part_stop(e, i->part, "REJECTED", false,
                     "correct the cause, then restart this instance: the event is sent again",
                     "offset %" PRId64 ", dossier " LT_SPAN_FMT ", step %s: %s", i->record->offset,
                     LT_SPAN_ARG(i->event.key), lt_step_name(step_of(i)), r->reason);
        break;
    default:
        step_ended(e, i);
        break;
    }
}

void lt_engine_take_results(struct lt_engine *e)
{
    struct lt_item *i, *next;
    DL_FOREACH_SAFE(e->lists[LT_ITEM_RUNNING], i, next)
    if (i->done)
        take_result(e, i);
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
    (void)e->set.adapter->tick(e->adapter, lt_engine_now(e)); /* the next turn comes at once */
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
        lt_item_set(e, i, LT_ITEM_READY);
    for (int n = 0; n < DRAIN_COMMIT_TRIES && !e->fatal && (e->txn.in_doubt || uncommitted(e, p)); n++) {
        e->txn_retry_ms = 0; /* the back-off of ordinary turns would spend the tries on nothing */
        if (e->txn.in_doubt)
            lt_engine_resolve(e);
        else
            lt_engine_commit(e);
    }
    e->refusing = refusing;
}
