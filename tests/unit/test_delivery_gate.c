/* The gate of a target: pauses, probes, breaker, rate, jitter. */
#include "gateway/delivery/gate.h"
#include "tests/unit/harness.h"

static struct lt_gate gate(int64_t rate)
{
    struct lt_gate g;
    lt_gate_init(&g, rate, 3, 1000, 60000, 42, 0);
    return g;
}

static void credential_trouble_pauses_and_a_good_probe_opens_again(void **state)
{
    (void)state;
    struct lt_gate g = gate(0);
    assert_true(lt_gate_admits(&g, 0, 5));
    assert_true(lt_gate_outcome(&g, LT_OUTCOME_CREDENTIAL, -1, 0));
    assert_string_equal(lt_gate_state_name(&g), "paused");
    assert_string_equal(lt_gate_reason(&g), "credential");
    assert_false(lt_gate_admits(&g, 0, 0));
    int64_t at = lt_gate_wait_ms(&g, 0);
    assert_in_range(at, 500, 1000);
    assert_false(lt_gate_admits(&g, at, 2)); /* what was out before must end first */
    assert_true(lt_gate_admits(&g, at, 0));
    assert_false(lt_gate_admits(&g, at, 1)); /* one probe */
    assert_false(lt_gate_outcome(&g, LT_OUTCOME_OK, -1, at));
    assert_true(lt_gate_admits(&g, at, 50));
    assert_string_equal(lt_gate_reason(&g), "");
}

static void each_failed_probe_pauses_for_longer_up_to_the_maximum(void **state)
{
    (void)state;
    struct lt_gate g = gate(0);
    int64_t now = 0, last = 0;
    for (int i = 0; i < 12; i++) {
        lt_gate_outcome(&g, LT_OUTCOME_CREDENTIAL, -1, now);
        int64_t wait = lt_gate_wait_ms(&g, now);
        assert_true(wait <= 60000);
        assert_true(wait * 2 >= last || wait >= 30000);
        last = wait;
        now += wait;
        assert_true(lt_gate_admits(&g, now, 0));
    }
    assert_true(last >= 30000);
}

static void the_target_names_the_time_of_a_throttle(void **state)
{
    (void)state;
    struct lt_gate g = gate(0);
    assert_true(lt_gate_outcome(&g, LT_OUTCOME_THROTTLE, 120000, 0));
    assert_int_equal(lt_gate_wait_ms(&g, 0), 120000);
    assert_false(
        lt_gate_outcome(&g, LT_OUTCOME_THROTTLE, 180000, 0)); /* one more that was out: one pause, the longer */
    assert_int_equal(lt_gate_wait_ms(&g, 0), 180000);
    assert_string_equal(lt_gate_reason(&g), "throttle");
}

static void failures_in_a_row_open_the_breaker_and_a_success_between_them_does_not(void **state)
{
    (void)state;
    struct lt_gate g = gate(0);
    for (int i = 0; i < 10; i++) {
        assert_false(lt_gate_outcome(&g, LT_OUTCOME_RETRY, -1, 0));
        assert_false(lt_gate_outcome(&g, LT_OUTCOME_UNKNOWN, -1, 0));
        assert_false(
            lt_gate_outcome(&g, i % 2 ? LT_OUTCOME_REJECT : LT_OUTCOME_OK, -1, 0)); /* a refusal is an answer too */
    }
    assert_false(lt_gate_outcome(&g, LT_OUTCOME_RETRY, -1, 0));
    assert_false(lt_gate_outcome(&g, LT_OUTCOME_RETRY, -1, 0));
    assert_true(lt_gate_outcome(&g, LT_OUTCOME_RETRY, -1, 0));
    assert_string_equal(lt_gate_reason(&g), "trouble");
}

static void a_target_that_is_back_is_noticed_within_half_a_minute(void **state)
{
    (void)state;
    struct lt_gate g = gate(0);
    int64_t now = 0;
    lt_gate_outcome(&g, LT_OUTCOME_RETRY, -1, now);
    lt_gate_outcome(&g, LT_OUTCOME_RETRY, -1, now);
    for (int i = 0; i < 20; i++) {
        lt_gate_outcome(&g, LT_OUTCOME_RETRY, -1, now);
        assert_in_range(lt_gate_wait_ms(&g, now), 1, 30000);
        now += lt_gate_wait_ms(&g, now);
        assert_true(lt_gate_admits(&g, now, 0));
    }
}

static void a_probe_that_made_no_call_proves_nothing(void **state)
{
    (void)state;
    struct lt_gate g = gate(0);
    lt_gate_outcome(&g, LT_OUTCOME_CREDENTIAL, -1, 0);
    assert_true(lt_gate_admits(&g, 5000, 0));
    lt_gate_outcome(&g, LT_OUTCOME_PASS, -1, 5000);
    assert_string_equal(lt_gate_state_name(&g), "paused");
    assert_true(lt_gate_admits(&g, 5000, 0)); /* the next one probes at once */
}

static void the_rate_is_a_bucket_of_one_second(void **state)
{
    (void)state;
    struct lt_gate g = gate(10);
    int taken = 0;
    for (int64_t now = 0; now <= 10000; now += 7)
        while (lt_gate_take_call(&g, now))
            taken++;
    assert_in_range(taken, 105, 110);
    struct lt_gate none = gate(0);
    for (int i = 0; i < 1000; i++)
        assert_true(lt_gate_take_call(&none, 0));
}

static void jitter_is_full_and_bounded(void **state)
{
    (void)state;
    struct lt_gate g = gate(0);
    int64_t low = INT64_MAX, high = 0;
    for (int i = 0; i < 2000; i++) {
        int64_t j = lt_gate_jitter(&g, 2);
        assert_in_range(j, 0, 4000);
        low = LT_MIN(low, j);
        high = LT_MAX(high, j);
        assert_in_range(lt_gate_jitter(&g, 1000), 0, 60000);
    }
    assert_true(low < 100);
    assert_true(high > 3900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credential_trouble_pauses_and_a_good_probe_opens_again),
        cmocka_unit_test(each_failed_probe_pauses_for_longer_up_to_the_maximum),
        cmocka_unit_test(the_target_names_the_time_of_a_throttle),
        cmocka_unit_test(failures_in_a_row_open_the_breaker_and_a_success_between_them_does_not),
        cmocka_unit_test(a_target_that_is_back_is_noticed_within_half_a_minute),
        cmocka_unit_test(a_probe_that_made_no_call_proves_nothing),
        cmocka_unit_test(the_rate_is_a_bucket_of_one_second),
        cmocka_unit_test(jitter_is_full_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
