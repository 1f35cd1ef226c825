#include "gateway/kafka/consumer.h"

#include "gateway/kafka/client.h"
#include "gateway/kafka/record.h"

struct lt_consumer {
    rd_kafka_t *rk;
    char *topic;
};

int lt_consumer_new(const struct lt_config_prop *props, size_t n_props, const char *group, const char *topic,
                    const char *client_id, struct lt_consumer **ret, struct lt_err *err)
{
    static const struct lt_kafka_setting defaults[] = {{"auto.offset.reset", "earliest"},
                                                       {"max.poll.interval.ms", "600000"}};
    const struct lt_kafka_setting forced[] = {
        {"group.id", group},
        {"client.id", client_id},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"isolation.level", "read_committed"},
        {"check.crcs", "true"},
        {"allow.auto.create.topics", "false"},
        /* Static: a restart has its partitions at once. The session ends soon enough for a successor of another name.
         */
        {"group.instance.id", client_id},
        {"session.timeout.ms", "10000"},
        {"partition.assignment.strategy", "range"}, /* sticky assignors of 2.0.2 abort when destroyed while joining */
        {"queued.max.messages.kbytes", "8192"},     /* 64 MiB a partition by default (protocol 4) */
    };
    const struct lt_kafka_spec spec = {props, n_props, defaults, forced, LT_ARRAY_LEN(defaults), LT_ARRAY_LEN(forced)};
    rd_kafka_t *rk;
    int r = lt_kafka_open(RD_KAFKA_CONSUMER, &spec, &rk, err);
    if (r != LT_OK)
        return r;
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code) {
        rd_kafka_destroy(rk);
        lt_kafka_fail(err, code, "subscribing to %s", topic);
        return lt_kafka_error(code);
    }
    struct lt_consumer *c = lt_alloc(sizeof(*c));
    c->rk = rk;
    c->topic = lt_strdup(topic);
    *ret = c;
    return LT_OK;
}

void lt_consumer_free(struct lt_consumer *c)
{
    if (!c)
        return;
    rd_kafka_consumer_close(c->rk);
    rd_kafka_destroy(c->rk);
    free(c->topic);
    free(c);
}

int lt_consumer_poll(struct lt_consumer *c, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, timeout_ms);
    if (!m)
        return LT_LOG_NONE;
    if (!m->err) {
        *ret = lt_record_take(m);
        return LT_LOG_OK;
    }
    lt_kafka_fail(err, m->err, "reading %s", c->topic);
    int result = lt_kafka_result(m->err) == LT_LOG_PERMANENT ? LT_LOG_PERMANENT : LT_LOG_RETRY;
    rd_kafka_message_destroy(m);
    return result;
}

void lt_consumer_record_free(struct lt_log_record *r)
{
    lt_record_free(r);
}

int lt_consumer_commit(struct lt_consumer *c, int32_t partition, int64_t next, struct lt_err *err)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, c->topic, partition)->offset = next;
    rd_kafka_resp_err_t code = rd_kafka_commit(c->rk, offsets, 0);
    rd_kafka_topic_partition_list_destroy(offsets);
    if (!code)
        return LT_LOG_OK;
    lt_kafka_fail(err, code, "committing %s partition %d", c->topic, (int)partition);
    return LT_LOG_RETRY;
}
