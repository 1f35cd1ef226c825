#include "gateway/cli/adapters.h"

#include "adapters/notify/notify.h"
#include "adapters/population/population.h"
#include "adapters/portal/portal.h"
#include "adapters/provincial/provincial.h"

static const struct lt_adapter_type *const adapters[] = {&lt_portal_adapter, &lt_population_adapter,
                                                         &lt_provincial_adapter, &lt_notify_adapter};

const struct lt_adapter_type *lt_adapter_find(const char *name)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(adapters); i++)
        if (strcmp(adapters[i]->name, name) == 0)
            return adapters[i];
    return NULL;
}

void lt_adapters_print_options(struct lt_buf *out)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(adapters); i++) {
        LT_AUTOFREE char *section = lt_asprintf("targets(%s).options", adapters[i]->name);
        lt_opts_print(section, adapters[i]->opts, adapters[i]->opts_len, out);
    }
}

void lt_adapters_check(const struct lt_config *c, struct lt_diags *diags)
{
    for (size_t i = 0; i < c->targets_len; i++) {
        if (!c->targets[i].adapter || !c->targets[i].name)
            continue; /* found before */
        const struct lt_adapter_type *a = lt_adapter_find(c->targets[i].adapter);
        if (!a)
            lt_yaml_error(diags, c->targets[i].node,
                          "adapter: expected portal, population, provincial or notify, got '%s'",
                          c->targets[i].adapter);
        else if (lt_delivery_check(&c->targets[i], a, diags) < 0)
            continue; /* findings are in diags */
        else if (a == &lt_provincial_adapter)
            lt_provincial_check_reach(c, &c->targets[i], diags);
    }
}
