#include "kafka_support.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

struct lt_config_prop support_props[1] = {{"bootstrap.servers", NULL}};

bool support_init(void)
{
    support_props[0].value = getenv("LT_TEST_BOOTSTRAP");
    if (support_props[0].value && support_props[0].value[0])
        return true;
    fprintf(stderr, "LT_TEST_BOOTSTRAP is not set: these tests need a real Kafka.\n"
                    "  tools/kafka start && LT_TEST_BOOTSTRAP=127.0.0.1:19092 ctest -L integration\n");
    return false;
}

char *support_name(const char *word)
{
    uint8_t random[5];
    char hex[11];
    lt_random(random, sizeof(random));
    lt_hex(random, sizeof(random), hex);
    return lt_asprintf("test.%s.%s", word, hex);
}

static struct lt_admin *admin(void)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = NULL;
    assert_ok(lt_admin_new(support_props, 1, &a, &err), err);
    return a;
}

char *support_topic_with(const char *word, int32_t partitions, const char *setting, const char *value)
{
    struct lt_err err = LT_ERR_INIT;
    char *name = support_name(word);
    struct lt_topic_plan plan = {
        .name = name,
        .partitions = partitions,
        .replication = 1,
        .settings = {{"message.timestamp.type", "LogAppendTime"}, {setting, value}},
        .settings_len = setting ? 2 : 1,
    };
    struct lt_admin *a = admin();
    assert_ok(lt_admin_topic_create(a, &plan, &err), err);
    lt_admin_free(a);
    return name;
}

char *support_topic(const char *word, int32_t partitions)
{
    return support_topic_with(word, partitions, NULL, NULL);
}

static void genesis_text(void *ctx LT_UNUSED, int32_t partition, char out[512])
{
    snprintf(out, 512, "genesis %d", (int)partition);
}

void support_genesis(const char *group, const char *topic)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = admin();
    int n = lt_admin_genesis(a, group, topic, genesis_text, NULL, &err);
    if (n <= 0)
        fail_msg("genesis wrote %d: %s", n, err.text);
    lt_admin_free(a);
}

/* ---- worker ---- */

static void on_assign(void *ctx, int32_t partition)
{
    struct worker *w = ctx;
    w->assigned[partition] = true;
    w->assigns++;
}

static void on_revoke(void *ctx, int32_t partition, bool lost)
{
    struct worker *w = ctx;
    if (w->revoking)
        w->revoking(w, partition);
    w->assigned[partition] = w->started[partition] = false;
    w->revokes++;
    w->lost += lost;
}

static bool meanwhile(void *ctx)
{
    struct worker *w = ctx;
    w->meanwhile++;
    return false;
}

static int open_log(struct worker *w, bool claims, struct lt_err *err)
{
    struct lt_log_settings s = {
        .props = support_props,
        .props_len = 1,
        .group = w->group,
        .topic = w->topic,
        .instance_id = w->instance,
        .callbacks = {w, on_assign, on_revoke, meanwhile},
        .other_topic = w->other,
        .claim = claims ? &w->claim : NULL,
        .transaction_timeout_ms = 15000,
        .queue_bytes = 1 << 22,
    };
    return lt_log_kafka_new(&s, &w->log, err);
}

static struct worker *worker_open(const char *group, const char *topic, const char *instance, bool claims)
{
    struct lt_err err = LT_ERR_INIT;
    struct worker *w = lt_alloc(sizeof(*w));
    w->group = lt_strdup(group);
    w->topic = lt_strdup(topic);
    w->instance = lt_asprintf("%s.%s", group, instance);
    assert_ok(open_log(w, claims, &err), err);
    return w;
}

struct worker *worker_new(const char *group, const char *topic, const char *instance)
{
    return worker_open(group, topic, instance, true);
}

struct worker *worker_ghost(const char *group, const char *topic, const char *instance)
{
    return worker_open(group, topic, instance, false);
}

int worker_reopen(struct worker *w, struct lt_err *err)
{
    if (w->log)
        w->log->ops->close(w->log);
    w->log = NULL;
    memset(w->assigned, 0, sizeof(w->assigned));
    memset(w->started, 0, sizeof(w->started));
    return open_log(w, true, err);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    if (w->log)
        w->log->ops->close(w->log);
    free(w->group);
    free(w->topic);
    free(w->instance);
    free(w);
}

int worker_count(const struct worker *w)
{
    int n = 0;
    for (int i = 0; i < SUPPORT_PARTITIONS; i++)
        n += w->assigned[i];
    return n;
}

static int poll_quiet(struct worker *w, struct lt_err *err)
{
    struct lt_log_record *r = NULL;
    int result = w->log->ops->poll(w->log, 50, &r, err);
    if (r)
        w->log->ops->record_free(w->log, r);
    return result;
}

void worker_join(struct worker *w, int count)
{
    struct lt_err err = LT_ERR_INIT;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; worker_count(w) != count;) {
        if (lt_mono_ms() > until)
            fail_msg("%s has %d partitions, expected %d (%s)", w->instance, worker_count(w), count, err.text);
        (void)poll_quiet(w, &err);
    }
}

void worker_await(struct worker *w, const int *counter, int value)
{
    struct lt_err err = LT_ERR_INIT;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; *counter < value;) {
        if (lt_mono_ms() > until)
            fail_msg("%s: counter is %d, expected %d (%s)", w->instance, *counter, value, err.text);
        (void)poll_quiet(w, &err);
    }
}

void worker_until(struct worker *w, int result)
{
    struct lt_err err = LT_ERR_INIT;
    int r = LT_LOG_NONE;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; r != result;) {
        if (lt_mono_ms() > until)
            fail_msg("%s: poll answers %d, expected %d (%s)", w->instance, r, result, err.text);
        r = poll_quiet(w, &err);
    }
}

void worker_start(struct worker *w)
{
    for (int32_t p = 0; p < SUPPORT_PARTITIONS; p++) {
        struct lt_err err = LT_ERR_INIT;
        struct lt_log_offset at;
        if (!w->assigned[p] || w->started[p])
            continue;
        assert_ok(w->log->ops->committed(w->log, p, 15000, &at, &err), err);
        assert_true(at.offset >= 0);
        assert_ok(w->log->ops->start(w->log, p, at.offset, &err), err);
        w->started[p] = true;
    }
}

struct lt_log_record *worker_record(struct worker *w)
{
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS;;) {
        struct lt_err err = LT_ERR_INIT;
        struct lt_log_record *r = NULL;
        int result = w->log->ops->poll(w->log, 100, &r, &err);
        if (result == LT_LOG_OK)
            return r;
        if (result != LT_LOG_NONE || lt_mono_ms() > until)
            fail_msg("%s: poll answers %d: %s", w->instance, result, err.text);
    }
}

struct lt_log_membership *worker_capture(struct worker *w)
{
    struct lt_err err = LT_ERR_INIT;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS;;) {
        struct lt_log_membership *m = NULL;
        int r = w->log->ops->capture(w->log, &m, &err);
        if (r == LT_LOG_OK)
            return m;
        if (r != LT_LOG_RETRY || lt_mono_ms() > until)
            fail_msg("capture answers %d: %s", r, err.text);
        (void)poll_quiet(w, &err);
    }
}

/* ---- writing and reading ---- */

struct delivery {
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool done;
    struct lt_delivery_report report;
};

static void on_delivery(void *ctx, const struct lt_delivery_report *r)
{
    struct delivery *d = ctx;
    pthread_mutex_lock(&d->lock);
    d->report = *r;
    d->done = true;
    pthread_cond_signal(&d->came);
    pthread_mutex_unlock(&d->lock);
}

struct lt_delivery_report support_produce(const char *topic, const char *key, const char *value)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_producer *p = NULL;
    struct delivery d = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    struct lt_headers headers = {0};
    lt_headers_add(&headers, LT_SPAN_LIT("ce_id"), LT_SPAN_LIT("0123"));
    assert_ok(lt_producer_new(support_props, 1, "test", 1 << 24, 20000, &p, &err), err);
    int r;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS;
         (r = lt_producer_send(p, topic, lt_span_str(key), &headers, lt_span_str(value), on_delivery, &d, &err)) ==
         LT_E_UNAVAILABLE;)
        if (lt_mono_ms() > until)
            break;
    assert_ok(r, err);
    pthread_mutex_lock(&d.lock);
    while (!d.done)
        pthread_cond_wait(&d.came, &d.lock);
    pthread_mutex_unlock(&d.lock);
    lt_producer_free(p);
    return d.report;
}

static int count_one(void *ctx, const struct lt_log_record *r LT_UNUSED)
{
    ++*(size_t *)ctx;
    return 0;
}

size_t support_count(const char *topic)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_reader *reader = NULL;
    size_t n = 0;
    assert_ok(lt_reader_new(support_props, 1, &reader, &err), err);
    assert_ok(lt_reader_scan(reader, topic, count_one, &n, &err), err);
    lt_reader_free(reader);
    return n;
}

void support_must_count(const char *topic, size_t count)
{
    size_t n = support_count(topic);
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; n < count && lt_mono_ms() < until;)
        n = support_count(topic);
    assert_int_equal(n, count);
}
