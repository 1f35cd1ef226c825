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
    bool told;          /* what the province is told of the verdict (tell.h), not a copy of the record */
    bool undeliverable; /* written as a dead letter instead (rule 14) */
};

struct lt_batch_item {
    struct lt_log_record *record;
    struct lt_partition *partition;
    uint64_t epoch;
    /* Read from the record when it came, while its headers are in the processor's cache. */
    struct lt_index_key key; /* not for invalid records */
    int64_t time_ms;         /* what the clock may advance to; -1: nothing */
    char *reason;            /* invalid: why, owned; NULL: an event */
    bool is_replay;
    unsigned tell; /* bits 1 << enum lt_verdict_kind: those of which the province is told */
    bool is_plain; /* its headers can be passed on as they are: none of them is one that copies must not have */
    /* Given by lt_batch_judge. */
    bool remapped;
    enum lt_verdict_kind verdict;
    int64_t first_offset;
    int64_t clock_ms;              /* running clock after this record */
    uint64_t sum;                  /* of the index after this record */
    uint32_t copy_first, copy_len; /* before the verdict: what a new event's copies are */
};

struct lt_batch {
    LT_VEC(struct lt_batch_item) items;
    LT_VEC(struct lt_batch_copy) copies;
    size_t bytes; /* of keys, values and headers */
};

struct lt_batch_env {
    struct lt_log *log;
    const struct lt_routes *routes;
    const char *instance, *address;   /* for lt.position */
    const int32_t *output_partitions; /* partition count per output of the routes */
    int32_t quarantine_partitions, deadletter_partitions;
    size_t record_max; /* of the dead letter topic: longer values are cut there */
};

/* Add a record of p and read of it what verdict and copies need; nothing of the index is touched. */
void lt_batch_add_take(struct lt_batch *b, struct lt_log_record *r, struct lt_partition *p,
                       const struct lt_routes *routes);
void lt_batch_reset(struct lt_batch *b, struct lt_log *log); /* frees the records */
/* Drop the records of partitions whose epoch is over or that do not run (rules 10, 14). */
void lt_batch_prune(struct lt_batch *b, struct lt_log *log);

/*
 * Rule 12. Partitions whose index is full or ahead of the log are stopped and their records leave the batch. Never
 * fails otherwise.
 */
void lt_batch_judge(struct lt_batch *b, const struct lt_batch_env *env);

/* What the group's offset of each partition is before and after a transaction, to look after an unknown commit (rule
 * 15). */
struct lt_batch_range {
    struct lt_partition *partition;
    uint64_t epoch;
    int64_t before, after;
    char metadata_before[LT_POSITION_MAX], metadata_after[LT_POSITION_MAX];
};

/*
 * What one transaction over the first n items says: positions, counters, ranges. Made before it is written, of a judged
 * batch; good as long as no item leaves the batch.
 */
struct lt_batch_plan;
struct lt_batch_plan *lt_batch_plan_new(const struct lt_batch *b, struct lt_log *log, size_t n);
void lt_batch_plan_free(struct lt_batch_plan *plan);
const struct lt_batch_range *lt_batch_plan_ranges(const struct lt_batch_plan *plan, size_t *ret_len); /* lent */

/*
 * One attempt to commit the plan as one transaction (rule 13): routed copies, positions, offsets. Returns a
 * lt_log_result; on LT_LOG_TOO_LARGE ret_copy (when the plan is of one item) is the copy to blame, or -1.
 */
int lt_batch_write(struct lt_batch *b, const struct lt_batch_env *env, const struct lt_log_membership *m,
                   const struct lt_batch_plan *plan, int *ret_copy, struct lt_err *err);
/*
 * Rule 14, OK: the plan's items are final. Positions and counters of their partitions move on, the items leave the
 * batch.
 */
void lt_batch_apply(struct lt_batch *b, struct lt_log *log, const struct lt_batch_plan *plan);

/* Rule 15, our end: everything of p below `after` is final, whatever else has left the batch since it was written. */
void lt_batch_settle(struct lt_batch *b, struct lt_log *log, const struct lt_partition *p, int64_t after);
#endif
