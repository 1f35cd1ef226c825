#include "tests/unit/adapter_host.h"

#include <stdio.h>
#include <unistd.h>

static struct host *host; /* one at a time: the engine's functions have no other way to it */

void lt_delivery_call(struct lt_engine *e, const char *method, const char *url, const char *const *headers,
                      struct lt_span body, int64_t start_by_ms, lt_http_done_fn fn, void *ctx)
{
    (void)e;
    assert_string_equal(method, "POST");
    assert_true(host->calls_len < HOST_CALLS_MAX);
    struct lt_buf lines = LT_BUF_INIT(4096);
    for (size_t i = 0; headers[i]; i++)
        lt_buf_printf(&lines, "%s\n", headers[i]);
    host->calls[host->calls_len++] = (struct host_call){.url = lt_strdup(url),
                                                        .body = lt_strndup(body.ptr, body.len),
                                                        .headers = lt_buf_take(&lines),
                                                        .start_by_ms = start_by_ms,
                                                        .fn = fn,
                                                        .ctx = ctx};
}

void lt_delivery_done(struct lt_engine *e, struct lt_work *w, const struct lt_result *r)
{
    struct host_work *hw = (struct host_work *)w;
    (void)e;
    if (hw->done)
        fail_msg("completed twice");
    hw->done = true;
    hw->result = *r;
    snprintf(hw->code, sizeof(hw->code), "%s", r->code);
    snprintf(hw->reason, sizeof(hw->reason), "%s", r->reason);
    hw->result.code = hw->code;
    hw->result.reason = hw->reason;
}

int64_t lt_delivery_now_ms(const struct lt_engine *e)
{
    (void)e;
    return host->now_ms;
}

struct host *host_new(const struct lt_adapter_type *type, const char *url, const char *options)
{
    struct host *h = lt_alloc(sizeof(*h));
    struct lt_diags diags = LT_DIAGS_INIT;
    h->type = type;
    h->now_ms = 1000000;
    assert_int_equal(lt_yaml_parse("target.yaml", lt_span_str(options), &h->options, &diags), LT_OK);
    h->target = (struct lt_config_target){
        .name = "target", .adapter = type->name, .url = url, .options = lt_yaml_root(h->options), .concurrency = 4};
    /* The table that ships: what its rows say is what these tests prove. */
    const char *target = strcmp(type->name, "provincial") == 0 ? "province" : type->name;
    LT_AUTOFREE char *on = lt_asprintf("config/targets/%s.yaml", target),
                     *example = lt_asprintf("config/examples/targets/%s.yaml", target);
    assert_int_equal(lt_yaml_load(access(on, R_OK) == 0 ? on : example, &h->shipped, &diags), LT_OK);
    h->target.answers = lt_yaml_get(lt_yaml_root(h->shipped), "answers");
    h->target.node = lt_yaml_root(h->options);
    const struct lt_adapter_settings s = {.target = &h->target};
    if (type->new (&s, &h->adapter, &h->traits, &diags) != LT_OK) {
        struct lt_buf text = LT_BUF_INIT(65536);
        lt_diags_print(&diags, &text);
        fail_msg("%s", lt_buf_take(&text));
    }
    lt_diags_deinit(&diags);
    host = h;
    return h;
}

void host_free(struct host *h)
{
    h->type->free(h->adapter);
    for (size_t i = 0; i < h->calls_len; i++) {
        free(h->calls[i].url);
        free(h->calls[i].body);
        free(h->calls[i].headers);
    }
    for (size_t i = 0; i < h->works_len; i++) {
        lt_arena_deinit(&h->works[i]->arena);
        free(h->works[i]);
    }
    lt_yaml_free(h->options);
    lt_yaml_free(h->shipped);
    free(h);
    host = NULL;
}

struct host_work *host_submit(struct host *h, enum lt_step step, const char *mahoso, const char *data)
{
    assert_true(h->works_len < HOST_WORKS_MAX);
    struct host_work *w = lt_alloc(sizeof(*w));
    h->works[h->works_len++] = w;
    w->arena = LT_ARENA_INIT;
    w->event = (struct lt_event){.id = LT_SPAN_LIT("0123456789abcdef0123456789abcdef"),
                                 .subject = lt_arena_span(&w->arena, lt_span_str(mahoso)),
                                 .province = LT_SPAN_LIT("H22"),
                                 .procedure = LT_SPAN_LIT("1.001193"),
                                 .key = lt_span_str(lt_arena_printf(&w->arena, "H22/%s", mahoso)),
                                 .data = lt_arena_span(&w->arena, lt_span_str(data))};
    w->work = (struct lt_work){.event = &w->event, .step = step, .attempt = 1, .arena = &w->arena};
    h->type->submit(h->adapter, &w->work);
    return w;
}

void host_submit_again(struct host *h, struct host_work *w, bool after_unknown)
{
    assert_true(w->done);
    w->done = false;
    w->work.attempt++;
    w->work.after_unknown = after_unknown;
    h->type->submit(h->adapter, &w->work);
}

struct host_call *host_call(struct host *h)
{
    for (size_t i = 0; i < h->calls_len; i++)
        if (!h->calls[i].answered)
            return &h->calls[i];
    fail_msg("no call is out");
    return NULL;
}

size_t host_open(const struct host *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->calls_len; i++)
        n += !h->calls[i].answered;
    return n;
}

static void deliver(struct host *h, const struct lt_http_answer *a)
{
    struct host_call *c = host_call(h);
    c->answered = true;
    c->fn(c->ctx, a);
}

void host_answer(struct host *h, long status, const char *body)
{
    /* A copy of exactly its size: reading past it is found. */
    LT_AUTOFREE char *copy = lt_strdup(body);
    const struct lt_http_answer a = {.failure = LT_HTTP_ANSWERED,
                                     .status = status,
                                     .body = lt_span_str(copy),
                                     .content_type = "",
                                     .retry_after_s = -1};
    deliver(h, &a);
}

void host_fail(struct host *h, enum lt_http_failure failure)
{
    const struct lt_http_answer a = {.failure = failure, .content_type = "", .retry_after_s = -1, .text = "failed"};
    deliver(h, &a);
}

void host_keep_back(struct host *h)
{
    const struct lt_http_answer a = {
        .failure = LT_HTTP_NOT_SENT, .kept_back = true, .content_type = "", .retry_after_s = -1, .text = "kept back"};
    deliver(h, &a);
}

void host_tick(struct host *h, int64_t ms)
{
    h->now_ms += ms;
    if (h->type->tick)
        (void)h->type->tick(h->adapter, h->now_ms);
}

void host_expect(struct host *h, const char *part)
{
    const struct host_call *c = host_call(h);
    if (!strstr(c->body, part))
        fail_msg("expected %s in %s", part, c->body);
}

void host_secret(struct host *h, const char *option, const char *text)
{
    for (size_t i = 0; i < h->type->opts_len; i++) {
        const struct lt_opt *o = &h->type->opts[i];
        if (o->type != LT_OPT_SECRET || strcmp(o->key, option) != 0)
            continue;
        struct lt_secret *s = (struct lt_secret *)((char *)h->type->options(h->adapter) + o->offset);
        lt_secret_deinit(s);
        s->text = lt_strdup(text);
        return;
    }
    fail_msg("%s is no secret of %s", option, h->type->name);
}
