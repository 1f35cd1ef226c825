#include "tests/unit/test_ingest_kit.h"

#include <stdatomic.h>
#include <stdio.h>

#include "gateway/base/crypto.h"
#include "gateway/ingest/parts.h"
#include "gateway/ingest/peers.h"
#include "gateway/model/event.h"
#include "tests/unit/http_pki.h"
#include "tests/unit/http_wire.h"

struct fixture {
    struct ingest_kit kit;
    struct lt_ingest *ingest;
    struct lt_fate fate; /* what the core would say */
    char asked[200];
    char *files[6];
    atomic_int asks;
};

static void ask(void *ctx, int32_t partition, int64_t offset, struct lt_span id, struct lt_span digest,
                struct lt_fate *ret)
{
    struct fixture *f = ctx;
    snprintf(f->asked, sizeof(f->asked), "%d %d %.4s %zu", (int)partition, (int)offset, id.ptr, digest.len);
    *ret = f->fate;
    atomic_fetch_add(&f->asks, 1);
}

static struct fixture *fixture_new(void)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    ingest_kit_init(&f->kit);
    struct lt_config *c = &f->kit.mapping.config;
    static const char *const names[] = {"server.pem", "server.key", "ca.pem", "gateway.pem", "gateway.key"};
    for (size_t i = 0; i < LT_ARRAY_LEN(names); i++)
        f->files[i] = pki_file(pki_folder, names[i]);
    c->ingest.listen = "127.0.0.1:0";
    c->ingest.tls = (struct lt_config_tls){f->files[0], f->files[1], f->files[2]};
    c->ingest.peer_tls = (struct lt_config_tls){f->files[3], f->files[4], f->files[2]};
    f->fate = (struct lt_fate){.state = LT_FATE_DECIDED, .verdict = LT_VERDICT_DUPLICATE, .first_offset = 5};
    return f;
}

static void start(struct fixture *f)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_intake_port port = fake_port(&f->kit.log);
    struct lt_ingest_settings s = {.config = &f->kit.mapping.config,
                                   .mappings = f->kit.mapping.m,
                                   .fate = {f, ask},
                                   .genesis_ctx = &f->kit.log,
                                   .genesis_ready = ingest_kit_genesis};
    if (lt_ingest_start_with(&s, &port, &f->ingest, &err) != LT_OK)
        fail_msg("%s", err.text);
}

static void fixture_free(struct fixture *f)
{
    lt_ingest_drain(f->ingest, 1000);
    lt_ingest_free(f->ingest);
    ingest_kit_deinit(&f->kit);
    for (size_t i = 0; i < LT_ARRAY_LEN(f->files); i++)
        free(f->files[i]);
    free(f);
}

static int setup(void **state)
{
    *state = fixture_new();
    start(*state);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* One request on a connection of its own; caller frees. */
static char *request(struct fixture *f, const char *certificate, const char *method, const char *path,
                     const char *headers, const char *body)
{
    struct wire w;
    LT_AUTOFREE char *text = lt_asprintf("%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", method, path,
                                         headers, strlen(body), body);
    assert_true(wire_open(&w, lt_ingest_port(f->ingest), pki_folder, certificate));
    wire_send(&w, text);
    char *answer = wire_answer(&w);
    wire_close(&w);
    return answer;
}

static void expect(struct fixture *f, const char *certificate, const char *method, const char *path,
                   const char *headers, const char *body, int status, const char *part)
{
    LT_AUTOFREE char *answer = request(f, certificate, method, path, headers, body);
    if (wire_status(answer) != status || !strstr(answer, part))
        fail_msg("%s %s: expected %d and %s, got\n%s", method, path, status, part, answer);
}

#define AS_JSON "Content-Type: application/json\r\n"

static void each_kind_of_request_has_its_answer(void **state)
{
    struct fixture *f = *state;
    const char *good = small_event("H22.01-1", "receive", "H22.01");
    expect(f, "client", "POST", "/v1/events", AS_JSON, good, 202, "{\"receipt\":\"");
    expect(f, "client", "POST", "/v1/events", AS_JSON, small_event("H22.01-2", "receive", "H22.99"), 422,
           "application/problem+json");
    expect(f, "client", "POST", "/v1/events", "", good, 415, "content-type-missing");
    expect(f, "client", "POST", "/v1/events", AS_JSON "Content-Encoding: gzip\r\n", good, 415, "content-encoding");
    expect(f, "client", "POST", "/v1/events", AS_JSON "Content-Encoding: identity\r\n", good, 202, "accepted");
    expect(f, "client", "POST", "/v1/events", "Content-Type: image/png\r\n", good, 415, "\"code\":");
    expect(f, "client", "GET", "/v1/events", "", "", 405, "Allow: POST\r\n");
    expect(f, "client", "POST", "/v1/receipts/1", "", "", 405, "Allow: GET\r\n");
    expect(f, "client", "GET", "/v1/nothing", "", "", 404, "\"code\":\"not-found\"");
    expect(f, "client", "GET", "/v1/receipts/0.0.x.y", "", "", 404, "\"code\":\"unknown-receipt\"");
    expect(f, "client", "GET", "/internal/v1/fate?partition=0", "", "", 403, "role-not-allowed");
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_DEADLETTER), 4); /* each refused submission */
}

static void a_certificate_nobody_configured_is_403_and_audited(void **state)
{
    struct fixture *f = *state;
    f->kit.clients[H22].san = "somebody-else.test";
    expect(f, "client", "POST", "/v1/events", AS_JSON, "{}", 403, "\"code\":\"unknown-client\"");
    expect(f, "client", "GET", "/v1/nothing", "", "", 403, "\"code\":\"unknown-client\"");
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_AUDIT), 1); /* at most one a second */
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_DEADLETTER), 0);
    /* another client's refusal has its own second */
    expect(f, "gateway", "POST", "/v1/events", AS_JSON, "{}", 403, "role-not-allowed");
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_AUDIT), 2);
}

static void a_role_that_sends_nothing_is_403(void **state)
{
    struct fixture *f = *state;
    expect(f, "gateway", "POST", "/v1/events", AS_JSON, small_event("H22.01-1", "receive", "H22.01"), 403,
           "role-not-allowed");
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_INTAKE), 0);
}

static void above_the_rate_is_429_with_retry_after(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *list =
        lt_asprintf("[%s,%s,%s]", small_event("H22.01-1", "receive", "H22.01"),
                    small_event("H22.01-2", "receive", "H22.01"), small_event("H22.01-3", "receive", "H22.01"));
    f->kit.clients[H22].rate = 1;
    expect(f, "client", "POST", "/v1/events", AS_JSON, list, 200, "\"index\":2");
    expect(f, "client", "POST", "/v1/events", AS_JSON, list, 429, "Retry-After: ");
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_INTAKE), 3);
}

static void a_body_above_the_clients_own_limit_is_413(void **state)
{
    struct fixture *f = *state;
    f->kit.clients[H22].body_max = 20;
    expect(f, "client", "POST", "/v1/events", AS_JSON, small_event("H22.01-1", "receive", "H22.01"), 413,
           "body-too-large");
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_DEADLETTER), 1);
}

static void a_body_above_the_limit_of_all_is_413_with_its_beginning_kept(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *large = lt_alloc(300001);
    memset(large, 'y', 300000);
    expect(f, "client", "POST", "/v1/events", AS_JSON, large, 413, "body-too-large");
    const struct fake_record *r = fake_at(&f->kit.log, LT_TOPIC_DEADLETTER, 0);
    assert_non_null(r);
    assert_int_equal(r->value_len, 65536);
    assert_true(lt_span_is(fake_header(r, "lt_length"), "300000"));
    assert_true(lt_span_is(fake_header(r, "lt_truncated"), "true"));
    assert_true(lt_span_is(fake_header(r, "lt_reason"), "body-too-large"));
    uint8_t sum[LT_SHA256_SIZE];
    char hex[2 * LT_SHA256_SIZE + 1];
    lt_sha256_once(lt_span(large, 300000), sum);
    lt_hex(sum, sizeof(sum), hex);
    assert_true(lt_span_is(fake_header(r, "lt_sha256"), hex));
    /* announced and never sent: kept as a refusal without bytes and without a digest that would be of something else */
    struct wire w;
    assert_true(wire_open(&w, lt_ingest_port(f->ingest), pki_folder, "client"));
    wire_send(&w, "POST /v1/events HTTP/1.1\r\nHost: x\r\n" AS_JSON
                  "Expect: 100-continue\r\nContent-Length: 300000\r\n\r\n");
    LT_AUTOFREE char *answer = wire_answer(&w);
    assert_int_equal(wire_status(answer), 413);
    wire_close(&w);
    r = fake_at(&f->kit.log, LT_TOPIC_DEADLETTER, 1);
    assert_non_null(r);
    assert_int_equal(r->value_len, 0);
    assert_true(lt_span_is(fake_header(r, "lt_length"), "300000"));
    assert_int_equal(fake_header(r, "lt_sha256").len, 0);
    fake_fault(&f->kit.log, LT_TOPIC_DEADLETTER, LT_OK, LT_DELIVERY_UNKNOWN, 1);
    expect(f, "client", "POST", "/v1/events", AS_JSON, large, 503, "Retry-After: "); /* never 4xx without its trace */
}

static void kafka_away_and_no_genesis_are_503_with_retry_after(void **state)
{
    struct fixture *f = *state;
    LT_AUTOBUF struct lt_buf why = LT_BUF_INIT(1000);
    const char *good = small_event("H22.01-1", "receive", "H22.01");
    assert_true(lt_ingest_ready(f->ingest, &why));
    fake_fault(&f->kit.log, NULL, LT_OK, LT_DELIVERY_UNKNOWN, 2);
    expect(f, "client", "POST", "/v1/events", AS_JSON, good, 503, "Retry-After: ");
    expect(f, "client", "POST", "/v1/events", AS_JSON, good, 503, "\"code\":\"unknown-outcome\"");
    f->kit.log.genesis = false;
    expect(f, "client", "POST", "/v1/events", AS_JSON, good, 503, "\"code\":\"not-initialised\"");
    assert_false(lt_ingest_ready(f->ingest, &why));
    assert_non_null(strstr(why.ptr, "lienthong topics"));
}

/* The receipt of a fresh event. */
static char *receipt_of(struct fixture *f)
{
    LT_AUTOFREE char *answer =
        request(f, "client", "POST", "/v1/events", AS_JSON, small_event("H22.01-1", "receive", "H22.01"));
    char *start = strstr(answer, "\"receipt\":\"");
    assert_non_null(start);
    start += 11;
    return lt_asprintf("/v1/receipts/%.*s", (int)strcspn(start, "\""), start);
}

static void a_receipt_tells_the_verdict_to_its_owner_only(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *path = receipt_of(f), *forged = lt_strdup(path);
    expect(f, "client", "GET", path, "", "", 200,
           "\"status\":\"decided\",\"verdict\":\"duplicate\",\"first_offset\":5,\"partition\":0,\"offset\":0}");
    assert_int_equal(strncmp(f->asked, "0 0 ", 4), 0);
    assert_string_equal(strrchr(f->asked, ' '), " 64");
    expect(f, "gateway", "GET", path, "", "", 404, "unknown-receipt");
    forged[strlen(forged) - 1] ^= 1;
    expect(f, "client", "GET", forged, "", "", 404, "unknown-receipt");
    f->fate.state = LT_FATE_PENDING;
    expect(f, "client", "GET", path, "", "", 200, "Retry-After: 1\r\n");
    expect(f, "client", "GET", path, "", "", 200, "\"status\":\"pending\"");
    f->fate.state = LT_FATE_EXPIRED;
    expect(f, "client", "GET", path, "", "", 200, "\"status\":\"expired\"");
    f->fate = (struct lt_fate){.state = LT_FATE_ELSEWHERE}; /* nobody owns it just now */
    expect(f, "client", "GET", path, "", "", 200, "\"status\":\"pending\"");
}

static void a_receipt_of_a_partition_owned_elsewhere_is_asked_there(void **state)
{
    struct fixture *f = *state, *other = fixture_new();
    LT_AUTOFREE char *path = receipt_of(f);
    start(other);
    f->fate = (struct lt_fate){.state = LT_FATE_ELSEWHERE};
    snprintf(f->fate.owner, sizeof(f->fate.owner), "localhost:%u", lt_ingest_port(other->ingest));
    other->fate = (struct lt_fate){.state = LT_FATE_DECIDED, .verdict = LT_VERDICT_NEW, .first_offset = 0};
    expect(f, "client", "GET", path, "", "", 200, "\"status\":\"decided\",\"verdict\":\"new\",\"first_offset\":0");
    assert_int_equal(atomic_load(&other->asks), 1);
    other->fate.state = LT_FATE_ELSEWHERE; /* never handed on: two instances must not wait for each other */
    expect(f, "client", "GET", path, "", "", 200, "\"status\":\"pending\"");
    fixture_free(other);
    expect(f, "client", "GET", path, "", "", 200, "\"status\":\"pending\""); /* the owner is away */
}

static void an_instance_that_only_judges_tells_the_others(void **state)
{
    struct fixture *f = *state, *other = fixture_new();
    struct lt_err err = LT_ERR_INIT;
    struct lt_peers *peers = NULL;
    struct lt_fate_port fate = {other, ask};
    LT_AUTOFREE char *path = receipt_of(f);
    assert_int_equal(lt_peers_start(&other->kit.mapping.config, fate, &peers, &err), LT_OK);
    f->fate = (struct lt_fate){.state = LT_FATE_ELSEWHERE};
    snprintf(f->fate.owner, sizeof(f->fate.owner), "localhost:%u", lt_peers_port(peers));
    other->fate = (struct lt_fate){.state = LT_FATE_DECIDED, .verdict = LT_VERDICT_CONFLICT, .first_offset = 0};
    expect(f, "client", "GET", path, "", "", 200, "\"status\":\"decided\",\"verdict\":\"conflict\"");
    static const struct {
        const char *who, *path;
        int status;
    } rows[] = {{"client", "/internal/v1/fate?partition=0", 403},
                {"client", "/v1/events", 421},
                {"gateway", "/internal/v1/fate?partition=0", 400}};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct wire w;
        LT_AUTOFREE char *text = lt_asprintf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].path);
        assert_true(wire_open(&w, lt_peers_port(peers), pki_folder, rows[i].who));
        wire_send(&w, text);
        LT_AUTOFREE char *answer = wire_answer(&w);
        assert_int_equal(wire_status(answer), rows[i].status);
        wire_close(&w);
    }
    lt_peers_free(peers, 1000);
    fixture_free(other);
}

static void without_a_gateway_client_nobody_is_listened_to(void **state)
{
    struct fixture *f = *state;
    struct lt_err err = LT_ERR_INIT;
    struct lt_peers *peers = NULL;
    f->kit.clients[GATEWAY].role = LT_ROLE_OPERATOR;
    assert_int_equal(lt_peers_start(&f->kit.mapping.config, (struct lt_fate_port){f, ask}, &peers, &err), LT_OK);
    assert_null(peers);
}

/* An event that Kafka has been given and does not answer yet. */
static void send_and_hold(struct fixture *f, struct wire *w)
{
    const char *good = small_event("H22.01-1", "receive", "H22.01");
    LT_AUTOFREE char *text = lt_asprintf(
        "POST /v1/events HTTP/1.1\r\nHost: x\r\n" AS_JSON "Content-Length: %zu\r\n\r\n%s", strlen(good), good);
    f->kit.log.hold = true;
    assert_true(wire_open(w, lt_ingest_port(f->ingest), pki_folder, "client"));
    wire_send(w, text);
    WAIT_UNTIL(fake_count(&f->kit.log, LT_TOPIC_INTAKE) > 0);
}

static void drain_answers_what_waits_for_kafka(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    send_and_hold(f, &w);
    lt_ingest_drain(f->ingest, 1); /* too short: it still waits */
    fake_release(&f->kit.log);
    LT_AUTOFREE char *answer = wire_answer(&w);
    assert_int_equal(wire_status(answer), 202);
    assert_true(wire_ended(&w));
    wire_close(&w);
}

static void a_report_after_the_listener_is_gone_ends_quietly(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    send_and_hold(f, &w); /* the port reports only when it is freed */
    lt_ingest_drain(f->ingest, 1);
    lt_ingest_free(f->ingest);
    f->ingest = NULL;
    assert_true(f->kit.log.freed);
    assert_true(wire_ended(&w));
    wire_close(&w);
}

static void status_and_metrics_count_what_happened(void **state)
{
    struct fixture *f = *state;
    LT_AUTOBUF struct lt_buf status = LT_BUF_INIT(65536), metrics = LT_BUF_INIT(65536);
    struct lt_json_writer w;
    expect(f, "client", "POST", "/v1/events", AS_JSON, small_event("H22.01-1", "receive", "H22.01"), 202, "accepted");
    expect(f, "client", "POST", "/v1/events", AS_JSON, small_event("H22.01-2", "receive", "H22.99"), 422,
           "unknown-unit");
    lt_json_writer_init(&w, &status);
    lt_ingest_status(f->ingest, &w);
    lt_ingest_metrics(f->ingest, &metrics);
    assert_non_null(strstr(status.ptr, "\"accepted\":1"));
    assert_non_null(strstr(status.ptr, "\"refused\":{\"unknown-unit\":1}"));
    assert_non_null(strstr(metrics.ptr, "lt_ingest_items_total{outcome=\"accepted\"} 1\n"));
    assert_non_null(strstr(metrics.ptr, "lt_ingest_refused_total{code=\"unknown-unit\"} 1\n"));
    assert_non_null(strstr(metrics.ptr, "lt_ingest_http_requests_total 2\n"));
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_kind_of_request_has_its_answer),
        T(a_certificate_nobody_configured_is_403_and_audited),
        T(a_role_that_sends_nothing_is_403),
        T(above_the_rate_is_429_with_retry_after),
        T(a_body_above_the_clients_own_limit_is_413),
        T(a_body_above_the_limit_of_all_is_413_with_its_beginning_kept),
        T(kafka_away_and_no_genesis_are_503_with_retry_after),
        T(a_receipt_tells_the_verdict_to_its_owner_only),
        T(a_receipt_of_a_partition_owned_elsewhere_is_asked_there),
        T(an_instance_that_only_judges_tells_the_others),
        T(without_a_gateway_client_nobody_is_listened_to),
        T(drain_answers_what_waits_for_kafka),
        T(a_report_after_the_listener_is_gone_ends_quietly),
        T(status_and_metrics_count_what_happened),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
