/* What the producer says of a record that it cannot even queue, and of a topic that is not there, against librdkafka's
 * own mock cluster. */
#include "harness.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gateway/base/file.h"
#include "gateway/base/log.h"
#include "gateway/config/config.h"
#include "gateway/kafka/producer.h"

#define TOPIC "lt.intake"

struct fixture {
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct lt_producer *producer;
    atomic_int sent, persisted; /* reports awaited, reports of success */
};

static int setup(void **state)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    f->handle = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
    f->cluster = rd_kafka_mock_cluster_new(f->handle, 1);
    assert_int_equal(rd_kafka_mock_topic_create(f->cluster, TOPIC, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    const struct lt_config_prop props[] = {{"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(f->cluster)},
                                           {"topic.metadata.refresh.interval.ms", "50"},
                                           {"message.max.bytes", "2000"}};
    assert_int_equal(lt_producer_new(props, LT_ARRAY_LEN(props), "test", 1 << 20, 5000, &f->producer, NULL), LT_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lt_producer_free(f->producer);
    assert_int_equal(f->sent, 0);
    rd_kafka_mock_cluster_destroy(f->cluster);
    rd_kafka_destroy(f->handle);
    free(f);
    return 0;
}

static void on_report(void *ctx, const struct lt_delivery_report *r)
{
    struct fixture *f = ctx;
    atomic_fetch_add(&f->persisted, r->outcome == LT_DELIVERY_PERSISTED);
    atomic_fetch_sub(&f->sent, 1);
}

static int try_send(struct fixture *f, struct lt_span value)
{
    atomic_fetch_add(&f->sent, 1);
    int rc = lt_producer_send(f->producer, TOPIC, LT_SPAN_LIT("k"), NULL, value, on_report, f, NULL);
    if (rc != LT_OK)
        atomic_fetch_sub(&f->sent, 1);
    return rc;
}

/* Sends until one is. */
static bool is_persisted(struct fixture *f)
{
    if (atomic_load(&f->persisted) == 0 && atomic_load(&f->sent) == 0)
        (void)try_send(f, LT_SPAN_LIT("v"));
    return atomic_load(&f->persisted) > 0;
}

/* LT_E_INVALID would make ingest refuse a good event as too large. */
static void a_topic_that_went_away_makes_sending_unavailable_and_is_not_the_records_fault(void **state)
{
    struct fixture *f = *state;
    WAIT_UNTIL(is_persisted(f));
    rd_kafka_mock_topic_set_error(f->cluster, TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    int rc;
    WAIT_UNTIL((rc = try_send(f, LT_SPAN_LIT("v"))) != LT_OK);
    assert_int_equal(rc, LT_E_UNAVAILABLE);
}

/* LT_E_LIMIT would be `busy`, and sent again for ever. */
static void a_record_above_the_producers_own_limit_can_never_be_sent(void **state)
{
    struct fixture *f = *state;
    static const char large[3000];
    WAIT_UNTIL(is_persisted(f));
    assert_int_equal(try_send(f, lt_span(large, sizeof(large))), LT_E_INVALID);
}

static size_t times(const char *text, const char *word)
{
    size_t n = 0;
    while ((text = strstr(text, word))) {
        text += strlen(word);
        n++;
    }
    return n;
}

/* In what standard error, a file for now, has received. */
static bool is_said(const char *word, size_t n)
{
    char *said;
    size_t len;
    assert_int_equal(lt_file_read("/proc/self/fd/2", 1 << 20, &said, &len, NULL), LT_OK);
    bool is = times(said, word) >= n;
    free(said);
    return is;
}

static void wait_for_a_topic_that_comes_late(const void *arg)
{
    const struct fixture *f = arg;
    lt_producer_prepare(f->producer, "lt.late");
    WAIT_UNTIL(is_said(" topic-missing: ", 3));
    rd_kafka_mock_topic_set_error(f->cluster, "lt.late", RD_KAFKA_RESP_ERR_NO_ERROR);
    WAIT_UNTIL(is_said(" topic-back: ", 1));
}

/* It is asked for every second: a warning each time would hide all others. */
static void a_topic_that_stays_away_is_warned_of_once(void **state)
{
    struct fixture *f = *state;
    rd_kafka_mock_topic_set_error(f->cluster, "lt.late", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    lt_log_init(LT_LOG_DEBUG, false);
    LT_AUTOFREE char *said = harness_stderr_of(wait_for_a_topic_that_comes_late, f);
    lt_log_init(LT_LOG_INFO, false);
    assert_int_equal(times(said, " warn  test topic-missing: "), 1);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_topic_that_went_away_makes_sending_unavailable_and_is_not_the_records_fault),
        T(a_record_above_the_producers_own_limit_can_never_be_sent),
        T(a_topic_that_stays_away_is_warned_of_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
