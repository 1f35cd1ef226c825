#include "tests/sim/process.h"

#include <stdio.h>

#define SESSION_MS 10000
#define MANAGER_MS 12000  /* the service manager starts it again within */
#define OPERATOR_MS 30000 /* a 78 is the operator's business */

static struct sim_fleet *the_fleet; /* the port's calls bring a log only, those of the system nothing */

/* ---- in its task ---- */

/* The log of a process, as long as it may be used. */
static struct lt_log *log_of(const struct sim_process *p)
{
    return p->log && !lt_memory_crashed(p->log) ? p->log : NULL;
}

static void go_on(struct sim_process *p)
{
    struct lt_log *l = log_of(p);
    if (!p->frozen_until_ms || sim_now() < p->frozen_until_ms)
        return;
    p->frozen_until_ms = 0;
    sim_note(p->instance, "goes on", 0, 0);
    if (l)
        lt_memory_freeze(l, false);
}

struct sim_process *sim_process_current(void)
{
    for (int i = 0; the_fleet && i < SIM_SLOTS; i++)
        if (the_fleet->slots[i]->task && the_fleet->slots[i]->task == sim_task_current())
            return the_fleet->slots[i];
    return NULL;
}

struct sim_process *sim_process_of(const struct lt_log *l)
{
    for (int i = 0; i < SIM_SLOTS; i++)
        if (the_fleet->slots[i]->log == l)
            return the_fleet->slots[i];
    sim_fail("a log that belongs to no process");
}

void sim_process_wait(struct sim_process *p, int64_t ms)
{
    if (ms > 0)
        sim_sleep(ms);
    else
        sim_yield();
    go_on(p);
}

void sim_process_between(struct sim_process *p, const char *what)
{
    const struct sim_disorder *disorder = p->fleet->disorder;
    const struct sim_program *program = p->fleet->program;
    go_on(p);
    sim_note(p->instance, what, 0, 0);
    if (sim_chance(disorder->tick_per_mille))
        sim_advance(sim_between(1, 8));
    if (!p->killed && p->fleet->faults_on && disorder->freezes && sim_chance(2))
        sim_process_freeze(p, program->freezes_ms[sim_between(0, program->freezes_len - 1)]);
    if (sim_chance(disorder->switch_per_mille) || sim_now() < p->frozen_until_ms)
        sim_process_wait(p, 0);
}

void sim_process_twin_met(struct sim_process *p, int code, const char *text)
{
    const struct sim_disorder *disorder = p->fleet->disorder;
    sim_check(code == 78 && (disorder->twins || disorder->faults & 1u << LT_FAULT_TWIN),
              "ended with %d though there was no twin: %s", code, text);
    p->fatal = code;
    p->fleet->coverage->n[SIM_COUNT_FATAL]++;
}

/* ---- life ---- */

static void life(void *ctx)
{
    struct sim_process *p = ctx;
    p->fleet->program->life(p);
}

static void unwind(struct sim_process *p)
{
    if (p->fleet->program->unwind)
        p->fleet->program->unwind(p);
}

void sim_process_start(struct sim_process *p)
{
    sim_note(p->instance, "started", p->slot, 0);
    p->killed = p->stopping = false;
    p->fatal = 0;
    p->frozen_until_ms = 0;
    p->start_ms = INT64_MAX;
    p->log = NULL;
    p->fleet->program->start(p);
    p->task = sim_task_new(p->instance, life, p);
}

bool sim_process_alive(const struct sim_process *p)
{
    return p->task && !sim_task_done(p->task);
}

void sim_process_kill(struct sim_process *p)
{
    struct lt_log *l = log_of(p);
    sim_note(p->instance, "killed", 0, 0);
    p->fleet->disturbed = true;
    p->killed = true;
    p->frozen_until_ms = 0;
    if (l)
        lt_memory_crash(l);
    unwind(p);
    sim_task_hold(p->task, 0);
    sim_task_wake(p->task);
}

void sim_process_stop(struct sim_process *p)
{
    sim_note(p->instance, "stopping", 0, 0);
    p->fleet->disturbed = true;
    p->stopping = true;
    unwind(p);
    sim_task_wake(p->task);
}

void sim_process_freeze(struct sim_process *p, int64_t ms)
{
    struct lt_log *l = log_of(p);
    if (!l || p->frozen_until_ms > sim_now())
        return;
    sim_note(p->instance, "frozen", ms, 0);
    p->frozen_until_ms = sim_now() + ms;
    sim_task_hold(p->task, p->frozen_until_ms);
    lt_memory_freeze(l, true);
    p->fleet->disturbed |= ms > SESSION_MS;
    p->fleet->coverage->n[ms > SESSION_MS ? SIM_COUNT_ZOMBIES : SIM_COUNT_FREEZES]++;
}

static void on_crash(void *ctx LT_UNUSED, struct lt_log *l)
{
    struct sim_process *p = sim_process_of(l);
    sim_note(p->instance, "crashed", 0, 0);
    p->killed = true;
    unwind(p);
    if (p->task)
        sim_task_wake(p->task);
}

/* Frees one that ended, and says when it is started again. */
static void reap(struct sim_process *p)
{
    if (!p->task || !sim_task_done(p->task))
        return;
    sim_task_free(lt_steal(&p->task));
    p->log = NULL;
    if (p->slot < SIM_PROCESSES)
        p->start_ms = sim_now() + (p->fatal ? OPERATOR_MS : sim_between(0, MANAGER_MS));
}

/* ---- the fleet ---- */

void sim_fleet_begin(struct sim_fleet *f)
{
    static const char *const instances[SIM_SLOTS] = {"a", "b", "c", ""};
    the_fleet = f;
    sim_process_log_begin(f);
    lt_memory_on_crash(f->memory, on_crash, NULL);
    for (int i = 0; i < SIM_SLOTS; i++) {
        struct sim_process *p = f->slots[i];
        p->fleet = f;
        p->slot = i;
        snprintf(p->instance, sizeof(p->instance), "%s", instances[i]);
        p->start_ms = INT64_MAX;
    }
    for (int i = 0; i < f->len; i++)
        f->slots[i]->start_ms = sim_now() + sim_between(0, 3000);
}

void sim_fleet_end(struct sim_fleet *f, bool kindly)
{
    for (int i = 0; i < SIM_SLOTS; i++) {
        struct sim_process *p = f->slots[i];
        while (sim_process_alive(p)) {
            if (kindly)
                sim_process_stop(p);
            else
                sim_process_kill(p);
            (void)sim_turn(sim_now() + 60000);
        }
        reap(p);
        p->start_ms = INT64_MAX;
    }
}

void sim_fleet_turn(struct sim_fleet *f, int64_t limit_ms)
{
    for (int i = 0; i < SIM_SLOTS; i++)
        if (!f->slots[i]->task && !f->hold_down)
            limit_ms = LT_MIN(limit_ms, LT_MAX(f->slots[i]->start_ms, sim_now()));
    (void)sim_turn(limit_ms);
    for (int i = 0; i < SIM_SLOTS; i++) {
        struct sim_process *p = f->slots[i];
        reap(p);
        if (!p->task && sim_now() >= p->start_ms && !f->hold_down)
            sim_process_start(p);
    }
}

struct sim_process *sim_fleet_any(struct sim_fleet *f)
{
    struct sim_process *p = f->slots[sim_between(0, f->len - 1)];
    return sim_process_alive(p) ? p : NULL;
}

void sim_fleet_end_one(struct sim_fleet *f, bool kindly)
{
    struct sim_process *p = sim_fleet_any(f);
    if (!p)
        return;
    f->coverage->n[kindly ? SIM_COUNT_RESTARTS : SIM_COUNT_KILLS]++;
    if (kindly)
        sim_process_stop(p);
    else
        sim_process_kill(p);
}

void sim_fleet_twin(struct sim_fleet *f)
{
    struct sim_process *twin = f->slots[SIM_PROCESSES];
    const struct sim_process *of = sim_fleet_any(f);
    if (twin->task || !of)
        return;
    snprintf(twin->instance, sizeof(twin->instance), "%s", of->instance);
    f->disturbed = true;
    f->coverage->n[SIM_COUNT_TWINS]++;
    sim_process_start(twin);
}

void sim_fleet_calm_down(struct sim_fleet *f)
{
    struct sim_process *twin = f->slots[SIM_PROCESSES];
    for (int i = 0; i < SIM_SLOTS; i++) {
        struct sim_process *p = f->slots[i];
        if (sim_process_alive(p) && p->frozen_until_ms > sim_now()) {
            p->frozen_until_ms = sim_now();
            sim_task_hold(p->task, 0);
        }
        if (!p->task && i < f->len)
            p->start_ms = LT_MIN(p->start_ms, sim_now() + 1000);
    }
    if (sim_process_alive(twin))
        sim_process_kill(twin);
}

int64_t sim_pause_between_actions(void)
{
    switch (sim_between(0, 9)) {
    case 0:
        return sim_between(5000, 60000);
    case 1:
    case 2:
        return 0;
    default:
        return sim_between(1, 3000);
    }
}
