/*
 * A foreign Kafka topic as a way in: the same mappings, the same answers in the dead letter. At least once:
 * the foreign offset is committed after every event of the record is PERSISTED or its refusal is; what comes twice is a
 * duplicate to the core.
 *
 * Of a record only the value counts: its headers, lt_* among them, are not read, so nothing of them can enter. One
 * thread a bridge.
 */
#ifndef LT_INGEST_BRIDGE_H
#define LT_INGEST_BRIDGE_H

#include "gateway/ingest/intake.h"
#include "gateway/kafka/consumer.h"

/* What a bridge needs of its consumer, so that tests can feed it. Meanings: gateway/kafka/consumer.h. */
struct lt_bridge_source {
    void *ctx;
    int (*poll)(void *ctx, int timeout_ms, struct lt_log_record **ret, struct lt_err *err);
    void (*record_free)(void *ctx, struct lt_log_record *r);
    int (*commit)(void *ctx, int32_t partition, int64_t next, struct lt_err *err);
    void (*free)(void *ctx);
};

struct lt_bridge;
/* source: taken in success and failure; NULL: the configuration's Kafka, group lt.bridge.<name>. */
int lt_bridge_start(struct lt_intake *in, struct lt_clients *clients, const struct lt_mappings *mappings,
                    const struct lt_config_bridge *b, const struct lt_bridge_source *source, struct lt_bridge **ret,
                    struct lt_err *err) LT_MUST_CHECK;
void lt_bridge_stop(struct lt_bridge *b); /* after the records in work, or when they wait for Kafka at once */
void lt_bridge_free(struct lt_bridge *b); /* after stop */
void lt_bridge_status(struct lt_bridge *b, struct lt_json_writer *w); /* thread-safe; one object */
void lt_bridge_metrics(struct lt_bridge *b, struct lt_buf *out);
#endif
