/*
 * The repairs of the core's stops (protocol 2, rules 4, 7, 8, 9): what `lienthong core position`, `accept-hole` and
 * `accept-index` do. Each reads everything it rests on after its transaction has begun (gateway/kafka/repair.h),
 * refuses with the reason what it cannot prove, and writes decision and audit record (lt.audit) in one transaction. A
 * dry run begins no transaction and writes nothing.
 *
 * One thread; calls block for as long as reading the outputs takes.
 */
#ifndef LT_OPS_REPAIR_H
#define LT_OPS_REPAIR_H

#include "gateway/ops/positions.h"
#include "gateway/ops/relog.h"

struct lt_routes;

struct lt_repairer {
    const struct lt_config *config;
    const struct lt_routes *routes;
    struct lt_admin *admin;
    struct lt_reader *reader;
    const char *actor; /* for the audit and the decision: who */
    bool dry_run;
};
/* LT_OK or Kafka's. On failure nothing is open. */
int lt_repairer_open(struct lt_repairer *r, struct lt_err *err) LT_MUST_CHECK;
void lt_repairer_close(struct lt_repairer *r);

enum lt_repair_outcome {
    LT_REPAIR_NOT_NEEDED,
    LT_REPAIR_DONE,  /* or would be, in a dry run */
    LT_REPAIR_ASKED, /* of the gateway that runs */
    LT_REPAIR_REFUSED,
};
struct lt_repair_report {
    int32_t partition;
    enum lt_repair_outcome outcome;
    int64_t offset; /* written; -1 none */
    char text[400]; /* what was done and on what ground, or why not */
};

/* Rule 4, for one partition or (partition -1) for all: where the offset is gone or its metadata is not ours, write back
 * the last position of lt.position, unless an output holds a copy from beyond it. fn is called once a partition. */
int lt_repair_positions(struct lt_repairer *r, int32_t partition,
                        void (*fn)(void *ctx, const struct lt_repair_report *report), void *ctx,
                        struct lt_err *err) LT_MUST_CHECK;
/* The same for one row, as a decision alone: nothing is read or written. above: the highest offset of this partition
 * that an output holds a copy of, -1 none. metadata: what would be written at ret->offset, when DONE. */
void lt_repair_plan_position(const struct lt_positions *all, const struct lt_position_row *row, int64_t above,
                             int64_t window_ms, struct lt_repair_report *ret, char metadata[LT_POSITION_MAX]);
/* Rule 7: on_repeat is called for what may be decided a second time, once a record and output. */
int lt_repair_relog(struct lt_repairer *r, int32_t partition, struct lt_repair_report *ret,
                    void (*on_repeat)(void *ctx, const struct lt_relog_repeat *x), void *ctx,
                    struct lt_err *err) LT_MUST_CHECK;
/* Rule 9: offsets from <= o < to are missing for good. Refused when the log holds a record there. */
int lt_repair_accept_hole(struct lt_repairer *r, int32_t partition, int64_t from, int64_t to,
                          struct lt_repair_report *ret, struct lt_err *err) LT_MUST_CHECK;
/* The audit record of what was done elsewhere. */
int lt_repair_note(struct lt_repairer *r, const char *action, const struct lt_repair_report *report,
                   struct lt_err *err) LT_MUST_CHECK;
/* Rule 8: the index with this sum at this committed offset is the one to go on with. */
int lt_repair_accept_index(struct lt_repairer *r, int32_t partition, int64_t offset, uint64_t sum,
                           struct lt_repair_report *ret, struct lt_err *err) LT_MUST_CHECK;
#endif
