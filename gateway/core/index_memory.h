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
/* Lines, rounded up to whole huge pages where they are worth it. */
size_t lt_index_memory_round(size_t lines);
/* These lines, beginning at a huge page's border, are going to be used. */
void lt_index_memory_advise(struct lt_line *v, size_t lines);
/* These lines are never to have huge pages. */
void lt_index_memory_small(struct lt_line *v, size_t lines);
#endif
