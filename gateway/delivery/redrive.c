/* Rule 9: parked events of lanes that an operator let go on come back from the ledger and run in order. */
#include "gateway/delivery/internal.h"

#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define LOAD_MS 200      /* between two readings of a partition's ledger */
#define EVENTS_MAX 10000 /* brought back by one reading of the ledger */
#define LANES_MAX 5000

struct wanted {
    char *key; /* of its P record */
    struct lt_span dossier;
    int64_t order;
    bool first; /* of its lane */
    bool found, replaced;
    bool left;             /* there is no room for it now, nor for what follows it in its lane */
    struct lt_arena arena; /* becomes the item's */
    struct lt_log_record *record;
    struct lt_span data;
    UT_hash_handle hh;
};

/* One reading of a partition's ledger. */
struct lt_redrive {
    struct wanted *by_key;
    LT_VEC(struct wanted *) in_order;
    size_t bytes, bytes_max;
    int32_t number;
    uint64_t epoch;
    struct lt_slice slice;
};

static void copy_record(struct wanted *w, const struct lt_log_record *r)
{
    w->record = lt_record_copy(&w->arena, r);
    w->record->offset = w->order;
    w->record->key = lt_arena_span(&w->arena, w->dossier);
}

/* Within the memory that is left. One always fits, or a great redrive would never begin. */
static bool fits(struct lt_redrive *l, const struct wanted *w, const struct lt_log_record *r)
{
    size_t n = lt_item_bytes(r);
    if (w != l->in_order.v[0] && l->bytes + n > l->bytes_max)
        return false;
    l->bytes += n;
    return true;
}

static int take(void *ctx, const struct lt_log_record *r)
{
    struct lt_redrive *l = ctx;
    struct wanted *w;
    enum lt_ledger_kind kind;
    struct lt_span dossier;
    int64_t order;
    if (!lt_ledger_key(r->key, &kind, &dossier, &order) || (kind != LT_LEDGER_PARKED && kind != LT_LEDGER_DATA))
        return 0;
    LT_AUTOFREE char *key = lt_ledger_order_key(LT_LEDGER_PARKED, dossier, order);
    HASH_FIND_STR(l->by_key, key, w);
    if (!w)
        return 0;
    if (kind == LT_LEDGER_PARKED) { /* a later version is the whole event again */
        w->found = !r->value_null;
        w->left = w->found && !fits(l, w, r);
        if (w->found && !w->left)
            copy_record(w, r);
    } else {
        w->replaced = !r->value_null;
        w->data = w->replaced ? lt_arena_span(&w->arena, r->value) : LT_SPAN_NULL;
    }
    return 0;
}

static void want_lane(struct lt_redrive *l, const struct lt_lane *lane)
{
    for (size_t n = 0; n < lane->parked.len && n < LT_PARKED_LOAD; n++) {
        struct wanted *w = lt_alloc(sizeof(*w));
        struct lt_span dossier = lt_span(lane->key, lane->key_len);
        w->arena = LT_ARENA_INIT;
        w->order = lane->parked.v[n];
        w->first = n == 0;
        w->key = lt_ledger_order_key(LT_LEDGER_PARKED, dossier, w->order);
        w->dossier = lt_arena_span(&w->arena, dossier); /* the lane may be gone when the reading ends */
        HASH_ADD_KEYPTR(hh, l->by_key, w->key, strlen(w->key), w);
        *lt_vec_push(&l->in_order) = w;
    }
}

/* While the target is paused only a skip goes on: it needs no call. */
static bool waits_for_load(const struct lt_lane *lane, bool paused)
{
    return lane->state == LT_LANE_RETRYING && !lane->head && lane->parked.len > 0 &&
           (!paused || lane->record.skip == lane->parked.v[0]);
}

/* When a pause's time has come something must be there to probe with, and it may be that only these are left. */
static bool is_paused(const struct lt_engine *e, const struct lt_part *p)
{
    bool gate = e->gate.state == LT_GATE_PAUSED && lt_gate_wait_ms(&e->gate, lt_engine_now(e)) > 0;
    return gate || p->paused_by[0];
}

static void want(const struct lt_engine *e, struct lt_redrive *l, const struct lt_part *p)
{
    bool paused = is_paused(e, p);
    struct lt_lane *lane, *next;
    size_t lanes = 0;
    HASH_ITER (hh, p->lanes, lane, next) {
        if (waits_for_load(lane, paused) && l->in_order.len < EVENTS_MAX && lanes++ < LANES_MAX)
            want_lane(l, lane);
    }
}

static void release(struct wanted *w)
{
    lt_arena_deinit(&w->arena);
    free(w->key);
    free(w);
}

/* false: the ledger does not hold it as an event. */
static bool make_item(struct lt_engine *e, struct lt_part *p, struct wanted *w)
{
    struct lt_event ev;
    struct lt_parked_state parked;
    struct lt_lane *lane = lt_lane_find(p, w->dossier);
    if (!lane || lane->state != LT_LANE_RETRYING)
        return true; /* decided otherwise while the ledger was read */
    if (!w->found)
        return false;
    lt_parked_state_get(&w->record->headers, &parked);
    if (w->replaced)
        w->record->value = w->data;
    if (lt_event_read(w->record->key, &w->record->headers, w->record->value, &ev, NULL) != LT_OK)
        return false;
    const struct lt_event_type *type = lt_event_type_by_name(ev.type);
    struct lt_item *i = lt_item_new(e, p, w->record, &ev, type, true);
    i->arena = w->arena;
    w->arena = LT_ARENA_INIT;
    i->run = lt_arena_span(&i->arena, lt_span_str(lane->record.decision[0] ? lane->record.decision : "-"));
    lt_item_recall(e, i, &parked, w->replaced);
    i->skipped = lane->record.skip == w->order;
    if (lane->record.release == w->order && !i->open.key && i->step_at < i->steps_len) {
        /* An operator saw it at the target. With an I record it has gone on since. */
        i->step_at++;
        i->unknown = i->decided = i->work.after_unknown = false;
        i->outcome = LT_OUTCOME_OK;
    }
    lt_lane_append(e, lane, i);
    return true;
}

void lt_redrive_drop(struct lt_engine *e)
{
    struct lt_redrive *l = e->redrive;
    if (!l)
        return;
    for (size_t n = 0; n < l->in_order.len; n++) {
        HASH_DEL(l->by_key, l->in_order.v[n]);
        release(l->in_order.v[n]);
    }
    lt_vec_deinit(&l->in_order);
    free(l);
    e->redrive = NULL;
}

static void begin(struct lt_engine *e, struct lt_part *p)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_redrive *l = lt_alloc(sizeof(*l));
    l->number = p->number;
    l->epoch = p->epoch;
    want(e, l, p);
    e->redrive = l;
    if (e->log->ops->watermarks(e->log, e->ledger, l->number, &l->slice.next, &l->slice.end, &err) != LT_LOG_OK) {
        lt_warn(e->subject, "redrive", "partition %" PRId32 ": parked events could not be read: %s; trying again",
                l->number, err.text);
        lt_redrive_drop(e);
    }
}

static void make_items(struct lt_engine *e, struct lt_part *p)
{
    const struct lt_redrive *l = e->redrive;
    bool left = false;
    for (size_t n = 0; n < l->in_order.len; n++) {
        struct wanted *w = l->in_order.v[n];
        left = w->left || (left && !w->first);
        if (left || make_item(e, p, w))
            continue;
        lt_part_stop(e, p, "LEDGER-DIFFERS", true, "",
                     "%s/%" PRId32 ": the parked event of dossier " LT_SPAN_FMT ", order %" PRId64 " is missing",
                     e->ledger, p->number, LT_SPAN_ARG(w->dossier), w->order);
        return;
    }
}

/* As far as one turn goes. */
static void go_on(struct lt_engine *e)
{
    struct lt_redrive *l = e->redrive;
    struct lt_err err = LT_ERR_INIT;
    l->bytes_max = e->set.memory - LT_MIN(e->bytes, e->set.memory);
    int r = lt_slice_read(e, e->ledger, l->number, &l->slice, take, l, &err);
    struct lt_part *p = lt_part_same(e, l->number, l->epoch);
    if (r != LT_LOG_OK)
        lt_warn(e->subject, "redrive", "partition %" PRId32 ": parked events could not be read: %s; trying again",
                l->number, err.text);
    else if (p && p->state == LT_PART_RUNNING && l->slice.next < l->slice.end)
        return;
    else if (p && p->state == LT_PART_RUNNING)
        make_items(e, p);
    lt_redrive_drop(e);
}

void lt_redrive_load(struct lt_engine *e)
{
    int64_t now = lt_engine_now(e);
    struct lt_part *p;
    if (e->over_memory || e->txn.in_doubt)
        return;
    if (e->redrive) {
        go_on(e);
        return;
    }
    DL_FOREACH2(e->parts, p, next_part)
    {
        bool wanted = false;
        struct lt_lane *lane, *next;
        /* What was decided must stand in the ledger before it is read. */
        if (p->state != LT_PART_RUNNING || p->lanes_retrying == 0 || p->writes.len > 0 || now < p->load_at_ms)
            continue;
        HASH_ITER (hh, p->lanes, lane, next)
            wanted = wanted || waits_for_load(lane, is_paused(e, p));
        p->load_at_ms = now + LOAD_MS;
        if (wanted) {
            begin(e, p);
            return;
        }
    }
}
