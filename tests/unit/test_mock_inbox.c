/* The mock that takes messages: provinces' endpoints and message gateways. */
#include "tests/unit/test_mock_call.h"

#include "adapters/mock/inbox.h"

struct world {
    struct lt_mock_inbox_settings settings;
    const char *refuse[1];
    struct lt_mock_inbox *inbox;
    struct caller call;
};

static int setup(void **state)
{
    struct world *w = lt_alloc(sizeof *w);
    w->refuse[0] = "/callback/h99";
    w->settings = (struct lt_mock_inbox_settings){.id_field = "maThongBao", .refuse = {w->refuse, 1}, .hold_ms = 9000};
    assert_int_equal(lt_mock_inbox_new(&w->settings, &w->inbox, NULL), LT_OK);
    w->call = (struct caller){.mock = {"province", w->inbox, lt_mock_inbox_handle},
                              .now_ms = CALL_NOW_MS,
                              .content_type = "application/json",
                              .reply = LT_MOCK_REPLY_INIT};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    caller_reset(&w->call);
    lt_mock_inbox_free(w->inbox);
    free(w);
    return 0;
}

static void messages_are_kept_in_order_and_a_second_one_of_an_id_is_told(void **state)
{
    struct world *w = *state;
    assert_int_equal(caller_post(&w->call, "/callback/h22", "{\"id\":\"b\",\"x\":1}"), 202);
    w->call.content_type = "application/xml; charset=utf-8";
    assert_int_equal(caller_post(&w->call, "/callback/h40", "<T xmlns='u'><maThongBao>a</maThongBao></T>"), 202);
    assert_int_equal(caller_post(&w->call, "/callback/h40", "<T xmlns='u'><maThongBao>a</maThongBao></T>"), 409);
    assert_int_equal(caller_get(&w->call, "/oracle/messages"), 200);
    lt_json_value list = lt_json_get(caller_root(&w->call), "messages");
    struct lt_span s;
    assert_int_equal(lt_json_len(list), 2);
    assert_true(lt_json_string(lt_json_get(lt_json_at(list, 1), "path"), &s));
    assert_span_is(s, "/callback/h40");
    assert_true(lt_json_string(lt_json_get(lt_json_at(list, 0), "body"), &s));
    assert_span_is(s, "{\"id\":\"b\",\"x\":1}");
    assert_int_equal(caller_number(&w->call, "/oracle/counters", "taken"), 2);
    assert_int_equal(caller_number(&w->call, "/oracle/counters", "repeats"), 1);
}

static void what_has_no_id_or_is_not_wanted_is_refused_and_faults_name_the_province(void **state)
{
    struct world *w = *state;
    static const char *const bodies[] = {"", "[]", "{}", "{\"id\":{}}", "<id>1</id>"};
    for (size_t i = 0; i < LT_ARRAY_LEN(bodies); i++)
        assert_int_equal(caller_post(&w->call, "/callback/h22", bodies[i]), 400);
    assert_int_equal(caller_post(&w->call, "/callback/h99", "{\"id\":\"1\"}"), 422);
    assert_int_equal(caller_get(&w->call, "/callback/h22"), 405);
    assert_int_equal(caller_post(&w->call, "/control/faults", "{\"kind\":\"http503\",\"service\":\"h22\"}"), 200);
    assert_int_equal(caller_post(&w->call, "/callback/h40", "{\"id\":\"1\"}"), 202);
    assert_int_equal(caller_post(&w->call, "/callback/h22", "{\"id\":\"2\"}"), 503);
    assert_int_equal(caller_post(&w->call, "/callback/h22", "{\"id\":\"2\"}"), 202);
    assert_int_equal(caller_post(&w->call, "/oracle/reset", ""), 200);
    assert_int_equal(caller_number(&w->call, "/oracle/counters", "taken"), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(messages_are_kept_in_order_and_a_second_one_of_an_id_is_told),
        CASE(what_has_no_id_or_is_not_wanted_is_refused_and_faults_name_the_province),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
