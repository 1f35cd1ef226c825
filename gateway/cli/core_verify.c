/* lienthong core verify: verdicts computed anew from the log, compared with what stands in the outputs. */
#include "gateway/cli/core.h"

#include "gateway/ops/verify.h"

#include <inttypes.h>
#include <stdio.h>

#define RANGE_DEFAULT 100000
#define FINDINGS_SHOWN 20
#define SCAN_MARGIN_MS (24 * 3600 * 1000LL)

struct one { /* partition */
    const struct lt_position_row *row;
    struct lt_verify *verify;
    int64_t from, to, first_ms; /* append time of the range's first record; -1 none */
    bool complete;              /* the log reaches back a whole window before the range */
    int64_t head_ms;
};

static int want(void *ctx, const struct lt_log_record *r)
{
    struct one *o = ctx;
    if (o->first_ms < 0)
        o->first_ms = r->append_ms;
    lt_verify_want(o->verify, r);
    return 0;
}

static int judge(void *ctx, const struct lt_log_record *r)
{
    struct one *o = ctx;
    if (o->head_ms < 0)
        o->head_ms = r->append_ms;
    lt_verify_log(o->verify, r);
    return 0;
}

/* The log's part: which identities are in the range, and what happened to them before and in it. */
static int read_log(struct lt_cli_core *s, struct one *o, struct lt_err *err)
{
    struct lt_reader *reader = s->kafka.reader;
    const struct lt_window *w = &o->row->position.window;
    int64_t back_ms = ((int64_t)w->generations + 2) * w->generation_ms, start = o->row->low;
    int r = lt_reader_range(reader, LT_TOPIC_INTAKE, o->row->partition, o->from, o->to, want, o, err);
    if (r == LT_OK && o->first_ms > back_ms)
        r = lt_reader_offset_at(reader, LT_TOPIC_INTAKE, o->row->partition, o->first_ms - back_ms, &start, err);
    start = LT_MIN(LT_MAX(start, o->row->low), o->from);
    if (r == LT_OK)
        r = lt_reader_range(reader, LT_TOPIC_INTAKE, o->row->partition, start, o->to, judge, o, err);
    o->complete = o->row->low == 0 || start > o->row->low || o->first_ms - o->head_ms > back_ms;
    return r;
}

struct all {
    LT_VEC(struct one) ones; /* by partition; verify NULL: not looked at */
};

static void feed_head(void *ctx, const struct lt_output_head *head)
{
    struct all *a = ctx;
    for (size_t i = 0; i < a->ones.len; i++)
        lt_verify_head(a->ones.v[i].verify, head);
}

static void feed(void *ctx, const struct lt_output_copy *copy)
{
    struct all *a = ctx;
    for (size_t i = 0; i < a->ones.len; i++)
        lt_verify_copy(a->ones.v[i].verify, copy);
}

static void put_result(struct lt_cli_core *s, const struct one *o, const struct lt_verify_result *x)
{
    lt_json_begin_object(&s->w);
    lt_json_num(&s->w, "partition", o->row->partition);
    lt_json_num(&s->w, "from", o->from);
    lt_json_num(&s->w, "to", o->to);
    lt_json_num(&s->w, "records", (int64_t)x->records);
    lt_json_num(&s->w, "holes", (int64_t)x->holes);
    lt_json_num(&s->w, "copies", (int64_t)x->copies);
    lt_json_num(&s->w, "gone", (int64_t)x->gone);
    lt_json_flag(&s->w, "complete", o->complete);
    for (int v = 0; v < LT_VERDICTS; v++)
        lt_json_num(&s->w, lt_verdict_name((enum lt_verdict_kind)v), (int64_t)x->verdicts[v]);
    lt_json_num(&s->w, "lost", (int64_t)x->counts[LT_VERIFY_LOST]);
    lt_json_num(&s->w, "doubled", (int64_t)x->counts[LT_VERIFY_DOUBLED]);
    lt_json_num(&s->w, "wrong_verdict", (int64_t)x->counts[LT_VERIFY_WRONG_VERDICT]);
    lt_json_num(&s->w, "other_routes", (int64_t)x->counts[LT_VERIFY_OTHER_ROUTES]);
    lt_json_key(&s->w, LT_SPAN_LIT("findings"));
    lt_json_begin_array(&s->w);
    for (size_t i = 0; i < x->findings_len; i++) {
        const struct lt_verify_finding *f = &x->findings[i];
        lt_json_begin_object(&s->w);
        lt_json_num(&s->w, "offset", f->offset);
        lt_json_str(&s->w, "what", lt_span_str(lt_verify_what_name(f->what)));
        lt_json_str(&s->w, "verdict", lt_span_str(lt_verdict_name(f->verdict)));
        lt_json_str(&s->w, "text", lt_span_str(f->text));
        lt_json_end_object(&s->w);
    }
    lt_json_end_array(&s->w);
    lt_json_end_object(&s->w);
}

static void print_result(const struct one *o, const struct lt_verify_result *x)
{
    printf("partition %" PRId32 ": %" PRId64 " to %" PRId64 ": %" PRIu64 " records", o->row->partition, o->from, o->to,
           x->records);
    for (int v = 0; v < LT_VERDICTS; v++)
        printf(", %s %" PRIu64, lt_verdict_name((enum lt_verdict_kind)v), x->verdicts[v]);
    printf("; lost %" PRIu64 ", doubled %" PRIu64 ", wrong verdict %" PRIu64 "\n", x->counts[LT_VERIFY_LOST],
           x->counts[LT_VERIFY_DOUBLED], x->counts[LT_VERIFY_WRONG_VERDICT]);
    if (x->counts[LT_VERIFY_OTHER_ROUTES])
        printf("  %" PRIu64 " records went to other outputs than the routes of today name: no finding if the routes "
               "were changed since\n",
               x->counts[LT_VERIFY_OTHER_ROUTES]);
    if (x->gone)
        printf("  %" PRIu64 " records have no copy any more because the retention of their outputs is over: not looked "
               "at\n",
               x->gone);
    if (!o->complete)
        printf("  the log starts inside the window of this range: what is computed as new may have been a duplicate\n");
    for (size_t i = 0; i < x->findings_len && i < FINDINGS_SHOWN; i++)
        printf("  offset %" PRId64 ": %s: %s\n", x->findings[i].offset, lt_verify_what_name(x->findings[i].what),
               x->findings[i].text);
}

/* How many findings; routes that changed are none. */
static uint64_t conclude(struct lt_cli_core *s, const struct one *o)
{
    struct lt_verify_result x;
    lt_verify_finish(o->verify, &x);
    if (s->options.json)
        put_result(s, o, &x);
    else
        print_result(o, &x);
    return x.counts[LT_VERIFY_LOST] + x.counts[LT_VERIFY_DOUBLED] + x.counts[LT_VERIFY_WRONG_VERDICT];
}

/* What is to be looked at; 0 when the row has nothing. */
static bool choose(struct lt_cli_core *s, const struct lt_positions *p, const struct lt_position_row *row,
                   struct one *ret)
{
    if (!row->proved || (s->partition >= 0 && s->partition != row->partition))
        return false;
    int64_t to = s->to >= 0 ? LT_MIN(s->to, row->offset) : row->offset;
    int64_t from = LT_MAX(s->from >= 0 ? s->from : to - RANGE_DEFAULT, row->low);
    to = LT_MIN(to, from + LT_VERIFY_RANGE_MAX); /* --from without --to */
    if (from >= to)
        return false;
    *ret = (struct one){.row = row, .from = from, .to = to, .first_ms = -1, .head_ms = -1};
    ret->verify = lt_verify_new(s->compiled.routes, &row->position.window, p->incarnation, row->partition, from, to);
    return true;
}

static int verify_all(struct lt_cli_core *s, const struct lt_positions *p, struct all *a, struct lt_err *err)
{
    int64_t since = INT64_MAX;
    int r = LT_OK;
    for (size_t i = 0; i < p->rows.len && r == LT_OK; i++) {
        struct one o;
        if (!choose(s, p, &p->rows.v[i], &o))
            continue;
        *lt_vec_push(&a->ones) = o;
        struct one *kept = &a->ones.v[a->ones.len - 1];
        r = read_log(s, kept, err);
        since = LT_MIN(since, kept->first_ms - SCAN_MARGIN_MS);
    }
    return r == LT_OK && a->ones.len ? lt_outputs_scan(s->kafka.admin, s->kafka.reader, s->compiled.routes,
                                                       LT_MAX(since, 0), feed_head, feed, a, err)
                                     : r;
}

int lt_cli_core_verify(struct lt_cli_core *s)
{
    struct lt_positions p;
    struct lt_err err = LT_ERR_INIT;
    struct all a = {0};
    uint64_t findings = 0;
    if ((s->from >= 0 || s->to >= 0) && s->partition < 0) {
        fprintf(stderr,
                "lienthong core verify: --from and --to are offsets of one partition: --partition says which\n");
        return LT_EXIT_USAGE;
    }
    if (s->from >= 0 && s->to - s->from > LT_VERIFY_RANGE_MAX) {
        fprintf(stderr, "lienthong core verify: at most %d offsets at a time\n", LT_VERIFY_RANGE_MAX);
        return LT_EXIT_USAGE;
    }
    if (lt_positions_read(s->kafka.admin, s->kafka.reader, &p, &err) < 0)
        return lt_cli_core_complain(&err);
    if (!lt_cli_core_has_partition(s, &p)) {
        lt_positions_deinit(&p);
        return LT_EXIT_FINDING;
    }
    int r = verify_all(s, &p, &a, &err);
    if (s->options.json) {
        lt_json_key(&s->w, LT_SPAN_LIT("partitions"));
        lt_json_begin_array(&s->w);
    }
    for (size_t i = 0; i < a.ones.len; i++) {
        if (r == LT_OK)
            findings += conclude(s, &a.ones.v[i]);
        lt_verify_free(a.ones.v[i].verify);
    }
    if (s->options.json)
        lt_json_end_array(&s->w);
    else if (r == LT_OK && a.ones.len == 0)
        printf("nothing to look at: no judged records in this range, or no position with its proof\n");
    lt_vec_deinit(&a.ones);
    lt_positions_deinit(&p);
    return r < 0 ? lt_cli_core_complain(&err) : findings ? LT_EXIT_FINDING : LT_EXIT_OK;
}
