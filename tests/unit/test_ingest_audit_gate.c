#include "tests/unit/harness.h"

#include <stdio.h>

#include "gateway/ingest/audit_gate.h"

static void each_actor_and_code_has_its_own_second(void **state)
{
    (void)state;
    struct lt_audit_gate *g = lt_audit_gate_new();
    uint64_t left_out = 7;
    assert_true(lt_audit_gate_pass(g, "h22", "rate", 5000, &left_out));
    assert_int_equal(left_out, 0);
    assert_true(lt_audit_gate_pass(g, "h22", "role-not-allowed", 5000, &left_out));
    assert_true(lt_audit_gate_pass(g, "h40", "rate", 5000, &left_out));
    for (int i = 0; i < 30; i++)
        assert_false(lt_audit_gate_pass(g, "h22", "rate", 5000 + i, &left_out));
    assert_false(lt_audit_gate_pass(g, "h22", "rate", 5999, &left_out));
    assert_true(lt_audit_gate_pass(g, "h22", "rate", 6000, &left_out));
    assert_int_equal(left_out, 31);
    lt_audit_gate_free(g);
}

static void a_flood_of_actors_is_bounded_and_nothing_is_left_uncounted(void **state)
{
    (void)state;
    struct lt_audit_gate *g = lt_audit_gate_new();
    uint64_t passed = 0, told = 0, asked = 0, left_out;
    for (int64_t now = 10000; now < 13000; now += 500)
        for (int actor = 0; actor < 2000; actor++) {
            char name[16];
            snprintf(name, sizeof(name), "stranger-%d", actor);
            asked++;
            if (lt_audit_gate_pass(g, name, "unknown-client", now, &left_out)) {
                passed++;
                told += left_out;
            }
        }
    assert_true(passed <= 3 * (LT_AUDIT_SLOTS + 1));
    /* at rest each slot tells what it still has */
    for (int actor = 0; actor < 2000 + 2 * LT_AUDIT_SLOTS; actor++) {
        char name[16];
        snprintf(name, sizeof(name), "stranger-%d", actor);
        asked++;
        if (lt_audit_gate_pass(g, name, "unknown-client", 20000, &left_out)) {
            passed++;
            told += left_out;
        }
    }
    assert_true(lt_audit_gate_pass(g, "h22", "rate", 30000, &left_out));
    asked++, passed++;
    told += left_out;
    for (int i = 0; i < LT_AUDIT_SLOTS; i++) { /* the shared slot's turn */
        char name[16];
        snprintf(name, sizeof(name), "late-%d", i);
        asked++;
        if (lt_audit_gate_pass(g, name, "unknown-client", 30000, &left_out)) {
            passed++;
            told += left_out;
        }
    }
    assert_int_equal(asked, passed + told);
    lt_audit_gate_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_actor_and_code_has_its_own_second),
        cmocka_unit_test(a_flood_of_actors_is_bounded_and_nothing_is_left_uncounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
