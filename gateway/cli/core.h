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

/*
 * The positions in Kafka show some stops; holes, an index that differs, memory, foreign transactions and what cannot be
 * written are known to the gateway that met them. The one of this configuration is asked too, if it runs.
 */
struct lt_cli_live {
    const char *address;  /* asked here */
    struct lt_json *json; /* owned; NULL: nobody answered */
    lt_json_value core;   /* absent without the role */
};
void lt_cli_live_ask(const struct lt_config *c, struct lt_cli_live *ret);
void lt_cli_live_deinit(struct lt_cli_live *l);
struct lt_span lt_cli_live_instance(const struct lt_cli_live *l);
struct lt_span lt_cli_live_state(const struct lt_cli_live *l, int32_t partition); /* "" when it is not this one's */
/* Workers that do not get on or hang, and in JSON who was asked; returns how many findings. */
size_t lt_cli_live_workers(struct lt_cli_core *s, const struct lt_cli_live *l);

/* A stop or an alarm, wherever it is known from. Lent. */
struct lt_cli_reason {
    struct lt_span name, text, cause, safe, advice, command;
};
/* kind: "stop" or "alarm". false: the gateway names none. */
bool lt_cli_live_reason(const struct lt_cli_live *l, int32_t partition, const char *kind, struct lt_cli_reason *ret);
void lt_cli_core_tell(struct lt_cli_core *s, const char *kind, const struct lt_cli_reason *r);

/* false, and said on stderr: --partition names none of these. All is well with what is not there. */
bool lt_cli_core_has_partition(const struct lt_cli_core *s, const struct lt_positions *all);
/* Kafka did not do what was asked: said on stderr; LT_EXIT_UNAVAILABLE, or LT_EXIT_FINDING where it is no outage. */
int lt_cli_core_complain(const struct lt_err *err);
#endif
