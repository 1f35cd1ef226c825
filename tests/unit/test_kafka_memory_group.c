/* Membership over the log in memory: shares, static members, generations, twins. */
#include "kafka_worker.h"

static int owned(const struct worker *w)
{
    int n = 0;
    for (int p = 0; p < WORKER_PARTITIONS; p++)
        n += w->assigned[p];
    return n;
}

static int capture(struct worker *w, struct lt_log_membership **ret)
{
    struct lt_err err = LT_ERR_INIT;
    return w->log->ops->capture(w->log, ret, &err);
}

/* a had everything, let half of it go, and b took it. */
static void open_two(struct lt_memory *m, struct worker *a, struct worker *b)
{
    worker_open(a, m, "g.a");
    worker_poll(a, NULL);
    worker_open(b, m, "g.b");
    worker_poll(a, NULL);
    worker_poll(b, NULL);
}

static void close_two(struct lt_memory *m, struct worker *a, struct worker *b)
{
    worker_close(a);
    worker_close(b);
    lt_memory_free(m);
}

static void an_assigned_partition_is_silent_until_it_is_started(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(2);
    struct worker w;
    struct lt_err err = LT_ERR_INIT;
    cluster_append(m, 0, "x");
    worker_open(&w, m, "g.a");
    assert_int_equal(w.assigns, 0); /* callbacks run inside poll only */
    assert_null(worker_poll(&w, NULL));
    assert_int_equal(owned(&w), 2);
    assert_null(worker_poll(&w, NULL));
    assert_int_equal(w.log->ops->start(w.log, 3, 0, &err), LT_E_BUG);
    assert_int_equal(w.log->ops->start(w.log, 0, 0, &err), LT_LOG_OK);
    assert_int_equal(w.log->ops->start(w.log, 0, 0, &err), LT_E_BUG);
    assert_int_equal(w.log->ops->pause(w.log, 0, true, &err), LT_LOG_OK);
    assert_null(worker_poll(&w, NULL));
    assert_int_equal(w.log->ops->pause(w.log, 0, false, &err), LT_LOG_OK);
    w.log->ops->record_free(w.log, worker_poll(&w, NULL));
    worker_close(&w);
    lt_memory_free(m);
}

static void a_partition_moves_only_after_its_owner_let_it_go(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(4);
    struct worker a, b;
    worker_open(&a, m, "g.a");
    worker_poll(&a, NULL);
    assert_int_equal(owned(&a), 4);
    worker_open(&b, m, "g.b");
    worker_poll(&b, NULL);
    assert_int_equal(owned(&b), 0); /* a has not been polled */
    worker_poll(&a, NULL);
    assert_int_equal(owned(&a), 2);
    worker_poll(&b, NULL);
    assert_int_equal(owned(&b), 2);
    for (int p = 0; p < 4; p++)
        assert_true(a.assigned[p] != b.assigned[p]);
    close_two(m, &a, &b);
}

static void membership_is_captured_only_when_every_callback_was_served(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(4);
    struct worker a, b;
    struct lt_log_membership *ms = NULL;
    worker_open(&a, m, "g.a");
    assert_int_equal(capture(&a, &ms), LT_LOG_RETRY);
    worker_poll(&a, NULL);
    assert_int_equal(capture(&a, &ms), LT_LOG_OK);
    worker_open(&b, m, "g.b");
    struct lt_log_membership *later = NULL;
    assert_int_equal(capture(&a, &later), LT_LOG_RETRY);
    /* What was captured before is refused by the group, and the transaction must be aborted. */
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(worker_write(&a, ms, 0, 0, LT_SPAN_LIT("x"), &err), LT_LOG_ABORTABLE);
    assert_int_equal(a.log->ops->abort(a.log, &err), LT_LOG_OK);
    assert_true(a.log->ops->membership_same(a.log, ms));
    a.log->ops->membership_free(a.log, ms);
    close_two(m, &a, &b);
}

static void offsets_of_a_partition_that_is_no_longer_owned_are_accepted_under_a_fresh_membership(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(4);
    struct worker a, b;
    struct lt_err err = LT_ERR_INIT;
    open_two(m, &a, &b);
    worker_poll(&a, NULL);
    int32_t gone = a.assigned[0] ? 1 : 0;
    assert_false(a.assigned[gone]);
    struct lt_log_membership *ms = NULL;
    assert_int_equal(capture(&a, &ms), LT_LOG_OK);
    assert_int_equal(worker_write(&a, ms, gone, 0, LT_SPAN_LIT("x"), &err),
                     LT_LOG_OK); /* the trap of rules 10 and 11 */
    assert_int_equal(a.log->ops->commit(a.log, &err), LT_LOG_OK);
    a.log->ops->membership_free(a.log, ms);
    close_two(m, &a, &b);
}

static void a_static_member_that_returns_takes_up_its_share_under_the_same_generation(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(4);
    struct worker a, b;
    open_two(m, &a, &b);
    lt_memory_crash(a.log);
    worker_close(&a);
    worker_poll(&b, NULL);
    assert_int_equal(owned(&b), 2); /* within the session time-out nothing moves */
    struct lt_log_membership *before = NULL, *after = NULL;
    assert_int_equal(capture(&b, &before), LT_LOG_OK);
    worker_open(&a, m, "g.a");
    worker_poll(&a, NULL);
    assert_int_equal(owned(&a), 2);
    assert_int_equal(capture(&b, &after), LT_LOG_OK);
    b.log->ops->membership_free(b.log, before);
    b.log->ops->membership_free(b.log, after);
    close_two(m, &a, &b);
}

static void a_member_that_stays_away_loses_its_share_after_the_session(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(4);
    struct worker a, b;
    open_two(m, &a, &b);
    worker_close(&a);
    lt_memory_advance(m, 10001);
    worker_poll(&b, NULL);
    assert_int_equal(owned(&b), 4);
    worker_close(&b);
    lt_memory_free(m);
}

static void a_member_that_leaves_loses_its_share_at_once(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(4);
    struct worker a, b;
    open_two(m, &a, &b);
    atomic_store(&b.leaving, true);
    worker_close(&b);
    worker_poll(&a, NULL);
    assert_int_equal(owned(&a), 4);
    struct lt_log_share share;
    assert_true(a.log->ops->share(a.log, &share));
    assert_int_equal(share.members, 1);
    worker_close(&a);
    lt_memory_free(m);
}

static void a_second_log_of_the_same_instance_makes_the_first_a_twin(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(2);
    struct worker first, second;
    struct lt_err err = LT_ERR_INIT;
    int result;
    worker_open(&first, m, "g.a");
    worker_poll(&first, NULL);
    struct lt_log_membership *ms = NULL;
    assert_int_equal(capture(&first, &ms), LT_LOG_OK);
    assert_int_equal(worker_write(&first, ms, 0, 0, LT_SPAN_LIT("x"), &err), LT_LOG_OK);
    worker_open(&second, m, "g.a");
    assert_int_equal(first.log->ops->commit(first.log, &err), LT_LOG_FENCED); /* its transaction was aborted */
    assert_int_equal(lt_memory_count(m, "out"), 0);
    worker_poll(&first, &result);
    assert_int_equal(result, LT_LOG_TWIN);
    struct lt_log_membership *none = NULL;
    assert_int_equal(capture(&first, &none), LT_LOG_TWIN);
    worker_poll(&second, NULL);
    assert_int_equal(owned(&second), 2);
    first.log->ops->membership_free(first.log, ms);
    close_two(m, &first, &second);
}

static void a_rebalance_of_one_member_takes_partitions_and_gives_them_back(void **state LT_UNUSED)
{
    struct lt_memory *m = cluster_new(4);
    struct worker a;
    worker_open(&a, m, "g.a");
    worker_poll(&a, NULL);
    for (int i = 0; i < 20; i++)
        lt_memory_rebalance(m, "g");
    assert_int_equal(a.revokes, 0);
    worker_poll(&a, NULL);
    assert_true(a.revokes > 0);
    assert_int_equal(a.assigns, 4 + a.revokes);
    assert_int_equal(owned(&a), 4);
    worker_close(&a);
    lt_memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assigned_partition_is_silent_until_it_is_started),
        cmocka_unit_test(a_partition_moves_only_after_its_owner_let_it_go),
        cmocka_unit_test(membership_is_captured_only_when_every_callback_was_served),
        cmocka_unit_test(offsets_of_a_partition_that_is_no_longer_owned_are_accepted_under_a_fresh_membership),
        cmocka_unit_test(a_static_member_that_returns_takes_up_its_share_under_the_same_generation),
        cmocka_unit_test(a_member_that_stays_away_loses_its_share_after_the_session),
        cmocka_unit_test(a_member_that_leaves_loses_its_share_at_once),
        cmocka_unit_test(a_second_log_of_the_same_instance_makes_the_first_a_twin),
        cmocka_unit_test(a_rebalance_of_one_member_takes_partitions_and_gives_them_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
