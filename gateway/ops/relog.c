#include "gateway/ops/relog.h"

#include "gateway/core/index.h"

#include <inttypes.h>
#include <stdio.h>

struct judged { /* one copy of the outputs */
    int64_t offset;
    enum lt_output_kind kind;
    bool replay, of_quarantine, told;
    char id[LT_EVENT_ID_LEN + 1];
    char key[64];
    const char *topic; /* lent by the routes or a literal */
};

struct lt_relog {
    int32_t partition;
    struct lt_position position;
    int64_t offset;
    LT_VEC(struct judged) copies;
    bool sorted, too_many;
    size_t cursor;   /* in copies, while the log is compared */
    int64_t highest; /* -1: no record of the log was judged */
    struct lt_index *index;
    int64_t clock_ms;
    uint64_t anchor;
    struct lt_err failed; /* of the rebuilding; code LT_OK: none */
    LT_VEC(struct lt_relog_repeat) repeats;
    bool repeats_listed;
};

struct lt_relog *lt_relog_new(int32_t partition, const struct lt_position *position, int64_t offset,
                              size_t index_bytes_max)
{
    struct lt_relog *r = lt_alloc(sizeof(*r));
    *r = (struct lt_relog){.partition = partition, .position = *position, .offset = offset, .highest = -1};
    r->index = lt_index_new(position->window.generations, index_bytes_max);
    return r;
}

void lt_relog_free(struct lt_relog *r)
{
    if (!r)
        return;
    lt_index_free(r->index);
    lt_vec_deinit(&r->copies);
    lt_vec_deinit(&r->repeats);
    free(r);
}

void lt_relog_copy(struct lt_relog *r, const struct lt_output_copy *copy)
{
    if (copy->incarnation != r->position.incarnation || copy->partition != r->partition)
        return;
    if (r->copies.len >= LT_RELOG_COPIES_MAX) {
        r->too_many = true;
        return;
    }
    struct judged *j = lt_vec_push(&r->copies);
    *j = (struct judged){.offset = copy->offset,
                         .kind = copy->kind,
                         .replay = copy->replay,
                         .of_quarantine = lt_span_is(copy->missing, LT_TOPIC_QUARANTINE),
                         .told = copy->told.len > 0,
                         .topic = copy->topic};
    if (copy->id.len <= LT_EVENT_ID_LEN)
        snprintf(j->id, sizeof(j->id), LT_SPAN_FMT, LT_SPAN_ARG(copy->id));
    snprintf(j->key, sizeof(j->key), LT_SPAN_FMT, LT_SPAN_ARG(copy->key));
}

static int by_offset(const void *a, const void *b)
{
    const struct judged *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct lt_relog_repeat *)a)->id, ((const struct lt_relog_repeat *)b)->id);
}

static void sort(struct lt_relog *r)
{
    if (!r->sorted && r->copies.len)
        qsort(r->copies.v, r->copies.len, sizeof(*r->copies.v), by_offset);
    r->sorted = true;
}

void lt_relog_compare(struct lt_relog *r, const struct lt_log_record *rec)
{
    struct lt_span id = lt_headers_value(&rec->headers, "ce_id");
    sort(r);
    while (r->cursor < r->copies.len && r->copies.v[r->cursor].offset < rec->offset)
        r->cursor++;
    /* A record without ce_id proves nothing: any other looks the same. */
    for (size_t i = r->cursor; i < r->copies.len && r->copies.v[i].offset == rec->offset; i++)
        if (id.len && lt_span_is(id, r->copies.v[i].id))
            r->highest = rec->offset;
}

/* Routed once, and nothing in the log before the new position says so any more. */
static void list_repeats(struct lt_relog *r)
{
    sort(r);
    for (size_t i = 0; i < r->copies.len; i++) {
        const struct judged *j = &r->copies.v[i];
        if (j->offset <= r->highest || j->kind != LT_OUTPUT_KIND_ROUTED)
            continue;
        struct lt_relog_repeat *x = lt_vec_push(&r->repeats);
        *x = (struct lt_relog_repeat){.topic = j->topic, .offset = j->offset};
        memcpy(x->id, j->id, sizeof(x->id));
        memcpy(x->key, j->key, sizeof(x->key));
    }
    if (r->repeats.len)
        qsort(r->repeats.v, r->repeats.len, sizeof(*r->repeats.v), by_id);
    r->repeats_listed = true;
}

static int compare_id(const char *a, struct lt_span b)
{
    int c = strncmp(a, b.ptr ? b.ptr : "", b.len);
    return c != 0 || a[b.len] == '\0' ? c : 1;
}

static void mark_repeats(struct lt_relog *r, struct lt_span id)
{
    if (id.len > LT_EVENT_ID_LEN)
        return;
    size_t low = 0, high = r->repeats.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_id(r->repeats.v[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < r->repeats.len && lt_span_is(id, r->repeats.v[low].id); low++)
        r->repeats.v[low].in_log = true;
}

void lt_relog_rebuild(struct lt_relog *r, const struct lt_log_record *rec)
{
    struct lt_event e;
    struct lt_index_key k;
    struct lt_finding ignored;
    if (!r->repeats_listed)
        list_repeats(r);
    if (rec->offset > r->highest) {
        mark_repeats(r, lt_headers_value(&rec->headers, "ce_id"));
        return;
    }
    if (r->failed.code != LT_OK)
        return;
    r->clock_ms = lt_position_clock(r->clock_ms, rec);
    if (rec->offset == r->highest)
        r->anchor = lt_position_anchor(rec);
    uint64_t g = lt_generation_of(&r->position.window, r->clock_ms);
    if (lt_event_read(rec->key, &rec->headers, rec->value, &e, NULL) < 0 ||
        !lt_index_key_of(e.id, e.digest, e.digest_v, lt_headers_value(&rec->headers, "lt_replay"), &k))
        lt_index_advance(r->index, g);
    else if (lt_index_reserve(r->index, 1, &r->failed) < 0 ||
             lt_index_judge(r->index, &k, rec->offset, g, &ignored, &r->failed) < 0)
        return; /* `failed` says why; lt_relog_finish tells it */
}

/* The verdicts of the offsets that are given up, as the outputs tell them; what left no copy was a duplicate. */
static int take_back(const struct lt_relog *r, int64_t next, const struct lt_accepted *accepted, struct lt_position *p,
                     struct lt_err *err)
{
    uint64_t gone[LT_VERDICTS] = {0}, undeliverable = 0, told = 0, holes = 0;
    for (size_t i = 0; i < accepted->holes_len; i++) {
        int64_t from = LT_MAX(accepted->holes[i].from, next), to = LT_MIN(accepted->holes[i].to, r->offset);
        holes += to > from ? (uint64_t)(to - from) : 0;
    }
    int64_t last = -1;
    for (size_t i = 0; i < r->copies.len; i++) {
        const struct judged *j = &r->copies.v[i];
        if (j->offset < next || j->offset >= r->offset)
            continue;
        undeliverable += j->kind == LT_OUTPUT_KIND_UNDELIVERABLE;
        if (j->told) /* of a verdict that other copies show, or of a duplicate, which has none */
            continue;
        if (j->offset == last)
            continue;
        last = j->offset;
        told++;
        bool conflict =
            j->kind == LT_OUTPUT_KIND_CONFLICT || (j->kind == LT_OUTPUT_KIND_UNDELIVERABLE && j->of_quarantine);
        gone[j->kind == LT_OUTPUT_KIND_INVALID ? LT_VERDICT_INVALID
             : conflict                        ? LT_VERDICT_CONFLICT
             : j->replay                       ? LT_VERDICT_REPLAY
                                               : LT_VERDICT_NEW]++;
    }
    uint64_t span = (uint64_t)(r->offset - next);
    bool ok = told + holes <= span && holes <= p->holes && undeliverable <= p->undeliverable;
    gone[LT_VERDICT_DUPLICATE] = span - told - holes;
    for (int v = 0; v < LT_VERDICTS && ok; v++) {
        ok = gone[v] <= p->verdicts[v];
        p->verdicts[v] -= gone[v];
    }
    if (!ok)
        return lt_err_set(err, LT_E_INVALID, "counters",
                          "the outputs from offset %" PRId64 " to %" PRId64
                          " do not fit the position's counters: it is not the position they were written with",
                          next, r->offset);
    p->holes -= holes;
    p->undeliverable -= undeliverable;
    return LT_OK;
}

int lt_relog_finish(struct lt_relog *r, const struct lt_accepted *accepted, struct lt_relog_result *ret,
                    struct lt_err *err)
{
    if (!r->repeats_listed)
        list_repeats(r);
    if (r->too_many)
        return lt_err_set(err, LT_E_LIMIT, "too-many-copies", "more than %d copies of partition %" PRId32,
                          LT_RELOG_COPIES_MAX, r->partition);
    if (r->failed.code != LT_OK)
        return lt_err_set(err, r->failed.code, r->failed.kind, "%s", r->failed.text);
    int64_t next = r->highest + 1;
    if (r->copies.len && r->copies.v[r->copies.len - 1].offset >= r->offset)
        return lt_err_set(err, LT_E_INVALID, "outputs-ahead",
                          "an output holds a record of offset %" PRId64 ", the last position known is %" PRId64
                          ": it is older than what was written",
                          r->copies.v[r->copies.len - 1].offset, r->offset);
    struct lt_position p = r->position;
    int result = take_back(r, next, accepted, &p, err);
    if (result < 0)
        return result;
    lt_index_advance(r->index, lt_generation_of(&p.window, r->clock_ms));
    p.clock_ms = r->clock_ms;
    p.anchor = r->anchor;
    p.sum = lt_index_sum(r->index);
    *ret =
        (struct lt_relog_result){.offset = next, .position = p, .repeats = r->repeats.v, .repeats_len = r->repeats.len};
    return LT_OK;
}
