/*
 * The log port: what the core and the delivery engine need of a partitioned, transactional log. Two implementations:
 * Kafka (lt_log_kafka_new) and memory (lt_log_memory_new), the second with a seeded fault schedule for tests.
 *
 * One thread owns a log handle and does everything with it: polls, transactions, callbacks (protocol 2, "one thread per
 * worker does both poll and transactions"). Rebalance callbacks run only inside lt_log_poll. The port keeps rule 1: an
 * assigned partition is announced with on_assign, nothing is fetched until the owner calls lt_log_start at an exact
 * offset.
 */
#ifndef LT_KAFKA_LOG_H
#define LT_KAFKA_LOG_H

#include "gateway/base/err.h"
#include "gateway/model/headers.h"

#include <stdatomic.h>

/* A member that is silent for so long has lost its partitions (protocol 2 "Settings"). */
#define LT_LOG_SESSION_MS ((int64_t)10000)

struct lt_config_prop;
struct lt_log;

struct lt_log_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t append_ms; /* broker append time, or -1 when the timestamp is not log append time */
    struct lt_span key, value;
    bool value_null;
    struct lt_headers headers; /* lent like key and value, until lt_log_record_free */
    void *impl;
};

/* Results of the port (positive): the caller handles each. */
enum lt_log_result {
    LT_LOG_OK = 0,
    LT_LOG_NONE = 1,  /* poll: nothing came */
    LT_LOG_RETRY = 2, /* timed out or retriable: repeat the same call */
    LT_LOG_ABORTABLE =
        3, /* transaction: abort, then the same batch again (rule 14); may need two rounds after a refused record */
    LT_LOG_UNKNOWN = 4, /* transaction: outcome unknown, look before deciding (rule 15) */
    LT_LOG_FENCED = 5, /* producer fenced (rule 16); said by commit, its outcome is unknown as well: renew, then look */
    LT_LOG_TWIN = 6,   /* proven: another process has taken over this instance id (rule 16); this one must end */
    LT_LOG_TOO_LARGE = 7, /* a record's own fault: MSG_SIZE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_RECORD (rule 14);
                             err->source: topic */
    LT_LOG_PERMANENT = 8, /* authorisation, missing topic …: never dead-lettered (rule 14); err->source: topic that is
                             missing, where one is */
    LT_LOG_ABSENT = 9,    /* no such offset / partition below log start */
    LT_LOG_PARTITION = 10, /* poll: ret_record->partition has an error (err): unassign, drop state (rule 9) */
};

struct lt_log_callbacks {
    void *ctx;
    void (*on_assign)(void *ctx, int32_t partition); /* LOADING: nothing is fetched yet (rule 1) */
    /*
     * Before the partition is given back: unless it is lost, the owner may still finish its work in here (capture, a
     * transaction). stop() is not needed. Never called by close.
     */
    void (*on_revoke)(void *ctx, int32_t partition, bool lost);
    /*
     * The log waits for the end of a transaction (send_offsets, commit): the owner may go on with work that does not
     * need the log, which must not be touched in here. Called again and again on the owner's thread until the log has
     * its answer; true: it waited itself, for a millisecond or so. NULL: nothing to do meanwhile.
     */
    bool (*meanwhile)(void *ctx);
};

/*
 * What an owner knows of its claim on the instance id, kept over the logs that it opens one after the other; zero at
 * first. Only the port looks inside.
 */
struct lt_log_claim {
    uint64_t nonce; /* drawn once an owner */
    int64_t number; /* as it was last written: claims of one instance id are numbered upwards */
    bool made;      /* it stands in Kafka: another one found there with a higher number is a twin's */
};

struct lt_log_settings {
    const struct lt_config_prop *props; /* librdkafka properties of the configuration */
    size_t props_len;
    const char *group;       /* lt.core, lt.portal … */
    const char *topic;       /* consumed topic */
    const char *instance_id; /* <group>.<instance>.<worker>: group.instance.id = transactional.id */
    struct lt_log_callbacks callbacks;
    /* Any other topic that exists: subscribed to, never read, to make the group share anew when it has left partitions
     * out. NULL: those are only shown. */
    const char *other_topic;
    struct lt_log_claim *claim; /* lent until close; NULL: twins are not told from memberships that were lost */
    /*
     * Read by close, lent until then: true, the member leaves its group and the others get its partitions at once;
     * false or NULL, it stays known for its session, and who is back before that end has them again without a
     * rebalance (docs/decisions/0013-leaving.md).
     */
    const atomic_bool *leaving;
    int transaction_timeout_ms; /* 15 000 */
    size_t record_max;          /* topics.record_max: what the topics take; 0 = the library's default */
    size_t queue_bytes;         /* librdkafka queues, counted in the byte budget */
};

/* How a settled group shares the consumed topic. */
struct lt_log_share {
    int32_t members, partitions;
    int32_t unowned; /* partitions that no member has: nobody reads them */
};

struct lt_log_offset {
    int32_t partition;
    int64_t offset;     /* -1: none committed */
    char metadata[512]; /* ASCII */
};

/* Membership captured once per batch (rule 11). */
struct lt_log_membership;

struct lt_log_ops {
    /* Leave nothing open (an open transaction is aborted). The static member stays known to the group unless `leaving`
     * says otherwise. Records and memberships are freed before. */
    void (*close)(struct lt_log *l);
    /*
     * LT_LOG_OK, NONE, PARTITION, TWIN, PERMANENT (the topic is missing or not allowed), < 0 (the handle is broken, for
     * example because its membership was taken: close it and open another, which says LT_LOG_TWIN when somebody else
     * took it)
     */
    int (*poll)(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err);
    void (*record_free)(struct lt_log *l, struct lt_log_record *r);
    /* rule 9: fetch partition from exactly this offset */
    int (*start)(struct lt_log *l, int32_t partition, int64_t offset, struct lt_err *err);
    /* undo start; the partition stays assigned to the group member */
    int (*stop)(struct lt_log *l, int32_t partition, struct lt_err *err);
    /* Poll gives nothing of a paused partition, whatever was fetched before; then it goes on with the next record. */
    int (*pause)(struct lt_log *l, int32_t partition, bool paused, struct lt_err *err);
    int (*committed)(struct lt_log *l, int32_t partition, int timeout_ms, struct lt_log_offset *ret,
                     struct lt_err *err);
    /* low and high watermark of a partition of `topic` (NULL: the consumed topic), read_uncommitted handle (rules 3, 6)
     */
    int (*watermarks)(struct lt_log *l, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_high,
                      struct lt_err *err);
    int (*partitions)(struct lt_log *l, const char *topic, int32_t *ret_count, struct lt_err *err);
    /* offset of the first record at or after the time, high watermark when none */
    int (*offset_at)(struct lt_log *l, int32_t partition, int64_t ms, int64_t *ret, struct lt_err *err);
    /*
     * Read a partition of `topic` (NULL: the consumed topic) from `from` up to (not including) `to` with a separate
     * read_committed handle, calling fn for each record in order; fn returns 0 to go on, anything else ends the scan
     * with LT_LOG_OK. Transaction markers occupy offsets too: the scan ends when the *position* reaches `to`, not when
     * a record with to - 1 came. Keeps the group membership alive (serves polls; callbacks may run) while it runs.
     * LT_LOG_ABSENT when `from` is below the log start; LT_LOG_RETRY when nothing came for 10 s.
     */
    int (*scan)(struct lt_log *l, const char *topic, int32_t partition, int64_t from, int64_t to,
                int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err);
    /* rule 11: LT_LOG_RETRY while generation < 0, the member id is empty, or a rebalance waits for poll; LT_LOG_TWIN */
    int (*capture)(struct lt_log *l, struct lt_log_membership **ret, struct lt_err *err);
    void (*membership_free)(struct lt_log *l, struct lt_log_membership *m);
    bool (*membership_same)(struct lt_log *l, const struct lt_log_membership *m); /* same member id still (rule 15) */
    /*
     * A transaction: begin, produce and send_offsets in any order, commit. After any result but OK and RETRY the
     * transaction goes nowhere any more: abort it (ABORTABLE, TOO_LARGE, PERMANENT, TWIN) or renew (UNKNOWN, FENCED).
     * begin aborts what was left open; it says UNKNOWN until renewed. One thread and no poll between begin and commit
     * or abort.
     */
    int (*begin)(struct lt_log *l, struct lt_err *err);
    /* partition < 0 is forbidden: the caller computes it (lt_partition_of). Bytes are copied. value.ptr NULL =
     * tombstone. */
    int (*produce)(struct lt_log *l, const char *topic, int32_t partition, struct lt_span key,
                   const struct lt_headers *headers, struct lt_span value, struct lt_err *err);
    /*
     * Produce a polled record once more: key, value and headers as they came, then the headers `add`. Cheaper than
     * produce(), because nothing is copied. What r->headers lent is gone afterwards (r->headers.len is 0) until
     * headers() shows it again; key and value stay. Results as produce().
     */
    int (*forward)(struct lt_log *l, const char *topic, int32_t partition, struct lt_log_record *r,
                   const struct lt_header *add, size_t add_len, struct lt_err *err);
    /* The headers of a polled record, whatever became of it; lent until it is forwarded or freed. */
    const struct lt_headers *(*headers)(struct lt_log *l, struct lt_log_record *r);
    int (*send_offsets)(struct lt_log *l, const struct lt_log_membership *m, const struct lt_log_offset *offsets,
                        size_t n, struct lt_err *err);
    int (*commit)(struct lt_log *l, struct lt_err *err); /* repeats while retriable and younger than the timeout */
    int (*abort)(struct lt_log *l, struct lt_err *err);
    /* rules 15, 16: new producer, same id, init_transactions. LT_LOG_OK, RETRY, PERMANENT; TWIN: fenced by a process
     * that runs under this instance id */
    int (*renew)(struct lt_log *l, struct lt_err *err);
    int64_t (*transaction_age_ms)(struct lt_log *l); /* CLOCK_BOOTTIME since begin */
    /* rule 10: how often a broker was lost or a leader changed, as far as the client notices; grows only */
    uint64_t (*disturbances)(struct lt_log *l);
    /* The group as it was when it was last seen settled; looked at inside poll, every 5 s. false: not seen yet. */
    bool (*share)(struct lt_log *l, struct lt_log_share *ret);
    /* rule 10: last stable offset of the consumed topic's partition (read_committed consumer handle) */
    int (*stable_end)(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err);
};

struct lt_log {
    const struct lt_log_ops *ops;
};

/* What people are told before a process ends for LT_LOG_TWIN. err: what came with it, who has taken over. */
#define LT_LOG_TWIN_TEXT_MAX 640
void lt_log_twin_text(const char *instance, const struct lt_err *err, char out[LT_LOG_TWIN_TEXT_MAX]);

/*
 * Blocks up to 10 s for init_transactions, before it joins the group. 0; LT_E_UNAVAILABLE (Kafka is away: try again);
 * LT_E_AUTH; LT_E_INVALID (a property); LT_E_NOT_FOUND (no such topic); LT_LOG_TWIN (somebody else has claimed the
 * instance id since the owner did). Properties of the settings are copied.
 */
int lt_log_kafka_new(const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err) LT_MUST_CHECK;
#endif
