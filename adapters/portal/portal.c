#include "adapters/portal/portal.h"

#include "adapters/portal/portal_internal.h"

#include <utlist.h>

#define DATA_BYTES_MAX ((size_t)8 << 20)
#define DATA_DEPTH_MAX 32

/* ---- jobs ---- */

void lt_portal_job_free(struct lt_portal_job *j)
{
    lt_json_free(j->json);
    lt_portal_cuts_deinit(&j->cuts);
    lt_arena_deinit(&j->arena);
    free(j);
}

static void finish(struct lt_portal *p, struct lt_portal_job *j, const struct lt_result *r)
{
    struct lt_work *w = j->work;
    lt_delivery_done(p->engine, w, r);
    lt_portal_job_free(j);
}

static void finish_simply(struct lt_portal *p, struct lt_portal_job *j, enum lt_outcome o, const char *code,
                          const char *reason)
{
    struct lt_result r = LT_RESULT(o);
    r.code = code;
    r.reason = reason;
    finish(p, j, &r);
}

/* The province hears why its event is not at the portal. */
static struct lt_note refusal(const struct lt_portal_job *j, const struct lt_portal_answer *a)
{
    const struct lt_work *w = j->work;
    struct lt_buf LT_AUTOBUF buf = LT_BUF_INIT(LT_PORTAL_BODY_MAX);
    struct lt_json_writer json;
    lt_json_writer_init(&json, &buf);
    lt_json_begin_object(&json);
    lt_json_str(&json, "MaHoSo", w->event->subject);
    lt_json_str(&json, "event", w->event->id);
    lt_json_str(&json, "step", lt_span_str(lt_step_name(w->step)));
    lt_json_str(&json, "outcome", LT_SPAN_LIT("reject"));
    lt_json_str(&json, "error_code", a->error_code);
    lt_json_str(&json, "message", a->message);
    lt_json_num(&json, "attempts", w->attempt);
    lt_json_end_object(&json);
    return (struct lt_note){
        .to = LT_NOTE_PROVINCE, .type = LT_PORTAL_REFUSAL_TYPE, .data = lt_arena_span(w->arena, lt_buf_view(&buf))};
}

void lt_portal_finish(struct lt_portal *p, struct lt_portal_job *j, enum lt_outcome o, const struct lt_portal_answer *a)
{
    struct lt_result r = LT_RESULT(o);
    r.code = a->code;
    r.reason = a->reason;
    r.wait_ms = a->wait_ms;
    /* A row of a dossier that the portal does not have: sent again alone it would be refused for good. */
    r.anew = o == LT_OUTCOME_REJECT && a->meaning == LT_PORTAL_EMPTY && j->work->step == LT_STEP_PROGRESS;
    if (o == LT_OUTCOME_REJECT && p->options.tell_province != LT_PORTAL_TELL_NOTHING)
        r.notes[r.notes_len++] = refusal(j, a);
    finish(p, j, &r);
}

/* Applied: what the portal said, and what of ours it did not get in full, as an event. */
static void finish_applied(struct lt_portal *p, struct lt_portal_job *j, enum lt_portal_call kind, enum lt_outcome o,
                           const struct lt_portal_answer *a)
{
    struct lt_work *w = j->work;
    struct lt_buf LT_AUTOBUF buf = LT_BUF_INIT(LT_PORTAL_BODY_MAX);
    struct lt_json_writer json;
    lt_json_writer_init(&json, &buf);
    lt_json_begin_object(&json);
    lt_json_str(&json, "MaHoSo", w->event->subject);
    lt_json_str(&json, "event", w->event->id);
    lt_json_str(&json, "step", lt_span_str(lt_step_name(w->step)));
    lt_json_str(&json, "operation",
                kind == LT_PORTAL_CREATE   ? LT_SPAN_LIT("create")
                : kind == LT_PORTAL_UPDATE ? LT_SPAN_LIT("update")
                : kind == LT_PORTAL_STATUS ? LT_SPAN_LIT("status")
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
    if (p->options.tell_province == LT_PORTAL_TELL_ALL) {
        r.notes[1] = r.notes[0];
        r.notes[1].to = LT_NOTE_PROVINCE;
        r.notes_len = 2;
    }
    finish(p, j, &r);
}

struct lt_span lt_portal_item(struct lt_portal *p, struct lt_portal_job *j, bool progress)
{
    if (j->item.ptr)
        return j->item;
    struct lt_buf LT_AUTOBUF buf = LT_BUF_INIT(LT_PORTAL_BODY_MAX);
    if (progress)
        lt_portal_progress_item(j->tiendo, j->work->event->subject, &j->arena, &j->cuts, &buf);
    else
        lt_portal_dossier_item(&p->options, j->hoso, &j->arena, &j->cuts, &buf);
    j->item = lt_arena_span(&j->arena, lt_buf_view(&buf));
    return j->item;
}

/* ---- answers ---- */

enum lt_outcome lt_portal_outcome(enum lt_portal_meaning m)
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

static void looked_up(struct lt_portal *p, struct lt_portal_job *j, const struct lt_portal_answer *a)
{
    const struct lt_work *w = j->work;
    bool ensure = w->step == LT_STEP_ENSURE;
    switch (a->meaning) {
    case LT_PORTAL_FOUND:
        lt_known_add(p->known, w->event->key);
        if (ensure)
            lt_portal_finish(p, j, LT_OUTCOME_OK, a);
        else
            lt_portal_gather(p, LT_PORTAL_GATHER_UPDATE, j);
        break;
    case LT_PORTAL_EMPTY:
        lt_known_drop(p->known, w->event->key);
        if (lt_json_present(j->hoso))
            lt_portal_gather(p, LT_PORTAL_GATHER_CREATE, j);
        else
            finish_simply(
                p, j, LT_OUTCOME_REJECT, "unknown-at-target",
                "the portal does not have the dossier and the event carries no snapshot (HoSo) to create it from: "
                "`parked replace` with one that does, or `parked retry` once the portal has it");
        break;
    case LT_PORTAL_UNCERTAIN: /* the question failed: it is asked again, an unknown stays unknown (rule 7) */
        lt_portal_finish(p, j, LT_OUTCOME_RETRY, a);
        break;
    case LT_PORTAL_REFUSED:
        lt_portal_finish(p, j, w->after_unknown ? LT_OUTCOME_RETRY : LT_OUTCOME_REJECT, a);
        break;
    default:
        lt_portal_finish(p, j, lt_portal_outcome(a->meaning), a);
        break;
    }
}

static void created(struct lt_portal *p, struct lt_portal_job *j, const struct lt_portal_answer *a)
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
            lt_portal_finish(p, j, LT_OUTCOME_EXISTS, a);
        else
            lt_portal_gather(p, LT_PORTAL_GATHER_UPDATE, j);
        break;
    case LT_PORTAL_UNCERTAIN:
        lt_portal_finish(p, j, LT_OUTCOME_UNKNOWN, a);
        break;
    default:
        lt_portal_finish(p, j, lt_portal_outcome(a->meaning), a);
        break;
    }
}

static void updated(struct lt_portal *p, struct lt_portal_job *j, const struct lt_portal_answer *a)
{
    switch (a->meaning) {
    case LT_PORTAL_DONE:
        lt_known_add(p->known, j->work->event->key);
        finish_applied(p, j, LT_PORTAL_UPDATE, j->already ? LT_OUTCOME_EXISTS : LT_OUTCOME_OK, a);
        break;
    case LT_PORTAL_EMPTY: /* what we remembered is out of date: ask, once */
        lt_known_drop(p->known, j->work->event->key);
        if (j->asked_again) {
            lt_portal_finish(p, j, LT_OUTCOME_REJECT, a);
        } else {
            j->asked_again = true;
            lt_portal_look_up(p, j);
        }
        break;
    case LT_PORTAL_UNCERTAIN:
        lt_known_drop(p->known, j->work->event->key);
        lt_portal_finish(p, j, LT_OUTCOME_UNKNOWN, a);
        break;
    default:
        lt_portal_finish(p, j, lt_portal_outcome(a->meaning), a);
        break;
    }
}

static void progressed(struct lt_portal *p, struct lt_portal_job *j, const struct lt_portal_answer *a, bool alone)
{
    switch (a->meaning) {
    case LT_PORTAL_DONE:
        finish_applied(p, j, LT_PORTAL_PROGRESS, LT_OUTCOME_OK, a);
        break;
    case LT_PORTAL_EMPTY:
        lt_known_drop(p->known, j->work->event->key);
        lt_portal_finish(p, j, alone ? LT_OUTCOME_REJECT : LT_OUTCOME_UNKNOWN, a);
        break;
    case LT_PORTAL_REFUSED: /* of a batch some rows may have been taken: nobody says which (domain 1.5) */
        lt_portal_finish(p, j, alone ? LT_OUTCOME_REJECT : LT_OUTCOME_UNKNOWN, a);
        break;
    case LT_PORTAL_UNCERTAIN:
        lt_portal_finish(p, j, LT_OUTCOME_UNKNOWN, a);
        break;
    default:
        lt_portal_finish(p, j, lt_portal_outcome(a->meaning), a);
        break;
    }
}

static void status_told(struct lt_portal *p, struct lt_portal_job *j, const struct lt_portal_answer *a)
{
    if (a->meaning == LT_PORTAL_DONE)
        finish_applied(p, j, LT_PORTAL_STATUS, LT_OUTCOME_OK, a);
    else if (a->meaning == LT_PORTAL_UNCERTAIN)
        lt_portal_finish(p, j, LT_OUTCOME_UNKNOWN, a); /* the same status again changes nothing */
    else
        lt_portal_finish(p, j, lt_portal_outcome(a->meaning), a);
}

/* Repeating creates and updates is safe, so the item that spoils a batch is found by halves (rule 12). */
static bool must_split(const struct lt_portal_out *c, const struct lt_portal_answer *a)
{
    return c->jobs.list.len > 1 && (c->kind == LT_PORTAL_CREATE || c->kind == LT_PORTAL_UPDATE) &&
           (a->meaning == LT_PORTAL_REFUSED || a->meaning == LT_PORTAL_ALREADY || a->meaning == LT_PORTAL_EMPTY);
}

void lt_portal_deal_out(struct lt_portal *p, struct lt_portal_out *c, const struct lt_portal_answer *a)
{
    size_t n = c->jobs.list.len;
    struct lt_portal_job **jobs = c->jobs.list.v;
    if (must_split(c, a)) {
        struct lt_portal_out *first = lt_portal_out_new(p, c->kind, jobs, n / 2),
                             *second = lt_portal_out_new(p, c->kind, jobs + n / 2, n - n / 2);
        lt_portal_send(p, first);
        lt_portal_send(p, second);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (c->kind == LT_PORTAL_LOOKUP)
            looked_up(p, jobs[i], a);
        else if (c->kind == LT_PORTAL_CREATE)
            created(p, jobs[i], a);
        else if (c->kind == LT_PORTAL_UPDATE)
            updated(p, jobs[i], a);
        else if (c->kind == LT_PORTAL_STATUS)
            status_told(p, jobs[i], a);
        else
            progressed(p, jobs[i], a, n == 1);
    }
}

/* ---- dossiers born at the portal ---- */

static bool fits(const struct lt_opt_strings *globs, struct lt_span s)
{
    for (size_t i = 0; i < globs->len; i++)
        if (lt_glob_match(globs->v[i], s))
            return true;
    return false;
}

static struct lt_span text_of(lt_json_value object, const char *name)
{
    struct lt_span s = LT_SPAN_NULL;
    lt_json_value v = lt_json_present(object) ? lt_json_get(object, name) : object;
    if (lt_json_present(v))
        (void)lt_json_string(v, &s);
    return s;
}

static bool born_at_portal(const struct lt_portal *p, const struct lt_portal_job *j)
{
    return fits(&p->options.ttkm_codes, j->work->event->subject) ||
           fits(&p->options.ttkm_origin, text_of(j->hoso, "NoiNopHoSo"));
}

/*
 * The portal has the dossier and owns it (domain 1.2, TTKM): it is told the status, once an event, and never gets the
 * dossier or progress rows from us.
 */
static void submit_born(struct lt_portal *p, struct lt_portal_job *j)
{
    struct lt_span status = text_of(j->hoso, "TrangThaiHoSo");
    if (status.len == 0)
        status = text_of(j->tiendo, "TrangThai");
    struct lt_span told = lt_portal_ttkm_status(&p->options, status);
    if (j->work->step == LT_STEP_PROGRESS) {
        finish_simply(p, j, LT_OUTCOME_PASS, "born-at-portal", "a dossier born at the portal takes no progress rows");
        return;
    }
    if (!told.ptr) {
        finish_simply(p, j, LT_OUTCOME_PASS, "status-not-told",
                      "this status is not told of dossiers born at the portal");
        return;
    }
    struct lt_buf LT_AUTOBUF buf = LT_BUF_INIT(LT_PORTAL_BODY_MAX);
    lt_portal_status_item(j->tiendo, j->work->event->subject, told, &j->arena, &j->cuts, &buf);
    j->item = lt_arena_span(&j->arena, lt_buf_view(&buf));
    lt_portal_send(p, lt_portal_out_new(p, LT_PORTAL_STATUS, &j, 1));
}

/* ---- the type ---- */

static void submit(void *self, struct lt_work *w)
{
    struct lt_portal *p = self;
    struct lt_portal_job *j = lt_alloc(sizeof(*j));
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
    if (born_at_portal(p, j)) {
        submit_born(p, j);
        return;
    }
    bool known = !w->after_unknown && !w->probe && lt_known_has(p->known, w->event->key);
    switch (w->step) {
    case LT_STEP_UPSERT:
        if (!lt_json_present(j->hoso))
            finish_simply(p, j, LT_OUTCOME_REJECT, "no-snapshot",
                          "the event carries no snapshot (HoSo) of the dossier");
        else if (known)
            lt_portal_gather(p, LT_PORTAL_GATHER_UPDATE, j);
        else
            lt_portal_look_up(p, j);
        break;
    case LT_STEP_ENSURE:
        if (known)
            finish_simply(p, j, LT_OUTCOME_PASS, "known", "the portal has the dossier");
        else
            lt_portal_look_up(p, j);
        break;
    case LT_STEP_PROGRESS:
        if (lt_json_present(j->tiendo))
            lt_portal_gather(p, LT_PORTAL_GATHER_PROGRESS, j);
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
    struct lt_portal_out *c, *next;
    DL_FOREACH_SAFE(p->calls, c, next)
    {
        for (size_t i = 0; i < c->jobs.list.len; i++)
            lt_portal_job_free(c->jobs.list.v[i]);
        lt_portal_out_free(c);
    }
    for (int g = 0; g < LT_PORTAL_GATHERS; g++) {
        for (size_t i = 0; i < p->gathers[g].jobs.list.len; i++)
            lt_portal_job_free(p->gathers[g].jobs.list.v[i]);
        lt_vec_deinit(&p->gathers[g].jobs.list);
    }
    lt_known_free(p->known);
    lt_classifier_free(p->answers);
    free(p->session);
    lt_secret_deinit(&p->options.password);
    lt_arena_deinit(&p->arena);
    free(p);
}

static int portal_new(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *ret_traits,
                      struct lt_diags *diags)
{
    struct lt_portal *p = lt_alloc(sizeof(*p));
    p->arena = LT_ARENA_INIT;
    p->engine = s->engine;
    size_t errors = lt_portal_options_read(s->target, &p->options, &p->arena, diags);
    int r = lt_classifier_new(&lt_portal_answers, s->target->answers, s->target->node, &p->answers, diags);
    if (errors > 0 || r != LT_OK) {
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
    ret_traits->tell_no_refusals = p->options.tell_province == LT_PORTAL_TELL_NOTHING;
    *ret = p;
    return LT_OK;
}

static size_t steps(const struct lt_event_type *t, const enum lt_step **ret)
{
    *ret = t ? t->portal : NULL;
    return t ? t->portal_len : 0;
}

static bool once(enum lt_step step)
{
    return step == LT_STEP_PROGRESS;
}

static void *options(void *self)
{
    return &((struct lt_portal *)self)->options;
}

static void status(const void *self, struct lt_json_writer *w)
{
    lt_classifier_status(((const struct lt_portal *)self)->answers, w);
}

static void metrics(const void *self, const char *target, struct lt_buf *out)
{
    lt_classifier_metrics(((const struct lt_portal *)self)->answers, target, out);
}

const struct lt_adapter_type lt_portal_adapter = {
    .name = "portal",
    .opts = lt_portal_opts,
    .opts_len = LT_PORTAL_OPTS,
    .options = options,
    .new = portal_new,
    .free = portal_free,
    .steps = steps,
    .once = once,
    .submit = submit,
    .tick = lt_portal_tick,
    .status = status,
    .metrics = metrics,
};
