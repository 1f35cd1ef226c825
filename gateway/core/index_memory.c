#include "gateway/core/index_memory.h"

#include <stdio.h>
#include <sys/mman.h>

#define HUGE_LINES ((size_t)(2 << 20) / sizeof(struct lt_line))
#define HUGE_FROM_LINES (2 * HUGE_LINES)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1, later than some headers */
#endif

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

void lt_index_memory_advise(struct lt_line *v, size_t lines, size_t touched)
{
    if (lines < HUGE_FROM_LINES)
        return;
    /* Refused where the kernel has none: slower, nothing else. */
    size_t whole = lines / HUGE_LINES * HUGE_LINES,
           was = touched < HUGE_FROM_LINES ? 0 : touched / HUGE_LINES * HUGE_LINES;
    (void)madvise(v, whole * sizeof(struct lt_line), MADV_HUGEPAGE);
    if (touched > was) /* what has small pages already is copied into huge ones */
        (void)madvise(v + was,
                      LT_MIN((touched - was + HUGE_LINES - 1) / HUGE_LINES * HUGE_LINES, whole - was) *
                          sizeof(struct lt_line),
                      MADV_COLLAPSE);
}

void lt_index_memory_small(struct lt_line *v, size_t lines)
{
    (void)madvise(v, lines * sizeof(struct lt_line), MADV_NOHUGEPAGE);
}
