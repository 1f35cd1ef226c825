/* Rules 2-9: from an assignment to a partition that may decide, or a stop that says why not. */
#include "gateway/core/loading.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/codec/json.h"
#include "gateway/model/event.h"

#include <inttypes.h>
#include <stdio.h>

#define COMMITTED_TIMEOUT_MS 2000
#define LOG_SHORT_MS 60000
#define OFFSETS_LOST_MS 20000
#define LITTLE_RECORDS 20000   /* read from the log */
#define LITTLE_ENTRIES 1000000 /* from files: a tenth of a second */

/* The dependency did not answer: try again soon. What was seen before is not known to have stayed so. */
void lt_loading_wait(struct lt_loading *l, const char *what, const struct lt_err *err)
{
    if (lt_loading_lost(l))
        return;
    l->p->lost_since_ms = 0;
    lt_partition_stop(l->p, LT_STOP_WAITING, NULL, "%s: %s", what, err->text[0] ? err->text : "no answer");
}

/*
 * A broker that was killed and started again may answer as if nothing had been committed, or only what was committed
 * long ago: for some seconds, or until it is started once more (docs/decisions/0015-a-group-that-goes-back.md).
 * Believed only when it stays so.
 */
static void offsets_lost(struct lt_loading *l, const char *what)
{
    int64_t now = lt_mono_ms(), since = l->p->lost_since_ms ? l->p->lost_since_ms : now;
    l->p->lost_since_ms = since;
    bool believed = now - since >= OFFSETS_LOST_MS;
    lt_partition_stop(l->p, believed ? LT_STOP_OFFSETS_LOST : LT_STOP_WAITING, NULL, "%s; %s", what,
                      believed ? LT_TOPIC_POSITION " holds the last position"
                               : "waiting whether a broker that has just started tells of it");
}

/* As lt.position says it, whatever the log was called then; -1: it says nothing. */
static int64_t kept_offset(const struct lt_loading *l)
{
    static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    LT_AUTO_JSON struct lt_json *j = NULL;
    struct lt_span row = lt_rows_position(l->load->rows, l->p->number);
    int64_t offset;
    bool is = row.len && lt_json_parse(row, &limits, &j, NULL) == LT_OK &&
              lt_json_int(lt_json_get(lt_json_root(j), "offset"), &offset);
    return is ? offset : -1;
}

/*
 * An empty partition without a position is a first beginning only if lt.position knows nothing else. With the topic its
 * offsets were deleted; begun anew, it would forget every identity and what was never judged, and nobody would know.
 */
static bool lived_before(struct lt_loading *l)
{
    struct lt_err err = LT_ERR_INIT;
    if (lt_rows_read(l->load->rows, l->load->log, &err) != LT_LOG_OK) {
        lt_loading_wait(l, "reading the positions in " LT_TOPIC_POSITION, &err);
        return true;
    }
    int64_t offset = kept_offset(l);
    if (lt_loading_lost(l) || offset <= 0)
        return lt_loading_lost(l);
    char what[200];
    snprintf(what, sizeof(what),
             LT_TOPIC_INTAKE " is empty and group " LT_GROUP_CORE " has no position, but %" PRId64
                             " records had been judged: the topic was made again",
             offset);
    offsets_lost(l, what);
    return true;
}

/* Rules 2 and 3. */
static bool read_position(struct lt_loading *l)
{
    struct lt_log *log = l->load->log;
    struct lt_log_offset at;
    struct lt_err err = LT_ERR_INIT;
    int r = log->ops->committed(log, l->p->number, COMMITTED_TIMEOUT_MS, &at, &err);
    if (lt_loading_lost(l))
        return false;
    if (r != LT_LOG_OK) {
        lt_loading_wait(
            l, "reading the committed offset (an unfinished transaction of the former owner may hold it back)", &err);
        return false;
    }
    r = log->ops->watermarks(log, NULL, l->p->number, &l->low, &l->high, &err);
    if (r != LT_LOG_OK) {
        lt_loading_wait(l, "reading the ends of the log", &err);
        return false;
    }
    if (at.offset < 0 && l->high == 0) {
        if (lived_before(l))
            return false;
        lt_partition_stop(l->p, LT_STOP_NOT_INITIALISED, NULL,
                          "group " LT_GROUP_CORE " has no position on " LT_TOPIC_INTAKE " yet");
        return false;
    }
    if (at.offset < 0) {
        char what[160];
        snprintf(what, sizeof(what),
                 "the committed offset of group " LT_GROUP_CORE " is gone while " LT_TOPIC_INTAKE " holds %" PRId64
                 " records",
                 l->high - l->low);
        offsets_lost(l, what);
        return false;
    }
    if (at.metadata[0] == '\0') {
        lt_partition_stop(
            l->p, LT_STOP_MOVED, NULL,
            "offset %" PRId64 " of group " LT_GROUP_CORE
            " was set by another tool: its metadata, the proof of the position, is empty; " LT_TOPIC_POSITION
            " holds the last position",
            at.offset);
        return false;
    }
    l->committed = at.offset;
    r = lt_position_parse(lt_span_str(at.metadata), &l->position, &err);
    if (r == LT_POSITION_OTHER_FORMAT)
        lt_err_set(&err, LT_E_INVALID, "other-format", "its metadata has the format of another version of the gateway");
    if (r != LT_OK) {
        lt_partition_stop(l->p, LT_STOP_MOVED, NULL, "offset %" PRId64 " of group " LT_GROUP_CORE ": %s", at.offset,
                          err.text);
        return false;
    }
    l->window = l->position.window;
    const struct lt_window *configured = l->load->window;
    /* Rule 8: build under the new window, or by the new keys; no comparison this once. */
    l->fresh = l->position.old_sum || configured->generation_ms != l->window.generation_ms ||
               configured->generations != l->window.generations;
    l->window = *configured;
    return true;
}

/* The way out where the log itself is another one: look first what it would do. */
static const char *relog_command(const struct lt_partition *p, char out[LT_STOP_COMMAND_MAX])
{
    snprintf(out, LT_STOP_COMMAND_MAX, "lienthong core position --relog --partition %" PRId32 " --dry-run", p->number);
    return out;
}

static bool check_incarnation(struct lt_loading *l)
{
    if (*l->load->incarnation == 0)
        *l->load->incarnation = l->position.incarnation;
    if (l->position.incarnation != *l->load->incarnation) {
        lt_partition_stop(l->p, LT_STOP_INTAKE_CHANGED, NULL,
                          "the position belongs to incarnation %016" PRIx64 " of " LT_TOPIC_INTAKE
                          ", this gateway works on %016" PRIx64 ": the topic was made anew, bring the old one back",
                          l->position.incarnation, *l->load->incarnation);
        return false;
    }
    if (l->position.partitions != l->load->intake_partitions) {
        lt_partition_stop(l->p, LT_STOP_INTAKE_CHANGED, NULL,
                          LT_TOPIC_INTAKE " has %" PRId32 " partitions, the position was written for %" PRId32
                                          ": keys have moved to other partitions and their past cannot be found",
                          l->load->intake_partitions, l->position.partitions);
        return false;
    }
    return true;
}

/* Rules 6 and 7 as far as the ends of the log tell. */
static bool check_ends(struct lt_loading *l)
{
    l->next = l->committed;
    if (l->low > l->committed && lt_accepted_covers(&l->p->accepted, l->committed, l->low)) {
        l->next = l->low;
    } else if (l->low > l->committed) {
        char command[LT_STOP_COMMAND_MAX];
        snprintf(command, sizeof(command),
                 "lienthong core accept-hole --partition %" PRId32 " --from %" PRId64 " --to %" PRId64, l->p->number,
                 l->committed, l->low);
        lt_partition_stop(l->p, LT_STOP_UNJUDGED_DELETED, command,
                          "%" PRId64 " records were deleted by retention before they were judged (committed %" PRId64
                          ", log starts at %" PRId64 ")",
                          l->low - l->committed, l->committed, l->low);
        return false;
    }
    if (l->high < l->committed) {
        char relog[LT_STOP_COMMAND_MAX];
        int64_t now = lt_mono_ms(), since = l->p->short_since_ms ? l->p->short_since_ms : now;
        if (now - since < LOG_SHORT_MS)
            lt_partition_stop(l->p, LT_STOP_WAITING, NULL,
                              "the log ends at %" PRId64 ", below the committed offset %" PRId64
                              "; waiting for a replica that has it",
                              l->high, l->committed);
        else
            lt_partition_stop(l->p, LT_STOP_INTAKE_CHANGED, relog_command(l->p, relog),
                              "the log ends at %" PRId64 ", below the committed offset %" PRId64
                              ": it lost acknowledged records or was made anew",
                              l->high, l->committed);
        l->p->short_since_ms = since;
        return false;
    }
    l->p->short_since_ms = 0;
    return true;
}

struct one_record {
    const struct lt_window *window;
    bool found;
    uint64_t anchor, generation;
    int64_t clock_ms;
};

static int take_one(void *ctx, const struct lt_log_record *r)
{
    struct one_record *one = ctx;
    one->found = true;
    one->anchor = lt_position_anchor(r);
    one->clock_ms = lt_position_clock(0, r);
    one->generation = lt_generation_of(one->window, one->clock_ms);
    return 1;
}

/* Stops again at every try, so that the next one has its time. */
static void wait_for_record(struct lt_loading *l)
{
    if (!lt_loading_lost(l))
        lt_partition_stop(l->p, LT_STOP_WAITING, NULL,
                          "the log before offset %" PRId64
                          " is gone; whether its last records have expired shows with the next record",
                          l->committed);
}

/*
 * clock* of rule 7: the metadata's clock, and if that is not enough the clock of the record at committed. Answers
 * whether generation g is more than K + 1 generations older than clock*; false with the partition stopped as
 * WAITING when there is no such record yet.
 */
static bool is_expired(struct lt_loading *l, uint64_t g, bool *ret_undecided)
{
    *ret_undecided = false;
    uint64_t keep = (uint64_t)l->window.generations + 1;
    if (lt_generation_of(&l->window, l->position.clock_ms) > g + keep)
        return true;
    if (l->high <= l->next) {
        wait_for_record(l); /* nothing to decide until one comes */
        *ret_undecided = true;
        return false;
    }
    struct one_record next = {.window = &l->window};
    struct lt_err err = LT_ERR_INIT;
    int64_t stable = 0;
    /* It may be there and be held back by a transaction of somebody else: then a read would only wait for it. */
    int r = l->load->log->ops->stable_end(l->load->log, l->p->number, &stable, &err);
    if (r == LT_LOG_OK && stable <= l->next && !lt_loading_lost(l)) {
        wait_for_record(l);
        *ret_undecided = true;
        return false;
    }
    /* The first record there is: the offset itself may be a hole that was accepted. */
    if (r == LT_LOG_OK)
        r = l->load->log->ops->scan(l->load->log, NULL, l->p->number, l->next, l->high, take_one, &next, &err);
    if (lt_loading_lost(l) || r != LT_LOG_OK || !next.found) {
        lt_loading_wait(l, "reading the record at the committed offset", &err);
        *ret_undecided = true;
        return false;
    }
    l->next_clock_ms = next.clock_ms;
    l->outlived = next.generation > g + keep;
    return l->outlived;
}

/*
 * The index is the committed one, entry for entry: whatever the log has lost before `from` was dead or sent again since
 * (docs/decisions/0005-the-sum-proves-the-head.md). Under another window there is nothing to compare with.
 */
static bool sum_agrees(struct lt_loading *l)
{
    lt_index_advance(l->index, lt_generation_of(&l->window, l->position.clock_ms));
    return !l->fresh && lt_index_sum(l->index) == l->position.sum;
}

/* An operator decided to go on with exactly this index at exactly this offset. */
static bool index_accepted(struct lt_loading *l)
{
    const struct lt_accepted *a = &l->p->accepted;
    if (l->accepted)
        return true;
    if (!a->index || a->index_offset != l->committed || a->index_sum != lt_index_sum(l->index))
        return false;
    lt_warn("core", "index-accepted", "partition %d goes on with the index the log gives, as an operator decided",
            (int)l->p->number);
    return l->accepted = true;
}

static const char *accept_command(const struct lt_loading *l, char out[LT_STOP_COMMAND_MAX])
{
    snprintf(out, LT_STOP_COMMAND_MAX,
             "lienthong core accept-index --partition %" PRId32 " --offset %" PRId64 " --sum %016" PRIx64, l->p->number,
             l->committed, lt_index_sum(l->index));
    return out;
}

/*
 * Nothing proves that what the log has lost before its start is dead. Often it is: a partition that was quiet for
 * longer than retention exceeds the window looks like this, and only a person can know that nothing but retention
 * deleted (docs/decisions/0011-a-truncated-log-that-is-accepted.md). So the text has the times.
 */
static void stop_truncated(const struct lt_loading *l)
{
    char command[LT_STOP_COMMAND_MAX], first[30] = "", back[30];
    int64_t window_ms = (int64_t)l->window.generations * l->window.generation_ms;
    lt_time_rfc3339(LT_MAX(LT_MAX(l->position.clock_ms, l->next_clock_ms) - window_ms, 0), back);
    if (l->first_ms >= 0)
        lt_time_rfc3339(l->first_ms, first);
    lt_partition_stop(l->p, LT_STOP_TRUNCATED, accept_command(l, command),
                      "the log starts at offset %" PRId64
                      "%s%s, the window reaches back to %s: what was sent between is "
                      "unknown, and if it is sent again it passes as new",
                      l->low, first[0] ? " of " : "", first, back);
}

/* Rule 7: nothing that is still live lies before the place where the read started, and the log is the one the position
 * was written for. */
static bool prove_head(struct lt_loading *l)
{
    bool undecided;
    if (l->committed == 0)
        return true;
    if (l->committed - 1 >= l->low) {
        if (l->last_anchor != l->position.anchor) {
            char relog[LT_STOP_COMMAND_MAX];
            lt_partition_stop(l->p, LT_STOP_INTAKE_CHANGED, relog_command(l->p, relog),
                              "the record at offset %" PRId64
                              " is not the one the position was written for: " LT_TOPIC_INTAKE
                              " was restored or made anew",
                              l->committed - 1);
            return false;
        }
        /* Where the record that set the committed clock was not read, what lies before may be as young as that clock.
         */
        bool clock_read = l->clock_ms == l->position.clock_ms;
        uint64_t youngest = clock_read ? l->first_generation : lt_generation_of(&l->window, l->position.clock_ms);
        if ((l->head_proved && (clock_read || l->low == 0)) || sum_agrees(l) || is_expired(l, youngest, &undecided))
            return true;
        if (undecided)
            return false;
    } else {
        /* A quiet partition whose whole log has expired is a normal case. */
        if (is_expired(l, lt_generation_of(&l->window, l->position.clock_ms), &undecided))
            return true;
        if (undecided)
            return false;
    }
    lt_index_advance(l->index, lt_generation_of(&l->window, l->position.clock_ms));
    if (index_accepted(l))
        return true;
    stop_truncated(l);
    return false;
}

static void take_decisions(struct lt_loading *l, struct lt_span decision)
{
    struct lt_err err = LT_ERR_INIT;
    if (!decision.len)
        return;
    int result = lt_accepted_parse(decision, l->position.incarnation, &l->p->accepted, &err);
    if (result < 0 && result != LT_E_NOT_FOUND)
        lt_warn("core", "bad-decision",
                "partition %d: what an operator accepted cannot be read (%s) and counts as not accepted",
                (int)l->p->number, err.text);
}

/* The counter of an output that has no route any more goes on where it stood when the route comes back. */
static void keep_former(struct lt_loading *l, struct lt_span topic, uint64_t n)
{
    struct lt_partition *p = l->p;
    if (n == 0)
        return;
    if (p->former_len == LT_PARTITION_FORMER_MAX) {
        lt_warn("core", "former-output",
                "partition %d: the counter of " LT_SPAN_FMT " (%" PRIu64
                " copies) is given up: more than %d outputs have lost their routes",
                (int)p->number, LT_SPAN_ARG(topic), n, LT_PARTITION_FORMER_MAX);
        return;
    }
    p->former[p->former_len++] = (struct lt_former){lt_strndup(topic.ptr, topic.len), n};
}

static void take_counters(struct lt_loading *l, lt_json_value outputs)
{
    for (size_t i = 0; i < lt_json_len(outputs); i++) {
        struct lt_span topic;
        int64_t n = 0;
        size_t o = 0;
        if (!lt_json_int(lt_json_member_at(outputs, i, &topic), &n) || n < 0)
            continue;
        while (o < l->load->outputs_len && !lt_span_is(topic, l->load->outputs[o]))
            o++;
        if (o < l->load->outputs_len)
            l->p->routed[o] = (uint64_t)n;
        else
            keep_former(l, topic, (uint64_t)n);
    }
}

/*
 * Each transaction writes the position twice, to the group and to lt.position: a group that tells of an older one than
 * lt.position is not to be believed, whatever its metadata prove. Decided from there, all that came since would be
 * routed again.
 */
static bool went_back(struct lt_loading *l, lt_json_value row)
{
    struct lt_position kept;
    struct lt_span metadata;
    int64_t offset;
    if (!lt_json_int(lt_json_get(row, "offset"), &offset) || !lt_json_string(lt_json_get(row, "metadata"), &metadata) ||
        lt_position_parse(metadata, &kept, NULL) != LT_OK || kept.incarnation != l->position.incarnation ||
        offset <= l->committed)
        return false;
    char what[200];
    snprintf(what, sizeof(what),
             "group " LT_GROUP_CORE " tells of offset %" PRId64 ", but the last transaction committed %" PRId64,
             l->committed, offset);
    offsets_lost(l, what);
    return true;
}

/* The per-output counters stand in lt.position beside the position (protocol 5), and so does what an operator accepted.
 */
static bool read_rows(struct lt_loading *l)
{
    struct lt_partition *p = l->p;
    const struct lt_load *load = l->load;
    struct lt_err err = LT_ERR_INIT;
    int r = lt_rows_read(load->rows, load->log, &err);
    if (lt_loading_lost(l))
        return false;
    if (r != LT_LOG_OK) {
        lt_loading_wait(l, "reading the counters in " LT_TOPIC_POSITION, &err);
        return false;
    }
    lt_partition_forget_counters(p);
    p->routed_len = load->outputs_len;
    p->routed = lt_calloc(LT_MAX(p->routed_len, 1), sizeof(*p->routed));
    p->accepted = (struct lt_accepted){0};
    take_decisions(l, lt_rows_decision(load->rows, p->number));
    static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    LT_AUTO_JSON struct lt_json *j = NULL;
    struct lt_span row = lt_rows_position(load->rows, p->number);
    if (row.len && lt_json_parse(row, &limits, &j, NULL) == LT_OK) {
        if (went_back(l, lt_json_root(j)))
            return false;
        take_counters(l, lt_json_get(lt_json_root(j), "outputs"));
    }
    p->lost_since_ms = 0;
    return true;
}

/*
 * Rule 8. The committed sum counts what was live at the committed clock. Where retention has deleted some of that, and
 * the next record's clock shows that it has expired since, no sum can be rebuilt; the head's proof stands alone
 * (docs/decisions/0001-sum-after-expiry.md).
 */
static bool prove_sum(struct lt_loading *l)
{
    if (sum_agrees(l) || l->fresh || l->outlived)
        return true;
    if (index_accepted(l))
        return true;
    char command[LT_STOP_COMMAND_MAX];
    lt_partition_stop(l->p, LT_STOP_INDEX_DIFFERS, accept_command(l, command),
                      "the index built from the log has sum %016" PRIx64 ", the position says %016" PRIx64
                      ": the log was changed behind the gateway, or this is a bug; nothing is decided",
                      lt_index_sum(l->index), l->position.sum);
    return false;
}

/* With the partition's lock held. */
static void note_files(const struct lt_loading *l)
{
    struct lt_partition *p = l->p;
    p->files_state = !l->load->state_dir ? LT_FILES_OFF : p->files ? LT_FILES_IN_USE : LT_FILES_WITHOUT;
    snprintf(p->files_why, sizeof(p->files_why), "%s", l->files_why);
    snprintf(p->files_passed_over, sizeof(p->files_passed_over), "%s", l->passed_over);
    p->files_records = l->files_records;
    lt_partition_note_files(p);
}

static void run(struct lt_loading *l)
{
    struct lt_partition *p = l->p;
    if (l->fresh) {
        l->position.window = l->window;
        l->position.clock_ms = LT_MAX(l->position.clock_ms, l->clock_ms);
        l->position.sum = lt_index_sum(l->index);
        l->position.old_sum = false;
        if (l->committed - 1 >= l->from)
            l->position.anchor = l->last_anchor;
    }
    struct lt_err err = LT_ERR_INIT;
    int r = l->load->log->ops->start(l->load->log, p->number, l->next, &err); /* rule 9 */
    if (r != LT_LOG_OK) {
        lt_loading_wait(l, "starting to fetch", &err);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->started = true;
    p->paused = false;
    p->index = lt_steal(&l->index);
    p->position = l->position;
    p->offset = l->committed;
    p->next = l->next;
    p->clock_ms = l->position.clock_ms;
    p->disturbances = l->disturbances;
    p->stop = LT_STOP_NONE;
    p->state = LT_PARTITION_RUNNING;
    p->distrust = false;
    note_files(l);
    pthread_mutex_unlock(&p->lock);
    lt_info("core", "partition-running",
            "partition %d from offset %" PRId64 ", %zu live entries from %" PRIu64 " records in %" PRIu64 " ms",
            (int)p->number, p->offset, lt_index_live(p->index), p->loaded_records, p->load_ms);
}

/* Rule 8: an index that files helped to build and that does not agree is built from the log alone, once. */
static bool agrees_or_anew(struct lt_loading *l)
{
    if (!l->from_files || sum_agrees(l))
        return true;
    lt_warn("core", "index-files", "partition %d: local index files do not give the committed sum; reading the log",
            (int)l->p->number);
    snprintf(l->passed_over, sizeof(l->passed_over), "they do not give the committed sum");
    if (l->p->files)
        lt_files_discard(l->p->files);
    l->no_files = true;
    return lt_loading_build(l);
}

void lt_partition_load(struct lt_partition *p, const struct lt_load *load)
{
    /* What is lost while it loads is looked for before the first batch (rule 10). */
    struct lt_loading l = {.p = p,
                           .load = load,
                           .epoch = p->epoch,
                           .disturbances = load->log->ops->disturbances(load->log),
                           .no_files = p->distrust};
    int64_t begun = lt_mono_ms();
    if (read_position(&l) && check_incarnation(&l) && read_rows(&l) && check_ends(&l) && lt_loading_build(&l) &&
        agrees_or_anew(&l)) {
        p->loaded_records = (uint64_t)(l.committed - l.from);
        p->load_ms = (uint64_t)(lt_mono_ms() - begun);
        if (prove_head(&l) && prove_sum(&l) && !lt_loading_lost(&l))
            run(&l);
    }
    lt_index_free(l.index);
}

bool lt_partition_loaded_little(const struct lt_partition *p)
{
    return p->state == LT_PARTITION_RUNNING && p->loaded_records < LITTLE_RECORDS &&
           lt_index_live(p->index) < LITTLE_ENTRIES;
}

void lt_partition_verify(struct lt_partition *p, const struct lt_load *load)
{
    uint64_t now = load->log->ops->disturbances(load->log);
    if (now == p->disturbances || p->position.anchor == 0)
        return;
    struct lt_window w = p->position.window;
    struct one_record last = {.window = &w};
    struct lt_err err = LT_ERR_INIT;
    uint64_t epoch = p->epoch;
    int r = load->log->ops->scan(load->log, NULL, p->number, p->offset - 1, p->offset, take_one, &last, &err);
    if (p->epoch != epoch)
        return;
    int64_t low = 0, high = 0;
    /* Expired while the broker was away: the head has moved past it. Above the end it would be absent too: then records
     * were lost. */
    if (r == LT_LOG_ABSENT && load->log->ops->watermarks(load->log, NULL, p->number, &low, &high, &err) == LT_LOG_OK &&
        low >= p->offset && high >= p->offset) {
        p->disturbances = now;
        return;
    }
    if (r != LT_LOG_OK || !last.found) {
        lt_partition_stop(p, LT_STOP_WAITING, NULL,
                          "after a broker was lost, the last judged record cannot be read: %s", err.text);
        return;
    }
    if (last.anchor != p->position.anchor) {
        char relog[LT_STOP_COMMAND_MAX];
        lt_partition_stop(p, LT_STOP_INTAKE_CHANGED, relog_command(p, relog),
                          "after a broker was lost, the record at offset %" PRId64
                          " is not the one that was judged: acknowledged records were lost",
                          p->offset - 1);
        return;
    }
    p->disturbances = now;
}
