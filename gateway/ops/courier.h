/*
 * Records of a command, one after the other, each durable before the call returns: decisions, audit. One thread.
 */
#ifndef LT_OPS_COURIER_H
#define LT_OPS_COURIER_H

#include "gateway/config/config.h"

struct lt_courier;
/* topics: what will be sent to, NULL-terminated. LT_OK, or an error of the producer. */
int lt_courier_new(const struct lt_config *c, const char *const *topics, struct lt_courier **ret,
                   struct lt_err *err) LT_MUST_CHECK;
void lt_courier_free(struct lt_courier *c); /* free(NULL) is fine */
/* LT_OK: Kafka has it with acks=all. LT_E_UNAVAILABLE: it may or may not have it. Blocks up to half a minute. */
int lt_courier_send(struct lt_courier *c, const char *topic, struct lt_span key, struct lt_span value,
                    struct lt_err *err) LT_MUST_CHECK;
/*
 * One audit record: {"time":…,"actor":…,"action":…,members…}, keyed by the actor. members: JSON "\"a\":1,\"b\":2"
 * without braces, or empty; never citizen data. Whoever changes something writes it first: what was done and cannot be
 * traced to anybody is worse than what was not done.
 */
int lt_courier_audit(struct lt_courier *c, const char *actor, const char *action, struct lt_span members,
                     struct lt_err *err) LT_MUST_CHECK;
/* The same for a command that writes nothing else. */
int lt_audit(const struct lt_config *c, const char *actor, const char *action, struct lt_span members,
             struct lt_err *err) LT_MUST_CHECK;
#endif
