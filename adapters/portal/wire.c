#include "adapters/portal/portal_internal.h"

#include <utlist.h>

/* ---- calls ---- */

struct lt_portal_out *lt_portal_out_new(struct lt_portal *p, enum lt_portal_call kind,
                                        struct lt_portal_job *const *jobs, size_t n)
{
    struct lt_portal_out *c = lt_alloc(sizeof(*c));
    c->portal = p;
    c->kind = kind;
    for (size_t i = 0; i < n; i++)
        *lt_vec_push(&c->jobs.list) = jobs[i];
    DL_APPEND(p->calls, c);
    return c;
}

void lt_portal_out_free(struct lt_portal_out *c)
{
    DL_DELETE(c->portal->calls, c);
    lt_vec_deinit(&c->jobs.list);
    free(c);
}

void lt_portal_look_up(struct lt_portal *p, struct lt_portal_job *j)
{
    lt_portal_send(p, lt_portal_out_new(p, LT_PORTAL_LOOKUP, &j, 1));
}

static const enum lt_portal_call gather_call[LT_PORTAL_GATHERS] = {[LT_PORTAL_GATHER_CREATE] = LT_PORTAL_CREATE,
                                                                   [LT_PORTAL_GATHER_UPDATE] = LT_PORTAL_UPDATE,
                                                                   [LT_PORTAL_GATHER_PROGRESS] = LT_PORTAL_PROGRESS};

static void flush(struct lt_portal *p, int g)
{
    struct lt_portal_jobs *jobs = &p->gathers[g].jobs;
    if (jobs->list.len == 0)
        return;
    struct lt_portal_out *c = lt_portal_out_new(p, gather_call[g], jobs->list.v, jobs->list.len);
    jobs->list.len = 0;
    lt_portal_send(p, c);
}

void lt_portal_gather(struct lt_portal *p, int g, struct lt_portal_job *j)
{
    struct lt_portal_jobs *jobs = &p->gathers[g].jobs;
    size_t most = (size_t)(g == LT_PORTAL_GATHER_PROGRESS ? p->options.progress_batch : p->options.batch);
    if (jobs->list.len == 0)
        p->gathers[g].since_ms = lt_delivery_now_ms(p->engine);
    *lt_vec_push(&jobs->list) = j;
    if (jobs->list.len >= most)
        flush(p, g);
}

int64_t lt_portal_tick(void *self, int64_t now_ms)
{
    struct lt_portal *p = self;
    int64_t next = INT64_MAX;
    for (int g = 0; g < LT_PORTAL_GATHERS; g++) {
        int64_t due = p->gathers[g].since_ms + p->options.gather_ms;
        if (p->gathers[g].jobs.list.len > 0 && due <= now_ms)
            flush(p, g);
        else if (p->gathers[g].jobs.list.len > 0)
            next = LT_MIN(next, due);
    }
    return next;
}

/* ---- answers -------------------------------------------------------------------------------------------------------
 */

static void on_answer(void *ctx, const struct lt_http_answer *http)
{
    struct lt_portal_out *c = ctx;
    struct lt_portal *p = c->portal;
    struct lt_arena arena = LT_ARENA_INIT;
    struct lt_portal_answer a;
    lt_portal_answer_read(p->answers, c->kind, c->jobs.list.v[0]->work->event->subject, http, &arena, &a);
    /* Not let in: perhaps for its session, which outlives a password that was changed; whoever probes logs in. */
    if ((a.meaning == LT_PORTAL_SESSION || a.meaning == LT_PORTAL_DENIED) && p->session_number == c->session)
        p->session_until_ms = 0;
    if (a.meaning == LT_PORTAL_SESSION && !c->relogged) {
        c->relogged = true;
        lt_portal_send(p, c);
    } else {
        lt_portal_deal_out(p, c, &a);
        lt_portal_out_free(c);
    }
    lt_arena_deinit(&arena);
}

/* ---- session ---- */

static void login_failed(struct lt_portal *p, const struct lt_portal_answer *a)
{
    enum lt_outcome o = a->meaning == LT_PORTAL_UNCERTAIN ? LT_OUTCOME_RETRY
                        : a->meaning == LT_PORTAL_REFUSED ? LT_OUTCOME_CREDENTIAL
                                                          : lt_portal_outcome(a->meaning);
    struct lt_portal_out *c, *next;
    DL_FOREACH_SAFE(p->calls, c, next)
    {
        if (!c->waiting)
            continue;
        for (size_t i = 0; i < c->jobs.list.len; i++)
            lt_portal_finish(p, c->jobs.list.v[i], o, a); /* nothing of these calls has left */
        lt_portal_out_free(c);
    }
}

static void on_login(void *ctx, const struct lt_http_answer *http)
{
    struct lt_portal *p = ctx;
    struct lt_arena arena = LT_ARENA_INIT;
    struct lt_portal_answer a;
    p->login_out = false;
    lt_portal_answer_read(p->answers, LT_PORTAL_LOGIN, LT_SPAN_NULL, http, &arena, &a);
    if (a.meaning == LT_PORTAL_DONE) {
        free(p->session);
        p->session = lt_strndup(a.session.ptr, a.session.len);
        p->session_number++;
        p->session_until_ms = lt_delivery_now_ms(p->engine) + p->options.session_ms;
        struct lt_portal_out *c, *next;
        DL_FOREACH_SAFE(p->calls, c, next)
        if (c->waiting)
            lt_portal_send(p, c);
    } else {
        login_failed(p, &a);
    }
    lt_arena_deinit(&arena);
}

static void log_in(struct lt_portal *p)
{
    if (p->login_out)
        return;
    struct lt_buf LT_AUTOBUF body = LT_BUF_INIT(LT_PORTAL_BODY_MAX);
    p->login_out = true;
    lt_portal_login_body(&p->options, &body);
    lt_delivery_call(p->engine, "POST", p->options.auth_url, p->headers, lt_buf_view(&body), 0, on_login, p);
}

static int64_t start_by(const struct lt_portal_out *c)
{
    int64_t by = 0;
    for (size_t i = 0; i < c->jobs.list.len; i++) {
        int64_t at = c->jobs.list.v[i]->work->start_by_ms;
        if (at > 0 && (by == 0 || at < by))
            by = at;
    }
    return by;
}

void lt_portal_send(struct lt_portal *p, struct lt_portal_out *c)
{
    if (!p->session || lt_delivery_now_ms(p->engine) >= p->session_until_ms) {
        c->waiting = true;
        log_in(p);
        return;
    }
    c->waiting = false;
    c->session = p->session_number;
    struct lt_buf LT_AUTOBUF body = LT_BUF_INIT(LT_PORTAL_BODY_MAX);
    struct lt_span session = lt_span_str(p->session);
    if (c->kind == LT_PORTAL_LOOKUP) {
        lt_portal_lookup_body(&p->options, session, c->jobs.list.v[0]->work->event->subject, &body);
    } else if (c->kind == LT_PORTAL_STATUS) {
        lt_portal_status_body(&p->options, session, c->jobs.list.v[0]->item, &body);
    } else {
        bool progress = c->kind == LT_PORTAL_PROGRESS;
        LT_AUTOFREE struct lt_span *items = lt_calloc(c->jobs.list.len, sizeof(*items));
        for (size_t i = 0; i < c->jobs.list.len; i++)
            items[i] = lt_portal_item(p, c->jobs.list.v[i], progress);
        lt_portal_data_body(&p->options, session, progress ? "CapNhatTienDoHoSoMC" : "DongBoHoSoMC",
                            progress                      ? NULL
                            : c->kind == LT_PORTAL_UPDATE ? "True"
                                                          : "False",
                            items, c->jobs.list.len, &body);
    }
    lt_delivery_call(p->engine, "POST", p->options.integration_url, p->headers, lt_buf_view(&body), start_by(c),
                     on_answer, c);
}
