/*
 * The core: gives every accepted event its verdict exactly once and routes it (protocol 2).
 *
 * A worker is one thread with one log handle: a consumer of group lt.core and a transactional producer. Workers scale
 * by partitions; the log's group protocol is the only coordinator. The core never parses an event's data and never
 * decides without an index that is proved complete. Whatever it cannot decide is a stop: a state of one partition with
 * reason and command, shown in status and tried again every 30 s, while the other partitions go on.
 */
#ifndef LT_CORE_CORE_H
#define LT_CORE_CORE_H

#include "gateway/codec/json.h"
#include "gateway/config/config.h"
#include "gateway/core/routes.h"
#include "gateway/kafka/log.h"
#include "gateway/model/verdict.h"

struct lt_core;

struct lt_core_settings {
    const struct lt_config *config; /* lent until lt_core_free */
    const struct lt_routes *routes;
    void *ctx;
    /* A worker's log; worker is its number, settings are ready to use. lt_log_kafka_new, or a memory log in tests. */
    int (*open_log)(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err);
    /*
     * The process must end at once with this code: 78 when another process runs under the same instance name (rule 16).
     * Called on a worker's thread; should not return.
     */
    void (*on_fatal)(void *ctx, int exit_code, const char *text);
    const atomic_bool *leaving; /* lent until lt_core_free: as in lt_log_settings; NULL: never */
    int64_t backoff_ms_min;     /* first pause after a transaction that failed; 0: 100 ms (rule 14) */
    int64_t hangs_ms;           /* silence of a worker's thread that counts as hanging; 0: LT_PULSE_HANGS_MS */
};

/* Everything but the threads: status and receipts can be asked already. */
struct lt_core *lt_core_new(const struct lt_core_settings *s);
/* Starts the worker threads; they keep trying until the log answers. On failure: stop and free. */
int lt_core_run(struct lt_core *c, struct lt_err *err) LT_MUST_CHECK;
/* Rule 17: stop polling, finish the transaction, close. Blocks until the workers ended. free(NULL) is fine. */
void lt_core_stop(struct lt_core *c);
void lt_core_free(struct lt_core *c);

/* Thread-safe:
 * {"ready":…,"hangs":…,"partitions":[{partition,state,offset,…,stop:{reason,text,command}}],"verdicts":{…}} as one
 * object. */
void lt_core_status(struct lt_core *c, struct lt_json_writer *w);
/* Prometheus text. */
void lt_core_metrics(struct lt_core *c, struct lt_buf *out);
/*
 * Has every worker opened its log and a part of intake (unless the group has more members than partitions), does
 * somebody own every partition, are those of this process running, and does no worker's thread hang?
 */
bool lt_core_ready(struct lt_core *c);
/* Thread-safe, never waits: a worker's thread has been silent for longer than any step takes. */
bool lt_core_hangs(const struct lt_core *c);
/* Thread-safe: the worker that owns the partition tries it again at once, if it is stopped; rebuild: it drops the index
 * and the local files and builds them again from the log. false: nobody here owns it. */
bool lt_core_look(struct lt_core *c, int32_t partition, bool rebuild);
/* Port for receipts. */
struct lt_fate_port lt_core_fate(struct lt_core *c);
#endif
