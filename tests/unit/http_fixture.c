#include "tests/unit/harness.h"

#include "tests/unit/http_fixture.h"

#include <stdio.h>

size_t held_len(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    size_t n = f->held_len;
    pthread_mutex_unlock(&f->lock);
    return n;
}

struct lt_http_stats stats_of(struct fixture *f)
{
    struct lt_http_stats s;
    lt_http_server_stats(f->server, &s);
    return s;
}

void *reply_late(void *arg)
{
    lt_http_reply(arg, 200, NULL, 0, "text/plain", LT_SPAN_LIT("late"));
    return NULL;
}

static void on_later(void *ctx, struct lt_http_request *r)
{
    (void)ctx;
    lt_http_reply(r, 200, NULL, 0, "text/plain", LT_SPAN_LIT("later"));
}

static void on_back(void *ctx, struct lt_http_request *r)
{
    const pthread_t *loop = ctx;
    lt_http_reply(r, 200, NULL, 0, "text/plain",
                  pthread_equal(*loop, pthread_self()) ? LT_SPAN_LIT("on its loop") : LT_SPAN_LIT("elsewhere"));
    free(ctx);
}

struct back {
    struct lt_http_request *request;
    pthread_t *loop;
};

static void *come_back(void *arg)
{
    struct back *b = arg;
    lt_http_come_back(b->request, on_back, b->loop);
    free(b);
    return NULL;
}

void handle(void *ctx, struct lt_http_request *r)
{
    struct fixture *f = ctx;
    const char *path = lt_http_path(r);
    const struct lt_http_over *over = lt_http_over(r);
    struct lt_http_header_out header = {"X-Method", lt_http_method(r)};
    if (over) {
        char told[200];
        snprintf(told, sizeof(told), "%llu bytes, kept %zu, %s %s", (unsigned long long)over->length,
                 lt_http_body(r).len, over->whole ? "whole" : "cut", over->sha256);
        lt_http_reply(r, 413, NULL, 0, "text/plain", lt_span_str(told));
    } else if (strcmp(path, "/hold") == 0) {
        pthread_mutex_lock(&f->lock);
        f->held[f->held_len++] = r;
        pthread_mutex_unlock(&f->lock);
    } else if (strcmp(path, "/thread") == 0) {
        pthread_t t;
        pthread_create(&t, NULL, reply_late, r);
        pthread_detach(t);
    } else if (strcmp(path, "/back") == 0) {
        pthread_t t;
        struct back *b = lt_alloc(sizeof(*b));
        *b = (struct back){r, lt_alloc(sizeof(*b->loop))};
        *b->loop = pthread_self();
        pthread_create(&t, NULL, come_back, b);
        pthread_detach(t);
    } else if (strcmp(path, "/later") == 0) {
        lt_http_later(r, 20, on_later, NULL);
    } else if (strcmp(path, "/never") == 0) {
        lt_http_later(r, 1000000, on_later, NULL);
    } else if (strcmp(path, "/problem") == 0) {
        lt_http_problem(r, 422, "unknown-unit", "the \"unit\" is not known", "\"field\":\"MaDonVi\"", 7);
    } else if (strcmp(path, "/drop") == 0) {
        lt_http_drop(r);
    } else if (strcmp(path, "/reset") == 0) {
        lt_http_reset(r);
    } else if (strcmp(path, "/slow") == 0) {
        lt_http_reply_paced(r, 200, NULL, 0, "text/plain", LT_SPAN_LIT("0123456789"),
                            &(struct lt_http_pace){40, 5, SIZE_MAX});
    } else if (strcmp(path, "/cut") == 0) {
        lt_http_reply_paced(r, 200, NULL, 0, "text/plain", LT_SPAN_LIT("0123456789"),
                            &(struct lt_http_pace){0, 0, 100});
    } else if (strcmp(path, "/large") == 0) {
        LT_AUTOFREE char *large = lt_alloc(50000);
        memset(large, 'x', 50000);
        lt_http_reply(r, 200, NULL, 0, "text/plain", lt_span(large, 50000));
    } else {
        const struct lt_http_peer *p = lt_http_peer(r);
        snprintf(f->peer, sizeof(f->peer), "%s|%s|%s|%zu|%.10s", p->subject_cn, p->san_len ? p->san[0] : "",
                 p->san_len > 1 ? p->san[1] : "", strlen(p->fingerprint), p->not_after);
        lt_http_reply(r, 200, &header, 1, "text/plain", lt_http_body(r));
    }
}

void start(struct fixture *f, bool tls, void (*change)(struct lt_http_settings *))
{
    struct lt_err err = LT_ERR_INIT;
    LT_AUTOFREE char *cert = pki_file(f->folder, "server.pem"), *key = pki_file(f->folder, "server.key"),
                     *ca = pki_file(f->folder, "ca.pem");
    struct lt_http_settings s = {.listen = "127.0.0.1:0",
                                 .threads = 2,
                                 .certificate = tls ? cert : NULL,
                                 .key = key,
                                 .client_ca = ca,
                                 .body_max = 100000,
                                 .header_max = 8192,
                                 .connections_max = 64,
                                 .memory = 1000000,
                                 .idle_timeout_s = 30,
                                 .request_timeout_s = 30,
                                 .name = "test",
                                 .ctx = f,
                                 .handle = handle};
    if (change)
        change(&s);
    if (lt_http_server_start(&s, &f->server, &err) != LT_OK)
        fail_msg("%s", err.text);
    f->port = lt_http_server_port(f->server);
    assert_true(f->port > 0);
}

struct fixture *fixture_new(void)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    f->folder = pki_folder;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

int setup_plain(void **state)
{
    struct fixture *f = fixture_new();
    start(f, false, NULL);
    *state = f;
    return 0;
}

int setup_tls(void **state)
{
    struct fixture *f = fixture_new();
    start(f, true, NULL);
    *state = f;
    return 0;
}

int setup_bare(void **state)
{
    *state = fixture_new();
    return 0;
}

int teardown(void **state)
{
    struct fixture *f = *state;
    lt_http_server_drain(f->server, 0);
    lt_http_server_free(f->server);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

void exchange(struct wire *w, const char *request, int status, const char *part)
{
    wire_send(w, request);
    LT_AUTOFREE char *answer = wire_answer(w);
    assert_int_equal(wire_status(answer), status);
    if (!strstr(answer, part))
        fail_msg("expected %s in:\n%s", part, answer);
}

void one_exchange(struct fixture *f, const char *request, int status, const char *part)
{
    struct wire w;
    assert_true(wire_open(&w, f->port, NULL, NULL));
    exchange(&w, request, status, part);
    wire_close(&w);
}
