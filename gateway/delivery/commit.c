#include "gateway/delivery/internal.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define LINGER_MS 10
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 10000
#define ALARM_MS 60000
#define QUICK_MS 60000 /* without a slow transaction: they are quick again */
#define COMMITTED_TIMEOUT_MS 1000

bool lt_engine_commit_due(const struct lt_engine *e)
{
    if (e->dirty_since_ms < 0 || e->txn.in_doubt)
        return false;
    int64_t now = lt_engine_now(e);
    if (now < e->txn_retry_ms)
        return false;
    /* Nothing is out (and whatever is ready cannot start): nothing else can join soon, no reason to wait. */
    if (e->counts[LT_ITEM_RUNNING] == 0)
        return true;
    return now - e->dirty_since_ms >= LINGER_MS || e->counts[LT_ITEM_FINISHED] >= LT_TXN_ITEMS_MAX;
}

void lt_txn_reset(struct lt_engine *e)
{
    struct lt_txn *t = &e->txn;
    for (size_t n = 0; n < t->items.len; n++) {
        if (t->items.v[n].item)
            t->items.v[n].item->in_txn = false;
        free(t->items.v[n].open.key);
    }
    t->items.len = t->parts.len = 0;
    if (t->membership)
        e->log->ops->membership_free(e->log, t->membership);
    t->membership = NULL;
    t->in_doubt = t->renewed = false;
}

/* ---- after the end ---- */

/* The orders of a lane, ascending. */
static void order_add(struct lt_lane *lane, int64_t order)
{
    size_t at = lane->parked.len;
    (void)lt_vec_push(&lane->parked);
    for (; at > 0 && lane->parked.v[at - 1] > order; at--)
        lane->parked.v[at] = lane->parked.v[at - 1];
    lane->parked.v[at] = order;
}

static void order_remove(struct lt_lane *lane, int64_t order)
{
    size_t kept = 0;
    for (size_t n = 0; n < lane->parked.len; n++)
        if (lane->parked.v[n] != order)
            lane->parked.v[kept++] = lane->parked.v[n];
    lane->parked.len = kept;
}

static void finished(struct lt_engine *e, struct lt_item *i, const struct lt_txn_item *t)
{
    struct lt_part *p = i->part;
    struct lt_lane *lane = i->lane;
    e->outcomes[i->outcome]++;
    e->latency_ms_sum += (uint64_t)(lt_engine_now(e) - i->arrived_ms);
    lt_lane_next(e, lane);
    if (i->redriven)
        order_remove(lane, i->record->offset);
    if (t->lane_opens && lane->arriving > 0) /* came while this was in doubt: it is parked without a lane otherwise */
        lt_lane_write(e, p, lane);
    else if (t->lane_opens)
        lt_lane_set(p, lane, LT_LANE_OPEN);
    if (i->open.key) { /* beyond the offset: in the done set until it is passed */
        struct lt_open *o = lt_alloc(sizeof(*o));
        *o = i->open;
        i->open.key = NULL;
        HASH_ADD(hh, p->opens, offset, sizeof(o->offset), o);
    }
    lt_item_free(e, i);
    lt_lane_settle(p, lane);
}

static void parked(struct lt_engine *e, struct lt_item *i)
{
    struct lt_lane *lane = i->lane;
    if (i->leads)
        lane->leader = NULL;
    if (!i->redriven) {
        order_add(lane, i->record->offset);
        lane->arriving--;
    }
    lt_item_free(e, i);
}

static void item_committed(struct lt_engine *e, struct lt_txn_item *t)
{
    struct lt_item *i = t->item;
    i->in_txn = false;
    lt_writes_drop(&i->writes, t->writes);
    free(i->open.key);
    i->open = t->open;
    t->open.key = NULL;
    t->item = NULL;
    lt_item_clean(e, i);
    if (t->repeat) {
        i->repeated = true;
        lt_warn(e->subject, "repeat",
                "offset %" PRId64 " of partition %" PRId32 ": %s is sent again, and the target may have it",
                i->record->offset, i->part->number, lt_item_step_name(i));
    }
    if (t->state == LT_ITEM_FINISHED) {
        finished(e, i, t);
        return;
    }
    if (t->state == LT_ITEM_PARKING) {
        parked(e, i);
        return;
    }
    if (t->state == LT_ITEM_INTENT && i->state == LT_ITEM_INTENT) {
        /* Committed: it may be sent now, for so long after it was written (rule 4): what the ledger says of the time
         * at which it is settled counts from there. Too old or paused meanwhile: it needs a new intent. */
        int64_t start_by = e->txn.built_ms + lt_engine_start_by_ms(e, lt_item_step(i));
        bool held = e->gate.state == LT_GATE_PAUSED || e->refusing || i->part->paused_by[0];
        bool late = !held && lt_engine_now(e) > start_by;
        e->intents_late += late;
        if (held || late)
            lt_item_ready(e, i, true);
        else
            lt_engine_submit(e, i, start_by);
    }
    if (i->writes.len > 0 || lt_item_want(i, false) != i->open.state) /* changed while it was in doubt */
        lt_item_dirty(e, i);
}

/* Done and passed: closed in the ledger too (rule 1). */
static void forget_passed(struct lt_part *p)
{
    struct lt_open *o, *next;
    HASH_ITER (hh, p->opens, o, next) {
        if (o->state == LT_OPEN_DONE && o->offset < p->position.base) {
            HASH_DEL(p->opens, o);
            lt_open_free(o);
        }
    }
}

/* The transaction is in the log, at least for this partition. */
static void part_committed(struct lt_engine *e, const struct lt_txn_part *t)
{
    struct lt_part *p = lt_part_same(e, t->number, t->epoch);
    if (!p)
        return;
    bool moved = t->after.base > p->position.base;
    p->position = t->after;
    p->committed = t->offset;
    p->dirty = false;
    lt_writes_drop(&p->writes, t->writes);
    p->passed_over -= t->passed_over;
    if (moved)
        forget_passed(p);
    for (size_t n = 0; n < e->txn.items.len; n++)
        if (e->txn.items.v[n].item && e->txn.items.v[n].item->part == p)
            item_committed(e, &e->txn.items.v[n]);
}

static void update_dirty(struct lt_engine *e)
{
    struct lt_part *p;
    const struct lt_item *i;
    DL_FOREACH2(e->parts, p, next_part)
    {
        p->dirty = p->dirty || p->writes.len > 0 || p->control_next != p->position.control ||
                   (p->state == LT_PART_RUNNING && !p->items && p->next > p->position.base);
    }
    DL_FOREACH2(e->dirty, i, dirty_next)
    i->part->dirty = true;
    e->dirty_since_ms = -1;
    DL_FOREACH2(e->parts, p, next_part)
    if (p->dirty)
        e->dirty_since_ms = lt_engine_now(e);
}

/* Under load some are slow and most are not: that is one state of the log, which is over when all were quick for a
 * while. */
static void tell_slow(struct lt_engine *e, int64_t took)
{
    int64_t now = lt_engine_now(e);
    if (2 * took > LT_START_BY_MS) {
        if (e->commits_slow_at_ms == 0)
            lt_error(e->subject, "commits-slow",
                     "a transaction took %" PRId64 " ms: steps wait so long before they are sent; look at Kafka", took);
        e->commits_slow_at_ms = now;
    } else if (e->commits_slow_at_ms > 0 && now - e->commits_slow_at_ms >= QUICK_MS) {
        lt_info(e->subject, "commits-slow", "transactions are quick again");
        e->commits_slow_at_ms = 0;
    }
}

/*
 * Intents must outlive their commit, or nothing that needs one would ever be sent. The time that the next owner waits
 * is written into each (lt_open.until_ms), so a longer life costs only the wait after a crash.
 */
static void measure(struct lt_engine *e)
{
    int64_t took = lt_engine_now(e) - e->txn.built_ms;
    e->commit_ms = LT_MAX(took, e->commit_ms - e->commit_ms / 8);
    e->start_by_ms = LT_MIN(LT_MAX(2 * e->commit_ms, LT_START_BY_MS), LT_TRANSACTION_MS);
    tell_slow(e, took);
}

static void ended_well(struct lt_engine *e)
{
    e->transactions++;
    e->txn_failures = 0;
    e->txn_trouble_since_ms = 0;
    e->txn_retry_ms = 0;
    e->txn_limit = LT_TXN_ITEMS_MAX;
    e->txn_error[0] = 0;
    lt_txn_reset(e);
    update_dirty(e);
}

/*
 * The ledger went away. What is known of it here is committed when it is there again, then it is read anew: an empty
 * one must not be taken for the one that was lost.
 */
static void ledger_gone(struct lt_engine *e, const struct lt_err *err)
{
    struct lt_part *p;
    DL_FOREACH2(e->parts, p, next_part)
    if (p->state == LT_PART_RUNNING)
        lt_part_stop(e, p, "LEDGER-MISSING", true, "lienthong topics create", "%s", err->text);
}

/* As protocol 2, rule 14: the same outcomes again, later. */
static void ended_badly(struct lt_engine *e, const struct lt_err *err)
{
    int64_t now = lt_engine_now(e), wait = (int64_t)RETRY_MIN_MS << LT_MIN(e->txn_failures, 7u);
    e->txn_failures++;
    e->txn_retry_ms = now + LT_MIN(wait, RETRY_MAX_MS);
    if (e->txn_trouble_since_ms == 0)
        e->txn_trouble_since_ms = now;
    snprintf(e->txn_error, sizeof(e->txn_error), "%.*s", (int)sizeof(e->txn_error) - 1, err->text);
    lt_log(now - e->txn_trouble_since_ms >= ALARM_MS ? LT_LOG_ERROR : LT_LOG_WARN, e->subject, "transaction-retrying",
           "%s; the same outcomes are written again", err->text);
    lt_txn_reset(e);
    if (err->code == LT_E_NOT_FOUND)
        lt_txn_recount_topic(e, err->source);
    if (err->code == LT_E_NOT_FOUND && strcmp(err->source, e->ledger) == 0)
        ledger_gone(e, err);
}

/* What was to be written of a finished event, less the forward (made again when it is redriven) and what is too large.
 */
static void drop_too_large(struct lt_item *i, const char *topic)
{
    struct lt_writes kept = {0};
    struct lt_write *w = i->writes.head, *next;
    for (; w; w = next) {
        next = w->next;
        w->next = NULL;
        bool forward = strcmp(w->topic, LT_TOPIC_ANSWERS) != 0 && strcmp(w->topic, LT_TOPIC_PROVINCE) != 0 &&
                       strcmp(w->topic, LT_TOPIC_AUDIT) != 0 &&
                       strncmp(w->topic, LT_TOPIC_HISTORY_PREFIX, sizeof(LT_TOPIC_HISTORY_PREFIX) - 1) != 0;
        struct lt_writes *to = forward || strcmp(w->topic, topic) == 0 ? NULL : &kept;
        if (to && to->tail)
            to->tail->next = w;
        else if (to)
            to->head = w;
        if (to) {
            to->tail = w;
            to->len++;
        } else {
            lt_arena_deinit(&w->arena);
            free(w);
        }
    }
    i->writes = kept;
}

/* As protocol 2, rule 14, a record's own fault: found by writing fewer, then its dossier is parked. Nothing is cut or
 * left out. */
static void ended_too_large(struct lt_engine *e, const struct lt_err *err)
{
    size_t leaving = 0;
    struct lt_item *last = NULL;
    for (size_t n = 0; n < e->txn.items.len; n++)
        if (e->txn.items.v[n].state == LT_ITEM_FINISHED || e->txn.items.v[n].state == LT_ITEM_PARKING) {
            last = e->txn.items.v[n].item;
            leaving++;
        }
    if (leaving == 0 || (leaving == 1 && last->state == LT_ITEM_PARKING)) { /* the ledger itself is set too small */
        ended_badly(e, err);
        return;
    }
    lt_txn_reset(e);
    if (leaving > 1) {
        e->txn_limit = leaving / 2;
        return;
    }
    e->txn_limit = LT_TXN_ITEMS_MAX;
    drop_too_large(last, err->source);
    lt_lane_park(e, last, "undeliverable", "too-large", err->text);
}

static bool renew(struct lt_engine *e)
{
    struct lt_err err = LT_ERR_INIT;
    int r = e->log->ops->renew(e->log, &err);
    if (r == LT_LOG_TWIN)
        lt_engine_twin(e, &err);
    else if (r != LT_OK)
        snprintf(e->txn_error, sizeof(e->txn_error), "%.*s", (int)sizeof(e->txn_error) - 1, err.text);
    return r == LT_OK;
}

void lt_engine_commit(struct lt_engine *e)
{
    const struct lt_log_ops *ops = e->log->ops;
    struct lt_err err = LT_ERR_INIT;
    lt_txn_build(e);
    if (e->txn.parts.len == 0) {
        lt_txn_reset(e);
        e->dirty_since_ms = -1;
        return;
    }
    /* Rule 11: captured once; no generation, no transaction. */
    int r = ops->capture(e->log, &e->txn.membership, &err);
    if (r == LT_LOG_TWIN)
        lt_engine_twin(e, &err);
    if (r != LT_OK) {
        e->txn.membership = NULL;
        lt_txn_reset(e);
        e->txn_retry_ms = lt_engine_now(e) + RETRY_MIN_MS;
        return;
    }
    r = ops->begin(e->log, &err);
    bool begun = r == LT_OK;
    if (r == LT_OK)
        r = lt_txn_write(e, &err);
    if (r == LT_OK) {
        LT_VEC(struct lt_log_offset) offsets = {0};
        for (size_t n = 0; n < e->txn.parts.len; n++)
            *lt_vec_push(&offsets) = e->txn.parts.v[n].offset;
        r = ops->send_offsets(e->log, e->txn.membership, offsets.v, offsets.len, &err);
        lt_vec_deinit(&offsets);
    }
    if (r == LT_OK)
        r = ops->commit(e->log, &err);

    if (r == LT_OK) {
        for (size_t n = 0; n < e->txn.parts.len; n++)
            part_committed(e, &e->txn.parts.v[n]);
        measure(e);
        ended_well(e);
        return;
    }
    if (r == LT_LOG_TWIN) {
        lt_engine_twin(e, &err);
        return;
    }
    if (r == LT_LOG_UNKNOWN || r == LT_LOG_FENCED) {
        e->txn.in_doubt = true;
        e->txn.renewed = !e->fatal && renew(e);
        snprintf(e->txn_error, sizeof(e->txn_error), "%.*s", (int)sizeof(e->txn_error) - 1, err.text);
        lt_warn(e->subject, "transaction-in-doubt", "%s; looking what became of it", err.text);
        return;
    }
    struct lt_err abort_err = LT_ERR_INIT;
    if (begun && ops->abort(e->log, &abort_err) != LT_OK && !renew(e)) {
        /* Not committed for certain, but the producer is of no use until it is made anew. */
        e->txn.in_doubt = true;
        return;
    }
    if (r == LT_LOG_TOO_LARGE)
        ended_too_large(e, &err);
    else
        ended_badly(e, &err);
}

void lt_engine_resolve(struct lt_engine *e)
{
    const struct lt_log_ops *ops = e->log->ops;
    struct lt_err err = LT_ERR_INIT;
    int64_t now = lt_engine_now(e);
    if (now < e->txn_retry_ms)
        return;
    if (!e->txn.renewed && !(e->txn.renewed = renew(e))) {
        e->txn_retry_ms = now + RETRY_MIN_MS;
        return;
    }
    bool same = ops->membership_same(e->log, e->txn.membership);
    while (e->txn.parts.len > 0) {
        struct lt_txn_part t = e->txn.parts.v[e->txn.parts.len - 1];
        struct lt_part *p = lt_part_same(e, t.number, t.epoch);
        if (p) {
            struct lt_log_offset at;
            int r = same ? ops->committed(e->log, t.number, COMMITTED_TIMEOUT_MS, &at, &err) : LT_OK;
            if (r != LT_OK) {
                e->txn_retry_ms = now + RETRY_MIN_MS;
                return;
            }
            if (same && at.offset == t.offset.offset && strcmp(at.metadata, t.offset.metadata) == 0)
                part_committed(e, &t);
            else if (!same || at.offset != p->committed.offset || strcmp(at.metadata, p->committed.metadata) != 0)
                lt_part_reload(e, p); /* somebody else's: what we know of it is worth nothing (rule 11) */
        }
        e->txn.parts.len--;
    }
    lt_info(e->subject, "transaction-resolved", "the outcome of the transaction in doubt is known");
    ended_well(e);
}
