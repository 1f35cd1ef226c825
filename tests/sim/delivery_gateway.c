/* The processes: the real engine in a task of its own, with a hand in its log and in its clock. */
#include "tests/sim/delivery.h"

#include <stdio.h>

#define STILL_MAX 200    /* questions for the time after which a millisecond has passed */
#define CIRCLES_MAX 5000 /* turns of an engine without any time: it would burn a processor */

static struct scene *the_scene; /* the port's calls bring a log only */

static struct gateway *gateway_of(const struct lt_log *l)
{
    for (int i = 0; i < GATEWAY_SLOTS; i++)
        if (the_scene->gateways[i].log == l)
            return &the_scene->gateways[i];
    sim_fail("a log that belongs to no process");
}

/* ---- between two steps ---- */

/* The log of a process, as long as it may be used. */
static struct lt_log *log_of(const struct gateway *g)
{
    return g->log && !lt_memory_crashed(g->log) ? g->log : NULL;
}

static void go_on(struct gateway *g)
{
    struct lt_log *l = log_of(g);
    if (!g->frozen_until_ms || sim_now() < g->frozen_until_ms)
        return;
    g->frozen_until_ms = 0;
    sim_note(g->instance, "goes on", 0, 0);
    if (l)
        lt_memory_freeze(l, false);
}

void gateway_wait(struct gateway *g, int64_t ms)
{
    if (ms > 0)
        sim_sleep(ms);
    else
        sim_yield();
    go_on(g);
}

/* Time passes, others have their turn; now and then the process stands still. */
static void between(struct gateway *g, const char *what)
{
    const struct delivery_plan *plan = &g->scene->plan;
    go_on(g);
    sim_note(g->instance, what, 0, 0);
    if (sim_chance(plan->tick_per_mille))
        sim_advance(sim_between(1, 8));
    if (!g->killed && g->scene->faults_on && plan->freezes && sim_chance(2))
        gateway_freeze(g, (int64_t[]){500, 2500, 9000, 11000, 14000, 17000, 40000}[sim_between(0, 6)]);
    if (sim_chance(plan->switch_per_mille) || sim_now() < g->frozen_until_ms)
        gateway_wait(g, 0);
}

static int dead(struct lt_err *err)
{
    return lt_err_set(err, LT_E_UNAVAILABLE, "killed", "the process was killed");
}

static enum lt_memory_fault draw(const struct delivery_plan *plan)
{
    if (!plan->faults || !sim_chance(plan->fault_per_mille))
        return LT_FAULT_NONE;
    for (;;) {
        enum lt_memory_fault f = (enum lt_memory_fault)sim_between(0, LT_FAULTS - 1);
        if (plan->faults & (1u << f))
            return f;
    }
}

static const char *const step_names[LT_STEPS] = {
    [LT_STEP_POLL] = "poll",     [LT_STEP_COMMITTED] = "committed", [LT_STEP_SCAN] = "scan",
    [LT_STEP_BEGIN] = "begin",   [LT_STEP_PRODUCE] = "produce",     [LT_STEP_SEND_OFFSETS] = "send-offsets",
    [LT_STEP_COMMIT] = "commit", [LT_STEP_ABORT] = "abort",         [LT_STEP_RENEW] = "renew",
};

/* What makes a process forget what it knew of calls that are out. */
static bool disturbs(enum lt_memory_fault f)
{
    return f == LT_FAULT_CRASH || f == LT_FAULT_CRASH_AFTER || f == LT_FAULT_TWIN || f == LT_FAULT_TAKEN ||
           f == LT_FAULT_REBALANCE;
}

/* The schedule: asked by the log inside each step. */
static enum lt_memory_fault schedule(void *ctx, const char *instance_id, enum lt_memory_step step, uint64_t number)
{
    struct scene *s = ctx;
    struct gateway *g = NULL;
    (void)instance_id;
    (void)number;
    for (int i = 0; i < GATEWAY_SLOTS; i++)
        if (s->gateways[i].task && s->gateways[i].task == sim_task_current())
            g = &s->gateways[i];
    if (!g)
        return LT_FAULT_NONE;
    between(g, step_names[step]);
    if (g->killed || !s->faults_on)
        return LT_FAULT_NONE;
    enum lt_memory_fault f = draw(&s->plan);
    if (f != LT_FAULT_NONE) {
        sim_note(g->instance, "  fault", (int64_t)f, (int64_t)step);
        s->coverage->n[f]++;
        s->disturbed |= disturbs(f);
    }
    return f;
}

static void on_crash(void *ctx, struct lt_log *l)
{
    (void)ctx;
    struct gateway *g = gateway_of(l);
    sim_note(g->instance, "crashed", 0, 0);
    g->killed =
        true; /* its code only unwinds from here: neither the log nor the target takes anything of it any more */
    if (g->task)
        sim_task_wake(g->task);
}

/* ---- the port, with a hand in it ---- */

static int sim_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    int r = g->real->poll(l, timeout_ms, ret, err);
    if (r == LT_LOG_NONE && timeout_ms > 0 && !g->killed && !g->stopping)
        gateway_wait(g, sim_between(1, timeout_ms));
    if (r == LT_LOG_OK)
        sim_note(g->instance, "  polled", (*ret)->partition, (*ret)->offset);
    return r;
}

static int sim_committed(struct lt_log *l, int32_t partition, int timeout_ms, struct lt_log_offset *ret,
                         struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    int r = g->real->committed(l, partition, timeout_ms, ret, err);
    if (r == LT_LOG_RETRY)
        gateway_wait(g, sim_between(50, timeout_ms));
    return r;
}

static int sim_scan(struct lt_log *l, const char *topic, int32_t partition, int64_t from, int64_t to,
                    int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    int r = g->real->scan(l, topic, partition, from, to, fn, ctx, err);
    if (r == LT_LOG_RETRY)
        gateway_wait(g, 10000);
    return r;
}

/* A question that is no step of the log's own. true: answered already, with *ret_result. */
static bool asked(struct gateway *g, const char *what, int *ret_result, struct lt_err *err)
{
    between(g, what);
    if (g->killed) {
        *ret_result = dead(err);
        return true;
    }
    if (g->scene->faults_on && (g->scene->plan.faults & (1u << LT_FAULT_RETRY)) &&
        sim_chance(g->scene->plan.fault_per_mille)) {
        lt_err_set(err, LT_E_TIMEOUT, "timed-out", "timed out");
        *ret_result = LT_LOG_RETRY;
        return true;
    }
    return false;
}

static int sim_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                          struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    int r;
    return asked(g, "watermarks", &r, err) ? r : g->real->watermarks(l, topic, partition, low, high, err);
}

static int sim_partitions(struct lt_log *l, const char *topic, int32_t *ret, struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    int r;
    return asked(g, "partitions", &r, err) ? r : g->real->partitions(l, topic, ret, err);
}

static int sim_start(struct lt_log *l, int32_t partition, int64_t offset, struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    between(g, "start");
    if (g->killed)
        return dead(err);
    const struct observed_queue *q = &g->scene->queues[partition];
    g->scene->coverage->n[DCOUNT_HANDOVERS] += q->opens.len > 0;
    return g->real->start(l, partition, offset, err);
}

static int sim_capture(struct lt_log *l, struct lt_log_membership **ret, struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    g->txn_ms = sim_now();
    between(g, "capture");
    return g->killed ? dead(err) : g->real->capture(l, ret, err);
}

static int sim_commit(struct lt_log *l, struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    int r = g->real->commit(l, err);
    sim_note(g->instance, "  commit answered", r, 0);
    if (r == LT_LOG_OK)
        g->scene->coverage->n[DCOUNT_COMMITS]++;
    audit_commits(g->scene);
    between(g, "committed-after");
    g->scene->slowest_ms = LT_MAX(g->scene->slowest_ms, sim_now() - g->txn_ms);
    return r;
}

static int sim_send_offsets(struct lt_log *l, const struct lt_log_membership *m, const struct lt_log_offset *offsets,
                            size_t n, struct lt_err *err)
{
    struct gateway *g = gateway_of(l);
    int r = g->real->send_offsets(l, m, offsets, n, err);
    for (size_t i = 0; i < n; i++)
        sim_note(g->instance, "  offset", offsets[i].partition, offsets[i].offset);
    return r;
}

static void sim_close(struct lt_log *l)
{
    struct gateway *g = gateway_of(l);
    g->log = NULL;
    g->real->close(l);
}

static int open_log(void *ctx, const struct lt_log_settings *settings, struct lt_log **ret, struct lt_err *err)
{
    struct gateway *g = ctx;
    between(g, "open");
    if (g->killed)
        return dead(err);
    int r = lt_log_memory_new(g->scene->memory, settings, ret, err);
    if (r != LT_OK)
        return r;
    g->log = *ret;
    g->real = (*ret)->ops;
    g->ops = *g->real;
    g->ops.close = sim_close;
    g->ops.poll = sim_poll;
    g->ops.committed = sim_committed;
    g->ops.scan = sim_scan;
    g->ops.watermarks = sim_watermarks;
    g->ops.partitions = sim_partitions;
    g->ops.start = sim_start;
    g->ops.capture = sim_capture;
    g->ops.send_offsets = sim_send_offsets;
    g->ops.commit = sim_commit;
    (*ret)->ops = &g->ops;
    return LT_OK;
}

/* ---- clocks ---- */

/* Where the engine waits by looking at the clock again and again, time must pass as it does for real. */
static int64_t now_ms(void *ctx)
{
    struct gateway *g = ctx;
    if (g->still_ms != sim_now())
        g->still = 0;
    g->still_ms = sim_now();
    if (++g->still % STILL_MAX == 0)
        sim_advance(1);
    return sim_now();
}

static int64_t wall_ms(void *ctx)
{
    struct gateway *g = ctx;
    return now_ms(g) + g->skew_ms;
}

/* ---- life ---- */

static void life(void *ctx)
{
    struct gateway *g = ctx;
    const struct delivery_plan *plan = &g->scene->plan;
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_engine_settings settings = {
        .target = &g->target,
        .adapter = &delivery_adapter,
        .instance = g->instance,
        .ctx = g,
        .open_log = open_log,
        .caller = target_caller,
        .now_ms = now_ms,
        .wall_ms = wall_ms,
        .memory = plan->memory,
        .span_max = plan->span_max,
        .seed = sim_random() | 1,
    };
    settings.caller.ctx = g;
    sim_check(lt_engine_new(&settings, &g->engine, &diags) == LT_OK, "no engine");
    int64_t at_ms = sim_now();
    for (int circles = 0; !g->killed && !g->stopping && !g->fatal; circles++) {
        if (lt_engine_step(g->engine, plan->turn_ms) == LT_ENGINE_FATAL)
            g->fatal = true;
        if (!g->log) /* the engine waits for its log without blocking; its thread does that */
            gateway_wait(g, 5);
        circles = sim_now() == at_ms ? circles : 0;
        at_ms = sim_now();
        sim_check(circles < CIRCLES_MAX, "%s turns in circles", g->instance);
    }
    if (g->fatal && !g->killed) {
        sim_note(g->instance, "fatal", 0, 0);
        sim_check(plan->twins || plan->faults & 1u << LT_FAULT_TWIN, "ended though there was no twin");
        g->scene->coverage->n[DCOUNT_FATAL]++;
    }
    lt_engine_free(g->engine);
    g->engine = NULL;
    sim_check(g->flights.len == 0, "%s ended with calls out", g->instance);
    sim_note(g->instance, "ended", 0, 0);
}

void gateway_init(struct scene *s, int slot, const char *instance)
{
    struct gateway *g = &s->gateways[slot];
    the_scene = s;
    lt_memory_schedule(s->memory, schedule, s);
    lt_memory_on_crash(s->memory, on_crash, s);
    g->scene = s;
    g->slot = slot;
    snprintf(g->instance, sizeof(g->instance), "%s", instance);
    g->start_ms = INT64_MAX;
}

void gateway_start(struct gateway *g)
{
    const struct delivery_plan *plan = &g->scene->plan;
    sim_note(g->instance, "started", g->slot, 0);
    g->target = (struct lt_config_target){.name = TARGET,
                                          .adapter = TARGET,
                                          .url = "https://sim/",
                                          .timeout_ms = plan->timeout_ms,
                                          .connect_timeout_ms = plan->timeout_ms / 4,
                                          .concurrency = plan->concurrency,
                                          .rate = plan->rate,
                                          .retry_min_ms = plan->retry_min_ms,
                                          .retry_max_ms = plan->retry_max_ms,
                                          .settle_ms = plan->settle_ms,
                                          .park_after_ms = plan->park_after_ms,
                                          .refused_max = plan->refused_max};
    g->killed = g->stopping = g->fatal = false;
    g->frozen_until_ms = 0;
    g->start_ms = INT64_MAX;
    g->log = NULL;
    g->task = sim_task_new(g->instance, life, g);
}

bool gateway_alive(const struct gateway *g)
{
    return g->task && !sim_task_done(g->task);
}

void gateway_kill(struct gateway *g)
{
    struct lt_log *l = log_of(g);
    sim_note(g->instance, "killed", 0, 0);
    g->scene->disturbed = true;
    g->killed = true;
    g->frozen_until_ms = 0;
    if (l)
        lt_memory_crash(l);
    sim_task_hold(g->task, 0);
    sim_task_wake(g->task);
}

void gateway_stop(struct gateway *g)
{
    sim_note(g->instance, "stopping", 0, 0);
    g->scene->disturbed = true;
    g->stopping = true;
    sim_task_wake(g->task);
}

void gateway_freeze(struct gateway *g, int64_t ms)
{
    struct lt_log *l = log_of(g);
    if (!l || g->frozen_until_ms > sim_now())
        return;
    sim_note(g->instance, "frozen", ms, 0);
    g->frozen_until_ms = sim_now() + ms;
    sim_task_hold(g->task, g->frozen_until_ms);
    lt_memory_freeze(l, true);
    g->scene->disturbed |= ms > 10000;
    g->scene->coverage->n[ms > 10000 ? DCOUNT_ZOMBIES : DCOUNT_FREEZES]++;
}

void gateway_thaw(struct gateway *g)
{
    g->frozen_until_ms = sim_now();
    sim_task_hold(g->task, 0);
}

void gateway_reap(struct gateway *g)
{
    if (!g->task || !sim_task_done(g->task))
        return;
    sim_task_free(lt_steal(&g->task));
    g->log = NULL;
    if (g->slot < GATEWAYS) /* the service manager; a 78 is the operator's business */
        g->start_ms = sim_now() + (g->fatal ? 30000 : sim_between(0, 12000));
}
