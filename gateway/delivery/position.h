/*
 * The committed position of one partition of a delivery queue: what stands in the offset's metadata. ASCII, under 400
 * bytes:
 *
 *   d2 <incarnation> <number> <base> <control> <open> <counters>
 *
 * incarnation: 16 hex digits, drawn by genesis. number: counts the transactions of this partition, so that a commit of
 * unknown outcome can be told from its absence (protocol 3 rule 11). base: the committed offset again, the oldest
 * record that is neither finished nor parked; a position whose base differs was moved by a tool. control: the next
 * record of the control topic (rule 9: decisions are applied in the transaction that records their position). open: how
 * many I records the ledger holds; together with the parked records (parked - unparked) the proof that a ledger that
 * was read is the one this position belongs to. counters: enum lt_count in order, all since genesis, exact because they
 * are committed with what they count (protocol 5).
 */
#ifndef LT_DELIVERY_POSITION_H
#define LT_DELIVERY_POSITION_H

#include "gateway/base/err.h"

#define LT_DELIVERY_POSITION_MAX 400

enum lt_count {
    LT_COUNT_OK,       /* events, by what became of them */
    LT_COUNT_EXISTS,   /* the target had it already */
    LT_COUNT_PASS,     /* nothing to do here */
    LT_COUNT_SKIPPED,  /* by an operator */
    LT_COUNT_PARKED,   /* moved from the queue into the ledger */
    LT_COUNT_UNPARKED, /* of these: ended since, as one of the first four */
    LT_COUNT_REJECTS,  /* lanes parked because the target refused: dead letters written */
    LT_COUNT_UNKNOWNS, /* lanes parked because an outcome is unknown and cannot be asked for */
    LT_COUNT_REPEATS,  /* calls sent again although the former one may have been applied */
    LT_COUNTS
};
const char *lt_count_name(enum lt_count c);

struct lt_delivery_position {
    uint64_t incarnation;
    uint64_t number;
    int64_t base;
    int64_t control;
    int64_t open;
    int64_t counts[LT_COUNTS];
};

enum lt_delivery_position_result {
    LT_DELIVERY_POSITION_OTHER_FORMAT = 1, /* written by another version */
    LT_DELIVERY_POSITION_FORMER_OPEN = 2,  /* by the former one (d1), with deliveries that only it can account for */
};

void lt_delivery_position_format(const struct lt_delivery_position *p, char out[LT_DELIVERY_POSITION_MAX]);
/* LT_OK (also for a d1 position with nothing open: it becomes one of this format by the next commit);
 * LT_DELIVERY_POSITION_…; LT_E_INVALID. */
int lt_delivery_position_parse(struct lt_span s, struct lt_delivery_position *ret, struct lt_err *err) LT_MUST_CHECK;

/* Records that stand parked in the ledger. */
static inline int64_t lt_delivery_position_parked(const struct lt_delivery_position *p)
{
    return p->counts[LT_COUNT_PARKED] - p->counts[LT_COUNT_UNPARKED];
}

/* What `lienthong topics` writes for a queue's group at offset 0 (protocol 3 rule 1). */
void lt_delivery_genesis(uint64_t incarnation, char out[LT_DELIVERY_POSITION_MAX]);

#endif
