/* What a transaction says of its failure, against librdkafka's own mock cluster. */
#include "harness.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/kafka/log.h"

#define ADD_PARTITIONS_TO_TXN 24 /* the protocol's number of the request */

static void on_partition(void *ctx, int32_t partition LT_UNUSED)
{
    ++*(int *)ctx;
}

static void on_revoke(void *ctx LT_UNUSED, int32_t partition LT_UNUSED, bool lost LT_UNUSED)
{
}

static int write_some(struct lt_log *log, const struct lt_log_membership *m, int n, struct lt_err *err)
{
    const struct lt_headers none = {0};
    const struct lt_log_offset at = {.offset = 1, .metadata = "one"};
    int r = log->ops->begin(log, err);
    for (int i = 0; i < n && r == LT_LOG_OK; i++)
        r = log->ops->produce(log, "out", 0, LT_SPAN_LIT("k"), &none, LT_SPAN_LIT("v"), err);
    return r == LT_LOG_OK ? log->ops->send_offsets(log, m, &at, 1, err) : r;
}

static void a_refusal_that_comes_while_offsets_are_sent_is_told_as_the_cause(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, 1);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, "in", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, "out", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    const struct lt_config_prop props[] = {{"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster)}};
    int assigned = 0;
    const struct lt_log_settings s = {.props = props,
                                      .props_len = LT_ARRAY_LEN(props),
                                      .group = "group",
                                      .topic = "in",
                                      .instance_id = "one",
                                      .callbacks = {&assigned, on_partition, on_revoke, NULL},
                                      .transaction_timeout_ms = 15000,
                                      .queue_bytes = 1 << 22};
    struct lt_log *log = NULL;
    assert_int_equal(lt_log_kafka_new(&s, &log, &err), LT_OK);
    struct lt_log_record *r = NULL;
    for (int64_t end = lt_mono_ms() + 20000; assigned == 0;) {
        assert_true(lt_mono_ms() < end);
        (void)log->ops->poll(log, 50, &r, &err);
        assert_null(r);
    }
    struct lt_log_membership *m = NULL;
    assert_int_equal(log->ops->capture(log, &m, &err), LT_LOG_OK);
    assert_int_equal(write_some(log, m, 1, &err), LT_LOG_OK); /* from now on the producer knows the topic */
    assert_int_equal(log->ops->commit(log, &err), LT_LOG_OK);

    /* So many that the partition is asked for before the offsets are sent; the refusal comes while they are under way,
     * each answer takes 200 ms. Should they win all the same, it is the commit's to tell. */
    rd_kafka_mock_broker_set_rtt(cluster, 1, 200);
    rd_kafka_mock_push_request_errors(cluster, ADD_PARTITIONS_TO_TXN, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    if (write_some(log, m, 20000, &err) == LT_LOG_OK)
        assert_int_not_equal(log->ops->commit(log, &err), LT_LOG_OK);
    if (!strstr(err.text, "authorization"))
        fail_msg("%s", err.text);
    rd_kafka_mock_broker_set_rtt(cluster, 1, 0);
    assert_int_equal(log->ops->abort(log, &err), LT_LOG_OK);
    assert_int_equal(log->ops->begin(log, &err), LT_LOG_OK); /* nothing of it is left */
    assert_int_equal(log->ops->abort(log, &err), LT_LOG_OK);

    log->ops->membership_free(log, m);
    log->ops->close(log);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_that_comes_while_offsets_are_sent_is_told_as_the_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
