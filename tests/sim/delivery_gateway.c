/* What runs in the processes: the real engine, on a log with a hand in it and by clocks of its own. */
#include "tests/sim/delivery.h"

#define STILL_MAX 200    /* questions for the time after which a millisecond has passed */
#define CIRCLES_MAX 5000 /* turns of an engine without any time: it would burn a processor */

static struct gateway *gateway_of(const struct sim_process *p)
{
    struct scene *s = p->fleet->ctx;
    return &s->gateways[p->slot];
}

/* ---- clocks ---- */

/* Where the engine waits by looking at the clock again and again, time must pass as it does for real. */
static int64_t now_ms(void *ctx)
{
    struct gateway *g = gateway_of(ctx);
    if (g->still_ms != sim_now())
        g->still = 0;
    g->still_ms = sim_now();
    if (++g->still % STILL_MAX == 0)
        sim_advance(1);
    return sim_now();
}

static int64_t wall_ms(void *ctx)
{
    return now_ms(ctx) + gateway_of(ctx)->skew_ms;
}

/* ---- life ---- */

static void start(struct sim_process *p)
{
    struct gateway *g = gateway_of(p);
    const struct delivery_plan *plan = &g->scene->plan;
    g->asked_ms = g->wait_until_ms = 0;
    memset(&g->answers, 0, sizeof(g->answers));
    memset(g->from, 0, sizeof(g->from));
    memset(g->to, 0, sizeof(g->to));
    g->scene->rate_left += (double)plan->rate; /* it does not know yet that it has to share */
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
}

static void life(struct sim_process *p)
{
    struct gateway *g = gateway_of(p);
    const struct delivery_plan *plan = &g->scene->plan;
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_engine_settings settings = {
        .target = &g->target,
        .adapter = &delivery_adapter,
        .instance = p->instance,
        .ctx = p,
        .open_log = sim_process_open_log,
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
    bool fatal = false;
    for (int circles = 0; !p->killed && !p->stopping && !fatal; circles++) {
        if (lt_engine_step(g->engine, plan->turn_ms) == LT_ENGINE_FATAL)
            fatal = true;
        if (!p->log) /* the engine waits for its log without blocking; its thread does that */
            sim_process_wait(p, 5);
        circles = sim_now() == at_ms ? circles : 0;
        at_ms = sim_now();
        sim_check(circles < CIRCLES_MAX, "%s turns in circles", p->instance);
    }
    if (fatal && !p->killed) {
        sim_note(p->instance, "fatal", 0, 0);
        sim_process_twin_met(p, 78, "the engine gives up");
    }
    lt_engine_free(g->engine);
    g->engine = NULL;
    sim_check(g->flights.len == 0, "%s ended with calls out", p->instance);
    sim_note(p->instance, "ended", 0, 0);
}

static void assigned(struct sim_process *p, int32_t partition)
{
    struct scene *s = p->fleet->ctx;
    struct gateway *g = gateway_of(p);
    p->fleet->coverage->n[DCOUNT_HANDOVERS] += s->queues[partition].opens.len > 0;
    g->from[partition] = g->to[partition] = s->queues[partition].position.base;
    s->rate_left += (double)s->plan.rate / s->plan.partitions + 1; /* of the share that comes with it */
}

static void polled(struct sim_process *p, const struct lt_log_record *r)
{
    rules_polled(gateway_of(p), r->partition, r->offset);
}

static void committed(struct sim_process *p)
{
    audit_commits(p->fleet->ctx);
}

const struct sim_program delivery_program = {
    .start = start,
    .life = life,
    .assigned = assigned,
    .polled = polled,
    .committed = committed,
    .freezes_ms = {500, 2500, 9000, 11000, 14000, 17000, 40000},
    .freezes_len = 7,
    .stop_ends_poll = true,
};
