/* Call-backs to provinces, and notifications: what goes out, what an answer means, and whose trouble is whose. */
#include "adapters/notify/notify.h"
#include "adapters/provincial/provincial.h"
#include "gateway/base/log.h"
#include "tests/unit/adapter_host.h"

#define ENDPOINTS                                                                                                      \
    "endpoints:\n  H22: {path: /cb/h22}\n  H40: {url: \"https://h40.example/cb\", message: {format: xml, fields: "     \
    "{id: "                                                                                                            \
    "id, kq: /outcome}}}\n"
#define DATA "{\"MaHoSo\":\"A-1\",\"outcome\":\"no-match\"}"

static struct host *provincial(const char *more)
{
    LT_AUTOFREE char *options = lt_asprintf(ENDPOINTS "%s", more);
    return host_new(&lt_provincial_adapter, "https://lgsp.example", options);
}

/* The next event of a province. The host's events are of H22: this one is submitted by hand. */
static struct host_work *of_province(struct host *h, const char *province)
{
    struct host_work *w = host_submit(h, LT_STEP_CALL, "A-9", DATA);
    host_answer(h, 503, ""); /* what H22 says to it does not matter */
    w->done = false;
    w->event.province = lt_span_str(province);
    h->type->submit(h->adapter, &w->work);
    return w;
}

static void is(const struct host_work *w, enum lt_outcome o, const char *code)
{
    if (!w->done || w->result.outcome != o || strcmp(w->code, code) != 0)
        fail_msg("expected %s (%s), got %s (%s)", lt_outcome_name(o), code,
                 w->done ? lt_outcome_name(w->result.outcome) : "nothing", w->code);
    assert_true(w->result.local); /* never a pause of all provinces */
}

static void each_province_gets_its_own_form_at_its_own_address(void **state)
{
    (void)state;
    struct host *h = provincial("");
    struct host_work *w = host_submit(h, LT_STEP_CALL, "A-1", DATA);
    assert_string_equal(host_call(h)->url, "https://lgsp.example/cb/h22");
    assert_contains(host_call(h)->headers, "Content-Type: application/json; charset=utf-8\n");
    host_expect(h, "\"MaHoSo\":\"A-1\",\"data\":" DATA "}");
    host_answer(h, 202, "");
    is(w, LT_OUTCOME_OK, "http-202");
    struct host_work *x = of_province(h, "H40");
    assert_string_equal(host_call(h)->url, "https://h40.example/cb");
    assert_contains(host_call(h)->headers, "Content-Type: application/xml; charset=utf-8\n");
    host_expect(h, "<id>0123456789abcdef0123456789abcdef</id><kq>no-match</kq></ThongBao>");
    host_answer(h, 409, "");
    is(x, LT_OUTCOME_EXISTS, "http-409");
    struct host_work *y = of_province(h, "H99");
    is(y, LT_OUTCOME_REJECT, "no-endpoint");
    host_free(h);
    h = provincial("no_endpoint: pass\n");
    is(of_province(h, "H99"), LT_OUTCOME_PASS, "no-endpoint");
    host_free(h);
}

static void a_province_that_does_not_let_us_in_keeps_only_its_own_waiting(void **state)
{
    (void)state;
    struct host *h = provincial("");
    struct host_work *w = host_submit(h, LT_STEP_CALL, "A-1", DATA);
    host_fail(h, LT_HTTP_CREDENTIAL);
    is(w, LT_OUTCOME_RETRY, "tls");
    assert_int_equal(w->result.wait_ms, 1000);
    struct host_work *second = host_submit(h, LT_STEP_CALL, "A-2", DATA);
    is(second, LT_OUTCOME_RETRY, "province-paused"); /* without a call */
    second->event.province = LT_SPAN_LIT("H40");
    host_submit_again(h, second, false); /* another province flows */
    assert_string_equal(host_call(h)->url, "https://h40.example/cb");
    host_answer(h, 200, "");
    is(second, LT_OUTCOME_OK, "taken");
    host_tick(h, 1000);
    host_submit_again(h, w, false); /* the probe */
    struct host_work *third = host_submit(h, LT_STEP_CALL, "A-3", DATA);
    is(third, LT_OUTCOME_RETRY, "province-paused"); /* one probe at a time */
    host_fail(h, LT_HTTP_CREDENTIAL);
    assert_int_equal(w->result.wait_ms, 2000); /* longer each time */
    host_tick(h, 2000);
    host_submit_again(h, w, false);
    host_answer(h, 200, "");
    is(w, LT_OUTCOME_OK, "taken");
    host_submit_again(h, third, false);
    assert_int_equal(host_open(h), 1); /* it flows again */
    host_free(h);
}

static void shows_denied(struct host *h, const char *province, int denied)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 16);
    h->type->metrics(h->adapter, "province", &out);
    LT_AUTOFREE char *line =
        lt_asprintf("lienthong_delivery_province_denied{target=\"province\",province=\"%s\"} %d\n", province, denied);
    assert_contains(out.ptr, line);
}

/* An operator had the target resumed, or our certificate was replaced: nobody waits for the end of a long pause. */
static void a_paused_province_is_tried_when_it_is_told_to(void **state)
{
    (void)state;
    struct host *h = provincial("");
    assert_false(h->type->try_at(h->adapter, h->now_ms)); /* nobody is paused */
    struct host_work *w = host_submit(h, LT_STEP_CALL, "A-1", DATA);
    host_fail(h, LT_HTTP_CREDENTIAL);
    for (int64_t pause = 1000; pause < 64000; pause *= 2) {
        assert_int_equal(w->result.wait_ms, pause);
        host_tick(h, pause);
        host_submit_again(h, w, false);
        host_fail(h, LT_HTTP_CREDENTIAL);
    }
    shows_denied(h, "H22", 1);
    shows_denied(h, "H40", 0);
    assert_true(h->type->try_at(h->adapter, h->now_ms + 5000));
    host_tick(h, 4999);
    host_submit_again(h, w, false);
    is(w, LT_OUTCOME_RETRY, "province-paused");
    assert_string_equal(w->reason, "the endpoint of H22 is paused (tls)");
    host_tick(h, 1);
    host_submit_again(h, w, false);
    host_answer(h, 200, "");
    is(w, LT_OUTCOME_OK, "taken");
    shows_denied(h, "H22", 0);
    assert_false(h->type->try_at(h->adapter, h->now_ms));
    host_free(h);
}

static void failures_in_a_row_pause_and_a_refusal_of_one_event_does_not(void **state)
{
    (void)state;
    struct host *h = provincial("failures_max: 2\n");
    struct host_work *w = host_submit(h, LT_STEP_CALL, "A-1", DATA);
    host_fail(h, LT_HTTP_NOT_SENT);
    is(w, LT_OUTCOME_RETRY, "not-sent");
    struct host_work *bad = host_submit(h, LT_STEP_CALL, "A-2", DATA);
    host_answer(h, 422, "{\"code\":\"unknown-dossier\",\"detail\":\"không có\"}");
    is(bad, LT_OUTCOME_REJECT, "http-422");
    assert_contains(bad->reason, "không có");
    for (int i = 0; i < 2; i++) {
        host_submit_again(h, w, false);
        host_fail(h, LT_HTTP_NOT_SENT);
    }
    host_submit_again(h, w, false);
    is(w, LT_OUTCOME_RETRY, "province-paused");
    host_free(h);
}

/* Paused by an operator, or left too late: the province was not asked and its breaker has nothing to count. */
static void what_the_engine_keeps_back_is_no_failure_of_the_province(void **state)
{
    (void)state;
    struct host *h = provincial("failures_max: 2\n");
    struct host_work *w = host_submit(h, LT_STEP_CALL, "A-1", DATA);
    for (int i = 0; i < 4; i++) {
        host_keep_back(h);
        is(w, LT_OUTCOME_RETRY, "not-sent");
        host_submit_again(h, w, false);
    }
    assert_int_equal(host_open(h), 1);
    host_answer(h, 200, "");
    is(w, LT_OUTCOME_OK, "taken");
    host_free(h);
}

static void a_call_back_that_may_have_arrived_is_unknown_and_the_option_decides(void **state)
{
    (void)state;
    struct host *h = provincial("on_unknown: resend\n");
    assert_true(h->traits.repeat_unknown);
    struct host_work *w = host_submit(h, LT_STEP_CALL, "A-1", DATA);
    host_fail(h, LT_HTTP_UNKNOWN);
    is(w, LT_OUTCOME_UNKNOWN, "cut");
    host_free(h);
    h = provincial("");
    assert_false(h->traits.repeat_unknown);
    assert_true(lt_provincial_adapter.once(LT_STEP_CALL));
    host_free(h);
}

static void a_notification_carries_the_fields_and_the_token(void **state)
{
    (void)state;
    setenv("LT_TEST_NOTIFY_TOKEN", "t-1", 1);
    struct host *h = host_new(&lt_notify_adapter, "https://msg.example",
                              "{path: /messages, token: {env: LT_TEST_NOTIFY_TOKEN}, message: {fields: {id: id, phone: "
                              "/HoSo/SoDienThoai}}}");
    struct host_work *w = host_submit(h, LT_STEP_CALL, "A-1", "{\"HoSo\":{\"SoDienThoai\":\"0900000000\"}}");
    assert_string_equal(host_call(h)->url, "https://msg.example/messages");
    assert_contains(host_call(h)->headers, "Authorization: Bearer t-1\n");
    assert_string_equal(host_call(h)->body, "{\"id\":\"0123456789abcdef0123456789abcdef\",\"phone\":\"0900000000\"}");
    host_answer(h, 503, "");
    assert_int_equal(w->result.outcome, LT_OUTCOME_RETRY);
    host_submit_again(h, w, false);
    host_answer(h, 500, "");
    assert_int_equal(w->result.outcome, LT_OUTCOME_UNKNOWN);
    host_submit_again(h, w, true);
    host_fail(h, LT_HTTP_CREDENTIAL);
    assert_int_equal(w->result.outcome, LT_OUTCOME_CREDENTIAL);
    assert_false(w->result.local); /* here the target is one: it pauses */
    host_secret(h, "token", "t-2");
    host_submit_again(h, w, true);
    assert_contains(host_call(h)->headers, "Authorization: Bearer t-2\n");
    host_free(h);
}

static void a_url_that_paths_cannot_follow_and_a_path_that_changes_the_host_are_mistakes(void **state)
{
    (void)state;
    static const struct {
        const struct lt_adapter_type *type;
        const char *url, *options, *says;
    } rows[] = {
        {&lt_provincial_adapter, "https://p?a", "{endpoints: {H22: {path: /cb}}}", "url: expected no '?'"},
        {&lt_provincial_adapter, "https://p", "{endpoints: {H22: {path: .other.example/cb}}}",
         "H22.path: expected a path that begins with '/'"},
        {&lt_provincial_adapter, "https://p", "{endpoints: {H22: {url: \"http://other.example/cb\"}}}",
         "H22.url: expected a URL https://"},
        {&lt_notify_adapter, "https://p#a", "{path: /x}", "url: expected no '?'"},
        {&lt_notify_adapter, "http://127.0.0.1", "{path: \"@other.example/\"}",
         "options.path: expected a path that begins with '/'"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_yaml *yaml = NULL;
        struct lt_diags diags = LT_DIAGS_INIT;
        LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(65536);
        struct lt_adapter_traits traits;
        void *adapter = NULL;
        assert_int_equal(lt_yaml_parse("t.yaml", lt_span_str(rows[i].options), &yaml, NULL), LT_OK);
        const struct lt_config_target t = {.name = "t", .url = rows[i].url, .options = lt_yaml_root(yaml)};
        const struct lt_adapter_settings s = {.target = &t};
        assert_int_equal(rows[i].type->new (&s, &adapter, &traits, &diags), LT_E_INVALID);
        lt_diags_print(&diags, &text);
        assert_contains(text.ptr, rows[i].says);
        lt_diags_deinit(&diags);
        lt_yaml_free(yaml);
    }
}

static int setup(void **state)
{
    (void)state;
    lt_log_threshold = LT_LOG_ERROR + 1;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_province_gets_its_own_form_at_its_own_address),
        cmocka_unit_test(a_province_that_does_not_let_us_in_keeps_only_its_own_waiting),
        cmocka_unit_test(a_paused_province_is_tried_when_it_is_told_to),
        cmocka_unit_test(failures_in_a_row_pause_and_a_refusal_of_one_event_does_not),
        cmocka_unit_test(what_the_engine_keeps_back_is_no_failure_of_the_province),
        cmocka_unit_test(a_call_back_that_may_have_arrived_is_unknown_and_the_option_decides),
        cmocka_unit_test(a_notification_carries_the_fields_and_the_token),
        cmocka_unit_test(a_url_that_paths_cannot_follow_and_a_path_that_changes_the_host_are_mistakes),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
