/* What may be written back or given up when a queue's position cannot be gone on with, and what may not. */
#include "tests/unit/harness.h"

#include "gateway/delivery/mend.h"

#include <stdio.h>

struct scene {
    struct lt_mend_facts facts;
    struct lt_ledger ledger;
    char metadata[LT_DELIVERY_POSITION_MAX];
    struct lt_mend mend;
};

static void put(struct lt_ledger *l, const char *key, const char *value)
{
    const struct lt_log_record r = {
        .topic = "lt.ledger.sim", .key = lt_span_str(key), .value = lt_span_str(value), .value_null = value == NULL};
    assert_int_equal(lt_ledger_take(l, &r, NULL), LT_OK);
}

static void put_open(struct lt_ledger *l, const char *dossier, int64_t offset, enum lt_open_state state)
{
    const struct lt_open o = {.offset = offset, .state = state, .step = "progress", .since_ms = 1, .until_ms = 2};
    LT_AUTOFREE char *key =
        lt_ledger_open_key(lt_span_str(dossier), LT_SPAN_LIT("id"), LT_SPAN_LIT("-"), "progress", offset);
    LT_AUTOFREE char *value = lt_ledger_open_value(&o);
    put(l, key, value);
}

/* Position 10 of a queue from 0 to 20; beyond it 12 is done and 15 is out, B stands parked with 3 and 11. */
static struct scene scene_new(void)
{
    struct scene s = {.facts = {.target = "sim", .partition = 0, .offset = 10, .low = 0, .high = 20}};
    struct lt_delivery_position p = {.incarnation = 7, .number = 5, .base = 10, .control = 2, .open = 2};
    p.counts[LT_COUNT_OK] = 8;
    p.counts[LT_COUNT_PARKED] = 2;
    lt_delivery_position_format(&p, s.metadata);
    put_open(&s.ledger, "H22/A", 12, LT_OPEN_DONE);
    put_open(&s.ledger, "H22/C", 15, LT_OPEN_INTENT);
    put(&s.ledger, "P/H22/B/00000000000000000003", "{}");
    put(&s.ledger, "P/H22/B/00000000000000000011", "{}");
    put(&s.ledger, "O", s.metadata);
    return s;
}

static const struct lt_mend_facts *facts(struct scene *s)
{
    s->facts.ledger = &s->ledger;
    if (!s->facts.metadata)
        s->facts.metadata = s->metadata;
    return &s->facts;
}

/* B has nothing parked any more. */
static void unpark(struct scene *s)
{
    const struct lt_delivery_position p = {.incarnation = 7, .number = 5, .base = 10, .open = 2};
    put(&s->ledger, "P/H22/B/00000000000000000003", NULL);
    put(&s->ledger, "P/H22/B/00000000000000000011", NULL);
    lt_delivery_position_format(&p, s->metadata);
}

static void scene_free(struct scene *s)
{
    lt_mend_deinit(&s->mend);
    lt_ledger_deinit(&s->ledger);
}

static void the_reason_of_a_stop_follows_from_position_and_queue(void **state)
{
    (void)state;
    struct scene s = scene_new();
    assert_string_equal(lt_mend_diagnose(facts(&s)), "");
    s.facts.low = 11;
    assert_string_equal(lt_mend_diagnose(facts(&s)), "UNDELIVERED-DELETED");
    s.facts.low = 0;
    s.facts.high = 9;
    assert_string_equal(lt_mend_diagnose(facts(&s)), "QUEUE-CHANGED");
    s.facts.offset = 4;
    assert_string_equal(lt_mend_diagnose(facts(&s)), "MOVED");
    s.facts.metadata = "";
    assert_string_equal(lt_mend_diagnose(facts(&s)), "MOVED");
    s.facts.offset = -1;
    assert_string_equal(lt_mend_diagnose(facts(&s)), "OFFSETS-LOST");
    s.facts.high = 0;
    assert_string_equal(lt_mend_diagnose(facts(&s)), "OFFSETS-LOST"); /* the ledger knows of deliveries: made again */
    lt_ledger_deinit(&s.ledger);
    s.ledger = (struct lt_ledger){0};
    assert_string_equal(lt_mend_diagnose(facts(&s)), "NOT-INITIALISED");
    scene_free(&s);
}

static void a_position_that_is_gone_or_moved_is_written_back_from_the_ledger(void **state)
{
    (void)state;
    static const int64_t offsets[] = {-1, 0, 17};
    for (size_t i = 0; i < LT_ARRAY_LEN(offsets); i++) {
        struct scene s = scene_new();
        s.facts.offset = offsets[i];
        s.facts.metadata = "";
        lt_mend_position(facts(&s), &s.mend);
        assert_int_equal(s.mend.outcome, LT_MEND_DONE);
        assert_int_equal(s.mend.after.base, 10);
        assert_int_equal(s.mend.after.number, 6); /* another transaction than any that an owner was unsure of */
        assert_int_equal(s.mend.after.open, 2);
        assert_int_equal(s.mend.after.counts[LT_COUNT_OK], 8);
        assert_int_equal(s.mend.closed.len, 0);
        scene_free(&s);
    }
}

static void a_position_is_not_written_back_from_a_ledger_that_lost_a_record_or_holds_none(void **state)
{
    (void)state;
    struct scene s = scene_new();
    s.facts.offset = -1;
    s.facts.metadata = "";
    put(&s.ledger, "P/H22/B/00000000000000000011", NULL);
    lt_mend_position(facts(&s), &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "the position counts 2 and 2");
    s.ledger.position[0] = '\0';
    lt_mend_position(facts(&s), &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "from a backup");
    scene_free(&s);
}

/* Kafka deletes a group's offsets with the topic; by the time somebody looks the new one may be longer than the former
 * was. */
static void of_a_queue_that_was_made_again_nothing_is_passed_over_unseen(void **state)
{
    (void)state;
    struct scene s = scene_new();
    s.facts.offset = -1;
    s.facts.metadata = "";
    s.facts.remade = true;
    lt_mend_position(facts(&s), &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "accept-queue sim --partition 0 --from 10 --to 0");
    lt_mend_accept_queue(facts(&s), 9, 0, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "the position is 10, not 9");
    lt_mend_accept_queue(facts(&s), 10, 0, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "2 parked events");
    unpark(&s);
    put(&s.ledger, "O", s.metadata);
    lt_mend_accept_queue(facts(&s), 10, 0, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_DONE);
    assert_int_equal(s.mend.after.base, 0);
    assert_int_equal(s.mend.after.number, 6);
    assert_int_equal(s.mend.lost.len, 1);
    lt_mend_deinit(&s.mend);
    s.facts.remade = false; /* nothing says so: then it is a position that is gone */
    lt_mend_accept_queue(facts(&s), 10, 0, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "but as OFFSETS-LOST");
    scene_free(&s);
}

static void a_position_that_stands_is_left_alone(void **state)
{
    (void)state;
    struct scene s = scene_new();
    lt_mend_position(facts(&s), &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_NOT_NEEDED);
    lt_mend_accept_loss(facts(&s), 10, 12, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_NOT_NEEDED);
    s.facts.high = 9;
    lt_mend_accept_loss(facts(&s), 10, 12, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "but as QUEUE-CHANGED");
    scene_free(&s);
}

static void what_retention_took_is_given_up_by_name_and_what_is_parked_is_kept(void **state)
{
    (void)state;
    struct scene s = scene_new();
    s.facts.low = 16;
    lt_mend_accept_loss(facts(&s), 10, 16, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_DONE);
    assert_int_equal(s.mend.after.base, 16);
    assert_int_equal(s.mend.after.open, 0);
    assert_int_equal(s.mend.closed.len, 2);
    assert_int_equal(s.mend.lost.len, 1);
    assert_int_equal(s.mend.lost.v[0]->offset, 15);
    assert_int_equal(s.mend.after.counts[LT_COUNT_SKIPPED], 1);
    assert_int_equal(lt_delivery_position_parked(&s.mend.after), 2);
    assert_contains(s.mend.text, "1 are done, 1 are parked and kept, 1 were open and are given up, and of at most 3");
    scene_free(&s);
}

/* B's parked event 3 was let go on: its call is out. The queue has nothing to do with it. */
static void a_parked_event_that_runs_again_keeps_what_is_known_of_its_call(void **state)
{
    (void)state;
    struct scene s = scene_new();
    struct lt_delivery_position p = {.incarnation = 7, .number = 5, .base = 10, .control = 2, .open = 4};
    p.counts[LT_COUNT_PARKED] = 2;
    lt_delivery_position_format(&p, s.metadata);
    put_open(&s.ledger, "H22/B", 3, LT_OPEN_INTENT);
    put_open(&s.ledger, "H22/B", 11, LT_OPEN_UNKNOWN);
    s.facts.low = 16;
    lt_mend_accept_loss(facts(&s), 10, 16, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_DONE);
    assert_int_equal(s.mend.closed.len, 2);
    assert_int_equal(s.mend.lost.len, 1);
    assert_int_equal(s.mend.lost.v[0]->offset, 15);
    assert_int_equal(s.mend.after.open, 2);
    assert_int_equal(s.mend.after.counts[LT_COUNT_SKIPPED], 1);
    assert_contains(s.mend.text, "1 are done, 1 are parked and kept, 1 were open and are given up, and of at most 3");
    lt_mend_deinit(&s.mend);

    s.facts.low = 0; /* the queue lost its end, but not what B has parked */
    s.facts.high = 9;
    put(&s.ledger, "P/H22/B/00000000000000000011", NULL);
    put(&s.ledger, "I/H22/B/id/-/progress/11", NULL);
    p.counts[LT_COUNT_UNPARKED] = 1;
    p.open = 3;
    lt_delivery_position_format(&p, s.metadata);
    lt_mend_accept_queue(facts(&s), 10, 9, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_DONE);
    assert_int_equal(s.mend.closed.len, 2);
    assert_int_equal(s.mend.lost.len, 1);
    assert_int_equal(s.mend.after.open, 1);
    scene_free(&s);
}

static void an_open_delivery_beyond_the_loss_stays_open(void **state)
{
    (void)state;
    struct scene s = scene_new();
    s.facts.low = 13;
    lt_mend_accept_loss(facts(&s), 10, 13, &s.mend);
    assert_int_equal(s.mend.closed.len, 1);
    assert_int_equal(s.mend.lost.len, 0);
    assert_int_equal(s.mend.after.open, 1);
    scene_free(&s);
}

static void a_loss_is_accepted_only_as_it_is_now(void **state)
{
    (void)state;
    struct scene s = scene_new();
    s.facts.low = 13;
    lt_mend_accept_loss(facts(&s), 9, 13, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    lt_mend_accept_loss(facts(&s), 10, 12, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "begins at 13, not at 12");
    scene_free(&s);
}

static void a_queue_that_ends_before_the_position_goes_on_at_its_begin_or_end_alone(void **state)
{
    (void)state;
    static const int64_t at[] = {2, 9};
    for (size_t i = 0; i < LT_ARRAY_LEN(at); i++) {
        struct scene s = scene_new();
        s.facts.low = 2;
        s.facts.high = 9;
        unpark(&s);
        lt_mend_accept_queue(facts(&s), 10, 5, &s.mend);
        assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
        lt_mend_accept_queue(facts(&s), 10, at[i], &s.mend);
        assert_int_equal(s.mend.outcome, LT_MEND_DONE);
        assert_int_equal(s.mend.after.base, at[i]);
        assert_int_equal(s.mend.after.open, 0);
        assert_int_equal(s.mend.lost.len, 1);
        scene_free(&s);
    }
}

/* New records would take their offsets: the engine would pass them over as parked, or run them before. */
static void a_queue_made_again_is_not_accepted_while_events_are_parked_under_its_new_offsets(void **state)
{
    (void)state;
    struct scene s = scene_new();
    s.facts.high = 4;
    lt_mend_accept_queue(facts(&s), 10, 0, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "2 parked events");
    lt_mend_accept_queue(facts(&s), 10, 4, &s.mend);
    assert_int_equal(s.mend.outcome, LT_MEND_REFUSED);
    assert_contains(s.mend.text, "1 parked events");
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reason_of_a_stop_follows_from_position_and_queue),
        cmocka_unit_test(a_position_that_is_gone_or_moved_is_written_back_from_the_ledger),
        cmocka_unit_test(a_position_is_not_written_back_from_a_ledger_that_lost_a_record_or_holds_none),
        cmocka_unit_test(of_a_queue_that_was_made_again_nothing_is_passed_over_unseen),
        cmocka_unit_test(a_position_that_stands_is_left_alone),
        cmocka_unit_test(what_retention_took_is_given_up_by_name_and_what_is_parked_is_kept),
        cmocka_unit_test(a_parked_event_that_runs_again_keeps_what_is_known_of_its_call),
        cmocka_unit_test(an_open_delivery_beyond_the_loss_stays_open),
        cmocka_unit_test(a_loss_is_accepted_only_as_it_is_now),
        cmocka_unit_test(a_queue_that_ends_before_the_position_goes_on_at_its_begin_or_end_alone),
        cmocka_unit_test(a_queue_made_again_is_not_accepted_while_events_are_parked_under_its_new_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
