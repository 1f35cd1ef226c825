#include "gateway/core/index_crowd.h"

#include <uthash.h>

struct lt_crowd_place {
    uint64_t place;
    struct lt_crowd_list list;
    UT_hash_handle hh;
};

/* What a place costs beside its list, roughly: uthash allocates on its own. */
#define PLACE_BYTES (sizeof(struct lt_crowd_place) + 16)

static void drop(struct lt_crowd *c, struct lt_crowd_place *p)
{
    HASH_DEL(c->places, p);
    c->bytes -= PLACE_BYTES + p->list.size * sizeof(*p->list.v);
    c->len -= p->list.len;
    free(p->list.v);
    free(p);
}

void lt_crowd_deinit(struct lt_crowd *c)
{
    struct lt_crowd_place *p, *next;
    HASH_ITER (hh, c->places, p, next)
        drop(c, p);
}

static struct lt_crowd_place *find(const struct lt_crowd *c, uint64_t place)
{
    struct lt_crowd_place *p;
    HASH_FIND(hh, c->places, &place, sizeof(place), p);
    return p;
}

struct lt_crowd_list *lt_crowd_find(const struct lt_crowd *c, uint64_t place)
{
    struct lt_crowd_place *p = find(c, place);
    return p ? &p->list : NULL;
}

void lt_crowd_add(struct lt_crowd *c, uint64_t place, const struct lt_entry *e)
{
    struct lt_crowd_place *p = find(c, place);
    if (!p) {
        p = lt_alloc(sizeof(*p));
        p->place = place;
        HASH_ADD(hh, c->places, place, sizeof(p->place), p);
        c->bytes += PLACE_BYTES;
    }
    if (p->list.len == p->list.size) {
        c->bytes -= p->list.size * sizeof(*p->list.v);
        p->list.size = LT_MAX(p->list.size * 2, 2);
        p->list.v = lt_realloc(p->list.v, p->list.size * sizeof(*p->list.v));
        c->bytes += p->list.size * sizeof(*p->list.v);
    }
    p->list.v[p->list.len++] = *e;
    c->len++;
}

void lt_crowd_filter(struct lt_crowd *c, bool (*fn)(void *ctx, uint64_t place, const struct lt_entry *e), void *ctx)
{
    struct lt_crowd_place *p, *next;
    HASH_ITER (hh, c->places, p, next) {
        size_t kept = 0;
        for (size_t i = 0; i < p->list.len; i++)
            if (fn(ctx, p->place, &p->list.v[i]))
                p->list.v[kept++] = p->list.v[i];
        c->len -= p->list.len - kept;
        p->list.len = kept;
        if (kept == 0)
            drop(c, p);
    }
}
