#include "gateway/delivery/internal.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define STOP_RETRY_MS 30000
#define SPAN_PAUSE 40000 /* done beyond the oldest open one: far beyond the span at which that one is parked */

struct lt_part *lt_part_find(const struct lt_engine *e, int32_t number)
{
    struct lt_part *p;
    for (p = e->parts; p && p->number != number; p = p->next_part)
        ;
    return p;
}

struct lt_part *lt_part_same(const struct lt_engine *e, int32_t number, uint64_t epoch)
{
    struct lt_part *p = lt_part_find(e, number);
    return p && p->epoch == epoch ? p : NULL;
}

void lt_part_dirty(struct lt_engine *e, struct lt_part *p)
{
    p->dirty = true;
    if (e->dirty_since_ms < 0)
        e->dirty_since_ms = lt_engine_now(e);
}

static void start_lanes(struct lt_engine *e, struct lt_part *p, enum lt_item_state from, enum lt_item_state to)
{
    struct lt_item *i;
    DL_FOREACH2(p->items, i, part_next)
    if (i->state == from)
        lt_item_set(e, i, to);
    DL_FOREACH2(p->redriven, i, part_next)
    if (i->state == from)
        lt_item_set(e, i, to);
}

static void fetch_stop(struct lt_engine *e, struct lt_part *p)
{
    struct lt_err err = LT_ERR_INIT;
    if (p->fetching && e->log->ops->stop(e->log, p->number, &err) != LT_OK)
        lt_warn(e->subject, "fetch-stop",
                "the client still reads partition %" PRId32 ": %s; what it brings is passed over", p->number, err.text);
    p->fetching = p->paused = false;
}

/*
 * A stopped partition may stand for days: what nothing is known of is let go and read again when it runs, so that its
 * records do not keep the other partitions paused.
 */
static void let_go(struct lt_engine *e, struct lt_part *p)
{
    struct lt_lane *lane, *next_lane;
    HASH_ITER (hh, p->lanes, lane, next_lane) {
        struct lt_item **at = &lane->head, *i;
        lane->tail = NULL;
        while ((i = *at)) {
            if (i->state != LT_ITEM_QUEUED || i->redriven || i->in_txn || i->dirty || i->open.key || i->step_at > 0) {
                lane->tail = i;
                at = &i->lane_next;
                continue;
            }
            *at = i->lane_next;
            p->next = LT_MIN(p->next, i->record->offset); /* the position must not pass it */
            lt_item_free(e, i);
        }
        lt_lane_settle(p, lane);
    }
}

/* What has not been sent stays where it is; the intents that were asked for are withdrawn. */
static void hold(struct lt_engine *e, struct lt_part *p)
{
    p->state = LT_PART_STOPPED;
    fetch_stop(e, p);
    start_lanes(e, p, LT_ITEM_READY, LT_ITEM_QUEUED);
    start_lanes(e, p, LT_ITEM_LOCAL, LT_ITEM_QUEUED);
    start_lanes(e, p, LT_ITEM_DELAYED, LT_ITEM_QUEUED);
    start_lanes(e, p, LT_ITEM_INTENT, LT_ITEM_QUEUED);
    let_go(e, p);
}

void lt_part_failed(struct lt_engine *e, struct lt_part *p, const char *why)
{
    bool again = p->next <= p->fetch_failed_at;
    p->fetch_failed_at = p->next;
    if (again) { /* it came no further: loading finds nothing wrong, so people must be told */
        lt_part_stop(e, p, "FETCH-FAILED", true, "", "%s", why);
        return;
    }
    lt_warn(e->subject, "partition-error", "partition %" PRId32 ": %s; it is loaded again when its calls have ended",
            p->number, why);
    snprintf(p->text, sizeof(p->text), "%s", why);
    snprintf(p->reason, sizeof(p->reason), "FETCH-FAILED");
    p->command[0] = '\0';
    p->since_ms = lt_now_ms();
    p->retry_at_ms = lt_engine_now(e);
    hold(e, p);
}

void lt_part_stop(struct lt_engine *e, struct lt_part *p, const char *reason, bool retry, const char *command,
                  const char *fmt, ...)
{
    va_list args;
    bool again =
        p->state != LT_PART_RUNNING && strcmp(p->reason, reason) == 0; /* a retry that met the same: said once */

    va_start(args, fmt);
    vsnprintf(p->text, sizeof(p->text), fmt, args);
    va_end(args);
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
    snprintf(p->command, sizeof(p->command), "%s", command);
    if (strcmp(p->seen, reason) != 0)
        p->seen[0] = 0;
    if (!again)
        p->since_ms = lt_now_ms();
    p->retry_at_ms = retry ? lt_engine_now(e) + STOP_RETRY_MS : 0;
    hold(e, p);
    if (!again)
        lt_error(e->subject, "partition-stopped", "partition %" PRId32 " of %s stopped: %s; see `lienthong status`",
                 p->number, e->topic, reason);
}

/* Several instances share the target's rate by the partitions they own; one that was added since is nobody's. */
void lt_parts_share_rate(struct lt_engine *e)
{
    const struct lt_part *p;
    int owned = 0;
    DL_FOREACH2(e->parts, p, next_part)
    owned += p->number < e->queue_partitions;
    if (e->set.target->rate > 0 && e->queue_partitions > 0 && owned > 0) /* a rate of 0 would be none */
        lt_gate_rate(&e->gate, (double)e->set.target->rate * owned / e->queue_partitions);
}

static void drop_item(struct lt_engine *e, struct lt_item *i)
{
    for (size_t n = 0; n < e->txn.items.len; n++)
        if (e->txn.items.v[n].item == i)
            e->txn.items.v[n].item = NULL;
    if (i->state != LT_ITEM_RUNNING) {
        lt_item_free(e, i);
        return;
    }
    /* The adapter still has it: its result is dropped when it comes, and no further call of it starts. */
    lt_item_clean(e, i);
    if (i->redriven) {
        DL_DELETE2(i->part->redriven, i, part_prev, part_next);
    } else {
        DL_DELETE2(i->part->items, i, part_prev, part_next);
        i->part->items_len--;
    }
    i->part = NULL;
    i->lane = NULL;
    i->work.start_by_ms = 1;
}

void lt_part_drop(struct lt_engine *e, struct lt_part *p)
{
    lt_loading_free(p->loading);
    p->loading = NULL;
    while (p->items)
        drop_item(e, p->items);
    while (p->redriven)
        drop_item(e, p->redriven);
    p->running = 0;
    struct lt_lane *lane, *next_lane;
    HASH_ITER (hh, p->lanes, lane, next_lane) {
        HASH_DEL(p->lanes, lane);
        lt_vec_deinit(&lane->parked);
        free(lane->key);
        free(lane);
    }
    p->lanes_parked = p->lanes_retrying = 0;
    struct lt_open *o, *next_open;
    HASH_ITER (hh, p->opens, o, next_open) {
        HASH_DEL(p->opens, o);
        lt_open_free(o);
    }
    lt_writes_drop(&p->writes, p->writes.len);
    for (size_t n = 0; n < p->decisions.len; n++)
        free(p->decisions.v[n]);
    lt_vec_deinit(&p->decisions);
    p->paused_by[0] = 0;
    p->passed_over = 0;
    p->dirty = false;
}

void lt_part_free(struct lt_engine *e, struct lt_part *p)
{
    lt_part_drop(e, p);
    DL_DELETE2(e->parts, p, prev, next_part);
    free(p);
    lt_parts_share_rate(e);
}

void lt_part_reload(struct lt_engine *e, struct lt_part *p)
{
    fetch_stop(e, p);
    lt_part_drop(e, p);
    p->epoch = ++e->epochs;
    p->state = LT_PART_LOADING;
    p->retry_at_ms = 0;
}

void lt_part_on_assign(void *ctx, int32_t partition)
{
    struct lt_engine *e = ctx;
    struct lt_part *p = lt_part_find(e, partition);
    if (p) { /* never seen: assigned twice without a revocation between */
        p->fetching = false;
        lt_part_free(e, p);
    }
    p = lt_alloc(sizeof(*p));
    p->number = partition;
    p->epoch = ++e->epochs;
    p->state = LT_PART_LOADING;
    p->fetch_failed_at = -1;
    p->since_ms = lt_now_ms();
    DL_APPEND2(e->parts, p, prev, next_part);
    lt_parts_share_rate(e);
}

/*
 * Rule 10. The callback runs inside poll, where no transaction is open (rule 11), before the member gives the partition
 * up: until it answers, the cooperative protocol hands it to nobody else, so a commit with the membership as it is now
 * is the owner's. A member that was thrown out meanwhile has no generation, or one the coordinator refuses, and then
 * nothing is written.
 */
void lt_part_on_revoke(void *ctx, int32_t partition, bool lost)
{
    struct lt_engine *e = ctx;
    struct lt_part *p = lt_part_find(e, partition);
    if (!p)
        return;
    if (!lost)
        lt_engine_drain(e, p);
    lt_part_free(e, p);
}

/* ---- records ---- */

void lt_parts_pause(struct lt_engine *e)
{
    e->over_memory = e->bytes > (e->over_memory ? e->set.memory / 4 * 3 : e->set.memory);
    struct lt_part *p;
    DL_FOREACH2(e->parts, p, next_part)
    {
        if (!p->fetching)
            continue;
        /* With nothing held here the oldest open record is still to come: it alone makes the span smaller. */
        bool wide = p->items && HASH_COUNT(p->opens) >= (p->paused ? SPAN_PAUSE * 3 / 4 : SPAN_PAUSE);
        bool pause = e->over_memory || wide;
        struct lt_err err = LT_ERR_INIT;
        if (pause == p->paused)
            continue;
        if (e->log->ops->pause(e->log, p->number, pause, &err) == LT_OK)
            p->paused = pause;
        else
            lt_warn(e->subject, "pause", "partition %d: %s; trying again", p->number, err.text);
    }
}

/* Beyond the committed offset: finished, or in the ledger already because an earlier record is still open. */
static bool is_done(const struct lt_part *p, const struct lt_log_record *r)
{
    const struct lt_open *o;
    HASH_FIND(hh, p->opens, &r->offset, sizeof(r->offset), o);
    if (o && o->state == LT_OPEN_DONE)
        return true;
    const struct lt_lane *lane = lt_lane_find(p, r->key);
    return lane && lt_lane_holds(lane, r->offset);
}

void lt_part_record_take(struct lt_engine *e, struct lt_log_record *r)
{
    struct lt_part *p = lt_part_find(e, r->partition);
    if (!p || p->state != LT_PART_RUNNING || r->offset < p->next) {
        /* Fetched before a stop or a reload: it comes again when the partition runs from its position. */
        e->log->ops->record_free(e->log, r);
        return;
    }
    if (is_done(p, r)) { /* rule 3 */
        p->next = r->offset + 1;
        e->skipped++;
        lt_part_dirty(e, p);
        e->log->ops->record_free(e->log, r);
        return;
    }
    struct lt_event ev;
    struct lt_err err = LT_ERR_INIT;
    if (lt_event_read(r->key, &r->headers, r->value, &ev, &err) != LT_OK) {
        /* next stays: the position must not pass it */
        char command[sizeof(p->command)];
        snprintf(command, sizeof(command), "lienthong targets pass-over %s --partition %" PRId32 " --offset %" PRId64,
                 e->name, p->number, r->offset);
        lt_part_stop(e, p, "BAD-RECORD", false, command, "offset %" PRId64 ": not a canonical event: %s", r->offset,
                     err.text);
        e->log->ops->record_free(e->log, r);
        return;
    }
    const struct lt_event_type *type = lt_event_type_by_name(ev.type);
    p->next = r->offset + 1;
    e->records++;
    struct lt_item *i = lt_item_new(e, p, r, &ev, type, false);
    lt_item_recall(e, i, NULL, false);
    if (i->lane->state != LT_LANE_OPEN) { /* rule 3: the lane is parked */
        lt_item_park(e, i);
        return;
    }
    lt_lane_append(e, i->lane, i);
}
