#include "tests/unit/harness.h"

#include <dirent.h>
#include <stdio.h>

#include "adapters/portal/mock_portal_rules.h"
#include "gateway/base/file.h"

#define SCHEMAS "schemas/portal"

static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 32};

/* NULL for a schema that is no list of items. */
typedef bool (*rule)(lt_json_value, struct lt_buf *);
static rule rule_of(const char *schema)
{
    return strcmp(schema, "dossier-request") == 0    ? lt_mock_portal_dossier_ok
           : strcmp(schema, "progress-request") == 0 ? lt_mock_portal_progress_ok
                                                     : NULL;
}

static bool all_items_ok(rule ok, lt_json_value data)
{
    bool good = lt_json_type_of(data) == LT_JSON_ARRAY && lt_json_len(data) > 0;
    for (size_t i = 0; good && i < lt_json_len(data); i++) {
        struct lt_buf why = LT_BUF_INIT(4096);
        good = ok(lt_json_at(data, i), &why);
        assert_true(good || why.len > 0);
        lt_buf_deinit(&why);
    }
    return good;
}

/* Rules about a whole request. */
static rule whole_rule_of(const char *schema)
{
    return strcmp(schema, "status-request") == 0   ? lt_mock_portal_status_ok
           : strcmp(schema, "rating-request") == 0 ? lt_mock_portal_rating_ok
                                                   : NULL;
}

/* Each example against its schema (the word before the first dot) and, where there is one, against the mock's rule. */
static size_t check_examples(const char *folder, bool valid)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(e->d_name, "."), e->d_name);
        LT_AUTOFREE char *path = lt_asprintf("%s/%s", folder, e->d_name);
        LT_AUTOFREE char *schema_path = lt_asprintf(SCHEMAS "/%s.json", name);
        LT_AUTOFREE char *text = NULL;
        size_t len;
        LT_AUTO_JSON struct lt_json *doc = NULL;
        struct lt_json_schema *schema = NULL;
        struct lt_err err = LT_ERR_INIT;
        assert_int_equal(lt_file_read(path, limits.bytes_max, &text, &len, &err), LT_OK);
        assert_int_equal(lt_json_parse(lt_span(text, len), &limits, &doc, &err), LT_OK);
        if (lt_json_schema_load(schema_path, &schema, &err) != LT_OK)
            fail_msg("%s: %s", schema_path, err.text);
        int r = lt_json_schema_check(schema, lt_json_root(doc), &err);
        if ((r == LT_OK) != valid)
            fail_msg("%s: the schema says %s", path, r == LT_OK ? "ok" : err.text);
        rule ok = rule_of(name);
        struct lt_span flag;
        lt_json_value updating = lt_json_get(lt_json_root(doc), "isUpdating");
        bool flag_wrong = lt_json_string(updating, &flag) && !lt_span_is(flag, "True") && !lt_span_is(flag, "False");
        if (ok && !flag_wrong && all_items_ok(ok, lt_json_get(lt_json_root(doc), "data")) != valid)
            fail_msg("%s: the mock does not agree with the schema", path);
        rule whole = whole_rule_of(name);
        struct lt_buf why = LT_BUF_INIT(4096);
        if (whole && whole(lt_json_root(doc), &why) != valid)
            fail_msg("%s: the mock does not agree with the schema", path);
        assert_true(!whole || valid == (why.len == 0));
        lt_buf_deinit(&why);
        lt_json_schema_free(schema);
        n++;
    }
    closedir(d);
    return n;
}

static void every_valid_example_passes_its_schema_and_the_mock(void **state)
{
    (void)state;
    assert_true(check_examples(SCHEMAS "/valid", true) >= 22);
}

static void every_invalid_example_is_refused_by_its_schema_and_the_mock(void **state)
{
    (void)state;
    assert_true(check_examples(SCHEMAS "/invalid", false) >= 34);
}

static void a_refusal_names_the_field_and_where_it_stands(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        {"\"TenTTHC\":\"Đăng ký khai sinh\",", "", "Thiếu trường bắt buộc TenTTHC"},
        {"20240101083000", "20240230083000", "Trường NgayTiepNhan không hợp lệ"},
        {"\"HinhThuc\":\"0\"", "\"HinhThuc\":0", "Trường HinhThuc phải là chuỗi ký tự"},
        {"\"HinhThuc\":\"0\"", "\"HinhThuc\":\" 0\"", "Trường HinhThuc không hợp lệ"},
        {"[]", "[{}]", "Thiếu trường bắt buộc TenTepDinhKem (TaiLieuNop[0])"},
        {"[]", "[3]", "Mỗi phần tử phải là một đối tượng (TaiLieuNop[0])"},
        {"[]", "{}", "Trường TaiLieuNop phải là danh sách"},
        {"\"X\":\"1\"", "\"CongDan\":{}", "Trường không được hỗ trợ: CongDan"},
        {"\"SoDinhDanh\":\"002224000001\"", "\"SoDinhDanh\":\"012345678\"",
         "Trường SoDinhDanh không hợp lệ (DinhDanhCHS[0])"},
    };
    static const char item[] =
        "{\"MaHoSo\":\"A\",\"MaTTHC\":\"1.001193\",\"TenTTHC\":\"Đăng ký khai sinh\",\"MaLinhVuc\":\"HT\","
        "\"TenLinhVuc\":\"Hộ tịch\",\"KenhThucHien\":\"1\",\"LoaiDoiTuong\":\"1\",\"NgayTiepNhan\":\"20240101083000\","
        "\"TrangThaiHoSo\":\"2\",\"HinhThuc\":\"0\",\"DonViXuLy\":\"UBND xã Mẫu\",\"TaiLieuNop\":[],"
        "\"DinhDanhCHS\":[{\"LoaiDinhDanh\":\"1\",\"SoDinhDanh\":\"002224000001\"}],\"X\":\"1\"}";
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        const char *at = strstr(item, cases[i].from);
        assert_non_null(at);
        LT_AUTOFREE char *text =
            lt_asprintf("%.*s%s%s", (int)(at - item), item, cases[i].to, at + strlen(cases[i].from));
        char *extra = strstr(text, ",\"X\":\"1\"");
        if (extra) /* all but the case about it go without the unknown field */
            memcpy(extra, "}", 2);
        LT_AUTO_JSON struct lt_json *doc = NULL;
        struct lt_buf why = LT_BUF_INIT(4096);
        assert_int_equal(lt_json_parse(lt_span_str(text), &limits, &doc, NULL), LT_OK);
        assert_false(lt_mock_portal_dossier_ok(lt_json_root(doc), &why));
        assert_span_is(lt_buf_view(&why), cases[i].why);
        lt_buf_deinit(&why);
    }
}

static void lengths_count_characters_not_bytes(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        struct lt_buf text = LT_BUF_INIT(1 << 16), why = LT_BUF_INIT(4096);
        LT_AUTO_JSON struct lt_json *doc = NULL;
        lt_buf_str(&text, "{\"MaHoSo\":\"A\",\"ThoiDiemXuLy\":\"20240101090000\",\"TrangThai\":\"4\",\"NguoiXuLy\":\"");
        for (int i = 0; i < 50 + over; i++)
            lt_buf_str(&text, "ễ");
        lt_buf_str(&text, "\"}");
        assert_int_equal(lt_json_parse(lt_buf_view(&text), &limits, &doc, NULL), LT_OK);
        assert_int_equal(lt_mock_portal_progress_ok(lt_json_root(doc), &why), !over);
        lt_buf_deinit(&text);
        lt_buf_deinit(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_valid_example_passes_its_schema_and_the_mock),
        cmocka_unit_test(every_invalid_example_is_refused_by_its_schema_and_the_mock),
        cmocka_unit_test(a_refusal_names_the_field_and_where_it_stands),
        cmocka_unit_test(lengths_count_characters_not_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
