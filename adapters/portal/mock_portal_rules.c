#include "adapters/portal/mock_portal_rules.h"

#include "gateway/base/clock.h"
#include "gateway/base/text.h"

enum kind {
    TEXT,
    DATE,      /* yyyyMMddHHmmss, or "" when not mandatory */
    WORD,      /* one of words, or "" when not mandatory */
    DIGITS,    /* decimal, or "" */
    PROCEDURE, /* national code d.dddddd: local codes must be mapped before */
    LIST,      /* array of objects of `table` */
};

struct field {
    const char *name;
    enum kind kind;
    bool mandatory; /* there and not empty */
    size_t max;     /* characters */
    const char *words;
    const struct field *table;
};

#define END                                                                                                            \
    {                                                                                                                  \
        NULL, TEXT, false, 0, NULL, NULL                                                                               \
    }
#define STATUSES " 1 2 3 4 5 6 7 8 9 10 "

static const struct field papers[] = {
    {"TepDinhKemId", TEXT, false, 200, NULL, NULL},       {"TenTepDinhKem", TEXT, true, 4000, NULL, NULL},
    {"IsDeleted", WORD, false, 0, " True False ", NULL},  {"MaThanhPhanHoSo", TEXT, false, 100, NULL, NULL},
    {"DuongDanTaiTepTin", TEXT, false, 2000, NULL, NULL}, {"DuocSoHoa", WORD, false, 0, " 0 1 ", NULL},
    {"DuocTaiSuDung", WORD, false, 0, " 0 1 2 ", NULL},   {"DuocLayTuKhoDMQG", WORD, false, 0, " 0 1 ", NULL},
    {"MaKetQuaThayThe", TEXT, false, 100, NULL, NULL},    END,
};
static const struct field fees[] = {
    {"TenPhiLePhi", TEXT, true, 500, NULL, NULL},     {"MaPhiLePhi", TEXT, false, 100, NULL, NULL},
    {"HinhThucThu", WORD, false, 0, " 1 2 4 ", NULL}, {"Gia", DIGITS, true, 15, NULL, NULL},
    {"LoaiPhiLePhi", WORD, false, 0, " 1 2 ", NULL},  END,
};
static const struct field other_papers[] = {
    {"TenGiayTo", TEXT, true, 2000, NULL, NULL},
    {"SoLuong", DIGITS, false, 6, NULL, NULL},
    {"LoaiGiayTo", TEXT, false, 50, NULL, NULL},
    END,
};
static const struct field supplements[] = {
    {"HoSoBoSungId", TEXT, false, 100, NULL, NULL},
    {"NguoiYeuCauBoSung", TEXT, false, 200, NULL, NULL},
    {"NoiDungBoSung", TEXT, false, 2000, NULL, NULL},
    {"NgayBoSung", DATE, false, 0, NULL, NULL},
    {"NguoiTiepNhanBoSung", TEXT, false, 200, NULL, NULL},
    {"ThongTinTiepNhan", TEXT, false, 2000, NULL, NULL},
    {"NgayTiepNhanBoSung", DATE, false, 0, NULL, NULL},
    {"TrangThaiBoSung", WORD, false, 0, " True False ", NULL},
    {"DanhSachGiayToBoSung", LIST, false, 500, NULL, other_papers},
    {"DanhSachLePhiBoSung", LIST, false, 500, NULL, fees},
    {"NgayHenTraTruoc", DATE, false, 0, NULL, NULL},
    {"NgayHenTraMoi", DATE, false, 0, NULL, NULL},
    END,
};
static const struct field results[] = {
    {"TenGiayTo", TEXT, true, 2000, NULL, NULL},      {"MaThanhPhanHoSo", TEXT, false, 100, NULL, NULL},
    {"GiayToId", TEXT, false, 200, NULL, NULL},       {"DuongDanTepTinKetQua", TEXT, false, 2000, NULL, NULL},
    {"MaGiayToKetQua", TEXT, false, 100, NULL, NULL}, END,
};
static const struct field owner_ids[] = {
    {"LoaiDinhDanh", WORD, true, 0, " 1 2 ", NULL},
    {"SoDinhDanh", DIGITS, true, 12, NULL, NULL},
    END,
};
static const struct field databases[] = {
    {"MaCSDL", TEXT, true, 20, NULL, NULL},
    END,
};
static const struct field dossier[] = {
    {"MaHoSo", TEXT, true, 100, NULL, NULL},
    {"MaTTHC", PROCEDURE, true, 50, NULL, NULL},
    {"TenTTHC", TEXT, true, 1000, NULL, NULL},
    {"MaLinhVuc", TEXT, true, 50, NULL, NULL},
    {"TenLinhVuc", TEXT, true, 500, NULL, NULL},
    {"KenhThucHien", WORD, true, 0, " 1 2 3 ", NULL},
    {"SoBienNhan", TEXT, false, 100, NULL, NULL},
    {"ChuHoSo", TEXT, false, 500, NULL, NULL},
    {"LoaiDoiTuong", WORD, true, 0, " 1 2 3 4 ", NULL},
    {"MaDoiTuong", TEXT, false, 200, NULL, NULL},
    {"ThongTinKhac", TEXT, false, 2000, NULL, NULL},
    {"Email", TEXT, false, 320, NULL, NULL},
    {"SoDienThoai", TEXT, false, 50, NULL, NULL},
    {"Fax", TEXT, false, 50, NULL, NULL},
    {"TrichYeuHoSo", TEXT, false, 1000, NULL, NULL},
    {"NgayTiepNhan", DATE, true, 0, NULL, NULL},
    {"NgayHenTra", DATE, false, 0, NULL, NULL},
    {"TrangThaiHoSo", WORD, true, 0, STATUSES, NULL},
    {"NgayTra", DATE, false, 0, NULL, NULL},
    {"ThongTinTra", TEXT, false, 2000, NULL, NULL},
    {"HinhThuc", WORD, true, 0, " 0 1 ", NULL},
    {"NgayKetThucXuLy", DATE, false, 0, NULL, NULL},
    {"DonViXuLy", TEXT, true, 500, NULL, NULL},
    {"GhiChu", TEXT, false, 2000, NULL, NULL},
    {"TaiLieuNop", LIST, false, 500, NULL, papers},
    {"DanhSachLePhi", LIST, false, 500, NULL, fees},
    {"DanhSachTepDinhKemKhac", LIST, false, 500, NULL, other_papers},
    {"DanhSachHoSoBoSung", LIST, false, 100, NULL, supplements},
    {"DanhSachGiayToKetQua", LIST, false, 500, NULL, results},
    {"NoiNopHoSo", WORD, false, 0, " 1 2 ", NULL},
    {"HoSoCoThanhPhanSoHoa", WORD, false, 0, " 0 1 ", NULL},
    {"TaiKhoanDuocXacThucVoiVNeID", WORD, false, 0, " 0 1 ", NULL},
    {"DuocThanhToanTrucTuyen", WORD, false, 0, " 0 1 2 3 ", NULL},
    {"NgayTuChoi", DATE, false, 0, NULL, NULL},
    {"DinhDanhCHS", LIST, false, 20, NULL, owner_ids},
    {"NgayNopHoSo", DATE, false, 0, NULL, NULL},
    {"DSKetNoiCSDL", LIST, false, 20, NULL, databases},
    {"SoGiayToChuHoSo", TEXT, false, 100, NULL, NULL},
    END,
};
static const struct field progress[] = {
    {"MaHoSo", TEXT, true, 100, NULL, NULL},
    {"NguoiXuLy", TEXT, true, 50, NULL, NULL},
    {"ChucDanh", TEXT, false, 200, NULL, NULL},
    {"ThoiDiemXuLy", DATE, true, 0, NULL, NULL},
    {"PhongBanXuLy", TEXT, false, 500, NULL, NULL},
    {"NoiDungXuLy", TEXT, false, 2000, NULL, NULL},
    {"TrangThai", WORD, true, 0, STATUSES, NULL},
    {"NgayBatDau", DATE, false, 0, NULL, NULL},
    {"NgayKetThucTheoQuyDinh", DATE, false, 0, NULL, NULL},
    END,
};

static bool is_word(const char *words, struct lt_span s)
{
    const char *p = words + 1; /* words are " a b c " */
    while (*p) {
        const char *end = strchr(p, ' ');
        if (lt_span_eq(lt_span(p, (size_t)(end - p)), s))
            return true;
        p = end + 1;
    }
    return false;
}

static bool is_digits(struct lt_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return true;
}

static bool is_procedure(struct lt_span s)
{
    return s.len == 8 && s.ptr[1] == '.' && is_digits(lt_span(s.ptr, 1)) && is_digits(lt_span(s.ptr + 2, 6));
}

static bool table_ok(const struct field *table, lt_json_value item, struct lt_buf *why);

static bool list_ok(const struct field *f, lt_json_value v, struct lt_buf *why)
{
    if (lt_json_type_of(v) != LT_JSON_ARRAY) {
        lt_buf_printf(why, "Trường %s phải là danh sách", f->name);
        return false;
    }
    size_t n = lt_json_len(v);
    if (n > f->max) {
        lt_buf_printf(why, "Trường %s vượt quá %zu phần tử", f->name, f->max);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!table_ok(f->table, lt_json_at(v, i), why)) {
            lt_buf_printf(why, " (%s[%zu])", f->name, i);
            return false;
        }
    }
    return true;
}

static bool scalar_ok(const struct field *f, struct lt_span s, struct lt_buf *why)
{
    int64_t ms;
    bool good = true;
    switch (f->kind) {
    case DATE:
        good = lt_time_parse(LT_TIME_PORTAL, s, &ms);
        break;
    case WORD:
        good = is_word(f->words, s);
        break;
    case DIGITS:
        good = is_digits(s);
        break;
    case PROCEDURE:
        good = is_procedure(s);
        break;
    default:
        break;
    }
    if (!good) {
        lt_buf_printf(why, "Trường %s không hợp lệ", f->name);
    } else if (f->max && lt_text_chars(s) > f->max) {
        lt_buf_printf(why, "Trường %s vượt quá %zu ký tự", f->name, f->max);
        good = false;
    }
    return good;
}

static bool field_ok(const struct field *f, lt_json_value v, struct lt_buf *why)
{
    struct lt_span s = LT_SPAN_NULL;
    if (f->kind == LIST)
        return !lt_json_present(v) || list_ok(f, v, why);
    if (lt_json_present(v) && !lt_json_string(v, &s)) {
        lt_buf_printf(why, "Trường %s phải là chuỗi ký tự", f->name);
        return false;
    }
    if (s.len == 0) {
        if (f->mandatory)
            lt_buf_printf(why, "Thiếu trường bắt buộc %s", f->name);
        return !f->mandatory;
    }
    return scalar_ok(f, s, why);
}

static bool table_ok(const struct field *table, lt_json_value item, struct lt_buf *why)
{
    if (lt_json_type_of(item) != LT_JSON_OBJECT) {
        lt_buf_str(why, "Mỗi phần tử phải là một đối tượng");
        return false;
    }
    for (const struct field *f = table; f->name; f++)
        if (!field_ok(f, lt_json_get(item, f->name), why))
            return false;

    size_t n = lt_json_len(item);
    for (size_t i = 0; i < n; i++) {
        struct lt_span name;
        const struct field *f = table;
        lt_json_member_at(item, i, &name);
        while (f->name && !lt_span_is(name, f->name))
            f++;
        if (!f->name) {
            lt_buf_str(why, "Trường không được hỗ trợ: ");
            lt_buf_span(why, name);
            return false;
        }
    }
    return true;
}

/* A 12-digit personal id or a 9-digit CMND, as its type says. */
static bool owner_ids_ok(lt_json_value list, struct lt_buf *why)
{
    for (size_t i = 0; i < lt_json_len(list); i++) {
        struct lt_span type, id;
        lt_json_value item = lt_json_at(list, i);
        if (!lt_json_string(lt_json_get(item, "LoaiDinhDanh"), &type) ||
            !lt_json_string(lt_json_get(item, "SoDinhDanh"), &id) || id.len != (lt_span_is(type, "1") ? 12u : 9u)) {
            lt_buf_printf(why, "Trường SoDinhDanh không hợp lệ (DinhDanhCHS[%zu])", i);
            return false;
        }
    }
    return true;
}

bool lt_mock_portal_dossier_ok(lt_json_value item, struct lt_buf *why)
{
    return table_ok(dossier, item, why) && owner_ids_ok(lt_json_get(item, "DinhDanhCHS"), why);
}

bool lt_mock_portal_progress_ok(lt_json_value item, struct lt_buf *why)
{
    return table_ok(progress, item, why);
}

static struct lt_span text_of(lt_json_value v, const char *name)
{
    struct lt_span s = LT_SPAN_LIT("");
    (void)lt_json_string(lt_json_get(v, name), &s); /* absent or no text: stays empty */
    return s;
}

static bool refuse(struct lt_buf *why, const char *text)
{
    lt_buf_str(why, text);
    return false;
}

/* A dossier born at the portal is told its status by the province (domain 1.2): an object, not a list. */
bool lt_mock_portal_status_ok(lt_json_value body, struct lt_buf *why)
{
    lt_json_value data = lt_json_get(body, "data");
    struct lt_span status = text_of(data, "TrangThai"), time = text_of(data, "ThoiDiemXuLy");
    int64_t ms;
    if (!lt_span_is(text_of(body, "type"), "2"))
        return refuse(why, "Trường type phải là \"2\"");
    if (!lt_json_present(data) || lt_json_type_of(data) != LT_JSON_OBJECT || text_of(data, "MaHoSo").len == 0)
        return refuse(why, "Trường data phải là một đối tượng có MaHoSo");
    if (!lt_span_is(status, "2") && !lt_span_is(status, "5"))
        return refuse(why, "Trường TrangThai phải là 2 hoặc 5");
    if (time.len > 0 && !lt_time_parse(LT_TIME_PORTAL, time, &ms))
        return refuse(why, "Trường ThoiDiemXuLy không hợp lệ");
    return true;
}

/* Ratings of a month (domain 1.2). */
bool lt_mock_portal_rating_ok(lt_json_value body, struct lt_buf *why)
{
    struct lt_span rest = text_of(body, "NgayTongHop"), month;
    uint64_t number, year, total;
    if (!lt_span_cut(&rest, '-', &month) || !lt_span_u64(month, &number) || number < 1 || number > 12 ||
        month.ptr[0] == '0' || rest.len != 4 || !lt_span_u64(rest, &year))
        return refuse(why, "Trường NgayTongHop phải có dạng M-yyyy");
    if (!lt_span_u64(text_of(body, "TongSoNguoiDanhGia"), &total))
        return refuse(why, "Thiếu trường bắt buộc TongSoNguoiDanhGia");
    return true;
}
