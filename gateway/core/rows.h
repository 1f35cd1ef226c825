/*
 * What lt.position says of each partition: the latest row that its owner wrote, and the latest decision of an operator.
 *
 * The topic is read once and then on from where that ended, whoever's load asks: it is compacted only behind its active
 * segment, and a worker that loads ten partitions would otherwise read all of it ten times. Still each load sees
 * everything that was committed before it asked.
 *
 * Belongs to one worker and one log: reset when that log is closed. One thread. Private to gateway/core.
 */
#ifndef LT_CORE_ROWS_H
#define LT_CORE_ROWS_H

#include "gateway/kafka/log.h"

struct lt_row {
    char *position; /* as it was written; NULL: none */
    size_t position_len;
    char *decision;
    size_t decision_len;
};

struct lt_rows {
    struct lt_row *v; /* by partition */
    int32_t len;
    int64_t next; /* read up to here */
};

/* Empty, for so many partitions of intake (0: takes no memory). Also of a zeroed struct. */
void lt_rows_reset(struct lt_rows *rows, int32_t partitions);

/*
 * Read what has been committed since the last time. Blocks; the group's callbacks may run meanwhile.
 *
 * Results  as scan() of the log port; after anything but LT_LOG_OK what was read stays, and the next call goes on
 */
int lt_rows_read(struct lt_rows *rows, struct lt_log *log, struct lt_err *err) LT_MUST_CHECK;

/* Lent until the next read; an empty span when there is none. */
struct lt_span lt_rows_position(const struct lt_rows *rows, int32_t partition);
struct lt_span lt_rows_decision(const struct lt_rows *rows, int32_t partition);
#endif
