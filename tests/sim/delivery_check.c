/*
 * The oracle's reading: after every commit everything that was committed is taken note of, as the formats in the
 * headers and in protocol 3 say, by other code than the engine's; then the rules are asked (delivery_rules.c).
 */
#include "tests/sim/delivery.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- small readings ---- */

/* The text behind "name": in an object as the gateway writes it. */
static struct lt_span member(struct lt_span json, const char *name)
{
    char wanted[32];
    int n = snprintf(wanted, sizeof(wanted), "\"%s\":", name);
    const char *at = memmem(json.ptr, json.len, wanted, (size_t)n), *end = json.ptr + json.len;
    if (!at)
        return LT_SPAN_NULL;
    at += n;
    bool text = at < end && *at == '"';
    const char *to = at += text;
    while (to < end && (text ? *to != '"' : *to != ',' && *to != '}'))
        to++;
    return lt_span(at, (size_t)(to - at));
}

static int64_t number_of(struct lt_span json, const char *name)
{
    int64_t n = -1;
    sim_check(lt_span_i64(member(json, name), &n), "no %s in " LT_SPAN_FMT, name, LT_SPAN_ARG(json));
    return n;
}

static struct dossier *dossier_of(struct scene *s, struct lt_span key)
{
    char text[64];
    int n = -1;
    snprintf(text, sizeof(text), LT_SPAN_FMT, LT_SPAN_ARG(key));
    sim_check(sscanf(text, "H22/D%d", &n) == 1 && n >= 0 && n < s->plan.dossiers, "a record of %s", text);
    return &s->dossiers[n];
}

static struct event *event_of(struct scene *s, struct lt_span id)
{
    char text[64];
    unsigned d = 0, n = 0;
    snprintf(text, sizeof(text), LT_SPAN_FMT, LT_SPAN_ARG(id));
    sim_check(sscanf(text, "%24x%8x", &d, &n) == 2 && (int)d < s->plan.dossiers && n < s->dossiers[d].events.len,
              "an event %s, which nobody sent", text);
    return s->dossiers[d].events.v[n];
}

static struct event *event_at(struct scene *s, int partition, int64_t offset)
{
    const struct observed_queue *q = &s->queues[partition];
    for (size_t i = q->events.len; i-- > 0 && q->events.v[i]->offset >= offset;)
        if (q->events.v[i]->offset == offset)
            return q->events.v[i];
    sim_fail("partition %d: no event at %" PRId64, partition, offset);
}

struct event *first_parked(const struct dossier *d)
{
    for (size_t i = 0; i < d->events.len; i++)
        if (d->events.v[i]->parked)
            return d->events.v[i];
    return NULL;
}

static enum stage stage_of(struct lt_span step)
{
    if (lt_span_is(step, "upsert") || lt_span_is(step, "ensure"))
        return STAGE_PUT;
    return lt_span_is(step, "check") ? STAGE_CHECK : lt_span_is(step, "progress") ? STAGE_ROW : STAGES;
}

/* ---- the ledger ---- */

static void take_open(struct scene *s, int partition, const struct lt_log_record *r)
{
    struct observed_queue *q = &s->queues[partition];
    size_t at = 0;
    while (at < q->opens.len && !lt_span_is(r->key, q->opens.v[at].key))
        at++;
    if (r->value_null) {
        if (at == q->opens.len)
            return;
        struct open_record o = q->opens.v[at];
        q->opens.v[at] = q->opens.v[--q->opens.len];
        o.event->opens--;
        if (o.event->opens == 0)
            o.event->open = 0;
        free(o.key);
        return;
    }
    struct event *e = event_at(s, partition, number_of(r->value, "offset"));
    struct lt_span state = member(r->value, "state"), step = member(r->value, "step");
    sim_check(e->alien ? lt_span_starts(r->key, "I/*/") && e->may_skip && state.ptr[0] == 'd'
                       : memmem(r->key.ptr, r->key.len, e->id, 32) &&
                             dossier_of(s, lt_span(r->key.ptr + 2, r->key.len - 2)) == &s->dossiers[e->dossier],
              "ledger: " LT_SPAN_FMT " is not of D%d/%d", LT_SPAN_ARG(r->key), e->dossier, e->number);
    if (at == q->opens.len) {
        *lt_vec_push(&q->opens) = (struct open_record){lt_strndup(r->key.ptr, r->key.len), e};
        e->opens++;
    }
    e->open = state.ptr[0];
    if (e->open == 'i') {
        e->intent_seen_ms = sim_now();
        e->intent_until_ms = number_of(r->value, "until") - number_of(r->value, "since");
        snprintf(e->intent_step, sizeof(e->intent_step), LT_SPAN_FMT, LT_SPAN_ARG(step));
    }
    e->intents += e->open == 'i' && lt_span_is(step, "progress");
    if (e->alien && !e->skipped) {
        sim_check(e->deadletters == 1, "partition %d: what is passed over at %" PRId64 " is kept nowhere", partition,
                  e->offset);
        e->skipped = true;
        q->skipped++;
    }
    s->coverage->n[DCOUNT_DONE_BEYOND] += e->open == 'd';
    snprintf(e->open_step, sizeof(e->open_step), LT_SPAN_FMT, LT_SPAN_ARG(step));
}

static enum park_reason reason_of(struct lt_span name)
{
    static const char *const names[REASONS] = {[REASON_REJECTED] = "rejected",
                                               [REASON_UNKNOWN] = "unknown",
                                               [REASON_RETRYING] = "retrying",
                                               [REASON_UNDELIVERABLE] = "undeliverable"};
    for (int i = 0; i < REASONS; i++)
        if (lt_span_is(name, names[i]))
            return (enum park_reason)i;
    sim_fail("parked for " LT_SPAN_FMT, LT_SPAN_ARG(name));
}

static void take_lane(struct scene *s, int partition, const struct lt_log_record *r)
{
    struct dossier *d = dossier_of(s, lt_span(r->key.ptr + 2, r->key.len - 2));
    sim_check(d->partition == partition, "a lane in the wrong partition");
    if (r->value_null) {
        d->lane = LANE_OPEN;
        return;
    }
    d->lane = lt_span_is(member(r->value, "state"), "parked") ? LANE_PARKED : LANE_RETRYING;
    d->reason = reason_of(member(r->value, "reason"));
    d->parked_at = stage_of(member(r->value, "step"));
    if (d->lane == LANE_RETRYING)
        return;
    d->new_parked = true;
    s->queues[partition].unknowns += d->reason == REASON_UNKNOWN;
    s->coverage->n[DCOUNT_REASONS + d->reason]++;
}

/* P and R: "<kind>/<dossier>/<20 digits>". */
static struct event *ordered(struct scene *s, int partition, struct lt_span key)
{
    int64_t order = -1;
    sim_check(key.len > 22 && lt_span_i64(lt_span(key.ptr + key.len - 20, 20), &order), "ledger: " LT_SPAN_FMT,
              LT_SPAN_ARG(key));
    struct event *e = event_at(s, partition, order);
    sim_check(dossier_of(s, lt_span(key.ptr + 2, key.len - 2)) == &s->dossiers[e->dossier], "ledger: " LT_SPAN_FMT,
              LT_SPAN_ARG(key));
    return e;
}

static void take_parked(struct scene *s, int partition, const struct lt_log_record *r)
{
    struct observed_queue *q = &s->queues[partition];
    struct event *e = ordered(s, partition, r->key);
    sim_check(r->value_null == e->parked || !r->value_null, "D%d/%d was not parked", e->dossier, e->number);
    if (r->value_null) {
        e->parked = false;
        q->parked--;
        q->unparked++;
        *lt_vec_push(&q->unparked_now) = e;
        return;
    }
    LT_AUTOFREE char *data = event_data(e, (int)number_of(r->value, "v"));
    sim_check(lt_span_is(r->value, data), "D%d/%d is parked as " LT_SPAN_FMT, e->dossier, e->number,
              LT_SPAN_ARG(r->value));
    sim_check(!e->forwarded && !e->skipped, "D%d/%d was finished and is parked", e->dossier, e->number);
    if (e->parked)
        return;
    e->parked = true;
    q->parked++;
    q->parked_ever++;
}

static void take_ledger(struct scene *s, int partition, const struct lt_log_record *r)
{
    struct event *e;
    switch (r->key.len ? r->key.ptr[0] : 0) {
    case 'I':
        take_open(s, partition, r);
        break;
    case 'L':
        take_lane(s, partition, r);
        break;
    case 'P':
        take_parked(s, partition, r);
        break;
    case 'R':
        e = ordered(s, partition, r->key);
        e->data = !r->value_null;
        break;
    case 'T':
        if (!r->value_null && !s->queues[partition].paused)
            s->queues[partition].paused_ms = sim_now();
        s->queues[partition].paused = !r->value_null;
        break;
    case 'C':
        break;
    case 'O':
        sim_check(!r->value_null && sscanf(r->value.ptr, "d2 %*x %" SCNu64, &s->queues[partition].noted) == 1,
                  "ledger: O " LT_SPAN_FMT, LT_SPAN_ARG(r->value));
        break;
    default:
        sim_fail("ledger: key " LT_SPAN_FMT, LT_SPAN_ARG(r->key));
    }
}

/* ---- history ---- */

/* What a decision that was applied allows. */
static void allow(struct scene *s, struct dossier *d, struct decision *x, int64_t order)
{
    struct event *e = first_parked(d);
    sim_check(e && (order < 0 || order == e->offset), "a decision about another event than the first one was applied");
    switch (x->verb) {
    case LT_VERB_RETRY:
        e->redrives++;
        break;
    case LT_VERB_REPLACE:
        e->redrives++;
        e->version = x->version;
        e->anew = true;
        e->released = 0; /* of the former data: the new ones take every step */
        break;
    case LT_VERB_SKIP:
        e->may_skip = true;
        break;
    case LT_VERB_RELEASE:
        if (d->parked_at < STAGES)
            e->released |= 1u << d->parked_at;
        break;
    default:
        break;
    }
    s->coverage->n[DCOUNT_VERBS + x->verb]++;
}

static void take_decision(struct scene *s, int partition, const struct lt_log_record *r, bool applied)
{
    struct lt_span run = member(r->value, "run");
    uint64_t n = 0;
    sim_check(run.len > 1 && lt_span_u64(lt_span(run.ptr + 1, run.len - 1), &n) && n < s->decisions.len,
              "a decision " LT_SPAN_FMT ", which nobody took", LT_SPAN_ARG(run));
    struct decision *x = &s->decisions.v[n];
    sim_check(!x->told[partition], "decision d%d was carried out twice", (int)n);
    x->told[partition] = true;
    s->coverage->n[DCOUNT_IGNORED] += !applied;
    s->coverage->n[DCOUNT_DECIDED_ONCE] += x->twice;
    if (!applied)
        return;
    for (int i = 0; x->verb == LT_VERB_RESUME && i < SIM_SLOTS; i++)
        s->gateways[i].wait_until_ms = 0; /* also whatever the target had asked for */
    if (x->verb == LT_VERB_PASS) {
        sim_check(x->event->alien, "an event is passed over");
        x->event->may_skip = true;
        s->coverage->n[DCOUNT_VERBS + x->verb]++;
    } else if (x->event)
        allow(s, &s->dossiers[x->event->dossier], x, number_of(r->value, "offset"));
    else
        s->coverage->n[DCOUNT_VERBS + x->verb]++;
}

static void take_history(struct scene *s, int partition, const struct lt_log_record *r)
{
    struct lt_span what = member(r->value, "what");
    if (lt_span_is(what, "decided") || lt_span_starts(what, "ignored")) {
        take_decision(s, partition, r, lt_span_is(what, "decided"));
        return;
    }
    struct event *e = event_at(s, partition, number_of(r->value, "offset"));
    if (!lt_span_is(what, "repeat")) {
        static const char *const outcomes[LT_OUTCOMES] = {"ok",       "exists",     "pass",   "retry",
                                                          "throttle", "credential", "reject", "unknown"};
        for (int o = 0; o < LT_OUTCOMES; o++)
            s->coverage->n[DCOUNT_OUTCOMES + o] += lt_span_is(what, outcomes[o]);
        sim_check(++e->attempts_listed <= e->attempts, "D%d/%d: %d attempts are listed, and there were %d", e->dossier,
                  e->number, e->attempts_listed, e->attempts);
        return;
    }
    bool decided = lt_span_is(member(r->value, "code"), "decided");
    e->repeats++;
    s->queues[partition].repeats++;
    s->coverage->n[decided ? DCOUNT_REPEATS_DECIDED : DCOUNT_REPEATS_RESENT]++;
    sim_check(e->repeats < e->intents + 1, "D%d/%d: %d repeats listed, and there were %d intents", e->dossier,
              e->number, e->repeats, e->intents);
}

/* ---- outputs ---- */

static void take_next(struct scene *s, int partition, const struct lt_log_record *r)
{
    (void)partition;
    struct event *e = event_of(s, lt_headers_value(&r->headers, "ce_id"));
    rules_forwarded(s, e, r);
    e->forwarded = true;
    s->queues[e->partition].forwarded++;
    s->queues[e->partition].passes += e->stages == 0;
    s->coverage->n[DCOUNT_OUTCOMES + LT_OUTCOME_PASS] += e->stages == 0;
}

static void take_deadletter(struct scene *s, int partition, const struct lt_log_record *r)
{
    (void)partition;
    int64_t order = -1;
    sim_check(lt_span_i64(lt_headers_value(&r->headers, "lt_order"), &order), "a dead letter without its order");
    if (lt_span_starts(r->key, "alien/")) {
        struct event *a = event_at(s, r->key.ptr[r->key.len - 1] - '0', order);
        sim_check(a->alien && ++a->deadletters == 1 && lt_span_is(r->value, ALIEN_VALUE),
                  "partition %d: the dead letter of what was passed over at %" PRId64, a->partition, order);
        return;
    }
    struct dossier *d = dossier_of(s, r->key);
    struct event *e = event_at(s, d->partition, order);
    s->queues[d->partition].deadletters++;
    sim_check(++e->deadletters <= e->refusals || e->odd, "D%d/%d: %d dead letters, and it was refused %d times",
              e->dossier, e->number, e->deadletters, e->refusals);
}

static void take_note(struct scene *s, int partition, const struct lt_log_record *r)
{
    (void)partition;
    struct lt_span id = lt_headers_value(&r->headers, "ce_id");
    struct event *e = event_of(s, lt_headers_value(&r->headers, "lt_cause"));
    for (size_t i = 0; i < s->notes.len; i++)
        sim_check(!lt_span_is(id, s->notes.v[i]), "an answer about D%d/%d is written twice", e->dossier, e->number);
    *lt_vec_push(&s->notes) = lt_strndup(id.ptr, id.len);
    if (lt_span_is(lt_headers_value(&r->headers, "ce_type"), "vn.lienthong.delivery.refused.v1"))
        e->told++;
    else
        e->answers++;
}

/* ---- positions ---- */

static void take_position(struct scene *s, int partition)
{
    struct lt_log_offset at;
    struct observed_queue *q = &s->queues[partition];
    struct position p = {0}, *was = &q->position;
    uint64_t incarnation = 0;
    lt_memory_offset_get(s->memory, QUEUE, QUEUE, partition, &at);
    if (q->still) { /* nobody goes on from it */
        const struct lt_log_offset *stands = q->planted ? q->planted : &q->past.v[q->past.len - 1];
        sim_check(at.offset == stands->offset && strcmp(at.metadata, stands->metadata) == 0,
                  "partition %d is committed as %s though it cannot be known what is delivered", partition,
                  at.metadata);
        return;
    }
    int64_t *c = p.counts;
    int n = sscanf(at.metadata,
                   "d2 %" SCNx64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                   " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
                   &incarnation, &p.number, &p.base, &p.control, &p.open, &c[0], &c[1], &c[2], &c[3], &c[4], &c[5],
                   &c[6], &c[7], &c[8]);
    sim_check(n == 14 && incarnation == 0xfeed && p.base == at.offset && strlen(at.metadata) < 400,
              "partition %d: metadata \"%s\" at %" PRId64, partition, at.metadata, at.offset);
    sim_check(p.base >= was->base && p.control >= was->control, "partition %d went back to %s", partition, at.metadata);
    sim_check(p.number == was->number || p.number == was->number + 1,
              "partition %d: transaction %" PRIu64 " after %" PRIu64, partition, p.number, was->number);
    if (p.number != was->number)
        *lt_vec_push(&q->past) = at;
    *was = p;
}

/* ---- all of it ---- */

struct taking {
    struct scene *scene;
    struct reader *reader;
};

static void take(void *ctx, const struct lt_log_record *r)
{
    struct taking *t = ctx;
    struct reader *x = t->reader;
    for (size_t i = 0; i < x->beyond.len; i++)
        if (x->beyond.v[i] == r->offset)
            return;
    *lt_vec_push(&x->beyond) = r->offset;
    x->take(t->scene, x->partition, r);
}

static void read_on(struct scene *s, struct reader *x)
{
    struct taking t = {s, x};
    x->stable = lt_memory_read_all(s->memory, x->topic, x->partition, x->stable, take, &t);
    size_t kept = 0;
    for (size_t i = 0; i < x->beyond.len; i++)
        if (x->beyond.v[i] >= x->stable)
            x->beyond.v[kept++] = x->beyond.v[i];
    x->beyond.len = kept;
}

void audit_commits(struct scene *s)
{
    target_move(s);
    for (size_t i = 0; i < s->readers.len; i++)
        read_on(s, &s->readers.v[i]);
    for (int p = 0; p < s->plan.partitions; p++) {
        take_position(s, p);
        if (!s->queues[p].still)
            rules_queue(s, p);
    }
    for (int d = 0; d < s->plan.dossiers; d++)
        rules_parked(s, &s->dossiers[d]);
}

static void reader_add(struct scene *s, const char *topic, int partition,
                       void (*fn)(struct scene *s, int partition, const struct lt_log_record *r))
{
    *lt_vec_push(&s->readers) = (struct reader){.topic = topic, .partition = partition, .take = fn};
}

/* In the order in which the records of one transaction are to be understood: a decision is about what was parked before
 * it, a forward comes after its answer, and an event is forwarded before it is no longer parked. */
void audit_begin(struct scene *s)
{
    for (int p = 0; p < s->plan.partitions; p++)
        reader_add(s, "lt.history." TARGET, p, take_history);
    reader_add(s, LT_TOPIC_DEADLETTER, 0, take_deadletter);
    reader_add(s, LT_TOPIC_ANSWERS, 0, take_note);
    reader_add(s, LT_TOPIC_PROVINCE, 0, take_note);
    for (int p = 0; p < s->plan.next_partitions; p++)
        reader_add(s, NEXT_TOPIC, p, take_next);
    for (int p = 0; p < s->plan.partitions; p++)
        reader_add(s, "lt.ledger." TARGET, p, take_ledger);
}

void audit_deinit(struct scene *s)
{
    for (size_t i = 0; i < s->readers.len; i++)
        lt_vec_deinit(&s->readers.v[i].beyond);
    lt_vec_deinit(&s->readers);
    for (size_t i = 0; i < s->notes.len; i++)
        free(s->notes.v[i]);
    lt_vec_deinit(&s->notes);
    for (int p = 0; p < DELIVERY_PARTITIONS_MAX; p++) {
        struct observed_queue *q = &s->queues[p];
        for (size_t i = 0; i < q->opens.len; i++)
            free(q->opens.v[i].key);
        lt_vec_deinit(&q->opens);
        lt_vec_deinit(&q->events);
        lt_vec_deinit(&q->past);
        lt_vec_deinit(&q->unparked_now);
    }
}

/* ---- rest ---- */

bool audit_at_rest(const struct scene *s)
{
    for (int p = 0; p < s->plan.partitions; p++) {
        const struct observed_queue *q = &s->queues[p];
        if (q->still || q->passed < q->events.len || q->opens.len > 0)
            return false;
    }
    for (int d = 0; d < s->plan.dossiers; d++)
        if (s->dossiers[d].lane == LANE_RETRYING)
            return false;
    return true;
}

void audit_describe(const struct scene *s)
{
    static const char *const lanes[] = {[LANE_OPEN] = "open", [LANE_PARKED] = "parked", [LANE_RETRYING] = "retrying"};
    for (int p = 0; p < s->plan.partitions; p++) {
        const struct observed_queue *q = &s->queues[p];
        fprintf(stderr, "partition %d: committed %" PRId64 ", %zu of %zu events passed, %zu open, paused %d\n", p,
                q->position.base, q->passed, q->events.len, q->opens.len, q->paused);
        for (size_t i = 0; i < q->opens.len; i++)
            fprintf(stderr, "  %s: %c at %s\n", q->opens.v[i].key, q->opens.v[i].event->open,
                    q->opens.v[i].event->open_step);
    }
    for (int d = 0; d < s->plan.dossiers; d++) {
        const struct dossier *x = &s->dossiers[d];
        size_t parked = 0;
        for (size_t i = 0; i < x->events.len; i++)
            parked += x->events.v[i]->parked;
        fprintf(stderr, "D%d in %d: %d of %zu finished, %zu parked, lane %s\n", d, x->partition, x->finished,
                x->events.len, parked, lanes[x->lane]);
    }
    for (int i = 0; i < SIM_SLOTS; i++) {
        const struct gateway *g = &s->gateways[i];
        if (!sim_process_alive(&g->sim) || !g->engine)
            continue;
        struct lt_buf out = LT_BUF_INIT(1 << 20);
        struct lt_json_writer w;
        lt_json_writer_init(&w, &out);
        lt_engine_status(g->engine, &w);
        LT_AUTOFREE char *status = lt_buf_take(&out);
        fprintf(stderr, "%s: %s\n", g->sim.instance, status);
    }
}
