/* The committed position of a queue partition: what a restart knows of it. */
#include "gateway/delivery/position.h"
#include "tests/unit/harness.h"

static void genesis_is_a_position_at_zero_with_its_incarnation(void **state)
{
    (void)state;
    char text[LT_DELIVERY_POSITION_MAX];
    struct lt_delivery_position p;
    lt_delivery_genesis(0xfeed, text);
    assert_string_equal(text, "d2 000000000000feed 0 0 0 0 0 0 0 0 0 0 0 0 0");
    assert_int_equal(lt_delivery_position_parse(lt_span_str(text), &p, NULL), LT_OK);
    assert_int_equal(p.incarnation, 0xfeed);
    assert_int_equal(p.base, 0);
    assert_int_equal(lt_delivery_position_parked(&p), 0);
}

static void the_largest_numbers_come_back_and_fit_the_metadata(void **state)
{
    (void)state;
    struct lt_delivery_position q, p = {.incarnation = UINT64_MAX,
                                        .number = UINT64_MAX,
                                        .base = INT64_MAX,
                                        .control = INT64_MAX - 1,
                                        .open = INT64_MAX - 2};
    for (size_t i = 0; i < LT_COUNTS; i++)
        p.counts[i] = INT64_MAX;
    char text[LT_DELIVERY_POSITION_MAX];
    lt_delivery_position_format(&p, text);
    assert_true(strlen(text) < LT_DELIVERY_POSITION_MAX - 1);
    assert_int_equal(lt_delivery_position_parse(lt_span_str(text), &q, NULL), LT_OK);
    assert_memory_equal(&p, &q, sizeof(p));
}

static void damaged_metadata_is_refused_and_another_version_is_told_apart(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "c2 000000000000feed 1 0",
        "d2",
        "d2 feed 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "d2 000000000000feed x 0 0 0 0 0 0 0 0 0 0 0 0",
        "d2 000000000000feed 0 -1 0 0 0 0 0 0 0 0 0 0 0",
        "d2 000000000000feed 0 0 0 0 0 0 0 0 0 0 0 0",
        "d2 000000000000feed 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "d2 000000000000feed 0 0 0 0 0 0 0 0 1 2 0 0 0", /* more unparked than parked */
        "moved by a tool",
    };
    struct lt_delivery_position p;
    struct lt_err err = LT_ERR_INIT;
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++)
        if (lt_delivery_position_parse(lt_span_str(bad[i]), &p, &err) != LT_E_INVALID)
            fail_msg("taken: \"%s\"", bad[i]);
    assert_int_equal(lt_delivery_position_parse(LT_SPAN_LIT("d3 anything"), &p, &err),
                     LT_DELIVERY_POSITION_OTHER_FORMAT);
}

static void a_position_of_the_former_version_is_taken_over_only_when_nothing_is_open(void **state)
{
    (void)state;
    struct lt_delivery_position p;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_delivery_position_parse(LT_SPAN_LIT("d1 000000000000feed 7 42 -"), &p, &err), LT_OK);
    assert_int_equal(p.incarnation, 0xfeed);
    assert_int_equal(p.number, 7);
    assert_int_equal(p.base, 42);
    assert_int_equal(p.open, 0);
    assert_int_equal(lt_delivery_position_parse(LT_SPAN_LIT("d1 000000000000feed 7 42 AB"), &p, &err),
                     LT_DELIVERY_POSITION_FORMER_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis_is_a_position_at_zero_with_its_incarnation),
        cmocka_unit_test(the_largest_numbers_come_back_and_fit_the_metadata),
        cmocka_unit_test(damaged_metadata_is_refused_and_another_version_is_told_apart),
        cmocka_unit_test(a_position_of_the_former_version_is_taken_over_only_when_nothing_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
