/*
 * One worker of the core: the thread that polls, judges and commits (protocol 2, rules 10-17). Everything of it belongs
 * to that thread, except what status and receipts read under the partitions' locks and `stopping`.
 */
#ifndef LT_CORE_WORKER_H
#define LT_CORE_WORKER_H

#include "gateway/base/pulse.h"
#include "gateway/core/batch.h"
#include "gateway/core/core.h"
#include "gateway/core/foreign.h"

#include <stdatomic.h>

#define LT_WORKER_RETRYING_MS 60000 /* a transaction that cannot be committed for so long is the alarm RETRYING */

/* A record that came while polls were served inside a batch. */
struct lt_carried {
    struct lt_log_record *record;
    uint64_t epoch;
};

struct lt_worker {
    const struct lt_core_settings *settings;
    int number;
    struct lt_log *log;
    bool broken; /* the log is beyond use, or its membership was taken: close it and open a new one */
    struct lt_log_claim claim;
    char instance_id[96];
    struct lt_partition *partitions; /* all of intake, by number; ABSENT when another owns it */
    int32_t partitions_len;
    struct lt_rows rows;
    uint64_t incarnation;
    struct lt_window window;
    const char **outputs;
    int32_t *output_partitions;
    bool outputs_known;
    struct lt_batch_env env;
    struct lt_batch batch;
    LT_VEC(struct lt_carried) carry;
    int32_t next_load;
    bool loading;    /* a load was made this turn, or is due: there may be more to do, do not wait for records */
    bool polls_fail; /* the last poll ended in an error */
    struct lt_foreign foreign;
    bool running;
    pthread_t thread;
    /* shared */
    atomic_bool stopping;
    struct lt_pulse pulse; /* beats in every loop that may wait for Kafka */
    atomic_bool open;      /* the log is open: this worker is, or is about to be, a member of the group */
    pthread_mutex_t lock;  /* guards the fields below and is waited on by wake */
    pthread_cond_t wake;
    char trouble[384]; /* why the worker as a whole does not get on, "" when it does */
    int64_t trouble_since_ms;
    uint64_t batches, records, aborted;
    struct lt_log_share share; /* of the group, when it was last seen settled */
    bool share_known;
};

void lt_worker_init(struct lt_worker *w, const struct lt_core_settings *s, int number);
int lt_worker_start(struct lt_worker *w, struct lt_err *err) LT_MUST_CHECK;
void lt_worker_ask_stop(struct lt_worker *w); /* returns at once */
void lt_worker_stop(struct lt_worker *w);     /* rule 17; returns when the thread ended */
void lt_worker_deinit(struct lt_worker *w);
/* One turn of the loop, for tests that own the thread: opens the log, serves partitions, commits at most one batch. */
void lt_worker_turn(struct lt_worker *w);
void lt_worker_close(struct lt_worker *w);
#endif
