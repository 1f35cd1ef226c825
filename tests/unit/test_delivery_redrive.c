/* Parked dossiers and what an operator decides about them (protocol 3, rules 7-9). */
#include "tests/unit/delivery_world.h"

#include <stdio.h>

static void look_at_decisions(struct world *w)
{
    world_advance(w, 1000);
    world_turns(w, 300);
}

static void check_lane_open(struct world *w)
{
    struct lt_ledger l;
    world_ledger(w, 0, &l);
    assert_null(world_lane(&l, "A"));
    assert_int_equal(l.opens_len, 0);
    assert_int_equal(l.parked_len, 0);
    lt_ledger_deinit(&l);
}

static void a_retried_lane_runs_in_order_and_what_arrives_meanwhile_appends(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_with_parked(&f, 3);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    world_advance(w, 1000);
    world_turns(w, 2); /* retrying, not done yet */
    world_received(w, 0, "A", 3);
    world_run_until_forwarded(w, 4);
    world_received(w, 0, "A", 4);
    world_run_until_forwarded(w, 5);
    world_turns(w, 50);
    world_check_forwarded_in_order(w, "A", 5);
    for (int n = 0; n < 5; n++)
        assert_int_equal(world_applied_count(w, "A", n, LT_STEP_PROGRESS), 1);
    check_lane_open(w);
    world_expect_status(w, "\"ok\":5");
    world_expect_status(w, "\"parked_now\":0");
    world_free(w);
}

static void a_decision_is_applied_once_also_when_it_is_written_twice_or_the_owner_restarts(void **state)
{
    (void)state;
    struct world_first f = {.n = 2, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_with_parked(&f, 3);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    look_at_decisions(w); /* refused again */
    assert_int_equal(world_parked(w, "A"), 3);
    size_t calls = w->calls;
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    look_at_decisions(w);
    world_close(w);
    world_open(w);
    look_at_decisions(w);
    assert_int_equal(w->calls, calls);
    struct lt_ledger l;
    world_ledger(w, 0, &l);
    assert_int_equal(world_lane(&l, "A")->record.rounds, 1);
    lt_ledger_deinit(&l);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 2); /* one for each refusal */
    world_decide(w, 0, "A", "d2", LT_VERB_RETRY, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 3);
    world_check_forwarded_in_order(w, "A", 3);
    world_free(w);
}

static void a_skipped_event_goes_no_further_and_the_others_follow(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_with_parked(&f, 3);
    world_decide(w, 0, "A", "d1", LT_VERB_SKIP, 0, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 0);
    assert_int_equal(world_applied_count(w, "A", 1, LT_STEP_PROGRESS), 1);
    assert_int_equal(world_applied_count(w, "A", 2, LT_STEP_PROGRESS), 1);
    check_lane_open(w);
    world_expect_status(w, "\"skipped\":1");
    world_free(w);
}

static void a_released_event_is_taken_as_done_and_goes_on_behind_its_step(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_LOST, .step = LT_STEP_PROGRESS};
    struct world *w = world_with_parked(&f, 3);
    world_decide(w, 0, "A", "d1", LT_VERB_RELEASE, 0, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 3);
    world_turns(w, 50);
    world_check_forwarded_in_order(w, "A", 3);
    for (int n = 0; n < 3; n++)
        assert_int_equal(world_applied_count(w, "A", n, LT_STEP_PROGRESS), 1);
    world_expect_status(w, "\"repeats\":0");
    check_lane_open(w);
    world_free(w);
}

/* The portal has lost the dossier since its content was sent: the row alone would be refused for good. */
static void a_row_of_a_dossier_that_is_gone_begins_with_its_content_when_it_is_retried(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_GONE, .step = LT_STEP_PROGRESS};
    struct world *w = world_with_parked(&f, 3);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 1);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 3);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 2);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    world_expect_status(w, "\"repeats\":0");
    world_check_forwarded_in_order(w, "A", 3);
    check_lane_open(w);
    world_free(w);
}

static void an_unknown_row_that_is_retried_is_a_counted_and_listed_repeat(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_LOST, .step = LT_STEP_PROGRESS};
    struct world *w = world_with_parked(&f, 3);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, 0, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 3);
    world_turns(w, 50);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 1); /* done before: not again */
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 2);
    assert_int_equal(world_applied_count(w, "A", 1, LT_STEP_PROGRESS), 1);
    world_expect_status(w, "\"repeats\":1");
    assert_int_equal(world_history(w, "\"what\":\"repeat\""), 1);
    world_free(w);
}

static void replaced_data_is_sent_from_the_first_step_and_carried_on(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_PROGRESS};
    struct world *w = world_with_parked(&f, 3);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 1);
    world_decide(w, 0, "A", "d1", LT_VERB_REPLACE, 0, "{\"n\":70}");
    f.n = 0;
    world_advance(w, 1000);
    world_run_until_forwarded(w, 3);
    world_turns(w, 50);
    assert_int_equal(world_applied_count(w, "A", 70, LT_STEP_UPSERT), 1);
    assert_int_equal(world_applied_count(w, "A", 70, LT_STEP_PROGRESS), 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 0);
    check_lane_open(w);
    world_free(w);
}

static void a_decision_about_another_event_than_the_operator_saw_is_not_applied(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_with_parked(&f, 3);
    world_decide(w, 0, "A", "d1", LT_VERB_SKIP, 1, NULL);
    world_decide(w, 0, "B", "d2", LT_VERB_SKIP, -1, NULL);
    look_at_decisions(w);
    assert_int_equal(world_parked(w, "A"), 3);
    assert_int_equal(world_history(w, "ignored: another event is the first by now"), 1);
    assert_int_equal(world_history(w, "ignored: it is not parked"), 1);
    world_free(w);
}

static void a_lane_beside_an_open_one_is_redriven_before_the_offset_passes_it(void **state)
{
    (void)state;
    /* B hangs at offset 0, so nothing passes the offset; A behind it is refused, redriven and done. A restart must
     * know. */
    struct world_first f = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    world_event(w, 0, "A-hangs", 0, "vn.lienthong.dossier.received.v1");
    f.reply = REPLY_HOLD;
    f.n = 1000000;
    world_open(w);
    world_turns(w, 20);
    struct world_first g = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    world_received(w, 0, "B", 0);
    world_run_until_forwarded(w, 1);
    world_crash(w);
    w->ctx = &g;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 50); /* the create of A-hangs settles; A is refused first */
    assert_int_equal(world_parked(w, "A"), 1);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 2);
    world_turns(w, 20);
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, 0);
    world_crash(w);
    world_open(w);
    world_run_until_forwarded(w, 3);
    world_turns(w, 50);
    assert_int_equal(world_forwarded(w), 3);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    world_check_forwarded_in_order(w, "A", 1);
    check_lane_open(w);
    world_free(w);
}

/* Somebody made lt.control again: what is decided from then on counts, what the former one held does not count again.
 */
static void decisions_in_a_control_topic_that_was_made_again_are_applied_and_old_ones_are_not(void **state)
{
    (void)state;
    struct world_first f = {.n = 2, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_with_parked(&f, 3);
    for (int n = 0; n < 5; n++) {
        char id[8];
        snprintf(id, sizeof(id), "x%d", n);
        world_decide(w, 0, "Nobody", id, LT_VERB_SKIP, -1, NULL);
    }
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    look_at_decisions(w); /* refused again */
    assert_int_equal(world_parked(w, "A"), 3);
    size_t calls = w->calls;
    int64_t before = w->now_ms;
    lt_memory_topic_drop(w->memory, "lt.control.sim");
    lt_memory_topic(w->memory, "lt.control.sim", WORLD_PARTITIONS, 0, false);
    w->now_ms -= 5000; /* brought back from a backup, under another id */
    world_decide(w, 0, "A", "old", LT_VERB_RETRY, -1, NULL);
    w->now_ms = before;
    look_at_decisions(w);
    assert_int_equal(w->calls, calls);
    assert_int_equal(world_history(w, "ignored: older than one that was applied"), 1);
    world_decide(w, 0, "A", "d2", LT_VERB_RETRY, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 3);
    world_check_forwarded_in_order(w, "A", 3);
    world_free(w);
}

static void a_control_topic_that_was_made_again_while_nobody_ran_is_read_from_its_start(void **state)
{
    (void)state;
    struct world_first f = {.n = 2, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_with_parked(&f, 3);
    world_decide(w, 0, "Nobody", "x", LT_VERB_SKIP, -1, NULL);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    look_at_decisions(w);
    world_close(w);
    lt_memory_topic_drop(w->memory, "lt.control.sim");
    lt_memory_topic(w->memory, "lt.control.sim", WORLD_PARTITIONS, 0, false);
    world_decide(w, 0, "A", "d2", LT_VERB_RETRY, -1, NULL);
    world_open(w);
    world_run_until_forwarded(w, 3);
    world_free(w);
}

static void a_paused_partition_starts_nothing_also_after_a_restart_until_it_is_resumed(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_open(w);
    world_turns(w, 5);
    world_decide(w, 0, "*0", "d1", LT_VERB_PAUSE, -1, NULL);
    look_at_decisions(w);
    world_received(w, 0, "A", 0);
    world_received(w, 1, "B", 0);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    world_expect_status(w, "\"paused_by\":\"operator\"");
    world_close(w);
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 0);
    world_decide(w, 0, "*0", "d2", LT_VERB_RESUME, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 2);
    world_free(w);
}

/* ---- every fault at every step of a redrive ---- */

#define EVENTS 3

static void sweep(const char *what, enum lt_memory_fault fault)
{
    for (uint64_t at = 1; at < 400; at++) {
        struct world_first f = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
        struct world *w = world_with_parked(&f, 3);
        world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
        uint64_t steps = lt_memory_steps(w->memory);
        lt_memory_fault_at(w->memory, steps + at, fault);
        int64_t decided = 0;
        for (int i = 0; i < 3000 && world_forwarded(w) < EVENTS && world_parked(w, "A") + world_forwarded(w) >= EVENTS;
             i++) {
            if (w->crashed)
                world_crash(w);
            if (!w->engine)
                world_open(w);
            if (i % 50 == 0) {
                world_advance(w, 1000);
                lt_memory_advance(w->memory, 100);
            }
            if (i % 500 == 499) { /* a row that was out is held: the operator found it there */
                char id[16];
                snprintf(id, sizeof(id), "release%d", (int)++decided);
                world_decide(w, 0, "A", id, LT_VERB_RELEASE, -1, NULL);
            }
            world_turn(w);
        }
        for (int n = 0; n < EVENTS; n++)
            if (world_applied_count(w, "A", n, LT_STEP_PROGRESS) > 1)
                fail_msg("%s at step %d: row %d was sent twice", what, (int)at, n);
        if (world_forwarded(w) != EVENTS) {
            LT_AUTOFREE char *status = world_status(w);
            fail_msg("%s at step %d: %zu forwarded, %zu parked: %s", what, (int)at, world_forwarded(w),
                     world_parked(w, "A"), status);
        }
        world_check_forwarded_in_order(w, "A", EVENTS);
        bool over = lt_memory_steps(w->memory) < steps + at;
        world_free(w);
        if (over)
            return;
    }
}

static void no_fault_at_any_step_of_a_redrive_loses_or_doubles_anything(void **state)
{
    (void)state;
    sweep("crash", LT_FAULT_CRASH);
    sweep("crash after", LT_FAULT_CRASH_AFTER);
    sweep("abortable", LT_FAULT_ABORTABLE);
    sweep("lost, applied", LT_FAULT_LOST_APPLIED);
    sweep("lost, dropped", LT_FAULT_LOST_DROPPED);
    sweep("rebalance", LT_FAULT_REBALANCE);
    sweep("retry", LT_FAULT_RETRY);
}

static enum reply refuse_first_or_hold(struct world *w, const struct seen *call)
{
    const bool *redriven = w->ctx;
    return *redriven ? REPLY_HOLD : call->number == 0 ? REPLY_REJECT : REPLY_OK;
}

/* Parked dossiers are let go by the thousand after a rule was mended: they come back as memory allows. */
static void a_great_redrive_costs_no_more_memory_than_the_budget(void **state)
{
    (void)state;
    enum { LANES = 6, LANE_EVENTS = 20, BUDGET = 60000 };
    struct world *w = world_new();
    bool redriven = false;
    char code[16], id[16];
    w->script = refuse_first_or_hold;
    w->ctx = &redriven;
    w->memory_bytes = BUDGET;
    w->target.refused_max = 0;
    for (int n = 0; n < LANE_EVENTS; n++)
        for (int d = 0; d < LANES; d++) {
            snprintf(code, sizeof(code), "D%d", d);
            world_received(w, 0, code, n);
        }
    world_open(w);
    world_turns(w, 1000);
    redriven = true;
    for (int d = 0; d < LANES; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        snprintf(id, sizeof(id), "d%d", d);
        assert_int_equal(world_parked(w, code), LANE_EVENTS);
        world_decide(w, 0, code, id, LT_VERB_RETRY, -1, NULL);
    }
    look_at_decisions(w);
    LT_AUTOFREE char *status = world_status(w);
    const char *bytes = strstr(status, "\"bytes\":");
    assert_non_null(bytes);
    assert_in_range(atol(bytes + 8), 1, BUDGET + 10000);
    w->script = NULL;
    world_run_until_forwarded(w, (size_t)LANES * LANE_EVENTS);
    for (int d = 0; d < LANES; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_check_forwarded_in_order(w, code, LANE_EVENTS);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_great_redrive_costs_no_more_memory_than_the_budget),
        cmocka_unit_test(a_retried_lane_runs_in_order_and_what_arrives_meanwhile_appends),
        cmocka_unit_test(a_decision_is_applied_once_also_when_it_is_written_twice_or_the_owner_restarts),
        cmocka_unit_test(a_skipped_event_goes_no_further_and_the_others_follow),
        cmocka_unit_test(a_released_event_is_taken_as_done_and_goes_on_behind_its_step),
        cmocka_unit_test(a_row_of_a_dossier_that_is_gone_begins_with_its_content_when_it_is_retried),
        cmocka_unit_test(an_unknown_row_that_is_retried_is_a_counted_and_listed_repeat),
        cmocka_unit_test(replaced_data_is_sent_from_the_first_step_and_carried_on),
        cmocka_unit_test(a_decision_about_another_event_than_the_operator_saw_is_not_applied),
        cmocka_unit_test(a_lane_beside_an_open_one_is_redriven_before_the_offset_passes_it),
        cmocka_unit_test(decisions_in_a_control_topic_that_was_made_again_are_applied_and_old_ones_are_not),
        cmocka_unit_test(a_control_topic_that_was_made_again_while_nobody_ran_is_read_from_its_start),
        cmocka_unit_test(a_paused_partition_starts_nothing_also_after_a_restart_until_it_is_resumed),
        cmocka_unit_test(no_fault_at_any_step_of_a_redrive_loses_or_doubles_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
