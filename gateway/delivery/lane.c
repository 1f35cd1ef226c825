#include "gateway/delivery/internal.h"

#include <assert.h>

/* ---- states ---- */

static void list_remove(struct lt_engine *e, struct lt_item *i)
{
    if (i->state != LT_ITEM_QUEUED)
        DL_DELETE(e->lists[i->state], i);
    e->counts[i->state]--;
}

void lt_item_set(struct lt_engine *e, struct lt_item *i, enum lt_item_state s)
{
    list_remove(e, i);
    i->state = s;
    e->counts[s]++;
    if (s != LT_ITEM_QUEUED)
        DL_APPEND(e->lists[s], i);
}

bool lt_item_once(const struct lt_engine *e, const struct lt_item *i)
{
    return i->step_at < i->steps_len && e->set.adapter->once(lt_item_step(i));
}

/* Skipped, refused unseen, passed on, or held because a row may be there already: the target has no say in it. */
static bool needs_no_call(const struct lt_engine *e, const struct lt_item *i)
{
    return i->skipped || i->step_at >= i->steps_len ||
           (i->unknown && !i->decided && !e->traits.repeat_unknown && lt_item_once(e, i));
}

void lt_item_ready(struct lt_engine *e, struct lt_item *i, bool first)
{
    enum lt_item_state s = needs_no_call(e, i) ? LT_ITEM_LOCAL : LT_ITEM_READY;
    list_remove(e, i);
    i->state = s;
    e->counts[s]++;
    if (first)
        DL_PREPEND(e->lists[s], i);
    else
        DL_APPEND(e->lists[s], i);
}

void lt_item_delay(struct lt_engine *e, struct lt_item *i, int64_t until_ms)
{
    i->not_before_ms = until_ms;
    lt_item_set(e, i, LT_ITEM_DELAYED);
}

void lt_item_dirty(struct lt_engine *e, struct lt_item *i)
{
    if (!i->dirty) {
        i->dirty = true;
        DL_APPEND2(e->dirty, i, dirty_prev, dirty_next);
    }
    lt_part_dirty(e, i->part);
}

void lt_item_clean(struct lt_engine *e, struct lt_item *i)
{
    if (i->dirty)
        DL_DELETE2(e->dirty, i, dirty_prev, dirty_next);
    i->dirty = false;
}

/*
 * An intent that was withdrawn, or answered with "certainly not", is WAITING; so is the next step of an event whose
 * former step is done. What may have been applied stays UNKNOWN until the target was asked or the event is done.
 */
enum lt_open_state lt_item_want(const struct lt_item *i, bool passed)
{
    switch (i->state) {
    case LT_ITEM_INTENT:
        return LT_OPEN_INTENT;
    case LT_ITEM_FINISHED:
        return passed ? LT_OPEN_NONE : LT_OPEN_DONE;
    case LT_ITEM_PARKING:
        return LT_OPEN_NONE;
    case LT_ITEM_RUNNING:
        return i->open.state;
    default:
        if (i->unknown)
            return LT_OPEN_UNKNOWN;
        return i->open.state == LT_OPEN_NONE && i->step_at == 0 ? LT_OPEN_NONE : LT_OPEN_WAITING;
    }
}

const char *lt_item_step_name_at(const struct lt_item *i, size_t at)
{
    return at < i->steps_len ? lt_step_name(i->steps[at]) : "done";
}

const char *lt_item_step_name(const struct lt_item *i)
{
    return lt_item_step_name_at(i, i->step_at);
}

/* ---- lanes ---- */

struct lt_lane *lt_lane_find(const struct lt_part *p, struct lt_span key)
{
    struct lt_lane *lane;
    HASH_FIND(hh, p->lanes, key.ptr, key.len, lane);
    return lane;
}

struct lt_lane *lt_lane_get(struct lt_part *p, struct lt_span key)
{
    struct lt_lane *lane = lt_lane_find(p, key);
    if (!lane) {
        lane = lt_alloc(sizeof(*lane));
        lane->key = lt_strndup(key.ptr, key.len);
        lane->key_len = key.len;
        lane->record.release = lane->record.skip = -1;
        HASH_ADD_KEYPTR(hh, p->lanes, lane->key, lane->key_len, lane);
    }
    return lane;
}

bool lt_lane_holds(const struct lt_lane *lane, int64_t order)
{
    size_t from = 0, to = lane->parked.len;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (lane->parked.v[middle] < order)
            from = middle + 1;
        else
            to = middle;
    }
    return from < lane->parked.len && lane->parked.v[from] == order;
}

void lt_lane_settle(struct lt_part *p, struct lt_lane *lane)
{
    if (lane->head || lane->state != LT_LANE_OPEN || lane->arriving > 0 || lane->leader || lane->parked.len > 0)
        return;
    HASH_DEL(p->lanes, lane);
    lt_vec_deinit(&lane->parked);
    free(lane->key);
    free(lane);
}

void lt_lane_set(struct lt_part *p, struct lt_lane *lane, enum lt_lane_state s)
{
    p->lanes_parked += (s == LT_LANE_PARKED) - (lane->state == LT_LANE_PARKED);
    p->lanes_retrying += (s == LT_LANE_RETRYING) - (lane->state == LT_LANE_RETRYING);
    lane->state = s;
    lane->record.retrying = s == LT_LANE_RETRYING;
}

void lt_lane_append(struct lt_engine *e, struct lt_lane *lane, struct lt_item *i)
{
    if (lane->tail)
        lane->tail->lane_next = i;
    else
        lane->head = i;
    lane->tail = i;
    if (lane->head == i)
        lt_item_ready(e, i, false);
}

void lt_lane_next(struct lt_engine *e, struct lt_lane *lane)
{
    struct lt_item *i = lane->head;
    lane->head = i->lane_next;
    i->lane_next = NULL;
    if (!lane->head)
        lane->tail = NULL;
    else if (lane->head->state == LT_ITEM_QUEUED && i->part->state == LT_PART_RUNNING)
        lt_item_ready(e, lane->head, false);
}

/* ---- items ---- */

size_t lt_item_bytes(const struct lt_log_record *r)
{
    size_t n = sizeof(struct lt_item) + sizeof(*r) + r->key.len + r->value.len;
    for (size_t i = 0; i < r->headers.len; i++)
        n += r->headers.v[i].name.len + r->headers.v[i].value.len;
    return n;
}

struct lt_log_record *lt_record_copy(struct lt_arena *a, const struct lt_log_record *r)
{
    struct lt_log_record *c = lt_arena_alloc(a, sizeof(*c));
    *c = *r;
    c->impl = NULL;
    c->topic = "";
    c->key = lt_arena_span(a, r->key);
    c->value = lt_arena_span(a, r->value);
    for (size_t i = 0; i < c->headers.len; i++) {
        c->headers.v[i].name = lt_arena_span(a, r->headers.v[i].name);
        c->headers.v[i].value = lt_arena_span(a, r->headers.v[i].value);
    }
    return c;
}

struct lt_item *lt_item_new(struct lt_engine *e, struct lt_part *p, struct lt_log_record *r, const struct lt_event *ev,
                            const struct lt_event_type *type, bool redriven)
{
    struct lt_item *i = lt_alloc(sizeof(*i));
    i->event = *ev;
    i->arena = LT_ARENA_INIT;
    i->record = r;
    i->redriven = redriven;
    i->part = p;
    i->state = LT_ITEM_QUEUED;
    i->outcome = LT_OUTCOME_PASS;
    i->counted = -1;
    i->steps_len = e->set.adapter->steps(type, &i->steps);
    i->untyped = !type && i->steps_len == 0;
    i->run = lt_headers_value(&r->headers, "lt_replay");
    if (i->run.len == 0)
        i->run = LT_SPAN_LIT("-");
    i->work = (struct lt_work){.event = &i->event, .arena = &i->arena};
    i->arrived_ms = lt_engine_now(e);
    i->bytes = lt_item_bytes(r);
    e->counts[LT_ITEM_QUEUED]++;
    e->bytes += i->bytes;
    i->lane = lt_lane_get(p, ev->key);
    if (redriven) {
        DL_APPEND2(p->redriven, i, part_prev, part_next);
    } else {
        DL_APPEND2(p->items, i, part_prev, part_next);
        p->items_len++;
    }
    return i;
}

void lt_item_free(struct lt_engine *e, struct lt_item *i)
{
    list_remove(e, i);
    lt_item_clean(e, i);
    if (i->part && i->redriven) {
        DL_DELETE2(i->part->redriven, i, part_prev, part_next);
    } else if (i->part) {
        DL_DELETE2(i->part->items, i, part_prev, part_next);
        i->part->items_len--;
    }
    e->bytes -= i->bytes;
    if (!i->redriven)
        e->log->ops->record_free(e->log, i->record);
    lt_writes_drop(&i->writes, i->writes.len);
    free(i->open.key);
    lt_arena_deinit(&i->arena);
    free(i);
}
