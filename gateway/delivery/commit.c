#include "gateway/delivery/internal.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/model/partition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define LINGER_MS 10
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 10000
#define ALARM_MS 60000
#define COMMITTED_TIMEOUT_MS 1000
#define TWIN_MS (10 * 60 * 1000)
#define START_BY_MS 2000 /* rule 4: an intent is good for so long */

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
    for (size_t n = 0; n < t->items.len; n++)
        if (t->items.v[n])
            t->items.v[n]->in_txn = false;
    t->items.len = t->parts.len = 0;
    if (t->membership)
        e->log->ops->membership_free(e->log, t->membership);
    t->membership = NULL;
    t->in_doubt = t->renewed = false;
}

/* ---- building ---- */

/* Position of p with what is in the transaction: marks say what is known of each record, base is the oldest not
 * finished. */
static void add_part(struct lt_engine *e, struct lt_part *p)
{
    struct lt_txn_part *t = lt_vec_push(&e->txn.parts);
    t->number = p->number;
    t->epoch = p->epoch;
    t->after = p->position;
    t->after.number++;
    int64_t base = p->next;
    struct lt_item *i;
    DL_FOREACH2(p->items, i, part_next)
    {
        enum lt_mark m = lt_item_mark(e, i);
        if (m != LT_MARK_DONE)
            base = LT_MIN(base, i->record->offset);
        if (lt_delivery_position_covers(&t->after, i->record->offset))
            lt_delivery_position_set(&t->after, i->record->offset, m);
        else
            assert(m == LT_MARK_OPEN);
    }
    lt_delivery_position_advance(&t->after, base);
    t->offset.partition = p->number;
    t->offset.offset = t->after.base;
    lt_delivery_position_format(&t->after, t->offset.metadata);
}

static void build(struct lt_engine *e)
{
    struct lt_item *i;
    lt_txn_reset(e);
    DL_FOREACH (e->lists[LT_ITEM_FINISHED], i) {
        if (e->txn.items.len >= e->txn_limit)
            break;
        i->in_txn = true;
        *lt_vec_push(&e->txn.items) = i;
    }
    DL_FOREACH (e->lists[LT_ITEM_INTENT], i) {
        i->in_txn = true;
        *lt_vec_push(&e->txn.items) = i;
    }
    struct lt_part *p;
    DL_FOREACH2(e->parts, p, next_part)
    if (p->dirty)
        add_part(e, p);
}

static int partitions_of(struct lt_engine *e, const char *topic, int32_t *ret, struct lt_err *err)
{
    for (size_t n = 0; n < e->topics.len; n++)
        if (strcmp(e->topics.v[n].topic, topic) == 0) {
            *ret = e->topics.v[n].partitions;
            return LT_OK;
        }
    int r = e->log->ops->partitions(e->log, topic, ret, err);
    if (r == LT_OK && *ret <= 0)
        r = lt_err_set(err, LT_E_NOT_FOUND, "topic-missing", "topic %s does not exist: run lienthong topics", topic);
    if (r == LT_OK) {
        struct lt_topic_count *c = lt_vec_push(&e->topics);
        c->topic = lt_strdup(topic);
        c->partitions = *ret;
    }
    return r;
}

static int write_records(struct lt_engine *e, struct lt_err *err)
{
    for (size_t n = 0; n < e->txn.items.len; n++) {
        struct lt_item *i = e->txn.items.v[n];
        if (i->state != LT_ITEM_FINISHED)
            continue;
        for (size_t k = 0; k < i->effects_len; k++) {
            const struct lt_effect *f = &i->effects[k];
            int32_t partitions;
            int r = partitions_of(e, f->topic, &partitions, err);
            if (r == LT_OK)
                r = e->log->ops->produce(e->log, f->topic, lt_partition_of(f->key, partitions), f->key, &f->headers,
                                         f->value, err);
            if (r != LT_OK)
                return r;
        }
    }
    return LT_OK;
}

/* ---- after the end ---- */

static void item_committed(struct lt_engine *e, struct lt_item *i)
{
    i->in_txn = false;
    if (i->state == LT_ITEM_FINISHED) {
        e->outcomes[i->outcome]++;
        e->latency_ms_sum += (uint64_t)(lt_engine_now(e) - i->arrived_ms);
        for (size_t k = 0; k < i->effects_len; k++) {
            if (lt_span_starts(i->effects[k].headers.len ? i->effects[k].headers.v[0].name : LT_SPAN_NULL, "ce_") &&
                (strcmp(i->effects[k].topic, LT_TOPIC_ANSWERS) == 0 ||
                 strcmp(i->effects[k].topic, LT_TOPIC_PROVINCE) == 0 ||
                 strcmp(i->effects[k].topic, LT_TOPIC_AUDIT) == 0))
                e->notes++;
            else
                e->forwarded++;
        }
        lt_item_finished(e, i);
    } else if (i->state == LT_ITEM_INTENT) {
        /* Committed: it may be sent now, for 2 s (rule 4). Paused meanwhile: it will need a new intent. */
        if (e->gate.state == LT_GATE_PAUSED || e->refusing) {
            lt_item_set_first(e, i, LT_ITEM_READY);
            lt_part_dirty(e, i->part);
        } else {
            lt_engine_submit(e, i, lt_engine_now(e) + START_BY_MS);
        }
    }
}

/* The transaction is in the log, at least for this partition. */
static void part_committed(struct lt_engine *e, const struct lt_txn_part *t)
{
    struct lt_part *p = lt_part_find(e, t->number);
    if (!p || p->epoch != t->epoch)
        return;
    p->position = t->after;
    p->committed = t->offset;
    p->dirty = false;
    for (size_t n = 0; n < e->txn.items.len; n++) {
        struct lt_item *i = e->txn.items.v[n];
        if (i && i->part == p) {
            e->txn.items.v[n] = NULL;
            item_committed(e, i);
        }
    }
    struct lt_item *i; /* finished beyond the limit of this transaction, or changed while it was in doubt */
    DL_FOREACH2(p->items, i, part_next)
    if (i->state == LT_ITEM_FINISHED ||
        lt_item_mark(e, i) != lt_delivery_position_mark(&p->position, i->record->offset))
        p->dirty = true;
}

static void update_dirty(struct lt_engine *e)
{
    struct lt_part *p;
    e->dirty_since_ms = -1;
    DL_FOREACH2(e->parts, p, next_part)
    if (p->dirty)
        e->dirty_since_ms = lt_engine_now(e);
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

/* Rule 14: the same outcomes again, later. */
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
    /* A topic that was made again may have another number of partitions. */
    for (size_t n = 0; n < e->topics.len; n++)
        free(e->topics.v[n].topic);
    e->topics.len = 0;
}

/* Rule 14: a record's own fault. Found by writing fewer, then stops its partition: nothing is cut, nothing is left out.
 */
static void ended_too_large(struct lt_engine *e, const struct lt_err *err)
{
    size_t finished = 0;
    struct lt_item *last = NULL;
    for (size_t n = 0; n < e->txn.items.len; n++)
        if (e->txn.items.v[n]->state == LT_ITEM_FINISHED) {
            last = e->txn.items.v[n];
            finished++;
        }
    if (finished == 0) {
        ended_badly(e, err);
        return;
    }
    lt_txn_reset(e);
    if (finished > 1) {
        e->txn_limit = finished / 2;
        return;
    }
    e->txn_limit = LT_TXN_ITEMS_MAX;
    lt_item_set(e, last, LT_ITEM_HELD);
    lt_part_stop(e, last->part, "TOO-LARGE", false,
                 "raise max.message.bytes of the next queue and lt.answers, then restart",
                 "offset %" PRId64 ", dossier " LT_SPAN_FMT ": the outcome cannot be written: %s", last->record->offset,
                 LT_SPAN_ARG(last->event.key), err->text);
    lt_part_dirty(e, last->part);
}

static bool renew(struct lt_engine *e)
{
    struct lt_err err = LT_ERR_INIT;
    int r = e->log->ops->renew(e->log, &err);
    if (r == LT_LOG_TWIN)
        e->fatal = true;
    else if (r != LT_OK)
        snprintf(e->txn_error, sizeof(e->txn_error), "%.*s", (int)sizeof(e->txn_error) - 1, err.text);
    return r == LT_OK;
}

/* Rule 16: fenced twice in ten minutes although the transaction was young: another process runs under this name. */
static void fenced(struct lt_engine *e)
{
    int64_t now = lt_boottime_ms();
    if (e->log->ops->transaction_age_ms(e->log) >= 15000)
        return;
    if (e->fenced_ms > 0 && now - e->fenced_ms < TWIN_MS)
        e->fatal = true;
    e->fenced_ms = now;
}

void lt_engine_commit(struct lt_engine *e)
{
    const struct lt_log_ops *ops = e->log->ops;
    struct lt_err err = LT_ERR_INIT;
    build(e);
    if (e->txn.parts.len == 0) {
        lt_txn_reset(e);
        e->dirty_since_ms = -1;
        return;
    }
    /* Rule 11: captured once; no generation, no transaction. */
    int r = ops->capture(e->log, &e->txn.membership, &err);
    if (r == LT_LOG_TWIN)
        e->fatal = true;
    if (r != LT_OK) {
        e->txn.membership = NULL;
        lt_txn_reset(e);
        e->txn_retry_ms = lt_engine_now(e) + RETRY_MIN_MS;
        return;
    }
    r = ops->begin(e->log, &err);
    bool begun = r == LT_OK;
    if (r == LT_OK)
        r = write_records(e, &err);
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
        ended_well(e);
        return;
    }
    if (r == LT_LOG_TWIN) {
        e->fatal = true;
        return;
    }
    if (r == LT_LOG_UNKNOWN || r == LT_LOG_FENCED) {
        if (r == LT_LOG_FENCED)
            fenced(e);
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
        struct lt_part *p = lt_part_find(e, t.number);
        if (p && p->epoch == t.epoch) {
            struct lt_log_offset at;
            int r = same ? ops->committed(e->log, t.number, COMMITTED_TIMEOUT_MS, &at, &err) : LT_OK;
            if (r != LT_OK) {
                e->txn_retry_ms = now + RETRY_MIN_MS;
                return;
            }
            if (same && at.offset == t.offset.offset && strcmp(at.metadata, t.offset.metadata) == 0)
                part_committed(e, &t);
            else if (!same || at.offset != p->committed.offset || strcmp(at.metadata, p->committed.metadata) != 0)
                lt_part_reload(e, p); /* somebody else's: what we know of it is worth nothing (rule 15) */
        }
        e->txn.parts.len--;
    }
    lt_info(e->subject, "transaction-resolved", "the outcome of the transaction in doubt is known");
    ended_well(e);
}
