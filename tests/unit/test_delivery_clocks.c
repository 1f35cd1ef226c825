/* What a clock or a log that is not as it should be may cost: calls that wait too long, or that are never made. */
#include "tests/unit/delivery_world.h"

#include "gateway/base/log.h"

#include <stdio.h>

static enum reply lose_first_create(struct world *w, const struct seen *call)
{
    return call->step == LT_STEP_UPSERT && w->asked++ == 0 ? REPLY_LOST : REPLY_OK;
}

/* A's create is out and was applied; its answer will not come. wall_shift_ms: of the clock all that time. */
static struct world *with_lost_create(int64_t wall_shift_ms)
{
    struct world *w = world_new();
    w->script = lose_first_create;
    w->wall_shift_ms = wall_shift_ms;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 20);
    assert_int_equal(w->calls, 1);
    return w;
}

/* What is unknown waits its settle time out, but for a margin, and then goes on: the end of the test. */
static void must_call_nobody_until_it_is_settled(struct world *w, int margin_ms)
{
    size_t calls = w->calls;
    world_turns(w, (int)w->target.settle_ms - margin_ms);
    assert_int_equal(w->calls, calls);
    world_run_until_forwarded(w, 1);
    world_free(w);
}

static void a_wall_clock_that_steps_back_does_not_hold_what_is_unknown(void **state)
{
    (void)state;
    struct world *w = with_lost_create(0);
    w->wall_shift_ms = -3600000;
    int64_t from = w->now_ms;
    world_run_until_forwarded(w, 1);
    assert_in_range(w->now_ms - from, w->target.settle_ms - 20, 3 * w->target.settle_ms);
    world_free(w);
}

static void a_wall_clock_that_jumps_ahead_does_not_cut_the_settle_time_short(void **state)
{
    (void)state;
    struct world *w = with_lost_create(0);
    w->wall_shift_ms = 3600000;
    must_call_nobody_until_it_is_settled(w, 30);
}

static void what_another_clock_wrote_holds_nobody_longer_than_it_could_have_meant(void **state)
{
    (void)state;
    struct world *w = with_lost_create(3600000);
    world_crash(w);
    w->wall_shift_ms = 0; /* the next owner's clock */
    world_open(w);
    int64_t from = w->now_ms;
    world_turns(w, 10000);
    world_run_until_forwarded(w,
                              1); /* a transaction's, a session's and the settle time are the longest it could mean */
    assert_in_range(w->now_ms - from, w->target.settle_ms, 27000);
    world_free(w);
}

/* How long is written in the intent, and that alone counts: by the successor's clock it was settled long ago. */
static void a_successor_whose_clock_is_ahead_waits_all_the_same(void **state)
{
    (void)state;
    struct world *w = with_lost_create(0);
    world_crash(w);
    w->wall_shift_ms = 3600000;
    world_open(w);
    must_call_nobody_until_it_is_settled(w, 30);
}

/* The same where its answer did not come and that is committed. */
static void a_successor_whose_clock_is_ahead_waits_for_what_is_known_as_unknown(void **state)
{
    (void)state;
    struct world *w = with_lost_create(0);
    w->wall_shift_ms = -3600000; /* of its writer, while it waits */
    struct lt_ledger l;
    bool unknown = false;
    for (int i = 0; i < 2000 && !unknown; i++) {
        world_turn(w);
        world_ledger(w, 0, &l);
        for (struct lt_open *o = l.opens; o; o = o->hh.next)
            unknown = unknown || o->state == LT_OPEN_UNKNOWN;
        lt_ledger_deinit(&l);
    }
    assert_true(unknown);
    world_crash(w);
    w->wall_shift_ms = 3600000;
    world_open(w);
    must_call_nobody_until_it_is_settled(w, 30);
}

/* ---- what is parked as unknown ---- */

static enum reply lose_first_row(struct world *w, const struct seen *call)
{
    return call->step == LT_STEP_PROGRESS && w->asked++ == 0 ? REPLY_VANISHED : REPLY_OK;
}

/* A is parked, its row is out for some seconds still, and its owner is gone. */
static struct world *with_orphaned_row(void)
{
    struct world *w = world_new();
    w->script = lose_first_row;
    w->target.settle_ms = 5000;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(world_parked(w, "A"), 1);
    world_crash(w);
    return w;
}

/* By its clock the row was settled long ago; how long it may be at work stands beside the event. */
static void a_decision_carried_out_by_a_process_whose_clock_is_ahead_waits_until_the_row_is_settled(void **state)
{
    (void)state;
    struct world *w = with_orphaned_row();
    w->wall_shift_ms = 3600000;
    world_open(w);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, 0, NULL);
    must_call_nobody_until_it_is_settled(w, 200);
}

/* Since when a process knows of it is enough: nobody waits anew with every decision. */
static void a_decision_about_what_was_settled_while_its_owner_had_it_waits_for_nothing(void **state)
{
    (void)state;
    struct world *w = with_orphaned_row();
    w->wall_shift_ms = -3600000;
    world_open(w);
    world_turns(w, 10);
    world_advance(w, w->target.settle_ms);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, 0, NULL);
    world_advance(w, 1000);
    int64_t from = w->now_ms;
    world_run_until_forwarded(w, 1);
    assert_true(w->now_ms - from < w->target.settle_ms / 2);
    world_free(w);
}

/* The former version kept only the end by its writer's clock. */
static void what_the_former_version_parked_waits_for_the_longest_it_could_be_at_work(void **state)
{
    (void)state;
    struct lt_headers h = {0};
    struct lt_parked_state s;
    lt_headers_put(&h, LT_PARK_PREFIX "step", LT_SPAN_LIT("progress"));
    lt_headers_put(&h, LT_PARK_PREFIX "unknown", LT_SPAN_LIT("1700000000000"));
    lt_parked_state_get(&h, &s);
    assert_true(s.unknown);
    assert_true(s.settles_ms > 3600000);
    assert_int_equal(h.len, 0);
}

/* ---- commits slower than an intent used to live ---- */

struct slow {
    struct world *w;
    int64_t commit_ms;
};

static enum lt_memory_fault slowly(void *ctx, const char *instance, enum lt_memory_step step, uint64_t number)
{
    struct slow *s = ctx;
    (void)instance;
    (void)number;
    if (step == LT_STEP_COMMIT)
        s->w->now_ms += s->commit_ms;
    return LT_FAULT_NONE;
}

static void steps_are_sent_also_when_every_commit_takes_longer_than_two_seconds(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct slow s = {.w = w, .commit_ms = 3000};
    lt_memory_schedule(w->memory, slowly, &s);
    world_received(w, 0, "A", 0);
    world_received(w, 1, "B", 0);
    world_open(w);
    world_run_until_forwarded(w, 2);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    assert_int_equal(world_applied_count(w, "B", 0, LT_STEP_PROGRESS), 1);
    world_expect_status(w, "\"start_by_ms\":6000");
    s.commit_ms = 0; /* the log is quick again: an intent need not be good for so long any more */
    for (int n = 1; n < 40; n++)
        world_received(w, 0, "A", n);
    world_run_until_forwarded(w, 41);
    world_expect_status(w, "\"start_by_ms\":2000");
    world_free(w);
}

/* One event after the other, with a commit time each. */
static void deliver(struct slow *s, int64_t commit_ms)
{
    int number = (int)world_forwarded(s->w);
    s->commit_ms = commit_ms;
    world_received(s->w, 0, "A", number);
    world_run_until_forwarded(s->w, (size_t)number + 1);
}

static void run_under_load(const void *arg)
{
    struct slow *const *s = arg;
    for (int n = 0; n < 48; n++)
        deliver(*s, n % 12 == 0 ? 1500 : 0);
}

static void run_quickly(const void *arg)
{
    struct slow *const *s = arg;
    for (int n = 0; n < 2; n++) {
        world_advance((*s)->w, 60000);
        deliver(*s, 0);
    }
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

/* A slow commit of a dozen, as under load: that is one state of the log, not many. */
static void commits_that_are_slow_now_and_then_are_told_once_and_their_end_after_a_quiet_minute(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct slow s = {.w = w}, *at = &s;
    lt_memory_schedule(w->memory, slowly, &s);
    world_open(w);
    lt_log_threshold = LT_LOG_INFO;
    LT_AUTOFREE char *loaded = harness_stderr_of(run_under_load, &at);
    assert_int_equal(times(loaded, "commits-slow"), 1);
    world_expect_status(w, "\"commits_slow\":true");
    LT_AUTOFREE char *quick = harness_stderr_of(run_quickly, &at);
    lt_log_threshold = LT_LOG_ERROR + 1;
    assert_int_equal(times(quick, "commits-slow"), 1);
    assert_contains(quick, "quick again");
    world_expect_status(w, "\"commits_slow\":false");
    world_free(w);
}

/* The successor waits as long as the intent was good for, not as long as its own would be. */
static void an_intent_that_was_good_for_longer_is_settled_later_too(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct slow s = {.w = w, .commit_ms = 3000};
    lt_memory_schedule(w->memory, slowly, &s);
    for (int n = 0; n < 2; n++)
        world_received(w, 0, "A", n);
    world_open(w);
    world_run_until_forwarded(w, 1);
    struct lt_ledger l;
    int64_t until = -1;
    for (int i = 0; i < 100 && until < 0; i++) {
        world_turn(w);
        world_ledger(w, 0, &l);
        for (struct lt_open *o = l.opens; o; o = o->hh.next)
            if (o->state == LT_OPEN_INTENT)
                until = o->until_ms - o->since_ms;
        lt_ledger_deinit(&l);
    }
    assert_true(until >= 6000 + w->target.timeout_ms + w->target.settle_ms);
    world_free(w);
}

static void intents_that_grow_too_old_are_counted_and_shown(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct slow s = {.w = w, .commit_ms = 20000}; /* longer than any transaction may take */
    lt_memory_schedule(w->memory, slowly, &s);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 40);
    assert_int_equal(w->calls, 0);
    LT_AUTOFREE char *status = world_status(w);
    const char *late = strstr(status, "\"intents_late\":");
    assert_non_null(late);
    assert_in_range(atol(late + 15), 2, 100);
    struct lt_buf out = LT_BUF_INIT(1 << 20);
    lt_engine_metrics(w->engine, &out);
    struct lt_span text = lt_buf_view(&out);
    assert_non_null(memmem(text.ptr, text.len, "lienthong_delivery_intents_late_total{target=\"sim\"} ", 52));
    assert_non_null(memmem(text.ptr, text.len, "lienthong_delivery_commit_ms{target=\"sim\"} 200", 46));
    lt_buf_deinit(&out);
    s.commit_ms = 0;
    world_run_until_forwarded(w, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wall_clock_that_steps_back_does_not_hold_what_is_unknown),
        cmocka_unit_test(a_wall_clock_that_jumps_ahead_does_not_cut_the_settle_time_short),
        cmocka_unit_test(what_another_clock_wrote_holds_nobody_longer_than_it_could_have_meant),
        cmocka_unit_test(a_successor_whose_clock_is_ahead_waits_all_the_same),
        cmocka_unit_test(a_successor_whose_clock_is_ahead_waits_for_what_is_known_as_unknown),
        cmocka_unit_test(a_decision_carried_out_by_a_process_whose_clock_is_ahead_waits_until_the_row_is_settled),
        cmocka_unit_test(a_decision_about_what_was_settled_while_its_owner_had_it_waits_for_nothing),
        cmocka_unit_test(what_the_former_version_parked_waits_for_the_longest_it_could_be_at_work),
        cmocka_unit_test(steps_are_sent_also_when_every_commit_takes_longer_than_two_seconds),
        cmocka_unit_test(commits_that_are_slow_now_and_then_are_told_once_and_their_end_after_a_quiet_minute),
        cmocka_unit_test(an_intent_that_was_good_for_longer_is_settled_later_too),
        cmocka_unit_test(intents_that_grow_too_old_are_counted_and_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
