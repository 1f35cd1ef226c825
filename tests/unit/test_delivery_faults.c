/*
 * Every fault of the log at every step of a small run, and drawn faults over longer ones. Whatever happens: each event
 * is forwarded and answered at most once and in order, no row reaches the target twice, and what is not forwarded at
 * the end stands parked as unknown because its row was out when the process died.
 */
#include "tests/unit/delivery_world.h"

#include <stdio.h>

#define DOSSIERS 4
#define EVENTS 3
#define ALL (DOSSIERS * EVENTS)

static void code_of(int d, char out[16])
{
    snprintf(out, 16, "D%d", d);
}

/* Every other answer keeps the target waiting for a turn, so that there is something in flight when the log is polled.
 */
static enum reply slowly(struct world *w, const struct seen *call)
{
    (void)call;
    return ++w->asked % 2 ? REPLY_HOLD : REPLY_OK;
}

static void fill(struct world *w)
{
    char code[16];
    w->script = slowly;
    for (int n = 0; n < EVENTS; n++)
        for (int d = 0; d < DOSSIERS; d++) {
            code_of(d, code);
            world_received(w, d % WORLD_PARTITIONS, code, n);
        }
}

struct tally {
    struct world *w;
    int next[DOSSIERS];
};

static void count(void *ctx, const struct lt_log_record *r)
{
    struct tally *t = ctx;
    int d;
    int64_t number;
    char key[32];
    snprintf(key, sizeof(key), LT_SPAN_FMT, LT_SPAN_ARG(r->key));
    assert_int_equal(sscanf(key, "H22/D%d", &d), 1);
    assert_true(lt_span_i64(r->value, &number));
    if (number != t->next[d])
        fail_msg("dossier D%d: expected event %d next, got %d", d, t->next[d], (int)number);
    t->next[d]++;
}

/* Runs to the end, in a new process after each crash; returns how many events are forwarded. */
static size_t run_to_the_end(struct world *w)
{
    int quiet = 0;
    size_t forwarded = 0;
    for (int i = 0; i < 4000 && quiet < 120; i++) {
        if (w->crashed)
            world_crash(w);
        if (!w->engine)
            world_open(w);
        world_turn(w);
        if (w->fatal)
            return world_forwarded(w);
        quiet++;
        if (world_forwarded(w) != forwarded || lt_engine_step(w->engine, 0) == LT_ENGINE_FATAL)
            quiet = 0;
        forwarded = world_forwarded(w);
        if (forwarded == ALL)
            break;
        if (quiet % 40 == 39) { /* back-offs, and the 30 s of a stop */
            world_advance(w, 31000);
            lt_memory_advance(w->memory, 1000);
        }
    }
    return forwarded;
}

static void check(struct world *w, const char *what, uint64_t step)
{
    char code[16];
    struct tally t = {.w = w};
    lt_memory_read(w->memory, "lt.next", 0, count, &t);
    size_t forwarded = world_forwarded(w), parked = 0;
    for (int d = 0; d < DOSSIERS; d++) {
        code_of(d, code);
        parked += world_parked(w, code);
        for (int n = 0; n < EVENTS; n++) {
            size_t rows = world_applied_count(w, code, n, LT_STEP_PROGRESS);
            if (rows > 1)
                fail_msg("%s at step %d: row of %s/%d reached the target %zu times", what, (int)step, code, n, rows);
            if (n < t.next[d] && rows != 1)
                fail_msg("%s at step %d: %s/%d was forwarded without its row", what, (int)step, code, n);
        }
    }
    if (w->fatal)
        return;
    /* An answer event is committed with its step, a forward with the whole event. */
    assert_in_range(world_answers(w), forwarded, forwarded + parked);
    if (forwarded + parked != ALL) {
        LT_AUTOFREE char *status = world_status(w);
        fail_msg("%s at step %d: %zu of %d forwarded, %zu parked: %s", what, (int)step, forwarded, ALL, parked, status);
    }
    LT_AUTOFREE char *equation = lt_asprintf("\"parked_now\":%zu", parked);
    world_expect_status(w, equation);
}

/* Do runs end with a row whose outcome is unknown? */
enum stops { NEVER, MAY, SOME };

static void sweep(const char *what, enum lt_memory_fault fault, enum stops stops)
{
    uint64_t steps;
    {
        struct world *w = world_new();
        fill(w);
        world_open(w);
        assert_int_equal(run_to_the_end(w), ALL);
        steps = lt_memory_steps(w->memory);
        world_free(w);
    }
    assert_true(steps > 20);
    size_t stopped = 0;
    for (uint64_t at = 1; at <= steps; at++) {
        struct world *w = world_new();
        fill(w);
        lt_memory_fault_at(w->memory, at, fault);
        size_t forwarded = run_to_the_end(w);
        check(w, what, at);
        stopped += forwarded < ALL;
        if (stops == NEVER && forwarded < ALL)
            fail_msg("%s at step %d: %zu of %d forwarded", what, (int)at, forwarded, ALL);
        world_free(w);
    }
    if (stops == SOME && stopped == 0)
        fail_msg("%s: no run stopped: the sweep did not reach a row in flight", what);
}

static void a_failed_transaction_is_written_again_with_the_same_outcomes(void **state)
{
    (void)state;
    sweep("abortable", LT_FAULT_ABORTABLE, NEVER);
    sweep("retry", LT_FAULT_RETRY, NEVER);
}

static void a_commit_whose_answer_is_lost_is_looked_up_not_guessed(void **state)
{
    (void)state;
    sweep("lost, applied", LT_FAULT_LOST_APPLIED, NEVER);
    sweep("lost, dropped", LT_FAULT_LOST_DROPPED, NEVER);
}

static void a_producer_fenced_once_is_made_anew(void **state)
{
    (void)state;
    sweep("fenced", LT_FAULT_FENCED, NEVER);
}

/* A rebalance may be a loss: then a row that was out stays unknown. */
static void a_rebalance_at_any_step_repeats_nothing(void **state)
{
    (void)state;
    sweep("rebalance", LT_FAULT_REBALANCE, MAY);
}

static void a_crash_at_any_step_repeats_no_row(void **state)
{
    (void)state;
    sweep("crash", LT_FAULT_CRASH, SOME);
    sweep("crash after", LT_FAULT_CRASH_AFTER, SOME);
}

/* A new log is opened; a row that was out when the membership was taken stays unknown. */
static void a_membership_that_no_twin_took_repeats_nothing(void **state)
{
    (void)state;
    sweep("taken", LT_FAULT_TAKEN, MAY);
}

static void a_twin_ends_the_process(void **state)
{
    (void)state;
    struct world *w = world_new();
    fill(w);
    lt_memory_fault_at(w->memory, 9, LT_FAULT_TWIN);
    world_open(w);
    world_turns(w, 200);
    assert_true(w->fatal);
    assert_non_null(strstr(lt_engine_fatal_text(w->engine), "instance name gw1 (another process took over"));
    check(w, "twin", 9);
    world_free(w);
}

static void drawn_faults_over_many_runs_keep_every_promise(void **state)
{
    (void)state;
    const unsigned faults = 1u << LT_FAULT_ABORTABLE | 1u << LT_FAULT_RETRY | 1u << LT_FAULT_LOST_APPLIED |
                            1u << LT_FAULT_LOST_DROPPED | 1u << LT_FAULT_REBALANCE | 1u << LT_FAULT_NOTHING |
                            1u << LT_FAULT_CRASH | 1u << LT_FAULT_CRASH_AFTER;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct world *w = world_new();
        fill(w);
        lt_memory_chaos(w->memory, seed, 30 + (unsigned)(seed % 5) * 30, faults);
        (void)run_to_the_end(w);
        lt_memory_schedule(w->memory, NULL, NULL);
        (void)run_to_the_end(w);
        check(w, "seed", seed);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_transaction_is_written_again_with_the_same_outcomes),
        cmocka_unit_test(a_commit_whose_answer_is_lost_is_looked_up_not_guessed),
        cmocka_unit_test(a_producer_fenced_once_is_made_anew),
        cmocka_unit_test(a_rebalance_at_any_step_repeats_nothing),
        cmocka_unit_test(a_crash_at_any_step_repeats_no_row),
        cmocka_unit_test(a_membership_that_no_twin_took_repeats_nothing),
        cmocka_unit_test(a_twin_ends_the_process),
        cmocka_unit_test(drawn_faults_over_many_runs_keep_every_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
