/* Membership: assignment without fetching, start at an exact offset, moving partitions, twins. */
#include "kafka_support.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/consumer.h"
#include "gateway/kafka/repair.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char *group, *topic;
};

static struct place place_new(void)
{
    struct place p = {support_name("group"), support_topic("in", SUPPORT_PARTITIONS)};
    support_genesis(p.group, p.topic);
    return p;
}

static void place_free(struct place p)
{
    free(p.group);
    free(p.topic);
}

static void an_assigned_partition_is_not_fetched_until_it_is_started(void **state LT_UNUSED)
{
    struct place at = place_new();
    for (int i = 0; i < 3; i++)
        assert_int_equal(support_produce(at.topic, "k",
                                         i == 0   ? "a"
                                         : i == 1 ? "b"
                                                  : "c")
                             .outcome,
                         LT_DELIVERY_PERSISTED);
    int32_t p = support_produce(at.topic, "k", "d").partition;
    struct worker *w = worker_new(at.group, at.topic, "one");
    struct lt_err err = LT_ERR_INIT;
    worker_join(w, SUPPORT_PARTITIONS);
    struct lt_log_record *r = NULL;
    for (int i = 0; i < 10; i++)
        assert_int_equal(w->log->ops->poll(w->log, 100, &r, &err), LT_LOG_NONE);
    struct lt_log_offset committed;
    assert_ok(w->log->ops->committed(w->log, p, 10000, &committed, &err), err);
    assert_int_equal(committed.offset, 0);
    assert_int_equal(strncmp(committed.metadata, "genesis ", 8), 0);
    assert_ok(w->log->ops->start(w->log, p, 2, &err), err);
    r = worker_record(w);
    assert_int_equal(r->offset, 2);
    assert_int_equal(r->partition, p);
    assert_span_is(r->value, "c");
    assert_span_is(lt_headers_value(&r->headers, "ce_id"), "0123");
    assert_true(r->append_ms > 0);
    w->log->ops->record_free(w->log, r);
    /* Undone and begun again elsewhere: the partition was kept all the time. */
    assert_ok(w->log->ops->stop(w->log, p, &err), err);
    assert_ok(w->log->ops->start(w->log, p, 0, &err), err);
    r = worker_record(w);
    assert_int_equal(r->offset, 0);
    w->log->ops->record_free(w->log, r);
    assert_int_equal(w->revokes, 0);
    worker_free(w);
    place_free(at);
}

static void a_start_outside_the_log_is_an_error_of_that_partition(void **state LT_UNUSED)
{
    struct place at = place_new();
    int32_t p = support_produce(at.topic, "k", "a").partition, other = (p + 1) % SUPPORT_PARTITIONS;
    struct worker *w = worker_new(at.group, at.topic, "one");
    struct lt_err err = LT_ERR_INIT;
    worker_join(w, SUPPORT_PARTITIONS);
    assert_ok(w->log->ops->start(w->log, other, 77, &err), err);
    struct lt_log_record *r = NULL;
    int result = LT_LOG_NONE;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; result == LT_LOG_NONE && lt_mono_ms() < until;)
        result = w->log->ops->poll(w->log, 100, &r, &err);
    assert_int_equal(result, LT_LOG_PARTITION);
    assert_int_equal(r->partition, other);
    w->log->ops->record_free(w->log, r);
    assert_ok(w->log->ops->stop(w->log, other, &err), err);
    assert_ok(w->log->ops->start(w->log, p, 0, &err), err); /* the others go on */
    r = worker_record(w);
    assert_int_equal(r->partition, p);
    w->log->ops->record_free(w->log, r);
    worker_free(w);
    place_free(at);
}

static void a_paused_partition_is_silent_until_it_is_resumed(void **state LT_UNUSED)
{
    struct place at = place_new();
    int32_t p = support_produce(at.topic, "k", "a").partition;
    (void)support_produce(at.topic, "k", "b");
    struct worker *w = worker_new(at.group, at.topic, "one");
    struct lt_err err = LT_ERR_INIT;
    worker_join(w, SUPPORT_PARTITIONS);
    worker_start(w);
    struct lt_log_record *r = worker_record(w);
    assert_int_equal(r->offset, 0);
    w->log->ops->record_free(w->log, r);
    assert_ok(w->log->ops->pause(w->log, p, true, &err), err);
    for (int i = 0; i < 5; i++)
        assert_int_equal(w->log->ops->poll(w->log, 100, &r, &err), LT_LOG_NONE);
    assert_ok(w->log->ops->pause(w->log, p, false, &err), err);
    r = worker_record(w);
    assert_int_equal(r->offset, 1);
    w->log->ops->record_free(w->log, r);
    worker_free(w);
    place_free(at);
}

static void a_partition_that_was_paused_when_it_went_is_read_when_it_comes_back(void **state LT_UNUSED)
{
    struct place at = place_new();
    int32_t p = support_produce(at.topic, "k", "a").partition;
    struct worker *w = worker_new(at.group, at.topic, "one");
    struct lt_err err = LT_ERR_INIT;
    worker_join(w, SUPPORT_PARTITIONS);
    assert_ok(w->log->ops->start(w->log, p, 0, &err), err);
    w->log->ops->record_free(w->log, worker_record(w));
    assert_ok(w->log->ops->pause(w->log, p, true, &err), err);
    assert_ok(w->log->ops->stop(w->log, p, &err), err);
    assert_ok(w->log->ops->start(w->log, p, 0, &err), err);
    w->log->ops->record_free(w->log, worker_record(w));
    worker_free(w);
    place_free(at);
}

static void both_join(struct worker *a, struct worker *b)
{
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS;;) {
        struct lt_err err = LT_ERR_INIT;
        struct worker *two[] = {a, b};
        for (int i = 0; i < 2; i++) {
            struct lt_log_record *r = NULL;
            if (two[i]->log->ops->poll(two[i]->log, 50, &r, &err) == LT_LOG_OK)
                two[i]->log->ops->record_free(two[i]->log, r);
        }
        if (worker_count(a) > 0 && worker_count(b) > 0 && worker_count(a) + worker_count(b) == SUPPORT_PARTITIONS)
            return;
        if (lt_mono_ms() > until)
            fail_msg("the partitions were not shared: %d and %d", worker_count(a), worker_count(b));
    }
}

static void a_second_worker_gets_its_share_and_the_first_gives_it_up(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct worker *a = worker_new(at.group, at.topic, "a");
    worker_join(a, SUPPORT_PARTITIONS);
    /* One is started, the others only assigned: giving up both kinds must work. */
    struct lt_err err = LT_ERR_INIT;
    assert_ok(a->log->ops->start(a->log, 0, 0, &err), err);
    struct lt_log_membership *before = worker_capture(a);
    struct worker *b = worker_new(at.group, at.topic, "b");
    both_join(a, b);
    assert_true(a->revokes >= 1);
    assert_int_equal(a->lost, 0);
    /* What was captured before the group moved is no longer good for committing. */
    assert_ok(a->log->ops->begin(a->log, &err), err);
    struct lt_log_offset o = {.partition = 0, .offset = 0, .metadata = "stale"};
    int r = a->log->ops->send_offsets(a->log, before, &o, 1, &err);
    if (r == LT_LOG_OK)
        r = a->log->ops->commit(a->log, &err);
    assert_int_equal(r, LT_LOG_ABORTABLE);
    assert_ok(a->log->ops->abort(a->log, &err), err);
    assert_true(a->log->ops->membership_same(a->log, before));
    a->log->ops->membership_free(a->log, before);
    struct lt_log_membership *now = worker_capture(a);
    a->log->ops->membership_free(a->log, now);
    worker_free(a);
    worker_free(b);
    place_free(at);
}

static void finish(struct worker *w, int32_t partition)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_membership *m = NULL;
    struct lt_log_offset o = {.partition = partition, .offset = 0, .metadata = "finished"};
    assert_ok(w->log->ops->capture(w->log, &m, &err), err);
    assert_ok(w->log->ops->begin(w->log, &err), err);
    assert_ok(w->log->ops->send_offsets(w->log, m, &o, 1, &err), err);
    assert_ok(w->log->ops->commit(w->log, &err), err);
    w->log->ops->membership_free(w->log, m);
}

static void an_owner_may_finish_its_work_while_it_gives_a_partition_up(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct lt_err err = LT_ERR_INIT;
    struct worker *a = worker_new(at.group, at.topic, "a");
    worker_join(a, SUPPORT_PARTITIONS);
    worker_start(a);
    a->revoking = finish;
    struct worker *b = worker_new(at.group, at.topic, "b");
    both_join(a, b);
    assert_true(a->revokes >= 1);
    for (int32_t p = 0; p < SUPPORT_PARTITIONS; p++) {
        struct lt_log_offset found;
        if (!b->assigned[p])
            continue;
        assert_ok(b->log->ops->committed(b->log, p, 15000, &found, &err), err);
        assert_string_equal(found.metadata, "finished");
    }
    worker_free(a);
    worker_free(b);
    place_free(at);
}

static void a_static_member_that_comes_back_has_its_partitions_at_once(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct worker *w = worker_new(at.group, at.topic, "one");
    worker_join(w, SUPPORT_PARTITIONS);
    worker_free(w);
    w = worker_new(at.group, at.topic, "one");
    int64_t began = lt_mono_ms();
    worker_join(w, SUPPORT_PARTITIONS);
    assert_true(lt_mono_ms() - began < 8000); /* below the session time-out of 10 s */
    worker_free(w);
    place_free(at);
}

static void a_second_process_of_the_same_instance_is_a_twin_to_the_first(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct lt_err err = LT_ERR_INIT;
    struct worker *first = worker_new(at.group, at.topic, "same");
    worker_join(first, SUPPORT_PARTITIONS);
    struct worker *second = worker_new(at.group, at.topic, "same");
    /* The transactional id went first: opening the second initialised it. */
    assert_ok(first->log->ops->begin(first->log, &err), err);
    int r = first->log->ops->produce(first->log, at.topic, 0, LT_SPAN_LIT("k"), NULL, LT_SPAN_LIT("v"), &err);
    if (r == LT_LOG_OK)
        r = first->log->ops->commit(first->log, &err);
    assert_int_equal(r, LT_LOG_FENCED);
    assert_int_equal(first->log->ops->renew(first->log, &err), LT_LOG_TWIN); /* it does not fence the second in turn */
    assert_non_null(strstr(err.text, "process "));                           /* says who it was */
    worker_join(second, SUPPORT_PARTITIONS);
    worker_until(first, LT_E_UNAVAILABLE);
    struct lt_log_membership *m = NULL;
    assert_true(first->log->ops->capture(first->log, &m, &err) < 0);
    assert_int_equal(worker_reopen(first, &err), LT_LOG_TWIN);
    assert_int_equal(worker_reopen(first, &err), LT_LOG_TWIN); /* whenever it is asked */
    worker_free(first);
    struct lt_log_membership *alive = worker_capture(second);
    second->log->ops->membership_free(second->log, alive);
    worker_free(second);
    place_free(at);
}

static void a_membership_taken_by_no_other_process_is_taken_up_again(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct lt_err err = LT_ERR_INIT;
    struct worker *w = worker_new(at.group, at.topic, "same");
    worker_join(w, SUPPORT_PARTITIONS);
    for (int round = 0; round < 3; round++) { /* however often it happens */
        struct worker *ghost = worker_ghost(at.group, at.topic, "same");
        worker_join(ghost, SUPPORT_PARTITIONS);
        worker_until(w, LT_E_UNAVAILABLE);
        worker_free(ghost);
        assert_ok(worker_reopen(w, &err), err);
        worker_join(w, SUPPORT_PARTITIONS);
    }
    assert_int_equal(w->log->ops->renew(w->log, &err), LT_LOG_OK);
    worker_start(w);
    worker_free(w);
    place_free(at);
}

static void keep_metadata(void *ctx, const struct lt_genesis_row *row)
{
    if (row->partition == 0)
        snprintf(ctx, sizeof(row->metadata), "%s", row->metadata);
}

/* The group of the claims as Kafka tells of it. */
static void claim_take(const struct worker *w, char out[512])
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_admin *a = NULL;
    assert_ok(lt_admin_new(support_props, 1, &a, &err), err);
    assert_ok(lt_admin_group_offsets(a, w->instance, w->topic, keep_metadata, out, &err), err);
    assert_int_equal(strncmp(out, "claim-", 6), 0);
    lt_admin_free(a);
}

static void claim_put(const struct worker *w, const char *claim)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_repair *repair = NULL;
    assert_ok(lt_repair_begin(support_props, 1, w->instance, &repair, &err), err);
    lt_repair_offset(repair, w->topic, 0, 0, claim);
    assert_ok(lt_repair_commit(repair, &err), err);
    lt_repair_free(repair);
}

/* Chaos found it: a coordinator that told of the claim of a process that was long gone ended the one that was alone. */
static void a_claim_of_long_ago_that_kafka_tells_of_again_is_nobodys(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct lt_err err = LT_ERR_INIT;
    char past[512], ours[512], again[512];
    struct worker *gone = worker_new(at.group, at.topic, "same");
    claim_take(gone, past);
    worker_free(gone);
    struct worker *w = worker_new(at.group, at.topic, "same");
    worker_join(w, SUPPORT_PARTITIONS);
    claim_take(w, ours);
    claim_put(w, past);
    assert_int_equal(w->log->ops->renew(w->log, &err), LT_LOG_OK); /* a fenced producer asks */
    struct worker *ghost = worker_ghost(at.group, at.topic, "same");
    worker_join(ghost, SUPPORT_PARTITIONS);
    worker_until(w, LT_E_UNAVAILABLE);
    worker_free(ghost);
    claim_put(w, past);
    assert_ok(worker_reopen(w, &err), err); /* and a membership that was taken */
    worker_join(w, SUPPORT_PARTITIONS);
    claim_take(w, again); /* claimed anew, above both, so that a twin of now is told from it */
    assert_string_not_equal(again, past);
    assert_string_not_equal(again, ours);
    struct worker *twin = worker_new(at.group, at.topic, "same");
    assert_int_equal(worker_reopen(w, &err), LT_LOG_TWIN);
    worker_free(twin);
    worker_free(w);
    place_free(at);
}

/* The number of a claim is above the one before, whatever a clock says. */
static void a_process_whose_clock_is_behind_is_a_twin_all_the_same(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct lt_err err = LT_ERR_INIT;
    struct worker *first = worker_new(at.group, at.topic, "same");
    char claim[512];
    snprintf(claim, sizeof(claim), "claim-2 %016llx %lld host ahead, process 1, since 2099-01-01T00:00:00Z", 1ULL,
             4070908800000LL);
    claim_put(first, claim);
    struct worker *second = worker_new(at.group, at.topic, "same");
    claim_take(second, claim);
    assert_non_null(strstr(claim, " 4070908800001 "));
    assert_int_equal(worker_reopen(first, &err), LT_LOG_TWIN);
    worker_free(first);
    worker_free(second);
    place_free(at);
}

static void two_processes_that_start_together_leave_one(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct lt_err err = LT_ERR_INIT;
    struct worker *two[2] = {worker_new(at.group, at.topic, "same"), worker_new(at.group, at.topic, "same")};
    int ended = 0, alive = 2;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; alive > 1;) {
        assert_true(lt_mono_ms() < until);
        for (int i = 0; i < 2; i++) {
            struct lt_log_record *r = NULL;
            if (!two[i]->log || two[i]->log->ops->poll(two[i]->log, 50, &r, &err) >= 0)
                continue;
            int opened = worker_reopen(two[i], &err);
            alive -= opened == LT_LOG_TWIN;
            ended += opened == LT_LOG_TWIN;
            assert_true(opened == LT_LOG_TWIN || opened == LT_OK || opened == LT_E_UNAVAILABLE);
        }
    }
    assert_int_equal(ended, 1);
    struct worker *left = two[0]->log ? two[0] : two[1];
    worker_join(left, SUPPORT_PARTITIONS);
    worker_free(two[0]);
    worker_free(two[1]);
    place_free(at);
}

static void die(struct worker *w LT_UNUSED, int32_t partition LT_UNUSED)
{
    _exit(9);
}

int group_die(char **argv)
{
    struct worker *w = worker_new(argv[0], argv[1], "a");
    worker_join(w, SUPPORT_PARTITIONS);
    printf("joined\n");
    fflush(stdout);
    w->revoking = die;
    worker_await(w, &w->revokes, 1);
    return 1;
}

static struct worker *worker_that_can_share_anew(struct place at, const char *instance, const char *other)
{
    struct lt_err err = LT_ERR_INIT;
    struct worker *w = worker_new(at.group, at.topic, instance);
    w->other = other;
    assert_ok(worker_reopen(w, &err), err);
    return w;
}

/* The member that gives partitions up must join once more before they are given on; a static one that died first comes
 * back without a rebalance. */
static void partitions_that_a_dying_member_was_giving_up_do_not_stay_nobodys(void **state LT_UNUSED)
{
    struct place at = place_new();
    char *other = support_topic("other", 1), line[16] = "";
    struct lt_log_share share = {0};
    int out[2], status;
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl("/proc/self/exe", "integration_kafka", "die", at.group, at.topic, (char *)NULL);
        _exit(1);
    }
    close(out[1]);
    assert_int_equal(read(out[0], line, 7), 7);
    struct worker *b = worker_that_can_share_anew(at, "b", other);
    struct lt_err err = LT_ERR_INIT;
    for (struct lt_log_record *r = NULL; waitpid(child, &status, WNOHANG) == 0;)
        assert_int_equal(b->log->ops->poll(b->log, 20, &r, &err), LT_LOG_NONE);
    assert_int_equal(WEXITSTATUS(status), 9);
    struct worker *a = worker_that_can_share_anew(at, "a", other);
    both_join(a, b); /* each has its part, and together they have all */
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; !a->log->ops->share(a->log, &share) || share.unowned;) {
        struct lt_log_record *r = NULL;
        assert_true(lt_mono_ms() < until);
        (void)a->log->ops->poll(a->log, 50, &r, &err);
        (void)b->log->ops->poll(b->log, 50, &r, &err);
    }
    assert_int_equal(share.members, 2);
    assert_int_equal(share.partitions, SUPPORT_PARTITIONS);
    close(out[0]);
    worker_free(a);
    worker_free(b);
    free(other);
    place_free(at);
}

/* What a bridge polls with: the one that was fenced has given its record back and waits for another. */
static void a_consumer_whose_membership_was_taken_joins_again(void **state LT_UNUSED)
{
    struct place at = place_new();
    struct lt_err err = LT_ERR_INIT;
    struct lt_consumer *first, *second;
    struct lt_log_record *r = NULL, *other = NULL;
    int result = LT_LOG_NONE;
    (void)support_produce(at.topic, "k", "a");
    assert_ok(lt_consumer_new(support_props, 1, at.group, at.topic, "same", &first, &err), err);
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; result != LT_LOG_OK && lt_mono_ms() < until;)
        result = lt_consumer_poll(first, 100, &r, &err);
    assert_int_equal(result, LT_LOG_OK);
    assert_ok(lt_consumer_commit(first, r->partition, r->offset + 1, &err), err);
    assert_ok(lt_consumer_new(support_props, 1, at.group, at.topic, "same", &second, &err), err);
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; !strstr(err.text, "was taken") && lt_mono_ms() < until;) {
        assert_int_not_equal(lt_consumer_poll(second, 50, &other, &err), LT_LOG_OK);
        assert_int_not_equal(lt_consumer_poll(first, 50, &other, &err), LT_LOG_OK); /* keeps the handle of its record */
    }
    assert_non_null(strstr(err.text, "was taken"));
    lt_consumer_free(second);
    assert_span_is(r->value, "a");
    lt_consumer_record_free(first, r);
    (void)support_produce(at.topic, "k", "b");
    result = LT_LOG_NONE;
    for (int64_t until = lt_mono_ms() + SUPPORT_WAIT_MS; result != LT_LOG_OK && lt_mono_ms() < until;)
        result = lt_consumer_poll(first, 100, &r, &err);
    assert_int_equal(result, LT_LOG_OK);
    assert_span_is(r->value, "b");
    lt_consumer_record_free(first, r);
    lt_consumer_free(first);
    place_free(at);
}

int group_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assigned_partition_is_not_fetched_until_it_is_started),
        cmocka_unit_test(a_start_outside_the_log_is_an_error_of_that_partition),
        cmocka_unit_test(a_paused_partition_is_silent_until_it_is_resumed),
        cmocka_unit_test(a_partition_that_was_paused_when_it_went_is_read_when_it_comes_back),
        cmocka_unit_test(a_second_worker_gets_its_share_and_the_first_gives_it_up),
        cmocka_unit_test(an_owner_may_finish_its_work_while_it_gives_a_partition_up),
        cmocka_unit_test(a_static_member_that_comes_back_has_its_partitions_at_once),
        cmocka_unit_test(a_second_process_of_the_same_instance_is_a_twin_to_the_first),
        cmocka_unit_test(a_membership_taken_by_no_other_process_is_taken_up_again),
        cmocka_unit_test(a_claim_of_long_ago_that_kafka_tells_of_again_is_nobodys),
        cmocka_unit_test(a_process_whose_clock_is_behind_is_a_twin_all_the_same),
        cmocka_unit_test(partitions_that_a_dying_member_was_giving_up_do_not_stay_nobodys),
        cmocka_unit_test(two_processes_that_start_together_leave_one),
        cmocka_unit_test(a_consumer_whose_membership_was_taken_joins_again),
    };
    return cmocka_run_group_tests_name("kafka group", tests, NULL, NULL);
}
