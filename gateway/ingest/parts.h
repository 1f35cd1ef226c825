/* Ingest with a port of the caller's choosing; lt_ingest_start is this with Kafka's. For tests that run the whole
 * without Kafka. */
#ifndef LT_INGEST_PARTS_H
#define LT_INGEST_PARTS_H

#include "gateway/ingest/ingest.h"
#include "gateway/ingest/port.h"

/* port: taken in success and failure. */
int lt_ingest_start_with(const struct lt_ingest_settings *s, const struct lt_intake_port *port, struct lt_ingest **ret,
                         struct lt_err *err) LT_MUST_CHECK;
#endif
