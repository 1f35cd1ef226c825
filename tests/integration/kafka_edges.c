/* Topics, genesis, the idempotent producer and the reader. */
#include "kafka_support.h"

#include "gateway/base/clock.h"
#include "gateway/model/partition.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

static struct lt_admin *admin(void)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = NULL;
    assert_ok(lt_admin_new(support_props, 1, &a, &err), err);
    return a;
}

static struct lt_topic_plan plan_of(const char *name)
{
    return (struct lt_topic_plan){
        .name = name,
        .partitions = 2,
        .replication = 1,
        .settings = {{"cleanup.policy", "delete"},
                     {"retention.ms", "3600000"},
                     {"message.timestamp.type", "LogAppendTime"}},
        .settings_len = 3,
    };
}

static void a_topic_is_missing_then_created_then_the_same(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = admin();
    char *name = support_name("topic");
    struct lt_topic_plan plan = plan_of(name);
    struct lt_topic_report r;
    assert_ok(lt_admin_topic_describe(a, &plan, &r, &err), err);
    assert_int_equal(r.state, LT_TOPIC_MISSING);
    lt_topic_report_deinit(&r);
    assert_ok(lt_admin_topic_create(a, &plan, &err), err);
    assert_ok(lt_admin_topic_describe(a, &plan, &r, &err), err);
    assert_int_equal(r.state, LT_TOPIC_SAME);
    assert_int_equal(r.partitions, 2);
    lt_topic_report_deinit(&r);
    assert_ok(lt_admin_topic_create(a, &plan, &err), err); /* it is there: nothing to do */
    free(name);
    lt_admin_free(a);
}

static void settings_and_partitions_that_differ_are_shown(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = admin();
    char *name = support_name("drift");
    struct lt_topic_plan plan = plan_of(name);
    struct lt_topic_report r;
    assert_ok(lt_admin_topic_create(a, &plan, &err), err);
    plan.settings[1].value = "7200000";
    assert_ok(lt_admin_topic_describe(a, &plan, &r, &err), err);
    assert_int_equal(r.state, LT_TOPIC_DRIFT);
    assert_int_equal(r.drift.len, 1);
    assert_string_equal(r.drift.v[0].setting, "retention.ms");
    assert_string_equal(r.drift.v[0].wanted, "7200000");
    assert_string_equal(r.drift.v[0].actual, "3600000");
    lt_topic_report_deinit(&r);
    plan.partitions = 5;
    assert_ok(lt_admin_topic_describe(a, &plan, &r, &err), err);
    assert_int_equal(r.state, LT_TOPIC_PARTITIONS_DIFFER);
    assert_int_equal(r.partitions, 2);
    lt_topic_report_deinit(&r);
    free(name);
    lt_admin_free(a);
}

static void a_setting_that_kafka_does_not_know_is_refused_with_its_name(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = admin();
    char *name = support_name("bad");
    struct lt_topic_plan plan = plan_of(name);
    plan.settings[0] = (struct lt_topic_setting){"retention.mss", "1"};
    assert_int_equal(lt_admin_topic_create(a, &plan, &err), LT_E_INVALID);
    assert_non_null(strstr(err.text, "retention.mss"));
    free(name);
    lt_admin_free(a);
}

static void the_broker_of_tools_kafka_creates_no_topics_by_itself(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = admin();
    bool yes = true;
    assert_ok(lt_admin_auto_create(a, &yes, &err), err);
    assert_false(yes);
    lt_admin_free(a);
}

static void genesis_text(void *ctx LT_UNUSED, int32_t partition, char out[512])
{
    snprintf(out, 512, "born %d", (int)partition);
}

static void take_row(void *ctx, const struct lt_genesis_row *row)
{
    struct lt_genesis_row *rows = ctx;
    rows[row->partition] = *row;
}

static void genesis_is_written_once_and_only_where_the_partition_is_empty(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = admin();
    char *topic = support_topic("genesis", 2), *group = support_name("group");
    struct lt_genesis_row rows[2];
    /* One record makes its partition one that must not be begun at 0. */
    int32_t used = support_produce(topic, "H22/1", "x").partition;
    assert_int_equal(lt_admin_genesis(a, group, topic, genesis_text, NULL, &err), 1);
    assert_ok(lt_admin_group_offsets(a, group, topic, take_row, rows, &err), err);
    assert_int_equal(rows[used].offset, -1);
    assert_int_equal(rows[used].high, 1);
    assert_int_equal(rows[1 - used].offset, 0);
    assert_int_equal(rows[1 - used].high, 0);
    char expected[32];
    snprintf(expected, sizeof(expected), "born %d", 1 - (int)used);
    assert_string_equal(rows[1 - used].metadata, expected);
    assert_int_equal(lt_admin_genesis(a, group, topic, genesis_text, NULL, &err), 0);
    free(topic);
    free(group);
    lt_admin_free(a);
}

static void a_persisted_record_tells_partition_and_offset_of_its_key(void **state LT_UNUSED)
{
    char *topic = support_topic("produce", 5);
    struct lt_delivery_report first = support_produce(topic, "H22/000.00.01", "một"),
                              second = support_produce(topic, "H22/000.00.01", "hai");
    assert_int_equal(first.outcome, LT_DELIVERY_PERSISTED);
    assert_int_equal(first.partition, lt_partition_of(LT_SPAN_LIT("H22/000.00.01"), 5));
    assert_int_equal(first.offset, 0);
    assert_int_equal(second.partition, first.partition);
    assert_int_equal(second.offset, 1);
    support_must_count(topic, 2);
    free(topic);
}

static void a_record_over_the_topics_limit_is_its_own_fault(void **state LT_UNUSED)
{
    char *topic = support_topic_with("limit", 1, "max.message.bytes", "2000"), *big = lt_alloc(4001);
    memset(big, 'x', 4000);
    assert_int_equal(support_produce(topic, "k", big).outcome, LT_DELIVERY_TOO_LARGE);
    assert_int_equal(support_produce(topic, "k", "small").outcome, LT_DELIVERY_PERSISTED);
    free(big);
    free(topic);
}

static void ignore_delivery(void *ctx LT_UNUSED, const struct lt_delivery_report *r LT_UNUSED)
{
}

static void sending_to_a_topic_that_is_missing_is_refused_at_once(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_producer *p = NULL;
    char *topic = support_name("missing");
    assert_ok(lt_producer_new(support_props, 1, "test", 1 << 20, 5000, &p, &err), err);
    int64_t began = lt_mono_ms();
    assert_int_equal(lt_producer_send(p, topic, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), ignore_delivery, NULL, &err),
                     LT_E_UNAVAILABLE);
    assert_int_equal(lt_producer_send(p, topic, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), ignore_delivery, NULL, &err),
                     LT_E_UNAVAILABLE);
    assert_true(lt_mono_ms() - began < 5000);
    while (!lt_producer_ready(p)) /* Kafka itself is well */
        assert_true(lt_mono_ms() - began < SUPPORT_WAIT_MS);
    lt_producer_free(p);
    free(topic);
}

/* A port that nobody listens on. */
static char *dead_address(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return lt_asprintf("127.0.0.1:%d", ntohs(a.sin_port));
}

static void without_kafka_the_producer_answers_unavailable_and_ends(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_producer *p = NULL;
    char *address = dead_address();
    struct lt_config_prop props[] = {{"bootstrap.servers", address}};
    assert_ok(lt_producer_new(props, 1, "test", 1 << 20, 5000, &p, &err), err);
    assert_int_equal(
        lt_producer_send(p, "lt.intake", LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), ignore_delivery, NULL, &err),
        LT_E_UNAVAILABLE);
    assert_false(lt_producer_ready(p));
    lt_producer_free(p);
    free(address);
}

static void without_kafka_a_log_cannot_be_opened_yet(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = NULL;
    char *address = dead_address();
    struct lt_config_prop props[] = {{"bootstrap.servers", address}};
    struct lt_log_settings s = {.props = props, .props_len = 1, .group = "g", .topic = "t", .instance_id = "g.i"};
    assert_int_equal(lt_log_kafka_new(&s, &log, &err), LT_E_UNAVAILABLE);
    assert_null(log);
    assert_true(err.text[0] != '\0');
    free(address);
}

static void a_property_that_librdkafka_does_not_know_is_named(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_reader *r = NULL;
    struct lt_config_prop props[] = {{"bootstrap.server", "127.0.0.1:1"}};
    assert_int_equal(lt_reader_new(props, 1, &r, &err), LT_E_INVALID);
    assert_non_null(strstr(err.text, "bootstrap.server"));
}

static void keep_value(void *ctx, const struct lt_log_record *r)
{
    char *out = ctx;
    snprintf(out, 64, "%.*s/%.*s/%.*s/%d", LT_SPAN_ARG(r->key), LT_SPAN_ARG(r->value),
             LT_SPAN_ARG(lt_headers_value(&r->headers, "ce_id")), r->append_ms > 0);
}

static void a_reader_gets_one_record_by_offset_and_says_when_there_is_none(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_reader *r = NULL;
    char *topic = support_topic("reader", 1);
    char got[64] = "";
    (void)support_produce(topic, "k1", "v1");
    (void)support_produce(topic, "k2", "v2");
    assert_ok(lt_reader_new(support_props, 1, &r, &err), err);
    assert_ok(lt_reader_get(r, topic, 0, 1, 10000, keep_value, got, &err), err);
    assert_string_equal(got, "k2/v2/0123/1");
    assert_ok(lt_reader_get(r, topic, 0, 0, 10000, keep_value, got, &err), err);
    assert_string_equal(got, "k1/v1/0123/1");
    assert_int_equal(lt_reader_get(r, topic, 0, 2, 10000, keep_value, got, &err), LT_E_NOT_FOUND);
    assert_int_equal(lt_reader_get(r, topic, 0, 99, 10000, keep_value, got, &err), LT_E_NOT_FOUND);
    int32_t n = 0;
    assert_ok(lt_reader_partitions(r, topic, &n, &err), err);
    assert_int_equal(n, 1);
    char *missing = support_name("missing");
    assert_int_equal(lt_reader_partitions(r, missing, &n, &err), LT_E_NOT_FOUND);
    free(missing);
    free(topic);
    lt_reader_free(r);
}

static int look_behind_the_value(void *ctx, const struct lt_log_record *r)
{
    ++*(int *)ctx;
    assert_int_equal(r->headers.len, 1);
    assert_span_is(r->headers.v[0].name, "ce_id");
    assert_span_is(r->headers.v[0].value, "0123");
    /* Where the broker has sent it: behind the value, the count of headers and the length of the name. */
    assert_ptr_equal(r->headers.v[0].name.ptr, r->value.ptr + r->value.len + 2);
    return 0;
}

/* Else loads are as exact as ever and several times slower: this client hands out other pointers. */
static void headers_are_read_where_they_lie_whatever_the_compression(void **state LT_UNUSED)
{
    static const char *const codecs[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
    struct lt_err err = LT_ERR_INIT;
    struct lt_reader *r = NULL;
    char value[2001] = "";
    memset(value, 'a', sizeof(value) - 1);
    assert_ok(lt_reader_new(support_props, 1, &r, &err), err);
    for (size_t i = 0; i < LT_ARRAY_LEN(codecs); i++) {
        char *topic = support_topic_with(codecs[i], 1, "compression.type", codecs[i]);
        int seen = 0;
        support_produce(topic, "H22/1", value);
        support_produce(topic, "H22/2", "{}");
        assert_ok(lt_reader_range(r, topic, 0, 0, 2, look_behind_the_value, &seen, &err), err);
        assert_int_equal(seen, 2);
        free(topic);
    }
    lt_reader_free(r);
}

int edges_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_missing_then_created_then_the_same),
        cmocka_unit_test(settings_and_partitions_that_differ_are_shown),
        cmocka_unit_test(a_setting_that_kafka_does_not_know_is_refused_with_its_name),
        cmocka_unit_test(the_broker_of_tools_kafka_creates_no_topics_by_itself),
        cmocka_unit_test(genesis_is_written_once_and_only_where_the_partition_is_empty),
        cmocka_unit_test(a_persisted_record_tells_partition_and_offset_of_its_key),
        cmocka_unit_test(a_record_over_the_topics_limit_is_its_own_fault),
        cmocka_unit_test(sending_to_a_topic_that_is_missing_is_refused_at_once),
        cmocka_unit_test(without_kafka_the_producer_answers_unavailable_and_ends),
        cmocka_unit_test(without_kafka_a_log_cannot_be_opened_yet),
        cmocka_unit_test(a_property_that_librdkafka_does_not_know_is_named),
        cmocka_unit_test(a_reader_gets_one_record_by_offset_and_says_when_there_is_none),
        cmocka_unit_test(headers_are_read_where_they_lie_whatever_the_compression),
    };
    return cmocka_run_group_tests_name("kafka edges", tests, NULL, NULL);
}
