/* A topic of the log in memory that goes away before a transaction and is made again while that is aborted. */
#ifndef TESTS_UNIT_REMADE_H
#define TESTS_UNIT_REMADE_H

#include "gateway/kafka/log_memory.h"
#include "tests/unit/harness.h"

struct remade {
    struct lt_memory *memory;
    const char *topic;
    int32_t partitions; /* from then on */
    bool gone, there;
    int begun, begun_max; /* more transactions than that: the first one is still tried again; 0: any number */
};

/* For lt_memory_schedule, with a struct remade. */
static inline enum lt_memory_fault remake(void *ctx, const char *instance_id LT_UNUSED, enum lt_memory_step step,
                                          uint64_t number LT_UNUSED)
{
    struct remade *r = ctx;
    if (step == LT_STEP_BEGIN && ++r->begun > r->begun_max && r->begun_max)
        fail_msg("the batch is still tried again");
    if (step == LT_STEP_BEGIN && !r->gone) {
        lt_memory_topic_drop(r->memory, r->topic);
        r->gone = true;
    }
    if (step == LT_STEP_ABORT && !r->there) {
        lt_memory_topic(r->memory, r->topic, r->partitions, 0, false);
        r->there = true;
    }
    return LT_FAULT_NONE;
}
#endif
