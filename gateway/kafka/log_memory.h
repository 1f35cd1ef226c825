/*
 * A log in memory for tests: one object stands for a whole cluster, and any number of logs (workers) are opened on it.
 * It keeps the rules of protocol 2 and the facts of section 6 that the core and the delivery engine are built against:
 *
 *   - transactions write at once, are invisible to read_committed until their marker, and the marker occupies an
 * offset; the last stable offset is the first offset of an open transaction
 *   - offsets sent by a transaction take effect with its commit; committed() answers LT_LOG_RETRY while one is pending
 *   - the group checks member and generation, not ownership; a rebalance moves a partition only after its owner's
 * on_revoke has run
 *   - a second log with the same instance id takes over membership (the first gets LT_LOG_TWIN) and transactional id
 * (the first gets LT_LOG_FENCED; its open transaction is aborted)
 *
 * Every step that a process could die or be disturbed at asks the fault schedule first. Everything is deterministic:
 * same calls, same seed, same result. Time stands still unless the test moves it. One thread only.
 */
#ifndef LT_KAFKA_LOG_MEMORY_H
#define LT_KAFKA_LOG_MEMORY_H

#include "gateway/kafka/log.h"

struct lt_memory;

struct lt_memory *lt_memory_new(int64_t clock_ms);
void lt_memory_free(struct lt_memory *m); /* logs on it must be closed before; free(NULL) is fine */

/* ---- topics ---- */

/* record_max: bytes of key + value + headers a record may have, 0 = no limit. append_time: records bear broker append
 * time. */
void lt_memory_topic(struct lt_memory *m, const char *name, int32_t partitions, size_t record_max, bool append_time);
void lt_memory_topic_drop(struct lt_memory *m, const char *name); /* with every group's offsets on it */

/* ---- time ---- */

int64_t lt_memory_clock(const struct lt_memory *m);
/* Forward. Transactions older than their timeout are aborted and their producers fenced (protocol 6). */
void lt_memory_advance(struct lt_memory *m, int64_t ms);

/* ---- the log, as its other writers and readers see it ---- */

/* What an idempotent producer does: one record, no transaction, append time = clock. Returns the offset. */
int64_t lt_memory_append(struct lt_memory *m, const char *topic, int32_t partition, struct lt_span key,
                         const struct lt_headers *headers, struct lt_span value);
/* The same by a broker whose clock says append_ms; -1: a record without append time. */
int64_t lt_memory_append_at(struct lt_memory *m, const char *topic, int32_t partition, struct lt_span key,
                            const struct lt_headers *headers, struct lt_span value, int64_t append_ms);
/* Every committed record of the partition in order (the oracle: what a read_committed reader ends up seeing). */
void lt_memory_read(struct lt_memory *m, const char *topic, int32_t partition,
                    void (*fn)(void *ctx, const struct lt_log_record *r), void *ctx);
/* The same from an offset on; returns where the reader stands then. */
int64_t lt_memory_read_from(struct lt_memory *m, const char *topic, int32_t partition, int64_t from,
                            void (*fn)(void *ctx, const struct lt_log_record *r), void *ctx);
/* The same, with the committed records that an open transaction before them still hides from readers; returns the last
 * stable offset: what lies before it stays as it is. */
int64_t lt_memory_read_all(struct lt_memory *m, const char *topic, int32_t partition, int64_t from,
                           void (*fn)(void *ctx, const struct lt_log_record *r), void *ctx);
size_t lt_memory_count(struct lt_memory *m, const char *topic); /* committed records, all partitions */
int64_t lt_memory_end(struct lt_memory *m, const char *topic, int32_t partition); /* high watermark */
/* What somebody else leaves behind: a transaction that stays open until it is closed here (rule 10,
 * FOREIGN-TRANSACTION). */
void lt_memory_foreign_open(struct lt_memory *m, const char *topic, int32_t partition);
void lt_memory_foreign_close(struct lt_memory *m, const char *topic, int32_t partition);

void lt_memory_delete_head(struct lt_memory *m, const char *topic, int32_t partition, int64_t low); /* retention */
void lt_memory_truncate(struct lt_memory *m, const char *topic, int32_t partition,
                        int64_t end); /* lost acknowledged records */
void lt_memory_hole(struct lt_memory *m, const char *topic, int32_t partition,
                    int64_t offsets); /* skip so many offsets */
void lt_memory_remove(struct lt_memory *m, const char *topic, int32_t partition,
                      int64_t offset); /* one record: a hole inside */

/*
 * A partition as it stands, to be put back after something was done to it: what was cut away comes back, what was
 * written since is gone. No transaction may be open in it at either time. restore frees it; free(NULL) is fine.
 */
struct lt_memory_copy;
struct lt_memory_copy *lt_memory_copy_new(struct lt_memory *m, const char *topic, int32_t partition);
void lt_memory_copy_restore(struct lt_memory *m, struct lt_memory_copy *c);
void lt_memory_copy_free(struct lt_memory_copy *c);

/* ---- groups ---- */

/* offset -1: remove. metadata "" is what a reset-offsets tool leaves. Open transactions are not looked at. */
void lt_memory_offset_set(struct lt_memory *m, const char *group, const char *topic, int32_t partition, int64_t offset,
                          const char *metadata);
void lt_memory_offset_get(struct lt_memory *m, const char *group, const char *topic, int32_t partition,
                          struct lt_log_offset *ret);
/* Move partitions about: each member's share is drawn anew (by the seed); with one member it loses and gets them again.
 */
void lt_memory_rebalance(struct lt_memory *m, const char *group);
/* A broker was lost or a leader changed, as clients notice it (rule 10). */
void lt_memory_disturb(struct lt_memory *m);

/* ---- faults ---- */

/* What a log is about to do. */
enum lt_memory_step {
    LT_STEP_POLL,
    LT_STEP_COMMITTED,
    LT_STEP_SCAN,
    LT_STEP_BEGIN,
    LT_STEP_PRODUCE,
    LT_STEP_SEND_OFFSETS,
    LT_STEP_COMMIT,
    LT_STEP_ABORT,
    LT_STEP_RENEW,
    LT_STEPS
};

enum lt_memory_fault {
    LT_FAULT_NONE,
    LT_FAULT_CRASH,        /* the process dies before the step: this log does nothing any more, every call fails
                              (lt_memory_crashed) */
    LT_FAULT_CRASH_AFTER,  /* the same just after the step took effect; its result is never seen */
    LT_FAULT_ABORTABLE,    /* a transaction's call fails, the transaction must be aborted */
    LT_FAULT_RETRY,        /* timed out without effect */
    LT_FAULT_LOST_APPLIED, /* commit, abort: took effect, the answer is lost: LT_LOG_UNKNOWN */
    LT_FAULT_LOST_DROPPED, /* commit, abort: no effect yet, the answer is lost: LT_LOG_UNKNOWN; the transaction stays
                              open until renew */
    LT_FAULT_FENCED,       /* somebody initialised the same transactional id */
    LT_FAULT_TWIN,         /* somebody joined with the same instance id */
    LT_FAULT_REBALANCE,    /* the group is rebalanced before the step */
    LT_FAULT_NOTHING,      /* poll: nothing comes this time */
    LT_FAULT_TAKEN,        /* the membership went to a join of our own that nobody waits for any more: no twin */
    LT_FAULTS
};

/* Asked before every step; number counts the steps of the whole cluster from 1. A fault that means nothing to a step is
 * ignored. */
typedef enum lt_memory_fault (*lt_memory_schedule_fn)(void *ctx, const char *instance_id, enum lt_memory_step step,
                                                      uint64_t number);
void lt_memory_schedule(struct lt_memory *m, lt_memory_schedule_fn fn, void *ctx); /* NULL: no faults */
/* One fault at step `number`, none elsewhere. */
void lt_memory_fault_at(struct lt_memory *m, uint64_t number, enum lt_memory_fault fault);
/* Faults drawn by the seed: about per_mille of the steps are disturbed, each by a fault of `faults` (bit 1 <<
 * LT_FAULT_…). */
void lt_memory_chaos(struct lt_memory *m, uint64_t seed, unsigned per_mille, unsigned faults);
uint64_t lt_memory_steps(const struct lt_memory *m); /* so far */
/* Called when a log crashes, before its call returns: the place to make a worker's loop end. */
void lt_memory_on_crash(struct lt_memory *m, void (*fn)(void *ctx, struct lt_log *l), void *ctx);

/* ---- workers ---- */

/*
 * Open a log, with the settings as for Kafka (props are not looked at). The consumed topic must exist: LT_E_NOT_FOUND.
 * An open transaction of the same transactional id is aborted.
 */
int lt_log_memory_new(struct lt_memory *m, const struct lt_log_settings *s, struct lt_log **ret,
                      struct lt_err *err) LT_MUST_CHECK;
/* Did this log crash? Close it then (closing a crashed log changes nothing in the cluster) and open a new one. */
bool lt_memory_crashed(const struct lt_log *l);
void lt_memory_crash(struct lt_log *l); /* now */
/*
 * The process stands still (SIGSTOP, a long pause of the machine) or goes on. While it stands its heartbeats stop:
 * after the session it is expelled, its partitions go to others. It learns of that at its first poll after it went on,
 * where it loses everything and joins again; until then it believes in its old membership. The caller sees to it that a
 * standing process calls nothing.
 */
void lt_memory_freeze(struct lt_log *l, bool frozen);
#endif
