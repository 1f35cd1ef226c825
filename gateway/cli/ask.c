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

int lt_ask_status(const struct lt_config *c, struct lt_buf *ret, struct lt_err *err)
{
    LT_AUTOFREE char *url = lt_asprintf("http://%s/status", c->admin.listen);
    struct lt_http_client_settings s = {
        .timeout_ms = 5000, .connect_timeout_ms = 2000, .answer_max = LT_ASK_BYTES_MAX, .connections_max = 1};
    struct lt_http_client *http = NULL;
    struct lt_err why = LT_ERR_INIT;
    struct asked q = {.body = ret};
    int r = lt_http_client_new(&s, &http, &why);
    if (r == LT_OK)
        r = lt_http_client_call(http, "GET", url, NULL, LT_SPAN_NULL, on_answer, &q, &why);
    while (r == LT_OK && !q.done)
        lt_http_client_run(http, 100);
    lt_http_client_free(http);
    if (r == LT_OK && q.status == 200)
        return LT_OK;
    return lt_err_set(err, LT_E_UNAVAILABLE, "gateway", "no gateway answers at %s (%s); is it running?", url,
                      r < 0 ? why.text : q.text);
}
