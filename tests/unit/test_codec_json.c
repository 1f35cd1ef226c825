#include "gateway/codec/json.h"
#include "tests/unit/harness.h"

static const struct lt_json_limits limits = {1 << 20, 64};

static struct lt_json *good(const char *text)
{
    struct lt_json *j = NULL;
    struct lt_err err;
    if (lt_json_parse(lt_span_str(text), &limits, &j, &err))
        fail_msg("%s: %s", text, err.text);
    return j;
}

static struct lt_err bad_bytes(const void *p, size_t len, int code, const char *kind)
{
    struct lt_json *j = NULL;
    struct lt_err err = LT_ERR_INIT;
    int rc = lt_json_parse(lt_span(p, len), &limits, &j, &err);
    assert_null(j);
    if (strcmp(err.kind, kind) != 0)
        fail_msg("expected %s, got %s (%s)", kind, err.kind, err.text);
    assert_int_equal(rc, code);
    assert_int_equal(err.code, code);
    return err;
}

static struct lt_err bad(const char *text, const char *kind)
{
    return bad_bytes(text, strlen(text), LT_E_INVALID, kind);
}

static void a_document_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct lt_json *j = good(
        "{\"MaHoSo\":\"H22.01\",\"n\":-7,\"t\":true,\"z\":null,\"list\":[1,\"hai\",{\"ba\":3}],\"\":\"empty name\"}");
    lt_json_value root = lt_json_root(j);
    struct lt_span s;
    int64_t n;
    bool b = false;
    assert_int_equal(lt_json_type_of(root), LT_JSON_OBJECT);
    assert_int_equal(lt_json_len(root), 6);
    assert_true(lt_json_string(lt_json_get(root, "MaHoSo"), &s));
    assert_span_is(s, "H22.01");
    assert_int_equal(s.ptr[s.len], '\0');
    assert_true(lt_json_int(lt_json_get(root, "n"), &n));
    assert_int_equal(n, -7);
    assert_true(lt_json_bool(lt_json_get(root, "t"), &b));
    assert_true(b);
    assert_int_equal(lt_json_type_of(lt_json_get(root, "z")), LT_JSON_NULL);
    lt_json_value list = lt_json_get(root, "list");
    assert_int_equal(lt_json_len(list), 3);
    assert_true(lt_json_int(lt_json_get(lt_json_at(list, 2), "ba"), &n));
    assert_int_equal(n, 3);
    assert_true(lt_json_string(lt_json_member(root, lt_span("", 0)), &s));
    assert_true(lt_json_present(lt_json_member_at(root, 1, &s)));
    assert_span_is(s, "n");
    lt_json_free(j);
}

static void what_is_absent_is_absent_and_nothing_else(void **state)
{
    (void)state;
    struct lt_json *j = good("{\"a\":[1],\"s\":\"x\"}");
    lt_json_value root = lt_json_root(j), none = lt_json_get(root, "b");
    struct lt_span s;
    int64_t n;
    bool b;
    assert_false(lt_json_present(none));
    assert_false(lt_json_present(lt_json_get(none, "c")));
    assert_false(lt_json_present(lt_json_at(lt_json_get(root, "a"), 1)));
    assert_false(lt_json_present(lt_json_at(root, 0)));
    assert_false(lt_json_present(lt_json_member_at(root, 2, &s)));
    assert_false(lt_json_present(lt_json_get(lt_json_get(root, "s"), "x")));
    assert_int_equal(lt_json_len(none), 0);
    assert_int_equal(lt_json_len(lt_json_get(root, "s")), 0);
    assert_false(lt_json_string(none, &s) || lt_json_string(root, &s));
    assert_false(lt_json_int(none, &n) || lt_json_int(lt_json_get(root, "s"), &n));
    assert_false(lt_json_bool(none, &b) || lt_json_bool(root, &b));
    lt_json_free(j);
    lt_json_free(NULL);
}

static void escapes_and_vietnamese_come_out_as_utf8(void **state)
{
    (void)state;
    struct lt_json *j = good("[\"NGUYỄN VĂN ĐỨC\", \"\\u0110\\u1EE9c\\n\\\"\\\\\\/\", \"\\ud83d\\ude00\"]");
    struct lt_span s;
    assert_true(lt_json_string(lt_json_at(lt_json_root(j), 0), &s));
    assert_span_is(s, "NGUYỄN VĂN ĐỨC");
    assert_true(lt_json_string(lt_json_at(lt_json_root(j), 1), &s));
    assert_span_is(s, "Đức\n\"\\/");
    assert_true(lt_json_string(lt_json_at(lt_json_root(j), 2), &s));
    assert_span_is(s, "\U0001F600");
    lt_json_free(j);
}

static void scalars_have_one_text_each(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } rows[] = {
        {"\"x\"", "x"},
        {"true", "true"},
        {"false", "false"},
        {"0", "0"},
        {"-0", "0"},
        {"-42", "-42"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"0.1", "0.1"},
        {"1.0", "1"},
        {"-0.0", "0"},
        {"1e15", "1000000000000000"},
        {"1e16", "1e+16"},
        {"1704067200000", "1704067200000"},
        {"1.7040672e12", "1704067200000"},
        {"5e-324", "5e-324"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"1e-400", "0"},
        {"0.000000000000000000000000000001e30", "1"},
    };
    struct lt_arena a = LT_ARENA_INIT;
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_json *j = good(rows[i].json);
        struct lt_span s;
        assert_true(lt_json_scalar(lt_json_root(j), &a, &s));
        assert_span_is(s, rows[i].text);
        lt_json_free(j);
    }
    struct lt_json *j = good("[null,[],{}]");
    struct lt_span s;
    for (size_t i = 0; i < 3; i++)
        assert_false(lt_json_scalar(lt_json_at(lt_json_root(j), i), &a, &s));
    lt_json_free(j);
    lt_arena_deinit(&a);
}

static void only_integral_numbers_that_fit_are_integers(void **state)
{
    (void)state;
    struct lt_json *j = good("[1.0, 1e3, 1.5, 18446744073709551615, 1e300, -9223372036854775808]");
    lt_json_value r = lt_json_root(j);
    int64_t n = 0;
    assert_true(lt_json_int(lt_json_at(r, 0), &n) && n == 1);
    assert_true(lt_json_int(lt_json_at(r, 1), &n) && n == 1000);
    assert_false(lt_json_int(lt_json_at(r, 2), &n));
    assert_false(lt_json_int(lt_json_at(r, 3), &n));
    assert_false(lt_json_int(lt_json_at(r, 4), &n));
    assert_true(lt_json_int(lt_json_at(r, 5), &n) && n == INT64_MIN);
    lt_json_free(j);
}

static void syntax_errors_name_line_and_column(void **state)
{
    (void)state;
    struct lt_err err = bad("{\n  \"MaHoSo\": \"x\",\n  \"Tên\": ?\n}", "json-syntax");
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 10);
    static const struct {
        const char *json, *says;
    } rows[] = {
        {"", "got nothing"},
        {"  ", "got nothing"},
        {"{\"a\":1} x", "expected the end"},
        {"{\"a\":1}{}", "expected the end"},
        {"[1,]", "expected a value"},
        {"{\"a\":1,}", "name of a member"},
        {"{a:1}", "name of a member"},
        {"{\"a\" 1}", "expected :"},
        {"{\"a\":1 \"b\":2}", "expected , or }"},
        {"[1 2]", "expected , or ]"},
        {"\"\\x\"", "unknown escape"},
        {"\"a\tb\"", "control character"},
        {"\"\\u12g4\"", "hexadecimal"},
        {"NaN", "expected a value"},
        {"Infinity", "expected a value"},
        {"+1", "expected a value"},
        {".5", "expected a value"},
        {"1.", "decimal point"},
        {"1e", "exponent"},
        {"01", "expected the end"},
        {"nul", "expected a value"},
        {"// c\n1", "expected a value"},
        {"'a'", "expected a value"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        err = bad(rows[i].json, "json-syntax");
        assert_contains(err.text, rows[i].says);
    }
}

static void a_truncated_document_is_refused_wherever_it_ends(void **state)
{
    (void)state;
    static const char text[] = "{\"MaHoSo\": \"H22.01\", \"list\": [1, true, {\"x\": null}], \"t\": \"Đ\"}";
    for (size_t len = 0; len + 1 < sizeof(text); len++) {
        struct lt_json *j = NULL;
        struct lt_err err = LT_ERR_INIT;
        assert_int_equal(lt_json_parse(lt_span(text, len), &limits, &j, &err), LT_E_INVALID);
        assert_true(strcmp(err.kind, "json-syntax") == 0 || strcmp(err.kind, "json-encoding") == 0);
        assert_true(err.line == 1 && err.column >= 1);
    }
    struct lt_err err = bad("{\"a\": [1, 2", "json-syntax");
    assert_contains(err.text, "ends too early");
}

static void numbers_out_of_range_are_refused_not_rounded_to_infinity(void **state)
{
    (void)state;
    static const char *const rows[] = {"1e400",  "-1e400",       "[1e309]",
                                       "99e308", "1e2147483648", "1e99999999999999999999"};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_err err = bad(rows[i], "json-syntax");
        assert_contains(err.text, "too large");
    }
    char big[500];
    memset(big, '9', 400);
    big[400] = '\0';
    bad(big, "json-syntax");
    lt_json_free(good("0.00000000000000000001e-2147483639"));
    lt_json_free(good("1e-99999999999999999999"));
}

static void half_a_surrogate_pair_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"\"\\ud800\"",        "\"\\udc00\"",        "\"\\uDFFF x\"",
                                       "\"\\ud800\\ud800\"", "\"\\ud800\\u0041\"", "{\"\\udc00\": 1}",
                                       "\"\\ude00\\ud83d\""};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_err err = bad(rows[i], "json-syntax");
        assert_contains(err.text, "surrogate");
    }
    lt_json_free(good("[\"\\\\udc00\", \"\\u00ed\\u00a0\", \"\\ud7ff\\ue000\"]"));
}

static void other_encodings_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } rows[] = {
        {"\xEF\xBB\xBF{}", 5, "UTF-8 byte order mark"},
        {"\xFF\xFE{\0}\0", 6, "UTF-16"},
        {"\xFE\xFF\0{\0}", 6, "UTF-16"},
        {"{\0}\0", 4, "UTF-16"},
        {"\0{\0}", 4, "UTF-16"},
        {"\xFF\xFE\0\0{\0\0\0", 8, "UTF-32"},
        {"\0\0\xFE\xFF\0\0\0{", 8, "UTF-32"},
        {"{\0\0\0}\0\0\0", 8, "UTF-32"},
        {"\0\0\0{\0\0\0}", 8, "UTF-32"},
        {"{}\0", 3, "NUL"},
        {"\"a\0b\"", 5, "NUL"},
        {"\"Nguy\xEA\xBBn\"", 9, "not UTF-8"},
        {"\"\xC0\x80\"", 4, "not UTF-8"},
        {"\"\xED\xA0\x80\"", 5, "not UTF-8"},
        {"\"\xF5\x80\x80\x80\"", 6, "not UTF-8"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_err err = bad_bytes(rows[i].bytes, rows[i].len, LT_E_INVALID, "json-encoding");
        assert_contains(err.text, rows[i].says);
    }
    struct lt_err err = bad_bytes("{\n\"a\": \"\x80\"}", 11, LT_E_INVALID, "json-encoding");
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 7);
}

static void a_duplicate_member_is_named_with_its_place(void **state)
{
    (void)state;
    struct lt_err err =
        bad("{\"x\": {\"a/b\": [0, {\"Mã\": 1,\n  \"n\": {}, \"M\\u00e3\": 2}]}}", "json-duplicate-member");
    assert_string_equal(err.pointer, "/x/a~1b/1/Mã");
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 12);
    assert_contains(err.text, "Mã");
    err = bad("{\"\":1,\"\":2}", "json-duplicate-member");
    assert_string_equal(err.pointer, "/");
    lt_json_free(good("[{\"a\":1},{\"a\":1},{\"A\":1,\"a\":{\"a\":1}}]"));
}

static void duplicates_in_wide_objects_are_found_in_order_of_the_text(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1 << 20);
    for (int n = 60; n <= 20000; n = n < 100 ? n + 1 : n * 3) {
        lt_buf_reset(&b);
        lt_buf_char(&b, '{');
        for (int i = 0; i < n; i++)
            lt_buf_printf(&b, "\"member%d\":%d,", i, i);
        size_t whole = b.len;
        b.ptr[b.len - 1] = '}';
        struct lt_json *j = NULL;
        assert_int_equal(lt_json_parse(lt_buf_view(&b), &limits, &j, NULL), LT_OK);
        assert_int_equal(lt_json_len(lt_json_root(j)), n);
        lt_json_free(j);
        b.ptr[whole - 1] = ',';
        lt_buf_str(&b, "\"member7\":1,\"member3\":1}");
        struct lt_err err = bad_bytes(b.ptr, b.len, LT_E_INVALID, "json-duplicate-member");
        assert_string_equal(err.pointer, "/member7");
        assert_int_equal(err.line, 1);
        assert_int_equal(err.column, whole + 1);
    }
}

static void deep_documents_are_refused_without_using_the_stack(void **state)
{
    (void)state;
    static char text[2 * 10000 + 1];
    memset(text, '[', 10000);
    memset(text + 10000, ']', 10000);
    struct lt_err err = bad_bytes(text, 20000, LT_E_LIMIT, "json-depth");
    assert_contains(err.text, "64 levels");
    assert_int_equal(err.column, 65);
    struct lt_json *j = NULL;
    struct lt_json_limits huge = {1 << 20, 1000000};
    assert_int_equal(lt_json_parse(lt_span(text, 20000), &huge, &j, &err), LT_E_LIMIT);
    assert_string_equal(err.kind, "json-depth");
    for (size_t i = 0; i + 5 <= sizeof(text); i += 5)
        memcpy(text + i, "{\"a\":", 5);
    bad_bytes(text, 20000, LT_E_LIMIT, "json-depth");
    /* exactly the limit is fine */
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    assert_int_equal(lt_json_parse(lt_span(text, 128), &limits, &j, &err), LT_OK);
    lt_json_free(j);
}

static void a_document_over_the_size_limit_is_not_looked_at(void **state)
{
    (void)state;
    struct lt_json_limits small = {10, 5};
    struct lt_json *j = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_json_parse(LT_SPAN_LIT("[1,2,3,4,5]"), &small, &j, &err), LT_E_LIMIT);
    assert_string_equal(err.kind, "json-size");
    assert_int_equal(lt_json_parse(LT_SPAN_LIT("[1,2,3,45]"), &small, &j, &err), LT_OK);
    lt_json_free(j);
    assert_int_equal(lt_json_parse(LT_SPAN_NULL, &small, &j, NULL), LT_E_INVALID);
}

static void a_large_document_needs_more_than_the_first_block(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1 << 20);
    lt_buf_str(&b, "[[]");
    for (int i = 0; i < 200000; i++)
        lt_buf_str(&b, ",{}");
    lt_buf_char(&b, ']');
    struct lt_json *j = NULL;
    assert_int_equal(lt_json_parse(lt_buf_view(&b), &limits, &j, NULL), LT_OK);
    assert_int_equal(lt_json_len(lt_json_root(j)), 200001);
    lt_json_free(j);
}

static void a_value_written_reads_back_the_same(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,-2,0.5,1e+300,true,false,null,\"x\\n\\\"Đ\",[],{}],\"\":{\"b\":18446744073709551615}}";
    struct lt_json *j = good(text);
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(4096);
    lt_json_write(lt_json_root(j), &b);
    assert_span_is(lt_buf_view(&b), text);
    lt_buf_reset(&b);
    lt_json_write(lt_json_at(lt_json_get(lt_json_root(j), "a"), 3), &b);
    assert_span_is(lt_buf_view(&b), "1e+300");
    lt_json_free(j);
}

static void the_writer_keeps_its_commas_right(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(4096);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &b);
    lt_json_begin_object(&w);
    lt_json_str(&w, "s", LT_SPAN_LIT("a\"b"));
    lt_json_num(&w, "n", INT64_MIN);
    lt_json_flag(&w, "f", false);
    lt_json_key(&w, LT_SPAN_LIT("list"));
    lt_json_begin_array(&w);
    lt_json_put_int(&w, 1);
    lt_json_put_null(&w);
    lt_json_begin_object(&w);
    lt_json_end_object(&w);
    lt_json_begin_array(&w);
    lt_json_put_bool(&w, true);
    lt_json_end_array(&w);
    lt_json_put_raw(&w, LT_SPAN_LIT("{\"raw\":1}"));
    lt_json_end_array(&w);
    lt_json_str(&w, "end", LT_SPAN_LIT(""));
    lt_json_end_object(&w);
    assert_span_is(lt_buf_view(&b), "{\"s\":\"a\\\"b\",\"n\":-9223372036854775808,\"f\":false,"
                                    "\"list\":[1,null,{},[true],{\"raw\":1}],\"end\":\"\"}");
    assert_true(lt_buf_ok(&b));
    assert_int_equal(w.depth, 0);
}

static void a_writer_nested_too_deeply_says_so_through_the_buffer(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(4096);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &b);
    for (int i = 0; i < LT_JSON_WRITER_DEPTH + 5; i++)
        lt_json_begin_array(&w);
    assert_false(lt_buf_ok(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read_as_it_was_written),
        cmocka_unit_test(what_is_absent_is_absent_and_nothing_else),
        cmocka_unit_test(escapes_and_vietnamese_come_out_as_utf8),
        cmocka_unit_test(scalars_have_one_text_each),
        cmocka_unit_test(only_integral_numbers_that_fit_are_integers),
        cmocka_unit_test(syntax_errors_name_line_and_column),
        cmocka_unit_test(a_truncated_document_is_refused_wherever_it_ends),
        cmocka_unit_test(numbers_out_of_range_are_refused_not_rounded_to_infinity),
        cmocka_unit_test(half_a_surrogate_pair_is_refused),
        cmocka_unit_test(other_encodings_are_named),
        cmocka_unit_test(a_duplicate_member_is_named_with_its_place),
        cmocka_unit_test(duplicates_in_wide_objects_are_found_in_order_of_the_text),
        cmocka_unit_test(deep_documents_are_refused_without_using_the_stack),
        cmocka_unit_test(a_document_over_the_size_limit_is_not_looked_at),
        cmocka_unit_test(a_large_document_needs_more_than_the_first_block),
        cmocka_unit_test(a_value_written_reads_back_the_same),
        cmocka_unit_test(the_writer_keeps_its_commas_right),
        cmocka_unit_test(a_writer_nested_too_deeply_says_so_through_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
