/* The question to the population database, byte for byte (domain 2.1, 2.4). */
#include "adapters/population/request.h"
#include "tests/unit/harness.h"

static struct lt_population_options options = {
    .service_code = "VPCP", .integration_code = "037", .officer = "cb01", .accents = LT_ACCENTS_STRIP, .upper = true};
static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 16};

static char *body(const struct lt_population_options *o, const char *data, int *ret_result)
{
    struct lt_arena a = LT_ARENA_INIT;
    LT_AUTO_JSON struct lt_json *json = NULL;
    struct lt_citizen c;
    struct lt_buf out = LT_BUF_INIT(1 << 16);
    assert_int_equal(lt_json_parse(lt_span_str(data), &limits, &json, NULL), LT_OK);
    *ret_result = lt_citizen_read(o, lt_json_root(json), &a, &c);
    if (*ret_result == LT_OK)
        lt_population_body(o, &c, LT_SPAN_LIT("6f0c-1"), LT_SPAN_LIT("1.001193"), &out);
    lt_arena_deinit(&a);
    return lt_buf_take(&out);
}

#define HEAD                                                                                                           \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                                     \
    "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "                                   \
    "xmlns:dan=\"http://dancuquocgia.bca\">"                                                                           \
    "<soapenv:Header/><soapenv:Body><dan:TraCuuThongTinCongDan><dan:MaYeuCau>6f0c-1</dan:MaYeuCau>"
#define TAIL "</dan:TraCuuThongTinCongDan></soapenv:Body></soapenv:Envelope>"

static void elements_stand_in_the_order_of_the_service(void **state)
{
    (void)state;
    int r;
    LT_AUTOFREE char *b = body(&options,
                               "{\"CongDan\":{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"Nguyễn Văn "
                               "Mẫu\",\"NgayThangNamSinh\":\"20240101\"}}",
                               &r);
    assert_string_equal(
        b, HEAD
        "<dan:MaDVC>VPCP</dan:MaDVC><dan:MaTichHop>037</dan:MaTichHop><dan:MaCanBo>cb01</dan:MaCanBo>"
        "<dan:SoDinhDanh>002224000001</dan:SoDinhDanh><dan:HoVaTen>NGUYEN VAN MAU</dan:HoVaTen><dan:NgayThangNamSinh>"
        "<dan:NgayThangNam>20240101</dan:NgayThangNam></dan:NgayThangNamSinh>" TAIL);
}

static void accents_and_case_are_configured_and_text_is_escaped(void **state)
{
    (void)state;
    int r;
    struct lt_population_options o = options;
    o.accents = LT_ACCENTS_KEEP;
    LT_AUTOFREE char *keep = body(
        &o, "{\"CongDan\":{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"Đỗ <Ất>\",\"NgayThangNamSinh\":\"20240101\"}}",
        &r);
    assert_non_null(strstr(keep, "<dan:HoVaTen>ĐỖ &lt;ẤT&gt;</dan:HoVaTen>"));
    o.upper = false;
    LT_AUTOFREE char *as_is = body(
        &o, "{\"CongDan\":{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\" Đỗ Ất \",\"NgayThangNamSinh\":\"20240101\"}}",
        &r);
    assert_non_null(strstr(as_is, "<dan:HoVaTen>Đỗ Ất</dan:HoVaTen>"));
}

static void a_year_alone_and_an_old_number_have_their_own_elements(void **state)
{
    (void)state;
    int r;
    LT_AUTOFREE char *b = body(
        &options, "{\"CongDan\":{\"SoDinhDanh\":\"012345678\",\"HoVaTen\":\"MAU\",\"NgayThangNamSinh\":\"1950\"}}", &r);
    assert_non_null(strstr(b, "<dan:SoCMND>012345678</dan:SoCMND>"));
    assert_null(strstr(b, "SoDinhDanh"));
    assert_non_null(strstr(b, "<dan:NgayThangNamSinh><dan:Nam>1950</dan:Nam></dan:NgayThangNamSinh>"));
}

static void the_events_officer_goes_before_the_configured_one(void **state)
{
    (void)state;
    int r;
    struct lt_population_options o = options;
    o.unit = "H22";
    o.account = "acc";
    o.phone = "0900000000";
    o.service_code = "";
    LT_AUTOFREE char *b = body(&o,
                               "{\"CanBo\":{\"MaCanBo\":\"cb77\",\"MaDonVi\":\"H22.01\"},\"CongDan\":{\"SoDinhDanh\":"
                               "\"002224000001\",\"HoVaTen\":\"MAU\",\"NgayThangNamSinh\":\"20240101\"}}",
                               &r);
    assert_non_null(strstr(
        b,
        "<dan:MaDVC>1.001193</dan:MaDVC><dan:MaTichHop>037</dan:MaTichHop><dan:MaCanBo>cb77</dan:MaCanBo>"
        "<dan:MaDonVi>H22.01</dan:MaDonVi><dan:TaiKhoan>acc</dan:TaiKhoan><dan:SoDienThoai>0900000000</dan:SoDienThoai>"
        "<dan:SoDinhDanh>"));
}

static void nobody_or_an_incomplete_somebody_makes_no_question(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        int result;
    } rows[] = {
        {"{}", LT_CITIZEN_NONE},
        {"{\"CongDan\":null}", LT_CITIZEN_NONE},
        {"{\"CongDan\":{}}", LT_CITIZEN_NONE},
        {"{\"CongDan\":{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"MAU\"}}", LT_CITIZEN_INCOMPLETE},
        {"{\"CongDan\":{\"SoDinhDanh\":\"00222400000\",\"HoVaTen\":\"MAU\",\"NgayThangNamSinh\":\"20240101\"}}",
         LT_CITIZEN_INCOMPLETE},
        {"{\"CongDan\":{\"SoDinhDanh\":\"00222400000x\",\"HoVaTen\":\"MAU\",\"NgayThangNamSinh\":\"20240101\"}}",
         LT_CITIZEN_INCOMPLETE},
        {"{\"CongDan\":{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\" \",\"NgayThangNamSinh\":\"20240101\"}}",
         LT_CITIZEN_INCOMPLETE},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        int r;
        LT_AUTOFREE char *b = body(&options, rows[i].data, &r);
        if (r != rows[i].result)
            fail_msg("%s: got %d", rows[i].data, r);
    }
}

static void a_verification_and_its_xroad_headers_have_the_form_of_the_service(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_population_options o = options;
    struct lt_buf out = LT_BUF_INIT(1 << 16);
    o.operation = LT_POPULATION_ASK_VERIFY;
    o.integration_code = "033";
    o.xroad_client = "VN/GOV/H22/MOTCUA";
    o.xroad_service = "VN/GOV/BCA/DANCU/XacThuc/v1";
    const struct lt_citizen c = {.id = LT_SPAN_LIT("002224000001"),
                                 .name = LT_SPAN_LIT("NGUYEN VAN MAU"),
                                 .birth = LT_SPAN_LIT("1990"),
                                 .officer = LT_SPAN_LIT("cb01")};
    lt_population_body(&o, &c, LT_SPAN_LIT("6f0c-1"), LT_SPAN_LIT("1.001193"), &out);
    assert_contains(out.ptr, "<xro:client iden:objectType=\"SUBSYSTEM\"><iden:xRoadInstance>VN</iden:xRoadInstance>"
                             "<iden:memberClass>GOV</iden:memberClass><iden:memberCode>H22</iden:memberCode>"
                             "<iden:subsystemCode>MOTCUA</iden:subsystemCode></xro:client>");
    assert_contains(out.ptr, "<iden:serviceCode>XacThuc</iden:serviceCode><iden:serviceVersion>v1</iden:serviceVersion>"
                             "</xro:service><xro:userId>cb01</xro:userId><xro:id>6f0c-1</xro:id>"
                             "<xro:protocolVersion>4.0</xro:protocolVersion></soapenv:Header>");
    assert_contains(out.ptr, "<dan:XacThucThongTinCongDan><dan:MaYeuCau>6f0c-1</dan:MaYeuCau>");
    assert_contains(out.ptr, "<dan:NgayThangNamSinh><dan:Nam>1990</dan:Nam></dan:NgayThangNamSinh>");
    lt_buf_deinit(&out);
    lt_arena_deinit(&a);
}

static void basic_with_timestamp_signs_url_user_time_and_secret(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_population_options o = options;
    const char *const *h = lt_population_headers(&o, 0, &a);
    assert_string_equal(h[2], "SOAPAction: \"\"");
    assert_null(h[3]);
    o.auth = LT_POPULATION_BASIC;
    o.service_url = "https://dc/api";
    o.username = "h22";
    o.secret.text = "bi-mat";
    o.api_key.text = "k-1";
    o.xroad_client = "VN/GOV/H22/MOTCUA";
    h = lt_population_headers(&o, 1704072600000, &a);
    /* printf %s 'https://dc/apih221704072600000bi-mat' | sha256sum; printf %s "h22:$SUM" | base64 -w0 */
    assert_string_equal(h[3],
                        "Authorization: Basic "
                        "aDIyOjQ2OTAxOGFlY2MxYmNiMGY1YTJmOWMxOTJhYzM4MDYwMTQ3NDZiNGFmMDRhOGU1ZTc3ODk1NTNiODlkYjlmNDU=");
    assert_string_equal(h[4], "timestamp: 1704072600000");
    assert_string_equal(h[5], "ApiKey: k-1");
    assert_string_equal(h[6], "X-Road-Client: VN/GOV/H22/MOTCUA");
    assert_null(h[7]);
    assert_string_equal(h[0], "Content-Type: text/xml; charset=utf-8");
    o.media = 1; /* as a client of 2025 sends it */
    assert_string_equal(lt_population_headers(&o, 0, &a)[0], "Content-Type: application/xml; charset=utf-8");
    lt_arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_stand_in_the_order_of_the_service),
        cmocka_unit_test(accents_and_case_are_configured_and_text_is_escaped),
        cmocka_unit_test(a_year_alone_and_an_old_number_have_their_own_elements),
        cmocka_unit_test(the_events_officer_goes_before_the_configured_one),
        cmocka_unit_test(nobody_or_an_incomplete_somebody_makes_no_question),
        cmocka_unit_test(a_verification_and_its_xroad_headers_have_the_form_of_the_service),
        cmocka_unit_test(basic_with_timestamp_signs_url_user_time_and_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
