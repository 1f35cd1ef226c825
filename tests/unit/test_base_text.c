#include "tests/unit/harness.h"

#include "gateway/base/text.h"

static int arena_setup(void **state)
{
    *state = lt_alloc(sizeof(struct lt_arena));
    return 0;
}

static int arena_teardown(void **state)
{
    lt_arena_deinit(*state);
    free(*state);
    return 0;
}

static void validity_tells_the_first_bad_byte(void **state)
{
    (void)state;
    static const struct {
        struct lt_span text;
        size_t bad;
    } cases[] = {
        {{"abc\xFF", 4}, 3},
        {{"\xC3", 1}, 0},
        {{"\xC0\x80", 2}, 0},
        {{"\xE0\x9F\x80", 3}, 0},
        {{"\xED\xA0\x80", 3}, 0},
        {{"\xF0\x8F\x80\x80", 4}, 0},
        {{"\xF4\x90\x80\x80", 4}, 0},
        {{"\xF5\x80\x80\x80", 4}, 0},
        {{"Đ\x80", 3}, 2},
        {{"ễ\xE1\xBB", 5}, 3},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        size_t bad = 99;
        assert_false(lt_utf8_valid(cases[i].text, &bad));
        assert_int_equal(bad, cases[i].bad);
        assert_false(lt_utf8_valid(cases[i].text, NULL));
    }
    assert_true(lt_utf8_valid(LT_SPAN_NULL, NULL));
    assert_true(
        lt_utf8_valid(LT_SPAN_LIT("Nguyễn Thị Ánh \xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80"), NULL));
}

static void decomposed_vietnamese_becomes_the_composed_form(void **state)
{
    /* e + circumflex + tilde, o + horn + acute in the other order, D with stroke untouched */
    struct lt_span s = lt_text_normal(*state, LT_SPAN_LIT("  Nguye\xCC\x82\xCC\x83n Tho\xCC\x9B\xCC\x81 \xC4\x90\t"));
    assert_span_is(s, "Nguyễn Thớ Đ");
    assert_span_is(lt_text_normal(*state, LT_SPAN_LIT("o\xCC\x81\xCC\x9B")), "ớ");
    assert_span_is(lt_text_normal(*state, LT_SPAN_LIT("a\xCC\xA3\xCC\x82")), "ậ");
    assert_span_is(lt_text_normal(*state, LT_SPAN_LIT("\xC3\xA2\xCC\xA3")), "ậ");
    assert_span_is(lt_text_normal(*state, LT_SPAN_LIT("\xE2\x84\xAB")), "Å");
}

static void text_in_normal_form_is_given_back_itself(void **state)
{
    static const char *const texts[] = {"", "abc", "Đỗ Thị Hường", "“Ủy ban” – xã", "日本"};
    for (size_t i = 0; i < LT_ARRAY_LEN(texts); i++) {
        struct lt_span in = lt_span_str(texts[i]), out = lt_text_normal(*state, in);
        assert_ptr_equal(out.ptr, in.ptr);
        assert_int_equal(out.len, in.len);
    }
    assert_int_equal(((struct lt_arena *)*state)->used, 0);
}

static void accents_are_stripped_and_case_is_kept(void **state)
{
    assert_span_is(lt_text_strip_accents(*state, LT_SPAN_LIT("NGUYỄN VĂN ĐỨC")), "NGUYEN VAN DUC");
    assert_span_is(lt_text_strip_accents(*state, LT_SPAN_LIT("đường Trần Hưng Đạo, xã Ỷ Tý")),
                   "duong Tran Hung Dao, xa Y Ty");
    assert_span_is(lt_text_strip_accents(*state, LT_SPAN_LIT("Nguye\xCC\x82\xCC\x83n")), "Nguyen");
    assert_span_is(lt_text_strip_accents(*state, LT_SPAN_LIT("\xC3\x90\xE1\xBB\x97")), "Do"); /* Icelandic Ð */
    assert_span_is(lt_text_strip_accents(*state, LT_SPAN_NULL), "");
}

static void every_vietnamese_letter_loses_its_marks_and_keeps_its_pair(void **state)
{
    static const struct {
        const char *lower, *upper;
        char plain;
    } rows[] = {
        {"àáảãạăằắẳẵặâầấẩẫậ", "ÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬ", 'a'},
        {"èéẻẽẹêềếểễệ", "ÈÉẺẼẸÊỀẾỂỄỆ", 'e'},
        {"ìíỉĩị", "ÌÍỈĨỊ", 'i'},
        {"òóỏõọôồốổỗộơờớởỡợ", "ÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢ", 'o'},
        {"ùúủũụưừứửữự", "ÙÚỦŨỤƯỪỨỬỮỰ", 'u'},
        {"ỳýỷỹỵ", "ỲÝỶỸỴ", 'y'},
        {"đ", "Đ", 'd'},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_span lower = lt_span_str(rows[i].lower);
        assert_span_is(lt_text_upper(*state, lower), rows[i].upper);
        struct lt_span plain = lt_text_strip_accents(*state, lower);
        assert_int_equal(plain.len, lt_text_chars(lower));
        for (size_t k = 0; k < plain.len; k++)
            assert_int_equal(plain.ptr[k], rows[i].plain);
    }
}

static void length_counts_letters_and_cutting_never_splits_one(void **state)
{
    (void)state;
    struct lt_span s = LT_SPAN_LIT("Đỗ Hà");
    assert_int_equal(lt_text_chars(s), 5);
    assert_span_is(lt_text_first_chars(s, 2), "Đỗ");
    assert_span_is(lt_text_first_chars(s, 5), "Đỗ Hà");
    assert_span_is(lt_text_first_chars(s, 99), "Đỗ Hà");
    assert_span_is(lt_text_first_chars(s, 0), "");
    assert_int_equal(lt_text_chars(LT_SPAN_NULL), 0);
}

int main(void)
{
#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, arena_setup, arena_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validity_tells_the_first_bad_byte),
        WITH_ARENA(decomposed_vietnamese_becomes_the_composed_form),
        WITH_ARENA(text_in_normal_form_is_given_back_itself),
        WITH_ARENA(accents_are_stripped_and_case_is_kept),
        WITH_ARENA(every_vietnamese_letter_loses_its_marks_and_keeps_its_pair),
        cmocka_unit_test(length_counts_letters_and_cutting_never_splits_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
