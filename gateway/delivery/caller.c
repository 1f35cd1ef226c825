#include "gateway/delivery/caller.h"

#define ANSWER_MAX ((size_t)4 << 20)

static int call(void *ctx, const char *method, const char *url, const char *const *headers, struct lt_span body,
                lt_http_done_fn fn, void *fn_ctx, struct lt_err *err)
{
    return lt_http_client_call(ctx, method, url, headers, body, fn, fn_ctx, err);
}

static size_t run(void *ctx, int timeout_ms)
{
    return lt_http_client_run(ctx, timeout_ms);
}

static void close_client(void *ctx)
{
    lt_http_client_free(ctx);
}

int lt_caller_http(const struct lt_config_target *t, struct lt_caller *ret, struct lt_err *err)
{
    const struct lt_http_client_settings s = {
        .certificate = t->tls.certificate,
        .key = t->tls.key,
        .ca = t->tls.ca,
        .timeout_ms = (long)t->timeout_ms,
        .connect_timeout_ms = (long)t->connect_timeout_ms,
        .answer_max = ANSWER_MAX,
        .connections_max = (size_t)LT_MAX(t->concurrency, 1),
    };
    struct lt_http_client *client;
    int r = lt_http_client_new(&s, &client, err);
    if (r != LT_OK)
        return r;
    *ret = (struct lt_caller){.ctx = client, .call = call, .run = run, .close = close_client};
    return LT_OK;
}
