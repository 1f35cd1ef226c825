/* The population adapter: what it forwards, what it tells, and what it keeps to itself. */
#include "adapters/population/population.h"
#include "adapters/population/request.h"
#include "gateway/codec/xml.h"
#include "tests/unit/adapter_host.h"

#include <stdio.h>

#define PERSON                                                                                                         \
    "\"CongDan\":{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"NGƯỜI MẪU\",\"NgayThangNamSinh\":\"20240101\"}"
#define ENVELOPE(body)                                                                                                 \
    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>" body "</s:Body></s:Envelope>"
#define MATCH                                                                                                          \
    ENVELOPE("<n:CongdanCollection "                                                                                   \
             "xmlns:n=\"http://www.mic.gov.vn/dancu/1.0\"><n:CongDan><n:SoDinhDanh>002224000001</n:SoDinhDanh></"      \
             "n:CongDan></n:CongdanCollection>")
#define NO_MATCH ENVELOPE("<n:CongdanCollection xmlns:n=\"http://www.mic.gov.vn/dancu/1.0\"/>")

static struct host *population_with(const char *more)
{
    LT_AUTOFREE char *options = lt_asprintf("{officer_default: cb01, database_code: \"7\"%s}", more);
    return host_new(&lt_population_adapter, "https://population/dc", options);
}

static struct host *population(void)
{
    return population_with("");
}

static const struct lt_note *note_to(const struct host_work *w, int to)
{
    for (size_t i = 0; i < w->result.notes_len; i++)
        if ((int)w->result.notes[i].to == to)
            return &w->result.notes[i];
    fail_msg("no such note");
    return NULL;
}

static void no_citizen_in(struct lt_span s)
{
    if (memmem(s.ptr, s.len, "002224000001", 12) || memmem(s.ptr, s.len, "MẪU", 4))
        fail_msg("citizen data in " LT_SPAN_FMT, LT_SPAN_ARG(s));
}

static void request_id(struct host *h, char out[40])
{
    const char *at = strstr(host_call(h)->body, "<dan:MaYeuCau>");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "<dan:MaYeuCau>%39[^<]", out), 1);
}

static void a_match_adds_the_database_to_the_snapshot(void **state)
{
    (void)state;
    struct host *h = population();
    struct host_work *w = host_submit(
        h, LT_STEP_CHECK, "A-1", "{\"HoSo\":{\"MaHoSo\":\"A-1\",\"DSKetNoiCSDL\":[{\"MaCSDL\":\"1\"}]}," PERSON "}");
    assert_string_equal(host_call(h)->url, "https://population/dc");
    assert_non_null(strstr(host_call(h)->headers, "SOAPAction: \"\"\n"));
    host_answer(h, 200, MATCH);
    assert_int_equal(w->result.outcome, LT_OUTCOME_OK);
    assert_span_is(w->result.forward,
                   "{\"HoSo\":{\"MaHoSo\":\"A-1\",\"DSKetNoiCSDL\":[{\"MaCSDL\":\"1\"},{\"MaCSDL\":\"7\"}]}," PERSON
                   "}");
    assert_int_equal(w->result.notes_len, 2);
    assert_int_equal(w->result.notes[0].to, LT_NOTE_ANSWER);
    assert_span_is(w->result.notes[0].data,
                   "{\"MaHoSo\":\"A-1\",\"event\":\"0123456789abcdef0123456789abcdef\",\"step\":\"check\","
                   "\"outcome\":\"match\",\"attempts\":1}");
    host_free(h);
}

static void no_match_forwards_unchanged_and_tells_the_province(void **state)
{
    (void)state;
    struct host *h = population();
    struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1", "{\"HoSo\":{\"MaHoSo\":\"A-1\"}," PERSON "}");
    host_answer(h, 200, NO_MATCH);
    assert_int_equal(w->result.outcome, LT_OUTCOME_OK);
    assert_null(w->result.forward.ptr);
    assert_int_equal(w->result.notes_len, 3);
    assert_int_equal(w->result.notes[1].to, LT_NOTE_PROVINCE);
    assert_string_equal(w->result.notes[1].type, "vn.lienthong.population.mismatch.v1");
    for (size_t i = 0; i < 3; i++)
        no_citizen_in(w->result.notes[i].data);
    host_free(h);
}

static void errors_and_silence_wait_for_another_try(void **state)
{
    (void)state;
    struct host *h = population();
    struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    host_fail(h, LT_HTTP_UNKNOWN);
    assert_int_equal(w->result.outcome, LT_OUTCOME_RETRY);
    host_submit_again(h, w, false);
    host_answer(h, 500, "x");
    assert_int_equal(w->result.outcome, LT_OUTCOME_RETRY);
    assert_int_equal(w->result.notes_len, 1); /* that it was asked; nothing is told as an answer */
    no_citizen_in(lt_span_str(w->reason));
    host_free(h);
}

/* Two questions under one id could be taken for one, and an old answer for the new one. */
static void no_two_questions_have_the_same_id_also_over_a_restart(void **state)
{
    (void)state;
    char ids[4][40];
    for (int process = 0; process < 2; process++) {
        struct host *h = population();
        struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
        request_id(h, ids[2 * process]);
        host_fail(h, LT_HTTP_UNKNOWN);
        host_submit_again(h, w, false);
        request_id(h, ids[2 * process + 1]);
        host_free(h);
    }
    for (size_t i = 0; i < LT_ARRAY_LEN(ids); i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
}

static void an_event_without_a_citizen_passes(void **state)
{
    (void)state;
    struct host *h = population();
    struct host_work *none = host_submit(h, LT_STEP_CHECK, "A-1", "{\"HoSo\":{\"MaHoSo\":\"A-1\"}}");
    assert_int_equal(none->result.outcome, LT_OUTCOME_PASS);
    assert_int_equal(none->result.notes_len, 0);
    struct host_work *part = host_submit(h, LT_STEP_CHECK, "A-2",
                                         "{\"CongDan\":{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"NGƯỜI MẪU\"}}");
    assert_int_equal(part->result.outcome, LT_OUTCOME_PASS);
    assert_int_equal(part->result.notes_len, 1);
    assert_non_null(strstr(part->result.notes[0].data.ptr, "\"outcome\":\"incomplete\""));
    no_citizen_in(part->result.notes[0].data);
    assert_int_equal(host_open(h), 0);
    host_free(h);
}

static void a_match_without_a_snapshot_forwards_unchanged(void **state)
{
    (void)state;
    struct lt_buf out = LT_BUF_INIT(4096);
    assert_false(lt_population_connected(LT_SPAN_LIT("{\"TienDo\":{}}"), "7", &out));
    assert_true(lt_population_connected(
        LT_SPAN_LIT("{\"TienDo\":{},\"HoSo\":{\"DSKetNoiCSDL\":[{\"MaCSDL\":\"7\"}],\"A\":\"b\"}}"), "7", &out));
    assert_span_is(lt_buf_view(&out), "{\"HoSo\":{\"A\":\"b\",\"DSKetNoiCSDL\":[{\"MaCSDL\":\"7\"}]},\"TienDo\":{}}");
    lt_buf_deinit(&out);
}

static void closing_forgets_the_questions_that_are_out(void **state)
{
    (void)state;
    struct host *h = population();
    (void)host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    (void)host_submit(h, LT_STEP_CHECK, "A-2", "{" PERSON "}");
    host_free(h);
}

static void every_answered_question_is_on_record_by_officer(void **state)
{
    (void)state;
    struct host *h = population();
    struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1",
                                      "{\"HoSo\":{\"MaHoSo\":\"A-1\"},\"CanBo\":{\"MaCanBo\":\"cb77\"}," PERSON "}");
    char id[40];
    request_id(h, id);
    host_answer(h, 200, NO_MATCH);
    const struct lt_note *n = note_to(w, LT_NOTE_AUDIT);
    assert_span_is(n->key, "cb77");
    LT_AUTOFREE char *record = lt_asprintf(
        "{\"actor\":\"cb77\",\"unit\":\"\",\"action\":\"population-check\",\"MaHoSo\":\"A-1\","
        "\"ce_id\":\"0123456789abcdef0123456789abcdef\",\"procedure\":\"1.001193\",\"MaYeuCau\":\"%s\","
        "\"MaDVC\":\"VPCP\",\"operation\":\"TraCuuThongTinCongDan\",\"source\":\"database\",\"result\":\"no-match\","
        "\"attempts\":1}",
        id);
    assert_span_is(n->data, record);
    host_free(h);
    h = population_with(", officers: [\"can-bo-*\"]");
    w = host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    assert_int_equal(w->result.outcome, LT_OUTCOME_REJECT);
    assert_string_equal(w->code, "officer-not-permitted");
    assert_contains(note_to(w, LT_NOTE_AUDIT)->data.ptr, "\"source\":\"gateway\"");
    assert_int_equal(host_open(h), 0);
    host_free(h);
}

static void a_question_that_left_is_on_record_also_when_nothing_came_of_it(void **state)
{
    (void)state;
    struct host *h = population();
    struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1", "{\"CanBo\":{\"MaCanBo\":\"cb77\"}," PERSON "}");
    host_fail(h, LT_HTTP_UNKNOWN);
    assert_span_is(note_to(w, LT_NOTE_AUDIT)->key, "cb77");
    assert_contains(note_to(w, LT_NOTE_AUDIT)->data.ptr, "\"result\":\"cut\",\"attempts\":1");
    static const struct {
        long status;
        enum lt_outcome outcome;
    } rows[] = {{500, LT_OUTCOME_RETRY}, {429, LT_OUTCOME_THROTTLE}, {401, LT_OUTCOME_CREDENTIAL}};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        host_submit_again(h, w, false);
        host_answer(h, rows[i].status, "");
        assert_int_equal(w->result.outcome, rows[i].outcome);
        assert_int_equal(w->result.notes_len, 1);
        assert_contains(note_to(w, LT_NOTE_AUDIT)->data.ptr, "\"source\":\"database\",\"result\":\"http-");
        no_citizen_in(note_to(w, LT_NOTE_AUDIT)->data);
    }
    host_submit_again(h, w, false); /* nobody was asked */
    host_fail(h, LT_HTTP_NOT_SENT);
    assert_int_equal(w->result.notes_len, 0);
    host_submit_again(h, w, false);
    host_fail(h, LT_HTTP_CREDENTIAL);
    assert_int_equal(w->result.notes_len, 0);
    host_free(h);
}

static void a_login_refused_by_a_clock_that_is_not_ours_says_so(void **state)
{
    (void)state;
    setenv("LT_TEST_POPULATION_SECRET", "s", 1);
    static const struct {
        const char *auth;
        int64_t ahead_s;
        const char *code, *says;
    } rows[] = {{", auth: basic-timestamp, username: u, secret: {env: LT_TEST_POPULATION_SECRET}", 61, "clock",
                 "our clock is 61 s behind theirs"},
                {", auth: basic-timestamp, username: u, secret: {env: LT_TEST_POPULATION_SECRET}", -3600, "clock",
                 "our clock is 3600 s ahead of theirs"},
                {", auth: basic-timestamp, username: u, secret: {env: LT_TEST_POPULATION_SECRET}", 60, "http-401", ""},
                {"", 3600, "http-401", ""}}; /* no timestamp: no part of it */
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct host *h = population_with(rows[i].auth);
        struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
        const struct lt_http_answer a = {.failure = LT_HTTP_ANSWERED,
                                         .status = 401,
                                         .content_type = "",
                                         .retry_after_s = -1,
                                         .clock_ahead_s = rows[i].ahead_s};
        struct host_call *c = host_call(h);
        c->answered = true;
        c->fn(c->ctx, &a);
        assert_int_equal(w->result.outcome, LT_OUTCOME_CREDENTIAL);
        assert_string_equal(w->code, rows[i].code);
        assert_contains(w->reason, rows[i].says);
        host_free(h);
    }
}

static void a_match_is_remembered_for_its_time_its_officer_and_its_procedure_only(void **state)
{
    (void)state;
    struct host *h = population_with(", cache: 10m");
    (void)host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    host_answer(h, 200, MATCH);
    struct host_work *again = host_submit(h, LT_STEP_CHECK, "A-2", "{\"HoSo\":{\"MaHoSo\":\"A-2\"}," PERSON "}");
    assert_true(again->done);
    assert_int_equal(again->result.outcome, LT_OUTCOME_OK);
    assert_contains(again->result.forward.ptr, "{\"MaCSDL\":\"7\"}");
    assert_contains(note_to(again, LT_NOTE_AUDIT)->data.ptr, "\"source\":\"cache\"");
    struct host_work *other = host_submit(h, LT_STEP_CHECK, "A-3", "{\"CanBo\":{\"MaCanBo\":\"cb77\"}," PERSON "}");
    assert_false(other->done);
    host_answer(h, 200, NO_MATCH); /* never remembered */
    host_tick(h, 10 * 60 * 1000);
    (void)host_submit(h, LT_STEP_CHECK, "A-4", "{" PERSON "}");
    assert_int_equal(host_open(h), 1);
    host_answer(h, 200, MATCH);
    host_free(h);
    h = population(); /* off unless a time is stated */
    (void)host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    host_answer(h, 200, MATCH);
    (void)host_submit(h, LT_STEP_CHECK, "A-2", "{" PERSON "}");
    assert_int_equal(host_open(h), 1);
    host_free(h);
}

static void a_mismatch_parks_where_that_is_asked_for(void **state)
{
    (void)state;
    struct host *h = population_with(", on_mismatch: park");
    struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    host_answer(h, 200, NO_MATCH);
    assert_int_equal(w->result.outcome, LT_OUTCOME_REJECT);
    assert_true(w->result.local);
    assert_string_equal(w->code, "no-match");
    host_free(h);
}

static void a_database_that_stays_away_lets_dossiers_go_on_unverified_where_that_is_asked_for(void **state)
{
    (void)state;
    struct host *h = population_with(", on_unavailable: forward, unavailable_attempts: 2");
    struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    host_fail(h, LT_HTTP_NOT_SENT);
    assert_int_equal(w->result.outcome, LT_OUTCOME_RETRY);
    assert_true(w->result.local); /* no pause, which would stop what is to go on */
    host_submit_again(h, w, false);
    host_answer(h, 503, "");
    assert_int_equal(w->result.outcome, LT_OUTCOME_OK);
    assert_null(w->result.forward.ptr);
    assert_contains(note_to(w, LT_NOTE_ANSWER)->data.ptr, "\"outcome\":\"unverified\"");
    assert_contains(note_to(w, LT_NOTE_PROVINCE)->data.ptr, "\"outcome\":\"unverified\"");
    host_free(h);
}

static void an_answer_to_another_xroad_message_is_no_verdict(void **state)
{
    (void)state;
    struct host *h = population_with(", operation: verify, xroad_client: VN/GOV/H22/MOTCUA, xroad_service: "
                                     "VN/GOV/BCA/DANCU/XacThuc/v1");
    struct host_work *w = host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    host_expect(h, "<dan:MaTichHop>033</dan:MaTichHop>");
    assert_contains(host_call(h)->headers, "X-Road-Client: VN/GOV/H22/MOTCUA\n");
    host_answer(h, 200,
                "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><x:id "
                "xmlns:x=\"http://x-road.eu/xsd/xroad.xsd\">another</x:id></s:Header><s:Body>"
                "<KetQuaXacThucResponse><TonTai>true</TonTai></KetQuaXacThucResponse></s:Body></s:Envelope>");
    assert_int_equal(w->result.outcome, LT_OUTCOME_RETRY);
    assert_string_equal(w->code, "other-message");
    host_free(h);
}

static int setup(void **state)
{
    (void)state;
    lt_xml_init();
    return 0;
}

static void a_secret_that_was_replaced_is_used_by_the_next_question(void **state)
{
    (void)state;
    setenv("LT_TEST_POPULATION_SECRET", "former", 1);
    struct host *h = population_with(", auth: basic-timestamp, username: u, secret: {env: LT_TEST_POPULATION_SECRET}, "
                                     "api_key: {env: LT_TEST_POPULATION_SECRET}");
    struct lt_population_options o = {.auth = LT_POPULATION_BASIC,
                                      .username = "u",
                                      .service_url = "https://population/dc",
                                      .secret = {.text = "the new one"}};
    struct lt_arena a = LT_ARENA_INIT;
    (void)host_submit(h, LT_STEP_CHECK, "A-1", "{" PERSON "}");
    assert_contains(host_call(h)->headers, "ApiKey: former\n");
    host_answer(h, 401, "");
    host_secret(h, "secret", "the new one");
    host_secret(h, "api_key", "another");
    (void)host_submit(h, LT_STEP_CHECK, "A-2", "{" PERSON "}");
    assert_contains(host_call(h)->headers, "ApiKey: another\n");
    int64_t at = 0;
    const char *stamp = strstr(host_call(h)->headers, "timestamp: ");
    assert_true(stamp && lt_span_i64(lt_span(stamp + 11, strcspn(stamp + 11, "\n")), &at));
    assert_contains(host_call(h)->headers, lt_population_headers(&o, at, &a)[3]);
    lt_arena_deinit(&a);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_that_was_replaced_is_used_by_the_next_question),
        cmocka_unit_test(a_match_adds_the_database_to_the_snapshot),
        cmocka_unit_test(no_match_forwards_unchanged_and_tells_the_province),
        cmocka_unit_test(errors_and_silence_wait_for_another_try),
        cmocka_unit_test(no_two_questions_have_the_same_id_also_over_a_restart),
        cmocka_unit_test(an_event_without_a_citizen_passes),
        cmocka_unit_test(a_match_without_a_snapshot_forwards_unchanged),
        cmocka_unit_test(closing_forgets_the_questions_that_are_out),
        cmocka_unit_test(every_answered_question_is_on_record_by_officer),
        cmocka_unit_test(a_question_that_left_is_on_record_also_when_nothing_came_of_it),
        cmocka_unit_test(a_login_refused_by_a_clock_that_is_not_ours_says_so),
        cmocka_unit_test(a_match_is_remembered_for_its_time_its_officer_and_its_procedure_only),
        cmocka_unit_test(a_mismatch_parks_where_that_is_asked_for),
        cmocka_unit_test(a_database_that_stays_away_lets_dossiers_go_on_unverified_where_that_is_asked_for),
        cmocka_unit_test(an_answer_to_another_xroad_message_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
