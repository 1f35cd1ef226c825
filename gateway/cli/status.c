/* lienthong status: what a running gateway says of itself on its admin listener. */
#include "gateway/cli/ask.h"
#include "gateway/cli/cli.h"
#include "gateway/codec/json.h"

#include <inttypes.h>
#include <stdio.h>

#define RETRYING_S 60    /* as the core's alarm */
#define WAITING_MS 10000 /* a target that has nothing against it shows a queue of so long, or of so many */
#define WAITING_RECORDS 1000

static struct lt_span text_of(lt_json_value v, const char *name)
{
    struct lt_span s = LT_SPAN_NULL;
    lt_json_string(lt_json_get(v, name), &s);
    return s;
}

/* "name n, name n": the members of an object of counters. */
static void put_counters(lt_json_value counters, struct lt_buf *out)
{
    for (size_t i = 0; i < lt_json_len(counters); i++) {
        struct lt_span name;
        int64_t n = 0;
        lt_json_int(lt_json_member_at(counters, i, &name), &n);
        lt_buf_printf(out, "%s" LT_SPAN_FMT " %lld", i ? ", " : "", LT_SPAN_ARG(name), (long long)n);
    }
}

/* Cause, what is safe meanwhile and what to do, below a stop or an alarm. */
static void put_way_out(lt_json_value stop, struct lt_buf *out)
{
    static const char *const lines[][2] = {
        {"cause", "cause:"}, {"safe", "safe:"}, {"advice", "do:"}, {"command", "run:"}};
    for (size_t i = 0; i < LT_ARRAY_LEN(lines); i++) {
        struct lt_span text = text_of(stop, lines[i][0]);
        if (text.len)
            lt_buf_printf(out, "          %-6s " LT_SPAN_FMT "\n", lines[i][1], LT_SPAN_ARG(text));
    }
}

static size_t put_one(const char *kind, struct lt_span module, int64_t partition, lt_json_value stop,
                      struct lt_buf *out)
{
    if (!lt_json_present(stop) || lt_json_type_of(stop) != LT_JSON_OBJECT)
        return 0;
    lt_buf_printf(out, "%-9s " LT_SPAN_FMT " partition %lld: " LT_SPAN_FMT ": " LT_SPAN_FMT "\n", kind,
                  LT_SPAN_ARG(module), (long long)partition, LT_SPAN_ARG(text_of(stop, "reason")),
                  LT_SPAN_ARG(text_of(stop, "text")));
    put_way_out(stop, out);
    return 1;
}

/* Every stop and alarm with reason and command: why anybody asks. Returns how many. */
static size_t put_stops(struct lt_span module, lt_json_value partitions, struct lt_buf *out)
{
    size_t stops = 0;
    for (size_t i = 0; i < lt_json_len(partitions); i++) {
        lt_json_value p = lt_json_at(partitions, i);
        int64_t n = -1;
        lt_json_int(lt_json_get(p, "partition"), &n);
        stops += put_one("STOPPED", module, n, lt_json_get(p, "stop"), out);
        stops += put_one("ALARM", module, n, lt_json_get(p, "alarm"), out);
    }
    return stops;
}

/* Partitions that load or that are nobody's: without this an instance whose Kafka is away looks like one that has
 * nothing to do. Stopped ones are told as such. */
static size_t put_not_ready(struct lt_span module, lt_json_value v, struct lt_buf *out)
{
    lt_json_value partitions = lt_json_get(v, "partitions");
    size_t len = lt_json_len(partitions), loading = 0, stopped = 0;
    bool ready = true;
    lt_json_bool(lt_json_get(v, "ready"), &ready);
    for (size_t i = 0; i < len; i++) {
        struct lt_span state = text_of(lt_json_at(partitions, i), "state");
        loading += lt_span_is(state, "loading");
        stopped += lt_span_is(state, "stopped");
    }
    if (ready || (stopped && !loading))
        return 0;
    lt_buf_printf(out, "NOT READY " LT_SPAN_FMT ": ", LT_SPAN_ARG(module));
    if (loading)
        lt_buf_printf(out, "%zu of %zu partitions are loading\n", loading, len);
    else if (len)
        lt_buf_str(out, "some partitions are nobody's; its group shares them anew within half a minute\n");
    else
        lt_buf_str(out, "it has no partition: Kafka does not answer, or the group has not shared them out yet\n");
    return 1;
}

/* Local index files that are not written or were not all used: nothing is stopped by it, but a start takes longer. */
static void put_files(lt_json_value partitions, struct lt_buf *out)
{
    for (size_t i = 0; i < lt_json_len(partitions); i++) {
        lt_json_value p = lt_json_at(partitions, i), files = lt_json_get(p, "files");
        struct lt_span why = text_of(files, "why"), passed_over = text_of(files, "passed_over");
        int64_t n = -1;
        lt_json_int(lt_json_get(p, "partition"), &n);
        if (why.len)
            lt_buf_printf(out, "FILES     core/%" PRId64 ": goes on without local index files: " LT_SPAN_FMT "\n", n,
                          LT_SPAN_ARG(why));
        if (passed_over.len)
            lt_buf_printf(out,
                          "FILES     core/%" PRId64 ": was loaded without some of its index files: " LT_SPAN_FMT "\n",
                          n, LT_SPAN_ARG(passed_over));
    }
}

static size_t put_troubles(lt_json_value workers, struct lt_buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < lt_json_len(workers); i++) {
        struct lt_span t = text_of(lt_json_at(workers, i), "trouble");
        if (t.len) {
            lt_buf_printf(out, "TROUBLE   core: " LT_SPAN_FMT "\n", LT_SPAN_ARG(t));
            n++;
            put_way_out(lt_json_get(lt_json_at(workers, i), "alarm"), out);
        }
    }
    return n;
}

/* Folders and bridges that cannot work, certificates that could not be renewed. */
static size_t put_ingest(lt_json_value ingest, struct lt_buf *out)
{
    static const char *const kinds[] = {"folders", "bridges"};
    struct lt_span kept = text_of(ingest, "certificates_kept"), why = text_of(ingest, "why");
    int64_t accepted = 0;
    size_t n = 0;
    lt_json_int(lt_json_get(ingest, "accepted"), &accepted);
    lt_buf_printf(out, "ingest    accepted %lld\n", (long long)accepted);
    if (why.len) {
        lt_buf_printf(out, "TROUBLE   " LT_SPAN_FMT "\n", LT_SPAN_ARG(why));
        n++;
    }
    if (kept.len) {
        lt_buf_printf(out, "TROUBLE   ingest: the last good certificates go on: " LT_SPAN_FMT "\n", LT_SPAN_ARG(kept));
        n++;
    }
    for (size_t k = 0; k < LT_ARRAY_LEN(kinds); k++) {
        lt_json_value list = lt_json_get(ingest, kinds[k]);
        for (size_t i = 0; i < lt_json_len(list); i++) {
            struct lt_span trouble = text_of(lt_json_at(list, i), "trouble");
            int64_t left = 0;
            if (lt_json_int(lt_json_get(lt_json_at(list, i), "left"), &left) && left > 0)
                lt_buf_printf(out, "FOLDER    " LT_SPAN_FMT ": %" PRId64 " files are not taken for their names\n",
                              LT_SPAN_ARG(text_of(lt_json_at(list, i), "name")), left);
            if (!trouble.len)
                continue;
            lt_buf_printf(out, "TROUBLE   %.6s " LT_SPAN_FMT ": " LT_SPAN_FMT "\n", kinds[k],
                          LT_SPAN_ARG(text_of(lt_json_at(list, i), "name")), LT_SPAN_ARG(trouble));
            n++;
        }
    }
    return n;
}

/* Changed tables that cannot be used: the former ones go on. */
static size_t put_tables(lt_json_value tables, struct lt_buf *out)
{
    if (!lt_span_is(text_of(tables, "state"), "kept"))
        return 0;
    lt_buf_printf(out, "TROUBLE   tables: the former ones go on: " LT_SPAN_FMT "\n",
                  LT_SPAN_ARG(text_of(tables, "text")));
    return 1;
}

/* Topics that are gone, refused, divided otherwise, or set so that records would be lost. */
static size_t put_topics(lt_json_value topics, struct lt_buf *out)
{
    for (size_t i = 0; i < lt_json_len(topics); i++) {
        lt_json_value t = lt_json_at(topics, i);
        lt_buf_printf(out, "TOPIC     " LT_SPAN_FMT ": " LT_SPAN_FMT "\n", LT_SPAN_ARG(text_of(t, "reason")),
                      LT_SPAN_ARG(text_of(t, "text")));
        put_way_out(t, out);
    }
    return lt_json_len(topics);
}

/* It waits for a certificate or a password, or for rules that changed over there; the other pauses of a target pass by
 * themselves or are an operator's own. Probing is still waiting. */
static bool waits_for_people(lt_json_value t)
{
    struct lt_span reason = text_of(t, "reason");
    return lt_span_is(reason, "credential") || lt_span_is(reason, "refusals");
}

static void put_wait(int64_t ms, struct lt_buf *out)
{
    int64_t s = ms / 1000;
    if (s >= 3600)
        lt_buf_printf(out, ", tries again in %" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    else if (s >= 120)
        lt_buf_printf(out, ", tries again in %" PRId64 " min", s / 60);
    else
        lt_buf_printf(out, ", tries again in %" PRId64 " s", s);
}

/* What a pause came from and what leads out of it. */
static void put_pause(lt_json_value t, struct lt_span name, struct lt_buf *out)
{
    struct lt_span reason = text_of(t, "reason"), code = text_of(t, "code"), why = text_of(t, "why");
    if (why.len)
        lt_buf_printf(out, "          why: " LT_SPAN_FMT ": " LT_SPAN_FMT "\n", LT_SPAN_ARG(code), LT_SPAN_ARG(why));
    if (lt_span_is(reason, "credential"))
        lt_buf_str(
            out,
            "          do: look at the certificates of both sides (lienthong check), key and password; a file that "
            "is replaced is tried within seconds\n");
    else if (lt_span_is(reason, "refusals"))
        lt_buf_printf(out,
                      "          do: see lienthong deadletter list " LT_SPAN_FMT ", mend the cause; a probe opens it\n",
                      LT_SPAN_ARG(name));
    else if (lt_span_is(reason, "operator"))
        lt_buf_printf(out, "          run: lienthong targets resume " LT_SPAN_FMT "\n", LT_SPAN_ARG(name));
    else if (reason.len)
        lt_buf_printf(
            out, "          do: nothing, one call probes then; lienthong targets resume " LT_SPAN_FMT " tries now\n",
            LT_SPAN_ARG(name));
}

/* Not paused (yet), but nothing was taken since: how a target that is away looks to whoever asks first. */
static void put_failing(lt_json_value t, struct lt_buf *out)
{
    lt_json_value f = lt_json_get(t, "failing");
    int64_t ago_ms = 0;
    if (!lt_json_present(f))
        return;
    lt_json_int(lt_json_get(f, "ago_ms"), &ago_ms);
    lt_buf_printf(out, "          last failure %" PRId64 " s ago, nothing was taken since", ago_ms / 1000);
    if (!lt_span_eq(text_of(f, "why"), text_of(t, "why"))) /* told above, where a pause came from it */
        lt_buf_printf(out, ": " LT_SPAN_FMT ": " LT_SPAN_FMT, LT_SPAN_ARG(text_of(f, "code")),
                      LT_SPAN_ARG(text_of(f, "why")));
    lt_buf_char(out, '\n');
}

/* A queue that is worked off at once is not worth a line; one that stands, or is longer than its target is fast, is. */
static void put_waiting(lt_json_value t, struct lt_buf *out)
{
    int64_t oldest_ms = 0, waiting = 0;
    bool stands = lt_json_present(lt_json_get(t, "failing")) || !lt_span_is(text_of(t, "state"), "running");
    lt_json_int(lt_json_get(t, "oldest_ms"), &oldest_ms);
    lt_json_int(lt_json_get(t, "lag"), &waiting);
    if (oldest_ms > (stands ? 0 : WAITING_MS) || waiting >= WAITING_RECORDS)
        lt_buf_printf(out, "          waiting: %" PRId64 " records of the queue, the oldest for %" PRId64 " s\n",
                      waiting, oldest_ms / 1000);
}

/* Secrets whose files cannot be used as they are now: the former ones go on. */
static size_t put_secrets(lt_json_value secrets, struct lt_span name, struct lt_buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < lt_json_len(secrets); i++) {
        if (!lt_span_is(text_of(lt_json_at(secrets, i), "state"), "kept"))
            continue;
        lt_buf_printf(out, "TROUBLE   " LT_SPAN_FMT ": the former secret goes on: " LT_SPAN_FMT "\n", LT_SPAN_ARG(name),
                      LT_SPAN_ARG(text_of(lt_json_at(secrets, i), "why")));
        lt_buf_str(out, "          do: write it beside with mode 0600 and rename it over; it is taken up in seconds\n");
        n++;
    }
    return n;
}

/* Call-backs: the provinces that are called less than others, since each has a breaker of its own. Those that do not
 * let us in are findings, as a target that does not. */
static size_t put_provinces(lt_json_value provinces, struct lt_span name, struct lt_buf *out)
{
    size_t findings = 0;
    for (size_t i = 0; i < lt_json_len(provinces); i++) {
        lt_json_value p = lt_json_at(provinces, i);
        int64_t delivered = 0, wait_ms = 0;
        bool denied = false;
        if (lt_span_is(text_of(p, "state"), "running"))
            continue;
        lt_json_int(lt_json_get(p, "delivered"), &delivered);
        lt_json_int(lt_json_get(p, "resumes_in_ms"), &wait_ms);
        lt_buf_printf(out, "          " LT_SPAN_FMT " " LT_SPAN_FMT ": " LT_SPAN_FMT ", took %" PRId64 " so far",
                      LT_SPAN_ARG(text_of(p, "province")), LT_SPAN_ARG(text_of(p, "state")),
                      LT_SPAN_ARG(text_of(p, "reason")), delivered);
        if (wait_ms > 0)
            put_wait(wait_ms, out);
        lt_buf_char(out, '\n');
        if (!lt_json_bool(lt_json_get(p, "needs_people"), &denied) || !denied)
            continue;
        lt_buf_printf(out,
                      "          do: look at the certificates of both sides (lienthong check) and at our rights there; "
                      "lienthong targets resume " LT_SPAN_FMT " tries now\n",
                      LT_SPAN_ARG(name));
        findings++;
    }
    return findings;
}

/* Outcomes that cannot be committed are a finding when they could not for a minute, as the log says it; a log that is
 * away, at once. */
static size_t put_log(lt_json_value t, struct lt_span name, struct lt_buf *out)
{
    struct lt_span log = text_of(t, "log"), transaction = text_of(t, "transaction");
    lt_json_value parts = lt_json_get(t, "partitions");
    int64_t s = 0;
    if (log.len)
        lt_buf_printf(out, "TROUBLE   " LT_SPAN_FMT ": " LT_SPAN_FMT "\n", LT_SPAN_ARG(name), LT_SPAN_ARG(log));
    if (transaction.len) {
        lt_json_int(lt_json_get(t, "transaction_trouble_s"), &s);
        lt_buf_printf(out,
                      "TROUBLE   " LT_SPAN_FMT ": RETRYING a transaction for %" PRId64 " s: " LT_SPAN_FMT "\n"
                      "          safe:  the same outcomes are written again, nothing is called again for it\n"
                      "          do:    what Kafka says: brokers, ACL, missing topic; it goes on by itself\n"
                      "          run:   lienthong topics\n",
                      LT_SPAN_ARG(name), s, LT_SPAN_ARG(transaction));
    }
    for (size_t i = 0; i < lt_json_len(parts); i++) {
        struct lt_span waits = text_of(lt_json_at(parts, i), "waiting_for");
        int64_t n = -1;
        lt_json_int(lt_json_get(lt_json_at(parts, i), "partition"), &n);
        if (waits.len)
            lt_buf_printf(out, "LOADING   " LT_SPAN_FMT " partition %" PRId64 ": " LT_SPAN_FMT "\n", LT_SPAN_ARG(name),
                          n, LT_SPAN_ARG(waits));
    }
    return (log.len > 0) + (s >= RETRYING_S);
}

/* Answers that nobody has said the meaning of: they went by the default, which may be wrong for them. */
static void put_unlisted(lt_json_value answers, struct lt_buf *out)
{
    int64_t n = 0;
    if (lt_json_int(lt_json_get(answers, "unlisted"), &n) && n > 0)
        lt_buf_printf(out,
                      "          unlisted: %" PRId64 " answers fit no row of its table and were taken as " LT_SPAN_FMT
                      ": see answer-unlisted in the log, add a row\n",
                      n, LT_SPAN_ARG(text_of(answers, "unlisted_is")));
}

static size_t put_target(lt_json_value t, struct lt_buf *out)
{
    struct lt_span name = text_of(t, "target"), reason = text_of(t, "reason");
    int64_t wait_ms = 0;
    lt_buf_printf(out, "%-9.*s " LT_SPAN_FMT "%s" LT_SPAN_FMT, (int)name.len, name.ptr ? name.ptr : "?",
                  LT_SPAN_ARG(text_of(t, "state")), reason.len ? ": " : "", LT_SPAN_ARG(reason));
    if (lt_json_int(lt_json_get(t, "resumes_in_ms"), &wait_ms) && wait_ms > 0)
        put_wait(wait_ms, out);
    lt_buf_char(out, '\n');
    put_pause(t, name, out);
    put_failing(t, out);
    put_waiting(t, out);
    size_t findings = put_provinces(lt_json_get(lt_json_get(t, "details"), "provinces"), name, out);
    lt_json_value counters = lt_json_get(t, "counters");
    if (lt_json_len(counters)) {
        lt_buf_str(out, "          ");
        put_counters(counters, out);
        lt_buf_char(out, '\n');
    }
    int64_t parked = 0;
    lt_json_int(lt_json_get(lt_json_get(t, "ledger"), "lanes_parked"), &parked);
    if (parked > 0)
        lt_buf_printf(out, "          parked: %" PRId64 " dossiers, see lienthong parked list " LT_SPAN_FMT "\n",
                      parked, LT_SPAN_ARG(name));
    put_unlisted(lt_json_get(lt_json_get(t, "details"), "answers"), out);
    findings += waits_for_people(t);
    findings += put_not_ready(name, t, out);
    findings += put_log(t, name, out);
    findings += put_secrets(lt_json_get(t, "secrets"), name, out);
    return findings + put_stops(name, lt_json_get(t, "partitions"), out);
}

static size_t put_hangs(struct lt_span name, struct lt_buf *out)
{
    lt_buf_printf(out, "NOT READY " LT_SPAN_FMT ": " LT_CLI_HANGS "\n", LT_SPAN_ARG(name));
    return 1;
}

/* Targets whose thread tells nothing any more. */
static size_t put_hanging(lt_json_value hanging, struct lt_buf *out)
{
    for (size_t i = 0; i < lt_json_len(hanging); i++) {
        struct lt_span name = LT_SPAN_NULL;
        lt_json_string(lt_json_at(hanging, i), &name);
        put_hangs(name, out);
    }
    return lt_json_len(hanging);
}

/* For people; returns the number of findings, for people and machines alike. */
static size_t describe(lt_json_value root, struct lt_buf *out)
{
    size_t findings = 0;
    lt_json_value core = lt_json_get(root, "core"), targets = lt_json_get(root, "targets");
    lt_buf_printf(out, "instance  " LT_SPAN_FMT "\n", LT_SPAN_ARG(text_of(root, "instance")));
    findings += put_tables(lt_json_get(root, "tables"), out);
    findings += put_topics(lt_json_get(root, "topics"), out);
    if (lt_json_present(lt_json_get(root, "ingest")))
        findings += put_ingest(lt_json_get(root, "ingest"), out);
    if (lt_json_present(core)) {
        lt_buf_str(out, "core      ");
        put_counters(lt_json_get(core, "verdicts"), out);
        lt_buf_char(out, '\n');
        bool hangs = false;
        lt_json_bool(lt_json_get(core, "hangs"), &hangs);
        findings += hangs ? put_hangs(LT_SPAN_LIT("core"), out) : put_not_ready(LT_SPAN_LIT("core"), core, out);
        findings += put_troubles(lt_json_get(core, "workers"), out);
        findings += put_stops(LT_SPAN_LIT("core"), lt_json_get(core, "partitions"), out);
        put_files(lt_json_get(core, "partitions"), out);
    }
    findings += put_hanging(lt_json_get(root, "hanging"), out);
    for (size_t i = 0; i < lt_json_len(targets); i++)
        findings += put_target(lt_json_at(targets, i), out);
    return findings;
}

static int show(struct lt_span body, bool json)
{
    static const struct lt_json_limits limits = {.bytes_max = 32 << 20, .depth_max = 32};
    LT_AUTO_JSON struct lt_json *j = NULL;
    LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(32 << 20);
    struct lt_err err = LT_ERR_INIT;
    if (lt_json_parse(body, &limits, &j, &err) < 0) {
        fprintf(stderr, "lienthong status: the answer is not readable: %s\n", err.text);
        return LT_EXIT_UNAVAILABLE;
    }
    size_t findings = describe(lt_json_root(j), &text);
    struct lt_span out = json ? body : lt_buf_view(&text);
    fwrite(out.ptr, 1, out.len, stdout);
    return findings ? LT_EXIT_FINDING : LT_EXIT_OK;
}

static int status(int argc, char **argv)
{
    struct lt_cli_options o = {0};
    if (lt_cli_option(argc, argv, NULL, &o) != -1 || optind != argc)
        return lt_cli_usage(&lt_command_status);
    if (o.help)
        return lt_cli_help(&lt_command_status);
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_config *c = NULL;
    /* What runs was read before: a file that was spoilt since is no reason not to look at it. */
    int r = lt_config_survey(o.config, &c, &diags);
    lt_diags_deinit(&diags);
    if (r < 0)
        (void)lt_cli_bad_config(&lt_command_status, o.config);
    if (!c || !c->admin.listen) {
        lt_config_free(c);
        return LT_EXIT_CONFIG;
    }
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(LT_ASK_BYTES_MAX);
    struct lt_err err = LT_ERR_INIT;
    int code = LT_EXIT_UNAVAILABLE;
    if (lt_ask_status(c, &body, &err) != LT_OK)
        fprintf(stderr, "lienthong status: %s\n", err.text);
    else
        code = show(lt_buf_view(&body), o.json);
    lt_config_free(c);
    return code;
}

const struct lt_command lt_command_status = {
    "status", "[--json]", "what a running gateway says of itself; exit 1 when something is stopped or not ready",
    status,
    "  asks the gateway at admin.listen of the configuration; names each stop with cause, what is safe and the "
    "command\n"
    "  --json          all it knows, as the admin listener's /status\n"
    "  exit 0 well, 1 something is stopped, not ready (yet) or waits for people, 69 no gateway answers\n"};
