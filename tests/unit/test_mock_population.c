#include "tests/unit/test_mock_call.h"

#include <dirent.h>

#include "adapters/population/mock_citizens.h"
#include "adapters/population/mock_population.h"
#include "gateway/base/file.h"
#include "gateway/codec/xml.h"

#define SCHEMAS "schemas/population"
#define NS_QUESTION "http://dancuquocgia.bca"
#define NS_ANSWER "http://www.mic.gov.vn/dancu/1.0"
#define NS_SOAP "http://schemas.xmlsoap.org/soap/envelope/"

static const char citizens[] =
    "[{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"Nguyễn  Văn "
    "Mẫu\",\"NgayThangNamSinh\":\"20240101\",\"GioiTinh\":\"1\","
    "\"SoCMND\":\"012345678\"},"
    "{\"SoDinhDanh\":\"002160000002\",\"HoVaTen\":\"Trần Thị Đào\",\"NgayThangNamSinh\":\"1960\",\"GioiTinh\":\"2\"}]";

static const struct lt_xml_limits limits = {.bytes_max = 1 << 20, .depth_max = 64};

struct world {
    char *folder, *file;
    struct lt_mock_population_settings settings;
    const char *services[1];
    struct lt_mock_population *mock;
    struct caller call;
};

static void restart(struct world *w)
{
    lt_mock_population_free(w->mock);
    w->mock = NULL;
    assert_int_equal(lt_mock_population_new(&w->settings, &w->mock, NULL), LT_OK);
    w->call.mock = (struct lt_mock){"population", w->mock, lt_mock_population_handle};
}

static int setup(void **state)
{
    struct world *w = lt_alloc(sizeof *w);
    w->folder = harness_folder();
    w->file = lt_asprintf("%s/citizens.json", w->folder);
    assert_int_equal(lt_file_write(w->file, LT_SPAN_LIT(citizens), 0600, NULL), LT_OK);
    w->services[0] = "VPCP";
    w->settings = (struct lt_mock_population_settings){
        .citizens = w->file, .services = {w->services, 1}, .body_max = 1 << 20, .hold_ms = 20000};
    w->call =
        (struct caller){.now_ms = CALL_NOW_MS, .content_type = "text/xml; charset=utf-8", .reply = LT_MOCK_REPLY_INIT};
    restart(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    caller_reset(&w->call);
    lt_mock_population_free(w->mock);
    free(w->file);
    harness_folder_remove(w->folder);
    free(w);
    return 0;
}

static int ask_about(struct world *w, const char *id, const char *name, const char *birth)
{
    LT_AUTOFREE char *text = lt_asprintf(
        "<s:Envelope xmlns:s='" NS_SOAP "' xmlns:d='" NS_QUESTION "'><s:Body><d:TraCuuThongTinCongDan>"
        "<d:MaYeuCau>1</d:MaYeuCau><d:MaDVC>VPCP</d:MaDVC><d:MaTichHop>037</d:MaTichHop><d:MaCanBo>cb01</d:MaCanBo>%s"
        "<d:HoVaTen>%s</d:HoVaTen>%s</d:TraCuuThongTinCongDan></s:Body></s:Envelope>",
        id, name, birth);
    return caller_post(&w->call, "/ws", text);
}

#define ID1 "<d:SoDinhDanh>002224000001</d:SoDinhDanh>"
#define ID2 "<d:SoDinhDanh>002160000002</d:SoDinhDanh>"
#define DAY(s) "<d:NgayThangNamSinh><d:NgayThangNam>" s "</d:NgayThangNam></d:NgayThangNamSinh>"
#define YEAR(s) "<d:NgayThangNamSinh><d:Nam>" s "</d:Nam></d:NgayThangNamSinh>"

static bool matched(struct world *w, const char *id, const char *name, const char *birth)
{
    if (ask_about(w, id, name, birth) != 200)
        fail_msg("%s", w->call.reply.body.ptr);
    assert_true(caller_body_has(&w->call, "CongdanCollection"));
    return caller_body_has(&w->call, "CongDan>");
}

static int64_t counter(struct world *w, const char *name)
{
    return caller_number(&w->call, "/oracle/counters", name);
}

static void a_citizen_is_returned_only_when_id_name_and_birth_agree(void **state)
{
    struct world *w = *state;
    assert_true(matched(w, ID1, "NGUYEN VAN MAU", DAY("20240101")));
    assert_true(caller_body_has(&w->call, "<ns1:NgayThangNam>20240101</ns1:NgayThangNam>"));
    assert_false(matched(w, ID2, "NGUYEN VAN MAU", DAY("20240101")));
    assert_false(matched(w, ID1, "NGUYEN VAN MAI", DAY("20240101")));
    assert_false(matched(w, ID1, "NGUYEN VAN MAU", DAY("20240102")));
    assert_false(matched(w, "<d:SoDinhDanh>002224000009</d:SoDinhDanh>", "NGUYEN VAN MAU", DAY("20240101")));
    assert_true(matched(w, "<d:SoCMND>012345678</d:SoCMND>", "nguyễn văn mẫu", DAY("20240101")));
    assert_int_equal(counter(w, "match"), 2);
    assert_int_equal(counter(w, "no_match"), 4);
    assert_int_equal(counter(w, "calls"), 6);
    assert_int_equal(caller_number(&w->call, "/oracle/citizens/002224000001/calls", "calls"), 3);
    assert_int_equal(caller_number(&w->call, "/oracle/citizens/002224000001/calls", "match"), 1);
    assert_int_equal(caller_number(&w->call, "/oracle/citizens/000000000000/calls", "calls"), 0);
}

static void births_are_compared_at_the_precision_given(void **state)
{
    struct world *w = *state;
    assert_true(matched(w, ID1, "NGUYEN VAN MAU", YEAR("2024")));
    assert_false(matched(w, ID1, "NGUYEN VAN MAU", YEAR("2023")));
    assert_true(matched(w, ID2, "TRAN THI DAO", DAY("19600517")));
    assert_true(matched(w, ID2, "TRAN THI DAO", YEAR("1960")));
    assert_true(caller_body_has(&w->call, "<ns1:Nam>1960</ns1:Nam>"));
    assert_false(matched(w, ID2, "TRAN THI DAO", DAY("19610517")));
}

static void names_are_compared_as_the_accents_flag_says(void **state)
{
    struct world *w = *state;
    static const struct {
        enum lt_mock_accents accents;
        bool with, without;
    } cases[] = {{LT_MOCK_ACCENTS_EITHER, true, true},
                 {LT_MOCK_ACCENTS_KEEP, true, false},
                 {LT_MOCK_ACCENTS_STRIP, false, true}};
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        w->settings.accents = (int)cases[i].accents;
        assert_int_equal(matched(w, ID2, "TRẦN THỊ ĐÀO", YEAR("1960")), cases[i].with);
        assert_int_equal(matched(w, ID2, " trần  thị đào ", YEAR("1960")), cases[i].with);
        assert_int_equal(matched(w, ID2, "TRAN THI DAO", YEAR("1960")), cases[i].without);
        assert_false(matched(w, ID2, "TRẦN THI DAO", YEAR("1960"))); /* half a spelling is none */
        /* the same name in decomposed form */
        assert_int_equal(matched(w, ID2,
                                 "TRA\xCC\x82\xCC\x80N THI\xCC\xA3 \xC4\x90"
                                 "A\xCC\x80O",
                                 YEAR("1960")),
                         cases[i].with);
    }
}

static void a_missing_birth_is_a_fault_unless_it_is_optional(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", ""), 500);
    assert_true(caller_body_has(&w->call, "NgayThangNamSinh is missing"));
    w->settings.birth_optional = true;
    assert_true(matched(w, ID1, "NGUYEN VAN MAU", ""));
}

static void verification_answers_true_or_false(void **state)
{
    struct world *w = *state;
    for (int wrong = 0; wrong <= 1; wrong++) {
        LT_AUTOFREE char *text = lt_asprintf(
            "<s:Envelope xmlns:s='" NS_SOAP "'><s:Body><XacThucThongTinCongDan xmlns='" NS_QUESTION "'>"
            "<MaYeuCau>1</MaYeuCau><MaDichVu>VPCP</MaDichVu><MaCanBo>VDXP_VPCP</MaCanBo>"
            "<SoDinhDanh>002224000001</SoDinhDanh><SoCMND/><HoVaTen>%s</HoVaTen></XacThucThongTinCongDan></s:Body>"
            "</s:Envelope>",
            wrong ? "NGUYEN VAN MAI" : "NGUYEN VAN MAU");
        assert_int_equal(caller_post(&w->call, "/", text), 200);
        assert_true(caller_body_has(&w->call, wrong ? "TonTai>false<" : "TonTai>true<"));
    }
}

static void services_and_officers_must_be_registered(void **state)
{
    struct world *w = *state;
    static const char *officers[] = {"cb02"};
    w->services[0] = "G15-TP110";
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101")), 500);
    assert_true(caller_body_has(&w->call, "MaDVC is not registered"));
    w->services[0] = "VPCP";
    w->settings.officers = (struct lt_opt_strings){officers, 1};
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101")), 500);
    assert_true(caller_body_has(&w->call, "MaCanBo is not permitted"));
    officers[0] = "cb01";
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101")), 200);
    assert_int_equal(counter(w, "faults"), 2);
    assert_int_equal(caller_get(&w->call, "/oracle/counters"), 200);
    int64_t n;
    lt_json_value by = lt_json_get(caller_root(&w->call), "by_officer");
    assert_true(lt_json_int(lt_json_get(by, "cb01"), &n));
    assert_int_equal(n, 1);
}

static void what_is_no_soap_is_a_fault(void **state)
{
    struct world *w = *state;
    static const char *const bodies[] = {
        "",
        "<a",
        "<Envelope/>",
        "<!DOCTYPE a><a/>",
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body/></s:Envelope>",
        "<s:Envelope xmlns:s='" NS_SOAP "'><s:Body/></s:Envelope>",
        "<s:Envelope xmlns:s='" NS_SOAP "'/>",
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(bodies); i++) {
        assert_int_equal(caller_post(&w->call, "/ws", bodies[i]), 500);
        assert_true(caller_body_has(&w->call, "<soapenv:Fault><faultcode>"));
    }
    assert_int_equal(counter(w, "faults"), LT_ARRAY_LEN(bodies));
    w->call.content_type = "application/json";
    assert_int_equal(caller_post(&w->call, "/ws", "{}"), 415);
    w->settings.path = "/ws";
    assert_int_equal(caller_post(&w->call, "/other", "{}"), 404);
}

static lt_xml_node first_in_body(const struct lt_xml *doc)
{
    return lt_xml_first_child(lt_xml_child(lt_xml_root(doc), NS_SOAP, "Body"));
}

static void load(const char *path, struct lt_xml **ret)
{
    LT_AUTOFREE char *text = NULL;
    size_t len;
    assert_int_equal(lt_file_read(path, limits.bytes_max, &text, &len, NULL), LT_OK);
    assert_int_equal(lt_xml_parse(lt_span(text, len), &limits, ret, NULL), LT_OK);
}

/* Examples of questions against the schema and against the mock: both must agree. */
static size_t check_examples(struct world *w, const char *folder, bool valid)
{
    struct lt_xsd *question = NULL, *answer = NULL;
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    assert_int_equal(lt_xsd_load(SCHEMAS "/dancuquocgia.xsd", &question, NULL), LT_OK);
    assert_int_equal(lt_xsd_load(SCHEMAS "/dancu.xsd", &answer, NULL), LT_OK);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        LT_AUTOFREE char *path = lt_asprintf("%s/%s", folder, e->d_name);
        LT_AUTO_XML struct lt_xml *doc = NULL;
        struct lt_err err = LT_ERR_INIT;
        load(path, &doc);
        lt_xml_node first = first_in_body(doc);
        bool is_answer = strstr(e->d_name, "answer") != NULL;
        struct lt_xsd *xsd = lt_span_is(lt_xml_namespace(first), NS_ANSWER) ? answer : question;
        int r = lt_xsd_check_node(xsd, first, &err);
        if ((r == LT_OK) != valid)
            fail_msg("%s: the schema says %s", path, r == LT_OK ? "ok" : err.text);
        if (!is_answer) {
            LT_AUTOFREE char *text = NULL;
            size_t len;
            assert_int_equal(lt_file_read(path, limits.bytes_max, &text, &len, NULL), LT_OK);
            int status = caller_send(&w->call, "POST", "/ws", "", lt_span(text, len));
            if ((status == 200) != valid)
                fail_msg("%s: the mock says %s", path, w->call.reply.body.ptr);
        }
        n++;
    }
    closedir(d);
    lt_xsd_free(question);
    lt_xsd_free(answer);
    return n;
}

static void every_valid_example_passes_its_schema_and_the_mock(void **state)
{
    assert_true(check_examples(*state, SCHEMAS "/valid", true) >= 9);
}

static void every_invalid_example_is_refused_by_its_schema_and_the_mock(void **state)
{
    assert_true(check_examples(*state, SCHEMAS "/invalid", false) >= 12);
}

static void answers_keep_to_their_schema(void **state)
{
    struct world *w = *state;
    struct lt_xsd *answer = NULL;
    assert_int_equal(lt_xsd_load(SCHEMAS "/dancu.xsd", &answer, NULL), LT_OK);
    static const char *const births[] = {DAY("20240101"), DAY("20240102")};
    for (size_t i = 0; i < LT_ARRAY_LEN(births); i++) {
        LT_AUTO_XML struct lt_xml *doc = NULL;
        assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", births[i]), 200);
        assert_int_equal(lt_xml_parse(lt_buf_view(&w->call.reply.body), &limits, &doc, NULL), LT_OK);
        assert_int_equal(lt_xsd_check_node(answer, first_in_body(doc), NULL), LT_OK);
    }
    lt_xsd_free(answer);
}

static void xroad_headers_come_back_in_their_order_and_others_do_not(void **state)
{
    struct world *w = *state;
    LT_AUTOFREE char *text = NULL;
    size_t len;
    assert_int_equal(lt_file_read(SCHEMAS "/valid/lookup-request-xroad.xml", limits.bytes_max, &text, &len, NULL),
                     LT_OK);
    assert_int_equal(caller_send(&w->call, "POST", "/ws", "", lt_span(text, len)), 200);
    LT_AUTO_XML struct lt_xml *doc = NULL;
    assert_int_equal(lt_xml_parse(lt_buf_view(&w->call.reply.body), &limits, &doc, NULL), LT_OK);
    static const char *const names[] = {"client", "id", "protocolVersion"};
    lt_xml_node n = lt_xml_first_child(lt_xml_child(lt_xml_root(doc), NS_SOAP, "Header"));
    for (size_t i = 0; i < LT_ARRAY_LEN(names); i++, n = lt_xml_next(n)) {
        assert_true(lt_xml_present(n));
        assert_span_is(lt_xml_name(n), names[i]);
    }
    assert_false(lt_xml_present(n));
}

static void an_injected_fault_comes_and_goes(void **state)
{
    struct world *w = *state;
    assert_int_equal(caller_post(&w->call, "/control/faults", "{\"kind\":\"soap-fault\"}"), 200);
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101")), 500);
    assert_true(caller_body_has(&w->call, "soapenv:Server"));
    assert_int_equal(counter(w, "match"), 0);
    assert_int_equal(caller_post(&w->call, "/control/faults", "{\"kind\":\"timeout-after-apply\"}"), 200);
    (void)ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101"));
    assert_int_equal(w->call.reply.action, LT_MOCK_HOLD);
    assert_int_equal(counter(w, "match"), 1);
    assert_true(matched(w, ID1, "NGUYEN VAN MAU", DAY("20240101")));
    assert_int_equal(caller_post(&w->call, "/control/faults", "{\"kind\":\"session-expired\"}"), 400);
    assert_int_equal(caller_post(&w->call, "/oracle/reset", ""), 200);
    assert_int_equal(counter(w, "calls"), 0);
    assert_int_equal(counter(w, "citizens"), 2);
}

static void every_call_is_listed_in_the_order_it_came_with_what_was_said_to_it(void **state)
{
    struct world *w = *state;
    assert_true(matched(w, ID1, "NGUYEN VAN MAU", DAY("20240101")));
    assert_false(matched(w, ID2, "NGUYEN VAN MAU", DAY("20240101")));
    assert_int_equal(caller_post(&w->call, "/control/faults", "{\"kind\":\"soap-fault\"}"), 200);
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101")), 500);
    assert_int_equal(caller_number(&w->call, "/oracle/arrivals", "total"), 3);
    static const char *const lines[] = {"\"seq\":1,",         "\"subject\":\"002224000001\"", "\"what\":\"match\"",
                                        "\"seq\":2,",         "\"what\":\"no-match\"",        "\"seq\":3,",
                                        "\"what\":\"fault\"", "\"fault\":\"soap-fault\""};
    LT_AUTOFREE char *text = lt_strndup(w->call.reply.body.ptr, w->call.reply.body.len);
    const char *at = text;
    for (size_t i = 0; i < LT_ARRAY_LEN(lines); i++) {
        const char *found = strstr(at, lines[i]);
        if (!found)
            fail_msg("%s does not come in its order in %s", lines[i], text);
        if (strncmp(lines[i], "\"seq", 5) == 0)
            at = found;
    }
    assert_int_equal(caller_post(&w->call, "/oracle/reset", ""), 200);
    assert_int_equal(caller_number(&w->call, "/oracle/arrivals", "total"), 0);
}

static void a_wrong_file_of_citizens_names_the_element(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{}", "expected a list"},
        {"[{\"SoDinhDanh\":\"1\"}]", "citizen 0: SoDinhDanh"},
        {"[{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"A\",\"NgayThangNamSinh\":\"20240230\"}]",
         "citizen 0: NgayThangNamSinh"},
        {"[{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"\",\"NgayThangNamSinh\":\"2024\"}]", "citizen 0: HoVaTen"},
        {"[{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"A\",\"NgayThangNamSinh\":\"2024\"},"
         "{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"A\",\"NgayThangNamSinh\":\"2024\"}]",
         "citizen 1: SoDinhDanh: there twice"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        struct lt_mock_citizens *c = NULL;
        struct lt_err err = LT_ERR_INIT;
        assert_int_equal(lt_file_write(w->file, lt_span_str(cases[i].text), 0600, NULL), LT_OK);
        assert_int_equal(lt_mock_citizens_load(w->file, &c, &err), LT_E_INVALID);
        assert_non_null(strstr(err.text, cases[i].why));
        assert_null(c);
    }
}

static void a_login_with_timestamp_must_fit_and_its_clock_be_near(void **state)
{
    struct world *w = *state;
    LT_AUTOFREE char *secret = lt_asprintf("%s/secret", w->folder);
    assert_int_equal(lt_file_write(secret, LT_SPAN_LIT("bi-mat\n"), 0600, NULL), LT_OK);
    w->settings.username = "h22";
    w->settings.secret_file = secret;
    w->settings.service_url = "https://dc/api";
    w->settings.clock_skew_ms = 300000;
    restart(w);
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101")), 401);
    /* printf %s 'https://dc/apih221704072600000bi-mat' | sha256sum; printf %s "h22:$SUM" | base64 -w0 */
    w->call.timestamp = "1704072600000";
    w->call.authorization =
        "Basic aDIyOjQ2OTAxOGFlY2MxYmNiMGY1YTJmOWMxOTJhYzM4MDYwMTQ3NDZiNGFmMDRhOGU1ZTc3ODk1NTNiODlkYjlmNDU=";
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101")), 200);
    w->call.now_ms += 300001;
    assert_int_equal(ask_about(w, ID1, "NGUYEN VAN MAU", DAY("20240101")), 401);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_citizen_is_returned_only_when_id_name_and_birth_agree),
        CASE(a_login_with_timestamp_must_fit_and_its_clock_be_near),
        CASE(births_are_compared_at_the_precision_given),
        CASE(names_are_compared_as_the_accents_flag_says),
        CASE(a_missing_birth_is_a_fault_unless_it_is_optional),
        CASE(verification_answers_true_or_false),
        CASE(services_and_officers_must_be_registered),
        CASE(what_is_no_soap_is_a_fault),
        CASE(every_valid_example_passes_its_schema_and_the_mock),
        CASE(every_invalid_example_is_refused_by_its_schema_and_the_mock),
        CASE(answers_keep_to_their_schema),
        CASE(xroad_headers_come_back_in_their_order_and_others_do_not),
        CASE(an_injected_fault_comes_and_goes),
        CASE(every_call_is_listed_in_the_order_it_came_with_what_was_said_to_it),
        CASE(a_wrong_file_of_citizens_names_the_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
