/* lienthong run: one process, the roles it is given; equal instances scale out. */
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/base/log.h"
#include "gateway/base/version.h"
#include "gateway/cli/adapters.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/reload.h"
#include "gateway/core/core.h"
#include "gateway/ingest/ingest.h"
#include "gateway/ingest/peers.h"
#include "gateway/ops/genesis_watch.h"
#include "gateway/ops/listener.h"
#include "gateway/ops/notify.h"
#include "gateway/ops/stop_limit.h"
#include "gateway/ops/topic_watch.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define DRAIN_MS 20000
#define SILENT_KAFKA_MS 10000 /* a stop waits for it no longer */
#define LOOK_S 5

struct gateway {
    struct lt_compiled compiled;
    bool ingest_on, core_on, delivery_on;
    int64_t started_ms;
    atomic_bool leaving; /* its groups, for good: the others have the partitions at once */
    struct lt_core *core;
    struct lt_ingest *ingest;
    struct lt_peers *peers; /* without role ingest: the listener for other instances' questions */
    struct lt_genesis_watch *genesis;
    struct lt_topic_watch *topics;
    struct lt_reload *reload;
    struct lt_delivery_engine **targets;
    atomic_size_t targets_len; /* grows while the admin listener already answers */
    struct lt_listener *listener;
};

/* ---- what the admin listener shows ---- */

static bool ready(void *ctx, struct lt_buf *why)
{
    struct gateway *g = ctx;
    bool ok = true;
    if (g->ingest && !lt_ingest_ready(g->ingest, why)) {
        lt_buf_char(why, '\n');
        ok = false;
    }
    if (g->core_on && !lt_core_ready(g->core)) {
        lt_buf_printf(why, "core: %s\n",
                      lt_core_hangs(g->core) ? LT_CLI_HANGS
                                             : "partitions are loading, stopped, or nobody's yet, see /status");
        ok = false;
    }
    if (g->delivery_on && g->targets_len < g->compiled.config->targets_len) {
        lt_buf_str(why, "delivery: starting\n");
        ok = false;
    }
    for (size_t i = 0; i < g->targets_len; i++)
        if (!lt_delivery_ready(g->targets[i])) {
            lt_buf_printf(why, "delivery to %s: %s\n", g->compiled.config->targets[i].name,
                          lt_delivery_hangs(g->targets[i]) ? LT_CLI_HANGS
                                                           : "partitions are loading or stopped, see /status");
            ok = false;
        }
    return lt_topic_watch_ready(g->topics, why) && ok;
}

static void metrics(void *ctx, struct lt_buf *out)
{
    struct gateway *g = ctx;
    lt_buf_printf(
        out, "# HELP lt_info Version and instance.\n# TYPE lt_info gauge\nlt_info{version=\"%s\",instance=\"%s\"} 1\n",
        LT_VERSION, g->compiled.config->instance);
    if (g->ingest)
        lt_ingest_metrics(g->ingest, out);
    if (g->core_on)
        lt_core_metrics(g->core, out);
    for (size_t i = 0; i < g->targets_len; i++)
        lt_delivery_metrics(g->targets[i], out);
    lt_topic_watch_metrics(g->topics, out);
    lt_reload_metrics(g->reload, out);
}

static void status(void *ctx, struct lt_json_writer *w)
{
    struct gateway *g = ctx;
    char generation[17];
    snprintf(generation, sizeof(generation), "%016llx", (unsigned long long)lt_config_generation(g->compiled.config));
    lt_json_begin_object(w);
    lt_json_str(w, "instance", lt_span_str(g->compiled.config->instance));
    lt_json_str(w, "version", lt_span_str(LT_VERSION));
    lt_json_str(w, "generation", lt_span_str(generation));
    lt_json_num(w, "uptime_s", (lt_mono_ms() - g->started_ms) / 1000);
    lt_json_key(w, LT_SPAN_LIT("tables"));
    lt_reload_status(g->reload, w);
    lt_json_key(w, LT_SPAN_LIT("topics"));
    lt_topic_watch_status(g->topics, w);
    if (g->ingest) {
        lt_json_key(w, LT_SPAN_LIT("ingest"));
        lt_ingest_status(g->ingest, w);
    }
    if (g->core_on) {
        lt_json_key(w, LT_SPAN_LIT("core"));
        lt_core_status(g->core, w);
    }
    lt_json_key(w, LT_SPAN_LIT("hanging")); /* what they told last stands below */
    lt_json_begin_array(w);
    for (size_t i = 0; i < g->targets_len; i++)
        if (lt_delivery_hangs(g->targets[i]))
            lt_json_put_string(w, lt_span_str(g->compiled.config->targets[i].name));
    lt_json_end_array(w);
    lt_json_key(w, LT_SPAN_LIT("targets"));
    lt_json_begin_array(w);
    for (size_t i = 0; i < g->targets_len; i++)
        lt_delivery_status(g->targets[i], w);
    lt_json_end_array(w);
    lt_json_end_object(w);
}

static bool look(void *ctx, int32_t partition, bool rebuild)
{
    struct gateway *g = ctx;
    return g->core_on && lt_core_look(g->core, partition, rebuild);
}

/* ---- starting and stopping ---- */

static int open_kafka(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    (void)ctx;
    return lt_log_kafka_new(s, ret, err);
}

/* Rule 16: at once. Nothing is open that a successor would not find out by itself. */
static void on_fatal(void *ctx, int exit_code, const char *text)
{
    (void)ctx;
    fprintf(stderr, "lienthong run: %s\n", text);
    _exit(exit_code);
}

static int start_targets(struct gateway *g)
{
    const struct lt_config *c = g->compiled.config;
    for (size_t i = 0; i < c->targets_len; i++) {
        struct lt_diags diags = LT_DIAGS_INIT;
        struct lt_delivery_settings s = {.config = c,
                                         .target = &c->targets[i],
                                         .adapter = lt_adapter_find(c->targets[i].adapter),
                                         .leaving = &g->leaving,
                                         .on_fatal = on_fatal};
        if (!s.adapter) {
            fprintf(stderr, "lienthong run: target %s: no adapter '%s'\n", c->targets[i].name, c->targets[i].adapter);
            return LT_EXIT_CONFIG;
        }
        int r = lt_delivery_start(&s, &g->targets[g->targets_len], &diags);
        if (r < 0) {
            LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 20);
            lt_diags_print(&diags, &out);
            fprintf(stderr, "%slienthong run: target %s cannot start\n", out.ptr ? out.ptr : "", c->targets[i].name);
            lt_diags_deinit(&diags);
            return LT_EXIT_CONFIG;
        }
        lt_diags_deinit(&diags);
        g->targets_len++;
    }
    return LT_EXIT_OK;
}

/*
 * Ports and folders first: a second start of the same configuration must fail on them before it joins any group, or it
 * would fence the gateway that runs.
 */
static int start_edges(struct gateway *g, struct lt_err *err)
{
    const struct lt_config *c = g->compiled.config;
    unsigned users = (g->ingest_on ? LT_TOPIC_OF_INGEST : 0u) | (g->core_on ? LT_TOPIC_OF_CORE : 0u) |
                     (g->delivery_on ? LT_TOPIC_OF_DELIVERY : 0u);
    int r = lt_topic_watch_start(c, g->compiled.routes, users, &g->topics, err);
    if (r == LT_OK && g->ingest_on) {
        struct lt_ingest_settings s = {
            .config = c,
            .mappings = g->compiled.mappings,
            .fate = lt_core_fate(g->core),
            .genesis_ready = lt_genesis_watch_ready,
        };
        r = lt_genesis_watch_start(c, &g->genesis, err);
        s.genesis_ctx = g->genesis;
        if (r == LT_OK)
            r = lt_ingest_start(&s, &g->ingest, err);
    }
    if (r == LT_OK && g->core_on && !g->ingest_on)
        r = lt_peers_start(c, lt_core_fate(g->core), &g->peers, err);
    struct lt_listener_port port = {.ctx = g, .ready = ready, .metrics = metrics, .status = status, .look = look};
    if (r == LT_OK)
        r = lt_listener_start(c->admin.listen, &port, &g->listener, err);
    return r;
}

static int start(struct gateway *g)
{
    struct lt_err err = LT_ERR_INIT;
    /* Without the role the core judges nothing, but still tells receipts which instance to ask. */
    if (!g->core_on)
        g->compiled.config->core.workers = 0;
    struct lt_core_settings core = {
        .config = g->compiled.config,
        .routes = g->compiled.routes,
        .open_log = open_kafka,
        .on_fatal = on_fatal,
        .leaving = &g->leaving,
    };
    g->core = lt_core_new(&core);
    g->targets = lt_calloc(LT_MAX(g->compiled.config->targets_len, 1), sizeof(struct lt_delivery_engine *));
    if (start_edges(g, &err) < 0 || lt_core_run(g->core, &err) < 0) {
        fprintf(stderr, "lienthong run: %s\n", err.text);
        return LT_EXIT_CONFIG;
    }
    return g->delivery_on ? start_targets(g) : LT_EXIT_OK;
}

/* Whatever was begun is where it would be after a kill -9: found out by who comes next. */
static void on_silent_kafka(void *ctx)
{
    const int *exit_code = ctx;
    lt_warn(
        "run", "stopped-without-kafka",
        "Kafka has not answered for %d s: ending without it; the next start finds out what became of what was begun",
        SILENT_KAFKA_MS / 1000);
    _exit(*exit_code);
}

/* In the order of the flow, so that what was accepted still gets as far as it can. The process ends with exit_code. */
static void stop(struct gateway *g, int exit_code)
{
    struct lt_stop_limit *limit = lt_stop_limit_start(g->compiled.config, SILENT_KAFKA_MS, on_silent_kafka, &exit_code);
    lt_listener_stop(lt_steal(&g->listener));
    if (g->ingest)
        lt_ingest_drain(g->ingest, DRAIN_MS);
    lt_ingest_free(lt_steal(&g->ingest));
    lt_peers_free(lt_steal(&g->peers), DRAIN_MS);
    lt_genesis_watch_stop(lt_steal(&g->genesis));
    lt_topic_watch_stop(lt_steal(&g->topics));
    for (size_t i = 0; i < g->targets_len; i++)
        lt_delivery_stop(g->targets[i]);
    lt_core_stop(g->core);
    for (size_t i = 0; i < g->targets_len; i++)
        lt_delivery_free(g->targets[i]);
    free(g->targets);
    lt_core_free(lt_steal(&g->core));
    lt_stop_limit_end(limit);
    lt_compiled_deinit(&g->compiled);
    lt_reload_free(lt_steal(&g->reload)); /* its texts are what the tables were made of */
}

static void renew_certificates(struct gateway *g, bool force)
{
    struct lt_err err = LT_ERR_INIT;
    if (g->ingest)
        lt_ingest_renew(g->ingest, force);
    int r = g->peers ? lt_peers_renew(g->peers, force, &err) : LT_OK;
    if (r < 0)
        lt_error("peers", "certificates-kept", "%s; the last good ones go on", err.text);
    else if (r == LT_HTTP_RENEWED)
        lt_info("peers", "certificates-renewed", "new connections are served with %s",
                g->compiled.config->ingest.tls.certificate);
}

/*
 * Until SIGTERM, SIGINT or SIGUSR1, which is returned. The last says that the process is started again at once
 * (systemd's RestartKillSignal): its partitions wait for it. SIGHUP and time look after certificates and tables
 * meanwhile.
 */
static int wait_for_end(struct gateway *g, const sigset_t *signals)
{
    static const struct timespec look = {.tv_sec = LOOK_S};
    for (;;) {
        int caught = sigtimedwait(signals, NULL, &look);
        if (caught == SIGTERM || caught == SIGINT || caught == SIGUSR1)
            return caught;
        if (caught == SIGHUP)
            lt_info("run", "reloading", "SIGHUP: certificates and tables; other settings are read at the start only");
        renew_certificates(g, caught == SIGHUP);
        lt_reload_look(g->reload, caught == SIGHUP);
    }
}

static bool parse_roles(struct gateway *g, const char *text)
{
    struct lt_span rest = lt_span_str(text), part;
    while (lt_span_cut(&rest, ',', &part)) {
        if (lt_span_is(part, "ingest"))
            g->ingest_on = true;
        else if (lt_span_is(part, "core"))
            g->core_on = true;
        else if (lt_span_is(part, "delivery"))
            g->delivery_on = true;
        else {
            fprintf(stderr,
                    "lienthong run: --roles: expected a list of ingest, core, delivery, got '" LT_SPAN_FMT "'\n",
                    LT_SPAN_ARG(part));
            return false;
        }
    }
    return true;
}

/* What `lienthong check` would find in the section kafka:, targets and certificates ends the start as well, but for a
 * target's certificate that is out of date; warnings are only said. */
static int check_parts(const struct lt_config *c)
{
    struct lt_diags diags = LT_DIAGS_INIT;
    lt_cli_check_kafka(c, &diags);
    lt_adapters_check(c, &diags);
    lt_config_check_certificates(c, lt_now_ms(), true, &diags);
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 20);
    lt_diags_print(&diags, &out);
    fputs(out.ptr ? out.ptr : "", stderr);
    int r = diags.errors ? LT_EXIT_CONFIG : LT_EXIT_OK;
    lt_diags_deinit(&diags);
    return r;
}

static int check_state_dir(const struct lt_config *c)
{
    struct lt_err err = LT_ERR_INIT;
    if (lt_mkdirs(c->state_dir, 0700, &err) < 0 || access(c->state_dir, W_OK) != 0) {
        fprintf(stderr,
                "lienthong run: state_dir %s: expected a folder this user can write, %s; give it to the user the "
                "gateway runs as\n",
                c->state_dir, err.text[0] ? err.text : strerror(errno));
        return LT_EXIT_CONFIG;
    }
    return LT_EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const struct option extra[] = {{"roles", required_argument, NULL, 'r'}, {0}};
    struct lt_cli_options o = {0};
    struct gateway g = {.started_ms = lt_mono_ms()};
    const char *roles = "ingest,core,delivery";
    int letter;
    while ((letter = lt_cli_option(argc, argv, extra, &o)) == 'r')
        roles = optarg;
    if (o.help)
        return lt_cli_help(&lt_command_run);
    if (letter != -1 || optind != argc)
        return lt_cli_usage(&lt_command_run);
    if (!parse_roles(&g, roles))
        return LT_EXIT_USAGE;
    int r = lt_compiled_load_or_complain(o.config, &g.compiled);
    if (r != LT_EXIT_OK)
        return r;
    const struct lt_config *c = g.compiled.config;
    lt_log_init((enum lt_log_level)c->log.level, c->log.json);
    r = check_parts(c);
    if (r == LT_EXIT_OK)
        r = check_state_dir(c);
    if (r != LT_EXIT_OK) {
        lt_compiled_deinit(&g.compiled);
        return r;
    }

    /* Blocked before any thread starts, so that only sigwait sees them. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    g.reload = lt_reload_new(o.config, &g.compiled);
    r = start(&g);
    if (r == LT_EXIT_OK) {
        lt_info("run", "started", "lienthong %s, instance %s, roles %s, admin http://%s", LT_VERSION, c->instance,
                roles, c->admin.listen);
        lt_notify("READY=1");
        int caught = wait_for_end(&g, &signals);
        atomic_store(&g.leaving, caught != SIGUSR1);
        lt_info("run", "stopping", "%s: finishing what was begun%s",
                caught == SIGTERM  ? "SIGTERM"
                : caught == SIGINT ? "SIGINT"
                                   : "SIGUSR1",
                caught == SIGUSR1 ? "; partitions wait for the next start" : "");
        lt_notify("STOPPING=1");
    }
    stop(&g, r);
    if (r == LT_EXIT_OK)
        lt_info("run", "stopped", "done");
    return r;
}

const struct lt_command lt_command_run = {
    "run", "[--roles ingest,core,delivery]", "run the gateway until SIGTERM", run,
    "  --roles LIST    of ingest, core, delivery; all of them when left out\n"
    "  SIGTERM finishes what was begun and ends with 0; SIGUSR1 too, and keeps its partitions for its next start "
    "(restart);\n"
    "  SIGHUP takes up changed certificates and tables at once. /health /ready /metrics /status at admin.listen\n"
    "  exit 0 ended as asked, 78 the configuration has errors or another process runs under this instance name\n"};
