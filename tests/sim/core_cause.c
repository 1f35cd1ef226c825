/* What makes a partition stop: begun, noticed with the right reason while nothing is guessed and the others go on, then
 * mended, after which everything must be finished as if it had never been. */
#include "tests/sim/core.h"

#include "gateway/ops/repair.h"

#include <inttypes.h>
#include <stdio.h>

#define CHAOS_MS 15000    /* so long faults go on beside the cause */
#define NOTICE_MS 60000   /* who has not noticed by then is restarted */
#define GIVE_UP_MS 300000 /* who has not noticed by then never will */
#define DRAIN_MS 17000    /* longer than sessions and transactions */
#define BRIEFLY_MS 19000  /* what comes right by then is never believed (decision 0015) */

static const enum lt_stop reasons[CAUSES] = {
    [CAUSE_METADATA_WIPED] = LT_STOP_MOVED,
    [CAUSE_OFFSET_DELETED] = LT_STOP_OFFSETS_LOST,
    [CAUSE_OFFSET_OLDER] = LT_STOP_OFFSETS_LOST,
    [CAUSE_SUM_FLIPPED] = LT_STOP_INDEX_DIFFERS,
    [CAUSE_TAIL_CUT] = LT_STOP_INTAKE_CHANGED,
    [CAUSE_TAIL_REPLACED] = LT_STOP_INTAKE_CHANGED,
    [CAUSE_HOLE_AHEAD] = LT_STOP_HOLE,
    [CAUSE_HOLE_BEHIND] = LT_STOP_HOLE,
    [CAUSE_UNJUDGED_DELETED] = LT_STOP_UNJUDGED_DELETED,
    [CAUSE_HEAD_CUT] = LT_STOP_TRUNCATED,
};

bool cause_allows(const struct world *w, int partition, enum lt_stop stop)
{
    return stop == LT_STOP_WAITING || (w->seen[partition].stops_allowed >> stop & 1);
}

static void restart_all(struct world *w)
{
    for (int i = 0; i < SIM_SLOTS; i++)
        if (sim_process_alive(w->fleet.slots[i]))
            sim_process_kill(w->fleet.slots[i]);
}

static bool needs_quiet(enum cause_kind k)
{
    return k == CAUSE_METADATA_WIPED || k == CAUSE_OFFSET_DELETED || k == CAUSE_OFFSET_OLDER ||
           k == CAUSE_OFFSET_BRIEFLY || k == CAUSE_SUM_FLIPPED;
}

static int64_t generation(const struct world *w, int64_t clock_ms)
{
    return clock_ms / model_window(w->plan.window_ms[0]).generation_ms;
}

static int64_t keep(const struct world *w)
{
    return model_window(w->plan.window_ms[0]).generations;
}

/* ---- the deeds; false: not possible now ---- */

static void tamper(struct world *w, int64_t offset, const char *metadata)
{
    struct cause *c = &w->cause;
    struct observed *seen = &w->seen[c->partition];
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, c->partition, &c->saved);
    seen->tampered = true;
    lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, c->partition, offset, metadata);
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, c->partition, &seen->planted);
}

/* Its proof is whole: only that it is not the last one is wrong with it. */
static bool go_back(struct world *w)
{
    struct cause *c = &w->cause;
    const struct observed *seen = &w->seen[c->partition];
    if (seen->past.len < 2)
        return false;
    struct lt_log_offset older = seen->past.v[sim_between(0, (int64_t)seen->past.len - 2)];
    tamper(w, older.offset, older.metadata);
    c->insist = c->kind == CAUSE_OFFSET_OLDER;
    c->right_ms = sim_between(500, BRIEFLY_MS);
    /* Who looked, then stood still, looks once more at what he was told before. */
    if (!c->insist && w->plan.disorder.freezes)
        w->seen[c->partition].stops_allowed |= 1u << LT_STOP_OFFSETS_LOST;
    sim_note("cause", "  tells of", older.offset, c->saved.offset);
    return true;
}

static bool flip_sum(struct world *w)
{
    struct lt_log_offset at;
    /* Another window is configured, or retention may have outlived the clock: no comparison (rule 8, decision 1). */
    if (w->plan.window_ms[0] != w->plan.window_ms[1] || w->plan.retention)
        return false;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, w->cause.partition, &at);
    char *s = at.metadata;
    for (int field = 0; field < 7; field++) {
        s = strchr(s, ' ');
        sim_check(s, "metadata without a sum");
        s++;
    }
    *s = *s == '0' ? '1' : '0';
    tamper(w, at.offset, at.metadata);
    return w->cause.insist = true;
}

static bool cut_tail(struct world *w, bool replaced)
{
    struct cause *c = &w->cause;
    int64_t committed = w->seen[c->partition].committed, low = w->low[c->partition];
    if (committed <= low)
        return false;
    int64_t end = sim_between(LT_MAX(low, committed - 5), committed - 1);
    c->copy = lt_memory_copy_new(w->memory, LT_TOPIC_INTAKE, c->partition);
    lt_memory_truncate(w->memory, LT_TOPIC_INTAKE, c->partition, end);
    for (int64_t n = replaced ? committed - end + 80 : 0; n > 0; n--)
        ingest_unknown(w, c->partition);
    lt_memory_disturb(w->memory);
    c->insist = true;
    return true;
}

static bool hole_ahead(struct world *w)
{
    struct cause *c = &w->cause;
    int64_t first = (int64_t)w->logs[c->partition].v.len;
    for (int i = 0; i < 5; i++)
        ingest_one(w, c->partition);
    c->copy = lt_memory_copy_new(w->memory, LT_TOPIC_INTAKE, c->partition);
    lt_memory_remove(w->memory, LT_TOPIC_INTAKE, c->partition, sim_between(first, first + 3));
    c->insist = true;
    return true;
}

static bool hole_behind(struct world *w)
{
    struct cause *c = &w->cause;
    const struct sent_log *log = &w->logs[c->partition];
    int64_t committed = w->seen[c->partition].committed, low = w->low[c->partition];
    if (committed < low + 3)
        return false;
    int64_t at = sim_between(low + 1, committed - 1);
    int64_t clock = log->v.v[committed - 1].clock_ms;
    /* Certain only when it lies inside what a load must read. */
    c->insist = w->plan.window_ms[0] == w->plan.window_ms[1] &&
                generation(w, log->v.v[at - 1].clock_ms) >= generation(w, clock) - keep(w);
    c->copy = lt_memory_copy_new(w->memory, LT_TOPIC_INTAKE, c->partition);
    lt_memory_remove(w->memory, LT_TOPIC_INTAKE, c->partition, at);
    if (c->insist)
        files_lose(w);                                                  /* with them nobody needs to read there */
    w->seen[c->partition].stops_allowed |= 1u << LT_STOP_INDEX_DIFFERS; /* when it was the first one to be read */
    restart_all(w);
    return true;
}

static bool delete_unjudged(struct world *w)
{
    struct cause *c = &w->cause;
    for (int i = 0; i < 4; i++)
        ingest_one(w, c->partition);
    c->copy = lt_memory_copy_new(w->memory, LT_TOPIC_INTAKE, c->partition);
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, c->partition,
                          (int64_t)w->logs[c->partition].v.len - sim_between(0, 2));
    c->insist = true;
    return true;
}

/* Is something live lost with what lies before `to`? */
static bool loses(const struct world *w, int partition, int64_t to)
{
    const struct sent_log *log = &w->logs[partition];
    int64_t committed = w->seen[partition].committed;
    int64_t oldest = generation(w, log->v.v[committed - 1].clock_ms) - keep(w);
    for (int64_t q = w->low[partition]; q < to; q++) {
        const struct sent *s = &log->v.v[q];
        bool again = s->broken || generation(w, s->clock_ms) < oldest;
        for (int64_t r = to; r < committed && !again; r++) {
            const struct sent *e = &log->v.v[r];
            again = !e->broken && e->id == s->id && e->replay == s->replay && e->digest == s->digest;
        }
        if (!again)
            return true;
    }
    return false;
}

static bool cut_head(struct world *w)
{
    struct cause *c = &w->cause;
    const struct sent_log *log = &w->logs[c->partition];
    int64_t committed = w->seen[c->partition].committed, low = w->low[c->partition];
    if (committed < low + 2)
        return false;
    restart_all(w);
    ingest_one(w, c->partition); /* a verdict is due; without one nothing needs to be decided */
    int64_t to = sim_between(low + 1, committed - 1);
    int64_t last = log->v.v[log->v.len - 1].clock_ms;
    c->insist = w->plan.window_ms[0] == w->plan.window_ms[1] && !w->plan.clocks && loses(w, c->partition, to) &&
                generation(w, log->v.v[to].clock_ms) + keep(w) + 1 >= generation(w, last);
    if (w->plan.clocks) /* a head whose clock lies may look old; the sum tells */
        w->seen[c->partition].stops_allowed |= 1u << LT_STOP_INDEX_DIFFERS;
    c->copy = lt_memory_copy_new(w->memory, LT_TOPIC_INTAKE, c->partition);
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, c->partition, to);
    if (c->insist)
        files_lose(w); /* they may hold what the log has lost */
    sim_note("cause", "  log starts at", to, committed);
    return true;
}

static bool open_foreign(struct world *w)
{
    struct cause *c = &w->cause;
    c->copy = lt_memory_copy_new(w->memory, LT_TOPIC_INTAKE, c->partition);
    lt_memory_foreign_open(w->memory, LT_TOPIC_INTAKE, c->partition);
    return c->insist = true;
}

static bool act(struct world *w)
{
    struct cause *c = &w->cause;
    int64_t committed = w->seen[c->partition].committed;
    switch (c->kind) {
    case CAUSE_METADATA_WIPED:
        tamper(w, sim_chance(500) ? committed : sim_between(0, committed), "");
        return c->insist = true;
    case CAUSE_OFFSET_DELETED:
        if (w->logs[c->partition].v.len == 0)
            return false;
        tamper(w, -1, "");
        return c->insist = true;
    case CAUSE_OFFSET_OLDER:
    case CAUSE_OFFSET_BRIEFLY:
        return go_back(w);
    case CAUSE_SUM_FLIPPED:
        return flip_sum(w);
    case CAUSE_TAIL_CUT:
        return cut_tail(w, false);
    case CAUSE_TAIL_REPLACED:
        return cut_tail(w, true);
    case CAUSE_HOLE_AHEAD:
        return hole_ahead(w);
    case CAUSE_HOLE_BEHIND:
        return hole_behind(w);
    case CAUSE_UNJUDGED_DELETED:
        return delete_unjudged(w);
    case CAUSE_HEAD_CUT:
        return cut_head(w);
    case CAUSE_FOREIGN:
        return open_foreign(w);
    default:
        return false;
    }
}

static void activate(struct world *w)
{
    struct cause *c = &w->cause;
    w->fleet.hold_down = false;
    if (!act(w)) {
        c->phase = CAUSE_IDLE;
        return;
    }
    sim_note("cause", "begins", (int64_t)c->kind, c->partition);
    if (reasons[c->kind])
        w->seen[c->partition].stops_allowed |= 1u << reasons[c->kind];
    c->phase = CAUSE_ACTIVE;
    c->since_ms = sim_now();
}

void cause_begin(struct world *w)
{
    struct cause *c = &w->cause;
    if (c->phase != CAUSE_IDLE)
        return;
    *c = (struct cause){.kind = (enum cause_kind)sim_between(1, CAUSES - 1),
                        .partition = (int)sim_between(0, w->plan.partitions - 1),
                        .since_ms = sim_now()};
    if (!needs_quiet(c->kind)) {
        activate(w);
        return;
    }
    c->phase = CAUSE_DRAINING; /* a tool can set an offset only while the group is empty */
    w->fleet.hold_down = true;
    restart_all(w);
}

/* ---- mending ---- */

/* What `lienthong core position` finds in Kafka, and its decision about it. */
static void repair_position(struct world *w, struct lt_log_offset *ret)
{
    const struct cause *c = &w->cause;
    struct lt_positions all = {.incarnation = INCARNATION};
    struct lt_repair_report report;
    const struct sent_log *log = &w->logs[c->partition];
    int64_t above = -1;
    for (int p = 0; p < w->plan.partitions; p++) {
        struct lt_position_row *row = lt_vec_push(&all.rows);
        struct lt_log_offset at, kept;
        lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, &at);
        *row = (struct lt_position_row){.partition = p,
                                        .low = w->low[p],
                                        .high = lt_memory_end(w->memory, LT_TOPIC_INTAKE, p),
                                        .offset = at.offset,
                                        .kept_offset = -1};
        snprintf(row->metadata, sizeof(row->metadata), "%s", at.metadata);
        row->proved = at.offset >= 0 && lt_position_parse(lt_span_str(at.metadata), &row->position, NULL) == LT_OK;
        if (!position_row(w, p, &kept))
            continue;
        row->kept_offset = kept.offset;
        snprintf(row->kept_metadata, sizeof(row->kept_metadata), "%.*s", LT_POSITION_MAX - 1, kept.metadata);
        sim_check(lt_position_parse(lt_span_str(kept.metadata), &row->kept, NULL) == LT_OK, "lt.position: metadata");
    }
    for (size_t o = 0; o < log->v.len; o++)
        above = log->v.v[o].seen ? (int64_t)o : above;
    char metadata[LT_POSITION_MAX];
    lt_repair_plan_position(&all, &all.rows.v[c->partition], above, w->plan.window_ms[0], &report, metadata);
    sim_check(report.outcome == LT_REPAIR_DONE, "core position does not write partition %d's position back: %s",
              c->partition, report.text);
    *ret = (struct lt_log_offset){.partition = c->partition, .offset = report.offset};
    snprintf(ret->metadata, sizeof(ret->metadata), "%s", metadata);
    lt_positions_deinit(&all);
}

static void mend(struct world *w)
{
    struct cause *c = &w->cause;
    struct lt_log_offset row;
    sim_note("cause", "mended", (int64_t)c->kind, c->observed);
    if (c->kind == CAUSE_FOREIGN)
        lt_memory_foreign_close(w->memory, LT_TOPIC_INTAKE, c->partition);
    if (c->copy) {
        lt_memory_copy_restore(w->memory, lt_steal(&c->copy));
        lt_memory_disturb(w->memory);
    }
    if (w->seen[c->partition].tampered) {
        row = c->saved;
        if (c->kind != CAUSE_OFFSET_BRIEFLY && c->kind != CAUSE_SUM_FLIPPED) /* lt.position alone must be enough */
            repair_position(w, &row);
        sim_check(row.offset == c->saved.offset && strcmp(row.metadata, c->saved.metadata) == 0,
                  "lt.position holds another position of partition %d than the group did", c->partition);
        lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, c->partition, row.offset, row.metadata);
        w->seen[c->partition].tampered = false;
    }
    if (c->observed)
        w->coverage->n[COUNT_STOPS + (int)c->kind]++;
    c->phase = CAUSE_IDLE;
    w->fleet.faults_on = w->chaos;
}

/* Has a process noticed? */
static bool noticed(const struct world *w)
{
    const struct cause *c = &w->cause;
    for (int i = 0; i < SIM_SLOTS; i++) {
        const struct process *p = &w->processes[i];
        if (!sim_process_alive(&p->sim) || p->worker.partitions_len != w->plan.partitions)
            continue;
        const struct lt_partition *part = &p->worker.partitions[c->partition];
        bool stopped = part->state == LT_PARTITION_STOPPED;
        if (c->kind == CAUSE_FOREIGN          ? part->state != LT_PARTITION_ABSENT && part->foreign_transaction
            : c->kind == CAUSE_OFFSET_BRIEFLY ? stopped && strstr(part->stop_text, "tells of offset")
                                              : stopped && part->stop != LT_STOP_WAITING)
            return true;
    }
    return false;
}

static bool others_go_on(const struct world *w)
{
    for (int p = 0; p < w->plan.partitions; p++)
        if (p != w->cause.partition && w->seen[p].committed < (int64_t)w->logs[p].v.len)
            return false;
    return true;
}

static bool any_alive(const struct world *w)
{
    for (int i = 0; i < SIM_SLOTS; i++)
        if (sim_process_alive(w->fleet.slots[i]))
            return true;
    return false;
}

void cause_step(struct world *w)
{
    struct cause *c = &w->cause;
    int64_t age = sim_now() - c->since_ms;
    if (c->phase == CAUSE_DRAINING) {
        if (any_alive(w)) {
            restart_all(w); /* one that was just starting */
            c->since_ms = sim_now();
        } else if (age > DRAIN_MS) {
            activate(w);
        }
        return;
    }
    if (c->phase != CAUSE_ACTIVE)
        return;
    if (age > CHAOS_MS)
        w->fleet.faults_on = false;
    c->observed |= noticed(w);
    if (c->kind == CAUSE_OFFSET_BRIEFLY) {
        if (age >= c->right_ms)
            mend(w);
        return;
    }
    if (!c->observed && !c->restarted && age > NOTICE_MS && c->kind != CAUSE_TAIL_CUT && c->kind != CAUSE_FOREIGN) {
        c->restarted = true;
        restart_all(w);
    }
    bool enough = c->observed || (!c->insist && age > NOTICE_MS);
    if (enough && others_go_on(w) && age > CHAOS_MS)
        mend(w);
    else
        sim_check(age < GIVE_UP_MS, "cause %d on partition %d: %s", (int)c->kind, c->partition,
                  enough ? "the other partitions do not go on" : "nobody has noticed");
}
