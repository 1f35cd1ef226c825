#include "adapters/population/population.h"

#include "adapters/population/answer.h"
#include "adapters/population/options.h"
#include "adapters/population/request.h"

#include <utlist.h>

#define BODY_MAX ((size_t)64 << 10)
#define DATA_BYTES_MAX ((size_t)8 << 20)
#define DATA_DEPTH_MAX 32

static const struct lt_json_limits data_limits = {.bytes_max = DATA_BYTES_MAX, .depth_max = DATA_DEPTH_MAX};

struct lt_population;

/* One question on its way. */
struct question {
    struct lt_population *population;
    struct lt_work *work;
    char id[16]; /* the number asked about */
    struct lt_arena arena;
    struct question *prev, *next;
};

struct lt_population {
    struct lt_population_options options;
    struct lt_arena arena;
    struct lt_engine *engine;
    struct lt_classifier *answers;
    const char *url;
    struct question *questions;
};

static const char *const headers[] = {"Content-Type: text/xml; charset=utf-8", "Accept: text/xml", "SOAPAction: \"\"",
                                      NULL};

/* ---- effects ---- */

static bool has_code(lt_json_value list, const char *code)
{
    for (size_t i = 0; i < lt_json_len(list); i++) {
        struct lt_span s;
        if (lt_json_string(lt_json_get(lt_json_at(list, i), "MaCSDL"), &s) && lt_span_is(s, code))
            return true;
    }
    return false;
}

static void put_list(struct lt_json_writer *w, lt_json_value list, const char *code)
{
    lt_json_begin_array(w);
    for (size_t i = 0; i < lt_json_len(list); i++) {
        LT_AUTOBUF struct lt_buf item = LT_BUF_INIT(DATA_BYTES_MAX);
        lt_json_write(lt_json_at(list, i), &item);
        lt_json_put_raw(w, lt_buf_view(&item));
    }
    if (!has_code(list, code)) {
        lt_json_begin_object(w);
        lt_json_str(w, "MaCSDL", lt_span_str(code));
        lt_json_end_object(w);
    }
    lt_json_end_array(w);
}

static void put_members(struct lt_json_writer *w, lt_json_value object, const char *skip)
{
    for (size_t i = 0; i < lt_json_len(object); i++) {
        struct lt_span name;
        lt_json_value v = lt_json_member_at(object, i, &name);
        if (lt_span_is(name, skip))
            continue;
        LT_AUTOBUF struct lt_buf value = LT_BUF_INIT(DATA_BYTES_MAX);
        lt_json_write(v, &value);
        lt_json_key(w, name);
        lt_json_put_raw(w, lt_buf_view(&value));
    }
}

bool lt_population_connected(struct lt_span data, const char *code, struct lt_buf *out)
{
    LT_AUTO_JSON struct lt_json *json = NULL;
    if (lt_json_parse(data, &data_limits, &json, NULL) != LT_OK)
        return false;
    lt_json_value root = lt_json_root(json), hoso = lt_json_get(root, "HoSo");
    if (!lt_json_present(hoso) || lt_json_type_of(hoso) != LT_JSON_OBJECT)
        return false;
    struct lt_json_writer w;
    lt_json_writer_init(&w, out);
    lt_json_begin_object(&w);
    lt_json_key(&w, LT_SPAN_LIT("HoSo"));
    lt_json_begin_object(&w);
    put_members(&w, hoso, "DSKetNoiCSDL");
    lt_json_key(&w, LT_SPAN_LIT("DSKetNoiCSDL"));
    put_list(&w, lt_json_get(hoso, "DSKetNoiCSDL"), code);
    lt_json_end_object(&w);
    put_members(&w, root, "HoSo");
    lt_json_end_object(&w);
    return true;
}

static struct lt_note note(const struct lt_work *w, int to, const char *type, const char *result)
{
    LT_AUTOBUF struct lt_buf buf = LT_BUF_INIT(BODY_MAX);
    struct lt_json_writer json;
    lt_json_writer_init(&json, &buf);
    lt_json_begin_object(&json);
    lt_json_str(&json, "MaHoSo", w->event->subject);
    lt_json_str(&json, "ce_id", w->event->id);
    lt_json_str(&json, "step", lt_span_str(lt_step_name(w->step)));
    lt_json_str(&json, "outcome", lt_span_str(result));
    lt_json_num(&json, "attempts", w->attempt);
    lt_json_end_object(&json);
    return (struct lt_note){.to = to, .type = type, .data = lt_arena_span(w->arena, lt_buf_view(&buf))};
}

static struct lt_result decided(struct lt_population *p, struct lt_work *w, const struct lt_population_answer *a)
{
    struct lt_result r = LT_RESULT(a->outcome);
    r.code = a->code;
    r.reason = a->reason;
    r.wait_ms = a->wait_ms;
    if (a->meaning == LT_POPULATION_MATCH) {
        LT_AUTOBUF struct lt_buf data = LT_BUF_INIT(DATA_BYTES_MAX);
        if (lt_population_connected(w->event->data, p->options.database_code, &data))
            r.forward = lt_arena_span(w->arena, lt_buf_view(&data));
        r.notes[r.notes_len++] = note(w, LT_NOTE_ANSWER, LT_POPULATION_ANSWER_TYPE, "match");
    } else if (a->meaning == LT_POPULATION_NO_MATCH) {
        r.notes[r.notes_len++] = note(w, LT_NOTE_ANSWER, LT_POPULATION_ANSWER_TYPE, "no-match");
        r.notes[r.notes_len++] = note(w, LT_NOTE_PROVINCE, LT_POPULATION_MISMATCH_TYPE, "no-match");
    }
    return r;
}

/* ---- questions ---- */

static void question_free(struct question *q)
{
    DL_DELETE(q->population->questions, q);
    lt_arena_deinit(&q->arena);
    free(q);
}

static void on_answer(void *ctx, const struct lt_http_answer *http)
{
    struct question *q = ctx;
    struct lt_population *p = q->population;
    struct lt_population_answer a;
    lt_population_answer_read(p->answers, LT_POPULATION_LOOKUP, lt_span_str(q->id), http, &q->arena, &a);
    struct lt_result r = decided(p, q->work, &a);
    lt_delivery_done(p->engine, q->work, &r);
    question_free(q);
}

static void done_at_once(struct lt_population *p, struct lt_work *w, enum lt_outcome o, const char *code,
                         const char *reason, bool answer)
{
    struct lt_result r = LT_RESULT(o);
    r.code = code;
    r.reason = reason;
    if (answer)
        r.notes[r.notes_len++] = note(w, LT_NOTE_ANSWER, LT_POPULATION_ANSWER_TYPE, code);
    lt_delivery_done(p->engine, w, &r);
}

static void submit(void *self, struct lt_work *w)
{
    struct lt_population *p = self;
    LT_AUTO_JSON struct lt_json *json = NULL;
    struct lt_err err = LT_ERR_INIT;
    if (w->step != LT_STEP_CHECK) {
        done_at_once(p, w, LT_OUTCOME_REJECT, "bad-step", "the population database has no such step", false);
        return;
    }
    if (lt_json_parse(w->event->data, &data_limits, &json, &err) != LT_OK) {
        done_at_once(p, w, LT_OUTCOME_REJECT, "bad-data", err.text, false);
        return;
    }
    struct question *q = lt_alloc(sizeof(*q));
    struct lt_citizen c;
    q->population = p;
    q->work = w;
    q->arena = LT_ARENA_INIT;
    DL_APPEND(p->questions, q);
    int r = lt_citizen_read(&p->options, lt_json_root(json), &q->arena, &c);
    if (r != LT_OK) {
        question_free(q);
        done_at_once(p, w, LT_OUTCOME_PASS, r == LT_CITIZEN_NONE ? "no-citizen" : "incomplete",
                     "the event has nobody to check", r == LT_CITIZEN_INCOMPLETE);
        return;
    }
    memcpy(q->id, c.id.ptr, c.id.len); /* 9 or 12 digits */
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(BODY_MAX);
    const char *request_id = lt_arena_printf(&q->arena, LT_SPAN_FMT "-%u", LT_SPAN_ARG(w->event->id), w->attempt);
    lt_population_body(&p->options, &c, lt_span_str(request_id), w->event->procedure, &body);
    lt_delivery_call(p->engine, "POST", p->url, headers, lt_buf_view(&body), w->start_by_ms, on_answer, q);
}

/* ---- the type ---- */

static void population_free(void *self)
{
    struct lt_population *p = self;
    if (!p)
        return;
    while (p->questions)
        question_free(p->questions);
    lt_classifier_free(p->answers);
    lt_arena_deinit(&p->arena);
    free(p);
}

static int population_new(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *ret_traits,
                          struct lt_diags *diags)
{
    struct lt_population *p = lt_alloc(sizeof(*p));
    p->arena = LT_ARENA_INIT;
    p->engine = s->engine;
    p->url = s->target->url;
    size_t errors = lt_population_options_read(s->target, &p->options, &p->arena, diags);
    int r = lt_classifier_new(&lt_population_answers, s->target->answers, s->target->node, &p->answers, diags);
    if (errors > 0 || r != LT_OK) {
        population_free(p);
        return LT_E_INVALID;
    }
    ret_traits->batch_max = 1;
    *ret = p;
    return LT_OK;
}

static size_t steps(const struct lt_event_type *t, const enum lt_step **ret)
{
    *ret = t ? t->population : NULL;
    return t ? t->population_len : 0;
}

static bool once(enum lt_step step)
{
    (void)step;
    return false;
}

static int64_t tick(void *self, int64_t now_ms)
{
    (void)self;
    (void)now_ms;
    return INT64_MAX;
}

static void status(const void *self, struct lt_json_writer *w)
{
    lt_classifier_status(((const struct lt_population *)self)->answers, w);
}

static void metrics(const void *self, const char *target, struct lt_buf *out)
{
    lt_classifier_metrics(((const struct lt_population *)self)->answers, target, out);
}

const struct lt_adapter_type lt_population_adapter = {
    .name = "population",
    .opts = lt_population_opts,
    .opts_len = LT_POPULATION_OPTS,
    .new = population_new,
    .free = population_free,
    .steps = steps,
    .once = once,
    .submit = submit,
    .tick = tick,
    .status = status,
    .metrics = metrics,
};
