/* Transactions of the log: what becomes final, what an aborted one leaves, which error is whose, scans over markers. */
#include "kafka_support.h"

#include "gateway/base/clock.h"

#include <stdio.h>

struct bench {
    char *group, *in, *out;
    int32_t partition; /* of in, where the records are */
    struct worker *w;
};

static struct bench bench_new(int records)
{
    struct bench b = {support_name("group"), support_topic("in", SUPPORT_PARTITIONS),
                      support_topic_with("out", 2, "max.message.bytes", "20000"), -1, NULL};
    support_genesis(b.group, b.in);
    for (int i = 0; i < records; i++) {
        char value[16];
        snprintf(value, sizeof(value), "v%d", i);
        b.partition = support_produce(b.in, "k", value).partition;
    }
    b.w = worker_new(b.group, b.in, "one");
    worker_join(b.w, SUPPORT_PARTITIONS);
    worker_start(b.w);
    return b;
}

static void bench_free(struct bench *b)
{
    worker_free(b->w);
    free(b->group);
    free(b->in);
    free(b->out);
}

static const struct lt_log_ops *ops(const struct bench *b)
{
    return b->w->log->ops;
}

/* begin, n copies of value to out, the offset: up to (not including) commit. */
static int write_batch(struct bench *b, struct lt_log_membership *m, int n, struct lt_span value, int64_t offset,
                       const char *metadata, struct lt_err *err)
{
    struct lt_log *log = b->w->log;
    struct lt_headers headers = {0};
    lt_headers_add(&headers, LT_SPAN_LIT("lt_origin"), LT_SPAN_LIT("1/0/0"));
    int r = ops(b)->begin(log, err);
    for (int i = 0; i < n && r == LT_LOG_OK; i++)
        r = ops(b)->produce(log, b->out, i % 2, LT_SPAN_LIT("k"), &headers, value, err);
    struct lt_log_offset o = {.partition = b->partition, .offset = offset};
    snprintf(o.metadata, sizeof(o.metadata), "%s", metadata);
    return r == LT_LOG_OK ? ops(b)->send_offsets(log, m, &o, 1, err) : r;
}

static void records_offset_and_metadata_become_final_together(void **state LT_UNUSED)
{
    struct bench b = bench_new(2);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    for (int i = 0; i < 2; i++)
        ops(&b)->record_free(log, worker_record(b.w));
    struct lt_log_membership *m = worker_capture(b.w);
    char metadata[400];
    memset(metadata, 'm', sizeof(metadata) - 1);
    metadata[sizeof(metadata) - 1] = '\0';
    assert_ok(write_batch(&b, m, 4, LT_SPAN_LIT("out"), 2, metadata, &err), err);
    assert_int_equal(support_count(b.out), 0);
    assert_ok(ops(&b)->commit(log, &err), err);
    support_must_count(b.out, 4);
    struct lt_log_offset at;
    assert_ok(ops(&b)->committed(log, b.partition, 10000, &at, &err), err);
    assert_int_equal(at.offset, 2);
    assert_string_equal(at.metadata, metadata);
    ops(&b)->membership_free(log, m);
    bench_free(&b);
}

/* And every other test of transactions here runs with such an owner. */
static void the_owner_can_work_while_offsets_and_commit_are_waited_for(void **state LT_UNUSED)
{
    struct bench b = bench_new(1);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    ops(&b)->record_free(log, worker_record(b.w));
    struct lt_log_membership *m = worker_capture(b.w);
    assert_int_equal(b.w->meanwhile, 0);
    assert_ok(write_batch(&b, m, 2, LT_SPAN_LIT("out"), 1, "one", &err), err);
    int offsets = b.w->meanwhile;
    assert_true(offsets > 0);
    assert_ok(ops(&b)->commit(log, &err), err);
    assert_true(b.w->meanwhile > offsets);
    support_must_count(b.out, 2);
    ops(&b)->membership_free(log, m);
    bench_free(&b);
}

static void an_aborted_batch_is_written_again_and_counts_once(void **state LT_UNUSED)
{
    struct bench b = bench_new(1);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    ops(&b)->record_free(log, worker_record(b.w));
    struct lt_log_membership *m = worker_capture(b.w);
    assert_ok(write_batch(&b, m, 3, LT_SPAN_LIT("x"), 1, "one", &err), err);
    assert_ok(ops(&b)->abort(log, &err), err);
    assert_ok(write_batch(&b, m, 3, LT_SPAN_LIT("x"), 1, "one", &err), err);
    assert_ok(ops(&b)->commit(log, &err), err);
    support_must_count(b.out, 3);
    assert_true(ops(&b)->transaction_age_ms(log) >= 0);
    ops(&b)->membership_free(log, m);
    bench_free(&b);
}

static void a_transaction_left_open_is_ended_by_the_next_begin(void **state LT_UNUSED)
{
    struct bench b = bench_new(1);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_membership *m = worker_capture(b.w);
    assert_ok(write_batch(&b, m, 1, LT_SPAN_LIT("x"), 1, "one", &err), err);
    assert_ok(write_batch(&b, m, 1, LT_SPAN_LIT("x"), 1, "two", &err), err);
    assert_ok(ops(&b)->commit(b.w->log, &err), err);
    support_must_count(b.out, 1);
    ops(&b)->membership_free(b.w->log, m);
    bench_free(&b);
}

static void a_fenced_producer_is_renewed_in_process(void **state LT_UNUSED)
{
    struct bench b = bench_new(1);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    struct lt_log_membership *m = worker_capture(b.w);
    assert_ok(write_batch(&b, m, 1, LT_SPAN_LIT("x"), 1, "one", &err), err);
    /* Somebody else takes the transactional id, in another group so that membership stays. */
    char *elsewhere = support_name("group");
    struct lt_log_settings s = {.props = support_props,
                                .props_len = 1,
                                .group = elsewhere,
                                .topic = b.in,
                                .instance_id = b.w->instance,
                                .callbacks = {b.w, NULL, NULL},
                                .transaction_timeout_ms = 15000};
    struct lt_log *other = NULL;
    assert_ok(lt_log_kafka_new(&s, &other, &err), err);
    other->ops->close(other);
    assert_int_equal(ops(&b)->commit(log, &err), LT_LOG_FENCED);
    assert_int_equal(ops(&b)->begin(log, &err), LT_LOG_UNKNOWN);
    assert_int_equal(ops(&b)->abort(log, &err), LT_LOG_UNKNOWN);
    int64_t began = lt_mono_ms();
    assert_ok(ops(&b)->renew(log, &err), err);
    assert_true(lt_mono_ms() - began < 5000);
    struct lt_log_offset at;
    assert_ok(ops(&b)->committed(log, b.partition, 15000, &at, &err), err);
    assert_int_equal(at.offset, 0); /* our start: again (rule 15) */
    assert_ok(write_batch(&b, m, 1, LT_SPAN_LIT("x"), 1, "one", &err), err);
    assert_ok(ops(&b)->commit(log, &err), err);
    support_must_count(b.out, 1);
    ops(&b)->membership_free(log, m);
    free(elsewhere);
    bench_free(&b);
}

static void a_record_that_does_not_fit_its_topic_is_told_with_the_topic(void **state LT_UNUSED)
{
    struct bench b = bench_new(1);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    struct lt_log_membership *m = worker_capture(b.w);
    char *big = lt_alloc(30000);
    memset(big, 'x', 30000);
    int r = write_batch(&b, m, 1, lt_span(big, 30000), 1, "one", &err);
    if (r == LT_LOG_OK)
        r = ops(&b)->commit(log, &err);
    assert_int_equal(r, LT_LOG_TOO_LARGE);
    assert_string_equal(err.source, b.out);
    assert_ok(ops(&b)->abort(log, &err), err);
    /* Over librdkafka's own limit: told by produce already. */
    char *huge = lt_alloc(3000000);
    memset(huge, 'x', 3000000);
    assert_ok(ops(&b)->begin(log, &err), err);
    assert_int_equal(ops(&b)->produce(log, b.out, 0, LT_SPAN_LIT("k"), NULL, lt_span(huge, 3000000), &err),
                     LT_LOG_TOO_LARGE);
    assert_string_equal(err.source, b.out);
    assert_ok(ops(&b)->abort(log, &err), err);
    /* The refused record left a gap in the producer's sequence: librdkafka may need one more abort to raise its epoch.
     */
    int attempts = 0;
    do {
        r = write_batch(&b, m, 2, LT_SPAN_LIT("fits"), 1, "one", &err);
        if (r == LT_LOG_OK)
            r = ops(&b)->commit(log, &err);
    } while (r == LT_LOG_ABORTABLE && ops(&b)->abort(log, &err) == LT_LOG_OK && ++attempts < 3);
    assert_ok(r, err);
    support_must_count(b.out, 2);
    free(big);
    free(huge);
    ops(&b)->membership_free(log, m);
    bench_free(&b);
}

static void a_missing_topic_or_partition_is_permanent_and_told_at_once(void **state LT_UNUSED)
{
    struct bench b = bench_new(1);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    char *missing = support_name("missing");
    assert_ok(ops(&b)->begin(log, &err), err);
    int64_t began = lt_mono_ms();
    assert_int_equal(ops(&b)->produce(log, missing, 0, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), &err),
                     LT_LOG_PERMANENT);
    assert_non_null(strstr(err.text, missing));
    assert_int_equal(ops(&b)->produce(log, b.out, 2, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), &err), LT_LOG_PERMANENT);
    assert_true(lt_mono_ms() - began < 3000);
    assert_ok(ops(&b)->abort(log, &err), err);
    int32_t n;
    assert_int_equal(ops(&b)->partitions(log, missing, &n, &err), LT_LOG_PERMANENT); /* asking did not create it */
    assert_ok(ops(&b)->partitions(log, b.out, &n, &err), err);
    assert_int_equal(n, 2);
    free(missing);
    bench_free(&b);
}

struct seen {
    int records;
    int64_t last;
    int stop_after; /* 0: never */
};

static int see(void *ctx, const struct lt_log_record *r)
{
    struct seen *s = ctx;
    s->records++;
    s->last = r->offset;
    return s->stop_after && s->records == s->stop_after;
}

static void await_end(struct bench *b, int64_t end)
{
    struct lt_err err = LT_ERR_INIT;
    int64_t low, high = 0;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; high < end && lt_mono_ms() < until;)
        assert_ok(ops(b)->watermarks(b->w->log, b->out, 0, &low, &high, &err), err);
}

static void a_scan_ends_at_the_position_although_markers_stand_at_the_end(void **state LT_UNUSED)
{
    struct bench b = bench_new(1);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    struct lt_log_membership *m = worker_capture(b.w);
    for (int round = 0; round < 3; round++) { /* committed, aborted, committed */
        assert_ok(write_batch(&b, m, 4, LT_SPAN_LIT("x"), 1, "one", &err), err);
        if (round == 1)
            await_end(&b, 3 + 2); /* an abort throws away what was not sent yet */
        assert_ok(round == 1 ? ops(&b)->abort(log, &err) : ops(&b)->commit(log, &err), err);
    }
    await_end(&b, 9); /* an abort's marker comes a little later */
    int64_t low, high;
    assert_ok(ops(&b)->watermarks(log, b.out, 0, &low, &high, &err), err);
    assert_int_equal(low, 0);
    assert_int_equal(high, 9); /* 3 x (2 records and a marker) */
    struct seen s = {0};
    int64_t began = lt_mono_ms();
    assert_ok(ops(&b)->scan(log, b.out, 0, low, high, see, &s, &err), err);
    assert_int_equal(s.records, 4);
    assert_int_equal(s.last, 7);
    s = (struct seen){0};
    assert_ok(ops(&b)->scan(log, b.out, 0, 3, 6, see, &s, &err), err); /* nothing but what was aborted */
    assert_int_equal(s.records, 0);
    s = (struct seen){.stop_after = 1};
    assert_ok(ops(&b)->scan(log, b.out, 0, 0, high, see, &s, &err), err);
    assert_int_equal(s.records, 1);
    assert_true(lt_mono_ms() - began < 5000);
    assert_int_equal(ops(&b)->scan(log, b.out, 0, 400, 500, see, &s, &err), LT_LOG_ABSENT);
    ops(&b)->membership_free(log, m);
    bench_free(&b);
}

static void records_that_come_during_a_scan_are_not_lost(void **state LT_UNUSED)
{
    struct bench b = bench_new(0);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    int32_t p = support_produce(b.in, "k", "one").partition;
    assert_int_equal(support_produce(b.in, "k", "two").outcome, LT_DELIVERY_PERSISTED);
    /* The scan waits in vain for a third record, so the polls that it serves bring the two. */
    struct seen s = {0};
    assert_int_equal(ops(&b)->scan(log, NULL, p, 0, 3, see, &s, &err), LT_LOG_RETRY);
    assert_int_equal(s.records, 2);
    for (int i = 0; i < 2; i++) {
        struct lt_log_record *r = worker_record(b.w);
        assert_int_equal(r->offset, i);
        ops(&b)->record_free(log, r);
    }
    bench_free(&b);
}

static void an_open_transaction_of_somebody_else_shows_as_stable_end_below_the_high_watermark(void **state LT_UNUSED)
{
    struct bench b = bench_new(2);
    struct lt_err err = LT_ERR_INIT;
    char *topic = support_topic("other", 1);
    struct lt_log_settings s = {.props = support_props,
                                .props_len = 1,
                                .group = b.group,
                                .topic = topic,
                                .instance_id = topic,
                                .callbacks = {b.w, NULL, NULL},
                                .transaction_timeout_ms = 15000};
    struct lt_log *foreign = NULL;
    assert_ok(lt_log_kafka_new(&s, &foreign, &err), err);
    assert_ok(foreign->ops->begin(foreign, &err), err);
    assert_ok(foreign->ops->produce(foreign, b.in, b.partition, LT_SPAN_LIT("k"), NULL, LT_SPAN_NULL, &err), err);
    int64_t low, high = 0, stable = 0;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; high < 3 && lt_mono_ms() < until;)
        assert_ok(ops(&b)->watermarks(b.w->log, NULL, b.partition, &low, &high, &err), err);
    assert_ok(ops(&b)->stable_end(b.w->log, b.partition, &stable, &err), err);
    assert_int_equal(high, 3);
    assert_int_equal(stable, 2);
    assert_ok(foreign->ops->commit(foreign, &err), err);
    foreign->ops->close(foreign);
    struct lt_log_record *r;
    for (int i = 0; i < 2; i++)
        ops(&b)->record_free(b.w->log, worker_record(b.w));
    r = worker_record(b.w);
    assert_true(r->value_null); /* a tombstone */
    assert_int_equal(r->offset, 2);
    ops(&b)->record_free(b.w->log, r);
    free(topic);
    bench_free(&b);
}

static void an_offset_is_found_by_time(void **state LT_UNUSED)
{
    struct bench b = bench_new(3);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_record *r[3];
    for (int i = 0; i < 3; i++)
        r[i] = worker_record(b.w);
    int64_t at;
    assert_ok(ops(&b)->offset_at(b.w->log, b.partition, r[2]->append_ms, &at, &err), err);
    assert_true(at <= 2 && r[at]->append_ms == r[2]->append_ms);
    assert_ok(ops(&b)->offset_at(b.w->log, b.partition, 0, &at, &err), err);
    assert_int_equal(at, 0);
    assert_ok(ops(&b)->offset_at(b.w->log, b.partition, r[2]->append_ms + 3600000, &at, &err), err);
    assert_int_equal(at, 3);
    for (int i = 0; i < 3; i++)
        ops(&b)->record_free(b.w->log, r[i]);
    bench_free(&b);
}

static void an_empty_value_is_not_a_tombstone(void **state LT_UNUSED)
{
    struct bench b = bench_new(0);
    int32_t p = support_produce(b.in, "k", "").partition;
    struct lt_log_record *r = worker_record(b.w);
    assert_int_equal(r->partition, p);
    assert_false(r->value_null);
    assert_int_equal(r->value.len, 0);
    ops(&b)->record_free(b.w->log, r);
    bench_free(&b);
}

/* "name=value;" of every header of every record. */
static int take_headers(void *ctx, const struct lt_log_record *r)
{
    struct lt_buf *out = ctx;
    for (size_t i = 0; i < r->headers.len; i++)
        lt_buf_printf(out, LT_SPAN_FMT "=" LT_SPAN_FMT ";", LT_SPAN_ARG(r->headers.v[i].name),
                      LT_SPAN_ARG(r->headers.v[i].value));
    lt_buf_printf(out, LT_SPAN_FMT " ", LT_SPAN_ARG(r->value));
    return 0;
}

static void a_record_is_forwarded_with_its_headers_as_often_as_it_must(void **state LT_UNUSED)
{
    struct bench b = bench_new(1);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    struct lt_headers headers = {0};
    ops(&b)->record_free(log, worker_record(b.w));
    lt_headers_add(&headers, LT_SPAN_LIT("ce_id"), LT_SPAN_LIT("7"));
    lt_headers_add(&headers, LT_SPAN_LIT("lt_time"), LT_SPAN_LIT("1"));
    assert_ok(ops(&b)->begin(log, &err), err);
    assert_ok(ops(&b)->produce(log, b.in, b.partition, LT_SPAN_LIT("k"), &headers, LT_SPAN_LIT("v"), &err), err);
    assert_ok(ops(&b)->commit(log, &err), err);
    struct lt_log_record *r = worker_record(b.w);
    const struct lt_header add[] = {{LT_SPAN_LIT("lt_origin"), LT_SPAN_LIT("1/0/1")}};
    for (int attempt = 0; attempt < 2; attempt++) {
        assert_ok(ops(&b)->begin(log, &err), err);
        for (int copy = 0; copy < 2; copy++) {
            assert_ok(ops(&b)->forward(log, b.out, 0, r, add, 1, &err), err);
            assert_int_equal(r->headers.len, 0);
        }
        assert_ok(attempt == 0 ? ops(&b)->abort(log, &err) : ops(&b)->commit(log, &err), err);
    }
    assert_int_equal(ops(&b)->headers(log, r)->len, 2);
    assert_span_is(lt_headers_value(&r->headers, "ce_id"), "7");
    ops(&b)->record_free(log, r);
    int64_t low, high;
    LT_AUTOBUF struct lt_buf seen = LT_BUF_INIT(4096);
    assert_ok(ops(&b)->watermarks(log, b.out, 0, &low, &high, &err), err);
    assert_ok(ops(&b)->scan(log, b.out, 0, 0, high, take_headers, &seen, &err), err);
    assert_span_is(lt_buf_view(&seen), "ce_id=7;lt_time=1;lt_origin=1/0/1;v ce_id=7;lt_time=1;lt_origin=1/0/1;v ");
    bench_free(&b);
}

static void no_record_is_lost_or_doubled_over_a_pause(void **state LT_UNUSED)
{
    enum { RECORDS = 600 }; /* more than are taken from the consumer's queue in one go */
    struct bench b = bench_new(RECORDS);
    struct lt_err err = LT_ERR_INIT;
    for (int i = 0; i < RECORDS; i++) {
        struct lt_log_record *r = worker_record(b.w);
        assert_int_equal(r->offset, i);
        ops(&b)->record_free(b.w->log, r);
        if (i % 150 == 100) {
            assert_ok(ops(&b)->pause(b.w->log, b.partition, true, &err), err);
            assert_ok(ops(&b)->pause(b.w->log, b.partition, false, &err), err);
        }
    }
    bench_free(&b);
}

static void a_partition_started_anew_begins_at_its_offset_whatever_was_fetched_before(void **state LT_UNUSED)
{
    struct bench b = bench_new(300);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log *log = b.w->log;
    for (int i = 0; i < 5; i++)
        ops(&b)->record_free(log, worker_record(b.w));
    assert_ok(ops(&b)->stop(log, b.partition, &err), err);
    assert_ok(ops(&b)->start(log, b.partition, 2, &err), err);
    struct lt_log_record *r = worker_record(b.w);
    assert_int_equal(r->offset, 2);
    ops(&b)->record_free(log, r);
    bench_free(&b);
}

int transaction_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_offset_and_metadata_become_final_together),
        cmocka_unit_test(the_owner_can_work_while_offsets_and_commit_are_waited_for),
        cmocka_unit_test(an_aborted_batch_is_written_again_and_counts_once),
        cmocka_unit_test(a_transaction_left_open_is_ended_by_the_next_begin),
        cmocka_unit_test(a_fenced_producer_is_renewed_in_process),
        cmocka_unit_test(a_record_that_does_not_fit_its_topic_is_told_with_the_topic),
        cmocka_unit_test(a_missing_topic_or_partition_is_permanent_and_told_at_once),
        cmocka_unit_test(a_scan_ends_at_the_position_although_markers_stand_at_the_end),
        cmocka_unit_test(records_that_come_during_a_scan_are_not_lost),
        cmocka_unit_test(an_open_transaction_of_somebody_else_shows_as_stable_end_below_the_high_watermark),
        cmocka_unit_test(an_offset_is_found_by_time),
        cmocka_unit_test(an_empty_value_is_not_a_tombstone),
        cmocka_unit_test(a_record_is_forwarded_with_its_headers_as_often_as_it_must),
        cmocka_unit_test(no_record_is_lost_or_doubled_over_a_pause),
        cmocka_unit_test(a_partition_started_anew_begins_at_its_offset_whatever_was_fetched_before),
    };
    return cmocka_run_group_tests_name("kafka transactions", tests, NULL, NULL);
}
