#include "gateway/kafka/memory.h"

/* splitmix64: small, and good enough to schedule faults by. */
uint64_t memory_random(struct lt_memory *m)
{
    uint64_t z = m->schedule.random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void schedule_clear(struct lt_memory *m)
{
    m->schedule.fn = NULL;
    m->schedule.at = 0;
    m->schedule.per_mille = 0;
}

void lt_memory_schedule(struct lt_memory *m, lt_memory_schedule_fn fn, void *ctx)
{
    schedule_clear(m);
    m->schedule.fn = fn;
    m->schedule.ctx = ctx;
}

void lt_memory_fault_at(struct lt_memory *m, uint64_t number, enum lt_memory_fault fault)
{
    schedule_clear(m);
    m->schedule.at = number;
    m->schedule.at_fault = fault;
}

void lt_memory_chaos(struct lt_memory *m, uint64_t seed, unsigned per_mille, unsigned faults)
{
    schedule_clear(m);
    m->schedule.random = seed;
    m->schedule.per_mille = per_mille;
    m->schedule.faults = faults & ~1u;
}

uint64_t lt_memory_steps(const struct lt_memory *m)
{
    return m->schedule.steps;
}

void lt_memory_on_crash(struct lt_memory *m, void (*fn)(void *ctx, struct lt_log *l), void *ctx)
{
    m->schedule.on_crash = fn;
    m->schedule.crash_ctx = ctx;
}

static enum lt_memory_fault draw(struct lt_memory *m)
{
    if (!m->schedule.faults || memory_random(m) % 1000 >= m->schedule.per_mille)
        return LT_FAULT_NONE;
    unsigned kinds = (unsigned)__builtin_popcount(m->schedule.faults);
    unsigned nth = (unsigned)(memory_random(m) % kinds);
    for (unsigned f = 0; f < LT_FAULTS; f++)
        if (m->schedule.faults & (1u << f) && nth-- == 0)
            return (enum lt_memory_fault)f;
    return LT_FAULT_NONE;
}

bool lt_memory_crashed(const struct lt_log *l)
{
    return ((const struct lt_log_memory *)l)->crashed;
}

void lt_memory_freeze(struct lt_log *log, bool frozen)
{
    struct lt_log_memory *l = memory_log_of(log);
    l->frozen = frozen;
    l->frozen_ms = l->m->clock_ms;
}

void lt_memory_crash(struct lt_log *log)
{
    struct lt_log_memory *l = memory_log_of(log);
    if (l->crashed)
        return;
    l->crashed = true;
    memory_group_leave(l); /* its open transaction stays open: nobody is there to end it */
    if (l->m->schedule.on_crash)
        l->m->schedule.on_crash(l->m->schedule.crash_ctx, log);
}

int memory_dead(const struct lt_log_memory *l, struct lt_err *err)
{
    return lt_err_set(err, LT_E_UNAVAILABLE, "crashed", "%s crashed", l->instance_id);
}

static bool fits(enum lt_memory_fault fault, enum lt_memory_step step)
{
    switch (fault) {
    case LT_FAULT_ABORTABLE:
        return step == LT_STEP_PRODUCE || step == LT_STEP_SEND_OFFSETS || step == LT_STEP_COMMIT;
    case LT_FAULT_RETRY:
        return step != LT_STEP_COMMIT && step != LT_STEP_POLL;
    case LT_FAULT_LOST_APPLIED:
    case LT_FAULT_LOST_DROPPED:
        return step == LT_STEP_COMMIT || step == LT_STEP_ABORT;
    case LT_FAULT_NOTHING:
        return step == LT_STEP_POLL;
    default:
        return true;
    }
}

enum lt_memory_fault memory_step(struct lt_log_memory *l, enum lt_memory_step step)
{
    struct lt_memory *m = l->m;
    if (l->crashed)
        return LT_FAULT_CRASH;
    uint64_t number = ++m->schedule.steps;
    enum lt_memory_fault fault = m->schedule.fn ? m->schedule.fn(m->schedule.ctx, l->instance_id, step, number)
                                 : m->schedule.at == number ? m->schedule.at_fault
                                 : m->schedule.per_mille    ? draw(m)
                                                            : LT_FAULT_NONE;
    if (l->crashed) /* by the schedule itself: the process was killed while others had their turn */
        return LT_FAULT_CRASH;
    if (!fits(fault, step))
        return LT_FAULT_NONE;
    switch (fault) {
    case LT_FAULT_CRASH:
        lt_memory_crash(&l->base);
        return LT_FAULT_CRASH;
    case LT_FAULT_FENCED:
        (void)memory_producer_init(m, l->producer->id, l->timeout_ms);
        return LT_FAULT_NONE;
    case LT_FAULT_TWIN:
        if (!l->twin)
            memory_group_leave(l);
        l->twin = true;
        return LT_FAULT_NONE;
    case LT_FAULT_TAKEN:
        if (!l->twin && !l->taken)
            memory_group_leave(l);
        l->taken = true;
        return LT_FAULT_NONE;
    case LT_FAULT_REBALANCE:
        lt_memory_rebalance(m, l->group->name);
        return LT_FAULT_NONE;
    default:
        return fault;
    }
}

int memory_after(struct lt_log_memory *l, enum lt_memory_fault fault, int result, struct lt_err *err)
{
    if (fault != LT_FAULT_CRASH_AFTER)
        return result;
    lt_memory_crash(&l->base);
    return memory_dead(l, err);
}
