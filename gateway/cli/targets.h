/* The verbs of `lienthong targets` that lead out of a partition's stop (docs/operations.md). */
#ifndef LT_CLI_TARGETS_H
#define LT_CLI_TARGETS_H

#include "gateway/cli/decide.h"

/* Is `verb` one of them? Then *ret_code is the command's exit code. */
bool lt_cli_targets_repair(const struct lt_command *c, const struct lt_decide *d, const struct lt_config *config,
                           const char *verb, const char *target, int *ret_code);

#endif
