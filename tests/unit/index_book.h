/*
 * What a dedup index must say, from a plain hash table of rows that knows nothing of lines, places, marks or growth:
 * one row for each (fingerprint, digest), never removed. Live by protocol 2's only rule.
 */
#ifndef LT_TESTS_UNIT_INDEX_BOOK_H
#define LT_TESTS_UNIT_INDEX_BOOK_H

#include "gateway/core/index.h"

struct book_row {
    uint64_t fingerprint; /* + 1; 0: free */
    uint64_t generation;
    int64_t first;
    uint32_t digest;
    uint8_t version;
};

struct book {
    struct book_row *v;
    size_t size; /* power of two */
    size_t rows;
    uint64_t keep;
};

struct book book_of(uint64_t keep, size_t rows); /* about so many; it grows */
void book_deinit(struct book *b);
bool book_is_live(const struct book *b, const struct book_row *r, uint64_t generation);
/* As lt_index_judge. */
struct lt_finding book_judge(struct book *b, struct lt_index_key k, int64_t offset, uint64_t generation);
/* As lt_index_find. */
bool book_find(const struct book *b, struct lt_index_key k, int64_t offset, uint64_t generation,
               struct lt_finding *ret);
size_t book_live(const struct book *b, uint64_t generation);
/* Judge what is live in the order of its last records: what a rebuilt index has seen. */
void book_rebuild(const struct book *b, uint64_t generation, struct lt_index *ret_ix);

/* Bits that look drawn by chance, the same each time. */
uint64_t book_scatter(uint64_t i);
#endif
