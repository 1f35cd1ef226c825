/* What a ledger transaction writes (rules 4, 5, 8): derived from what the dirty items and partitions are now. */
#include "gateway/delivery/internal.h"

#include "gateway/model/partition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const struct lt_headers no_headers;

static bool leaves_queue(const struct lt_item *i)
{
    return i->state == LT_ITEM_FINISHED || i->state == LT_ITEM_PARKING;
}

/* ---- building ---- */

/* An intent that is made anew before it was sent is the same repeat. */
static bool is_repeat(const struct lt_engine *e, const struct lt_item *i)
{
    return i->state == LT_ITEM_INTENT && lt_item_once(e, i) && (i->unknown || i->step_at < i->sent_to) && !i->repeated;
}

static void pick(struct lt_engine *e, struct lt_item *i)
{
    struct lt_txn_item *t = lt_vec_push(&e->txn.items);
    *t = (struct lt_txn_item){.item = i, .state = i->state, .writes = i->writes.len, .repeat = is_repeat(e, i)};
    i->in_txn = true;
    i->part->dirty = true;
}

/* At most txn_limit leave at once, and none of a lane that is being parked before the one that says why. */
static void pick_items(struct lt_engine *e)
{
    struct lt_item *i;
    size_t leaving = 0;
    DL_FOREACH2(e->dirty, i, dirty_next)
    {
        struct lt_item *leader = i->state == LT_ITEM_PARKING ? i->lane->leader : NULL;
        if (i->in_txn || (leaves_queue(i) && leaving >= e->txn_limit))
            continue;
        if (leader && leader != i && !leader->in_txn) {
            pick(e, leader);
            if (++leaving >= e->txn_limit)
                continue;
        }
        pick(e, i);
        leaving += leaves_queue(i);
    }
}

/*
 * The oldest record that is neither finished nor parked when this transaction is committed. A stopped partition has let
 * go of records before those that are out: next stands before them.
 */
static int64_t base_after(const struct lt_part *p)
{
    const struct lt_item *i;
    DL_FOREACH2(p->items, i, part_next)
    if (!i->in_txn || !leaves_queue(i))
        return LT_MIN(i->record->offset, p->next);
    return p->next;
}

static struct lt_txn_part *part_of(struct lt_engine *e, const struct lt_part *p)
{
    for (size_t n = 0; n < e->txn.parts.len; n++)
        if (e->txn.parts.v[n].number == p->number)
            return &e->txn.parts.v[n];
    return NULL;
}

static void add_part(struct lt_engine *e, struct lt_part *p)
{
    struct lt_txn_part *t = lt_vec_push(&e->txn.parts);
    *t = (struct lt_txn_part){.number = p->number,
                              .epoch = p->epoch,
                              .after = p->position,
                              .writes = p->writes.len,
                              .passed_over = p->passed_over};
    t->after.number++;
    t->after.base = base_after(p);
    t->after.control = p->control_next;
    t->after.open += (int64_t)p->passed_over;
    t->after.counts[LT_COUNT_SKIPPED] += (int64_t)p->passed_over;
    assert(t->after.base >= p->position.base);
    if (t->after.base > p->position.base) {
        const struct lt_open *o, *next;
        HASH_ITER (hh, p->opens, o, next)
            t->after.open -= o->state == LT_OPEN_DONE && o->offset < t->after.base;
    }
}

/* Its I record afterwards, and what it adds to the counters. */
static void settle_item(struct lt_engine *e, struct lt_txn_item *t)
{
    struct lt_item *i = t->item;
    struct lt_txn_part *part = part_of(e, i->part);
    bool passed = i->record->offset < part->after.base; /* a parked one need not be: others before it may be open */
    enum lt_open_state want = lt_item_want(i, passed);
    if (want != LT_OPEN_NONE) {
        t->open = (struct lt_open){
            .offset = i->record->offset, .state = want, .outcome = i->outcome, .since_ms = lt_engine_wall(e)};
        snprintf(t->open.step, sizeof(t->open.step), "%s", lt_item_step_name(i));
        if (want == LT_OPEN_INTENT)
            t->open.until_ms = t->open.since_ms + lt_engine_settled_ms(e, lt_item_step(i));
        else if (want == LT_OPEN_UNKNOWN)
            t->open.until_ms = t->open.since_ms + LT_MAX(i->settled_ms - lt_engine_now(e), 0);
        t->open.key = lt_ledger_open_key(i->event.key, i->event.id, i->run, t->open.step, t->open.offset);
    }
    part->after.open += (t->open.key != NULL) - (i->open.key != NULL);
    if (t->state == LT_ITEM_FINISHED) {
        part->after.counts[i->skipped ? LT_COUNT_SKIPPED : (size_t)i->outcome]++; /* ok, exists, pass: the same order */
        part->after.counts[LT_COUNT_UNPARKED] += i->redriven;
        t->lane_opens = i->redriven && i->lane->parked.len == 1 && i->lane->arriving == 0;
    }
    part->after.counts[LT_COUNT_PARKED] += t->state == LT_ITEM_PARKING && !i->redriven;
    part->after.counts[LT_COUNT_REPEATS] += t->repeat;
    if (t->state == LT_ITEM_PARKING && i->counted >= 0)
        part->after.counts[i->counted]++;
}

void lt_txn_build(struct lt_engine *e)
{
    struct lt_part *p;
    lt_txn_reset(e);
    e->txn.built_ms = lt_engine_now(e);
    pick_items(e);
    DL_FOREACH2(e->parts, p, next_part)
    if (p->dirty && p->state != LT_PART_LOADING)
        add_part(e, p);
    for (size_t n = 0; n < e->txn.items.len; n++)
        settle_item(e, &e->txn.items.v[n]);
    for (size_t n = 0; n < e->txn.parts.len; n++) {
        struct lt_txn_part *t = &e->txn.parts.v[n];
        t->offset.partition = t->number;
        t->offset.offset = t->after.base;
        lt_delivery_position_format(&t->after, t->offset.metadata);
    }
}

/* ---- writing ---- */

static struct lt_topic_count *count_of(struct lt_engine *e, const char *topic)
{
    for (size_t n = 0; n < e->topics.len; n++)
        if (strcmp(e->topics.v[n].topic, topic) == 0)
            return &e->topics.v[n];
    return NULL;
}

static int partitions_of(struct lt_engine *e, const char *topic, int32_t *ret, struct lt_err *err)
{
    struct lt_topic_count *known = count_of(e, topic);
    if (known) {
        *ret = known->partitions;
        return LT_OK;
    }
    int r = e->log->ops->partitions(e->log, topic, ret, err);
    if (r == LT_OK && *ret <= 0)
        r = lt_err_set(err, LT_E_NOT_FOUND, "topic-missing", "topic %s does not exist: run lienthong topics create",
                       topic);
    if (r == LT_OK) {
        struct lt_topic_count *c = lt_vec_push(&e->topics);
        c->topic = lt_strdup(topic);
        c->partitions = *ret;
    }
    return r;
}

void lt_txn_recount_topic(struct lt_engine *e, const char *topic)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_topic_count *known = count_of(e, topic);
    int32_t n = 0;
    if (known && e->log->ops->partitions(e->log, topic, &n, &err) == LT_LOG_OK && n > 0 && n < known->partitions)
        known->partitions = n;
}

void lt_txn_forget_topics(struct lt_engine *e)
{
    for (size_t n = 0; n < e->topics.len; n++)
        free(e->topics.v[n].topic);
    e->topics.len = 0;
}

static int put(struct lt_engine *e, const char *topic, int32_t partition, struct lt_span key,
               const struct lt_headers *headers, struct lt_span value, struct lt_err *err)
{
    if (partition < 0) {
        int32_t partitions;
        int r = partitions_of(e, topic, &partitions, err);
        if (r != LT_OK)
            return r;
        partition = lt_partition_of(key, partitions);
    }
    return e->log->ops->produce(e->log, topic, partition, key, headers, value, err);
}

static int put_writes(struct lt_engine *e, const struct lt_writes *l, size_t n, struct lt_err *err)
{
    int r = LT_OK;
    for (const struct lt_write *w = l->head; w && n > 0 && r == LT_OK; w = w->next, n--)
        r = put(e, w->topic, w->partition, w->key, &w->headers, w->value, err);
    return r;
}

static int put_ledger(struct lt_engine *e, int32_t partition, const char *key, const char *value, struct lt_err *err)
{
    return put(e, e->ledger, partition, lt_span_str(key), &no_headers, value ? lt_span_str(value) : LT_SPAN_NULL, err);
}

/* A parked event is done: nothing of it stays in the ledger. */
static int put_unparked(struct lt_engine *e, const struct lt_item *i, bool lane_opens, struct lt_err *err)
{
    LT_AUTOFREE char *parked = lt_ledger_order_key(LT_LEDGER_PARKED, i->event.key, i->record->offset);
    LT_AUTOFREE char *data = lt_ledger_order_key(LT_LEDGER_DATA, i->event.key, i->record->offset);
    LT_AUTOFREE char *lane = lt_ledger_lane_key(i->event.key);
    int r = put_ledger(e, i->part->number, parked, NULL, err);
    if (r == LT_OK)
        r = put_ledger(e, i->part->number, data, NULL, err);
    if (r == LT_OK && lane_opens)
        r = put_ledger(e, i->part->number, lane, NULL, err);
    return r;
}

/* Rule 7: listed in the transaction that lets it be sent, so that whoever compares the target's rows with ours finds
 * each once. */
static int put_repeat(struct lt_engine *e, const struct lt_item *i, struct lt_err *err)
{
    const struct lt_attempt a = {.wall_ms = lt_engine_wall(e),
                                 .offset = i->record->offset,
                                 .attempt = (int64_t)i->work.attempt + 1,
                                 .took_ms = -1,
                                 .id = i->event.id,
                                 .run = i->run,
                                 .step = lt_item_step_name(i),
                                 .what = "repeat",
                                 .code = i->unknown && !i->decided ? "resend" : "decided",
                                 .text = ""};
    struct lt_arena arena = LT_ARENA_INIT;
    struct lt_span value;
    lt_effect_history(&a, &arena, &value);
    int r = put(e, e->history, i->part->number, i->event.key, &no_headers, value, err);
    lt_arena_deinit(&arena);
    return r;
}

static int put_item(struct lt_engine *e, const struct lt_txn_item *t, struct lt_err *err)
{
    const struct lt_item *i = t->item;
    int r = put_writes(e, &i->writes, t->writes, err);
    if (r == LT_OK && t->repeat)
        r = put_repeat(e, i, err);
    if (r == LT_OK && i->open.key && (!t->open.key || strcmp(i->open.key, t->open.key) != 0))
        r = put_ledger(e, i->part->number, i->open.key, NULL, err);
    if (r == LT_OK && t->open.key) {
        LT_AUTOFREE char *value = lt_ledger_open_value(&t->open);
        r = put_ledger(e, i->part->number, t->open.key, value, err);
    }
    if (r == LT_OK && i->redriven && t->state == LT_ITEM_FINISHED)
        r = put_unparked(e, i, t->lane_opens, err);
    return r;
}

/* Rule 1: an item is closed only when it is finished and passed by the offset, in the transaction that passes it. */
static int put_passed(struct lt_engine *e, const struct lt_part *p, const struct lt_txn_part *t, struct lt_err *err)
{
    const struct lt_open *o, *next;
    int r = LT_OK;
    if (t->after.base == p->position.base)
        return LT_OK;
    HASH_ITER (hh, p->opens, o, next) {
        if (r == LT_OK && o->state == LT_OPEN_DONE && o->offset < t->after.base)
            r = put_ledger(e, p->number, o->key, NULL, err);
    }
    return r;
}

static int put_position(struct lt_engine *e, const struct lt_txn_part *t, struct lt_err *err)
{
    char time[24];
    struct lt_headers h = {0};
    snprintf(time, sizeof(time), "%" PRId64, lt_engine_wall(e));
    lt_headers_put(&h, LT_LEDGER_TIME, lt_span_str(time));
    return put(e, e->ledger, t->number, lt_span_str(LT_LEDGER_POSITION_KEY), &h, lt_span_str(t->offset.metadata), err);
}

int lt_txn_write(struct lt_engine *e, struct lt_err *err)
{
    int r = LT_OK;
    for (size_t n = 0; n < e->txn.parts.len && r == LT_OK; n++) {
        const struct lt_txn_part *t = &e->txn.parts.v[n];
        const struct lt_part *p = lt_part_same(e, t->number, t->epoch);
        r = put_writes(e, &p->writes, t->writes, err);
        if (r == LT_OK)
            r = put_passed(e, p, t, err);
        if (r == LT_OK)
            r = put_position(e, t, err);
    }
    for (size_t n = 0; n < e->txn.items.len && r == LT_OK; n++)
        r = put_item(e, &e->txn.items.v[n], err);
    return r;
}
