/*
 * What every librdkafka handle of the gateway has in common: how it is configured, where its messages go, and what an
 * error code means to the log port (the one table from library code to outcome). Private to gateway/kafka.
 *
 * Property order: defaults first, then the configuration's own (SASL, TLS, tuning), then what the protocol demands and
 * nobody may change. Names that librdkafka does not know are errors; values are never logged, they may be secrets.
 */
#ifndef LT_KAFKA_CLIENT_H
#define LT_KAFKA_CLIENT_H

#include "gateway/base/err.h"
#include "gateway/kafka/log.h"

#include <librdkafka/rdkafka.h>

struct lt_config_prop;

struct lt_kafka_setting {
    const char *name, *value;
};

struct lt_kafka_spec {
    const struct lt_config_prop *props; /* of the configuration; lent */
    size_t props_len;
    const struct lt_kafka_setting *defaults, *forced;
    size_t defaults_len, forced_len;
};

/* Caller hands *ret to rd_kafka_new or destroys it. 0, LT_E_INVALID. */
int lt_kafka_conf(const struct lt_kafka_spec *spec, rd_kafka_conf_t **ret, struct lt_err *err) LT_MUST_CHECK;
/* Takes conf in success and failure. 0, LT_E_INVALID. */
int lt_kafka_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct lt_err *err) LT_MUST_CHECK;

/* Copies for handles that are opened again; both strings are owned. free(NULL) is fine. */
struct lt_config_prop *lt_kafka_props_copy(const struct lt_config_prop *props, size_t n);
void lt_kafka_props_free(struct lt_config_prop *props, size_t n);

/* Both in one, for a handle without callbacks. */
int lt_kafka_open(rd_kafka_type_t type, const struct lt_kafka_spec *spec, rd_kafka_t **ret,
                  struct lt_err *err) LT_MUST_CHECK;

/* What a code means outside of transactions. RETRY also for everything that passes by itself. */
enum lt_log_result lt_kafka_result(rd_kafka_resp_err_t code);
/* The same as one of enum lt_error, for the parts that are not a log. */
int lt_kafka_error(rd_kafka_resp_err_t code);
/* For people: the library's words, but plain ones for a Kafka that is away, which is what is met most. */
const char *lt_kafka_text(rd_kafka_resp_err_t code);
/* Fill err with "what: text of the code" (code LT_E_… by lt_kafka_error, kind = librdkafka's name) and return the
 * result. */
int lt_kafka_fail(struct lt_err *err, rd_kafka_resp_err_t code, const char *fmt, ...) LT_PRINTF(3, 4);
/* Partition count of a topic, asked of a broker. LT_LOG_OK, LT_LOG_RETRY, LT_LOG_PERMANENT (no such topic, not
 * allowed). */
int lt_kafka_partitions(rd_kafka_t *rk, const char *topic, int timeout_ms, int32_t *ret,
                        struct lt_err *err) LT_MUST_CHECK;

/*
 * The group as its coordinator describes it; LT_LOG_OK with *ret NULL when there is none of this name. The caller
 * destroys it. A broker that does not answer matters only if it may be the coordinator.
 */
int lt_kafka_group(rd_kafka_t *rk, const char *group, int timeout_ms, const struct rd_kafka_group_list **ret,
                   struct lt_err *err) LT_MUST_CHECK;

/*
 * First offset of a partition, and the end: the high watermark, or the last stable offset when the handle reads
 * committed records only. Keeps its time limit, which rd_kafka_query_watermark_offsets of 2.0.2 does not (it waits for
 * the request's own end, minutes when a broker is frozen). Results as for lt_kafka_partitions.
 */
int lt_kafka_low(rd_kafka_t *rk, const char *topic, int32_t partition, int timeout_ms, int64_t *ret,
                 struct lt_err *err) LT_MUST_CHECK;
int lt_kafka_end(rd_kafka_t *rk, const char *topic, int32_t partition, int timeout_ms, int64_t *ret,
                 struct lt_err *err) LT_MUST_CHECK;
/*
 * librdkafka 2.0.2 stops fetching while its queue is full, and looks whether there is room again only when something
 * else wakes the thread of that broker, at the latest after a second: who empties a full queue calls this, or it stays
 * empty for the rest of that second. Any request to the partition's leader wakes it; this one asks for an end of the
 * log. Its answer does not matter; blocks for that round trip, at most 100 ms.
 */
void lt_kafka_wake(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions);

/* What has come through a queue: how large its records are. */
struct lt_kafka_seen {
    uint64_t records, bytes; /* keys and values, as librdkafka counts them for its limit */
};
/* Is there so much in the queue that the fetcher has gone to sleep? */
static inline bool lt_kafka_is_full(const struct lt_kafka_seen *s, size_t waiting, size_t records_max, size_t bytes_max)
{
    uint64_t each = s->records ? s->bytes / s->records : 0;
    return waiting >= records_max || waiting * each >= bytes_max / 8 * 7;
}
/* Headers for a record to be produced; the caller destroys them unless produce took them. NULL when there are none. */
rd_kafka_headers_t *lt_kafka_headers(const struct lt_headers *h);
#endif
