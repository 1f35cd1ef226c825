/*
 * What is at the other end of the calls. It takes a call when it arrives, or later, or never, and answers, or does not;
 * what it has taken stays taken, whatever becomes of the caller.
 */
#include "tests/sim/delivery.h"

#include <stdio.h>

#define SESSION_MS 10000
#define LONG_CALL_MS 13000

static struct event *event_of(struct scene *s, const struct adapter_call *c)
{
    sim_check(c->dossier >= 0 && c->dossier < s->plan.dossiers && c->number >= 0 &&
                  c->number < (int)s->dossiers[c->dossier].events.len,
              "a call for D%d/%d, which nobody sent", c->dossier, c->number);
    return s->dossiers[c->dossier].events.v[c->number];
}

/* ---- taking ---- */

static void apply(struct scene *s, struct target_call *c)
{
    struct event *e = c->event;
    struct dossier *d = &s->dossiers[e->dossier];
    c->applied = true;
    c->there = d->there;
    rules_applied(s, c);
    switch (c->kind) {
    case CALL_ASK:
    case CALL_CHECK:
        e->applied[STAGE_CHECK] += c->kind == CALL_CHECK;
        break;
    case CALL_CREATE:
        if (!d->there && s->fleet.faults_on && s->plan.born && sim_chance(100)) { /* somebody else was faster */
            d->there = d->born = true;
            s->coverage->n[DCOUNT_BORN]++;
        }
        c->there = d->there;
        if (d->there) {
            s->creates_met++;
            break;
        }
        d->there = d->created = true;
        d->content = e->number;
        e->applied[STAGE_PUT]++;
        break;
    case CALL_UPDATE:
        d->content = e->number;
        e->applied[STAGE_PUT]++;
        break;
    case CALL_ROW:
        e->applied[STAGE_ROW]++;
        break;
    }
    sim_note("target", "took", (int64_t)c->kind, e->dossier * 1000 + e->number);
}

static bool due(const struct target_call *c)
{
    return !c->applied && c->apply_ms <= sim_now();
}

void target_move(struct scene *s)
{
    for (;;) {
        struct target_call *first = NULL;
        for (struct target_call *c = s->calls; c; c = c->next)
            if (due(c) && (!first || c->apply_ms < first->apply_ms))
                first = c;
        if (!first)
            break;
        apply(s, first);
    }
    for (struct target_call **at = &s->calls; *at;) {
        struct target_call *c = *at;
        if (c->closed && (c->applied || c->apply_ms == INT64_MAX)) {
            *at = c->next;
            free(c);
        } else {
            at = &c->next;
        }
    }
}

bool target_pending(const struct scene *s, const struct dossier *d)
{
    for (const struct target_call *c = s->calls; c; c = c->next)
        if (&s->dossiers[c->event->dossier] == d && !c->applied && c->apply_ms != INT64_MAX && c->kind != CALL_ASK &&
            c->kind != CALL_CHECK)
            return true;
    return false;
}

void target_forget(struct scene *s)
{
    while (s->calls) {
        struct target_call *c = s->calls;
        s->calls = c->next;
        free(c);
    }
}

/* ---- what becomes of a call ---- */

static bool is_bad(const struct scene *s, const struct target_call *c, const struct adapter_call *a)
{
    return !s->mended && ((a->bad == 1 && (c->kind == CALL_CREATE || c->kind == CALL_UPDATE)) ||
                          (a->bad == 2 && c->kind == CALL_ROW));
}

static enum fate draw_fate(struct scene *s, const struct target_call *c, const struct adapter_call *a)
{
    const struct delivery_plan *plan = &s->plan;
    if (sim_now() < s->away_until_ms)
        return s->away;
    if (sim_now() < s->locked_until_ms)
        return FATE_LOCKED;
    if (is_bad(s, c, a) || sim_now() < s->refusing_until_ms)
        return FATE_REFUSED;
    if (s->fleet.faults_on && plan->slow_checks && c->kind == CALL_CHECK && sim_chance(200))
        return FATE_SLOW;
    if (!s->fleet.faults_on || !plan->fates || !sim_chance(plan->fate_per_mille))
        return FATE_DONE;
    for (;;) {
        enum fate f = (enum fate)sim_between(FATE_SLOW, FATE_LATE);
        if (plan->fates & (1u << f))
            return f;
    }
}

/* When it is taken and when its answer is there. entry_ms: when the gateway decided to send it; within settle of what
 * the gateway can know of it, it is taken or never will be (rule 7). */
static void schedule_call(struct scene *s, struct target_call *c, struct flight *f, int64_t entry_ms)
{
    const struct delivery_plan *plan = &s->plan;
    int64_t now = sim_now(), last = entry_ms + plan->timeout_ms + plan->settle_ms - 1;
    c->apply_ms = now + sim_between(0, plan->latency_ms);
    f->answer_ms = c->apply_ms + sim_between(1, plan->latency_ms + 1);
    switch (c->fate) {
    case FATE_SLOW:
        f->answer_ms = now + plan->timeout_ms * sim_between(60, 99) / 100;
        c->apply_ms = sim_between(now, f->answer_ms);
        break;
    case FATE_LOST:
        f->answer_ms = INT64_MAX;
        break;
    case FATE_LATE:
        f->answer_ms = INT64_MAX;
        c->apply_ms = sim_between(now, LT_MAX(last, now));
        break;
    case FATE_VANISHED:
        f->answer_ms = INT64_MAX;
        c->apply_ms = INT64_MAX;
        break;
    case FATE_BROKEN:
        if (sim_chance(500))
            c->apply_ms = INT64_MAX;
        break;
    case FATE_NOT_SENT:
    case FATE_BUSY:
    case FATE_THROTTLE:
    case FATE_REFUSED:
    case FATE_LOCKED:
        c->apply_ms = INT64_MAX;
        break;
    default:
        break;
    }
}

/* ---- the caller's port ---- */

static int call(void *ctx, const char *method, const char *url, const char *const *headers, struct lt_span body,
                lt_http_done_fn fn, void *fn_ctx, struct lt_err *err)
{
    struct gateway *g = ctx;
    struct scene *s = g->scene;
    const struct delivery_plan *plan = &s->plan;
    struct adapter_call a;
    (void)method;
    (void)url;
    (void)headers;
    sim_check(adapter_call_read(body, &a), "a call that says " LT_SPAN_FMT, LT_SPAN_ARG(body));
    int64_t entry_ms = sim_now();
    target_move(s);
    /* Rule 13, as far as it is excluded: the process stands still between its last look at the intent and the socket,
     * for less than its session and what settle leaves. */
    int64_t pause_ms = LT_MIN(plan->settle_ms / 2, 9000);
    if (!g->sim.killed && s->fleet.faults_on && plan->disorder.freezes && sim_chance(5)) {
        s->coverage->n[DCOUNT_FROZEN_CALLS]++;
        sim_process_freeze(&g->sim, sim_between(1, pause_ms));
        sim_process_wait(&g->sim, 0);
        target_move(s);
    }
    if (g->sim.killed)
        return lt_err_set(err, LT_E_UNAVAILABLE, "killed", "the process was killed");
    struct target_call *c = lt_alloc(sizeof(*c)), **at = &s->calls;
    *c = (struct target_call){.event = event_of(s, &a), .sent_ms = sim_now(), .sequence = ++s->calls_made};
    c->kind = a.kind;
    c->fate = draw_fate(s, c, &a);
    s->coverage->n[DCOUNT_FATES + c->fate]++;
    sim_note(g->sim.instance, "  call", a.kind * 100 + (int)c->fate, a.dossier * 1000 + a.number);
    rules_call(g, c, entry_ms);
    struct flight *f = lt_vec_push(&g->flights);
    *f = (struct flight){.call = c, .fn = fn, .ctx = fn_ctx, .deadline_ms = sim_now() + plan->timeout_ms};
    schedule_call(s, c, f, entry_ms);
    /* It stands still for longer than its session with the call out, and finds it still out when it goes on. */
    if (s->fleet.faults_on && plan->disorder.freezes &&
        LT_MIN(f->answer_ms, f->deadline_ms) - sim_now() > LONG_CALL_MS && sim_chance(500))
        sim_process_freeze(&g->sim, sim_between(SESSION_MS + 500, LONG_CALL_MS));
    for (; *at; at = &(*at)->next)
        ;
    *at = c;
    return LT_OK;
}

static bool definitely_not(enum fate f)
{
    return f == FATE_NOT_SENT || f == FATE_BUSY || f == FATE_THROTTLE || f == FATE_REFUSED || f == FATE_LOCKED;
}

static void answer_of(const struct target_call *c, struct lt_http_answer *a)
{
    switch (c->fate) {
    case FATE_REFUSED:
        a->status = 422;
        break;
    case FATE_BUSY:
        a->status = 503;
        break;
    case FATE_THROTTLE:
        a->status = 429;
        a->retry_after_s = 1 + (int64_t)(c->sequence % 3);
        break;
    case FATE_LOCKED:
        a->status = 401;
        break;
    case FATE_BROKEN:
        a->status = 500;
        break;
    case FATE_NOT_SENT:
        a->failure = LT_HTTP_NOT_SENT;
        break;
    case FATE_CUT:
        a->failure = LT_HTTP_UNKNOWN;
        break;
    default:
        if (c->kind == CALL_ASK)
            a->body = c->there ? LT_SPAN_LIT("present") : LT_SPAN_LIT("absent");
        else if (c->kind == CALL_CREATE && c->there)
            a->status = 409;
        break;
    }
}

/* Tells the gateway how its call ended; answered false: nothing came. */
static void end(struct gateway *g, size_t at, bool answered)
{
    struct flight f = g->flights.v[at];
    struct lt_http_answer a = {.failure = LT_HTTP_ANSWERED, .status = 200, .content_type = "", .retry_after_s = -1};
    memmove(&g->flights.v[at], &g->flights.v[at + 1], (--g->flights.len - at) * sizeof(f));
    if (answered)
        answer_of(f.call, &a);
    else
        a.failure = LT_HTTP_UNKNOWN;
    if (a.failure != LT_HTTP_ANSWERED)
        a.status = 0;
    if (answered && !g->sim.killed) { /* the gateway knows it now */
        struct event *e = f.call->event;
        e->open_rows -= f.call->kind == CALL_ROW && definitely_not(f.call->fate);
        e->refusals += f.call->fate == FATE_REFUSED;
        if (f.call->fate == FATE_THROTTLE) { /* rule 4: nothing new is begun until then */
            g->asked_ms = sim_now();
            g->wait_until_ms = LT_MAX(g->wait_until_ms, sim_now() + a.retry_after_s * 1000);
        }
    }
    sim_note(g->sim.instance, "  answered", answered ? a.status : -1,
             f.call->event->dossier * 1000 + f.call->event->number);
    f.call->closed = true;
    f.fn(f.ctx, &a);
}

static bool end_due(struct gateway *g)
{
    bool any = false;
    for (size_t i = 0; i < g->flights.len;) {
        const struct flight *f = &g->flights.v[i];
        bool answered = f->answer_ms <= sim_now(), late = f->deadline_ms <= sim_now();
        if (answered && late && f->answer_ms > f->deadline_ms)
            answered = false;
        else if (answered && late && f->answer_ms < f->deadline_ms) /* both are there when it looks again */
            answered = sim_chance(700);
        if (g->sim.killed || answered || late) {
            end(g, i, answered && !g->sim.killed);
            any = true;
        } else {
            i++;
        }
    }
    return any;
}

static size_t run(void *ctx, int timeout_ms)
{
    struct gateway *g = ctx;
    target_move(g->scene);
    if (!end_due(g) && timeout_ms > 0 && g->flights.len > 0) {
        int64_t wait = timeout_ms;
        for (size_t i = 0; i < g->flights.len; i++)
            wait = LT_MIN(wait, LT_MIN(g->flights.v[i].answer_ms, g->flights.v[i].deadline_ms) - sim_now());
        sim_process_wait(&g->sim, LT_MAX(wait, 1));
        target_move(g->scene);
        (void)end_due(g);
    }
    return g->flights.len;
}

static void close_calls(void *ctx)
{
    struct gateway *g = ctx;
    while (g->flights.len > 0)
        end(g, 0, false);
    lt_vec_deinit(&g->flights);
}

const struct lt_caller target_caller = {.call = call, .run = run, .close = close_calls};
