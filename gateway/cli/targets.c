/* lienthong targets: pause and resume a target by hand; what its ledger says. */
#include "gateway/cli/decide.h"

#include <stdio.h>

static int show(const struct lt_decide *d, const struct lt_config *config, const char *only)
{
    bool paused_any = false;
    for (size_t t = 0; t < config->targets_len; t++) {
        const char *target = config->targets[t].name;
        struct lt_parked p;
        struct lt_err err = LT_ERR_INIT;
        if (only && strcmp(only, target) != 0)
            continue;
        if (lt_parked_read(config, target, NULL, &p, &err) != LT_OK)
            return lt_decide_complain(&lt_command_targets, &err);
        size_t paused = 0, events = 0;
        const char *who = "";
        for (size_t i = 0; i < p.paused_by.len; i++)
            if (p.paused_by.v[i]) {
                paused++;
                who = p.paused_by.v[i];
            }
        for (size_t i = 0; i < p.lanes.len; i++)
            events += p.lanes.v[i].events.len;
        const char *state = paused ? "paused" : "active";
        if (d->cli.json)
            printf("{\"target\":\"%s\",\"state\":\"%s\",\"paused_partitions\":%zu,\"partitions\":%d,\"who\":\"%s\","
                   "\"parked_dossiers\":%zu,\"parked_events\":%zu,\"open\":%zu}\n",
                   target, state, paused, (int)p.partitions, who, p.lanes.len, events, p.open);
        else
            printf(
                "%-12s %s%s%s, %zu of %d partitions paused, %zu dossiers parked with %zu events, %zu deliveries open\n",
                target, state, paused ? " by " : "", who, paused, (int)p.partitions, p.lanes.len, events, p.open);
        paused_any = paused_any || paused;
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
    return lt_cli_usage(&lt_command_targets);
}

static int targets(int argc, char **argv)
{
    return lt_decide_run(&lt_command_targets, argc, argv, serve);
}

const struct lt_command lt_command_targets = {
    "targets", "status [TARGET] | pause TARGET | resume TARGET [--who NAME] [--dry-run] [--json]",
    "stop a target from being called and let it go on, over restarts and on every instance (exit 1 when one is "
    "paused); "
    "resume also makes a target that paused itself try at once",
    targets};
