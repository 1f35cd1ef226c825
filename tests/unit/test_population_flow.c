/* The population adapter: what it forwards, what it tells, and what it keeps to itself. */
#include "adapters/population/population.h"
#include "gateway/codec/xml.h"
#include "tests/unit/adapter_host.h"

#define OPTIONS "{officer_default: cb01, database_code: \"7\"}"
#define PERSON                                                                                                         \
    "\"CongDan\":{\"SoDinhDanh\":\"002224000001\",\"HoVaTen\":\"NGƯỜI MẪU\",\"NgayThangNamSinh\":\"20240101\"}"
#define ENVELOPE(body)                                                                                                 \
    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>" body "</s:Body></s:Envelope>"
#define MATCH                                                                                                          \
    ENVELOPE("<n:CongdanCollection "                                                                                   \
             "xmlns:n=\"http://www.mic.gov.vn/dancu/1.0\"><n:CongDan><n:SoDinhDanh>002224000001</n:SoDinhDanh></"      \
             "n:CongDan></n:CongdanCollection>")
#define NO_MATCH ENVELOPE("<n:CongdanCollection xmlns:n=\"http://www.mic.gov.vn/dancu/1.0\"/>")

static struct host *population(void)
{
    return host_new(&lt_population_adapter, "https://population/dc", OPTIONS);
}

static void no_citizen_in(struct lt_span s)
{
    if (memmem(s.ptr, s.len, "002224000001", 12) || memmem(s.ptr, s.len, "MẪU", 4))
        fail_msg("citizen data in " LT_SPAN_FMT, LT_SPAN_ARG(s));
}

static void a_match_adds_the_database_to_the_snapshot(void **state)
{
    (void)state;
    struct host *h = population();
    struct host_work *w = host_submit(
        h, LT_STEP_CHECK, "A-1", "{\"HoSo\":{\"MaHoSo\":\"A-1\",\"DSKetNoiCSDL\":[{\"MaCSDL\":\"1\"}]}," PERSON "}");
    assert_string_equal(host_call(h)->url, "https://population/dc");
    assert_non_null(strstr(host_call(h)->headers, "SOAPAction: \"\"\n"));
    host_expect(h, "<dan:MaYeuCau>0123456789abcdef0123456789abcdef-1</dan:MaYeuCau>");
    host_answer(h, 200, MATCH);
    assert_int_equal(w->result.outcome, LT_OUTCOME_OK);
    assert_span_is(w->result.forward,
                   "{\"HoSo\":{\"MaHoSo\":\"A-1\",\"DSKetNoiCSDL\":[{\"MaCSDL\":\"1\"},{\"MaCSDL\":\"7\"}]}," PERSON
                   "}");
    assert_int_equal(w->result.notes_len, 1);
    assert_int_equal(w->result.notes[0].to, LT_NOTE_ANSWER);
    assert_span_is(w->result.notes[0].data,
                   "{\"MaHoSo\":\"A-1\",\"ce_id\":\"0123456789abcdef0123456789abcdef\",\"step\":\"check\","
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
    assert_int_equal(w->result.notes_len, 2);
    assert_int_equal(w->result.notes[1].to, LT_NOTE_PROVINCE);
    assert_string_equal(w->result.notes[1].type, "vn.lienthong.population.mismatch.v1");
    for (size_t i = 0; i < 2; i++)
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
    host_expect(h, "-2</dan:MaYeuCau>");
    host_answer(h, 500, "x");
    assert_int_equal(w->result.outcome, LT_OUTCOME_RETRY);
    assert_int_equal(w->result.notes_len, 0);
    no_citizen_in(lt_span_str(w->reason));
    host_free(h);
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

static int setup(void **state)
{
    (void)state;
    lt_xml_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_adds_the_database_to_the_snapshot),
        cmocka_unit_test(no_match_forwards_unchanged_and_tells_the_province),
        cmocka_unit_test(errors_and_silence_wait_for_another_try),
        cmocka_unit_test(an_event_without_a_citizen_passes),
        cmocka_unit_test(a_match_without_a_snapshot_forwards_unchanged),
        cmocka_unit_test(closing_forgets_the_questions_that_are_out),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
