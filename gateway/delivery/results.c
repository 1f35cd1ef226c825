/* What becomes of an event with the answer of one of its steps (rules 5-8). */
#include "gateway/delivery/internal.h"

#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdio.h>

int64_t lt_delivery_now_ms(const struct lt_engine *e)
{
    return lt_engine_now(e);
}

void lt_delivery_done(struct lt_engine *e, struct lt_work *w, const struct lt_result *r)
{
    struct lt_item *i = (struct lt_item *)w;
    i->kept_back = e->keeping_back;
    i->result = *r;
    snprintf(i->code, sizeof(i->code), "%s", r->code);
    snprintf(i->reason, sizeof(i->reason), "%s", r->reason);
    i->result.code = i->code;
    i->result.reason = i->reason;
    i->done = true;
}

/* Every attempt stands in lt.history.<target>, committed with what came of it. */
static void note(struct lt_engine *e, struct lt_item *i, const char *what)
{
    const struct lt_attempt t = {.wall_ms = lt_engine_wall(e),
                                 .offset = i->record->offset,
                                 .attempt = (int64_t)i->work.attempt,
                                 .took_ms = lt_engine_now(e) - i->sent_ms,
                                 .id = i->event.id,
                                 .run = i->run,
                                 .step = lt_item_step_name(i),
                                 .what = what,
                                 .code = i->code,
                                 .text = i->result.outcome > LT_OUTCOME_PASS ? i->reason : ""};
    struct lt_write *w = lt_write_add(&i->writes, e->history, i->part->number);
    w->key = i->event.key;
    lt_effect_history(&t, &w->arena, &w->value);
}

static void add(struct lt_engine *e, struct lt_item *i, const struct lt_effect *f, bool is_note)
{
    struct lt_write *w = lt_write_add(&i->writes, f->topic, -1);
    w->key = f->key;
    w->headers = f->headers;
    w->value = f->value;
    if (is_note)
        e->notes++;
    else
        e->forwarded++;
}

static void add_notes(struct lt_engine *e, struct lt_item *i)
{
    struct lt_effect f = {0};
    int64_t round = i->redriven ? i->lane->record.rounds + 1 : 0; /* another answer than the first one */
    for (size_t n = 0; n < i->result.notes_len; n++) {
        lt_effect_note(i->record, &i->event, e->name, lt_item_step_name(i), round, &i->result.notes[n],
                       lt_engine_wall(e), &i->arena, &f);
        add(e, i, &f, true);
    }
}

/* Of an attempt that another one follows: only that it was made. */
static void add_audits(struct lt_engine *e, struct lt_item *i)
{
    struct lt_effect f = {0};
    for (size_t n = 0; n < i->result.notes_len; n++) {
        if (i->result.notes[n].to != LT_NOTE_AUDIT)
            continue;
        /* its time in place of a round: attempts are counted anew by every process */
        lt_effect_note(i->record, &i->event, e->name, lt_item_step_name(i), lt_engine_wall(e), &i->result.notes[n],
                       lt_engine_wall(e), &i->arena, &f);
        add(e, i, &f, true);
    }
}

void lt_item_finish(struct lt_engine *e, struct lt_item *i)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_effect f = {0};
    int r = lt_effect_forward(i->record, e->name, i->forward, &i->arena, &f, &err);
    if (r < 0) {
        lt_lane_park(e, i, "rejected", "bad-record", err.text);
        return;
    }
    if (r == LT_OK)
        add(e, i, &f, false);
    lt_item_set(e, i, LT_ITEM_FINISHED);
    lt_item_dirty(e, i);
}

static void step_ended(struct lt_engine *e, struct lt_item *i)
{
    const struct lt_result *r = &i->result;
    add_notes(e, i);
    if (r->forward.ptr)
        i->forward = r->forward;
    if (r->outcome != LT_OUTCOME_PASS && i->outcome != LT_OUTCOME_EXISTS)
        i->outcome = r->outcome;
    i->unknown = i->decided = false;
    i->step_at++;
    i->work.attempt = 0;
    i->work.after_unknown = false;
    i->retry_since_ms = i->denied_since_ms = i->denied_ms = 0;
    i->denied_alone = 0;
    if (i->step_at >= i->steps_len)
        lt_item_finish(e, i);
    else if (i->part->state == LT_PART_RUNNING)
        lt_item_ready(e, i, true);
    else
        lt_item_set(e, i, LT_ITEM_QUEUED);
    lt_item_dirty(e, i);
}

/* Certainly not applied: later, with a new intent. */
static void again(struct lt_engine *e, struct lt_item *i, int64_t delay_ms)
{
    int64_t now = lt_engine_now(e), after = e->set.target->park_after_ms;
    if (i->retry_since_ms == 0)
        i->retry_since_ms = now;
    lt_item_dirty(e, i);
    /* Rule 6: it alone fails, and has failed long enough. While the target itself is in trouble nobody is to blame. */
    if (after > 0 && now - i->retry_since_ms >= after && e->gate.state == LT_GATE_FLOWING &&
        e->good_ms > i->retry_since_ms)
        lt_lane_park(e, i, i->unknown ? "unknown" : "retrying", i->code, i->reason);
    else if (i->part->state != LT_PART_RUNNING)
        lt_item_set(e, i, LT_ITEM_QUEUED);
    else if (delay_ms > 0)
        lt_item_delay(e, i, now + delay_ms);
    else
        lt_item_ready(e, i, e->gate.state == LT_GATE_FLOWING); /* else another one probes next */
}

/*
 * A whole target waits for whom it does not let in, but an answer such as 403 may be about this one event, and would
 * stop all others for good (rule 6). It is, when it alone got it again and again while others were let in.
 */
static void ended_denied(struct lt_engine *e, struct lt_item *i)
{
    int64_t now = lt_engine_now(e), after = e->set.target->park_after_ms;
    if (i->denied_since_ms == 0)
        i->denied_since_ms = now;
    i->denied_alone += i->denied_ms > 0 && e->let_in_ms > i->denied_ms;
    i->denied_ms = now;
    i->retry_since_ms = 0; /* the whole target waits, and the gate with it */
    if (after > 0 && now - i->denied_since_ms >= after && lt_item_denied_alone(i))
        lt_lane_park(e, i, i->unknown ? "unknown" : "retrying", i->code, i->reason);
    else
        again(e, i, 0);
}

/* Rule 7. What can be asked or sent again with the same values waits until it is settled; the rest is held, unless the
 * target's operator chose to have it sent again. */
static void ended_unknown(struct lt_engine *e, struct lt_item *i)
{
    int64_t settle = e->set.target->settle_ms + lt_gate_jitter(&e->gate, 0);
    i->unknown = true;
    i->decided = false;
    i->settled_ms = lt_engine_now(e) + settle;
    if (lt_item_once(e, i) && !e->traits.repeat_unknown)
        lt_lane_park(e, i, "unknown", i->code, i->reason);
    else
        again(e, i, settle);
}

static void ended_refused(struct lt_engine *e, struct lt_item *i)
{
    /* Rule 8: so many refusals are the target's, not the dossiers'. */
    if (e->gate.state != LT_GATE_FLOWING && !i->result.local) {
        again(e, i, 1 + lt_gate_jitter(&e->gate, i->work.attempt));
        return;
    }
    add_notes(e, i);
    i->anew = i->result.anew && !i->unknown; /* what may have been applied is asked about or held at its own step */
    lt_lane_park(e, i, "rejected", i->code, i->reason);
}

static void take_result(struct lt_engine *e, struct lt_item *i)
{
    const struct lt_result *r = &i->result;
    int64_t now = lt_engine_now(e);
    enum lt_outcome heard = i->kept_back ? LT_OUTCOME_PASS : r->outcome; /* of the target */
    i->done = false;
    if (!r->local && lt_gate_outcome(&e->gate, heard, r->wait_ms, now)) {
        /* credential and refusals need people; the others pass by themselves */
        if (r->outcome == LT_OUTCOME_CREDENTIAL)
            lt_identity_refused(e, i->sent_ms);
        bool people = r->outcome == LT_OUTCOME_CREDENTIAL || r->outcome == LT_OUTCOME_REJECT;
        snprintf(e->paused_code, sizeof(e->paused_code), "%s", r->code);
        snprintf(e->paused_text, sizeof(e->paused_text), "%s", r->reason);
        lt_log(people ? LT_LOG_ERROR : LT_LOG_WARN, e->subject, "target-paused",
               "%s (%s): nothing is sent for %" PRId64 " ms, then one call probes%s", lt_gate_reason(&e->gate), r->code,
               lt_gate_wait_ms(&e->gate, now),
               r->outcome == LT_OUTCOME_CREDENTIAL
                   ? "; look at the certificates of both sides (lienthong check), key and password"
                   : "");
    }
    if (r->outcome == LT_OUTCOME_OK || r->outcome == LT_OUTCOME_EXISTS) {
        e->good_ms = now;
        if (!r->local)
            e->let_in_ms = now;
    } else if (heard > LT_OUTCOME_PASS) {
        snprintf(e->failed_code, sizeof(e->failed_code), "%s", r->code);
        snprintf(e->failed_text, sizeof(e->failed_text), "%s", r->reason);
        e->failed_ms = now;
    }
    if (r->outcome > LT_OUTCOME_PASS)
        e->outcomes[r->outcome]++;
    if (!i->part) { /* the partition is gone; its next owner delivers it */
        lt_item_free(e, i);
        return;
    }
    i->part->running--;
    note(e, i, lt_outcome_name(r->outcome));
    if (r->outcome > LT_OUTCOME_PASS && r->outcome != LT_OUTCOME_REJECT)
        add_audits(e, i);
    switch (r->outcome) {
    case LT_OUTCOME_RETRY:
        again(e, i, LT_MAX(lt_gate_jitter(&e->gate, i->work.attempt - 1), r->wait_ms));
        break;
    case LT_OUTCOME_THROTTLE:
    case LT_OUTCOME_CREDENTIAL:
        if (r->local)
            again(e, i, LT_MAX(lt_gate_jitter(&e->gate, i->work.attempt - 1), r->wait_ms));
        else
            ended_denied(e, i);
        break;
    case LT_OUTCOME_UNKNOWN:
        ended_unknown(e, i);
        break;
    case LT_OUTCOME_REJECT:
        ended_refused(e, i);
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
