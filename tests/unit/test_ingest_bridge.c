#include "tests/unit/test_ingest_kit.h"

#include <stdio.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/ingest/bridge.h"
#include "gateway/model/event.h"

#define RECORDS 8

/* A foreign topic: records of two partitions, handed out in order. */
struct foreign {
    pthread_mutex_t lock;
    struct {
        int32_t partition;
        const char *value;
    } records[RECORDS];
    size_t len, given, out;
    int64_t committed[2];
    int commits;
    bool freed;
};

struct fixture {
    struct ingest_kit kit;
    struct foreign foreign;
    struct lt_config_bridge config;
    struct lt_bridge *bridge;
};

static int foreign_poll(void *ctx, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    struct foreign *f = ctx;
    (void)err;
    pthread_mutex_lock(&f->lock);
    bool any = f->given < f->len;
    if (any) {
        struct lt_log_record *r = lt_alloc(sizeof(*r));
        int32_t p = f->records[f->given].partition;
        r->topic = "foreign";
        r->partition = p;
        r->value = lt_span_str(f->records[f->given].value);
        for (size_t i = 0; i < f->given; i++)
            r->offset += f->records[i].partition == p;
        lt_headers_add(&r->headers, LT_SPAN_LIT("lt_replay"), LT_SPAN_LIT("evil"));
        lt_headers_add(&r->headers, LT_SPAN_LIT("lt_client"), LT_SPAN_LIT("evil"));
        f->given++;
        f->out++;
        *ret = r;
    }
    pthread_mutex_unlock(&f->lock);
    if (!any)
        usleep((unsigned)LT_MIN(timeout_ms, 5) * 1000);
    return any ? LT_LOG_OK : LT_LOG_NONE;
}

static void foreign_record_free(void *ctx, struct lt_log_record *r)
{
    struct foreign *f = ctx;
    pthread_mutex_lock(&f->lock);
    f->out--;
    pthread_mutex_unlock(&f->lock);
    free(r);
}

static int foreign_commit(void *ctx, int32_t partition, int64_t next, struct lt_err *err)
{
    struct foreign *f = ctx;
    (void)err;
    pthread_mutex_lock(&f->lock);
    f->committed[partition] = next;
    f->commits++;
    pthread_mutex_unlock(&f->lock);
    return LT_LOG_OK;
}

static void foreign_free(void *ctx)
{
    ((struct foreign *)ctx)->freed = true;
}

static int setup(void **state)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    ingest_kit_init(&f->kit);
    pthread_mutex_init(&f->foreign.lock, NULL);
    f->config = (struct lt_config_bridge){
        .name = "tinh", .topic = "foreign", .client = "tinh-h22", .media = "application/json"};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lt_bridge_stop(f->bridge);
    lt_bridge_free(f->bridge);
    assert_true(f->foreign.freed);
    assert_int_equal(f->foreign.out, 0);
    pthread_mutex_destroy(&f->foreign.lock);
    ingest_kit_deinit(&f->kit);
    free(f);
    return 0;
}

static void add(struct fixture *f, int32_t partition, const char *value)
{
    f->foreign.records[f->foreign.len].partition = partition;
    f->foreign.records[f->foreign.len++].value = value;
}

static void start(struct fixture *f)
{
    struct lt_bridge_source source = {&f->foreign, foreign_poll, foreign_record_free, foreign_commit, foreign_free};
    assert_int_equal(
        lt_bridge_start(&f->kit.intake, f->kit.known, f->kit.mapping.m, &f->config, &source, &f->bridge, NULL), LT_OK);
}

static int64_t committed(struct fixture *f, int32_t partition)
{
    pthread_mutex_lock(&f->foreign.lock);
    int64_t next = f->foreign.committed[partition];
    pthread_mutex_unlock(&f->foreign.lock);
    return next;
}

static void records_become_events_and_are_committed_afterwards(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *list = lt_asprintf("[%s,%s]", small_event("H22.01-3", "receive", "H22.01"),
                                         small_event("H22.01-4", "receive", "H22.01"));
    add(f, 0, small_event("H22.01-1", "receive", "H22.01"));
    add(f, 1, small_event("H22.01-2", "receive", "H22.99")); /* refused: a dead letter, and passed */
    add(f, 0, list);
    add(f, 1, "no json");
    start(f);
    WAIT_UNTIL(committed(f, 0) == 2);
    WAIT_UNTIL(committed(f, 1) == 2);
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_INTAKE), 3);
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_DEADLETTER), 2);
    assert_span_is(fake_header(fake_at(&f->kit.log, LT_TOPIC_DEADLETTER, 0), "lt_position"), "foreign/1/0");
    lt_bridge_stop(f->bridge); /* flushes nothing more */
}

static void foreign_lt_headers_never_get_in(void **state)
{
    struct fixture *f = *state;
    add(f, 0, small_event("H22.01-1", "receive", "H22.01"));
    start(f);
    WAIT_UNTIL(committed(f, 0) == 1);
    const struct fake_record *r = fake_at(&f->kit.log, LT_TOPIC_INTAKE, 0);
    assert_span_is(fake_header(r, "lt_client"), "tinh-h22");
    assert_int_equal(fake_header(r, "lt_replay").len, 0);
    lt_bridge_stop(f->bridge);
}

static void while_kafka_is_away_nothing_is_committed_and_order_is_kept(void **state)
{
    struct fixture *f = *state;
    add(f, 0, small_event("H22.01-1", "receive", "H22.01"));
    add(f, 0, small_event("H22.01-1", "process", "H22.01"));
    add(f, 0, small_event("H22.01-2", "receive", "H22.01"));
    fake_fault(&f->kit.log, LT_TOPIC_INTAKE, LT_OK, LT_DELIVERY_UNKNOWN, 1);
    start(f);
    WAIT_UNTIL(committed(f, 0) == 3);
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_INTAKE),
                     3); /* each once: the finished ones are left out of the next try */
    const struct fake_record *first = NULL, *second = NULL;
    for (size_t i = 0; i < 3; i++) {
        const struct fake_record *r = fake_at(&f->kit.log, LT_TOPIC_INTAKE, i);
        if (strcmp(r->key, "H22/H22.01-1") == 0) {
            if (!first)
                first = r;
            else
                second = r;
        }
    }
    assert_span_is(fake_header(first, "ce_type"), "vn.lienthong.dossier.received.v1");
    assert_span_is(fake_header(second, "ce_type"), "vn.lienthong.dossier.progressed.v1");
    lt_bridge_stop(f->bridge);
}

static bool status_has(struct fixture *f, const char *part)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(4096);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_bridge_status(f->bridge, &w);
    return strstr(out.ptr, part) != NULL;
}

static void stopping_while_kafka_is_away_commits_nothing(void **state)
{
    struct fixture *f = *state;
    add(f, 0, small_event("H22.01-1", "receive", "H22.01"));
    fake_fault(&f->kit.log, NULL, LT_E_UNAVAILABLE, 0, 1000000);
    start(f);
    WAIT_UNTIL(status_has(f, "waiting-for-kafka"));
    lt_bridge_stop(f->bridge);
    assert_int_equal(f->foreign.commits, 0);
}

static size_t given(struct fixture *f)
{
    pthread_mutex_lock(&f->foreign.lock);
    size_t n = f->foreign.given;
    pthread_mutex_unlock(&f->foreign.lock);
    return n;
}

/* Held for longer than max.poll.interval.ms they would belong to another member, and come again for ever. */
static void records_are_not_taken_while_the_rate_is_spent(void **state)
{
    struct fixture *f = *state;
    f->kit.clients[H22].rate = 1;
    add(f, 0, small_event("H22.01-1", "receive", "H22.01"));
    assert_int_equal(lt_clients_admit(f->kit.known, &f->kit.clients[H22], lt_mono_ms()), 0);
    lt_clients_charge(f->kit.known, &f->kit.clients[H22], 2);
    int64_t until = lt_mono_ms() + 1000;
    start(f);
    WAIT_UNTIL(given(f) > 0);
    assert_true(lt_mono_ms() >= until);
    WAIT_UNTIL(committed(f, 0) == 1);
    lt_bridge_stop(f->bridge);
}

/* A long outage must not use up hours of a client's rate. */
static void what_is_tried_again_is_charged_once(void **state)
{
    struct fixture *f = *state;
    f->kit.clients[H22].rate = 2;
    for (int i = 0; i < 6; i++)
        add(f, 0, small_event("H22.01-1", "receive", "H22.01"));
    fake_fault(&f->kit.log, LT_TOPIC_INTAKE, LT_E_UNAVAILABLE, 0, 2); /* the first of the dossier, twice */
    start(f);
    WAIT_UNTIL(committed(f, 0) == 6);
    lt_bridge_stop(f->bridge);
    /* 2 less 6: time only shortens the wait; charged three times it is 8 s and more */
    assert_in_range(lt_clients_admit(f->kit.known, &f->kit.clients[H22], lt_mono_ms()), 0, 3);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(records_become_events_and_are_committed_afterwards),
        T(foreign_lt_headers_never_get_in),
        T(while_kafka_is_away_nothing_is_committed_and_order_is_kept),
        T(stopping_while_kafka_is_away_commits_nothing),
        T(records_are_not_taken_while_the_rate_is_spent),
        T(what_is_tried_again_is_charged_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
