/*
 * The repairs of a target's stops: what `lienthong targets position`, `accept-loss` and `accept-queue` do
 * (gateway/delivery/mend.h says on what ground). As the core's (repair.h): everything is read after the transaction has
 * begun, what cannot be proved is refused with the reason, and position, ledger, history and audit record are one
 * transaction. A dry run begins none and writes nothing.
 *
 * Only a partition whose owner stands still may be written from outside: the owner of a position that is gone or moved
 * does by itself, because it loads nothing. Of one that went back nobody may be in the group: its owner goes on when
 * Kafka tells of the right one again. For the others the caller says that it is stopped (its gateway does, or nobody is
 * in the group).
 *
 * One thread; calls block for as long as reading the ledger takes.
 */
#ifndef LT_OPS_QUEUE_REPAIR_H
#define LT_OPS_QUEUE_REPAIR_H

#include "gateway/config/config.h"
#include "gateway/delivery/mend.h"

enum lt_queue_repair_verb { LT_QUEUE_POSITION, LT_QUEUE_ACCEPT_LOSS, LT_QUEUE_ACCEPT_QUEUE };

struct lt_queue_repair {
    const struct lt_config *config;
    const char *target, *who;
    enum lt_queue_repair_verb verb;
    int32_t partition; /* POSITION: -1 all */
    int64_t from, to;
    bool dry_run;
    bool stands_still; /* the gateway here says that it is stopped */
};

struct lt_queue_report {
    int32_t partition;
    const struct lt_mend *mend;
};

/* fn: once a partition, with what was or would be done, after all of it is in Kafka. LT_OK or what Kafka says: then
 * fn was not called, and nothing is written unless the text says that this is not known. */
int lt_queue_repair(const struct lt_queue_repair *q, void (*fn)(void *ctx, const struct lt_queue_report *report),
                    void *ctx, struct lt_err *err) LT_MUST_CHECK;

/* What stands at this offset of the queue: LT_OK with the reason why it is no event in err_text, or "" when it is one;
 * LT_E_NOT_FOUND. */
int lt_queue_look(const struct lt_config *config, const char *target, int32_t partition, int64_t offset, char *ret_text,
                  size_t size, struct lt_err *err) LT_MUST_CHECK;

#endif
