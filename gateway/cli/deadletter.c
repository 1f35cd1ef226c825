/* lienthong deadletter: what was refused, by whom and why; refused deliveries are sent again after their cause is
 * mended, refused inputs too (deadletter_resubmit.c). */
#include "gateway/cli/deadletter.h"
#include "gateway/base/clock.h"
#include "gateway/cli/dealt.h"
#include "gateway/kafka/reader.h"
#include "gateway/model/event.h"

#include <stdio.h>

#define ROUNDS_MAX 5 /* redriven and refused so often: the table is not what is wrong with it */

/* What a target has parked now. */
struct held {
    char *target;
    bool known;
    struct lt_parked parked;
};

struct listing {
    const struct lt_decide *d;
    const struct lt_config *config;
    const char *target;       /* NULL: all, inputs that were refused too */
    LT_VEC(struct held) held; /* of targets that letters name */
    struct lt_dealt *dealt;   /* of inputs */
    size_t shown, deliveries, parked, inputs_dealt;
};

static struct lt_span header(const struct lt_log_record *r, const char *name)
{
    return lt_headers_value(&r->headers, name);
}

static bool matches(const char *pattern, struct lt_span text)
{
    return !pattern || lt_glob_match(pattern, text);
}

static int64_t time_of(const struct lt_log_record *r)
{
    int64_t ms = 0;
    if (!lt_span_i64(header(r, "lt_refused"), &ms) && !lt_span_i64(header(r, "lt_time"), &ms))
        ms = r->append_ms;
    return ms;
}

static bool wanted(const struct listing *l, const struct lt_log_record *r)
{
    const struct lt_parked_filter *f = &l->d->filter;
    int64_t at = time_of(r);
    return matches(l->target, header(r, "lt_target")) && matches(f->reason, header(r, "lt_reason")) &&
           matches(f->code, header(r, "lt_code")) && matches(f->procedure, header(r, "ce_procedure")) &&
           matches(f->province, header(r, "ce_province")) && matches(l->d->client, header(r, "lt_client")) &&
           (f->since_ms == 0 || at >= f->since_ms) && (f->until_ms == 0 || at < f->until_ms);
}

/* Read when the first letter of the target is met: it cannot be older than the letters that this listing shows. */
static struct held *held_by(struct listing *l, struct lt_span target)
{
    struct lt_err err = LT_ERR_INIT;
    for (size_t i = 0; i < l->held.len; i++)
        if (lt_span_is(target, l->held.v[i].target))
            return &l->held.v[i];
    struct held *h = lt_vec_push(&l->held);
    *h = (struct held){.target = lt_strndup(target.ptr, target.len)};
    h->known = lt_parked_read(l->config, h->target, NULL, &h->parked, &err) == LT_OK;
    if (!h->known)
        fprintf(stderr, "lienthong deadletter: what became of the letters of %s is not known: %s\n", h->target,
                err.text);
    return h;
}

/* Of a refused input: what became of it when it was sent through ingest again. "": it was not, or that is not known. */
static const char *resubmitted(struct listing *l, const struct lt_log_record *r)
{
    LT_AUTOFREE char *id = lt_asprintf("%d.%lld", (int)r->partition, (long long)r->offset);
    enum lt_dealt_how how = lt_dealt_how(l->dealt, id);
    l->inputs_dealt += how != LT_DEALT_NOT;
    return how == LT_DEALT_ACCEPTED ? "accepted since" : how == LT_DEALT_REFUSED ? "refused again" : "";
}

/* Of a refused delivery: parked, or ended since (it was redriven and taken, or skipped). "": neither, or not known. */
static const char *now(struct listing *l, const struct lt_log_record *r)
{
    struct lt_span target = header(r, "lt_target");
    const struct lt_parked_event *e;
    int64_t order;
    if (target.len == 0)
        return resubmitted(l, r);
    if (lt_span_is(header(r, "lt_reason"), "bad-record") || !lt_span_i64(header(r, "lt_order"), &order))
        return "";
    const struct held *h = held_by(l, target);
    if (!h->known)
        return "";
    LT_AUTOFREE char *key = lt_ledger_order_key(LT_LEDGER_PARKED, r->key, order);
    HASH_FIND_STR(h->parked.events, key, e);
    l->deliveries++;
    l->parked += e != NULL;
    return e ? "parked" : "ended";
}

static int list_one(void *ctx, const struct lt_log_record *r)
{
    struct listing *l = ctx;
    static const char *const names[] = {"lt_reason",    "lt_target",   "lt_order",  "lt_step",
                                        "lt_code",      "lt_source",   "lt_client", "ce_type",
                                        "ce_procedure", "lt_redrives", "lt_detail"};
    char time[30];
    if (!wanted(l, r))
        return 0;
    l->shown++;
    const char *is = now(l, r);
    lt_time_rfc3339(time_of(r), time);
    if (!l->d->cli.json) {
        struct lt_span target = header(r, "lt_target"), source = header(r, "lt_source"), code = header(r, "lt_code");
        printf("%d.%lld  %s  " LT_SPAN_FMT "  " LT_SPAN_FMT "  " LT_SPAN_FMT "%s" LT_SPAN_FMT "%s%s%s: " LT_SPAN_FMT
               "\n",
               (int)r->partition, (long long)r->offset, time, LT_SPAN_ARG(target.len ? target : source),
               LT_SPAN_ARG(r->key), LT_SPAN_ARG(header(r, "lt_reason")), code.len ? " " : "", LT_SPAN_ARG(code),
               *is ? " (" : "", is, *is ? ")" : "", LT_SPAN_ARG(header(r, "lt_detail")));
        return 0;
    }
    struct lt_buf out = LT_BUF_INIT((size_t)64 << 10);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "id", LT_SPAN_NULL);
    out.len -= 2; /* the id is put together in place */
    lt_buf_printf(&out, "\"%d.%lld\"", (int)r->partition, (long long)r->offset);
    lt_json_str(&w, "time", lt_span_str(time));
    lt_json_str(&w, "dossier", r->key);
    for (size_t i = 0; i < LT_ARRAY_LEN(names); i++)
        if (header(r, names[i]).len > 0)
            lt_json_str(&w, names[i] + 3, header(r, names[i]));
    if (*is)
        lt_json_str(&w, "now", lt_span_str(is));
    lt_json_end_object(&w);
    puts(lt_buf_view(&out).ptr);
    lt_buf_deinit(&out);
    return 0;
}

static int list(const struct lt_decide *d, const struct lt_config *config, const char *target)
{
    struct listing l = {.d = d, .config = config, .target = target};
    struct lt_reader *reader = NULL;
    struct lt_err err = LT_ERR_INIT;
    int r = lt_reader_new(config->kafka.props, config->kafka.props_len, &reader, &err);
    if (r == LT_OK && !target && lt_dealt_read(reader, &l.dealt, &err) != LT_OK)
        fprintf(stderr, "lienthong deadletter: what became of refused inputs is not known: %s\n", err.text);
    if (r == LT_OK)
        r = lt_reader_scan(reader, LT_TOPIC_DEADLETTER, list_one, &l, &err);
    lt_reader_free(reader);
    lt_dealt_free(l.dealt);
    for (size_t i = 0; i < l.held.len; i++) {
        free(l.held.v[i].target);
        lt_parked_deinit(&l.held.v[i].parked);
    }
    lt_vec_deinit(&l.held);
    if (r != LT_OK)
        return lt_decide_complain(&lt_command_deadletter, &err);
    fprintf(stderr, "%zu dead letters", l.shown);
    if (l.deliveries)
        fprintf(stderr, ", %zu of deliveries, %zu of them parked still", l.deliveries, l.parked);
    if (l.inputs_dealt)
        fprintf(stderr, ", %zu inputs that were sent again since", l.inputs_dealt);
    fprintf(stderr, "\n");
    return l.shown ? LT_EXIT_FINDING : LT_EXIT_OK;
}

static void show_one(void *ctx, const struct lt_log_record *r)
{
    (void)ctx;
    printf("key: " LT_SPAN_FMT "\n", LT_SPAN_ARG(r->key));
    for (size_t i = 0; i < r->headers.len; i++)
        printf(LT_SPAN_FMT ": " LT_SPAN_FMT "\n", LT_SPAN_ARG(r->headers.v[i].name),
               LT_SPAN_ARG(r->headers.v[i].value));
    printf("\n");
    fwrite(r->value.ptr ? r->value.ptr : "", 1, r->value.len, stdout); /* the raw bytes, as they came */
    printf("\n");
}

static int show(const struct lt_config *config, const char *id)
{
    struct lt_span rest = lt_span_str(id), partition, offset;
    int64_t p, o;
    struct lt_reader *reader = NULL;
    struct lt_err err = LT_ERR_INIT;
    if (!lt_span_cut(&rest, '.', &partition) || !lt_span_cut(&rest, '.', &offset) || !lt_span_i64(partition, &p) ||
        !lt_span_i64(offset, &o) || p < 0 || p > INT32_MAX)
        return lt_cli_usage(&lt_command_deadletter);
    int r = lt_reader_new(config->kafka.props, config->kafka.props_len, &reader, &err);
    if (r == LT_OK)
        r = lt_reader_get(reader, LT_TOPIC_DEADLETTER, (int32_t)p, o, 15000, show_one, NULL, &err);
    lt_reader_free(reader);
    if (r == LT_E_NOT_FOUND) {
        fprintf(stderr, "lienthong deadletter: %s\n", err.text);
        return LT_EXIT_FINDING;
    }
    return r == LT_OK ? LT_EXIT_OK : lt_decide_complain(&lt_command_deadletter, &err);
}

/* Refused deliveries stand parked in the ledger, whole and in order: the dead letter tells of them, the ledger has
 * them. */
static int redrive(struct lt_decide *d, const struct lt_config *config, const char *target)
{
    struct lt_parked p;
    struct lt_err err = LT_ERR_INIT;
    int64_t rounds_max = d->rounds_max >= 0 ? d->rounds_max : ROUNDS_MAX;
    size_t n = 0, left_out = 0, events = 0;
    if (!d->filter.reason)
        d->filter.reason = "rejected";
    if (lt_parked_read(config, target, NULL, &p, &err) != LT_OK)
        return lt_decide_complain(&lt_command_deadletter, &err);
    struct lt_parked_lane **lanes = lt_calloc(p.lanes.len + 1, sizeof(*lanes));
    for (size_t i = 0; i < p.lanes.len; i++) {
        struct lt_parked_lane *l = &p.lanes.v[i];
        if (l->record.retrying || !lt_parked_match(l, &d->filter))
            continue;
        if (l->record.rounds >= rounds_max) {
            left_out++;
            continue;
        }
        events += l->events.len;
        lanes[n++] = l;
    }
    int code = lt_decide_lanes(&lt_command_deadletter, d, config, target, lanes, n, LT_VERB_RETRY, LT_SPAN_NULL);
    fprintf(stderr, "%zu dossiers with %zu events%s", n, events, d->cli.dry_run ? " would be redriven" : "");
    if (left_out)
        fprintf(stderr, "; %zu left out, refused again %lld times or more: look at them, or raise --rounds-max",
                left_out, (long long)rounds_max);
    fprintf(stderr, "\n");
    free(lanes);
    lt_parked_deinit(&p);
    return code == LT_EXIT_OK && left_out ? LT_EXIT_FINDING : code;
}

static int serve(struct lt_decide *d, const struct lt_config *config, int argc, char **argv)
{
    if (strcmp(argv[0], "show") == 0 && argc == 2)
        return show(config, argv[1]);
    if (argc == 2 && !lt_decide_target(&lt_command_deadletter, config, argv[1]))
        return LT_EXIT_USAGE;
    if (strcmp(argv[0], "list") == 0 && argc <= 2)
        return list(d, config, argc == 2 ? argv[1] : NULL);
    if (strcmp(argv[0], "redrive") == 0 && argc == 2)
        return redrive(d, config, argv[1]);
    return lt_cli_usage(&lt_command_deadletter);
}

static int deadletter(int argc, char **argv)
{
    struct lt_decide d;
    struct lt_config *config = NULL;
    if (!lt_decide_options(&lt_command_deadletter, argc, argv, &d))
        return LT_EXIT_USAGE;
    if (d.cli.help)
        return lt_cli_help(&lt_command_deadletter);
    if (optind >= argc)
        return lt_cli_usage(&lt_command_deadletter);
    if (strcmp(argv[optind], "resubmit") == 0)
        return lt_cli_deadletter_resubmit(&d, argc - optind, argv + optind);
    int code = lt_decide_config(&lt_command_deadletter, &d, &config);
    if (code == LT_EXIT_OK)
        code = serve(&d, config, argc - optind, argv + optind);
    lt_config_free(config);
    return code;
}

const struct lt_command lt_command_deadletter = {
    "deadletter",
    "VERB [OPTION…]\n"
    "  list [TARGET]                  what was refused and why (exit 1 when there is any): inputs, and whether they "
    "were\n"
    "                                 resubmitted since; deliveries, and whether they are parked still or ended since\n"
    "                                 (taken when redriven, or skipped: lt.history.TARGET tells)\n"
    "  show PARTITION.OFFSET          one with its headers and its bytes\n"
    "  redrive TARGET                 run the dossiers that this target refused again, in order, after its cause is "
    "mended\n"
    "  resubmit [PARTITION.OFFSET]    send refused inputs through ingest again, with today's mappings\n"
    "  chosen by --reason R, --code C, --procedure P, --province H, --client NAME (patterns), --since T, --until T (a "
    "time, or 2h)\n"
    "  --dry-run shows whom, --rate N a second (100), --rounds-max N leaves out what was refused so often (5),\n"
    "  --all takes inputs that were accepted meanwhile too, --who NAME for the audit (the login), --json\n",
    "what was refused and why; send it again after its cause is mended", deadletter, NULL};
