#include "gateway/cli/portal_target.h"

#include "gateway/cli/cli.h"

#include <stdio.h>

static void complain(struct lt_diags *diags)
{
    LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(1 << 20);
    lt_diags_print(diags, &text);
    fputs(lt_buf_view(&text).ptr, stderr);
}

int lt_portal_target_open(const char *config, const char *name, const char *command, struct lt_portal_target *ret)
{
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_err err = LT_ERR_INIT;
    int code = LT_EXIT_CONFIG;
    *ret = (struct lt_portal_target){0};
    if (lt_config_load(config, &ret->config, &diags) != LT_OK) {
        complain(&diags);
        ret->config = NULL;
    } else {
        const struct lt_config_target *found = NULL;
        for (size_t i = 0; !found && i < ret->config->targets_len; i++) {
            const struct lt_config_target *t = &ret->config->targets[i];
            if (strcmp(t->adapter, "portal") == 0 && (!name || strcmp(t->name, name) == 0))
                found = t;
        }
        if (!found) {
            fprintf(stderr, "lienthong %s: expected a target with adapter: portal%s%s, got none\n", command,
                    name ? " named " : "", name ? name : "");
        } else if (lt_portal_client_new(found, &ret->client, &diags, &err) != LT_OK) {
            complain(&diags);
            fprintf(stderr, "lienthong %s: %s\n", command, err.text);
            ret->client = NULL;
        } else {
            ret->target = found;
            code = LT_EXIT_OK;
        }
    }
    lt_diags_deinit(&diags);
    if (code != LT_EXIT_OK)
        lt_portal_target_close(ret);
    return code;
}

void lt_portal_target_close(struct lt_portal_target *t)
{
    lt_portal_client_free(t->client);
    if (t->config)
        lt_config_free(t->config);
    *t = (struct lt_portal_target){0};
}
