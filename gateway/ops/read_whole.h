/*
 * A partition read to its end, for the commands that say what is there: with what open transactions hold back. Behind
 * one that a killed gateway left open, what others have committed would otherwise look as if it were not there.
 */
#ifndef LT_OPS_READ_WHOLE_H
#define LT_OPS_READ_WHOLE_H

#include "gateway/kafka/admin.h"
#include "gateway/kafka/reader.h"

/*
 * The committed records from `from`, or the log's start when that is later, to the end as it was when the call began;
 * fn as in lt_reader_range. Blocks while it reads, and up to 10 s for a transaction. LT_OK; LT_E_TIMEOUT: one stays
 * open, err says where; else what Kafka says.
 */
int lt_read_whole(struct lt_admin *a, struct lt_reader *reader, const char *topic, int32_t partition, int64_t from,
                  int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err) LT_MUST_CHECK;

#endif
