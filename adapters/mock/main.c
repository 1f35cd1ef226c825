/*
 * lienthong-mock: the systems the gateway talks to, for development and tests. Real mutual TLS, real wire formats,
 * synthetic answers.
 */
#include <stdio.h>

#include "adapters/mock/inbox.h"
#include "adapters/mock/options.h"
#include "adapters/mock/serve.h"
#include "adapters/population/mock_population.h"
#include "adapters/portal/mock_portal.h"
#include "gateway/base/log.h"
#include "gateway/base/version.h"

enum { EXIT_OK = 0, EXIT_USAGE = 2, EXIT_UNAVAILABLE = 69, EXIT_CONFIGURATION = 78 };

struct settings {
    const char *listen, *certificate, *key, *ca;
    int64_t threads, service_ms;
    const char *expired_certificate, *expired_key;
    union {
        struct lt_mock_portal_settings portal;
        struct lt_mock_population_settings population;
        struct lt_mock_inbox_settings inbox;
    } mock;
};

static const struct lt_opt common[] = {
    {"listen", LT_OPT_ADDRESS, offsetof(struct settings, listen), false, "127.0.0.1:0", 0, 0, NULL,
     "host:port; port 0: any free one, printed at the start"},
    {"cert", LT_OPT_PATH, offsetof(struct settings, certificate), true, NULL, 0, 0, NULL,
     "certificate of the server, PEM"},
    {"key", LT_OPT_PATH, offsetof(struct settings, key), true, NULL, 0, 0, NULL, "its key, PEM"},
    {"ca", LT_OPT_PATH, offsetof(struct settings, ca), true, NULL, 0, 0, NULL, "CA of the clients, PEM"},
    {"threads", LT_OPT_INT, offsetof(struct settings, threads), false, "1", 1, 64, NULL, "event loops"},
    {"service-time", LT_OPT_DURATION, offsetof(struct settings, service_ms), false, "0ms", 0, 600000, NULL,
     "how long every call takes"},
    {"expired-cert", LT_OPT_PATH, offsetof(struct settings, expired_certificate), false, NULL, 0, 0, NULL,
     "certificate of the fault certificate-expired, PEM (tools/pki make --expired portal)"},
    {"expired-key", LT_OPT_PATH, offsetof(struct settings, expired_key), false, NULL, 0, 0, NULL, "its key, PEM"},
};

static int run_portal(const struct settings *s);
static int run_population(const struct settings *s);
static int run_province(const struct settings *s);
static int run_notify(const struct settings *s);

static const struct kind {
    const char *name, *what;
    const struct lt_opt *opts;
    const size_t *opts_len;
    int (*run)(const struct settings *s);
} kinds[] = {
    {"portal", "the national portal: JSON, sessions, dossiers and progress", lt_mock_portal_opts,
     &lt_mock_portal_opts_len, run_portal},
    {"population", "the population database: SOAP 1.1, identity checks", lt_mock_population_opts,
     &lt_mock_population_opts_len, run_population},
    {"province", "the call-back endpoints of provinces: takes JSON and XML", lt_mock_inbox_opts,
     &lt_mock_inbox_opts_len, run_province},
    {"notify", "a message gateway: takes JSON and XML", lt_mock_inbox_opts, &lt_mock_inbox_opts_len, run_notify},
};

static void usage(FILE *to)
{
    LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(1 << 20);
    lt_buf_str(&text, "lienthong-mock KIND --cert FILE --key FILE --ca FILE [--config FILE] [--SWITCH VALUE ...]\n\n"
                      "A server with mutual TLS that plays another system. SIGTERM ends it.\n\nFor every kind\n");
    lt_mock_options_print(common, LT_ARRAY_LEN(common), &text);
    lt_buf_str(&text, "  --config             YAML file with the same keys; the command line wins\n");
    for (size_t i = 0; i < LT_ARRAY_LEN(kinds); i++) {
        lt_buf_printf(&text, "\n%s: %s\n", kinds[i].name, kinds[i].what);
        lt_mock_options_print(kinds[i].opts, *kinds[i].opts_len, &text);
    }
    lt_buf_str(&text, "\nExit codes: 0 ended by a signal, 2 usage, 69 cannot serve (port taken, certificate), "
                      "78 a file it was given is wrong.\n");
    fwrite(text.ptr, 1, text.len, to);
}

static int complain(const struct lt_err *err, int code)
{
    fprintf(stderr, "lienthong-mock: %s\n", err->text);
    return code;
}

static int serve(const struct settings *s, const struct lt_mock *mock, struct lt_err *err)
{
    const struct lt_mock_serve_settings serving = {.listen = s->listen,
                                                   .certificate = s->certificate,
                                                   .key = s->key,
                                                   .ca = s->ca,
                                                   .threads = (size_t)s->threads,
                                                   .service_ms = s->service_ms,
                                                   .expired_certificate = s->expired_certificate,
                                                   .expired_key = s->expired_key};
    struct lt_mock_server *server = NULL;
    if (lt_mock_server_start(&serving, mock, &server, err) < 0)
        return complain(err, EXIT_UNAVAILABLE);
    fprintf(stderr, "listening on https://%.*s:%u (%s)\n", (int)(strrchr(s->listen, ':') - s->listen), s->listen,
            lt_mock_server_port(server), mock->name);
    lt_mock_server_run(server);
    lt_mock_server_free(server);
    return EXIT_OK;
}

static int run_portal(const struct settings *s)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_mock_portal *p = NULL;
    if (lt_mock_portal_new(&s->mock.portal, &p, &err) < 0)
        return complain(&err, EXIT_CONFIGURATION);
    const struct lt_mock mock = {"portal", p, lt_mock_portal_handle};
    int r = serve(s, &mock, &err);
    lt_mock_portal_free(p);
    return r;
}

static int run_population(const struct settings *s)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_mock_population *p = NULL;
    if (lt_mock_population_new(&s->mock.population, &p, &err) < 0)
        return complain(&err, EXIT_CONFIGURATION);
    const struct lt_mock mock = {"population", p, lt_mock_population_handle};
    int r = serve(s, &mock, &err);
    lt_mock_population_free(p);
    return r;
}

static int run_inbox(const struct settings *s, const char *name)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_mock_inbox *p = NULL;
    if (lt_mock_inbox_new(&s->mock.inbox, &p, &err) < 0)
        return complain(&err, EXIT_CONFIGURATION);
    const struct lt_mock mock = {name, p, lt_mock_inbox_handle};
    int r = serve(s, &mock, &err);
    lt_mock_inbox_free(p);
    return r;
}

static int run_province(const struct settings *s)
{
    return run_inbox(s, "province");
}

static int run_notify(const struct settings *s)
{
    return run_inbox(s, "notify");
}

static int run(const struct kind *kind, int argc, char **argv)
{
    struct settings settings = {.listen = NULL};
    struct lt_arena arena = LT_ARENA_INIT;
    struct lt_diags diags = LT_DIAGS_INIT;
    size_t n = LT_ARRAY_LEN(common), own = *kind->opts_len;
    LT_AUTOFREE struct lt_opt *opts = lt_calloc(n + own, sizeof *opts);
    memcpy(opts, common, sizeof common);
    memcpy(opts + n, kind->opts, own * sizeof *opts);
    for (size_t i = n; i < n + own; i++)
        opts[i].offset += offsetof(struct settings, mock);

    int code = EXIT_USAGE;
    if (lt_mock_options_read(argc, argv, opts, n + own, &settings, &arena, &diags) == LT_OK) {
        lt_log_init(LT_LOG_WARN, false);
        code = kind->run(&settings);
    } else {
        LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(1 << 16);
        lt_diags_print(&diags, &text);
        fwrite(text.ptr, 1, text.len, stderr);
        fprintf(stderr, "lienthong-mock %s: see lienthong-mock --help\n", kind->name);
    }
    lt_diags_deinit(&diags);
    lt_arena_deinit(&arena);
    return code;
}

int main(int argc, char **argv)
{
    lt_mock_block_signals();
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || (argc > 2 && strcmp(argv[2], "--help") == 0)) {
        usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("lienthong-mock " LT_VERSION);
        return EXIT_OK;
    }
    for (size_t i = 0; i < LT_ARRAY_LEN(kinds); i++)
        if (strcmp(argv[1], kinds[i].name) == 0)
            return run(&kinds[i], argc - 2, argv + 2);
    fprintf(stderr, "lienthong-mock: expected portal, population, province or notify, got %s\n", argv[1]);
    return EXIT_USAGE;
}
