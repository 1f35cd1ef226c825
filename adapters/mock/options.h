/*
 * Options of a mock: the same table (gateway/config/opt.h) read from the YAML file named by --config and from the
 * command line, `--KEY VALUE` for each key of the table. The command line wins key by key.
 */
#ifndef LT_MOCK_OPTIONS_H
#define LT_MOCK_OPTIONS_H

#include "gateway/config/opt.h"

/*
 * argv: the words after the mock's name. Lists take commas, or the switch again; `fault-every` takes two words,
 * N and KIND. ret is zeroed by the caller; everything it points to lives in the arena.
 * LT_OK; LT_E_INVALID: diags say what.
 */
int lt_mock_options_read(int argc, char **argv, const struct lt_opt *opts, size_t n_opts, void *ret, struct lt_arena *a,
                         struct lt_diags *diags) LT_MUST_CHECK;
/* One line a switch. */
void lt_mock_options_print(const struct lt_opt *opts, size_t n_opts, struct lt_buf *out);

#endif
