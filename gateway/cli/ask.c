#include "gateway/cli/ask.h"
#include "gateway/http/client.h"

#include <stdio.h>

struct asked {
    bool done;
    long status;
    struct lt_buf *body;
    char text[256];
};

static void on_answer(void *ctx, const struct lt_http_answer *a)
{
    struct asked *q = ctx;
    q->done = true;
    q->status = a->failure == LT_HTTP_ANSWERED ? a->status : 0;
    lt_buf_span(q->body, a->body);
    snprintf(q->text, sizeof(q->text), "%s", a->text);
}

static int unanswered(const char *url, const char *why, struct lt_err *err)
{
    return lt_err_set(err, LT_E_UNAVAILABLE, "gateway", "no gateway answers at %s (%s); is it running?", url, why);
}

long lt_ask(const struct lt_config *c, const char *method, const char *path, struct lt_buf *ret, struct lt_err *err)
{
    LT_AUTOFREE char *url = lt_asprintf("http://%s%s", c->admin.listen, path);
    struct lt_http_client_settings s = {
        .timeout_ms = 5000, .connect_timeout_ms = 2000, .answer_max = LT_ASK_BYTES_MAX, .connections_max = 1};
    struct lt_http_client *http = NULL;
    struct lt_err why = LT_ERR_INIT;
    struct asked q = {.body = ret};
    int r = lt_http_client_new(&s, &http, &why);
    if (r == LT_OK)
        r = lt_http_client_call(http, method, url, NULL, LT_SPAN_NULL, on_answer, &q, &why);
    while (r == LT_OK && !q.done)
        lt_http_client_run(http, 100);
    lt_http_client_free(http);
    if (r < 0 || q.status == 0)
        (void)unanswered(url, r < 0 ? why.text : q.text, err);
    return r < 0 ? 0 : q.status;
}

int lt_ask_status(const struct lt_config *c, struct lt_buf *ret, struct lt_err *err)
{
    long status = lt_ask(c, "GET", "/status", ret, err);
    if (status == 0)
        return LT_E_UNAVAILABLE;
    return status == 200 ? LT_OK : unanswered(c->admin.listen, "it is something else that answers", err);
}
