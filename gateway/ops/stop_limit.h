/*
 * How long a process that is asked to end waits for a Kafka that does not answer. What it waits for then cannot happen,
 * each step by its own time limit, a minute altogether; and nothing is lost by ending without it: every step is one at
 * which the process could be killed (protocol 1, P2).
 *
 * One thread, from start to end. It asks the brokers once a second; as long as one answers, it does nothing, however
 * long the process takes.
 */
#ifndef LT_OPS_STOP_LIMIT_H
#define LT_OPS_STOP_LIMIT_H

#include "gateway/config/config.h"

struct lt_stop_limit;
/*
 * on_silent is called once, on the thread, when nobody has answered for silence_ms; it should not return. c is lent
 * until end. NULL: no thread could be started, and nothing is limited.
 */
struct lt_stop_limit *lt_stop_limit_start(const struct lt_config *c, int64_t silence_ms, void (*on_silent)(void *ctx),
                                          void *ctx);
void lt_stop_limit_end(struct lt_stop_limit *l); /* and free; up to a second when Kafka is silent; NULL is fine */
#endif
