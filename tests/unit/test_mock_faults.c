#include "tests/unit/test_mock_call.h"

#include <stdio.h>

#include "adapters/mock/faults.h"

static enum lt_mock_fault take(struct lt_mock_faults *f, const char *service)
{
    return lt_mock_faults_take(f, service, CALL_NOW_MS).kind;
}

static int setup(void **state)
{
    struct lt_mock_faults *f = lt_alloc(sizeof *f);
    lt_mock_faults_init(
        f, 1u << LT_FAULT_HTTP500 | 1u << LT_FAULT_DROP_BEFORE | 1u << LT_FAULT_HTTP503 | LT_MOCK_FAULTS_COMMON, 9000);
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
    const struct lt_mock_call c = {
        .method = "POST", .path = "/control/faults", .query = "", .body = lt_span_str(body), .now_ms = CALL_NOW_MS};
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
        assert_int_equal(take(f, "DongBoHoSoMC"), LT_FAULT_NONE);
        assert_int_equal(take(f, "TraCuuHoSo"), i % 3 ? LT_FAULT_NONE : LT_FAULT_HTTP500);
    }
    assert_int_equal(f->injected, 3);
}

static void a_login_is_spared_unless_it_is_named(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(lt_mock_faults_every(f, LT_SPAN_LIT("1 http500"), NULL), LT_OK);
    assert_int_equal(take(f, "login"), LT_FAULT_NONE);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"service\":\"login\"}"), 200);
    assert_int_equal(take(f, "login"), LT_FAULT_DROP_BEFORE);
    assert_int_equal(take(f, "login"), LT_FAULT_NONE);
}

static void scheduled_faults_come_before_periodic_ones_and_end(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(lt_mock_faults_every(f, LT_SPAN_LIT("2 http500"), NULL), LT_OK);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":2}"), 200);
    static const enum lt_mock_fault want[] = {LT_FAULT_DROP_BEFORE, LT_FAULT_DROP_BEFORE, LT_FAULT_NONE,
                                              LT_FAULT_HTTP500};
    for (size_t i = 0; i < LT_ARRAY_LEN(want); i++)
        assert_int_equal(take(f, "x"), want[i]);
}

static void scheduled_faults_can_be_withdrawn(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":5}"), 200);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":0,\"service\":\"x\"}"), 200);
    assert_int_equal(take(f, "x"), LT_FAULT_DROP_BEFORE);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":0}"), 200);
    assert_int_equal(take(f, "x"), LT_FAULT_NONE);
}

static void a_reset_keeps_the_periodic_ones_and_counts_anew(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(lt_mock_faults_every(f, LT_SPAN_LIT("2 http503"), NULL), LT_OK);
    assert_int_equal(control(f, "{\"kind\":\"drop-before\",\"count\":5}"), 200);
    (void)take(f, "x");
    lt_mock_faults_reset(f);
    assert_int_equal(take(f, "x"), LT_FAULT_NONE);
    assert_int_equal(take(f, "x"), LT_FAULT_HTTP503);
}

static void a_schedule_draws_the_same_calls_from_the_same_seed(void **state)
{
    (void)state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/faults.yaml", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("seed: 7\nfaults:\n"
          "  - {kind: http500, service: a, of_thousand: 100}\n"
          "  - {kind: drop-before, service: b, calls: [2, 5]}\n"
          "  - {kind: delay, service: c, every: 2, ms: 300ms}\n"
          "  - {kind: certificate-expired, service: d, calls: [2], ms: 5s}\n"
          "  - {kind: maintenance, from: 30s, for: 10s}\n",
          file);
    fclose(file);
    size_t hits[2] = {0, 0};
    uint64_t where[2] = {0, 0};
    for (int run = 0; run < 2; run++) {
        struct lt_mock_faults f;
        struct lt_arena a = LT_ARENA_INIT;
        struct lt_err err = LT_ERR_INIT;
        lt_mock_faults_init(&f, UINT32_MAX, 9000);
        if (lt_mock_faults_schedule(&f, path, &a, &err) != LT_OK)
            fail_msg("%s", err.text);
        for (uint64_t i = 1; i <= 2000; i++) {
            if (take(&f, "a") == LT_FAULT_HTTP500) {
                hits[run]++;
                where[run] = where[run] * 31 + i;
            }
        }
        for (int i = 1; i <= 6; i++)
            assert_int_equal(take(&f, "b"), i == 2 || i == 5 ? LT_FAULT_DROP_BEFORE : LT_FAULT_NONE);
        assert_int_equal(take(&f, "c"), LT_FAULT_NONE);
        struct lt_mock_taken t = lt_mock_faults_take(&f, "c", CALL_NOW_MS);
        assert_int_equal(t.kind, LT_FAULT_DELAY);
        assert_int_equal(t.ms, 300);
        assert_int_equal(take(&f, "d"), LT_FAULT_NONE);
        t = lt_mock_faults_take(&f, "d", CALL_NOW_MS);
        assert_int_equal(t.kind, LT_FAULT_CERTIFICATE);
        struct lt_mock_reply cut = LT_MOCK_REPLY_INIT;
        assert_true(lt_mock_fault_before(&t, &cut)); /* whoever comes again meets the certificate */
        assert_int_equal(cut.action, LT_MOCK_DROP);
        assert_int_equal(cut.expired_ms, 5000);
        lt_mock_reply_deinit(&cut);
        assert_int_equal(lt_mock_faults_take(&f, "login", CALL_NOW_MS + 29999).kind, LT_FAULT_NONE);
        t = lt_mock_faults_take(&f, "login", CALL_NOW_MS + 31000);
        assert_int_equal(t.kind, LT_FAULT_MAINTENANCE);
        assert_int_equal(t.ms, 9000);
        assert_int_equal(lt_mock_faults_take(&f, "login", CALL_NOW_MS + 40000).kind, LT_FAULT_NONE);
        lt_mock_faults_deinit(&f);
        lt_arena_deinit(&a);
    }
    assert_int_equal(hits[0], hits[1]);
    assert_int_equal(where[0], where[1]);
    assert_in_range(hits[0], 150, 250);
    harness_folder_remove(folder);
}

static void a_wrong_schedule_is_told_with_its_place(void **state)
{
    struct lt_mock_faults *f = *state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/faults.yaml", folder);
    static const struct {
        const char *text, *says;
    } rows[] = {{"faults: [{kind: http500}]\n", "expected one of every, of_thousand and calls"},
                {"faults: [{kind: soap-fault, every: 2}]\n", ":1:17: fault: expected one of"},
                {"faults: [{kind: maintenance}]\n", "how long the maintenance lasts"},
                {"faults: [{kind: http500, calls: [0]}]\n", "a number from 1"},
                {"fault: []\n", "did you mean 'faults'?"}};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_arena a = LT_ARENA_INIT;
        struct lt_err err = LT_ERR_INIT;
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(rows[i].text, file);
        fclose(file);
        assert_int_equal(lt_mock_faults_schedule(f, path, &a, &err), LT_E_INVALID);
        assert_contains(err.text, rows[i].says);
        lt_arena_deinit(&a);
    }
    harness_folder_remove(folder);
}

static void maintenance_by_the_control_endpoint_takes_every_call_until_its_end(void **state)
{
    struct lt_mock_faults *f = *state;
    assert_int_equal(control(f, "{\"kind\":\"maintenance\",\"ms\":5000}"), 200);
    struct lt_mock_taken t = lt_mock_faults_take(f, "login", CALL_NOW_MS + 4000);
    assert_int_equal(t.kind, LT_FAULT_MAINTENANCE);
    struct lt_mock_reply r = LT_MOCK_REPLY_INIT;
    assert_true(lt_mock_fault_before(&t, &r));
    assert_int_equal(r.status, 503);
    assert_int_equal(r.retry_after_s, 1);
    lt_mock_reply_deinit(&r);
    assert_int_equal(lt_mock_faults_take(f, "login", CALL_NOW_MS + 5000).kind, LT_FAULT_NONE);
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
        CASE(a_schedule_draws_the_same_calls_from_the_same_seed),
        CASE(a_wrong_schedule_is_told_with_its_place),
        CASE(maintenance_by_the_control_endpoint_takes_every_call_until_its_end),
        CASE(wrong_rules_are_refused_with_what_was_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
