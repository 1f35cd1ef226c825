#include "tests/unit/harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/http/client.h"
#include "gateway/http/server.h"
#include "tests/unit/http_pki.h"
#include "tests/unit/http_wire.h"

struct outcome {
    int calls;
    enum lt_http_failure failure;
    long status, retry_after_s;
    char body[200], content_type[60], text[256];
};

static void on_done(void *ctx, const struct lt_http_answer *a)
{
    struct outcome *o = ctx;
    o->calls++;
    o->failure = a->failure;
    o->status = a->status;
    o->retry_after_s = a->retry_after_s;
    snprintf(o->body, sizeof(o->body), LT_SPAN_FMT, LT_SPAN_ARG(a->body));
    snprintf(o->content_type, sizeof(o->content_type), "%s", a->content_type);
    snprintf(o->text, sizeof(o->text), "%s", a->text);
}

static struct lt_http_client *client(const struct lt_http_client_settings *s)
{
    struct lt_http_client *c = NULL;
    struct lt_http_client_settings all = *s;
    if (!all.timeout_ms)
        all.timeout_ms = 5000;
    all.connect_timeout_ms = 2000;
    all.connections_max = 4;
    assert_int_equal(lt_http_client_new(&all, &c, NULL), LT_OK);
    return c;
}

static void run(struct lt_http_client *c)
{
    int64_t end = lt_mono_ms() + 10000;
    while (lt_http_client_run(c, 100) > 0)
        assert_true(lt_mono_ms() < end);
}

static struct outcome call(struct lt_http_client *c, const char *method, const char *url, const char *body)
{
    struct outcome o = {0};
    static const char *const headers[] = {"Content-Type: application/json", "X-A: b", NULL};
    assert_int_equal(lt_http_client_call(c, method, url, headers, lt_span_str(body), on_done, &o, NULL), LT_OK);
    run(c);
    assert_int_equal(o.calls, 1);
    return o;
}

/* ---- a server with faults, plain ---- */

enum fault { CLOSE_AT_ACCEPT, CLOSE_AFTER_REQUEST, SILENT, HALF_BODY, NO_HTTP, ONE_ANSWER_THEN_CLOSE };

struct faulty {
    enum fault fault;
    struct wire_server server;
    atomic_int requests; /* whole requests that arrived */
    char url[60];
};

static bool read_request(struct faulty *f, int fd)
{
    char buf[4096];
    bool whole = wire_request(fd, buf, sizeof(buf));
    atomic_fetch_add(&f->requests, whole);
    return whole;
}

static void say(int fd, const char *text)
{
    assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
}

static void faulty_serve(void *ctx, int fd)
{
    struct faulty *f = ctx;
    if (f->fault == CLOSE_AT_ACCEPT || !read_request(f, fd))
        return;
    if (f->fault == HALF_BODY)
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    if (f->fault == NO_HTTP)
        say(fd, "SSH-2.0-x\r\n");
    if (f->fault == SILENT)
        read_request(f, fd); /* until the client gives up */
    if (f->fault == ONE_ANSWER_THEN_CLOSE) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        read_request(f, fd); /* the next request on this connection is read, and then lost */
    }
}

static void faulty_start(struct faulty *f, enum fault fault)
{
    memset(f, 0, sizeof(*f));
    f->fault = fault;
    wire_server_start(&f->server, faulty_serve, f);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/x", f->server.port);
}

static void a_closed_port_is_not_sent(void **state)
{
    (void)state;
    unsigned port;
    int fd = wire_listen(&port);
    close(fd);
    LT_AUTOFREE char *url = lt_asprintf("http://127.0.0.1:%u/", port);
    struct lt_http_client *c = client(&(struct lt_http_client_settings){0});
    assert_int_equal(call(c, "POST", url, "{}").failure, LT_HTTP_NOT_SENT);
    assert_int_equal(call(c, "POST", "http://name.invalid/", "{}").failure, LT_HTTP_NOT_SENT);
    lt_http_client_free(c);
}

static void a_cut_after_the_request_could_have_left_is_unknown(void **state)
{
    (void)state;
    static const enum fault faults[] = {CLOSE_AT_ACCEPT, CLOSE_AFTER_REQUEST, HALF_BODY, NO_HTTP};
    for (size_t i = 0; i < LT_ARRAY_LEN(faults); i++) {
        struct faulty f;
        faulty_start(&f, faults[i]);
        struct lt_http_client *c = client(&(struct lt_http_client_settings){0});
        struct outcome o = call(c, "POST", f.url, "{\"a\":1}");
        if (o.failure != LT_HTTP_UNKNOWN)
            fail_msg("fault %zu: got %d, %s", i, (int)o.failure, o.text);
        assert_true(*o.text);
        assert_int_equal(atomic_load(&f.requests), faults[i] == CLOSE_AT_ACCEPT ? 0 : 1);
        lt_http_client_free(c);
        wire_server_stop(&f.server);
    }
}

static void no_answer_in_time_is_unknown(void **state)
{
    (void)state;
    struct faulty f;
    faulty_start(&f, SILENT);
    struct lt_http_client *c = client(&(struct lt_http_client_settings){.timeout_ms = 200});
    assert_int_equal(call(c, "POST", f.url, "{}").failure, LT_HTTP_UNKNOWN);
    lt_http_client_free(c);
    wire_server_stop(&f.server);
}

static void a_request_lost_on_a_kept_connection_is_never_repeated_by_itself(void **state)
{
    (void)state;
    struct faulty f;
    faulty_start(&f, ONE_ANSWER_THEN_CLOSE);
    struct lt_http_client *c = client(&(struct lt_http_client_settings){0});
    assert_int_equal(call(c, "POST", f.url, "{}").failure, LT_HTTP_ANSWERED);
    struct outcome lost = call(c, "POST", f.url, "{\"a\":1}");
    assert_int_equal(lost.failure, LT_HTTP_UNKNOWN);
    assert_non_null(strstr(lost.text, "connection was lost")); /* for people, not libcurl's word about rewinding */
    assert_int_equal(atomic_load(&f.requests), 2);             /* one for each call */
    lt_http_client_free(c);
    wire_server_stop(&f.server);
}

/* ---- our own server ---- */

static void drop(void *ctx, struct lt_http_request *r)
{
    (void)ctx;
    lt_http_drop(r);
}

static void handle(void *ctx, struct lt_http_request *r)
{
    const char *path = lt_http_path(r);
    struct lt_http_header_out retry = {"Retry-After",
                                       strcmp(path, "/date") == 0 ? "Fri, 01 Jan 2100 00:00:00 GMT" : "17"};
    struct lt_http_header_out location = {"Location", "/elsewhere"};
    atomic_fetch_add((atomic_int *)ctx, 1);
    if (strcmp(path, "/moved") == 0)
        lt_http_reply(r, 302, &location, 1, NULL, LT_SPAN_NULL);
    else if (strcmp(path, "/busy") == 0 || strcmp(path, "/date") == 0)
        lt_http_reply(r, 503, &retry, 1, "text/plain", LT_SPAN_LIT("busy"));
    else if (strcmp(path, "/hold") == 0)
        lt_http_later(r, 1000000, drop, NULL);
    else
        lt_http_reply(r, 200, NULL, 0, lt_http_header(r, "Content-Type"), lt_http_body(r));
}

struct pair {
    struct lt_http_server *server;
    struct lt_http_client *client;
    char url[60];
    atomic_int requests;
};

static void pair_start(struct pair *p, const char *certificate, const char *ca_name, size_t answer_max)
{
    LT_AUTOFREE char *cert = pki_file(pki_folder, "server.pem"), *key = pki_file(pki_folder, "server.key"),
                     *ca = pki_file(pki_folder, "ca.pem");
    LT_AUTOFREE char *own = lt_asprintf("%s/%s.pem", pki_folder, certificate),
                     *own_key = lt_asprintf("%s/%s.key", pki_folder, certificate);
    LT_AUTOFREE char *trust = lt_asprintf("%s/%s.pem", pki_folder, ca_name);
    struct lt_http_settings s = {.listen = "127.0.0.1:0",
                                 .threads = 1,
                                 .certificate = cert,
                                 .key = key,
                                 .client_ca = ca,
                                 .body_max = 1 << 20,
                                 .name = "test",
                                 .ctx = &p->requests,
                                 .handle = handle};
    memset(p, 0, sizeof(*p));
    assert_int_equal(lt_http_server_start(&s, &p->server, NULL), LT_OK);
    p->client = client(&(struct lt_http_client_settings){.certificate = *certificate ? own : NULL,
                                                         .key = *certificate ? own_key : NULL,
                                                         .ca = trust,
                                                         .answer_max = answer_max});
    snprintf(p->url, sizeof(p->url), "https://127.0.0.1:%u", lt_http_server_port(p->server));
}

static void pair_stop(struct pair *p)
{
    lt_http_client_free(p->client);
    lt_http_server_free(p->server);
}

static struct outcome pair_call(struct pair *p, const char *method, const char *path, const char *body)
{
    LT_AUTOFREE char *url = lt_asprintf("%s%s", p->url, path);
    return call(p->client, method, url, body);
}

static void an_answer_comes_whole_over_a_kept_connection(void **state)
{
    (void)state;
    struct pair p;
    struct lt_http_stats stats;
    pair_start(&p, "client", "ca", 0);
    struct outcome o = pair_call(&p, "POST", "/echo", "{\"a\":1}");
    assert_int_equal(o.failure, LT_HTTP_ANSWERED);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "{\"a\":1}");
    assert_string_equal(o.content_type, "application/json");
    assert_int_equal(o.retry_after_s, -1);
    assert_int_equal(pair_call(&p, "PUT", "/echo", "x").failure, LT_HTTP_ANSWERED);
    assert_int_equal(pair_call(&p, "GET", "/echo", "").status, 200);
    assert_int_equal(pair_call(&p, "HEAD", "/echo", "").status, 200);
    lt_http_server_stats(p.server, &stats);
    assert_int_equal(stats.connections, 1);
    pair_stop(&p);
}

static void a_post_without_body_has_a_connection_of_its_own(void **state)
{
    (void)state;
    struct pair p;
    struct lt_http_stats stats;
    pair_start(&p, "client", "ca", 0);
    assert_int_equal(pair_call(&p, "POST", "/echo", "x").status, 200);
    assert_int_equal(pair_call(&p, "POST", "/echo", "").status, 200); /* on a kept one libcurl might repeat it */
    lt_http_server_stats(p.server, &stats);
    assert_int_equal(stats.connections, 2);
    assert_int_equal(stats.requests, 2);
    pair_stop(&p);
}

static void retry_after_is_seconds_and_redirects_are_answers(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, "client", "ca", 0);
    struct outcome o = pair_call(&p, "POST", "/busy", "{}");
    assert_int_equal(o.status, 503);
    assert_int_equal(o.retry_after_s, 17);
    assert_int_equal(pair_call(&p, "POST", "/date", "{}").retry_after_s, 86400); /* far away: clamped */
    assert_int_equal(pair_call(&p, "GET", "/moved", "").status, 302);
    assert_int_equal(atomic_load(&p.requests), 3);
    pair_stop(&p);
}

static void an_answer_above_the_limit_is_too_large(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, "client", "ca", 10);
    assert_int_equal(pair_call(&p, "POST", "/echo", "0123456789").failure, LT_HTTP_ANSWERED);
    assert_int_equal(pair_call(&p, "POST", "/echo", "0123456789a").failure, LT_HTTP_TOO_LARGE);
    pair_stop(&p);
}

static void a_certificate_the_server_refuses_is_a_credential_failure(void **state)
{
    (void)state;
    static const char *const certificates[] = {"", "stranger", "expired"};
    for (size_t i = 0; i < LT_ARRAY_LEN(certificates); i++) {
        struct pair p;
        pair_start(&p, certificates[i], "ca", 0);
        struct outcome o = pair_call(&p, "POST", "/echo", "{}");
        if (o.failure != LT_HTTP_CREDENTIAL)
            fail_msg("certificate %zu: got %d, %s", i, (int)o.failure, o.text);
        assert_int_equal(atomic_load(&p.requests), 0);
        pair_stop(&p);
    }
}

static void a_server_that_does_not_verify_is_a_credential_failure(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, "client", "stranger-ca", 0);
    struct outcome o = pair_call(&p, "POST", "/echo", "{}");
    assert_int_equal(o.failure, LT_HTTP_CREDENTIAL);
    assert_true(*o.text);
    pair_stop(&p);
}

static void put_file(const char *name, const char *as)
{
    LT_AUTOFREE char *from = pki_file(pki_folder, name), *to = pki_file(pki_folder, as), *text = NULL;
    size_t len;
    assert_int_equal(lt_file_read(from, 65536, &text, &len, NULL), LT_OK);
    assert_int_equal(lt_file_write(to, lt_span(text, len), 0600, NULL), LT_OK);
}

/* libcurl keeps what it read of a CA file, for a day if nobody says otherwise. */
static void a_ca_file_that_is_replaced_counts_for_the_next_connections(void **state)
{
    (void)state;
    struct pair p;
    put_file("stranger-ca.pem", "trust.pem");
    pair_start(&p, "client", "trust", 0);
    assert_int_equal(pair_call(&p, "POST", "/echo", "{}").failure, LT_HTTP_CREDENTIAL);
    put_file("ca.pem", "trust.pem");
    int64_t end = lt_mono_ms() + 15000;
    while (pair_call(&p, "POST", "/echo", "{}").failure != LT_HTTP_ANSWERED)
        assert_true(lt_mono_ms() < end);
    pair_stop(&p);
}

static void identify_as(const char *who)
{
    LT_AUTOFREE char *certificate = lt_asprintf("%s.pem", who), *key = lt_asprintf("%s.key", who);
    put_file(certificate, "own.pem");
    put_file(key, "own.key");
}

/* A resumed TLS session goes on under the certificate it began with: the target would see the former one for hours. */
static void a_certificate_that_is_replaced_counts_for_the_next_connection(void **state)
{
    (void)state;
    struct pair p;
    identify_as("client");
    pair_start(&p, "own", "ca", 0);
    /* A post without body has a connection of its own. */
    assert_int_equal(pair_call(&p, "POST", "/echo", "").failure, LT_HTTP_ANSWERED);
    identify_as("expired");
    assert_int_equal(pair_call(&p, "POST", "/echo", "").failure, LT_HTTP_CREDENTIAL);
    identify_as("gateway");
    assert_int_equal(pair_call(&p, "POST", "/echo", "").failure, LT_HTTP_ANSWERED);
    assert_int_equal(atomic_load(&p.requests), 2);
    pair_stop(&p);
}

static void missing_certificate_files_are_a_credential_failure(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, "nobody", "ca", 0);
    assert_int_equal(pair_call(&p, "POST", "/echo", "{}").failure, LT_HTTP_CREDENTIAL);
    pair_stop(&p);
}

static void plain_http_where_tls_is_due_is_not_sent(void **state)
{
    (void)state;
    struct faulty f;
    faulty_start(&f, NO_HTTP);
    LT_AUTOFREE char *url = lt_asprintf("https://127.0.0.1:%u/", f.server.port);
    struct lt_http_client *c = client(&(struct lt_http_client_settings){.timeout_ms = 300});
    assert_int_equal(call(c, "POST", url, "{}").failure, LT_HTTP_NOT_SENT);
    lt_http_client_free(c);
    wire_server_stop(&f.server);
}

static void cancelled_calls_end_with_what_is_known(void **state)
{
    (void)state;
    struct pair p;
    struct outcome held = {0}, fresh = {0};
    pair_start(&p, "client", "ca", 0);
    LT_AUTOFREE char *url = lt_asprintf("%s/hold", p.url);
    assert_int_equal(lt_http_client_call(p.client, "POST", url, NULL, LT_SPAN_LIT("{}"), on_done, &held, NULL), LT_OK);
    int64_t end = lt_mono_ms() + 10000;
    while (atomic_load(&p.requests) == 0) {
        assert_int_equal(lt_http_client_run(p.client, 10), 1);
        assert_true(lt_mono_ms() < end);
    }
    assert_int_equal(lt_http_client_call(p.client, "POST", url, NULL, LT_SPAN_LIT("{}"), on_done, &fresh, NULL), LT_OK);
    pair_stop(&p);
    assert_int_equal(held.calls, 1);
    assert_int_equal(held.failure, LT_HTTP_UNKNOWN);
    assert_int_equal(fresh.calls, 1);
    assert_int_equal(fresh.failure, LT_HTTP_NOT_SENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_port_is_not_sent),
        cmocka_unit_test(a_cut_after_the_request_could_have_left_is_unknown),
        cmocka_unit_test(no_answer_in_time_is_unknown),
        cmocka_unit_test(a_request_lost_on_a_kept_connection_is_never_repeated_by_itself),
        cmocka_unit_test(an_answer_comes_whole_over_a_kept_connection),
        cmocka_unit_test(a_post_without_body_has_a_connection_of_its_own),
        cmocka_unit_test(retry_after_is_seconds_and_redirects_are_answers),
        cmocka_unit_test(an_answer_above_the_limit_is_too_large),
        cmocka_unit_test(a_certificate_the_server_refuses_is_a_credential_failure),
        cmocka_unit_test(a_server_that_does_not_verify_is_a_credential_failure),
        cmocka_unit_test(a_ca_file_that_is_replaced_counts_for_the_next_connections),
        cmocka_unit_test(a_certificate_that_is_replaced_counts_for_the_next_connection),
        cmocka_unit_test(missing_certificate_files_are_a_credential_failure),
        cmocka_unit_test(plain_http_where_tls_is_due_is_not_sent),
        cmocka_unit_test(cancelled_calls_end_with_what_is_known),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
