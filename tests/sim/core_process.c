#include "tests/sim/core.h"

#include <stdio.h>

static struct world *the_world; /* the port's calls bring a log only */

static struct process *process_of(const struct lt_log *l)
{
    for (int i = 0; i < SLOTS; i++)
        if (the_world->processes[i].log == l)
            return &the_world->processes[i];
    sim_fail("a log that belongs to no process");
}

/* ---- between two steps ---- */

/* The log of a process, as long as it may be used. */
static struct lt_log *log_of(const struct process *p)
{
    return p->log && p->worker.log == p->log && !lt_memory_crashed(p->log) ? p->log : NULL;
}

static void thaw(struct process *p)
{
    struct lt_log *l = log_of(p);
    if (!p->frozen_until_ms || sim_now() < p->frozen_until_ms)
        return;
    p->frozen_until_ms = 0;
    sim_note(p->instance, "goes on", 0, 0);
    if (l)
        lt_memory_freeze(l, false);
}

/* Time passes, others have their turn; now and then the process stands still. */
static void between(struct process *p, const char *what)
{
    const struct plan *plan = &p->world->plan;
    thaw(p);
    sim_note(p->instance, what, 0, 0);
    if (sim_chance(plan->tick_per_mille))
        sim_advance(sim_between(1, 8));
    if (!p->killed && p->world->faults_on && plan->freezes && sim_chance(2))
        process_freeze(p, (int64_t[]){2000, 11000, 14000, 17000, 40000}[sim_between(0, 4)]);
    if (sim_chance(plan->switch_per_mille) || sim_now() < p->frozen_until_ms)
        sim_yield();
    thaw(p);
}

static int dead(struct lt_err *err)
{
    return lt_err_set(err, LT_E_UNAVAILABLE, "killed", "the process was killed");
}

static enum lt_memory_fault draw(const struct plan *plan)
{
    if (!sim_chance(plan->fault_per_mille) || !plan->faults)
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

/* The schedule: asked by the log inside each step. */
static enum lt_memory_fault schedule(void *ctx, const char *instance, enum lt_memory_step step, uint64_t number)
{
    struct world *w = ctx;
    (void)instance;
    (void)number;
    struct process *p = NULL;
    for (int i = 0; i < SLOTS; i++)
        if (w->processes[i].task && w->processes[i].task == sim_task_current())
            p = &w->processes[i];
    if (!p)
        return LT_FAULT_NONE;
    between(p, step_names[step]);
    if (p->killed || !w->faults_on)
        return LT_FAULT_NONE;
    enum lt_memory_fault f = draw(&w->plan);
    if (f != LT_FAULT_NONE) {
        sim_note(p->instance, "  fault", (int64_t)f, (int64_t)step);
        w->coverage->n[f]++;
    }
    return f;
}

static void on_crash(void *ctx, struct lt_log *l)
{
    (void)ctx;
    struct process *p = process_of(l);
    sim_note(p->instance, "crashed", 0, 0);
    p->killed = true;
    atomic_store(&p->worker.stopping, true); /* its code only unwinds from here: the log takes nothing of it any more */
    if (p->task)
        sim_task_wake(p->task);
}

/* ---- the port, with a hand in it ---- */

static int sim_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    struct process *p = process_of(l);
    int r = p->real->poll(l, timeout_ms, ret, err);
    if (r == LT_LOG_NONE && timeout_ms > 0)
        sim_sleep(sim_between(1, timeout_ms));
    if (r == LT_LOG_OK)
        sim_note(p->instance, "  polled", (*ret)->partition, (*ret)->offset);
    return r;
}

static int sim_committed(struct lt_log *l, int32_t partition, int timeout_ms, struct lt_log_offset *ret,
                         struct lt_err *err)
{
    struct process *p = process_of(l);
    int r = p->real->committed(l, partition, timeout_ms, ret, err);
    if (r == LT_LOG_RETRY)
        sim_sleep(sim_between(50, timeout_ms));
    return r;
}

static int sim_scan(struct lt_log *l, const char *topic, int32_t partition, int64_t from, int64_t to,
                    int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    struct process *p = process_of(l);
    int r = p->real->scan(l, topic, partition, from, to, fn, ctx, err);
    if (r == LT_LOG_RETRY)
        sim_sleep(10000);
    return r;
}

/* A question that is no step of the log's own. true: answered already, with *ret_result. */
static bool asked(struct process *p, const char *what, int *ret_result, struct lt_err *err)
{
    between(p, what);
    if (p->killed) {
        *ret_result = dead(err);
        return true;
    }
    if (p->world->faults_on && (p->world->plan.faults & (1u << LT_FAULT_RETRY)) &&
        sim_chance(p->world->plan.fault_per_mille)) {
        lt_err_set(err, LT_E_TIMEOUT, "timed-out", "timed out");
        *ret_result = LT_LOG_RETRY;
        return true;
    }
    return false;
}

static int sim_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                          struct lt_err *err)
{
    struct process *p = process_of(l);
    int r;
    return asked(p, "watermarks", &r, err) ? r : p->real->watermarks(l, topic, partition, low, high, err);
}

static int sim_stable_end(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err)
{
    struct process *p = process_of(l);
    int r;
    return asked(p, "stable-end", &r, err) ? r : p->real->stable_end(l, partition, ret, err);
}

static int sim_partitions(struct lt_log *l, const char *topic, int32_t *ret, struct lt_err *err)
{
    struct process *p = process_of(l);
    int r;
    return asked(p, "partitions", &r, err) ? r : p->real->partitions(l, topic, ret, err);
}

static int sim_offset_at(struct lt_log *l, int32_t partition, int64_t ms, int64_t *ret, struct lt_err *err)
{
    struct process *p = process_of(l);
    int r;
    return asked(p, "offset-at", &r, err) ? r : p->real->offset_at(l, partition, ms, ret, err);
}

static int sim_start(struct lt_log *l, int32_t partition, int64_t offset, struct lt_err *err)
{
    struct process *p = process_of(l);
    between(p, "start");
    return p->killed ? dead(err) : p->real->start(l, partition, offset, err);
}

static int sim_capture(struct lt_log *l, struct lt_log_membership **ret, struct lt_err *err)
{
    struct process *p = process_of(l);
    between(p, "capture");
    return p->killed ? dead(err) : p->real->capture(l, ret, err);
}

static int sim_commit(struct lt_log *l, struct lt_err *err)
{
    struct process *p = process_of(l);
    int r = p->real->commit(l, err);
    sim_note(p->instance, "  commit answered", r, 0);
    if (r == LT_LOG_OK)
        p->world->coverage->n[COUNT_COMMITS]++;
    check_commits(p->world);
    between(p, "committed-after");
    return r;
}

static int sim_send_offsets(struct lt_log *l, const struct lt_log_membership *m, const struct lt_log_offset *offsets,
                            size_t n, struct lt_err *err)
{
    struct process *p = process_of(l);
    int r = p->real->send_offsets(l, m, offsets, n, err);
    for (size_t i = 0; i < n; i++)
        sim_note(p->instance, "  offset", offsets[i].partition, offsets[i].offset);
    return r;
}

/* Nobody has this log any more: the next one that is opened, by whomever, may lie at the same address. */
static void sim_close(struct lt_log *l)
{
    struct process *p = process_of(l);
    p->real->close(l);
    p->log = NULL;
}

static int open_log(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct process *p = ctx;
    between(p, "open");
    if (p->killed)
        return dead(err);
    int r = lt_log_memory_new(p->world->memory, s, ret, err);
    if (r != LT_OK)
        return r;
    for (int i = 0; i < SLOTS; i++)
        sim_check(p->world->processes[i].log != *ret, "%s opens a log that %s still has", p->instance,
                  p->world->processes[i].instance);
    p->log = *ret;
    p->real = (*ret)->ops;
    p->ops = *p->real;
    p->ops.poll = sim_poll;
    p->ops.committed = sim_committed;
    p->ops.scan = sim_scan;
    p->ops.watermarks = sim_watermarks;
    p->ops.stable_end = sim_stable_end;
    p->ops.partitions = sim_partitions;
    p->ops.offset_at = sim_offset_at;
    p->ops.start = sim_start;
    p->ops.capture = sim_capture;
    p->ops.send_offsets = sim_send_offsets;
    p->ops.commit = sim_commit;
    p->ops.close = sim_close;
    (*ret)->ops = &p->ops;
    return LT_OK;
}

/* ---- life ---- */

static void on_fatal(void *ctx, int code, const char *text)
{
    struct process *p = ctx;
    sim_note(p->instance, "fatal", code, 0);
    const struct plan *plan = &p->world->plan;
    sim_check(code == 78 && (plan->twins || plan->faults & 1u << LT_FAULT_TWIN),
              "ended with %d though there was no twin: %s", code, text);
    p->fatal = code;
    p->world->coverage->n[COUNT_FATAL]++;
}

static void life(void *ctx)
{
    struct process *p = ctx;
    lt_worker_init(&p->worker, &p->settings, 0);
    if (p->killed)
        atomic_store(&p->worker.stopping, true);
    while (!atomic_load(&p->worker.stopping))
        lt_worker_turn(&p->worker);
    lt_worker_close(&p->worker);
    lt_worker_deinit(&p->worker);
    sim_note(p->instance, "ended", p->fatal, 0);
}

void process_init(struct world *w, int slot, const char *instance)
{
    struct process *p = &w->processes[slot];
    the_world = w;
    lt_memory_schedule(w->memory, schedule, w);
    lt_memory_on_crash(w->memory, on_crash, w);
    p->world = w;
    p->slot = slot;
    snprintf(p->instance, sizeof(p->instance), "%s", instance);
    p->start_ms = INT64_MAX;
}

void process_start(struct process *p)
{
    struct world *w = p->world;
    sim_note(p->instance, "started", p->slot, 0);
    p->config = *core_config();
    p->config.instance = p->instance;
    p->config.state_dir = files_folder(p);
    p->config.window_ms = w->plan.window_ms[w->window_changed];
    p->config.core.commit_records = w->plan.commit_records;
    p->config.core.commit_linger_ms = w->plan.linger_ms;
    p->settings = (struct lt_core_settings){
        .config = &p->config, .routes = core_routes(), .ctx = p, .open_log = open_log, .on_fatal = on_fatal};
    p->killed = false;
    p->fatal = 0;
    p->frozen_until_ms = 0;
    p->start_ms = INT64_MAX;
    p->log = NULL;
    memset(p->file_uses, 0, sizeof(p->file_uses));
    memset(&p->worker, 0, sizeof(p->worker));
    p->task = sim_task_new(p->instance, life, p);
}

bool process_alive(const struct process *p)
{
    return p->task && !sim_task_done(p->task);
}

void process_kill(struct process *p)
{
    struct lt_log *l = log_of(p);
    sim_note(p->instance, "killed", 0, 0);
    p->killed = true;
    p->frozen_until_ms = 0;
    if (l)
        lt_memory_crash(l);
    atomic_store(&p->worker.stopping, true);
    sim_task_hold(p->task, 0);
    sim_task_wake(p->task);
}

void process_stop(struct process *p)
{
    sim_note(p->instance, "stopping", 0, 0);
    atomic_store(&p->worker.stopping, true);
    sim_task_wake(p->task);
}

void process_freeze(struct process *p, int64_t ms)
{
    struct lt_log *l = log_of(p);
    if (!l || p->frozen_until_ms > sim_now())
        return;
    sim_note(p->instance, "frozen", ms, 0);
    p->frozen_until_ms = sim_now() + ms;
    sim_task_hold(p->task, p->frozen_until_ms);
    lt_memory_freeze(l, true);
    p->world->coverage->n[ms > 10000 ? COUNT_ZOMBIES : COUNT_FREEZES]++;
}

void process_freeze_end(struct process *p)
{
    p->frozen_until_ms = sim_now();
    sim_task_hold(p->task, 0);
}

void process_reap(struct process *p)
{
    if (!p->task || !sim_task_done(p->task))
        return;
    sim_task_free(lt_steal(&p->task));
    p->log = NULL;
    if (p->slot < PROCESSES) /* the service manager; a 78 is the operator's business */
        p->start_ms = sim_now() + (p->fatal ? 30000 : sim_between(0, 12000));
}
