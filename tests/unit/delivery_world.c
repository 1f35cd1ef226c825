#include "tests/unit/delivery_world.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/delivery/position.h"
#include "gateway/model/event.h"

#include <stdio.h>

#define TURNS_MAX 20000

/* ---- the adapter: one call a step, "<dossier> <number> <step>" ---- */

struct sim {
    struct lt_engine *engine;
    bool tells, audits;
};

struct step_call {
    struct sim *sim;
    struct lt_work *work;
    struct step_call *next;
};

static void on_answer(void *ctx, const struct lt_http_answer *a)
{
    struct step_call *c = ctx;
    struct lt_work *w = c->work;
    struct lt_result r = LT_RESULT(LT_OUTCOME_OK);
    r.code = "answered";
    r.reason = "the target said no";
    r.wait_ms = a->retry_after_s >= 0 ? a->retry_after_s * 1000 : -1;
    if (a->failure == LT_HTTP_NOT_SENT)
        r.outcome = LT_OUTCOME_RETRY;
    else if (a->failure == LT_HTTP_UNKNOWN)
        r.outcome = LT_OUTCOME_UNKNOWN;
    else if (a->status == 401)
        r.outcome = LT_OUTCOME_CREDENTIAL;
    else if (a->status == 422 || a->status == 404)
        r.outcome = LT_OUTCOME_REJECT;
    else if (a->status == 429)
        r.outcome = LT_OUTCOME_THROTTLE;
    else if (a->status == 503)
        r.outcome = LT_OUTCOME_RETRY;
    else if (w->step == LT_STEP_UPSERT)
        r.notes[r.notes_len++] = (struct lt_note){.to = c->sim->tells ? LT_NOTE_PROVINCE : LT_NOTE_ANSWER,
                                                  .type = "vn.lienthong.sim.answer.v1",
                                                  .data = lt_arena_span(w->arena, LT_SPAN_LIT("{\"said\":\"ok\"}"))};
    r.anew = a->status == 404;
    if (c->sim->audits && w->step == LT_STEP_PROGRESS)
        r.notes[r.notes_len++] = (struct lt_note){.to = LT_NOTE_AUDIT,
                                                  .type = "vn.lienthong.sim.audit.v1",
                                                  .data = lt_arena_span(w->arena, LT_SPAN_LIT("{}")),
                                                  .key = lt_arena_span(w->arena, LT_SPAN_LIT("officer"))};
    lt_delivery_done(c->sim->engine, w, &r);
    free(c);
}

static void submit(void *self, struct lt_work *w)
{
    struct sim *s = self;
    struct step_call *c = lt_alloc(sizeof(*c));
    c->sim = s;
    c->work = w;
    static const char *const headers[] = {NULL};
    LT_AUTOFREE char *body = lt_asprintf(LT_SPAN_FMT " " LT_SPAN_FMT " %d %d", LT_SPAN_ARG(w->event->key),
                                         LT_SPAN_ARG(w->event->data), (int)w->step, (int)w->after_unknown);
    lt_delivery_call(s->engine, "POST", "https://sim/", headers, lt_span_str(body), w->start_by_ms, on_answer, c);
}

static int sim_new(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *traits,
                   struct lt_diags *diags)
{
    (void)diags;
    struct sim *sim = lt_alloc(sizeof(*sim));
    sim->engine = s->engine;
    /* The settings of a world reach its adapter through the target's node. */
    const char *options = s->target->options->text;
    traits->repeat_unknown = options[0] == 'r';
    traits->tell_no_refusals = options[1] == 'n';
    sim->tells = options[2] == 't';
    sim->audits = options[3] == 'a';
    *ret = sim;
    return LT_OK;
}

static void sim_free(void *self)
{
    free(self);
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

/* ---- the target ---- */

static int call(void *ctx, const char *method, const char *url, const char *const *headers, struct lt_span body,
                lt_http_done_fn fn, void *fn_ctx, struct lt_err *err)
{
    struct world *w = ctx;
    int step;
    (void)method;
    (void)url;
    (void)headers;
    (void)err;
    assert_true(w->flying_len < LT_ARRAY_LEN(w->flying));
    struct world_call *c = &w->flying[w->flying_len++];
    *c = (struct world_call){.fn = fn, .ctx = fn_ctx};
    LT_AUTOFREE char *text = lt_strndup(body.ptr, body.len);
    char *data = strstr(text, "{\"n\":"); /* data that an operator gave */
    if (data) {
        memmove(data, data + 5, strlen(data + 5) + 1);
        *strchr(data, '}') = ' ';
    }
    assert_int_equal(sscanf(text, "H22/%23s %d %d %d", c->what.dossier, &c->what.number, &step, &c->what.after_unknown),
                     4);
    c->what.step = (enum lt_step)step;
    for (size_t i = 0; i + 1 < w->flying_len; i++)
        if (strcmp(w->flying[i].what.dossier, c->what.dossier) == 0)
            fail_msg("two calls of %s at once", c->what.dossier);
    w->flying_most = LT_MAX(w->flying_most, w->flying_len);
    w->calls++;
    return LT_OK;
}

static void reply_to(struct world *w, size_t at, enum reply r)
{
    struct world_call c = w->flying[at];
    memmove(&w->flying[at], &w->flying[at + 1], (w->flying_len - at - 1) * sizeof(c));
    w->flying_len--;
    struct lt_http_answer a = {.failure = LT_HTTP_ANSWERED, .status = 200, .content_type = "", .retry_after_s = -1};
    if (r == REPLY_OK || r == REPLY_LOST) {
        if (w->applied_len == w->applied_cap) {
            w->applied_cap = LT_MAX(2 * w->applied_cap, (size_t)1024);
            w->applied = lt_realloc(w->applied, w->applied_cap * sizeof(*w->applied));
        }
        w->applied[w->applied_len] = c.what;
        w->applied_len += !w->keeps_nothing;
    }
    switch (r) {
    case REPLY_RETRY:
        a.status = 503;
        break;
    case REPLY_THROTTLE:
        a.status = 429;
        a.retry_after_s = 30;
        break;
    case REPLY_CREDENTIAL:
        a.status = 401;
        break;
    case REPLY_REJECT:
        a.status = 422;
        break;
    case REPLY_GONE:
        a.status = 404;
        break;
    case REPLY_LOST:
    case REPLY_VANISHED:
        a.failure = LT_HTTP_UNKNOWN;
        break;
    default:
        break;
    }
    c.fn(c.ctx, &a);
}

static size_t run(void *ctx, int timeout_ms)
{
    struct world *w = ctx;
    (void)timeout_ms;
    for (size_t i = 0; i < w->flying_len;) {
        enum reply r = w->script ? w->script(w, &w->flying[i].what) : REPLY_OK;
        if (r == REPLY_HOLD)
            i++;
        else
            reply_to(w, i, r);
    }
    return w->flying_len;
}

static void close_calls(void *ctx)
{
    struct world *w = ctx;
    while (w->flying_len > 0)
        reply_to(w, 0, REPLY_VANISHED);
}

/* ---- the world ---- */

static int64_t now(void *ctx)
{
    struct world *w = ctx;
    return w->now_ms;
}

static int64_t wall(void *ctx)
{
    struct world *w = ctx;
    return w->now_ms + w->wall_shift_ms;
}

static void on_crash(void *ctx, struct lt_log *l)
{
    struct world *w = ctx;
    if (l == w->log)
        w->crashed = true;
}

static int open_log(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct world *w = ctx;
    assert_string_equal(s->group, w->queue);
    assert_string_equal(s->topic, w->queue);
    assert_string_equal(s->instance_id, w->instance);
    int r = lt_log_memory_new(w->memory, s, ret, err);
    if (r != LT_OK)
        return r;
    w->log = *ret;
    if (w->on_log)
        w->on_log(w);
    return r;
}

void world_genesis(struct world *w)
{
    char text[LT_DELIVERY_POSITION_MAX];
    lt_delivery_genesis(0xfeed, text);
    for (int32_t p = 0; p < WORLD_PARTITIONS; p++)
        lt_memory_offset_set(w->memory, w->queue, w->queue, p, 0, text);
}

static struct world *world_of(struct lt_memory *memory, const char *name)
{
    struct world *w = lt_alloc(sizeof(*w));
    w->memory = memory;
    w->name = name;
    snprintf(w->queue, sizeof(w->queue), "lt.%s", name);
    snprintf(w->ledger, sizeof(w->ledger), "lt.ledger.%s", name);
    snprintf(w->control, sizeof(w->control), "lt.control.%s", name);
    snprintf(w->history, sizeof(w->history), "lt.history.%s", name);
    snprintf(w->instance, sizeof(w->instance), "lt.%s.gw1.0", name);
    const char *const topics[] = {w->queue, w->ledger, w->control, w->history};
    for (size_t i = 0; i < LT_ARRAY_LEN(topics); i++)
        lt_memory_topic(w->memory, topics[i], WORLD_PARTITIONS, 0, false);
    world_genesis(w);
    w->target = (struct lt_config_target){.name = name,
                                          .adapter = "sim",
                                          .url = "https://sim/",
                                          .timeout_ms = 50,
                                          .connect_timeout_ms = 10,
                                          .concurrency = 8,
                                          .retry_min_ms = 10,
                                          .retry_max_ms = 1000,
                                          .settle_ms = 500,
                                          .park_after_ms = 60000,
                                          .refused_max = 50};
    w->adapter = (struct lt_adapter_type){
        .name = "sim", .new = sim_new, .free = sim_free, .steps = steps, .once = once, .submit = submit};
    w->now_ms = 1000;
    return w;
}

struct world *world_new(void)
{
    lt_log_threshold = LT_LOG_ERROR + 1;
    struct lt_memory *memory = lt_memory_new(1700000000000LL);
    lt_memory_topic(memory, LT_TOPIC_DEADLETTER, 1, 0, false);
    lt_memory_topic(memory, "lt.next", 1, 0, false);
    lt_memory_topic(memory, LT_TOPIC_ANSWERS, 1, 0, false);
    lt_memory_topic(memory, LT_TOPIC_PROVINCE, 1, 0, false);
    lt_memory_topic(memory, LT_TOPIC_AUDIT, 1, 0, false);
    struct world *w = world_of(memory, "sim");
    lt_memory_on_crash(memory, on_crash, w);
    return w;
}

struct world *world_beside(struct world *host, const char *name)
{
    struct world *w = world_of(host->memory, name);
    w->guest = true;
    w->now_ms = host->now_ms;
    return w;
}

void world_free(struct world *w)
{
    world_close(w);
    if (!w->guest)
        lt_memory_free(w->memory);
    free(w->applied);
    free(w);
}

static int64_t append(struct world *w, int32_t partition, const char *dossier, int number, const char *type,
                      struct lt_span path)
{
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_headers h = {0};
    char digest[LT_EVENT_DIGEST_LEN + 1], id[LT_EVENT_ID_LEN + 1];
    memset(digest, 'a', LT_EVENT_DIGEST_LEN);
    digest[LT_EVENT_DIGEST_LEN] = 0;
    unsigned hash = 0;
    for (const char *c = dossier; *c; c++)
        hash = hash * 31 + (unsigned char)*c;
    snprintf(id, sizeof(id), "%024x%08x", hash, (unsigned)number);
    struct lt_event e = {.id = lt_span_str(id),
                         .source = LT_SPAN_LIT("mot-cua"),
                         .type = lt_span_str(type),
                         .subject = lt_span_str(dossier),
                         .time = LT_SPAN_LIT("2024-01-01T08:30:00+07:00"),
                         .province = LT_SPAN_LIT("H22"),
                         .unit = LT_SPAN_LIT("H22.01"),
                         .procedure = LT_SPAN_LIT("1.001193"),
                         .channel = LT_SPAN_LIT("1"),
                         .digest = lt_span_str(digest),
                         .digest_v = 1,
                         .key = lt_span_str(lt_arena_printf(&a, "H22/%s", dossier)),
                         .data = lt_span_str(lt_arena_printf(&a, "%d", number))};
    lt_event_headers(&e, &a, &h);
    lt_headers_put(&h, "lt_path", path);
    lt_headers_put(&h, "lt_hop", LT_SPAN_LIT("0"));
    int64_t offset = lt_memory_append(w->memory, w->queue, partition, e.key, &h, e.data);
    lt_arena_deinit(&a);
    return offset;
}

int64_t world_event(struct world *w, int32_t partition, const char *dossier, int number, const char *type)
{
    char path[40];
    snprintf(path, sizeof(path), "%s,next", w->name);
    return append(w, partition, dossier, number, type, lt_span_str(path));
}

int64_t world_stray(struct world *w, int32_t partition, const char *dossier)
{
    return append(w, partition, dossier, 0, "vn.lienthong.dossier.received.v1", LT_SPAN_LIT("next,other"));
}

int64_t world_received(struct world *w, int32_t partition, const char *dossier, int number)
{
    return world_event(w, partition, dossier, number, "vn.lienthong.dossier.received.v1");
}

void world_open(struct world *w)
{
    char text[] = {w->repeat_unknown ? 'r' : '-', w->tell_no_refusals ? 'n' : '-', w->tells ? 't' : '-',
                   w->audits ? 'a' : '-', '\0'};
    const struct lt_yaml_node options = {.kind = LT_YAML_SCALAR, .text = text};
    w->target.options = &options;
    const struct lt_engine_settings s = {
        .target = &w->target,
        .adapter = &w->adapter,
        .instance = "gw1",
        .ctx = w,
        .open_log = open_log,
        .caller = {.ctx = w, .call = call, .run = run, .close = close_calls},
        .now_ms = now,
        .wall_ms = wall,
        .memory = w->memory_bytes,
        .span_max = w->span_max,
        .seed = 7,
    };
    struct lt_diags diags = LT_DIAGS_INIT;
    assert_null(w->engine);
    w->crashed = false;
    assert_int_equal(lt_engine_new(&s, &w->engine, &diags), LT_OK);
    w->target.options = NULL;
}

void world_close(struct world *w)
{
    lt_engine_free(w->engine);
    w->engine = NULL;
    w->log = NULL;
}

void world_crash(struct world *w)
{
    if (!w->crashed && w->log)
        lt_memory_crash(w->log);
    close_calls(w); /* nobody hears of what was in flight */
    world_close(w);
}

void world_turn(struct world *w)
{
    w->now_ms++;
    if (lt_engine_step(w->engine, 0) == LT_ENGINE_FATAL)
        w->fatal = true;
}

void world_turns(struct world *w, int n)
{
    for (int i = 0; i < n && !w->fatal; i++)
        world_turn(w);
}

void world_run_until_forwarded(struct world *w, size_t n)
{
    for (int i = 0; i < TURNS_MAX && !w->fatal; i++) {
        if (world_forwarded(w) >= n)
            return;
        world_turn(w);
    }
    LT_AUTOFREE char *status = world_status(w);
    fail_msg("%zu of %zu forwarded; %s", world_forwarded(w), n, status);
}

void world_advance(struct world *w, int64_t ms)
{
    w->now_ms += ms;
}

size_t world_forwarded(struct world *w)
{
    return lt_memory_count(w->memory, "lt.next");
}

size_t world_answers(struct world *w)
{
    return lt_memory_count(w->memory, LT_TOPIC_ANSWERS);
}

size_t world_applied_count(const struct world *w, const char *dossier, int number, enum lt_step step)
{
    size_t n = 0;
    for (size_t i = 0; i < w->applied_len; i++)
        n +=
            w->applied[i].number == number && w->applied[i].step == step && strcmp(w->applied[i].dossier, dossier) == 0;
    return n;
}

char *world_status(struct world *w)
{
    struct lt_buf out = LT_BUF_INIT(1 << 20);
    struct lt_json_writer json;
    lt_json_writer_init(&json, &out);
    lt_engine_status(w->engine, &json);
    return lt_buf_take(&out);
}

/* Whoever is told of a stop is told what is safe meanwhile, what to do, and a command only where there is one to run.
 */
static void expect_ways_out(const char *status)
{
    static const char command[] = "\"command\":\"";
    size_t stops = 0, ways = 0;
    for (const char *at = status; (at = strstr(at, "\"stop\":{")); at++)
        stops++;
    for (const char *at = status; (at = strstr(at, "\"safe\":\"")); at++)
        ways += strstr(at, "\"advice\":\"") != NULL;
    if (stops != ways)
        fail_msg("%zu stops and %zu ways out in %s", stops, ways, status);
    for (const char *at = status; (at = strstr(at, command)); at++) {
        const char *text = at + sizeof(command) - 1;
        if (*text != '"' && strncmp(text, "lienthong ", 10) != 0)
            fail_msg("no command: %s", at);
    }
}

void world_expect_status(struct world *w, const char *part)
{
    LT_AUTOFREE char *status = world_status(w);
    expect_ways_out(status);
    if (!strstr(status, part))
        fail_msg("expected %s in %s", part, status);
}

void world_committed(struct world *w, int32_t partition, struct lt_log_offset *ret)
{
    lt_memory_offset_get(w->memory, w->queue, w->queue, partition, ret);
}

/* ---- ledger, decisions, history ---- */

static void take_ledger(void *ctx, const struct lt_log_record *r)
{
    struct lt_err err = LT_ERR_INIT;
    if (lt_ledger_take(ctx, r, &err) != LT_OK)
        fail_msg("%s", err.text);
}

void world_ledger(struct world *w, int32_t partition, struct lt_ledger *ret)
{
    *ret = (struct lt_ledger){0};
    lt_memory_read(w->memory, w->ledger, partition, take_ledger, ret);
}

const struct lt_ledger_lane *world_lane(const struct lt_ledger *l, const char *dossier)
{
    struct lt_ledger_lane *lane;
    char key[32];
    snprintf(key, sizeof(key), "H22/%s", dossier);
    HASH_FIND_STR(l->lanes, key, lane);
    return lane;
}

size_t world_parked(struct world *w, const char *dossier)
{
    size_t n = 0;
    for (int32_t p = 0; p < WORLD_PARTITIONS; p++) {
        struct lt_ledger l;
        world_ledger(w, p, &l);
        const struct lt_ledger_lane *lane = world_lane(&l, dossier);
        n += lane ? lane->parked.len : 0;
        lt_ledger_deinit(&l);
    }
    return n;
}

static enum reply first_calls(struct world *w, const struct seen *call)
{
    struct world_first *f = w->ctx;
    if (call->dossier[0] == 'A' && call->step == f->step && f->n > 0) {
        f->n--;
        return f->reply;
    }
    return REPLY_OK;
}

struct world *world_that_answers_first(struct world_first *f)
{
    struct world *w = world_new();
    w->script = first_calls;
    w->ctx = f;
    return w;
}

struct world *world_with_parked(struct world_first *f, int events)
{
    struct world *w = world_that_answers_first(f);
    for (int n = 0; n < events; n++)
        world_received(w, 0, "A", n);
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(world_parked(w, "A"), events);
    assert_int_equal(world_forwarded(w), 0);
    return w;
}

void world_decide(struct world *w, int32_t partition, const char *dossier, const char *id, enum lt_verb verb,
                  int64_t order, const char *data)
{
    struct lt_decision d = {.verb = verb, .order = order, .at_ms = w->now_ms, .data = lt_span_str(data)};
    struct lt_headers none = {0};
    snprintf(d.id, sizeof(d.id), "%s", id);
    snprintf(d.who, sizeof(d.who), "operator");
    LT_AUTOFREE char *value = lt_decision_value(&d);
    LT_AUTOFREE char *key = dossier[0] == '*' ? lt_strdup(dossier) : lt_asprintf("H22/%s", dossier);
    lt_memory_append(w->memory, w->control, partition, lt_span_str(key), &none, lt_span_str(value));
}

struct find {
    const char *text;
    size_t n;
};

static void find_text(void *ctx, const struct lt_log_record *r)
{
    struct find *f = ctx;
    f->n += memmem(r->value.ptr, r->value.len, f->text, strlen(f->text)) != NULL;
}

size_t world_history(struct world *w, const char *text)
{
    struct find f = {.text = text};
    for (int32_t p = 0; p < WORLD_PARTITIONS; p++)
        lt_memory_read(w->memory, w->history, p, find_text, &f);
    return f.n;
}

struct order {
    char key[32];
    int next;
};

static void in_order(void *ctx, const struct lt_log_record *r)
{
    struct order *o = ctx;
    int64_t number;
    if (!lt_span_is(r->key, o->key))
        return;
    assert_true(lt_span_i64(r->value, &number));
    if (number != o->next)
        fail_msg("%s: expected event %d, got %d", o->key, o->next, (int)number);
    assert_span_is(lt_headers_value(&r->headers, "lt_hop"), "1");
    o->next++;
}

void world_check_forwarded_in_order(struct world *w, const char *dossier, int n)
{
    struct order o = {.next = 0};
    snprintf(o.key, sizeof(o.key), "H22/%s", dossier);
    lt_memory_read(w->memory, "lt.next", 0, in_order, &o);
    if (o.next != n)
        fail_msg("%s: expected %d events forwarded, got %d", dossier, n, o.next);
}
