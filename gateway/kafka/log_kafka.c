#include "gateway/kafka/log_kafka.h"

#include "gateway/config/config.h"
#include "gateway/kafka/scan.h"

#include <inttypes.h>
#include <stdio.h>

static const struct lt_log_ops kafka_ops = {
    .close = lt_log_kafka_close,
    .poll = lt_log_kafka_poll,
    .record_free = lt_log_kafka_record_free,
    .start = lt_log_kafka_start,
    .stop = lt_log_kafka_stop,
    .pause = lt_log_kafka_pause,
    .committed = lt_log_kafka_committed,
    .watermarks = lt_log_kafka_watermarks,
    .partitions = lt_log_kafka_partitions,
    .offset_at = lt_log_kafka_offset_at,
    .scan = lt_log_kafka_scan,
    .capture = lt_log_kafka_capture,
    .membership_free = lt_log_kafka_membership_free,
    .membership_same = lt_log_kafka_membership_same,
    .begin = lt_log_kafka_begin,
    .produce = lt_log_kafka_produce,
    .forward = lt_log_kafka_forward,
    .headers = lt_log_kafka_headers,
    .send_offsets = lt_log_kafka_send_offsets,
    .commit = lt_log_kafka_commit,
    .abort = lt_log_kafka_abort,
    .renew = lt_log_kafka_renew,
    .transaction_age_ms = lt_log_kafka_age,
    .disturbances = lt_log_kafka_disturbances,
    .share = lt_log_kafka_share,
    .stable_end = lt_log_kafka_stable_end,
};

struct lt_kafka_spec lt_log_kafka_spec(const struct lt_log_kafka *k, const struct lt_kafka_setting *defaults,
                                       size_t defaults_len, const struct lt_kafka_setting *forced, size_t forced_len)
{
    return (struct lt_kafka_spec){k->props, k->props_len, defaults, forced, defaults_len, forced_len};
}

struct lt_kafka_partition *lt_log_kafka_partition(struct lt_log_kafka *k, int32_t partition)
{
    while (k->partitions.len <= (size_t)partition)
        *lt_vec_push(&k->partitions) = (struct lt_kafka_partition){0};
    return &k->partitions.v[partition];
}

rd_kafka_topic_partition_list_t *lt_log_kafka_running(const struct lt_log_kafka *k)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)k->partitions.len);
    for (size_t i = 0; i < k->partitions.len; i++)
        if (k->partitions.v[i].started && !k->partitions.v[i].paused)
            rd_kafka_topic_partition_list_add(list, k->topic, (int32_t)i);
    return list;
}

int lt_log_kafka_consumer(struct lt_log_kafka *k, struct lt_err *err)
{
    char queue_kib[24], queue_records[24], session_ms[24];
    snprintf(queue_records, sizeof(queue_records), "%d", LT_KAFKA_QUEUE_RECORDS);
    snprintf(queue_kib, sizeof(queue_kib), "%zu", LT_MAX(k->queue_bytes / 1024, (size_t)1024));
    snprintf(session_ms, sizeof(session_ms), "%" PRId64, LT_LOG_SESSION_MS);
    /* Static membership, session and poll interval: protocol 2 "Settings". */
    const struct lt_kafka_setting forced[] = {
        {"group.id", k->group},
        {"group.instance.id", k->instance_id},
        {"client.id", k->instance_id},
        {"isolation.level", "read_committed"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"session.timeout.ms", session_ms},
        {"heartbeat.interval.ms", "500"}, /* by its answers members learn of a rebalance: it waits for the last one */
        {"max.poll.interval.ms", "60000"},
        {"check.crcs", "true"},
        {"enable.partition.eof", "false"},
        {"allow.auto.create.topics", "false"},
        {"queued.min.messages", queue_records},
        {"queued.max.messages.kbytes", queue_kib},
    };
    const struct lt_kafka_spec spec = lt_log_kafka_spec(k, NULL, 0, forced, LT_ARRAY_LEN(forced));
    rd_kafka_conf_t *conf;
    int r = lt_kafka_conf(&spec, &conf, err);
    if (r != LT_OK)
        return r;
    rd_kafka_conf_set_rebalance_cb(conf, lt_log_kafka_rebalance);
    rd_kafka_conf_set_error_cb(conf, lt_log_kafka_client_error);
    rd_kafka_conf_set_opaque(conf, k);
    r = lt_kafka_handle(RD_KAFKA_CONSUMER, conf, &k->consumer, err);
    if (r != LT_OK)
        return r;
    rd_kafka_poll_set_consumer(k->consumer);
    k->queue = rd_kafka_queue_get_consumer(k->consumer);
    return LT_OK;
}

int lt_log_kafka_reader(struct lt_log_kafka *k, const char *isolation, rd_kafka_t **ret, struct lt_err *err)
{
    const struct lt_kafka_setting defaults[] = {{"fetch.error.backoff.ms", "100"}};
    const struct lt_kafka_setting forced[] = {
        {"client.id", k->instance_id},    {"isolation.level", isolation},        {"auto.offset.reset", "error"},
        {"enable.auto.commit", "false"},  {"enable.auto.offset.store", "false"}, {"check.crcs", "true"},
        {"enable.partition.eof", "true"}, {"allow.auto.create.topics", "false"}, LT_KAFKA_SCAN_SETTINGS,
    };
    const struct lt_kafka_spec spec =
        lt_log_kafka_spec(k, defaults, LT_ARRAY_LEN(defaults), forced, LT_ARRAY_LEN(forced));
    return lt_kafka_open(RD_KAFKA_CONSUMER, &spec, ret, err);
}

/* Results of the port become errors for the caller, who has no log yet; but for TWIN, which is final. */
static int as_error(int result, struct lt_err *err)
{
    if (result <= 0 || result == LT_LOG_TWIN)
        return result;
    if (result == LT_LOG_RETRY || !err || err->code >= 0)
        return LT_E_UNAVAILABLE;
    return err->code;
}

int lt_log_kafka_new(const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct lt_err own = LT_ERR_INIT;
    if (!err)
        err = &own;
    struct lt_log_kafka *k = lt_alloc(sizeof(*k));
    k->base.ops = &kafka_ops;
    k->callbacks = s->callbacks;
    k->group = lt_strdup(s->group);
    k->topic = lt_strdup(s->topic);
    k->instance_id = lt_strdup(s->instance_id);
    k->claim = s->claim;
    k->leaving = s->leaving;
    k->other_topic = s->other_topic ? lt_strdup(s->other_topic) : NULL;
    k->transaction_timeout_ms = s->transaction_timeout_ms > 0 ? s->transaction_timeout_ms : 15000;
    k->queue_bytes = s->queue_bytes;
    k->record_max = s->record_max;
    k->props = lt_kafka_props_copy(s->props, s->props_len);
    k->props_len = s->props_len;
    k->served_generation = -1;
    k->transaction = LT_TXN_RENEWING;

    /* init_transactions before subscribe: else a predecessor that was killed costs up to 25 s in committed(). */
    int r = lt_log_kafka_reader(k, "read_uncommitted", &k->peek, err);
    if (r == LT_OK)
        r = as_error(lt_log_kafka_renew(&k->base, err), err);
    if (r == LT_OK)
        r = as_error(lt_log_kafka_claim_make(k, err), err);
    if (r == LT_OK)
        r = lt_log_kafka_consumer(k, err);
    if (r == LT_OK)
        r = as_error(lt_log_kafka_subscribe(k, false, err), err);
    if (r != LT_OK) {
        lt_log_kafka_close(&k->base);
        return r;
    }
    *ret = &k->base;
    return LT_OK;
}
