#include "gateway/delivery/internal.h"

struct lt_write *lt_write_add(struct lt_writes *l, const char *topic, int32_t partition)
{
    struct lt_write *w = lt_alloc(sizeof(*w));
    w->arena = LT_ARENA_INIT;
    w->topic = topic;
    w->partition = partition;
    if (l->tail)
        l->tail->next = w;
    else
        l->head = w;
    l->tail = w;
    l->len++;
    return w;
}

void lt_writes_drop(struct lt_writes *l, size_t n)
{
    while (n-- > 0 && l->head) {
        struct lt_write *w = l->head;
        l->head = w->next;
        l->len--;
        lt_arena_deinit(&w->arena);
        free(w);
    }
    if (!l->head)
        l->tail = NULL;
}
