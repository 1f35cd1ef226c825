/* The portal target of a configuration, opened for a command. */
#ifndef LT_CLI_PORTAL_TARGET_H
#define LT_CLI_PORTAL_TARGET_H

#include "adapters/portal/client.h"

struct lt_portal_target {
    struct lt_config *config;
    const struct lt_config_target *target; /* of config */
    struct lt_portal_client *client;
};
/* name NULL: the first target with adapter: portal. An exit code; complaints go to stderr under the command's name. */
int lt_portal_target_open(const char *config, const char *name, const char *command, struct lt_portal_target *ret);
void lt_portal_target_close(struct lt_portal_target *t);

#endif
