/* The hand in a process's log: before each step of the port the process may lose its turn, its time or its life. */
#include "tests/sim/process.h"

/* ---- faults inside steps ---- */

static enum lt_memory_fault draw(const struct sim_disorder *disorder)
{
    if (!disorder->faults || !sim_chance(disorder->fault_per_mille))
        return LT_FAULT_NONE;
    for (;;) {
        enum lt_memory_fault f = (enum lt_memory_fault)sim_between(0, LT_FAULTS - 1);
        if (disorder->faults & (1u << f))
            return f;
    }
}

static const char *const step_names[LT_STEPS] = {
    [LT_STEP_POLL] = "poll",     [LT_STEP_COMMITTED] = "committed", [LT_STEP_SCAN] = "scan",
    [LT_STEP_BEGIN] = "begin",   [LT_STEP_PRODUCE] = "produce",     [LT_STEP_SEND_OFFSETS] = "send-offsets",
    [LT_STEP_COMMIT] = "commit", [LT_STEP_ABORT] = "abort",         [LT_STEP_RENEW] = "renew",
};

/* What makes a process forget what it knew. */
static bool disturbs(enum lt_memory_fault f)
{
    return f == LT_FAULT_CRASH || f == LT_FAULT_CRASH_AFTER || f == LT_FAULT_TWIN || f == LT_FAULT_TAKEN ||
           f == LT_FAULT_REBALANCE;
}

/* The schedule: asked by the log inside each step. */
static enum lt_memory_fault schedule(void *ctx, const char *instance_id LT_UNUSED, enum lt_memory_step step,
                                     uint64_t number LT_UNUSED)
{
    struct sim_fleet *f = ctx;
    struct sim_process *p = sim_process_current();
    if (!p)
        return LT_FAULT_NONE;
    sim_process_between(p, step_names[step]);
    if (p->killed || !f->faults_on)
        return LT_FAULT_NONE;
    enum lt_memory_fault fault = draw(f->disorder);
    if (fault != LT_FAULT_NONE) {
        sim_note(p->instance, "  fault", (int64_t)fault, (int64_t)step);
        f->coverage->n[fault]++;
        f->disturbed |= disturbs(fault);
    }
    return fault;
}

void sim_process_log_begin(struct sim_fleet *f)
{
    lt_memory_schedule(f->memory, schedule, f);
}

/* ---- the port ---- */

static int dead(struct lt_err *err)
{
    return lt_err_set(err, LT_E_UNAVAILABLE, "killed", "the process was killed");
}

static int sim_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r = p->real->poll(l, timeout_ms, ret, err);
    bool at_once = p->killed || (p->stopping && p->fleet->program->stop_ends_poll);
    if (r == LT_LOG_NONE && timeout_ms > 0 && !at_once)
        sim_process_wait(p, sim_between(1, timeout_ms));
    if (r == LT_LOG_OK) {
        sim_note(p->instance, "  polled", (*ret)->partition, (*ret)->offset);
        if (p->fleet->program->polled)
            p->fleet->program->polled(p, *ret);
    }
    return r;
}

static int sim_committed(struct lt_log *l, int32_t partition, int timeout_ms, struct lt_log_offset *ret,
                         struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r = p->real->committed(l, partition, timeout_ms, ret, err);
    if (r == LT_LOG_RETRY)
        sim_process_wait(p, sim_between(50, timeout_ms));
    return r;
}

static int sim_scan(struct lt_log *l, const char *topic, int32_t partition, int64_t from, int64_t to,
                    int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r = p->real->scan(l, topic, partition, from, to, fn, ctx, err);
    if (r == LT_LOG_RETRY)
        sim_process_wait(p, 10000);
    return r;
}

/* A question that is no step of the log's own. true: answered already, with *ret_result. */
static bool asked(struct sim_process *p, const char *what, int *ret_result, struct lt_err *err)
{
    const struct sim_disorder *disorder = p->fleet->disorder;
    sim_process_between(p, what);
    if (p->killed) {
        *ret_result = dead(err);
        return true;
    }
    if (p->fleet->faults_on && (disorder->faults & (1u << LT_FAULT_RETRY)) && sim_chance(disorder->fault_per_mille)) {
        lt_err_set(err, LT_E_TIMEOUT, "timed-out", "timed out");
        *ret_result = LT_LOG_RETRY;
        return true;
    }
    return false;
}

static int sim_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                          struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r;
    return asked(p, "watermarks", &r, err) ? r : p->real->watermarks(l, topic, partition, low, high, err);
}

static int sim_stable_end(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r;
    return asked(p, "stable-end", &r, err) ? r : p->real->stable_end(l, partition, ret, err);
}

static int sim_partitions(struct lt_log *l, const char *topic, int32_t *ret, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r;
    return asked(p, "partitions", &r, err) ? r : p->real->partitions(l, topic, ret, err);
}

static int sim_offset_at(struct lt_log *l, int32_t partition, int64_t ms, int64_t *ret, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r;
    return asked(p, "offset-at", &r, err) ? r : p->real->offset_at(l, partition, ms, ret, err);
}

static int sim_start(struct lt_log *l, int32_t partition, int64_t offset, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    sim_process_between(p, "start");
    if (p->killed)
        return dead(err);
    if (p->fleet->program->assigned)
        p->fleet->program->assigned(p, partition);
    return p->real->start(l, partition, offset, err);
}

static int sim_capture(struct lt_log *l, struct lt_log_membership **ret, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    p->transaction_ms = sim_now();
    sim_process_between(p, "capture");
    return p->killed ? dead(err) : p->real->capture(l, ret, err);
}

static int sim_send_offsets(struct lt_log *l, const struct lt_log_membership *m, const struct lt_log_offset *offsets,
                            size_t n, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r = p->real->send_offsets(l, m, offsets, n, err);
    for (size_t i = 0; i < n; i++)
        sim_note(p->instance, "  offset", offsets[i].partition, offsets[i].offset);
    return r;
}

static int sim_commit(struct lt_log *l, struct lt_err *err)
{
    struct sim_process *p = sim_process_of(l);
    int r = p->real->commit(l, err);
    sim_note(p->instance, "  commit answered", r, 0);
    if (r == LT_LOG_OK)
        p->fleet->coverage->n[SIM_COUNT_COMMITS]++;
    p->fleet->program->committed(p);
    sim_process_between(p, "committed-after");
    p->fleet->slowest_ms = LT_MAX(p->fleet->slowest_ms, sim_now() - p->transaction_ms);
    return r;
}

/* Nobody has this log any more: the next one that is opened, by whomever, may lie at the same address. */
static void sim_close(struct lt_log *l)
{
    struct sim_process *p = sim_process_of(l);
    p->log = NULL;
    p->real->close(l);
}

int sim_process_open_log(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct sim_process *p = ctx;
    const struct sim_fleet *f = p->fleet;
    sim_process_between(p, "open");
    if (p->killed)
        return dead(err);
    int r = lt_log_memory_new(f->memory, s, ret, err);
    if (r != LT_OK)
        return r;
    for (int i = 0; i < SIM_SLOTS; i++)
        sim_check(f->slots[i]->log != *ret, "%s opens a log that %s still has", p->instance, f->slots[i]->instance);
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
