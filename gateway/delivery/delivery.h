/*
 * Delivery to the targets of the configuration: one thread with one engine for each target (engine.h).
 *
 * start returns at once; a log or target that is away is waited for. status, metrics and ready read a snapshot that the
 * threads renew a few times a second: thread-safe, they never wait for a target. A thread that hangs renews nothing any
 * more: that is seen by the age of the snapshot.
 */
#ifndef LT_DELIVERY_DELIVERY_H
#define LT_DELIVERY_DELIVERY_H

#include "gateway/codec/json.h"
#include "gateway/config/config.h"
#include "gateway/delivery/adapter.h"
#include "gateway/delivery/position.h" /* lt_delivery_genesis, for `lienthong topics` */
#include "gateway/kafka/log.h"

struct lt_delivery_engine;

struct lt_delivery_settings {
    const struct lt_config *config;        /* lent until free */
    const struct lt_config_target *target; /* one of the configuration's, lent */
    const struct lt_adapter_type *adapter; /* the type named target->adapter */
    const atomic_bool *leaving;            /* lent until free: as in lt_log_settings; NULL: never */
    void *ctx;
    int (*open_log)(void *ctx, const struct lt_log_settings *s, struct lt_log **ret,
                    struct lt_err *err); /* NULL: lt_log_kafka_new */
    int64_t hangs_ms;                    /* of silence beyond what a call may take; 0: 2 minutes */
    /* The process must end at once with this code (protocol 2, rule 16). Called on the target's thread. */
    void (*on_fatal)(void *ctx, int exit_code, const char *text);
};

/* LT_E_INVALID: options of the target, findings in diags; LT_E_…: certificate or key of the target cannot be used. */
int lt_delivery_start(const struct lt_delivery_settings *s, struct lt_delivery_engine **ret,
                      struct lt_diags *diags) LT_MUST_CHECK;
/* Ask it to end: start nothing, wait for calls in flight up to their time limit, commit, leave. Returns at once. */
void lt_delivery_stop(struct lt_delivery_engine *d);
/* Stops, waits for the thread and frees. free(NULL) is fine. */
void lt_delivery_free(struct lt_delivery_engine *d);

/* One object: {"target","state","partitions":[{partition,state,offset,…,stop:{reason,text,command}}],"counters":{…}} */
void lt_delivery_status(struct lt_delivery_engine *d, struct lt_json_writer *w);
void lt_delivery_metrics(struct lt_delivery_engine *d, struct lt_buf *out);
/* Every partition here runs, and the thread does not hang. */
bool lt_delivery_ready(struct lt_delivery_engine *d);
/* How long its thread has been silent; hangs: longer than any step takes, also one that waits for calls that are out
 * before a partition is given back (rule 10). */
int64_t lt_delivery_silent_ms(struct lt_delivery_engine *d);
bool lt_delivery_hangs(struct lt_delivery_engine *d);

/* Options of a target without starting anything, for `lienthong check`. Findings in diags. */
int lt_delivery_check(const struct lt_config_target *t, const struct lt_adapter_type *adapter,
                      struct lt_diags *diags) LT_MUST_CHECK;

#endif
