/* From assignment to running (rules 1 and 2): position, ledger, decisions, and the proof that they belong together. */
#include "gateway/delivery/internal.h"
#include "gateway/delivery/mend.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define BUSY_RETRY_MS 200
#define COMMITTED_TIMEOUT_MS 1000
#define SEEN_MS 20000 /* how long what a broker that has just started may say is looked at before it is believed */
#define SEEN_RETRY_MS 2000
#define DIVIDED 1000 /* none of the log's results */

/*
 * A partition on its way to running: position, then the ledger bit by bit, then decisions bit by bit. Found again by
 * number and epoch after every call that serves polls: rebalance callbacks run inside them.
 */
struct lt_loading {
    struct lt_log_offset at;
    struct lt_delivery_position position;
    int64_t low, high;     /* of the queue */
    struct lt_slice slice; /* of the ledger */
    struct lt_ledger ledger;
    struct lt_err bad; /* of the first record that is none of ours */
    bool first;        /* no position, no records: a first beginning, if the ledger knows of nothing else */
    bool adopted;
};

void lt_loading_free(struct lt_loading *l)
{
    if (!l)
        return;
    lt_ledger_deinit(&l->ledger);
    free(l);
}

/* After a partition was lost its calls may still be out: until they end, no dossier of it gets another one (promise
 * P5). */
static bool has_orphans(const struct lt_engine *e, int32_t number)
{
    const struct lt_item *i;
    DL_FOREACH (e->lists[LT_ITEM_RUNNING], i)
        if (!i->part && i->record->partition == number)
            return true;
    return false;
}

static void wait(struct lt_engine *e, struct lt_part *p, const char *why)
{
    p->retry_at_ms = lt_engine_now(e) + BUSY_RETRY_MS;
    p->seen[0] = 0;
    snprintf(p->text, sizeof(p->text), "%s", why);
}

/* From the beginning, later: what was read is worth nothing any more. */
static void again(struct lt_engine *e, struct lt_part *p, const char *why)
{
    lt_part_drop(e, p);
    wait(e, p, why);
}

/*
 * A broker that was killed and started again tells for some seconds of offsets and ends that are older than what it
 * holds, or of none. So what it says is a reason to stop only when every look of some time has seen the same; until
 * then the partition is loading, and each look begins anew.
 */
static LT_PRINTF(5, 6) void seen(struct lt_engine *e, struct lt_part *p, const char *reason, const char *command,
                                 const char *fmt, ...)
{
    char text[sizeof(p->text)];
    va_list args;
    int64_t now = lt_engine_now(e);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (strcmp(p->seen, reason) != 0) {
        snprintf(p->seen, sizeof(p->seen), "%s", reason);
        p->seen_ms = now;
        lt_warn(e->subject, "partition-doubt", "partition %" PRId32 ": %s; asked again before it is believed",
                p->number, text);
    }
    if (now - p->seen_ms >= SEEN_MS) {
        lt_part_stop(e, p, reason, true, command, "%s", text);
        return;
    }
    lt_part_drop(e, p);
    p->retry_at_ms = now + SEEN_RETRY_MS;
    snprintf(p->text, sizeof(p->text), "waiting whether it stays so: %.*s", (int)sizeof(p->text) - 32, text);
}

/* Does the group's position say what is delivered? false: stopped, or not yet believed, with its reason. */
static bool check_position(struct lt_engine *e, struct lt_part *p, struct lt_loading *l)
{
    const struct lt_log_offset *at = &l->at;
    const struct lt_mend_facts facts = {.target = e->name,
                                        .partition = p->number,
                                        .offset = at->offset,
                                        .metadata = at->metadata,
                                        .low = l->low,
                                        .high = l->high};
    char command[sizeof(p->command)];
    l->first = at->offset < 0 && l->high == 0;
    if (l->first)
        return true;
    if (at->offset < 0) {
        lt_mend_command(&facts, "OFFSETS-LOST", command, sizeof(command));
        seen(e, p, "OFFSETS-LOST", command,
             "group %s has lost its position on partition %" PRId32 ": %s holds records up to %" PRId64
             " and nothing says which were delivered",
             e->topic, p->number, e->topic, l->high);
        return false;
    }
    struct lt_err err = LT_ERR_INIT;
    int r = lt_delivery_position_parse(lt_span_str(at->metadata), &l->position, &err);
    if (r == LT_DELIVERY_POSITION_FORMER_OPEN) {
        lt_part_stop(e, p, "OLD-FORMAT", true, "",
                     "the position of partition %" PRId32
                     " was written by the former version, with deliveries open that only it can account for",
                     p->number);
        return false;
    }
    if (r == LT_DELIVERY_POSITION_OTHER_FORMAT) {
        lt_part_stop(e, p, "OTHER-FORMAT", false, "",
                     "the position of partition %" PRId32 " was written by another version of the gateway", p->number);
        return false;
    }
    if (r != LT_OK || l->position.base != at->offset) {
        lt_mend_command(&facts, "MOVED", command, sizeof(command));
        lt_part_stop(e, p, "MOVED", true, command,
                     "the position of partition %" PRId32 " was moved to %" PRId64
                     " by a tool, which wiped what is already delivered",
                     p->number, at->offset);
        return false;
    }
    return true;
}

/* ---- the ledger ---- */

static int read_ledger(void *ctx, const struct lt_log_record *r)
{
    struct lt_loading *l = ctx;
    return lt_ledger_take(&l->ledger, r, &l->bad) == LT_OK ? 0 : 1;
}

/* What the ledger says becomes the partition's own: done set and open intents by offset, lanes (rule 2). */
static void adopt(struct lt_engine *e, struct lt_part *p, struct lt_ledger *ledger)
{
    struct lt_open *o, *next_open;
    HASH_ITER (hh, ledger->opens, o, next_open) {
        HASH_DEL(ledger->opens, o);
        HASH_ADD(hh, p->opens, offset, sizeof(o->offset), o);
    }
    struct lt_ledger_lane *l, *next_lane;
    HASH_ITER (hh, ledger->lanes, l, next_lane) {
        struct lt_lane *lane = lt_lane_get(p, lt_span_str(l->key));
        lane->record = l->record;
        lane->known_ms = lt_engine_now(e);
        for (size_t n = 0; n < l->parked.len; n++)
            *lt_vec_push(&lane->parked) = l->parked.v[n];
        if (lane->parked.len > 0) {
            lt_lane_set(p, lane, l->recorded && l->record.retrying ? LT_LANE_RETRYING : LT_LANE_PARKED);
        } else { /* let go on, and what came meanwhile was not parked any more: it is in the queue */
            lt_lane_write(e, p, lane);
            lt_lane_settle(p, lane);
        }
    }
    snprintf(p->paused_by, sizeof(p->paused_by), "%s", ledger->paused_by);
    for (size_t n = 0; n < ledger->decisions.len; n++)
        *lt_vec_push(&p->decisions) = ledger->decisions.v[n];
    ledger->decisions.len = 0;
    p->decided = ledger->decided;
}

/* LT_OK, what the log says, or DIVIDED: the ledger has no place for what this partition would write. */
static int check_division(struct lt_engine *e, struct lt_part *p, int32_t *ret_queue, struct lt_err *err)
{
    const char *const topics[] = {e->ledger, e->control, e->history};
    int32_t known = e->queue_partitions, queue = 0, n = 0;
    int r = e->log->ops->partitions(e->log, NULL, &queue, err);
    bool as_known = known > 0 && queue >= known;
    if (r != LT_OK)
        return LT_LOG_RETRY; /* a queue that is gone is told as that */
    if (as_known)
        queue = known;
    for (size_t i = 0; r == LT_OK && i < LT_ARRAY_LEN(topics); i++) {
        r = e->log->ops->partitions(e->log, topics[i], &n, err);
        if (r == LT_OK && (as_known ? n < queue : n != queue)) {
            lt_err_set(err, LT_E_INVALID, "divided", "%s has %" PRId32 " partitions, %s has %" PRId32, e->topic, queue,
                       topics[i], n);
            return DIVIDED;
        }
    }
    if (r == LT_OK && p->number >= queue) {
        lt_err_set(err, LT_E_INVALID, "divided",
                   "partition %" PRId32 " of %s was added to the %" PRId32
                   " that this process began with: nothing of ours writes to it, the ledger has none for it",
                   p->number, e->topic, queue);
        return DIVIDED;
    }
    *ret_queue = queue;
    return r;
}

/*
 * Every topic of the ledger must be there, divided as the queue is: lanes and their records share a partition number. A
 * count that grows under a process is gone on with as it was, as all do who write there (status: TOPIC-DIVIDED): until
 * what waits is delivered nobody may be stopped for it, and a rebalance would.
 */
static bool check_topics(struct lt_engine *e, struct lt_part *p)
{
    struct lt_err err = LT_ERR_INIT;
    int r = check_division(e, p, &e->queue_partitions, &err);
    if (r == LT_OK)
        lt_parts_share_rate(e); /* it was not known of how many when they were assigned */
    else if (r == DIVIDED)
        lt_part_stop(e, p, "LEDGER-DIVIDED", true, "lienthong topics", "%s", err.text);
    else if (r == LT_LOG_PERMANENT || r == LT_LOG_ABSENT)
        lt_part_stop(e, p, "LEDGER-MISSING", true, "lienthong topics create", "%s", err.text);
    else
        wait(e, p, err.text);
    return r == LT_OK;
}

/*
 * Each transaction writes the position twice, to the group and to the ledger. Were an older one believed, because what
 * it counts happens to be alike, all that was delivered since would be sent again. false: not yet believed, or stopped.
 */
static bool check_last(struct lt_engine *e, struct lt_part *p, const struct lt_loading *l)
{
    struct lt_delivery_position last;
    const struct lt_delivery_position *told = &l->position;
    const struct lt_mend_facts facts = {.target = e->name, .partition = p->number};
    char command[sizeof(p->command)];
    if (!l->ledger.position[0] || lt_delivery_position_parse(lt_span_str(l->ledger.position), &last, NULL) != LT_OK ||
        last.incarnation != told->incarnation || last.number == told->number)
        return true;
    lt_mend_command(&facts, "OFFSETS-LOST", command, sizeof(command));
    if (last.number > told->number)
        seen(e, p, "OFFSETS-LOST", command,
             "group %s tells of transaction %" PRIu64 " at offset %" PRId64 " on partition %" PRId32
             ", but the last one in %s is %" PRIu64 " at %" PRId64,
             e->topic, told->number, told->base, p->number, e->ledger, last.number, last.base);
    else
        seen(e, p, "LEDGER-DIFFERS", "",
             "%s/%" PRId32 " ends with transaction %" PRIu64 ", the group's position is of %" PRIu64, e->ledger,
             p->number, last.number, told->number);
    return false;
}

/* What delivered the last time was another queue: begun anew, nobody would know what of it was lost. */
static void stop_first(struct lt_engine *e, struct lt_part *p, const struct lt_loading *l)
{
    const struct lt_mend_facts facts = {.target = e->name, .partition = p->number};
    char command[sizeof(p->command)];
    if (!lt_mend_lived_before(&l->ledger)) {
        lt_part_stop(e, p, "NOT-INITIALISED", true, "lienthong topics create",
                     "group %s has no position on partition %" PRId32 " of %s", e->topic, p->number, e->topic);
        return;
    }
    lt_mend_command(&facts, "OFFSETS-LOST", command, sizeof(command));
    seen(e, p, "OFFSETS-LOST", command,
         "group %s has no position on partition %" PRId32 ", which is empty, but %s holds one: %s was made again",
         e->topic, p->number, e->ledger, e->topic);
}

/*
 * Does the queue hold what the position says comes next? Asked when the position is known to be the last one: an older
 * one lies before the begin of a queue from which retention has deleted what was delivered since, and nothing is lost.
 * false: stopped, or not yet believed, with its reason.
 */
static bool check_ends(struct lt_engine *e, struct lt_part *p, const struct lt_loading *l)
{
    const struct lt_log_offset *at = &l->at;
    const struct lt_mend_facts facts = {
        .target = e->name, .partition = p->number, .offset = at->offset, .low = l->low, .high = l->high};
    char command[sizeof(p->command)];
    if (l->low > at->offset) {
        lt_mend_command(&facts, "UNDELIVERED-DELETED", command, sizeof(command));
        lt_part_stop(e, p, "UNDELIVERED-DELETED", true, command,
                     "%s/%" PRId32 " starts at %" PRId64 ", records from %" PRId64
                     " on were deleted before they were delivered",
                     e->topic, p->number, l->low, at->offset);
        return false;
    }
    if (l->high < at->offset) {
        lt_mend_command(&facts, "QUEUE-CHANGED", command, sizeof(command));
        seen(e, p, "QUEUE-CHANGED", command,
             "%s/%" PRId32 " ends at %" PRId64 ", before the position %" PRId64
             ": records that were delivered are gone, and new ones would be taken for them",
             e->topic, p->number, l->high, at->offset);
        return false;
    }
    return true;
}

/*
 * Rule 1: the ledger up to its end as a read_uncommitted handle sees it. Positions count what the ledger holds, so a
 * ledger that was emptied, cut or made again is told from one that has nothing open. false: not yet, or stopped.
 */
static bool load_ledger(struct lt_engine *e, struct lt_part *p)
{
    struct lt_loading *l = lt_steal(&p->loading); /* reading serves polls: the partition may be given back meanwhile */
    struct lt_err err = LT_ERR_INIT;
    int32_t number = p->number;
    uint64_t epoch = p->epoch;
    int r = lt_slice_read(e, e->ledger, number, &l->slice, read_ledger, l, &err);
    if (!(p = lt_part_same(e, number, epoch))) {
        lt_loading_free(l);
        return false;
    }
    p->loading = l;
    if (l->bad.code) {
        lt_part_stop(e, p, "LEDGER-UNREADABLE", true, "", "%s", l->bad.text);
    } else if (r != LT_OK) {
        again(e, p, err.text);
    } else if (l->slice.next < l->slice.end) {
        snprintf(p->text, sizeof(p->text), "reading %s/%" PRId32 ": %" PRId64 " of %" PRId64, e->ledger, number,
                 l->slice.next, l->slice.end);
    } else if (l->first) {
        stop_first(e, p, l);
    } else if (!check_last(e, p, l) || !check_ends(e, p, l)) {
        return false;
    } else if ((int64_t)l->ledger.opens_len != l->position.open ||
               (int64_t)l->ledger.parked_len != lt_delivery_position_parked(&l->position)) {
        seen(e, p, "LEDGER-DIFFERS", "",
             "%s/%" PRId32 " holds %zu open deliveries and %zu parked events, the group's position says %" PRId64
             " and %" PRId64,
             e->ledger, p->number, l->ledger.opens_len, l->ledger.parked_len, l->position.open,
             lt_delivery_position_parked(&l->position));
    } else {
        p->position = l->position;
        p->committed = l->at;
        p->control_next = l->position.control;
        adopt(e, p, &l->ledger);
        return l->adopted = true;
    }
    return false;
}

/* Rule 9: what was decided while nobody had the partition, before anything of it starts. false: not yet. */
static bool load_decisions(struct lt_engine *e, struct lt_part *p)
{
    struct lt_err err = LT_ERR_INIT;
    int32_t number = p->number;
    uint64_t epoch = p->epoch;
    int64_t low = 0, high = 0;
    int r = e->log->ops->watermarks(e->log, e->control, number, &low, &high, &err);
    bool taken = r == LT_OK && lt_control_take(e, number, epoch, high, &err);
    if (!(p = lt_part_same(e, number, epoch)))
        return false;
    if (!taken)
        again(e, p, err.text);
    return taken && p->control_next == high;
}

/* Position and topics (rule 1). false: not yet, or stopped. */
static bool begin(struct lt_engine *e, struct lt_part *p)
{
    const struct lt_log_ops *ops = e->log->ops;
    struct lt_err err = LT_ERR_INIT;
    struct lt_loading l = {0};
    if (has_orphans(e, p->number)) {
        p->retry_at_ms = lt_engine_now(e) + 1;
        return false;
    }
    int r = ops->committed(e->log, p->number, COMMITTED_TIMEOUT_MS, &l.at, &err);
    if (r == LT_OK)
        r = ops->watermarks(e->log, NULL, p->number, &l.low, &l.high, &err);
    if (r != LT_OK) { /* an unfinished transaction of the former owner, or the log is away: ask again (core rule 2) */
        wait(e, p, err.text);
        return false;
    }
    if (!check_position(e, p, &l) || !check_topics(e, p))
        return false;
    r = ops->watermarks(e->log, e->ledger, p->number, &l.slice.next, &l.slice.end, &err);
    if (r != LT_OK) {
        wait(e, p, err.text);
        return false;
    }
    p->loading = lt_alloc(sizeof(l));
    *p->loading = l;
    return true;
}

/* As far as one turn goes. */
static void load(struct lt_engine *e, struct lt_part *p)
{
    struct lt_err err = LT_ERR_INIT;
    int32_t number = p->number;
    uint64_t epoch = p->epoch;
    p->retry_at_ms = 0;
    if (!p->loading && !begin(e, p))
        return;
    if (!p->loading->adopted && !load_ledger(e, p))
        return;
    if (!(p = lt_part_same(e, number, epoch)) || !load_decisions(e, p))
        return;
    const struct lt_loading *l = p->loading;
    if (e->log->ops->start(e->log, p->number, l->at.offset, &err) != LT_OK) {
        again(e, p, err.text);
        return;
    }
    p->next = l->at.offset;
    p->high = l->high;
    p->fetching = true;
    p->paused = false;
    p->state = LT_PART_RUNNING;
    lt_loading_free(p->loading);
    p->loading = NULL;
    if (p->dirty)
        lt_part_dirty(e, p);
    p->reason[0] = p->text[0] = p->command[0] = p->seen[0] = 0;
    p->since_ms = lt_now_ms();
    lt_info(e->subject, "partition-running",
            "partition %" PRId32 " of %s runs from offset %" PRId64 ", %zu lanes are not open", p->number, e->topic,
            p->next, p->lanes_parked + p->lanes_retrying);
}

void lt_parts_load(struct lt_engine *e)
{
    int64_t now = lt_engine_now(e);
    size_t n = 0;
    struct lt_part *p;
    DL_COUNT2(e->parts, p, n, next_part);
    /* Loading can serve polls, which change the list: look the next one up by place. */
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        for (p = e->parts; p && at < i; p = p->next_part)
            at++;
        if (!p)
            return;
        if (p->state == LT_PART_STOPPED && p->retry_at_ms > 0 && p->retry_at_ms <= now && p->running == 0 &&
            !p->dirty && !e->txn.in_doubt) { /* what its calls brought is committed first */
            char reason[sizeof(p->reason)];
            memcpy(reason, p->reason, sizeof(reason));
            lt_part_reload(e, p);
            memcpy(p->reason, reason, sizeof(reason)); /* kept until it runs */
        }
        if (p->state == LT_PART_LOADING && p->retry_at_ms <= now)
            load(e, p);
    }
}

/* ---- what was known of an event before (rules 2, 7) ---- */

/* 0 for a name that the table of steps does not have any more: begin anew, asking first. */
static size_t step_index(const struct lt_item *i, const char *name)
{
    for (size_t n = 0; n <= i->steps_len; n++)
        if (strcmp(lt_item_step_name_at(i, n), name) == 0)
            return n;
    return 0;
}

/* Whatever was written of it: nobody waits longer than the longest that this step could be at work. */
static int64_t at_most(const struct lt_engine *e, const struct lt_item *i, size_t step, int64_t ms)
{
    return step < i->steps_len ? LT_MIN(ms, lt_engine_settled_ms_max(e, i->steps[step])) : 0;
}

/* How long a call may be at work is known; since when is not, whoever wrote it may have had a clock behind ours. So it
 * counts from when this process knew of it (rule 7). */
static void recall_parked(struct lt_engine *e, struct lt_item *i, const struct lt_parked_state *s, bool replaced)
{
    size_t at = step_index(i, s->step);
    i->sent_to = step_index(i, s->sent);
    i->settling = s->unknown;
    if (s->unknown)
        i->settled_ms = i->lane->known_ms + at_most(e, i, at, s->settles_ms);
    if (replaced) { /* what the target has of the former data it keeps: sent again, that is a repeat (rule 7) */
        i->sent_to = LT_MAX(i->sent_to, LT_MIN(at + s->unknown, i->steps_len));
        return;
    }
    i->step_at = at;
    i->unknown = i->decided = s->unknown; /* an operator let it go on */
    i->outcome = s->outcome;
}

void lt_item_recall(struct lt_engine *e, struct lt_item *i, const struct lt_parked_state *parked, bool replaced)
{
    struct lt_part *p = i->part;
    struct lt_open *o;
    int64_t order = i->record->offset;
    if (parked)
        recall_parked(e, i, parked, replaced);
    HASH_FIND(hh, p->opens, &order, sizeof(order), o);
    if (o) {
        HASH_DEL(p->opens, o);
        i->step_at = step_index(i, o->step);
        i->outcome = o->outcome;
        /* It has gone on since it was parked: what the P record says of an earlier step is over. */
        i->unknown = o->state == LT_OPEN_INTENT || o->state == LT_OPEN_UNKNOWN;
        i->decided = i->settling = false;
        i->settled_ms = lt_engine_now(e) + at_most(e, i, i->step_at, o->until_ms - o->since_ms);
        i->open = *o;
        free(o);
    }
    i->work.after_unknown = i->unknown;
}
