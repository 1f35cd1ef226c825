#include "tests/unit/test_ingest_kit.h"

#include <stdio.h>

#include "gateway/ingest/answer.h"
#include "gateway/model/event.h"

struct sent {
    struct lt_submission *s;
    int done;
    struct lt_answer answer;
};

static void on_done(void *ctx, struct lt_submission *s)
{
    struct sent *sent = ctx;
    sent->done++;
    lt_answer_of(s, &sent->answer);
}

static void send_as(struct ingest_kit *k, int client, const char *media, const char *body, struct sent *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->s = lt_submission_new(&k->intake, &k->clients[client], "http");
    lt_submission_add(ret->s, k->mapping.t, lt_span_str(media), lt_span_str(body), "");
    lt_submission_start(ret->s, on_done, ret);
}

static void sent_free(struct sent *sent)
{
    assert_int_equal(sent->done, 1);
    lt_submission_free(sent->s);
    lt_answer_deinit(&sent->answer);
}

static void expect(struct sent *sent, int status, const char *part)
{
    assert_int_equal(sent->done, 1);
    if (sent->answer.status != status || !strstr(sent->answer.body.ptr, part))
        fail_msg("expected %d and %s, got %d\n%s", status, part, sent->answer.status, sent->answer.body.ptr);
}

static int setup(void **state)
{
    struct ingest_kit *k = lt_alloc(sizeof(*k));
    ingest_kit_init(k);
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    ingest_kit_deinit(*state);
    free(*state);
    return 0;
}

static void an_accepted_event_is_202_with_a_receipt_once_kafka_has_it(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    struct lt_receipt receipt;
    k->log.hold = true;
    send_as(k, H22, JSON, small_event("H22.01-1", "receive", "H22.01"), &sent);
    assert_int_equal(sent.done, 0);
    fake_release(&k->log);
    expect(&sent, 202, "\"status\":\"accepted\",\"durability\":\"replicated\"}");
    const struct fake_record *r = fake_at(&k->log, LT_TOPIC_INTAKE, 0);
    assert_string_equal(r->key, "H22/H22.01-1");
    assert_span_is(fake_header(r, "lt_client"), "tinh-h22");
    struct lt_span id = fake_header(r, "ce_id"), key = lt_span_str(k->mapping.config.ingest.receipt_key.text);
    assert_true(lt_receipt_parse(lt_span_str(sent.s->items.v[0].receipt), LT_SPAN_LIT("tinh-h22"), key, &receipt));
    assert_span_is(id, receipt.ce_id);
    assert_int_equal(receipt.offset, 0);
    assert_false(lt_receipt_parse(lt_span_str(sent.s->items.v[0].receipt), LT_SPAN_LIT("tinh-h40"), key, &receipt));
    sent_free(&sent);
}

static void one_broker_is_told_as_single_node(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    k->mapping.config.topics.replication = 1;
    send_as(k, H22, JSON, small_event("H22.01-1", "receive", "H22.01"), &sent);
    expect(&sent, 202, "\"durability\":\"single-node\"");
    sent_free(&sent);
}

static void a_refused_event_is_a_problem_and_a_dead_letter(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    send_as(k, H22, JSON, small_event("H22.01-1", "receive", "H22.99"), &sent);
    expect(&sent, 422, "\"code\":\"unknown-unit\"");
    assert_true(sent.answer.problem);
    assert_non_null(strstr(sent.answer.body.ptr, "{\"type\":\"urn:lienthong:problem:unknown-unit\",\"title\":"));
    assert_non_null(strstr(sent.answer.body.ptr, "\"pointer\":"));
    const struct fake_record *r = fake_at(&k->log, LT_TOPIC_DEADLETTER, 0);
    assert_span_is(fake_header(r, "lt_reason"), "unknown-unit");
    assert_non_null(strstr(r->value, "H22.99"));
    assert_int_equal(fake_count(&k->log, LT_TOPIC_INTAKE), 0);
    assert_int_equal(fake_count(&k->log, LT_TOPIC_AUDIT), 0);
    assert_int_equal(k->counters.codes[0].count, 1);
    sent_free(&sent);
}

static void an_unreadable_input_is_a_dead_letter_with_its_bytes(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    send_as(k, H22, JSON, "{\"a\": ", &sent);
    expect(&sent, 400, "\"code\":\"json-syntax\"");
    assert_string_equal(fake_at(&k->log, LT_TOPIC_DEADLETTER, 0)->value, "{\"a\": ");
    assert_string_equal(fake_at(&k->log, LT_TOPIC_DEADLETTER, 0)->key, "tinh-h22");
    sent_free(&sent);
}

static void another_province_is_403_and_audited(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    send_as(k, H40, JSON, small_event("H22.01-1", "receive", "H22.01"), &sent);
    expect(&sent, 403, "\"code\":\"other-province\"");
    assert_int_equal(fake_count(&k->log, LT_TOPIC_DEADLETTER), 1);
    assert_int_equal(fake_count(&k->log, LT_TOPIC_AUDIT), 1);
    assert_string_equal(fake_at(&k->log, LT_TOPIC_AUDIT, 0)->key, "tinh-h40");
    assert_int_equal(fake_count(&k->log, LT_TOPIC_INTAKE), 0);
    sent_free(&sent);
}

static void a_refusal_that_cannot_be_recorded_is_503_and_never_4xx(void **state)
{
    struct ingest_kit *k = *state;
    static const struct {
        const char *topic;
        int rc;
        enum lt_delivery outcome;
    } cases[] = {{LT_TOPIC_DEADLETTER, LT_OK, LT_DELIVERY_UNKNOWN},
                 {LT_TOPIC_DEADLETTER, LT_E_UNAVAILABLE, 0},
                 {LT_TOPIC_AUDIT, LT_OK, LT_DELIVERY_REFUSED},
                 {LT_TOPIC_AUDIT, LT_E_LIMIT, 0}};
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        struct sent sent;
        fake_fault(&k->log, cases[i].topic, cases[i].rc, cases[i].outcome, 1);
        send_as(k, H40, JSON, small_event("H22.01-1", "receive", "H22.01"), &sent);
        expect(&sent, 503, "send it again, same content");
        assert_true(sent.answer.retry_after_s > 0);
        sent_free(&sent);
    }
}

static void what_kafka_did_not_acknowledge_is_503(void **state)
{
    struct ingest_kit *k = *state;
    static const struct {
        int rc;
        enum lt_delivery outcome;
        const char *code;
    } cases[] = {{LT_OK, LT_DELIVERY_UNKNOWN, "\"code\":\"unknown-outcome\""},
                 {LT_OK, LT_DELIVERY_REFUSED, "\"code\":\"kafka-away\""},
                 {LT_E_UNAVAILABLE, 0, "\"code\":\"kafka-away\""},
                 {LT_E_LIMIT, 0, "\"code\":\"busy\""}};
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        struct sent sent;
        fake_fault(&k->log, LT_TOPIC_INTAKE, cases[i].rc, cases[i].outcome, 1);
        send_as(k, H22, JSON, small_event("H22.01-1", "receive", "H22.01"), &sent);
        expect(&sent, 503, cases[i].code);
        assert_true(sent.answer.retry_after_s > 0);
        assert_int_equal(fake_count(&k->log, LT_TOPIC_DEADLETTER), 0);
        sent_free(&sent);
    }
}

static void before_genesis_nothing_is_written(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    k->log.genesis = false;
    send_as(k, H22, JSON, small_event("H22.01-1", "receive", "H22.99"), &sent);
    expect(&sent, 503, "\"code\":\"not-initialised\"");
    assert_int_equal(k->log.records.len, 0);
    sent_free(&sent);
}

static void a_record_above_the_limit_is_413_whoever_finds_out(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    fake_fault(&k->log, LT_TOPIC_INTAKE, LT_OK, LT_DELIVERY_TOO_LARGE, 1);
    send_as(k, H22, JSON, small_event("H22.01-1", "receive", "H22.01"), &sent);
    expect(&sent, 413, "\"code\":\"record-too-large\"");
    sent_free(&sent);
    k->mapping.config.topics.record_max = 4096 + 500;
    send_as(k, H22, JSON, small_event("H22.01-1", "receive", "H22.01"), &sent);
    expect(&sent, 413, "\"code\":\"record-too-large\"");
    assert_int_equal(fake_count(&k->log, LT_TOPIC_DEADLETTER), 2);
    assert_int_equal(fake_count(&k->log, LT_TOPIC_INTAKE), 0);
    sent_free(&sent);
}

static char *array(const char *const *events, size_t n)
{
    struct lt_buf b = LT_BUF_INIT(65536);
    for (size_t i = 0; i < n; i++) {
        lt_buf_str(&b, i ? "," : "[");
        lt_buf_str(&b, events[i]);
    }
    lt_buf_str(&b, "]");
    return lt_buf_take(&b);
}

static void a_batch_with_one_bad_item_answers_item_by_item(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    const char *events[] = {small_event("H22.01-1", "receive", "H22.01"), small_event("H22.01-2", "receive", "H22.99"),
                            small_event("H22.01-3", "receive", "H22.01"), small_event("H22.01-2", "process", "H22.01"),
                            small_event("H22.01-1", "process", "H22.01")};
    LT_AUTOFREE char *body = array(events, 5);
    send_as(k, H22, JSON, body, &sent);
    expect(
        &sent, 200,
        "{\"accepted\":3,\"refused\":1,\"not_attempted\":1,\"unavailable\":0,\"items\":[\n{\"index\":0,\"receipt\":");
    assert_non_null(strstr(sent.answer.body.ptr, "{\"index\":1,\"status\":\"refused\",\"problem\":{\"type\":"));
    assert_non_null(strstr(sent.answer.body.ptr, "{\"index\":3,\"status\":\"not-attempted\"}"));
    static const enum lt_item_state want[] = {LT_ITEM_ACCEPTED, LT_ITEM_REFUSED, LT_ITEM_ACCEPTED,
                                              LT_ITEM_NOT_ATTEMPTED, LT_ITEM_ACCEPTED};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(sent.s->items.v[i].state, want[i]);
    assert_int_equal(fake_count(&k->log, LT_TOPIC_INTAKE), 3);
    assert_int_equal(fake_count(&k->log, LT_TOPIC_DEADLETTER), 1);
    assert_span_is(fake_header(fake_at(&k->log, LT_TOPIC_DEADLETTER, 0), "lt_position"), "item 1");
    assert_null(strstr(fake_at(&k->log, LT_TOPIC_DEADLETTER, 0)->value, "H22.01-1")); /* the item alone */
    sent_free(&sent);
}

static void a_dossiers_events_wait_for_each_other_and_other_dossiers_do_not(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    const char *events[] = {small_event("H22.01-1", "receive", "H22.01"), small_event("H22.01-1", "process", "H22.01"),
                            small_event("H22.01-2", "receive", "H22.01")};
    LT_AUTOFREE char *body = array(events, 3);
    k->log.hold = true;
    send_as(k, H22, JSON, body, &sent);
    assert_int_equal(fake_count(&k->log, LT_TOPIC_INTAKE), 2);
    assert_string_equal(fake_at(&k->log, LT_TOPIC_INTAKE, 1)->key, "H22/H22.01-2");
    fake_release(&k->log);
    expect(&sent, 200, "\"index\":2");
    assert_int_equal(fake_count(&k->log, LT_TOPIC_INTAKE), 3);
    assert_true(lt_submission_all_accepted(sent.s));
    sent_free(&sent);
}

static void after_an_unknown_outcome_the_dossier_stops_and_others_go_on(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    const char *events[] = {small_event("H22.01-1", "receive", "H22.01"), small_event("H22.01-1", "process", "H22.01"),
                            small_event("H22.01-2", "receive", "H22.01")};
    LT_AUTOFREE char *body = array(events, 3);
    fake_fault(&k->log, LT_TOPIC_INTAKE, LT_OK, LT_DELIVERY_UNKNOWN, 1);
    send_as(k, H22, JSON, body, &sent);
    expect(&sent, 200, "{\"index\":0,\"status\":\"unavailable\",\"problem\":");
    assert_int_equal(sent.s->items.v[1].state, LT_ITEM_NOT_ATTEMPTED);
    assert_int_equal(sent.s->items.v[2].state, LT_ITEM_ACCEPTED);
    assert_true(lt_submission_unavailable(sent.s));
    sent_free(&sent);
}

static void a_batch_of_which_nothing_was_decided_is_503(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent;
    const char *events[] = {small_event("H22.01-1", "receive", "H22.01"), small_event("H22.01-1", "process", "H22.01"),
                            small_event("H22.01-2", "receive", "H22.99")};
    LT_AUTOFREE char *body = array(events, 3);
    fake_fault(&k->log, NULL, LT_E_UNAVAILABLE, 0, 100);
    send_as(k, H22, JSON, body, &sent);
    expect(&sent, 503, "\"code\":\"kafka-away\"");
    sent_free(&sent);
}

static void xml_lists_ndjson_and_bad_envelopes_have_their_outcomes(void **state)
{
    struct ingest_kit *k = *state;
    static const char item[] =
        "<SuKien><HeThong>motcua.h22</HeThong><Loai>TIEP_NHAN</Loai><MaHoSo>%s</MaHoSo><Luc>20240105083000</Luc>"
        "<DonVi>H22.01</DonVi><ThuTuc>1.001193</ThuTuc><HoSo><Chu>AN BA</Chu><NgayNhan>20240105082900</"
        "NgayNhan><Giay><Tep><Ten>A</Ten></Tep></Giay></"
        "HoSo></SuKien>";
    struct sent sent;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(65536);
    lt_buf_str(&b, "<Lo xmlns='urn:small'>");
    lt_buf_printf(&b, item, "H22.01-1");
    lt_buf_printf(&b, item, "H22.01-2");
    lt_buf_str(&b, "</Lo>");
    send_as(k, H22, XML, b.ptr, &sent);
    expect(&sent, 200, "\"index\":1,\"receipt\"");
    assert_true(lt_submission_all_accepted(sent.s));
    sent_free(&sent);
    LT_AUTOFREE char *lines = lt_asprintf("%s\n%s\n", small_event("H22.01-3", "receive", "H22.01"), "{\"oops\"");
    send_as(k, H22, NDJSON, lines, &sent);
    expect(&sent, 200, "\"index\":1,\"status\":\"refused\"");
    sent_free(&sent);
    send_as(k, H22, JSON, "[]", &sent);
    expect(&sent, 422, "\"code\":\"empty-batch\"");
    sent_free(&sent);
    send_as(k, H22, "text/plain", "x", &sent);
    assert_int_equal(sent.answer.status, 415);
    sent_free(&sent);
    send_as(k, H22, XML, "<!DOCTYPE a [<!ENTITY b 'c'>]><Lo xmlns='urn:small'/>", &sent);
    expect(&sent, 400, "\"code\":\"xml-doctype\"");
    sent_free(&sent);
}

static void many_inputs_of_one_submission_keep_a_dossiers_order_over_refusals(void **state)
{
    struct ingest_kit *k = *state;
    struct sent sent = {.s = lt_submission_new(&k->intake, &k->clients[H22], "bridge:x")};
    const char *events[] = {small_event("H22.01-1", "receive", "H22.01"), small_event("H22.01-1", "receive", "H22.99"),
                            small_event("H22.01-1", "process", "H22.01")};
    sent.s->go_on_after_refusal = true;
    for (size_t i = 0; i < 3; i++)
        lt_submission_add(sent.s, k->mapping.t, lt_span_str(JSON), lt_span_str(events[i]), "topic/0/1");
    lt_submission_start(sent.s, on_done, &sent);
    assert_int_equal(sent.s->items.v[0].state, LT_ITEM_ACCEPTED);
    assert_int_equal(sent.s->items.v[1].state, LT_ITEM_REFUSED);
    assert_int_equal(sent.s->items.v[2].state, LT_ITEM_ACCEPTED);
    assert_span_is(fake_header(fake_at(&k->log, LT_TOPIC_DEADLETTER, 0), "lt_position"), "topic/0/1");
    sent_free(&sent);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_accepted_event_is_202_with_a_receipt_once_kafka_has_it),
        T(one_broker_is_told_as_single_node),
        T(a_refused_event_is_a_problem_and_a_dead_letter),
        T(an_unreadable_input_is_a_dead_letter_with_its_bytes),
        T(another_province_is_403_and_audited),
        T(a_refusal_that_cannot_be_recorded_is_503_and_never_4xx),
        T(what_kafka_did_not_acknowledge_is_503),
        T(before_genesis_nothing_is_written),
        T(a_record_above_the_limit_is_413_whoever_finds_out),
        T(a_batch_with_one_bad_item_answers_item_by_item),
        T(a_dossiers_events_wait_for_each_other_and_other_dossiers_do_not),
        T(after_an_unknown_outcome_the_dossier_stops_and_others_go_on),
        T(a_batch_of_which_nothing_was_decided_is_503),
        T(xml_lists_ndjson_and_bad_envelopes_have_their_outcomes),
        T(many_inputs_of_one_submission_keep_a_dossiers_order_over_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
