#include "gateway/ops/listener.h"

#define ANSWER_MAX (8u << 20)

struct lt_listener {
    struct lt_listener_port port;
    struct lt_http_server *server;
};

static void answer_ready(struct lt_listener *l, struct lt_http_request *r)
{
    LT_AUTOBUF struct lt_buf why = LT_BUF_INIT(64 * 1024);
    bool ready = l->port.ready(l->port.ctx, &why);
    lt_http_reply(r, ready ? 200 : 503, NULL, 0, "text/plain; charset=utf-8",
                  ready ? LT_SPAN_LIT("ready\n") : lt_buf_view(&why));
}

static void answer_status(struct lt_listener *l, struct lt_http_request *r)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(ANSWER_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    l->port.status(l->port.ctx, &w);
    lt_buf_char(&out, '\n');
    lt_http_reply(r, 200, NULL, 0, "application/json", lt_buf_view(&out));
}

static void answer_metrics(struct lt_listener *l, struct lt_http_request *r)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(ANSWER_MAX);
    l->port.metrics(l->port.ctx, &out);
    lt_http_reply(r, 200, NULL, 0, "text/plain; version=0.0.4; charset=utf-8", lt_buf_view(&out));
}

static void answer_look(struct lt_listener *l, struct lt_http_request *r, bool rebuild)
{
    struct lt_span query = lt_span_str(lt_http_query(r));
    int64_t n = -1;
    bool named = lt_span_starts(query, "partition=") &&
                 lt_span_i64(lt_span(query.ptr + strlen("partition="), query.len - strlen("partition=")), &n) &&
                 n >= 0 && n <= INT32_MAX;
    if (!named)
        lt_http_reply(r, 400, NULL, 0, "text/plain", LT_SPAN_LIT("expected ?partition=N\n"));
    else if (l->port.look && l->port.look(l->port.ctx, (int32_t)n, rebuild))
        lt_http_reply(r, 202, NULL, 0, "text/plain",
                      rebuild ? LT_SPAN_LIT("the index is built again\n") : LT_SPAN_LIT("it is looked at again\n"));
    else
        lt_http_reply(r, 404, NULL, 0, "text/plain",
                      LT_SPAN_LIT("this process does not own the partition; lienthong core status names its owner\n"));
}

static void handle(void *ctx, struct lt_http_request *r)
{
    struct lt_listener *l = ctx;
    const char *path = lt_http_path(r);
    bool rebuild = strcmp(path, "/core/rebuild") == 0;
    if (strcmp(lt_http_method(r), "POST") == 0 && (rebuild || strcmp(path, "/core/look") == 0)) {
        answer_look(l, r, rebuild);
    } else if (strcmp(lt_http_method(r), "GET") != 0) {
        static const struct lt_http_header_out allow[] = {{"Allow", "GET"}};
        lt_http_reply(r, 405, allow, 1, "text/plain", LT_SPAN_LIT("GET only\n"));
    } else if (strcmp(path, "/health") == 0) {
        lt_http_reply(r, 200, NULL, 0, "text/plain", LT_SPAN_LIT("alive\n"));
    } else if (strcmp(path, "/ready") == 0) {
        answer_ready(l, r);
    } else if (strcmp(path, "/metrics") == 0) {
        answer_metrics(l, r);
    } else if (strcmp(path, "/status") == 0) {
        answer_status(l, r);
    } else {
        lt_http_reply(r, 404, NULL, 0, "text/plain", LT_SPAN_LIT("try /health /ready /metrics /status\n"));
    }
}

int lt_listener_start(const char *listen, const struct lt_listener_port *port, struct lt_listener **ret,
                      struct lt_err *err)
{
    struct lt_listener *l = lt_alloc(sizeof(*l));
    l->port = *port;
    struct lt_http_settings s = {
        .listen = listen,
        .threads = 1,
        .body_max = 1024,
        .header_max = 16 * 1024,
        .connections_max = 64,
        .memory = 1 << 20,
        .idle_timeout_s = 30,
        .request_timeout_s = 10,
        .name = "admin",
        .ctx = l,
        .handle = handle,
    };
    int r = lt_http_server_start(&s, &l->server, err);
    if (r < 0) {
        free(l);
        return r;
    }
    *ret = l;
    return LT_OK;
}

void lt_listener_stop(struct lt_listener *l)
{
    if (!l)
        return;
    lt_http_server_drain(l->server, 1000);
    lt_http_server_free(l->server);
    free(l);
}
