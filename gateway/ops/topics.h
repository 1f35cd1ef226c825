/*
 * The topics a configuration needs, and keeping a cluster in step with it: create what is missing, show
 * drift, give groups their first position. Never shrinks, grows or deletes.
 */
#ifndef LT_OPS_TOPICS_H
#define LT_OPS_TOPICS_H

#include "gateway/config/config.h"
#include "gateway/core/routes.h"
#include "gateway/kafka/admin.h"

struct lt_topics_plan {
    LT_VEC(struct lt_topic_plan) topics; /* names and settings live in the arena */
    struct lt_arena arena;
};
void lt_topics_plan_init(struct lt_topics_plan *p, const struct lt_config *c, const struct lt_routes *routes);
void lt_topics_plan_deinit(struct lt_topics_plan *p);

/* A group that needs a first position on a topic before its reader may start. */
struct lt_topics_group {
    const char *group, *topic;
    bool core;
};
/* The core's group and every target's. Returns how many; ret has room for 1 + targets_len, names live in the arena. */
size_t lt_topics_groups(const struct lt_config *c, struct lt_arena *a, struct lt_topics_group *ret);

/*
 * Give every partition of the group that has none its first position (protocol 2, "Settings": only where the high
 * watermark is 0). All partitions of a group carry one incarnation. Returns how many positions were written;
 * LT_E_INVALID when a partition has records but no position, when it was worked on before (the topic was made again),
 * or when the topic has grown (text says which and what that means); other negative codes from Kafka.
 */
int lt_topics_genesis(struct lt_admin *a, const struct lt_config *c, const struct lt_topics_group *g, bool dry_run,
                      struct lt_err *err) LT_MUST_CHECK;
/* The core's: lt.intake has more partitions than its positions were written for, each of which is there. */
#define LT_TOPICS_GENESIS_GROWN 2
/* Does every partition of the group have a position? 1 yes, 0 no, LT_TOPICS_GENESIS_GROWN, < 0 Kafka does not answer.
 */
int lt_topics_genesis_done(struct lt_admin *a, const struct lt_topics_group *g, struct lt_err *err) LT_MUST_CHECK;
#endif
