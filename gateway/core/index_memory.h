/*
 * Memory of the index: one reservation of address space, touched as it is used. Where a segment is large enough it is
 * given huge pages, from its first whole one on: a random look-up then costs one memory access instead of two.
 */
#ifndef LT_CORE_INDEX_MEMORY_H
#define LT_CORE_INDEX_MEMORY_H

#include "gateway/core/index_line.h"

/* Zeroed when touched; whole pages, aligned to a huge one. Never NULL. */
struct lt_line *lt_index_memory_reserve(size_t lines);
void lt_index_memory_release(struct lt_line *v, size_t lines);
/*
 * These lines, beginning at a huge page's border, are going to be used; the first `touched` of them are already. Whole
 * huge pages of them become huge, the tail stays small until the next call: no memory is lost to rounding.
 */
void lt_index_memory_advise(struct lt_line *v, size_t lines, size_t touched);
/* These lines are never to have huge pages. */
void lt_index_memory_small(struct lt_line *v, size_t lines);
#endif
