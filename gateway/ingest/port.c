#include "gateway/ingest/port.h"

#include <stdio.h>

#include "gateway/kafka/reader.h"
#include "gateway/model/event.h"

#define READ_MS 5000

struct kafka_port {
    const struct lt_config *config;
    struct lt_producer *producer;
    struct lt_reader **readers; /* one a worker, made when first needed */
    size_t workers;
};

static int port_send(void *ctx, const char *topic, struct lt_span key, const struct lt_headers *headers,
                     struct lt_span value, lt_delivery_fn fn, void *fn_ctx, struct lt_err *err)
{
    struct kafka_port *p = ctx;
    return lt_producer_send(p->producer, topic, key, headers, value, fn, fn_ctx, err);
}

static bool port_ready(void *ctx)
{
    struct kafka_port *p = ctx;
    return lt_producer_ready(p->producer);
}

static void take_facts(void *ctx, const struct lt_log_record *rec)
{
    struct lt_intake_facts *f = ctx;
    snprintf(f->id, sizeof(f->id), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(&rec->headers, "ce_id")));
    snprintf(f->digest, sizeof(f->digest), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(&rec->headers, "lt_digest")));
    snprintf(f->client, sizeof(f->client), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(&rec->headers, "lt_client")));
}

static int port_read(void *ctx, size_t worker, int32_t partition, int64_t offset, struct lt_intake_facts *ret,
                     struct lt_err *err)
{
    struct kafka_port *p = ctx;
    struct lt_reader **reader = &p->readers[worker];
    int rc = LT_OK;
    if (!*reader)
        rc = lt_reader_new(p->config->kafka.props, p->config->kafka.props_len, reader, err);
    if (rc == LT_OK)
        rc = lt_reader_get(*reader, LT_TOPIC_INTAKE, partition, offset, READ_MS, take_facts, ret, err);
    return rc;
}

static void port_free(void *ctx)
{
    struct kafka_port *p = ctx;
    lt_producer_free(p->producer);
    for (size_t i = 0; i < p->workers; i++)
        lt_reader_free(p->readers[i]);
    free(p->readers);
    free(p);
}

int lt_intake_port_kafka(const struct lt_config *c, size_t queue_bytes, size_t workers, struct lt_intake_port *ret,
                         struct lt_err *err)
{
    struct kafka_port *p = lt_alloc(sizeof(*p));
    LT_AUTOFREE char *id = lt_asprintf("lt.ingest.%s", c->instance);
    p->config = c;
    p->workers = workers;
    p->readers = lt_calloc(LT_MAX(workers, 1), sizeof(struct lt_reader *));
    /* librdkafka's own limit must not be below the topics'; what the configuration says comes later and wins. */
    char record_max[24], batch_size[24];
    LT_AUTOFREE struct lt_config_prop *props = lt_calloc(c->kafka.props_len + 2, sizeof(*props));
    snprintf(record_max, sizeof(record_max), "%lld", (long long)LT_MAX(c->topics.record_max, 1000000));
    /* The broker measures whole batches: one must fit intake, whose limit is the smallest. */
    snprintf(batch_size, sizeof(batch_size), "%lld", (long long)LT_MIN(c->topics.record_max - 16384, 1000000));
    props[0] = (struct lt_config_prop){"message.max.bytes", record_max};
    props[1] = (struct lt_config_prop){"batch.size", batch_size};
    for (size_t i = 0; i < c->kafka.props_len; i++)
        props[i + 2] = c->kafka.props[i];
    int rc = lt_producer_new(props, c->kafka.props_len + 2, id, queue_bytes, (int)c->ingest.ack_timeout_ms,
                             &p->producer, err);
    if (rc != LT_OK) {
        free(p->readers);
        free(p);
        return rc;
    }
    /* A loop must not wait for a topic's partitions when the first request comes. */
    lt_producer_prepare(p->producer, LT_TOPIC_INTAKE);
    lt_producer_prepare(p->producer, LT_TOPIC_DEADLETTER);
    lt_producer_prepare(p->producer, LT_TOPIC_AUDIT);
    *ret = (struct lt_intake_port){p, port_send, port_ready, port_read, port_free};
    return LT_OK;
}
