#include "gateway/codec/pattern.h"
#include "tests/unit/harness.h"

static bool finds(const char *pattern, const char *text)
{
    struct lt_pattern *p = NULL;
    struct lt_err err;
    if (lt_pattern_compile(lt_span_str(pattern), &p, &err))
        fail_msg("%s", err.text);
    bool found = lt_pattern_search(p, lt_span_str(text));
    lt_pattern_free(p);
    return found;
}

static void refused(const char *pattern, int code, const char *why)
{
    struct lt_pattern *p = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_pattern_compile(lt_span_str(pattern), &p, &err), code);
    assert_null(p);
    assert_string_equal(err.kind, "pattern");
    if (!strstr(err.text, why))
        fail_msg("%s: \"%s\" does not say \"%s\"", pattern, err.text, why);
}

static void patterns_match_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *yes, *no;
    } rows[] = {
        {"^[0-9]{14}$", "20240101083000", "2024010108300"},
        {"^[0-9]{14}$", "20240101083000", "202401010830000"},
        {"^\\d{3}(\\.\\d{2}){2}$", "000.00.00", "000.00"},
        {"^H[0-9]{2}(\\.[0-9]{2}){0,3}$", "H22.01.02", "H22.1"},
        {"abc", "xxabcxx", "xxabxcx"},
        {"^abc", "abcx", "xabc"},
        {"abc$", "xabc", "abcx"},
        {"^(a|bc|)$", "", "b"},
        {"^(a|bc|)$", "bc", "abc"},
        {"^(?:x|y)+?z$", "xyxz", "z"},
        {"^a{0,2}$", "aa", "aaa"},
        {"^a{2,}$", "aaaa", "a"},
        {"^a{2,4}$", "aaa", "aaaaa"},
        {"^a{0}b$", "b", "ab"},
        {"^(ab?)*$", "aabab", "abb"},
        {"^(a*)*$", "aaaa", "b"},
        {"^(a*)+$", "", "b"},
        {"^[^a-c]$", "d", "b"},
        {"^[-a]$", "-", "b"},
        {"^[a-]$", "-", "b"},
        {"^[\\]\\\\]$", "]", "["},
        {"^[\\d_]+$", "1_2", "a"},
        {"^\\D\\W\\S$", "a-b", "1-b"},
        {"^\\w\\s\\w$", "a b", "a-b"},
        {"^\\u0041\\x42$", "AB", "ab"},
        {"^a.c$", "abc", "a\nc"},
        {"^\\^\\$\\.\\/$", "^$./", "x"},
        {"a|^b$", "xxa", "xb"},
        {"^$", "", "x"},
        {"", "anything", NULL},
        {"^[[:a]+$", "[:a", "b"}, /* no class of POSIX */
        {"^[a.]+$", "a.", "ab"},
        {"^a$", "a", "a\n"},
        {"^a|b$", "ax", "bx"},
        {"^[^\\s]+$", "ab", "a b"},
        {"^[\\S]+$", "ab", "a b"},
        {"^a{02}$", "aa", "a{02}"}, /* RE2 would take it for text */
        {"^a{00,01}$", "", "aa"},
        {"^[\\w-]+$", "a-b", "a.b"},
        {"^[-\\s]+$", "- ", "a"},
        {"^[a-c-e]+$", "a-e", "d"},
        {"^[+--]+$", "+,-", "."},
        {"^[--.]+$", "-.", ","},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        if (!finds(rows[i].pattern, rows[i].yes))
            fail_msg("%s should match %s", rows[i].pattern, rows[i].yes);
        if (rows[i].no && finds(rows[i].pattern, rows[i].no))
            fail_msg("%s should not match %s", rows[i].pattern, rows[i].no);
    }
}

static void characters_are_code_points_not_bytes(void **state)
{
    (void)state;
    assert_true(finds("^.{6}$", "NGUYỄN"));
    assert_false(finds("^.{8}$", "NGUYỄN"));
    assert_true(finds("^[à-ỹ]+$", "ễ"));
    assert_true(finds("^[^a]$", "Đ"));
    assert_false(finds("^[^Đ]$", "Đ"));
    assert_true(finds("^\\W$", "Đ"));
    assert_true(finds("^\\s$", "\u00A0"));
    static const char *const spaces[] = {"\t", "\v", " ", "\u00A0", "\u2009", "\u3000", "\uFEFF"};
    for (size_t i = 0; i < LT_ARRAY_LEN(spaces); i++) {
        assert_true(finds("^\\s$", spaces[i]) && finds("^[x\\s]$", spaces[i]));
        assert_false(finds("^\\S$", spaces[i]) || finds("^[x\\S]$", spaces[i]) || finds("^[^\\s]$", spaces[i]));
    }
    assert_false(finds("^.$", "\u2028"));
    assert_true(finds("^\U0001F600$", "\U0001F600"));
}

static void what_is_not_supported_is_refused_and_never_ignored(void **state)
{
    (void)state;
    refused("(?=a)", LT_E_INVALID, "groups are supported");
    refused("(?<n>a)", LT_E_INVALID, "groups are supported");
    refused("(a)\\1", LT_E_INVALID, "escape is not supported");
    refused("\\bword", LT_E_INVALID, "escape is not supported");
    refused("\\p{L}", LT_E_INVALID, "escape is not supported");
    refused("(?i)a", LT_E_INVALID, "groups are supported");
    refused("\\Qa\\E", LT_E_INVALID, "escape is not supported");
    refused("\\Aa\\z", LT_E_INVALID, "escape is not supported");
    refused("[]", LT_E_INVALID, "empty");
    refused("\\ud83d", LT_E_INVALID, "surrogate");
    refused("a{1001}", LT_E_LIMIT, "too large");
    refused("(a", LT_E_INVALID, "( without )");
    refused("a)", LT_E_INVALID, ") without (");
    refused("[a", LT_E_INVALID, "[ without ]");
    refused("[z-a]", LT_E_INVALID, "ends before it starts");
    refused("*a", LT_E_INVALID, "nothing to repeat");
    refused("a**", LT_E_INVALID, "repetition of a repetition");
    refused("a{3,2}", LT_E_INVALID, "m below n");
    refused("a{x}", LT_E_INVALID, "{n,m}");
    refused("a\\", LT_E_INVALID, "nothing after");
    refused("\\u12", LT_E_INVALID, "hexadecimal");
    refused("]", LT_E_INVALID, "without its opening");
    refused("a{3000}", LT_E_LIMIT, "too large");
    refused("a{99999999999}", LT_E_LIMIT, "too large");
    refused("a{1,99999999999}", LT_E_LIMIT, "too large");
    refused("a{99999999999,99999999998}", LT_E_LIMIT, "too large");
    refused("a{003,2}", LT_E_INVALID, "m below n");
    refused("[\\s-\\uffff]", LT_E_INVALID, "neither begins nor ends a range");
    refused("[\\w-\\(-\\x41]", LT_E_INVALID, "neither begins nor ends a range");
    refused("[\\x00-\\S]", LT_E_INVALID, "neither begins nor ends a range");
    refused("[a-\\d]", LT_E_INVALID, "neither begins nor ends a range");
    refused("^*a", LT_E_INVALID, "nothing to repeat");
    refused("a${1}", LT_E_INVALID, "nothing to repeat");
    refused("((a{50}){50}){50}", LT_E_LIMIT, "too large");
}

/* A backtracking engine needs 2^28 steps for these. */
static void hostile_texts_take_linear_time(void **state)
{
    (void)state;
    char text[10001];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(finds("^(a+)+b$", text));
    assert_false(finds("^(a|a)*b$", text));
    assert_false(finds("^(a?){28}a{28}b$", text));
    assert_false(finds("(x+x+)+y", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_what_they_say),
        cmocka_unit_test(characters_are_code_points_not_bytes),
        cmocka_unit_test(what_is_not_supported_is_refused_and_never_ignored),
        cmocka_unit_test(hostile_texts_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
