/*
 * The command line: one file a command, results to stdout, chatter to stderr, documented exit codes.
 */
#ifndef LT_CLI_CLI_H
#define LT_CLI_CLI_H

#include "gateway/config/config.h"
#include "gateway/core/routes.h"
#include "gateway/mapping/mapping.h"
#include "gateway/mapping/tables.h"

#include <getopt.h>

enum lt_exit {
    LT_EXIT_OK = 0,
    LT_EXIT_FINDING = 1, /* the answer is "something is wrong" */
    LT_EXIT_USAGE = 2,
    LT_EXIT_UNAVAILABLE = 69, /* a dependency is down */
    LT_EXIT_CONFIG = 78,
};

/* Of a thread of a running gateway that does not come on any more, in /ready and `status`. */
#define LT_CLI_HANGS                                                                                                   \
    "its thread hangs; restart this gateway (a stop waits for that thread: kill -9 ends it), nothing is lost by it"

struct lt_command {
    const char *name;
    const char *arguments; /* for usage */
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
    const char *details; /* for --help: options with their defaults, exit codes; NULL: all is said above */
};
extern const struct lt_command lt_command_core, lt_command_run, lt_command_check, lt_command_explain, lt_command_topics,
    lt_command_status, lt_command_submit, lt_command_procedures, lt_command_ratings, lt_command_parked,
    lt_command_targets, lt_command_deadletter, lt_command_version;

/* Options every command takes. Returns the option's letter, -1 at the end, '?' after a usage message. */
struct lt_cli_options {
    const char *config; /* --config FILE, $LIENTHONG_CONFIG, else config/gateway.yaml */
    bool json, dry_run, help;
};
/* extra: further long options, NULL-terminated name; their letters are returned. NULL: none. */
int lt_cli_option(int argc, char **argv, const struct option *extra, struct lt_cli_options *ret);
int lt_cli_usage(const struct lt_command *c); /* to stderr; returns LT_EXIT_USAGE */
int lt_cli_help(const struct lt_command *c);  /* to stdout; returns LT_EXIT_OK */
/* What a command that shows no findings says of a configuration it cannot use, to stderr; returns LT_EXIT_CONFIG. */
int lt_cli_bad_config(const struct lt_command *c, const char *path);

/* Configuration with everything that is compiled from it. */
struct lt_compiled {
    struct lt_config *config;
    struct lt_tables *tables;
    struct lt_mappings *mappings;
    struct lt_routes *routes;
};
/*
 * Load and compile everything, going on after errors as far as that makes sense. LT_EXIT_OK, or LT_EXIT_CONFIG with the
 * findings in diags. What could be compiled is there in both cases.
 */
int lt_compiled_load(const char *path, struct lt_compiled *ret, struct lt_diags *diags);
void lt_compiled_deinit(struct lt_compiled *c);
/* The same for commands that are not `check`: findings are printed to stderr. */
int lt_compiled_load_or_complain(const char *path, struct lt_compiled *ret);
/* What librdkafka says of the section kafka:, with its place; asks no broker. */
void lt_cli_check_kafka(const struct lt_config *c, struct lt_diags *diags);
#endif
