#include "gateway/base/file.h"
#include "gateway/codec/json.h"
#include "tests/unit/harness.h"

#include <stdio.h>

static const struct lt_json_limits limits = {1 << 20, 64};
static struct lt_json_schema *dossier;

static int load_dossier(void **state)
{
    struct lt_err err;
    (void)state;
    if (lt_json_schema_load("tests/unit/data/codec/schema/dossier.json", &dossier, &err)) {
        print_error("%s %s %s\n", err.source, err.pointer, err.text);
        return -1;
    }
    return 0;
}

static int free_dossier(void **state)
{
    (void)state;
    lt_json_schema_free(dossier);
    return 0;
}

static int check(const struct lt_json_schema *s, const char *text, struct lt_err *err)
{
    struct lt_json *j = NULL;
    *err = LT_ERR_INIT;
    if (lt_json_parse(lt_span_str(text), &limits, &j, err))
        fail_msg("%s: %s", text, err->text);
    int rc = lt_json_schema_check(s, lt_json_root(j), err);
    lt_json_free(j);
    return rc;
}

/* A dossier with what it must have, and more. */
static char *with(const char *more)
{
    return lt_asprintf("{\"MaHoSo\":\"H22.01\",\"MaTTHC\":\"1.000\"%s%s}", *more ? "," : "", more);
}

static void accepted(const char *more)
{
    LT_AUTOFREE char *text = with(more);
    struct lt_err err;
    if (check(dossier, text, &err))
        fail_msg("%s: %s: %s", text, err.pointer, err.text);
}

static void refused_text(const char *text, const char *pointer, const char *says)
{
    struct lt_err err;
    if (!check(dossier, text, &err))
        fail_msg("%s is accepted", text);
    assert_string_equal(err.kind, "json-schema");
    assert_int_equal(err.code, LT_E_INVALID);
    assert_string_equal(err.text, says);
    assert_string_equal(err.pointer, pointer);
}

static void refused(const char *more, const char *pointer, const char *says)
{
    LT_AUTOFREE char *text = with(more);
    refused_text(text, pointer, says);
}

static void what_fits_is_accepted(void **state)
{
    (void)state;
    accepted("");
    accepted("\"TrangThai\":\"3\",\"PhienBan\":2,\"NgayTiepNhan\":\"20240101083000\",\"SoTrang\":0,\"LePhi\":0.5");
    accepted("\"NgayTiepNhan\":null,\"SoTrang\":1000,\"ToaDo\":[1.5,2]");
    accepted("\"TaiLieuNop\":[{\"Ten\":\"Đơn\",\"Url\":\"https://x\",\"Khac\":1}]");
    accepted("\"ChuHoSo\":{\"Ten\":\"NGUYỄN VĂN MẪU\",\"Ma/So\":\"002224000001\",\"CoQuan\":{\"Ten\":\"x\"}}");
    accepted("\"Kenh\":7,\"Mot\":\"ab\",\"TatCa\":{\"Ten\":\"x\",\"Them\":1},\"KhongPhai\":1");
    accepted("\"Kenh\":{\"Ma\":\"m\",\"Ten\":1},\"ThuTin\":{\"DiaChi\":1,\"NguoiNhan\":2}");
    accepted("\"Cay\":{\"Con\":[{\"Con\":[{\"Ten\":\"lá\"}]},{}]}");
}

static void a_missing_member_is_pointed_at_itself(void **state)
{
    (void)state;
    refused_text("{\"MaTTHC\":\"1\"}", "/MaHoSo", "missing member MaHoSo");
    refused_text("{}", "/MaHoSo", "missing member MaHoSo");
    refused("\"ChuHoSo\":{\"Ma/So\":\"002224000001\"}", "/ChuHoSo/Ten", "missing member Ten");
    refused("\"TaiLieuNop\":[{\"Ten\":\"x\"},{\"ten\":\"y\"}]", "/TaiLieuNop/1/Ten",
            "missing member Ten (is ten meant to be it?)");
    refused("\"ThuTin\":{\"DiaChi\":1}", "/ThuTin/NguoiNhan", "missing member NguoiNhan, which DiaChi asks for");
}

static void an_unknown_member_is_pointed_at_itself_with_a_suggestion(void **state)
{
    (void)state;
    refused_text("{\"maHoso\":\"H22.01\",\"MaTTHC\":\"1\"}", "/maHoso", "unknown member maHoso (did you mean MaHoSo?)");
    refused("\"x/y~\":1", "/x~1y~0", "unknown member x/y~");
    refused("\"ChuHoSo\":{\"Ten\":\"x\",\"Tuoi\":3}", "/ChuHoSo/Tuoi", "unknown member Tuoi");
}

static void each_keyword_says_what_it_demands(void **state)
{
    (void)state;
    refused("\"TrangThai\":5", "/TrangThai", "expected one of \"1\", \"2\", \"3\", got 5");
    refused("\"TrangThai\":\"4\"", "/TrangThai", "expected one of \"1\", \"2\", \"3\", got \"4\"");
    refused("\"PhienBan\":3", "/PhienBan", "expected 2, got 3");
    refused("\"NgayTiepNhan\":20240101", "/NgayTiepNhan", "expected string or null, got number");
    refused("\"NgayTiepNhan\":\"2024-01-01\"", "/NgayTiepNhan", "expected a text like ^\\d{14}$, got \"2024-01-01\"");
    refused("\"SoTrang\":1.5", "/SoTrang", "expected integer, got number");
    refused("\"SoTrang\":-1", "/SoTrang", "expected a number of at least 0, got -1");
    refused("\"SoTrang\":1001", "/SoTrang", "expected a number of at most 1000, got 1001");
    refused("\"LePhi\":0", "/LePhi", "expected a number above 0, got 0");
    refused("\"TaiLieuNop\":[]", "/TaiLieuNop", "expected at least 1 element, got 0");
    refused("\"TaiLieuNop\":[{\"Ten\":\"\"},{\"Ten\":\"\"},{\"Ten\":\"\"},{\"Ten\":\"\"}]", "/TaiLieuNop",
            "expected at most 3 elements, got 4");
    refused("\"TaiLieuNop\":{}", "/TaiLieuNop", "expected array, got object");
    refused("\"TaiLieuNop\":[{\"Ten\":\"x\"},{\"Ten\":7}]", "/TaiLieuNop/1/Ten", "expected string, got number");
    refused("\"ToaDo\":[1,2,3]", "/ToaDo/2", "expected at most 2 elements, got more");
    refused("\"ToaDo\":[1,\"2\"]", "/ToaDo/1", "expected number, got string");
    refused("\"KhongPhai\":\"x\"", "/KhongPhai",
            "expected a value that does not fit the form excluded here, got \"x\"");
    refused("\"ThuTin\":{}", "/ThuTin", "expected at least 1 member, got 0");
    refused("\"ThuTin\":{\"a\":1,\"b\":2,\"c\":3}", "/ThuTin", "expected at most 2 members, got 3");
    refused("\"Cay\":{\"Con\":[{\"Con\":[{\"Ten\":1}]}]}", "/Cay/Con/0/Con/0/Ten", "expected string, got number");
    refused_text("[]", "", "expected object, got array");
}

static void lengths_are_counted_in_characters(void **state)
{
    (void)state;
    refused_text("{\"MaHoSo\":\"Đức\",\"MaTTHC\":\"1\"}", "/MaHoSo", "expected a text of at least 5 characters, got 3");
    refused_text(
        "{\"MaHoSo\":\"H22.01\",\"MaTTHC\":\"123456789 123456789 123456789 123456789 123456789 123456789 123\"}",
        "/MaTTHC", "expected a text of at most 50 characters, got 63");
    accepted("\"TaiLieuNop\":[{\"Ten\":\"ễễễễễễễễễễ\"}]");
    refused("\"TaiLieuNop\":[{\"Ten\":\"ễễễễễễễễễễễ\"}]", "/TaiLieuNop/0/Ten",
            "expected a text of at most 10 characters, got 11");
}

static void of_several_forms_the_nearest_is_explained(void **state)
{
    (void)state;
    refused("\"Kenh\":\"x\"", "/Kenh", "none of 2 allowed forms fits; the nearest: expected integer, got string");
    refused("\"Kenh\":{\"Ma\":\"m\"}", "/Kenh/Ten", "none of 2 allowed forms fits; the nearest: missing member Ten");
    refused("\"Mot\":\"abcd\"", "/Mot", "expected exactly one of 2 allowed forms, got one that fits several");
    refused("\"TatCa\":{\"Ten\":\"x\"}", "/TatCa/Them", "missing member Them");
    refused("\"TatCa\":{\"Ten\":1,\"Them\":1}", "/TatCa/Ten", "expected string, got number");
}

/* RapidJSON hands patterns a NUL-terminated text: what stands behind would go unchecked. */
static void a_nul_character_cannot_hide_what_follows_it(void **state)
{
    (void)state;
    refused("\"NgayTiepNhan\":\"20240101083000\\u0000<script>\"", "/NgayTiepNhan",
            "expected texts and names without U+0000");
    refused("\"ChuHoSo\":{\"Te\\u0000n\":1}", "/ChuHoSo", "expected texts and names without U+0000");
}

static void part_of_a_document_can_be_checked_alone(void **state)
{
    (void)state;
    struct lt_json *j = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(
        lt_json_parse(LT_SPAN_LIT("[{\"MaHoSo\":\"H22.01\",\"MaTTHC\":\"1\"},{\"MaHoSo\":5}]"), &limits, &j, &err), 0);
    assert_int_equal(lt_json_schema_check(dossier, lt_json_at(lt_json_root(j), 0), &err), LT_OK);
    assert_int_equal(lt_json_schema_check(dossier, lt_json_at(lt_json_root(j), 1), &err), LT_E_INVALID);
    assert_string_equal(err.pointer, "/MaHoSo");
    assert_int_equal(lt_json_schema_check(dossier, lt_json_at(lt_json_root(j), 1), NULL), LT_E_INVALID);
    lt_json_free(j);
}

/* ---- loading ---- */

static void load_fails(const char *schema, const char *pointer, const char *says)
{
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/s.json", folder);
    struct lt_json_schema *s = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_file_write(path, lt_span_str(schema), 0600, &err), 0);
    int rc = lt_json_schema_load(path, &s, &err);
    harness_folder_remove(folder);
    if (!rc)
        fail_msg("%s is accepted", schema);
    if (!strstr(err.text, says))
        fail_msg("%s: \"%s\" does not say \"%s\"", schema, err.text, says);
    assert_string_equal(err.pointer, pointer);
    assert_string_equal(err.source, path);
    assert_int_equal(lt_json_schema_load(path, &s, NULL), LT_E_NOT_FOUND);
}

static void a_schema_that_could_not_be_kept_is_refused(void **state)
{
    (void)state;
    load_fails("{\"type\":\"strin\"}", "/type", "unknown type strin");
    load_fails("{\"maxlength\":5}", "/maxlength", "unknown keyword maxlength (did you mean maxLength?)");
    load_fails("{\"properties\":{\"a\":{\"uniqueItems\":true}}}", "/properties/a/uniqueItems", "not supported");
    load_fails("{\"patternProperties\":{}}", "/patternProperties", "not supported");
    load_fails("{\"multipleOf\":2}", "/multipleOf", "not supported");
    load_fails("{\"minLength\":-1}", "/minLength", "0 or more");
    load_fails("{\"pattern\":\"(?=x)\"}", "/pattern", "groups are supported");
    load_fails("{\"pattern\":\"a\\u0000\"}", "/pattern", "U+0000");
    load_fails("{\"minimum\":\"1\"}", "/minimum", "expected a number");
    load_fails("{\"exclusiveMinimum\":5}", "/exclusiveMinimum", "draft 4");
    load_fails("{\"items\":true}", "/items", "expected a schema");
    load_fails("{\"enum\":[]}", "/enum", "at least one");
    load_fails("{\"enum\":[{}]}", "/enum", "strings, numbers");
    load_fails("{\"anyOf\":{}}", "/anyOf", "at least one schema");
    load_fails("{\"required\":\"a\"}", "/required", "list of names");
    load_fails("{\"required\":[\"a\"],\"additionalProperties\":false}", "/required", "does not know");
    load_fails("[]", "", "expected a schema");
    load_fails("{\"$ref\":\"#/definitions/x\"}", "", "leads to no schema");
    load_fails("{\"properties\":{\"a\":{\"$ref\":\"#/properties\"}}}", "/properties/a", "leads to no schema");
    load_fails("{\"properties\":{\"a\":{\"$ref\":\"other.json\"}}}", "/properties/a", "not there");
    load_fails("{\"properties\":{\"a\":{\"$ref\":\"../s.json\"}}}", "/properties/a", "beside this one");
    load_fails("{\"properties\":{\"a\":{\"$ref\":\"http://x/y\"}}}", "/properties/a", "beside this one");
    load_fails("{\"properties\":{\"a\":{\"$ref\":\"#/a%2\"}}}", "/properties/a", "expected #/path");
    load_fails("{\"properties\":{\"a\":{\"$ref\":\"#\",\"type\":\"string\"}}}", "/properties/a", "no effect");
    load_fails("{\"definitions\":{\"1\":{}},\"properties\":{\"a\":{\"$ref\":\"#/definitions/1\"}}}", "/properties/a",
               "digits");
    load_fails("{\"type\":\"object\",", "", "ends too early");
    load_fails("{\"type\":\"object\",\"type\":\"array\"}", "/type", "stands twice");
}

static void schemas_without_end_are_refused(void **state)
{
    (void)state;
    load_fails("{\"$ref\":\"#\"}", "", "without end");
    load_fails("{\"definitions\":{\"a\":{\"$ref\":\"#/definitions/b\"},\"b\":{\"$ref\":\"#/definitions/a\"}}}",
               "/definitions/a", "without end");
    load_fails("{\"allOf\":[{\"$ref\":\"#\"}]}", "", "without end");
    load_fails("{\"definitions\":{\"a\":{\"not\":{\"anyOf\":[{\"$ref\":\"#/definitions/a\"}]}}}}", "/definitions/a",
               "without end");
}

/* RapidJSON looks for schemas in all objects, also where there are none. */
static void members_named_like_keywords_and_defaults_like_schemas_do_no_harm(void **state)
{
    (void)state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/s.json", folder);
    struct lt_json_schema *s = NULL;
    struct lt_err err = LT_ERR_INIT;
    static const char text[] =
        "{\"properties\":{\"type\":{\"type\":\"string\"},\"items\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}"
        "},"
        "\"patternProperties\":{\"type\":\"boolean\"},\"properties\":{\"type\":\"null\"},\"$ref\":{\"type\":\"string\"}"
        ","
        "\"required\":{\"type\":\"integer\"},\"enum\":{\"type\":\"integer\"},\"not\":{\"type\":\"integer\"}},"
        "\"default\":{\"patternProperties\":5,\"$ref\":\"#/nowhere\",\"not\":{\"$ref\":\"http://"
        "x\"}},\"additionalProperties\":false}";
    assert_int_equal(lt_file_write(path, lt_span_str(text), 0600, &err), 0);
    if (lt_json_schema_load(path, &s, &err))
        fail_msg("%s", err.text);
    assert_int_equal(
        check(s,
              "{\"type\":\"x\",\"items\":[1],\"patternProperties\":true,\"properties\":null,\"$ref\":\"y\","
              "\"required\":1,\"enum\":2,\"not\":3}",
              &err),
        0);
    assert_int_equal(check(s, "{\"items\":[\"1\"]}", &err), LT_E_INVALID);
    assert_string_equal(err.pointer, "/items/0");
    assert_int_equal(check(s, "{\"patternProperties\":1}", &err), LT_E_INVALID);
    assert_string_equal(err.text, "expected boolean, got number");
    lt_json_schema_free(s);
    harness_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_accepted),
        cmocka_unit_test(a_missing_member_is_pointed_at_itself),
        cmocka_unit_test(an_unknown_member_is_pointed_at_itself_with_a_suggestion),
        cmocka_unit_test(each_keyword_says_what_it_demands),
        cmocka_unit_test(lengths_are_counted_in_characters),
        cmocka_unit_test(of_several_forms_the_nearest_is_explained),
        cmocka_unit_test(a_nul_character_cannot_hide_what_follows_it),
        cmocka_unit_test(part_of_a_document_can_be_checked_alone),
        cmocka_unit_test(a_schema_that_could_not_be_kept_is_refused),
        cmocka_unit_test(schemas_without_end_are_refused),
        cmocka_unit_test(members_named_like_keywords_and_defaults_like_schemas_do_no_harm),
    };
    return cmocka_run_group_tests(tests, load_dossier, free_dossier);
}
