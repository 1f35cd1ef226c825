/* A librdkafka message seen as a record of the log port. Private to gateway/kafka; any one thread. */
#ifndef LT_KAFKA_RECORD_H
#define LT_KAFKA_RECORD_H

#include "gateway/kafka/log.h"

#include <librdkafka/rdkafka.h>

/* Point rec at the bytes of m, which must outlive it. */
void lt_record_view(struct lt_log_record *rec, const rd_kafka_message_t *m);
/* A heap record that owns m (an error message too: then only topic and partition mean anything). */
struct lt_log_record *lt_record_take(rd_kafka_message_t *m);
/* The headers of a taken record seen again, after they were detached from its message. */
void lt_record_view_headers(struct lt_log_record *r);
void lt_record_free(struct lt_log_record *r);
#endif
