/* What one partition's trouble may cost the others, and what a queue that is not as it was may cost anybody. */
#include "tests/unit/delivery_world.h"
#include "tests/unit/remade.h"

#include "gateway/delivery/position.h"

#include <stdio.h>

/* Retried transactions of the core leave offsets that no reader ever sees. */
static void a_wide_gap_is_passed(void **state)
{
    (void)state;
    struct world *w = world_new();
    lt_memory_hole(w->memory, "lt.sim", 0, 3456);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    lt_memory_hole(w->memory, "lt.sim", 0, 2304);
    world_received(w, 0, "A", 1);
    int64_t last = world_received(w, 0, "B", 0);
    world_run_until_forwarded(w, 3);
    world_turns(w, 50);
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, last + 1);
    world_check_forwarded_in_order(w, "A", 2);
    world_free(w);
}

static void a_stopped_partition_leaves_the_memory_to_the_others(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct lt_headers none = {0};
    w->memory_bytes = 40000;
    world_received(w, 0, "B", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    for (int n = 0; n < 10; n++)
        world_received(w, 0, "A", n);
    lt_memory_append(w->memory, "lt.sim", 0, LT_SPAN_LIT("H22/B"), &none, LT_SPAN_LIT("{}"));
    world_turns(w, 50);
    world_expect_status(w, "\"reason\":\"BAD-RECORD\"");
    for (int n = 0; n < 20; n++)
        world_received(w, 1, "C", n);
    for (int i = 0; i < 20000; i++) {
        struct lt_log_offset at;
        world_turn(w);
        world_committed(w, 1, &at);
        if (at.offset == 20)
            break;
    }
    world_check_forwarded_in_order(w, "C", 20);
    world_check_forwarded_in_order(w, "B", 1);
    world_free(w);
}

/* The last step of A and every one of B stays out. */
static enum reply hold_a_and_b(struct world *w, const struct seen *call)
{
    const bool *held = w->ctx;
    return *held && (call->dossier[0] == 'B' || (call->dossier[0] == 'A' && call->step == LT_STEP_PROGRESS))
               ? REPLY_HOLD
               : REPLY_OK;
}

static enum reply let_a_go(struct world *w, const struct seen *call)
{
    (void)w;
    return call->dossier[0] == 'B' ? REPLY_HOLD : REPLY_OK;
}

/* What waits in memory is let go when its partition stops; while calls of later events are out the position must not
 * pass it. */
static void a_stop_while_calls_are_out_loses_nothing_that_waited(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct lt_headers none = {0};
    bool held = true;
    w->script = hold_a_and_b;
    w->ctx = &held;
    world_received(w, 0, "A", 0);
    int64_t waiting = world_received(w, 0, "A", 1);
    world_received(w, 0, "B", 0);
    world_open(w);
    world_turns(w, 50);
    assert_int_equal(w->flying_len, 2);
    int64_t bad = lt_memory_append(w->memory, "lt.sim", 0, LT_SPAN_LIT("H22/C"), &none, LT_SPAN_LIT("{}"));
    world_turns(w, 5);
    world_expect_status(w, "\"reason\":\"BAD-RECORD\"");
    w->script = let_a_go;
    world_turns(w, 50);
    assert_int_equal(world_forwarded(w), 1);
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_true(at.offset <= waiting);
    lt_memory_remove(w->memory, "lt.sim", 0, bad);
    held = false;
    w->script = NULL;
    world_close(w);
    world_open(w);
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    world_check_forwarded_in_order(w, "A", 2);
    world_free(w);
}

/* ---- a record that is no event ---- */

static int64_t append_bad(struct world *w)
{
    struct lt_headers h = {0};
    lt_headers_put(&h, "foreign", LT_SPAN_LIT("yes"));
    return lt_memory_append(w->memory, "lt.sim", 0, LT_SPAN_LIT("H22/C"), &h, LT_SPAN_LIT("{\"no\":1}"));
}

struct letter {
    char reason[32], order[24], foreign[8], value[64];
};

static int take_letter(void *ctx, const struct lt_log_record *r)
{
    struct letter *l = ctx;
    snprintf(l->reason, sizeof(l->reason), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(&r->headers, "lt_reason")));
    snprintf(l->order, sizeof(l->order), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(&r->headers, "lt_order")));
    snprintf(l->foreign, sizeof(l->foreign), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(&r->headers, "foreign")));
    snprintf(l->value, sizeof(l->value), LT_SPAN_FMT, LT_SPAN_ARG(r->value));
    return 0;
}

static struct letter only_letter(struct world *w)
{
    struct letter l = {0};
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
    assert_int_equal(w->log->ops->scan(w->log, LT_TOPIC_DEADLETTER, 0, 0, 1, take_letter, &l, NULL), LT_LOG_OK);
    return l;
}

static void a_record_that_is_no_event_is_passed_over_by_decision_and_kept_as_a_dead_letter(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    int64_t bad = append_bad(w);
    world_received(w, 0, "A", 1);
    int64_t last = world_received(w, 0, "C", 0);
    world_open(w);
    world_turns(w, 50);
    world_expect_status(w, "lienthong targets pass-over sim --partition 0 --offset 1\"");
    world_decide(w, 0, "*0", "d1", LT_VERB_PASS, bad, NULL);
    world_advance(w, 2000);
    world_run_until_forwarded(w, 3);
    world_turns(w, 50);
    struct letter l = only_letter(w);
    assert_string_equal(l.reason, "bad-record");
    assert_string_equal(l.order, "1");
    assert_string_equal(l.foreign, "yes");
    assert_string_equal(l.value, "{\"no\":1}");
    world_expect_status(w, "\"skipped\":1");
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, last + 1);
    world_check_forwarded_in_order(w, "A", 2);
    struct lt_ledger ledger;
    world_ledger(w, 0, &ledger);
    assert_int_equal(ledger.opens_len, 0);
    lt_ledger_deinit(&ledger);
    world_free(w);
}

/* Decided while nobody had the partition, and its owner dies at once: once is enough, for whoever comes. */
static void a_record_that_is_passed_over_stays_passed_over_by_the_next_owner(void **state)
{
    (void)state;
    struct world *w = world_new();
    bool held = true;
    w->script = hold_a_and_b;
    w->ctx = &held;
    world_received(w, 0, "B", 0);
    int64_t bad = append_bad(w);
    world_decide(w, 0, "*0", "d1", LT_VERB_PASS, bad, NULL);
    world_open(w);
    world_turns(w, 50);
    assert_int_equal(w->flying_len, 1);
    world_crash(w); /* the position has not passed B */
    held = false;
    w->script = NULL;
    world_received(w, 0, "C", 0);
    world_open(w);
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    only_letter(w);
    world_expect_status(w, "\"skipped\":1");
    world_expect_status(w, "\"state\":\"running\",\"offset\":3");
    world_free(w);
}

static void an_event_is_never_passed_over_and_nothing_twice(void **state)
{
    (void)state;
    struct world *w = world_new();
    bool held = true;
    w->script = hold_a_and_b;
    w->ctx = &held;
    int64_t good = world_received(w, 0, "B", 0);
    int64_t bad = append_bad(w);
    world_open(w);
    world_turns(w, 20);
    world_decide(w, 0, "*0", "d1", LT_VERB_PASS, good, NULL);
    world_decide(w, 0, "*0", "d2", LT_VERB_PASS, bad + 1, NULL);
    world_decide(w, 0, "*0", "d3", LT_VERB_PASS, bad, NULL);
    world_decide(w, 0, "*0", "d4", LT_VERB_PASS, bad, NULL);
    world_advance(w, 2000);
    world_turns(w, 50);
    assert_int_equal(world_history(w, "ignored: it is an event and must be delivered"), 1);
    assert_int_equal(world_history(w, "ignored: the queue has no record there"), 1);
    assert_int_equal(world_history(w, "ignored: the position is beyond it"), 1);
    only_letter(w);
    held = false;
    world_run_until_forwarded(w, 1);
    world_free(w);
}

/* What is written back when the group's own position is gone. */
static void the_ledger_holds_the_position_that_its_transaction_commits(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    world_received(w, 0, "B", 0);
    world_open(w);
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    struct lt_log_offset at;
    struct lt_ledger l;
    world_committed(w, 0, &at);
    world_ledger(w, 0, &l);
    assert_int_equal(at.offset, 2);
    assert_string_equal(l.position, at.metadata);
    lt_ledger_deinit(&l);
    world_free(w);
}

static enum reply hold_rows(struct world *w, const struct seen *call)
{
    const bool *held = w->ctx;
    return *held && call->step == LT_STEP_PROGRESS ? REPLY_HOLD : REPLY_OK;
}

/* The fetch of a partition fails while a call of it is out: what the target answers is not thrown away. */
static void a_partition_whose_fetch_fails_commits_what_its_calls_brought_before_it_is_loaded_again(void **state)
{
    (void)state;
    struct world *w = world_new();
    bool held = true;
    w->script = hold_rows;
    w->ctx = &held;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 30);
    assert_int_equal(w->flying_len, 1);
    for (int n = 0; n < 5; n++)
        lt_memory_hole(w->memory, "lt.sim", 0, 1);
    lt_memory_delete_head(w->memory, "lt.sim", 0, 4);
    world_turns(w, 5);
    assert_int_equal(w->flying_len, 1);
    held = false;
    world_turns(w, 20);
    assert_int_equal(world_forwarded(w), 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    assert_int_equal(world_parked(w, "A"), 0);
    world_expect_status(w, "\"reason\":\"UNDELIVERED-DELETED\""); /* and only then its loss is told */
    world_free(w);
}

static struct {
    const struct lt_log_ops *real;
    struct lt_log_ops ops;
    struct lt_log_record record; /* says which partition */
    bool fails;                  /* the next poll */
    int records;                 /* then again: the poll after so many records; 0: none */
} fetch;

static int failing_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    if (!fetch.fails) {
        int r = fetch.real->poll(l, timeout_ms, ret, err);
        fetch.fails = r == LT_LOG_OK && fetch.records > 0 && --fetch.records == 0;
        return r;
    }
    fetch.fails = false;
    *ret = &fetch.record;
    (void)lt_err_set(err, LT_E_AUTH, "denied", "topic lt.sim partition 0: Topic authorization failed");
    return LT_LOG_PARTITION;
}

static void failing_free(struct lt_log *l, struct lt_log_record *r)
{
    if (r != &fetch.record)
        fetch.real->record_free(l, r);
}

static void hook_fetch(struct world *w)
{
    fetch.real = w->log->ops;
    fetch.ops = *w->log->ops;
    fetch.ops.poll = failing_poll;
    fetch.ops.record_free = failing_free;
    w->log->ops = &fetch.ops;
}

static void fail_fetch(struct world *w)
{
    fetch.fails = true;
    world_turns(w, 20);
    assert_false(fetch.fails);
}

/* A right that was taken away, say: each loading finds nothing wrong, and nothing ever comes. */
static void a_partition_whose_fetch_fails_again_and_again_is_stopped_and_says_why(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_open(w);
    world_turns(w, 50);
    hook_fetch(w);
    fail_fetch(w);
    assert_true(lt_engine_ready(w->engine)); /* once: loaded again at once */
    fail_fetch(w);
    world_expect_status(w, "Topic authorization failed");
    world_expect_status(w, "\"reason\":\"FETCH-FAILED\"");
    assert_false(lt_engine_ready(w->engine));
    world_received(w, 0, "A", 0);
    world_received(w, 1, "B", 0);
    world_advance(w, 30000);
    world_run_until_forwarded(w, 2);
    assert_true(lt_engine_ready(w->engine));
    fail_fetch(w); /* a record came since: another trouble */
    assert_true(lt_engine_ready(w->engine));
    w->log->ops = fetch.real;
    world_free(w);
}

/* What comes before the place that cannot be read is let go with each failure, and comes again: it is no progress. */
static void records_that_come_before_each_failure_do_not_hide_that_it_stays_so(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_open(w);
    world_turns(w, 50);
    hook_fetch(w);
    world_received(w, 0, "A", 0);
    world_received(w, 0, "B", 0);
    for (int n = 0; n < 2; n++) {
        assert_true(lt_engine_ready(w->engine));
        fetch.records = 2;
        for (int turns = 0; fetch.records > 0 || fetch.fails; turns++) {
            assert_true(turns < 20);
            world_turns(w, 1);
        }
    }
    world_turns(w, 20);
    world_expect_status(w, "\"reason\":\"FETCH-FAILED\"");
    assert_false(lt_engine_ready(w->engine));
    assert_int_equal(world_forwarded(w), 0);
    world_advance(w, 30000);
    world_run_until_forwarded(w, 2);
    assert_true(lt_engine_ready(w->engine));
    w->log->ops = fetch.real;
    world_free(w);
}

static void a_queue_that_ends_before_the_position_stops(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (int n = 0; n < 4; n++)
        world_received(w, 0, "A", n);
    world_open(w);
    world_run_until_forwarded(w, 4);
    world_turns(w, 50);
    world_close(w);
    lt_memory_truncate(w->memory, "lt.sim", 0, 2);
    world_open(w);
    world_turns(w, 50);
    world_advance(w, 20000);
    world_turns(w, 5);
    world_expect_status(w, "\"reason\":\"QUEUE-CHANGED\"");
    assert_false(lt_engine_ready(w->engine));
    world_received(w, 1, "B", 0); /* the others go on */
    world_run_until_forwarded(w, 5);
    world_free(w);
}

static bool stops(struct world *w)
{
    LT_AUTOFREE char *status = world_status(w);
    return strstr(status, "\"stop\":") != NULL;
}

static void a_position_that_a_broker_tells_only_after_a_while_is_waited_for_without_a_stop(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct lt_log_offset at;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    world_close(w);
    lt_memory_offset_get(w->memory, "lt.sim", "lt.sim", 0, &at);
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, -1, "");
    world_received(w, 0, "A", 1);
    world_open(w);
    for (int s = 0; s < 10; s++) {
        world_turns(w, 5);
        world_expect_status(w, "\"waiting_for\":\"waiting whether it stays so: group lt.sim has lost its position");
        assert_false(stops(w));
        world_advance(w, 1000);
    }
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, at.offset, at.metadata);
    world_advance(w, 2000);
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    world_close(w);

    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, -1, "");
    world_open(w);
    world_turns(w, 5);
    assert_false(stops(w)); /* counted anew */
    world_advance(w, 20000);
    world_turns(w, 5);
    world_expect_status(w, "\"reason\":\"OFFSETS-LOST\"");
    world_advance(w, 30000);
    world_turns(w, 5);
    world_expect_status(w, "\"reason\":\"OFFSETS-LOST\""); /* a look that finds the same is no news */
    assert_int_equal(world_forwarded(w), 2);
    world_free(w);
}

/* Closed, with A's two events and B's delivered, and its position set back to where it was after A's first. */
static struct world *put_back(struct lt_log_offset *ret_before, struct lt_log_offset *ret_at)
{
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    world_committed(w, 0, ret_before);
    world_received(w, 0, "A", 1);
    world_received(w, 0, "B", 0);
    world_run_until_forwarded(w, 3);
    world_turns(w, 50);
    world_committed(w, 0, ret_at);
    world_close(w);
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, ret_before->offset, ret_before->metadata);
    return w;
}

/* Nothing open, nothing parked, then as now: only the number of the transaction tells (decision 15). */
static void an_older_position_than_was_committed_is_never_delivered_from(void **state)
{
    (void)state;
    struct lt_log_offset before, at;
    struct world *w = put_back(&before, &at);
    world_received(w, 0, "A", 2);
    world_open(w);
    world_turns(w, 5);
    world_expect_status(w, "\"waiting_for\":\"waiting whether it stays so: group lt.sim tells of transaction");
    world_advance(w, 20000);
    world_turns(w, 5);
    world_expect_status(w, "\"reason\":\"OFFSETS-LOST\"");
    assert_int_equal(world_forwarded(w), 3);
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, at.offset, at.metadata);
    world_advance(w, 30000);
    world_run_until_forwarded(w, 4);
    world_turns(w, 50);
    world_check_forwarded_in_order(w, "A", 3);
    world_check_forwarded_in_order(w, "B", 1);
    world_free(w);
}

/* Retention has deleted since what was delivered behind the older position: nothing of it is lost. */
static void an_older_position_from_before_the_queues_begin_is_not_taken_for_a_loss(void **state)
{
    (void)state;
    struct lt_log_offset before, at;
    struct world *w = put_back(&before, &at);
    lt_memory_delete_head(w->memory, "lt.sim", 0, before.offset + 1);
    world_open(w);
    world_turns(w, 5);
    assert_false(stops(w)); /* it may come right yet */
    world_advance(w, 20000);
    world_turns(w, 5);
    world_expect_status(w, "\"reason\":\"OFFSETS-LOST\"");
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, at.offset, at.metadata);
    world_received(w, 0, "A", 2);
    world_advance(w, 30000);
    world_run_until_forwarded(w, 4);
    world_check_forwarded_in_order(w, "A", 3);
    world_free(w);
}

static void a_ledger_from_before_the_position_stops(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    struct lt_memory_copy *copy = lt_memory_copy_new(w->memory, w->ledger, 0);
    world_received(w, 0, "A", 1);
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    world_close(w);
    lt_memory_copy_restore(w->memory, copy);
    world_open(w);
    world_turns(w, 5);
    world_advance(w, 20000);
    world_turns(w, 5);
    world_expect_status(w, "\"reason\":\"LEDGER-DIFFERS\"");
    assert_int_equal(world_forwarded(w), 2);

    /* It was a former version, which writes no position there: without one the counts alone are compared. */
    const struct lt_headers none = {0};
    (void)lt_memory_append(w->memory, w->ledger, 0, LT_SPAN_LIT("O"), &none, LT_SPAN_NULL);
    world_received(w, 0, "A", 2);
    world_advance(w, 30000);
    world_run_until_forwarded(w, 3);
    world_check_forwarded_in_order(w, "A", 3);
    world_free(w);
}

/* Kafka deletes the group's offsets on a topic with the topic. */
static void a_queue_that_was_deleted_and_made_again_stops_until_somebody_decides(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    world_close(w);
    for (int32_t p = 0; p < WORLD_PARTITIONS; p++) {
        lt_memory_truncate(w->memory, w->queue, p, 0);
        lt_memory_offset_set(w->memory, w->queue, w->queue, p, -1, "");
    }
    world_open(w);
    world_turns(w, 50);
    world_advance(w, 20000);
    world_turns(w, 50);
    world_advance(w, 30000);
    world_turns(w, 50);
    world_expect_status(w, "\"reason\":\"OFFSETS-LOST\"");
    world_expect_status(w, "lt.sim was made again");
    world_expect_status(w, "\"command\":\"lienthong targets position sim --partition 0\"");
    world_expect_status(w, "\"reason\":\"NOT-INITIALISED\""); /* the other partition never delivered anything */
    assert_int_equal(world_forwarded(w), 1);
    world_free(w);
}

/* The outcome of a call that is out waits for the ledger; nothing is sent without one; then it is read anew. */
static void a_ledger_that_goes_away_stops_the_partitions_and_an_empty_one_is_not_taken_for_it(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_REJECT, .step = LT_STEP_UPSERT};
    struct world *w = world_with_parked(&f, 2);
    size_t calls = w->calls, forwarded = world_forwarded(w);
    lt_memory_topic_drop(w->memory, w->ledger);
    world_received(w, 0, "B", 0);
    world_turns(w, 50);
    world_expect_status(w, "\"reason\":\"LEDGER-MISSING\"");
    world_expect_status(w, "\"command\":\"lienthong topics create\"");
    assert_false(lt_engine_ready(w->engine));
    assert_int_equal(w->calls, calls);
    lt_memory_topic(w->memory, w->ledger, WORLD_PARTITIONS, 0, false);
    for (int i = 0; i < 4; i++) {
        world_advance(w, 31000);
        world_turns(w, 50);
    }
    world_expect_status(w, "\"reason\":\"LEDGER-DIFFERS\""); /* what is parked is not in it */
    assert_int_equal(w->calls, calls);
    assert_int_equal(world_forwarded(w), forwarded);
    world_free(w);
}

static void a_ledger_in_which_nothing_was_open_goes_on_when_it_is_made_again(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    lt_memory_topic_drop(w->memory, w->ledger);
    world_received(w, 0, "A", 1);
    world_turns(w, 50);
    world_expect_status(w, "\"reason\":\"LEDGER-MISSING\"");
    lt_memory_topic(w->memory, w->ledger, WORLD_PARTITIONS, 0, false);
    for (int i = 0; i < 4; i++) {
        world_advance(w, 31000);
        world_turns(w, 50);
    }
    world_run_until_forwarded(w, 2);
    world_check_forwarded_in_order(w, "A", 2);
    assert_int_equal(world_applied_count(w, "A", 1, LT_STEP_PROGRESS),
                     world_applied_count(w, "A", 0, LT_STEP_PROGRESS));
    world_turns(w, 50);
    assert_true(lt_engine_ready(w->engine));
    world_free(w);
}

struct closing {
    bool on;
    int holds, lost, refused;
};

/* The answer comes while the engine is being closed. */
static enum reply late(struct world *w, const struct seen *call)
{
    struct closing *c = w->ctx;
    return call->step == LT_STEP_PROGRESS && (!c->on || c->holds-- > 0) ? REPLY_HOLD : REPLY_OK;
}

static enum lt_memory_fault trouble(void *ctx, const char *instance, enum lt_memory_step step, uint64_t number)
{
    struct closing *c = ctx;
    (void)instance;
    (void)number;
    if (c->on && step == LT_STEP_COMMIT && c->lost-- > 0)
        return LT_FAULT_LOST_DROPPED;
    if (c->on && step == LT_STEP_COMMITTED && c->refused-- > 0)
        return LT_FAULT_RETRY;
    return LT_FAULT_NONE;
}

static void an_outcome_in_doubt_at_the_end_is_looked_after_until_it_is_committed(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct closing c = {.holds = 2, .lost = 1, .refused = 2};
    w->script = late;
    w->ctx = &c;
    lt_memory_schedule(w->memory, trouble, &c);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(w->flying_len, 1);
    c.on = true;
    world_close(w);
    assert_int_equal(world_forwarded(w), 1);
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, 1);
    world_free(w);
}

/* ---- a topic it writes to goes away and is made again ---- */

/* Eight events into the next target's queue as it is made again; how many partitions of it have records then. */
static int32_t spread_when_remade(struct world *w, int32_t partitions, int number)
{
    struct remade r = {.memory = w->memory, .topic = "lt.next", .partitions = partitions};
    int32_t used = 0;
    lt_memory_schedule(w->memory, remake, &r);
    for (int i = 0; i < 8; i++)
        world_received(w, 0, (char[]){(char)('A' + i), 0}, number);
    for (int i = 0; i < 5000 && !(r.there && world_forwarded(w) == 8); i++)
        world_turn(w);
    lt_memory_schedule(w->memory, NULL, NULL);
    assert_true(r.there);
    assert_int_equal(world_forwarded(w), 8);
    for (int32_t p = 0; p < partitions; p++)
        used += lt_memory_end(w->memory, "lt.next", p) > 0;
    return used;
}

/* The order of a dossier is that of its partition: it must not move because a topic grew. */
static void a_next_queue_that_was_made_again_is_divided_anew_only_where_it_has_fewer_partitions(void **state)
{
    (void)state;
    struct world *w = world_new();
    lt_memory_topic_drop(w->memory, "lt.next");
    lt_memory_topic(w->memory, "lt.next", 2, 0, false);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    assert_int_equal(spread_when_remade(w, 50, 1), 2);
    assert_int_equal(lt_memory_end(w->memory, "lt.next", 0) > 0, 1);
    assert_int_equal(lt_memory_end(w->memory, "lt.next", 1) > 0, 1);
    assert_int_equal(spread_when_remade(w, 1, 2), 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_is_no_event_is_passed_over_by_decision_and_kept_as_a_dead_letter),
        cmocka_unit_test(a_record_that_is_passed_over_stays_passed_over_by_the_next_owner),
        cmocka_unit_test(an_event_is_never_passed_over_and_nothing_twice),
        cmocka_unit_test(the_ledger_holds_the_position_that_its_transaction_commits),
        cmocka_unit_test(a_wide_gap_is_passed),
        cmocka_unit_test(a_stopped_partition_leaves_the_memory_to_the_others),
        cmocka_unit_test(a_stop_while_calls_are_out_loses_nothing_that_waited),
        cmocka_unit_test(a_partition_whose_fetch_fails_commits_what_its_calls_brought_before_it_is_loaded_again),
        cmocka_unit_test(a_partition_whose_fetch_fails_again_and_again_is_stopped_and_says_why),
        cmocka_unit_test(records_that_come_before_each_failure_do_not_hide_that_it_stays_so),
        cmocka_unit_test(a_queue_that_ends_before_the_position_stops),
        cmocka_unit_test(a_position_that_a_broker_tells_only_after_a_while_is_waited_for_without_a_stop),
        cmocka_unit_test(an_older_position_than_was_committed_is_never_delivered_from),
        cmocka_unit_test(an_older_position_from_before_the_queues_begin_is_not_taken_for_a_loss),
        cmocka_unit_test(a_ledger_from_before_the_position_stops),
        cmocka_unit_test(an_outcome_in_doubt_at_the_end_is_looked_after_until_it_is_committed),
        cmocka_unit_test(a_queue_that_was_deleted_and_made_again_stops_until_somebody_decides),
        cmocka_unit_test(a_ledger_that_goes_away_stops_the_partitions_and_an_empty_one_is_not_taken_for_it),
        cmocka_unit_test(a_ledger_in_which_nothing_was_open_goes_on_when_it_is_made_again),
        cmocka_unit_test(a_next_queue_that_was_made_again_is_divided_anew_only_where_it_has_fewer_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
