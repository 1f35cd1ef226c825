#include "tests/unit/harness.h"

#include <stdio.h>

#include "gateway/base/crypto.h"
#include "tests/unit/http_fixture.h"

static void a_body_above_the_limit_is_413_before_it_is_sent(void **state)
{
    struct fixture *f = *state;
    one_exchange(f, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n", 413,
                 "application/problem+json");
    assert_int_equal(stats_of(f).refused_413, 1);
    assert_int_equal(stats_of(f).requests, 0);
}

static void a_client_that_sends_all_of_a_huge_body_still_reads_413(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    LT_AUTOFREE char *piece = lt_alloc(1 << 20);
    assert_true(wire_open(&w, f->port, f->folder, "client"));
    wire_send(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n");
    for (int i = 0; i < 100; i++)
        assert_true(wire_try_send(&w, piece, 1 << 20));
    LT_AUTOFREE char *answer = wire_answer(&w);
    assert_int_equal(wire_status(answer), 413);
    assert_true(wire_ended(&w));
    wire_close(&w);
}

static void change_give_over(struct lt_http_settings *s)
{
    s->give_over = true;
    s->request_timeout_s = 1;
}

static const char *sha256_of_x(size_t n)
{
    static char hex[2 * LT_SHA256_SIZE + 1];
    uint8_t sum[LT_SHA256_SIZE];
    LT_AUTOFREE char *text = lt_alloc(n);
    memset(text, 'x', n);
    lt_sha256_once(lt_span(text, n), sum);
    lt_hex(sum, sizeof(sum), hex);
    return hex;
}

static void a_body_above_the_limit_can_be_given_as_beginning_length_and_digest(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    LT_AUTOFREE char *piece = lt_alloc(500001);
    start(f, false, change_give_over);
    memset(piece, 'x', 500000);
    LT_AUTOFREE char *want = lt_asprintf("500000 bytes, kept 65536, whole %s", sha256_of_x(500000));
    assert_true(wire_open(&w, f->port, NULL, NULL));
    wire_send(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n");
    exchange(&w, piece, 413, want);
    /* in chunks, of which only the second is too much; the connection is good for more both times */
    wire_send(&w, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nxxxxxxxxxxxxxxxxxxxx\r\n"
                  "7a124\r\n");
    wire_send(&w, piece + 20);
    wire_send(&w, "xxxxxxxxxxxxxxxxxxxxxxxx\r\n1\r\nx\r\n");
    LT_AUTOFREE char *chunked = lt_asprintf("500025 bytes, kept 65536, whole %s", sha256_of_x(500025));
    exchange(&w, "0\r\n\r\n", 413, chunked);
    exchange(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok", 200, "ok");
    wire_close(&w);
    assert_int_equal(stats_of(f).refused_413, 2);
    assert_int_equal(stats_of(f).memory_now, 0);
}

static void a_body_above_the_limit_that_does_not_come_is_given_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    start(f, false, change_give_over);
    /* waits for the go-ahead: told at once */
    assert_true(wire_open(&w, f->port, NULL, NULL));
    exchange(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n", 413,
             "100001 bytes, kept 0, cut ");
    assert_true(wire_ended(&w));
    wire_close(&w);
    /* stops in the middle */
    assert_true(wire_open(&w, f->port, NULL, NULL));
    exchange(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\nxxx", 413,
             "104857600 bytes, kept 3, cut ");
    assert_true(wire_ended(&w));
    wire_close(&w);
    /* more than is worth reading */
    assert_true(wire_open(&w, f->port, NULL, NULL));
    exchange(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600000\r\n\r\nxxx", 413,
             "104857600000 bytes, kept 0, cut ");
    wire_close(&w);
    assert_int_equal(stats_of(f).memory_now, 0);
}

static void change_small(struct lt_http_settings *s)
{
    s->memory = 100;
    s->connections_max = 2;
    s->threads = 1;
}

static void the_memory_budget_answers_503_with_retry_after(void **state)
{
    struct fixture *f = *state;
    struct wire a, b;
    start(f, false, change_small);
    assert_true(wire_open(&a, f->port, NULL, NULL) && wire_open(&b, f->port, NULL, NULL));
    wire_send(&a, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n"
                  "012345678901234567890123456789012345678901234567890123456789");
    WAIT_UNTIL(held_len(f) >= 1);
    exchange(&b, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n", 503, "Retry-After: 1\r\n");
    assert_int_equal(stats_of(f).refused_503, 1);
    wire_close(&b);
    lt_http_reply(f->held[0], 200, NULL, 0, NULL, LT_SPAN_NULL);
    LT_AUTOFREE char *answer = wire_answer(&a);
    assert_int_equal(wire_status(answer), 200);
    exchange(&a, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok", 200, "ok");
    wire_close(&a);
}

static void connections_above_the_cap_are_closed(void **state)
{
    struct fixture *f = *state;
    struct wire a, b, c;
    start(f, false, change_small);
    assert_true(wire_open(&a, f->port, NULL, NULL) && wire_open(&b, f->port, NULL, NULL));
    exchange(&a, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    exchange(&b, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    assert_true(wire_open(&c, f->port, NULL, NULL));
    assert_true(wire_ended(&c));
    WAIT_UNTIL(stats_of(f).refused_connections == 1);
    wire_close(&a);
    wire_close(&b);
    wire_close(&c);
    WAIT_UNTIL(stats_of(f).connections_now == 0);
}

static void change_client_share(struct lt_http_settings *s)
{
    s->connections_client_max = 2;
    s->memory_client = 100;
}

static void one_client_cannot_hold_all_connections(void **state)
{
    struct fixture *f = *state;
    struct wire a, b, c, other;
    start(f, true, change_client_share);
    assert_true(wire_open(&a, f->port, f->folder, "client") && wire_open(&b, f->port, f->folder, "client"));
    exchange(&a, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    exchange(&b, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    assert_true(wire_open(&c, f->port, f->folder, "client"));
    LT_AUTOFREE char *answer = wire_answer(&c);
    assert_int_equal(wire_status(answer), 503);
    assert_non_null(strstr(answer, "too-many-connections"));
    assert_non_null(strstr(answer, "Retry-After: 5\r\n"));
    assert_true(wire_ended(&c));
    wire_close(&c);
    assert_true(wire_open(&other, f->port, f->folder, "gateway"));
    exchange(&other, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    wire_close(&a);
    WAIT_UNTIL(stats_of(f).connections_now == 2);
    assert_true(wire_open(&c, f->port, f->folder, "client"));
    exchange(&c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    wire_close(&b);
    wire_close(&c);
    wire_close(&other);
}

static void one_client_cannot_hold_all_the_memory(void **state)
{
    struct fixture *f = *state;
    struct wire a, b, other;
    start(f, true, change_client_share);
    assert_true(wire_open(&a, f->port, f->folder, "client") && wire_open(&b, f->port, f->folder, "client"));
    wire_send(&a, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n"
                  "012345678901234567890123456789012345678901234567890123456789");
    WAIT_UNTIL(held_len(f) >= 1);
    exchange(&b, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n", 503, "\"code\":\"busy\"");
    wire_close(&b);
    assert_true(wire_open(&other, f->port, f->folder, "gateway"));
    exchange(&other,
             "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n"
             "012345678901234567890123456789012345678901234567890123456789",
             200, "0123456789");
    wire_close(&other);
    lt_http_reply(f->held[0], 200, NULL, 0, NULL, LT_SPAN_NULL);
    LT_AUTOFREE char *answer = wire_answer(&a);
    assert_int_equal(wire_status(answer), 200);
    exchange(&a, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok", 200, "ok");
    wire_close(&a);
    WAIT_UNTIL(stats_of(f).connections_now == 0);
    assert_int_equal(stats_of(f).memory_now, 0);
}

static bool is_let_in(struct fixture *f, struct wire *w)
{
    bool in = wire_open(w, f->port, f->folder, "client");
    if (!in)
        wire_close(w);
    return in;
}

static void a_dawdling_handshake_makes_room_for_a_client(void **state)
{
    struct fixture *f = *state;
    struct wire idle, second, w;
    start(f, true, change_small);
    assert_true(wire_open(&idle, f->port, NULL, NULL) && wire_open(&second, f->port, NULL, NULL));
    WAIT_UNTIL(stats_of(f).connections_now == 2);
    WAIT_UNTIL(is_let_in(f, &w)); /* refused until the dawdlers have had their two seconds */
    exchange(&w, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    assert_true(wire_ended(&idle));
    wire_close(&w);
    wire_close(&idle);
    wire_close(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(a_body_above_the_limit_is_413_before_it_is_sent),
        TLS(a_client_that_sends_all_of_a_huge_body_still_reads_413),
        BARE(a_body_above_the_limit_can_be_given_as_beginning_length_and_digest),
        BARE(a_body_above_the_limit_that_does_not_come_is_given_as_it_is),
        BARE(the_memory_budget_answers_503_with_retry_after),
        BARE(connections_above_the_cap_are_closed),
        BARE(one_client_cannot_hold_all_connections),
        BARE(one_client_cannot_hold_all_the_memory),
        BARE(a_dawdling_handshake_makes_room_for_a_client),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
