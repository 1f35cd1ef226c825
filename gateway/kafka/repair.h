/*
 * One transaction that mends a group's offsets, for the `topics`, `core` and `targets` commands only (protocol 2,
 * "Settings").
 *
 * It uses the transactional id <group>.repair and a group metadata without a member: accepted beside live members,
 * where a plain commit is refused. Two commands at once fence each other: lt_repair_begin returns when whatever another
 * one began has ended, so what is read after it and written here is not written from two sides.
 *
 * One thread. Records and offsets become visible together or not at all.
 */
#ifndef LT_KAFKA_REPAIR_H
#define LT_KAFKA_REPAIR_H

#include "gateway/base/err.h"
#include "gateway/model/headers.h"

struct lt_config_prop;
struct lt_repair;

/* props are lent until lt_repair_free. LT_OK; LT_E_UNAVAILABLE or LT_E_TIMEOUT: Kafka is away, LT_E_AUTH. Blocks up to
 * 30 s. */
int lt_repair_begin(const struct lt_config_prop *props, size_t n_props, const char *group, struct lt_repair **ret,
                    struct lt_err *err) LT_MUST_CHECK;
/* Aborts what was not committed; NULL is fine. */
void lt_repair_free(struct lt_repair *r);

/* The group's offset on topic/partition shall be this one. */
void lt_repair_offset(struct lt_repair *r, const char *topic, int32_t partition, int64_t offset, const char *metadata);
/* headers: NULL none; value.ptr NULL: a tombstone. */
int lt_repair_record(struct lt_repair *r, const char *topic, int32_t partition, struct lt_span key,
                     const struct lt_headers *headers, struct lt_span value, struct lt_err *err) LT_MUST_CHECK;
/* LT_OK: all of it is in Kafka. After anything else look at the offsets before trying again. */
int lt_repair_commit(struct lt_repair *r, struct lt_err *err) LT_MUST_CHECK;
#endif
