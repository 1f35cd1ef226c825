/*
 * What an operator's decision may not hide (rules 7 and 9), and what is left of one when its owner dies in the middle.
 * Found by tests/sim.
 */
#include "tests/unit/delivery_world.h"

#include <stdio.h>

static void a_row_that_goes_again_with_replaced_data_is_a_listed_repeat(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_LOST, .step = LT_STEP_PROGRESS};
    struct world *w = world_with_parked(&f, 1);
    world_decide(w, 0, "A", "d1", LT_VERB_REPLACE, 0, "{\"n\":0}");
    world_advance(w, 1000);
    world_run_until_forwarded(w, 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 2);
    assert_int_equal(world_history(w, "\"what\":\"repeat\""), 1);
    world_expect_status(w, "\"repeats\":1");
    world_free(w);
}

static void that_a_row_was_sent_before_is_remembered_when_the_replaced_event_is_parked_again(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_LOST, .step = LT_STEP_PROGRESS};
    struct world *w = world_with_parked(&f, 1);
    f = (struct world_first){.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    world_decide(w, 0, "A", "d1", LT_VERB_REPLACE, 0, "{\"n\":0}");
    world_advance(w, 1000);
    world_turns(w, 600);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
    world_decide(w, 0, "A", "d2", LT_VERB_RETRY, 0, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 1);
    world_expect_status(w, "\"repeats\":1");
    world_free(w);
}

static void copy_with_many_headers(void *ctx, const struct lt_log_record *r)
{
    struct world *w = ctx;
    struct lt_headers h = r->headers;
    static char names[LT_HEADERS_MAX][32];
    for (size_t i = 0; h.len < LT_HEADERS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "foreign%zu", i);
        lt_headers_put(&h, names[i], LT_SPAN_LIT("x"));
    }
    lt_memory_append(w->memory, w->queue, 1, r->key, &h, r->value);
}

/* As many headers as fit: what is known of its call has to find room all the same. */
static void what_is_known_of_a_row_is_kept_however_many_headers_its_event_has(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_LOST, .step = LT_STEP_PROGRESS};
    struct world *w = world_that_answers_first(&f);
    world_received(w, 0, "A", 0);
    lt_memory_read(w->memory, w->queue, 0, copy_with_many_headers, w);
    lt_memory_truncate(w->memory, w->queue, 0, 0);
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(world_parked(w, "A"), 1);
    world_decide(w, 1, "A", "d1", LT_VERB_RETRY, 0, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 1); /* done before: not again */
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 2);
    world_expect_status(w, "\"repeats\":1");
    world_free(w);
}

/* The call may still be at work at the target: what is decided waits as a retry does. */
static void a_decision_about_an_unknown_event_waits_until_its_call_is_settled(void **state)
{
    (void)state;
    static const enum lt_verb verbs[] = {LT_VERB_SKIP, LT_VERB_RELEASE, LT_VERB_REPLACE, LT_VERB_RETRY};
    for (size_t i = 0; i < LT_ARRAY_LEN(verbs); i++) {
        struct world_first f = {.n = 1, .reply = REPLY_VANISHED, .step = LT_STEP_PROGRESS};
        struct world *w = world_that_answers_first(&f);
        w->target.settle_ms = 5000;
        world_received(w, 0, "A", 0);
        world_received(w, 0, "A", 1);
        world_open(w);
        world_turns(w, 100);
        assert_int_equal(world_parked(w, "A"), 2);
        size_t calls = w->calls;
        world_decide(w, 0, "A", "d1", verbs[i], 0, verbs[i] == LT_VERB_REPLACE ? "{\"n\":0}" : NULL);
        world_advance(w, 1000);
        world_turns(w, 1000);
        assert_int_equal(w->calls, calls);
        world_advance(w, 5000);
        world_run_until_forwarded(w, verbs[i] == LT_VERB_SKIP ? 1 : 2);
        world_free(w);
    }
}

/* The ledger says that this step of A was certainly not taken. */
static bool waits_at(struct world *w, const char *step)
{
    struct lt_ledger l;
    world_ledger(w, 0, &l);
    bool waits = l.opens && l.opens->state == LT_OPEN_WAITING && strcmp(l.opens->step, step) == 0;
    lt_ledger_deinit(&l);
    return waits;
}

/* Parked as unknown at its first step, it did that step since and its owner died before the next: that one was never
 * sent. */
static void the_next_step_of_a_redriven_event_is_no_repeat_of_the_former(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_VANISHED, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    w->target.settle_ms = 100;
    w->target.park_after_ms = 50;
    world_received(w, 0, "A", 0);
    world_received(w, 0, "B", 0);
    world_open(w);
    for (int i = 0; i < 50 && world_parked(w, "A") == 0; i++) { /* unknown alone for park_after while others do well */
        f.n = 1;
        world_received(w, 0, "B", i + 1);
        world_turns(w, 40);
    }
    assert_int_equal(world_parked(w, "A"), 1);
    f = (struct world_first){.n = 100, .reply = REPLY_RETRY, .step = LT_STEP_PROGRESS};
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, 0, NULL);
    world_advance(w, 1000);
    for (int i = 0; i < 2000 && !waits_at(w, "progress"); i++)
        world_turn(w);
    assert_true(waits_at(w, "progress"));
    world_crash(w);
    f.n = 0;
    world_open(w);
    world_turns(w, 3000);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    assert_int_equal(world_history(w, "\"what\":\"repeat\""), 0);
    world_expect_status(w, "\"repeats\":0");
    world_free(w);
}

/* The target is paused, and the partition comes back with nothing in memory: something must probe. */
static void a_redriven_dossier_alone_tries_a_target_whose_pause_is_over(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_with_parked(&f, 1);
    f = (struct world_first){.n = 1, .reply = REPLY_CREDENTIAL, .step = LT_STEP_UPSERT};
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    world_advance(w, 1000);
    for (int i = 0; i < 1000 && f.n > 0; i++)
        world_turn(w);
    world_expect_status(w, "\"reason\":\"credential\"");
    for (int i = 0; i < 8; i++) {
        lt_memory_rebalance(w->memory, "lt.sim");
        world_turn(w);
    }
    world_advance(w, 60000);
    world_run_until_forwarded(w, 1);
    world_free(w);
}

/* Listed with the intent that lets it be sent: one that was withdrawn before was none. */
static void a_repeat_whose_intent_never_came_to_be_is_not_listed(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_VANISHED, .step = LT_STEP_PROGRESS};
    struct world *w = world_that_answers_first(&f);
    w->repeat_unknown = true;
    w->target.settle_ms = 100;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 60);
    assert_int_equal(f.n, 0);
    world_advance(w, 200);
    lt_memory_fault_at(w->memory, lt_memory_steps(w->memory) + 3, LT_FAULT_ABORTABLE); /* the commit of its intent */
    world_turns(w, 2);
    world_close(w); /* and the process ends before it is tried again */
    size_t listed = world_history(w, "\"what\":\"repeat\"");
    world_open(w);
    world_advance(w, 60000);
    world_run_until_forwarded(w, 1);
    assert_true(listed <= 1);
    assert_int_equal(world_history(w, "\"what\":\"repeat\""), 1);
    world_expect_status(w, "\"repeats\":1");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_goes_again_with_replaced_data_is_a_listed_repeat),
        cmocka_unit_test(that_a_row_was_sent_before_is_remembered_when_the_replaced_event_is_parked_again),
        cmocka_unit_test(what_is_known_of_a_row_is_kept_however_many_headers_its_event_has),
        cmocka_unit_test(a_decision_about_an_unknown_event_waits_until_its_call_is_settled),
        cmocka_unit_test(the_next_step_of_a_redriven_event_is_no_repeat_of_the_former),
        cmocka_unit_test(a_redriven_dossier_alone_tries_a_target_whose_pause_is_over),
        cmocka_unit_test(a_repeat_whose_intent_never_came_to_be_is_not_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
