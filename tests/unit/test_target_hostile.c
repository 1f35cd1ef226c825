/*
 * What a target may send that is no proper answer (issue: delivery, bad input): a raw server says it, the real client
 * takes it, the shipped tables name it.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/population/answer.h"
#include "adapters/portal/answer.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "tests/unit/harness.h"
#include "tests/unit/http_wire.h"

#define DEADLINE_MS 20000
#define ANSWER_MAX ((size_t)4 << 20)

/* ---- a server that says one thing to every request ---- */

struct server {
    struct wire_server wire;
    atomic_int requests;
    const char *head;   /* everything up to the body; "%s" of a date is filled in before */
    size_t body_repeat; /* then this many times 1 KiB */
};

static void serve(void *ctx, int fd)
{
    struct server *s = ctx;
    char in[8192], kilobyte[1024];
    memset(kilobyte, ' ', sizeof(kilobyte));
    while (wire_request(fd, in, sizeof(in))) {
        atomic_fetch_add(&s->requests, 1);
        bool going = send(fd, s->head, strlen(s->head), MSG_NOSIGNAL) > 0;
        for (size_t i = 0; going && i < s->body_repeat; i++)
            going = send(fd, kilobyte, sizeof(kilobyte), MSG_NOSIGNAL) > 0;
        if (!going || strstr(s->head, "Connection: close"))
            break;
    }
}

/* ---- tables ---- */

static struct lt_yaml *yaml[2];
static struct lt_classifier *portal, *population;
static struct lt_arena arena = LT_ARENA_INIT;

static struct lt_classifier *table(const char *path, const struct lt_classifier_form *form, struct lt_yaml **ret)
{
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_classifier *c = NULL;
    assert_int_equal(lt_yaml_load(path, ret, &diags), LT_OK);
    assert_int_equal(
        lt_classifier_new(form, lt_yaml_get(lt_yaml_root(*ret), "answers"), lt_yaml_root(*ret), &c, &diags), LT_OK);
    lt_diags_deinit(&diags);
    return c;
}

static int setup(void **state)
{
    (void)state;
    lt_log_threshold = LT_LOG_ERROR + 1;
    portal = table("config/targets/portal.yaml", &lt_portal_answers, &yaml[0]);
    population = table("config/targets/population.yaml", &lt_population_answers, &yaml[1]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lt_classifier_free(portal);
    lt_classifier_free(population);
    lt_yaml_free(yaml[0]);
    lt_yaml_free(yaml[1]);
    lt_arena_deinit(&arena);
    return 0;
}

/* ---- one call ---- */

struct got {
    bool done;
    struct lt_portal_answer portal;
    struct lt_population_answer population;
    enum lt_portal_call call;
    int64_t clock_ahead_s;
};

static void on_done(void *ctx, const struct lt_http_answer *a)
{
    struct got *g = ctx;
    g->done = true;
    g->clock_ahead_s = a->clock_ahead_s;
    lt_portal_answer_read(portal, g->call, LT_SPAN_LIT("A-1"), a, &arena, &g->portal);
    const struct lt_population_asked asked = {.operation = LT_POPULATION_LOOKUP, .id = LT_SPAN_LIT("002224000001")};
    lt_population_answer_read(population, &asked, a, &arena, &g->population);
}

static struct got ask_url(const char *url, enum lt_portal_call call)
{
    struct got g = {.call = call};
    struct lt_http_client *c;
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    const struct lt_http_client_settings s = {
        .timeout_ms = 10000, .connect_timeout_ms = 5000, .answer_max = ANSWER_MAX};
    assert_int_equal(lt_http_client_new(&s, &c, NULL), LT_OK);
    assert_int_equal(lt_http_client_call(c, "POST", url, headers, LT_SPAN_LIT("{}"), on_done, &g, NULL), LT_OK);
    int64_t end = lt_mono_ms() + DEADLINE_MS;
    while (!g.done && lt_mono_ms() < end)
        (void)lt_http_client_run(c, 50);
    assert_true(g.done);
    lt_http_client_free(c);
    return g;
}

static struct got ask(struct server *s, enum lt_portal_call call)
{
    char url[64];
    wire_server_start(&s->wire, serve, s);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", s->wire.port);
    struct got g = ask_url(url, call);
    wire_server_stop(&s->wire);
    assert_int_equal(atomic_load(&s->requests), 1); /* whatever it says, nothing is sent twice by itself */
    return g;
}

static struct got ask_body(enum lt_portal_call call, const char *type, const char *body)
{
    LT_AUTOFREE char *head =
        lt_asprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", type, strlen(body), body);
    struct server s = {.head = head};
    return ask(&s, call);
}

static void portal_is(const struct got *g, enum lt_portal_meaning meaning, const char *code)
{
    if (g->portal.meaning != meaning || strcmp(g->portal.code, code) != 0)
        fail_msg("expected %s (%s), got %s (%s: %s)", lt_portal_meaning_name(meaning), code,
                 lt_portal_meaning_name(g->portal.meaning), g->portal.code, g->portal.reason);
}

/* No verdict on a citizen: it is asked again. */
static void population_fails(const struct got *g, const char *code)
{
    assert_int_equal(g->population.meaning, LT_POPULATION_ERROR);
    assert_int_equal(g->population.outcome, LT_OUTCOME_RETRY);
    assert_string_equal(g->population.code, code);
}

/* ---- */

static void an_answer_of_50_mb_is_stopped_at_the_limit_and_leaves_the_call_uncertain(void **state)
{
    (void)state;
    struct server s = {.head = "HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n", .body_repeat = 51200};
    struct got g = ask(&s, LT_PORTAL_CREATE);
    portal_is(&g, LT_PORTAL_UNCERTAIN, "answer-too-large");
    population_fails(&g, "answer-too-large");
}

static void a_redirect_without_end_is_not_followed(void **state)
{
    (void)state;
    struct server s = {.head = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"};
    struct got g = ask(&s, LT_PORTAL_CREATE);
    portal_is(&g, LT_PORTAL_UNCERTAIN, "http-307");
    population_fails(&g, "http-307");
}

static void a_gzip_bomb_is_not_unpacked(void **state)
{
    (void)state;
    struct server s = {.head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08zz"};
    struct got g = ask(&s, LT_PORTAL_CREATE);
    portal_is(&g, LT_PORTAL_UNCERTAIN, "encoded");
    population_fails(&g, "not-xml");
}

static void members_twice_and_no_error_code_and_half_an_object_say_nothing(void **state)
{
    (void)state;
    struct got g = ask_body(LT_PORTAL_PROGRESS, "application/json", "{\"error_code\":\"0\",\"error_code\":\"-1\"}");
    portal_is(&g, LT_PORTAL_UNCERTAIN, "not-json");
    g = ask_body(LT_PORTAL_PROGRESS, "application/json", "{\"message\":\"thành công\"}");
    portal_is(&g, LT_PORTAL_UNCERTAIN, "no-error_code");
    g = ask_body(LT_PORTAL_PROGRESS, "application/json", "{\"error_code\":\"0\"");
    portal_is(&g, LT_PORTAL_UNCERTAIN, "not-json");
}

static void a_page_with_status_200_and_no_content_are_no_success(void **state)
{
    (void)state;
    struct got g = ask_body(LT_PORTAL_CREATE, "text/html", "<html><h1>Hệ thống đang bảo trì</h1></html>");
    portal_is(&g, LT_PORTAL_UNCERTAIN, "not-json");
    struct server s = {.head = "HTTP/1.1 204 No Content\r\n\r\n"};
    g = ask(&s, LT_PORTAL_PROGRESS);
    portal_is(&g, LT_PORTAL_UNCERTAIN, "http-204");
    population_fails(&g, "http-204");
}

static void an_error_inside_a_200_is_a_refusal(void **state)
{
    (void)state;
    struct got g = ask_body(LT_PORTAL_CREATE, "application/json", "{\"error_code\":\"-1\",\"message\":\"Sai MaTTHC\"}");
    portal_is(&g, LT_PORTAL_REFUSED, "error_code -1");
    g = ask_body(LT_PORTAL_CREATE, "application/json", "{\"error_code\":0,\"message\":\"không thành công\"}");
    portal_is(&g, LT_PORTAL_REFUSED, "error_code 0");
}

static void a_soap_answer_with_a_document_type_is_an_error_and_no_verdict(void **state)
{
    (void)state;
    struct got g = ask_body(LT_PORTAL_CREATE, "text/xml",
                            "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>"
                            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>"
                            "<CongdanCollection/></s:Body></s:Envelope>");
    population_fails(&g, "not-xml");
}

static void an_answer_about_another_dossier_or_citizen_answers_nothing(void **state)
{
    (void)state;
    struct got g =
        ask_body(LT_PORTAL_LOOKUP, "application/json", "{\"error_code\":0,\"result\":[{\"MaHoSo\":\"A-2\"}]}");
    portal_is(&g, LT_PORTAL_UNCERTAIN, "other-dossier");
    g = ask_body(LT_PORTAL_LOOKUP, "text/xml",
                 "<CongdanCollection><CongDan><SoDinhDanh>002224000002</SoDinhDanh></CongDan></CongdanCollection>");
    population_fails(&g, "other-citizen");
}

static void a_retry_after_of_any_form_is_read_or_ignored_and_never_longer_than_a_day(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t wait_ms;
    } rows[] = {{"17", 17000},
                {"0", 0},
                {"31536000", 86400000},
                {"99999999999999999999999", 86400000},
                {"-5", 0},
                {"soon", 0},
                {"", 0},
                {"Thu, 01 Jan 2026 00:01:00 GMT", 60000},
                {"Thu, 01 Jan 2026 00:00:00 GMT", 0},
                {"Wed, 31 Dec 2025 23:00:00 GMT", 0}, /* past */
                {"Fri, 01 Jan 2027 00:00:00 GMT", 86400000}};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        /* Their Date decides what a date means, not our clock: it may be months off. */
        LT_AUTOFREE char *head = lt_asprintf("HTTP/1.1 503 Busy\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                                             "Retry-After: %s\r\nContent-Length: 0\r\n\r\n",
                                             rows[i].value);
        struct server s = {.head = head};
        struct got g = ask(&s, LT_PORTAL_CREATE);
        if (g.portal.meaning != LT_PORTAL_THROTTLED || LT_MAX(g.portal.wait_ms, 0) != rows[i].wait_ms)
            fail_msg("Retry-After %s: got %s, %lld ms", rows[i].value, lt_portal_meaning_name(g.portal.meaning),
                     (long long)g.portal.wait_ms);
    }
}

static void a_clock_of_ours_that_is_wrong_is_seen_by_the_answers_date(void **state)
{
    (void)state;
    struct server s = {.head = "HTTP/1.1 401 No\r\nDate: Fri, 01 Jan 2100 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"};
    struct got g = ask(&s, LT_PORTAL_CREATE);
    assert_true(g.clock_ahead_s > 86400);
    portal_is(&g, LT_PORTAL_DENIED, "http-401");
}

static void a_name_that_is_gone_and_a_closed_port_are_waited_for(void **state)
{
    (void)state;
    struct got g = ask_url("http://portal.invalid/x", LT_PORTAL_CREATE);
    portal_is(&g, LT_PORTAL_BUSY, "not-sent");
    assert_int_equal(g.population.meaning, LT_POPULATION_UNAVAILABLE);
    unsigned port;
    int fd = wire_listen(&port);
    close(fd);
    LT_AUTOFREE char *url = lt_asprintf("http://127.0.0.1:%u/", port);
    g = ask_url(url, LT_PORTAL_PROGRESS);
    portal_is(&g, LT_PORTAL_BUSY, "not-sent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_of_50_mb_is_stopped_at_the_limit_and_leaves_the_call_uncertain),
        cmocka_unit_test(a_redirect_without_end_is_not_followed),
        cmocka_unit_test(a_gzip_bomb_is_not_unpacked),
        cmocka_unit_test(members_twice_and_no_error_code_and_half_an_object_say_nothing),
        cmocka_unit_test(a_page_with_status_200_and_no_content_are_no_success),
        cmocka_unit_test(an_error_inside_a_200_is_a_refusal),
        cmocka_unit_test(a_soap_answer_with_a_document_type_is_an_error_and_no_verdict),
        cmocka_unit_test(an_answer_about_another_dossier_or_citizen_answers_nothing),
        cmocka_unit_test(a_retry_after_of_any_form_is_read_or_ignored_and_never_longer_than_a_day),
        cmocka_unit_test(a_clock_of_ours_that_is_wrong_is_seen_by_the_answers_date),
        cmocka_unit_test(a_name_that_is_gone_and_a_closed_port_are_waited_for),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
