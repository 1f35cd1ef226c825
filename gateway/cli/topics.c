/* lienthong topics: what Kafka has against what the configuration wants; `create` makes the missing and gives groups
 * their first position. */
#include "gateway/ops/topics.h"
#include "gateway/ops/old_paths.h"

#include "gateway/cli/cli.h"
#include "gateway/codec/json.h"

#include <stdio.h>

struct session {
    struct lt_compiled compiled;
    struct lt_admin *admin;
    struct lt_topics_plan plan;
    bool create, dry_run, json;
    size_t findings, created;
    struct lt_json_writer w;
    struct lt_buf out;
};

static int complain(const struct lt_err *err)
{
    fprintf(stderr, "lienthong topics: %s\n", err->text);
    return err->code == LT_E_INVALID ? LT_EXIT_FINDING : LT_EXIT_UNAVAILABLE;
}

static void say(struct session *s, const char *topic, const char *state, const char *detail)
{
    if (!s->json) {
        printf("%-28s %-12s %s\n", topic, state, detail);
        return;
    }
    lt_json_begin_object(&s->w);
    lt_json_str(&s->w, "name", lt_span_str(topic));
    lt_json_str(&s->w, "state", lt_span_str(state));
    lt_json_str(&s->w, "detail", lt_span_str(detail));
    lt_json_end_object(&s->w);
}

static int serve_topic(struct session *s, const struct lt_topic_plan *t, struct lt_err *err)
{
    struct lt_topic_report report;
    int r = lt_admin_topic_describe(s->admin, t, &report, err);
    if (r < 0)
        return r;
    LT_AUTOBUF struct lt_buf detail = LT_BUF_INIT(16 * 1024);
    lt_buf_str(&detail, "");
    if (report.state == LT_TOPIC_MISSING && s->create) {
        if (!s->dry_run)
            r = lt_admin_topic_create(s->admin, t, err);
        if (r == LT_OK) {
            lt_buf_printf(&detail, "%d partitions, replication %d", (int)t->partitions, (int)t->replication);
            say(s, t->name, s->dry_run ? "would create" : "created", lt_buf_view(&detail).ptr);
            s->created++;
        }
    } else if (report.state == LT_TOPIC_MISSING) {
        s->findings++;
        say(s, t->name, "missing", "lienthong topics create makes it");
    } else if (report.state == LT_TOPIC_PARTITIONS_DIFFER) {
        s->findings++;
        lt_buf_printf(&detail,
                      "wanted %d partitions, has %d; partition counts never change in place, because keys would move",
                      (int)t->partitions, (int)report.partitions);
        say(s, t->name, "differs", lt_buf_view(&detail).ptr);
    } else if (report.state == LT_TOPIC_DRIFT) {
        s->findings++;
        for (size_t i = 0; i < report.drift.len; i++)
            lt_buf_printf(&detail, "%s%s wanted %s, has %s", i ? "; " : "", report.drift.v[i].setting,
                          report.drift.v[i].wanted, report.drift.v[i].actual);
        say(s, t->name, "drift", lt_buf_view(&detail).ptr);
    } else {
        say(s, t->name, "ok", "");
    }
    lt_topic_report_deinit(&report);
    return r;
}

static int serve_group(struct session *s, const struct lt_topics_group *g, struct lt_err *err)
{
    char name[160], detail[96];
    snprintf(name, sizeof(name), "group %s", g->group);
    int r = lt_topics_genesis(s->admin, s->compiled.config, g, s->dry_run || !s->create, err);
    if (r < 0)
        return r;
    snprintf(detail, sizeof(detail), "%d partitions without a position", r);
    if (r == 0) {
        say(s, name, "ok", "");
    } else if (s->create) {
        snprintf(detail, sizeof(detail), "first position of %d partitions", r);
        say(s, name, s->dry_run ? "would create" : "created", detail);
        s->created++;
    } else {
        s->findings++;
        say(s, name, "missing", detail);
    }
    return LT_OK;
}

/* Events that the former routes sent another way: the new path would overtake them. */
static int serve_paths(struct session *s, struct lt_err *err)
{
    struct lt_old_paths paths;
    int r = lt_old_paths_find(s->admin, s->compiled.config, s->compiled.routes, &paths, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < paths.list.len; i++) {
        const struct lt_old_path *p = &paths.list.v[i];
        if (p->waiting + p->parked == 0)
            continue;
        LT_AUTOFREE char *name = lt_asprintf("path %s", p->path);
        LT_AUTOFREE char *detail = lt_asprintf(
            "%zu events wait and %zu are parked in %s, one of %s: these routes send by %s and would overtake them; let "
            "gateways with the former routes work them off first",
            p->waiting, p->parked, p->queue, p->dossier, p->now);
        s->findings++;
        say(s, name, "draining", detail);
    }
    lt_old_paths_deinit(&paths);
    return LT_OK;
}

static int serve_all(struct session *s)
{
    struct lt_err err = LT_ERR_INIT;
    const struct lt_config *c = s->compiled.config;
    int r = lt_admin_new(c->kafka.props, c->kafka.props_len, &s->admin, &err);
    if (r < 0)
        return complain(&err);
    for (size_t i = 0; i < s->plan.topics.len; i++)
        if ((r = serve_topic(s, &s->plan.topics.v[i], &err)) < 0)
            return complain(&err);
    if (s->created && s->dry_run) /* groups of topics that are not there have nothing to show */
        return s->findings ? LT_EXIT_FINDING : LT_EXIT_OK;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_topics_group *groups = lt_calloc(1 + c->targets_len, sizeof(*groups));
    size_t n = lt_topics_groups(c, &a, groups);
    int worst = LT_EXIT_OK;
    for (size_t i = 0; i < n; i++) {
        r = s->findings && !s->create ? LT_OK : serve_group(s, &groups[i], &err);
        if (r < 0)
            worst = complain(&err); /* the other groups are served all the same */
    }
    free(groups);
    lt_arena_deinit(&a);
    if (!worst && (!s->findings || s->create) && (r = serve_paths(s, &err)) < 0)
        worst = complain(&err);
    bool auto_create = false;
    if (lt_admin_auto_create(s->admin, &auto_create, &err) == LT_OK && auto_create) {
        s->findings++;
        say(s, "broker", "drift",
            "auto.create.topics.enable is true: a misspelt topic would be created and its records lost to everyone; "
            "turn it off");
    }
    return worst ? worst : s->findings ? LT_EXIT_FINDING : LT_EXIT_OK;
}

static int topics(int argc, char **argv)
{
    struct lt_cli_options o = {0};
    int letter = lt_cli_option(argc, argv, NULL, &o);
    if (o.help)
        return lt_cli_help(&lt_command_topics);
    const char *verb = optind < argc ? argv[optind] : "show";
    bool create = strcmp(verb, "create") == 0;
    if (letter != -1 || argc - optind > 1 || (!create && strcmp(verb, "show") != 0))
        return lt_cli_usage(&lt_command_topics);
    struct session s = {.create = create, .dry_run = o.dry_run, .json = o.json, .out = LT_BUF_INIT(4 << 20)};
    int r = lt_compiled_load_or_complain(o.config, &s.compiled);
    if (r != LT_EXIT_OK)
        return r;
    lt_topics_plan_init(&s.plan, s.compiled.config, s.compiled.routes);
    if (s.json) {
        lt_json_writer_init(&s.w, &s.out);
        lt_json_begin_array(&s.w);
    }
    r = serve_all(&s);
    if (s.json) {
        lt_json_end_array(&s.w);
        puts(lt_buf_view(&s.out).ptr);
    }
    lt_buf_deinit(&s.out);
    lt_topics_plan_deinit(&s.plan);
    lt_admin_free(s.admin);
    lt_compiled_deinit(&s.compiled);
    return r;
}

const struct lt_command lt_command_topics = {
    "topics", "[show|create] [--dry-run] [--json]",
    "compare topics, groups and paths under way with the configuration (exit 1 on drift), or "
    "create what is missing; never shrinks, grows or deletes",
    topics,
    "  show            what is there against what is wanted (when left out)\n"
    "  create          makes missing topics, and first positions of groups where their topic is empty; --dry-run: only "
    "says so\n"
    "  --json          the same as JSON\n"
    "  exit 0 all is as wanted, 1 drift, 69 Kafka does not answer, 78 the configuration has errors\n"};
