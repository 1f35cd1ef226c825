/* What an operator accepted, as it stands in lt.position. */
#include "gateway/core/accepted.h"
#include "tests/unit/harness.h"

#include <stdio.h>

#define INCARNATION 0xfeedULL

static void must_add(struct lt_accepted *a, int64_t from, int64_t to)
{
    assert_int_equal(lt_accepted_add_hole(a, (struct lt_hole){from, to}, 0, NULL), LT_OK);
}

static void holes_are_kept_in_order_and_joined_with_what_they_touch(void **state)
{
    (void)state;
    struct lt_accepted a = {0};
    must_add(&a, 20, 25);
    must_add(&a, 5, 7);
    must_add(&a, 40, 41);
    assert_int_equal(a.holes_len, 3);
    assert_int_equal(a.holes[0].from, 5);
    must_add(&a, 7, 9); /* touches the first */
    assert_int_equal(a.holes_len, 3);
    assert_int_equal(a.holes[0].to, 9);
    must_add(&a, 8, 40); /* swallows the second, joins all */
    assert_int_equal(a.holes_len, 1);
    assert_int_equal(a.holes[0].from, 5);
    assert_int_equal(a.holes[0].to, 41);
    assert_int_equal(lt_accepted_add_hole(&a, (struct lt_hole){3, 3}, 0, NULL), LT_E_INVALID);
}

static void only_what_was_accepted_as_a_whole_is_covered(void **state)
{
    (void)state;
    struct lt_accepted a = {0};
    must_add(&a, 5, 7);
    must_add(&a, 9, 10);
    assert_true(lt_accepted_covers(&a, 5, 7));
    assert_true(lt_accepted_covers(&a, 6, 7));
    assert_true(lt_accepted_covers(&a, 3, 3)); /* nothing is missing */
    assert_false(lt_accepted_covers(&a, 4, 7));
    assert_false(lt_accepted_covers(&a, 5, 8));
    assert_false(lt_accepted_covers(&a, 5, 10)); /* a record stood between */
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct lt_accepted a = {.index = true, .index_offset = 900, .index_sum = 0xabcdef0123456789ULL}, b;
    must_add(&a, 5, 7);
    must_add(&a, 9, 10);
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(4096);
    lt_accepted_write(&a, 3, INCARNATION, "an", "2024-01-01T00:00:00Z", &out);
    assert_int_equal(lt_accepted_parse(lt_buf_view(&out), INCARNATION, &b, NULL), LT_OK);
    assert_int_equal(b.holes_len, 2);
    assert_memory_equal(b.holes, a.holes, 2 * sizeof(a.holes[0]));
    assert_true(b.index && b.index_offset == a.index_offset && b.index_sum == a.index_sum);
    assert_int_equal(lt_accepted_parse(lt_buf_view(&out), INCARNATION + 1, &b, NULL), LT_E_NOT_FOUND);
    assert_int_equal(b.holes_len, 0);
}

static void what_is_not_ours_accepts_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{\"holes\":[[1,2]]}",
        "{\"incarnation\":\"000000000000feed\",\"holes\":[[5,5]]}",
        "{\"incarnation\":\"000000000000feed\",\"holes\":[[5,7],[6,9]]}",
        "{\"incarnation\":\"000000000000feed\",\"holes\":[[\"5\",7]]}",
        "{\"incarnation\":\"000000000000feed\",\"holes\":[],\"index\":{\"offset\":3}}",
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++) {
        struct lt_accepted a = {.holes_len = 9, .index = true};
        assert_int_equal(lt_accepted_parse(lt_span_str(bad[i]), INCARNATION, &a, NULL), LT_E_INVALID);
        assert_int_equal(a.holes_len, 0);
        assert_false(a.index);
    }
}

static void the_number_of_holes_is_bounded_and_those_the_log_has_left_behind_make_room(void **state)
{
    (void)state;
    struct lt_accepted a = {0};
    for (int64_t i = 0; i < LT_ACCEPTED_HOLES_MAX; i++)
        must_add(&a, i * 10, i * 10 + 2);
    struct lt_err err = LT_ERR_INIT;
    int64_t end = LT_ACCEPTED_HOLES_MAX * 10;
    assert_int_equal(lt_accepted_add_hole(&a, (struct lt_hole){end, end + 1}, 0, &err), LT_E_LIMIT);
    assert_int_equal(lt_accepted_add_hole(&a, (struct lt_hole){end, end + 1}, 102, &err), LT_OK);
    assert_true(lt_accepted_covers(&a, 100, 102)); /* ends where the log begins: still needed */
    assert_false(lt_accepted_covers(&a, 90, 92));
    assert_true(lt_accepted_covers(&a, end, end + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_are_kept_in_order_and_joined_with_what_they_touch),
        cmocka_unit_test(only_what_was_accepted_as_a_whole_is_covered),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(what_is_not_ours_accepts_nothing),
        cmocka_unit_test(the_number_of_holes_is_bounded_and_those_the_log_has_left_behind_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
