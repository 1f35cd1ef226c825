/*
 * One option's value: from a YAML node to the field of a struct, and the words that say what was expected.
 * Pure but for LT_OPT_SECRET, which reads a file or the environment. Never prints what a secret holds.
 */
#ifndef LT_CONFIG_VALUE_H
#define LT_CONFIG_VALUE_H

#include "gateway/config/opt.h"

/* Decode n into slot; n is not NULL. false: told to diags, slot unchanged. */
bool lt_value_decode(const struct lt_opt *o, const struct lt_yaml_node *n, const char *key, void *slot,
                     struct lt_arena *a, struct lt_diags *diags);
/* "a size from 1KiB to 64MiB (4096 64KiB 4MiB 2GiB)", in the arena. */
const char *lt_value_expected(const struct lt_opt *o, struct lt_arena *a);

const char *lt_duration_text(int64_t ms,
                             struct lt_arena *a);   /* 441d, 90s: the largest unit that leaves a whole number */
bool lt_size_parse(struct lt_span s, int64_t *ret); /* 4096 64KiB 4MiB 2GiB */
#endif
