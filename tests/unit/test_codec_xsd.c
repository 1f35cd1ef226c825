#include "gateway/base/file.h"
#include "gateway/codec/xml.h"
#include "tests/unit/harness.h"

#include <stdio.h>

static const struct lt_xml_limits limits = {1 << 20, 64};
static struct lt_xsd *schema;

static int load_schema(void **state)
{
    struct lt_err err;
    (void)state;
    if (lt_xsd_load("tests/unit/data/codec/xsd/su-kien.xsd", &schema, &err)) {
        print_error("%s:%d: %s\n", err.source, err.line, err.text);
        return -1;
    }
    return 0;
}

static int free_schema(void **state)
{
    (void)state;
    lt_xsd_free(schema);
    return 0;
}

static struct lt_xml *parse(const char *text)
{
    struct lt_xml *x = NULL;
    struct lt_err err;
    if (lt_xml_parse(lt_span_str(text), &limits, &x, &err))
        fail_msg("%s: %s", text, err.text);
    return x;
}

#define HEAD "<s:SuKienHoSo xmlns:s=\"urn:thu:su-kien\" phienBan=\"1\">\n"
#define TAIL "\n</s:SuKienHoSo>"
#define START                                                                                                          \
    "<s:SuKien><s:MaHoSo>H22.01</s:MaHoSo><s:LoaiSuKien>XU_LY</s:LoaiSuKien><s:ThoiDiem>20240101083000</s:ThoiDiem>"

static void accepted(const char *text)
{
    struct lt_xml *x = parse(text);
    struct lt_err err = LT_ERR_INIT;
    if (lt_xsd_check(schema, x, &err))
        fail_msg("%s: %s", text, err.text);
    lt_xml_free(x);
}

static void refused(const char *text, int line, const char *pointer, const char *says)
{
    struct lt_xml *x = parse(text);
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_xsd_check(schema, x, &err), LT_E_INVALID);
    assert_int_equal(lt_xsd_check(schema, x, NULL), LT_E_INVALID);
    assert_string_equal(err.kind, "xml-schema");
    assert_string_equal(err.text, says);
    assert_string_equal(err.pointer, pointer);
    assert_int_equal(err.line, line);
    lt_xml_free(x);
}

static void an_event_that_fits_is_accepted(void **state)
{
    (void)state;
    accepted(HEAD START "</s:SuKien>" TAIL);
    accepted(HEAD START "<s:Ngay>2024-02-29</s:Ngay></s:SuKien>" START
                        "<s:TaiLieu><s:Tep so=\"1\">Đơn</s:Tep></s:TaiLieu></s:SuKien>" TAIL);
}

static void facets_are_told_in_plain_words(void **state)
{
    (void)state;
    refused(HEAD "<s:SuKien>\n<s:MaHoSo></s:MaHoSo></s:SuKien>" TAIL, 3, "/s:SuKienHoSo/s:SuKien/s:MaHoSo",
            "MaHoSo: expected at least 5 characters, got ''");
    refused(HEAD "<s:SuKien><s:MaHoSo>it's</s:MaHoSo></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:MaHoSo",
            "MaHoSo: expected at least 5 characters, got 'it's'");
    refused(HEAD "<s:SuKien><s:MaHoSo>ễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễễ</s:MaHoSo></s:SuKien>" TAIL,
            2, "/s:SuKienHoSo/s:SuKien/s:MaHoSo", "MaHoSo: expected at most 50 characters, got 51");
    refused(HEAD "<s:SuKien><s:MaHoSo>H22.01</s:MaHoSo><s:LoaiSuKien>Tiếp nhận</s:LoaiSuKien></s:SuKien>" TAIL, 2,
            "/s:SuKienHoSo/s:SuKien/s:LoaiSuKien", "LoaiSuKien: expected one of 'TIEP_NHAN', 'XU_LY', got 'Tiếp nhận'");
    refused(HEAD "<s:SuKien><s:MaHoSo>H22.01</s:MaHoSo><s:LoaiSuKien>XU_LY</s:LoaiSuKien><s:ThoiDiem>2024-01-01</"
                 "s:ThoiDiem></s:SuKien>" TAIL,
            2, "/s:SuKienHoSo/s:SuKien/s:ThoiDiem", "ThoiDiem: expected a text like [0-9]{14}, got '2024-01-01'");
    refused(HEAD START "<s:SoTrang>0</s:SoTrang></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:SoTrang",
            "SoTrang: expected a value of at least 1, got '0'");
    refused(HEAD START "<s:SoTrang>100</s:SoTrang></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:SoTrang",
            "SoTrang: expected a value below 100, got '100'");
    refused(HEAD START "<s:Ma3>abcd</s:Ma3></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:Ma3",
            "Ma3: expected 3 characters, got 'abcd'");
}

static void types_are_told_in_plain_words(void **state)
{
    (void)state;
    refused(HEAD START "<s:Ngay>20240230</s:Ngay></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:Ngay",
            "Ngay: expected a date like 2024-01-31, got '20240230'");
    refused(HEAD START "<s:Ngay>2024-02-30</s:Ngay></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:Ngay",
            "Ngay: expected a date like 2024-01-31, got '2024-02-30'");
    refused(HEAD START "<s:Co>co</s:Co></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:Co",
            "Co: expected true or false, got 'co'");
    refused(HEAD START "<s:SoTrang>muoi</s:SoTrang></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:SoTrang",
            "SoTrang: expected a value of the type SoTrang, got 'muoi'");
    refused(HEAD START "<s:TaiLieu><s:Tep so=\"0\"/></s:TaiLieu></s:SuKien>" TAIL, 2,
            "/s:SuKienHoSo/s:SuKien/s:TaiLieu/s:Tep/@so", "@so: expected a whole number of 1 or more, got '0'");
}

static void structure_is_told_in_plain_words(void **state)
{
    (void)state;
    refused(HEAD "<s:SuKien><s:LoaiSuKien>XU_LY</s:LoaiSuKien></s:SuKien>" TAIL, 2,
            "/s:SuKienHoSo/s:SuKien/s:LoaiSuKien", "LoaiSuKien: expected MaHoSo here, got this element");
    refused(HEAD "<s:SuKien><s:MaHoSo>H22.01</s:MaHoSo></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien",
            "SuKien: expected LoaiSuKien inside, got the end of the element");
    refused(HEAD START "<s:TrichYeu>x</s:TrichYeu></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:TrichYeu",
            "TrichYeu: expected one of Ngay, SoTrang, Co, Ma3, TaiLieu here, got this element");
    refused(HEAD START "</s:SuKien><s:Khac/>" TAIL, 2, "/s:SuKienHoSo/s:Khac",
            "Khac: expected SuKien here, got this element");
    refused("<s:SuKienHoSo xmlns:s=\"urn:thu:su-kien\" phienBan=\"1\"/>", 1, "/s:SuKienHoSo",
            "SuKienHoSo: expected SuKien inside, got the end of the element");
    refused("<s:SuKienHoSo xmlns:s=\"urn:thu:su-kien\">" START "</s:SuKien></s:SuKienHoSo>", 1,
            "/s:SuKienHoSo/@phienBan", "SuKienHoSo: missing attribute phienBan");
    refused(HEAD "<s:SuKien la=\"1\"><s:MaHoSo>H22.01</s:MaHoSo></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/@la",
            "@la: unknown attribute la");
    refused(HEAD START "chữ</s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien",
            "SuKien: expected elements only, got text between them");
    refused(HEAD "<s:SuKien><s:MaHoSo><s:x/></s:MaHoSo></s:SuKien>" TAIL, 2, "/s:SuKienHoSo/s:SuKien/s:MaHoSo",
            "MaHoSo: expected a text only, got elements inside");
    refused("<SuKienHoSo/>", 1, "/SuKienHoSo", "SuKienHoSo: the schema knows no such element at the top");
}

static void one_bad_item_of_a_batch_is_refused_alone(void **state)
{
    (void)state;
    struct lt_xml *x =
        parse(HEAD START "</s:SuKien>\n<s:SuKien><s:MaHoSo>H</s:MaHoSo></s:SuKien>\n" START "</s:SuKien>" TAIL);
    struct lt_err err = LT_ERR_INIT;
    lt_xml_node first = lt_xml_first_child(lt_xml_root(x)), second = lt_xml_next(first), third = lt_xml_next(second);
    assert_int_equal(lt_xsd_check_node(schema, first, &err), LT_OK);
    assert_int_equal(lt_xsd_check_node(schema, second, &err), LT_E_INVALID);
    assert_string_equal(err.text, "MaHoSo: expected at least 5 characters, got 'H'");
    assert_string_equal(err.pointer, "/s:SuKienHoSo/s:SuKien[2]/s:MaHoSo");
    assert_int_equal(err.line, 3);
    assert_int_equal(lt_xsd_check_node(schema, third, &err), LT_OK);
    assert_int_equal(lt_xsd_check_node(schema, lt_xml_first_child(first), &err), LT_E_INVALID);
    lt_xml_free(x);
}

static void the_envelope_is_checked_without_its_bad_items(void **state)
{
    (void)state;
    struct lt_err err = LT_ERR_INIT;
    struct lt_xml *x = parse(HEAD "<s:SuKien/><s:SuKien>x</s:SuKien>" START
                                  "</s:SuKien>\n<s:SuKien><s:Sai/></s:SuKien></s:SuKienHoSo>");
    LT_AUTOBUF struct lt_buf before = LT_BUF_INIT(1 << 16), after = LT_BUF_INIT(1 << 16);
    lt_xml_node first = lt_xml_first_child(lt_xml_root(x)), second = lt_xml_next(first), third = lt_xml_next(second);
    lt_xml_node bad[] = {first, second, lt_xml_next(third)}, all[] = {first, second, third, bad[2]};
    lt_xml_write(lt_xml_root(x), &before);
    assert_int_equal(lt_xsd_check_without(schema, x, bad, 3, &err), LT_OK);
    assert_int_equal(lt_xsd_check_without(schema, x, bad, 2, &err), LT_E_INVALID);
    assert_string_equal(err.pointer, "/s:SuKienHoSo/s:SuKien[2]/s:Sai");
    assert_int_equal(lt_xsd_check_without(schema, x, all, 4, &err), LT_E_INVALID);
    assert_string_equal(err.text, "SuKienHoSo: expected SuKien inside, got the end of the element");
    lt_xml_write(lt_xml_root(x), &after);
    assert_true(lt_span_eq(lt_buf_view(&before), lt_buf_view(&after)));
    lt_xml_free(x);
}

/* An instance may point to a schema of its own; nobody follows it. */
static void a_schema_named_by_the_sender_is_not_opened(void **state)
{
    (void)state;
    accepted("<s:SuKienHoSo xmlns:s=\"urn:thu:su-kien\" phienBan=\"1\" "
             "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
             "xsi:schemaLocation=\"urn:thu:su-kien /etc/hostname urn:khac http://127.0.0.1:1/x.xsd\">" START
             "</s:SuKien></s:SuKienHoSo>");
    refused("<a xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
            "xsi:noNamespaceSchemaLocation=\"http://127.0.0.1:1/x.xsd\"/>",
            1, "/a", "a: the schema knows no such element at the top");
}

static void load_fails(const char *text, const char *says)
{
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/s.xsd", folder);
    struct lt_xsd *s = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_file_write(path, lt_span_str(text), 0600, &err), 0);
    int rc = lt_xsd_load(path, &s, &err);
    harness_folder_remove(folder);
    assert_int_equal(rc, LT_E_INVALID);
    assert_string_equal(err.kind, "xsd-file");
    assert_string_equal(err.source, path);
    assert_contains(err.text, says);
}

#define XSD(body) "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">" body "</xs:schema>"

static void a_schema_that_cannot_be_compiled_says_why(void **state)
{
    (void)state;
    load_fails("<xs:schema", "");
    load_fails("<a/>", "");
    load_fails(XSD("<xs:element name=\"a\" type=\"nowhere\"/>"), "nowhere");
    struct lt_xsd *s = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_xsd_load("tests/unit/data/codec/xsd/none.xsd", &s, &err), LT_E_NOT_FOUND);
    assert_string_equal(err.source, "tests/unit/data/codec/xsd/none.xsd");
    lt_xsd_free(NULL);
}

static void a_schema_opens_files_of_its_own_folder_only(void **state)
{
    (void)state;
    load_fails(
        XSD("<xs:import namespace=\"urn:x\" schemaLocation=\"http://127.0.0.1:1/x.xsd\"/><xs:element name=\"a\"/>"),
        "127.0.0.1");
    load_fails(XSD("<xs:import namespace=\"urn:x\" schemaLocation=\"none.xsd\"/><xs:element name=\"a\"/>"), "none.xsd");
    load_fails(XSD("<xs:include schemaLocation=\"/etc/hostname\"/><xs:element name=\"a\"/>"), "/etc/hostname");
    load_fails(XSD("<xs:include schemaLocation=\"../x.xsd\"/><xs:element name=\"a\"/>"), "x.xsd");
    load_fails("<!DOCTYPE x [<!ENTITY e SYSTEM \"/etc/hostname\">]>" XSD("<xs:element name=\"a\">&e;</xs:element>"),
               "/etc/hostname");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_that_fits_is_accepted),
        cmocka_unit_test(facets_are_told_in_plain_words),
        cmocka_unit_test(types_are_told_in_plain_words),
        cmocka_unit_test(structure_is_told_in_plain_words),
        cmocka_unit_test(one_bad_item_of_a_batch_is_refused_alone),
        cmocka_unit_test(the_envelope_is_checked_without_its_bad_items),
        cmocka_unit_test(a_schema_named_by_the_sender_is_not_opened),
        cmocka_unit_test(a_schema_that_cannot_be_compiled_says_why),
        cmocka_unit_test(a_schema_opens_files_of_its_own_folder_only),
    };
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
