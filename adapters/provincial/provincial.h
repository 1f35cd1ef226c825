/*
 * Call-backs to the provinces (`adapter: provincial`, target `province`, queue lt.province): the province that sent an
 * event is told what became of it: the portal's refusals, mismatches at the population database, conflicts. One POST an
 * event, JSON or XML by a mapping (gateway/delivery/message.h), over mutual TLS, to the endpoint of `ce_province`.
 *
 * Each province has its own breaker and pause: one that is away, or does not let us in, keeps its own events waiting
 * and nobody else's. They resume by themselves: after the pause one event probes.
 */
#ifndef LT_PROVINCIAL_PROVINCIAL_H
#define LT_PROVINCIAL_PROVINCIAL_H

#include "gateway/delivery/adapter.h"

extern const struct lt_adapter_type lt_provincial_adapter;

/*
 * For `check`: warns of each province whose client may send while target t, of this adapter, has no endpoint for it and
 * would park what that province is to be told. Says nothing where the options themselves are wrong: that is found
 * elsewhere.
 */
void lt_provincial_check_reach(const struct lt_config *c, const struct lt_config_target *t, struct lt_diags *diags);

#endif
