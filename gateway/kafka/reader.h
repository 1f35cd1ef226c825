/*
 * Reading by position, without a group: receipts read one record of lt.intake, the command line scans topics.
 * read_committed. A reader belongs to one thread.
 */
#ifndef LT_KAFKA_READER_H
#define LT_KAFKA_READER_H

#include "gateway/kafka/log.h"

struct lt_reader;
int lt_reader_new(const struct lt_config_prop *props, size_t n_props, struct lt_reader **ret,
                  struct lt_err *err) LT_MUST_CHECK;
void lt_reader_free(struct lt_reader *r);
/* fn may keep nothing. LT_OK; LT_E_NOT_FOUND (offset not in the log); LT_E_TIMEOUT. */
int lt_reader_get(struct lt_reader *r, const char *topic, int32_t partition, int64_t offset, int timeout_ms,
                  void (*fn)(void *ctx, const struct lt_log_record *rec), void *ctx, struct lt_err *err) LT_MUST_CHECK;
/* Every record of every partition of the topic up to the end as it was when the call began, partition by partition. */
int lt_reader_scan(struct lt_reader *r, const char *topic, int (*fn)(void *ctx, const struct lt_log_record *rec),
                   void *ctx, struct lt_err *err) LT_MUST_CHECK;
/*
 * Records from <= offset < to of one partition, in order; fn returns other than 0 when it has enough. `to` may lie past
 * the last stable offset: the call then waits for open transactions, LT_E_TIMEOUT when one stays open for 10 s.
 * LT_E_NOT_FOUND: `from` is below the log's start.
 */
int lt_reader_range(struct lt_reader *r, const char *topic, int32_t partition, int64_t from, int64_t to,
                    int (*fn)(void *ctx, const struct lt_log_record *rec), void *ctx, struct lt_err *err) LT_MUST_CHECK;
/* Start of the log and last stable offset. */
int lt_reader_ends(struct lt_reader *r, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_stable,
                   struct lt_err *err) LT_MUST_CHECK;
/* Offset of the first record at or after the time; the last stable offset when there is none. */
int lt_reader_offset_at(struct lt_reader *r, const char *topic, int32_t partition, int64_t ms, int64_t *ret,
                        struct lt_err *err) LT_MUST_CHECK;
int lt_reader_partitions(struct lt_reader *r, const char *topic, int32_t *ret, struct lt_err *err) LT_MUST_CHECK;
#endif
