/*
 * The headers of a consumed record, read where they lie.
 *
 * librdkafka takes headers apart on demand, each into an allocation of its own: two thirds of what a load used to cost.
 * But key and value of a message are pointers into the broker's answer, where a record of Kafka's format 2 (the only
 * one that has headers, KIP-82) lies as a whole:
 *
 *   length | attributes | timestamp delta | offset delta | key length | key | value length | value | count | headers
 *
 * Nothing about that is taken on trust, because no header of librdkafka promises it: record by record the bytes around
 * key and value must be those of such a record, and nothing beyond the end that its own length gives is read. Where
 * they are not (no key, no value, another format, a client that copies) the caller asks librdkafka. Why this is exact:
 * docs/decisions/0014-headers-where-they-lie.md.
 *
 * Any thread; no state. Private to gateway/kafka.
 */
#ifndef LT_KAFKA_RECORD_WIRE_H
#define LT_KAFKA_RECORD_WIRE_H

#include "gateway/model/headers.h"

/*
 * key, value  as the message lends them: not copies
 * ret         views that live as long as key and value; empty unless true is returned
 * true        exactly what librdkafka would tell; false: not shown to be such a record, or one that librdkafka might
 *             read differently (a name with a NUL, more than LT_HEADERS_MAX headers): ask it
 */
bool lt_record_wire_headers(struct lt_span key, struct lt_span value, struct lt_headers *ret);
#endif
