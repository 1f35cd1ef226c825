/*
 * A batch: records polled together, their verdicts, and the transaction that makes them final (protocol 2, rules
 * 10-15).
 *
 * Verdicts are given once, in offset order, and stay with the batch together with clock, sum and copies per record, so
 * that an aborted transaction is written again with the same outcome and a batch can be halved. One thread owns a
 * batch.
 */
#ifndef LT_CORE_BATCH_H
#define LT_CORE_BATCH_H

#include "gateway/core/partition.h"
#include "gateway/core/routes.h"

#define LT_OUTPUT_QUARANTINE (-1)
#define LT_OUTPUT_DEADLETTER (-2)

struct lt_batch_copy {
    int output;         /* of the routes, or LT_OUTPUT_… */
    const char *path;   /* delivery path or NULL */
    bool undeliverable; /* written as a dead letter instead (rule 14) */
};

struct lt_batch_item {
    struct lt_log_record *record;
    struct lt_partition *partition;
    uint64_t epoch;
    struct lt_event event; /* not for invalid records */
    enum lt_verdict_kind verdict;
    bool remapped;
    int64_t first_offset;
    char reason[128]; /* invalid: why */
    int64_t clock_ms; /* running clock after this record */
    uint64_t sum;     /* of the index after this record */
    size_t copy_first, copy_len;
};

struct lt_batch {
    LT_VEC(struct lt_batch_item) items;
    LT_VEC(struct lt_batch_copy) copies;
    size_t bytes;
    bool judged;
};

struct lt_batch_env {
    struct lt_log *log;
    const struct lt_routes *routes;
    const char *instance, *address;   /* for lt.position */
    const int32_t *output_partitions; /* partition count per output of the routes */
    int32_t quarantine_partitions, deadletter_partitions;
    size_t record_max; /* of the dead letter topic: longer values are cut there */
};

void lt_batch_add_take(struct lt_batch *b, struct lt_log_record *r, struct lt_partition *p);
void lt_batch_reset(struct lt_batch *b, struct lt_log *log); /* frees the records */
void lt_batch_deinit(struct lt_batch *b, struct lt_log *log);
/* Drop the records of partitions whose epoch is over or that do not run (rules 10, 14). */
void lt_batch_prune(struct lt_batch *b, struct lt_log *log);

/*
 * Rule 12. Partitions whose index is full or ahead of the log are stopped and their records leave the batch. Never
 * fails otherwise.
 */
void lt_batch_judge(struct lt_batch *b, const struct lt_batch_env *env);

/*
 * One attempt to commit the first n items as one transaction (rule 13): routed copies, positions, offsets. Returns a
 * lt_log_result; on LT_LOG_TOO_LARGE ret_copy (when n is 1) is the copy to blame, or -1.
 */
int lt_batch_write(struct lt_batch *b, const struct lt_batch_env *env, const struct lt_log_membership *m, size_t n,
                   int *ret_copy, struct lt_err *err);
/*
 * Rule 14, OK: the first n items (of one partition only, or of all when `only` is NULL) are final. Positions and
 * counters of their partitions move on, the items leave the batch.
 */
void lt_batch_apply(struct lt_batch *b, struct lt_log *log, size_t n, const struct lt_partition *only);

/* Rule 15, our end: everything of p below `after` is final, whatever else has left the batch since it was written. */
void lt_batch_settle(struct lt_batch *b, struct lt_log *log, const struct lt_partition *p, int64_t after);
/* What the group's offset of each partition of the first n items is before and after them, to look after an unknown
 * commit (rule 15). */
struct lt_batch_range {
    struct lt_partition *partition;
    uint64_t epoch;
    int64_t before, after;
    char metadata_before[LT_POSITION_MAX], metadata_after[LT_POSITION_MAX];
};
struct lt_batch_range *lt_batch_ranges(const struct lt_batch *b, size_t n, size_t *ret_len); /* caller frees */
#endif
