#include "gateway/core/index_memory.h"

#include <stdio.h>
#include <sys/mman.h>

#define HUGE_LINES ((size_t)(2 << 20) / sizeof(struct lt_line))

struct lt_line *lt_index_memory_reserve(size_t lines)
{
    /* One huge page more than asked for, so that the borders can be aligned; what is not touched costs nothing. */
    size_t bytes = (lines + HUGE_LINES) * sizeof(struct lt_line), huge = HUGE_LINES * sizeof(struct lt_line);
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "no address space for an index of %zu MiB\n", bytes >> 20);
        abort(); /* as every allocation does */
    }
    size_t before = (huge - (uintptr_t)p % huge) % huge;
    if (before)
        munmap(p, before);
    if (huge - before)
        munmap(p + before + lines * sizeof(struct lt_line), huge - before);
    return (struct lt_line *)(void *)(p + before);
}

void lt_index_memory_release(struct lt_line *v, size_t lines)
{
    if (v)
        munmap(v, lines * sizeof(struct lt_line));
}

size_t lt_index_memory_whole(size_t lines)
{
    size_t whole = (lines + HUGE_LINES / 2) / HUGE_LINES * HUGE_LINES;
    return whole < LT_INDEX_SMALL_LINES ? lines : whole;
}

void lt_index_memory_advise(struct lt_line *v, size_t lines)
{
    /* Refused where the kernel has none: slower, nothing else. */
    (void)madvise(v, lines * sizeof(struct lt_line), MADV_HUGEPAGE);
}

void lt_index_memory_forget(struct lt_line *v, size_t lines)
{
    (void)madvise(v, lines * sizeof(struct lt_line), MADV_DONTNEED); /* refused: it stays until the index goes */
}

void lt_index_memory_small(struct lt_line *v, size_t lines)
{
    (void)madvise(v, lines * sizeof(struct lt_line), MADV_NOHUGEPAGE);
}
