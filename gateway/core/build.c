/*
 * Rules 6 and 7: the index of a partition from its log.
 *
 * Records are judged in groups: the keys of a group are taken first and their places in the index fetched together, so
 * that the look-ups do not wait for memory one after the other.
 */
#include "gateway/core/loading.h"
#include "gateway/model/event.h"

#include <inttypes.h>

#define GROUP 32

/* One record of a group, in offset order. */
struct taken {
    struct lt_index_key key;
    int64_t offset;
    uint64_t generation;
    bool valid; /* an event; an invalid record only moves the clock */
};

struct build {
    struct lt_loading *l;
    struct taken group[GROUP];
    size_t group_len;
    int64_t expected; /* offset of the next record */
    int64_t hole_at;  /* -1: none */
    int64_t hole_to;
    bool any, failed;
    struct lt_err err;
};

/* Where to start reading, and whether the place itself proves that nothing live lies before it. */
static bool choose_start(struct lt_loading *l)
{
    l->from = 0;
    int64_t back_ms = ((int64_t)l->window.generations + 2) * l->window.generation_ms;
    if (l->position.clock_ms > back_ms) {
        struct lt_err err = LT_ERR_INIT;
        int r =
            l->load->log->ops->offset_at(l->load->log, l->p->number, l->position.clock_ms - back_ms, &l->from, &err);
        if (lt_loading_lost(l))
            return false;
        if (r != LT_LOG_OK) {
            lt_loading_wait(l, "finding the start of the window in the log", &err);
            return false;
        }
    }
    l->head_proved = l->from > l->low || l->low == 0;
    if (l->committed > 0)
        l->from = LT_MIN(l->from, l->committed - 1); /* the anchor is always read */
    l->from = LT_MIN(LT_MAX(l->from, l->low), l->committed);
    return true;
}

static bool judge_group(struct build *b)
{
    struct lt_index *ix = b->l->index;
    if (lt_index_reserve(ix, b->group_len, &b->err) < 0)
        return false;
    for (size_t i = 0; i < b->group_len; i++)
        if (b->group[i].valid)
            lt_index_prefetch(ix, &b->group[i].key);
    for (size_t i = 0; i < b->group_len; i++) {
        const struct taken *t = &b->group[i];
        struct lt_finding ignored;
        if (!t->valid)
            lt_index_advance(ix, t->generation);
        else if (lt_index_judge(ix, &t->key, t->offset, t->generation, &ignored, &b->err) < 0)
            return false;
    }
    b->group_len = 0;
    return true;
}

static int take_record(void *ctx, const struct lt_log_record *r)
{
    struct build *b = ctx;
    struct lt_loading *l = b->l;
    if (atomic_load(l->load->stopping))
        return 1;
    if (r->offset != b->expected && !lt_accepted_covers(&l->p->accepted, b->expected, r->offset)) {
        b->hole_at = b->expected;
        b->hole_to = r->offset;
        return 1;
    }
    b->expected = r->offset + 1;
    l->clock_ms = lt_position_clock(l->clock_ms, r);
    struct taken *t = &b->group[b->group_len++];
    *t = (struct taken){.offset = r->offset, .generation = lt_generation_of(&l->window, l->clock_ms)};
    if (!b->any) /* not its own clock: a sender's clock that was slow would make what lies before it look older */
        l->first_generation = lt_generation_of(
            &l->window, r->append_ms < 0 ? l->position.clock_ms : LT_MIN(r->append_ms, l->position.clock_ms));
    b->any = true;
    if (r->offset == l->committed - 1)
        l->last_anchor = lt_position_anchor(r);
    struct lt_event e;
    t->valid = lt_event_read(r->key, &r->headers, r->value, &e, NULL) == LT_OK &&
               lt_index_key_of(e.id, e.digest, e.digest_v, lt_headers_value(&r->headers, "lt_replay"), &t->key);
    if (b->group_len == GROUP && !judge_group(b)) {
        b->failed = true;
        return 1;
    }
    return 0;
}

static bool read_log(struct lt_loading *l)
{
    if (l->from == l->committed)
        return true;
    struct build b = {.l = l, .expected = l->from, .hole_at = -1};
    struct lt_err err = LT_ERR_INIT;
    int r = l->load->log->ops->scan(l->load->log, NULL, l->p->number, l->from, l->committed, take_record, &b, &err);
    if (lt_loading_lost(l) || atomic_load(l->load->stopping))
        return false;
    if (b.failed || !judge_group(&b)) {
        lt_partition_stop(l->p, b.err.code == LT_E_LIMIT ? LT_STOP_INDEX_FULL : LT_STOP_INDEX_DIFFERS, NULL, "%s",
                          b.err.text);
        return false;
    }
    if (r == LT_LOG_OK && b.hole_at < 0 && !lt_accepted_covers(&l->p->accepted, b.expected, l->committed)) {
        b.hole_at = b.expected;
        b.hole_to = l->committed;
    }
    if (b.hole_at >= 0) {
        lt_partition_stop_hole(l->p, b.hole_at, b.hole_to);
        return false;
    }
    if (r != LT_LOG_OK) {
        lt_loading_wait(l, "reading the log to build the index", &err);
        return false;
    }
    return true;
}

bool lt_loading_build(struct lt_loading *l)
{
    if (!choose_start(l))
        return false;
    lt_index_free(l->index);
    l->index = lt_index_new(l->window.generations, l->load->index_bytes_max);
    l->clock_ms = 0;
    return read_log(l);
}
