/*
 * A worker over a log in memory, for the tests of that log: it starts assigned partitions at their committed offset and
 * can move one record from "in" to "out" in a transaction, as the core does.
 */
#ifndef LT_TESTS_UNIT_KAFKA_WORKER_H
#define LT_TESTS_UNIT_KAFKA_WORKER_H

#include "harness.h"

#include "gateway/kafka/log_memory.h"

#include <stdio.h>

#define WORKER_PARTITIONS 4

struct worker {
    struct lt_log *log;
    bool assigned[WORKER_PARTITIONS], started[WORKER_PARTITIONS];
    int assigns, revokes;
    atomic_bool leaving; /* when it is closed */
};

static void worker_on_assign(void *ctx, int32_t partition)
{
    struct worker *w = ctx;
    w->assigned[partition] = true;
    w->started[partition] = false;
    w->assigns++;
}

static void worker_on_revoke(void *ctx, int32_t partition, bool lost LT_UNUSED)
{
    struct worker *w = ctx;
    w->assigned[partition] = w->started[partition] = false;
    w->revokes++;
}

static inline void worker_open(struct worker *w, struct lt_memory *m, const char *instance)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_settings s = {
        .group = "g",
        .topic = "in",
        .instance_id = instance,
        .callbacks = {w, worker_on_assign, worker_on_revoke},
        .transaction_timeout_ms = 15000,
        .leaving = &w->leaving,
    };
    memset(w, 0, sizeof(*w));
    assert_int_equal(lt_log_memory_new(m, &s, &w->log, &err), LT_OK);
}

static inline void worker_close(struct worker *w)
{
    w->log->ops->close(w->log);
    w->log = NULL;
}

static inline struct lt_memory *cluster_new(int32_t in_partitions)
{
    struct lt_memory *m = lt_memory_new(1000000);
    lt_memory_topic(m, "in", in_partitions, 0, true);
    lt_memory_topic(m, "out", 2, 100, true);
    for (int32_t p = 0; p < in_partitions; p++)
        lt_memory_offset_set(m, "g", "in", p, 0, "genesis");
    return m;
}

static inline int64_t cluster_append(struct lt_memory *m, int32_t partition, const char *value)
{
    return lt_memory_append(m, "in", partition, LT_SPAN_LIT("k"), NULL, lt_span_str(value));
}

/* One poll; callbacks run; the record, or NULL. *ret_result, when wanted, is what poll said. */
static inline struct lt_log_record *worker_poll(struct worker *w, int *ret_result)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_record *r = NULL;
    int result = w->log->ops->poll(w->log, 0, &r, &err);
    if (ret_result)
        *ret_result = result;
    return r;
}

static inline struct lt_log_membership *worker_capture(struct worker *w)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_membership *ms = NULL;
    assert_int_equal(w->log->ops->capture(w->log, &ms, &err), LT_LOG_OK);
    return ms;
}

static inline int worker_start_all(struct worker *w)
{
    for (int32_t p = 0; p < WORKER_PARTITIONS; p++) {
        struct lt_err err = LT_ERR_INIT;
        struct lt_log_offset at;
        if (!w->assigned[p] || w->started[p])
            continue;
        int r = w->log->ops->committed(w->log, p, 0, &at, &err);
        if (r == LT_LOG_OK)
            r = w->log->ops->start(w->log, p, at.offset, &err);
        if (r != LT_LOG_OK)
            return r;
        w->started[p] = true;
    }
    return LT_LOG_OK;
}

/* Up to commit: value to "out" and the offset behind (partition, offset) with a metadata that tells it. */
static inline int worker_write(struct worker *w, const struct lt_log_membership *ms, int32_t partition, int64_t offset,
                               struct lt_span value, struct lt_err *err)
{
    struct lt_log_offset o = {.partition = partition, .offset = offset + 1};
    snprintf(o.metadata, sizeof(o.metadata), "m%d", (int)offset + 1);
    int r = w->log->ops->begin(w->log, err);
    if (r == LT_LOG_OK)
        r = w->log->ops->produce(w->log, "out", partition % 2, LT_SPAN_LIT("k"), NULL, value, err);
    if (r == LT_LOG_OK)
        r = w->log->ops->send_offsets(w->log, ms, &o, 1, err);
    return r;
}

#endif
