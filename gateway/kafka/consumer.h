/*
 * A plain consumer of one topic for the bridges: a group, at least once. Offsets are committed only by
 * lt_consumer_commit, so what was not finished comes again after a crash or a rebalance. No transactions.
 *
 * A static member: it stays known for its session when it is freed, and a restart has its partitions at once. One whose
 * membership was taken joins again by itself, when the records that are out have been given back.
 *
 * One thread owns a consumer.
 */
#ifndef LT_KAFKA_CONSUMER_H
#define LT_KAFKA_CONSUMER_H

#include "gateway/kafka/log.h"

struct lt_consumer;
int lt_consumer_new(const struct lt_config_prop *props, size_t n_props, const char *group, const char *topic,
                    const char *client_id, struct lt_consumer **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_consumer_free(struct lt_consumer *c); /* every record taken must have been given back; NULL is fine */
/*
 * LT_LOG_OK: *ret is the caller's until lt_consumer_record_free. LT_LOG_NONE: nothing came in time. LT_LOG_RETRY,
 * LT_LOG_PERMANENT (no such topic, not allowed): err says what; poll again, it may pass.
 */
int lt_consumer_poll(struct lt_consumer *c, int timeout_ms, struct lt_log_record **ret,
                     struct lt_err *err) LT_MUST_CHECK;
void lt_consumer_record_free(struct lt_consumer *c, struct lt_log_record *r);
/* All records of the partition below `next` are finished. Blocks; LT_LOG_RETRY: lost (rebalance, Kafka away), they may
 * come again. */
int lt_consumer_commit(struct lt_consumer *c, int32_t partition, int64_t next, struct lt_err *err) LT_MUST_CHECK;
#endif
