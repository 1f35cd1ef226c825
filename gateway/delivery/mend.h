/*
 * The ways out of a queue partition's stops, as far as they can be proved: what `lienthong targets position`,
 * `accept-loss` and `accept-queue` write (gateway/ops/queue_repair.h). Pure functions of what Kafka holds; nothing here
 * reads or writes.
 *
 *   MOVED, OFFSETS-LOST   each transaction of the engine leaves the position that it commits in the ledger (record O),
 *                         so the ledger, which is read whole and must hold just the open deliveries and parked events
 *                         which that position counts, says what is delivered
 *                         Not where the queue was made again (Kafka deletes the offsets with the topic): what it
 *                         holds below that position is new, and is told by its time. Then as QUEUE-CHANGED
 *   UNDELIVERED-DELETED   the position goes to where the queue begins. What is parked stands in the ledger and is kept,
 *                         with what is known of its calls; an open delivery of the lost range is given up and named
 *   QUEUE-CHANGED         the position goes to the queue's begin (made again) or its end (lost its end). Offsets mean
 *                         other records from then on, so nothing may be parked under one that comes again
 *
 * BAD-RECORD has its way out in the engine: a decision (control.h, LT_VERB_PASS).
 */
#ifndef LT_DELIVERY_MEND_H
#define LT_DELIVERY_MEND_H

#include "gateway/delivery/ledger.h"

struct lt_mend_facts {
    const char *target;
    int32_t partition;
    int64_t offset; /* of the group, -1 none */
    const char *metadata;
    int64_t low, high;              /* of the queue, transactions that are open included */
    bool remade;                    /* all it holds is younger than the ledger's position, and some of it is below */
    const struct lt_ledger *ledger; /* read whole, after the offset */
};

/* Has something been delivered from this partition of the queue? Then an empty one without a position is no first
 * beginning: the queue was deleted, its offsets with it, and made again. */
bool lt_mend_lived_before(const struct lt_ledger *ledger);
/* Of the texts of the program; "" nothing is wrong with the position. */
const char *lt_mend_diagnose(const struct lt_mend_facts *f);
/* Does the group tell of an older transaction than the ledger holds? Then it is not to be believed, whatever its
 * metadata prove (docs/decisions/0015-a-group-that-goes-back.md); "OFFSETS-LOST" for the above. */
bool lt_mend_went_back(const struct lt_mend_facts *f);
/* While a partition is stopped for this reason: what is safe, and what to do. "" for others than a target's stops. */
const char *lt_mend_safe(const char *reason);
const char *lt_mend_advice(const char *reason);
/* The command that leads out, or "" where none does. */
void lt_mend_command(const struct lt_mend_facts *f, const char *reason, char *out, size_t size);

enum lt_mend_outcome { LT_MEND_NOT_NEEDED, LT_MEND_DONE, LT_MEND_REFUSED };

struct lt_mend {
    enum lt_mend_outcome outcome;
    char text[640];                        /* what is written and on what ground, or why not */
    struct lt_delivery_position after;     /* DONE: the position to write */
    LT_VEC(const struct lt_open *) closed; /* DONE: their I records end; lent from the ledger */
    LT_VEC(const struct lt_open *) lost;   /* of these: deliveries that were open, whose events are gone */
};
void lt_mend_deinit(struct lt_mend *m);

/* MOVED, OFFSETS-LOST: write back what the ledger holds. */
void lt_mend_position(const struct lt_mend_facts *f, struct lt_mend *ret);
/* UNDELIVERED-DELETED: go on at `to`, where the queue begins; from is the position. */
void lt_mend_accept_loss(const struct lt_mend_facts *f, int64_t from, int64_t to, struct lt_mend *ret);
/* QUEUE-CHANGED, and OFFSETS-LOST of a queue that was made again: the position is `from`, the ledger's where there is
 * none; go on at `at`, begin or end of the queue. */
void lt_mend_accept_queue(const struct lt_mend_facts *f, int64_t from, int64_t at, struct lt_mend *ret);

#endif
