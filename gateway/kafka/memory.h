/*
 * The inside of the cluster in memory, shared by its parts: memory_cluster.c (topics, records, time),
 * memory_transaction.c (producers), memory_group.c (membership, offsets), memory_faults.c (the schedule), memory_log.c
 * (polling and reading). Private to gateway/kafka.
 */
#ifndef LT_KAFKA_MEMORY_H
#define LT_KAFKA_MEMORY_H

#include "gateway/kafka/log_memory.h"

enum memory_state { MEMORY_COMMITTED, MEMORY_OPEN, MEMORY_ABORTED };

/* Immutable but for its state; counted, because polled records outlive what a test does to the log. */
struct memory_record {
    size_t refs;
    bool marker;
    enum memory_state state;
    uint64_t txn; /* 0: not written by a transaction */
    size_t size;  /* key + value + headers */
    struct lt_log_record rec;
    char *bytes;
};

struct memory_open { /* an open transaction in a partition */
    uint64_t txn;
    int64_t first;
};

struct memory_partition {
    LT_VEC(struct memory_record *) records; /* by offset */
    LT_VEC(struct memory_open) open;
    int64_t low, next;
};

struct lt_memory_copy {
    char *topic;
    int32_t partition;
    LT_VEC(struct memory_record *) records;
    int64_t low, next;
};

struct memory_topic {
    char *name;
    int32_t partitions_len;
    struct memory_partition *partitions;
    size_t record_max;
    bool append_time;
};

struct memory_touched {
    struct memory_topic *topic;
    int32_t partition;
};

struct memory_producer { /* a transactional id */
    char *id;
    uint64_t epoch;
    uint64_t txn; /* open; 0: none */
    int64_t begun_ms;
    int timeout_ms;
    LT_VEC(struct memory_touched) touched;
};

struct memory_offset {
    char *topic;
    int32_t partition;
    int64_t offset; /* -1: none */
    char metadata[512];
    uint64_t pending_txn; /* 0: none */
    int64_t pending_offset;
    char pending_metadata[512];
};

struct memory_member {
    char *instance_id;
    uint64_t id;               /* drawn at each join */
    struct lt_log_memory *log; /* NULL: gone; known until its session ends */
    int64_t gone_ms;
};

struct memory_share {                     /* of a partition */
    struct memory_member *owner, *target; /* NULL: nobody */
};

struct memory_group {
    char *name, *topic;
    int32_t generation;
    LT_VEC(struct memory_offset) offsets;
    LT_VEC(struct memory_member *) members;
    LT_VEC(struct memory_share) shares;
};

struct lt_memory {
    int64_t clock_ms;
    LT_VEC(struct memory_topic *) topics;
    LT_VEC(struct memory_producer *) producers;
    LT_VEC(struct memory_group *) groups;
    uint64_t txn_last, member_last, disturbances;
    struct {
        lt_memory_schedule_fn fn;
        void *ctx;
        uint64_t steps, at, random;
        enum lt_memory_fault at_fault;
        unsigned per_mille, faults;
        void (*on_crash)(void *ctx, struct lt_log *l);
        void *crash_ctx;
    } schedule;
};

struct memory_event {
    bool assign, lost;
    int32_t partition;
};

struct memory_fetch {
    bool assigned, started, paused;
    int64_t position;
};

enum memory_log_transaction { MEMORY_TXN_NONE, MEMORY_TXN_OPEN, MEMORY_TXN_UNKNOWN };

struct lt_log_memory {
    struct lt_log base;
    struct lt_memory *m;
    struct lt_log_callbacks callbacks;
    char *instance_id;
    struct memory_topic *topic;
    struct memory_group *group;
    struct memory_member *member;
    const atomic_bool *leaving;
    uint64_t member_id;
    int32_t served_generation;
    LT_VEC(struct memory_event) events;
    LT_VEC(struct memory_fetch) fetch;
    int32_t cursor;
    bool crashed, twin, taken, serving;
    bool frozen, expelled; /* expelled: and does not know it yet */
    int64_t frozen_ms;

    struct memory_producer *producer;
    uint64_t epoch;
    enum memory_log_transaction transaction;
    bool must_abort;
    char too_large[250]; /* topic of a record that does not fit; "" none */
    int64_t begun_ms;
    int timeout_ms;
};

static inline struct lt_log_memory *memory_log_of(struct lt_log *l)
{
    return (struct lt_log_memory *)l;
}

/* memory_cluster.c */
struct memory_topic *memory_topic_find(struct lt_memory *m, const char *name);
struct memory_partition *memory_partition_find(struct lt_memory *m, const char *topic,
                                               int32_t partition); /* NULL: none */
struct memory_record *memory_append(struct lt_memory *m, struct memory_topic *t, int32_t partition, struct lt_span key,
                                    const struct lt_headers *headers, struct lt_span value, uint64_t txn);
/* end a transaction in one partition: its records change state, a marker is written */
void memory_mark(struct lt_memory *m, struct memory_topic *t, int32_t partition, uint64_t txn, bool commit);
int64_t memory_stable_end(const struct memory_partition *p);
/* first readable record with from <= offset < stable end; NULL when none; *ret_position is where reading stands then */
struct memory_record *memory_next(const struct memory_partition *p, int64_t from, int64_t *ret_position);
void memory_record_unref(struct memory_record *r);

/* memory_transaction.c */
void memory_transactions_expire(struct lt_memory *m);
struct memory_producer *memory_producer_init(struct lt_memory *m, const char *id,
                                             int timeout_ms); /* init_transactions */
void memory_producer_free(struct memory_producer *p);
void memory_producer_end(struct lt_memory *m, struct memory_producer *p, bool commit);
int memory_begin(struct lt_log *l, struct lt_err *err);
int memory_produce(struct lt_log *l, const char *topic, int32_t partition, struct lt_span key,
                   const struct lt_headers *headers, struct lt_span value, struct lt_err *err);
int memory_forward(struct lt_log *l, const char *topic, int32_t partition, struct lt_log_record *r,
                   const struct lt_header *add, size_t add_len, struct lt_err *err);
const struct lt_headers *memory_headers(struct lt_log *l, struct lt_log_record *r);
int memory_send_offsets(struct lt_log *l, const struct lt_log_membership *ms, const struct lt_log_offset *offsets,
                        size_t n, struct lt_err *err);
int memory_commit(struct lt_log *l, struct lt_err *err);
int memory_abort(struct lt_log *l, struct lt_err *err);
int memory_renew(struct lt_log *l, struct lt_err *err);
int64_t memory_age(struct lt_log *l);

/* memory_group.c */
struct memory_group *memory_group_of(struct lt_memory *m, const char *name); /* made when first seen */
void memory_group_free(struct memory_group *g);
struct memory_offset *memory_offset_of(struct memory_group *g, const char *topic, int32_t partition);
void memory_offsets_end(struct lt_memory *m, uint64_t txn, bool commit);
void memory_group_join(struct lt_log_memory *l);
void memory_group_leave(struct lt_log_memory *l); /* the log is gone, the member stays known */
void memory_group_quit(struct lt_log_memory *l);  /* both are gone: the others share anew */
void memory_sessions_expire(struct lt_memory *m);
void memory_return(struct lt_log_memory *l); /* an expelled member loses what it had and joins again */
void memory_serve(struct lt_log_memory *l);  /* run the callbacks that wait */
/* TWIN when somebody took over, < 0 when the membership is lost otherwise, LT_LOG_OK */
int memory_alive(struct lt_log_memory *l, struct lt_err *err);
/* are generation and member of ms what the group knows? */
bool memory_membership_valid(const struct lt_log_memory *l, const struct lt_log_membership *ms);
int memory_capture(struct lt_log *l, struct lt_log_membership **ret, struct lt_err *err);
void memory_membership_free(struct lt_log *l, struct lt_log_membership *ms);
bool memory_membership_same(struct lt_log *l, const struct lt_log_membership *ms);
bool memory_share(struct lt_log *l, struct lt_log_share *ret);

/* memory_faults.c */
uint64_t memory_random(struct lt_memory *m);
/*
 * The log takes a step: faults that happen to it from outside (crash, fencing, twin, rebalance) have happened when this
 * returns. Returns what the step itself must do; LT_FAULT_CRASH: nothing, return memory_dead().
 */
enum lt_memory_fault memory_step(struct lt_log_memory *l, enum lt_memory_step step);
int memory_dead(const struct lt_log_memory *l, struct lt_err *err);
/* For CRASH_AFTER: crash, then memory_dead(). Other faults: result. */
int memory_after(struct lt_log_memory *l, enum lt_memory_fault fault, int result, struct lt_err *err);
#endif
