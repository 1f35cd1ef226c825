/* lienthong targets: pause and resume a target by hand; what its ledger says. */
#include "gateway/cli/targets.h"
#include "gateway/cli/ask.h"

#include <stdio.h>

#define NOT_HERE "not run by the gateway here (without role delivery, or started before the target was configured)"

/* What the gateway of this configuration says of a target; empty when it does not run it, or does not run. */
struct here {
    struct lt_span state, reason;
};

static struct here here_of(lt_json_value targets, const char *name)
{
    struct here h = {0};
    struct lt_span found;
    for (size_t i = 0; i < lt_json_len(targets); i++) {
        lt_json_value t = lt_json_at(targets, i);
        if (lt_json_string(lt_json_get(t, "target"), &found) && lt_span_is(found, name)) {
            lt_json_string(lt_json_get(t, "state"), &h.state);
            lt_json_string(lt_json_get(t, "reason"), &h.reason);
        }
    }
    return h;
}

/* asked: a gateway answered. What an operator decided stands in the ledger; a pause of its own (credential, refusals,
 * throttle, trouble) is known to the gateway only. */
static bool show_one(const struct lt_decide *d, const char *target, const struct lt_parked *p, const struct here *h,
                     bool asked)
{
    size_t paused = 0, events = 0;
    const char *who = "";
    for (size_t i = 0; i < p->paused_by.len; i++)
        if (p->paused_by.v[i]) {
            paused++;
            who = p->paused_by.v[i];
        }
    for (size_t i = 0; i < p->lanes.len; i++)
        events += p->lanes.v[i].events.len;
    bool itself = h->reason.len > 0 && !lt_span_is(h->reason, "operator");
    if (d->cli.json) {
        LT_AUTOBUF struct lt_buf out = LT_BUF_INIT((size_t)64 << 10);
        struct lt_json_writer w;
        lt_json_writer_init(&w, &out);
        lt_json_begin_object(&w);
        lt_json_str(&w, "target", lt_span_str(target));
        lt_json_str(&w, "state", lt_span_str(paused ? "paused" : "active"));
        lt_json_num(&w, "paused_partitions", (int64_t)paused);
        lt_json_num(&w, "partitions", p->partitions);
        lt_json_str(&w, "who", lt_span_str(who));
        lt_json_str(&w, "here", h->state);
        lt_json_str(&w, "reason", h->reason);
        lt_json_num(&w, "parked_dossiers", (int64_t)p->lanes.len);
        lt_json_num(&w, "parked_events", (int64_t)events);
        lt_json_num(&w, "open", (int64_t)p->open);
        lt_json_end_object(&w);
        puts(lt_buf_view(&out).ptr);
    } else {
        printf("%-12s ", target);
        if (paused)
            printf("paused by %s (%zu of %d partitions)", who, paused, (int)p->partitions);
        else if (itself)
            printf(LT_SPAN_FMT " by itself: " LT_SPAN_FMT, LT_SPAN_ARG(h->state), LT_SPAN_ARG(h->reason));
        else
            printf("%s", h->state.len ? "running" : asked ? NOT_HERE : "not paused by anybody");
        printf(", %zu dossiers parked with %zu events, %zu deliveries open\n", p->lanes.len, events, p->open);
    }
    return paused > 0 || itself;
}

static int show(const struct lt_decide *d, const struct lt_config *config, const char *only)
{
    static const struct lt_json_limits limits = {.bytes_max = LT_ASK_BYTES_MAX, .depth_max = 32};
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(LT_ASK_BYTES_MAX);
    LT_AUTO_JSON struct lt_json *j = NULL;
    struct lt_err err = LT_ERR_INIT;
    lt_json_value told = {NULL};
    bool paused_any = false;
    if (lt_ask_status(config, &body, &err) == LT_OK && lt_json_parse(lt_buf_view(&body), &limits, &j, &err) == LT_OK)
        told = lt_json_get(lt_json_root(j), "targets");
    else
        fprintf(stderr, "lienthong targets: %s What an operator decided is shown, not what a target does by itself\n",
                err.text);
    for (size_t t = 0; t < config->targets_len; t++) {
        const char *target = config->targets[t].name;
        struct lt_parked p;
        if (only && strcmp(only, target) != 0)
            continue;
        if (lt_parked_read(config, target, NULL, &p, &err) != LT_OK)
            return lt_decide_complain(&lt_command_targets, &err);
        struct here h = here_of(told, target);
        paused_any = show_one(d, target, &p, &h, lt_json_present(told)) || paused_any;
        lt_parked_deinit(&p);
    }
    return paused_any ? LT_EXIT_FINDING : LT_EXIT_OK;
}

static int decide(const struct lt_decide *d, const struct lt_config *config, const char *target, enum lt_verb verb)
{
    struct lt_decider *decider = NULL;
    struct lt_err err = LT_ERR_INIT;
    int r = d->cli.dry_run ? LT_OK : lt_decider_new(config, target, d->who, &decider, &err);
    if (r == LT_OK && !d->cli.dry_run)
        r = lt_decider_send_all(decider, verb, &err);
    lt_decider_free(decider);
    if (r != LT_OK)
        return lt_decide_complain(&lt_command_targets, &err);
    printf("%s %s %s; `lienthong status` shows when its instances have done so\n",
           d->cli.dry_run ? "would ask to" : "asked to", lt_verb_name(verb), target);
    return LT_EXIT_OK;
}

static int serve(const struct lt_decide *d, const struct lt_config *config, int argc, char **argv)
{
    enum lt_verb verb;
    if (argc > 1 && !lt_decide_target(&lt_command_targets, config, argv[1]))
        return LT_EXIT_USAGE;
    if (argc <= 2 && strcmp(argv[0], "status") == 0)
        return show(d, config, argc == 2 ? argv[1] : NULL);
    if (argc == 2 && lt_verb_parse(lt_span_str(argv[0]), &verb) && (verb == LT_VERB_PAUSE || verb == LT_VERB_RESUME))
        return decide(d, config, argv[1], verb);
    int code;
    if (argc == 2 && lt_cli_targets_repair(&lt_command_targets, d, config, argv[0], argv[1], &code))
        return code;
    return lt_cli_usage(&lt_command_targets);
}

static int targets(int argc, char **argv)
{
    return lt_decide_run(&lt_command_targets, argc, argv, serve);
}

const struct lt_command lt_command_targets = {
    "targets",
    "VERB [OPTION…]\n"
    "  status [TARGET]    who paused it, what it does by itself, what is parked (exit 1 when one is paused)\n"
    "  pause TARGET       nothing is sent any more, by no instance, over restarts\n"
    "  resume TARGET      it goes on; one that paused itself tries at once\n"
    "  the ways out of a partition's stop, which `lienthong status` names with their numbers:\n"
    "  position TARGET [--partition P]                              OFFSETS-LOST, MOVED: write back what the ledger "
    "holds\n"
    "  accept-loss TARGET --partition P --from A --to B             UNDELIVERED-DELETED: go on where the queue begins\n"
    "  accept-queue TARGET --partition P --from A --to B            QUEUE-CHANGED: go on at its begin or its end\n"
    "  pass-over TARGET --partition P --offset O                    BAD-RECORD: that record goes to the dead letters\n"
    "  --dry-run, --who NAME for the audit (the login), --json\n",
    "stop a target from being called and let it go on; the ways out of its stops", targets, NULL};
