#include "tests/unit/harness.h"

static void trimming_removes_white_space_at_both_ends_only(void **state)
{
    (void)state;
    assert_span_is(lt_span_trim(lt_span_str(" \t\r\n a b \v\f ")), "a b");
    assert_span_is(lt_span_trim(lt_span_str("   ")), "");
    assert_int_equal(lt_span_trim(LT_SPAN_NULL).len, 0);
}

static void cutting_gives_empty_parts_too(void **state)
{
    (void)state;
    struct lt_span rest = lt_span_str("a,,bc,"), part;
    const char *const want[] = {"a", "", "bc", ""};
    for (size_t i = 0; i < LT_ARRAY_LEN(want); i++) {
        assert_true(lt_span_cut(&rest, ',', &part));
        assert_span_is(part, want[i]);
    }
    assert_false(lt_span_cut(&rest, ',', &part));
    rest = lt_span_str("");
    assert_true(lt_span_cut(&rest, ',', &part));
    assert_span_is(part, "");
    assert_false(lt_span_cut(&rest, ',', &part));
}

static void numbers_take_the_whole_span_and_never_overflow(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_true(lt_span_u64(lt_span_str("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    u = 7;
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "99999999999999999999"};
    for (size_t n = 0; n < LT_ARRAY_LEN(bad); n++)
        assert_false(lt_span_u64(lt_span_str(bad[n]), &u));
    assert_true(u == 7);
    assert_true(lt_span_i64(lt_span_str("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(lt_span_i64(lt_span_str("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_false(lt_span_i64(lt_span_str("9223372036854775808"), &i));
    assert_false(lt_span_i64(lt_span_str("-9223372036854775809"), &i));
    assert_false(lt_span_i64(lt_span_str("-"), &i));
    assert_false(lt_span_i64(lt_span_str("--1"), &i));
    assert_true(i == INT64_MAX);
}

static void a_star_matches_any_run_and_nothing_else_is_special(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"a*c", "abbc", true},
        {"a*c", "ac", true},
        {"a*c", "abcd", false},
        {"*.H01.*", "000.00.H02.01", false},
        {"*.H01.*", "000.H01.x", true},
        {"H01*", "H01.5", true},
        {"H01*", "H0", false},
        {"a?c", "abc", false},
        {"a?c", "a?c", true},
        {"**a**", "xxa", true},
        {"*a*b*a", "aabba", true},
        {"[a]", "a", false},
        {"*ab", "aab", true},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        if (lt_glob_match(cases[i].pattern, lt_span_str(cases[i].text)) != cases[i].match)
            fail_msg("%s against %s", cases[i].pattern, cases[i].text);
    }
    assert_false(lt_glob_match("a*", lt_span("b\0a", 3)));
}

static void arena_memory_is_zeroed_aligned_and_stays_where_it_is(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    char *first = lt_arena_str(&a, LT_SPAN_LIT("đầu tiên"));
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *p = lt_arena_alloc(&a, size);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, size);
    }
    assert_string_equal(first, "đầu tiên");
    unsigned char *large = lt_arena_alloc(&a, 1000000);
    large[999999] = 1;
    assert_true(a.used > 1000000);
    assert_string_equal(lt_arena_printf(&a, "%05d-%s", 42, "x"), "00042-x");
    lt_arena_deinit(&a);
    assert_null(a.head);
}

static void a_reset_arena_is_reused_and_zeroed_again(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    unsigned char *first = lt_arena_alloc(&a, 64);
    memset(first, 0xFF, 64);
    lt_arena_reset(&a);
    assert_int_equal(a.used, 0);
    unsigned char *again = lt_arena_alloc(&a, 64);
    assert_ptr_equal(first, again);
    for (int i = 0; i < 64; i++)
        assert_int_equal(again[i], 0);
    lt_arena_alloc(&a, 10 << 20);
    lt_arena_reset(&a);
    lt_arena_alloc(&a, 1);
    lt_arena_deinit(&a);
}

static void a_large_first_allocation_is_given_back_on_reset(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    lt_arena_alloc(&a, 10 << 20);
    lt_arena_reset(&a);
    assert_null(a.head);
    lt_arena_deinit(&a);
}

static void arena_spans_end_with_nul_and_may_be_empty(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_span s = lt_arena_span(&a, lt_span("abcdef", 3));
    assert_span_is(s, "abc");
    assert_int_equal(s.ptr[3], 0);
    s = lt_arena_span(&a, LT_SPAN_NULL);
    assert_non_null(s.ptr);
    assert_int_equal(s.len, 0);
    lt_arena_deinit(&a);
}

static void vectors_grow_and_keep_what_they_hold(void **state)
{
    (void)state;
    LT_VEC(int) numbers = {0};
    for (int i = 0; i < 1000; i++)
        *lt_vec_push(&numbers) = i;
    assert_int_equal(numbers.len, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(numbers.v[i], i);
    lt_vec_deinit(&numbers);
    assert_null(numbers.v);
}

static void a_stolen_pointer_is_not_freed_by_its_cleanup(void **state)
{
    (void)state;
    char *kept;
    {
        LT_AUTOFREE char *text = lt_asprintf("%s-%d", "a", 1);
        kept = lt_steal(&text);
    }
    assert_string_equal(kept, "a-1");
    free(kept);
}

static void checked_multiplication_sees_the_overflow(void **state)
{
    (void)state;
    size_t n;
    assert_true(lt_mul_size(3, 5, &n));
    assert_int_equal(n, 15);
    assert_false(lt_mul_size(SIZE_MAX / 2, 3, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trimming_removes_white_space_at_both_ends_only),
        cmocka_unit_test(cutting_gives_empty_parts_too),
        cmocka_unit_test(numbers_take_the_whole_span_and_never_overflow),
        cmocka_unit_test(a_star_matches_any_run_and_nothing_else_is_special),
        cmocka_unit_test(arena_memory_is_zeroed_aligned_and_stays_where_it_is),
        cmocka_unit_test(a_reset_arena_is_reused_and_zeroed_again),
        cmocka_unit_test(a_large_first_allocation_is_given_back_on_reset),
        cmocka_unit_test(arena_spans_end_with_nul_and_may_be_empty),
        cmocka_unit_test(vectors_grow_and_keep_what_they_hold),
        cmocka_unit_test(a_stolen_pointer_is_not_freed_by_its_cleanup),
        cmocka_unit_test(checked_multiplication_sees_the_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
