#include "gateway/core/position.h"
#include "tests/unit/harness.h"

static struct lt_log_record record(int64_t append_ms, const char *sent)
{
    struct lt_log_record r = {
        .topic = "lt.intake", .append_ms = append_ms, .key = LT_SPAN_LIT("H22/a"), .value = LT_SPAN_LIT("{}")};
    if (sent)
        lt_headers_add(&r.headers, LT_SPAN_LIT("lt_time"), lt_span_str(sent));
    return r;
}

static void a_position_reads_back_as_it_was_written_and_fits_the_metadata(void **state)
{
    (void)state;
    struct lt_position p = {.incarnation = UINT64_MAX,
                            .partitions = INT32_MAX,
                            .window = {INT64_MAX, 200},
                            .clock_ms = INT64_MAX,
                            .anchor = UINT64_MAX,
                            .sum = UINT64_MAX - 1,
                            .undeliverable = UINT64_MAX,
                            .holes = UINT64_MAX};
    for (int v = 0; v < LT_VERDICTS; v++)
        p.verdicts[v] = UINT64_MAX - (uint64_t)v;
    char text[LT_POSITION_MAX];
    lt_position_format(&p, text);
    assert_true(strlen(text) < LT_POSITION_MAX - 1);
    struct lt_position q;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_position_parse(lt_span_str(text), &q, &err), LT_OK);
    assert_memory_equal(&p, &q, sizeof(p));
}

static void a_damaged_or_foreign_position_is_refused(void **state)
{
    (void)state;
    char text[LT_POSITION_MAX];
    struct lt_position q;
    struct lt_err err = LT_ERR_INIT;
    lt_position_genesis(7, 6, 400LL * 86400000, text);
    for (size_t cut = strlen(text) - 1; cut > 2; cut--)
        assert_int_equal(lt_position_parse(lt_span(text, cut), &q, &err), LT_E_INVALID);
    assert_int_equal(lt_position_parse(LT_SPAN_LIT("hello"), &q, &err), LT_E_INVALID);
    assert_int_equal(lt_position_parse(LT_SPAN_LIT("c3 something else"), &q, &err), LT_POSITION_OTHER_FORMAT);
}

static void a_position_of_the_former_format_is_read_and_its_sum_known_to_be_another(void **state)
{
    (void)state;
    char text[LT_POSITION_MAX];
    struct lt_position q;
    lt_position_genesis(7, 6, 400LL * 86400000, text);
    assert_int_equal(lt_position_parse(lt_span_str(text), &q, NULL), LT_OK);
    assert_false(q.old_sum);
    text[1] = '1';
    assert_int_equal(lt_position_parse(lt_span_str(text), &q, NULL), LT_OK);
    assert_true(q.old_sum);
    lt_position_format(&q, text);
    assert_memory_equal(text, "c2 ", 3);
}

static void a_window_of_400_days_has_200_generations_of_two_days(void **state)
{
    (void)state;
    struct lt_window w = lt_window_of(400LL * 86400000);
    assert_int_equal(w.generation_ms, 2LL * 86400000);
    assert_int_equal(w.generations, 200);
}

static void the_clock_needs_two_wrong_clocks_to_jump(void **state)
{
    (void)state;
    struct lt_log_record year_ahead = record(2000000000000, "1000"), sender_ahead = record(5000, "2000000000000");
    assert_int_equal(lt_position_clock(1000, &year_ahead), 1000 + 600000);
    assert_int_equal(lt_position_clock(1000, &sender_ahead), 5000);
}

static void the_clock_never_falls_and_ignores_records_without_a_time(void **state)
{
    (void)state;
    struct lt_log_record old = record(10, "10"), unstamped = record(-1, "99999"), unsent = record(99999, NULL),
                         odd = record(99999, "-5");
    assert_int_equal(lt_position_clock(1000, &old), 1000);
    assert_int_equal(lt_position_clock(1000, &unstamped), 1000);
    assert_int_equal(lt_position_clock(1000, &unsent), 1000);
    assert_int_equal(lt_position_clock(1000, &odd), 1000);
}

static void the_anchor_sees_key_value_headers_and_append_time(void **state)
{
    (void)state;
    struct lt_log_record a = record(10, "10"), b = a;
    uint64_t anchor = lt_position_anchor(&a);
    assert_true(anchor == lt_position_anchor(&b));
    b.append_ms = 11;
    assert_false(anchor == lt_position_anchor(&b));
    b = a;
    b.key = LT_SPAN_LIT("H22/b");
    assert_false(anchor == lt_position_anchor(&b));
    b = a;
    b.value = LT_SPAN_LIT("{ }");
    assert_false(anchor == lt_position_anchor(&b));
    b = record(10, "12");
    assert_false(anchor == lt_position_anchor(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_position_reads_back_as_it_was_written_and_fits_the_metadata),
        cmocka_unit_test(a_damaged_or_foreign_position_is_refused),
        cmocka_unit_test(a_position_of_the_former_format_is_read_and_its_sum_known_to_be_another),
        cmocka_unit_test(a_window_of_400_days_has_200_generations_of_two_days),
        cmocka_unit_test(the_clock_needs_two_wrong_clocks_to_jump),
        cmocka_unit_test(the_clock_never_falls_and_ignores_records_without_a_time),
        cmocka_unit_test(the_anchor_sees_key_value_headers_and_append_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
