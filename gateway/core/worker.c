#include "gateway/core/worker.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define EXIT_TWIN 78 /* configuration: the unit must not restart it */
#define TRANSACTION_TIMEOUT_MS 15000
#define POLL_IDLE_MS 100
#define BACKLOG_MS 200
#define LOOK_AT_CLOCK 64 /* records taken between two looks at it */
#define BACKOFF_MS_MIN 100
#define BACKOFF_MS_MAX 10000

/* Rule 16; err: who it is. */
static void twin(struct lt_worker *w, const struct lt_err *err)
{
    char text[LT_LOG_TWIN_TEXT_MAX];
    lt_log_twin_text(w->settings->config->instance, err, text);
    lt_error("core", "twin", "%s", text);
    w->settings->on_fatal(w->settings->ctx, EXIT_TWIN, text);
    atomic_store(&w->stopping, true);
}

static int64_t backoff_min(const struct lt_worker *w)
{
    return w->settings->backoff_ms_min ? w->settings->backoff_ms_min : BACKOFF_MS_MIN;
}

/* Nothing more can be done with this log now: the process stops, or the log is beyond use. Every loop asks, and who
 * asks lives. */
static bool ended(struct lt_worker *w)
{
    lt_pulse_beat(&w->pulse);
    return w->broken || atomic_load(&w->stopping);
}

/* Interruptible by lt_worker_stop. */
static void pause_ms(struct lt_worker *w, int64_t ms)
{
    struct timespec until = lt_mono_after(ms);
    pthread_mutex_lock(&w->lock);
    while (!atomic_load(&w->stopping) && pthread_cond_timedwait(&w->wake, &w->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&w->lock);
}

static void trouble_set(struct lt_worker *w, const char *what, const struct lt_err *err)
{
    char text[sizeof(w->trouble)];
    snprintf(text, sizeof(text), "%s: %.300s", what, err->text[0] ? err->text : "no answer");
    pthread_mutex_lock(&w->lock);
    bool news = strcmp(text, w->trouble) != 0;
    if (!w->trouble[0])
        w->trouble_since_ms = lt_mono_ms();
    snprintf(w->trouble, sizeof(w->trouble), "%s", text);
    pthread_mutex_unlock(&w->lock);
    if (news)
        lt_warn("core", "trouble", "worker %d: %s", w->number, text);
}

static void trouble_clear(struct lt_worker *w)
{
    pthread_mutex_lock(&w->lock);
    bool had = w->trouble[0];
    w->trouble[0] = '\0';
    pthread_mutex_unlock(&w->lock);
    if (had)
        lt_info("core", "trouble-over", "worker %d goes on", w->number);
}

/* ---- assignment ---- */

static void on_assign(void *ctx, int32_t partition)
{
    struct lt_worker *w = ctx;
    if (partition < 0 || partition >= w->partitions_len) {
        lt_error("core", "unknown-partition",
                 "partition %d was assigned, but intake had %d partitions when this worker started: it is left alone, "
                 "nothing of ours writes to it (lienthong status: TOPIC-DIVIDED)",
                 (int)partition, (int)w->partitions_len);
        return;
    }
    lt_partition_reset(&w->partitions[partition], LT_PARTITION_LOADING);
    w->loading = true;
}

static void on_revoke(void *ctx, int32_t partition, bool is_lost LT_UNUSED)
{
    struct lt_worker *w = ctx; /* lost or not: no transaction is open inside callbacks (rule 11) */
    if (partition < 0 || partition >= w->partitions_len)
        return;
    w->partitions[partition].started = false; /* the log unassigns what was started */
    lt_partition_reset(&w->partitions[partition], LT_PARTITION_ABSENT);
}

/* ---- opening ---- */

static bool open_log(struct lt_worker *w)
{
    const struct lt_config *c = w->settings->config;
    struct lt_log_settings s = {
        .props = c->kafka.props,
        .props_len = c->kafka.props_len,
        .group = LT_GROUP_CORE,
        .topic = LT_TOPIC_INTAKE,
        .instance_id = w->instance_id,
        .callbacks = {.ctx = w, .on_assign = on_assign, .on_revoke = on_revoke},
        .claim = &w->claim,
        .leaving = w->settings->leaving,
        .other_topic = LT_TOPIC_POSITION,
        .transaction_timeout_ms = TRANSACTION_TIMEOUT_MS,
        .record_max = (size_t)c->topics.record_max,
        .queue_bytes = (size_t)c->core.commit_bytes * 4,
    };
    struct lt_err err = LT_ERR_INIT;
    int r = w->settings->open_log(w->settings->ctx, &s, &w->log, &err);
    if (r == LT_LOG_TWIN) {
        w->log = NULL;
        twin(w, &err);
        return false;
    }
    if (r != LT_OK) {
        w->log = NULL;
        trouble_set(w, r == LT_E_NOT_FOUND ? "topic missing (run: lienthong topics create)" : "connecting to Kafka",
                    &err);
        return false;
    }
    int32_t n = 0;
    r = w->log->ops->partitions(w->log, LT_TOPIC_INTAKE, &n, &err);
    if (r != LT_LOG_OK || n <= 0) {
        trouble_set(w,
                    r == LT_LOG_PERMANENT ? "topic " LT_TOPIC_INTAKE " is missing (run: lienthong topics create)"
                                          : "asking for the partitions of " LT_TOPIC_INTAKE,
                    &err);
        w->log->ops->close(lt_steal(&w->log));
        return false;
    }
    if (w->partitions_len == 0 || n < w->partitions_len) { /* with one that grew it goes on as it began */
        pthread_mutex_lock(&w->lock);
        for (int32_t i = 0; i < w->partitions_len; i++)
            lt_partition_deinit(&w->partitions[i]);
        w->partitions = lt_realloc(w->partitions, (size_t)n * sizeof(*w->partitions));
        w->partitions_len = n;
        for (int32_t i = 0; i < n; i++)
            lt_partition_init(&w->partitions[i], i);
        pthread_mutex_unlock(&w->lock);
    }
    lt_rows_reset(&w->rows, w->partitions_len);
    w->env.log = w->log;
    w->outputs_known = false;
    atomic_store(&w->open, true);
    return true;
}

/* Once known a count only becomes smaller, however often the log is opened again: keys must not move because a topic
 * grew. */
static int count_partitions(struct lt_worker *w, const char *topic, int32_t *count, struct lt_err *err)
{
    int32_t n = 0;
    int r = w->log->ops->partitions(w->log, topic, &n, err);
    if (r == LT_LOG_OK && n > 0 && (*count == 0 || n < *count))
        *count = n;
    return r;
}

/* Partition counts of every output: the gateway computes partitions itself, and a missing topic is never auto-created
 * (protocol 4). */
static bool know_outputs(struct lt_worker *w)
{
    struct lt_err err = LT_ERR_INIT;
    const char *missing = NULL;
    int r = LT_LOG_OK;
    for (size_t i = 0; i < lt_routes_outputs(w->settings->routes) && !missing; i++) {
        r = count_partitions(w, w->outputs[i], &w->output_partitions[i], &err);
        if (r != LT_LOG_OK)
            missing = w->outputs[i];
    }
    int32_t positions = 0;
    struct {
        const char *topic;
        int32_t *ret;
    } fixed[] = {{LT_TOPIC_QUARANTINE, &w->env.quarantine_partitions},
                 {LT_TOPIC_DEADLETTER, &w->env.deadletter_partitions},
                 {LT_TOPIC_POSITION, &positions}};
    for (size_t i = 0; i < LT_ARRAY_LEN(fixed) && !missing; i++) {
        r = count_partitions(w, fixed[i].topic, fixed[i].ret, &err);
        if (r != LT_LOG_OK)
            missing = fixed[i].topic;
    }
    if (!missing)
        return w->outputs_known = true;
    for (int32_t i = 0; i < w->partitions_len; i++) {
        struct lt_partition *p = &w->partitions[i];
        if (p->state == LT_PARTITION_LOADING || p->state == LT_PARTITION_STOPPED)
            lt_partition_stop(p, r == LT_LOG_PERMANENT ? LT_STOP_TOPIC_MISSING : LT_STOP_WAITING, NULL, "topic %s: %s",
                              missing, err.text);
    }
    return false;
}

/* An output that went away may have been made again with fewer partitions. */
static void recount_output(struct lt_worker *w, const char *topic)
{
    struct lt_err err = LT_ERR_INIT;
    int32_t *count = strcmp(topic, LT_TOPIC_QUARANTINE) == 0   ? &w->env.quarantine_partitions
                     : strcmp(topic, LT_TOPIC_DEADLETTER) == 0 ? &w->env.deadletter_partitions
                                                               : NULL;
    for (size_t i = 0; i < lt_routes_outputs(w->settings->routes); i++)
        if (strcmp(w->outputs[i], topic) == 0)
            count = &w->output_partitions[i];
    if (count)
        (void)count_partitions(w, topic, count, &err); /* as before, where Kafka does not say */
}

/* ---- partitions ---- */

static bool load_due(const struct lt_partition *p)
{
    return p->state == LT_PARTITION_LOADING || (p->state == LT_PARTITION_STOPPED && lt_mono_ms() >= p->retry_at_ms);
}

/* The next one in turn whose load is due; NULL: none. */
static struct lt_partition *load_next(struct lt_worker *w, const struct lt_load *load)
{
    for (int32_t i = 0; i < w->partitions_len; i++) {
        struct lt_partition *p = &w->partitions[w->next_load++ % w->partitions_len];
        if (load_due(p)) {
            lt_partition_load(p, load);
            return p;
        }
    }
    return NULL;
}

/* Nothing can be loaded before the outputs are known. They are asked for when a load is due: an output that is missing
 * stops the partitions, and is looked for again when these are. */
static bool outputs_ready(struct lt_worker *w)
{
    bool due = false;
    for (int32_t i = 0; i < w->partitions_len && !w->outputs_known && !due; i++)
        due = load_due(&w->partitions[i]);
    return w->outputs_known || (due && know_outputs(w));
}

/*
 * A restart has all its partitions at once, and their files give them in no time: one after the other, with no batch in
 * between. A load that was long or ended in trouble is the last of its turn: the others must not wait for their
 * batches.
 */
static bool load_some(struct lt_worker *w, const struct lt_load *load)
{
    const struct lt_partition *p = NULL;
    int32_t n = 0;
    while (n < w->partitions_len && !ended(w) && (!p || lt_partition_loaded_little(p)) && (p = load_next(w, load)))
        n++;
    return n > 0;
}

/* Rule 10: batches only from partitions whose last judged record is still there. */
static void verify_anchors(struct lt_worker *w, const struct lt_load *load)
{
    for (int32_t i = 0; i < w->partitions_len && !ended(w); i++)
        if (w->partitions[i].state == LT_PARTITION_RUNNING)
            lt_partition_verify(&w->partitions[i], load);
}

static struct lt_load load_of(struct lt_worker *w)
{
    return (struct lt_load){
        .log = w->log,
        .stopping = &w->stopping,
        .pulse = &w->pulse,
        .window = &w->window,
        .intake_partitions = w->partitions_len,
        .incarnation = &w->incarnation,
        .index_bytes_max = (size_t)w->settings->config->core.index_memory / (size_t)w->partitions_len,
        .state_dir = w->settings->config->state_dir,
        .outputs = w->outputs,
        .outputs_len = lt_routes_outputs(w->settings->routes),
        .rows = &w->rows,
    };
}

/* As `lienthong core` asked: after a repair, or rebuild. */
static void look_asked(struct lt_worker *w)
{
    for (int32_t i = 0; i < w->partitions_len; i++) {
        struct lt_partition *p = &w->partitions[i];
        if (atomic_exchange(&p->look, false))
            p->retry_at_ms = 0;
        if (!atomic_exchange(&p->rebuild, false) || p->state == LT_PARTITION_ABSENT)
            continue;
        lt_info("core", "rebuild", "partition %d: the index is built again, as an operator asked", (int)i);
        lt_partition_reset(p, LT_PARTITION_LOADING);
        p->distrust = true;
    }
}

static void serve_partitions(struct lt_worker *w)
{
    look_asked(w);
    if (!outputs_ready(w)) {
        w->loading = false;
        return;
    }
    struct lt_load load = load_of(w);
    verify_anchors(w, &load);
    for (int32_t i = 0; i < w->partitions_len && !ended(w); i++) {
        struct lt_partition *p = &w->partitions[i];
        if (p->state != LT_PARTITION_RUNNING && p->started) {
            struct lt_err err = LT_ERR_INIT;
            p->started = false;
            if (w->log->ops->stop(w->log, i, &err) != LT_LOG_OK)
                lt_warn("core", "unassign", "the client still reads partition %d: %s; what it brings is passed over",
                        (int)i, err.text);
        }
    }
    w->loading = load_some(w, &load);
    lt_foreign_look(&w->foreign, w->log, w->partitions, w->partitions_len, &w->stopping);
}

/* ---- polling ---- */

/* "A record without log append time does not advance the clock (alarm)": the topic's setting is wrong. */
static void note_append_time(struct lt_partition *p, const struct lt_log_record *r)
{
    bool missing = r->append_ms < 0;
    if (missing == p->no_append_time)
        return;
    pthread_mutex_lock(&p->lock);
    p->no_append_time = missing;
    pthread_mutex_unlock(&p->lock);
    if (missing)
        lt_error("core", "no-append-time", "partition %d, offset %" PRId64 " of " LT_TOPIC_INTAKE ": %s",
                 (int)p->number, r->offset, lt_stop_cause(LT_STOP_NO_APPEND_TIME));
    else
        lt_info("core", "append-time-back", "partition %d has the broker's time again", (int)p->number);
}

/* Rule 9: below expected is dropped, above is a hole. false: a hole was met, judge what came before it. */
static bool take_record(struct lt_worker *w, struct lt_log_record *r)
{
    struct lt_partition *p =
        r->partition >= 0 && r->partition < w->partitions_len ? &w->partitions[r->partition] : NULL;
    bool running = p && p->state == LT_PARTITION_RUNNING;
    if (running && !p->hole && r->offset > p->next) {
        p->hole = !lt_accepted_covers(&p->accepted, p->next, r->offset);
        p->hole_to = r->offset;
        if (!p->hole)
            p->next = r->offset;
    }
    if (!running || p->hole || r->offset != p->next) {
        w->log->ops->record_free(w->log, r);
        return !(running && p->hole);
    }
    p->next++;
    note_append_time(p, r);
    lt_batch_add_take(&w->batch, r, p, w->settings->routes);
    return true;
}

/* false: nothing more now. */
static bool poll_once(struct lt_worker *w, int timeout_ms, struct lt_log_record **ret)
{
    struct lt_err err;
    lt_err_clear(&err);
    *ret = NULL;
    int r = w->log->ops->poll(w->log, timeout_ms, ret, &err);
    switch (r) {
    case LT_LOG_OK:
        w->polls_fail = false;
        return true;
    case LT_LOG_NONE:
        w->polls_fail = false;
        return false;
    case LT_LOG_PARTITION: {
        int32_t n = (*ret)->partition;
        w->log->ops->record_free(w->log, *ret);
        *ret = NULL;
        if (n >= 0 && n < w->partitions_len)
            lt_partition_fetch_failed(&w->partitions[n], err.text); /* serve_partitions unassigns it */
        return false;
    }
    case LT_LOG_TWIN:
        twin(w, &err);
        return false;
    default:
        w->broken |= r < 0;
        w->polls_fail = true;
        trouble_set(w, "polling", &err);
        if (r == LT_LOG_PERMANENT)
            pause_ms(w, 10 * backoff_min(w));
        return false;
    }
}

/* Rule 10: poll singly until count, bytes or linger. */
static void collect(struct lt_worker *w)
{
    const struct lt_config *c = w->settings->config;
    for (size_t i = 0; i < w->carry.len; i++)
        if (w->partitions[w->carry.v[i].record->partition].epoch == w->carry.v[i].epoch) /* of this assignment still */
            (void)take_record(w, w->carry.v[i].record);
        else
            w->log->ops->record_free(w->log, w->carry.v[i].record);
    w->carry.len = 0;
    int64_t until_ms = w->batch.items.len ? lt_mono_ms() + c->core.commit_linger_ms : 0;
    for (size_t polls = 1; !ended(w) && w->batch.items.len < (size_t)c->core.commit_records &&
                           w->batch.bytes < (size_t)c->core.commit_bytes;
         polls++) {
        struct lt_log_record *r;
        /* What is there already is taken beyond the linger too, up to a limit: with a backlog large transactions get
         * through it sooner than punctual ones. */
        if (w->batch.items.len && polls % LOOK_AT_CLOCK == 0 && lt_mono_ms() >= until_ms + BACKLOG_MS)
            return;
        if (!poll_once(w, 0, &r)) {
            int64_t wait_ms = w->batch.items.len ? until_ms - lt_mono_ms() : w->loading ? 0 : POLL_IDLE_MS;
            if (wait_ms <= 0 || ended(w))
                return;
            if (!poll_once(w, (int)wait_ms, &r)) {
                if (w->batch.items.len == 0)
                    return;
                continue;
            }
        }
        if (!take_record(w, r))
            return;
        if (w->batch.items.len == 1 && !until_ms)
            until_ms = lt_mono_ms() + c->core.commit_linger_ms;
    }
}

/* Rule 14: while a batch cannot be committed no more records are fetched than one for each poll that is under way. */
static void pause_fetching(struct lt_worker *w, bool paused)
{
    struct lt_err err = LT_ERR_INIT;
    for (int32_t i = 0; i < w->partitions_len; i++)
        if (w->partitions[i].started && w->partitions[i].paused != paused &&
            w->log->ops->pause(w->log, i, paused, &err) == LT_LOG_OK)
            w->partitions[i].paused = paused;
}

/* Rule 14: callbacks run, a record that comes is kept for the next batch; then only what is still ours stays. */
static void serve_polls(struct lt_worker *w)
{
    struct lt_log_record *r;
    pause_fetching(w, true);
    if (poll_once(w, 0, &r))
        *lt_vec_push(&w->carry) = (struct lt_carried){r, w->partitions[r->partition].epoch};
    lt_batch_prune(&w->batch, w->log);
}

/* ---- committing ---- */

/* Rule 16: a new producer with the same id. false: the worker must end. */
static bool renew(struct lt_worker *w)
{
    for (int64_t backoff = backoff_min(w); !ended(w); backoff = LT_MIN(backoff * 2, BACKOFF_MS_MAX)) {
        struct lt_err err = LT_ERR_INIT;
        int r = w->log->ops->renew(w->log, &err);
        if (r == LT_LOG_OK)
            return true;
        if (r == LT_LOG_TWIN) {
            twin(w, &err);
            return false;
        }
        trouble_set(w, "making a new producer", &err);
        if (r < 0) {
            w->broken = true;
            return false;
        }
        pause_ms(w, backoff);
        serve_polls(w);
    }
    return false;
}

/* What one transaction covers: what the group's offsets were before it and are after it, and under which membership. */
struct written {
    struct lt_log_membership *membership;
    const struct lt_batch_range *ranges; /* lent by plan */
    size_t ranges_len;
    struct lt_batch_plan *plan;
};

/* Rule 15: the outcome of a commit is unknown. Look, then decide: our end, done; our start, again; anything else, drop
 * the state. */
static void resolve(struct lt_worker *w, const struct written *t)
{
    bool same_member = w->log->ops->membership_same(w->log, t->membership);
    for (size_t i = 0; i < t->ranges_len; i++) {
        struct lt_partition *p = t->ranges[i].partition;
        if (p->epoch != t->ranges[i].epoch || p->state != LT_PARTITION_RUNNING)
            continue;
        struct lt_log_offset at;
        struct lt_err err = LT_ERR_INIT;
        int r = LT_LOG_RETRY;
        int64_t backoff = backoff_min(w);
        while (same_member && !ended(w) && p->epoch == t->ranges[i].epoch &&
               (r = w->log->ops->committed(w->log, p->number, TRANSACTION_TIMEOUT_MS, &at, &err)) != LT_LOG_OK) {
            trouble_set(w, "looking whether the transaction was committed", &err);
            if (r < 0)
                w->broken = true;
            pause_ms(w, backoff);
            backoff = LT_MIN(backoff * 2, BACKOFF_MS_MAX);
            serve_polls(w);
        }
        if (p->epoch != t->ranges[i].epoch)
            continue;
        if (r == LT_LOG_OK && at.offset == t->ranges[i].after &&
            strcmp(at.metadata, t->ranges[i].metadata_after) == 0) {
            lt_batch_settle(&w->batch, w->log, p, t->ranges[i].after);
        } else if (r == LT_LOG_OK && at.offset == t->ranges[i].before &&
                   strcmp(at.metadata, t->ranges[i].metadata_before) == 0) {
            continue; /* the same batch again */
        } else {
            lt_warn("core", "position-moved",
                    "partition %d: the committed position is neither before nor after this batch; loading again",
                    (int)p->number);
            lt_partition_reset(p, LT_PARTITION_LOADING);
        }
    }
    lt_batch_prune(&w->batch, w->log);
}

struct commit_attempt {
    size_t n; /* items of this transaction */
    int64_t backoff_ms, since_ms;
    bool alarmed;
};

/* Rule 15: a new producer, then look. One that was fenced by a twin cannot be renewed (rule 16). */
static void look(struct lt_worker *w, const struct written *t, const struct lt_err *err)
{
    lt_warn("core", "unknown-commit", "worker %d: %s; looking before deciding", w->number, err->text);
    if (!renew(w))
        return;
    serve_polls(w);
    resolve(w, t);
}

/* An abort may fail because the commit had succeeded after all: then nothing is written again before the positions were
 * read. */
static void abort_or_look(struct lt_worker *w, const struct written *t)
{
    struct lt_err err = LT_ERR_INIT;
    int r = w->log->ops->abort(w->log, &err);
    if (r < 0)
        w->broken = true;
    else if (r == LT_LOG_TWIN)
        twin(w, &err);
    else if (r != LT_LOG_OK)
        look(w, t, &err);
}

static void back_off(struct lt_worker *w, struct commit_attempt *a, const struct written *t, const struct lt_err *err)
{
    w->aborted++;
    trouble_set(w, "RETRYING a transaction", err);
    if (!a->alarmed && lt_mono_ms() - a->since_ms >= LT_WORKER_RETRYING_MS) {
        a->alarmed = true;
        lt_error("core", "retrying", "worker %d has not been able to commit for a minute: %s", w->number, err->text);
    }
    abort_or_look(w, t);
    pause_ms(w, a->backoff_ms);
    a->backoff_ms = LT_MIN(a->backoff_ms * 2, BACKOFF_MS_MAX);
    serve_polls(w);
}

/* Rule 14: only these errors are a record's fault; halve to it, then only the copy that does not fit goes elsewhere. */
static void too_large(struct lt_worker *w, struct commit_attempt *a, const struct written *t, int copy,
                      const struct lt_err *err)
{
    if (a->n == 1 && copy < 0) {
        back_off(w, a, t, err);
        return;
    }
    if (a->n > 1) {
        a->n /= 2;
    } else {
        const struct lt_log_record *r = w->batch.items.v[0].record;
        w->batch.copies.v[copy].undeliverable = true;
        lt_warn("core", "undeliverable",
                "record %d/%" PRId64 " does not fit %s: that copy goes to " LT_TOPIC_DEADLETTER, (int)r->partition,
                r->offset, err->source[0] ? err->source : "an output");
    }
    abort_or_look(w, t);
}

/* One transaction over the first a->n items. */
static void attempt(struct lt_worker *w, struct commit_attempt *a)
{
    struct lt_err err = LT_ERR_INIT;
    struct written t = {0};
    int r = w->log->ops->capture(w->log, &t.membership, &err); /* rule 11 */
    if (r != LT_LOG_OK) {
        if (r < 0)
            w->broken = true;
        trouble_set(w, "waiting for the group's membership", &err);
        pause_ms(w, backoff_min(w));
        serve_polls(w);
        return;
    }
    size_t n = LT_MIN(a->n, w->batch.items.len);
    t.plan = lt_batch_plan_new(&w->batch, w->log, n);
    t.ranges = lt_batch_plan_ranges(t.plan, &t.ranges_len);
    int copy;
    r = lt_batch_write(&w->batch, &w->env, t.membership, t.plan, &copy, &err);
    switch (r) {
    case LT_LOG_OK:
        lt_batch_apply(&w->batch, w->log, t.plan);
        w->batches++;
        w->records += n;
        a->n = w->batch.items.len;
        a->backoff_ms = backoff_min(w);
        a->since_ms = lt_mono_ms();
        a->alarmed = false;
        trouble_clear(w);
        break;
    case LT_LOG_TOO_LARGE:
        a->n = n;
        too_large(w, a, &t, copy, &err);
        break;
    case LT_LOG_TWIN:
        twin(w, &err);
        break;
    case LT_LOG_FENCED: /* what became of the transaction is unknown as well */
    case LT_LOG_UNKNOWN:
        look(w, &t, &err);
        break;
    default:
        back_off(w, a, &t, &err);
        if (r == LT_LOG_PERMANENT && err.code == LT_E_NOT_FOUND && !ended(w))
            recount_output(w, err.source);
    }
    lt_batch_plan_free(t.plan);
    w->log->ops->membership_free(w->log, t.membership);
}

static void commit_batch(struct lt_worker *w)
{
    struct lt_load load = load_of(w);
    verify_anchors(w, &load); /* a broker may have been lost while the batch was collected */
    lt_batch_prune(&w->batch, w->log);
    lt_batch_judge(&w->batch, &w->env);
    struct commit_attempt a = {.n = w->batch.items.len, .backoff_ms = backoff_min(w), .since_ms = lt_mono_ms()};
    while (w->batch.items.len > 0 && !ended(w)) {
        a.n = LT_MAX(LT_MIN(a.n, w->batch.items.len), 1);
        attempt(w, &a);
    }
    if (!ended(w))
        pause_fetching(w, false);
    lt_batch_reset(&w->batch, w->log);
}

/* ---- the loop ---- */

/* Shown in status; readiness asks whether somebody owns every partition. */
static void note_share(struct lt_worker *w)
{
    struct lt_log_share s;
    if (!w->log || !w->log->ops->share(w->log, &s))
        return;
    pthread_mutex_lock(&w->lock);
    w->share = s;
    w->share_known = true;
    pthread_mutex_unlock(&w->lock);
}

/* What came before a hole has been judged; then its partition stops. */
static void stop_holes(struct lt_worker *w)
{
    for (int32_t i = 0; i < w->partitions_len; i++) {
        struct lt_partition *p = &w->partitions[i];
        if (p->state == LT_PARTITION_RUNNING && p->hole)
            lt_partition_stop_hole(p, p->next, p->hole_to);
        p->hole = false;
    }
}

void lt_worker_turn(struct lt_worker *w)
{
    lt_pulse_beat(&w->pulse);
    if (w->broken)
        lt_worker_close(w);
    if (!w->log && !open_log(w)) {
        pause_ms(w, 10 * backoff_min(w));
        return;
    }
    serve_partitions(w);
    collect(w);
    if (w->batch.items.len > 0)
        commit_batch(w);
    else if (!w->polls_fail && !w->broken)
        trouble_clear(w);
    stop_holes(w);
    note_share(w);
}

void lt_worker_close(struct lt_worker *w)
{
    w->broken = false;
    atomic_store(&w->open, false);
    pthread_mutex_lock(&w->lock);
    w->share_known = false;
    pthread_mutex_unlock(&w->lock);
    if (!w->log)
        return;
    lt_batch_reset(&w->batch, w->log);
    for (size_t i = 0; i < w->carry.len; i++)
        w->log->ops->record_free(w->log, w->carry.v[i].record);
    w->carry.len = 0;
    w->log->ops->close(lt_steal(&w->log));
    lt_rows_reset(&w->rows, 0);
    for (int32_t i = 0; i < w->partitions_len; i++)
        lt_partition_reset(&w->partitions[i], LT_PARTITION_ABSENT);
}

static void *worker_main(void *ctx)
{
    struct lt_worker *w = ctx;
    while (!atomic_load(&w->stopping))
        lt_worker_turn(w);
    lt_worker_close(w);
    return NULL;
}

void lt_worker_init(struct lt_worker *w, const struct lt_core_settings *s, int number)
{
    const struct lt_config *c = s->config;
    *w = (struct lt_worker){.settings = s, .number = number, .window = lt_window_of(c->window_ms)};
    snprintf(w->instance_id, sizeof(w->instance_id), LT_GROUP_CORE ".%s.%d", c->instance, number);
    size_t n = lt_routes_outputs(s->routes);
    w->outputs = lt_calloc(n, sizeof(*w->outputs));
    w->output_partitions = lt_calloc(n, sizeof(*w->output_partitions));
    for (size_t i = 0; i < n; i++)
        w->outputs[i] = lt_routes_output(s->routes, i);
    w->env = (struct lt_batch_env){
        .routes = s->routes,
        .instance = c->instance,
        .address = c->ingest.advertise,
        .output_partitions = w->output_partitions,
        .record_max = (size_t)c->topics.record_max,
    };
    pthread_mutex_init(&w->lock, NULL);
    lt_mono_cond_init(&w->wake);
    lt_pulse_beat(&w->pulse);
}

int lt_worker_start(struct lt_worker *w, struct lt_err *err)
{
    if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
        return lt_err_set(err, LT_E_IO, "thread", "cannot start a worker thread of the core: %s", strerror(errno));
    w->running = true;
    return LT_OK;
}

void lt_worker_ask_stop(struct lt_worker *w)
{
    atomic_store(&w->stopping, true);
    pthread_mutex_lock(&w->lock);
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void lt_worker_stop(struct lt_worker *w)
{
    lt_worker_ask_stop(w);
    if (w->running)
        pthread_join(w->thread, NULL);
    w->running = false;
}

void lt_worker_deinit(struct lt_worker *w)
{
    for (int32_t i = 0; i < w->partitions_len; i++)
        lt_partition_deinit(&w->partitions[i]);
    free(w->partitions);
    free(w->outputs);
    free(w->output_partitions);
    lt_vec_deinit(&w->batch.items);
    lt_vec_deinit(&w->batch.copies);
    lt_vec_deinit(&w->carry);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
}
