/* The bytes that go to the portal (domain 1.11). */
#include "adapters/portal/request.h"
#include "tests/unit/harness.h"

#include "gateway/base/text.h"

#include <stdio.h>

static struct lt_portal_options options = {.username = "u\"1", .password = {.text = "p"}, .madonvi = "H22"};

static char *dossier(const char *hoso, struct lt_arena *a, struct lt_portal_cuts *cuts)
{
    LT_AUTO_JSON struct lt_json *json = NULL;
    const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 32};
    struct lt_buf out = LT_BUF_INIT(1 << 20);
    assert_int_equal(lt_json_parse(lt_span_str(hoso), &limits, &json, NULL), LT_OK);
    lt_portal_dossier_item(&options, lt_json_root(json), a, cuts, &out);
    return lt_buf_take(&out);
}

static void a_dossier_goes_out_with_every_field_that_everybody_sends(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_portal_cuts cuts = {0};
    LT_AUTOFREE char *item = dossier(
        "{\"MaHoSo\":\"000.00.01.H22-240101-0001\",\"MaTTHC\":\"1.001193\",\"TenTTHC\":\"Đăng ký khai "
        "sinh\",\"MaLinhVuc\":\"HT\","
        "\"TenLinhVuc\":\"Hộ tịch\",\"KenhThucHien\":\"3\",\"ChuHoSo\":\"NGUYỄN VĂN MẪU\",\"LoaiDoiTuong\":\"1\","
        "\"SoDienThoai\":\"0900000000\",\"TrichYeuHoSo\":\"Đăng ký khai sinh\",\"NgayTiepNhan\":\"20240101083000\","
        "\"NgayHenTra\":\"20240103170000\",\"TrangThaiHoSo\":\"2\",\"HinhThuc\":\"0\",\"DonViXuLy\":\"UBND xã Mẫu\","
        "\"DinhDanhCHS\":[{\"LoaiDinhDanh\":\"1\",\"SoDinhDanh\":\"002224000001\"}]}",
        &a, &cuts);
    assert_string_equal(
        item,
        "{\"MaHoSo\":\"000.00.01.H22-240101-0001\",\"MaTTHC\":\"1.001193\",\"TenTTHC\":\"Đăng ký khai "
        "sinh\",\"MaLinhVuc\":\"HT\","
        "\"TenLinhVuc\":\"Hộ tịch\",\"KenhThucHien\":\"3\",\"ChuHoSo\":\"NGUYỄN VĂN "
        "MẪU\",\"LoaiDoiTuong\":\"1\",\"MaDoiTuong\":\"\","
        "\"ThongTinKhac\":\"\",\"Email\":\"\",\"Fax\":\"\",\"SoDienThoai\":\"0900000000\",\"TrichYeuHoSo\":\"Đăng ký "
        "khai sinh\","
        "\"NgayTiepNhan\":\"20240101083000\",\"NgayHenTra\":\"20240103170000\",\"TrangThaiHoSo\":\"2\",\"NgayTra\":"
        "\"\","
        "\"ThongTinTra\":\"\",\"HinhThuc\":\"0\",\"NgayKetThucXuLy\":\"\",\"DonViXuLy\":\"UBND xã "
        "Mẫu\",\"TaiLieuNop\":[],"
        "\"DanhSachLePhi\":[],\"DanhSachTepDinhKemKhac\":[],\"DanhSachHoSoBoSung\":[],\"DanhSachGiayToKetQua\":[],"
        "\"NoiNopHoSo\":\"2\",\"DinhDanhCHS\":[{\"LoaiDinhDanh\":\"1\",\"SoDinhDanh\":\"002224000001\"}]}");
    assert_int_equal(cuts.fields.len, 0);
    lt_portal_cuts_deinit(&cuts);
    lt_arena_deinit(&a);
}

static void further_fields_follow_and_every_scalar_is_a_text(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_portal_cuts cuts = {0};
    LT_AUTOFREE char *item =
        dossier("{\"MaHoSo\":\"A\",\"SoBienNhan\":17,\"DSKetNoiCSDL\":[{\"MaCSDL\":\"7\"}],\"HoSoCoThanhPhanSoHoa\":1,"
                "\"DanhSachHoSoBoSung\":[{\"TrangThaiBoSung\":true,\"GhiChu\":null,\"DanhSachGiayToBoSung\":[{"
                "\"SoLuong\":2}]}]}",
                &a, &cuts);
    assert_non_null(
        strstr(item, "\"SoBienNhan\":\"17\",\"DSKetNoiCSDL\":[{\"MaCSDL\":\"7\"}],\"HoSoCoThanhPhanSoHoa\":\"1\"}"));
    assert_non_null(strstr(item, "\"DanhSachHoSoBoSung\":[{\"TrangThaiBoSung\":\"True\",\"GhiChu\":\"\","
                                 "\"DanhSachGiayToBoSung\":[{\"SoLuong\":\"2\"}]}]"));
    lt_portal_cuts_deinit(&cuts);
    lt_arena_deinit(&a);
}

static void fields_that_are_too_long_are_cut_at_a_character_and_listed(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_portal_cuts cuts = {0};
    struct lt_buf text = LT_BUF_INIT(1 << 20), in = LT_BUF_INIT(1 << 20);
    for (int i = 0; i < 2001; i++)
        lt_buf_str(&text, "ễ");
    lt_buf_printf(&in,
                  "{\"MaHoSo\":\"A\",\"TrichYeuHoSo\":\"%s\",\"GhiChu\":\"%s\",\"TenTTHC\":\"%s\","
                  "\"TaiLieuNop\":[{\"TenTepDinhKem\":\"a\"},{\"TenTepDinhKem\":\"%s%s\"}],\"DanhSachGiayToKetQua\":[{"
                  "\"TenGiayTo\":\"%s\"}],"
                  "\"DanhSachTepDinhKemKhac\":[{\"TenGiayTo\":\"%s\"}]}",
                  text.ptr, text.ptr, text.ptr, text.ptr, text.ptr, text.ptr, text.ptr);
    LT_AUTOFREE char *item = dossier(lt_buf_view(&in).ptr, &a, &cuts);
    static const char *const want[] = {"/TrichYeuHoSo", "/TaiLieuNop/1/TenTepDinhKem",
                                       "/DanhSachGiayToKetQua/0/TenGiayTo", "/GhiChu"};
    assert_int_equal(cuts.fields.len, LT_ARRAY_LEN(want));
    for (size_t i = 0; i < LT_ARRAY_LEN(want); i++)
        assert_string_equal(cuts.fields.v[i], want[i]);
    assert_true(lt_utf8_valid(lt_span_str(item), NULL));
    LT_AUTO_JSON struct lt_json *json = NULL;
    const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 32};
    assert_int_equal(lt_json_parse(lt_span_str(item), &limits, &json, NULL), LT_OK);
    struct lt_span s;
    assert_true(lt_json_string(lt_json_get(lt_json_root(json), "TrichYeuHoSo"), &s));
    assert_int_equal(lt_text_chars(s), 1000);
    lt_portal_cuts_deinit(&cuts);
    lt_buf_deinit(&text);
    lt_buf_deinit(&in);
    lt_arena_deinit(&a);
}

static void a_progress_row_has_all_its_fields_and_a_short_officer(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_portal_cuts cuts = {0};
    LT_AUTO_JSON struct lt_json *json = NULL;
    const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 32};
    static const char row[] =
        "{\"MaHoSo\":\"B\",\"NguoiXuLy\":\"ĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐ\","
        "\"ThoiDiemXuLy\":\"20240101090000\",\"TrangThai\":\"4\",\"NoiDungXuLy\":\"Thẩm định\"}";
    struct lt_buf out = LT_BUF_INIT(1 << 20);
    assert_int_equal(lt_json_parse(lt_span_str(row), &limits, &json, NULL), LT_OK);
    lt_portal_progress_item(lt_json_root(json), LT_SPAN_LIT("A"), &a, &cuts, &out);
    LT_AUTOFREE char *item = lt_buf_take(&out);
    assert_string_equal(
        item,
        "{\"MaHoSo\":\"A\",\"NguoiXuLy\":\"ĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐĐ\",\"ChucDanh\":\"\","
        "\"ThoiDiemXuLy\":\"20240101090000\",\"PhongBanXuLy\":\"\",\"NoiDungXuLy\":\"Thẩm định\",\"TrangThai\":\"4\","
        "\"NgayBatDau\":\"\",\"NgayKetThucTheoQuyDinh\":\"\"}");
    assert_int_equal(cuts.fields.len, 1);
    assert_string_equal(cuts.fields.v[0], "/NguoiXuLy");
    lt_portal_cuts_deinit(&cuts);
    lt_arena_deinit(&a);
}

static void bodies_carry_session_agency_and_service_in_order(void **state)
{
    (void)state;
    struct lt_buf out = LT_BUF_INIT(1 << 20);
    lt_portal_login_body(&options, &out);
    assert_span_is(lt_buf_view(&out), "{\"username\":\"u\\\"1\",\"password\":\"p\"}");
    lt_buf_reset(&out);
    lt_portal_lookup_body(&options, LT_SPAN_LIT("s-1"), LT_SPAN_LIT("A"), &out);
    assert_span_is(lt_buf_view(&out),
                   "{\"session\":\"s-1\",\"madonvi\":\"H22\",\"service\":\"TraCuuHoSo\",\"mahoso\":\"A\"}");
    lt_buf_reset(&out);
    const struct lt_span items[] = {LT_SPAN_LIT("{\"a\":\"1\"}"), LT_SPAN_LIT("{}")};
    lt_portal_data_body(&options, LT_SPAN_LIT("s-1"), "DongBoHoSoMC", "False", items, 2, &out);
    assert_span_is(lt_buf_view(&out),
                   "{\"session\":\"s-1\",\"madonvi\":\"H22\",\"service\":\"DongBoHoSoMC\",\"isUpdating\":\"False\","
                   "\"data\":[{\"a\":\"1\"},{}]}");
    lt_buf_reset(&out);
    lt_portal_data_body(&options, LT_SPAN_LIT("s-1"), "CapNhatTienDoHoSoMC", NULL, items + 1, 1, &out);
    assert_span_is(lt_buf_view(&out),
                   "{\"session\":\"s-1\",\"madonvi\":\"H22\",\"service\":\"CapNhatTienDoHoSoMC\",\"data\":[{}]}");
    lt_buf_deinit(&out);
}

static void a_connector_may_want_other_statuses(void **state)
{
    (void)state;
    struct lt_yaml *yaml = NULL;
    assert_int_equal(lt_yaml_parse("t.yaml", LT_SPAN_LIT("{\"5\": \"9\", \"8\": \"9\"}"), &yaml, NULL), LT_OK);
    options.status_map = lt_yaml_root(yaml);
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_portal_cuts cuts = {0};
    LT_AUTOFREE char *item = dossier("{\"MaHoSo\":\"A\",\"TrangThaiHoSo\":\"5\"}", &a, &cuts);
    LT_AUTOFREE char *same = dossier("{\"MaHoSo\":\"A\",\"TrangThaiHoSo\":\"4\"}", &a, &cuts);
    assert_non_null(strstr(item, "\"TrangThaiHoSo\":\"9\""));
    assert_non_null(strstr(same, "\"TrangThaiHoSo\":\"4\""));
    options.status_map = NULL;
    lt_portal_cuts_deinit(&cuts);
    lt_arena_deinit(&a);
    lt_yaml_free(yaml);
}

static void passes(const char *schema, struct lt_span body)
{
    LT_AUTOFREE char *path = lt_asprintf("schemas/portal/%s.json", schema);
    LT_AUTO_JSON struct lt_json *json = NULL;
    const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 32};
    struct lt_json_schema *s = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_json_schema_load(path, &s, &err), LT_OK);
    assert_int_equal(lt_json_parse(body, &limits, &json, &err), LT_OK);
    if (lt_json_schema_check(s, lt_json_root(json), &err) != LT_OK)
        fail_msg("%s: %s", path, err.text);
    lt_json_schema_free(s);
}

static void statuses_of_dossiers_born_at_the_portal_and_ratings_have_the_form_of_their_schema(void **state)
{
    (void)state;
    const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 32};
    static const char *const rows[] = {
        "{\"ThoiDiemXuLy\":\"20240101090000\",\"NoiDungXuLy\":\"Tiếp nhận\",\"NguoiXuLy\":\"x\"}", "{}"};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        LT_AUTO_JSON struct lt_json *tiendo = NULL;
        struct lt_arena a = LT_ARENA_INIT;
        struct lt_portal_cuts cuts = {0};
        struct lt_buf item = LT_BUF_INIT(1 << 16), body = LT_BUF_INIT(1 << 16);
        assert_int_equal(lt_json_parse(lt_span_str(rows[i]), &limits, &tiendo, NULL), LT_OK);
        lt_portal_status_item(lt_json_root(tiendo), LT_SPAN_LIT("G-1"), LT_SPAN_LIT("2"), &a, &cuts, &item);
        lt_portal_status_body(&options, LT_SPAN_LIT("s-1"), lt_buf_view(&item), &body);
        passes("status-request", lt_buf_view(&body));
        lt_buf_deinit(&item);
        lt_buf_deinit(&body);
        lt_portal_cuts_deinit(&cuts);
        lt_arena_deinit(&a);
    }
    struct lt_buf body = LT_BUF_INIT(1 << 16);
    lt_portal_service_body(
        &options, LT_SPAN_LIT("s-1"), "DongBoDanhGia",
        LT_SPAN_LIT("\"NgayTongHop\":\"9-2025\",\"TongSoNguoiDanhGia\":\"120\",\"PhanTramHaiLong\":\"96.5\""), &body);
    passes("rating-request", lt_buf_view(&body));
    lt_buf_deinit(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_of_dossiers_born_at_the_portal_and_ratings_have_the_form_of_their_schema),
        cmocka_unit_test(a_dossier_goes_out_with_every_field_that_everybody_sends),
        cmocka_unit_test(further_fields_follow_and_every_scalar_is_a_text),
        cmocka_unit_test(fields_that_are_too_long_are_cut_at_a_character_and_listed),
        cmocka_unit_test(a_progress_row_has_all_its_fields_and_a_short_officer),
        cmocka_unit_test(bodies_carry_session_agency_and_service_in_order),
        cmocka_unit_test(a_connector_may_want_other_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
