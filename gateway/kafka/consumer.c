#include "gateway/kafka/consumer.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/client.h"
#include "gateway/kafka/record.h"

#include <assert.h>
#include <time.h>

#define REOPEN_MS                                                                                                      \
    5000 /* between two joins after a fatal error: a process of the same name must not be fenced in turn all the time  \
          */

struct lt_consumer {
    rd_kafka_t *rk; /* NULL: given up after a fatal error, the next poll opens another */
    char *group, *topic, *client_id;
    struct lt_config_prop *props;
    size_t props_len;
    size_t records_out; /* they belong to rk */
    int64_t opened_ms;
};

static int open_handle(struct lt_consumer *c, struct lt_err *err)
{
    static const struct lt_kafka_setting defaults[] = {{"auto.offset.reset", "earliest"},
                                                       {"max.poll.interval.ms", "600000"}};
    const struct lt_kafka_setting forced[] = {
        {"group.id", c->group},
        {"client.id", c->client_id},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"isolation.level", "read_committed"},
        {"check.crcs", "true"},
        {"allow.auto.create.topics", "false"},
        /* Static: a restart has its partitions at once. The session ends soon enough for a successor of another name.
         */
        {"group.instance.id", c->client_id},
        {"session.timeout.ms", "10000"},
        {"partition.assignment.strategy", "range"}, /* sticky assignors of 2.0.2 abort when destroyed while joining */
        {"queued.max.messages.kbytes", "8192"},     /* 64 MiB a partition by default (protocol 4) */
    };
    const struct lt_kafka_spec spec = {c->props, c->props_len,           defaults,
                                       forced,   LT_ARRAY_LEN(defaults), LT_ARRAY_LEN(forced)};
    rd_kafka_t *rk;
    int r = lt_kafka_open(RD_KAFKA_CONSUMER, &spec, &rk, err);
    if (r != LT_OK)
        return r;
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, c->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code) {
        rd_kafka_destroy(rk);
        lt_kafka_fail(err, code, "subscribing to %s", c->topic);
        return lt_kafka_error(code);
    }
    c->rk = rk;
    c->opened_ms = lt_mono_ms();
    return LT_OK;
}

static void close_handle(struct lt_consumer *c)
{
    if (!c->rk)
        return;
    rd_kafka_consumer_close(c->rk);
    rd_kafka_destroy(c->rk);
    c->rk = NULL;
}

int lt_consumer_new(const struct lt_config_prop *props, size_t n_props, const char *group, const char *topic,
                    const char *client_id, struct lt_consumer **ret, struct lt_err *err)
{
    struct lt_consumer *c = lt_alloc(sizeof(*c));
    c->group = lt_strdup(group);
    c->topic = lt_strdup(topic);
    c->client_id = lt_strdup(client_id);
    c->props = lt_kafka_props_copy(props, n_props);
    c->props_len = n_props;
    int r = open_handle(c, err);
    if (r != LT_OK) {
        lt_consumer_free(c);
        return r;
    }
    *ret = c;
    return LT_OK;
}

void lt_consumer_free(struct lt_consumer *c)
{
    if (!c)
        return;
    close_handle(c);
    lt_kafka_props_free(c->props, c->props_len);
    free(c->group);
    free(c->topic);
    free(c->client_id);
    free(c);
}

/*
 * A fatal consumer says nothing ever again: its membership was taken, by a process of the same name or by a join of its
 * own whose answer was lost (librdkafka #3437). Records that are out still need the handle.
 */
static int reopen(struct lt_consumer *c, int timeout_ms, struct lt_err *err)
{
    if (c->rk && c->records_out == 0)
        close_handle(c);
    if (c->rk || lt_mono_ms() - c->opened_ms < REOPEN_MS) {
        nanosleep(&(struct timespec){.tv_nsec = LT_MIN(LT_MAX(timeout_ms, 1), 200) * 1000000L}, NULL);
        lt_err_set(err, LT_E_UNAVAILABLE, "membership-taken",
                   "group %s: the membership of %s was taken, by another process of this name unless Kafka was away; "
                   "joining again",
                   c->group, c->client_id);
        return LT_LOG_RETRY;
    }
    c->opened_ms = lt_mono_ms(); /* of the attempt, should it fail */
    return open_handle(c, err) == LT_OK ? LT_LOG_NONE : LT_LOG_RETRY;
}

int lt_consumer_poll(struct lt_consumer *c, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    if (!c->rk || rd_kafka_fatal_error(c->rk, NULL, 0))
        return reopen(c, timeout_ms, err);
    rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, timeout_ms);
    if (!m)
        return LT_LOG_NONE;
    if (!m->err) {
        *ret = lt_record_take(m);
        c->records_out++;
        return LT_LOG_OK;
    }
    lt_kafka_fail(err, m->err, "reading %s", c->topic);
    int result = lt_kafka_result(m->err) == LT_LOG_PERMANENT ? LT_LOG_PERMANENT : LT_LOG_RETRY;
    rd_kafka_message_destroy(m);
    return result;
}

void lt_consumer_record_free(struct lt_consumer *c, struct lt_log_record *r)
{
    if (!r)
        return;
    c->records_out--;
    lt_record_free(r);
}

int lt_consumer_commit(struct lt_consumer *c, int32_t partition, int64_t next, struct lt_err *err)
{
    assert(c->rk); /* of a record that is still out */
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, c->topic, partition)->offset = next;
    rd_kafka_resp_err_t code = rd_kafka_commit(c->rk, offsets, 0);
    rd_kafka_topic_partition_list_destroy(offsets);
    if (!code)
        return LT_LOG_OK;
    lt_kafka_fail(err, code, "committing %s partition %d", c->topic, (int)partition);
    return LT_LOG_RETRY;
}
