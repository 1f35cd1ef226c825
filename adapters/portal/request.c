#include "adapters/portal/request.h"

#include "gateway/base/text.h"

#define DEPTH_MAX 16

enum kind { TEXT, LIST };
struct field {
    const char *name;
    enum kind kind;
    const char *fallback;
};

/* What everybody sends, in the order of domain 1.11. */
static const struct field dossier_fields[] = {
    {"MaHoSo", TEXT, ""},
    {"MaTTHC", TEXT, ""},
    {"TenTTHC", TEXT, ""},
    {"MaLinhVuc", TEXT, ""},
    {"TenLinhVuc", TEXT, ""},
    {"KenhThucHien", TEXT, "1"}, /* absent counts as 1 (domain 1.6) */
    {"ChuHoSo", TEXT, ""},
    {"LoaiDoiTuong", TEXT, ""},
    {"MaDoiTuong", TEXT, ""},
    {"ThongTinKhac", TEXT, ""},
    {"Email", TEXT, ""},
    {"Fax", TEXT, ""},
    {"SoDienThoai", TEXT, ""},
    {"TrichYeuHoSo", TEXT, ""},
    {"NgayTiepNhan", TEXT, ""},
    {"NgayHenTra", TEXT, ""},
    {"TrangThaiHoSo", TEXT, ""},
    {"NgayTra", TEXT, ""},
    {"ThongTinTra", TEXT, ""},
    {"HinhThuc", TEXT, "0"},
    {"NgayKetThucXuLy", TEXT, ""},
    {"DonViXuLy", TEXT, ""},
    {"TaiLieuNop", LIST, NULL},
    {"DanhSachLePhi", LIST, NULL},
    {"DanhSachTepDinhKemKhac", LIST, NULL},
    {"DanhSachHoSoBoSung", LIST, NULL},
    {"DanhSachGiayToKetQua", LIST, NULL},
    {"NoiNopHoSo", TEXT, "2"}, /* a provincial system */
    {"DinhDanhCHS", LIST, NULL},
};

static const struct field progress_fields[] = {
    {"MaHoSo", TEXT, ""},       {"NguoiXuLy", TEXT, ""},    {"ChucDanh", TEXT, ""},
    {"ThoiDiemXuLy", TEXT, ""}, {"PhongBanXuLy", TEXT, ""}, {"NoiDungXuLy", TEXT, ""},
    {"TrangThai", TEXT, ""},    {"NgayBatDau", TEXT, ""},   {"NgayKetThucTheoQuyDinh", TEXT, ""},
};

/* Length limits in characters (domain 1.3, 1.4). list: only inside that list of the dossier. */
static const struct {
    const char *field, *list;
    size_t max;
} limits[] = {
    {"NguoiXuLy", NULL, 50},
    {"TrichYeuHoSo", NULL, 1000},
    {"GhiChu", NULL, 2000},
    {"TenTepDinhKem", NULL, 4000},
    {"TenGiayTo", "DanhSachGiayToKetQua", 2000},
};

struct writer {
    struct lt_json_writer json;
    const struct lt_portal_options *options; /* NULL: no status map */
    struct lt_arena *a;
    struct lt_portal_cuts *cuts;
};

void lt_portal_cuts_deinit(struct lt_portal_cuts *c)
{
    lt_vec_deinit(&c->fields);
}

static size_t limit_of(struct lt_span field, const char *list)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(limits); i++)
        if (lt_span_is(field, limits[i].field) && (!limits[i].list || (list && strcmp(list, limits[i].list) == 0)))
            return limits[i].max;
    return SIZE_MAX;
}

static void put_text(struct writer *w, struct lt_span name, struct lt_span text, const char *list, const char *path)
{
    size_t max = limit_of(name, list);
    if (max < SIZE_MAX && lt_text_chars(text) > max) {
        text = lt_text_first_chars(text, max);
        *lt_vec_push(&w->cuts->fields) = lt_arena_printf(w->a, "%s/" LT_SPAN_FMT, path, LT_SPAN_ARG(name));
    }
    lt_json_put_string(&w->json, text);
}

static struct lt_span scalar(struct writer *w, lt_json_value v)
{
    bool flag;
    struct lt_span text = LT_SPAN_LIT("");
    if (lt_json_bool(v, &flag)) /* the portal's words for it (domain 1.3) */
        return flag ? LT_SPAN_LIT("True") : LT_SPAN_LIT("False");
    (void)lt_json_scalar(v, w->a, &text); /* null: empty */
    return text;
}

static void put_value(struct writer *w, struct lt_span name, lt_json_value v, const char *list, const char *path,
                      unsigned depth)
{
    enum lt_json_type t = lt_json_type_of(v);
    if (depth > 0 && t == LT_JSON_ARRAY) {
        lt_json_begin_array(&w->json);
        for (size_t i = 0; i < lt_json_len(v); i++)
            put_value(w, LT_SPAN_LIT(""), lt_json_at(v, i), list, lt_arena_printf(w->a, "%s/%zu", path, i), depth - 1);
        lt_json_end_array(&w->json);
    } else if (depth > 0 && t == LT_JSON_OBJECT) {
        lt_json_begin_object(&w->json);
        for (size_t i = 0; i < lt_json_len(v); i++) {
            struct lt_span member;
            lt_json_value m = lt_json_member_at(v, i, &member);
            bool text = lt_json_type_of(m) != LT_JSON_ARRAY && lt_json_type_of(m) != LT_JSON_OBJECT;
            lt_json_key(&w->json, member);
            put_value(w, member, m, list,
                      text ? path : lt_arena_printf(w->a, "%s/" LT_SPAN_FMT, path, LT_SPAN_ARG(member)), depth - 1);
        }
        lt_json_end_object(&w->json);
    } else {
        put_text(w, name, scalar(w, v), list, path);
    }
}

static void put_field(struct writer *w, const struct field *f, lt_json_value object)
{
    lt_json_value v = lt_json_get(object, f->name);
    struct lt_span name = lt_span_str(f->name);
    lt_json_key(&w->json, name);
    if (f->kind == LIST) {
        if (lt_json_present(v) && lt_json_type_of(v) == LT_JSON_ARRAY) {
            put_value(w, name, v, f->name, lt_arena_printf(w->a, "/%s", f->name), DEPTH_MAX);
        } else {
            lt_json_begin_array(&w->json);
            lt_json_end_array(&w->json);
        }
        return;
    }
    struct lt_span text = lt_json_present(v) ? scalar(w, v) : LT_SPAN_LIT("");
    if (text.len == 0)
        text = lt_span_str(f->fallback);
    if (w->options && strcmp(f->name, "TrangThaiHoSo") == 0)
        text = lt_portal_status(w->options, text);
    put_text(w, name, text, NULL, "");
}

static bool is_listed(const struct field *fields, size_t n, struct lt_span name)
{
    for (size_t i = 0; i < n; i++)
        if (lt_span_is(name, fields[i].name))
            return true;
    return false;
}

static void put_rest(struct writer *w, const struct field *fields, size_t n, lt_json_value object)
{
    for (size_t i = 0; i < lt_json_len(object); i++) {
        struct lt_span name;
        lt_json_value v = lt_json_member_at(object, i, &name);
        if (is_listed(fields, n, name))
            continue;
        bool text = lt_json_type_of(v) != LT_JSON_ARRAY && lt_json_type_of(v) != LT_JSON_OBJECT;
        const char *list = text ? NULL : lt_arena_str(w->a, name);
        lt_json_key(&w->json, name);
        put_value(w, name, v, list, text ? "" : lt_arena_printf(w->a, "/%s", list), DEPTH_MAX);
    }
}

void lt_portal_dossier_item(const struct lt_portal_options *o, lt_json_value hoso, struct lt_arena *a,
                            struct lt_portal_cuts *cuts, struct lt_buf *out)
{
    struct writer w = {.options = o, .a = a, .cuts = cuts};
    lt_json_writer_init(&w.json, out);
    lt_json_begin_object(&w.json);
    for (size_t i = 0; i < LT_ARRAY_LEN(dossier_fields); i++)
        put_field(&w, &dossier_fields[i], hoso);
    put_rest(&w, dossier_fields, LT_ARRAY_LEN(dossier_fields), hoso);
    lt_json_end_object(&w.json);
}

void lt_portal_progress_item(lt_json_value tiendo, struct lt_span mahoso, struct lt_arena *a,
                             struct lt_portal_cuts *cuts, struct lt_buf *out)
{
    struct writer w = {.a = a, .cuts = cuts};
    lt_json_writer_init(&w.json, out);
    lt_json_begin_object(&w.json);
    lt_json_str(&w.json, "MaHoSo", mahoso);
    for (size_t i = 1; i < LT_ARRAY_LEN(progress_fields); i++)
        put_field(&w, &progress_fields[i], tiendo);
    put_rest(&w, progress_fields, LT_ARRAY_LEN(progress_fields), tiendo);
    lt_json_end_object(&w.json);
}

static void begin_body(struct lt_json_writer *w, const struct lt_portal_options *o, struct lt_span session,
                       const char *service, struct lt_buf *out)
{
    lt_json_writer_init(w, out);
    lt_json_begin_object(w);
    lt_json_str(w, "session", session);
    lt_json_str(w, "madonvi", lt_span_str(o->madonvi));
    lt_json_str(w, "service", lt_span_str(service));
}

void lt_portal_login_body(const struct lt_portal_options *o, struct lt_buf *out)
{
    struct lt_json_writer w;
    lt_json_writer_init(&w, out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "username", lt_span_str(o->username));
    lt_json_str(&w, "password", lt_span_str(o->password.text));
    lt_json_end_object(&w);
}

void lt_portal_lookup_body(const struct lt_portal_options *o, struct lt_span session, struct lt_span mahoso,
                           struct lt_buf *out)
{
    struct lt_json_writer w;
    begin_body(&w, o, session, "TraCuuHoSo", out);
    lt_json_str(&w, "mahoso", mahoso);
    lt_json_end_object(&w);
}

void lt_portal_data_body(const struct lt_portal_options *o, struct lt_span session, const char *service,
                         const char *updating, const struct lt_span *items, size_t n, struct lt_buf *out)
{
    struct lt_json_writer w;
    begin_body(&w, o, session, service, out);
    if (updating)
        lt_json_str(&w, "isUpdating", lt_span_str(updating));
    lt_json_key(&w, LT_SPAN_LIT("data"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        lt_json_put_raw(&w, items[i]);
    lt_json_end_array(&w);
    lt_json_end_object(&w);
}

void lt_portal_status_item(lt_json_value tiendo, struct lt_span mahoso, struct lt_span status, struct lt_arena *a,
                           struct lt_portal_cuts *cuts, struct lt_buf *out)
{
    static const struct field row[] = {{"ThoiDiemXuLy", TEXT, ""}, {"NoiDungXuLy", TEXT, ""}};
    struct writer w = {.a = a, .cuts = cuts};
    lt_json_writer_init(&w.json, out);
    lt_json_begin_object(&w.json);
    lt_json_str(&w.json, "MaHoSo", mahoso);
    lt_json_str(&w.json, "TrangThai", status);
    for (size_t i = 0; i < LT_ARRAY_LEN(row); i++)
        put_field(&w, &row[i], tiendo);
    lt_json_end_object(&w.json);
}

void lt_portal_status_body(const struct lt_portal_options *o, struct lt_span session, struct lt_span item,
                           struct lt_buf *out)
{
    struct lt_json_writer w;
    begin_body(&w, o, session, "DongBoTrangThaiHoSo", out);
    lt_json_str(&w, "type", LT_SPAN_LIT("2"));
    lt_json_key(&w, LT_SPAN_LIT("data"));
    lt_json_put_raw(&w, item);
    lt_json_end_object(&w);
}

void lt_portal_service_body(const struct lt_portal_options *o, struct lt_span session, const char *service,
                            struct lt_span members, struct lt_buf *out)
{
    struct lt_json_writer w;
    begin_body(&w, o, session, service, out);
    if (members.len > 0) {
        lt_buf_char(out, ',');
        lt_buf_span(out, members);
    }
    lt_json_end_object(&w);
}
