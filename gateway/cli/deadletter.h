/* What the files of `lienthong deadletter` share: one noun, a file for each family of verbs. */
#ifndef LT_CLI_DEADLETTER_H
#define LT_CLI_DEADLETTER_H

#include "gateway/cli/decide.h"

/* resubmit [PARTITION.OFFSET]: argv[0] is the verb. Exit code. */
int lt_cli_deadletter_resubmit(const struct lt_decide *d, int argc, char **argv);

#endif
