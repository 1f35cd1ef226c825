#include "adapters/population/request.h"

#include "gateway/base/text.h"

static bool digits(struct lt_span s, size_t n)
{
    if (s.len != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return true;
}

static struct lt_span text(lt_json_value object, const char *name, struct lt_arena *a)
{
    struct lt_span s = LT_SPAN_NULL;
    lt_json_value v = lt_json_get(object, name);
    if (lt_json_present(v))
        (void)lt_json_scalar(v, a, &s);
    return lt_span_trim(s);
}

int lt_citizen_read(const struct lt_population_options *o, lt_json_value data, struct lt_arena *a,
                    struct lt_citizen *ret)
{
    lt_json_value person = lt_json_get(data, "CongDan"), officer = lt_json_get(data, "CanBo");
    if (!lt_json_present(person) || lt_json_type_of(person) != LT_JSON_OBJECT || lt_json_len(person) == 0)
        return LT_CITIZEN_NONE;
    struct lt_citizen c = {.id = text(person, "SoDinhDanh", a),
                           .name = text(person, "HoVaTen", a),
                           .birth = text(person, "NgayThangNamSinh", a),
                           .officer = text(officer, "MaCanBo", a),
                           .unit = text(officer, "MaDonVi", a)};
    if ((!digits(c.id, 12) && !digits(c.id, 9)) || c.name.len == 0 || (!digits(c.birth, 8) && !digits(c.birth, 4)))
        return LT_CITIZEN_INCOMPLETE;
    c.name = lt_text_normal(a, c.name);
    if (o->accents == LT_ACCENTS_STRIP)
        c.name = lt_text_strip_accents(a, c.name);
    if (o->upper)
        c.name = lt_text_upper(a, c.name);
    if (c.officer.len == 0)
        c.officer = lt_span_str(o->officer);
    if (c.unit.len == 0)
        c.unit = lt_span_str(o->unit);
    *ret = c;
    return LT_OK;
}

static void element(struct lt_buf *out, const char *name, struct lt_span value)
{
    if (value.len == 0)
        return;
    lt_buf_printf(out, "<dan:%s>", name);
    lt_buf_xml(out, value);
    lt_buf_printf(out, "</dan:%s>", name);
}

void lt_population_body(const struct lt_population_options *o, const struct lt_citizen *c, struct lt_span request_id,
                        struct lt_span procedure, struct lt_buf *out)
{
    lt_buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                    "xmlns:dan=\"http://dancuquocgia.bca\"><soapenv:Header/><soapenv:Body><dan:TraCuuThongTinCongDan>");
    element(out, "MaYeuCau", request_id);
    element(out, "MaDVC", o->service_code && *o->service_code ? lt_span_str(o->service_code) : procedure);
    element(out, "MaTichHop", lt_span_str(o->integration_code));
    element(out, "MaCanBo", c->officer);
    element(out, "MaDonVi", c->unit);
    element(out, "TaiKhoan", lt_span_str(o->account));
    element(out, "SoDienThoai", lt_span_str(o->phone));
    element(out, c->id.len == 12 ? "SoDinhDanh" : "SoCMND", c->id);
    element(out, "HoVaTen", c->name);
    lt_buf_str(out, "<dan:NgayThangNamSinh>");
    element(out, c->birth.len == 8 ? "NgayThangNam" : "Nam", c->birth);
    lt_buf_str(out, "</dan:NgayThangNamSinh></dan:TraCuuThongTinCongDan></soapenv:Body></soapenv:Envelope>");
}
