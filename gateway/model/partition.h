/*
 * Which partition a key belongs to: Kafka's murmur2 over the key bytes, positive, modulo the partition count. The
 * gateway always computes it itself (protocol 3): a client library's default must never decide where a lane lives.
 */
#ifndef LT_MODEL_PARTITION_H
#define LT_MODEL_PARTITION_H
#include "gateway/base/base.h"
uint32_t lt_partition_hash(struct lt_span key);                  /* the partition is this modulo the count */
int32_t lt_partition_of(struct lt_span key, int32_t partitions); /* partitions > 0 */
#endif
