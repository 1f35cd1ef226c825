#include "gateway/ops/output_heads.h"

#include <stdio.h>

#define NOTHING_DELETED INT64_MIN

void lt_output_heads_deinit(struct lt_output_heads *h)
{
    for (size_t i = 0; i < h->topics.len; i++)
        lt_vec_deinit(&h->topics.v[i].first);
    lt_vec_deinit(&h->topics);
}

void lt_output_heads_add(struct lt_output_heads *h, const struct lt_output_head *head)
{
    if (head->partition == 0) {
        struct lt_output_heads_topic *t = lt_vec_push(&h->topics);
        *t = (struct lt_output_heads_topic){0};
        snprintf(t->name, sizeof(t->name), "%s", head->topic);
    }
    *lt_vec_push(&h->topics.v[h->topics.len - 1].first) = head->low > 0 ? INT64_MAX : NOTHING_DELETED;
}

void lt_output_heads_copy(struct lt_output_heads *h, int64_t origin)
{
    struct lt_output_heads_topic *t = h->topics.len ? &h->topics.v[h->topics.len - 1] : NULL;
    if (t)
        t->first.v[t->first.len - 1] = LT_MIN(t->first.v[t->first.len - 1], origin);
}

bool lt_output_heads_gone(const struct lt_output_heads *h, const char *topic, uint32_t key_hash, int64_t origin)
{
    for (size_t i = 0; i < h->topics.len; i++)
        if (strcmp(h->topics.v[i].name, topic) == 0)
            return origin < h->topics.v[i].first.v[key_hash % h->topics.v[i].first.len];
    return false;
}
