/*
 * What a pause promises: once it is acknowledged nothing new leaves, what is out ends, and what needs no call (an event
 * that this target has nothing to do with, a skipped one) does not wait for the target.
 */
#include "tests/unit/delivery_world.h"

#include <stdio.h>

#define SUPPLEMENT "vn.lienthong.dossier.supplement-requested.v1"

static enum reply hold_b(struct world *w, const struct seen *call)
{
    (void)w;
    return call->dossier[0] == 'B' ? REPLY_HOLD : REPLY_OK;
}

static void an_intent_that_was_asked_for_is_withdrawn_by_an_operators_pause(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = hold_b;
    world_received(w, 1, "B", 0);
    world_open(w);
    world_turns(w, 1500);
    assert_int_equal(w->flying_len, 1);
    world_received(w, 0, "A", 0);
    world_turn(w); /* B is out: A's intent waits for others to share its transaction */
    assert_int_equal(w->calls, 1);
    world_decide(w, 0, "*0", "d1", LT_VERB_PAUSE, -1, NULL);
    world_advance(w, 1000);
    world_turns(w, 100);
    world_expect_status(w, "\"paused_by\":\"operator\"");
    assert_int_equal(w->calls, 1);
    struct lt_ledger l;
    world_ledger(w, 0, &l);
    for (struct lt_open *o = l.opens; o; o = o->hh.next)
        assert_int_not_equal(o->state, LT_OPEN_INTENT);
    lt_ledger_deinit(&l);
    world_decide(w, 0, "*0", "d2", LT_VERB_RESUME, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 1);
    world_free(w);
}

static void a_call_that_waits_for_its_turn_does_not_leave_after_an_operators_pause(void **state)
{
    (void)state;
    struct world *w = world_new();
    char code[16];
    w->target.rate = 2;
    for (int d = 0; d < 6; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, d % 2, code, 0);
    }
    world_open(w);
    world_turns(w, 30); /* two have left, two wait for the rate */
    assert_int_equal(w->calls, 2);
    world_decide(w, 0, "*0", "d1", LT_VERB_PAUSE, -1, NULL);
    world_decide(w, 1, "*1", "d2", LT_VERB_PAUSE, -1, NULL);
    world_advance(w, 970); /* a look is due; the rate lets one go */
    size_t before = w->calls;
    world_turns(w, 2);
    world_expect_status(w, "\"reason\":\"operator\"");
    assert_in_range(w->calls, before, before + 2);
    before = w->calls;
    world_turns(w, 3000);
    assert_int_equal(w->calls, before);
    world_decide(w, 0, "*0", "d3", LT_VERB_RESUME, -1, NULL);
    world_decide(w, 1, "*1", "d4", LT_VERB_RESUME, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 6);
    world_free(w);
}

static enum reply hold_all(struct world *w, const struct seen *call)
{
    const bool *held = w->ctx;
    (void)call;
    return *held ? REPLY_HOLD : REPLY_OK;
}

static void a_call_that_is_out_ends_and_is_committed_during_the_pause(void **state)
{
    (void)state;
    struct world *w = world_new();
    bool held = true;
    w->script = hold_all;
    w->ctx = &held;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 20);
    assert_int_equal(w->flying_len, 1);
    world_decide(w, 0, "*0", "d1", LT_VERB_PAUSE, -1, NULL);
    world_advance(w, 1000);
    world_turns(w, 20);
    held = false;
    world_turns(w, 100);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 1);
    assert_int_equal(w->calls, 1); /* its next step waits */
    assert_int_equal(world_history(w, "\"what\":\"ok\""), 1);
    world_decide(w, 0, "*0", "d2", LT_VERB_RESUME, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 1);
    world_free(w);
}

static int (*new_sim)(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *traits,
                      struct lt_diags *diags);

/* Work for four calls at each place: most of them wait for their turn. */
static int new_crowded(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *traits,
                       struct lt_diags *diags)
{
    int r = new_sim(s, ret, traits, diags);
    traits->batch_max = 4;
    return r;
}

static struct world *crowded_world(bool *held)
{
    struct world *w = world_new();
    char code[16];
    new_sim = w->adapter.new;
    w->adapter.new = new_crowded;
    w->script = hold_all;
    w->ctx = held;
    for (int d = 0; d < 40; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, d % 2, code, 0);
    }
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(w->flying_len, 8);
    return w;
}

/* They say nothing of the target: it was not asked. */
static void calls_that_an_operators_pause_keeps_back_do_not_open_the_breaker(void **state)
{
    (void)state;
    bool held = true;
    struct world *w = crowded_world(&held);
    world_decide(w, 0, "*0", "d1", LT_VERB_PAUSE, -1, NULL);
    world_decide(w, 1, "*1", "d2", LT_VERB_PAUSE, -1, NULL);
    world_advance(w, 1000);
    world_turns(w, 20);
    assert_int_equal(world_history(w, "\"what\":\"retry\""), 24);
    world_expect_status(w, "\"state\":\"paused\",\"reason\":\"operator\"");
    held = false;
    world_decide(w, 0, "*0", "d3", LT_VERB_RESUME, -1, NULL);
    world_decide(w, 1, "*1", "d4", LT_VERB_RESUME, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 40);
    world_free(w);
}

static void calls_that_grew_too_old_in_our_own_queue_do_not_open_the_breaker(void **state)
{
    (void)state;
    bool held = true;
    struct world *w = crowded_world(&held);
    world_advance(w, 60000);
    world_turns(w, 20);
    assert_int_equal(world_history(w, "\"what\":\"retry\""), 24);
    world_expect_status(w, "\"adapter\":\"sim\",\"state\":\"running\"");
    held = false;
    world_run_until_forwarded(w, 40);
    world_free(w);
}

/* ---- what needs no call ---- */

static enum reply not_let_in(struct world *w, const struct seen *call)
{
    (void)w;
    return call->number == 7 ? REPLY_REJECT : REPLY_CREDENTIAL;
}

static size_t some_steps(const struct lt_event_type *t, const enum lt_step **ret)
{
    bool takes = t && t != lt_event_type_by_name(LT_SPAN_LIT(SUPPLEMENT));
    *ret = takes ? t->portal : NULL;
    return takes ? t->portal_len : 0;
}

static void no_steps_for_supplements(struct world *w)
{
    w->adapter.steps = some_steps;
}

static void an_event_the_target_has_nothing_to_do_with_passes_a_paused_target(void **state)
{
    (void)state;
    struct world *w = world_new();
    char code[16];
    no_steps_for_supplements(w);
    w->script = not_let_in;
    w->target.retry_min_ms = w->target.retry_max_ms = 100000;
    for (int d = 0; d < 20; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, 0, code, 0);
    }
    world_event(w, 0, "P", 0, SUPPLEMENT);
    world_open(w);
    world_turns(w, 100);
    world_expect_status(w, "\"reason\":\"credential\"");
    assert_int_equal(world_forwarded(w), 1);
    world_check_forwarded_in_order(w, "P", 1);
    world_free(w);
}

static void a_skip_is_carried_out_while_the_target_is_paused(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = not_let_in;
    w->target.retry_min_ms = w->target.retry_max_ms = 100000;
    world_received(w, 0, "A", 7);
    world_open(w);
    world_turns(w, 50);
    assert_int_equal(world_parked(w, "A"), 1);
    world_received(w, 0, "B", 0);
    world_turns(w, 50);
    world_expect_status(w, "\"reason\":\"credential\"");
    world_decide(w, 0, "A", "d1", LT_VERB_SKIP, -1, NULL);
    world_advance(w, 1000);
    world_turns(w, 300);
    assert_int_equal(world_parked(w, "A"), 0);
    world_expect_status(w, "\"skipped\":1");
    world_free(w);
}

static void a_skip_is_carried_out_during_an_operators_pause_and_what_follows_it_waits(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = not_let_in;
    world_received(w, 0, "A", 7);
    world_received(w, 0, "A", 8);
    world_open(w);
    world_turns(w, 50);
    assert_int_equal(world_parked(w, "A"), 2);
    world_decide(w, 0, "*0", "d1", LT_VERB_PAUSE, -1, NULL);
    world_decide(w, 0, "A", "d2", LT_VERB_SKIP, -1, NULL);
    world_advance(w, 1000);
    world_turns(w, 300);
    assert_int_equal(w->calls, 1);
    assert_int_equal(world_parked(w, "A"), 1);
    world_expect_status(w, "\"skipped\":1");
    w->script = NULL;
    world_decide(w, 0, "*0", "d3", LT_VERB_RESUME, -1, NULL);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_intent_that_was_asked_for_is_withdrawn_by_an_operators_pause),
        cmocka_unit_test(a_call_that_waits_for_its_turn_does_not_leave_after_an_operators_pause),
        cmocka_unit_test(a_call_that_is_out_ends_and_is_committed_during_the_pause),
        cmocka_unit_test(calls_that_an_operators_pause_keeps_back_do_not_open_the_breaker),
        cmocka_unit_test(calls_that_grew_too_old_in_our_own_queue_do_not_open_the_breaker),
        cmocka_unit_test(an_event_the_target_has_nothing_to_do_with_passes_a_paused_target),
        cmocka_unit_test(a_skip_is_carried_out_while_the_target_is_paused),
        cmocka_unit_test(a_skip_is_carried_out_during_an_operators_pause_and_what_follows_it_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
