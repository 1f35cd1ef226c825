/* One run from seed to verdict: the plan, the director, the end. */
#include "tests/sim/delivery.h"

#include "gateway/base/log.h"
#include "gateway/delivery/position.h"
#include "gateway/model/partition.h"

#include <inttypes.h>
#include <stdio.h>

#define START_MS 1700000000000LL
#define FINISH_MS                                                                                                      \
    600000 /* longest wait of anything: a stop's 30 s, a session, a pause, a park_after, one after the other */

/* ---- the plan ---- */

static unsigned draw_bits(int from, int to, unsigned per_mille)
{
    unsigned bits = 0;
    for (int i = from; i <= to; i++)
        bits |= sim_chance(per_mille) ? 1u << i : 0;
    return bits;
}

static struct delivery_plan draw_plan(void)
{
    static const unsigned rates[] = {0, 2, 5, 10, 20, 50};
    struct delivery_plan p = {0};
    p.partitions = (int)sim_between(1, DELIVERY_PARTITIONS_MAX);
    p.gateways = (int)sim_between(1, SIM_PROCESSES);
    p.dossiers = (int)sim_between(1, DOSSIERS_MAX);
    p.actions = (int)sim_between(10, 40);
    p.events_max = (int)sim_between(10, 80);
    p.next_partitions = (int)sim_between(1, 2);
    p.disorder.fault_per_mille = rates[sim_between(0, 5)];
    p.fate_per_mille = (unsigned[]){0, 20, 100, 300}[sim_between(0, 3)];
    p.disorder.switch_per_mille = (unsigned[]){30, 150, 500}[sim_between(0, 2)];
    p.disorder.tick_per_mille = (unsigned[]){20, 100}[sim_between(0, 1)];
    p.bad_per_mille = (unsigned[]){0, 0, 30, 150}[sim_between(0, 3)];
    p.odd_per_mille = (unsigned[]){0, 0, 10}[sim_between(0, 2)];
    p.big_per_mille = (unsigned[]){0, 0, 30}[sim_between(0, 2)];
    p.latency_ms = (int64_t[]){0, 3, 30, 150}[sim_between(0, 3)];
    p.concurrency = (int64_t[]){1, 2, 8}[sim_between(0, 2)];
    p.rate = (int64_t[]){0, 0, 5, 20}[sim_between(0, 3)];
    p.timeout_ms = (int64_t[]){300, 1000, 5000, 20000}[sim_between(0, 3)];
    p.settle_ms = (int64_t[]){200, 2000, 10000}[sim_between(0, 2)];
    p.park_after_ms = (int64_t[]){0, 5000, 60000}[sim_between(0, 2)];
    p.retry_min_ms = (int64_t[]){5, 100}[sim_between(0, 1)];
    p.retry_max_ms = (int64_t[]){500, 5000}[sim_between(0, 1)];
    p.refused_max = (int64_t[]){0, 0, 20, 50}[sim_between(0, 3)];
    p.memory = (size_t[]){0, 0, 0, 8000}[sim_between(0, 3)];
    p.span_max = (size_t[]){0, 0, 2, 5}[sim_between(0, 3)];
    p.turn_ms = (int[]){20, 100, 500}[sim_between(0, 2)];
    p.resend = sim_chance(400);
    p.kills = sim_chance(600);
    p.restarts = sim_chance(500);
    p.disorder.freezes = sim_chance(400);
    p.disorder.twins = sim_chance(150);
    p.rebalances = sim_chance(600);
    p.outages = sim_chance(400);
    p.lockouts = sim_chance(300);
    p.decisions = sim_chance(700);
    p.pauses = sim_chance(300);
    p.born = sim_chance(400);
    p.foreign = sim_chance(200);
    p.compaction = sim_chance(500);
    p.retention = sim_chance(400);
    p.causes = sim_chance(300);
    for (int f = LT_FAULT_NONE + 1; f < LT_FAULTS; f++)
        if (sim_chance(f == LT_FAULT_TWIN ? 100 : f == LT_FAULT_TAKEN ? 250 : 600))
            p.disorder.faults |= 1u << f;
    p.fates = draw_bits(FATE_SLOW, FATE_LATE, 500);
    if (sim_chance(250)) {
        p.slow_checks = p.disorder.freezes = true;
        p.timeout_ms = 20000;
    }
    if (p.refused_max > 0 && sim_chance(400)) {
        p.strict = true;
        p.fates = p.bad_per_mille = p.park_after_ms = 0;
        p.outages = p.lockouts = p.pauses = false;
        p.dossiers = DOSSIERS_MAX;
        p.events_max = 80;
    }
    p.clocks_back = sim_chance(250);
    p.clocks_ahead = sim_chance(250);
    return p;
}

/* ---- what the director does ---- */

static void go_away(struct scene *s)
{
    static const enum fate ways[] = {FATE_NOT_SENT, FATE_BUSY, FATE_VANISHED, FATE_LOST};
    s->away = ways[sim_between(0, LT_ARRAY_LEN(ways) - 1)];
    s->away_until_ms = sim_now() + sim_between(100, 60000);
    s->coverage->n[DCOUNT_OUTAGES]++;
    sim_note("target", "away", (int64_t)s->away, s->away_until_ms - sim_now());
}

static void be_born(struct scene *s)
{
    struct dossier *d = &s->dossiers[sim_between(0, s->plan.dossiers - 1)];
    target_move(s);
    if (d->there)
        return;
    d->there = d->born = true;
    s->coverage->n[DCOUNT_BORN]++;
    sim_note("target", "born", d - s->dossiers, 0);
}

static void foreign(struct scene *s, int p)
{
    if (s->foreign[p])
        lt_memory_foreign_close(s->memory, QUEUE, p);
    else
        lt_memory_foreign_open(s->memory, QUEUE, p);
    s->foreign[p] = !s->foreign[p];
    s->coverage->n[DCOUNT_FOREIGN] += s->foreign[p];
    sim_note("broker", "foreign", p, s->foreign[p]);
}

static void turn_clock(struct scene *s)
{
    struct gateway *g = &s->gateways[sim_between(0, s->plan.gateways - 1)];
    bool ahead = s->plan.clocks_ahead && (!s->plan.clocks_back || sim_chance(500));
    int64_t ms = sim_between(1000, 3600000);
    g->skew_ms += ahead ? ms : -ms;
    s->coverage->n[ahead ? DCOUNT_CLOCK_AHEAD : DCOUNT_CLOCK_BACK]++;
    sim_note(g->sim.instance, "clock", g->skew_ms, 0);
}

/* Retention deletes what is behind the position. */
static void retain(struct scene *s, int p)
{
    struct observed_queue *q = &s->queues[p];
    if (q->still || q->position.base <= q->low || s->foreign[p])
        return;
    q->low = sim_between(q->low + 1, q->position.base);
    lt_memory_delete_head(s->memory, QUEUE, p, q->low);
    s->coverage->n[DCOUNT_RETENTION]++;
    sim_note("broker", "retention", p, q->low);
}

/* Somebody reads the wrong number and would have an event passed over. */
static void pass_over_mistaken(struct scene *s)
{
    struct event *e = s->events.len > 0 ? s->events.v[sim_between(0, (int64_t)s->events.len - 1)] : NULL;
    if (e && e->offset >= 0)
        operator_pass_over(s, e);
}

static void act(struct scene *s)
{
    const struct delivery_plan *plan = &s->plan;
    struct sim_process *p;
    switch (sim_between(0, 26)) {
    case 0:
    case 1:
        if (plan->rebalances) {
            s->fleet.disturbed = true;
            lt_memory_rebalance(s->memory, QUEUE);
            sim_note("broker", "rebalance", 0, 0);
        }
        break;
    case 2:
    case 3:
        if (plan->kills)
            sim_fleet_end_one(&s->fleet, false);
        break;
    case 4:
        if (plan->restarts)
            sim_fleet_end_one(&s->fleet, true);
        break;
    case 5:
        if (plan->disorder.freezes && (p = sim_fleet_any(&s->fleet)))
            sim_process_freeze(p, (int64_t[]){1000, 9000, 12000, 16000, 30000, 90000}[sim_between(0, 5)]);
        break;
    case 6:
        if (plan->disorder.twins)
            sim_fleet_twin(&s->fleet);
        break;
    case 7:
        if (plan->outages)
            go_away(s);
        break;
    case 8:
        if (plan->lockouts)
            s->locked_until_ms = sim_now() + sim_between(100, 20000);
        break;
    case 9:
    case 10:
    case 11:
        if (plan->decisions)
            operator_decide_something(s);
        break;
    case 12:
        if (plan->decisions && sim_chance(100))
            pass_over_mistaken(s);
        else if (plan->decisions)
            operator_redrive(s);
        break;
    case 13:
        if (plan->pauses)
            operator_pause(s, (int)sim_between(0, plan->partitions - 1), sim_chance(500));
        break;
    case 14:
        if (plan->born)
            be_born(s);
        break;
    case 15:
        if (plan->foreign && s->cause.phase == DCAUSE_IDLE)
            foreign(s, (int)sim_between(0, plan->partitions - 1));
        break;
    case 16:
        if (plan->compaction)
            world_compact(s);
        break;
    case 17:
        if (plan->clocks_back || plan->clocks_ahead)
            turn_clock(s);
        break;
    case 18:
        if (plan->retention)
            retain(s, (int)sim_between(0, plan->partitions - 1));
        break;
    case 19:
        if (plan->strict && s->events.len > 15) {
            s->refusing_until_ms = sim_now() + sim_between(1000, 30000);
            s->coverage->n[DCOUNT_REFUSING]++;
            sim_note("target", "refuses all", s->refusing_until_ms - sim_now(), 0);
        }
        break;
    case 20:
        if (plan->causes)
            trouble_begin(s);
        break;
    default:
        for (int64_t n = sim_between(1, 12); n > 0; n--)
            source_event(s);
        break;
    }
}

/* ---- running ---- */

/* One turn of somebody, or time moves on to the next thing that is due. */
static void turn(struct scene *s, int64_t limit_ms)
{
    if (s->cause.phase != DCAUSE_IDLE)
        limit_ms = LT_MIN(limit_ms, sim_now() + 1000);
    sim_fleet_turn(&s->fleet, limit_ms);
    trouble_step(s);
}

static void disturb(struct scene *s)
{
    s->chaos = s->fleet.faults_on = true;
    for (int n = s->plan.actions; n > 0 || trouble_holds_end(s);) {
        turn(s, s->next_action_ms);
        if (sim_now() < s->next_action_ms)
            continue;
        act(s);
        n--;
        s->next_action_ms = sim_now() + sim_pause_between_actions();
    }
    s->chaos = s->fleet.faults_on = false;
}

static void calm_down(struct scene *s)
{
    sim_fleet_calm_down(&s->fleet);
    for (int i = 0; i < SIM_SLOTS; i++)
        s->gateways[i].skew_ms = 0;
    s->away_until_ms = s->locked_until_ms = s->refusing_until_ms = 0;
    for (int p = 0; p < s->plan.partitions; p++) {
        if (s->foreign[p])
            foreign(s, p);
        operator_pause(s, p, false);
    }
    if (s->plan.refused_max > 0) /* or the target stays paused, as it should */
        s->mended = true;
}

/* Nothing is stuck: whatever was, and whoever has died, it is finished or parked within a bounded time. */
static void must_rest(struct scene *s)
{
    int64_t until = sim_now() + FINISH_MS;
    audit_commits(s);
    while (!audit_at_rest(s)) {
        turn(s, until);
        if (sim_now() < until)
            continue;
        audit_describe(s);
        sim_fail("not everything is finished or parked after %d s", FINISH_MS / 1000);
    }
}

static bool anything_parked(const struct scene *s)
{
    for (int p = 0; p < s->plan.partitions; p++)
        if (s->queues[p].parked > 0)
            return true;
    return false;
}

/* The target's rules are mended, and operators decide about everything that is parked. */
static void resolve(struct scene *s)
{
    s->mended = true;
    for (int round = 0; anything_parked(s); round++) {
        sim_check(round < 2 * (int)s->events.len + 2, "decisions do not empty the lanes");
        operator_resolve(s);
        int64_t until = sim_now() + 3000; /* until it was looked at */
        while (sim_now() < until)
            turn(s, until);
        must_rest(s);
    }
    rules_end(s);
}

static void begin(struct scene *s)
{
    static const char *const divided[] = {QUEUE, "lt.ledger." TARGET, "lt.control." TARGET, "lt.history." TARGET};
    static const char *const plain[] = {LT_TOPIC_DEADLETTER, LT_TOPIC_ANSWERS, LT_TOPIC_PROVINCE};
    char genesis[LT_DELIVERY_POSITION_MAX];
    for (size_t i = 0; i < LT_ARRAY_LEN(divided); i++)
        lt_memory_topic(s->memory, divided[i], s->plan.partitions, 0, false);
    for (size_t i = 0; i < LT_ARRAY_LEN(plain); i++)
        lt_memory_topic(s->memory, plain[i], 1, 0, false);
    lt_memory_topic(s->memory, NEXT_TOPIC, s->plan.next_partitions, NEXT_RECORD_MAX, false);
    lt_delivery_genesis(0xfeed, genesis);
    for (int p = 0; p < s->plan.partitions; p++) {
        lt_memory_offset_set(s->memory, QUEUE, QUEUE, p, 0, genesis);
        lt_memory_offset_get(s->memory, QUEUE, QUEUE, p, lt_vec_push(&s->queues[p].past));
    }
    for (int d = 0; d < s->plan.dossiers; d++) {
        char key[16];
        snprintf(key, sizeof(key), "H22/D%d", d);
        s->dossiers[d].partition = lt_partition_of(lt_span_str(key), s->plan.partitions);
        s->dossiers[d].content = -1;
    }
    s->fleet = (struct sim_fleet){.ctx = s,
                                  .program = &delivery_program,
                                  .disorder = &s->plan.disorder,
                                  .memory = s->memory,
                                  .coverage = s->coverage,
                                  .len = s->plan.gateways};
    for (int i = 0; i < SIM_SLOTS; i++) {
        s->gateways[i].scene = s;
        s->fleet.slots[i] = &s->gateways[i].sim;
    }
    sim_fleet_begin(&s->fleet);
    s->next_action_ms = sim_now();
    audit_begin(s);
}

static void deinit(struct scene *s)
{
    audit_deinit(s);
    target_forget(s);
    for (int d = 0; d < DOSSIERS_MAX; d++)
        lt_vec_deinit(&s->dossiers[d].events);
    for (size_t i = 0; i < s->events.len; i++)
        free(s->events.v[i]);
    for (size_t i = 0; i < s->aliens.len; i++)
        free(s->aliens.v[i]);
    lt_vec_deinit(&s->events);
    lt_vec_deinit(&s->aliens);
    lt_vec_deinit(&s->decisions);
}

static uint64_t run(uint64_t seed, bool trace, struct sim_coverage *coverage)
{
    struct scene *s = lt_alloc(sizeof(*s));
    lt_log_threshold = trace ? LT_LOG_INFO : LT_LOG_ERROR + 1;
    s->memory = lt_memory_new(START_MS);
    s->coverage = coverage;
    sim_begin(seed, trace, s->memory);
    s->plan = draw_plan();
    begin(s);
    disturb(s);
    calm_down(s);
    must_rest(s);
    resolve(s);

    sim_fleet_end(&s->fleet, false);
    s->plan.events_max = INT32_MAX;
    for (int i = 0; i < 10; i++)
        source_event(s);
    s->fleet.slots[sim_between(0, s->plan.gateways - 1)]->start_ms = sim_now();
    must_rest(s);
    resolve(s);
    sim_fleet_end(&s->fleet, true);

    deinit(s);
    uint64_t hash = sim_end();
    lt_memory_free(s->memory);
    free(s);
    return hash;
}

static const char *const counters[] = {SIM_PROCESS_COUNTERS("!taken"),
                                       "!frozen-calls",
                                       "!hand-overs",
                                       "!foreign",
                                       "!compacted",
                                       "!clock-back",
                                       "!clock-ahead",
                                       "!outages",
                                       "!born",
                                       "!repeats-resent",
                                       "!repeats-decided",
                                       "!decided-once",
                                       "!ignored",
                                       "!done-beyond",
                                       "!ok",
                                       "!exists",
                                       "!pass",
                                       "!retried",
                                       "!throttled",
                                       "!credential",
                                       "!rejected",
                                       "!unknown",
                                       "!taken-at-once",
                                       "!slow",
                                       "!refused",
                                       "!busy",
                                       "!throttle",
                                       "!not-sent",
                                       "!answer-lost",
                                       "!cut",
                                       "!vanished",
                                       "!broken",
                                       "!late",
                                       "!locked",
                                       "!parked-rejected",
                                       "!parked-unknown",
                                       "!parked-retrying",
                                       "!parked-undeliv",
                                       "!retry-decided",
                                       "!replace",
                                       "!skip",
                                       "!release",
                                       "!pause",
                                       "!resume",
                                       "!pass-over",
                                       "",
                                       "!offset-older",
                                       "!offset-briefly",
                                       "!bad-record",
                                       "!queue-lost",
                                       "!queue-end-lost",
                                       "!queue-made-anew",
                                       "!retention",
                                       "!refusing",
                                       NULL};
_Static_assert(LT_ARRAY_LEN(counters) == DCOUNTS + 1, "a name for each counter");
_Static_assert(DCOUNTS <= SIM_COUNTERS_MAX, "they all fit");

const struct simulation simulation_delivery = {.name = "delivery", .run = run, .counters = counters};
