/* The four outcomes of a question, and what is none of them. */
#include "adapters/population/answer.h"
#include "gateway/codec/xml.h"
#include "tests/unit/harness.h"

#define ENVELOPE(body)                                                                                                 \
    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>" body "</s:Body></s:Envelope>"
#define NS "xmlns:n=\"http://www.mic.gov.vn/dancu/1.0\""
#define PERSON                                                                                                         \
    "<n:CongDan><n:SoDinhDanh>002224000001</n:SoDinhDanh><n:HoVaTen><n:Ten>NGUYỄN VĂN "                             \
    "MẪU</n:Ten></n:HoVaTen></n:CongDan>"
#define FAULT(code) ENVELOPE("<s:Fault><faultcode>" code "</faultcode><faultstring>x</faultstring></s:Fault>")

static struct lt_yaml *yaml;
static struct lt_classifier *answers;
static struct lt_arena arena = LT_ARENA_INIT;

static const struct lt_population_asked lookup = {.operation = LT_POPULATION_LOOKUP, .id = {"002224000001", 12}};

static struct lt_population_answer read_answer(long status, const char *body, long retry_after_s)
{
    struct lt_population_answer a;
    struct lt_http_answer http = {.failure = LT_HTTP_ANSWERED,
                                  .status = status,
                                  .body = lt_span_str(body),
                                  .content_type = "",
                                  .headers = retry_after_s >= 0 ? LT_SPAN_LIT("Retry-After: 7\r\n") : LT_SPAN_NULL,
                                  .retry_after_s = retry_after_s};
    lt_population_answer_read(answers, &lookup, &http, &arena, &a);
    return a;
}

struct row {
    long status;
    const char *body;
    enum lt_population_meaning meaning;
    enum lt_outcome outcome;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct lt_population_answer a = read_answer(rows[i].status, rows[i].body, -1);
        if (a.meaning != rows[i].meaning || a.outcome != rows[i].outcome)
            fail_msg("%ld %s: got %d %s (%s)", rows[i].status, rows[i].body, (int)a.meaning, lt_outcome_name(a.outcome),
                     a.reason);
        if (strstr(a.reason, "MẪU") || strstr(a.code, "MẪU"))
            fail_msg("citizen data in %s", a.reason);
    }
}
#define CHECK(...)                                                                                                     \
    do {                                                                                                               \
        static const struct row rows[] = {__VA_ARGS__};                                                                \
        check(rows, LT_ARRAY_LEN(rows));                                                                               \
    } while (0)

static void a_person_in_the_collection_is_a_match(void **state)
{
    (void)state;
    CHECK({200, ENVELOPE("<n:CongdanCollection " NS ">" PERSON "</n:CongdanCollection>"), LT_POPULATION_MATCH,
           LT_OUTCOME_OK},
          {200,
           ENVELOPE("<r:TraCuuThongTinCongDanResponse xmlns:r=\"http://dancuquocgia.bca\"><n:CongdanCollection " NS
                    ">" PERSON "</n:CongdanCollection></r:TraCuuThongTinCongDanResponse>"),
           LT_POPULATION_MATCH, LT_OUTCOME_OK},
          {200, "<n:CongdanCollection " NS ">" PERSON "</n:CongdanCollection>", LT_POPULATION_MATCH, LT_OUTCOME_OK});
}

static void a_collection_without_a_person_or_no_collection_is_no_match(void **state)
{
    (void)state;
    CHECK({200, ENVELOPE("<n:CongdanCollection " NS "/>"), LT_POPULATION_NO_MATCH, LT_OUTCOME_OK},
          {200, ENVELOPE("<n:CongdanCollection " NS "><n:GhiChu>x</n:GhiChu></n:CongdanCollection>"),
           LT_POPULATION_NO_MATCH, LT_OUTCOME_OK},
          {200, ENVELOPE(""), LT_POPULATION_NO_MATCH, LT_OUTCOME_OK},
          {200, ENVELOPE("<TraCuuThongTinCongDanResponse/>"), LT_POPULATION_NO_MATCH, LT_OUTCOME_OK},
          {200, "<CongdanCollection/>", LT_POPULATION_NO_MATCH, LT_OUTCOME_OK});
}

static void a_citizen_element_without_content_is_no_match(void **state)
{
    (void)state;
    CHECK({200, ENVELOPE("<n:CongdanCollection " NS "><n:CongDan/></n:CongdanCollection>"), LT_POPULATION_NO_MATCH,
           LT_OUTCOME_OK},
          {200, ENVELOPE("<n:CongdanCollection " NS "><n:CongDan> </n:CongDan></n:CongdanCollection>"),
           LT_POPULATION_NO_MATCH, LT_OUTCOME_OK});
}

/* "Not there" is a verdict on a citizen: only an answer to the question may say it. */
static void something_else_in_the_body_is_an_error_and_no_verdict(void **state)
{
    (void)state;
    CHECK({200, ENVELOPE("<Loi><Ma>004</Ma></Loi>"), LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
          {200, ENVELOPE("<Response>busy</Response>"), LT_POPULATION_ERROR, LT_OUTCOME_RETRY});
}

static void an_error_is_never_taken_for_no_match(void **state)
{
    (void)state;
    CHECK({500, FAULT("s:Server.Failed"), LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
          {200, FAULT("s:Server"), LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
          {500, FAULT("s:Client.BadRequest"), LT_POPULATION_ERROR, LT_OUTCOME_REJECT},
          {500, "oops", LT_POPULATION_ERROR, LT_OUTCOME_RETRY}, {500, "", LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
          {500, ENVELOPE(""), LT_POPULATION_ERROR, LT_OUTCOME_RETRY}, {200, "", LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
          {200, "<html><body/></html>", LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
          {200, "{}", LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
          {200, "<!DOCTYPE a [<!ENTITY b \"c\">]><CongdanCollection/>", LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
          {404, "", LT_POPULATION_ERROR, LT_OUTCOME_RETRY}, {400, "", LT_POPULATION_ERROR, LT_OUTCOME_REJECT},
          {401, "", LT_POPULATION_ERROR, LT_OUTCOME_CREDENTIAL}, {403, "", LT_POPULATION_ERROR, LT_OUTCOME_CREDENTIAL},
          {200,
           ENVELOPE("<n:CongdanCollection " NS
                    "><n:CongDan><n:SoDinhDanh>002224000009</n:SoDinhDanh></n:CongDan></n:CongdanCollection>"),
           LT_POPULATION_ERROR, LT_OUTCOME_RETRY});
}

static void out_of_service_is_unavailable(void **state)
{
    (void)state;
    CHECK({503, "", LT_POPULATION_UNAVAILABLE, LT_OUTCOME_RETRY},
          {502, "<html/>", LT_POPULATION_UNAVAILABLE, LT_OUTCOME_RETRY},
          {504, "", LT_POPULATION_UNAVAILABLE, LT_OUTCOME_RETRY},
          {429, "", LT_POPULATION_UNAVAILABLE, LT_OUTCOME_THROTTLE});
    struct lt_population_answer a = read_answer(503, "", 7);
    assert_int_equal(a.outcome, LT_OUTCOME_THROTTLE);
    assert_int_equal(a.wait_ms, 7000);
    static const enum lt_http_failure failures[] = {LT_HTTP_NOT_SENT, LT_HTTP_UNKNOWN};
    for (size_t i = 0; i < LT_ARRAY_LEN(failures); i++) {
        struct lt_http_answer http = {.failure = failures[i], .content_type = "", .retry_after_s = -1};
        lt_population_answer_read(answers, &lookup, &http, &arena, &a);
        assert_int_equal(a.meaning, LT_POPULATION_UNAVAILABLE);
        assert_int_equal(a.outcome, LT_OUTCOME_RETRY);
    }
}

static void a_fault_of_the_bus_is_told_from_one_of_the_database(void **state)
{
    (void)state;
    CHECK({500, FAULT("Server.ServerProxy.ServiceFailed.HttpError"), LT_POPULATION_UNAVAILABLE, LT_OUTCOME_RETRY},
          {500, FAULT("Server.ServerProxy.AccessDenied"), LT_POPULATION_ERROR, LT_OUTCOME_CREDENTIAL},
          {500, FAULT("s:Server.Busy"), LT_POPULATION_ERROR, LT_OUTCOME_RETRY});
}

static void a_verification_is_a_match_only_when_the_answer_says_that_the_person_exists(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum lt_population_meaning meaning;
    } rows[] = {
        {ENVELOPE("<KetQuaXacThucResponse><TonTai>true</TonTai></KetQuaXacThucResponse>"), LT_POPULATION_MATCH},
        {ENVELOPE("<KetQuaXacThucResponse><TonTai> 1 </TonTai></KetQuaXacThucResponse>"), LT_POPULATION_MATCH},
        {"<KetQuaXacThucResponse><TonTai>true</TonTai></KetQuaXacThucResponse>", LT_POPULATION_MATCH},
        {ENVELOPE("<KetQuaXacThucResponse><TonTai>false</TonTai></KetQuaXacThucResponse>"), LT_POPULATION_NO_MATCH},
        {ENVELOPE("<KetQuaXacThucResponse/>"), LT_POPULATION_ERROR},
        {ENVELOPE("<KetQuaXacThucResponse><TonTai>maybe</TonTai></KetQuaXacThucResponse>"), LT_POPULATION_ERROR},
        {ENVELOPE("<n:CongdanCollection " NS "/>"), LT_POPULATION_ERROR},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_population_answer a;
        struct lt_http_answer http = {.status = 200, .body = lt_span_str(rows[i].body), .retry_after_s = -1};
        const struct lt_population_asked verify = {.operation = LT_POPULATION_VERIFY,
                                                   .id = LT_SPAN_LIT("002224000001")};
        lt_population_answer_read(answers, &verify, &http, &arena, &a);
        if (a.meaning != rows[i].meaning)
            fail_msg("%s: got %d (%s)", rows[i].body, (int)a.meaning, a.reason);
    }
}

static int teardown(void **state)
{
    (void)state;
    lt_arena_deinit(&arena);
    lt_classifier_free(answers);
    lt_yaml_free(yaml);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    struct lt_diags diags = LT_DIAGS_INIT;
    assert_int_equal(lt_yaml_load("config/targets/population.yaml", &yaml, &diags), LT_OK);
    if (lt_classifier_new(&lt_population_answers, lt_yaml_get(lt_yaml_root(yaml), "answers"), lt_yaml_root(yaml),
                          &answers, &diags) != LT_OK) {
        struct lt_buf text = LT_BUF_INIT(65536);
        lt_diags_print(&diags, &text);
        fail_msg("%s", lt_buf_take(&text));
    }
    lt_diags_deinit(&diags);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_in_the_collection_is_a_match),
        cmocka_unit_test(a_collection_without_a_person_or_no_collection_is_no_match),
        cmocka_unit_test(a_citizen_element_without_content_is_no_match),
        cmocka_unit_test(something_else_in_the_body_is_an_error_and_no_verdict),
        cmocka_unit_test(an_error_is_never_taken_for_no_match),
        cmocka_unit_test(out_of_service_is_unavailable),
        cmocka_unit_test(a_fault_of_the_bus_is_told_from_one_of_the_database),
        cmocka_unit_test(a_verification_is_a_match_only_when_the_answer_says_that_the_person_exists),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
