/*
 * What makes a partition of the queue stop, and how it is mended: brought about while nobody runs (or, a record that is
 * no event, at any time), noticed with its reason while nothing of the partition is sent, then led out by what the
 * commands decide (gateway/delivery/mend.h, and the decision to pass a record over).
 */
#include "tests/sim/delivery.h"

#include "gateway/codec/json.h"
#include "gateway/delivery/mend.h"

#include <inttypes.h>
#include <stdio.h>

#define DRAIN_MS 17000    /* longer than sessions and transactions */
#define CHAOS_MS 15000    /* so long faults go on beside the cause */
#define GIVE_UP_MS 400000 /* who has not noticed by then never will */
#define BRIEFLY_MS 19000  /* what comes right by then is never believed (decision 0015) */
#define LOOK_MS 500

static const char *const reasons[DCAUSES] = {
    [DCAUSE_OFFSET_OLDER] = "OFFSETS-LOST", [DCAUSE_OFFSET_BRIEFLY] = "OFFSETS-LOST",
    [DCAUSE_BAD_RECORD] = "BAD-RECORD",     [DCAUSE_LOSS] = "UNDELIVERED-DELETED",
    [DCAUSE_END_LOST] = "QUEUE-CHANGED",    [DCAUSE_MADE_ANEW] = "QUEUE-CHANGED",
};

static void kill_all(struct scene *s)
{
    for (int i = 0; i < SIM_SLOTS; i++)
        if (sim_process_alive(s->fleet.slots[i]))
            sim_process_kill(s->fleet.slots[i]);
}

static bool quiet(struct scene *s, int partition)
{
    target_move(s);
    for (int i = 0; i < SIM_SLOTS; i++)
        if (sim_process_alive(s->fleet.slots[i]))
            return false;
    for (int d = 0; d < s->plan.dossiers; d++)
        if (s->dossiers[d].partition == partition && target_pending(s, &s->dossiers[d]))
            return false;
    return true;
}

/* ---- the deeds; false: not possible now ---- */

static bool go_back(struct scene *s)
{
    struct delivery_cause *c = &s->cause;
    struct observed_queue *q = &s->queues[c->partition];
    if (q->past.len < 2)
        return false;
    const struct lt_log_offset *older = &q->past.v[sim_between(0, (int64_t)q->past.len - 2)];
    lt_memory_offset_get(s->memory, QUEUE, QUEUE, c->partition, &c->saved);
    lt_memory_offset_set(s->memory, QUEUE, QUEUE, c->partition, older->offset, older->metadata);
    q->planted = older;
    c->right_ms = sim_between(500, BRIEFLY_MS);
    sim_note("cause", "  tells of", older->offset, c->saved.offset);
    return true;
}

static bool write_bad(struct scene *s)
{
    struct delivery_cause *c = &s->cause;
    struct lt_headers none = {0};
    char key[32];
    struct event *e = lt_alloc(sizeof(*e));
    snprintf(key, sizeof(key), "alien/%d", c->partition);
    *e = (struct event){.dossier = -1, .partition = c->partition, .alien = true};
    e->offset = lt_memory_append(s->memory, QUEUE, c->partition, lt_span_str(key), &none, LT_SPAN_LIT(ALIEN_VALUE));
    *lt_vec_push(&s->aliens) = e;
    *lt_vec_push(&s->queues[c->partition].events) = e;
    s->queues[c->partition].came++;
    c->record = e;
    return true;
}

/* What is gone with these records, and was not finished or parked: the deliveries that were open are given up, of the
 * others nobody knows. Places of the end that is gone are others' from now on. */
static void lose(struct scene *s, int64_t from, int64_t to, bool end)
{
    struct observed_queue *q = &s->queues[s->cause.partition];
    size_t kept = 0;
    for (size_t i = 0; i < q->events.len; i++) {
        struct event *e = q->events.v[i];
        bool gone = e->offset >= from && e->offset < to;
        if (gone && !e->forwarded && !e->skipped && !e->parked) {
            e->lost = true;
            q->skipped += e->open && e->open != 'd';
        }
        if (gone && end)
            e->offset = -1;
        else
            q->events.v[kept++] = e;
    }
    q->events.len = kept;
    q->passed = LT_MIN(q->passed, kept);
}

/* Retention, or somebody, has deleted what was not delivered yet. */
static bool delete_undelivered(struct scene *s)
{
    const struct delivery_cause *c = &s->cause;
    int64_t base = s->queues[c->partition].position.base, end = lt_memory_end(s->memory, QUEUE, c->partition);
    if (end <= base)
        return false;
    int64_t low = sim_between(base + 1, end);
    lt_memory_delete_head(s->memory, QUEUE, c->partition, low);
    s->queues[c->partition].low = low;
    lose(s, 0, low, false);
    sim_note("cause", "  queue begins", low, base);
    return true;
}

/* Decisions that wait name places in the queue, which would soon mean other records. */
static bool decisions_wait(const struct scene *s, int partition)
{
    for (size_t i = 0; i < s->decisions.len; i++)
        if (s->decisions.v[i].partition == partition && !s->decisions.v[i].told[partition])
            return true;
    return false;
}

static bool cut_end(struct scene *s, bool whole)
{
    const struct delivery_cause *c = &s->cause;
    struct observed_queue *q = &s->queues[c->partition];
    int64_t low = q->low, base = q->position.base;
    if (base <= low || decisions_wait(s, c->partition))
        return false;
    int64_t end = whole ? low : sim_between(low, base - 1);
    for (size_t i = 0; i < q->events.len; i++)
        if (q->events.v[i]->offset >= end && (q->events.v[i]->parked || q->events.v[i]->alien))
            return false; /* refused, as the unit test shows */
    lt_memory_truncate(s->memory, QUEUE, c->partition, end);
    lose(s, end, INT64_MAX, true);
    sim_note("cause", "  queue ends", end, base);
    return true;
}

static bool act(struct scene *s)
{
    switch (s->cause.kind) {
    case DCAUSE_OFFSET_OLDER:
    case DCAUSE_OFFSET_BRIEFLY:
        return go_back(s);
    case DCAUSE_BAD_RECORD:
        return write_bad(s);
    case DCAUSE_LOSS:
        return delete_undelivered(s);
    default:
        return cut_end(s, s->cause.kind == DCAUSE_MADE_ANEW);
    }
}

static void activate(struct scene *s)
{
    struct delivery_cause *c = &s->cause;
    s->fleet.hold_down = false;
    audit_commits(s);
    if ((c->kind != DCAUSE_BAD_RECORD && s->foreign[c->partition]) || !act(s)) {
        c->phase = DCAUSE_IDLE;
        return;
    }
    sim_note("cause", "begins", (int64_t)c->kind, c->partition);
    s->queues[c->partition].still = c->kind != DCAUSE_BAD_RECORD;
    c->phase = DCAUSE_ACTIVE;
    c->since_ms = sim_now();
}

void trouble_begin(struct scene *s)
{
    struct delivery_cause *c = &s->cause;
    if (c->phase != DCAUSE_IDLE)
        return;
    *c = (struct delivery_cause){.kind = (enum delivery_cause_kind)sim_between(1, DCAUSES - 1),
                                 .partition = (int)sim_between(0, s->plan.partitions - 1),
                                 .since_ms = sim_now()};
    if (c->kind == DCAUSE_BAD_RECORD) {
        activate(s);
        return;
    }
    c->phase = DCAUSE_DRAINING;
    s->fleet.hold_down = true;
    kill_all(s);
}

bool trouble_holds_queue(const struct scene *s, int partition)
{
    const struct delivery_cause *c = &s->cause;
    if (c->phase != DCAUSE_ACTIVE || c->partition != partition)
        return false;
    /* It goes on at its end as it is when that is decided: what came since the loss would be taken for delivered. */
    if (c->kind == DCAUSE_END_LOST)
        return true;
    /* Its next record would have the place of one that was delivered, and nobody could tell: the offset is all that a
     * position knows. */
    return c->kind == DCAUSE_MADE_ANEW &&
           lt_memory_end(s->memory, QUEUE, partition) + 1 >= s->queues[partition].position.base;
}

/* ---- what the gateways say ---- */

/* Why this one has stopped the partition; "" it has not. */
static void stop_of(const struct gateway *g, int partition, char ret[32], bool *ret_doubts)
{
    static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    struct lt_buf out = LT_BUF_INIT(1 << 20);
    struct lt_json_writer w;
    LT_AUTO_JSON struct lt_json *j = NULL;
    ret[0] = '\0';
    lt_json_writer_init(&w, &out);
    lt_engine_status(g->engine, &w);
    sim_check(lt_json_parse(lt_buf_view(&out), &limits, &j, NULL) == LT_OK, "%s: a status that is no JSON",
              g->sim.instance);
    lt_json_value parts = lt_json_get(lt_json_root(j), "partitions");
    for (size_t i = 0; i < lt_json_len(parts); i++) {
        lt_json_value part = lt_json_at(parts, i);
        struct lt_span text = LT_SPAN_NULL;
        int64_t n = -1;
        if (!lt_json_int(lt_json_get(part, "partition"), &n) || n != partition)
            continue;
        if (lt_json_string(lt_json_get(part, "waiting_for"), &text))
            *ret_doubts |= lt_span_starts(text, "waiting whether it stays so");
        if (lt_json_string(lt_json_get(lt_json_get(part, "stop"), "reason"), &text))
            snprintf(ret, 32, LT_SPAN_FMT, LT_SPAN_ARG(text));
    }
    lt_buf_deinit(&out);
}

/* Some process has stopped it, for this and no other reason. */
static bool noticed(struct scene *s)
{
    const struct delivery_cause *c = &s->cause;
    bool stopped = false, doubts = false;
    for (int i = 0; i < SIM_SLOTS; i++) {
        const struct gateway *g = &s->gateways[i];
        char reason[32];
        if (!sim_process_alive(&g->sim) || !g->engine || g->sim.killed)
            continue;
        stop_of(g, c->partition, reason, &doubts);
        if (c->kind == DCAUSE_BAD_RECORD && strcmp(reason, "BAD-RECORD") != 0)
            continue; /* the stop of a former cause, which is tried again every 30 s */
        sim_check(!reason[0] || strcmp(reason, reasons[c->kind]) == 0, "%s stops partition %d as %s, it ought to be %s",
                  g->sim.instance, c->partition, reason, reasons[c->kind]);
        /* Who looked, then stood still, looks once more at what he was told before. */
        sim_check(!reason[0] || c->kind != DCAUSE_OFFSET_BRIEFLY || s->plan.disorder.freezes,
                  "%s believes what has been so for less than 20 s", g->sim.instance);
        stopped |= reason[0] != '\0';
    }
    return c->kind == DCAUSE_OFFSET_BRIEFLY ? doubts : stopped;
}

/* ---- mending ---- */

static void take_ledger(void *ctx, const struct lt_log_record *r)
{
    struct lt_err err = LT_ERR_INIT;
    sim_check(lt_ledger_take(ctx, r, &err) == LT_OK, "ledger: %s", err.text);
}

static void decide(const struct scene *s, const struct lt_mend_facts *f, struct lt_mend *ret)
{
    switch (s->cause.kind) {
    case DCAUSE_LOSS:
        lt_mend_accept_loss(f, f->offset, f->low, ret);
        break;
    case DCAUSE_END_LOST:
        lt_mend_accept_queue(f, f->offset, f->high, ret);
        break;
    case DCAUSE_MADE_ANEW:
        lt_mend_accept_queue(f, f->offset, f->low, ret);
        break;
    default:
        lt_mend_position(f, ret);
        break;
    }
    sim_check(ret->outcome == LT_MEND_DONE, "%s is not mended: %s", reasons[s->cause.kind], ret->text);
}

static void write_mend(struct scene *s, const struct lt_mend *m)
{
    int partition = s->cause.partition;
    struct lt_headers none = {0};
    char metadata[LT_DELIVERY_POSITION_MAX];
    lt_delivery_position_format(&m->after, metadata);
    for (size_t i = 0; i < m->closed.len; i++)
        lt_memory_append(s->memory, "lt.ledger." TARGET, partition, lt_span_str(m->closed.v[i]->key), &none,
                         LT_SPAN_NULL);
    lt_memory_append(s->memory, "lt.ledger." TARGET, partition, LT_SPAN_LIT(LT_LEDGER_POSITION_KEY), &none,
                     lt_span_str(metadata));
    lt_memory_offset_set(s->memory, QUEUE, QUEUE, partition, m->after.base, metadata);
}

static void repair(struct scene *s)
{
    const struct delivery_cause *c = &s->cause;
    struct observed_queue *q = &s->queues[c->partition];
    struct lt_ledger ledger = {0};
    struct lt_mend m = {0};
    struct lt_log_offset at;
    lt_memory_read(s->memory, "lt.ledger." TARGET, c->partition, take_ledger, &ledger);
    lt_memory_offset_get(s->memory, QUEUE, QUEUE, c->partition, &at);
    const struct lt_mend_facts f = {.target = TARGET,
                                    .partition = c->partition,
                                    .offset = at.offset,
                                    .metadata = at.metadata,
                                    .low = q->low,
                                    .high = lt_memory_end(s->memory, QUEUE, c->partition),
                                    .ledger = &ledger};
    sim_check(strcmp(lt_mend_diagnose(&f), reasons[c->kind]) == 0, "targets status says %s, it ought to be %s",
              lt_mend_diagnose(&f), reasons[c->kind]);
    decide(s, &f, &m);
    write_mend(s, &m);
    if (c->kind == DCAUSE_END_LOST || c->kind == DCAUSE_MADE_ANEW) /* offsets mean other records from now on */
        q->position.base = m.after.base;
    lt_mend_deinit(&m);
    lt_ledger_deinit(&ledger);
}

static void mend(struct scene *s)
{
    struct delivery_cause *c = &s->cause;
    struct observed_queue *q = &s->queues[c->partition];
    sim_note("cause", "mended", (int64_t)c->kind, c->observed);
    q->planted = NULL;
    q->still = false;
    if (c->kind == DCAUSE_OFFSET_BRIEFLY)
        lt_memory_offset_set(s->memory, QUEUE, QUEUE, c->partition, c->saved.offset, c->saved.metadata);
    else
        repair(s);
    s->coverage->n[DCOUNT_CAUSES + (int)c->kind] += c->observed;
    c->phase = DCAUSE_IDLE;
    s->fleet.faults_on = s->chaos;
    audit_commits(s);
}

/* An operator passes it over, once it is said that it stands there; a little later it is behind. */
static void step_bad_record(struct scene *s)
{
    struct delivery_cause *c = &s->cause;
    if (c->record->skipped) {
        s->coverage->n[DCOUNT_CAUSES + (int)c->kind]++;
        c->phase = DCAUSE_IDLE;
        return;
    }
    if (sim_now() < c->look_ms)
        return;
    c->look_ms = sim_now() + LOOK_MS;
    if (!c->decided && noticed(s)) {
        c->decided = true;
        operator_pass_over(s, c->record);
    }
}

void trouble_step(struct scene *s)
{
    struct delivery_cause *c = &s->cause;
    int64_t age = sim_now() - c->since_ms;
    if (c->phase == DCAUSE_DRAINING) {
        if (!quiet(s, c->partition)) {
            kill_all(s); /* one that was just starting */
            c->since_ms = sim_now();
        } else if (age > DRAIN_MS) {
            activate(s);
        }
        return;
    }
    if (c->phase != DCAUSE_ACTIVE)
        return;
    if (c->kind == DCAUSE_BAD_RECORD) {
        step_bad_record(s);
        return;
    }
    if (age > CHAOS_MS)
        s->fleet.faults_on = false;
    if (!c->observed && sim_now() >= c->look_ms) {
        c->observed = noticed(s);
        c->look_ms = sim_now() + LOOK_MS;
    }
    if (c->kind == DCAUSE_OFFSET_BRIEFLY ? age >= c->right_ms : c->observed && age > CHAOS_MS)
        mend(s);
    else
        sim_check(age < GIVE_UP_MS, "nobody has noticed what ought to be %s on partition %d", reasons[c->kind],
                  c->partition);
}

bool trouble_holds_end(const struct scene *s)
{
    return s->cause.phase == DCAUSE_DRAINING || (s->cause.phase == DCAUSE_ACTIVE && s->cause.kind != DCAUSE_BAD_RECORD);
}
