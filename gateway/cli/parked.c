/* lienthong parked: the dossiers that a target's engine put aside, and what becomes of them. */
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/cli/decide.h"
#include "gateway/model/steps.h"

#include <stdio.h>

#define DATA_MAX ((size_t)4 << 20)
#define NAMED " (a dossier is named PROVINCE/MaHoSo; MaHoSo alone where one province has it)\n"

static void print_lane(const char *target, const struct lt_parked_lane *l, bool json)
{
    const struct lt_parked_event *first = l->events.len ? l->events.v[0] : NULL;
    const struct lt_lane_record *r = &l->record;
    char since[30];
    lt_time_rfc3339(r->since_ms, since);
    if (!json) {
        printf("%-10s %-36s %-9s %-10s %-9s %3zu  %s  %s: %s\n", target, l->dossier,
               r->retrying ? "retrying" : "parked", r->reason, r->step, l->events.len, since, r->code, r->text);
        return;
    }
    struct lt_buf out = LT_BUF_INIT((size_t)64 << 10);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "target", lt_span_str(target));
    lt_json_str(&w, "dossier", lt_span_str(l->dossier));
    lt_json_num(&w, "partition", l->partition);
    lt_json_str(&w, "state", lt_span_str(r->retrying ? "retrying" : "parked"));
    lt_json_str(&w, "reason", lt_span_str(r->reason));
    lt_json_str(&w, "step", lt_span_str(r->step));
    lt_json_str(&w, "code", lt_span_str(r->code));
    lt_json_str(&w, "text", lt_span_str(r->text));
    lt_json_str(&w, "since", lt_span_str(since));
    lt_json_num(&w, "redrives", r->rounds);
    lt_json_num(&w, "events", (int64_t)l->events.len);
    lt_json_str(&w, "procedure", lt_span_str(first ? first->procedure : ""));
    lt_json_num(&w, "order", first ? first->order : -1);
    lt_json_end_object(&w);
    puts(lt_buf_view(&out).ptr);
    lt_buf_deinit(&out);
}

static int list(const struct lt_decide *d, const struct lt_config *config, const char *only)
{
    size_t lanes = 0, events = 0;
    for (size_t t = 0; t < config->targets_len; t++) {
        const char *target = config->targets[t].name;
        struct lt_parked p;
        struct lt_err err = LT_ERR_INIT;
        if (only && strcmp(only, target) != 0)
            continue;
        if (lt_parked_read(config, target, NULL, &p, &err) != LT_OK)
            return lt_decide_complain(&lt_command_parked, &err);
        for (size_t i = 0; i < p.lanes.len; i++) {
            if (!lt_parked_match(&p.lanes.v[i], &d->filter))
                continue;
            print_lane(target, &p.lanes.v[i], d->cli.json);
            lanes++;
            events += p.lanes.v[i].events.len;
        }
        lt_parked_deinit(&p);
    }
    fprintf(stderr, "%zu dossiers with %zu events\n", lanes, events);
    return lanes ? LT_EXIT_FINDING : LT_EXIT_OK;
}

static void show_event(const struct lt_parked_event *e, bool json)
{
    if (json) {
        struct lt_buf out = LT_BUF_INIT(DATA_MAX + ((size_t)64 << 10));
        struct lt_json_writer w;
        lt_json_writer_init(&w, &out);
        lt_json_begin_object(&w);
        lt_json_num(&w, "order", e->order);
        lt_json_str(&w, "time", lt_span_str(e->time));
        lt_json_str(&w, "type", lt_span_str(e->type));
        lt_json_str(&w, "id", lt_span_str(e->id));
        lt_json_str(&w, "unit", lt_span_str(e->unit));
        lt_json_str(&w, "procedure", lt_span_str(e->procedure));
        lt_json_str(&w, "step", lt_span_str(e->state.step));
        lt_json_flag(&w, "unknown", e->state.unknown);
        lt_json_key(&w, LT_SPAN_LIT("data"));
        lt_json_put_raw(&w, lt_span_str(e->data && *e->data ? e->data : "null"));
        lt_json_end_object(&w);
        puts(lt_buf_view(&out).ptr);
        lt_buf_deinit(&out);
        return;
    }
    printf("  order %lld  %s  %s\n    id %s, unit %s, procedure %s, next step %s%s\n    %s\n", (long long)e->order,
           e->time, e->type, e->id, e->unit, e->procedure, e->state.step,
           e->state.unknown ? " (a call of it may have been applied)" : "", e->data ? e->data : "");
}

static int show(const struct lt_decide *d, const struct lt_config *config, const char *target, const char *dossier)
{
    struct lt_parked p;
    struct lt_err err = LT_ERR_INIT;
    if (lt_parked_read(config, target, dossier, &p, &err) != LT_OK)
        return lt_decide_complain(&lt_command_parked, &err);
    const struct lt_parked_lane *l = lt_parked_find(&p, dossier);
    if (!l) {
        fprintf(stderr, "lienthong parked: %s has nothing parked for %s" NAMED, target, dossier);
    } else {
        print_lane(target, l, d->cli.json);
        for (size_t i = 0; i < l->events.len; i++)
            show_event(l->events.v[i], d->cli.json);
    }
    int code = l ? LT_EXIT_OK : LT_EXIT_FINDING;
    lt_parked_deinit(&p);
    return code;
}

/* Those named, or with --all those that match. false: one that is named is not parked. */
static bool choose(const struct lt_decide *d, const struct lt_parked *p, char **names, int n,
                   struct lt_parked_lane **ret, size_t *ret_len)
{
    *ret_len = 0;
    for (size_t i = 0; n == 0 && i < p->lanes.len; i++)
        if (!p->lanes.v[i].record.retrying && lt_parked_match(&p->lanes.v[i], &d->filter))
            ret[(*ret_len)++] = &p->lanes.v[i];
    for (int i = 0; i < n; i++) {
        struct lt_parked_lane *l = lt_parked_find(p, names[i]);
        if (!l || l->record.retrying) {
            fprintf(stderr, "lienthong parked: %s is not parked" NAMED, names[i]);
            return false;
        }
        ret[(*ret_len)++] = l;
    }
    return true;
}

/*
 * Data that take an event's place are an event of the same type and dossier. Its schema is what ingest would have
 * demanded; another dossier's code would be called outside of that dossier's lane, and nothing would keep the order.
 */
static int check_data(const struct lt_config *config, const struct lt_parked_lane *l, lt_json_value data,
                      struct lt_err *err)
{
    const char *slash = strchr(l->dossier, '/');
    struct lt_span code = lt_span_str(slash ? slash + 1 : l->dossier), found, name;
    const struct lt_event_type *type = l->events.len ? lt_event_type_by_name(lt_span_str(l->events.v[0]->type)) : NULL;
    struct lt_json_schema *schema = NULL;
    int r = LT_OK;
    if (lt_json_type_of(data) != LT_JSON_OBJECT)
        return lt_err_set(err, LT_E_INVALID, "replace", "expected an object, as `parked show` prints it");
    for (size_t i = 0; i < lt_json_len(data); i++)
        if (lt_json_string(lt_json_get(lt_json_member_at(data, i, &name), "MaHoSo"), &found) &&
            !lt_span_eq(found, code))
            return lt_err_set(err, LT_E_INVALID, "replace",
                              "/" LT_SPAN_FMT "/MaHoSo: expected " LT_SPAN_FMT ", got " LT_SPAN_FMT
                              ": data of one dossier cannot take the place of another's",
                              LT_SPAN_ARG(name), LT_SPAN_ARG(code), LT_SPAN_ARG(found));
    if (type) { /* what is no event of a dossier, such as a call-back's, has no schema */
        LT_AUTOFREE char *path = lt_asprintf("%s/canonical/%s.json", config->schemas_dir, type->word);
        r = lt_json_schema_load(path, &schema, err);
    }
    if (r == LT_OK && schema && (r = lt_json_schema_check(schema, data, err)) != LT_OK)
        lt_err_prefix(err, "%s", err->pointer);
    lt_json_schema_free(schema);
    return r;
}

/* replacement: the new data of the first event, or absent. */
static int decide(const struct lt_decide *d, const struct lt_config *config, const char *target, enum lt_verb verb,
                  char **names, int n, lt_json_value replacement)
{
    struct lt_parked p;
    struct lt_err err = LT_ERR_INIT;
    LT_AUTOBUF struct lt_buf data = LT_BUF_INIT(DATA_MAX);
    if (lt_parked_read(config, target, NULL, &p, &err) != LT_OK)
        return lt_decide_complain(&lt_command_parked, &err);
    struct lt_parked_lane **lanes = lt_calloc(LT_MAX(p.lanes.len, (size_t)n) + 1, sizeof(*lanes));
    size_t len = 0;
    int code = LT_EXIT_FINDING;
    bool chosen = choose(d, &p, names, n, lanes, &len);
    if (chosen && lt_json_present(replacement)) {
        lt_json_write(replacement, &data);
        if (check_data(config, lanes[0], replacement, &err) != LT_OK) {
            fprintf(stderr, "lienthong parked: the data do not fit, nothing was decided: %s\n", err.text);
            chosen = false;
        }
    }
    if (chosen)
        code = lt_decide_lanes(&lt_command_parked, d, config, target, lanes, len, verb,
                               lt_json_present(replacement) ? lt_buf_view(&data) : LT_SPAN_NULL);
    if (chosen && len == 0)
        fprintf(stderr, "0 dossiers with 0 events\n"); /* as `list` says it */
    free(lanes);
    lt_parked_deinit(&p);
    return code;
}

static int replace(const struct lt_decide *d, const struct lt_config *config, char **argv)
{
    LT_AUTOFREE char *data = NULL;
    LT_AUTO_JSON struct lt_json *j = NULL;
    const struct lt_json_limits limits = {.bytes_max = DATA_MAX, .depth_max = 64};
    size_t len;
    struct lt_err err = LT_ERR_INIT;
    if (lt_file_read(argv[2], DATA_MAX, &data, &len, &err) < 0) {
        fprintf(stderr, "lienthong parked: %s\n", err.text);
        return LT_EXIT_USAGE;
    }
    if (lt_json_parse(lt_span(data, len), &limits, &j, &err) != LT_OK) {
        fprintf(stderr, "lienthong parked: %s:%d:%d: %s\n", argv[2], err.line, err.column, err.text);
        return LT_EXIT_USAGE;
    }
    return decide(d, config, argv[0], LT_VERB_REPLACE, &argv[1], 1, lt_json_root(j));
}

static int serve(const struct lt_decide *d, const struct lt_config *config, int argc, char **argv)
{
    const char *word = argv[0];
    enum lt_verb verb;
    argc--;
    argv++;
    if (argc > 0 && !lt_decide_target(&lt_command_parked, config, argv[0]))
        return LT_EXIT_USAGE;
    if (strcmp(word, "list") == 0 && argc <= 1)
        return list(d, config, argc ? argv[0] : NULL);
    if (strcmp(word, "show") == 0 && argc == 2)
        return show(d, config, argv[0], argv[1]);
    if (strcmp(word, "replace") == 0 && argc == 3)
        return replace(d, config, argv);
    if (!lt_verb_parse(lt_span_str(word), &verb) || verb == LT_VERB_REPLACE || verb > LT_VERB_RELEASE || argc == 0)
        return lt_cli_usage(&lt_command_parked);
    /* All of them only when it is said: a name that was forgotten must not mean everything. */
    if ((argc > 1) == d->all) {
        fprintf(stderr, "lienthong parked: %s %s: %s\n", word, argv[0],
                d->all ? "name dossiers, or say --all, not both"
                       : "name dossiers, or say --all (with --reason, --province … for some of them)");
        return LT_EXIT_USAGE;
    }
    return decide(d, config, argv[0], verb, &argv[1], argc - 1, (lt_json_value){NULL});
}

static int parked(int argc, char **argv)
{
    return lt_decide_run(&lt_command_parked, argc, argv, serve);
}

const struct lt_command lt_command_parked = {
    "parked",
    "VERB [OPTION…]\n"
    "  list [TARGET]                          who is parked, why, since when (exit 1 when anybody is)\n"
    "  show TARGET DOSSIER                    its events in order, with their data\n"
    "  retry TARGET (DOSSIER… | --all)        run its events in order; what is unknown is sent again\n"
    "  release TARGET (DOSSIER… | --all)      the next step is taken as done at the target, then on\n"
    "  skip TARGET (DOSSIER… | --all)         the first event goes no further, then the others run\n"
    "  replace TARGET DOSSIER FILE            other data for the first event, then all run\n"
    "  DOSSIER is PROVINCE/MaHoSo, or MaHoSo alone where one province has it\n"
    "  chosen by --reason R, --code C, --procedure P, --province H (patterns), --since T, --until T (a time, or 2h)\n"
    "  --dry-run shows whom, --rate N decisions a second (100), --who NAME for the audit (the login), --json\n",
    "dossiers that a target put aside: look at them, let them go on", parked, NULL};
