#include "adapters/portal/client.h"

#include "adapters/portal/request.h"
#include "gateway/base/clock.h"

#define ANSWER_MAX ((size_t)64 << 20) /* the list of all procedures */
#define BODY_MAX ((size_t)4 << 20)

struct lt_portal_client {
    const struct lt_config_target *target;
    struct lt_portal_options options;
    struct lt_classifier *answers;
    struct lt_http_client *http;
    struct lt_arena arena;
    const char *headers[5];
    char *session;
};

int lt_portal_client_new(const struct lt_config_target *t, struct lt_portal_client **ret, struct lt_diags *diags,
                         struct lt_err *err)
{
    struct lt_portal_client *c = lt_alloc(sizeof(*c));
    const struct lt_http_client_settings s = {.certificate = t->tls.certificate,
                                              .key = t->tls.key,
                                              .ca = t->tls.ca,
                                              .timeout_ms = (long)t->timeout_ms,
                                              .connect_timeout_ms = (long)t->connect_timeout_ms,
                                              .answer_max = ANSWER_MAX,
                                              .connections_max = 1};
    c->target = t;
    c->arena = LT_ARENA_INIT;
    size_t errors = lt_portal_options_read(t, &c->options, &c->arena, diags);
    int r = lt_classifier_new(&lt_portal_answers, t->answers, t->node, &c->answers, diags);
    if (errors > 0 || r != LT_OK)
        r = lt_err_set(err, LT_E_INVALID, "target", "the options of target %s are wrong", t->name);
    else
        r = lt_http_client_new(&s, &c->http, err);
    if (r != LT_OK) {
        lt_portal_client_free(c);
        return r;
    }
    c->headers[0] = "Accept: application/json";
    c->headers[1] = "Content-Type: application/json";
    c->headers[2] = "Charset: utf-8";
    c->headers[3] = lt_arena_printf(&c->arena, "dstcode: %s", c->options.dstcode);
    *ret = c;
    return LT_OK;
}

void lt_portal_client_free(struct lt_portal_client *c)
{
    if (!c)
        return;
    lt_http_client_free(c->http);
    lt_classifier_free(c->answers);
    lt_secret_deinit(&c->options.password);
    lt_arena_deinit(&c->arena);
    free(c->session);
    free(c);
}

struct waited {
    struct lt_portal_client *client;
    enum lt_portal_call kind;
    bool done;
    struct lt_classified answer;
    struct lt_arena arena;
};

static void on_answer(void *ctx, const struct lt_http_answer *http)
{
    struct waited *w = ctx;
    w->done = true;
    lt_classifier_read(w->client->answers, w->kind, http, &w->arena, &w->answer);
}

/* One call and its answer. w owes lt_classified_deinit and an arena. */
static int call_once(struct lt_portal_client *c, enum lt_portal_call kind, const char *url, struct lt_span body,
                     struct waited *w, struct lt_err *err)
{
    *w = (struct waited){.client = c, .kind = kind, .arena = LT_ARENA_INIT};
    int r = lt_http_client_call(c->http, "POST", url, c->headers, body, on_answer, w, err);
    while (r == LT_OK && !w->done) /* the call's own time limit ends it */
        (void)lt_http_client_run(c->http, 100);
    return r;
}

static int failed(const struct lt_classified *a, struct lt_err *err)
{
    switch (a->is) {
    case LT_CLASS_CREDENTIAL:
    case LT_CLASS_SESSION:
        return lt_err_set(err, LT_E_AUTH, "portal-denied", "%s", a->reason);
    case LT_CLASS_REJECT:
    case LT_CLASS_EXISTS:
    case LT_CLASS_ABSENT:
        return lt_err_set(err, LT_E_INVALID, "portal-refused", "%s", a->reason);
    default:
        return lt_err_set(err, LT_E_UNAVAILABLE, "portal-away", "%s", a->reason);
    }
}

static int log_in(struct lt_portal_client *c, struct lt_err *err)
{
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(BODY_MAX);
    struct waited w;
    struct lt_span session = LT_SPAN_NULL;
    lt_portal_login_body(&c->options, &body);
    int r = call_once(c, LT_PORTAL_LOGIN, c->options.auth_url, lt_buf_view(&body), &w, err);
    if (r == LT_OK && w.answer.is != LT_CLASS_OK)
        r = failed(&w.answer, err);
    if (r == LT_OK &&
        (!w.answer.json || !lt_json_string(lt_json_get(lt_json_root(w.answer.json), "session"), &session)))
        r = lt_err_set(err, LT_E_AUTH, "no-session", "the portal answered the login without a session");
    free(c->session);
    c->session = r == LT_OK ? lt_strndup(session.ptr, session.len) : NULL;
    lt_classified_deinit(&w.answer);
    lt_arena_deinit(&w.arena);
    return r;
}

int lt_portal_client_call(struct lt_portal_client *c, enum lt_portal_call kind, const char *service, bool share,
                          struct lt_span members, struct lt_json **ret, struct lt_err *err)
{
    const char *url = share ? c->options.share_url : c->options.integration_url;
    int r = LT_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(BODY_MAX);
        struct waited w;
        if (!c->session && (r = log_in(c, err)) != LT_OK)
            return r;
        lt_portal_service_body(&c->options, lt_span_str(c->session), service, members, &body);
        r = call_once(c, kind, url, lt_buf_view(&body), &w, err);
        bool ended = r == LT_OK && w.answer.is == LT_CLASS_SESSION && attempt == 0;
        if (r == LT_OK && w.answer.is == LT_CLASS_OK)
            *ret = lt_steal(&w.answer.json);
        else if (r == LT_OK)
            r = failed(&w.answer, err);
        lt_classified_deinit(&w.answer);
        lt_arena_deinit(&w.arena);
        if (!ended)
            break;
        free(lt_steal(&c->session));
    }
    return r;
}
