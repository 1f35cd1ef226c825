/*
 * Why a partition of intake, or a worker as a whole, does not decide, and what an operator does about it (protocol 2,
 * rules 3-10, 14, 16). One row a stop: its name, what it means, what is safe meanwhile, and the command that leads out
 * of it. Status, logs, `lienthong core status` and docs/operations.md say the same words because they come from here.
 */
#ifndef LT_CORE_STOP_H
#define LT_CORE_STOP_H

#include "gateway/base/base.h"

enum lt_stop {
    LT_STOP_NONE,
    LT_STOP_NOT_INITIALISED,
    LT_STOP_OFFSETS_LOST,
    LT_STOP_MOVED,
    LT_STOP_INTAKE_CHANGED,
    LT_STOP_UNJUDGED_DELETED,
    LT_STOP_TRUNCATED,
    LT_STOP_HOLE,
    LT_STOP_INDEX_DIFFERS,
    LT_STOP_INDEX_FULL,
    LT_STOP_TOPIC_MISSING,
    LT_STOP_FETCH_FAILED,
    LT_STOP_WAITING, /* the log or the group coordinator does not answer */
    /* Alarms: the partition or the worker is not stopped, but does not get on. */
    LT_STOP_FOREIGN_TRANSACTION,
    LT_STOP_NO_APPEND_TIME,
    LT_STOP_RETRYING,
    LT_STOP_TWIN,
    LT_STOPS
};

const char *lt_stop_name(enum lt_stop s);  /* NOT-INITIALISED … */
const char *lt_stop_cause(enum lt_stop s); /* one sentence */
const char *lt_stop_safe(enum lt_stop s);  /* what is not in danger while it lasts */
/* What to do, one sentence, with the command that begins it if there is one. */
const char *lt_stop_advice(enum lt_stop s);

#define LT_STOP_COMMAND_MAX 160
/* The command for this partition, "" where only the surroundings can be mended. Those that name offsets are built where
 * the offsets are known. */
void lt_stop_command(enum lt_stop s, int32_t partition, char out[LT_STOP_COMMAND_MAX]);
#endif
