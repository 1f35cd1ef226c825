#include "gateway/delivery/internal.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define STOP_RETRY_MS 30000
#define BUSY_RETRY_MS 200
#define COMMITTED_TIMEOUT_MS 1000
#define WINDOW_RESUME (LT_DELIVERY_WINDOW * 3 / 4)

struct lt_part *lt_part_find(const struct lt_engine *e, int32_t number)
{
    struct lt_part *p;
    for (p = e->parts; p && p->number != number; p = p->next_part)
        ;
    return p;
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
}

static void fetch_stop(struct lt_engine *e, struct lt_part *p)
{
    struct lt_err err = LT_ERR_INIT;
    if (p->fetching && e->log->ops->stop(e->log, p->number, &err) != LT_OK)
        lt_warn(e->subject, "fetch-stop", "partition %" PRId32 ": %s", p->number, err.text);
    p->fetching = p->paused = false;
}

/*
 * A stopped partition may stand for days: what nothing is known of is let go and read again when it runs, so that its
 * records do not keep the other partitions paused. What is marked, or was when the position was committed, stays.
 */
static void let_go(struct lt_engine *e, struct lt_part *p)
{
    struct lt_lane *lane, *next_lane;
    HASH_ITER (hh, p->lanes, lane, next_lane) {
        struct lt_item **at = &lane->head, *i;
        lane->tail = NULL;
        while ((i = *at)) {
            if (i->state != LT_ITEM_QUEUED || i->in_txn || lt_item_mark(e, i) != LT_MARK_OPEN ||
                lt_delivery_position_mark(&p->position, i->record->offset) != LT_MARK_OPEN) {
                lane->tail = i;
                at = &i->lane_next;
                continue;
            }
            *at = i->lane_next;
            p->next = LT_MIN(p->next, i->record->offset); /* the position must not pass it */
            DL_DELETE2(p->items, i, part_prev, part_next);
            p->items_len--;
            lt_item_free(e, i);
        }
        if (!lane->head) {
            HASH_DEL(p->lanes, lane);
            free(lane->key);
            free(lane);
        }
    }
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
    if (!again)
        p->since_ms = lt_now_ms();
    p->state = LT_PART_STOPPED;
    p->retry_at_ms = retry ? lt_engine_now(e) + STOP_RETRY_MS : 0;
    fetch_stop(e, p);
    /* What has not been sent stays where it is; the intents that were asked for are withdrawn. */
    start_lanes(e, p, LT_ITEM_READY, LT_ITEM_QUEUED);
    start_lanes(e, p, LT_ITEM_DELAYED, LT_ITEM_QUEUED);
    start_lanes(e, p, LT_ITEM_INTENT, LT_ITEM_QUEUED);
    let_go(e, p);
    if (!again)
        lt_error(e->subject, "partition-stopped", "partition %" PRId32 " of %s stopped: %s; see `lienthong status`",
                 p->number, e->topic, reason);
}

static void drop_item(struct lt_engine *e, struct lt_item *i)
{
    for (size_t n = 0; n < e->txn.items.len; n++)
        if (e->txn.items.v[n] == i)
            e->txn.items.v[n] = NULL;
    if (i->state == LT_ITEM_RUNNING) { /* the adapter still has it: its result is dropped when it comes */
        i->part = NULL;
        i->lane = NULL;
        return;
    }
    lt_item_free(e, i);
}

void lt_part_drop_items(struct lt_engine *e, struct lt_part *p)
{
    struct lt_item *i, *next_item;
    DL_FOREACH_SAFE2(p->items, i, next_item, part_next)
    drop_item(e, i);
    p->items = NULL;
    p->items_len = p->running = 0;
    struct lt_lane *lane, *next_lane;
    HASH_ITER (hh, p->lanes, lane, next_lane) {
        HASH_DEL(p->lanes, lane);
        free(lane->key);
        free(lane);
    }
    p->dirty = false;
}

void lt_part_free(struct lt_engine *e, struct lt_part *p)
{
    lt_part_drop_items(e, p);
    DL_DELETE2(e->parts, p, prev, next_part);
    free(p);
}

void lt_part_reload(struct lt_engine *e, struct lt_part *p)
{
    fetch_stop(e, p);
    lt_part_drop_items(e, p);
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
    p->since_ms = lt_now_ms();
    DL_APPEND2(e->parts, p, prev, next_part);
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

/* ---- loading ---- */

struct look {
    char key[160];
};

static int look_key(void *ctx, const struct lt_log_record *r)
{
    struct look *l = ctx;
    snprintf(l->key, sizeof(l->key), LT_SPAN_FMT, LT_SPAN_ARG(r->key));
    return 1;
}

/* A step that was about to be sent when the former owner ended, and no outcome: never repeated without the operator
 * (rule 7). */
static void stop_unknown(struct lt_engine *e, int32_t number, uint64_t epoch, int64_t offset)
{
    struct look l = {"?"};
    (void)e->log->ops->scan(e->log, NULL, number, offset, offset + 1, look_key, &l, NULL); /* only names it */
    struct lt_part *p = lt_part_find(e, number);
    if (!p || p->epoch != epoch) /* scan serves polls: it is somebody else's now */
        return;
    lt_part_stop(e, p, "UNKNOWN-PROGRESS", false,
                 "compare the dossier at the target; to send the row again whatever the target has: set "
                 "on_unknown_progress: resend "
                 "in the target's options and restart",
                 "offset %" PRId64
                 ", dossier %s: a call that must not be repeated was being sent when the gateway ended, and its "
                 "outcome is not known",
                 offset, l.key);
}

/* After a partition was lost its calls may still be out: until they end, no dossier of it gets another one (promise
 * P5). */
static bool has_orphans(const struct lt_engine *e, int32_t number)
{
    const struct lt_item *i;
    DL_FOREACH (e->lists[LT_ITEM_RUNNING], i)
        if (!i->part && i->record->partition == number)
            return true;
    return false;
}

static void load(struct lt_engine *e, struct lt_part *p)
{
    const struct lt_log_ops *ops = e->log->ops;
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_offset at;
    int64_t low = 0, high = 0;

    if (has_orphans(e, p->number)) {
        p->retry_at_ms = lt_engine_now(e) + 1;
        return;
    }
    int r = ops->committed(e->log, p->number, COMMITTED_TIMEOUT_MS, &at, &err);
    if (r == LT_OK)
        r = ops->watermarks(e->log, NULL, p->number, &low, &high, &err);
    if (r != LT_OK) { /* an unfinished transaction of the former owner, or the log is away: ask again (core rule 2) */
        p->retry_at_ms = lt_engine_now(e) + BUSY_RETRY_MS;
        snprintf(p->text, sizeof(p->text), "%s", err.text);
        return;
    }
    if (at.offset < 0 && high == 0) {
        lt_part_stop(e, p, "NOT-INITIALISED", true, "lienthong topics",
                     "group %s has no position on partition %" PRId32 " of %s", e->topic, p->number, e->topic);
        return;
    }
    if (at.offset < 0) {
        lt_part_stop(e, p, "OFFSETS-LOST", true, "restore the group's offsets from a backup of the cluster",
                     "group %s has lost its position on partition %" PRId32 ": %s holds records up to %" PRId64
                     " and nothing says which were delivered",
                     e->topic, p->number, e->topic, high);
        return;
    }
    struct lt_delivery_position pos;
    r = lt_delivery_position_parse(lt_span_str(at.metadata), &pos, &err);
    if (r == LT_DELIVERY_POSITION_OTHER_FORMAT) {
        lt_part_stop(e, p, "OTHER-FORMAT", false, "run the version that wrote it, or a newer one",
                     "the position of partition %" PRId32 " was written by another version of the gateway", p->number);
        return;
    }
    if (r != LT_OK || pos.base != at.offset) {
        lt_part_stop(e, p, "MOVED", true, "restore the group's offset and metadata",
                     "the position of partition %" PRId32 " was moved to %" PRId64
                     " by a tool, which wiped what is already delivered",
                     p->number, at.offset);
        return;
    }
    if (low > at.offset) {
        lt_part_stop(
            e, p, "UNDELIVERED-DELETED", false, "raise the queue's retention; compare the target with lt.intake",
            "%s/%" PRId32 " starts at %" PRId64 ", records from %" PRId64 " on were deleted before they were delivered",
            e->topic, p->number, low, at.offset);
        return;
    }
    if (high < at.offset) {
        lt_part_stop(e, p, "QUEUE-CHANGED", true, "find out who made the topic again or lost its records",
                     "%s/%" PRId32 " ends at %" PRId64 ", before the position %" PRId64
                     ": records that were delivered are gone, and new ones would be taken for them",
                     e->topic, p->number, high, at.offset);
        return;
    }
    int64_t intent = lt_delivery_position_first(&pos, LT_MARK_INTENT);
    if (intent >= 0 && !e->traits.repeat_unknown) {
        stop_unknown(e, p->number, p->epoch, intent);
        return;
    }
    r = ops->start(e->log, p->number, at.offset, &err);
    if (r != LT_OK) {
        p->retry_at_ms = lt_engine_now(e) + BUSY_RETRY_MS;
        snprintf(p->text, sizeof(p->text), "%s", err.text);
        return;
    }
    p->position = pos;
    p->committed = at;
    p->next = at.offset;
    p->fetching = true;
    p->paused = false;
    p->state = LT_PART_RUNNING;
    p->reason[0] = p->text[0] = p->command[0] = 0;
    p->since_ms = lt_now_ms();
    lt_info(e->subject, "partition-running", "partition %" PRId32 " of %s runs from offset %" PRId64, p->number,
            e->topic, at.offset);
}

void lt_parts_load(struct lt_engine *e)
{
    int64_t now = lt_engine_now(e);
    size_t n = 0;
    struct lt_part *p;
    DL_COUNT2(e->parts, p, n, next_part);
    /* Loading can serve polls, which change the list: look the next one up by place. */
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        for (p = e->parts; p && at < i; p = p->next_part)
            at++;
        if (!p)
            return;
        if (p->state == LT_PART_STOPPED && p->retry_at_ms > 0 && p->retry_at_ms <= now && p->running == 0) {
            char reason[sizeof(p->reason)];
            memcpy(reason, p->reason, sizeof(reason));
            lt_part_reload(e, p);
            memcpy(p->reason, reason, sizeof(reason)); /* kept until it runs */
        }
        if (p->state == LT_PART_LOADING && p->retry_at_ms <= now)
            load(e, p);
    }
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
        int64_t span = p->next - p->position.base;
        bool pause = e->over_memory || span >= (p->paused ? WINDOW_RESUME : LT_DELIVERY_WINDOW);
        struct lt_err err = LT_ERR_INIT;
        if (pause == p->paused)
            continue;
        if (e->log->ops->pause(e->log, p->number, pause, &err) == LT_OK)
            p->paused = pause;
        else
            lt_warn(e->subject, "pause", "partition %" PRId32 ": %s", p->number, err.text);
    }
}

void lt_part_record_take(struct lt_engine *e, struct lt_log_record *r)
{
    struct lt_part *p = lt_part_find(e, r->partition);
    if (!p || p->state != LT_PART_RUNNING || r->offset < p->next) {
        /* Fetched before a stop or a reload: it comes again when the partition runs from its position. */
        e->log->ops->record_free(e->log, r);
        return;
    }
    enum lt_mark mark = lt_delivery_position_mark(&p->position, r->offset);
    if (mark == LT_MARK_DONE) {
        p->next = r->offset + 1;
        e->skipped++;
        lt_part_dirty(e, p);
        e->log->ops->record_free(e->log, r);
        return;
    }
    struct lt_event ev;
    struct lt_err err = LT_ERR_INIT;
    const struct lt_event_type *type = NULL;
    const enum lt_step *steps;
    if (lt_event_read(r->key, &r->headers, r->value, &ev, &err) != LT_OK) {
        lt_part_stop(e, p, "BAD-RECORD", false, "find out who writes to the queue besides the core",
                     "offset %" PRId64 ": not a canonical event: %s", r->offset, err.text);
    } else if (!(type = lt_event_type_by_name(ev.type)) && e->set.adapter->steps(NULL, &steps) == 0) {
        lt_part_stop(e, p, "REJECTED", false, "correct the route, or run a version that knows the type",
                     "offset %" PRId64 ", dossier " LT_SPAN_FMT ": no steps are known for events of type " LT_SPAN_FMT,
                     r->offset, LT_SPAN_ARG(ev.key), LT_SPAN_ARG(ev.type));
    }
    if (p->state != LT_PART_RUNNING) { /* next stays: the position must not pass it */
        e->log->ops->record_free(e->log, r);
        return;
    }
    p->next = r->offset + 1;
    e->records++;
    struct lt_item *i = lt_item_new(e, p, r, &ev, type);
    i->unknown = mark == LT_MARK_INTENT;
}
