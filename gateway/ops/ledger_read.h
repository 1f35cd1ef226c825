/*
 * A partition of a target's ledger as it stands in Kafka, for the commands: what the engine reads when it takes the
 * partition over, without taking it. Blocks for as long as reading it takes.
 */
#ifndef LT_OPS_LEDGER_READ_H
#define LT_OPS_LEDGER_READ_H

#include "gateway/delivery/ledger.h"
#include "gateway/kafka/admin.h"
#include "gateway/kafka/reader.h"

/*
 * ret: zeroed by the caller, who frees it (lt_ledger_deinit) whatever becomes of the call. LT_OK: read whole.
 * LT_E_INVALID: somebody else's record stands in it, err names it, and nothing is known of what comes after it. Else
 * what Kafka says.
 */
int lt_ledger_read(struct lt_admin *a, struct lt_reader *reader, const char *topic, int32_t partition,
                   struct lt_ledger *ret, struct lt_err *err) LT_MUST_CHECK;

#endif
