#include "gateway/base/base.h"

#include <stdarg.h>
#include <stdio.h>

enum { ARENA_ALIGN = 16, ARENA_BLOCK_FIRST = 4096, ARENA_BLOCK_MAX = 65536 };

struct lt_arena_block {
    struct lt_arena_block *next;
    size_t size, used; /* of data */
    _Alignas(16) char data[];
};

static struct lt_arena_block *block_new(size_t size)
{
    struct lt_arena_block *block = lt_realloc(NULL, sizeof(*block) + size);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

/* The block that has room for size bytes. A large one goes behind the head, whose rest stays usable. */
static struct lt_arena_block *arena_block(struct lt_arena *a, size_t size)
{
    struct lt_arena_block *head = a->head, *block;
    if (head && size <= head->size - head->used)
        return head;
    size_t usual = head ? LT_MIN(head->size * 2, (size_t)ARENA_BLOCK_MAX) : ARENA_BLOCK_FIRST;
    block = block_new(LT_MAX(size, usual));
    if (head && size > usual / 2) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        a->head = block;
    }
    return block;
}

void *lt_arena_alloc(struct lt_arena *a, size_t size)
{
    if (size > PTRDIFF_MAX / 2) { /* no machine has it, and below it no sum here overflows */
        fprintf(stderr, "arena: %zu bytes asked: a size from outside was not bounded\n", size);
        abort();
    }
    size_t rounded = (LT_MAX(size, (size_t)1) + ARENA_ALIGN - 1) & ~((size_t)ARENA_ALIGN - 1);
    struct lt_arena_block *block = arena_block(a, rounded);
    void *p = block->data + block->used;
    block->used += rounded;
    a->used += rounded;
    return memset(p, 0, rounded);
}

char *lt_arena_str(struct lt_arena *a, struct lt_span s)
{
    char *copy = lt_arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

struct lt_span lt_arena_span(struct lt_arena *a, struct lt_span s)
{
    return lt_span(lt_arena_str(a, s), s.len);
}

char *lt_arena_printf(struct lt_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return lt_arena_alloc(a, 1);
    char *s = lt_arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

static void blocks_free(struct lt_arena_block *block)
{
    while (block) {
        struct lt_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void lt_arena_reset(struct lt_arena *a)
{
    struct lt_arena_block *head = a->head;
    a->used = 0;
    if (!head)
        return;
    blocks_free(head->next);
    head->next = NULL;
    head->used = 0;
    if (head->size > ARENA_BLOCK_MAX) { /* one large message must not hold its memory for ever */
        free(head);
        a->head = NULL;
    }
}

void lt_arena_deinit(struct lt_arena *a)
{
    blocks_free(a->head);
    *a = LT_ARENA_INIT;
}
