/* The records that ingest writes: events, dead letters, audit entries (protocol 4). Pure: from facts to key, headers
 * and value. */
#ifndef LT_INGEST_RECORD_H
#define LT_INGEST_RECORD_H

#include "gateway/config/config.h"
#include "gateway/mapping/mapping.h"

#define LT_RECORD_ROOM ((size_t)4096) /* between intake's limit and the others' (protocol 4) */

/* Where an input came from and whose it is. */
struct lt_record_source {
    const struct lt_config_client *client;
    const char *origin;   /* "http", "folder:<name>", "bridge:<name>" */
    const char *position; /* in it: "item 3", "a.xml item 3", "topic/0/17" */
    struct lt_span media;
    const char *mapping;     /* NULL: none was chosen */
    uint64_t generation;     /* of the configuration */
    const char *resubmit_of; /* the dead letter that is sent once more, "partition.offset"; NULL: as it came */
    int64_t resubmits;       /* how often by now, this time counted */
    int64_t now_ms;
};

/* Bytes as they came; more than was kept when length > bytes.len, then sha256 is of the whole. */
struct lt_raw {
    struct lt_span bytes;
    uint64_t length;
    char sha256[65]; /* "" = to be taken of bytes; unknown when there was more than bytes */
};

struct lt_record {
    struct lt_span key, value; /* lent by the caller's input or the arena */
    struct lt_headers headers;
};

void lt_record_event(const struct lt_record_source *s, const struct lt_event *e, struct lt_arena *a,
                     struct lt_record *ret);
/* Bytes the record takes in a batch of its own, from above. */
size_t lt_record_size(const struct lt_record *r);
/* e: what is known of the event (any field may be empty). record_max: the topic's limit. */
void lt_record_deadletter(const struct lt_record_source *s, const struct lt_refusal *why, const struct lt_event *e,
                          const struct lt_raw *raw, size_t record_max, struct lt_arena *a, struct lt_record *ret);
/* actor refused (or limited); code "rate", "unknown-client", "other-province" … */
void lt_record_audit(int64_t now_ms, const char *actor, const char *origin, const char *code, const char *detail,
                     const struct lt_event *e, struct lt_arena *a, struct lt_record *ret);
#endif
