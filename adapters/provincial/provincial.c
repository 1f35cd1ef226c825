#include "adapters/provincial/provincial.h"

#include "gateway/base/log.h"
#include "gateway/delivery/post.h"

#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

#define BODY_MAX ((size_t)1 << 20)
#define PAUSE_MIN_MS 1000

/* ---- options ---- */

enum { REJECT, PASS };
static const char *const stranger_words[] = {"reject", "pass", NULL};

struct options {
    const struct lt_yaml_node *endpoints;
    int on_unknown, no_endpoint;
    int64_t failures_max, pause_max_ms;
};
static const struct lt_opt opts[] = {
    {.key = "endpoints",
     .type = LT_OPT_NODE,
     .offset = offsetof(struct options, endpoints),
     .required = true,
     .help = "a mapping of province codes to {path | url, message}: path is appended to the target's url"},
    {.key = "on_unknown",
     .type = LT_OPT_ENUM,
     .offset = offsetof(struct options, on_unknown),
     .fallback = "hold",
     .words = lt_post_unknown_words,
     .help = "a call-back that may or may not have arrived: hold it for people, or send it again (counted); the "
             "province can tell a second one by its id"},
    {.key = "no_endpoint",
     .type = LT_OPT_ENUM,
     .offset = offsetof(struct options, no_endpoint),
     .fallback = "reject",
     .words = stranger_words,
     .help = "an event of a province that has no endpoint here"},
    {.key = "failures_max",
     .type = LT_OPT_INT,
     .offset = offsetof(struct options, failures_max),
     .fallback = "5",
     .min = 1,
     .max = 1000,
     .help = "failures in a row before a province is paused"},
    {.key = "pause_max",
     .type = LT_OPT_DURATION,
     .offset = offsetof(struct options, pause_max_ms),
     .fallback = "5m",
     .min = PAUSE_MIN_MS,
     .max = 86400000,
     .help = "longest pause of a province; it begins at 1s and doubles"},
};

struct endpoint_options {
    const char *path, *url;
    const struct lt_yaml_node *message;
};
static const struct lt_opt endpoint_opts[] = {
    {.key = "path", .type = LT_OPT_URL_PATH, .offset = offsetof(struct endpoint_options, path), .help = "below url"},
    {.key = "url", .type = LT_OPT_URL, .offset = offsetof(struct endpoint_options, url), .help = "whole address"},
    {.key = "message", .type = LT_OPT_NODE, .offset = offsetof(struct endpoint_options, message), .help = "its form"},
};

/* ---- the table of answers ---- */

static const struct lt_classifier_form answers_form = {
    .who = "the province",
    .operations = lt_post_operations,
    .classes = LT_POST_CLASSES,
    .quotes = true,
};

/* ---- state ---- */

struct endpoint {
    const char *province, *url, *headers[3];
    struct lt_message *message;
    uint64_t delivered, failed;
    unsigned failures, pauses; /* in a row */
    int64_t until_ms;          /* paused until; 0 not */
    bool probing;              /* after a pause: one call is out, others wait for it */
    bool denied;               /* paused because it does not let us in: people have to see to it */
    char code[48];             /* why */
};

struct provincial;
struct call {
    struct provincial *provincial;
    struct endpoint *endpoint;
    struct lt_work *work;
    struct call *prev, *next;
};

struct provincial {
    struct lt_arena arena;
    struct lt_engine *engine;
    struct options options;
    struct lt_classifier *answers;
    struct endpoint *endpoints;
    size_t endpoints_len;
    struct call *calls;
};

static struct endpoint *endpoint_of(struct provincial *p, struct lt_span province)
{
    for (size_t i = 0; i < p->endpoints_len; i++)
        if (lt_span_is(province, p->endpoints[i].province))
            return &p->endpoints[i];
    return NULL;
}

/* ---- the breaker of a province ---- */

static int64_t pause_ms(const struct provincial *p, const struct endpoint *e)
{
    int64_t ms = PAUSE_MIN_MS << LT_MIN(e->pauses, 20u);
    return LT_MIN(ms, p->options.pause_max_ms);
}

static void pause_endpoint(struct provincial *p, struct endpoint *e, const struct lt_classified *a)
{
    int64_t ms = LT_MAX(pause_ms(p, e), a->wait_ms);
    e->denied = a->is == LT_CLASS_CREDENTIAL;
    e->until_ms = lt_delivery_now_ms(p->engine) + ms;
    e->pauses++;
    e->failures = 0;
    snprintf(e->code, sizeof(e->code), "%s", a->code);
    lt_log(e->denied ? LT_LOG_ERROR : LT_LOG_WARN, "delivery/province", "province-paused",
           "%s (%s): its call-backs wait for %" PRId64 " ms, then one probes%s", e->province, a->code, ms,
           e->denied ? "; certificate, key or rights there need a person" : "");
}

static void endpoint_heard(struct provincial *p, struct endpoint *e, const struct lt_http_answer *http,
                           const struct lt_classified *a)
{
    bool probe = e->probing;
    e->probing = false;
    if (http->kept_back) /* the province was not asked */
        return;
    switch (a->is) {
    case LT_CLASS_CREDENTIAL:
    case LT_CLASS_THROTTLE:
        e->failed++;
        pause_endpoint(p, e, a);
        break;
    case LT_CLASS_RETRY:
    case LT_CLASS_UNAVAILABLE:
    case LT_CLASS_UNKNOWN:
        e->failed++;
        if (probe || ++e->failures >= (unsigned)p->options.failures_max)
            pause_endpoint(p, e, a);
        break;
    default: /* it speaks to us: also a refusal of one event */
        e->delivered += a->is == LT_CLASS_OK || a->is == LT_CLASS_EXISTS;
        e->failures = e->pauses = 0;
        e->until_ms = 0;
        e->denied = false;
        e->code[0] = '\0';
        break;
    }
}

static bool try_at(void *self, int64_t at_ms)
{
    struct provincial *p = self;
    bool any = false;
    for (size_t i = 0; i < p->endpoints_len; i++) {
        struct endpoint *e = &p->endpoints[i];
        any = any || e->until_ms > 0;
        e->until_ms = LT_MIN(e->until_ms, at_ms);
    }
    return any;
}

/* ---- calls ---- */

static void call_free(struct call *c)
{
    DL_DELETE(c->provincial->calls, c);
    free(c);
}

static void done_at_once(struct provincial *p, struct lt_work *w, enum lt_outcome o, const char *code,
                         const char *reason, int64_t wait_ms)
{
    struct lt_result r = LT_RESULT(o);
    r.code = code;
    r.reason = reason;
    r.wait_ms = wait_ms;
    r.local = true;
    lt_delivery_done(p->engine, w, &r);
}

static void on_answer(void *ctx, const struct lt_http_answer *http)
{
    struct call *c = ctx;
    struct provincial *p = c->provincial;
    struct lt_arena arena = LT_ARENA_INIT;
    LT_AUTO_CLASSIFIED struct lt_classified a;
    lt_classifier_read(p->answers, 0, http, &arena, &a);
    endpoint_heard(p, c->endpoint, http, &a);
    /* A credential or a throttle of one province is a wait of that province, never a pause of the target. */
    bool wait = a.is == LT_CLASS_CREDENTIAL || a.is == LT_CLASS_THROTTLE;
    struct lt_result r = LT_RESULT(wait ? LT_OUTCOME_RETRY : lt_post_outcome(a.is));
    int64_t paused = c->endpoint->until_ms - lt_delivery_now_ms(p->engine);
    r.code = a.code;
    r.reason = a.reason;
    r.wait_ms = LT_MAX(a.wait_ms, c->endpoint->until_ms > 0 ? paused : -1);
    r.local = true;
    lt_delivery_done(p->engine, c->work, &r);
    call_free(c);
    lt_arena_deinit(&arena);
}

static void submit(void *self, struct lt_work *w)
{
    struct provincial *p = self;
    struct endpoint *e = endpoint_of(p, w->event->province);
    int64_t now = lt_delivery_now_ms(p->engine);
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(BODY_MAX);
    struct lt_result refused;
    char why[120];
    if (!e) {
        done_at_once(p, w, p->options.no_endpoint == PASS ? LT_OUTCOME_PASS : LT_OUTCOME_REJECT, "no-endpoint",
                     "the province has no endpoint in options.endpoints", -1);
        return;
    }
    if (e->until_ms > now || e->probing) {
        snprintf(why, sizeof(why), "the endpoint of %s is paused (%s)", e->province, e->code);
        done_at_once(p, w, LT_OUTCOME_RETRY, "province-paused", why, LT_MAX(e->until_ms - now, (int64_t)PAUSE_MIN_MS));
        return;
    }
    if (!lt_post_document(e->message, w, &body, &refused)) {
        lt_delivery_done(p->engine, w, &refused);
        return;
    }
    struct call *c = lt_alloc(sizeof(*c));
    e->probing = e->until_ms > 0;
    c->provincial = p;
    c->endpoint = e;
    c->work = w;
    DL_APPEND(p->calls, c);
    lt_delivery_call(p->engine, "POST", e->url, e->headers, lt_buf_view(&body), w->start_by_ms, on_answer, c);
}

/* ---- the type ---- */

static void provincial_free(void *self)
{
    struct provincial *p = self;
    if (!p)
        return;
    while (p->calls)
        call_free(p->calls);
    for (size_t i = 0; i < p->endpoints_len; i++)
        lt_message_free(p->endpoints[i].message);
    lt_classifier_free(p->answers);
    lt_arena_deinit(&p->arena);
    free(p);
}

static void endpoint_read(struct provincial *p, const char *base, const struct lt_yaml_node *name,
                          const struct lt_yaml_node *n, struct lt_diags *diags)
{
    struct endpoint *e = &p->endpoints[p->endpoints_len];
    struct endpoint_options o = {0};
    (void)lt_opts_decode(n, name->text, endpoint_opts, LT_ARRAY_LEN(endpoint_opts), &o, &p->arena, diags);
    if ((o.path != NULL) == (o.url != NULL)) {
        lt_yaml_expected(diags, n, name->text, "{path: …} or {url: …}");
        return;
    }
    if (lt_message_new(o.message, &e->message, diags) != LT_OK)
        return;
    p->endpoints_len++;
    e->province = name->text;
    e->url = o.url ? o.url : lt_arena_printf(&p->arena, "%s%s", base, o.path);
    e->headers[0] = lt_arena_printf(&p->arena, "Content-Type: %s", lt_message_media(e->message));
    e->headers[1] = "Accept: application/json";
}

static int provincial_new(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *ret_traits,
                          struct lt_diags *diags)
{
    struct provincial *p = lt_alloc(sizeof(*p));
    size_t errors = diags->errors;
    p->arena = LT_ARENA_INIT;
    p->engine = s->engine;
    (void)lt_opts_decode(s->target->options, "options", opts, LT_ARRAY_LEN(opts), &p->options, &p->arena, diags);
    lt_config_target_appended(s->target, diags);
    const struct lt_yaml_node *n = p->options.endpoints;
    if (n && (n->kind != LT_YAML_MAP || n->len == 0))
        lt_yaml_expected(diags, n, "options.endpoints", "a mapping of province codes");
    p->endpoints = lt_arena_alloc(&p->arena, LT_MAX(n ? n->len : 0, (size_t)1) * sizeof(*p->endpoints));
    for (size_t i = 0; n && n->kind == LT_YAML_MAP && i < n->len; i++)
        endpoint_read(p, s->target->url, n->keys[i], n->items[i], diags);
    int bad = lt_classifier_new(&answers_form, s->target->answers, s->target->node, &p->answers, diags);
    if (bad || diags->errors > errors) {
        provincial_free(p);
        return LT_E_INVALID;
    }
    ret_traits->batch_max = 1;
    ret_traits->repeat_unknown = p->options.on_unknown == LT_POST_RESEND;
    *ret = p;
    return LT_OK;
}

void lt_provincial_check_reach(const struct lt_config *c, const struct lt_config_target *t, struct lt_diags *diags)
{
    const struct lt_yaml_node *endpoints = lt_yaml_get(t->options, "endpoints"),
                              *stranger = lt_yaml_get(t->options, "no_endpoint");
    if (!endpoints || endpoints->kind != LT_YAML_MAP || (stranger && lt_span_is(lt_yaml_text(stranger), "pass")))
        return;
    for (size_t i = 0; i < c->clients_len; i++)
        for (size_t j = 0; j < c->clients[i].provinces.len; j++)
            if (!lt_yaml_get(endpoints, c->clients[i].provinces.v[j]))
                lt_yaml_warning(diags, c->clients[i].node,
                                "province %s of client '%s' has no endpoint at target '%s': what it is to be told will "
                                "be parked; add it to options.endpoints, or say no_endpoint: pass",
                                c->clients[i].provinces.v[j], c->clients[i].name, t->name);
}

static void status(const void *self, struct lt_json_writer *w)
{
    const struct provincial *p = self;
    int64_t now = lt_delivery_now_ms(p->engine);
    lt_classifier_status(p->answers, w);
    lt_json_key(w, LT_SPAN_LIT("provinces"));
    lt_json_begin_array(w);
    for (size_t i = 0; i < p->endpoints_len; i++) {
        const struct endpoint *e = &p->endpoints[i];
        lt_json_begin_object(w);
        lt_json_str(w, "province", lt_span_str(e->province));
        lt_json_str(w, "state",
                    e->until_ms > now ? LT_SPAN_LIT("paused")
                    : e->until_ms > 0 ? LT_SPAN_LIT("probing")
                                      : LT_SPAN_LIT("running"));
        if (e->until_ms > 0) {
            lt_json_str(w, "reason", lt_span_str(e->code));
            lt_json_num(w, "resumes_in_ms", LT_MAX(e->until_ms - now, (int64_t)0));
            lt_json_flag(w, "needs_people", e->denied);
        }
        lt_json_num(w, "delivered", (int64_t)e->delivered);
        lt_json_num(w, "failed", (int64_t)e->failed);
        lt_json_end_object(w);
    }
    lt_json_end_array(w);
}

static void metrics(const void *self, const char *target, struct lt_buf *out)
{
    const struct provincial *p = self;
    lt_classifier_metrics(p->answers, target, out);
    for (size_t i = 0; i < p->endpoints_len; i++) {
        const struct endpoint *e = &p->endpoints[i];
        lt_buf_printf(out, "lienthong_delivery_province_paused{target=\"%s\",province=\"%s\"} %d\n", target,
                      e->province, e->until_ms > 0);
        lt_buf_printf(out, "lienthong_delivery_province_denied{target=\"%s\",province=\"%s\"} %d\n", target,
                      e->province, e->denied);
        lt_buf_printf(out, "lienthong_delivery_province_delivered_total{target=\"%s\",province=\"%s\"} %" PRIu64 "\n",
                      target, e->province, e->delivered);
    }
}

const struct lt_adapter_type lt_provincial_adapter = {
    .name = "provincial",
    .opts = opts,
    .opts_len = LT_ARRAY_LEN(opts),
    .new = provincial_new,
    .free = provincial_free,
    .steps = lt_post_steps,
    .once = lt_post_once,
    .submit = submit,
    .try_at = try_at,
    .status = status,
    .metrics = metrics,
};
