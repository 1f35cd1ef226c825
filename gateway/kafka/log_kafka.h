/*
 * The inside of the Kafka log, shared by its parts: log_group.c (membership, polling), log_claim.c (twins), log_share.c
 * (partitions that nobody owns), log_aside.c (waiting while the owner works), log_position.c (what is asked of
 * the log), log_scan.c (reading aside), log_transaction.c (the producer), log_topics.c (what it writes to),
 * log_close.c. Private to gateway/kafka; one thread, and a helper that it waits for (log_aside.c).
 *
 * Four handles of librdkafka:
 *   consumer  member of the group, read_committed; committed() and stable_end() go through it
 *   producer  transactional; replaced by renew()
 *   peek      read_uncommitted, no group: high watermarks (a read_committed handle would tell the last stable offset),
 *             metadata of topics
 *   scanner   read_committed, no group: scans; made when first needed
 */
#ifndef LT_KAFKA_LOG_KAFKA_H
#define LT_KAFKA_LOG_KAFKA_H

#include "gateway/kafka/client.h"
#include "gateway/kafka/log.h"

#include <pthread.h>
#include <uthash.h>

/* A topic that is produced to; known to exist with this many partitions when it was asked. */
struct lt_kafka_topic {
    char *name;
    int32_t partitions;
    rd_kafka_topic_t *handle; /* of the present producer; NULL: ask again whether it exists */
    uint64_t transaction;     /* the last that holds records for it */
    UT_hash_handle hh;
};

enum lt_kafka_transaction {
    LT_TXN_NONE, /* may begin */
    LT_TXN_OPEN,
    LT_TXN_ABORTING, /* abort() timed out: must be repeated before anything else */
    LT_TXN_UNKNOWN,  /* a commit was sent and not answered, or the producer is fatal: only renew() helps */
    LT_TXN_RENEWING, /* a new producer whose init_transactions has not succeeded yet */
};

struct lt_kafka_partition {
    bool assigned; /* by the group */
    bool started;  /* incremental_assign was called */
    bool paused;   /* by the owner */
    bool revoking; /* on_revoke runs: the unassign follows by itself */
};

struct lt_kafka_kept {            /* a record that came while polls were served aside (rule 14) */
    struct lt_log_record *record; /* NULL: given out since */
    int result;                   /* LT_LOG_OK, or LT_LOG_PARTITION */
    struct lt_err err;
};

#define LT_KAFKA_FETCHED 256
#define LT_KAFKA_QUEUE_RECORDS 32768 /* fetched ahead at most: a full transaction's worth, while one is committed */

struct lt_kafka_aside;

struct lt_log_kafka {
    struct lt_log base;
    struct lt_log_callbacks callbacks;
    char *group, *topic, *instance_id, *other_topic;
    int transaction_timeout_ms;
    size_t queue_bytes;
    size_t record_max;
    bool assigned_once;           /* a rebalance callback has come: the assignor has a state that can be destroyed */
    bool undead;                  /* an assignment was answered after a fatal error: the consumer never terminates */
    struct lt_config_prop *props; /* a copy */
    size_t props_len;

    rd_kafka_t *consumer, *producer, *peek, *scanner;

    LT_VEC(struct lt_kafka_partition) partitions;
    LT_VEC(struct lt_kafka_kept) kept;
    size_t kept_first, kept_bytes;
    rd_kafka_queue_t *queue;                       /* the consumer's */
    rd_kafka_message_t *fetched[LT_KAFKA_FETCHED]; /* polled in one go, given out one by one; NULL: dropped since */
    size_t fetched_first, fetched_len;
    struct lt_kafka_seen seen;
    bool was_full;                        /* the queue: the fetcher sleeps until it is woken */
    LT_VEC(struct lt_log_record *) spare; /* memory of records that were freed */
    /*
     * The generation as it was when the last rebalance callback began. Every generation brings at least one callback,
     * so a generation that differs means that one waits unserved: such a membership is not captured (rule 11), or
     * offsets of a partition that is already somebody else's could be committed under it.
     */
    int32_t served_generation;
    struct lt_log_claim *claim; /* the owner's; NULL: none */
    const atomic_bool *leaving; /* the owner's; NULL: never */
    bool closing;
    struct {
        int64_t next_ms;
        struct lt_log_share last;
        bool known;
        bool with_other; /* the subscription holds other_topic at the moment */
        int seen;        /* looks in a row that found partitions nobody owns */
    } watch;
    uint64_t disturbances;

    struct lt_kafka_aside *aside; /* NULL: not needed yet */
    enum lt_kafka_transaction transaction;
    int64_t begun_ms;      /* CLOCK_BOOTTIME */
    uint64_t transactions; /* begun */
    struct lt_kafka_topic *topics;
    struct {
        rd_kafka_resp_err_t code; /* worst failure of a single record in this transaction */
        char topic[250];
    } delivery;
};

static inline struct lt_log_kafka *lt_log_kafka_of(struct lt_log *l)
{
    return (struct lt_log_kafka *)l;
}

/* log_kafka.c: handles */
int lt_log_kafka_consumer(struct lt_log_kafka *k, struct lt_err *err);
int lt_log_kafka_reader(struct lt_log_kafka *k, const char *isolation, rd_kafka_t **ret, struct lt_err *err);
/* The configuration's properties between these; all lent. */
struct lt_kafka_spec lt_log_kafka_spec(const struct lt_log_kafka *k, const struct lt_kafka_setting *defaults,
                                       size_t defaults_len, const struct lt_kafka_setting *forced, size_t forced_len);
/* Partitions that are fetched at the moment; the caller destroys the list. */
rd_kafka_topic_partition_list_t *lt_log_kafka_running(const struct lt_log_kafka *k);
/* the partition's row, made when first seen */
struct lt_kafka_partition *lt_log_kafka_partition(struct lt_log_kafka *k, int32_t partition);

/* log_group.c */
void lt_log_kafka_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                            void *opaque);
void lt_log_kafka_client_error(rd_kafka_t *rk, int code, const char *reason, void *opaque);
int lt_log_kafka_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err);
void lt_log_kafka_record_free(struct lt_log *l, struct lt_log_record *r);
int lt_log_kafka_start(struct lt_log *l, int32_t partition, int64_t offset, struct lt_err *err);
int lt_log_kafka_stop(struct lt_log *l, int32_t partition, struct lt_err *err);
int lt_log_kafka_pause(struct lt_log *l, int32_t partition, bool paused, struct lt_err *err);
int lt_log_kafka_capture(struct lt_log *l, struct lt_log_membership **ret, struct lt_err *err);
void lt_log_kafka_membership_free(struct lt_log *l, struct lt_log_membership *m);
bool lt_log_kafka_membership_same(struct lt_log *l, const struct lt_log_membership *m);
uint64_t lt_log_kafka_disturbances(struct lt_log *l);
const rd_kafka_consumer_group_metadata_t *lt_log_kafka_metadata(const struct lt_log_membership *m);
/* Serve what waits in the consumer's queue: callbacks run, records are kept for the next polls. */
void lt_log_kafka_serve(struct lt_log_kafka *k);
void lt_log_kafka_kept_drop(struct lt_log_kafka *k, int32_t partition); /* < 0: all */
/* Has the consumer a member id? It has none before it joined and after it left. */
bool lt_log_kafka_is_member(struct lt_log_kafka *k);
/* LT_LOG_OK, or a negative error: the consumer is fatal, its membership gone for good. */
int lt_log_kafka_alive(struct lt_log_kafka *k, struct lt_err *err);

/* log_claim.c */
/* LT_LOG_OK: ours, none, or not claimed yet. TWIN, RETRY, PERMANENT. */
int lt_log_kafka_claim_check(struct lt_log_kafka *k, struct lt_err *err);
/* Claim the instance id unless that was done: after init_transactions, before the group is joined. OK, RETRY,
 * PERMANENT.
 */
int lt_log_kafka_claim_make(struct lt_log_kafka *k, struct lt_err *err);

/* log_position.c */
int lt_log_kafka_committed(struct lt_log *l, int32_t partition, int timeout_ms, struct lt_log_offset *ret,
                           struct lt_err *err);
int lt_log_kafka_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_high,
                            struct lt_err *err);
int lt_log_kafka_partitions(struct lt_log *l, const char *topic, int32_t *ret, struct lt_err *err);
int lt_log_kafka_offset_at(struct lt_log *l, int32_t partition, int64_t ms, int64_t *ret, struct lt_err *err);
int lt_log_kafka_stable_end(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err);

/* log_scan.c */
int lt_log_kafka_scan(struct lt_log *l, const char *topic, int32_t partition, int64_t from, int64_t to,
                      int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err);

/* log_share.c */
int lt_log_kafka_subscribe(struct lt_log_kafka *k, bool with_other, struct lt_err *err);
void lt_log_kafka_watch(struct lt_log_kafka *k, const char *member_id); /* look at the group; blocks up to 2 s */
bool lt_log_kafka_share(struct lt_log *l, struct lt_log_share *ret);

/* log_transaction.c */
int lt_log_kafka_begin(struct lt_log *l, struct lt_err *err);
int lt_log_kafka_produce(struct lt_log *l, const char *topic, int32_t partition, struct lt_span key,
                         const struct lt_headers *headers, struct lt_span value, struct lt_err *err);
int lt_log_kafka_forward(struct lt_log *l, const char *topic, int32_t partition, struct lt_log_record *r,
                         const struct lt_header *add, size_t add_len, struct lt_err *err);
const struct lt_headers *lt_log_kafka_headers(struct lt_log *l, struct lt_log_record *r);
int lt_log_kafka_send_offsets(struct lt_log *l, const struct lt_log_membership *m, const struct lt_log_offset *offsets,
                              size_t n, struct lt_err *err);
int lt_log_kafka_commit(struct lt_log *l, struct lt_err *err);
int lt_log_kafka_abort(struct lt_log *l, struct lt_err *err);
int lt_log_kafka_renew(struct lt_log *l, struct lt_err *err);
int64_t lt_log_kafka_age(struct lt_log *l);
void lt_log_kafka_producer_free(struct lt_log_kafka *k);

/* log_topics.c */
/* The topic with its handle, when it exists and has the partition. LT_LOG_PERMANENT: err names it. */
int lt_log_kafka_topic_for(struct lt_log_kafka *k, const char *name, int32_t partition, struct lt_kafka_topic **ret,
                           struct lt_err *err);
/* Something failed: each is asked for again before it is produced to. */
void lt_log_kafka_topics_doubt(struct lt_log_kafka *k);
/* Has a topic of this transaction gone away? err names it. Blocks until a broker has answered, for some seconds. */
bool lt_log_kafka_topics_gone(struct lt_log_kafka *k, struct lt_err *err);

/* log_aside.c */
/* Run a job that blocks: on a helper thread while the owner's meanwhile() is called, or here when there is none. The
 * job has the log to itself. Returns what the job returned. */
int lt_log_kafka_aside(struct lt_log_kafka *k, int (*job)(struct lt_log_kafka *k, void *arg, struct lt_err *err),
                       void *arg, struct lt_err *err);
void lt_log_kafka_aside_free(struct lt_kafka_aside *a);

/* log_close.c */
void lt_log_kafka_close(struct lt_log *l);
#endif
