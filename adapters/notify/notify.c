#include "adapters/notify/notify.h"

#include "gateway/delivery/post.h"

#include <utlist.h>

#define BODY_MAX ((size_t)1 << 20)

/* ---- options ---- */

struct options {
    const char *path;
    struct lt_secret token;
    int on_unknown;
    const struct lt_yaml_node *message;
};
static const struct lt_opt opts[] = {
    {.key = "path",
     .type = LT_OPT_URL_PATH,
     .offset = offsetof(struct options, path),
     .fallback = "/",
     .help = "appended to url"},
    {.key = "token",
     .type = LT_OPT_SECRET,
     .offset = offsetof(struct options, token),
     .help = "Authorization: Bearer; none: left out"},
    {.key = "on_unknown",
     .type = LT_OPT_ENUM,
     .offset = offsetof(struct options, on_unknown),
     .fallback = "hold",
     .words = lt_post_unknown_words,
     .help = "a message that may or may not have arrived: hold it for people, or send it again (counted)"},
    {.key = "message",
     .type = LT_OPT_NODE,
     .offset = offsetof(struct options, message),
     .help = "format and fields of the document"},
};

/* ---- the table of answers ---- */

static const struct lt_classifier_form answers_form = {
    .who = "the receiver of notifications",
    .operations = lt_post_operations,
    .classes = LT_POST_CLASSES,
};

/* ---- one message on its way ---- */

struct notify;
struct call {
    struct notify *notify;
    struct lt_work *work;
    struct call *prev, *next;
};

struct notify {
    struct lt_arena arena;
    struct lt_engine *engine;
    struct options options;
    struct lt_message *message;
    struct lt_classifier *answers;
    const char *url, *media; /* media: header line */
    struct call *calls;
};

static void call_free(struct call *c)
{
    DL_DELETE(c->notify->calls, c);
    free(c);
}

static void on_answer(void *ctx, const struct lt_http_answer *http)
{
    struct call *c = ctx;
    struct notify *n = c->notify;
    struct lt_arena arena = LT_ARENA_INIT;
    LT_AUTO_CLASSIFIED struct lt_classified a;
    lt_classifier_read(n->answers, 0, http, &arena, &a);
    struct lt_result r = LT_RESULT(lt_post_outcome(a.is));
    r.code = a.code;
    r.reason = a.reason;
    r.wait_ms = a.wait_ms;
    lt_delivery_done(n->engine, c->work, &r);
    call_free(c);
    lt_arena_deinit(&arena);
}

static void submit(void *self, struct lt_work *w)
{
    struct notify *n = self;
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(BODY_MAX);
    struct lt_result refused;
    if (!lt_post_document(n->message, w, &body, &refused)) {
        lt_delivery_done(n->engine, w, &refused);
        return;
    }
    struct call *c = lt_alloc(sizeof(*c));
    c->notify = n;
    c->work = w;
    DL_APPEND(n->calls, c);
    const char *word = n->options.token.text;
    LT_AUTOFREE char *token = word ? lt_asprintf("Authorization: Bearer %s", word) : NULL;
    const char *const headers[] = {n->media, "Accept: application/json", token, NULL};
    lt_delivery_call(n->engine, "POST", n->url, headers, lt_buf_view(&body), w->start_by_ms, on_answer, c);
}

/* ---- the type ---- */

static void notify_free(void *self)
{
    struct notify *n = self;
    if (!n)
        return;
    while (n->calls)
        call_free(n->calls);
    lt_message_free(n->message);
    lt_classifier_free(n->answers);
    lt_secret_deinit(&n->options.token);
    lt_arena_deinit(&n->arena);
    free(n);
}

static int notify_new(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *ret_traits,
                      struct lt_diags *diags)
{
    struct notify *n = lt_alloc(sizeof(*n));
    size_t errors = diags->errors;
    n->arena = LT_ARENA_INIT;
    n->engine = s->engine;
    (void)lt_opts_decode(s->target->options, "options", opts, LT_ARRAY_LEN(opts), &n->options, &n->arena, diags);
    lt_config_target_appended(s->target, diags);
    int bad = lt_message_new(n->options.message, &n->message, diags);
    bad |= lt_classifier_new(&answers_form, s->target->answers, s->target->node, &n->answers, diags);
    if (bad || diags->errors > errors) {
        notify_free(n);
        return LT_E_INVALID;
    }
    n->url = lt_arena_printf(&n->arena, "%s%s", s->target->url, n->options.path);
    n->media = lt_arena_printf(&n->arena, "Content-Type: %s", lt_message_media(n->message));
    ret_traits->batch_max = 1;
    ret_traits->repeat_unknown = n->options.on_unknown == LT_POST_RESEND;
    *ret = n;
    return LT_OK;
}

static void *its_options(void *self)
{
    return &((struct notify *)self)->options;
}

static void status(const void *self, struct lt_json_writer *w)
{
    lt_classifier_status(((const struct notify *)self)->answers, w);
}

static void metrics(const void *self, const char *target, struct lt_buf *out)
{
    lt_classifier_metrics(((const struct notify *)self)->answers, target, out);
}

const struct lt_adapter_type lt_notify_adapter = {
    .name = "notify",
    .opts = opts,
    .opts_len = LT_ARRAY_LEN(opts),
    .options = its_options,
    .new = notify_new,
    .free = notify_free,
    .steps = lt_post_steps,
    .once = lt_post_once,
    .submit = submit,
    .status = status,
    .metrics = metrics,
};
