/* The portal mock behind real mutual TLS, from the signal that ends it to the connection that a fault holds. */
#include "tests/unit/harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "adapters/mock/serve.h"
#include "adapters/portal/mock_portal.h"
#include "gateway/base/clock.h"
#include "gateway/http/client.h"
#include "tests/unit/http_pki.h"

struct world {
    struct lt_mock_portal_settings settings;
    struct lt_mock_portal *portal;
    struct lt_mock mock;
    struct lt_mock_server *server;
    pthread_t thread;
    struct lt_arena arena;
};

struct outcome {
    unsigned calls;
    enum lt_http_failure failure;
    long status;
    char body[4096];
};

static void on_done(void *ctx, const struct lt_http_answer *a)
{
    struct outcome *o = ctx;
    o->calls++;
    o->failure = a->failure;
    o->status = a->status;
    snprintf(o->body, sizeof o->body, LT_SPAN_FMT, LT_SPAN_ARG(a->body));
}

static void *run(void *server)
{
    lt_mock_server_run(server);
    return NULL;
}

static int start(void **state, int64_t hold_ms)
{
    struct world *w = lt_alloc(sizeof *w);
    struct lt_diags diags = LT_DIAGS_INIT;
    assert_int_equal(
        lt_opts_decode(NULL, "", lt_mock_portal_opts, lt_mock_portal_opts_len, &w->settings, &w->arena, &diags), 0);
    lt_diags_deinit(&diags);
    w->settings.hold_ms = hold_ms;
    assert_int_equal(lt_mock_portal_new(&w->settings, &w->portal, NULL), LT_OK);
    w->mock = (struct lt_mock){"portal", w->portal, lt_mock_portal_handle};

    LT_AUTOFREE char *certificate = pki_file(pki_folder, "server.pem");
    LT_AUTOFREE char *key = pki_file(pki_folder, "server.key");
    LT_AUTOFREE char *ca = pki_file(pki_folder, "ca.pem");
    LT_AUTOFREE char *expired_certificate = pki_file(pki_folder, "expired.pem");
    LT_AUTOFREE char *expired_key = pki_file(pki_folder, "expired.key");
    const struct lt_mock_serve_settings s = {.listen = "127.0.0.1:0",
                                             .certificate = certificate,
                                             .key = key,
                                             .ca = ca,
                                             .threads = 2,
                                             .expired_certificate = expired_certificate,
                                             .expired_key = expired_key};
    struct lt_err err = LT_ERR_INIT;
    if (lt_mock_server_start(&s, &w->mock, &w->server, &err) != LT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(pthread_create(&w->thread, NULL, run, w->server), 0);
    *state = w;
    return 0;
}

static int setup(void **state)
{
    return start(state, 300);
}

static int setup_long_hold(void **state)
{
    return start(state, 600000);
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w->server) {
        assert_int_equal(pthread_kill(w->thread, SIGTERM), 0);
        assert_int_equal(pthread_join(w->thread, NULL), 0);
        lt_mock_server_free(w->server);
    }
    lt_mock_portal_free(w->portal);
    lt_arena_deinit(&w->arena);
    free(w);
    return 0;
}

static struct lt_http_client *client(const char *who, long timeout_ms)
{
    LT_AUTOFREE char *certificate = lt_asprintf("%s/%s.pem", pki_folder, who);
    LT_AUTOFREE char *key = lt_asprintf("%s/%s.key", pki_folder, who);
    LT_AUTOFREE char *ca = pki_file(pki_folder, "ca.pem");
    const struct lt_http_client_settings s = {.certificate = certificate,
                                              .key = key,
                                              .ca = ca,
                                              .timeout_ms = timeout_ms,
                                              .connect_timeout_ms = 5000,
                                              .answer_max = 1 << 20,
                                              .connections_max = 8};
    struct lt_http_client *c = NULL;
    assert_int_equal(lt_http_client_new(&s, &c, NULL), LT_OK);
    return c;
}

static struct outcome call(struct world *w, struct lt_http_client *c, const char *method, const char *path,
                           const char *body)
{
    static const char *const headers[] = {"Content-Type: application/json", "dstcode: VN", NULL};
    struct outcome o = {.calls = 0};
    LT_AUTOFREE char *url = lt_asprintf("https://localhost:%u%s", lt_mock_server_port(w->server), path);
    assert_int_equal(lt_http_client_call(c, method, url, headers, lt_span_str(body), on_done, &o, NULL), LT_OK);
    int64_t end = lt_mono_ms() + 20000;
    while (lt_http_client_run(c, 100) > 0)
        assert_true(lt_mono_ms() < end);
    assert_int_equal(o.calls, 1);
    return o;
}

static void a_client_with_a_certificate_logs_in(void **state)
{
    struct world *w = *state;
    struct lt_http_client *c = client("client", 10000);
    struct outcome o = call(w, c, "POST", "/login", "{\"username\":\"h22\",\"password\":\"mau\"}");
    assert_int_equal(o.failure, LT_HTTP_ANSWERED);
    assert_int_equal(o.status, 200);
    assert_non_null(strstr(o.body, "\"session\":\""));
    o = call(w, c, "GET", "/oracle/counters", "");
    assert_non_null(strstr(o.body, "\"logins\":1,"));
    o = call(w, c, "GET", "/oracle/dossiers/000.00.01.H22-240101-0001%2F2", "");
    assert_int_equal(o.status, 404);
    assert_non_null(strstr(o.body, "0001/2"));
    lt_http_client_free(c);
}

static void a_certificate_of_another_authority_is_not_let_in(void **state)
{
    struct world *w = *state;
    struct lt_http_client *c = client("stranger", 10000);
    struct outcome o = call(w, c, "GET", "/oracle/counters", "");
    assert_int_equal(o.failure, LT_HTTP_CREDENTIAL);
    lt_http_client_free(c);
}

/* What opens a connection meets the expired certificate; what is open goes on, and can end the fault. */
static void while_its_certificate_is_expired_no_new_connection_is_trusted(void **state)
{
    struct world *w = *state;
    struct lt_http_client *open = client("client", 10000), *later = client("client", 10000);
    struct outcome o = call(w, open, "POST", "/control/faults", "{\"kind\":\"certificate-expired\",\"ms\":600000}");
    assert_int_equal(o.status, 200);
    assert_int_equal(call(w, later, "GET", "/oracle/counters", "").failure, LT_HTTP_CREDENTIAL);
    assert_int_equal(call(w, open, "GET", "/oracle/counters", "").status, 200);
    o = call(w, open, "POST", "/control/faults", "{\"kind\":\"certificate-expired\",\"count\":0}");
    assert_int_equal(o.status, 200);
    int64_t end = lt_mono_ms() + 20000;
    while ((o = call(w, later, "GET", "/oracle/counters", "")).failure != LT_HTTP_ANSWERED)
        assert_true(lt_mono_ms() < end);
    assert_int_equal(o.status, 200);
    lt_http_client_free(open);
    lt_http_client_free(later);
}

static void a_held_answer_never_comes_though_the_call_was_applied(void **state)
{
    struct world *w = *state;
    struct lt_http_client *c = client("client", 10000);
    struct outcome o =
        call(w, c, "POST", "/control/faults", "{\"kind\":\"timeout-after-apply\",\"service\":\"login\"}");
    assert_int_equal(o.status, 200);
    int64_t began = lt_mono_ms();
    o = call(w, c, "POST", "/login", "{\"username\":\"h22\",\"password\":\"mau\"}");
    assert_int_equal(o.failure, LT_HTTP_UNKNOWN);
    assert_true(lt_mono_ms() - began >= 250);
    o = call(w, c, "GET", "/oracle/counters", "");
    assert_non_null(strstr(o.body, "\"logins\":1,"));
    lt_http_client_free(c);
}

static void a_dropped_call_is_unknown_to_the_client(void **state)
{
    struct world *w = *state;
    struct lt_http_client *c = client("client", 10000);
    struct outcome o =
        call(w, c, "POST", "/control/faults", "{\"kind\":\"drop-before\",\"count\":1,\"service\":\"login\"}");
    assert_int_equal(o.status, 200);
    o = call(w, c, "POST", "/login", "{\"username\":\"h22\",\"password\":\"mau\"}");
    assert_int_equal(o.failure, LT_HTTP_UNKNOWN);
    o = call(w, c, "GET", "/oracle/counters", "");
    assert_non_null(strstr(o.body, "\"logins\":0,"));
    lt_http_client_free(c);
}

/* What the client must tell apart: an answer that comes late or slowly is an answer; one that is cut is none. */
static void answers_come_late_slowly_by_half_or_not_at_all(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *kind;
        enum lt_http_failure failure;
        const char *logins; /* applied by the time the client knows */
    } rows[] = {
        {"delay", LT_HTTP_ANSWERED, "\"logins\":1,"},    {"slow-body", LT_HTTP_ANSWERED, "\"logins\":2,"},
        {"half-body", LT_HTTP_UNKNOWN, "\"logins\":3,"}, {"reset-after-apply", LT_HTTP_UNKNOWN, "\"logins\":4,"},
        {"reset", LT_HTTP_UNKNOWN, "\"logins\":4,"},     {"apply-late", LT_HTTP_UNKNOWN, "\"logins\":5,"}};
    struct lt_http_client *c = client("client", 10000);
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        LT_AUTOFREE char *body = i == 0 ? lt_strdup("{\"kind\":\"delay\",\"ms\":50,\"service\":\"login\"}")
                                        : lt_asprintf("{\"kind\":\"%s\",\"service\":\"login\"}", rows[i].kind);
        assert_int_equal(call(w, c, "POST", "/control/faults", body).status, 200);
        struct outcome o = call(w, c, "POST", "/login", "{\"username\":\"h22\",\"password\":\"mau\"}");
        if (o.failure != rows[i].failure)
            fail_msg("%s: got %d", rows[i].kind, (int)o.failure);
        o = call(w, c, "GET", "/oracle/counters", "");
        if (!strstr(o.body, rows[i].logins))
            fail_msg("%s: expected %s in %s", rows[i].kind, rows[i].logins, o.body);
    }
    struct outcome o = call(w, c, "GET", "/oracle/arrivals", "");
    assert_non_null(strstr(o.body, "{\"total\":7,")); /* the late one came once and was applied once */
    assert_non_null(strstr(o.body, "\"fault\":\"none\",\"late\":true,\"applied\":true}"));
    lt_http_client_free(c);
}

static void a_call_applied_late_is_applied_after_the_client_has_given_up(void **state)
{
    struct world *w = *state;
    struct lt_http_client *c = client("client", 100), *patient = client("client", 10000);
    (void)call(w, patient, "POST", "/control/faults", "{\"kind\":\"apply-late\",\"ms\":400,\"service\":\"login\"}");
    struct outcome o = call(w, c, "POST", "/login", "{\"username\":\"h22\",\"password\":\"mau\"}");
    assert_int_equal(o.failure, LT_HTTP_UNKNOWN);
    int64_t end = lt_mono_ms() + 10000;
    do {
        o = call(w, patient, "GET", "/oracle/counters", "");
        assert_true(lt_mono_ms() < end);
    } while (!strstr(o.body, "\"logins\":1,"));
    lt_http_client_free(c);
    lt_http_client_free(patient);
}

static void a_server_that_ends_does_not_wait_for_what_it_holds(void **state)
{
    struct world *w = *state;
    struct lt_http_client *c = client("client", 60000);
    (void)call(w, c, "POST", "/control/faults", "{\"kind\":\"timeout-after-apply\",\"service\":\"login\"}");
    static const char *const headers[] = {"Content-Type: application/json", "dstcode: VN", NULL};
    struct outcome o = {.calls = 0}, seen;
    LT_AUTOFREE char *url = lt_asprintf("https://localhost:%u/login", lt_mock_server_port(w->server));
    assert_int_equal(lt_http_client_call(c, "POST", url, headers,
                                         LT_SPAN_LIT("{\"username\":\"a\",\"password\":\"b\"}"), on_done, &o, NULL),
                     LT_OK);
    struct lt_http_client *other = client("client", 10000);
    int64_t end = lt_mono_ms() + 10000;
    do { /* until it is applied, and so held */
        (void)lt_http_client_run(c, 10);
        seen = call(w, other, "GET", "/oracle/counters", "");
        assert_true(lt_mono_ms() < end);
    } while (!strstr(seen.body, "\"logins\":1,"));
    lt_http_client_free(other);
    assert_int_equal(o.calls, 0);

    int64_t began = lt_mono_ms();
    assert_int_equal(pthread_kill(w->thread, SIGTERM), 0);
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    lt_mock_server_free(lt_steal(&w->server));
    assert_true(lt_mono_ms() - began < 60000); /* the hold is ten minutes */
    while (o.calls == 0 && lt_mono_ms() < end + 10000)
        (void)lt_http_client_run(c, 10);
    assert_int_equal(o.failure, LT_HTTP_UNKNOWN);
    lt_http_client_free(c);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_client_with_a_certificate_logs_in),
        CASE(a_certificate_of_another_authority_is_not_let_in),
        CASE(while_its_certificate_is_expired_no_new_connection_is_trusted),
        CASE(a_held_answer_never_comes_though_the_call_was_applied),
        CASE(a_dropped_call_is_unknown_to_the_client),
        CASE(answers_come_late_slowly_by_half_or_not_at_all),
        CASE(a_call_applied_late_is_applied_after_the_client_has_given_up),
        cmocka_unit_test_setup_teardown(a_server_that_ends_does_not_wait_for_what_it_holds, setup_long_hold, teardown),
    };
    lt_mock_block_signals();
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
