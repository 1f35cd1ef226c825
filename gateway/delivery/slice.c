#include "gateway/delivery/internal.h"

#include "gateway/base/clock.h"

#define RECORDS_MAX 2000
#define LEAST 64 /* between two looks at the clock */
#define TIME_MAX_MS 20

struct reading {
    struct lt_slice *slice;
    int (*fn)(void *ctx, const struct lt_log_record *r);
    void *ctx;
    int64_t until_ms; /* real time: what counts is how long calls stand still */
    size_t records;
    bool enough;
};

static int take(void *ctx, const struct lt_log_record *r)
{
    struct reading *x = ctx;
    x->slice->next = r->offset + 1;
    x->records++;
    x->enough =
        x->fn(x->ctx, r) != 0 || x->records >= RECORDS_MAX || (x->records % LEAST == 0 && lt_mono_ms() >= x->until_ms);
    return x->enough;
}

int lt_slice_read(struct lt_engine *e, const char *topic, int32_t partition, struct lt_slice *s,
                  int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    struct reading x = {.slice = s, .fn = fn, .ctx = ctx, .until_ms = lt_mono_ms() + TIME_MAX_MS};
    if (s->next >= s->end)
        return LT_LOG_OK;
    int r = e->log->ops->scan(e->log, topic, partition, s->next, s->end, take, &x, err);
    if (r == LT_LOG_OK && !x.enough)
        s->next = s->end;
    return r;
}
