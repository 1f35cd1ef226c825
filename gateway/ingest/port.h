/*
 * What ingest needs of Kafka, as a port: tests put a fake behind it. All functions are thread-safe unless said
 * otherwise; meanings are those of gateway/kafka/producer.h and reader.h.
 */
#ifndef LT_INGEST_PORT_H
#define LT_INGEST_PORT_H

#include "gateway/config/config.h"
#include "gateway/kafka/producer.h"

/* What a receipt needs to know of its record. */
struct lt_intake_facts {
    char id[33];
    char digest[65];
    char client[128];
};

struct lt_intake_port {
    void *ctx;
    /* lt_producer_send: LT_OK and one report, LT_E_LIMIT, LT_E_UNAVAILABLE; LT_E_INVALID for a record that can never be
     * sent. */
    int (*send)(void *ctx, const char *topic, struct lt_span key, const struct lt_headers *headers,
                struct lt_span value, lt_delivery_fn fn, void *fn_ctx, struct lt_err *err);
    bool (*ready)(void *ctx);
    /* The record of lt.intake at an offset; blocks up to 5 s. worker 0..workers-1: one thread each. LT_E_NOT_FOUND,
     * LT_E_TIMEOUT … */
    int (*read)(void *ctx, size_t worker, int32_t partition, int64_t offset, struct lt_intake_facts *ret,
                struct lt_err *err);
    /* Ends it: every report has come when this returns. */
    void (*free)(void *ctx);
};

int lt_intake_port_kafka(const struct lt_config *c, size_t queue_bytes, size_t workers, struct lt_intake_port *ret,
                         struct lt_err *err) LT_MUST_CHECK;
#endif
