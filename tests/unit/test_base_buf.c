#include "tests/unit/harness.h"

#include <stdio.h>

static void a_buffer_takes_exactly_its_maximum(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(5);
    lt_buf_str(&b, "abc");
    lt_buf_str(&b, "de");
    assert_true(lt_buf_ok(&b));
    assert_string_equal(b.ptr, "abcde");
    lt_buf_char(&b, 'f');
    assert_false(lt_buf_ok(&b));
    assert_span_is(lt_buf_view(&b), "abcde");
}

static void after_the_first_dropped_piece_nothing_more_is_appended(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(5);
    lt_buf_str(&b, "abc");
    lt_buf_str(&b, "too long");
    lt_buf_str(&b, "d");
    lt_buf_printf(&b, "%d", 1);
    assert_false(lt_buf_ok(&b));
    assert_span_is(lt_buf_view(&b), "abc");
    lt_buf_reset(&b);
    assert_true(lt_buf_ok(&b));
    lt_buf_str(&b, "d");
    assert_span_is(lt_buf_view(&b), "d");
}

static void a_buffer_without_room_holds_nothing(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(0);
    assert_span_is(lt_buf_view(&b), "");
    lt_buf_char(&b, 'a');
    assert_false(lt_buf_ok(&b));
    assert_span_is(lt_buf_view(&b), "");
}

static void printing_longer_than_the_small_array_is_whole(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(100000);
    lt_buf_str(&b, "<");
    lt_buf_printf(&b, "%0700d>", 1);
    assert_int_equal(b.len, 702);
    assert_int_equal(b.ptr[701], '>');
    LT_AUTOBUF struct lt_buf tight = LT_BUF_INIT(699);
    lt_buf_printf(&tight, "%0700d", 1);
    assert_false(lt_buf_ok(&tight));
}

static void taking_gives_the_bytes_away_and_is_never_null(void **state)
{
    (void)state;
    struct lt_buf b = LT_BUF_INIT(100);
    LT_AUTOFREE char *nothing = lt_buf_take(&b);
    assert_string_equal(nothing, "");
    lt_buf_str(&b, "abc");
    LT_AUTOFREE char *text = lt_buf_take(&b);
    assert_string_equal(text, "abc");
    assert_null(b.ptr);
    assert_int_equal(b.len, 0);
}

static void check_json(struct lt_span in, const char *want)
{
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1000);
    lt_buf_json(&b, in);
    assert_span_is(lt_buf_view(&b), want);
}

static void json_strings_are_quoted_and_escaped(void **state)
{
    (void)state;
    check_json(LT_SPAN_NULL, "\"\"");
    check_json(LT_SPAN_LIT("Nguyễn Văn Đức"), "\"Nguyễn Văn Đức\"");
    check_json(LT_SPAN_LIT("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    check_json(LT_SPAN_LIT("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    check_json(lt_span("a\0b", 3), "\"a\\u0000b\"");
    check_json(LT_SPAN_LIT("\xF0\x9F\x98\x80"), "\"\xF0\x9F\x98\x80\"");
}

#define BAD "\xEF\xBF\xBD"

/* Eight bytes are looked at together: what must be escaped is seen at each place among them. */
static void a_byte_is_escaped_wherever_it_stands(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        LT_AUTOBUF struct lt_buf alone = LT_BUF_INIT(100);
        char byte = (char)c;
        lt_buf_json(&alone, lt_span(&byte, 1));
        for (size_t at = 0; at < 17; at++) {
            char in[17], want[100];
            memset(in, '~', sizeof(in));
            in[at] = byte;
            snprintf(want, sizeof(want), "\"%.*s%.*s%.*s\"", (int)at, "~~~~~~~~~~~~~~~~", (int)alone.len - 2,
                     alone.ptr + 1, (int)(16 - at), "~~~~~~~~~~~~~~~~");
            check_json(lt_span(in, sizeof(in)), want);
        }
    }
}

static void invalid_utf8_becomes_the_replacement_character(void **state)
{
    (void)state;
    check_json(LT_SPAN_LIT("a\xFFz"), "\"a" BAD "z\"");
    check_json(LT_SPAN_LIT("\xC0\xAF"), "\"" BAD BAD "\""); /* overlong */
    check_json(LT_SPAN_LIT("\xE1\xBB"
                           "z"),
               "\"" BAD "z\"");                                             /* cut off inside ễ */
    check_json(LT_SPAN_LIT("\xE1\xBB"), "\"" BAD "\"");                     /* and at the end */
    check_json(LT_SPAN_LIT("\xED\xA0\x80"), "\"" BAD BAD BAD "\"");         /* surrogate */
    check_json(LT_SPAN_LIT("\xF4\x90\x80\x80"), "\"" BAD BAD BAD BAD "\""); /* above U+10FFFF */
    check_json(LT_SPAN_LIT("\x80"), "\"" BAD "\"");
}

static void check_xml(struct lt_span in, const char *want)
{
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1000);
    lt_buf_xml(&b, in);
    assert_span_is(lt_buf_view(&b), want);
}

static void xml_text_is_escaped_for_content_and_attributes(void **state)
{
    (void)state;
    check_xml(LT_SPAN_NULL, "");
    check_xml(LT_SPAN_LIT("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
    check_xml(LT_SPAN_LIT("]]>"), "]]&gt;");
    check_xml(LT_SPAN_LIT("Đỗ Thị Hà"), "Đỗ Thị Hà");
    check_xml(LT_SPAN_LIT("a\tb\r\nc"), "a&#9;b&#13;&#10;c");
    check_xml(lt_span("a\0\x01\x1f\x7f"
                      "b\xC2\x85",
                      8),
              "ab");
    check_xml(LT_SPAN_LIT("a\xEF\xBF\xBF"
                          "b"),
              "ab");
    check_xml(LT_SPAN_LIT("\xFF<"), BAD "&lt;");
}

static void escaping_past_the_maximum_is_seen(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(6);
    lt_buf_json(&b, LT_SPAN_LIT("\x01"));
    assert_false(lt_buf_ok(&b));
    lt_buf_reset(&b);
    lt_buf_xml(&b, LT_SPAN_LIT("ab&"));
    assert_false(lt_buf_ok(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_takes_exactly_its_maximum),
        cmocka_unit_test(after_the_first_dropped_piece_nothing_more_is_appended),
        cmocka_unit_test(a_buffer_without_room_holds_nothing),
        cmocka_unit_test(printing_longer_than_the_small_array_is_whole),
        cmocka_unit_test(taking_gives_the_bytes_away_and_is_never_null),
        cmocka_unit_test(json_strings_are_quoted_and_escaped),
        cmocka_unit_test(a_byte_is_escaped_wherever_it_stands),
        cmocka_unit_test(invalid_utf8_becomes_the_replacement_character),
        cmocka_unit_test(xml_text_is_escaped_for_content_and_attributes),
        cmocka_unit_test(escaping_past_the_maximum_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
