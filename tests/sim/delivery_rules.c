/*
 * The oracle's rules, from the words of protocol 3 (rules 1-13), its promises (section 1) and the conservation equation
 * (section 5). Nothing here knows how the engine does it.
 */
#include "tests/sim/delivery.h"

#include <inttypes.h>
#include <stdio.h>

#define START_BY_MS 2000      /* rule 4 */
#define START_BY_MAX_MS 15000 /* decision 0006: where commits are slow */
#define SESSION_MS 10000
#define BUILD_MS 20 /* a transaction is as old as what it holds: some turns of the clock before it begins */

static const char *const stage_names[STAGES + 1] = {"put", "check", "row", "no stage"};

static enum stage stage_of(const struct target_call *c)
{
    return c->kind == CALL_ROW ? STAGE_ROW : c->kind == CALL_CHECK ? STAGE_CHECK : STAGE_PUT;
}

static bool is_finished(const struct event *e)
{
    return e->forwarded || e->skipped || e->lost;
}

static struct dossier *dossier_of(struct scene *s, const struct event *e)
{
    return &s->dossiers[e->dossier];
}

/* Is this stage of it over, or did an operator take it for over? One that only ensures changes nothing where the
 * dossier is there. */
static bool stage_over(struct scene *s, const struct event *e, enum stage stage)
{
    bool ensured = stage == STAGE_PUT && e->ensure && dossier_of(s, e)->there;
    return !(e->stages & (1u << stage)) || e->applied[stage] > 0 || ensured || (e->released & (1u << stage));
}

/* ---- a call ---- */

/* Whoever wrote the intent may not know yet that its successor parked the dossier as unknown: the decision about it
 * waits until that is settled. */
static bool may_be_late(const struct dossier *d, const struct event *e)
{
    return d->lane == LANE_PARKED && d->reason == REASON_UNKNOWN && first_parked(d) == e;
}

/* P5: the former ones have a definite outcome, and it is committed (rule 5). */
static void check_turn(const struct gateway *g, const struct dossier *d, const struct event *e, enum stage stage)
{
    for (int n = 0; n < e->number; n++)
        sim_check(is_finished(d->events.v[n]), "D%d/%d is sent before D%d/%d is finished", e->dossier, e->number,
                  e->dossier, n);
    if (stage == STAGE_CHECK) /* a question needs no intent: who lost its partition may still ask */
        return;
    sim_check(!is_finished(e), "D%d/%d is sent after it was finished", e->dossier, e->number);
    sim_check(d->lane != LANE_PARKED || may_be_late(d, e), "D%d/%d is sent while its dossier is parked", e->dossier,
              e->number);
    sim_check(!target_pending(g->scene, d), "D%d/%d is sent while a call of its dossier is not settled", e->dossier,
              e->number);
    for (size_t i = 0; i < g->flights.len; i++)
        sim_check(g->flights.v[i].call->event->dossier != e->dossier, "two calls of D%d at once", e->dossier);
}

/* Rule 4 and decision 0006: it is sent while its intent is good, which is never longer than the successor believes
 * (until, less session and settle), and longer than 2 s only where a transaction was slow. */
static void check_intent(const struct gateway *g, const struct dossier *d, const struct event *e, enum stage stage,
                         int64_t decided_ms)
{
    const struct delivery_plan *plan = &g->scene->plan;
    const char *step = stage == STAGE_ROW ? "progress" : e->ensure ? "ensure" : "upsert";
    int64_t slow_ms = LT_MIN(2 * (g->scene->fleet.slowest_ms + BUILD_MS), START_BY_MAX_MS);
    int64_t start_by =
        LT_MAX(START_BY_MS, slow_ms) + (stage == STAGE_ROW ? 0 : plan->timeout_ms + plan->timeout_ms / 4);
    int64_t age_ms = decided_ms - e->intent_seen_ms;
    const struct observed_queue *q = &g->scene->queues[e->partition];
    sim_check((e->open == 'i' || may_be_late(d, e)) && strcmp(e->intent_step, step) == 0,
              "D%d/%d: %s is sent, and the ledger says %c of its %s", e->dossier, e->number, stage_names[stage],
              e->open ? e->open : '-', e->open_step);
    sim_check(!q->paused || e->intent_seen_ms <= q->paused_ms,
              "D%d/%d: %s has an intent and is sent while an operator pauses the target", e->dossier, e->number,
              stage_names[stage]);
    sim_check(decided_ms >= g->wait_until_ms ||
                  e->intent_seen_ms <= g->asked_ms + g->scene->fleet.slowest_ms + BUILD_MS,
              "D%d/%d: %s has an intent and is sent %" PRId64 " ms before the time that the target asked for",
              e->dossier, e->number, stage_names[stage], g->wait_until_ms - decided_ms);
    sim_check(age_ms <= start_by, "D%d/%d: %s is sent %" PRId64 " ms after its intent", e->dossier, e->number,
              stage_names[stage], age_ms);
    sim_check(age_ms + LT_MAX(plan->timeout_ms, SESSION_MS) + plan->settle_ms <= e->intent_until_ms,
              "D%d/%d: %s is sent %" PRId64 " ms after its intent, and a successor waits %" PRId64 " ms", e->dossier,
              e->number, stage_names[stage], age_ms, e->intent_until_ms);
}

/* Rule 7: what may have been applied and cannot be asked about is sent again where the policy or an operator says so,
 * and every time is listed before. */
static void check_row(const struct gateway *g, struct event *e)
{
    sim_check(stage_over(g->scene, e, STAGE_PUT), "D%d/%d: its row is sent before its content", e->dossier, e->number);
    if (e->open_rows > 0) {
        e->row_repeats++;
        sim_check(g->scene->plan.resend || e->redrives >= e->open_rows,
                  "D%d/%d: its row is sent again, and nobody allowed it", e->dossier, e->number);
        sim_check(e->repeats >= e->row_repeats, "D%d/%d: its row is sent again, and it is not listed: %d of %d",
                  e->dossier, e->number, e->repeats, e->row_repeats);
    }
    e->open_rows++;
}

/*
 * The rate is the target's, whoever calls: what all gateways together may send is a bucket that no bucket of theirs
 * exceeds. It holds a second's calls, and one more for each gateway whose share is less than one; who starts, or gets a
 * partition, brings what it may have saved (delivery_gateway.c). Not where somebody may still believe in a share that
 * is another's by now.
 */
static void check_rate(struct scene *s, const struct event *e)
{
    const struct delivery_plan *plan = &s->plan;
    double full = (double)plan->rate + SIM_SLOTS;
    unsigned doubled = 1u << LT_FAULT_TWIN | 1u << LT_FAULT_TAKEN;
    if (plan->rate == 0 || plan->disorder.freezes || plan->disorder.twins || (plan->disorder.faults & doubled))
        return;
    if (s->rate_left < full)
        s->rate_left = LT_MIN(full, s->rate_left + (double)plan->rate * (double)(sim_now() - s->rate_ms) / 1000.0);
    s->rate_ms = sim_now();
    s->rate_left -= 1;
    sim_check(s->rate_left >= 0, "D%d/%d: the gateways together send more than %" PRId64 " calls a second", e->dossier,
              e->number, plan->rate);
}

/* What it holds of one partition alone never exceeds the budget of all that it holds, when it takes one more. */
void rules_polled(struct gateway *g, int partition, int64_t offset)
{
    const struct scene *s = g->scene;
    const struct observed_queue *q = &s->queues[partition];
    size_t held = 0;
    for (size_t i = q->events.len; s->plan.memory > 0 && i-- > 0 && q->events.v[i]->offset >= g->from[partition];) {
        const struct event *e = q->events.v[i];
        if (e->offset < g->to[partition] && !is_finished(e) && !e->parked)
            held += e->bytes;
    }
    sim_check(held <= s->plan.memory || s->plan.memory == 0,
              "%s holds %zu bytes of partition %d, and takes one more event", g->sim.instance, held, partition);
    g->to[partition] = offset + 1;
}

/*
 * refused_max, with a margin: answers that come together may be taken in another order, and what was out while the
 * target was paused may have counted here alone.
 */
void rules_outcome(struct gateway *g, struct event *e, enum lt_outcome outcome)
{
    bool refused = outcome == LT_OUTCOME_REJECT;
    if (!refused && outcome != LT_OUTCOME_OK && outcome != LT_OUTCOME_EXISTS)
        g->answers.clouded = true;
    if (!refused && g->answers.all) {
        g->answers.all = false;
        g->answers.len = 0;
    }
    g->answers.bits = g->answers.bits << 1 | refused;
    g->answers.len = LT_MIN(g->answers.len + 1, 64);
    uint64_t seen = g->answers.len == 64 ? UINT64_MAX : (UINT64_C(1) << g->answers.len) - 1;
    int percent = __builtin_popcountll(g->answers.bits & seen) * 100 / g->answers.len;
    if (refused && g->answers.len >= 30 && percent > g->scene->plan.refused_max + 10)
        g->answers.all = true;
    if (refused)
        e->refused_by_all =
            g->answers.all && !g->answers.clouded && g->scene->plan.refused_max > 0 && g->scene->resumes == 0;
}

void rules_call(struct gateway *g, const struct target_call *c, int64_t decided_ms)
{
    struct event *e = c->event;
    struct dossier *d = dossier_of(g->scene, e);
    enum stage stage = stage_of(c);
    sim_check(!g->scene->queues[e->partition].still, "D%d/%d is sent, and it cannot be known what is delivered",
              e->dossier, e->number);
    sim_check(!e->lost, "D%d/%d is sent after it was lost", e->dossier, e->number);
    sim_check(e->stages & (1u << stage), "D%d/%d has no %s", e->dossier, e->number, stage_names[stage]);
    sim_check((int64_t)g->flights.len < g->scene->plan.concurrency, "D%d/%d: more calls are out than the target allows",
              e->dossier, e->number);
    check_turn(g, d, e, stage);
    check_rate(g->scene, e);
    if (stage != STAGE_CHECK)
        check_intent(g, d, e, stage, decided_ms);
    if (stage == STAGE_ROW)
        check_row(g, e);
    else
        sim_check(e->sent[STAGE_ROW] == 0 || e->anew, "D%d/%d: its %s is sent after its row", e->dossier, e->number,
                  stage_names[stage]);
    if (c->kind == CALL_CREATE)
        sim_check(!d->created, "D%d is created a second time", e->dossier);
    e->sent[stage]++;
}

/* ---- what the target took ---- */

void rules_applied(struct scene *s, const struct target_call *c)
{
    struct event *e = c->event;
    struct dossier *d = dossier_of(s, e);
    if (c->kind == CALL_ASK || c->kind == CALL_CHECK)
        return;
    for (size_t n = (size_t)e->number + 1; n < d->events.len; n++)
        for (int stage = 0; stage < STAGES; stage++)
            sim_check(d->events.v[n]->applied[stage] == 0, "D%d/%d reached the target after D%d/%zu", e->dossier,
                      e->number, e->dossier, n);
    if (c->kind == CALL_CREATE)
        sim_check(!d->there || !d->created, "D%d was created twice", e->dossier);
    if (c->kind == CALL_UPDATE)
        sim_check(d->content <= e->number, "D%d went back from content %d to %d", e->dossier, d->content, e->number);
    if (c->kind == CALL_ROW)
        sim_check((int)e->applied[STAGE_ROW] <= e->repeats, "D%d/%d: row %u, and %d repeats are listed", e->dossier,
                  e->number, e->applied[STAGE_ROW] + 1, e->repeats);
}

/* ---- what is committed ---- */

void rules_forwarded(struct scene *s, struct event *e, const struct lt_log_record *r)
{
    const struct dossier *d = dossier_of(s, e);
    sim_check(!e->forwarded, "D%d/%d is forwarded twice", e->dossier, e->number);
    sim_check(!e->skipped, "D%d/%d is forwarded though it was skipped", e->dossier, e->number);
    for (int n = 0; n < e->number; n++)
        sim_check(is_finished(d->events.v[n]) || d->events.v[n]->may_skip, "D%d/%d is forwarded before D%d/%d",
                  e->dossier, e->number, e->dossier, n);
    for (int stage = 0; stage < STAGES; stage++)
        sim_check(stage_over(s, e, (enum stage)stage), "D%d/%d is forwarded, and its %s never reached the target",
                  e->dossier, e->number, stage_names[stage]);
    sim_check(!e->odd, "D%d/%d is of no known type and is forwarded", e->dossier, e->number);
    sim_check(lt_span_is(lt_headers_value(&r->headers, "lt_hop"), "1"), "D%d/%d: lt_hop", e->dossier, e->number);
    sim_check(r->headers.len == e->headers_len, "D%d/%d is forwarded with %zu headers, it came with %zu", e->dossier,
              e->number, r->headers.len, e->headers_len);
    LT_AUTOFREE char *data = event_data(e, e->version);
    bool checked = e->stages & (1u << STAGE_CHECK) && !(e->released & (1u << STAGE_CHECK));
    LT_AUTOFREE char *want =
        checked ? lt_asprintf("%.*s,\"checked\":1}", (int)strlen(data) - 1, data) : lt_strdup(data);
    sim_check(lt_span_is(r->value, want), "D%d/%d is forwarded as " LT_SPAN_FMT, e->dossier, e->number,
              LT_SPAN_ARG(r->value));
    sim_check(!(e->stages & (1u << STAGE_PUT)) || e->answers > 0 || (e->released & (1u << STAGE_PUT)),
              "D%d/%d is forwarded without its answer", e->dossier, e->number);
}

/* Rules 6 to 8: a dossier is parked for a reason that the world gave. */
void rules_parked(struct scene *s, struct dossier *d)
{
    const struct event *e = first_parked(d);
    if (!d->new_parked || !e)
        return;
    d->new_parked = false;
    switch (d->reason) {
    case REASON_REJECTED:
        sim_check(e->refusals > 0 || e->odd, "D%d/%d is parked as refused, and it was not", e->dossier, e->number);
        sim_check(!e->refused_by_all, "D%d/%d is parked as refused where the target refuses whatever it gets",
                  e->dossier, e->number);
        break;
    case REASON_UNDELIVERABLE:
        sim_check(e->big && e->version == 0, "D%d/%d is parked as too large", e->dossier, e->number);
        break;
    case REASON_UNKNOWN:
        sim_check(s->fleet.disturbed || e->sent[STAGE_PUT] + e->sent[STAGE_ROW] > 0,
                  "D%d/%d is parked as unknown, and it was never sent", e->dossier, e->number);
        break;
    default:
        break;
    }
}

/* Protocol 5, exactly, after every commit; and rule 1: a position passes only what is finished or parked, and what is
 * finished beyond it stands in the ledger. */
void rules_queue(struct scene *s, int partition)
{
    struct observed_queue *q = &s->queues[partition];
    const struct position *p = &q->position;
    for (size_t i = 0; i < q->unparked_now.len; i++) {
        struct event *e = q->unparked_now.v[i];
        if (e->forwarded)
            continue;
        sim_check(e->may_skip, "D%d/%d left the ledger and went nowhere", e->dossier, e->number);
        e->skipped = true;
        q->skipped++;
    }
    q->unparked_now.len = 0;
    sim_check(q->noted == p->number, "partition %d: transaction %" PRIu64 ", and the ledger says %" PRIu64, partition,
              p->number, q->noted);
    while (q->passed < q->events.len && q->events.v[q->passed]->offset < p->base) {
        const struct event *e = q->events.v[q->passed++];
        sim_check(is_finished(e) || e->parked, "partition %d: the position passes D%d/%d, which is nowhere", partition,
                  e->dossier, e->number);
    }
    for (size_t i = q->passed; i < q->events.len; i++) {
        const struct event *e = q->events.v[i];
        sim_check(!is_finished(e) || e->open == 'd',
                  "partition %d: D%d/%d is finished beyond the position, and the ledger does not say so", partition,
                  e->dossier, e->number);
    }
    for (size_t i = 0; i < q->opens.len; i++) {
        const struct event *e = q->opens.v[i].event;
        sim_check(e->opens == 1, "D%d/%d is open %d times in the ledger", e->dossier, e->number, e->opens);
        sim_check((e->open == 'd') == is_finished(e), "D%d/%d: the ledger says %c", e->dossier, e->number, e->open);
    }
    const struct {
        const char *name;
        int64_t said, is;
    } sums[] = {
        {"ok + exists + pass", p->counts[POSITION_OK] + p->counts[POSITION_EXISTS] + p->counts[POSITION_PASS],
         q->forwarded},
        {"pass", p->counts[POSITION_PASS], q->passes},
        {"skipped", p->counts[POSITION_SKIPPED], q->skipped},
        {"parked now", p->counts[POSITION_PARKED] - p->counts[POSITION_UNPARKED], q->parked},
        {"unparked", p->counts[POSITION_UNPARKED], q->unparked},
        {"rejects", p->counts[POSITION_REJECTS], q->deadletters},
        {"unknowns", p->counts[POSITION_UNKNOWNS], q->unknowns},
        {"repeats", p->counts[POSITION_REPEATS], q->repeats},
        {"open", p->open, (int64_t)q->opens.len},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(sums); i++)
        sim_check(sums[i].said == sums[i].is, "partition %d: %s: the position says %" PRId64 ", the topics %" PRId64,
                  partition, sums[i].name, sums[i].said, sums[i].is);
    sim_check(q->forwarded + q->skipped + q->parked <= q->came, "partition %d: more events than came", partition);
}

void rules_end(struct scene *s)
{
    int exists = 0;
    for (size_t i = 0; i < s->events.len; i++) {
        const struct event *e = s->events.v[i];
        sim_check(is_finished(e) && !e->parked && !e->data, "D%d/%d is not finished", e->dossier, e->number);
        sim_check(e->told == e->deadletters, "D%d/%d: %d dead letters, and the province was told %d times", e->dossier,
                  e->number, e->deadletters, e->told);
        if (!s->fleet.disturbed && !s->withheld && s->plan.disorder.fault_per_mille == 0 && s->plan.gateways == 1)
            sim_check(e->attempts_listed == e->attempts, "D%d/%d: %d attempts are listed, and there were %d",
                      e->dossier, e->number, e->attempts_listed, e->attempts);
        if (!s->fleet.disturbed && !s->withheld)
            sim_check(e->repeats == e->row_repeats, "D%d/%d: %d repeats are listed, and there were %d", e->dossier,
                      e->number, e->repeats, e->row_repeats);
    }
    for (int d = 0; d < s->plan.dossiers; d++)
        sim_check(s->dossiers[d].lane == LANE_OPEN, "D%d has nothing parked, and its lane is not open", d);
    for (int p = 0; p < s->plan.partitions; p++)
        exists += (int)s->queues[p].position.counts[POSITION_EXISTS];
    sim_check(exists <= s->creates_met, "%d events count as exists, and %d creates met their dossier", exists,
              s->creates_met);
}
