/*
 * Which copies of a partition of lt.intake an output may have had and lost to its own retention. Copies of one intake
 * partition stand in an output's partition in the order of their origins, so what came before the first that is still
 * there may be gone where the log's head is; nothing else may be.
 *
 * Fed with an output's partitions and, after each, its copies in order. Caller's storage, one thread.
 */
#ifndef LT_OPS_OUTPUT_HEADS_H
#define LT_OPS_OUTPUT_HEADS_H

#include "gateway/base/base.h"
#include "gateway/ops/outputs.h"

struct lt_output_heads_topic {
    char name[LT_OUTPUT_TOPIC_MAX];
    LT_VEC(int64_t) first; /* by partition: origin of the first copy left; INT64_MIN: nothing was deleted */
};
struct lt_output_heads {
    LT_VEC(struct lt_output_heads_topic) topics;
};
#define LT_OUTPUT_HEADS_INIT                                                                                           \
    {                                                                                                                  \
        0                                                                                                              \
    }

void lt_output_heads_deinit(struct lt_output_heads *h);
/* The next partition, from 0, of a topic. */
void lt_output_heads_add(struct lt_output_heads *h, const struct lt_output_head *head);
/* A copy of that intake partition in the output's partition that was added last. */
void lt_output_heads_copy(struct lt_output_heads *h, int64_t origin);
/* May a copy of this origin with this key's hash have been there? false for a topic that was not added. */
bool lt_output_heads_gone(const struct lt_output_heads *h, const char *topic, uint32_t key_hash, int64_t origin);
#endif
