/* What a restart, a crash or a rebalance may repeat: nothing inside the log, and no row at the target. */
#include "tests/unit/delivery_world.h"

#include "gateway/delivery/position.h"

#include <stdio.h>

static enum reply hold_a(struct world *w, const struct seen *call)
{
    bool *held = w->ctx;
    return *held && strcmp(call->dossier, "A") == 0 ? REPLY_HOLD : REPLY_OK;
}

static void what_is_finished_beyond_an_open_record_is_not_repeated_after_a_crash(void **state)
{
    (void)state;
    struct world *w = world_new();
    bool held = true;
    w->script = hold_a;
    w->ctx = &held;
    world_received(w, 0, "A", 0);
    for (int n = 0; n < 20; n++)
        world_received(w, 0, "B", n);
    world_open(w);
    world_run_until_forwarded(w, 20);
    world_turns(w, 20);
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, 0);
    world_crash(w);
    held = false;
    size_t calls = w->calls;
    world_open(w);
    world_run_until_forwarded(w, 21);
    world_turns(w, 50);
    assert_int_equal(w->calls, calls + 2); /* upsert and progress of A */
    assert_int_equal(world_forwarded(w), 21);
    assert_int_equal(world_answers(w), 21);
    world_expect_status(w, "\"skipped_done\":20");
    world_check_forwarded_in_order(w, "A", 1);
    world_check_forwarded_in_order(w, "B", 20);
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, 21);
    world_free(w);
}

static enum reply hold_progress(struct world *w, const struct seen *call)
{
    bool *held = w->ctx;
    return *held && call->step == LT_STEP_PROGRESS && strcmp(call->dossier, "A") == 0 ? REPLY_HOLD : REPLY_OK;
}

static void a_row_that_was_out_at_a_crash_is_never_sent_again_by_itself(void **state)
{
    (void)state;
    struct world *w = world_new();
    bool held = true;
    w->script = hold_progress;
    w->ctx = &held;
    world_received(w, 0, "A", 0);
    world_received(w, 1, "B", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 20);
    struct lt_ledger l;
    world_ledger(w, 0, &l);
    assert_int_equal(l.opens_len, 1); /* committed before the call left */
    assert_int_equal(l.opens->state, LT_OPEN_INTENT);
    assert_string_equal(l.opens->step, "progress");
    lt_ledger_deinit(&l);
    world_crash(w);
    held = false;
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(world_parked(w, "A"), 1);
    world_received(w, 1, "B", 1);
    world_run_until_forwarded(w, 2);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 0);
    world_free(w);
}

static void an_upsert_that_was_out_at_a_crash_is_asked_again(void **state)
{
    (void)state;
    struct world *w = world_new();
    bool held = true;
    w->script = hold_a;
    w->ctx = &held;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 20);
    assert_int_equal(w->calls, 1);
    world_crash(w);
    held = false;
    world_open(w);
    world_run_until_forwarded(w, 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    world_free(w);
}

/* Answers a call only in the second turn after it was made: there is always something in flight. */
static enum reply slowly(struct world *w, const struct seen *call)
{
    int *turn = w->ctx;
    (void)call;
    return ++*turn % 3 == 0 ? REPLY_OK : REPLY_HOLD;
}

static void closing_waits_for_what_is_in_flight_and_commits_it(void **state)
{
    (void)state;
    struct world *w = world_new();
    int turn = 0;
    w->script = slowly;
    w->ctx = &turn;
    w->target.timeout_ms = 5000;
    for (int d = 0; d < 120; d++) {
        char code[16];
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, d % 2, code, 0);
    }
    int restarts = 0;
    for (int i = 0; i < 500 && world_forwarded(w) < 120; i++) {
        if (!w->engine)
            world_open(w);
        world_turns(w, 12);
        world_close(w);
        restarts++;
    }
    assert_true(restarts > 2);
    assert_int_equal(world_forwarded(w), 120);
    assert_int_equal(world_answers(w), 120);
    for (int d = 0; d < 120; d++) { /* nothing was cut off, so nothing is unknown and nothing was sent twice */
        char code[16];
        snprintf(code, sizeof(code), "D%d", d);
        assert_int_equal(world_applied_count(w, code, 0, LT_STEP_PROGRESS), 1);
    }
    world_free(w);
}

static void nothing_to_do(void *ctx, int32_t partition)
{
    (void)ctx;
    (void)partition;
}

static void gives_back(void *ctx, int32_t partition, bool lost)
{
    (void)ctx;
    (void)partition;
    (void)lost;
}

/* Another member of the group, which does nothing with what it gets. */
static struct lt_log *idle_member(struct world *w, const char *instance_id)
{
    const struct lt_log_settings s = {.group = "lt.sim",
                                      .topic = "lt.sim",
                                      .instance_id = instance_id,
                                      .callbacks = {.on_assign = nothing_to_do, .on_revoke = gives_back}};
    struct lt_log *l = NULL;
    assert_int_equal(lt_log_memory_new(w->memory, &s, &l, NULL), LT_OK);
    return l;
}

static void an_instance_more_than_there_are_partitions_is_ready_and_one_without_its_share_is_not(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct lt_log *others[] = {idle_member(w, "lt.sim.gw0.0"), NULL};
    world_open(w);
    assert_false(lt_engine_ready(w->engine));
    world_turn(w);
    world_expect_status(w, "\"ready\":false");
    others[1] = idle_member(w, "lt.sim.gw0.1"); /* these two have what there is */
    for (int i = 0; i < 50; i++) {
        struct lt_log_record *r = NULL;
        for (size_t o = 0; o < LT_ARRAY_LEN(others); o++)
            (void)others[o]->ops->poll(others[o], 0, &r, NULL); /* they start nothing, so nothing comes */
        assert_null(r);
        world_turn(w);
    }
    world_expect_status(w, "\"partitions\":[]");
    world_expect_status(w, "\"ready\":true");
    for (size_t o = 0; o < LT_ARRAY_LEN(others); o++)
        others[o]->ops->close(others[o]);
    world_free(w);
}

static void a_rebalance_takes_nothing_away_that_is_in_flight(void **state)
{
    (void)state;
    struct world *w = world_new();
    int turn = 0;
    w->script = slowly;
    w->ctx = &turn;
    w->target.timeout_ms = 5000;
    for (int n = 0; n < 4; n++)
        for (int d = 0; d < 20; d++) {
            char code[16];
            snprintf(code, sizeof(code), "D%d", d);
            world_received(w, d % 2, code, n);
        }
    world_open(w);
    world_turns(w, 5);
    struct lt_log *other = idle_member(w, "lt.sim.gw2.0");
    int rebalances = 0;
    for (int i = 0; i < 20000 && world_forwarded(w) < 80; i++) {
        if (i % 25 == 24) {
            lt_memory_rebalance(w->memory, "lt.sim");
            rebalances++;
        }
        struct lt_log_record *r = NULL;
        (void)other->ops->poll(other, 0, &r, NULL);
        world_turn(w);
    }
    assert_int_equal(world_forwarded(w), 80);
    assert_true(rebalances > 3);
    assert_int_equal(world_answers(w), 80);
    for (int d = 0; d < 20; d++) {
        char code[16];
        snprintf(code, sizeof(code), "D%d", d);
        world_check_forwarded_in_order(w, code, 4);
        for (int n = 0; n < 4; n++)
            assert_int_equal(world_applied_count(w, code, n, LT_STEP_PROGRESS), 1);
    }
    other->ops->close(other);
    world_free(w);
}

/* Of two instances each gets its part of the rate from the first call on, not from the next rebalance. */
static void an_instance_with_half_the_partitions_takes_half_the_rate_at_once(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct lt_log_record *r = NULL;
    struct lt_log *other = idle_member(w, "lt.sim.gw2.0");
    (void)other->ops->poll(other, 0, &r, NULL);
    w->target.rate = 20;
    for (int d = 0; d < 100; d++) {
        char code[16];
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, d % 2, code, 0);
    }
    world_open(w);
    for (int i = 0; i < 3000; i++) {
        (void)other->ops->poll(other, 0, &r, NULL);
        world_turn(w);
    }
    assert_true(w->calls > 20);
    assert_true(w->calls <= 40); /* 10 at once, 10 a second */
    other->ops->close(other);
    world_free(w);
}

struct doubt {
    bool resolved, used;
    size_t calls;
};

/* The first intent is committed and nobody knows it for a minute. */
static enum lt_memory_fault in_doubt(void *ctx, const char *instance, enum lt_memory_step step, uint64_t number)
{
    struct doubt *d = ctx;
    (void)instance;
    (void)number;
    if (step == LT_STEP_COMMIT && !d->used) {
        d->used = true;
        return LT_FAULT_LOST_APPLIED;
    }
    return step == LT_STEP_COMMITTED && d->used && !d->resolved ? LT_FAULT_RETRY : LT_FAULT_NONE;
}

/* Whoever finds the intent of this call in the ledger waits until the call is settled. */
static enum reply covered(struct world *w, const struct seen *call)
{
    struct doubt *d = w->ctx;
    struct lt_ledger l;
    (void)call;
    d->calls++;
    world_ledger(w, 0, &l);
    assert_int_equal(l.opens_len, 1);
    assert_int_equal(l.opens->state, LT_OPEN_INTENT);
    assert_true(l.opens->until_ms >= w->now_ms + w->target.timeout_ms + w->target.settle_ms);
    /* and until a sender that froze within its session has written it, however short the call's own time is */
    assert_true(l.opens->until_ms >= w->now_ms + 10000 + w->target.settle_ms);
    lt_ledger_deinit(&l);
    return REPLY_OK;
}

static void an_intent_that_grew_old_in_doubt_is_made_anew_before_it_is_sent(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct doubt d = {0};
    w->script = covered;
    w->ctx = &d;
    lt_memory_schedule(w->memory, in_doubt, &d);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 20);
    assert_true(d.used);
    assert_int_equal(d.calls, 0);
    world_advance(w, 60000);
    d.resolved = true;
    world_run_until_forwarded(w, 1);
    assert_int_equal(d.calls, 2);
    world_free(w);
}

static enum reply vanish_once(struct world *w, const struct seen *call)
{
    struct doubt *d = w->ctx;
    return call->step == LT_STEP_PROGRESS && d->calls++ == 0 ? REPLY_VANISHED : REPLY_OK;
}

static void a_repeat_whose_intent_grew_old_is_counted_once(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct doubt d = {.used = true, .resolved = true};
    w->repeat_unknown = true;
    w->script = vanish_once;
    w->ctx = &d;
    lt_memory_schedule(w->memory, in_doubt, &d);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(d.calls, 1);
    d.used = d.resolved = false; /* the commit of the repeat's intent */
    world_advance(w, 2000);
    world_turns(w, 20);
    assert_int_equal(d.calls, 1);
    assert_true(d.used);
    world_advance(w, 60000);
    d.resolved = true;
    world_run_until_forwarded(w, 1);
    world_turns(w, 20);
    assert_int_equal(d.calls, 2);
    world_expect_status(w, "\"repeats\":1");
    assert_int_equal(world_history(w, "\"repeat\""), 1);
    world_free(w);
}

/* So many are done beyond the oldest open one that the former owner fetched no more: the oldest must come first. */
static void a_done_set_at_its_limit_does_not_keep_the_oldest_record_away(void **state)
{
    (void)state;
    enum { DONE = 40000 };
    struct world *w = world_new();
    struct lt_headers none = {0};
    struct lt_delivery_position p;
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(lt_delivery_position_parse(lt_span_str(at.metadata), &p, NULL), LT_OK);
    p.number++;
    p.open = p.counts[LT_COUNT_OK] = DONE;
    lt_delivery_position_format(&p, at.metadata);
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, 0, at.metadata);
    world_received(w, 0, "A", 0);
    lt_memory_hole(w->memory, "lt.sim", 0, DONE);
    for (int64_t n = 1; n <= DONE; n++) {
        const struct lt_open o = {.offset = n, .state = LT_OPEN_DONE, .step = "done", .outcome = LT_OUTCOME_OK};
        char id[16];
        snprintf(id, sizeof(id), "%d", (int)n);
        LT_AUTOFREE char *key = lt_ledger_open_key(LT_SPAN_LIT("H22/B"), lt_span_str(id), LT_SPAN_LIT("-"), "done", n);
        LT_AUTOFREE char *value = lt_ledger_open_value(&o);
        lt_memory_append(w->memory, "lt.ledger.sim", 0, lt_span_str(key), &none, lt_span_str(value));
    }
    world_open(w);
    world_run_until_forwarded(w, 1);
    int64_t last = world_received(w, 0, "A", 1);
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, last + 1);
    world_free(w);
}

/* ---- reading a ledger while calls go on ---- */

#define LONG 30000

/* Records of the ledger that the engine reads in one turn, looked at from outside. */
static struct {
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    int (*fn)(void *ctx, const struct lt_log_record *r);
    void *ctx;
    size_t turn, most;
} scans;

static int spied_record(void *ctx, const struct lt_log_record *r)
{
    (void)ctx;
    scans.turn++;
    return scans.fn(scans.ctx, r);
}

static int spied_scan(struct lt_log *l, const char *topic, int32_t partition, int64_t from, int64_t to,
                      int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    scans.fn = fn;
    scans.ctx = ctx;
    return scans.real->scan(l, topic, partition, from, to, spied_record, NULL, err);
}

static void spy(struct world *w)
{
    if (!w->log || w->log->ops == &scans.ops)
        return;
    scans.real = w->log->ops;
    scans.ops = *w->log->ops;
    scans.ops.scan = spied_scan;
    w->log->ops = &scans.ops;
}

static void watched_turn(struct world *w)
{
    scans.turn = 0;
    world_turn(w);
    scans.most = LT_MAX(scans.most, scans.turn);
    spy(w);
}

/* What compaction has not reached yet. */
static void lengthen_ledger(struct world *w, int32_t partition)
{
    struct lt_headers none = {0};
    for (int n = 0; n < LONG; n++)
        lt_memory_append(w->memory, "lt.ledger.sim", partition, LT_SPAN_LIT("C"), &none,
                         LT_SPAN_LIT("{\"decisions\":[]}"));
}

static void a_long_ledger_is_read_bit_by_bit_while_the_other_partitions_deliver(void **state)
{
    (void)state;
    struct world *w = world_new();
    scans.most = 0;
    lengthen_ledger(w, 0);
    world_received(w, 0, "A", 0);
    for (int n = 0; n < 3; n++)
        world_received(w, 1, "B", n);
    world_open(w);
    while (world_forwarded(w) < 3)
        watched_turn(w);
    world_expect_status(w, "\"partition\":0,\"state\":\"loading\"");
    world_expect_status(w, "reading lt.ledger.sim/0: ");
    while (world_forwarded(w) < 4)
        watched_turn(w);
    assert_in_range(scans.most, 100, 2500);
    world_check_forwarded_in_order(w, "B", 3);
    world_free(w);
}

static void a_partition_that_is_given_back_while_its_ledger_is_read_is_let_go(void **state)
{
    (void)state;
    struct world *w = world_new();
    lengthen_ledger(w, 0);
    world_received(w, 0, "A", 0);
    lt_memory_rebalance(w->memory, "lt.sim"); /* nobody is there: it only makes the group */
    world_open(w);
    for (int i = 0; i < 8; i++) {
        lt_memory_fault_at(w->memory, lt_memory_steps(w->memory) + 3 + (uint64_t)i, LT_FAULT_REBALANCE);
        world_turn(w);
    }
    world_run_until_forwarded(w, 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    world_free(w);
}

static enum reply refuse_a_once(struct world *w, const struct seen *call)
{
    return call->dossier[0] == 'A' && w->asked++ == 0 ? REPLY_REJECT : REPLY_OK;
}

static void parked_events_are_looked_for_bit_by_bit_while_others_are_delivered(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = refuse_a_once;
    for (int n = 0; n < 3; n++)
        world_received(w, 0, "A", n);
    world_open(w);
    world_turns(w, 50);
    assert_int_equal(world_parked(w, "A"), 3);
    lengthen_ledger(w, 0);
    for (int n = 0; n < 40; n++)
        world_received(w, 0, "B", n);
    world_decide(w, 0, "A", "d1", LT_VERB_RETRY, -1, NULL);
    world_advance(w, 1000);
    scans.most = 0;
    for (int i = 0; i < 12; i++)
        watched_turn(w);
    size_t done = world_forwarded(w); /* A is not found yet, and B goes on */
    assert_true(done > 0);
    assert_int_equal(world_parked(w, "A"), 3);
    while (world_forwarded(w) < 43)
        watched_turn(w);
    assert_in_range(scans.most, 100, 2500);
    world_check_forwarded_in_order(w, "A", 3);
    world_check_forwarded_in_order(w, "B", 40);
    world_free(w);
}

static void thousands_of_decisions_made_while_nobody_ran_are_all_applied_before_anything_starts(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = refuse_a_once;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 50);
    assert_int_equal(world_parked(w, "A"), 1);
    world_close(w);
    for (int n = 0; n < 3500; n++) {
        char id[16];
        snprintf(id, sizeof(id), "x%d", n);
        world_decide(w, 0, "Nobody", id, LT_VERB_SKIP, -1, NULL);
    }
    world_decide(w, 0, "*0", "p", LT_VERB_PAUSE, -1, NULL);
    world_received(w, 0, "B", 0);
    size_t calls = w->calls;
    scans.most = 0;
    world_open(w);
    for (int i = 0; i < 100; i++)
        watched_turn(w);
    assert_int_equal(w->calls, calls);
    world_expect_status(w, "\"paused_by\":\"operator\"");
    assert_int_equal(world_history(w, "ignored: it is not parked"), 3500);
    assert_in_range(scans.most, 100, 2500);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_that_is_given_back_while_its_ledger_is_read_is_let_go),
        cmocka_unit_test(a_long_ledger_is_read_bit_by_bit_while_the_other_partitions_deliver),
        cmocka_unit_test(parked_events_are_looked_for_bit_by_bit_while_others_are_delivered),
        cmocka_unit_test(thousands_of_decisions_made_while_nobody_ran_are_all_applied_before_anything_starts),
        cmocka_unit_test(what_is_finished_beyond_an_open_record_is_not_repeated_after_a_crash),
        cmocka_unit_test(a_row_that_was_out_at_a_crash_is_never_sent_again_by_itself),
        cmocka_unit_test(an_upsert_that_was_out_at_a_crash_is_asked_again),
        cmocka_unit_test(closing_waits_for_what_is_in_flight_and_commits_it),
        cmocka_unit_test(an_intent_that_grew_old_in_doubt_is_made_anew_before_it_is_sent),
        cmocka_unit_test(an_instance_with_half_the_partitions_takes_half_the_rate_at_once),
        cmocka_unit_test(a_done_set_at_its_limit_does_not_keep_the_oldest_record_away),
        cmocka_unit_test(a_repeat_whose_intent_grew_old_is_counted_once),
        cmocka_unit_test(an_instance_more_than_there_are_partitions_is_ready_and_one_without_its_share_is_not),
        cmocka_unit_test(a_rebalance_takes_nothing_away_that_is_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
