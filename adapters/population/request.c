#include "adapters/population/request.h"

#include "gateway/base/crypto.h"
#include "gateway/base/text.h"

#include <inttypes.h>
#include <stdio.h>

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

static void xroad_member(struct lt_buf *out, const char *element_name, const char *identifier, const char *type)
{
    static const char *const parts[] = {"xRoadInstance", "memberClass", "memberCode",
                                        "subsystemCode", "serviceCode", "serviceVersion"};
    struct lt_span rest = lt_span_str(identifier), part;
    lt_buf_printf(out, "<xro:%s iden:objectType=\"%s\">", element_name, type);
    for (size_t i = 0; i < LT_ARRAY_LEN(parts) && lt_span_cut(&rest, '/', &part); i++) {
        lt_buf_printf(out, "<iden:%s>", parts[i]);
        lt_buf_xml(out, part);
        lt_buf_printf(out, "</iden:%s>", parts[i]);
    }
    lt_buf_printf(out, "</xro:%s>", element_name);
}

static void soap_header(const struct lt_population_options *o, const struct lt_citizen *c, struct lt_span request_id,
                        struct lt_buf *out)
{
    if (!o->xroad_client) {
        lt_buf_str(out, "<soapenv:Header/>");
        return;
    }
    lt_buf_str(out, "<soapenv:Header xmlns:xro=\"http://x-road.eu/xsd/xroad.xsd\" "
                    "xmlns:iden=\"http://x-road.eu/xsd/identifiers\">");
    xroad_member(out, "client", o->xroad_client, "SUBSYSTEM");
    xroad_member(out, "service", o->xroad_service, "SERVICE");
    lt_buf_str(out, "<xro:userId>");
    lt_buf_xml(out, c->officer);
    lt_buf_str(out, "</xro:userId><xro:id>");
    lt_buf_xml(out, request_id);
    lt_buf_str(out, "</xro:id><xro:protocolVersion>4.0</xro:protocolVersion></soapenv:Header>");
}

void lt_population_body(const struct lt_population_options *o, const struct lt_citizen *c, struct lt_span request_id,
                        struct lt_span procedure, struct lt_buf *out)
{
    const char *operation =
        o->operation == LT_POPULATION_ASK_VERIFY ? "XacThucThongTinCongDan" : "TraCuuThongTinCongDan";
    lt_buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                    "xmlns:dan=\"http://dancuquocgia.bca\">");
    soap_header(o, c, request_id, out);
    lt_buf_printf(out, "<soapenv:Body><dan:%s>", operation);
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
    lt_buf_printf(out, "</dan:NgayThangNamSinh></dan:%s></soapenv:Body></soapenv:Envelope>", operation);
}

/* Of service_url, user, timestamp and secret, one after the other; no text of them all is left in memory. */
static void signature(const struct lt_population_options *o, int64_t now_ms, uint8_t out[LT_SHA256_SIZE])
{
    char timestamp[24];
    snprintf(timestamp, sizeof(timestamp), "%" PRId64, now_ms);
    const char *const parts[] = {o->service_url, o->username, timestamp, o->secret.text};
    struct lt_sha256 *h = lt_sha256_new();
    for (size_t i = 0; i < LT_ARRAY_LEN(parts); i++)
        lt_sha256_update(h, lt_span_str(parts[i]));
    lt_sha256_final(h, out);
    lt_sha256_free(h);
}

#define HEADERS_MAX 8

const char *const *lt_population_headers(const struct lt_population_options *o, int64_t now_ms, struct lt_arena *a)
{
    const char **h = lt_arena_alloc(a, (HEADERS_MAX + 1) * sizeof(*h));
    size_t n = 0;
    h[n++] = o->media == 0 ? "Content-Type: text/xml; charset=utf-8" : "Content-Type: application/xml; charset=utf-8";
    h[n++] = o->media == 0 ? "Accept: text/xml" : "Accept: application/xml, text/xml";
    h[n++] = "SOAPAction: \"\"";
    if (o->auth == LT_POPULATION_BASIC) {
        uint8_t digest[LT_SHA256_SIZE];
        char hex[2 * LT_SHA256_SIZE + 1];
        signature(o, now_ms, digest);
        lt_hex(digest, sizeof(digest), hex);
        LT_AUTOBUF struct lt_buf basic = LT_BUF_INIT(4096);
        lt_base64(lt_span_str(lt_arena_printf(a, "%s:%s", o->username, hex)), &basic);
        h[n++] = lt_arena_printf(a, "Authorization: Basic " LT_SPAN_FMT, LT_SPAN_ARG(lt_buf_view(&basic)));
        h[n++] = lt_arena_printf(a, "timestamp: %" PRId64, now_ms);
    }
    if (o->api_key.text)
        h[n++] = lt_arena_printf(a, "ApiKey: %s", o->api_key.text);
    if (o->xroad_client)
        h[n++] = lt_arena_printf(a, "X-Road-Client: %s", o->xroad_client);
    return h;
}
