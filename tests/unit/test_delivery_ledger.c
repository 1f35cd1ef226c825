/* The records of a ledger: what a reader makes of them, in whatever order compaction left them. */
#include "gateway/delivery/control.h"
#include "gateway/delivery/ledger.h"
#include "tests/unit/harness.h"

static int take(struct lt_ledger *l, const char *key, const char *value)
{
    struct lt_err err = LT_ERR_INIT;
    const struct lt_log_record r = {
        .topic = "lt.ledger.sim", .key = lt_span_str(key), .value = lt_span_str(value), .value_null = !value};
    return lt_ledger_take(l, &r, &err);
}

static void open_deliveries_come_back_as_they_were_written_and_go_with_their_tombstone(void **state)
{
    (void)state;
    struct lt_ledger l = {0};
    const struct lt_open o = {.offset = 7,
                              .state = LT_OPEN_INTENT,
                              .step = "progress",
                              .outcome = LT_OUTCOME_EXISTS,
                              .since_ms = 1000,
                              .until_ms = 5000};
    LT_AUTOFREE char *key =
        lt_ledger_open_key(LT_SPAN_LIT("H22/A/1"), LT_SPAN_LIT("c0ffee"), LT_SPAN_LIT("-"), o.step, 7);
    LT_AUTOFREE char *value = lt_ledger_open_value(&o);
    assert_string_equal(key, "I/H22/A/1/c0ffee/-/progress/7"); /* a dossier may hold '/' */
    assert_int_equal(take(&l, key, value), LT_OK);
    assert_int_equal(l.opens_len, 1);
    assert_int_equal(l.opens->offset, 7);
    assert_int_equal(l.opens->state, LT_OPEN_INTENT);
    assert_int_equal(l.opens->outcome, LT_OUTCOME_EXISTS);
    assert_int_equal(l.opens->until_ms, 5000);
    assert_string_equal(l.opens->step, "progress");
    assert_int_equal(take(&l, key, NULL), LT_OK);
    assert_int_equal(take(&l, key, NULL), LT_OK);
    assert_int_equal(l.opens_len, 0);
    lt_ledger_deinit(&l);
}

static void parked_events_stand_in_order_whenever_they_were_written(void **state)
{
    (void)state;
    struct lt_ledger l = {0};
    const int64_t orders[] = {9, 3, 1000000, 3};
    for (size_t i = 0; i < LT_ARRAY_LEN(orders); i++) {
        LT_AUTOFREE char *key = lt_ledger_order_key(LT_LEDGER_PARKED, LT_SPAN_LIT("H22/A/1"), orders[i]);
        assert_int_equal(take(&l, key, "{}"), LT_OK);
    }
    assert_int_equal(l.parked_len, 3);
    assert_string_equal(l.lanes->key, "H22/A/1");
    assert_int_equal(l.lanes->parked.v[0], 3);
    assert_int_equal(l.lanes->parked.v[1], 9);
    assert_int_equal(l.lanes->parked.v[2], 1000000);
    for (size_t i = 0; i < LT_ARRAY_LEN(orders); i++) {
        LT_AUTOFREE char *key = lt_ledger_order_key(LT_LEDGER_PARKED, LT_SPAN_LIT("H22/A/1"), orders[i]);
        assert_int_equal(take(&l, key, NULL), LT_OK);
    }
    assert_int_equal(l.parked_len, 0);
    assert_null(l.lanes);
    lt_ledger_deinit(&l);
}

static void a_lane_and_a_pause_come_back_as_they_were_written(void **state)
{
    (void)state;
    struct lt_ledger l = {0};
    const struct lt_lane_record r = {.retrying = true,
                                     .reason = "rejected",
                                     .code = "error_code -1",
                                     .text = "hồ sơ \"không\" tồn tại",
                                     .step = "progress",
                                     .since_ms = 77,
                                     .rounds = 2,
                                     .release = 5,
                                     .skip = -1,
                                     .decision = "d1"};
    LT_AUTOFREE char *key = lt_ledger_lane_key(LT_SPAN_LIT("H22/A"));
    LT_AUTOFREE char *value = lt_ledger_lane_value(&r);
    LT_AUTOFREE char *pause = lt_ledger_pause_value("an", 9);
    assert_int_equal(take(&l, key, value), LT_OK);
    const struct lt_lane_record *got = &l.lanes->record;
    assert_true(got->retrying);
    assert_string_equal(got->reason, r.reason);
    assert_string_equal(got->code, r.code);
    assert_string_equal(got->text, r.text);
    assert_string_equal(got->step, r.step);
    assert_string_equal(got->decision, r.decision);
    assert_int_equal(got->since_ms, 77);
    assert_int_equal(got->rounds, 2);
    assert_int_equal(got->release, 5);
    assert_int_equal(got->skip, -1);
    assert_int_equal(take(&l, "T", pause), LT_OK);
    assert_string_equal(l.paused_by, "an");
    assert_int_equal(take(&l, "T", NULL), LT_OK);
    assert_string_equal(l.paused_by, "");
    lt_ledger_deinit(&l);
}

static void what_no_gateway_wrote_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
    } bad[] = {{"", "{}"},
               {"X/H22/A", "{}"},
               {"I/H22/A", "{}"},
               {"P/H22/A/x", "{}"},
               {"P/H22/A/-1", "{}"},
               {"L/H22/A", "not json"},
               {"L/H22/A", "{\"state\":\"open\"}"},
               {"I/H22/A/id/-/upsert", "{\"state\":\"odd\",\"offset\":1,\"since\":1,\"until\":1}"},
               {"I/H22/A/id/-/upsert", "{\"state\":\"intent\"}"}};
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++) {
        struct lt_ledger l = {0};
        if (take(&l, bad[i].key, bad[i].value) != LT_E_INVALID)
            fail_msg("taken: %s = %s", bad[i].key, bad[i].value);
        lt_ledger_deinit(&l);
    }
}

static void a_decision_comes_back_as_it_was_made_and_a_damaged_one_is_refused(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_err err = LT_ERR_INIT;
    struct lt_decision q, d = {.id = "d1", .verb = LT_VERB_REPLACE, .order = 4, .who = "an", .at_ms = 5};
    d.data = LT_SPAN_LIT("{\"a\":[1,2]}");
    LT_AUTOFREE char *value = lt_decision_value(&d);
    assert_int_equal(lt_decision_parse(lt_span_str(value), &a, &q, &err), LT_OK);
    assert_string_equal(q.id, "d1");
    assert_int_equal(q.verb, LT_VERB_REPLACE);
    assert_int_equal(q.order, 4);
    assert_string_equal(q.who, "an");
    assert_span_is(q.data, "{\"a\":[1,2]}");
    static const char *const bad[] = {"", "{}", "{\"decision\":\"a/b\",\"verb\":\"retry\"}",
                                      "{\"decision\":\"a\",\"verb\":\"explode\"}",
                                      "{\"decision\":\"a\",\"verb\":\"replace\"}"};
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++)
        if (lt_decision_parse(lt_span_str(bad[i]), &a, &q, &err) != LT_E_INVALID)
            fail_msg("taken: %s", bad[i]);
    lt_arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_deliveries_come_back_as_they_were_written_and_go_with_their_tombstone),
        cmocka_unit_test(parked_events_stand_in_order_whenever_they_were_written),
        cmocka_unit_test(a_lane_and_a_pause_come_back_as_they_were_written),
        cmocka_unit_test(what_no_gateway_wrote_is_refused),
        cmocka_unit_test(a_decision_comes_back_as_it_was_made_and_a_damaged_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
