/*
 * The ways out of the stops of a partition, on the in-memory log: what an operator accepts stands in lt.position, the
 * partition finds it there at its next try, and the counters still add up to the offset.
 */
#include "tests/unit/core_world.h"

#include <inttypes.h>
#include <stdio.h>

static int setup(void **state)
{
    return core_world_setup(state, &(struct core_world_plan){.partitions = 2, .commit_records = 7});
}

static void append(struct core_world *w, int32_t partition, int id)
{
    (void)core_world_append(w, &(struct core_event){.partition = partition, .subject = id, .id = id, .digest = id});
}

static void append_range(struct core_world *w, int32_t partition, int from, int to)
{
    for (int id = from; id < to; id++)
        append(w, partition, id);
}

static void turns(struct core_world *w, int n)
{
    for (int i = 0; i < n; i++) {
        core_world_retry_now(w);
        core_world_turn(w);
    }
}

static void run_to_the_end(struct core_world *w)
{
    for (int i = 0; i < 50 && !core_world_finished(w); i++)
        turns(w, 1);
    core_world_must_finish(w);
}

/* What `lienthong core accept-…` leaves. */
static void accept(struct core_world *w, int32_t partition, const struct lt_accepted *a, uint64_t incarnation)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(4096);
    char key[LT_ACCEPTED_KEY_MAX];
    struct lt_headers none;
    lt_headers_reset(&none);
    lt_accepted_key(partition, key);
    lt_accepted_write(a, partition, incarnation, "test", "2024-01-01T00:00:00Z", &out);
    lt_memory_append(w->memory, LT_TOPIC_POSITION, 0, lt_span_str(key), &none, lt_buf_view(&out));
}

static void accept_hole(struct core_world *w, int32_t partition, int64_t from, int64_t to)
{
    struct lt_accepted a = {0};
    assert_int_equal(lt_accepted_add_hole(&a, (struct lt_hole){from, to}, 0, NULL), LT_OK);
    accept(w, partition, &a, CORE_INCARNATION);
}

static struct lt_position must_add_up(struct core_world *w, int32_t partition)
{
    struct lt_position p;
    int64_t offset = core_world_committed(w, partition, &p);
    uint64_t sum = p.holes;
    for (int v = 0; v < LT_VERDICTS; v++)
        sum += p.verdicts[v];
    assert_int_equal(sum, offset);
    return p;
}

static const char *command_of(const struct core_world *w, int32_t partition)
{
    return w->worker.partitions[partition].stop_command;
}

static void a_hole_ahead_is_passed_once_it_is_accepted_and_the_counters_say_so(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 3);
    lt_memory_hole(w->memory, LT_TOPIC_INTAKE, 0, 2);
    append_range(w, 0, 3, 6);
    append_range(w, 1, 100, 104);
    turns(w, 6);
    core_world_must_stop(w, 0, LT_STOP_HOLE);
    assert_string_equal(command_of(w, 0), "lienthong core accept-hole --partition 0 --from 3 --to 5");
    assert_int_equal(core_world_committed(w, 1, NULL), 4); /* the other goes on */
    accept_hole(w, 0, 3, 5);
    run_to_the_end(w);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.holes, 2);
    assert_int_equal(p.verdicts[LT_VERDICT_NEW], 6);
    assert_int_equal(lt_memory_count(w->memory, CORE_PLAIN), 10);

    core_world_close(w); /* a rebuild passes it too, and counts it once */
    append(w, 0, 1);
    run_to_the_end(w);
    p = must_add_up(w, 0);
    assert_int_equal(p.holes, 2);
    assert_int_equal(p.verdicts[LT_VERDICT_DUPLICATE], 1);
}

static void a_hole_that_is_wider_than_what_was_accepted_still_stops(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 3);
    lt_memory_hole(w->memory, LT_TOPIC_INTAKE, 0, 3);
    append_range(w, 0, 3, 6);
    accept_hole(w, 0, 3, 5);
    turns(w, 6);
    core_world_must_stop(w, 0, LT_STOP_HOLE);
    assert_int_equal(core_world_committed(w, 0, NULL), 3);
}

static void a_hole_accepted_for_another_incarnation_or_partition_means_nothing(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 3);
    lt_memory_hole(w->memory, LT_TOPIC_INTAKE, 0, 1);
    append_range(w, 0, 3, 6);
    struct lt_accepted a = {.holes = {{3, 4}}, .holes_len = 1};
    accept(w, 0, &a, CORE_INCARNATION + 1);
    accept(w, 1, &a, CORE_INCARNATION);
    turns(w, 6);
    core_world_must_stop(w, 0, LT_STOP_HOLE);
}

static void unjudged_records_that_were_deleted_are_passed_once_accepted_when_nothing_live_lies_before(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 4);
    run_to_the_end(w);
    core_world_close(w);
    append_range(w, 0, 4, 6); /* never judged */
    lt_memory_advance(w->memory, CORE_WINDOW_MS + 3 * lt_window_of(CORE_WINDOW_MS).generation_ms);
    append_range(w, 0, 0, 2);
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, 0, 6);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_UNJUDGED_DELETED);
    assert_string_equal(command_of(w, 0), "lienthong core accept-hole --partition 0 --from 4 --to 6");
    accept_hole(w, 0, 4, 6);
    run_to_the_end(w);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.holes, 2);
    assert_int_equal(p.verdicts[LT_VERDICT_NEW], 6); /* 0 and 1 had expired */
}

static void accepting_the_loss_does_not_excuse_a_log_that_starts_inside_the_window(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 4);
    run_to_the_end(w);
    core_world_close(w);
    append_range(w, 0, 4, 8);
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, 0, 6);
    accept_hole(w, 0, 4, 6);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_TRUNCATED);
}

static void damage_sum(struct core_world *w, int32_t partition)
{
    struct lt_position p;
    char metadata[LT_POSITION_MAX];
    int64_t offset = core_world_committed(w, partition, &p);
    p.sum ^= 1;
    lt_position_format(&p, metadata);
    lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, partition, offset, metadata);
}

static void an_index_that_differs_is_taken_once_exactly_that_one_was_accepted(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 5);
    run_to_the_end(w);
    struct lt_position good = must_add_up(w, 0);
    core_world_close(w);
    damage_sum(w, 0);
    append_range(w, 0, 3, 7);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_INDEX_DIFFERS);
    char command[LT_STOP_COMMAND_MAX];
    snprintf(command, sizeof(command), "lienthong core accept-index --partition 0 --offset 5 --sum %016llx",
             (unsigned long long)good.sum);
    assert_string_equal(command_of(w, 0), command);

    struct lt_accepted a = {.index = true, .index_offset = 5, .index_sum = good.sum ^ 8};
    accept(w, 0, &a, CORE_INCARNATION);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_INDEX_DIFFERS);
    a.index_sum = good.sum;
    accept(w, 0, &a, CORE_INCARNATION);
    run_to_the_end(w);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.verdicts[LT_VERDICT_DUPLICATE], 2);
    assert_int_equal(p.verdicts[LT_VERDICT_NEW], 7);
}

static uint64_t sum_in_command(const struct core_world *w, int32_t partition)
{
    uint64_t sum = 0;
    const char *at = strstr(command_of(w, partition), "--sum ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "--sum %" SCNx64, &sum), 1);
    return sum;
}

/*
 * Judged on day 0 and day 300, silent until day 500, and retention took day 0: what is gone is dead, and nothing in the
 * log proves it.
 */
static void a_log_that_retention_shortened_inside_the_window_goes_on_once_its_index_was_accepted(void **state)
{
    struct core_world *w = *state;
    append(w, 0, 1);
    run_to_the_end(w);
    lt_memory_advance(w->memory, 300LL * 86400000);
    append(w, 0, 2);
    run_to_the_end(w);
    core_world_close(w);
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, 0, 1);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_WAITING); /* no verdict is due */
    lt_memory_advance(w->memory, 200LL * 86400000);
    append_range(w, 0, 1, 3);
    append_range(w, 1, 50, 53);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_TRUNCATED);
    const char *text = w->worker.partitions[0].stop_text;
    assert_non_null(strstr(text, "starts at offset 1 of 2024-09-10")); /* day 300 … */
    assert_non_null(strstr(text, "reaches back to 2024-02-2"));        /* … of a window that begins on day 100 */
    assert_int_equal(core_world_committed(w, 1, NULL), 3);             /* the other goes on */
    struct lt_accepted a = {.index = true, .index_offset = 2, .index_sum = sum_in_command(w, 0)};
    accept(w, 0, &a, CORE_INCARNATION);
    run_to_the_end(w);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.verdicts[LT_VERDICT_NEW], 3);
    assert_int_equal(p.verdicts[LT_VERDICT_DUPLICATE], 1); /* what is still in the log is still known */
    core_world_close(w);
    append(w, 0, 1);
    run_to_the_end(w); /* the next commit's sum proves the head from now on */
    assert_int_equal(must_add_up(w, 0).verdicts[LT_VERDICT_DUPLICATE], 2);
}

static void an_index_accepted_at_another_offset_does_not_excuse_a_truncated_log(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 8);
    run_to_the_end(w);
    core_world_close(w);
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, 0, 4);
    append(w, 0, 20);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_TRUNCATED);
    struct lt_accepted a = {.index = true, .index_offset = 7, .index_sum = sum_in_command(w, 0)};
    accept(w, 0, &a, CORE_INCARNATION);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_TRUNCATED);
    a.index_offset = 8;
    a.index_sum++;
    accept(w, 0, &a, CORE_INCARNATION);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_TRUNCATED);
}

static void a_judged_record_that_vanished_needs_both_decisions_and_is_not_counted_as_lost(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 8);
    run_to_the_end(w);
    core_world_close(w);
    lt_memory_remove(w->memory, LT_TOPIC_INTAKE, 0, 5);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_HOLE);
    accept_hole(w, 0, 5, 6);
    turns(w, 3);
    core_world_must_stop(w, 0, LT_STOP_INDEX_DIFFERS);
    struct lt_accepted a = {
        .holes = {{5, 6}}, .holes_len = 1, .index = true, .index_offset = 8, .index_sum = sum_in_command(w, 0)};
    accept(w, 0, &a, CORE_INCARNATION);
    append(w, 0, 3);
    run_to_the_end(w);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.holes, 0); /* it had its verdict */
    assert_int_equal(p.verdicts[LT_VERDICT_DUPLICATE], 1);
}

static void a_position_written_back_lets_the_partition_go_on_and_doubles_nothing(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 5);
    run_to_the_end(w);
    struct lt_log_offset at;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &at);
    core_world_close(w);
    append_range(w, 0, 0, 8);
    for (int moved = 0; moved < 2; moved++) {
        lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, moved ? 0 : -1, "");
        turns(w, 3);
        w->worker.partitions[0].lost_since_ms -= 20000; /* as if it had been seen so long */
        core_world_retry_now(w);
        turns(w, 3);
        core_world_must_stop(w, 0, moved ? LT_STOP_MOVED : LT_STOP_OFFSETS_LOST);
        assert_string_equal(command_of(w, 0), "lienthong core position --partition 0");
    }
    lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, at.offset, at.metadata);
    run_to_the_end(w);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.verdicts[LT_VERDICT_NEW], 8);
    assert_int_equal(p.verdicts[LT_VERDICT_DUPLICATE], 5);
    assert_int_equal(lt_memory_count(w->memory, CORE_PLAIN), 8);
}

/* Protocol 2 clock: a record bears min(append time, lt_time + 10 min), so one wrong clock moves nothing. */
static void append_sent_at(struct core_world *w, int id, int64_t sent_ms)
{
    struct core_event e = {.partition = 0, .subject = id, .id = id, .digest = id, .sent_ms = sent_ms};
    (void)core_world_append(w, &e);
}

static void an_append_time_a_year_ahead_expires_nothing(void **state)
{
    struct core_world *w = *state;
    append(w, 0, 1);
    run_to_the_end(w);
    int64_t year = 365LL * 86400000, now = lt_memory_clock(w->memory);
    lt_memory_advance(w->memory, 2 * year); /* the broker's clock alone */
    append_sent_at(w, 2, now + 1000);
    append_sent_at(w, 1, now + 2000);
    run_to_the_end(w);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.verdicts[LT_VERDICT_DUPLICATE], 1);
    assert_true(p.clock_ms <= now + 2000 + 10 * 60 * 1000);
}

static void records_without_the_brokers_time_raise_an_alarm_move_no_clock_and_are_judged(void **state)
{
    struct core_world *w = *state;
    append(w, 0, 1);
    run_to_the_end(w);
    int64_t clock_ms = must_add_up(w, 0).clock_ms;
    lt_memory_advance(w->memory, 3600000);
    w->append_ms = -1;
    append(w, 0, 1);
    append(w, 0, 2);
    run_to_the_end(w);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.clock_ms, clock_ms);
    assert_int_equal(p.verdicts[LT_VERDICT_DUPLICATE], 1);
    assert_true(w->worker.partitions[0].no_append_time);
    assert_false(w->worker.partitions[1].no_append_time);
    w->append_ms = 0;
    append(w, 0, 3);
    run_to_the_end(w);
    assert_false(w->worker.partitions[0].no_append_time);
    assert_true(must_add_up(w, 0).clock_ms > clock_ms);
}

/* ---- Kafka refuses a write: the ACL ---- */

static struct {
    struct core_world *w;
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    int refusals; /* so many produces more are refused */
    char trouble[sizeof(((struct lt_worker *)0)->trouble)];
} refusing;

static int refused_produce(struct lt_log *l, const char *topic, int32_t partition, struct lt_span key,
                           const struct lt_headers *headers, struct lt_span value, struct lt_err *err)
{
    if (refusing.refusals == 0 || strcmp(topic, CORE_PLAIN) != 0)
        return refusing.real->produce(l, topic, partition, key, headers, value, err);
    memcpy(refusing.trouble, refusing.w->worker.trouble, sizeof(refusing.trouble)); /* of the refusal before */
    refusing.refusals--;
    lt_err_set(err, LT_E_AUTH, "TOPIC_AUTHORIZATION_FAILED", "a record for topic %s was not accepted: not authorised",
               topic);
    return LT_LOG_PERMANENT;
}

static int open_refusing(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    int r = lt_log_memory_new(((struct core_world *)ctx)->memory, s, ret, err);
    if (r != LT_OK)
        return r;
    refusing.real = (*ret)->ops;
    refusing.ops = *refusing.real;
    refusing.ops.produce = refused_produce;
    (*ret)->ops = &refusing.ops;
    return LT_OK;
}

static void a_write_that_the_acl_refuses_is_retried_with_its_reason_and_never_a_dead_letter(void **state)
{
    struct core_world *w = *state;
    refusing.w = w;
    refusing.refusals = 4;
    w->settings.open_log = open_refusing;
    append_range(w, 0, 0, 5);
    append(w, 0, 2);
    run_to_the_end(w);
    assert_int_equal(refusing.refusals, 0);
    assert_int_equal(strncmp(refusing.trouble, lt_stop_name(LT_STOP_RETRYING), strlen("RETRYING")), 0);
    assert_non_null(strstr(refusing.trouble, "not authorised"));
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.verdicts[LT_VERDICT_NEW], 5);
    assert_int_equal(p.undeliverable, 0);
    assert_int_equal(lt_memory_count(w->memory, CORE_PLAIN), 5);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 0);
}

/* ---- an output is missing ---- */

static struct {
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    int asked;    /* how often for CORE_PLAIN */
    int32_t more; /* partitions that intake has got */
} counting;

static int counted_partitions(struct lt_log *l, const char *topic, int32_t *ret_count, struct lt_err *err)
{
    counting.asked += strcmp(topic, CORE_PLAIN) == 0;
    int r = counting.real->partitions(l, topic, ret_count, err);
    if (r == LT_LOG_OK && strcmp(topic, LT_TOPIC_INTAKE) == 0)
        *ret_count += counting.more;
    return r;
}

static int open_counting(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    int r = lt_log_memory_new(((struct core_world *)ctx)->memory, s, ret, err);
    if (r != LT_OK)
        return r;
    counting.real = (*ret)->ops;
    counting.ops = *counting.real;
    counting.ops.partitions = counted_partitions;
    (*ret)->ops = &counting.ops;
    return LT_OK;
}

static void a_missing_output_is_asked_for_when_a_partition_is_tried_again_and_not_in_every_turn(void **state)
{
    struct core_world *w = *state;
    w->settings.open_log = open_counting;
    append_range(w, 0, 0, 5);
    lt_memory_topic_drop(w->memory, CORE_PLAIN);
    core_world_turns(w, 5);
    core_world_must_stop(w, 0, LT_STOP_TOPIC_MISSING);
    core_world_must_stop(w, 1, LT_STOP_TOPIC_MISSING);
    int asked = counting.asked;
    assert_in_range(asked, 1, 2);
    core_world_turns(w, 50);
    assert_int_equal(counting.asked, asked);
    assert_false(w->worker.loading); /* or its polls would not wait */
    core_world_retry_now(w);
    core_world_turns(w, 5);
    assert_int_equal(counting.asked, asked + 1);
    core_world_must_stop(w, 0, LT_STOP_TOPIC_MISSING);
    lt_memory_topic(w->memory, CORE_PLAIN, 1, 0, false);
    run_to_the_end(w);
    assert_int_equal(must_add_up(w, 0).verdicts[LT_VERDICT_NEW], 5);
}

/* Status says of it to restart nothing: a membership that is lost must not stop it as a restart would. */
static void an_intake_that_grew_is_gone_on_with_when_the_log_is_opened_again(void **state)
{
    struct core_world *w = *state;
    w->settings.open_log = open_counting;
    counting.more = 0;
    append_range(w, 0, 0, 5);
    run_to_the_end(w);
    counting.more = 1;
    w->worker.broken = true;
    append_range(w, 0, 3, 8);
    append_range(w, 1, 10, 12);
    run_to_the_end(w);
    assert_int_equal(must_add_up(w, 0).verdicts[LT_VERDICT_NEW], 8);
    core_world_close(w);
    core_world_turns(w, 5);
    core_world_must_stop(w, 0, LT_STOP_INTAKE_CHANGED);
    counting.more = 0;
}

static void a_rebuild_asked_for_drops_the_index_and_loses_and_doubles_nothing(void **state)
{
    struct core_world *w = *state;
    append_range(w, 0, 0, 5);
    run_to_the_end(w);
    uint64_t epoch = w->worker.partitions[0].epoch, other = w->worker.partitions[1].epoch;
    atomic_store(&w->worker.partitions[0].rebuild, true);
    append_range(w, 0, 3, 8);
    run_to_the_end(w);
    assert_int_equal(w->worker.partitions[0].epoch, epoch + 1);
    assert_int_equal(w->worker.partitions[1].epoch, other);
    struct lt_position p = must_add_up(w, 0);
    assert_int_equal(p.verdicts[LT_VERDICT_DUPLICATE], 2);
    assert_int_equal(lt_memory_count(w->memory, CORE_PLAIN), 8);
}

static void every_stop_says_what_it_means_what_is_safe_and_what_to_do(void **state)
{
    (void)state;
    for (int s = LT_STOP_NONE + 1; s < LT_STOPS; s++) {
        assert_true(lt_stop_name((enum lt_stop)s)[0]);
        assert_true(lt_stop_cause((enum lt_stop)s)[0]);
        assert_true(lt_stop_safe((enum lt_stop)s)[0]);
        assert_true(lt_stop_advice((enum lt_stop)s)[0]);
    }
    char command[LT_STOP_COMMAND_MAX];
    lt_stop_command(LT_STOP_MOVED, 11, command);
    assert_string_equal(command, "lienthong core position --partition 11");
    lt_stop_command(LT_STOP_INDEX_FULL, 11, command);
    assert_string_equal(command, "");
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, core_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(a_hole_ahead_is_passed_once_it_is_accepted_and_the_counters_say_so),
        IN_A_WORLD(a_hole_that_is_wider_than_what_was_accepted_still_stops),
        IN_A_WORLD(a_hole_accepted_for_another_incarnation_or_partition_means_nothing),
        IN_A_WORLD(unjudged_records_that_were_deleted_are_passed_once_accepted_when_nothing_live_lies_before),
        IN_A_WORLD(accepting_the_loss_does_not_excuse_a_log_that_starts_inside_the_window),
        IN_A_WORLD(an_index_that_differs_is_taken_once_exactly_that_one_was_accepted),
        IN_A_WORLD(a_log_that_retention_shortened_inside_the_window_goes_on_once_its_index_was_accepted),
        IN_A_WORLD(an_index_accepted_at_another_offset_does_not_excuse_a_truncated_log),
        IN_A_WORLD(a_judged_record_that_vanished_needs_both_decisions_and_is_not_counted_as_lost),
        IN_A_WORLD(a_position_written_back_lets_the_partition_go_on_and_doubles_nothing),
        IN_A_WORLD(an_append_time_a_year_ahead_expires_nothing),
        IN_A_WORLD(records_without_the_brokers_time_raise_an_alarm_move_no_clock_and_are_judged),
        IN_A_WORLD(a_write_that_the_acl_refuses_is_retried_with_its_reason_and_never_a_dead_letter),
        IN_A_WORLD(a_missing_output_is_asked_for_when_a_partition_is_tried_again_and_not_in_every_turn),
        IN_A_WORLD(an_intake_that_grew_is_gone_on_with_when_the_log_is_opened_again),
        IN_A_WORLD(a_rebuild_asked_for_drops_the_index_and_loses_and_doubles_nothing),
        cmocka_unit_test(every_stop_says_what_it_means_what_is_safe_and_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
