/* What `parked`, `targets` and `deadletter` share: options that select parked dossiers, and carrying out a decision. */
#ifndef LT_CLI_DECIDE_H
#define LT_CLI_DECIDE_H

#include "gateway/cli/cli.h"
#include "gateway/ops/parked.h"

struct lt_decide {
    struct lt_cli_options cli;
    struct lt_parked_filter filter;
    const char *who, *client; /* client: refused inputs of these clients, a glob; NULL all */
    int64_t rate, rounds_max; /* decisions a second; lanes parked again so often are left out, -1 no limit */
    bool all;
    int64_t partition, from, to, offset; /* of a queue, -1 not given */
};
/* Who runs this command: the login, also behind sudo. */
const char *lt_decide_login(void);
/* Options of these commands. false: what is wrong was printed. */
bool lt_decide_options(const struct lt_command *c, int argc, char **argv, struct lt_decide *ret);
/*
 * The frame of a command that works on a target: options, help, the configuration, then serve with the words that are
 * left (at least one). Exit code.
 */
int lt_decide_run(const struct lt_command *c, int argc, char **argv,
                  int (*serve)(const struct lt_decide *d, const struct lt_config *config, int argc, char **argv));
/* The configuration alone; an exit code, LT_EXIT_OK when *ret is there. */
int lt_decide_config(const struct lt_command *c, const struct lt_decide *d, struct lt_config **ret);
/* NULL and a complaint when the configuration has no such target. */
const struct lt_config_target *lt_decide_target(const struct lt_command *c, const struct lt_config *config,
                                                const char *name);
int lt_decide_complain(const struct lt_command *c, const struct lt_err *err); /* returns the exit code */
/* One decision for each of these lanes, at the rate; prints one line each. Exit code. */
int lt_decide_lanes(const struct lt_command *c, const struct lt_decide *d, const struct lt_config *config,
                    const char *target, struct lt_parked_lane *const *lanes, size_t n, enum lt_verb verb,
                    struct lt_span data);

#endif
