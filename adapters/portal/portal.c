#include "adapters/portal/portal.h"

#include "adapters/portal/answer.h"
#include "adapters/portal/known.h"
#include "adapters/portal/options.h"
#include "adapters/portal/request.h"

#include <utlist.h>

#define BODY_MAX ((size_t)32 << 20)
#define DATA_BYTES_MAX ((size_t)8 << 20)
#define DATA_DEPTH_MAX 32

enum { GATHER_CREATE, GATHER_UPDATE, GATHER_PROGRESS, GATHERS };

/* One submitted step. Lives from submit to done. */
struct job {
    struct lt_work *work;
    struct lt_arena arena;
    struct lt_json *json;
    lt_json_value hoso, tiendo;
    struct lt_portal_cuts cuts;
    struct lt_span item; /* element of data, built once */
    bool already;        /* a create met the dossier: the update makes it `exists` */
    bool created, asked_again;
};

struct jobs {
    LT_VEC(struct job *) list;
};

/* One call on its way, or waiting for a session. */
struct call {
    struct lt_portal *portal;
    enum lt_portal_call kind;
    struct jobs jobs;
    uint64_t session; /* number of the session it was sent with */
    bool relogged, waiting;
    struct call *prev, *next;
};

struct lt_portal {
    struct lt_portal_options options;
    struct lt_arena arena;
    struct lt_engine *engine;
    struct lt_known *known;
    const char *headers[5];
    char *session;
    uint64_t session_number;
    int64_t session_until_ms;
    bool login_out;
    struct call *calls;
    struct {
        struct jobs jobs;
        int64_t since_ms;
    } gathers[GATHERS];
};

static void send_call(struct lt_portal *p, struct call *c);

/* ---- jobs ---- */

static void job_free(struct job *j)
{
    lt_json_free(j->json);
    lt_portal_cuts_deinit(&j->cuts);
    lt_arena_deinit(&j->arena);
    free(j);
}

static void finish(struct lt_portal *p, struct job *j, const struct lt_result *r)
{
    struct lt_work *w = j->work;
    lt_delivery_done(p->engine, w, r);
    job_free(j);
}

static void finish_simply(struct lt_portal *p, struct job *j, enum lt_outcome o, const char *code, const char *reason)
{
    struct lt_result r = LT_RESULT(o);
    r.code = code;
    r.reason = reason;
    finish(p, j, &r);
}

static void finish_answered(struct lt_portal *p, struct job *j, enum lt_outcome o, const struct lt_portal_answer *a)
{
    struct lt_result r = LT_RESULT(o);
    r.code = a->code;
    r.reason = a->reason;
    r.wait_ms = a->wait_ms;
    finish(p, j, &r);
}

/* Applied: what the portal said, and what of ours it did not get in full, as an event. */
static void finish_applied(struct lt_portal *p, struct job *j, enum lt_portal_call kind, enum lt_outcome o,
                           const struct lt_portal_answer *a)
{
    struct lt_work *w = j->work;
    struct lt_buf LT_AUTOBUF buf = LT_BUF_INIT(BODY_MAX);
    struct lt_json_writer json;
    lt_json_writer_init(&json, &buf);
    lt_json_begin_object(&json);
    lt_json_str(&json, "MaHoSo", w->event->subject);
    lt_json_str(&json, "ce_id", w->event->id);
    lt_json_str(&json, "step", lt_span_str(lt_step_name(w->step)));
    lt_json_str(&json, "operation",
                kind == LT_PORTAL_CREATE   ? LT_SPAN_LIT("create")
                : kind == LT_PORTAL_UPDATE ? LT_SPAN_LIT("update")
                                           : LT_SPAN_LIT("progress"));
    lt_json_str(&json, "outcome", lt_span_str(lt_outcome_name(o)));
    lt_json_str(&json, "error_code", a->error_code);
    lt_json_str(&json, "message", a->message);
    struct lt_span status;
    if (kind != LT_PORTAL_PROGRESS && lt_json_string(lt_json_get(j->hoso, "TrangThaiHoSo"), &status))
        lt_json_str(&json, "TrangThaiHoSo", lt_portal_status(&p->options, status));
    lt_json_num(&json, "attempts", w->attempt);
    lt_json_key(&json, LT_SPAN_LIT("truncated"));
    lt_json_begin_array(&json);
    for (size_t i = 0; i < j->cuts.fields.len; i++)
        lt_json_put_string(&json, lt_span_str(j->cuts.fields.v[i]));
    lt_json_end_array(&json);
    lt_json_end_object(&json);

    struct lt_result r = LT_RESULT(o);
    r.code = a->code;
    r.reason = a->reason;
    r.notes[0] = (struct lt_note){
        .to = LT_NOTE_ANSWER, .type = LT_PORTAL_ANSWER_TYPE, .data = lt_arena_span(w->arena, lt_buf_view(&buf))};
    r.notes_len = 1;
    finish(p, j, &r);
}

static struct lt_span item_of(struct lt_portal *p, struct job *j, bool progress)
{
    if (j->item.ptr)
        return j->item;
    struct lt_buf LT_AUTOBUF buf = LT_BUF_INIT(BODY_MAX);
    if (progress)
        lt_portal_progress_item(j->tiendo, j->work->event->subject, &j->arena, &j->cuts, &buf);
    else
        lt_portal_dossier_item(&p->options, j->hoso, &j->arena, &j->cuts, &buf);
    j->item = lt_arena_span(&j->arena, lt_buf_view(&buf));
    return j->item;
}

/* ---- calls ---- */

static struct call *call_new(struct lt_portal *p, enum lt_portal_call kind, struct job *const *jobs, size_t n)
{
    struct call *c = lt_alloc(sizeof(*c));
    c->portal = p;
    c->kind = kind;
    for (size_t i = 0; i < n; i++)
        *lt_vec_push(&c->jobs.list) = jobs[i];
    DL_APPEND(p->calls, c);
    return c;
}

/* The jobs have been passed on. */
static void call_free(struct call *c)
{
    DL_DELETE(c->portal->calls, c);
    lt_vec_deinit(&c->jobs.list);
    free(c);
}

static void look_up(struct lt_portal *p, struct job *j)
{
    send_call(p, call_new(p, LT_PORTAL_LOOKUP, &j, 1));
}

static const enum lt_portal_call gather_call[GATHERS] = {
    [GATHER_CREATE] = LT_PORTAL_CREATE, [GATHER_UPDATE] = LT_PORTAL_UPDATE, [GATHER_PROGRESS] = LT_PORTAL_PROGRESS};

static void flush(struct lt_portal *p, int g)
{
    struct jobs *jobs = &p->gathers[g].jobs;
    if (jobs->list.len == 0)
        return;
    struct call *c = call_new(p, gather_call[g], jobs->list.v, jobs->list.len);
    jobs->list.len = 0;
    send_call(p, c);
}

static void gather(struct lt_portal *p, int g, struct job *j)
{
    struct jobs *jobs = &p->gathers[g].jobs;
    size_t most = (size_t)(g == GATHER_PROGRESS ? p->options.progress_batch : p->options.batch);
    if (jobs->list.len == 0)
        p->gathers[g].since_ms = lt_delivery_now_ms(p->engine);
    *lt_vec_push(&jobs->list) = j;
    if (jobs->list.len >= most)
        flush(p, g);
}

static int64_t tick(void *self, int64_t now_ms)
{
    struct lt_portal *p = self;
    int64_t next = INT64_MAX;
    for (int g = 0; g < GATHERS; g++) {
        int64_t due = p->gathers[g].since_ms + p->options.gather_ms;
        if (p->gathers[g].jobs.list.len > 0 && due <= now_ms)
            flush(p, g);
        else if (p->gathers[g].jobs.list.len > 0)
            next = LT_MIN(next, due);
    }
    return next;
}

/* ---- answers ---- */

/* Outcomes that do not depend on the operation. UNCERTAIN and the good ones are the caller's. */
static enum lt_outcome common_outcome(enum lt_portal_meaning m)
{
    switch (m) {
    case LT_PORTAL_BUSY:
        return LT_OUTCOME_RETRY;
    case LT_PORTAL_THROTTLED:
        return LT_OUTCOME_THROTTLE;
    case LT_PORTAL_DENIED:
    case LT_PORTAL_SESSION:
        return LT_OUTCOME_CREDENTIAL;
    default:
        return LT_OUTCOME_REJECT;
    }
}

static void looked_up(struct lt_portal *p, struct job *j, const struct lt_portal_answer *a)
{
    const struct lt_work *w = j->work;
    bool ensure = w->step == LT_STEP_ENSURE;
    switch (a->meaning) {
    case LT_PORTAL_FOUND:
        lt_known_add(p->known, w->event->key);
        if (ensure)
            finish_answered(p, j, LT_OUTCOME_OK, a);
        else
            gather(p, GATHER_UPDATE, j);
        break;
    case LT_PORTAL_EMPTY:
        lt_known_drop(p->known, w->event->key);
        if (lt_json_present(j->hoso))
            gather(p, GATHER_CREATE, j);
        else
            finish_simply(
                p, j, LT_OUTCOME_REJECT, "unknown-at-target",
                "the portal does not have the dossier and the event carries no snapshot (HoSo) to create it from");
        break;
    case LT_PORTAL_UNCERTAIN: /* the question failed: it is asked again, an unknown stays unknown (rule 7) */
        finish_answered(p, j, LT_OUTCOME_RETRY, a);
        break;
    case LT_PORTAL_REFUSED:
        finish_answered(p, j, w->after_unknown ? LT_OUTCOME_RETRY : LT_OUTCOME_REJECT, a);
        break;
    default:
        finish_answered(p, j, common_outcome(a->meaning), a);
        break;
    }
}

static void created(struct lt_portal *p, struct job *j, const struct lt_portal_answer *a)
{
    struct lt_span key = j->work->event->key;
    switch (a->meaning) {
    case LT_PORTAL_DONE:
        lt_known_add(p->known, key);
        finish_applied(p, j, LT_PORTAL_CREATE, LT_OUTCOME_OK, a);
        break;
    case LT_PORTAL_ALREADY:
        lt_known_add(p->known, key);
        j->already = true;
        if (j->work->step == LT_STEP_ENSURE)
            finish_answered(p, j, LT_OUTCOME_EXISTS, a);
        else
            gather(p, GATHER_UPDATE, j);
        break;
    case LT_PORTAL_UNCERTAIN:
        finish_answered(p, j, LT_OUTCOME_UNKNOWN, a);
        break;
    default:
        finish_answered(p, j, common_outcome(a->meaning), a);
        break;
    }
}

static void updated(struct lt_portal *p, struct job *j, const struct lt_portal_answer *a)
{
    switch (a->meaning) {
    case LT_PORTAL_DONE:
        lt_known_add(p->known, j->work->event->key);
        finish_applied(p, j, LT_PORTAL_UPDATE, j->already ? LT_OUTCOME_EXISTS : LT_OUTCOME_OK, a);
        break;
    case LT_PORTAL_EMPTY: /* what we remembered is out of date: ask, once */
        lt_known_drop(p->known, j->work->event->key);
        if (j->asked_again) {
            finish_answered(p, j, LT_OUTCOME_REJECT, a);
        } else {
            j->asked_again = true;
            look_up(p, j);
        }
        break;
    case LT_PORTAL_UNCERTAIN:
        lt_known_drop(p->known, j->work->event->key);
        finish_answered(p, j, LT_OUTCOME_UNKNOWN, a);
        break;
    default:
        finish_answered(p, j, common_outcome(a->meaning), a);
        break;
    }
}

static void progressed(struct lt_portal *p, struct job *j, const struct lt_portal_answer *a, bool alone)
{
    switch (a->meaning) {
    case LT_PORTAL_DONE:
        finish_applied(p, j, LT_PORTAL_PROGRESS, LT_OUTCOME_OK, a);
        break;
    case LT_PORTAL_EMPTY:
        lt_known_drop(p->known, j->work->event->key);
        finish_answered(p, j, alone ? LT_OUTCOME_REJECT : LT_OUTCOME_UNKNOWN, a);
        break;
    case LT_PORTAL_REFUSED: /* of a batch some rows may have been taken: nobody says which (domain 1.5) */
        finish_answered(p, j, alone ? LT_OUTCOME_REJECT : LT_OUTCOME_UNKNOWN, a);
        break;
    case LT_PORTAL_UNCERTAIN:
        finish_answered(p, j, LT_OUTCOME_UNKNOWN, a);
        break;
    default:
        finish_answered(p, j, common_outcome(a->meaning), a);
        break;
    }
}

/* Repeating creates and updates is safe, so the item that spoils a batch is found by halves (rule 12). */
static bool must_split(const struct call *c, const struct lt_portal_answer *a)
{
    return c->jobs.list.len > 1 && (c->kind == LT_PORTAL_CREATE || c->kind == LT_PORTAL_UPDATE) &&
           (a->meaning == LT_PORTAL_REFUSED || a->meaning == LT_PORTAL_ALREADY || a->meaning == LT_PORTAL_EMPTY);
}

static void deal_out(struct lt_portal *p, struct call *c, const struct lt_portal_answer *a)
{
    size_t n = c->jobs.list.len;
    struct job **jobs = c->jobs.list.v;
    if (must_split(c, a)) {
        struct call *first = call_new(p, c->kind, jobs, n / 2), *second = call_new(p, c->kind, jobs + n / 2, n - n / 2);
        send_call(p, first);
        send_call(p, second);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (c->kind == LT_PORTAL_LOOKUP)
            looked_up(p, jobs[i], a);
        else if (c->kind == LT_PORTAL_CREATE)
            created(p, jobs[i], a);
        else if (c->kind == LT_PORTAL_UPDATE)
            updated(p, jobs[i], a);
        else
            progressed(p, jobs[i], a, n == 1);
    }
}

static void on_answer(void *ctx, const struct lt_http_answer *http)
{
    struct call *c = ctx;
    struct lt_portal *p = c->portal;
    struct lt_arena arena = LT_ARENA_INIT;
    struct lt_portal_answer a;
    lt_portal_answer_read(&p->options, c->kind, c->jobs.list.v[0]->work->event->subject, http, &arena, &a);
    if (a.meaning == LT_PORTAL_SESSION && p->session_number == c->session)
        p->session_until_ms = 0;
    if (a.meaning == LT_PORTAL_SESSION && !c->relogged) {
        c->relogged = true;
        send_call(p, c);
    } else {
        deal_out(p, c, &a);
        call_free(c);
    }
    lt_arena_deinit(&arena);
}

/* ---- session ---- */

static void login_failed(struct lt_portal *p, const struct lt_portal_answer *a)
{
    enum lt_outcome o = a->meaning == LT_PORTAL_UNCERTAIN ? LT_OUTCOME_RETRY
                        : a->meaning == LT_PORTAL_REFUSED ? LT_OUTCOME_CREDENTIAL
                                                          : common_outcome(a->meaning);
    struct call *c, *next;
    DL_FOREACH_SAFE(p->calls, c, next)
    {
        if (!c->waiting)
            continue;
        for (size_t i = 0; i < c->jobs.list.len; i++)
            finish_answered(p, c->jobs.list.v[i], o, a); /* nothing of these calls has left */
        call_free(c);
    }
}

static void on_login(void *ctx, const struct lt_http_answer *http)
{
    struct lt_portal *p = ctx;
    struct lt_arena arena = LT_ARENA_INIT;
    struct lt_portal_answer a;
    p->login_out = false;
    lt_portal_answer_read(&p->options, LT_PORTAL_LOGIN, LT_SPAN_NULL, http, &arena, &a);
    if (a.meaning == LT_PORTAL_DONE) {
        free(p->session);
        p->session = lt_strndup(a.session.ptr, a.session.len);
        p->session_number++;
        p->session_until_ms = lt_delivery_now_ms(p->engine) + p->options.session_ms;
        struct call *c, *next;
        DL_FOREACH_SAFE(p->calls, c, next)
        if (c->waiting)
            send_call(p, c);
    } else {
        login_failed(p, &a);
    }
    lt_arena_deinit(&arena);
}

static void log_in(struct lt_portal *p)
{
    if (p->login_out)
        return;
    struct lt_buf LT_AUTOBUF body = LT_BUF_INIT(BODY_MAX);
    p->login_out = true;
    lt_portal_login_body(&p->options, &body);
    lt_delivery_call(p->engine, "POST", p->options.auth_url, p->headers, lt_buf_view(&body), 0, on_login, p);
}

static int64_t start_by(const struct call *c)
{
    int64_t by = 0;
    for (size_t i = 0; i < c->jobs.list.len; i++) {
        int64_t at = c->jobs.list.v[i]->work->start_by_ms;
        if (at > 0 && (by == 0 || at < by))
            by = at;
    }
    return by;
}

static void send_call(struct lt_portal *p, struct call *c)
{
    if (!p->session || lt_delivery_now_ms(p->engine) >= p->session_until_ms) {
        c->waiting = true;
        log_in(p);
        return;
    }
    c->waiting = false;
    c->session = p->session_number;
    struct lt_buf LT_AUTOBUF body = LT_BUF_INIT(BODY_MAX);
    struct lt_span session = lt_span_str(p->session);
    if (c->kind == LT_PORTAL_LOOKUP) {
        lt_portal_lookup_body(&p->options, session, c->jobs.list.v[0]->work->event->subject, &body);
    } else {
        bool progress = c->kind == LT_PORTAL_PROGRESS;
        LT_AUTOFREE struct lt_span *items = lt_calloc(c->jobs.list.len, sizeof(*items));
        for (size_t i = 0; i < c->jobs.list.len; i++)
            items[i] = item_of(p, c->jobs.list.v[i], progress);
        lt_portal_data_body(&p->options, session, progress ? "CapNhatTienDoHoSoMC" : "DongBoHoSoMC",
                            progress                      ? NULL
                            : c->kind == LT_PORTAL_UPDATE ? "True"
                                                          : "False",
                            items, c->jobs.list.len, &body);
    }
    lt_delivery_call(p->engine, "POST", p->options.integration_url, p->headers, lt_buf_view(&body), start_by(c),
                     on_answer, c);
}

/* ---- the type ---- */

static void submit(void *self, struct lt_work *w)
{
    struct lt_portal *p = self;
    struct job *j = lt_alloc(sizeof(*j));
    const struct lt_json_limits limits = {.bytes_max = DATA_BYTES_MAX, .depth_max = DATA_DEPTH_MAX};
    struct lt_err err = LT_ERR_INIT;
    j->work = w;
    j->arena = LT_ARENA_INIT;
    if (lt_json_parse(w->event->data, &limits, &j->json, &err) != LT_OK) {
        finish_simply(p, j, LT_OUTCOME_REJECT, "bad-data", err.text);
        return;
    }
    j->hoso = lt_json_get(lt_json_root(j->json), "HoSo");
    j->tiendo = lt_json_get(lt_json_root(j->json), "TienDo");
    bool known = !w->after_unknown && lt_known_has(p->known, w->event->key);
    switch (w->step) {
    case LT_STEP_UPSERT:
        if (!lt_json_present(j->hoso))
            finish_simply(p, j, LT_OUTCOME_REJECT, "no-snapshot",
                          "the event carries no snapshot (HoSo) of the dossier");
        else if (known)
            gather(p, GATHER_UPDATE, j);
        else
            look_up(p, j);
        break;
    case LT_STEP_ENSURE:
        if (known)
            finish_simply(p, j, LT_OUTCOME_PASS, "known", "the portal has the dossier");
        else
            look_up(p, j);
        break;
    case LT_STEP_PROGRESS:
        if (lt_json_present(j->tiendo))
            gather(p, GATHER_PROGRESS, j);
        else
            finish_simply(p, j, LT_OUTCOME_PASS, "no-progress", "the event carries no progress row (TienDo)");
        break;
    default:
        finish_simply(p, j, LT_OUTCOME_REJECT, "bad-step", "the portal has no such step");
        break;
    }
}

static void portal_free(void *self)
{
    struct lt_portal *p = self;
    if (!p)
        return;
    struct call *c, *next;
    DL_FOREACH_SAFE(p->calls, c, next)
    {
        for (size_t i = 0; i < c->jobs.list.len; i++)
            job_free(c->jobs.list.v[i]);
        call_free(c);
    }
    for (int g = 0; g < GATHERS; g++) {
        for (size_t i = 0; i < p->gathers[g].jobs.list.len; i++)
            job_free(p->gathers[g].jobs.list.v[i]);
        lt_vec_deinit(&p->gathers[g].jobs.list);
    }
    lt_known_free(p->known);
    free(p->session);
    lt_arena_deinit(&p->arena);
    free(p);
}

static int portal_new(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *ret_traits,
                      struct lt_diags *diags)
{
    struct lt_portal *p = lt_alloc(sizeof(*p));
    p->arena = LT_ARENA_INIT;
    p->engine = s->engine;
    if (lt_portal_options_read(s->target, &p->options, &p->arena, diags) > 0) {
        portal_free(p);
        return LT_E_INVALID;
    }
    p->known = lt_known_new((size_t)p->options.known);
    p->headers[0] = "Accept: application/json";
    p->headers[1] = "Content-Type: application/json";
    p->headers[2] = "Charset: utf-8";
    p->headers[3] = lt_arena_printf(&p->arena, "dstcode: %s", p->options.dstcode);
    ret_traits->batch_max = (size_t)LT_MAX(p->options.batch, p->options.progress_batch);
    ret_traits->repeat_unknown = p->options.on_unknown_progress == LT_PORTAL_RESEND;
    *ret = p;
    return LT_OK;
}

static size_t steps(const struct lt_event_type *t, const enum lt_step **ret)
{
    *ret = t->portal;
    return t->portal_len;
}

static bool once(enum lt_step step)
{
    return step == LT_STEP_PROGRESS;
}

const struct lt_adapter_type lt_portal_adapter = {
    .name = "portal",
    .opts = lt_portal_opts,
    .opts_len = LT_PORTAL_OPTS,
    .new = portal_new,
    .free = portal_free,
    .steps = steps,
    .once = once,
    .submit = submit,
    .tick = tick,
};
