#include "gateway/delivery/internal.h"

#include <assert.h>

static void list_remove(struct lt_engine *e, struct lt_item *i)
{
    if (i->state != LT_ITEM_QUEUED && i->state != LT_ITEM_HELD)
        DL_DELETE(e->lists[i->state], i);
    e->counts[i->state]--;
}

void lt_item_set(struct lt_engine *e, struct lt_item *i, enum lt_item_state s)
{
    list_remove(e, i);
    i->state = s;
    e->counts[s]++;
    if (s != LT_ITEM_QUEUED && s != LT_ITEM_HELD)
        DL_APPEND(e->lists[s], i);
}

void lt_item_set_first(struct lt_engine *e, struct lt_item *i, enum lt_item_state s)
{
    assert(s != LT_ITEM_QUEUED && s != LT_ITEM_HELD);
    list_remove(e, i);
    i->state = s;
    e->counts[s]++;
    DL_PREPEND(e->lists[s], i);
}

void lt_item_delay(struct lt_engine *e, struct lt_item *i, int64_t until_ms)
{
    i->not_before_ms = until_ms;
    lt_item_set(e, i, LT_ITEM_DELAYED);
}

static size_t record_bytes(const struct lt_log_record *r)
{
    size_t n = sizeof(struct lt_item) + sizeof(*r) + r->key.len + r->value.len;
    for (size_t i = 0; i < r->headers.len; i++)
        n += r->headers.v[i].name.len + r->headers.v[i].value.len;
    return n;
}

struct lt_item *lt_item_new(struct lt_engine *e, struct lt_part *p, struct lt_log_record *r, const struct lt_event *ev,
                            const struct lt_event_type *type)
{
    struct lt_item *i = lt_alloc(sizeof(*i));
    i->event = *ev;
    i->arena = LT_ARENA_INIT;
    i->record = r;
    i->part = p;
    i->state = LT_ITEM_QUEUED;
    i->outcome = LT_OUTCOME_PASS;
    i->steps_len = e->set.adapter->steps(type, &i->steps);
    i->work = (struct lt_work){.event = &i->event, .arena = &i->arena};
    i->arrived_ms = lt_engine_now(e);
    i->bytes = record_bytes(r);
    e->counts[LT_ITEM_QUEUED]++;
    e->bytes += i->bytes;
    DL_APPEND2(p->items, i, part_prev, part_next);
    p->items_len++;

    struct lt_lane *lane;
    HASH_FIND(hh, p->lanes, ev->key.ptr, ev->key.len, lane);
    if (!lane) {
        lane = lt_alloc(sizeof(*lane));
        lane->key = lt_strndup(ev->key.ptr, ev->key.len);
        lane->key_len = ev->key.len;
        HASH_ADD_KEYPTR(hh, p->lanes, lane->key, lane->key_len, lane);
    }
    i->lane = lane;
    if (lane->tail)
        lane->tail->lane_next = i;
    else
        lane->head = i;
    lane->tail = i;
    if (lane->head == i)
        lt_item_set(e, i, LT_ITEM_READY);
    return i;
}

void lt_item_finished(struct lt_engine *e, struct lt_item *i)
{
    struct lt_part *p = i->part;
    struct lt_lane *lane = i->lane;
    assert(lane->head == i);
    lane->head = i->lane_next;
    if (!lane->head) {
        HASH_DEL(p->lanes, lane);
        free(lane->key);
        free(lane);
    } else if (p->state == LT_PART_RUNNING) {
        lt_item_set(e, lane->head, LT_ITEM_READY);
    }
    DL_DELETE2(p->items, i, part_prev, part_next);
    p->items_len--;
    lt_item_free(e, i);
}

void lt_item_free(struct lt_engine *e, struct lt_item *i)
{
    list_remove(e, i);
    e->bytes -= i->bytes;
    e->log->ops->record_free(e->log, i->record);
    lt_arena_deinit(&i->arena);
    free(i);
}

enum lt_mark lt_item_mark(const struct lt_engine *e, const struct lt_item *i)
{
    if (i->state == LT_ITEM_FINISHED)
        return i->in_txn ? LT_MARK_DONE : i->once_sent || i->unknown ? LT_MARK_INTENT : LT_MARK_OPEN;
    if (i->unknown || i->once_sent || i->state == LT_ITEM_INTENT)
        return LT_MARK_INTENT;
    if (i->state == LT_ITEM_RUNNING && e->set.adapter->once(i->steps[i->step_at]))
        return LT_MARK_INTENT;
    return LT_MARK_OPEN;
}
