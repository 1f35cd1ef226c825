/*
 * Faults of the core that the sweep over single ones does not reach: two things going wrong at once, what the log's
 * ends look like while it grows, and a log that lost something. Same in-memory log as test_core_worker.c, with a hand
 * in it.
 */
#include "tests/unit/core_world.h"

struct world {
    struct core_world core;
    int next_id;
    /* the schedule */
    uint64_t asked[LT_STEPS];
    enum lt_memory_fault (*plan)(struct world *w, enum lt_memory_step step, uint64_t nth);
    /* the log, with a hand in it */
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    bool busy;                /* ingest appends between any two questions */
    bool replace_at_start;    /* the log loses its end and gets another one just before it is fetched */
    unsigned polls_to_broken; /* so many polls later one answers with an error of partition 0; 0: none does */
};

static void append(struct world *w, int32_t partition, const char *value);

static int busy_stable_end(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err);
static int busy_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                           struct lt_err *err);
static int breaking_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err);
static int replacing_start(struct lt_log *l, int32_t partition, int64_t offset, struct lt_err *err);
static struct world *current;

static int open_memory(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct world *w = ctx;
    int r = lt_log_memory_new(w->core.memory, s, ret, err);
    if (r != LT_OK)
        return r;
    w->real = (*ret)->ops;
    w->ops = *w->real;
    w->ops.stable_end = busy_stable_end;
    w->ops.watermarks = busy_watermarks;
    w->ops.poll = breaking_poll;
    w->ops.start = replacing_start;
    (*ret)->ops = &w->ops;
    return LT_OK;
}

static void on_fatal(void *ctx, int code, const char *text)
{
    (void)ctx;
    fail_msg("ended with %d: %s", code, text);
}

static int busy_stable_end(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err)
{
    int r = current->real->stable_end(l, partition, ret, err);
    if (current->busy)
        append(current, partition, "{}");
    return r;
}

static int busy_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                           struct lt_err *err)
{
    int r = current->real->watermarks(l, topic, partition, low, high, err);
    if (current->busy && !topic)
        append(current, partition, "{}");
    return r;
}

static int breaking_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    if (current->polls_to_broken == 0 || --current->polls_to_broken > 0)
        return current->real->poll(l, timeout_ms, ret, err);
    lt_err_set(err, LT_E_IO, "bad-message", "the broker's answer for partition 0 is damaged");
    *ret = lt_alloc(sizeof(**ret));
    (*ret)->topic = LT_TOPIC_INTAKE;
    return LT_LOG_PARTITION;
}

static int replacing_start(struct lt_log *l, int32_t partition, int64_t offset, struct lt_err *err)
{
    if (current->replace_at_start) {
        current->replace_at_start = false;
        lt_memory_truncate(current->core.memory, LT_TOPIC_INTAKE, partition, offset - 1);
        for (int i = 0; i < 4; i++)
            append(current, partition, "{}");
        lt_memory_disturb(current->core.memory);
    }
    return current->real->start(l, partition, offset, err);
}

static enum lt_memory_fault schedule(void *ctx, const char *instance, enum lt_memory_step step, uint64_t number)
{
    struct world *w = ctx;
    (void)instance;
    (void)number;
    uint64_t nth = ++w->asked[step];
    return w->plan ? w->plan(w, step, nth) : LT_FAULT_NONE;
}

static void plan_set(struct world *w,
                     enum lt_memory_fault (*plan)(struct world *w, enum lt_memory_step step, uint64_t nth))
{
    memset(w->asked, 0, sizeof(w->asked));
    w->plan = plan;
}

static struct world *world_new(int32_t partitions, size_t plain_max, size_t deadletter_max)
{
    struct world *w = lt_alloc(sizeof(*w));
    current = w;
    core_world_init(&w->core, &(struct core_world_plan){.partitions = partitions,
                                                        .plain_first = true,
                                                        .plain_max = plain_max,
                                                        .deadletter_max = deadletter_max,
                                                        .commit_records = 8});
    w->core.settings.ctx = w;
    w->core.settings.open_log = open_memory;
    w->core.settings.on_fatal = on_fatal;
    core_world_genesis(&w->core);
    lt_memory_schedule(w->core.memory, schedule, w);
    return w;
}

static void world_free(struct world *w)
{
    core_world_deinit(&w->core);
    free(w);
}

static void run_to_the_end(struct world *w)
{
    for (int i = 0; i < 100 && !core_world_finished(&w->core); i++) {
        core_world_retry_now(&w->core);
        core_world_turn(&w->core);
    }
    core_world_must_finish(&w->core);
}

/* An event nobody sent before. */
static void append(struct world *w, int32_t partition, const char *value)
{
    int n = w->next_id++;
    (void)core_world_append(
        &w->core, &(struct core_event){.partition = partition, .subject = n, .id = n, .digest = n, .value = value});
}

static void append_many(struct world *w, int32_t partition, int n)
{
    for (int i = 0; i < n; i++)
        append(w, partition, "{}");
}

/* One partition, so many records judged. */
static struct world *judged_world(int records)
{
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, records);
    run_to_the_end(w);
    return w;
}

/* ---- rule 15 after rule 14 ---- */

static enum lt_memory_fault second_commit_is_lost_but_applied(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    (void)w;
    return step == LT_STEP_COMMIT && nth == 2 ? LT_FAULT_LOST_APPLIED : LT_FAULT_NONE;
}

static void an_unknown_commit_of_half_a_batch_settles_that_half_and_no_more(void **state)
{
    (void)state;
    struct world *w = world_new(2, 900, 0);
    char big[1024];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    for (int i = 0; i < 4; i++) {
        append(w, 0, i == 3 ? big : "{}"); /* the whole batch does not fit, its first half does */
        append(w, 1, "{}");
    }
    plan_set(w, second_commit_is_lost_but_applied);
    run_to_the_end(w);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_HOP), 8);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), 7);
    assert_int_equal(lt_memory_count(w->core.memory, LT_TOPIC_DEADLETTER), 1);
    world_free(w);
}

/* ---- rule 10: records of dropped epochs go ---- */

static enum lt_memory_fault two_aborts_then_a_rebalance(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    if (step == LT_STEP_COMMIT && nth <= 2)
        return LT_FAULT_ABORTABLE;
    static uint64_t polls_at_second_commit;
    if (step == LT_STEP_COMMIT)
        return LT_FAULT_NONE;
    if (step == LT_STEP_ABORT && w->asked[LT_STEP_COMMIT] == 2)
        polls_at_second_commit = w->asked[LT_STEP_POLL];
    return step == LT_STEP_POLL && w->asked[LT_STEP_COMMIT] == 2 && nth == polls_at_second_commit + 1
               ? LT_FAULT_REBALANCE
               : LT_FAULT_NONE;
}

static void a_record_kept_from_before_a_rebalance_is_no_hole_after_it(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 20);
    plan_set(w, two_aborts_then_a_rebalance);
    for (int i = 0; i < 10; i++) {
        core_world_turn(&w->core);
        assert_string_equal(lt_stop_name(w->core.worker.partitions[0].stop), "NONE");
    }
    assert_int_equal(core_world_committed(&w->core, 0, NULL), 20);
    world_free(w);
}

/* ---- rule 10: FOREIGN-TRANSACTION ---- */

/* A turn in which the worker looks again though its time has not come; it has been unstable for a minute if at all. */
static void look_again(struct world *w)
{
    struct lt_partition *p = &w->core.worker.partitions[0];
    w->core.worker.foreign.looked_ms -= 60000;
    if (p->unstable_since_ms)
        p->unstable_since_ms -= 60000;
    core_world_turn(&w->core);
}

static void a_log_that_grows_all_the_time_is_no_foreign_transaction(void **state)
{
    (void)state;
    struct world *w = judged_world(8);
    w->busy = true;
    for (int i = 0; i < 3; i++) {
        look_again(w);
        assert_false(w->core.worker.partitions[0].foreign_transaction);
    }
    world_free(w);
}

static void a_foreign_transaction_raises_the_alarm_after_half_a_minute_and_lowers_it(void **state)
{
    (void)state;
    struct world *w = judged_world(8);
    struct lt_partition *p = &w->core.worker.partitions[0];
    lt_memory_foreign_open(w->core.memory, LT_TOPIC_INTAKE, 0);
    look_again(w);
    assert_false(p->foreign_transaction);
    look_again(w);
    assert_true(p->foreign_transaction);
    lt_memory_foreign_close(w->core.memory, LT_TOPIC_INTAKE, 0);
    look_again(w);
    assert_false(p->foreign_transaction);
    world_free(w);
}

/* The whole log has expired: only the next record's clock can tell, and that record is held back. */
static void a_foreign_transaction_is_told_of_a_partition_that_waits_for_what_it_holds_back(void **state)
{
    (void)state;
    struct world *w = judged_world(6);
    struct lt_memory *m = w->core.memory;
    core_world_close(&w->core);
    lt_memory_advance(m, CORE_WINDOW_MS + 5 * lt_window_of(CORE_WINDOW_MS).generation_ms);
    lt_memory_delete_head(m, LT_TOPIC_INTAKE, 0, 6);
    lt_memory_foreign_open(m, LT_TOPIC_INTAKE, 0);
    append_many(w, 0, 3);
    plan_set(w, NULL);
    core_world_turn(&w->core);
    look_again(w);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    assert_int_equal(w->asked[LT_STEP_SCAN], 1); /* lt.position: a read of what is held back would block everybody */
    struct lt_partition *p = &w->core.worker.partitions[0];
    assert_true(p->unstable_since_ms > 0);
    look_again(w);
    assert_true(p->foreign_transaction);
    lt_memory_foreign_close(m, LT_TOPIC_INTAKE, 0);
    core_world_retry_now(&w->core);
    look_again(w);
    core_world_turns(&w->core, 2);
    assert_false(p->foreign_transaction);
    core_world_must_stop(&w->core, 0, LT_STOP_HOLE); /* what the transaction has left: it waits no longer */
    world_free(w);
}

/* ---- rule 10: the anchor after a broker loss ---- */

static enum lt_memory_fault nothing_comes(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    (void)w;
    (void)nth;
    return step == LT_STEP_POLL ? LT_FAULT_NOTHING : LT_FAULT_NONE;
}

static void a_log_cut_below_the_anchor_is_not_taken_for_an_expired_one(void **state)
{
    (void)state;
    struct world *w = judged_world(6);
    core_world_turn(&w->core);
    lt_memory_truncate(w->core.memory, LT_TOPIC_INTAKE, 0, 3);
    lt_memory_disturb(w->core.memory);
    plan_set(w, nothing_comes); /* the consumer has not fetched again yet */
    core_world_turn(&w->core);
    plan_set(w, NULL);
    append_many(w, 0, 5); /* 3 to 7: ingest goes on with the new leader */
    core_world_turns(&w->core, 3);
    assert_int_equal(core_world_committed(&w->core, 0, NULL),
                     6); /* judging 6 and 7 would leave 3 to 5 unjudged for ever */
    world_free(w);
}

static enum lt_memory_fault scans_time_out(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    (void)w;
    (void)nth;
    return step == LT_STEP_SCAN ? LT_FAULT_RETRY : LT_FAULT_NONE;
}

static void nothing_is_committed_while_the_anchor_could_not_be_read(void **state)
{
    (void)state;
    struct world *w = judged_world(6);
    core_world_turn(&w->core);
    lt_memory_truncate(w->core.memory, LT_TOPIC_INTAKE, 0, 5);
    append_many(w, 0, 3);
    lt_memory_disturb(w->core.memory);
    plan_set(w, scans_time_out);
    core_world_turns(&w->core, 3);
    assert_int_equal(core_world_committed(&w->core, 0, NULL), 6);
    world_free(w);
}

static void a_log_that_was_replaced_while_it_was_loaded_is_not_judged(void **state)
{
    (void)state;
    struct world *w = judged_world(6);
    core_world_close(&w->core);
    w->replace_at_start = true;
    core_world_turns(&w->core, 4);
    assert_false(w->replace_at_start);
    core_world_must_stop(&w->core, 0, LT_STOP_INTAKE_CHANGED);
    assert_int_equal(core_world_committed(&w->core, 0, NULL), 6);
    world_free(w);
}

/* ---- rule 8: another window says nothing about the log ---- */

static void another_window_does_not_excuse_another_log(void **state)
{
    (void)state;
    struct world *w = judged_world(6);
    core_world_close(&w->core);
    lt_memory_truncate(w->core.memory, LT_TOPIC_INTAKE, 0, 5);
    append_many(w, 0, 3);
    w->core.config.window_ms = CORE_WINDOW_MS / 2;
    core_world_turns(&w->core, 3);
    assert_string_equal(lt_stop_name(w->core.worker.partitions[0].stop), "INTAKE-CHANGED");
    world_free(w);
}

/* ---- rule 14: blame ---- */

static enum lt_memory_fault dead_letters_fit_later(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    (void)nth;
    if (step == LT_STEP_POLL && w->asked[LT_STEP_COMMIT] == 8) { /* no transaction is open here */
        w->asked[LT_STEP_COMMIT]++;
        lt_memory_topic_drop(w->core.memory, LT_TOPIC_DEADLETTER);
        lt_memory_topic(w->core.memory, LT_TOPIC_DEADLETTER, 1, 0, false);
    }
    return LT_FAULT_NONE;
}

static void a_dead_letter_that_does_not_fit_is_not_blamed_on_another_copy(void **state)
{
    (void)state;
    struct world *w = world_new(1, 900, 900);
    char big[1024];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    append(w, 0, big);
    plan_set(w, dead_letters_fit_later);
    run_to_the_end(w);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_HOP), 1); /* this copy always fitted */
    assert_int_equal(lt_memory_count(w->core.memory, LT_TOPIC_DEADLETTER), 1);
    world_free(w);
}

/* ---- rule 9: a hole ---- */

static void records_after_a_hole_do_not_keep_the_worker_in_one_turn(void **state)
{
    (void)state;
    struct world *w = judged_world(8);
    lt_memory_hole(w->core.memory, LT_TOPIC_INTAKE, 0, 1);
    append_many(w, 0, 1000);
    plan_set(w, NULL);
    core_world_turn(&w->core);
    assert_string_equal(lt_stop_name(w->core.worker.partitions[0].stop), "HOLE");
    assert_in_range(w->asked[LT_STEP_POLL], 1, 100);
    world_free(w);
}

static void records_before_a_hole_are_judged(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 3);
    lt_memory_hole(w->core.memory, LT_TOPIC_INTAKE, 0, 1);
    append_many(w, 0, 3);
    for (int i = 0; i < 4; i++) {
        core_world_turn(&w->core);
        core_world_retry_now(&w->core);
    }
    assert_string_equal(lt_stop_name(w->core.worker.partitions[0].stop), "HOLE");
    assert_int_equal(core_world_committed(&w->core, 0, NULL), 3);
    world_free(w);
}

/* ---- rule 9: the partition itself fails ---- */

static void collect_offsets(void *ctx, const struct lt_log_record *r)
{
    int64_t *next = ctx;
    struct lt_span rest = lt_headers_value(&r->headers, "lt_origin"), part;
    uint64_t offset;
    assert_true(lt_span_cut(&rest, '/', &part) && lt_span_cut(&rest, '/', &part) && lt_span_u64(rest, &offset));
    assert_int_equal(offset, *next);
    (*next)++;
}

static void a_partition_error_drops_what_was_collected_and_loads_the_partition_again(void **state)
{
    (void)state;
    struct world *w = judged_world(4);
    core_world_turn(&w->core);
    struct lt_partition *p = &w->core.worker.partitions[0];
    uint64_t epoch = p->epoch;
    append_many(w, 0, 8);
    w->polls_to_broken = 4; /* three records of the batch are there by then */
    core_world_turn(&w->core);
    assert_int_equal(w->polls_to_broken, 0);
    assert_int_equal(p->state, LT_PARTITION_LOADING);
    assert_int_equal(p->epoch, epoch + 1);
    assert_int_equal(core_world_committed(&w->core, 0, NULL), 4);
    run_to_the_end(w);
    assert_int_equal(p->state, LT_PARTITION_RUNNING);
    int64_t next = 0;
    lt_memory_read(w->core.memory, CORE_PLAIN, 0, collect_offsets, &next); /* each once, in order */
    assert_int_equal(next, 12);
    world_free(w);
}

static void break_next_poll(struct world *w)
{
    w->polls_to_broken = 1;
    core_world_turn(&w->core);
    assert_int_equal(w->polls_to_broken, 0);
}

/* A right that was taken away, say: each loading finds nothing wrong, and nothing ever comes. */
static void a_partition_that_cannot_be_read_again_and_again_is_stopped(void **state)
{
    (void)state;
    struct world *w = judged_world(4);
    core_world_turn(&w->core);
    struct lt_partition *p = &w->core.worker.partitions[0];
    break_next_poll(w);
    assert_int_equal(p->state, LT_PARTITION_LOADING);
    core_world_turn(&w->core);
    assert_int_equal(p->state, LT_PARTITION_RUNNING);
    break_next_poll(w);
    core_world_must_stop(&w->core, 0, LT_STOP_FETCH_FAILED);
    assert_non_null(strstr(p->stop_text, "is damaged"));
    append_many(w, 0, 4);
    core_world_turns(&w->core, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_FETCH_FAILED);
    core_world_retry_now(&w->core);
    run_to_the_end(w);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), 8);
    break_next_poll(w); /* a record came since: another trouble */
    assert_int_equal(p->state, LT_PARTITION_LOADING);
    run_to_the_end(w);
    world_free(w);
}

/* What comes before the place that cannot be read is dropped with each failure: it is no progress. */
static void records_that_come_before_each_failure_do_not_hide_that_it_stays_so(void **state)
{
    (void)state;
    struct world *w = judged_world(4);
    core_world_turn(&w->core);
    struct lt_partition *p = &w->core.worker.partitions[0];
    append_many(w, 0, 8);
    w->polls_to_broken = 4;
    core_world_turn(&w->core);
    assert_int_equal(p->state, LT_PARTITION_LOADING);
    w->polls_to_broken = 4;
    core_world_turn(&w->core);
    core_world_must_stop(&w->core, 0, LT_STOP_FETCH_FAILED);
    assert_int_equal(core_world_committed(&w->core, 0, NULL), 4);
    core_world_retry_now(&w->core);
    run_to_the_end(w);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), 12);
    world_free(w);
}

/* Of a partition that is given up more than one answer may be on its way. */
static void an_error_of_a_partition_that_is_stopped_changes_nothing(void **state)
{
    (void)state;
    struct world *w = judged_world(4);
    core_world_turn(&w->core);
    struct lt_partition *p = &w->core.worker.partitions[0];
    break_next_poll(w);
    core_world_turn(&w->core);
    break_next_poll(w);
    core_world_must_stop(&w->core, 0, LT_STOP_FETCH_FAILED);
    uint64_t epoch = p->epoch;
    break_next_poll(w);
    core_world_must_stop(&w->core, 0, LT_STOP_FETCH_FAILED);
    assert_int_equal(p->epoch, epoch);
    world_free(w);
}

static void a_running_partition_that_lost_unread_records_stops(void **state)
{
    (void)state;
    struct world *w = judged_world(4);
    core_world_turn(&w->core);
    append_many(w, 0, 4);
    lt_memory_delete_head(w->core.memory, LT_TOPIC_INTAKE, 0, 7);
    core_world_turns(&w->core, 2); /* the poll fails, then the partition is loaded */
    core_world_must_stop(&w->core, 0, LT_STOP_UNJUDGED_DELETED);
    assert_int_equal(core_world_committed(&w->core, 0, NULL), 4);
    world_free(w);
}

/* ---- rule 6: the log ends below the committed offset ---- */

static void a_log_that_ends_too_early_is_waited_for_and_only_then_taken_for_another(void **state)
{
    (void)state;
    struct world *w = judged_world(6);
    core_world_close(&w->core);
    lt_memory_truncate(w->core.memory, LT_TOPIC_INTAKE, 0, 5);
    core_world_turns(&w->core, 2);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    struct lt_partition *p = &w->core.worker.partitions[0];
    assert_true(p->short_since_ms > 0);
    p->short_since_ms -= 59000;
    core_world_retry_now(&w->core);
    core_world_turn(&w->core);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    p->short_since_ms -= 1000;
    core_world_retry_now(&w->core);
    core_world_turn(&w->core);
    core_world_must_stop(&w->core, 0, LT_STOP_INTAKE_CHANGED);
    assert_int_equal(core_world_committed(&w->core, 0, NULL), 6);
    world_free(w);
}

static void a_replica_that_has_the_missing_end_lets_it_go_on(void **state)
{
    (void)state;
    struct world *w = judged_world(6);
    core_world_close(&w->core);
    lt_memory_truncate(w->core.memory, LT_TOPIC_INTAKE, 0, 5);
    core_world_turns(&w->core, 2);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    w->next_id = 5; /* the same record at the same time: it is the one that was missing */
    append_many(w, 0, 3);
    run_to_the_end(w);
    assert_int_equal(w->core.worker.partitions[0].short_since_ms, 0);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), 8);
    world_free(w);
}

/* ---- rule 7: nothing to decide until a record comes ---- */

static void a_partition_that_waits_for_a_record_is_not_loaded_in_every_turn(void **state)
{
    (void)state;
    struct world *w = judged_world(6);
    core_world_close(&w->core);
    lt_memory_advance(w->core.memory, CORE_WINDOW_MS + 5 * lt_window_of(CORE_WINDOW_MS).generation_ms);
    lt_memory_delete_head(w->core.memory, LT_TOPIC_INTAKE, 0, 6);
    core_world_turns(&w->core, 2);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    core_world_retry_now(&w->core);
    core_world_turn(&w->core); /* it still waits */
    plan_set(w, NULL);
    core_world_turns(&w->core, 3);
    assert_int_equal(w->asked[LT_STEP_COMMITTED], 0);
    world_free(w);
}

/* ---- the index ---- */

static void an_index_that_is_full_of_dead_entries_makes_room_within_its_limit(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(1, 6 << 20); /* room for some 100,000 */
    uint64_t n = 0;
    struct lt_err err = LT_ERR_INIT;
    for (uint64_t generation = 1; generation < 20; generation += 3)
        for (int i = 0; i < 60000; i++) {
            struct lt_finding f;
            struct lt_index_key k = {.fingerprint = ++n * 0x9e3779b97f4a7c15ULL >> 4, .digest = 1, .version = 1};
            if (lt_index_reserve(ix, 1, &err) != LT_OK)
                fail_msg("%zu live entries: %s", lt_index_live(ix), err.text);
            assert_int_equal(lt_index_judge(ix, &k, (int64_t)n, generation, &f, &err), LT_OK);
        }
    lt_index_free(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_commit_of_half_a_batch_settles_that_half_and_no_more),
        cmocka_unit_test(a_record_kept_from_before_a_rebalance_is_no_hole_after_it),
        cmocka_unit_test(a_log_that_grows_all_the_time_is_no_foreign_transaction),
        cmocka_unit_test(a_foreign_transaction_is_told_of_a_partition_that_waits_for_what_it_holds_back),
        cmocka_unit_test(a_foreign_transaction_raises_the_alarm_after_half_a_minute_and_lowers_it),
        cmocka_unit_test(a_log_cut_below_the_anchor_is_not_taken_for_an_expired_one),
        cmocka_unit_test(nothing_is_committed_while_the_anchor_could_not_be_read),
        cmocka_unit_test(a_log_that_was_replaced_while_it_was_loaded_is_not_judged),
        cmocka_unit_test(another_window_does_not_excuse_another_log),
        cmocka_unit_test(a_dead_letter_that_does_not_fit_is_not_blamed_on_another_copy),
        cmocka_unit_test(records_after_a_hole_do_not_keep_the_worker_in_one_turn),
        cmocka_unit_test(records_before_a_hole_are_judged),
        cmocka_unit_test(a_partition_error_drops_what_was_collected_and_loads_the_partition_again),
        cmocka_unit_test(a_partition_that_cannot_be_read_again_and_again_is_stopped),
        cmocka_unit_test(records_that_come_before_each_failure_do_not_hide_that_it_stays_so),
        cmocka_unit_test(an_error_of_a_partition_that_is_stopped_changes_nothing),
        cmocka_unit_test(a_running_partition_that_lost_unread_records_stops),
        cmocka_unit_test(a_log_that_ends_too_early_is_waited_for_and_only_then_taken_for_another),
        cmocka_unit_test(a_replica_that_has_the_missing_end_lets_it_go_on),
        cmocka_unit_test(a_partition_that_waits_for_a_record_is_not_loaded_in_every_turn),
        cmocka_unit_test(an_index_that_is_full_of_dead_entries_makes_room_within_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
