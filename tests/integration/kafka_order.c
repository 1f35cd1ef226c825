/* Nothing is skipped, whenever the library pauses a partition: it does so by itself in every rebalance. */
#include "kafka_support.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/log_kafka.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#define RECORDS 30000 /* each partition has so many; all of them fit into a producer's queue */

static void fill(const char *topic)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    for (size_t i = 0; i < LT_ARRAY_LEN(support_props); i++)
        assert_int_equal(rd_kafka_conf_set(conf, support_props[i].name, support_props[i].value, text, sizeof(text)), 0);
    assert_int_equal(rd_kafka_conf_set(conf, "enable.idempotence", "true", text, sizeof(text)), 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    assert_non_null(rk);
    for (int i = 0; i < RECORDS * SUPPORT_PARTITIONS; i++)
        assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(i % SUPPORT_PARTITIONS),
                                           RD_KAFKA_V_VALUE((char[]){"v"}, 1), RD_KAFKA_V_END),
                         0);
    assert_int_equal(rd_kafka_flush(rk, SUPPORT_WAIT_MS), 0);
    rd_kafka_destroy(rk);
}

/* Pauses and resumes every partition, as a rebalance does from a thread of the library's: when records flow, at no
 * moment in particular. */
struct pauser {
    rd_kafka_t *consumer;
    rd_kafka_topic_partition_list_t *list;
    atomic_bool ending;
    atomic_uint records; /* that came so far */
    unsigned times;
};

static void *pause_when_it_flows(void *ctx)
{
    struct pauser *p = ctx;
    for (unsigned seen = 0, moment = 1; !atomic_load(&p->ending); moment = moment * 1103515245 + 12345) {
        if (atomic_load(&p->records) == seen) {
            sched_yield();
            continue;
        }
        for (volatile unsigned n = moment >> 18; n > 0;)
            n--;
        seen = atomic_load(&p->records);
        (void)rd_kafka_pause_partitions(p->consumer, p->list);
        (void)rd_kafka_resume_partitions(p->consumer, p->list);
        p->times++;
    }
    return NULL;
}

static void read_while_paused(const char *topic)
{
    char *group = support_name("group");
    struct worker *w = worker_new(group, topic, "one");
    worker_join(w, SUPPORT_PARTITIONS);
    struct pauser pauser = {.consumer = lt_log_kafka_of(w->log)->consumer,
                            .list = rd_kafka_topic_partition_list_new(SUPPORT_PARTITIONS)};
    for (int32_t p = 0; p < SUPPORT_PARTITIONS; p++)
        rd_kafka_topic_partition_list_add(pauser.list, topic, p);
    pthread_t thread;
    for (int32_t p = 0; p < SUPPORT_PARTITIONS; p++) {
        struct lt_err err = LT_ERR_INIT;
        assert_ok(w->log->ops->start(w->log, p, 0, &err), err);
    }
    assert_int_equal(pthread_create(&thread, NULL, pause_when_it_flows, &pauser), 0);
    int64_t next[SUPPORT_PARTITIONS] = {0}, until = lt_mono_ms() + 3 * SUPPORT_WAIT_MS;
    int left = SUPPORT_PARTITIONS * RECORDS;
    long long came = -1, due = -1;
    while (left > 0 && due < 0 && lt_mono_ms() < until) {
        struct lt_err err = LT_ERR_INIT;
        struct lt_log_record *r = NULL;
        if (w->log->ops->poll(w->log, 100, &r, &err) != LT_LOG_OK)
            continue;
        if (r->offset > next[r->partition]) { /* one that comes twice is the owner's to drop */
            came = r->offset;
            due = next[r->partition];
        } else if (r->offset == next[r->partition]) {
            next[r->partition]++;
            left--;
        }
        w->log->ops->record_free(w->log, r);
        atomic_fetch_add(&pauser.records, 1);
    }
    atomic_store(&pauser.ending, true);
    pthread_join(thread, NULL);
    rd_kafka_topic_partition_list_destroy(pauser.list);
    worker_free(w);
    free(group);
    if (due >= 0)
        fail_msg("offset %lld came where %lld was due", came, due);
    assert_int_equal(left, 0);
    assert_true(pauser.times > 0);
}

/* Chaos found it: an event of a queue was never seen, whose partition stayed while others were given up. With records
 * taken by the batch each reading skips some in five of six. */
static void what_is_paused_at_any_moment_goes_on_where_it_was(void **state LT_UNUSED)
{
    char *topic = support_topic("in", SUPPORT_PARTITIONS);
    fill(topic);
    read_while_paused(topic);
    read_while_paused(topic);
    free(topic);
}

static int one_is_enough(void *ctx LT_UNUSED, const struct lt_log_record *r LT_UNUSED)
{
    return 1;
}

/* So many records lie in the consumer's queue, beyond what one poll takes out of it. */
static void await_queue(struct worker *w, size_t records)
{
    const struct lt_log_kafka *k = lt_log_kafka_of(w->log);
    int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS;
    while (rd_kafka_queue_length(k->queue) < records) {
        assert_true(lt_mono_ms() < until);
        sched_yield();
    }
}

static void assert_next(struct worker *w, int64_t offset)
{
    struct lt_log_record *r = worker_record(w);
    assert_int_equal(r->offset, offset);
    w->log->ops->record_free(w->log, r);
}

/* The next poll takes many records out of the queue, a scan keeps those after them: a pause must hold back both, or
 * the owner meets the younger ones first and takes the older ones for what he has had. */
static void a_pause_holds_back_what_was_polled_and_what_a_scan_kept(void **state LT_UNUSED)
{
    char *topic = support_topic("in", SUPPORT_PARTITIONS), *group = support_name("group");
    fill(topic);
    struct worker *w = worker_new(group, topic, "one");
    struct lt_err err = LT_ERR_INIT;
    worker_join(w, SUPPORT_PARTITIONS);
    assert_ok(w->log->ops->start(w->log, 0, 0, &err), err);
    await_queue(w, 2 * LT_KAFKA_FETCHED);
    assert_next(w, 0);
    assert_ok(w->log->ops->scan(w->log, topic, 1, 0, 1, one_is_enough, NULL, &err), err);
    assert_true(lt_log_kafka_of(w->log)->kept.len > 0);
    assert_ok(w->log->ops->pause(w->log, 0, true, &err), err);
    struct lt_log_record *r = NULL;
    assert_int_equal(w->log->ops->poll(w->log, 0, &r, &err), LT_LOG_NONE);
    assert_ok(w->log->ops->start(w->log, 1, 0, &err), err); /* what others have comes meanwhile */
    for (int64_t next = 0; next < LT_KAFKA_FETCHED; next++) {
        r = worker_record(w);
        assert_int_equal(r->partition, 1);
        assert_int_equal(r->offset, next);
        w->log->ops->record_free(w->log, r);
    }
    assert_ok(w->log->ops->stop(w->log, 1, &err), err);
    assert_ok(w->log->ops->pause(w->log, 0, false, &err), err);
    for (int64_t next = 1; next < 3 * LT_KAFKA_FETCHED; next++)
        assert_next(w, next);
    worker_free(w);
    free(group);
    free(topic);
}

int order_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_holds_back_what_was_polled_and_what_a_scan_kept),
        cmocka_unit_test(what_is_paused_at_any_moment_goes_on_where_it_was),
    };
    return cmocka_run_group_tests_name("kafka order", tests, NULL, NULL);
}
