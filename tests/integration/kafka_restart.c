/*
 * What happens to an open log and a producer when Kafka goes away and comes back. Has a broker of its own (tools/kafka
 * in a folder of its own), so nobody else's tests are disturbed.
 */
#include "kafka_support.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static char *folder;

static void tools_kafka(const char *command)
{
    char line[64];
    snprintf(line, sizeof(line), "tools/kafka %s", command);
    if (system(line) != 0)
        fail_msg("%s failed (run from the root of the project)", line);
}

/* Two free ports side by side, below those of outgoing connections; the broker takes both. */
static int free_port(void)
{
    for (int port = 20000 + getpid() % 12000;; port += 2) {
        bool ok = true;
        for (int i = 0; i < 2 && ok; i++) {
            struct sockaddr_in a = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                    .sin_port = htons((uint16_t)(port + i))};
            int fd = socket(AF_INET, SOCK_STREAM, 0);
            ok = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
            close(fd);
        }
        if (ok)
            return port;
    }
}

static int setup(void **state LT_UNUSED)
{
    static char bootstrap[32];
    char port[16];
    int n = free_port();
    folder = harness_folder();
    snprintf(port, sizeof(port), "%d", n);
    snprintf(bootstrap, sizeof(bootstrap), "127.0.0.1:%d", n);
    setenv("LT_KAFKA_DIR", folder, 1);
    setenv("LT_KAFKA_PORT", port, 1);
    support_props[0].value = bootstrap;
    tools_kafka("start");
    return 0;
}

static int teardown(void **state LT_UNUSED)
{
    tools_kafka("reset");
    harness_folder_remove(folder);
    return 0;
}

static int write_one(struct worker *w, struct lt_log_membership *m, const char *out, int32_t partition,
                     struct lt_err *err)
{
    struct lt_log_offset o = {.partition = partition, .offset = 1, .metadata = "one"};
    int r = w->log->ops->begin(w->log, err);
    if (r == LT_LOG_OK)
        r = w->log->ops->produce(w->log, out, 0, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), err);
    if (r == LT_LOG_OK)
        r = w->log->ops->send_offsets(w->log, m, &o, 1, err);
    return r;
}

/* A worker in the middle of a transaction: one record taken, its copy and its offset written, nothing committed. */
struct midway {
    char *group, *in, *out;
    struct worker *w;
    struct lt_log_membership *m;
};

static void midway_init(struct midway *t)
{
    struct lt_err err = LT_ERR_INIT;
    *t = (struct midway){.group = support_name("group"), .in = support_topic("in", 1), .out = support_topic("out", 1)};
    support_genesis(t->group, t->in);
    (void)support_produce(t->in, "k", "x");
    t->w = worker_new(t->group, t->in, "one");
    worker_join(t->w, 1);
    worker_start(t->w);
    t->w->log->ops->record_free(t->w->log, worker_record(t->w));
    t->m = worker_capture(t->w);
    assert_ok(write_one(t->w, t->m, t->out, 0, &err), err);
}

static void midway_deinit(struct midway *t)
{
    free(t->group);
    free(t->in);
    free(t->out);
}

static void a_transaction_that_kafka_leaves_is_finished_once_when_it_comes_back(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct midway t;
    midway_init(&t);
    struct worker *w = t.w;
    struct lt_log_membership *m = t.m;
    const struct lt_log_ops *ops = w->log->ops;
    uint64_t before = ops->disturbances(w->log);
    tools_kafka("stop");

    int64_t low, high, began = lt_mono_ms();
    struct lt_log_offset at;
    int committed = ops->commit(w->log, &err);
    assert_true(committed == LT_LOG_UNKNOWN || committed == LT_LOG_ABORTABLE);
    assert_true(lt_mono_ms() - began < 20000); /* not much longer than the transaction's timeout */
    assert_int_equal(ops->committed(w->log, 0, 1000, &at, &err), LT_LOG_RETRY);
    assert_int_equal(ops->watermarks(w->log, NULL, 0, &low, &high, &err), LT_LOG_RETRY);
    struct lt_log_record *r = NULL;
    while (ops->disturbances(w->log) == before) { /* rule 10: it was noticed */
        assert_true(lt_mono_ms() - began < SUPPORT_WAIT_MS);
        assert_int_equal(ops->poll(w->log, 100, &r, &err), LT_LOG_NONE);
    }
    tools_kafka("start");

    began = lt_mono_ms();
    while (ops->renew(w->log, &err) != LT_LOG_OK)
        assert_true(lt_mono_ms() - began < 60000);
    while (ops->committed(w->log, 0, 5000, &at, &err) != LT_LOG_OK)
        assert_true(lt_mono_ms() - began < 60000);
    int attempts = 0;
    while (at.offset != 1) { /* our start: the same batch again */
        assert_true(at.offset == 0 && ++attempts < 20);
        ops->membership_free(w->log, m);
        m = worker_capture(w);
        int result = write_one(w, m, t.out, 0, &err);
        if (result == LT_LOG_OK)
            result = ops->commit(w->log, &err);
        if (result != LT_LOG_OK)
            assert_int_equal(ops->abort(w->log, &err), LT_LOG_OK);
        assert_ok(ops->committed(w->log, 0, 15000, &at, &err), err);
    }
    support_must_count(t.out, 1);
    ops->membership_free(w->log, m);
    worker_free(w);
    midway_deinit(&t);
}

static void signal_kafka(int number)
{
    char path[512];
    long pid = 0;
    snprintf(path, sizeof(path), "%s/pid", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld", &pid), 1);
    fclose(f);
    assert_int_equal(kill((pid_t)pid, number), 0);
}

static int ignore_record(void *ctx LT_UNUSED, const struct lt_log_record *r LT_UNUSED)
{
    return 0;
}

/* A broker that is stopped keeps its connections open and answers nothing: only our own limits end a call. */
static void with_kafka_frozen_every_call_ends_and_says_so(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct midway t;
    midway_init(&t);
    struct worker *w = t.w;
    struct lt_log_membership *m = t.m;
    const struct lt_log_ops *ops = w->log->ops;
    signal_kafka(SIGSTOP);
    int64_t low, high, until = lt_mono_ms() + 90000;
    int32_t n;
    struct lt_log_offset at;
    struct lt_log_record *r = NULL;
    assert_int_equal(ops->watermarks(w->log, NULL, 0, &low, &high, &err), LT_LOG_RETRY);
    assert_int_equal(ops->stable_end(w->log, 0, &high, &err), LT_LOG_RETRY);
    assert_int_equal(ops->offset_at(w->log, 0, 1, &high, &err), LT_LOG_RETRY);
    assert_int_equal(ops->partitions(w->log, NULL, &n, &err), LT_LOG_RETRY);
    assert_int_equal(ops->committed(w->log, 0, 1000, &at, &err), LT_LOG_RETRY);
    assert_int_equal(ops->scan(w->log, NULL, 0, 0, 1, ignore_record, NULL, &err), LT_LOG_RETRY);
    int committed = ops->commit(w->log, &err);
    assert_true(committed == LT_LOG_UNKNOWN || committed == LT_LOG_ABORTABLE);
    assert_int_equal(ops->renew(w->log, &err), LT_LOG_RETRY);
    assert_int_equal(ops->poll(w->log, 100, &r, &err), LT_LOG_NONE);
    ops->membership_free(w->log, m);
    worker_free(w); /* SIGTERM ends a process: its log closes too */
    assert_true(lt_mono_ms() < until);
    signal_kafka(SIGCONT);
    w = worker_new(t.group, t.in, "one");
    worker_join(w, 1);
    worker_free(w);
    midway_deinit(&t);
}

struct waiting {
    pthread_mutex_t lock;
    int reports;
    struct lt_delivery_report last;
};

static void on_delivery(void *ctx, const struct lt_delivery_report *r)
{
    struct waiting *d = ctx;
    pthread_mutex_lock(&d->lock);
    d->last = *r;
    d->reports++;
    pthread_mutex_unlock(&d->lock);
}

static int reported(struct waiting *d)
{
    pthread_mutex_lock(&d->lock);
    int n = d->reports;
    pthread_mutex_unlock(&d->lock);
    return n;
}

static struct lt_delivery_report await(struct waiting *d, int reports)
{
    WAIT_UNTIL(reported(d) >= reports);
    pthread_mutex_lock(&d->lock);
    struct lt_delivery_report r = d->last;
    pthread_mutex_unlock(&d->lock);
    return r;
}

static void a_producer_reports_what_waited_too_long_and_delivers_when_kafka_is_back(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    struct waiting d = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct lt_producer *p = NULL;
    char *topic = support_topic("produce", 1);
    assert_ok(lt_producer_new(support_props, 1, "test", 1 << 20, 3000, &p, &err), err);
    assert_ok(lt_producer_send(p, topic, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("first"), on_delivery, &d, &err), err);
    assert_int_equal(await(&d, 1).outcome, LT_DELIVERY_PERSISTED);
    assert_true(lt_producer_ready(p));
    tools_kafka("stop");
    assert_ok(lt_producer_send(p, topic, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("lost"), on_delivery, &d, &err), err);
    struct lt_delivery_report r = await(&d, 2);
    assert_true(r.outcome == LT_DELIVERY_UNKNOWN || r.outcome == LT_DELIVERY_REFUSED);
    WAIT_UNTIL(!lt_producer_ready(p));
    tools_kafka("start");
    WAIT_UNTIL(lt_producer_ready(p));
    int reports = 2;
    do { /* connections come back with a back-off */
        assert_true(reports < 20);
        assert_ok(lt_producer_send(p, topic, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("again"), on_delivery, &d, &err), err);
    } while (await(&d, ++reports).outcome != LT_DELIVERY_PERSISTED);
    lt_producer_free(p);
    free(topic);
}

static void a_log_closes_soon_although_kafka_is_away(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    char *group = support_name("group"), *in = support_topic("in", 1);
    support_genesis(group, in);
    struct worker *w = worker_new(group, in, "one");
    worker_join(w, 1);
    worker_start(w);
    assert_ok(w->log->ops->begin(w->log, &err), err);
    assert_ok(w->log->ops->produce(w->log, in, 0, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), &err), err);
    tools_kafka("stop");
    int64_t began = lt_mono_ms();
    worker_free(w);
    assert_true(lt_mono_ms() - began < 15000);
    tools_kafka("start");
    free(group);
    free(in);
}

int main(void)
{
    lt_log_init(LT_LOG_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_that_kafka_leaves_is_finished_once_when_it_comes_back),
        cmocka_unit_test(with_kafka_frozen_every_call_ends_and_says_so),
        cmocka_unit_test(a_producer_reports_what_waited_too_long_and_delivers_when_kafka_is_back),
        cmocka_unit_test(a_log_closes_soon_although_kafka_is_away),
    };
    return cmocka_run_group_tests_name("kafka restart", tests, setup, teardown);
}
