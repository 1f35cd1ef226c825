/* What a running gateway says of itself on its admin listener, for the commands that show it. */
#ifndef LT_CLI_ASK_H
#define LT_CLI_ASK_H

#include "gateway/config/config.h"

#define LT_ASK_BYTES_MAX ((size_t)32 << 20)

/*
 * GET /status of the gateway of this configuration into ret (of LT_ASK_BYTES_MAX). LT_OK, or LT_E_UNAVAILABLE: nobody
 * answers there within 5 s; err says where and why.
 */
int lt_ask_status(const struct lt_config *c, struct lt_buf *ret, struct lt_err *err) LT_MUST_CHECK;

#endif
