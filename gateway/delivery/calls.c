#include "gateway/delivery/internal.h"

#include <stdio.h>

void lt_delivery_call(struct lt_engine *e, const char *method, const char *url, const char *const *headers,
                      struct lt_span body, int64_t start_by_ms, lt_http_done_fn fn, void *ctx)
{
    struct lt_out_call *c = lt_alloc(sizeof(*c));
    size_t n = 0;
    while (headers[n])
        n++;
    c->engine = e;
    c->arena = LT_ARENA_INIT;
    c->method = lt_arena_str(&c->arena, lt_span_str(method));
    c->url = lt_arena_str(&c->arena, lt_span_str(url));
    c->headers = lt_arena_alloc(&c->arena, (n + 1) * sizeof(*c->headers));
    for (size_t i = 0; i < n; i++)
        c->headers[i] = lt_arena_str(&c->arena, lt_span_str(headers[i]));
    c->body = lt_arena_span(&c->arena, body);
    c->start_by_ms = start_by_ms;
    c->fn = fn;
    c->ctx = ctx;
    DL_APPEND(e->waiting, c);
}

static void call_end(struct lt_out_call *c, const struct lt_http_answer *a)
{
    lt_http_done_fn fn = c->fn;
    void *ctx = c->ctx;
    lt_arena_deinit(&c->arena);
    free(c);
    fn(ctx, a);
}

/* kept_back: by this side itself, so it is no word about the target. */
static void not_sent(struct lt_out_call *c, bool kept_back, const char *why)
{
    struct lt_engine *e = c->engine;
    struct lt_http_answer a = {
        .failure = LT_HTTP_NOT_SENT, .kept_back = kept_back, .content_type = "", .retry_after_s = -1};
    snprintf(a.text, sizeof(a.text), "%s", why);
    e->keeping_back = kept_back;
    call_end(c, &a);
    e->keeping_back = false;
}

static void answered(void *ctx, const struct lt_http_answer *a)
{
    struct lt_out_call *c = ctx;
    struct lt_engine *e = c->engine;
    e->flying--;
    e->call_ms += ((double)(lt_engine_now(e) - c->begun_ms) - e->call_ms) / 32;
    call_end(c, a);
}

static void start_calls(struct lt_engine *e)
{
    struct lt_out_call *c, *next;
    size_t limit = (size_t)LT_MAX(e->set.target->concurrency, 1);
    bool held = lt_engine_held(e);

    DL_FOREACH_SAFE(e->waiting, c, next)
    {
        int64_t now = lt_engine_now(e); /* each time: the process may have stood still since the one before (rule 13) */
        bool late = c->start_by_ms > 0 && now > c->start_by_ms;
        if (!e->refusing && !held && !late && (e->flying >= limit || !lt_gate_take_call(&e->gate, now)))
            break;
        DL_DELETE(e->waiting, c);
        if (e->refusing || held || late) {
            not_sent(c, true,
                     e->refusing ? "the target is being closed"
                     : held      ? "an operator paused the target"
                                 : "the call could not start in time after its intent");
            continue;
        }
        struct lt_err err = LT_ERR_INIT;
        e->flying++;
        e->calls++;
        c->begun_ms = now;
        if (e->set.caller.call(e->set.caller.ctx, c->method, c->url, c->headers, c->body, answered, c, &err) != LT_OK) {
            e->flying--;
            not_sent(c, false, err.text);
        }
    }
}

void lt_engine_move_calls(struct lt_engine *e, int wait_ms)
{
    start_calls(e);
    if (e->flying > 0)
        e->set.caller.run(e->set.caller.ctx, wait_ms);
}
