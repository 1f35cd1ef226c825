/*
 * Mutated documents: whatever comes out of a valid one by random edits is accepted or refused with a kind and a text,
 * and never anything else. The seeds are fixed, so a failure repeats; the sanitizer builds look for what is not seen.
 */
#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/codec/json.h"
#include "gateway/codec/pattern.h"
#include "gateway/codec/xml.h"
#include "tests/unit/harness.h"

#include <stdio.h>

#define ROUNDS 6000
#define SIZE_MAX_MUTATED 4096

static uint64_t seed;

static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return n ? (size_t)(seed % n) : 0;
}

static const char *const json_pieces[] = {"{",
                                          "}",
                                          "[",
                                          "]",
                                          ",",
                                          ":",
                                          "\"",
                                          "\\u",
                                          "\\ud800",
                                          "\\udc00",
                                          "null",
                                          "1e400",
                                          "-0.0e-9999999999",
                                          "\"MaHoSo\":",
                                          "{\"a\":",
                                          "[[[[[[[[",
                                          "\xEF\xBB\xBF",
                                          "\xED\xA0\x80",
                                          "9999999999999999999999",
                                          "\\"};
static const char *const xml_pieces[] = {"<",
                                         ">",
                                         "</",
                                         "/>",
                                         "&",
                                         ";",
                                         "<!DOCTYPE a [<!ENTITY x \"y\">]>",
                                         "&x;",
                                         "&#x110;",
                                         "&#0;",
                                         "<![CDATA[",
                                         "]]>",
                                         "<!--",
                                         "-->",
                                         "<?xml encoding='x'?>",
                                         " xmlns:s=\"urn:q\"",
                                         " a='1'",
                                         "<a><a><a>",
                                         "\xFF\xFE",
                                         "<s:SuKien>",
                                         "xsi:type=\"s:x\""};

/* Some edits in a row: bytes changed, parts cut, doubled or moved, pieces of the language put in. */
static size_t mutate(char *p, size_t len, const char *const *pieces, size_t n_pieces)
{
    for (size_t edits = 1 + below(6); edits; edits--) {
        size_t at = below(len + 1), run = below(20);
        run = LT_MIN(run, len - at);
        size_t room = SIZE_MAX_MUTATED - len;
        switch (below(6)) {
        case 0:
            if (at < len)
                p[at] = (char)below(256);
            break;
        case 1:
            if (at < len)
                p[at] = (char)(p[at] ^ (1 << below(8)));
            break;
        case 2:
            memmove(p + at, p + at + run, len - at - run);
            len -= run;
            break;
        case 3:
            if (run <= room) {
                memmove(p + at + run, p + at, len - at);
                len += run;
            }
            break;
        case 4: {
            const char *piece = pieces[below(n_pieces)];
            size_t n = strlen(piece);
            if (n <= room) {
                memmove(p + at + n, p + at, len - at);
                memcpy(p + at, piece, n);
                len += n;
            }
            break;
        }
        default:
            if (below(10) == 0)
                len = at;
            break;
        }
    }
    return len;
}

static void refusal_is_complete(int rc, const struct lt_err *err)
{
    assert_true(rc == LT_E_INVALID || rc == LT_E_LIMIT);
    assert_int_equal(err->code, rc);
    assert_true(err->kind[0] && err->text[0]);
    assert_true(lt_utf8_valid(lt_span_str(err->text), NULL));
    assert_true(lt_utf8_valid(lt_span_str(err->pointer), NULL));
}

static void one_json(struct lt_span s, const struct lt_json_schema *schema)
{
    static const struct lt_json_limits limits = {SIZE_MAX_MUTATED, 32};
    struct lt_json *j = NULL, *again = NULL;
    struct lt_err err = LT_ERR_INIT;
    int rc = lt_json_parse(s, &limits, &j, &err);
    if (rc) {
        refusal_is_complete(rc, &err);
        return;
    }
    rc = lt_json_schema_check(schema, lt_json_root(j), &err);
    if (rc)
        refusal_is_complete(rc, &err);
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1 << 16), b2 = LT_BUF_INIT(1 << 16);
    lt_json_write(lt_json_root(j), &b);
    static const struct lt_json_limits wide = {1 << 16, 32};
    assert_int_equal(lt_json_parse(lt_buf_view(&b), &wide, &again, &err), LT_OK);
    lt_json_write(lt_json_root(again), &b2);
    assert_true(lt_span_eq(lt_buf_view(&b), lt_buf_view(&b2)));
    lt_json_free(again);
    lt_json_free(j);
    lt_buf_deinit(&b2);
}

static void mutated_json_is_accepted_or_refused_and_written_json_reads_back(void **state)
{
    (void)state;
    static const char valid[] = "{\"MaHoSo\":\"H22.01\",\"MaTTHC\":\"1.000\",\"TrangThai\":\"3\",\"PhienBan\":2,"
                                "\"NgayTiepNhan\":\"20240101083000\",\"SoTrang\":0,"
                                "\"LePhi\":0.5,\"TaiLieuNop\":[{\"Ten\":\"Đơn\",\"Url\":\"https://"
                                "x\"}],\"ChuHoSo\":{\"Ten\":\"NGUYỄN VĂN MẪU\",\"Ma/So\":\"002224000001\"},"
                                "\"Kenh\":{\"Ma\":\"m\",\"Ten\":1},\"Mot\":\"\\u0110\\ud83d\\ude00\",\"ToaDo\":[1.5e3,-"
                                "2],\"Cay\":{\"Con\":[{\"Con\":[]}]}}";
    struct lt_json_schema *schema = NULL;
    struct lt_err err;
    assert_int_equal(lt_json_schema_load("tests/unit/data/codec/schema/dossier.json", &schema, &err), 0);
    seed = 20240101;
    for (int i = 0; i < ROUNDS; i++) {
        char *p = lt_alloc(SIZE_MAX_MUTATED);
        memcpy(p, valid, sizeof(valid) - 1);
        size_t len = mutate(p, sizeof(valid) - 1, json_pieces, LT_ARRAY_LEN(json_pieces));
        p = lt_realloc(p, len ? len : 1); /* no byte to spare: reading past the end is seen */
        one_json(lt_span(p, len), schema);
        free(p);
    }
    lt_json_schema_free(schema);
}

static void one_xml(struct lt_span s, const struct lt_xsd *xsd, struct lt_xpath_eval *e, struct lt_xpath *const *paths,
                    size_t n_paths)
{
    static const struct lt_xml_limits limits = {SIZE_MAX_MUTATED, 32};
    struct lt_xml *x = NULL, *again = NULL;
    struct lt_err err = LT_ERR_INIT;
    int rc = lt_xml_parse(s, &limits, &x, &err);
    if (rc) {
        refusal_is_complete(rc, &err);
        return;
    }
    rc = lt_xsd_check(xsd, x, &err);
    if (rc)
        refusal_is_complete(rc, &err);
    struct lt_arena a = LT_ARENA_INIT;
    for (size_t i = 0; i < n_paths; i++) {
        struct lt_span text;
        bool found;
        assert_int_equal(lt_xpath_string(e, paths[i], lt_xml_root(x), &a, &text, &found, NULL, &err), LT_OK);
        assert_true(lt_utf8_valid(text, NULL));
    }
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1 << 16), b2 = LT_BUF_INIT(1 << 16);
    lt_xml_write(lt_xml_root(x), &b);
    static const struct lt_xml_limits wide = {1 << 16, 32};
    if (lt_xml_parse(lt_buf_view(&b), &wide, &again, &err))
        fail_msg("written XML: %s: " LT_SPAN_FMT, err.text, LT_SPAN_ARG(lt_buf_view(&b)));
    lt_xml_write(lt_xml_root(again), &b2);
    assert_true(lt_span_eq(lt_buf_view(&b), lt_buf_view(&b2)));
    lt_xml_free(again);
    lt_xml_free(x);
    lt_arena_deinit(&a);
    lt_buf_deinit(&b2);
}

static void mutated_xml_is_accepted_or_refused_and_written_xml_reads_back(void **state)
{
    (void)state;
    static const char valid[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:SuKienHoSo xmlns:s=\"urn:thu:su-kien\" phienBan=\"1\">\n<!-- "
        "ghi chú -->"
        "<s:SuKien><s:MaHoSo>H22.01</s:MaHoSo><s:LoaiSuKien>XU_LY</s:LoaiSuKien><s:ThoiDiem>20240101083000</s:ThoiDiem>"
        "<s:Ngay>2024-02-29</s:Ngay><s:TaiLieu><s:Tep so=\"1\">Đơn &amp; <![CDATA[<tờ "
        "khai>]]></s:Tep></s:TaiLieu></s:SuKien>\n</s:SuKienHoSo>";
    static const char *const exprs[] = {"s:SuKien/s:MaHoSo",         "*/*/..", "//s:Tep/@so",
                                        "normalize-space(s:SuKien)", "*/@*",   "count(//*)"};
    static const struct lt_xml_ns ns[] = {{"s", "urn:thu:su-kien"}};
    struct lt_xsd *xsd = NULL;
    struct lt_err err;
    struct lt_xpath *paths[LT_ARRAY_LEN(exprs)];
    assert_int_equal(lt_xsd_load("tests/unit/data/codec/xsd/su-kien.xsd", &xsd, &err), 0);
    for (size_t i = 0; i < LT_ARRAY_LEN(exprs); i++)
        assert_int_equal(lt_xpath_compile(exprs[i], ns, 1, &paths[i], &err), 0);
    struct lt_xpath_eval *e = lt_xpath_eval_new();
    seed = 20240102;
    for (int i = 0; i < ROUNDS; i++) {
        char *p = lt_alloc(SIZE_MAX_MUTATED);
        memcpy(p, valid, sizeof(valid) - 1);
        size_t len = mutate(p, sizeof(valid) - 1, xml_pieces, LT_ARRAY_LEN(xml_pieces));
        p = lt_realloc(p, len ? len : 1);
        one_xml(lt_span(p, len), xsd, e, paths, LT_ARRAY_LEN(paths));
        free(p);
    }
    lt_xpath_eval_free(e);
    for (size_t i = 0; i < LT_ARRAY_LEN(exprs); i++)
        lt_xpath_free(paths[i]);
    lt_xsd_free(xsd);
}

/* Every prefix and mutation of a schema either loads or is refused: nothing reaches RapidJSON's assertions. */
static void mutated_schemas_load_or_are_refused(void **state)
{
    (void)state;
    char *text = NULL;
    size_t text_len;
    assert_int_equal(lt_file_read("tests/unit/data/codec/schema/common.json", 1 << 16, &text, &text_len, NULL), 0);
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/s.json", folder);
    static const char *const pieces[] = {"\"$ref\":\"#\",",
                                         "\"not\":{",
                                         "\"allOf\":[",
                                         "\"type\":\"object\",",
                                         "\"items\":",
                                         "\"enum\":[1],",
                                         "{}",
                                         "}",
                                         "{",
                                         "],",
                                         "\"pattern\":\"(a*)*\",",
                                         "\"definitions\"",
                                         "\"#/definitions/So\"",
                                         "\"$ref\":"};
    seed = 20240103;
    for (int i = 0; i < ROUNDS / 6; i++) {
        char p[SIZE_MAX_MUTATED];
        memcpy(p, text, text_len);
        size_t len = mutate(p, text_len, pieces, LT_ARRAY_LEN(pieces));
        struct lt_json_schema *s = NULL;
        struct lt_err err = LT_ERR_INIT;
        assert_int_equal(lt_file_write(path, lt_span(p, len), 0600, NULL), 0);
        int rc = lt_json_schema_load(path, &s, &err);
        if (rc)
            refusal_is_complete(rc == LT_E_NOT_FOUND ? LT_E_INVALID : rc, &err);
        lt_json_schema_free(s);
    }
    free(text);
    harness_folder_remove(folder);
}

static void random_patterns_compile_or_are_refused(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",   "b", "(", ")",       "(?:",  "[",     "]",    "^", "$",
                                         "|",   "*", "+", "?",       "{2}",  "{1,3}", "{0,}", ".", "\\d",
                                         "\\W", "-", "Đ", "\\u0110", "[^a]", "\\",    "{"};
    seed = 20240104;
    for (int i = 0; i < ROUNDS; i++) {
        LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1 << 16);
        for (size_t n = below(12); n; n--)
            lt_buf_str(&b, pieces[below(LT_ARRAY_LEN(pieces))]);
        struct lt_pattern *p = NULL;
        struct lt_err err = LT_ERR_INIT;
        int rc = lt_pattern_compile(lt_buf_view(&b), &p, &err);
        if (rc)
            refusal_is_complete(rc, &err);
        else
            (void)lt_pattern_search(p, LT_SPAN_LIT("aab1Đba a-b\n"));
        lt_pattern_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutated_json_is_accepted_or_refused_and_written_json_reads_back),
        cmocka_unit_test(mutated_xml_is_accepted_or_refused_and_written_xml_reads_back),
        cmocka_unit_test(mutated_schemas_load_or_are_refused),
        cmocka_unit_test(random_patterns_compile_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
