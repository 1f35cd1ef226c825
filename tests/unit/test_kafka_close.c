/*
 * A membership that does not end when it is closed, which librdkafka 2.0.2 does now and then, against librdkafka's own
 * mock cluster: rd_kafka_consumer_close is held here for as long as a test wants.
 */
#include "harness.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/kafka/log_kafka.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held, entered, over;
    int handles; /* made and not destroyed */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

rd_kafka_resp_err_t __real_rd_kafka_consumer_close(rd_kafka_t *rk);
rd_kafka_resp_err_t __wrap_rd_kafka_consumer_close(rd_kafka_t *rk);
rd_kafka_t *__real_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size);
rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size);
void __real_rd_kafka_destroy(rd_kafka_t *rk);
void __wrap_rd_kafka_destroy(rd_kafka_t *rk);

rd_kafka_resp_err_t __wrap_rd_kafka_consumer_close(rd_kafka_t *rk)
{
    pthread_mutex_lock(&gate.lock);
    gate.entered = true;
    while (gate.held)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    rd_kafka_resp_err_t r = __real_rd_kafka_consumer_close(rk);
    pthread_mutex_lock(&gate.lock);
    gate.over = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    return r;
}

rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size)
{
    rd_kafka_t *rk = __real_rd_kafka_new(type, conf, text, size);
    gate.handles += rk != NULL;
    return rk;
}

void __wrap_rd_kafka_destroy(rd_kafka_t *rk)
{
    gate.handles--;
    __real_rd_kafka_destroy(rk);
}

struct owner {
    int assigned, revoked;
};

static void on_assign(void *ctx, int32_t partition LT_UNUSED)
{
    ((struct owner *)ctx)->assigned++;
}

static void on_revoke(void *ctx, int32_t partition LT_UNUSED, bool lost LT_UNUSED)
{
    ((struct owner *)ctx)->revoked++;
}

static struct lt_log *log_new(rd_kafka_mock_cluster_t *cluster, struct owner *o)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = NULL;
    const struct lt_config_prop props[] = {{"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster)}};
    const struct lt_log_settings s = {.props = props,
                                      .props_len = LT_ARRAY_LEN(props),
                                      .group = "group",
                                      .topic = "in",
                                      .instance_id = "one",
                                      .callbacks = {o, on_assign, on_revoke, NULL},
                                      .transaction_timeout_ms = 15000,
                                      .queue_bytes = 1 << 22};
    assert_int_equal(lt_log_kafka_new(&s, &log, &err), LT_OK);
    return log;
}

static struct lt_log *log_open(rd_kafka_mock_cluster_t *cluster, struct owner *o)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = log_new(cluster, o);
    struct lt_log_record *r = NULL;
    for (int64_t end = lt_mono_ms() + 20000; o->assigned == 0;) {
        assert_true(lt_mono_ms() < end);
        (void)log->ops->poll(log, 50, &r, &err);
        assert_null(r);
    }
    return log;
}

/* As it may end by itself later, when nobody waits any more: the callback is served, and its owner is gone. */
static void release_and_wait(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&gate.lock);
    gate.held = false;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.over)
        assert_int_equal(pthread_cond_timedwait(&gate.changed, &gate.lock, &until), 0);
    pthread_mutex_unlock(&gate.lock);
}

static void a_membership_that_cannot_be_closed_is_left_behind_alone(void **state LT_UNUSED)
{
    struct owner *o = lt_alloc(sizeof(*o));
    struct lt_err err = LT_ERR_INIT;
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, 1);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, "in", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    int before = gate.handles;
    struct lt_log *log = log_open(cluster, o);
    int64_t low, high;
    assert_int_equal(log->ops->watermarks(log, NULL, 0, &low, &high, &err), LT_LOG_OK);
    assert_true(gate.handles > before + 1);
    gate.entered = gate.over = false;
    gate.held = true;
    log->ops->close(log); /* comes back although the other does not */
    assert_true(gate.entered);
    assert_false(gate.over);
    assert_int_equal(gate.handles, before + 1); /* all that the membership does not need is gone */
    assert_int_equal(o->revoked, 0);
    memset(o, 0xee, sizeof(*o)); /* whoever looks at the owner now finds out */
    free(o);

    release_and_wait();
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
}

/* Chaos found it: the thread of a target that was to join again hung in the destruction of its former consumer. */
static void a_fatal_error_before_an_assignment_is_answered_holds_nobody_up(void **state)
{
    bool answered = *state; /* before the error: nothing is left behind then */
    struct owner o = {0};
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, 1);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, "in", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    int before = gate.handles;
    struct lt_log *log = answered ? log_open(cluster, &o) : log_new(cluster, &o);
    struct lt_log_kafka *k = lt_log_kafka_of(log);
    if (!answered)
        WAIT_UNTIL(rd_kafka_queue_length(k->queue) > 0);
    assert_int_equal(o.assigned, answered);
    assert_int_equal(rd_kafka_test_fatal_error(k->consumer, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "fenced"),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    alarm(60); /* what hangs here hangs for ever */
    log->ops->close(log);
    alarm(0);
    assert_int_equal(gate.handles, before + !answered);
    assert_int_equal(o.revoked, 0);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
}

int main(void)
{
    static char answered[] = "answered";
    const struct CMUnitTest tests[] = {
        {"a fatal error after an assignment was answered",
         a_fatal_error_before_an_assignment_is_answered_holds_nobody_up, NULL, NULL, answered},
        cmocka_unit_test(a_fatal_error_before_an_assignment_is_answered_holds_nobody_up),
        cmocka_unit_test(a_membership_that_cannot_be_closed_is_left_behind_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
