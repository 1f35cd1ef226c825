#include "tests/unit/test_mock_call.h"

#include "adapters/mock/faults.h"

static int setup(void **state)
{
    struct lt_mock_faults *f = lt_alloc(sizeof *f);
    lt_mock_faults_init(f, 1u << LT_FAULT_HTTP500 | 1u << LT_FAULT_DROP_BEFORE | 1u << LT_FAULT_HTTP503, 9000);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    lt_mock_faults_deinit(*state);
    free(*state);
    return 0;
}

static int control(struct lt_mock_faults *f, const char *body)
{
    struct lt_mock_reply r = LT_MOCK_REPLY_INIT;
    const struct lt_mock_call c = {"POST", "/control/faults", "", NULL, NULL, lt_span_str(body), 0};
    lt_mock_faults_control(f, &c, &r);
    int status = r.status;
    lt_mock_reply_deinit(&r);
    return status;
}

static void a_periodic_fault_comes_at_each_nth_call_of_its_service(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(lt_mock_faults_every(f, LT_SPAN_LIT("3 http500:TraCuuHoSo"), NULL), LT_OK);
    for (int i = 1; i <= 9; i++) {
        assert_int_equal(lt_mock_faults_take(f, "DongBoHoSoMC"), LT_FAULT_NONE);
        assert_int_equal(lt_mock_faults_take(f, "TraCuuHoSo"), i % 3 ? LT_FAULT_NONE : LT_FAULT_HTTP500);
    }
    assert_int_equal(f->injected, 3);
}

static void a_login_is_spared_unless_it_is_named(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(lt_mock_faults_every(f, LT_SPAN_LIT("1 http500"), NULL), LT_OK);
    assert_int_equal(lt_mock_faults_take(f, "login"), LT_FAULT_NONE);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"service\":\"login\"}"), 200);
    assert_int_equal(lt_mock_faults_take(f, "login"), LT_FAULT_DROP_BEFORE);
    assert_int_equal(lt_mock_faults_take(f, "login"), LT_FAULT_NONE);
}

static void scheduled_faults_come_before_periodic_ones_and_end(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(lt_mock_faults_every(f, LT_SPAN_LIT("2 http500"), NULL), LT_OK);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":2}"), 200);
    static const enum lt_mock_fault want[] = {LT_FAULT_DROP_BEFORE, LT_FAULT_DROP_BEFORE, LT_FAULT_NONE,
                                              LT_FAULT_HTTP500};
    for (size_t i = 0; i < LT_ARRAY_LEN(want); i++)
        assert_int_equal(lt_mock_faults_take(f, "x"), want[i]);
}

static void scheduled_faults_can_be_withdrawn(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":5}"), 200);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":0,\"service\":\"x\"}"), 200);
    assert_int_equal(lt_mock_faults_take(f, "x"), LT_FAULT_DROP_BEFORE);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":0}"), 200);
    assert_int_equal(lt_mock_faults_take(f, "x"), LT_FAULT_NONE);
}

static void a_reset_keeps_the_periodic_ones_and_counts_anew(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(lt_mock_faults_every(f, LT_SPAN_LIT("2 http503"), NULL), LT_OK);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":5}"), 200);
    (void)lt_mock_faults_take(f, "x");
    lt_mock_faults_reset(f);
    assert_int_equal(lt_mock_faults_take(f, "x"), LT_FAULT_NONE);
    assert_int_equal(lt_mock_faults_take(f, "x"), LT_FAULT_HTTP503);
}

static void wrong_rules_are_refused_with_what_was_expected(void **state)
{
    struct lt_mock_faults *f = *state;
    static const char *const wrong[] = {"http500", "0 http500", "x http500", "3 http501", "3", ""};
    for (size_t i = 0; i < LT_ARRAY_LEN(wrong); i++) {
        struct lt_err err = LT_ERR_INIT;
        assert_int_equal(lt_mock_faults_every(f, lt_span_str(wrong[i]), &err), LT_E_INVALID);
        assert_non_null(strstr(err.text, "expected"));
    }
    static const char *const bodies[] = {"",
                                         "[]",
                                         "{\"kind\":1}",
                                         "{\"kind\":\"soap-fault\"}",
                                         "{\"kind\":\"http500\",\"count\":-1}",
                                         "{\"kind\":\"http500\",\"service\":1}"};
    for (size_t i = 0; i < LT_ARRAY_LEN(bodies); i++)
        assert_int_equal(control(f, bodies[i]), 400);
    assert_int_equal(f->rules.len, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_periodic_fault_comes_at_each_nth_call_of_its_service),
        CASE(a_login_is_spared_unless_it_is_named),
        CASE(scheduled_faults_come_before_periodic_ones_and_end),
        CASE(scheduled_faults_can_be_withdrawn),
        CASE(a_reset_keeps_the_periodic_ones_and_counts_anew),
        CASE(wrong_rules_are_refused_with_what_was_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
