/* lienthong deadletter resubmit: refused inputs through ingest once more, after what refused them is mended. */
#include "gateway/cli/deadletter.h"
#include "gateway/cli/dealt.h"

#include "gateway/base/clock.h"
#include "gateway/codec/json.h"
#include "gateway/ingest/resubmit.h"
#include "gateway/kafka/admin.h"
#include "gateway/kafka/reader.h"
#include "gateway/model/event.h"
#include "gateway/ops/topics.h"

#include <stdio.h>
#include <time.h>

#define QUEUE_BYTES ((size_t)16 << 20)
#define TRY_MS 30000 /* Kafka may be away for so long before the command gives up */
#define TRY_EVERY_MS 200

/* How many letters ended how, by a word. */
struct tally {
    char word[64];
    size_t letters;
};

struct resubmit {
    const struct lt_decide *d;
    const char *only; /* id; NULL: by the filter */
    struct lt_letter_filter filter;
    struct lt_ingest_counters counters;
    struct lt_intake intake;
    struct lt_resubmitter r;
    struct lt_dealt *dealt;
    int64_t began_ms;
    size_t chosen, sent, accepted, refused, left_out, before; /* letters */
    struct tally tallies[LT_INGEST_CODES];
    size_t tallies_len;
    struct lt_err err; /* why it ended early */
};

static bool genesis(void *ctx)
{
    (void)ctx;
    return true; /* asked before anything is sent */
}

static void pause_ms(int64_t ms)
{
    if (ms > 0)
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- telling ---- */

static void count(struct resubmit *x, const char *what, const char *code)
{
    char word[sizeof(x->tallies[0].word)];
    size_t i = 0;
    snprintf(word, sizeof(word), "%.20s%s%.40s", what, *code ? " " : "", code);
    while (i < x->tallies_len && strcmp(x->tallies[i].word, word) != 0)
        i++;
    if (i == LT_ARRAY_LEN(x->tallies))
        return;
    if (i == x->tallies_len)
        snprintf(x->tallies[x->tallies_len++].word, sizeof(word), "%s", word);
    x->tallies[i].letters++;
}

/* Codes, places and keys only: what was sent may stand in a refusal's detail (docs/operations.md). */
static void tell(struct resubmit *x, const struct lt_letter *l, const char *what, const struct lt_refusal *why,
                 const struct lt_resubmit_count *n)
{
    count(x, what, why ? why->code : "");
    if (!x->d->cli.json) {
        printf("%s  " LT_SPAN_FMT "  " LT_SPAN_FMT " (" LT_SPAN_FMT "): %s%s%s", l->id, LT_SPAN_ARG(l->client),
               LT_SPAN_ARG(l->key), LT_SPAN_ARG(l->reason), what, why ? " " : "", why ? why->code : "");
        if (n && n->accepted + n->refused > 1)
            printf(", %zu events accepted, %zu refused", n->accepted, n->refused);
        printf("\n");
        return;
    }
    struct lt_buf out = LT_BUF_INIT((size_t)64 << 10);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "deadletter", lt_span_str(l->id));
    lt_json_str(&w, "client", l->client);
    lt_json_str(&w, "key", l->key);
    lt_json_str(&w, "reason", l->reason);
    lt_json_num(&w, "resubmits", l->resubmits);
    lt_json_str(&w, "result", lt_span_str(what));
    if (why)
        lt_json_str(&w, "code", lt_span_str(why->code));
    if (n) {
        lt_json_num(&w, "accepted", (int64_t)n->accepted);
        lt_json_num(&w, "refused", (int64_t)n->refused);
    }
    lt_json_end_object(&w);
    puts(lt_buf_view(&out).ptr);
    lt_buf_deinit(&out);
}

static void tell_left_out(struct resubmit *x, const struct lt_letter *l, const struct lt_refusal *why)
{
    x->left_out++;
    tell(x, l, "left out", why, NULL);
    fprintf(stderr, "lienthong deadletter: %s is left out: %s\n", l->id, why->detail);
}

static const struct lt_refusal *first_refusal(const struct lt_submission *s)
{
    for (size_t i = 0; i < s->items.len; i++)
        if (s->items.v[i].refused || s->items.v[i].state == LT_ITEM_REFUSED)
            return &s->items.v[i].refusal;
    return NULL;
}

/* ---- the work ---- */

/* Run it until nothing of it is unavailable any more; what was accepted already is a duplicate then. */
static int run_through(struct resubmit *x, const struct lt_letter *l, struct lt_submission **s)
{
    struct lt_refusal why;
    for (int64_t until = lt_mono_ms() + TRY_MS;;) {
        lt_submission_run(*s);
        if (!lt_submission_unavailable(*s))
            return LT_OK;
        if (lt_mono_ms() > until)
            return lt_err_set(&x->err, LT_E_UNAVAILABLE, "kafka-away", "%s could not be written: %s", l->id,
                              lt_intake_explain("kafka-away"));
        pause_ms(TRY_EVERY_MS);
        lt_submission_free(lt_steal(s));
        if (lt_resubmit_prepare(&x->r, l, s, &why) != LT_OK)
            return lt_err_set(&x->err, LT_E_INVALID, why.code, "%s", why.detail);
    }
}

static int send_one(struct resubmit *x, const struct lt_letter *l)
{
    struct lt_submission *s = NULL;
    struct lt_refusal why;
    struct lt_resubmit_count n;
    if (lt_resubmit_prepare(&x->r, l, &s, &why) != LT_OK) {
        tell_left_out(x, l, &why);
        return LT_OK;
    }
    int rc = LT_OK;
    if (!x->d->cli.dry_run) {
        pause_ms(x->began_ms + (int64_t)x->sent * 1000 / x->d->rate - lt_mono_ms());
        rc = run_through(x, l, &s);
    }
    if (rc == LT_OK) {
        x->sent++;
        lt_resubmit_count(s, &n);
        if (!x->d->cli.dry_run)
            rc = lt_resubmit_audit(&x->r, l, &n, &x->err);
        *(n.refused ? &x->refused : &x->accepted) += 1;
        tell(x, l,
             x->d->cli.dry_run ? (n.refused ? "would be refused" : "would be accepted")
             : n.refused       ? "refused again"
                               : "accepted",
             first_refusal(s), &n);
    }
    lt_submission_free(s);
    return rc;
}

static int visit(void *ctx, const struct lt_log_record *record)
{
    struct resubmit *x = ctx;
    struct lt_letter l;
    if (!lt_letter_read(record, &l) || (x->only && strcmp(x->only, l.id) != 0) ||
        !lt_letter_match(&l, x->intake.config, &x->filter))
        return 0;
    x->chosen++;
    enum lt_dealt_how how = lt_dealt_how(x->dealt, l.id);
    if (how == LT_DEALT_REFUSED || (how == LT_DEALT_ACCEPTED && !x->d->all)) {
        x->before++;
        return 0;
    }
    return send_one(x, &l) == LT_OK ? 0 : 1;
}

static void summary(const struct resubmit *x)
{
    for (size_t i = 0; i < x->tallies_len; i++)
        fprintf(stderr, "%6zu %s\n", x->tallies[i].letters, x->tallies[i].word);
    fprintf(stderr, "%zu refused inputs chosen: %zu %saccepted, %zu %srefused, %zu left out, %zu dealt with before\n",
            x->chosen, x->accepted, x->d->cli.dry_run ? "would be " : "", x->refused,
            x->d->cli.dry_run ? "would be " : "again ", x->left_out, x->before);
}

/* Nothing enters lt.intake before its genesis (protocol 2); and whoever has no Kafka is told so before any letter. */
static int ready(const struct lt_config *c, struct lt_err *err)
{
    static const struct lt_topics_group core = {LT_GROUP_CORE, LT_TOPIC_INTAKE, true};
    struct lt_admin *a = NULL;
    int rc = lt_admin_new(c->kafka.props, c->kafka.props_len, &a, err);
    if (rc == LT_OK)
        rc = lt_topics_genesis_done(a, &core, err);
    lt_admin_free(a);
    if (rc == 0)
        return lt_err_set(err, LT_E_UNAVAILABLE, "not-initialised",
                          LT_TOPIC_INTAKE " is not initialised: run `lienthong topics create`");
    return rc < 0 ? rc : LT_OK;
}

static int work(struct resubmit *x, const struct lt_config *c)
{
    struct lt_reader *reader = NULL;
    int rc = ready(c, &x->err);
    if (rc == LT_OK)
        rc = lt_reader_new(c->kafka.props, c->kafka.props_len, &reader, &x->err);
    if (rc == LT_OK)
        rc = lt_dealt_read(reader, &x->dealt, &x->err);
    if (rc == LT_OK)
        rc = lt_intake_port_kafka(c, QUEUE_BYTES, 0, &x->intake.port, &x->err);
    if (rc == LT_OK) {
        x->began_ms = lt_mono_ms();
        rc = lt_reader_scan(reader, LT_TOPIC_DEADLETTER, visit, x, &x->err);
        x->intake.port.free(x->intake.port.ctx);
    }
    lt_reader_free(reader);
    summary(x);
    return x->err.code < 0 ? x->err.code : rc;
}

static bool is_id(const char *text)
{
    struct lt_span rest = lt_span_str(text), partition, offset;
    int64_t p, o;
    return lt_span_cut(&rest, '.', &partition) && lt_span_cut(&rest, '.', &offset) && !rest.len &&
           lt_span_i64(partition, &p) && lt_span_i64(offset, &o) && p >= 0 && o >= 0;
}

int lt_cli_deadletter_resubmit(const struct lt_decide *d, int argc, char **argv)
{
    struct lt_compiled c;
    /* A refused input has neither a target's code nor, mostly, a procedure: no choice by them, rather than a wider one.
     */
    if (d->filter.code || d->filter.procedure) {
        fprintf(stderr,
                "lienthong deadletter: resubmit: choose by --reason, --client, --province, --since and --until: "
                "a refused input has no --code, and mostly no --procedure\n");
        return LT_EXIT_USAGE;
    }
    if (argc > 2 || (argc == 2 && !is_id(argv[1])))
        return lt_cli_usage(&lt_command_deadletter);
    int code = lt_compiled_load_or_complain(d->cli.config, &c);
    if (code != LT_EXIT_OK)
        return code;
    struct resubmit x = {
        .d = d,
        .only = argc == 2 ? argv[1] : NULL,
        .filter = {d->filter.reason, d->client, d->filter.province, d->filter.since_ms, d->filter.until_ms},
        .intake = {.config = c.config, .counters = &x.counters, .genesis_ready = genesis},
        .r = {.intake = &x.intake,
              .mappings = c.mappings,
              .translator = lt_translator_new(c.mappings),
              .actor = d->who,
              .rounds_max = d->rounds_max >= 0 ? d->rounds_max : LT_RESUBMITS_MAX},
        .err = LT_ERR_INIT,
    };
    lt_ingest_counters_init(&x.counters);
    if (work(&x, c.config) != LT_OK)
        code = lt_decide_complain(&lt_command_deadletter, &x.err);
    else if (x.refused || x.left_out || (x.only && !x.chosen))
        code = LT_EXIT_FINDING;
    if (x.only && !x.chosen && code == LT_EXIT_FINDING)
        fprintf(stderr, "lienthong deadletter: %s is no refused input\n", x.only);
    lt_dealt_free(x.dealt);
    lt_ingest_counters_deinit(&x.counters);
    lt_translator_free(x.r.translator);
    lt_compiled_deinit(&c);
    return code;
}
