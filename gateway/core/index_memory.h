/*
 * Memory of the index: one reservation of address space, touched as it is used. A segment that is large enough has huge
 * pages: a random look-up then costs one memory access instead of two.
 */
#ifndef LT_CORE_INDEX_MEMORY_H
#define LT_CORE_INDEX_MEMORY_H

#include "gateway/core/index_line.h"

/* Zeroed when touched; whole pages, aligned to a huge one. Never NULL. */
struct lt_line *lt_index_memory_reserve(size_t lines);
void lt_index_memory_release(struct lt_line *v, size_t lines);
/* From here on a segment has huge pages, and whole ones: 8 MiB. Below, rounding would make segments grow together. */
#define LT_INDEX_SMALL_LINES ((size_t)(8 << 20) / sizeof(struct lt_line))
/* So many lines, or about so many that fill whole huge pages, where there are enough for them. */
size_t lt_index_memory_whole(size_t lines);
/* These lines, beginning at a huge page's border and never used before, are to have huge pages. */
void lt_index_memory_advise(struct lt_line *v, size_t lines);
/* These lines are not used any more: zero when they are touched again. */
void lt_index_memory_forget(struct lt_line *v, size_t lines);
/* These lines are never to have huge pages. */
void lt_index_memory_small(struct lt_line *v, size_t lines);
#endif
