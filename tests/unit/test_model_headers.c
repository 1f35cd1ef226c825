#include "tests/unit/harness.h"

#include "gateway/model/headers.h"
#include "gateway/model/verdict.h"

static void headers_keep_their_order_and_are_found_by_name(void **state)
{
    (void)state;
    struct lt_headers h;
    lt_headers_reset(&h);
    lt_headers_add(&h, LT_SPAN_LIT("ce_id"), LT_SPAN_LIT("1"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_time"), LT_SPAN_LIT("2"));
    struct lt_span v;
    assert_true(lt_headers_get(&h, "lt_time", &v));
    assert_span_is(v, "2");
    assert_span_is(lt_headers_value(&h, "ce_id"), "1");
    assert_false(lt_headers_get(&h, "ce", &v));
    assert_int_equal(lt_headers_value(&h, "none").len, 0);
    assert_span_is(h.v[0].name, "ce_id");
}

static void put_replaces_the_value_and_removes_a_repetition(void **state)
{
    (void)state;
    struct lt_headers h;
    lt_headers_reset(&h);
    lt_headers_add(&h, LT_SPAN_LIT("lt_hop"), LT_SPAN_LIT("0"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_id"), LT_SPAN_LIT("x"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_hop"), LT_SPAN_LIT("9"));
    lt_headers_put(&h, "lt_hop", LT_SPAN_LIT("1"));
    assert_int_equal(h.len, 2);
    assert_span_is(h.v[0].value, "1");
    assert_span_is(h.v[1].name, "ce_id");
    lt_headers_put(&h, "lt_path", LT_SPAN_LIT("portal"));
    assert_int_equal(h.len, 3);
    assert_span_is(lt_headers_value(&h, "lt_path"), "portal");
}

static void incoming_gateway_headers_are_stripped_and_the_rest_stays(void **state)
{
    (void)state;
    struct lt_headers h;
    lt_headers_reset(&h);
    lt_headers_add(&h, LT_SPAN_LIT("lt_replay"), LT_SPAN_LIT("evil"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_id"), LT_SPAN_LIT("x"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_"), LT_SPAN_LIT("evil"));
    lt_headers_add(&h, LT_SPAN_LIT("lt"), LT_SPAN_LIT("theirs"));
    lt_headers_drop_prefix(&h, "lt_");
    assert_int_equal(h.len, 2);
    assert_span_is(h.v[0].name, "ce_id");
    assert_span_is(h.v[1].name, "lt");
}

static void where_ours_are_added_the_last_and_the_long_of_theirs_give_way(void **state)
{
    (void)state;
    static const char text[11] = "0123456789";
    struct lt_headers h;
    lt_headers_reset(&h);
    lt_headers_add(&h, lt_span(text, 9), LT_SPAN_LIT("v"));
    lt_headers_add(&h, LT_SPAN_LIT("n"), lt_span(text, 9));
    for (int i = 0; i < LT_HEADERS_MAX; i++)
        lt_headers_add(&h, LT_SPAN_LIT("kept"), lt_span(text, 8));
    lt_headers_trim(&h, 5, 8);
    assert_false(h.over);
    assert_int_equal(h.len, LT_HEADERS_MAX - 5);
    assert_int_equal(lt_headers_bytes(&h), (LT_HEADERS_MAX - 5) * 12);
    assert_span_is(h.v[0].name, "kept");
}

static void one_header_too_many_is_told_and_dropped(void **state)
{
    (void)state;
    struct lt_headers h;
    lt_headers_reset(&h);
    for (int i = 0; i < LT_HEADERS_MAX; i++)
        lt_headers_add(&h, LT_SPAN_LIT("n"), LT_SPAN_LIT("v"));
    assert_false(h.over);
    lt_headers_put(&h, "one-more", LT_SPAN_LIT("v"));
    assert_true(h.over);
    assert_int_equal(h.len, LT_HEADERS_MAX);
    lt_headers_reset(&h);
    assert_false(h.over);
}

static void each_verdict_has_its_word(void **state)
{
    (void)state;
    static const char *const words[LT_VERDICTS] = {"new", "duplicate", "conflict", "replay", "invalid"};
    for (int v = 0; v < LT_VERDICTS; v++)
        assert_string_equal(lt_verdict_name((enum lt_verdict_kind)v), words[v]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_keep_their_order_and_are_found_by_name),
        cmocka_unit_test(put_replaces_the_value_and_removes_a_repetition),
        cmocka_unit_test(incoming_gateway_headers_are_stripped_and_the_rest_stays),
        cmocka_unit_test(where_ours_are_added_the_last_and_the_long_of_theirs_give_way),
        cmocka_unit_test(one_header_too_many_is_told_and_dropped),
        cmocka_unit_test(each_verdict_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
