#include "gateway/cli/decide.h"

#include "gateway/base/clock.h"

#include <pwd.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

const char *lt_decide_login(void)
{
    const char *sudo = getenv("SUDO_USER");
    if (sudo && *sudo)
        return sudo;
    const struct passwd *p = getpwuid(getuid());
    return p && p->pw_name[0] ? p->pw_name : "operator";
}

/* A moment, a day, or so long ago: 2024-01-01T08:30:00, 2024-01-01, 2h. */
static bool moment(const char *text, int64_t *ret)
{
    int64_t ago;
    if (lt_duration_parse(lt_span_str(text), &ago)) {
        *ret = lt_now_ms() - ago;
        return true;
    }
    return lt_time_parse(LT_TIME_RFC3339, lt_span_str(text), ret) ||
           lt_time_parse(LT_TIME_DATE_ISO, lt_span_str(text), ret);
}

static bool number(const char *text, int64_t least, int64_t *ret)
{
    return lt_span_i64(lt_span_str(text), ret) && *ret >= least;
}

static const struct option extra[] = {
    {"reason", required_argument, NULL, 'r'},
    {"code", required_argument, NULL, 'k'},
    {"procedure", required_argument, NULL, 'p'},
    {"province", required_argument, NULL, 'P'},
    {"since", required_argument, NULL, 's'},
    {"until", required_argument, NULL, 'u'},
    {"rate", required_argument, NULL, 'R'},
    {"rounds-max", required_argument, NULL, 'L'},
    {"who", required_argument, NULL, 'w'},
    {"client", required_argument, NULL, 'C'},
    {"all", no_argument, NULL, 'a'},
    {"partition", required_argument, NULL, 'N'},
    {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 't'},
    {"offset", required_argument, NULL, 'o'},
    {0},
};

/* NULL, or what was expected of this option's value. */
static const char *take(struct lt_decide *d, int letter)
{
    static const char a_time[] = "a time such as 2024-01-31T08:30:00 or 2024-01-31, or how long ago: 30m, 2h, 7d";
    switch (letter) {
    case 'r':
        d->filter.reason = optarg;
        return NULL;
    case 'k':
        d->filter.code = optarg;
        return NULL;
    case 'p':
        d->filter.procedure = optarg;
        return NULL;
    case 'P':
        d->filter.province = optarg;
        return NULL;
    case 's':
        return moment(optarg, &d->filter.since_ms) ? NULL : a_time;
    case 'u':
        return moment(optarg, &d->filter.until_ms) ? NULL : a_time;
    case 'R':
        return number(optarg, 1, &d->rate) ? NULL : "a number a second, from 1";
    case 'L':
        return number(optarg, 0, &d->rounds_max) ? NULL : "a number";
    case 'w':
        d->who = optarg;
        return *optarg ? NULL : "a name";
    case 'C':
        d->client = optarg;
        return NULL;
    case 'a':
        d->all = true;
        return NULL;
    case 'N':
        return number(optarg, 0, &d->partition) && d->partition <= INT32_MAX ? NULL : "a partition's number";
    case 'f':
        return number(optarg, 0, &d->from) ? NULL : "an offset";
    case 't':
        return number(optarg, 0, &d->to) ? NULL : "an offset";
    case 'o':
        return number(optarg, 0, &d->offset) ? NULL : "an offset";
    default:
        return "";
    }
}

bool lt_decide_options(const struct lt_command *c, int argc, char **argv, struct lt_decide *ret)
{
    struct lt_decide d = {
        .who = lt_decide_login(), .rate = 100, .rounds_max = -1, .partition = -1, .from = -1, .to = -1, .offset = -1};
    bool good = true;
    int letter;
    while ((letter = lt_cli_option(argc, argv, extra, &d.cli)) > 0) {
        const char *expected = take(&d, letter), *name = "";
        for (size_t i = 0; extra[i].name; i++)
            if (extra[i].val == letter)
                name = extra[i].name;
        if (!expected)
            continue;
        good = false;
        if (*expected)
            fprintf(stderr, "lienthong %s: --%s: expected %s, got '%s'\n", c->name, name, expected, optarg);
        else if (!d.cli.help)
            (void)lt_cli_usage(c); /* getopt has said which option */
    }
    *ret = d;
    return good || d.cli.help;
}

int lt_decide_config(const struct lt_command *c, const struct lt_decide *d, struct lt_config **ret)
{
    struct lt_diags diags = LT_DIAGS_INIT;
    int r = lt_config_load(d->cli.config, ret, &diags);
    lt_diags_deinit(&diags);
    return r >= 0 ? LT_EXIT_OK : lt_cli_bad_config(c, d->cli.config);
}

int lt_decide_run(const struct lt_command *c, int argc, char **argv,
                  int (*serve)(const struct lt_decide *d, const struct lt_config *config, int argc, char **argv))
{
    struct lt_decide d;
    struct lt_config *config = NULL;
    if (!lt_decide_options(c, argc, argv, &d))
        return LT_EXIT_USAGE;
    if (d.cli.help)
        return lt_cli_help(c);
    if (optind >= argc)
        return lt_cli_usage(c);
    int code = lt_decide_config(c, &d, &config);
    if (code == LT_EXIT_OK)
        code = serve(&d, config, argc - optind, argv + optind);
    lt_config_free(config);
    return code;
}

const struct lt_config_target *lt_decide_target(const struct lt_command *c, const struct lt_config *config,
                                                const char *name)
{
    for (size_t i = 0; i < config->targets_len; i++)
        if (strcmp(config->targets[i].name, name) == 0)
            return &config->targets[i];
    fprintf(stderr, "lienthong %s: the configuration has no target %s\n", c->name, name);
    return NULL;
}

int lt_decide_complain(const struct lt_command *c, const struct lt_err *err)
{
    fprintf(stderr, "lienthong %s: %s\n", c->name, err->text);
    return err->code == LT_E_INVALID || err->code == LT_E_NOT_FOUND ? LT_EXIT_FINDING : LT_EXIT_UNAVAILABLE;
}

static void print_decision(const char *target, const struct lt_parked_lane *l, enum lt_verb verb, const char *id)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT((size_t)64 << 10);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "target", lt_span_str(target));
    lt_json_str(&w, "dossier", lt_span_str(l->dossier));
    lt_json_str(&w, "verb", lt_span_str(lt_verb_name(verb)));
    lt_json_str(&w, "decision", lt_span_str(*id ? id : "-"));
    lt_json_num(&w, "events", (int64_t)l->events.len);
    lt_json_end_object(&w);
    puts(lt_buf_view(&out).ptr);
}

int lt_decide_lanes(const struct lt_command *c, const struct lt_decide *d, const struct lt_config *config,
                    const char *target, struct lt_parked_lane *const *lanes, size_t n, enum lt_verb verb,
                    struct lt_span data)
{
    struct lt_decider *decider = NULL;
    struct lt_err err = LT_ERR_INIT;
    int r = d->cli.dry_run ? LT_OK : lt_decider_new(config, target, d->who, &decider, &err);
    int64_t began = lt_mono_ms();
    size_t made = 0;
    for (size_t i = 0; i < n && r == LT_OK; i++) {
        char id[LT_DECISION_MAX] = ""; /* of a decision that is only shown */
        const struct lt_parked_lane *l = lanes[i];
        int64_t wait = began + (int64_t)i * 1000 / d->rate - lt_mono_ms();
        if (!d->cli.dry_run && wait > 0)
            nanosleep(&(struct timespec){.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000}, NULL);
        if (!d->cli.dry_run)
            r = lt_decider_send(decider, l->dossier, verb, l->events.len ? l->events.v[0]->order : -1, data, id, &err);
        if (r != LT_OK)
            break;
        made++;
        if (d->cli.json)
            print_decision(target, l, verb, id);
        else
            printf("%s %s %s: %zu event%s%s%s\n", d->cli.dry_run ? "would" : "asked to", lt_verb_name(verb), l->dossier,
                   l->events.len, l->events.len == 1 ? "" : "s", *id ? ", decision " : "", id);
    }
    lt_decider_free(decider);
    if (r == LT_OK)
        return LT_EXIT_OK;
    fprintf(stderr, "lienthong %s: %zu of %zu decisions are written; the same command goes on with the others\n",
            c->name, made, n);
    return lt_decide_complain(c, &err);
}
