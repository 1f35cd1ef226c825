/*
 * The adapter of the simulated target, thin as adapters/portal is: a PUT looks the dossier up, then creates or updates
 * it; a CHECK only asks; a row is one call that cannot be asked about.
 */
#include "tests/sim/delivery.h"

#include <stdio.h>

struct job {
    struct gateway *gateway;
    struct lt_work *work;
    struct adapter_call call;
    bool met; /* its create met the dossier */
};

bool adapter_call_read(struct lt_span body, struct adapter_call *ret)
{
    char text[80];
    snprintf(text, sizeof(text), LT_SPAN_FMT, LT_SPAN_ARG(body));
    return sscanf(text, "%d %d %d %d %d", &ret->kind, &ret->dossier, &ret->number, &ret->version, &ret->bad) == 5;
}

static void done(struct job *j, struct lt_result *r)
{
    struct scene *s = j->gateway->scene;
    struct event *e = s->dossiers[j->call.dossier].events.v[j->call.number];
    e->attempts++;
    rules_outcome(j->gateway, e, r->outcome);
    lt_delivery_done(j->gateway->engine, j->work, r);
    free(j);
}

static void taken(struct job *j)
{
    struct lt_work *w = j->work;
    struct lt_result r = LT_RESULT(j->met ? LT_OUTCOME_EXISTS : LT_OUTCOME_OK);
    r.code = "answered";
    if (w->step == LT_STEP_UPSERT || w->step == LT_STEP_ENSURE)
        r.notes[r.notes_len++] = (struct lt_note){.to = LT_NOTE_ANSWER,
                                                  .type = "vn.lienthong.sim.answer.v1",
                                                  .data = lt_arena_span(w->arena, LT_SPAN_LIT("{\"said\":\"ok\"}"))};
    if (w->step == LT_STEP_CHECK) /* as population: the data go on with what was found */
        r.forward = lt_span_str(
            lt_arena_printf(w->arena, LT_SPAN_FMT ",\"checked\":1}", (int)w->event->data.len - 1, w->event->data.ptr));
    done(j, &r);
}

/* How a call ended that was not answered well. An unknown question leaves things as they were. */
static enum lt_outcome outcome_of(const struct job *j, const struct lt_http_answer *a)
{
    bool question = j->call.kind == CALL_ASK || j->call.kind == CALL_CHECK;
    if (a->failure == LT_HTTP_NOT_SENT)
        return LT_OUTCOME_RETRY;
    if (a->failure != LT_HTTP_ANSWERED)
        return question ? LT_OUTCOME_RETRY : LT_OUTCOME_UNKNOWN;
    switch (a->status) {
    case 401:
        return LT_OUTCOME_CREDENTIAL;
    case 422:
        return LT_OUTCOME_REJECT;
    case 429:
        return LT_OUTCOME_THROTTLE;
    case 503:
        return LT_OUTCOME_RETRY;
    default:
        return question ? LT_OUTCOME_RETRY : LT_OUTCOME_UNKNOWN;
    }
}

static void call(struct job *j, int kind);

static void on_answer(void *ctx, const struct lt_http_answer *a)
{
    struct job *j = ctx;
    bool good = a->failure == LT_HTTP_ANSWERED && a->status / 100 == 2;
    if (a->failure == LT_HTTP_ANSWERED && a->status == 409) { /* a create that met it: on with an update */
        j->met = true;
        call(j, CALL_UPDATE);
    } else if (!good) {
        struct lt_result r = LT_RESULT(outcome_of(j, a));
        r.code = "answered";
        r.reason = "the target said no";
        r.wait_ms = a->retry_after_s >= 0 ? a->retry_after_s * 1000 : -1;
        done(j, &r);
    } else if (j->call.kind == CALL_ASK && lt_span_is(a->body, "absent")) {
        call(j, CALL_CREATE);
    } else if (j->call.kind == CALL_ASK && j->work->step == LT_STEP_UPSERT) {
        call(j, CALL_UPDATE);
    } else {
        taken(j);
    }
}

static void call(struct job *j, int kind)
{
    static const char *const headers[] = {NULL};
    char body[80];
    j->call.kind = kind;
    snprintf(body, sizeof(body), "%d %d %d %d %d", kind, j->call.dossier, j->call.number, j->call.version, j->call.bad);
    lt_delivery_call(j->gateway->engine, "POST", "https://sim/", headers, lt_span_str(body), j->work->start_by_ms,
                     on_answer, j);
}

static void submit(void *self, struct lt_work *w)
{
    static const int first[] = {[LT_STEP_UPSERT] = CALL_ASK,
                                [LT_STEP_ENSURE] = CALL_ASK,
                                [LT_STEP_CHECK] = CALL_CHECK,
                                [LT_STEP_PROGRESS] = CALL_ROW};
    struct job *j = lt_alloc(sizeof(*j));
    char text[64];
    j->gateway = self;
    j->work = w;
    snprintf(text, sizeof(text), LT_SPAN_FMT, (int)LT_MIN(w->event->data.len, sizeof(text) - 1), w->event->data.ptr);
    sim_check(sscanf(text, "{\"n\":%d,\"v\":%d,\"bad\":%d", &j->call.number, &j->call.version, &j->call.bad) == 3,
              "data %s", text);
    snprintf(text, sizeof(text), LT_SPAN_FMT, LT_SPAN_ARG(w->event->key));
    sim_check(sscanf(text, "H22/D%d", &j->call.dossier) == 1, "key %s", text);
    call(j, first[w->step]);
}

static int adapter_new(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *traits,
                       struct lt_diags *diags)
{
    (void)diags;
    /* The target's settings are part of their process. */
    const char *target = (const char *)s->target;
    struct gateway *g = (struct gateway *)(uintptr_t)(target - offsetof(struct gateway, target));
    g->engine = s->engine;
    traits->repeat_unknown = g->scene->plan.resend;
    *ret = g;
    return LT_OK;
}

static void adapter_free(void *self)
{
    (void)self; /* the process is freed by its slot */
}

static size_t steps(const struct lt_event_type *t, const enum lt_step **ret)
{
    static const enum lt_step checked[] = {LT_STEP_CHECK};
    if (!t || strcmp(t->word, "extended") == 0)
        return 0;
    if (strcmp(t->word, "suspended") == 0) {
        *ret = checked;
        return LT_ARRAY_LEN(checked);
    }
    *ret = t->portal;
    return t->portal_len;
}

static bool once(enum lt_step step)
{
    return step == LT_STEP_PROGRESS;
}

const struct lt_adapter_type delivery_adapter = {
    .name = TARGET, .new = adapter_new, .free = adapter_free, .steps = steps, .once = once, .submit = submit};
