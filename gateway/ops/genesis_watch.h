/*
 * Asks Kafka now and then whether the core's group has its first positions: ingest answers 503 until it does (protocol
 * 2). One thread; the answer is read from any thread.
 */
#ifndef LT_OPS_GENESIS_WATCH_H
#define LT_OPS_GENESIS_WATCH_H

#include "gateway/config/config.h"

struct lt_genesis_watch;
int lt_genesis_watch_start(const struct lt_config *c, struct lt_genesis_watch **ret, struct lt_err *err) LT_MUST_CHECK;
bool lt_genesis_watch_ready(void *watch);
void lt_genesis_watch_stop(struct lt_genesis_watch *w); /* and free; NULL is fine */
#endif
