/* Tables of what a target's answers mean: what a row can look at, what a table may not say, and what a mistake in one
 * is told as. */
#include "gateway/delivery/classifier.h"
#include "tests/unit/harness.h"

enum { CREATE, LOOKUP };
static const char *const operations[] = {"create", "lookup", NULL};
static const struct lt_classifier_form form = {.who = "the target",
                                               .operations = operations,
                                               .asks = 1u << LOOKUP,
                                               .classes = (1u << LT_CLASSES) - 1,
                                               .quotes = true};

struct table {
    struct lt_yaml *yaml;
    struct lt_classifier *classifier;
    struct lt_arena arena;
    char *findings; /* NULL: none */
};

static struct table load(const char *text)
{
    struct table t = {.arena = LT_ARENA_INIT};
    struct lt_diags diags = LT_DIAGS_INIT;
    assert_int_equal(lt_yaml_parse("t.yaml", lt_span_str(text), &t.yaml, &diags), LT_OK);
    if (lt_classifier_new(&form, lt_yaml_root(t.yaml), NULL, &t.classifier, &diags) != LT_OK) {
        struct lt_buf out = LT_BUF_INIT(65536);
        lt_diags_print(&diags, &out);
        t.findings = lt_buf_take(&out);
        t.classifier = NULL;
    }
    lt_diags_deinit(&diags);
    return t;
}

static void unload(struct table *t)
{
    lt_classifier_free(t->classifier);
    lt_yaml_free(t->yaml);
    lt_arena_deinit(&t->arena);
    free(t->findings);
}

static struct table good(const char *text)
{
    struct table t = load(text);
    if (t.findings)
        fail_msg("%s", t.findings);
    return t;
}

/* The row an answer ends in. */
static const char *row_of(struct table *t, unsigned operation, const struct lt_http_answer *h, enum lt_class is)
{
    struct lt_classified r;
    lt_classifier_read(t->classifier, operation, h, &t->arena, &r);
    if (r.is != is)
        fail_msg("expected %s, got %s by row %s", lt_class_name(is), lt_class_name(r.is), r.row);
    const char *row = r.row;
    lt_classified_deinit(&r);
    return row;
}

static struct lt_http_answer body(const char *text)
{
    return (struct lt_http_answer){
        .failure = LT_HTTP_ANSWERED, .status = 200, .body = lt_span_str(text), .retry_after_s = -1};
}

#define FAULT(code)                                                                                                    \
    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>" code              \
    "</faultcode><faultstring>khác</faultstring></s:Fault></s:Body></s:Envelope>"

static void a_row_looks_at_status_header_body_message_fault_alert_and_curl_word(void **state)
{
    (void)state;
    struct table t = good(
        "unlisted: unknown\n"
        "code: /loi/0/ma\n"
        "message: /loi/0/chu\n"
        "rows:\n"
        "  - {name: expired, when: {alert: certificate expired}, is: credential, examples: [{transport: tls, alert: "
        "certificate expired}]}\n"
        "  - {name: dns, when: {transport: not-sent, curl: COULDNT_RESOLVE_HOST}, is: retry, examples: [{transport: "
        "not-sent, curl: COULDNT_RESOLVE_HOST}]}\n"
        "  - {name: range, when: {status: [418, 510-519]}, is: reject, examples: [{status: 418}, {status: 515}]}\n"
        "  - {name: header, when: {header: {x-state: \"closed*\"}}, is: unavailable, examples: [{header: {X-State: "
        "closed for the night}}]}\n"
        "  - {name: code, when: {body: {/loi/0/ma: [\"7\", \"-3\"]}}, is: exists, examples: [{body: "
        "'{\"loi\":[{\"ma\":7}]}'}, {body: '{\"loi\":[{\"ma\":\"-3\"}]}'}]}\n"
        "  - {name: words, when: {message: [bận]}, is: retry, examples: [{body: '{\"loi\":[{\"chu\":\"Hệ thống "
        "BẬN\"}]}'}]}\n"
        "  - {name: fault, when: {fault: \"Server.*\"}, is: retry, wait: 30s, examples: [{status: 500, body: '" FAULT(
            "x:Server.A") "'}]}\n"
                          "  - {name: silent, when: {form: json, message: \"\"}, is: ok, examples: [{body: '{}'}]}\n");
    struct lt_http_answer h = body("{\"loi\":[{\"ma\":7}]}");
    assert_string_equal(row_of(&t, CREATE, &h, LT_CLASS_EXISTS), "code");
    h = body("{\"loi\":[{\"ma\":\"-3\",\"chu\":\"x\"}]}");
    assert_string_equal(row_of(&t, CREATE, &h, LT_CLASS_EXISTS), "code");
    h = body(FAULT("s:Server.Busy"));
    h.status = 500;
    assert_string_equal(row_of(&t, CREATE, &h, LT_CLASS_RETRY), "fault");
    h = body("{}");
    h.headers = LT_SPAN_LIT("Date: x\r\nX-STATE:  closed  \r\n");
    assert_string_equal(row_of(&t, CREATE, &h, LT_CLASS_UNAVAILABLE), "header");
    h = body("{\"loi\":[{\"chu\":\"x\"}]}");
    assert_string_equal(row_of(&t, CREATE, &h, LT_CLASS_UNKNOWN), "unlisted");
    unload(&t);
}

static void the_sentence_quotes_code_and_words_and_the_wait_is_the_targets_before_the_rows(void **state)
{
    (void)state;
    struct table t = good("{unlisted: reject, rows: [{name: later, when: {status: 429}, is: throttle, wait: 30s, "
                          "examples: [{status: 429}]}]}");
    struct lt_http_answer h = body("{\"error_code\":5,\"message\":\"hết lượt\"}");
    struct lt_classified r;
    lt_classifier_read(t.classifier, CREATE, &h, &t.arena, &r);
    assert_int_equal(r.is, LT_CLASS_REJECT);
    assert_string_equal(r.code, "error_code 5");
    assert_string_equal(r.reason, "the target answered error_code 5: hết lượt");
    assert_int_equal(r.wait_ms, -1);
    lt_classified_deinit(&r);
    h.status = 429;
    lt_classifier_read(t.classifier, CREATE, &h, &t.arena, &r);
    assert_string_equal(r.code, "http-429");
    assert_int_equal(r.wait_ms, 30000);
    lt_classified_deinit(&r);
    h.retry_after_s = 5;
    lt_classifier_read(t.classifier, CREATE, &h, &t.arena, &r);
    assert_int_equal(r.wait_ms, 5000);
    lt_classified_deinit(&r);
    unload(&t);
}

/* Whatever the table says: a call that may have arrived was not "certainly not applied", one without an answer is no
 * success. */
/* The code is logged, the sentence is not. */
static void words_where_the_code_belongs_do_not_become_the_code(void **state)
{
    static const struct {
        const char *said, *code;
    } cases[] = {{"-2", "error_code -2"},
                 {"SP-12.MissingHeader", "error_code SP-12.MissingHeader"},
                 {"VANG THI MAU", "error_code that is no code"},
                 {"002090000123", "error_code that is no code"},
                 {"V\u00c0NG", "error_code that is no code"}};
    (void)state;
    struct table t =
        good("{unlisted: unknown, rows: [{name: later, when: {status: 429}, is: throttle, examples: [{status: "
             "429}]}]}");
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        LT_AUTOFREE char *text = lt_asprintf("{\"error_code\": \"%s\"}", cases[i].said);
        struct lt_http_answer h = body(text);
        struct lt_classified r;
        lt_classifier_read(t.classifier, CREATE, &h, &t.arena, &r);
        assert_string_equal(r.code, cases[i].code);
        lt_classified_deinit(&r);
    }
    unload(&t);
}

static void no_table_can_turn_a_call_that_may_have_arrived_into_one_that_did_not(void **state)
{
    (void)state;
    struct table t = good("{unlisted: reject, rows: [{name: all, is: retry, examples: [{body: x}]}]}");
    struct lt_http_answer cut = {.failure = LT_HTTP_UNKNOWN, .retry_after_s = -1},
                          unsent = {.failure = LT_HTTP_NOT_SENT, .retry_after_s = -1};
    (void)row_of(&t, CREATE, &cut, LT_CLASS_UNKNOWN);
    (void)row_of(&t, LOOKUP, &cut, LT_CLASS_RETRY); /* a question changes nothing */
    (void)row_of(&t, CREATE, &unsent, LT_CLASS_RETRY);
    unload(&t);
    t = load("{unlisted: reject, rows: [{name: a, when: {transport: cut}, is: retry, examples: [{transport: cut}]}]}");
    assert_contains(t.findings,
                    "expected what can be known of a call that ended cut (unknown: it may have been applied)");
    unload(&t);
    t = load("{unlisted: reject, rows: [{name: a, when: {transport: tls}, is: ok, examples: [{transport: tls}]}]}");
    assert_contains(t.findings, "ended tls (retry, throttle or credential), got 'ok'");
    unload(&t);
    t = good("{unlisted: unknown, rows: [{name: a, is: ok, examples: [{body: x}]}]}");
    (void)row_of(&t, CREATE, &unsent, LT_CLASS_RETRY);
    (void)row_of(&t, LOOKUP, &cut, LT_CLASS_UNKNOWN);
    unload(&t);
}

static void a_row_that_an_earlier_one_always_takes_is_found(void **state)
{
    (void)state;
    static const char *const hidden[] = {
        "{name: a, when: {status: 5xx}, is: unknown, examples: [{status: 500}]}, {name: b, when: {status: [502, "
        "504]}, is: unknown, examples: [{status: 502}]}",
        "{name: a, when: {message: [tồn tại]}, is: reject, examples: [{body: '{\"message\":\"tồn tại\"}'}]}, "
        "{name: b, "
        "on: [create], when: {message: [đã tồn tại], status: 200}, is: exists, examples: [{body: "
        "'{\"message\":\"đã tồn tại\"}'}]}",
        "{name: a, when: {fault: \"Server*\"}, is: retry, examples: [{body: '" FAULT(
            "Server") "'}]}, {name: b, when: {fault: \"Server.Proxy.*\"}, is: unavailable, examples: [{body: "
                      "'" FAULT("Server.Proxy.X") "'}]}",
        "{name: a, when: {transport: answered}, is: ok, examples: [{}]}, {name: b, when: {body: {/a: \"1\"}}, is: "
        "reject, examples: [{body: '{\"a\":1}'}]}",
        "{name: a, when: {header: {X-A: \"*\"}}, is: ok, examples: [{header: {X-A: b}}]}, {name: b, when: {header: "
        "{x-a: b, X-B: c}}, is: reject, examples: [{header: {X-A: b, X-B: c}}]}",
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(hidden); i++) {
        LT_AUTOFREE char *text = lt_asprintf("{unlisted: reject, rows: [%s]}", hidden[i]);
        struct table t = load(text);
        assert_non_null(t.findings);
        assert_contains(t.findings, "row 'b' can never match: row 'a' of line 1 takes all its answers");
        unload(&t);
    }
}

/* What structure does not show, the examples do: each must reach its own row. */
static void an_example_that_ends_elsewhere_and_a_row_without_one_are_errors(void **state)
{
    (void)state;
    struct table t =
        load("{unlisted: reject, rows: [{name: low, when: {status: 200-249}, is: ok, examples: [{}]}, "
             "{name: high, when: {status: 250-299}, is: ok, examples: [{status: 250}]}, {name: both, when: "
             "{status: 2xx}, is: reject, examples: [{status: 260}]}]}");
    assert_contains(t.findings, "expected this answer to end in row 'both', got row 'high'");
    unload(&t);
    t = load("{unlisted: reject, rows: [{name: a, when: {status: 200}, is: ok, examples: [{status: 201}]}]}");
    assert_contains(t.findings, "expected this answer to end in row 'a', got no row at all");
    unload(&t);
    t = load("{unlisted: reject, rows: [{name: a, when: {status: 200}, is: ok}]}");
    assert_contains(t.findings, "examples: expected a list of answers that end in this row");
    unload(&t);
}

static void every_mistake_in_a_table_is_told_with_its_place(void **state)
{
    (void)state;
    struct table t = load("unlisted: retry\n"
                          "rows:\n"
                          "  - {name: a, when: {staus: 200}, is: ok, examples: [{}]}\n"
                          "  - {name: b, when: {status: 20x}, is: okay, examples: [{}]}\n"
                          "  - {name: c, on: [creat], is: ok, examples: [{}]}\n"
                          "  - {name: c, when: {body: {error: 1}, curl: NO_SUCH}, is: ok, examples: [{}]}\n"
                          "  - {name: d, when: {transport: cut, status: 200}, is: unknown, examples: [{}]}\n"
                          "  - {name: e, when: {form: jsn}, is: ok, examples: [{}]}\n");
    static const char *const findings[] = {
        "t.yaml:1:11: answers.unlisted: expected one of reject, unknown, got 'retry'",
        "t.yaml:3:22: when: expected a known key, got 'staus' (did you mean 'status'?)",
        "t.yaml:4:30: status: expected 200, 5xx or 400-499",
        "is: expected one of ok, exists",
        "on: expected of create, lookup, got 'creat' (did you mean 'create'?)",
        "name: expected a name of its own, got 'c', which line 5 has too",
        "body: expected a JSON Pointer that begins with '/'",
        "curl: expected a word such as COULDNT_CONNECT, got 'NO_SUCH'",
        "transport: expected answered beside conditions on the answer",
        "form: expected of json, soap, xml, empty, other, got 'jsn'",
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(findings); i++)
        assert_contains(t.findings, findings[i]);
    unload(&t);
}

static void an_answer_is_read_however_long_its_caller_let_it_become(void **state)
{
    (void)state;
    struct table t =
        good("{unlisted: unknown, rows: [{name: fine, when: {body: {/error_code: \"0\"}}, is: ok, examples: "
             "[{body: '{\"error_code\":0}'}]}]}");
    size_t len = (size_t)6 << 20; /* a list of all procedures; the transport bounds what comes */
    LT_AUTOFREE char *name = lt_alloc(len + 1);
    memset(name, 'a', len);
    LT_AUTOFREE char *text = lt_asprintf("{\"error_code\":0,\"result\":[{\"TENTTHC\":\"%s\"}]}", name);
    struct lt_http_answer h = body(text);
    assert_string_equal(row_of(&t, LOOKUP, &h, LT_CLASS_OK), "fine");
    unload(&t);
}

static void answers_are_counted_by_row_and_the_unlisted_ones_apart(void **state)
{
    (void)state;
    struct table t = good("{unlisted: unknown, rows: [{name: fine, when: {status: 200}, is: ok, examples: [{}]}]}");
    struct lt_http_answer h = body("{}");
    (void)row_of(&t, CREATE, &h, LT_CLASS_OK);
    (void)row_of(&t, CREATE, &h, LT_CLASS_OK);
    h.status = 299;
    (void)row_of(&t, CREATE, &h, LT_CLASS_UNKNOWN);
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(4096);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_classifier_status(t.classifier, &w);
    lt_json_end_object(&w);
    assert_string_equal(out.ptr, "{\"answers\":{\"unlisted\":1,\"unlisted_is\":\"unknown\",\"rows\":{\"fine\":2}}}");
    lt_buf_reset(&out);
    lt_classifier_metrics(t.classifier, "portal", &out);
    assert_contains(out.ptr, "lienthong_delivery_answers_by_row_total{target=\"portal\",row=\"fine\",is=\"ok\"} 2");
    assert_contains(out.ptr, "lienthong_delivery_answers_unlisted_total{target=\"portal\"} 1");
    unload(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_looks_at_status_header_body_message_fault_alert_and_curl_word),
        cmocka_unit_test(the_sentence_quotes_code_and_words_and_the_wait_is_the_targets_before_the_rows),
        cmocka_unit_test(words_where_the_code_belongs_do_not_become_the_code),
        cmocka_unit_test(no_table_can_turn_a_call_that_may_have_arrived_into_one_that_did_not),
        cmocka_unit_test(a_row_that_an_earlier_one_always_takes_is_found),
        cmocka_unit_test(an_example_that_ends_elsewhere_and_a_row_without_one_are_errors),
        cmocka_unit_test(every_mistake_in_a_table_is_told_with_its_place),
        cmocka_unit_test(an_answer_is_read_however_long_its_caller_let_it_become),
        cmocka_unit_test(answers_are_counted_by_row_and_the_unlisted_ones_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
