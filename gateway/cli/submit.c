/* lienthong submit FILE: send a file as a client would, over mutual TLS, and print the answer. */
#include "gateway/base/file.h"
#include "gateway/cli/cli.h"
#include "gateway/codec/json.h"
#include "gateway/http/client.h"

#include <stdio.h>

#define INPUT_MAX (64u << 20)
#define ANSWER_MAX (64u << 20)

struct sent {
    bool done;
    struct lt_buf body;
    long status, retry_after_s;
    enum lt_http_failure failure;
    char text[256];
};

static void on_answer(void *ctx, const struct lt_http_answer *a)
{
    struct sent *s = ctx;
    s->done = true;
    s->failure = a->failure;
    s->status = a->failure == LT_HTTP_ANSWERED ? a->status : 0;
    s->retry_after_s = a->retry_after_s;
    lt_buf_span(&s->body, a->body);
    snprintf(s->text, sizeof(s->text), "%s", a->text);
}

static const char *media_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".xml") == 0)
        return "Content-Type: application/xml";
    if (dot && strcmp(dot, ".ndjson") == 0)
        return "Content-Type: application/x-ndjson";
    return "Content-Type: application/json";
}

/* What became of a list, for people: how many, and every one that was not accepted. Returns the exit code. */
static int tell_items(lt_json_value items)
{
    size_t accepted = 0, refused = 0, later = 0;
    for (size_t i = 0; i < lt_json_len(items); i++) {
        lt_json_value item = lt_json_at(items, i), problem = lt_json_get(item, "problem");
        struct lt_span status = LT_SPAN_NULL, code = LT_SPAN_NULL, detail = LT_SPAN_NULL, pointer = LT_SPAN_NULL;
        int64_t line = 0;
        lt_json_string(lt_json_get(item, "status"), &status);
        if (lt_span_is(status, "accepted")) {
            accepted++;
            continue;
        }
        bool is_refused = lt_span_is(status, "refused");
        refused += is_refused;
        later += !is_refused;
        lt_json_string(lt_json_get(problem, "code"), &code);
        lt_json_string(lt_json_get(problem, "detail"), &detail);
        lt_json_string(lt_json_get(problem, "pointer"), &pointer);
        lt_json_int(lt_json_get(problem, "line"), &line);
        fprintf(stderr, "item %zu: " LT_SPAN_FMT " " LT_SPAN_FMT "%s" LT_SPAN_FMT "%s" LT_SPAN_FMT, i,
                LT_SPAN_ARG(status), LT_SPAN_ARG(code), detail.len ? ": " : "", LT_SPAN_ARG(detail),
                pointer.len ? " at " : "", LT_SPAN_ARG(pointer));
        if (line > 0)
            fprintf(stderr, ", line %lld", (long long)line);
        fputc('\n', stderr);
    }
    fprintf(stderr,
            "%zu accepted, %zu refused, %zu to be sent again; the same file may be sent again, what was "
            "accepted is recognised\n",
            accepted, refused, later);
    return refused ? LT_EXIT_FINDING : later ? LT_EXIT_UNAVAILABLE : LT_EXIT_OK;
}

static int answer(const struct sent *s, const char *url)
{
    if (s->failure == LT_HTTP_CREDENTIAL) {
        fprintf(stderr,
                "lienthong submit: %s: %s\nnothing was accepted, and nothing will be with these files: --certificate "
                "and --key must belong together, both sides' certificates must not have expired, --ca must be the "
                "gateway's\n",
                url, s->text);
        return LT_EXIT_FINDING;
    }
    if (s->failure != LT_HTTP_ANSWERED) {
        fprintf(stderr, "lienthong submit: %s: %s%s\n", url, s->text,
                s->failure == LT_HTTP_UNKNOWN
                    ? "; whether it was accepted is unknown: send the same file again, a second copy is recognised"
                    : "");
        return LT_EXIT_UNAVAILABLE;
    }
    fprintf(stderr, "HTTP %ld\n", s->status);
    fwrite(s->body.ptr ? s->body.ptr : "", 1, s->body.len, stdout);
    if (s->body.len && s->body.ptr[s->body.len - 1] != '\n')
        putchar('\n');
    if (s->status == 429 || s->status == 503) {
        fprintf(stderr, "lienthong submit: not accepted now; send the same file again%s\n",
                s->retry_after_s > 0 ? " later (Retry-After)" : "");
        return LT_EXIT_UNAVAILABLE;
    }
    static const struct lt_json_limits limits = {.bytes_max = ANSWER_MAX, .depth_max = 16};
    LT_AUTO_JSON struct lt_json *j = NULL;
    if (s->status == 200 && lt_json_parse(lt_buf_view(&s->body), &limits, &j, NULL) == LT_OK)
        return tell_items(lt_json_get(lt_json_root(j), "items"));
    return s->status >= 200 && s->status < 300 ? LT_EXIT_OK : LT_EXIT_FINDING;
}

static int submit(int argc, char **argv)
{
    static const struct option extra[] = {
        {"url", required_argument, NULL, 'u'},   {"certificate", required_argument, NULL, 'C'},
        {"key", required_argument, NULL, 'k'},   {"ca", required_argument, NULL, 'a'},
        {"media", required_argument, NULL, 'm'}, {0},
    };
    struct lt_cli_options o = {0};
    const char *url = "https://127.0.0.1:18443/v1/events", *media = NULL;
    struct lt_http_client_settings settings = {
        .timeout_ms = 60000, .connect_timeout_ms = 5000, .answer_max = ANSWER_MAX, .connections_max = 1};
    int letter;
    while ((letter = lt_cli_option(argc, argv, extra, &o)) > 0) {
        if (letter == 'u')
            url = optarg;
        else if (letter == 'C')
            settings.certificate = optarg;
        else if (letter == 'k')
            settings.key = optarg;
        else if (letter == 'a')
            settings.ca = optarg;
        else if (letter == 'm')
            media = optarg;
        else
            return lt_cli_usage(&lt_command_submit);
    }
    if (o.help)
        return lt_cli_help(&lt_command_submit);
    if (optind + 1 < argc) {
        fprintf(stderr, "lienthong submit: one FILE at a time, got %d\n", argc - optind);
        return LT_EXIT_USAGE;
    }
    if (optind + 1 != argc)
        return lt_cli_usage(&lt_command_submit);
    if (!settings.certificate || !settings.key || !settings.ca) {
        fprintf(stderr,
                "lienthong submit: the sender's --certificate and --key, and the --ca of the gateway, are needed "
                "(for trying: var/pki/h22.crt, var/pki/h22.key, var/pki/ca.crt)\n");
        return LT_EXIT_USAGE;
    }
    if (!lt_span_starts(lt_span_str(url), "https://")) {
        fprintf(stderr, "lienthong submit: --url: expected https://HOST:PORT/v1/events, got '%s'\n", url);
        return LT_EXIT_USAGE;
    }
    LT_AUTOFREE char *body = NULL;
    size_t len;
    struct lt_err err = LT_ERR_INIT;
    if (lt_file_read(argv[optind], INPUT_MAX, &body, &len, &err) < 0) {
        fprintf(stderr, "lienthong submit: %s\n", err.text);
        return LT_EXIT_USAGE;
    }
    LT_AUTOFREE char *type = media ? lt_asprintf("Content-Type: %s", media) : lt_strdup(media_of(argv[optind]));
    const char *headers[] = {type, NULL};
    struct lt_http_client *http = NULL;
    struct sent s = {.body = LT_BUF_INIT(ANSWER_MAX)};
    int r = lt_http_client_new(&settings, &http, &err);
    if (r == LT_OK)
        r = lt_http_client_call(http, "POST", url, headers, lt_span(body, len), on_answer, &s, &err);
    while (r == LT_OK && !s.done)
        lt_http_client_run(http, 200);
    lt_http_client_free(http);
    int code;
    if (r < 0) {
        fprintf(stderr, "lienthong submit: %s\n", err.text);
        code = LT_EXIT_USAGE;
    } else {
        code = answer(&s, url);
    }
    lt_buf_deinit(&s.body);
    return code;
}

const struct lt_command lt_command_submit = {
    "submit", "[--url URL] --certificate FILE --key FILE --ca FILE [--media TYPE] FILE",
    "send a file of events over mutual TLS and print the answer; exit 1 when any "
    "of them is refused",
    submit,
    "  --url URL       where to; else https://127.0.0.1:18443/v1/events\n"
    "  --certificate FILE, --key FILE    who sends: the client's certificate, PEM\n"
    "  --ca FILE       whose certificate the gateway must show\n"
    "  --media TYPE    application/xml, application/json or application/x-ndjson; by the file's name when left out\n"
    "  exit 0 all accepted, 1 one or more refused (with field and place), or the certificate; 69 no answer, or not "
    "now:\n"
    "  send the same again\n"};
