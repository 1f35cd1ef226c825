#include "tests/unit/harness.h"

#include <stdio.h>
#include <sys/stat.h>

#include "gateway/base/file.h"
#include "tests/unit/http_fixture.h"

static void requests_of_a_connection_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, NULL, NULL));
    exchange(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200, "\r\n\r\nhello");
    exchange(&w, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method: GET");
    wire_send(&w, "GET /thread HTTP/1.1\r\nHost: x\r\n\r\nGET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                  "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nendHEAD /a HTTP/1.1\r\nHost: "
                  "x\r\nConnection: close\r\n\r\n");
    static const char *const want[] = {"\r\n\r\nlate", "\r\n\r\nlater", "\r\n\r\nend", "X-Method: HEAD"};
    for (size_t i = 0; i < LT_ARRAY_LEN(want); i++) {
        LT_AUTOFREE char *answer = wire_answer(&w);
        assert_non_null(answer);
        assert_non_null(strstr(answer, want[i]));
    }
    assert_true(wire_ended(&w));
    wire_close(&w);
}

static void a_chunked_body_arrives_whole(void **state)
{
    struct fixture *f = *state;
    one_exchange(f,
                 "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n "
                 "world\r\n0\r\nX: y\r\n\r\n",
                 200, "\r\n\r\nhello world");
    one_exchange(f, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", 400,
                 "bad-request");
    one_exchange(f, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n", 413,
                 "body-too-large");
    assert_int_equal(stats_of(f).memory_now, 0);
}

/* A proxy before us may see other chunks behind a bare LF than we do: refused, never repaired. */
static void chunk_lines_that_two_readers_could_cut_differently_are_400(void **state)
{
    struct fixture *f = *state;
    static const char *const chunks[] = {
        "5\nhello\r\n0\r\n\r\n", "5;a\nhello\r\n0\r\n\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n0\r\n\n",   "5\r\nhello\r\n0\r\nX: y\n\r\n"};
    for (size_t i = 0; i < LT_ARRAY_LEN(chunks); i++) {
        LT_AUTOFREE char *request =
            lt_asprintf("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s", chunks[i]);
        one_exchange(f, request, 400, "bad-request");
    }
    assert_int_equal(stats_of(f).memory_now, 0);
}

static void expect_100_continue_gets_its_go_ahead(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, NULL, NULL));
    exchange(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", 100, "Continue");
    exchange(&w, "ok", 200, "\r\n\r\nok");
    wire_close(&w);
}

static void a_problem_has_the_shape_of_rfc_9457(void **state)
{
    struct fixture *f = *state;
    one_exchange(f, "GET /problem HTTP/1.1\r\nHost: x\r\n\r\n", 422,
                 "{\"type\":\"urn:lienthong:problem:unknown-unit\",\"title\":\"Unprocessable Content\",\"status\":422,"
                 "\"detail\":\"the \\\"unit\\\" is not known\",\"code\":\"unknown-unit\",\"field\":\"MaDonVi\"}");
    one_exchange(f, "GET /problem HTTP/1.1\r\nHost: x\r\n\r\n", 422, "Retry-After: 7\r\n");
}

static void a_broken_head_is_400_and_a_long_one_431(void **state)
{
    struct fixture *f = *state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(65536);
    one_exchange(f, "NONSENSE\r\n\r\n", 400, "bad-request");
    lt_buf_str(&b, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    for (int i = 0; i < 9000; i++)
        lt_buf_char(&b, 'y');
    one_exchange(f, b.ptr, 431, "header-too-large");
    lt_buf_str(&b, "\r\n\r\n");
    one_exchange(f, b.ptr, 431, "header-too-large");
}

static void change_short(struct lt_http_settings *s)
{
    s->request_timeout_s = s->idle_timeout_s = 1;
}

static void a_truncated_body_and_a_slow_head_time_out(void **state)
{
    struct fixture *f = *state;
    struct wire body, head, quiet;
    start(f, false, change_short);
    assert_true(wire_open(&body, f->port, NULL, NULL) && wire_open(&head, f->port, NULL, NULL) &&
                wire_open(&quiet, f->port, NULL, NULL));
    wire_send(&head, "GET /a HT");
    exchange(&body, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nshort", 408, "timeout");
    assert_true(wire_ended(&body));
    LT_AUTOFREE char *answer = wire_answer(&head);
    assert_int_equal(wire_status(answer), 408);
    assert_true(wire_ended(&quiet));
    assert_int_equal(stats_of(f).requests, 0);
    assert_int_equal(stats_of(f).refused_408, 2);
    assert_int_equal(stats_of(f).memory_now, 0);
    wire_close(&body);
    wire_close(&head);
    wire_close(&quiet);
    WAIT_UNTIL(stats_of(f).connections_now == 0);
}

static void a_client_that_closes_in_the_middle_of_a_body_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, NULL, NULL));
    wire_send(&w, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nshort");
    wire_close(&w);
    WAIT_UNTIL(stats_of(f).connections_now == 0);
    assert_int_equal(stats_of(f).memory_now, 0);
    assert_int_equal(stats_of(f).requests, 0);
}

static void a_client_gone_before_the_reply_swallows_it(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, f->folder, "client"));
    wire_send(&w, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    WAIT_UNTIL(held_len(f) >= 1);
    wire_close(&w);
    WAIT_UNTIL(stats_of(f).gone == 1);
    assert_span_is(lt_http_body(f->held[0]), "body"); /* still ours to read */
    assert_int_equal(stats_of(f).memory_now, 4);
    assert_string_equal(lt_http_peer(f->held[0])->subject_cn, "client-h22");
    lt_http_reply(f->held[0], 202, NULL, 0, NULL, LT_SPAN_NULL);
    WAIT_UNTIL(stats_of(f).connections_now == 0);
}

static void a_reply_after_the_server_is_gone_is_swallowed(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, NULL, NULL));
    wire_send(&w, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    WAIT_UNTIL(held_len(f) >= 1);
    lt_http_server_drain(f->server, 10);
    lt_http_server_free(f->server);
    f->server = NULL;
    assert_string_equal(lt_http_path(f->held[0]), "/hold");
    lt_http_reply(f->held[0], 202, NULL, 0, NULL, LT_SPAN_NULL);
    assert_true(wire_ended(&w));
    wire_close(&w);
}

static void a_request_that_another_thread_sends_back_is_answered_on_its_loop(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, f->folder, "client"));
    for (int i = 0; i < 20; i++)
        exchange(&w, "GET /back HTTP/1.1\r\nHost: x\r\n\r\n", 200, "on its loop");
    wire_close(&w);
}

static void answer_back(void *ctx, struct lt_http_request *r)
{
    *(bool *)ctx = true;
    lt_http_reply(r, 202, NULL, 0, NULL, LT_SPAN_NULL);
}

static void a_request_that_comes_back_after_the_server_is_gone_is_let_go(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    bool called = false;
    assert_true(wire_open(&w, f->port, NULL, NULL));
    wire_send(&w, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    WAIT_UNTIL(held_len(f) >= 1);
    lt_http_server_free(f->server);
    f->server = NULL;
    lt_http_come_back(f->held[0], answer_back, &called); /* the sanitizers would tell a request that is never freed */
    assert_true(called);
    wire_close(&w);
}

static void what_waits_for_later_is_called_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, NULL, NULL));
    wire_send(&w, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    LT_AUTOFREE char *answer = wire_answer(&w);
    lt_http_server_free(f->server); /* the sanitizers would tell a request that is never freed */
    f->server = NULL;
    wire_close(&w);
}

static void drain_answers_what_was_begun_and_closes_the_idle(void **state)
{
    struct fixture *f = *state;
    struct wire busy, idle;
    pthread_t t;
    assert_true(wire_open(&busy, f->port, f->folder, "client") && wire_open(&idle, f->port, f->folder, "client"));
    exchange(&idle, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    wire_send(&busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    WAIT_UNTIL(held_len(f) >= 1);
    lt_http_server_drain(f->server, 1); /* too short: the held one is still open */
    assert_true(wire_ended(&idle));
    pthread_create(&t, NULL, reply_late, f->held[0]);
    lt_http_server_drain(f->server, 10000);
    assert_int_equal(stats_of(f).connections_now, 0);
    pthread_join(t, NULL);
    LT_AUTOFREE char *answer = wire_answer(&busy);
    assert_int_equal(wire_status(answer), 200);
    assert_non_null(strstr(answer, "Connection: close"));
    wire_close(&busy);
    wire_close(&idle);
}

static void copy_file(struct fixture *f, const char *from, const char *to)
{
    LT_AUTOFREE char *source = pki_file(f->folder, from), *target = pki_file(f->folder, to);
    LT_AUTOFREE char *text = NULL;
    size_t len;
    assert_int_equal(lt_file_read(source, 1 << 20, &text, &len, NULL), LT_OK);
    assert_int_equal(lt_file_write(target, lt_span(text, len), 0600, NULL), LT_OK);
}

static char live_cert[300], live_key[300];

static void change_live(struct lt_http_settings *s)
{
    s->certificate = live_cert;
    s->key = live_key;
}

/* The server's certificate as a client sees it. */
static void assert_served(struct fixture *f, const char *common_name)
{
    struct wire w;
    char got[100] = "";
    assert_true(wire_open(&w, f->port, f->folder, "client"));
    wire_server_name(&w, got, sizeof(got));
    exchange(&w, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method");
    wire_close(&w);
    assert_string_equal(got, common_name);
}

static void certificates_are_renewed_while_running_and_bad_ones_leave_the_last_good(void **state)
{
    struct fixture *f = *state;
    struct lt_err err = LT_ERR_INIT;
    snprintf(live_cert, sizeof(live_cert), "%s/live.pem", f->folder);
    snprintf(live_key, sizeof(live_key), "%s/live.key", f->folder);
    copy_file(f, "server.pem", "live.pem");
    copy_file(f, "server.key", "live.key");
    start(f, true, change_live);
    struct wire old;
    assert_true(wire_open(&old, f->port, f->folder, "client"));
    assert_int_equal(lt_http_server_renew(f->server, false, &err), LT_OK);
    assert_served(f, "localhost");

    copy_file(f, "gateway.pem", "live.pem"); /* half of a renewal: the key is not there yet */
    assert_true(lt_http_server_renew(f->server, false, &err) < 0);
    assert_non_null(strstr(err.text, "live.key"));
    assert_served(f, "localhost");
    assert_int_equal(lt_http_server_renew(f->server, false, &err), LT_OK); /* the same files are not tried again */
    assert_int_equal(chmod(live_key, 0640), 0);                            /* but when they may be read at last */
    assert_true(lt_http_server_renew(f->server, false, &err) < 0);
    copy_file(f, "gateway.key", "live.key");
    assert_int_equal(lt_http_server_renew(f->server, false, &err), LT_HTTP_RENEWED);
    assert_served(f, "gateway");
    exchange(&old, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method"); /* keeps what it has */
    wire_close(&old);

    copy_file(f, "expired.pem", "live.pem");
    copy_file(f, "expired.key", "live.key");
    assert_true(lt_http_server_renew(f->server, false, &err) < 0);
    assert_non_null(strstr(err.text, "has ended"));
    assert_true(lt_http_server_renew(f->server, true, &err) < 0); /* forced: tried again */
    assert_served(f, "gateway");
}

static void the_peer_is_who_its_certificate_says(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, f->folder, "client"));
    exchange(&w, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "X-Method: GET");
    exchange(&w, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", 200, "Content-Length: 50000");
    wire_close(&w);
    assert_int_equal(strncmp(f->peer, "client-h22|h22.test|urn:test:h22|64|20", 38), 0);
}

static void no_certificate_a_wrong_one_and_an_expired_one_never_reach_the_handler(void **state)
{
    struct fixture *f = *state;
    static const char *const certificates[] = {NULL, "stranger", "expired"};
    for (size_t i = 0; i < LT_ARRAY_LEN(certificates); i++) {
        struct wire w;
        /* TLS 1.3: the client believes the handshake done before the server has looked */
        if (wire_open(&w, f->port, f->folder, certificates[i])) {
            wire_try_send(&w, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 28);
            LT_AUTOFREE char *answer = wire_answer(&w);
            assert_null(answer);
        }
        wire_close(&w);
        WAIT_UNTIL(stats_of(f).tls_failures == i + 1);
    }
    assert_int_equal(stats_of(f).requests, 0);
}

static void a_plain_client_on_the_tls_port_is_a_tls_failure_and_a_port_check_is_none(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    assert_true(wire_open(&w, f->port, NULL, NULL));
    wire_close(&w);
    WAIT_UNTIL(stats_of(f).connections_now == 0);
    assert_int_equal(stats_of(f).tls_failures, 0);
    assert_true(wire_open(&w, f->port, NULL, NULL));
    wire_send(&w, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    WAIT_UNTIL(stats_of(f).tls_failures == 1);
    wire_close(&w);
}

static void a_taken_port_is_told_with_what_to_do(void **state)
{
    struct fixture *f = *state;
    struct lt_err err = LT_ERR_INIT;
    struct lt_http_server *second = NULL;
    LT_AUTOFREE char *at = lt_asprintf("127.0.0.1:%u", f->port);
    struct lt_http_settings s = {.listen = at, .threads = 2, .name = "second", .handle = handle};
    assert_int_equal(lt_http_server_start(&s, &second, &err), LT_E_IO);
    assert_string_equal(err.kind, "port-taken");
    assert_non_null(strstr(err.text, at));
    assert_null(second);
}

static void unusable_tls_files_are_named(void **state)
{
    struct fixture *f = *state;
    struct lt_err err = LT_ERR_INIT;
    struct lt_http_server *server = NULL;
    LT_AUTOFREE char *cert = pki_file(f->folder, "server.pem"), *key = pki_file(f->folder, "client.key"),
                     *ca = pki_file(f->folder, "ca.pem");
    struct lt_http_settings s = {
        .listen = "127.0.0.1:0", .certificate = cert, .key = key, .client_ca = ca, .handle = handle};
    assert_int_equal(lt_http_server_start(&s, &server, &err), LT_E_IO);
    assert_non_null(strstr(err.text, "client.key"));
    s.certificate = "/nonexistent.pem";
    assert_int_equal(lt_http_server_start(&s, &server, &err), LT_E_IO);
    assert_non_null(strstr(err.text, "/nonexistent.pem"));
    s.client_ca = NULL;
    assert_int_equal(lt_http_server_start(&s, &server, &err), LT_E_INVALID);
}

static void answers_can_be_slow_cut_dropped_or_reset(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    one_exchange(f, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", 200, "\r\n\r\n0123456789");
    static const char *const requests[] = {"GET /cut HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /drop HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /reset HTTP/1.1\r\nHost: x\r\n\r\n"};
    for (size_t i = 0; i < LT_ARRAY_LEN(requests); i++) {
        assert_true(wire_open(&w, f->port, NULL, NULL));
        wire_send(&w, requests[i]);
        LT_AUTOFREE char *answer = wire_answer(&w);
        assert_null(answer);
        assert_int_equal(w.in_len, i == 0 ? 100 : 0);
        wire_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(requests_of_a_connection_are_answered_in_order),
        PLAIN(a_chunked_body_arrives_whole),
        PLAIN(chunk_lines_that_two_readers_could_cut_differently_are_400),
        PLAIN(expect_100_continue_gets_its_go_ahead),
        PLAIN(a_problem_has_the_shape_of_rfc_9457),
        PLAIN(a_broken_head_is_400_and_a_long_one_431),
        BARE(a_truncated_body_and_a_slow_head_time_out),
        PLAIN(a_client_that_closes_in_the_middle_of_a_body_leaves_nothing),
        TLS(a_client_gone_before_the_reply_swallows_it),
        PLAIN(a_reply_after_the_server_is_gone_is_swallowed),
        TLS(a_request_that_another_thread_sends_back_is_answered_on_its_loop),
        PLAIN(a_request_that_comes_back_after_the_server_is_gone_is_let_go),
        PLAIN(what_waits_for_later_is_called_at_the_end),
        TLS(drain_answers_what_was_begun_and_closes_the_idle),
        BARE(certificates_are_renewed_while_running_and_bad_ones_leave_the_last_good),
        TLS(the_peer_is_who_its_certificate_says),
        TLS(no_certificate_a_wrong_one_and_an_expired_one_never_reach_the_handler),
        TLS(a_plain_client_on_the_tls_port_is_a_tls_failure_and_a_port_check_is_none),
        PLAIN(a_taken_port_is_told_with_what_to_do),
        BARE(unusable_tls_files_are_named),
        PLAIN(answers_can_be_slow_cut_dropped_or_reset),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
