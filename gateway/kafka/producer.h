/*
 * The idempotent, non-transactional producer of ingest, folder, bridge and the command line (protocol 2: lt.intake is
 * never written by a transaction). acks=all; success only on status PERSISTED.
 *
 * Thread-safe. Delivery callbacks run on the producer's own poll thread: they must not block. A fatal producer is
 * drained and destroyed before its successor produces (protocol 4); callers see LT_E_UNAVAILABLE meanwhile.
 */
#ifndef LT_KAFKA_PRODUCER_H
#define LT_KAFKA_PRODUCER_H

#include "gateway/base/err.h"
#include "gateway/model/headers.h"

struct lt_config_prop;
struct lt_producer;

enum lt_delivery {
    LT_DELIVERY_PERSISTED,
    LT_DELIVERY_UNKNOWN,   /* may or may not be there: 503, send again */
    LT_DELIVERY_TOO_LARGE, /* the record's own fault */
    LT_DELIVERY_REFUSED,   /* not written for certain: broker said no (authorisation, missing topic) or never sent */
};
struct lt_delivery_report {
    enum lt_delivery outcome;
    int32_t partition;
    int64_t offset; /* PERSISTED only */
    char reason[128];
};
/* Called exactly once per accepted produce. */
typedef void (*lt_delivery_fn)(void *ctx, const struct lt_delivery_report *r);

/* message_timeout_ms bounds how long a record may wait before its report comes. queue_bytes bounds librdkafka's queue.
 */
int lt_producer_new(const struct lt_config_prop *props, size_t n_props, const char *client_id, size_t queue_bytes,
                    int message_timeout_ms, struct lt_producer **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_producer_free(
    struct lt_producer *p); /* flushes up to the message timeout; every report has come when it returns */
/*
 * LT_OK: fn will be called. LT_E_LIMIT: queue full (429/503). LT_E_INVALID: the record is over librdkafka's own
 * message.max.bytes. LT_E_UNAVAILABLE: producer being replaced, topic metadata unknown (Kafka away since start, topic
 * missing), or the topic gone or closed to us since. Bytes are copied. Partition = lt_partition_of(key, partition count
 * of the topic). Does not block, but for the first record of a topic: up to 2 s.
 */
int lt_producer_send(struct lt_producer *p, const char *topic, struct lt_span key, const struct lt_headers *headers,
                     struct lt_span value, lt_delivery_fn fn, void *ctx, struct lt_err *err) LT_MUST_CHECK;
/* Ask for the topic's partitions ahead of its first record. Such a record never waits for them: LT_E_UNAVAILABLE until
 * they are known. */
void lt_producer_prepare(struct lt_producer *p, const char *topic);
/* A broker answered this producer lately, and the partitions of every prepared topic are known. */
bool lt_producer_ready(struct lt_producer *p);
#endif
