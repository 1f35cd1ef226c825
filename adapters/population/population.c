#include "adapters/population/population.h"

#include "adapters/population/answer.h"
#include "adapters/population/matches.h"
#include "adapters/population/options.h"
#include "adapters/population/request.h"
#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"

#include <inttypes.h>
#include <stdio.h>

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
    struct lt_citizen citizen; /* in the arena */
    char request_id[37];       /* MaYeuCau, and X-Road's id of the message */
    struct lt_arena arena;
    struct question *prev, *next;
};

struct lt_population {
    struct lt_population_options options;
    struct lt_arena arena;
    struct lt_engine *engine;
    struct lt_classifier *answers;
    struct lt_matches *matches;
    const char *url;
    struct question *questions;
};

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
    lt_json_str(&json, "event", w->event->id);
    lt_json_str(&json, "step", lt_span_str(lt_step_name(w->step)));
    lt_json_str(&json, "outcome", lt_span_str(result));
    lt_json_num(&json, "attempts", w->attempt);
    lt_json_end_object(&json);
    return (struct lt_note){.to = to, .type = type, .data = lt_arena_span(w->arena, lt_buf_view(&buf))};
}

/* Who asked, for which dossier, and what came of it (domain 2.1: every call is on record by officer, answered or not);
 * never about whom. */
static struct lt_note audit(const struct lt_population *p, const struct lt_work *w, const struct lt_citizen *c,
                            const char *request_id, const char *result, const char *source)
{
    LT_AUTOBUF struct lt_buf buf = LT_BUF_INIT(BODY_MAX);
    struct lt_json_writer json;
    const char *service = p->options.service_code;
    lt_json_writer_init(&json, &buf);
    lt_json_begin_object(&json);
    lt_json_str(&json, "actor", c->officer);
    lt_json_str(&json, "unit", c->unit);
    lt_json_str(&json, "action", LT_SPAN_LIT("population-check"));
    lt_json_str(&json, "MaHoSo", w->event->subject);
    lt_json_str(&json, "ce_id", w->event->id);
    lt_json_str(&json, "procedure", w->event->procedure);
    lt_json_str(&json, "MaYeuCau", lt_span_str(request_id));
    lt_json_str(&json, "MaDVC", service && *service ? lt_span_str(service) : w->event->procedure);
    lt_json_str(&json, "operation",
                p->options.operation == LT_POPULATION_ASK_VERIFY ? LT_SPAN_LIT("XacThucThongTinCongDan")
                                                                 : LT_SPAN_LIT("TraCuuThongTinCongDan"));
    lt_json_str(&json, "source", lt_span_str(source));
    lt_json_str(&json, "result", lt_span_str(result));
    lt_json_num(&json, "attempts", w->attempt);
    lt_json_end_object(&json);
    return (struct lt_note){.to = LT_NOTE_AUDIT,
                            .type = LT_POPULATION_AUDIT_TYPE,
                            .data = lt_arena_span(w->arena, lt_buf_view(&buf)),
                            .key = lt_arena_span(w->arena, c->officer)};
}

static void matched(const struct lt_population *p, struct lt_work *w, struct lt_result *r)
{
    LT_AUTOBUF struct lt_buf data = LT_BUF_INIT(DATA_BYTES_MAX);
    if (lt_population_connected(w->event->data, p->options.database_code, &data))
        r->forward = lt_arena_span(w->arena, lt_buf_view(&data));
    r->notes[r->notes_len++] = note(w, LT_NOTE_ANSWER, LT_POPULATION_ANSWER_TYPE, "match");
}

static struct lt_result decided(struct lt_population *p, struct lt_work *w, const struct lt_population_answer *a)
{
    struct lt_result r = LT_RESULT(a->outcome);
    bool forward = p->options.on_unavailable == LT_UNAVAILABLE_FORWARD;
    r.code = a->code;
    r.reason = a->reason;
    r.wait_ms = a->wait_ms;
    if (a->meaning == LT_POPULATION_MATCH) {
        matched(p, w, &r);
    } else if (a->meaning == LT_POPULATION_NO_MATCH) {
        if (p->options.on_mismatch == LT_MISMATCH_PARK) {
            r.outcome = LT_OUTCOME_REJECT;
            r.local = true; /* the dossier's fault, not the database's */
        }
        r.notes[r.notes_len++] = note(w, LT_NOTE_ANSWER, LT_POPULATION_ANSWER_TYPE, "no-match");
        r.notes[r.notes_len++] = note(w, LT_NOTE_PROVINCE, LT_POPULATION_MISMATCH_TYPE, "no-match");
    } else if (a->meaning == LT_POPULATION_UNAVAILABLE && forward) {
        r.local = true; /* a pause would stop the dossiers that are to go on */
        if ((int64_t)w->attempt >= p->options.unavailable_attempts) {
            r.outcome = LT_OUTCOME_OK;
            r.notes[r.notes_len++] = note(w, LT_NOTE_ANSWER, LT_POPULATION_ANSWER_TYPE, "unverified");
            r.notes[r.notes_len++] = note(w, LT_NOTE_PROVINCE, LT_POPULATION_MISMATCH_TYPE, "unverified");
        } else {
            r.outcome = LT_OUTCOME_RETRY;
        }
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

#define SKEW_MAX_S 60

static void on_answer(void *ctx, const struct lt_http_answer *http)
{
    struct question *q = ctx;
    struct lt_population *p = q->population;
    struct lt_population_answer a;
    bool verify = p->options.operation == LT_POPULATION_ASK_VERIFY;
    const struct lt_population_asked asked = {.operation = verify ? LT_POPULATION_VERIFY : LT_POPULATION_LOOKUP,
                                              .id = q->citizen.id,
                                              .xroad_id = lt_span_str(p->options.xroad_client ? q->request_id : "")};
    lt_population_answer_read(p->answers, &asked, http, &q->arena, &a);
    if (a.outcome == LT_OUTCOME_CREDENTIAL && p->options.auth == LT_POPULATION_BASIC &&
        (http->clock_ahead_s > SKEW_MAX_S || http->clock_ahead_s < -SKEW_MAX_S)) {
        a.code = "clock";
        a.reason = lt_arena_printf(&q->arena,
                                   "%s; our clock is %" PRId64 " s %s theirs, and the timestamp is part of the login: "
                                   "set the clock",
                                   a.reason, http->clock_ahead_s > 0 ? http->clock_ahead_s : -http->clock_ahead_s,
                                   http->clock_ahead_s > 0 ? "behind" : "ahead of");
    }
    if (a.meaning == LT_POPULATION_MATCH)
        lt_matches_add(p->matches, &q->citizen, q->work->event->procedure, lt_delivery_now_ms(p->engine));
    struct lt_result r = decided(p, q->work, &a);
    bool left = http->failure != LT_HTTP_NOT_SENT && http->failure != LT_HTTP_CREDENTIAL;
    if (left || r.outcome == LT_OUTCOME_OK || r.outcome == LT_OUTCOME_REJECT)
        r.notes[r.notes_len++] = audit(p, q->work, &q->citizen, q->request_id, a.code, "database");
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

static bool officer_may(const struct lt_population_options *o, struct lt_span officer)
{
    for (size_t i = 0; i < o->officers.len; i++)
        if (lt_glob_match(o->officers.v[i], officer))
            return true;
    return o->officers.len == 0;
}

/* Without a call: the officer may not ask, or the answer is remembered. */
static bool answered_here(struct lt_population *p, struct question *q)
{
    struct lt_work *w = q->work;
    struct lt_result r = LT_RESULT(LT_OUTCOME_OK);
    r.local = true;
    if (!officer_may(&p->options, q->citizen.officer)) {
        r.outcome = LT_OUTCOME_REJECT;
        r.code = "officer-not-permitted";
        r.reason = "the officer of the event may not ask the population database (options.officers)";
    } else if (lt_matches_has(p->matches, &q->citizen, w->event->procedure, lt_delivery_now_ms(p->engine))) {
        r.code = "match";
        r.reason = "id, name and birth belong together, as answered before";
        matched(p, w, &r);
    } else {
        return false;
    }
    r.notes[r.notes_len++] = audit(p, w, &q->citizen, "", r.code, r.outcome == LT_OUTCOME_OK ? "cache" : "gateway");
    lt_delivery_done(p->engine, w, &r);
    question_free(q);
    return true;
}

/* As X-Road wants it for each message. Drawn, not counted: another process would count from the beginning. */
static void uuid(char out[37])
{
    uint8_t b[16];
    char hex[33];
    lt_random(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    lt_hex(b, sizeof(b), hex);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static void submit(void *self, struct lt_work *w)
{
    struct lt_population *p = self;
    struct lt_err err = LT_ERR_INIT;
    if (w->step != LT_STEP_CHECK) {
        done_at_once(p, w, LT_OUTCOME_REJECT, "bad-step", "the population database has no such step", false);
        return;
    }
    LT_AUTO_JSON struct lt_json *json = NULL;
    if (lt_json_parse(w->event->data, &data_limits, &json, &err) != LT_OK) {
        done_at_once(p, w, LT_OUTCOME_REJECT, "bad-data", err.text, false);
        return;
    }
    struct question *q = lt_alloc(sizeof(*q));
    q->population = p;
    q->work = w;
    q->arena = LT_ARENA_INIT;
    DL_APPEND(p->questions, q);
    int r = lt_citizen_read(&p->options, lt_json_root(json), &q->arena, &q->citizen);
    if (r != LT_OK) {
        question_free(q);
        done_at_once(p, w, LT_OUTCOME_PASS, r == LT_CITIZEN_NONE ? "no-citizen" : "incomplete",
                     "the event has nobody to check", r == LT_CITIZEN_INCOMPLETE);
        return;
    }
    struct lt_span *lent[] = {&q->citizen.id, &q->citizen.name, &q->citizen.birth, &q->citizen.officer,
                              &q->citizen.unit};
    for (size_t i = 0; i < LT_ARRAY_LEN(lent); i++) /* they outlive the document */
        *lent[i] = lt_arena_span(&q->arena, *lent[i]);
    if (answered_here(p, q))
        return;
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(BODY_MAX);
    uuid(q->request_id);
    lt_population_body(&p->options, &q->citizen, lt_span_str(q->request_id), w->event->procedure, &body);
    lt_delivery_call(p->engine, "POST", p->url, lt_population_headers(&p->options, lt_now_ms(), &q->arena),
                     lt_buf_view(&body), w->start_by_ms, on_answer, q);
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
    lt_matches_free(p->matches);
    lt_secret_deinit(&p->options.secret);
    lt_secret_deinit(&p->options.api_key);
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
    p->matches = lt_matches_new((size_t)p->options.cache_max, p->options.cache_ms);
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

static void *options(void *self)
{
    return &((struct lt_population *)self)->options;
}

static void status(const void *self, struct lt_json_writer *w)
{
    const struct lt_population *p = self;
    lt_classifier_status(p->answers, w);
    lt_json_num(w, "matches_remembered", (int64_t)lt_matches_count(p->matches));
}

static void metrics(const void *self, const char *target, struct lt_buf *out)
{
    lt_classifier_metrics(((const struct lt_population *)self)->answers, target, out);
}

const struct lt_adapter_type lt_population_adapter = {
    .name = "population",
    .opts = lt_population_opts,
    .opts_len = LT_POPULATION_OPTS,
    .options = options,
    .new = population_new,
    .free = population_free,
    .steps = steps,
    .once = once,
    .submit = submit,
    .status = status,
    .metrics = metrics,
};
