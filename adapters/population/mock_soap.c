#include "adapters/population/mock_soap.h"

#include <stdarg.h>
#include <stdio.h>

#include "gateway/base/clock.h"

#define NS_SOAP "http://schemas.xmlsoap.org/soap/envelope/"
#define NS_QUESTION "http://dancuquocgia.bca"
#define NS_ANSWER "http://www.mic.gov.vn/dancu/1.0"
#define NS_XROAD "http://x-road.eu/xsd/xroad.xsd"

static bool refuse(struct lt_mock_soap_fault *fault, const char *code, const char *fmt, ...) LT_PRINTF(3, 4);

static bool refuse(struct lt_mock_soap_fault *fault, const char *code, const char *fmt, ...)
{
    va_list ap;
    fault->code = code;
    va_start(ap, fmt);
    vsnprintf(fault->text, sizeof fault->text, fmt, ap);
    va_end(ap);
    return false;
}

static bool is_element(lt_xml_node n, const char *ns, const char *name)
{
    return lt_xml_present(n) && lt_span_is(lt_xml_namespace(n), ns) && lt_span_is(lt_xml_name(n), name);
}

/* The elements of a question in the one order they may have; `also` is another name in use for the same place. */
enum place {
    MA_YEU_CAU,
    MA_DVC,
    MA_TICH_HOP,
    MA_CAN_BO,
    MA_DON_VI,
    TAI_KHOAN,
    SO_DIEN_THOAI,
    SO_DINH_DANH,
    SO_CMND,
    HO_VA_TEN,
    NGAY_SINH,
    PLACES
};

static const struct {
    const char *name, *also;
    size_t max;
} places[PLACES] = {
    [MA_YEU_CAU] = {"MaYeuCau", NULL, 100},
    [MA_DVC] = {"MaDVC", "MaDichVu", 100},
    [MA_TICH_HOP] = {"MaTichHop", NULL, 10},
    [MA_CAN_BO] = {"MaCanBo", NULL, 100},
    [MA_DON_VI] = {"MaDonVi", NULL, 100},
    [TAI_KHOAN] = {"TaiKhoan", NULL, 100},
    [SO_DIEN_THOAI] = {"SoDienThoai", NULL, 50},
    [SO_DINH_DANH] = {"SoDinhDanh", NULL, 12},
    [SO_CMND] = {"SoCMND", NULL, 9},
    [HO_VA_TEN] = {"HoVaTen", NULL, 400},
    [NGAY_SINH] = {"NgayThangNamSinh", NULL, 0},
};

static size_t place_of(lt_xml_node n)
{
    size_t i = 0;
    struct lt_span name = lt_xml_name(n);
    while (i < PLACES && !lt_span_is(name, places[i].name) && !(places[i].also && lt_span_is(name, places[i].also)))
        i++;
    return i;
}

static bool all_digits(struct lt_span s)
{
    uint64_t n;
    return lt_span_u64(s, &n);
}

/* NgayThangNamSinh holds NgayThangNam = yyyyMMdd or Nam = yyyy. */
static bool read_birth(lt_xml_node n, struct lt_arena *a, struct lt_span *ret, struct lt_mock_soap_fault *fault)
{
    lt_xml_node day = lt_xml_child(n, NS_QUESTION, "NgayThangNam"), year = lt_xml_child(n, NS_QUESTION, "Nam");
    int64_t ms;
    if (lt_xml_present(day)) {
        struct lt_span s = lt_span_trim(lt_xml_text(day, a));
        if (!lt_time_parse(LT_TIME_DATE_COMPACT, s, &ms))
            return refuse(fault, "soapenv:Client", "NgayThangNam: expected yyyyMMdd");
        *ret = s;
    } else if (lt_xml_present(year)) {
        struct lt_span s = lt_span_trim(lt_xml_text(year, a));
        if (s.len != 4 || !all_digits(s))
            return refuse(fault, "soapenv:Client", "Nam: expected yyyy");
        *ret = s;
    } else {
        return refuse(fault, "soapenv:Client", "NgayThangNamSinh: expected NgayThangNam or Nam");
    }
    return true;
}

static bool read_places(lt_xml_node op, struct lt_arena *a, struct lt_span text[PLACES],
                        struct lt_mock_soap_fault *fault)
{
    size_t last = 0;
    bool any = false;
    for (lt_xml_node n = lt_xml_first_child(op); lt_xml_present(n); n = lt_xml_next(n)) {
        size_t at = place_of(n);
        if (at == PLACES || !lt_span_is(lt_xml_namespace(n), NS_QUESTION))
            return refuse(fault, "soapenv:Client", "unknown element " LT_SPAN_FMT, (int)LT_MIN(lt_xml_name(n).len, 60u),
                          lt_xml_name(n).ptr);
        if (any && at <= last)
            return refuse(fault, "soapenv:Client", "element %s is not in its place: expected it before %s",
                          places[at].name, places[last].name);
        any = true;
        last = at;
        if (at == NGAY_SINH) {
            if (!read_birth(n, a, &text[at], fault))
                return false;
            continue;
        }
        text[at] = lt_span_trim(lt_xml_text(n, a));
        if (text[at].len > places[at].max)
            return refuse(fault, "soapenv:Client", "%s: longer than %zu", places[at].name, places[at].max);
    }
    return true;
}

static bool question_ok(const struct lt_mock_soap_request *r, bool birth_optional, struct lt_mock_soap_fault *fault)
{
    const struct lt_mock_question *q = &r->question;
    bool lookup = r->operation == LT_MOCK_TRA_CUU;
    if (r->request_id.len == 0)
        return refuse(fault, "soapenv:Client", "MaYeuCau is missing");
    if (r->service.len == 0)
        return refuse(fault, "soapenv:Client", "MaDVC is missing");
    if (lookup && !lt_span_is(r->integration, "037"))
        return refuse(fault, "soapenv:Client", "MaTichHop: expected 037 for TraCuuThongTinCongDan");
    if (!lookup && r->integration.len && !lt_span_is(r->integration, "033") && !lt_span_is(r->integration, "003"))
        return refuse(fault, "soapenv:Client", "MaTichHop: expected 033 or 003 for XacThucThongTinCongDan");
    if (r->officer.len == 0)
        return refuse(fault, "soapenv:Client", "MaCanBo is missing");
    if (q->id.len == 0 && q->old_id.len == 0)
        return refuse(fault, "soapenv:Client", "one of SoDinhDanh and SoCMND is missing");
    if (q->id.len && (q->id.len != 12 || !all_digits(q->id)))
        return refuse(fault, "soapenv:Client", "SoDinhDanh: expected 12 digits");
    if (q->old_id.len && (q->old_id.len != 9 || !all_digits(q->old_id)))
        return refuse(fault, "soapenv:Client", "SoCMND: expected 9 digits");
    if (q->name.len == 0)
        return refuse(fault, "soapenv:Client", "HoVaTen is missing");
    if (lookup && q->birth.len == 0 && !birth_optional)
        return refuse(fault, "soapenv:Client", "NgayThangNamSinh is missing");
    return true;
}

bool lt_mock_soap_read(const struct lt_xml *doc, bool birth_optional, struct lt_arena *a,
                       struct lt_mock_soap_request *ret, struct lt_mock_soap_fault *fault)
{
    lt_xml_node root = lt_xml_root(doc);
    if (!lt_span_is(lt_xml_name(root), "Envelope"))
        return refuse(fault, "soapenv:Client", "expected a SOAP envelope");
    if (!lt_span_is(lt_xml_namespace(root), NS_SOAP))
        return refuse(fault, "soapenv:VersionMismatch", "expected a SOAP 1.1 envelope");
    ret->header = lt_xml_child(root, NS_SOAP, "Header");
    lt_xml_node body = lt_xml_child(root, NS_SOAP, "Body");
    lt_xml_node op = lt_xml_present(body) ? lt_xml_first_child(body) : body;
    if (!lt_xml_present(op))
        return refuse(fault, "Server.ClientProxy.ServiceFailed.MissingBody", "the envelope has no body");
    if (lt_xml_present(lt_xml_next(op)))
        return refuse(fault, "soapenv:Client", "the body holds more than one element");
    if (is_element(op, NS_QUESTION, "TraCuuThongTinCongDan"))
        ret->operation = LT_MOCK_TRA_CUU;
    else if (is_element(op, NS_QUESTION, "XacThucThongTinCongDan"))
        ret->operation = LT_MOCK_XAC_THUC;
    else
        return refuse(fault, "soapenv:Client", "unknown operation; expected one of namespace " NS_QUESTION);

    struct lt_span text[PLACES];
    for (size_t i = 0; i < PLACES; i++)
        text[i] = LT_SPAN_LIT("");
    if (!read_places(op, a, text, fault))
        return false;
    ret->request_id = text[MA_YEU_CAU];
    ret->service = text[MA_DVC];
    ret->integration = text[MA_TICH_HOP];
    ret->officer = text[MA_CAN_BO];
    ret->question = (struct lt_mock_question){text[SO_DINH_DANH], text[SO_CMND], text[HO_VA_TEN], text[NGAY_SINH]};
    return question_ok(ret, birth_optional, fault);
}

bool lt_mock_soap_xroad(lt_xml_node header)
{
    static const char *const names[] = {"client", "service", "id"};
    for (size_t i = 0; i < LT_ARRAY_LEN(names); i++)
        if (!lt_xml_present(header) || !lt_xml_present(lt_xml_child(header, NS_XROAD, names[i])))
            return false;
    return true;
}

/* ---- answers ---- */

static void write_begin(lt_xml_node header, struct lt_buf *out)
{
    lt_buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope xmlns:soapenv=\"" NS_SOAP "\">"
                    "<soapenv:Header>");
    if (lt_xml_present(header))
        for (lt_xml_node n = lt_xml_first_child(header); lt_xml_present(n); n = lt_xml_next(n))
            if (lt_span_is(lt_xml_namespace(n), NS_XROAD))
                lt_xml_write(n, out);
    lt_buf_str(out, "</soapenv:Header><soapenv:Body>");
}

static void write_end(struct lt_buf *out)
{
    lt_buf_str(out, "</soapenv:Body></soapenv:Envelope>\n");
}

void lt_mock_soap_write_fault(const struct lt_mock_soap_fault *fault, lt_xml_node header, struct lt_buf *out)
{
    write_begin(header, out);
    lt_buf_printf(out, "<soapenv:Fault><faultcode>%s</faultcode><faultstring>", fault->code);
    lt_buf_xml(out, lt_span_str(fault->text));
    lt_buf_str(out, "</faultstring></soapenv:Fault>");
    write_end(out);
}

static void write_element(struct lt_buf *out, const char *name, const char *text)
{
    if (!text[0])
        return;
    lt_buf_printf(out, "<ns1:%s>", name);
    lt_buf_xml(out, lt_span_str(text));
    lt_buf_printf(out, "</ns1:%s>", name);
}

static void write_citizen(const struct lt_mock_citizen *c, struct lt_buf *out)
{
    lt_buf_str(out, "<ns1:CongDan>");
    write_element(out, "SoDinhDanh", c->id);
    write_element(out, "SoCMND", c->old_id);
    lt_buf_str(out, "<ns1:HoVaTen>");
    write_element(out, "Ten", c->name); /* the full name stands in Ten, as in practice */
    lt_buf_str(out, "</ns1:HoVaTen>");
    write_element(out, "GioiTinh", c->sex);
    lt_buf_str(out, "<ns1:NgayThangNamSinh>");
    write_element(out, strlen(c->birth) == 4 ? "Nam" : "NgayThangNam", c->birth);
    lt_buf_str(out, "</ns1:NgayThangNamSinh></ns1:CongDan>");
}

void lt_mock_soap_write_answer(const struct lt_mock_soap_request *req, const struct lt_mock_citizen *citizen,
                               struct lt_buf *out)
{
    write_begin(req->header, out);
    if (req->operation == LT_MOCK_XAC_THUC) {
        lt_buf_printf(out,
                      "<dan:KetQuaXacThucResponse xmlns:dan=\"" NS_QUESTION
                      "\"><dan:TonTai>%s</dan:TonTai></dan:KetQuaXacThucResponse>",
                      citizen ? "true" : "false");
    } else if (citizen) {
        lt_buf_str(out, "<ns1:CongdanCollection xmlns:ns1=\"" NS_ANSWER "\">");
        write_citizen(citizen, out);
        lt_buf_str(out, "</ns1:CongdanCollection>");
    } else {
        lt_buf_str(out, "<ns1:CongdanCollection xmlns:ns1=\"" NS_ANSWER "\"/>");
    }
    write_end(out);
}
