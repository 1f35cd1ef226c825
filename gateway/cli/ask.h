/*
 * One question to the gateway of this configuration, on its admin listener. Most commands read Kafka and need no
 * gateway; what only a running one knows is asked here.
 */
#ifndef LT_CLI_ASK_H
#define LT_CLI_ASK_H

#include "gateway/config/config.h"

#define LT_ASK_BYTES_MAX ((size_t)32 << 20)

/*
 * Blocks for up to 5 s. path begins with '/'; ret (of LT_ASK_BYTES_MAX) gets the answer's body. Returns the HTTP
 * status; 0: nobody answers there, err says where and why.
 */
long lt_ask(const struct lt_config *c, const char *method, const char *path, struct lt_buf *ret,
            struct lt_err *err) LT_MUST_CHECK;
/* GET /status. LT_OK, or LT_E_UNAVAILABLE as above. */
int lt_ask_status(const struct lt_config *c, struct lt_buf *ret, struct lt_err *err) LT_MUST_CHECK;

#endif
