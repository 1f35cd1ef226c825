/* lienthong core position, accept-hole, accept-index, rebuild: what changes something. */
#include "gateway/cli/ask.h"
#include "gateway/cli/core.h"

#include <inttypes.h>
#include <stdio.h>

#define REPEATS_SHOWN 20
#define REPEATS_LISTED 100000

struct answered {
    long status; /* 0: nobody runs here */
    char text[256];
};

/* The gateway that runs here, if one does; text: the first line of its answer, or why there is none. */
static struct answered ask_gateway(const struct lt_config *c, const char *what, int64_t partition)
{
    LT_AUTOFREE char *path = lt_asprintf("/core/%s?partition=%" PRId64, what, partition);
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(LT_ASK_BYTES_MAX);
    struct lt_err err = LT_ERR_INIT;
    struct answered f = {.status = lt_ask(c, "POST", path, &body, &err)};
    struct lt_span text = f.status ? lt_buf_view(&body) : lt_span_str(err.text);
    snprintf(f.text, sizeof(f.text), "%.*s", (int)LT_MIN(text.len, sizeof(f.text) - 1), text.ptr ? text.ptr : "");
    f.text[strcspn(f.text, "\n")] = '\0';
    return f;
}

/* ---- reports ---- */

struct told {
    struct lt_cli_core *s;
    size_t refused, repeats;
    LT_VEC(struct lt_repair_report) reports; /* of several partitions, until they are written */
};

static const char *outcome_word(const struct lt_cli_core *s, enum lt_repair_outcome o)
{
    switch (o) {
    case LT_REPAIR_NOT_NEEDED:
        return "nothing to do";
    case LT_REPAIR_DONE:
        return s->options.dry_run ? "would be written" : "written";
    case LT_REPAIR_ASKED:
        return s->options.dry_run ? "would be asked" : "asked";
    default:
        return "refused";
    }
}

static void tell(void *ctx, const struct lt_repair_report *r)
{
    struct told *t = ctx;
    struct lt_cli_core *s = t->s;
    t->refused += r->outcome == LT_REPAIR_REFUSED;
    if (s->options.json) {
        lt_json_begin_object(&s->w);
        lt_json_num(&s->w, "partition", r->partition);
        lt_json_str(&s->w, "outcome", lt_span_str(outcome_word(s, r->outcome)));
        lt_json_num(&s->w, "offset", r->offset);
        lt_json_str(&s->w, "text", lt_span_str(r->text));
        lt_json_end_object(&s->w);
        return;
    }
    printf("partition %" PRId32 ": %s", r->partition, outcome_word(s, r->outcome));
    if (r->offset >= 0)
        printf(": offset %" PRId64, r->offset);
    printf(": %s\n", r->text);
}

/* A stopped partition is looked at again every 30 s; where its owner runs here, at once. No answer is no matter. */
static void nudge(const struct lt_cli_core *s, const struct lt_repair_report *r)
{
    if (r->outcome == LT_REPAIR_DONE && !s->options.dry_run)
        (void)ask_gateway(s->compiled.config, "look", r->partition);
}

static void begin_list(struct lt_cli_core *s, const char *name)
{
    if (!s->options.json)
        return;
    lt_json_key(&s->w, lt_span_str(name));
    lt_json_begin_array(&s->w);
}

static void end_list(struct lt_cli_core *s)
{
    if (s->options.json)
        lt_json_end_array(&s->w);
}

/* A repair of one partition: its report, or the error. */
static int conclude_one(struct lt_cli_core *s, int r, const struct lt_repair_report *report, const struct lt_err *err)
{
    struct told t = {.s = s};
    if (r < 0)
        return lt_cli_core_complain(err);
    begin_list(s, "partitions");
    tell(&t, report);
    end_list(s);
    nudge(s, report);
    return t.refused ? LT_EXIT_FINDING : LT_EXIT_OK;
}

static void tell_repeat(void *ctx, const struct lt_relog_repeat *x)
{
    struct told *t = ctx;
    struct lt_cli_core *s = t->s;
    size_t n = t->repeats++;
    if (s->options.json && n < REPEATS_LISTED) {
        lt_json_begin_object(&s->w);
        lt_json_str(&s->w, "ce_id", lt_span_str(x->id));
        lt_json_str(&s->w, "key", lt_span_str(x->key));
        lt_json_str(&s->w, "topic", lt_span_str(x->topic));
        lt_json_num(&s->w, "offset", x->offset);
        lt_json_flag(&s->w, "in_log", x->in_log);
        lt_json_end_object(&s->w);
    } else if (!s->options.json && n < REPEATS_SHOWN) {
        printf("  possible repeat: %s %s, routed to %s%s\n", x->key, x->id, x->topic,
               x->in_log ? "; the log holds it again, it will be routed again" : "; if its sender sends it again");
    } else if (!s->options.json && n == REPEATS_SHOWN) {
        printf("  … more; --json lists them\n");
    }
}

static int relog(struct lt_cli_core *s)
{
    struct told t = {.s = s};
    struct lt_repair_report report;
    struct lt_err err = LT_ERR_INIT;
    begin_list(s, "repeats");
    int r = lt_repair_relog(&s->kafka, (int32_t)s->partition, &report, tell_repeat, &t, &err);
    end_list(s);
    return conclude_one(s, r, &report, &err);
}

static void keep(void *ctx, const struct lt_repair_report *r)
{
    struct told *t = ctx;
    *lt_vec_push(&t->reports) = *r;
}

int lt_cli_core_position(struct lt_cli_core *s)
{
    struct told t = {.s = s};
    struct lt_err err = LT_ERR_INIT;
    if (s->relog && s->partition < 0) {
        fprintf(stderr, "lienthong core position --relog: --partition says which one\n");
        return LT_EXIT_USAGE;
    }
    if (s->relog)
        return relog(s);
    int r = lt_repair_positions(&s->kafka, (int32_t)s->partition, keep, &t, &err);
    begin_list(s, "partitions");
    for (size_t i = 0; i < t.reports.len && r == LT_OK; i++) { /* said only when it is true */
        tell(&t, &t.reports.v[i]);
        nudge(s, &t.reports.v[i]);
    }
    end_list(s);
    lt_vec_deinit(&t.reports);
    if (r < 0)
        return lt_cli_core_complain(&err);
    return t.refused ? LT_EXIT_FINDING : LT_EXIT_OK;
}

int lt_cli_core_accept_hole(struct lt_cli_core *s)
{
    struct lt_repair_report report;
    struct lt_err err = LT_ERR_INIT;
    if (s->from < 0 || s->to <= s->from) {
        fprintf(stderr, "lienthong core accept-hole: expected --from A --to B, the first missing offset and the first "
                        "one after, as the stop names them\n");
        return LT_EXIT_USAGE;
    }
    int r = lt_repair_accept_hole(&s->kafka, (int32_t)s->partition, s->from, s->to, &report, &err);
    return conclude_one(s, r, &report, &err);
}

int lt_cli_core_accept_index(struct lt_cli_core *s)
{
    struct lt_repair_report report;
    struct lt_err err = LT_ERR_INIT;
    if (s->offset < 0 || !s->sum_given) {
        fprintf(stderr, "lienthong core accept-index: expected --offset O --sum S, as the stop names them\n");
        return LT_EXIT_USAGE;
    }
    int r = lt_repair_accept_index(&s->kafka, (int32_t)s->partition, s->offset, s->sum, &report, &err);
    return conclude_one(s, r, &report, &err);
}

/* ---- rebuild ---- */

int lt_cli_core_rebuild(struct lt_cli_core *s)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_repair_report report = {.partition = (int32_t)s->partition, .outcome = LT_REPAIR_ASKED, .offset = -1};
    snprintf(report.text, sizeof(report.text), "the index is dropped and built again from the log");
    if (s->options.dry_run)
        return conclude_one(s, LT_OK, &report, &err);
    struct answered f = ask_gateway(s->compiled.config, "rebuild", s->partition);
    if (f.status == 0) {
        fprintf(stderr, "lienthong core rebuild: %s Run this where the partition's owner runs.\n", f.text);
        return LT_EXIT_UNAVAILABLE;
    }
    if (f.status != 202) {
        report.outcome = LT_REPAIR_REFUSED;
        snprintf(report.text, sizeof(report.text), "%s", f.text);
        return conclude_one(s, LT_OK, &report, &err);
    }
    int r = lt_repair_note(&s->kafka, "core-rebuild", &report, &err);
    return conclude_one(s, r, &report, &err);
}
