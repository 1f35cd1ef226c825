/* The committed position of a queue partition: what a restart knows of each record. */
#include "gateway/delivery/position.h"
#include "tests/unit/harness.h"

#include <stdio.h>

static struct lt_delivery_position back(const struct lt_delivery_position *p)
{
    char text[LT_DELIVERY_POSITION_MAX];
    struct lt_delivery_position ret;
    struct lt_err err = LT_ERR_INIT;
    lt_delivery_position_format(p, text);
    if (lt_delivery_position_parse(lt_span_str(text), &ret, &err) != LT_OK)
        fail_msg("%s: %s", text, err.text);
    return ret;
}

static void genesis_is_a_position_at_zero_with_its_incarnation(void **state)
{
    (void)state;
    char text[LT_DELIVERY_POSITION_MAX];
    struct lt_delivery_position p;
    lt_delivery_genesis(0xfeed, text);
    assert_string_equal(text, "d1 000000000000feed 0 0 -");
    assert_int_equal(lt_delivery_position_parse(lt_span_str(text), &p, NULL), LT_OK);
    assert_int_equal(p.incarnation, 0xfeed);
    assert_int_equal(p.base, 0);
    assert_int_equal(lt_delivery_position_first(&p, LT_MARK_DONE), -1);
}

static void every_pattern_of_marks_comes_back(void **state)
{
    (void)state;
    struct lt_delivery_position p = {.incarnation = UINT64_MAX, .number = UINT64_MAX, .base = 123456789};
    uint32_t random = 1;
    for (int round = 0; round < 200; round++) {
        memset(p.marks, 0, sizeof(p.marks));
        for (size_t i = 0; i < LT_DELIVERY_WINDOW; i++) {
            random = random * 1664525u + 1013904223u;
            if (i < (size_t)round * 6)
                p.marks[i] = (uint8_t)((random >> 24) % 3);
        }
        struct lt_delivery_position q = back(&p);
        assert_memory_equal(&p, &q, sizeof(p));
    }
}

static void a_full_window_of_the_largest_numbers_fits_the_metadata(void **state)
{
    (void)state;
    struct lt_delivery_position p = {.incarnation = UINT64_MAX, .number = UINT64_MAX, .base = INT64_MAX};
    memset(p.marks, LT_MARK_INTENT, sizeof(p.marks));
    char text[LT_DELIVERY_POSITION_MAX];
    lt_delivery_position_format(&p, text);
    assert_true(strlen(text) < 480);
    assert_true(strlen(text) > 384);
    struct lt_delivery_position q = back(&p);
    assert_memory_equal(&p, &q, sizeof(p));
}

static void advancing_forgets_what_is_below_and_keeps_the_rest_in_place(void **state)
{
    (void)state;
    struct lt_delivery_position p = {.base = 100};
    lt_delivery_position_set(&p, 102, LT_MARK_DONE);
    lt_delivery_position_set(&p, 105, LT_MARK_INTENT);
    lt_delivery_position_set(&p, 100 + LT_DELIVERY_WINDOW - 1, LT_MARK_DONE);
    lt_delivery_position_advance(&p, 104);
    assert_int_equal(lt_delivery_position_mark(&p, 102), LT_MARK_DONE); /* below base everything is */
    assert_int_equal(lt_delivery_position_mark(&p, 104), LT_MARK_OPEN);
    assert_int_equal(lt_delivery_position_mark(&p, 105), LT_MARK_INTENT);
    assert_int_equal(lt_delivery_position_first(&p, LT_MARK_INTENT), 105);
    assert_int_equal(lt_delivery_position_mark(&p, 100 + LT_DELIVERY_WINDOW - 1), LT_MARK_DONE);
    lt_delivery_position_advance(&p, 104 + 2 * LT_DELIVERY_WINDOW);
    assert_int_equal(lt_delivery_position_first(&p, LT_MARK_DONE), -1);
    assert_int_equal(lt_delivery_position_first(&p, LT_MARK_INTENT), -1);
}

static void offsets_outside_the_window_cannot_be_marked(void **state)
{
    (void)state;
    struct lt_delivery_position p = {.base = 7};
    assert_false(lt_delivery_position_covers(&p, 6));
    assert_true(lt_delivery_position_covers(&p, 7));
    assert_true(lt_delivery_position_covers(&p, 7 + LT_DELIVERY_WINDOW - 1));
    assert_false(lt_delivery_position_covers(&p, 7 + LT_DELIVERY_WINDOW));
    assert_int_equal(lt_delivery_position_mark(&p, 7 + LT_DELIVERY_WINDOW), LT_MARK_OPEN);
}

static void damaged_metadata_is_refused_and_another_version_is_told_apart(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "c1 000000000000feed 1 0",
        "d1",
        "d1 feed 0 0 -",
        "d1 000000000000feed x 0 -",
        "d1 000000000000feed 0 -1 -",
        "d1 000000000000feed 0 0",
        "d1 000000000000feed 0 0 ",
        "d1 000000000000feed 0 0 - more",
        "d1 000000000000feed 0 0 A!",
        "d1 000000000000feed 0 0 D", /* 3 is no mark */
        "moved by a tool",
    };
    struct lt_delivery_position p;
    struct lt_err err = LT_ERR_INIT;
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++)
        if (lt_delivery_position_parse(lt_span_str(bad[i]), &p, &err) != LT_E_INVALID)
            fail_msg("taken: \"%s\"", bad[i]);
    char long_marks[LT_DELIVERY_WINDOW];
    int n = snprintf(long_marks, sizeof(long_marks), "d1 000000000000feed 0 0 ");
    memset(long_marks + n, 'A', LT_DELIVERY_WINDOW / 3 + 1);
    assert_int_equal(lt_delivery_position_parse(lt_span(long_marks, (size_t)n + LT_DELIVERY_WINDOW / 3 + 1), &p, &err),
                     LT_E_INVALID);
    assert_int_equal(lt_delivery_position_parse(LT_SPAN_LIT("d2 anything"), &p, &err),
                     LT_DELIVERY_POSITION_OTHER_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis_is_a_position_at_zero_with_its_incarnation),
        cmocka_unit_test(every_pattern_of_marks_comes_back),
        cmocka_unit_test(a_full_window_of_the_largest_numbers_fits_the_metadata),
        cmocka_unit_test(advancing_forgets_what_is_below_and_keeps_the_rest_in_place),
        cmocka_unit_test(offsets_outside_the_window_cannot_be_marked),
        cmocka_unit_test(damaged_metadata_is_refused_and_another_version_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
