#include "adapters/portal/known.h"

#include <uthash.h>

/* uthash keeps the order of insertion: the first of the table is the oldest. */
struct entry {
    UT_hash_handle hh;
    size_t len;
    char key[];
};

struct lt_known {
    struct entry *entries;
    size_t max;
};

struct lt_known *lt_known_new(size_t max)
{
    struct lt_known *k = lt_alloc(sizeof(*k));
    k->max = max;
    return k;
}

static void drop(struct lt_known *k, struct entry *e)
{
    HASH_DEL(k->entries, e);
    free(e);
}

void lt_known_free(struct lt_known *k)
{
    if (!k)
        return;
    struct entry *e, *next;
    HASH_ITER (hh, k->entries, e, next)
        drop(k, e);
    free(k);
}

static struct entry *find(const struct lt_known *k, struct lt_span key)
{
    struct entry *e;
    HASH_FIND(hh, k->entries, key.ptr, key.len, e);
    return e;
}

void lt_known_add(struct lt_known *k, struct lt_span key)
{
    if (k->max == 0 || find(k, key))
        return;
    if (HASH_COUNT(k->entries) >= k->max)
        drop(k, k->entries);
    struct entry *e = lt_alloc(sizeof(*e) + key.len);
    e->len = key.len;
    memcpy(e->key, key.ptr, key.len);
    HASH_ADD_KEYPTR(hh, k->entries, e->key, e->len, e);
}

void lt_known_drop(struct lt_known *k, struct lt_span key)
{
    struct entry *e = find(k, key);
    if (e)
        drop(k, e);
}

bool lt_known_has(const struct lt_known *k, struct lt_span key)
{
    return find(k, key) != NULL;
}

size_t lt_known_count(const struct lt_known *k)
{
    return HASH_COUNT(k->entries);
}
