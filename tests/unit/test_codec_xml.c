#include "gateway/base/file.h"
#include "gateway/codec/xml.h"
#include "tests/unit/harness.h"

#include <stdio.h>

static const struct lt_xml_limits limits = {1 << 20, 64};

static struct lt_xml *good_bytes(const void *p, size_t len)
{
    struct lt_xml *x = NULL;
    struct lt_err err;
    if (lt_xml_parse(lt_span(p, len), &limits, &x, &err))
        fail_msg("%s: %s", err.kind, err.text);
    return x;
}

static struct lt_xml *good(const char *text)
{
    return good_bytes(text, strlen(text));
}

static struct lt_err bad_bytes(const void *p, size_t len, int code, const char *kind)
{
    struct lt_xml *x = NULL;
    struct lt_err err = LT_ERR_INIT;
    int rc = lt_xml_parse(lt_span(p, len), &limits, &x, &err);
    assert_null(x);
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

static void text_is(lt_xml_node n, const char *want)
{
    struct lt_arena a = LT_ARENA_INIT;
    assert_span_is(lt_xml_text(n, &a), want);
    lt_arena_deinit(&a);
}

static void a_document_is_walked_by_its_elements(void **state)
{
    (void)state;
    struct lt_xml *x =
        good("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><s:A xmlns:s=\"urn:s\" xmlns=\"urn:d\">\n"
             "  <B>một</B> text <?pi?>\n  <s:B>hai</s:B><C xmlns=\"\"/>\n</s:A>");
    lt_xml_node root = lt_xml_root(x), b = lt_xml_first_child(root), sb = lt_xml_next(b), c = lt_xml_next(sb);
    assert_span_is(lt_xml_name(root), "A");
    assert_span_is(lt_xml_namespace(root), "urn:s");
    assert_span_is(lt_xml_name(b), "B");
    assert_span_is(lt_xml_namespace(b), "urn:d");
    assert_span_is(lt_xml_namespace(sb), "urn:s");
    assert_span_is(lt_xml_namespace(c), "");
    assert_false(lt_xml_present(lt_xml_next(c)));
    assert_false(lt_xml_present(lt_xml_first_child(b)));
    assert_int_equal(lt_xml_line(sb), 4);
    text_is(lt_xml_child(root, "urn:s", "B"), "hai");
    text_is(lt_xml_child(root, NULL, "B"), "một");
    assert_false(lt_xml_present(lt_xml_child(root, "urn:x", "B")));
    assert_false(lt_xml_present(lt_xml_child(lt_xml_child(root, NULL, "Z"), NULL, "B")));
    lt_xml_free(x);
    lt_xml_free(NULL);
}

static void the_text_of_an_element_is_its_string_value(void **state)
{
    (void)state;
    struct lt_xml *x = good("<a>x<b>y<c><![CDATA[<z>&]]></c></b><!-- no --><?no no?>&lt;&#x110;&#10;</a>");
    text_is(lt_xml_root(x), "xy<z>&<Đ\n");
    text_is(lt_xml_child(lt_xml_root(x), NULL, "b"), "y<z>&");
    lt_xml_free(x);
    x = good("<a><b/><c></c><d> \n </d><e><![CDATA[chỉ]]></e></a>");
    text_is(lt_xml_child(lt_xml_root(x), NULL, "b"), "");
    text_is(lt_xml_child(lt_xml_root(x), NULL, "c"), "");
    text_is(lt_xml_child(lt_xml_root(x), NULL, "d"), " \n ");
    text_is(lt_xml_child(lt_xml_root(x), NULL, "e"), "chỉ");
    text_is((lt_xml_node){NULL}, "");
    lt_xml_free(x);
}

static void a_path_names_prefixes_and_places(void **state)
{
    (void)state;
    struct lt_xml *x = good("<s:A xmlns:s=\"urn:s\"><s:B/><s:B><C/></s:B><B/></s:A>");
    char path[64];
    lt_xml_node b2 = lt_xml_next(lt_xml_first_child(lt_xml_root(x)));
    lt_xml_path_of(lt_xml_first_child(b2), path, sizeof(path));
    assert_string_equal(path, "/s:A/s:B[2]/C");
    lt_xml_path_of(lt_xml_next(b2), path, sizeof(path));
    assert_string_equal(path, "/s:A/B");
    lt_xml_path_of(lt_xml_root(x), path, sizeof(path));
    assert_string_equal(path, "/s:A");
    lt_xml_path_of(lt_xml_first_child(b2), path, 12);
    assert_string_equal(path, "/s:B[2]/C");
    lt_xml_path_of((lt_xml_node){NULL}, path, sizeof(path));
    assert_string_equal(path, "");
    lt_xml_free(x);
}

static void an_element_is_written_with_the_namespaces_it_needs(void **state)
{
    (void)state;
    struct lt_xml *x = good("<s:A xmlns:s=\"urn:s\" xmlns=\"urn:d\" xmlns:x=\"urn:x\"><B a=\"1&quot;&#10;\" "
                            "x:b='&lt;'><s:C>&lt;&amp;Đ&#13;</s:C>"
                            "<!-- no --><D xmlns=\"\"/><E>t</E>u</B></s:A>");
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(4096);
    lt_xml_write(lt_xml_first_child(lt_xml_root(x)), &b);
    assert_span_is(lt_buf_view(&b),
                   "<B xmlns:s=\"urn:s\" xmlns=\"urn:d\" xmlns:x=\"urn:x\" a=\"1&quot;&#10;\" x:b=\"&lt;\">"
                   "<s:C>&lt;&amp;Đ&#13;</s:C><D xmlns=\"\"/><E>t</E>u</B>");
    struct lt_xml *again = good_bytes(b.ptr, b.len);
    LT_AUTOBUF struct lt_buf b2 = LT_BUF_INIT(4096);
    lt_xml_write(lt_xml_root(again), &b2);
    assert_true(lt_span_eq(lt_buf_view(&b), lt_buf_view(&b2)));
    lt_xml_free(again);
    lt_buf_reset(&b);
    lt_xml_write(lt_xml_next(lt_xml_first_child(lt_xml_first_child(lt_xml_root(x)))), &b);
    assert_span_is(lt_buf_view(&b), "<D xmlns=\"\" xmlns:s=\"urn:s\" xmlns:x=\"urn:x\"/>");
    lt_xml_free(x);
}

/* ---- hostile input ---- */

static void billion_laughs_are_refused_before_anything_expands(void **state)
{
    (void)state;
    struct lt_err err =
        bad("<?xml version=\"1.0\"?>\n<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
            "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d "
            "\"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">]>\n<lolz>&d;</lolz>",
            "xml-doctype");
    assert_int_equal(err.line, 2);
    assert_contains(err.text, "DOCTYPE");
}

static void external_entities_and_dtds_are_refused_unread(void **state)
{
    (void)state;
    char *folder = harness_folder();
    LT_AUTOFREE char *file = lt_asprintf("%s/secret", folder);
    struct lt_err err;
    assert_int_equal(lt_file_write(file, LT_SPAN_LIT("<!ENTITY x \"bi mat\">"), 0600, &err), 0);
    LT_AUTOFREE char *entity = lt_asprintf("<!DOCTYPE a [<!ENTITY x SYSTEM \"file://%s\">]><a>&x;</a>", file);
    LT_AUTOFREE char *dtd = lt_asprintf("<!DOCTYPE a SYSTEM \"%s\"><a>&x;</a>", file);
    LT_AUTOFREE char *parameter = lt_asprintf("<!DOCTYPE a [<!ENTITY %% p SYSTEM \"%s\"> %%p;]><a>&x;</a>", file);
    bad(entity, "xml-doctype");
    bad(dtd, "xml-doctype");
    bad(parameter, "xml-doctype");
    bad("<!DOCTYPE a PUBLIC \"-//x\" \"http://127.0.0.1:1/x.dtd\"><a/>", "xml-doctype");
    bad("<!DOCTYPE html><html/>", "xml-doctype");
    bad("<!DOCTYPE a [", "xml-doctype");
    harness_folder_remove(folder);
}

static void an_entity_nobody_declared_is_a_syntax_error(void **state)
{
    (void)state;
    struct lt_err err = bad("<a>\n&nbsp;</a>", "xml-syntax");
    assert_contains(err.text, "nbsp");
    assert_int_equal(err.line, 2);
}

static void deep_documents_are_refused_as_deep(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1 << 20);
    for (int i = 0; i < 10000; i++)
        lt_buf_str(&b, "<a>");
    for (int i = 0; i < 10000; i++)
        lt_buf_str(&b, "</a>");
    struct lt_err err = bad_bytes(b.ptr, b.len, LT_E_LIMIT, "xml-depth");
    assert_contains(err.text, "64 levels");
    assert_int_equal(err.line, 1);
    struct lt_xml_limits huge = {1 << 20, 1000000};
    struct lt_xml *x = NULL;
    assert_int_equal(lt_xml_parse(lt_buf_view(&b), &huge, &x, &err), LT_E_LIMIT);
    assert_string_equal(err.kind, "xml-depth");
    /* exactly the limit is fine */
    lt_buf_reset(&b);
    for (int i = 0; i < 64; i++)
        lt_buf_str(&b, "<a>");
    for (int i = 0; i < 64; i++)
        lt_buf_str(&b, "</a>");
    lt_xml_free(good_bytes(b.ptr, b.len));
}

static void thousands_of_attributes_or_namespaces_are_refused(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(4 << 20);
    struct lt_err err;
    lt_buf_str(&b, "<a><!-- \" --><b");
    for (int i = 0; i < 10000; i++)
        lt_buf_printf(&b, " a%d=''", i);
    lt_buf_str(&b, "/></a>");
    err = bad_bytes(b.ptr, b.len, LT_E_LIMIT, "xml-size");
    assert_contains(err.text, "attributes");
    assert_int_equal(err.column, 14);
    lt_buf_reset(&b);
    for (int i = 0; i < 60; i++) {
        lt_buf_str(&b, "<a");
        for (int k = 0; k < 100; k++)
            lt_buf_printf(&b, " xmlns:p%d-%d='urn:%d'", i, k, k);
        lt_buf_str(&b, ">");
    }
    bad_bytes(b.ptr, b.len, LT_E_LIMIT, "xml-size");
    lt_buf_reset(&b);
    lt_buf_str(&b, "<a");
    for (int i = 0; i < 256; i++)
        lt_buf_printf(&b, " a%d=\"'\"", i);
    lt_buf_str(&b, ">don't \"count\" these</a>");
    lt_xml_free(good_bytes(b.ptr, b.len));
}

static void a_truncated_document_is_refused_wherever_it_ends(void **state)
{
    (void)state;
    static const char text[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a xmlns=\"urn:x\" b=\"Đ\"><!-- c --><c><![CDATA[x]]></c>&amp;</a>";
    for (size_t len = 0; len + 1 < sizeof(text); len++) {
        struct lt_xml *x = NULL;
        struct lt_err err = LT_ERR_INIT;
        assert_int_equal(lt_xml_parse(lt_span(text, len), &limits, &x, &err), LT_E_INVALID);
        assert_true(strcmp(err.kind, "xml-syntax") == 0 || strcmp(err.kind, "xml-encoding") == 0);
        assert_true(err.text[0] != '\0');
    }
}

static void syntax_errors_name_line_and_column(void **state)
{
    (void)state;
    struct lt_err err = bad("<a>\n  <b>\n  </c>\n</a>", "xml-syntax");
    assert_int_equal(err.line, 3);
    assert_true(err.column > 0);
    assert_contains(err.text, "b");
    static const char *const rows[] = {
        "",       "   ",         "x",           "<a/><b/>",   "<a/>x",        "<a b=1/>", "<a b=\"1\" b=\"2\"/>",
        "<p:a/>", "<a>&#0;</a>", "<a>\x01</a>", "<a>]]></a>", "<a b=\"<\"/>", "<a><a>"};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++)
        bad(rows[i], "xml-syntax");
    bad_bytes("<a>\0</a>", 8, LT_E_INVALID, "xml-syntax");
}

static void bytes_that_are_not_utf8_are_named_with_their_line(void **state)
{
    (void)state;
    static const char *const rows[] = {"<a>\n\xC0\x80</a>", "<a>\n\xED\xA0\x80</a>", "<a>\nNguy\xEA\xBB</a>",
                                       "<a>\n\xFF</a>"};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_err err = bad(rows[i], "xml-encoding");
        assert_int_equal(err.line, 2);
        assert_true(err.column > 0);
    }
}

static size_t utf16(const char *ascii, bool big, bool mark, char *out)
{
    size_t n = 0;
    if (mark) {
        memcpy(out, big ? "\xFE\xFF" : "\xFF\xFE", 2);
        n = 2;
    }
    for (; *ascii; ascii++) {
        out[n++] = big ? '\0' : *ascii;
        out[n++] = big ? *ascii : '\0';
    }
    return n;
}

static void utf8_and_utf16_are_accepted_with_and_without_mark(void **state)
{
    (void)state;
    char text[512];
    static const char *const docs[] = {"<?xml version=\"1.0\" encoding=\"UTF-16\"?><a>x</a>", "<a>x</a>",
                                       "<?xml version='1.0'?><a>x</a>"};
    for (size_t i = 0; i < LT_ARRAY_LEN(docs); i++) {
        for (int big = 0; big < 2; big++) {
            for (int mark = 0; mark < 2; mark++) {
                struct lt_xml *x = good_bytes(text, utf16(docs[i], big, mark, text));
                text_is(lt_xml_root(x), "x");
                lt_xml_free(x);
            }
        }
    }
    /* beyond Latin, and a surrogate pair: <a>Đ😀</a> */
    static const unsigned char le[] = {0xFF, 0xFE, '<',  0,   'a', 0,   '>', 0,   0x10, 0x01, 0x3D,
                                       0xD8, 0x00, 0xDE, '<', 0,   '/', 0,   'a', 0,    '>',  0};
    struct lt_xml *x = good_bytes(le, sizeof(le));
    text_is(lt_xml_root(x), "Đ\U0001F600");
    lt_xml_free(x);
    static const char *const utf8[] = {"\xEF\xBB\xBF<a>Đ</a>",
                                       "\xEF\xBB\xBF<?xml version=\"1.0\" encoding='utf-8'?><a>Đ</a>",
                                       "<?xml version=\"1.0\" encoding = \"UTF-8\" standalone='yes'?><a>Đ</a>"};
    for (size_t i = 0; i < LT_ARRAY_LEN(utf8); i++) {
        x = good(utf8[i]);
        text_is(lt_xml_root(x), "Đ");
        lt_xml_free(x);
    }
}

static void broken_utf16_is_refused(void **state)
{
    (void)state;
    static const unsigned char odd[] = {0xFF, 0xFE, '<', 0, 'a', 0, '/', 0, '>'},
                               high[] = {0xFF, 0xFE, '<', 0, 0x3D, 0xD8, 'a', 0},
                               low[] = {0xFE, 0xFF, 0, '<', 0xDE, 0x00}, last[] = {0xFE, 0xFF, 0, '<', 0xD8, 0x3D};
    bad_bytes(odd, sizeof(odd), LT_E_INVALID, "xml-encoding");
    bad_bytes(high, sizeof(high), LT_E_INVALID, "xml-encoding");
    bad_bytes(low, sizeof(low), LT_E_INVALID, "xml-encoding");
    bad_bytes(last, sizeof(last), LT_E_INVALID, "xml-encoding");
}

static void other_encodings_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>", "ISO-8859-1"},
        {"<?xml version=\"1.0\" encoding='windows-1258'?><a/>", "windows-1258"},
        {"<?xml version=\"1.0\" encoding=\"UTF-7\"?><a/>", "UTF-7"},
        {"<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>", "the text is not"},
        {"\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>", "ISO-8859-1"},
        {"<?xml version=\"1.0\" encoding=\"TCVN\"?><a>\xFF</a>", "TCVN"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_err err = bad(rows[i].text, "xml-encoding");
        assert_contains(err.text, rows[i].says);
    }
    char text[256];
    struct lt_err err = bad_bytes(text, utf16("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>", false, true, text),
                                  LT_E_INVALID, "xml-encoding");
    assert_contains(err.text, "the text is UTF-16");
    err = bad_bytes("\0\0\xFE\xFF\0\0\0<", 8, LT_E_INVALID, "xml-encoding");
    assert_contains(err.text, "UTF-32");
    bad_bytes("\x4C\x6F\xA7\x94\x93", 5, LT_E_INVALID, "xml-encoding");
}

static void a_document_over_the_size_limit_is_not_looked_at(void **state)
{
    (void)state;
    struct lt_xml_limits small = {8, 5};
    struct lt_xml *x = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_xml_parse(LT_SPAN_LIT("<a>xx</a>"), &small, &x, &err), LT_E_LIMIT);
    assert_string_equal(err.kind, "xml-size");
    assert_int_equal(lt_xml_parse(LT_SPAN_LIT("<a>x</a>"), &small, &x, NULL), LT_OK);
    lt_xml_free(x);
    assert_int_equal(lt_xml_parse(LT_SPAN_NULL, &small, &x, &err), LT_E_INVALID);
}

static void parse_badly(const void *arg)
{
    struct lt_xml *x = NULL;
    (void)arg;
    assert_int_equal(lt_xml_parse(LT_SPAN_LIT("<a><b></a>&x;"), &limits, &x, NULL), LT_E_INVALID);
}

static void nothing_is_printed(void **state)
{
    (void)state;
    LT_AUTOFREE char *out = harness_stderr_of(parse_badly, NULL);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_walked_by_its_elements),
        cmocka_unit_test(the_text_of_an_element_is_its_string_value),
        cmocka_unit_test(a_path_names_prefixes_and_places),
        cmocka_unit_test(an_element_is_written_with_the_namespaces_it_needs),
        cmocka_unit_test(billion_laughs_are_refused_before_anything_expands),
        cmocka_unit_test(external_entities_and_dtds_are_refused_unread),
        cmocka_unit_test(an_entity_nobody_declared_is_a_syntax_error),
        cmocka_unit_test(deep_documents_are_refused_as_deep),
        cmocka_unit_test(thousands_of_attributes_or_namespaces_are_refused),
        cmocka_unit_test(a_truncated_document_is_refused_wherever_it_ends),
        cmocka_unit_test(syntax_errors_name_line_and_column),
        cmocka_unit_test(bytes_that_are_not_utf8_are_named_with_their_line),
        cmocka_unit_test(utf8_and_utf16_are_accepted_with_and_without_mark),
        cmocka_unit_test(broken_utf16_is_refused),
        cmocka_unit_test(other_encodings_are_refused_by_name),
        cmocka_unit_test(a_document_over_the_size_limit_is_not_looked_at),
        cmocka_unit_test(nothing_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
