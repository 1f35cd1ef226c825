/*
 * Entries of the dedup index that have no room in its lines: those of a place that has filled both of its lines (one
 * event sent again and again with other content each time), and the very few whose neighbourhood is full. A hash table
 * of lists, normally empty; a look-up here costs what the list is long. Inside gateway/core only.
 */
#ifndef LT_CORE_INDEX_CROWD_H
#define LT_CORE_INDEX_CROWD_H

#include "gateway/core/index_line.h"

struct lt_crowd_list {
    struct lt_entry *v;
    size_t len, size;
};

struct lt_crowd {
    struct lt_crowd_place *places; /* uthash */
    size_t len;                    /* entries */
    size_t bytes;
};

void lt_crowd_deinit(struct lt_crowd *c); /* empty and reusable afterwards */
/* The entries of a place (60 bits), NULL when there are none. */
struct lt_crowd_list *lt_crowd_find(const struct lt_crowd *c, uint64_t place);
void lt_crowd_add(struct lt_crowd *c, uint64_t place, const struct lt_entry *e);
/* Every entry for which fn says false leaves. place: all 60 bits. */
void lt_crowd_filter(struct lt_crowd *c, bool (*fn)(void *ctx, uint64_t place, const struct lt_entry *e), void *ctx);
#endif
