/* The dossiers that the portal is known to have. */
#include "adapters/portal/known.h"
#include "tests/unit/harness.h"

static void the_first_learned_goes_when_it_is_full(void **state)
{
    (void)state;
    struct lt_known *k = lt_known_new(2);
    lt_known_add(k, LT_SPAN_LIT("H22/1"));
    lt_known_add(k, LT_SPAN_LIT("H22/2"));
    lt_known_add(k, LT_SPAN_LIT("H22/2"));
    assert_int_equal(lt_known_count(k), 2);
    lt_known_add(k, LT_SPAN_LIT("H22/3"));
    assert_false(lt_known_has(k, LT_SPAN_LIT("H22/1")));
    assert_true(lt_known_has(k, LT_SPAN_LIT("H22/2")));
    assert_true(lt_known_has(k, LT_SPAN_LIT("H22/3")));
    lt_known_drop(k, LT_SPAN_LIT("H22/2"));
    lt_known_drop(k, LT_SPAN_LIT("H22/9"));
    assert_false(lt_known_has(k, LT_SPAN_LIT("H22/2")));
    assert_int_equal(lt_known_count(k), 1);
    lt_known_free(k);
}

static void a_memory_of_nothing_remembers_nothing(void **state)
{
    (void)state;
    struct lt_known *k = lt_known_new(0);
    lt_known_add(k, LT_SPAN_LIT("H22/1"));
    assert_false(lt_known_has(k, LT_SPAN_LIT("H22/1")));
    lt_known_free(k);
    lt_known_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_learned_goes_when_it_is_full),
        cmocka_unit_test(a_memory_of_nothing_remembers_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
