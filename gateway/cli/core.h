/* What the files of `lienthong core` share: the session every verb works in. */
#ifndef LT_CLI_CORE_H
#define LT_CLI_CORE_H

#include "gateway/cli/cli.h"
#include "gateway/codec/json.h"
#include "gateway/ops/repair.h"

struct lt_cli_core {
    struct lt_compiled compiled;
    struct lt_repairer kafka; /* open */
    struct lt_cli_options options;
    int64_t partition, from, to, offset; /* -1: not given */
    bool relog, sum_given;
    uint64_t sum;
    struct lt_buf out; /* --json: one object, printed at the end */
    struct lt_json_writer w;
};

/* The verbs. Each writes its members of the JSON object, or text; the return is an exit code. */
int lt_cli_core_status(struct lt_cli_core *s);
int lt_cli_core_position(struct lt_cli_core *s);
int lt_cli_core_accept_hole(struct lt_cli_core *s);
int lt_cli_core_accept_index(struct lt_cli_core *s);
int lt_cli_core_rebuild(struct lt_cli_core *s);
int lt_cli_core_verify(struct lt_cli_core *s);

/* Kafka did not do what was asked: said on stderr; LT_EXIT_UNAVAILABLE, or LT_EXIT_FINDING where it is no outage. */
int lt_cli_core_complain(const struct lt_err *err);
#endif
