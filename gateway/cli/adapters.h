/* The adapters this program has: the one place that knows them all. */
#ifndef LT_CLI_ADAPTERS_H
#define LT_CLI_ADAPTERS_H

#include "gateway/delivery/delivery.h"

const struct lt_adapter_type *lt_adapter_find(const char *name); /* NULL: none of that name */
/* Options of every target of the configuration. */
void lt_adapters_check(const struct lt_config *c, struct lt_diags *diags);
/* A line for each option of each adapter, as lt_config_print_options. */
void lt_adapters_print_options(struct lt_buf *out);
#endif
