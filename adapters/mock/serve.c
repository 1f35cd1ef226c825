#include "adapters/mock/serve.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/http/server.h"

#define HELD_MAX 10000
#define DRAIN_MS 3000
#define WAIT_MS 50 /* how late a held connection may be cut */
#define BODY_MAX ((size_t)64 << 20)
#define SLOW_HEAD 160 /* about what the head of an answer takes */
#define SLOW_PIECES 20

/* Requests that get silence: applied, never answered. */
struct held {
    struct lt_http_request *req;
    int64_t until_ms;
};

struct lt_mock_server {
    const struct lt_mock *mock;
    struct lt_http_server *http;
    int64_t service_ms;
    char *expired_certificate, *expired_key; /* NULL: none */
    pthread_mutex_t lock;
    int64_t expired_until_ms; /* the expired certificate is presented; 0: our own */
    LT_VEC(struct held) held;
    bool ending;
};

static void set_of_end_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
}

void lt_mock_block_signals(void)
{
    sigset_t set;
    set_of_end_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void serve_hold(struct lt_mock_server *s, struct lt_http_request *req, int64_t hold_ms)
{
    pthread_mutex_lock(&s->lock);
    bool room = !s->ending && s->held.len < HELD_MAX;
    if (room)
        *lt_vec_push(&s->held) = (struct held){req, lt_mono_ms() + hold_ms};
    pthread_mutex_unlock(&s->lock);
    if (!room)
        lt_http_drop(req);
}

/* Cut those whose time is over, or all of them. */
static void serve_cut(struct lt_mock_server *s, bool all)
{
    int64_t now = lt_mono_ms();
    pthread_mutex_lock(&s->lock);
    size_t kept = 0;
    s->ending = s->ending || all;
    for (size_t i = 0; i < s->held.len; i++) {
        if (all || s->held.v[i].until_ms <= now)
            lt_http_drop(s->held.v[i].req);
        else
            s->held.v[kept++] = s->held.v[i];
    }
    s->held.len = kept;
    pthread_mutex_unlock(&s->lock);
}

/* The fault certificate-expired begins or ends. */
static void serve_expire(struct lt_mock_server *s, struct lt_mock_reply *reply)
{
    struct lt_err err = LT_ERR_INIT;
    if (reply->expired_ms > 0 && !s->expired_certificate) {
        fprintf(stderr, "lienthong-mock: certificate-expired: start the mock with expired-cert and expired-key\n");
        lt_buf_reset(&reply->body);
        lt_mock_refuse(reply, 400, "certificate-expired: start the mock with expired-cert and expired-key");
        return;
    }
    if (reply->expired_ms > 0 && lt_http_server_present(s->http, s->expired_certificate, s->expired_key, &err) < 0) {
        lt_buf_reset(&reply->body);
        lt_mock_refuse(reply, 400, "%s", err.text);
        return;
    }
    pthread_mutex_lock(&s->lock);
    if (reply->expired_ms > 0)
        s->expired_until_ms = lt_mono_ms() + reply->expired_ms;
    else if (s->expired_until_ms > 0)
        s->expired_until_ms = 1; /* at the next look */
    pthread_mutex_unlock(&s->lock);
}

static void serve_own_certificate(struct lt_mock_server *s)
{
    struct lt_err err = LT_ERR_INIT;
    pthread_mutex_lock(&s->lock);
    bool over = s->expired_until_ms > 0 && s->expired_until_ms <= lt_mono_ms();
    if (over)
        s->expired_until_ms = 0;
    pthread_mutex_unlock(&s->lock);
    if (over && lt_http_server_renew(s->http, true, &err) < 0)
        fprintf(stderr, "lienthong-mock: %s\n", err.text);
}

static void serve_send(struct lt_http_request *req, const struct lt_mock_reply *reply)
{
    char seconds[16];
    struct lt_http_header_out retry = {"Retry-After", seconds};
    struct lt_http_pace pace = {0, 0, SIZE_MAX};
    struct lt_span body = lt_buf_view(&reply->body);
    snprintf(seconds, sizeof seconds, "%d", reply->retry_after_s);
    if (reply->slow_ms > 0) { /* the head comes at once, the body in pieces */
        pace.piece = LT_MAX((body.len + SLOW_HEAD) / SLOW_PIECES, (size_t)1);
        pace.every_ms = (int)(reply->slow_ms / SLOW_PIECES);
    } else if (reply->half) {
        pace.cut_after = SLOW_HEAD + body.len / 2; /* the head is shorter, so at least half of the body is missing */
    }
    lt_http_reply_paced(req, reply->status, &retry, reply->retry_after_s ? 1 : 0, reply->content_type, body, &pace);
}

static void serve_delayed(void *ctx, struct lt_http_request *req)
{
    struct lt_mock_reply *reply = ctx;
    serve_send(req, reply);
    lt_mock_reply_deinit(reply);
    free(reply);
}

static struct lt_mock_call serve_call(const struct lt_http_request *req)
{
    const char *query = lt_http_query(req);
    return (struct lt_mock_call){
        .method = lt_http_method(req),
        .path = lt_http_path(req),
        .query = query ? query : "",
        .content_type = lt_http_header(req, "Content-Type"),
        .dstcode = lt_http_header(req, "dstcode"),
        .body = lt_http_body(req),
        .now_ms = lt_now_ms(),
        .authorization = lt_http_header(req, "Authorization"),
        .timestamp = lt_http_header(req, "timestamp"),
        .xroad_client = lt_http_header(req, "X-Road-Client"),
        .peer = lt_http_peer(req)->subject_cn,
    };
}

static void serve_late(void *ctx, struct lt_http_request *req)
{
    struct lt_mock_server *s = ctx;
    struct lt_mock_reply reply = LT_MOCK_REPLY_INIT;
    struct lt_mock_call call = serve_call(req);
    call.late = true;
    s->mock->handle(s->mock->self, &call, &reply);
    lt_mock_reply_deinit(&reply);
    lt_http_drop(req);
}

static void serve_handle(void *ctx, struct lt_http_request *req)
{
    struct lt_mock_server *s = ctx;
    struct lt_mock_reply reply = LT_MOCK_REPLY_INIT;
    struct lt_mock_call call = serve_call(req);
    s->mock->handle(s->mock->self, &call, &reply);
    if (!lt_buf_ok(&reply.body))
        lt_mock_refuse(&reply, 500, "the answer is longer than %zu bytes: ask for fewer", (size_t)LT_MOCK_ANSWER_MAX);
    if (reply.expired_ms != 0)
        serve_expire(s, &reply);
    bool control = lt_mock_after(call.path, "/oracle") || lt_mock_after(call.path, "/control");
    int64_t delay_ms = LT_MAX(reply.delay_ms, control ? 0 : s->service_ms);

    if (reply.action == LT_MOCK_DROP) {
        lt_http_drop(req);
    } else if (reply.action == LT_MOCK_RESET) {
        lt_http_reset(req);
    } else if (reply.action == LT_MOCK_HOLD) {
        serve_hold(s, req, reply.hold_ms);
    } else if (reply.action == LT_MOCK_LATER) {
        lt_http_later(req, (int)reply.hold_ms, serve_late, s);
    } else if (delay_ms > 0) {
        struct lt_mock_reply *later = lt_alloc(sizeof *later);
        *later = reply;
        reply.body = LT_BUF_INIT(0);
        lt_http_later(req, (int)delay_ms, serve_delayed, later);
    } else {
        serve_send(req, &reply);
    }
    lt_mock_reply_deinit(&reply);
}

int lt_mock_server_start(const struct lt_mock_serve_settings *settings, const struct lt_mock *mock,
                         struct lt_mock_server **ret, struct lt_err *err)
{
    struct lt_mock_server *s = lt_alloc(sizeof *s);
    s->mock = mock;
    s->service_ms = settings->service_ms;
    if (settings->expired_certificate && settings->expired_key) {
        s->expired_certificate = lt_strdup(settings->expired_certificate);
        s->expired_key = lt_strdup(settings->expired_key);
    }
    pthread_mutex_init(&s->lock, NULL);
    const struct lt_http_settings http = {
        .listen = settings->listen,
        .threads = settings->threads,
        .certificate = settings->certificate,
        .key = settings->key,
        .client_ca = settings->ca,
        .body_max = BODY_MAX,
        .header_max = 32768,
        .connections_max = 4096,
        .memory = (size_t)512 << 20,
        .idle_timeout_s = 120,
        .request_timeout_s = 700, /* longer than any hold */
        .name = mock->name,
        .ctx = s,
        .handle = serve_handle,
    };
    int r = lt_http_server_start(&http, &s->http, err);
    if (r < 0) {
        lt_mock_server_free(s);
        return r;
    }
    *ret = s;
    return LT_OK;
}

unsigned lt_mock_server_port(const struct lt_mock_server *s)
{
    return lt_http_server_port(s->http);
}

void lt_mock_server_run(struct lt_mock_server *s)
{
    sigset_t set;
    set_of_end_signals(&set);
    const struct timespec wait = {.tv_nsec = WAIT_MS * 1000000L};
    while (sigtimedwait(&set, NULL, &wait) < 0) {
        serve_cut(s, false);
        serve_own_certificate(s);
    }
}

void lt_mock_server_free(struct lt_mock_server *s)
{
    if (!s)
        return;
    serve_cut(s, true); /* from here on a hold is a drop */
    if (s->http) {
        lt_http_server_drain(s->http, DRAIN_MS);
        lt_http_server_free(s->http);
    }
    lt_vec_deinit(&s->held);
    pthread_mutex_destroy(&s->lock);
    free(s->expired_certificate);
    free(s->expired_key);
    free(s);
}
