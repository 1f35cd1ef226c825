/* The log in memory: offsets, isolation, transactions, damage. */
#include "kafka_worker.h"

struct fixture {
    struct lt_memory *m;
    struct worker w;
    struct lt_log_membership *ms;
};

static struct fixture begin(int records)
{
    struct fixture f = {.m = cluster_new(1)};
    for (int i = 0; i < records; i++)
        cluster_append(f.m, 0, i % 2 ? "odd" : "even");
    return f;
}

/* The worker's address must stay: callbacks hold it. */
static void join(struct fixture *f)
{
    worker_open(&f->w, f->m, "g.a");
    assert_null(worker_poll(&f->w, NULL));
    assert_int_equal(worker_start_all(&f->w), LT_LOG_OK);
    f->ms = worker_capture(&f->w);
}

static void end(struct fixture *f)
{
    f->w.log->ops->membership_free(f->w.log, f->ms);
    worker_close(&f->w);
    lt_memory_free(f->m);
}

static void records_come_in_offset_order_with_append_time(void **state LT_UNUSED)
{
    struct fixture f = begin(1);
    join(&f);
    lt_memory_advance(f.m, 500);
    assert_int_equal(cluster_append(f.m, 0, "late"), 1);
    struct lt_log_record *first = worker_poll(&f.w, NULL), *second = worker_poll(&f.w, NULL);
    assert_int_equal(first->offset, 0);
    assert_int_equal(first->append_ms, 1000000);
    assert_int_equal(second->append_ms, 1000500);
    assert_span_is(second->value, "late");
    assert_false(second->value_null);
    assert_null(worker_poll(&f.w, NULL));
    f.w.log->ops->record_free(f.w.log, first);
    f.w.log->ops->record_free(f.w.log, second);
    end(&f);
}

static void a_transaction_is_seen_with_its_commit_and_its_marker_takes_an_offset(void **state LT_UNUSED)
{
    struct fixture f = begin(1);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(worker_write(&f.w, f.ms, 0, 0, LT_SPAN_LIT("x"), &err), LT_LOG_OK);
    struct lt_log_offset at;
    int64_t low, high;
    assert_int_equal(lt_memory_count(f.m, "out"), 0);
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_RETRY); /* an offset is pending */
    assert_int_equal(f.w.log->ops->commit(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(lt_memory_count(f.m, "out"), 1);
    assert_int_equal(f.w.log->ops->watermarks(f.w.log, "out", 0, &low, &high, &err), LT_LOG_OK);
    assert_int_equal(low, 0);
    assert_int_equal(high, 2);
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_OK);
    assert_int_equal(at.offset, 1);
    assert_string_equal(at.metadata, "m1");
    end(&f);
}

static void an_aborted_transaction_leaves_no_record_and_no_offset(void **state LT_UNUSED)
{
    struct fixture f = begin(1);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_offset at;
    assert_int_equal(worker_write(&f.w, f.ms, 0, 0, LT_SPAN_LIT("x"), &err), LT_LOG_OK);
    assert_int_equal(f.w.log->ops->abort(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(lt_memory_count(f.m, "out"), 0);
    assert_int_equal(lt_memory_end(f.m, "out", 0), 2); /* the record and the marker are there all the same */
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_OK);
    assert_int_equal(at.offset, 0);
    assert_string_equal(at.metadata, "genesis");
    end(&f);
}

static int count_scanned(void *ctx, const struct lt_log_record *r LT_UNUSED)
{
    ++*(int *)ctx;
    return 0;
}

static void a_scan_ends_at_the_position_and_waits_for_open_transactions(void **state LT_UNUSED)
{
    struct fixture f = begin(1);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    const struct lt_log_ops *ops = f.w.log->ops;
    int n = 0;
    assert_int_equal(worker_write(&f.w, f.ms, 0, 0, LT_SPAN_LIT("x"), &err), LT_LOG_OK);
    assert_int_equal(ops->scan(f.w.log, "out", 0, 0, 1, count_scanned, &n, &err), LT_LOG_RETRY);
    assert_int_equal(ops->commit(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(ops->scan(f.w.log, "out", 0, 0, 2, count_scanned, &n, &err), LT_LOG_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ops->scan(f.w.log, "out", 0, 0, 3, count_scanned, &n, &err), LT_LOG_RETRY); /* nothing there yet */
    assert_int_equal(ops->scan(f.w.log, "out", 1, 0, 0, count_scanned, &n, &err), LT_LOG_OK);
    assert_int_equal(ops->scan(f.w.log, "no", 0, 0, 1, count_scanned, &n, &err), LT_LOG_PERMANENT);
    end(&f);
}

static void an_open_foreign_transaction_holds_readers_at_the_last_stable_offset(void **state LT_UNUSED)
{
    struct fixture f = begin(1);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    int64_t stable;
    lt_memory_foreign_open(f.m, "in", 0);
    cluster_append(f.m, 0, "behind");
    assert_int_equal(f.w.log->ops->stable_end(f.w.log, 0, &stable, &err), LT_LOG_OK);
    assert_int_equal(stable, 1);
    f.w.log->ops->record_free(f.w.log, worker_poll(&f.w, NULL));
    assert_null(worker_poll(&f.w, NULL));
    lt_memory_foreign_close(f.m, "in", 0);
    struct lt_log_record *r = worker_poll(&f.w, NULL);
    assert_int_equal(r->offset, 2);
    f.w.log->ops->record_free(f.w.log, r);
    end(&f);
}

static void a_record_over_the_limit_is_told_at_commit_with_its_topic(void **state LT_UNUSED)
{
    struct fixture f = begin(1);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    char big[200];
    memset(big, 'x', sizeof(big));
    assert_int_equal(worker_write(&f.w, f.ms, 0, 0, lt_span(big, sizeof(big)), &err), LT_LOG_OK);
    assert_int_equal(f.w.log->ops->commit(f.w.log, &err), LT_LOG_TOO_LARGE);
    assert_string_equal(err.source, "out");
    assert_int_equal(f.w.log->ops->commit(f.w.log, &err), LT_LOG_ABORTABLE);
    assert_int_equal(f.w.log->ops->abort(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(worker_write(&f.w, f.ms, 0, 0, LT_SPAN_LIT("small"), &err), LT_LOG_OK);
    assert_int_equal(f.w.log->ops->commit(f.w.log, &err), LT_LOG_OK);
    end(&f);
}

static void a_missing_topic_is_permanent(void **state LT_UNUSED)
{
    struct fixture f = begin(0);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    int32_t n;
    assert_int_equal(f.w.log->ops->begin(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(f.w.log->ops->produce(f.w.log, "typo", 0, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), &err),
                     LT_LOG_PERMANENT);
    assert_int_equal(f.w.log->ops->produce(f.w.log, "out", 2, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), &err),
                     LT_LOG_PERMANENT);
    assert_int_equal(f.w.log->ops->partitions(f.w.log, "typo", &n, &err), LT_LOG_PERMANENT);
    end(&f);
}

static void a_started_partition_below_the_log_start_is_an_error_of_the_partition(void **state LT_UNUSED)
{
    struct fixture f = begin(3);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    int result, n = 0;
    lt_memory_delete_head(f.m, "in", 0, 2);
    struct lt_log_record *r = worker_poll(&f.w, &result);
    assert_int_equal(result, LT_LOG_PARTITION);
    assert_int_equal(r->partition, 0);
    f.w.log->ops->record_free(f.w.log, r);
    assert_int_equal(f.w.log->ops->scan(f.w.log, NULL, 0, 0, 3, count_scanned, &n, &err), LT_LOG_ABSENT);
    assert_int_equal(f.w.log->ops->stop(f.w.log, 0, &err), LT_LOG_OK);
    assert_int_equal(f.w.log->ops->start(f.w.log, 0, 2, &err), LT_LOG_OK);
    r = worker_poll(&f.w, NULL);
    assert_int_equal(r->offset, 2);
    f.w.log->ops->record_free(f.w.log, r);
    end(&f);
}

static void holes_and_truncation_show_in_the_offsets(void **state LT_UNUSED)
{
    struct fixture f = begin(2);
    join(&f);
    lt_memory_hole(f.m, "in", 0, 3);
    assert_int_equal(cluster_append(f.m, 0, "after"), 5);
    lt_memory_remove(f.m, "in", 0, 0);
    struct lt_log_record *first = worker_poll(&f.w, NULL), *second = worker_poll(&f.w, NULL);
    assert_int_equal(first->offset, 1);
    assert_int_equal(second->offset, 5);
    lt_memory_truncate(f.m, "in", 0, 1); /* what was polled stays readable */
    assert_span_is(second->value, "after");
    assert_int_equal(lt_memory_end(f.m, "in", 0), 1);
    int result;
    struct lt_log_record *none = worker_poll(&f.w, &result);
    assert_int_equal(result, LT_LOG_PARTITION); /* it stands behind the end now */
    f.w.log->ops->record_free(f.w.log, none);
    f.w.log->ops->record_free(f.w.log, first);
    f.w.log->ops->record_free(f.w.log, second);
    end(&f);
}

static void offsets_are_found_by_time_and_the_end_when_there_is_none(void **state LT_UNUSED)
{
    struct fixture f = begin(2);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    int64_t at;
    lt_memory_advance(f.m, 1000);
    cluster_append(f.m, 0, "later");
    assert_int_equal(f.w.log->ops->offset_at(f.w.log, 0, 1000001, &at, &err), LT_LOG_OK);
    assert_int_equal(at, 2);
    assert_int_equal(f.w.log->ops->offset_at(f.w.log, 0, 0, &at, &err), LT_LOG_OK);
    assert_int_equal(at, 0);
    assert_int_equal(f.w.log->ops->offset_at(f.w.log, 0, 9000000, &at, &err), LT_LOG_OK);
    assert_int_equal(at, 3);
    end(&f);
}

static void a_wiped_metadata_is_what_committed_tells(void **state LT_UNUSED)
{
    struct fixture f = begin(0);
    join(&f);
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_offset at;
    lt_memory_offset_set(f.m, "g", "in", 0, 7, "");
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_OK);
    assert_int_equal(at.offset, 7);
    assert_string_equal(at.metadata, "");
    lt_memory_offset_set(f.m, "g", "in", 0, -1, "");
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_OK);
    assert_int_equal(at.offset, -1);
    end(&f);
}

static void a_null_value_is_a_tombstone_and_an_empty_one_is_not(void **state LT_UNUSED)
{
    struct fixture f = begin(0);
    join(&f);
    lt_memory_append(f.m, "in", 0, LT_SPAN_LIT("k"), NULL, LT_SPAN_NULL);
    lt_memory_append(f.m, "in", 0, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT(""));
    struct lt_log_record *a = worker_poll(&f.w, NULL), *b = worker_poll(&f.w, NULL);
    assert_true(a->value_null);
    assert_false(b->value_null);
    f.w.log->ops->record_free(f.w.log, a);
    f.w.log->ops->record_free(f.w.log, b);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_in_offset_order_with_append_time),
        cmocka_unit_test(a_transaction_is_seen_with_its_commit_and_its_marker_takes_an_offset),
        cmocka_unit_test(an_aborted_transaction_leaves_no_record_and_no_offset),
        cmocka_unit_test(a_scan_ends_at_the_position_and_waits_for_open_transactions),
        cmocka_unit_test(an_open_foreign_transaction_holds_readers_at_the_last_stable_offset),
        cmocka_unit_test(a_record_over_the_limit_is_told_at_commit_with_its_topic),
        cmocka_unit_test(a_missing_topic_is_permanent),
        cmocka_unit_test(a_started_partition_below_the_log_start_is_an_error_of_the_partition),
        cmocka_unit_test(holes_and_truncation_show_in_the_offsets),
        cmocka_unit_test(offsets_are_found_by_time_and_the_end_when_there_is_none),
        cmocka_unit_test(a_wiped_metadata_is_what_committed_tells),
        cmocka_unit_test(a_null_value_is_a_tombstone_and_an_empty_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
