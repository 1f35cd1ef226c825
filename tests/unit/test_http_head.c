#include "tests/unit/harness.h"

#include "gateway/http/head.h"

static int parse(const char *text, struct lt_http_head *h, char **ret_text)
{
    const char *why = "";
    *ret_text = lt_strdup(text);
    int status = lt_http_head_parse(*ret_text, strlen(text), h, &why);
    assert_true(status == 0 || *why);
    return status;
}

static void a_request_head_is_read(void **state)
{
    (void)state;
    struct lt_http_head h;
    LT_AUTOFREE char *text = NULL;
    assert_int_equal(
        parse("POST /v1/ev%65nts/%C3%A1?a=1&b=%20 HTTP/1.1\r\nHost: x\r\ncontent-length:  12 \r\nX-A: b: c\r\n\r\n", &h,
              &text),
        0);
    assert_string_equal(h.method, "POST");
    assert_string_equal(h.path, "/v1/events/\xC3\xA1");
    assert_string_equal(h.query, "a=1&b=%20");
    assert_int_equal(h.length, 12);
    assert_true(h.has_length && h.keep_alive && !h.chunked && !h.expect_continue);
    assert_string_equal(lt_http_head_field(&h, "x-a"), "b: c");
    assert_null(lt_http_head_field(&h, "x"));
}

static void the_absolute_form_leaves_the_path(void **state)
{
    (void)state;
    struct lt_http_head h;
    LT_AUTOFREE char *text = NULL;
    assert_int_equal(parse("GET https://host:1/a?b HTTP/1.1\r\nHost: x\r\n\r\n", &h, &text), 0);
    assert_string_equal(h.path, "/a");
    assert_string_equal(h.query, "b");
}

static void connections_are_kept_as_the_versions_say(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep;
    } cases[] = {{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
                 {"GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", false},
                 {"GET / HTTP/1.0\r\n\r\n", false},
                 {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true}};
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        struct lt_http_head h;
        LT_AUTOFREE char *text = NULL;
        assert_int_equal(parse(cases[i].text, &h, &text), 0);
        assert_int_equal(h.keep_alive, cases[i].keep);
    }
}

static void what_two_readers_could_understand_differently_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: x\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\rY: z\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET /\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nExpect: the-worst\r\n\r\n", 417},
        {"\x16\x03\x01\r\n\r\n", 400},
        {"\r\n\r\n", 400},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        struct lt_http_head h;
        LT_AUTOFREE char *text = NULL;
        int status = parse(cases[i].text, &h, &text);
        if (status != cases[i].status)
            fail_msg("case %zu: got %d, want %d", i, status, cases[i].status);
    }
}

static void too_many_headers_are_refused(void **state)
{
    (void)state;
    struct lt_http_head h;
    LT_AUTOFREE char *text = NULL;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(65536);
    lt_buf_str(&b, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < LT_HTTP_HEAD_FIELDS; i++)
        lt_buf_printf(&b, "X-%d: y\r\n", i);
    lt_buf_str(&b, "\r\n");
    assert_int_equal(parse(b.ptr, &h, &text), 431);
}

static void chunk_sizes_are_hexadecimal_and_bounded(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(lt_http_chunk_size(LT_SPAN_LIT("1aF"), &n) && n == 0x1af);
    assert_true(lt_http_chunk_size(LT_SPAN_LIT("0 ;x=y"), &n) && n == 0);
    assert_false(lt_http_chunk_size(LT_SPAN_LIT(""), &n));
    assert_false(lt_http_chunk_size(LT_SPAN_LIT("0x10"), &n));
    assert_false(lt_http_chunk_size(LT_SPAN_LIT("-1"), &n));
    assert_false(lt_http_chunk_size(LT_SPAN_LIT("ffffffffffffffff0"), &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_head_is_read),
        cmocka_unit_test(the_absolute_form_leaves_the_path),
        cmocka_unit_test(connections_are_kept_as_the_versions_say),
        cmocka_unit_test(what_two_readers_could_understand_differently_is_refused),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(chunk_sizes_are_hexadecimal_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
