/*
 * Rules 5 to 7: the index of a partition from its local files and its log.
 *
 * Records are judged in runs, so that the look-ups do not wait for memory one after the other.
 */
#include "gateway/base/log.h"
#include "gateway/core/loading.h"
#include "gateway/model/event.h"

#include <inttypes.h>
#include <stdio.h>

#define RUN 256

struct build {
    struct lt_loading *l;
    struct lt_index_record run[RUN]; /* in offset order */
    size_t run_len;
    int64_t expected; /* offset of the next record */
    int64_t hole_at;  /* -1: none */
    int64_t hole_to;
    bool any, failed;
    struct lt_err err;
};

/* Where to start reading, and whether the place itself proves that nothing live lies before it. */
static bool choose_start(struct lt_loading *l)
{
    l->from = 0;
    int64_t back_ms = ((int64_t)l->window.generations + 2) * l->window.generation_ms;
    if (l->position.clock_ms > back_ms) {
        struct lt_err err = LT_ERR_INIT;
        int r =
            l->load->log->ops->offset_at(l->load->log, l->p->number, l->position.clock_ms - back_ms, &l->from, &err);
        if (lt_loading_lost(l))
            return false;
        if (r != LT_LOG_OK) {
            lt_loading_wait(l, "finding the start of the window in the log", &err);
            return false;
        }
    }
    l->head_proved = l->from > l->low || l->low == 0;
    if (l->committed > 0)
        l->from = LT_MIN(l->from, l->committed - 1); /* the anchor is always read */
    l->from = LT_MIN(LT_MAX(l->from, l->low), l->committed);
    return true;
}

static bool judge_run(struct build *b)
{
    struct lt_finding ignored[RUN];
    if (lt_index_judge_run(b->l->index, b->run, b->run_len, ignored, &b->err) < 0)
        return false;
    b->run_len = 0;
    lt_pulse_beat(b->l->load->pulse);
    return true;
}

static int take_record(void *ctx, const struct lt_log_record *r)
{
    struct build *b = ctx;
    struct lt_loading *l = b->l;
    if (atomic_load(l->load->stopping) || lt_loading_lost(l))
        return 1;
    if (r->offset != b->expected && !lt_accepted_covers(&l->p->accepted, b->expected, r->offset)) {
        b->hole_at = b->expected;
        b->hole_to = r->offset;
        return 1;
    }
    b->expected = r->offset + 1;
    struct lt_event e;
    struct lt_event_marks marks;
    bool is_event = lt_event_read_marks(r->key, &r->headers, r->value, &e, &marks, NULL) == LT_OK;
    l->clock_ms = LT_MAX(l->clock_ms, lt_position_time_of(r->append_ms, marks.time));
    struct lt_index_record *t = &b->run[b->run_len++];
    *t = (struct lt_index_record){.offset = r->offset, .generation = lt_generation_of(&l->window, l->clock_ms)};
    if (!b->any)
        l->first_ms = r->append_ms;
    if (!b->any) /* not its own clock: a sender's clock that was slow would make what lies before it look older */
        l->first_generation = lt_generation_of(
            &l->window, r->append_ms < 0 ? l->position.clock_ms : LT_MIN(r->append_ms, l->position.clock_ms));
    b->any = true;
    if (r->offset == l->committed - 1)
        l->last_anchor = lt_position_anchor(r);
    bool valid = is_event && lt_index_key_of(e.id, e.digest, e.digest_v, marks.replay, &t->key);
    t->is_invalid = !valid;
    if (l->p->files) {
        lt_files_add(l->p->files, valid ? &t->key : NULL, r->offset, l->clock_ms);
        if (lt_files_gathered_many(l->p->files))
            lt_files_flush(l->p->files, lt_position_anchor(r));
    }
    if (b->run_len == RUN && !judge_run(b)) {
        b->failed = true;
        return 1;
    }
    return 0;
}

static bool read_log(struct lt_loading *l)
{
    if (l->from == l->committed)
        return true;
    struct build b = {.l = l, .expected = l->from, .hole_at = -1};
    struct lt_err err = LT_ERR_INIT;
    int r = l->load->log->ops->scan(l->load->log, NULL, l->p->number, l->from, l->committed, take_record, &b, &err);
    if (lt_loading_lost(l) || atomic_load(l->load->stopping))
        return false;
    if (b.failed || !judge_run(&b)) {
        lt_partition_stop(l->p, b.err.code == LT_E_LIMIT ? LT_STOP_INDEX_FULL : LT_STOP_INDEX_DIFFERS, NULL, "%s",
                          b.err.text);
        return false;
    }
    if (r == LT_LOG_OK && b.hole_at < 0 && !lt_accepted_covers(&l->p->accepted, b.expected, l->committed)) {
        b.hole_at = b.expected;
        b.hole_to = l->committed;
    }
    if (b.hole_at >= 0) {
        lt_partition_stop_hole(l->p, b.hole_at, b.hole_to);
        return false;
    }
    if (r != LT_LOG_OK) {
        lt_loading_wait(l, "reading the log to build the index", &err);
        return false;
    }
    if (l->p->files)
        lt_files_flush(l->p->files, l->last_anchor);
    return true;
}

/* ---- local files ---- */

struct one_anchor {
    bool found;
    uint64_t anchor;
};

static int take_anchor(void *ctx, const struct lt_log_record *r)
{
    struct one_anchor *one = ctx;
    *one = (struct one_anchor){true, lt_position_anchor(r)};
    return 1;
}

static bool take_entry(void *ctx, const struct lt_index_key *k, int64_t offset, uint64_t generation)
{
    struct build *b = ctx;
    b->run[b->run_len++] = (struct lt_index_record){.key = *k, .offset = offset, .generation = generation};
    if (b->run_len < RUN)
        return true;
    if (atomic_load(b->l->load->stopping))
        return false;
    b->failed = !judge_run(b);
    return !b->failed;
}

enum files_use { FILES_NONE, FILES_USED, FILES_GIVE_UP /* the load ends here: stopped, waiting or lost */ };

/* Rule 6: the log still holds the last record the files speak of, or it may have been deleted because it has expired.
 */
static enum files_use files_match_log(struct lt_loading *l, const struct lt_files_span *span)
{
    if (l->low > span->to) {
        snprintf(l->passed_over, sizeof(l->passed_over), "the log begins after their end");
        return FILES_NONE;
    }
    if (span->to - 1 < l->low) {
        uint64_t last = lt_generation_of(&l->window, span->clock_ms), keep = (uint64_t)l->window.generations + 1;
        if (lt_generation_of(&l->window, l->position.clock_ms) > last + keep)
            return FILES_USED;
        snprintf(l->passed_over, sizeof(l->passed_over), "the log no longer holds the record they end with");
        return FILES_NONE;
    }
    struct one_anchor one = {0};
    struct lt_err err = LT_ERR_INIT;
    int r = l->load->log->ops->scan(l->load->log, NULL, l->p->number, span->to - 1, span->to, take_anchor, &one, &err);
    if (lt_loading_lost(l) || atomic_load(l->load->stopping))
        return FILES_GIVE_UP;
    if (r != LT_LOG_OK && r != LT_LOG_ABSENT) {
        lt_loading_wait(l, "reading the record that the local index files end with", &err);
        return FILES_GIVE_UP;
    }
    if (!one.found || one.anchor != span->anchor) {
        snprintf(l->passed_over, sizeof(l->passed_over), "they are of another log");
        lt_warn("core", "index-files", "partition %d: local index files are of another log; reading the log",
                (int)l->p->number);
        return FILES_NONE;
    }
    return FILES_USED;
}

/* Take the partition's folder and what of its files can be used. */
static enum files_use read_files(struct lt_loading *l)
{
    struct lt_partition *p = l->p;
    struct lt_err err = LT_ERR_INIT;
    struct lt_files_span span;
    if (!l->load->state_dir)
        return FILES_NONE;
    if (!p->files &&
        lt_files_open(l->load->state_dir, l->position.incarnation, p->number, &l->window, &p->files, &err) < 0) {
        snprintf(l->files_why, sizeof(l->files_why), "%.190s", err.text);
        lt_warn("core", "index-files", "partition %d: no local index files (%s); reading the log", (int)p->number,
                err.text);
        return FILES_NONE;
    }
    if (l->no_files)
        return FILES_NONE;
    lt_files_survey(p->files, l->committed, l->position.clock_ms, l->load->pulse, &span);
    snprintf(l->passed_over, sizeof(l->passed_over), "%s", lt_files_passed_over(p->files));
    if (span.from == span.to)
        return FILES_NONE;
    enum files_use use = files_match_log(l, &span);
    if (use != FILES_USED)
        return use;
    lt_index_expect(l->index, span.entries);
    struct build b = {.l = l};
    bool whole = lt_files_read(p->files, take_entry, &b) && judge_run(&b);
    if (atomic_load(l->load->stopping))
        return FILES_GIVE_UP;
    if (!whole) { /* an index that is full says so again when it is read from the log */
        snprintf(l->passed_over, sizeof(l->passed_over), "they could not be read to their end");
        return FILES_NONE;
    }
    l->from_files = true;
    l->files_records = (uint64_t)(span.to - span.from);
    l->from = span.to;
    l->clock_ms = span.clock_ms;
    l->head_proved = true;
    if (span.to == l->committed)
        l->last_anchor = span.anchor;
    lt_files_begin(p->files, span.to, span.clock_ms);
    lt_info("core", "index-files", "partition %d: %" PRId64 " records from local index files", (int)p->number,
            span.to - span.from);
    return FILES_USED;
}

static void index_anew(struct lt_loading *l)
{
    lt_index_free(l->index);
    l->index = lt_index_new(l->window.generations, l->load->index_bytes_max);
    l->clock_ms = 0;
    l->first_ms = -1;
}

bool lt_loading_build(struct lt_loading *l)
{
    if (!choose_start(l))
        return false;
    index_anew(l);
    l->from_files = false;
    l->files_records = 0;
    enum files_use use = read_files(l);
    if (use == FILES_GIVE_UP)
        return false;
    if (use == FILES_NONE) {
        index_anew(l);
        if (l->p->files) {
            lt_files_discard(l->p->files);
            lt_files_begin(l->p->files, l->from, l->head_proved || l->from == 0 ? 0 : INT64_MAX);
        }
    }
    return read_log(l);
}
