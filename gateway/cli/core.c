/* lienthong core: the core's positions as Kafka has them, and the ways out of its stops. */
#include "gateway/cli/core.h"

#include "gateway/base/crypto.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

int lt_cli_core_complain(const struct lt_err *err)
{
    fprintf(stderr, "lienthong core: %s\n", err->text);
    return err->code == LT_E_INVALID || err->code == LT_E_LIMIT || err->code == LT_E_NOT_FOUND ? LT_EXIT_FINDING
                                                                                               : LT_EXIT_UNAVAILABLE;
}

/* ---- status ---- */

static bool adds_up(const struct lt_position_row *row)
{
    uint64_t sum = row->position.holes;
    for (int v = 0; v < LT_VERDICTS; v++)
        sum += row->position.verdicts[v];
    return sum == (uint64_t)row->offset;
}

static void put_row(struct lt_cli_core *s, const struct lt_position_row *row)
{
    lt_json_num(&s->w, "partition", row->partition);
    lt_json_num(&s->w, "offset", row->offset);
    lt_json_num(&s->w, "low", row->low);
    lt_json_num(&s->w, "high", row->high);
    lt_json_num(&s->w, "kept_offset", row->kept_offset);
    lt_json_str(&s->w, "instance", lt_span_str(row->instance));
    if (row->proved) {
        char hex[17];
        lt_json_num(&s->w, "lag", LT_MAX(row->high - row->offset, 0));
        for (int v = 0; v < LT_VERDICTS; v++)
            lt_json_num(&s->w, lt_verdict_name((enum lt_verdict_kind)v), (int64_t)row->position.verdicts[v]);
        lt_json_num(&s->w, "undeliverable", (int64_t)row->position.undeliverable);
        lt_json_num(&s->w, "holes", (int64_t)row->position.holes);
        lt_json_flag(&s->w, "adds_up", adds_up(row));
        lt_json_num(&s->w, "clock_ms", row->position.clock_ms);
        snprintf(hex, sizeof(hex), "%016" PRIx64, row->position.sum);
        lt_json_str(&s->w, "sum", lt_span_str(hex));
    }
    lt_json_key(&s->w, LT_SPAN_LIT("accepted_holes"));
    lt_json_begin_array(&s->w);
    for (size_t i = 0; i < row->accepted.holes_len; i++) {
        lt_json_begin_array(&s->w);
        lt_json_put_int(&s->w, row->accepted.holes[i].from);
        lt_json_put_int(&s->w, row->accepted.holes[i].to);
        lt_json_end_array(&s->w);
    }
    lt_json_end_array(&s->w);
}

static void print_row(const struct lt_position_row *row, struct lt_span state)
{
    const char *sep = state.len ? ", " : "";
    if (!row->proved) {
        printf("partition %" PRId32 ": offset %" PRId64 " without proof, log %" PRId64 " to %" PRId64 "%s" LT_SPAN_FMT
               "\n",
               row->partition, row->offset, row->low, row->high, sep, LT_SPAN_ARG(state));
        return;
    }
    printf("partition %" PRId32 ": offset %" PRId64 ", lag %" PRId64, row->partition, row->offset,
           LT_MAX(row->high - row->offset, 0));
    for (int v = 0; v < LT_VERDICTS; v++)
        printf(", %s %" PRIu64, lt_verdict_name((enum lt_verdict_kind)v), row->position.verdicts[v]);
    if (row->position.holes)
        printf(", accepted as lost %" PRIu64, row->position.holes);
    printf("%s%s%s" LT_SPAN_FMT "\n", row->instance[0] ? ", by " : "", row->instance, sep, LT_SPAN_ARG(state));
}

/* What the position shows now; what it cannot show, as the gateway that runs here says it. */
static bool stop_of(const struct lt_positions *all, const struct lt_position_row *row, const struct lt_cli_live *live,
                    char text[LT_POSITION_TEXT_MAX], char command[LT_STOP_COMMAND_MAX], struct lt_cli_reason *ret)
{
    enum lt_stop stop = lt_position_diagnose(all, row, text, command);
    if (stop == LT_STOP_NONE)
        return lt_cli_live_reason(live, row->partition, "stop", ret);
    *ret = (struct lt_cli_reason){.name = lt_span_str(lt_stop_name(stop)),
                                  .text = lt_span_str(text),
                                  .cause = lt_span_str(lt_stop_cause(stop)),
                                  .safe = lt_span_str(lt_stop_safe(stop)),
                                  .advice = lt_span_str(lt_stop_advice(stop)),
                                  .command = lt_span_str(command)};
    return true;
}

bool lt_cli_core_has_partition(const struct lt_cli_core *s, const struct lt_positions *all)
{
    if (s->partition < (int64_t)all->rows.len)
        return true;
    fprintf(stderr, "lienthong core: " LT_TOPIC_INTAKE " has no partition %" PRId64 ", only 0 to %zu\n", s->partition,
            all->rows.len - 1);
    return false;
}

/* 1 when there is something to do about this partition. */
static size_t show_row(struct lt_cli_core *s, const struct lt_positions *all, const struct lt_position_row *row,
                       const struct lt_cli_live *live)
{
    char text[LT_POSITION_TEXT_MAX], command[LT_STOP_COMMAND_MAX];
    struct lt_cli_reason stop, alarm;
    bool stopped = stop_of(all, row, live, text, command, &stop);
    bool alarmed = lt_cli_live_reason(live, row->partition, "alarm", &alarm);
    bool wrong_sum = row->proved && !adds_up(row);
    struct lt_span state = lt_cli_live_state(live, row->partition);
    if (s->options.json) {
        lt_json_begin_object(&s->w);
        put_row(s, row);
        lt_json_str(&s->w, "state", state);
    } else {
        print_row(row, state);
    }
    if (stopped)
        lt_cli_core_tell(s, "stop", &stop);
    if (alarmed)
        lt_cli_core_tell(s, "alarm", &alarm);
    if (s->options.json)
        lt_json_end_object(&s->w);
    else if (wrong_sum)
        printf("  the verdicts do not add up to the offset: report this\n");
    return stopped || alarmed || wrong_sum;
}

static void conclude(const struct lt_cli_live *live)
{
    if (!live->json)
        printf(
            "every position stands with its proof; no gateway answers at %s, so what only a running one knows (holes, "
            "its index, what it cannot write) is not shown\n",
            live->address);
    else if (!lt_json_present(live->core))
        printf("every position stands with its proof; " LT_SPAN_FMT
               " has no role core: ask where the core runs what it stopped for\n",
               LT_SPAN_ARG(lt_cli_live_instance(live)));
    else
        printf("every position stands with its proof, and " LT_SPAN_FMT " has stopped for nothing\n",
               LT_SPAN_ARG(lt_cli_live_instance(live)));
}

int lt_cli_core_status(struct lt_cli_core *s)
{
    struct lt_positions all;
    struct lt_err err = LT_ERR_INIT;
    char incarnation[17];
    struct lt_cli_live live;
    size_t findings = 0;
    if (lt_positions_read(s->kafka.admin, s->kafka.reader, &all, &err) < 0)
        return lt_cli_core_complain(&err);
    if (!lt_cli_core_has_partition(s, &all)) {
        lt_positions_deinit(&all);
        return LT_EXIT_FINDING;
    }
    lt_cli_live_ask(s->compiled.config, &live);
    snprintf(incarnation, sizeof(incarnation), "%016" PRIx64, all.incarnation);
    if (s->options.json) {
        lt_json_str(&s->w, "incarnation", lt_span_str(incarnation));
        lt_json_key(&s->w, LT_SPAN_LIT("partitions"));
        lt_json_begin_array(&s->w);
    }
    for (size_t i = 0; i < all.rows.len; i++)
        if (s->partition < 0 || s->partition == all.rows.v[i].partition)
            findings += show_row(s, &all, &all.rows.v[i], &live);
    if (s->options.json)
        lt_json_end_array(&s->w);
    findings += lt_cli_live_workers(s, &live);
    if (!findings && !s->options.json)
        conclude(&live);
    lt_cli_live_deinit(&live);
    lt_positions_deinit(&all);
    return findings ? LT_EXIT_FINDING : LT_EXIT_OK;
}

/* ---- the command ---- */

static const struct {
    const char *name;
    int (*run)(struct lt_cli_core *s);
    bool needs_partition;
} verbs[] = {
    {"status", lt_cli_core_status, false},          {"position", lt_cli_core_position, false},
    {"accept-hole", lt_cli_core_accept_hole, true}, {"accept-index", lt_cli_core_accept_index, true},
    {"rebuild", lt_cli_core_rebuild, true},         {"verify", lt_cli_core_verify, false},
};

static bool parse_sum(const char *text, uint64_t *ret)
{
    uint8_t b[8];
    if (strlen(text) != 16 || !lt_unhex(lt_span_str(text), b, sizeof(b)))
        return false;
    *ret = 0;
    for (size_t i = 0; i < sizeof(b); i++)
        *ret = *ret << 8 | b[i];
    return true;
}

static bool take_option(struct lt_cli_core *s, int letter)
{
    int64_t *number = letter == 'p'   ? &s->partition
                      : letter == 'f' ? &s->from
                      : letter == 't' ? &s->to
                      : letter == 'o' ? &s->offset
                                      : NULL;
    if (number)
        return lt_span_i64(lt_span_str(optarg), number) && *number >= 0;
    if (letter == 's')
        return s->sum_given = parse_sum(optarg, &s->sum);
    if (letter == 'w')
        s->kafka.actor = optarg;
    if (letter == 'r')
        s->relog = true;
    return letter == 'w' || letter == 'r';
}

/* Who, for the audit: the user of this machine, unless --who says more. */
static const char *actor_here(char out[200])
{
    char host[64] = "";
    const struct passwd *user = getpwuid(getuid());
    (void)gethostname(host, sizeof(host) - 1); /* stays empty */
    snprintf(out, 200, "%.100s@%s", user ? user->pw_name : "?", host);
    return out;
}

static int serve(struct lt_cli_core *s, int (*verb)(struct lt_cli_core *s))
{
    struct lt_err err = LT_ERR_INIT;
    s->kafka.config = s->compiled.config;
    s->kafka.routes = s->compiled.routes;
    s->kafka.dry_run = s->options.dry_run;
    if (lt_repairer_open(&s->kafka, &err) < 0)
        return lt_cli_core_complain(&err);
    if (s->options.json) {
        lt_json_writer_init(&s->w, &s->out);
        lt_json_begin_object(&s->w);
    }
    int code = verb(s);
    if (s->options.json) {
        lt_json_num(&s->w, "exit", code);
        lt_json_end_object(&s->w);
        puts(lt_buf_view(&s->out).ptr);
    }
    lt_repairer_close(&s->kafka);
    return code;
}

static int core(int argc, char **argv)
{
    static const struct option extra[] = {
        {"partition", required_argument, NULL, 'p'}, {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},        {"offset", required_argument, NULL, 'o'},
        {"sum", required_argument, NULL, 's'},       {"who", required_argument, NULL, 'w'},
        {"relog", no_argument, NULL, 'r'},           {0}};
    char actor[200];
    struct lt_cli_core s = {.partition = -1, .from = -1, .to = -1, .offset = -1, .out = LT_BUF_INIT(64 << 20)};
    s.kafka.actor = actor_here(actor);
    int letter;
    bool ok = true;
    while ((letter = lt_cli_option(argc, argv, extra, &s.options)) != -1) {
        bool taken = letter != '?' && take_option(&s, letter);
        if (letter != '?' && !taken)
            fprintf(stderr, "lienthong core: expected %s, got '%s'\n",
                    letter == 's' ? "the 16 hex digits of --sum as the stop names them" : "a number from 0", optarg);
        ok = ok && taken;
    }
    if (s.options.help)
        return lt_cli_help(&lt_command_core);
    size_t verb = 0;
    while (optind < argc && verb < LT_ARRAY_LEN(verbs) && strcmp(verbs[verb].name, argv[optind]) != 0)
        verb++;
    if (!ok || argc - optind != 1 || verb == LT_ARRAY_LEN(verbs) || s.partition > INT32_MAX)
        return lt_cli_usage(&lt_command_core);
    if (verbs[verb].needs_partition && s.partition < 0) {
        fprintf(stderr, "lienthong core %s: --partition says which one\n", verbs[verb].name);
        return LT_EXIT_USAGE;
    }
    int code = lt_compiled_load_or_complain(s.options.config, &s.compiled);
    if (code == LT_EXIT_OK) {
        code = serve(&s, verbs[verb].run);
        lt_compiled_deinit(&s.compiled);
    }
    lt_buf_deinit(&s.out);
    return code;
}

const struct lt_command lt_command_core = {
    "core",
    "status | position [--relog] | accept-hole --from A --to B | accept-index --offset O --sum S | rebuild | verify "
    "[--from A --to B]   [--partition P] [--who NAME] [--dry-run] [--json]",
    "the core's positions in Kafka and the ways out of its stops (docs/operations.md); exit 1 when something is wrong "
    "or was refused",
    core,
    "  status          positions, counters and proofs as Kafka has them, with each stop: cause, what is safe, command\n"
    "  position        OFFSETS-LOST, MOVED: write back the last position; --relog: INTAKE-CHANGED, see "
    "docs/operations.md first\n"
    "  accept-hole     HOLE, UNJUDGED-DELETED: offsets --from A up to, without, --to B count as lost\n"
    "  accept-index    INDEX-DIFFERS, TRUNCATED: go on with the index of this --sum at this --offset\n"
    "  rebuild         the running gateway builds a partition's index and its files again from the log\n"
    "  verify          computes verdicts again from the log (--from A --to B: of these offsets) and compares with "
    "every output\n"
    "  --partition P   this one only (all when left out); --who NAME for the audit (user@host); --dry-run, --json\n"
    "  exit 0 done or well, 1 finding or refused, 69 Kafka (rebuild: the gateway) does not answer, 78 configuration\n"};
