/* Parking: a dossier that cannot go on takes itself and its later events out of the queue, into the ledger. */
#include "gateway/delivery/internal.h"

#include "gateway/base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define SPAN_MAX 10000 /* deliveries finished beyond the oldest open one, of one partition */

static void add_lane(struct lt_engine *e, struct lt_writes *to, int32_t partition, const struct lt_lane *lane)
{
    struct lt_write *w = lt_write_add(to, e->ledger, partition);
    LT_AUTOFREE char *key = lt_ledger_lane_key(lt_span(lane->key, lane->key_len));
    w->key = lt_arena_span(&w->arena, lt_span_str(key));
    if (lane->state != LT_LANE_OPEN) {
        LT_AUTOFREE char *value = lt_ledger_lane_value(&lane->record);
        w->value = lt_arena_span(&w->arena, lt_span_str(value));
    }
}

void lt_lane_write(struct lt_engine *e, struct lt_part *p, struct lt_lane *lane)
{
    add_lane(e, &p->writes, p->number, lane);
    lt_part_dirty(e, p);
}

void lt_item_park(struct lt_engine *e, struct lt_item *i)
{
    int64_t settles_ms = LT_MAX(i->settled_ms - lt_engine_now(e), 0);
    struct lt_parked_state s = {.unknown = i->unknown,
                                .until_ms = lt_engine_wall(e) + settles_ms,
                                .settles_ms = settles_ms,
                                .outcome = i->outcome};
    snprintf(s.step, sizeof(s.step), "%s", lt_item_step_name_at(i, i->anew ? 0 : i->step_at));
    if (i->sent_to > 0)
        snprintf(s.sent, sizeof(s.sent), "%s", lt_item_step_name_at(i, i->sent_to));
    struct lt_write *w = lt_write_add(&i->writes, e->ledger, i->part->number);
    LT_AUTOFREE char *key = lt_ledger_order_key(LT_LEDGER_PARKED, i->event.key, i->record->offset);
    w->key = lt_arena_span(&w->arena, lt_span_str(key));
    w->headers = i->record->headers; /* lent: the item lives until this is committed */
    w->value = i->record->value.ptr ? i->record->value : lt_span("", 0);
    lt_parked_state_put(&s, &w->arena, &w->headers);
    if (i->redriven) { /* data that an operator gave is the event's own now */
        w = lt_write_add(&i->writes, e->ledger, i->part->number);
        LT_AUTOFREE char *data = lt_ledger_order_key(LT_LEDGER_DATA, i->event.key, i->record->offset);
        w->key = lt_arena_span(&w->arena, lt_span_str(data));
    } else {
        i->lane->arriving++;
    }
    lt_item_set(e, i, LT_ITEM_PARKING);
    lt_item_dirty(e, i);
}

static void add(struct lt_item *i, const struct lt_effect *f)
{
    struct lt_write *w = lt_write_add(&i->writes, f->topic, -1);
    w->key = f->key;
    w->headers = f->headers;
    w->value = f->value;
}

/* The target's own words to the province, if its adapter brought any. */
static bool tells_province(const struct lt_item *i)
{
    if (i->result.outcome != LT_OUTCOME_REJECT) /* the target took the step: it said no word of a refusal */
        return false;
    for (size_t n = 0; n < i->result.notes_len; n++)
        if (i->result.notes[n].to == LT_NOTE_PROVINCE)
            return true;
    return false;
}

/* Rule 8: the refusal is explained to the operator, with the event as it was, and to the province. */
static void explain(struct lt_engine *e, struct lt_item *i, const struct lt_lane_record *l)
{
    struct lt_effect f = {0};
    const struct lt_refused why = {.target = e->name,
                                   .step = l->step,
                                   .code = l->code,
                                   .text = l->text,
                                   .reason = l->reason,
                                   .rounds = l->rounds,
                                   .wall_ms = lt_engine_wall(e)};
    lt_effect_deadletter(i->record, &why, e->set.record_max, &i->arena, &f);
    add(i, &f);
    lt_effect_refused(i->record, &i->event, &why, &i->arena, &f);
    /* Not by the call-back to the province itself: it cannot be told there. */
    if (!e->traits.tell_no_refusals && !tells_province(i) && strcmp(f.topic, e->topic) != 0)
        add(i, &f);
}

void lt_lane_park(struct lt_engine *e, struct lt_item *head, const char *reason, const char *code, const char *text)
{
    struct lt_part *p = head->part;
    struct lt_lane *lane = head->lane;
    assert(lane->head == head);
    struct lt_lane_record *l = &lane->record;
    l->rounds = lane->state == LT_LANE_RETRYING ? l->rounds + 1 : 0;
    l->since_ms = lt_engine_wall(e);
    lane->known_ms = lt_engine_now(e);
    l->release = l->skip = -1;
    snprintf(l->reason, sizeof(l->reason), "%s", reason);
    snprintf(l->step, sizeof(l->step), "%s", lt_item_step_name(head));
    snprintf(l->code, sizeof(l->code), "%s", code);
    snprintf(l->text, sizeof(l->text), "%s", text);
    lt_lane_set(p, lane, LT_LANE_PARKED);
    /* Lane, explanation, count and event in one transaction, whatever else that one has no room for. */
    add_lane(e, &head->writes, p->number, lane);
    lane->leader = head;
    head->leads = true;
    if (strcmp(reason, "unknown") == 0) {
        head->counted = LT_COUNT_UNKNOWNS;
    } else if (strcmp(reason, "rejected") == 0) {
        head->counted = LT_COUNT_REJECTS;
        explain(e, head, l);
    }
    e->parkings++;
    lt_warn(e->subject, "lane-parked",
            "partition %" PRId32 ", offset %" PRId64 ", step %s: %s (%s); see `lienthong parked`", p->number,
            head->record->offset, l->step, reason, code);

    struct lt_item *i = lane->head, *next;
    lane->head = lane->tail = NULL;
    for (; i; i = next) {
        next = i->lane_next;
        i->lane_next = NULL;
        if (i != head && i->redriven && !i->open.key)
            lt_item_free(e, i); /* its P record stays as it is */
        else
            lt_item_park(e, i);
    }
}

void lt_parts_bound_spans(struct lt_engine *e)
{
    struct lt_part *p;
    if (e->gate.state != LT_GATE_FLOWING) /* nothing is finished beyond anything now */
        return;
    DL_FOREACH2(e->parts, p, next_part)
    {
        size_t span = e->set.span_max > 0 ? e->set.span_max : SPAN_MAX;
        struct lt_item *i = p->items;
        bool waits = i && (i->state == LT_ITEM_DELAYED || (i->state == LT_ITEM_READY && lt_item_denied_alone(i)));
        if (p->state == LT_PART_RUNNING && waits && HASH_COUNT(p->opens) >= span)
            lt_lane_park(e, i, i->unknown ? "unknown" : "retrying", i->code[0] ? i->code : "waiting",
                         "so many later events are done that its own could no longer hold the position");
    }
}
