/*
 * The engine's own structures, shared by its files and by nobody else: item, lane, partition, transaction. Everything
 * here belongs to the engine's thread.
 *
 *   item   one event on its way, from the queue or (redriven) from the ledger; sits in its partition's list, in the
 *          list of its state, and, unless its lane is not open, in its lane
 *   lane   the items of one dossier in one partition; only the head moves. Not open: its events stand in the ledger
 *   part   an assigned partition
 *   write  one record of a transaction to come; belongs to an item or a partition until it is committed
 *   txn    the transaction being written, or whose outcome is in doubt
 *
 * What a transaction must write is always derived from what the item is now (lt_item_want) and what the ledger says of
 * it (item.open): a transaction that failed is built again, never replayed.
 */
#ifndef LT_DELIVERY_INTERNAL_H
#define LT_DELIVERY_INTERNAL_H

#include "gateway/base/file.h"
#include "gateway/delivery/effects.h"
#include "gateway/delivery/engine.h"
#include "gateway/delivery/gate.h"
#include "gateway/delivery/ledger.h"
#include "gateway/delivery/position.h"

#include <uthash.h>
#include <utlist.h>

#define LT_TXN_ITEMS_MAX ((size_t)1000)
#define LT_CALL_WAIT_MS 5
#define LT_START_BY_MS 2000     /* rule 4: an intent is good for so long, or longer where commits are slow */
#define LT_TRANSACTION_MS 15000 /* no transaction takes longer: it is aborted */
#define LT_DENIED_ALONE 3       /* once may be chance: others were out when the target closed its door */
#define LT_PARKED_LOAD 64       /* events of a lane that are brought back from the ledger at once */

enum lt_item_state {
    LT_ITEM_QUEUED,   /* behind its lane's head, or its partition does not run */
    LT_ITEM_READY,    /* may start, as target, rate and breaker allow */
    LT_ITEM_LOCAL,    /* may go on without a call: skipped, passed or parked */
    LT_ITEM_DELAYED,  /* may start at not_before_ms */
    LT_ITEM_INTENT,   /* its intent goes into the next transaction */
    LT_ITEM_RUNNING,  /* the adapter has it */
    LT_ITEM_FINISHED, /* its outcome goes into the next transaction */
    LT_ITEM_PARKING,  /* it goes into the ledger with the next transaction */
    LT_ITEM_STATES
};

struct lt_write {
    struct lt_arena arena;
    const char *topic;
    int32_t partition; /* -1: that of the key */
    struct lt_span key, value;
    struct lt_headers headers;
    struct lt_write *next;
};
struct lt_writes {
    struct lt_write *head, *tail;
    size_t len;
};

struct lt_item {
    struct lt_work work; /* first: the adapter's pointer is the item */
    struct lt_event event;
    struct lt_arena arena;
    struct lt_log_record *record; /* redriven: in the arena; its offset is the order */
    bool redriven;
    bool untyped;         /* the target has no steps for its type, and it is none of the table */
    bool skipped;         /* by an operator: it goes no further */
    bool leads;           /* PARKING with the lane's L record */
    bool anew;            /* PARKING: redriven, it begins with its first step */
    int counted;          /* an lt_count that its parking adds to, -1 none */
    struct lt_part *part; /* NULL: the partition is gone, whatever comes is dropped */
    struct lt_lane *lane;
    struct lt_item *lane_next;
    struct lt_item *part_prev, *part_next;
    struct lt_item *prev, *next;             /* list of its state */
    struct lt_item *dirty_prev, *dirty_next; /* has something to write */
    bool dirty, in_txn;
    enum lt_item_state state;
    const enum lt_step *steps;
    size_t steps_len, step_at;
    enum lt_outcome outcome; /* of the event so far: pass, ok, exists */
    bool done;               /* RUNNING, and the result has come */
    bool kept_back;          /* the result: its call was kept back on this side and never left */
    struct lt_result result; /* code and reason point to the two below */
    char code[48], reason[256];
    struct lt_span forward; /* changed data, ptr NULL: none */
    struct lt_span run;     /* replay or decision id, "-" none */
    struct lt_open open;    /* its I record as committed; key NULL: none */
    struct lt_writes writes;
    bool unknown;       /* a call of its step may have been applied (rule 7) */
    bool repeated;      /* counted as a repeat, not sent since */
    bool decided;       /* an operator let it be sent again nevertheless */
    bool settling;      /* whatever was decided about it: nothing starts before settled_ms, its call may be at work */
    size_t sent_to;     /* steps below it may have been applied with the data it had before they were replaced */
    int64_t settled_ms; /* unknown: settled by then, by the engine's clock, which no one turns */
    int64_t retry_since_ms;
    int64_t denied_since_ms, denied_ms; /* first and last answer that paused the whole target; 0 none */
    unsigned denied_alone;              /* such answers since others were let in after the one before */
    int64_t not_before_ms, arrived_ms, asked_ms, sent_ms;
    size_t bytes;
};

enum lt_lane_state { LT_LANE_OPEN, LT_LANE_PARKED, LT_LANE_RETRYING };

struct lt_lane {
    char *key;
    size_t key_len;
    enum lt_lane_state state;
    struct lt_item *head, *tail;
    struct lt_lane_record record; /* not open */
    int64_t known_ms;             /* since when this process knows that: parked by it, or read from the ledger */
    LT_VEC(int64_t) parked;       /* orders in the ledger, ascending */
    size_t arriving;              /* items of it that are PARKING from the queue */
    struct lt_item *leader;       /* brings its L record and is PARKING: no other event of it is parked before */
    UT_hash_handle hh;
};

/* A reading aside that is done a bit in each turn, so that calls go on meanwhile: from next up to end. */
struct lt_slice {
    int64_t next, end;
};

enum lt_part_state { LT_PART_LOADING, LT_PART_RUNNING, LT_PART_STOPPED };

struct lt_loading; /* load.c */
struct lt_redrive; /* redrive.c */

struct lt_part {
    int32_t number;
    uint64_t epoch;
    enum lt_part_state state;
    bool fetching, paused, dirty;
    int64_t fetch_failed_at;              /* `next` when its fetch failed last; -1 never */
    struct lt_loading *loading;           /* LOADING: how far it is; NULL: not begun */
    struct lt_delivery_position position; /* as committed */
    struct lt_log_offset committed;       /* the same, as text */
    int64_t next;                         /* after the last record that came */
    int64_t control_next;                 /* control records taken; committed with what they changed */
    int64_t high;                         /* end of the queue when last asked, for the lag */
    struct lt_item *items;                /* from the queue, by offset */
    struct lt_item *redriven;             /* from the ledger */
    size_t items_len, running;
    struct lt_open *opens; /* by offset: the done set, and what the former owner left open */
    struct lt_lane *lanes;
    size_t lanes_parked, lanes_retrying;
    struct lt_writes writes; /* decisions and lanes */
    size_t passed_over;      /* records that are no events, which a decision passes over with the next transaction */
    char paused_by[64];      /* by an operator; "" not */
    LT_VEC(char *) decisions;
    struct lt_decided decided;
    int64_t look_at_ms, load_at_ms; /* control topic, parked events: next look */
    char reason[32], text[512], command[256];
    int64_t since_ms, retry_at_ms; /* retry_at_ms 0: trying cannot help */
    char seen[32];                 /* loading: the reason to stop that was seen at every look since seen_ms; "" none */
    int64_t seen_ms;
    struct lt_part *prev, *next_part;
};

struct lt_txn_item {
    struct lt_item *item;     /* NULL: dropped meanwhile */
    enum lt_item_state state; /* when it was built: only an intent that was written may be sent */
    struct lt_open open;      /* its I record afterwards; key on the heap, NULL none */
    size_t writes;
    bool lane_opens;
    bool repeat; /* an intent to send again what the target may have */
};

struct lt_txn_part {
    int32_t number;
    uint64_t epoch;
    struct lt_delivery_position after;
    struct lt_log_offset offset;
    size_t writes, passed_over;
};

struct lt_txn {
    LT_VEC(struct lt_txn_part) parts;
    LT_VEC(struct lt_txn_item) items;
    struct lt_log_membership *membership;
    int64_t built_ms; /* since then its intents grow old */
    bool in_doubt, renewed;
};

struct lt_out_call {
    struct lt_engine *engine;
    struct lt_arena arena;
    const char *method, *url;
    const char **headers;
    struct lt_span body;
    int64_t start_by_ms;
    lt_http_done_fn fn;
    void *ctx;
    int64_t begun_ms;
    struct lt_out_call *prev, *next;
};

/* A secret of the target's options that stands in a file. */
struct lt_watched_secret {
    struct lt_secret *secret; /* the adapter's */
    char *path;
    struct lt_file_mark seen, taken; /* at the last look; when it was last read */
    bool again;                      /* read it whatever it looks like: not read yet, or not to be used */
    uint64_t renewed;                /* times another one was taken up */
    char kept[512];                  /* why what it holds now is not in use; "" it is */
};

/* The files we are known by at the target (identity.c). */
struct lt_identity {
    struct lt_file_mark files[3]; /* certificate, key, CA, as seen last */
    LT_VEC(struct lt_watched_secret) secrets;
    int64_t look_ms;
    int64_t renewed_ms; /* when a secret was last replaced; 0 never */
};

struct lt_topic_count {
    char *topic;
    int32_t partitions;
};

struct lt_engine {
    struct lt_engine_settings set;
    const char *name;
    char *subject; /* "delivery/<target>" for the log */
    char *topic, *ledger, *control, *history, *instance_id;
    void *adapter;
    struct lt_adapter_traits traits;
    struct lt_log *log;
    bool log_broken; /* calls of its partitions may still be out: closed when they ended */
    int64_t log_retry_ms;
    char log_error[256];
    uint64_t epochs;
    struct lt_part *parts;
    struct lt_redrive *redrive;            /* parked events on their way back; NULL: none */
    struct lt_item *lists[LT_ITEM_STATES]; /* QUEUED is in no list */
    size_t counts[LT_ITEM_STATES];
    struct lt_item *dirty;
    struct lt_out_call *waiting;
    size_t flying;
    bool refusing;          /* draining or closing: calls that did not start yet are not sent any more */
    bool keeping_back;      /* while the adapter is told that a call was kept back on this side */
    int64_t drain_since_ms; /* lt_mono_ms of the first revocation in this poll, 0 none */
    bool closed, fatal;
    char fatal_text[LT_LOG_TWIN_TEXT_MAX];
    size_t bytes, records;
    bool over_memory;
    struct lt_gate gate;
    char paused_code[48], paused_text[256]; /* what the target's last pause came from; the text may quote it */
    char failed_code[48], failed_text[256]; /* the last attempt that was not taken, and when */
    int64_t failed_ms;
    struct lt_identity identity;
    int64_t good_ms;   /* last answer that shows the target healthy */
    int64_t let_in_ms; /* the last of them that came from the target itself */
    struct lt_txn txn;
    int64_t dirty_since_ms; /* -1: nothing to commit */
    int64_t txn_retry_ms, txn_trouble_since_ms;
    unsigned txn_failures;
    size_t txn_limit; /* items in a transaction; lowered to find a record that is too large */
    char txn_error[256];
    int64_t commit_ms;          /* how long transactions take: the slowest of the last ones */
    int64_t start_by_ms;        /* rule 4, as commits allow */
    int64_t commits_slow_at_ms; /* the last that took so long that intents get more time; 0: quick for a while */
    uint64_t intents_late;      /* not sent, because their commit took too long */
    struct lt_log_claim claim;
    int32_t queue_partitions;
    LT_VEC(struct lt_topic_count) topics;
    uint64_t outcomes[LT_OUTCOMES]; /* of events: ok, exists, pass; of attempts: the others */
    uint64_t calls, skipped, transactions, forwarded, notes, parkings;
    uint64_t latency_ms_sum;
    double intent_ms, call_ms; /* moving averages: intent asked to sent, a call begun to answered */
};

/* ---- records to write (write.c) ---- */
struct lt_write *lt_write_add(struct lt_writes *l, const char *topic, int32_t partition);
void lt_writes_drop(struct lt_writes *l, size_t n); /* the first n, which are committed */

/* ---- items and lanes (lane.c) ---- */
struct lt_item *lt_item_new(struct lt_engine *e, struct lt_part *p, struct lt_log_record *r, const struct lt_event *ev,
                            const struct lt_event_type *type, bool redriven);
size_t lt_item_bytes(const struct lt_log_record *r); /* what an item of it takes of the memory budget */
struct lt_log_record *lt_record_copy(struct lt_arena *a, const struct lt_log_record *r);
struct lt_lane *lt_lane_get(struct lt_part *p, struct lt_span key); /* made when there is none */
struct lt_lane *lt_lane_find(const struct lt_part *p, struct lt_span key);
bool lt_lane_holds(const struct lt_lane *lane, int64_t order); /* parked in the ledger */
void lt_lane_settle(struct lt_part *p, struct lt_lane *lane);  /* frees it when nothing keeps it */
void lt_lane_set(struct lt_part *p, struct lt_lane *lane, enum lt_lane_state s);
void lt_lane_append(struct lt_engine *e, struct lt_lane *lane, struct lt_item *i); /* READY when it is the head */
void lt_lane_next(struct lt_engine *e, struct lt_lane *lane); /* the head is finished: the one behind it goes on */
void lt_item_set(struct lt_engine *e, struct lt_item *i, enum lt_item_state s); /* to the end of the list */
/* READY, or LOCAL when it needs no call. first: to the beginning of the list, its event is begun. */
void lt_item_ready(struct lt_engine *e, struct lt_item *i, bool first);
bool lt_item_once(const struct lt_engine *e, const struct lt_item *i); /* its step may not be repeated */
void lt_item_delay(struct lt_engine *e, struct lt_item *i, int64_t until_ms);
void lt_item_dirty(struct lt_engine *e, struct lt_item *i);
void lt_item_clean(struct lt_engine *e, struct lt_item *i);
void lt_item_free(struct lt_engine *e, struct lt_item *i); /* out of its partition; not in a lane any more */
/* What the ledger must say of the item now. passed: the committed offset passes it in the same transaction. */
enum lt_open_state lt_item_want(const struct lt_item *i, bool passed);
static inline enum lt_step lt_item_step(const struct lt_item *i)
{
    return i->steps[i->step_at];
}
/* It alone is not let in, again and again: the answer is about it, not about us. */
static inline bool lt_item_denied_alone(const struct lt_item *i)
{
    return i->denied_alone >= LT_DENIED_ALONE;
}
const char *lt_item_step_name_at(const struct lt_item *i, size_t at); /* "done" behind the last */
const char *lt_item_step_name(const struct lt_item *i);               /* of the one it is at */

/* ---- parking (park.c) ---- */
/* The lane of this head is parked: its events go into the ledger (rules 6-8). reason: rejected, unknown, retrying … */
void lt_lane_park(struct lt_engine *e, struct lt_item *head, const char *reason, const char *code, const char *text);
/* An event of a lane that is not open goes to the others of it (rules 3, 9). */
void lt_item_park(struct lt_engine *e, struct lt_item *i);
void lt_parts_bound_spans(struct lt_engine *e); /* rule 6: no dossier holds the position for good */
void lt_lane_write(struct lt_engine *e, struct lt_part *p, struct lt_lane *lane); /* its L record, with the next txn */

/* ---- redrive (redrive.c, control.c) ---- */
void lt_redrive_load(struct lt_engine *e); /* parked events of lanes that an operator let go on */
void lt_redrive_drop(struct lt_engine *e); /* give up the reading that is under way */
void lt_control_look(struct lt_engine *e); /* new decisions */
/* Read the next decisions, up to high or about a thousand, and apply them. false: p is gone or the log did not answer.
 */
bool lt_control_take(struct lt_engine *e, int32_t number, uint64_t epoch, int64_t high, struct lt_err *err);
void lt_loading_free(struct lt_loading *l);

/* ---- reading aside (slice.c) ---- */
/*
 * Read on, as far as a turn has room for: fn for each record as in a scan (not 0: enough for now). Results as scan;
 * LT_LOG_OK with next == end: it is whole. Serves polls.
 */
int lt_slice_read(struct lt_engine *e, const char *topic, int32_t partition, struct lt_slice *s,
                  int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err);

/* ---- partitions (partition.c, load.c) ---- */
void lt_part_on_assign(void *ctx, int32_t partition);
void lt_part_on_revoke(void *ctx, int32_t partition, bool lost);
struct lt_part *lt_part_find(const struct lt_engine *e, int32_t number);
struct lt_part *lt_part_same(const struct lt_engine *e, int32_t number, uint64_t epoch); /* NULL: it is another now */
void lt_part_stop(struct lt_engine *e, struct lt_part *p, const char *reason, bool retry, const char *command,
                  const char *fmt, ...) LT_PRINTF(6, 7);
void lt_part_reload(struct lt_engine *e, struct lt_part *p); /* drop what is known of it and load it again */
/* Its fetch failed: reload, after its calls have ended and what they brought is committed; later when it came no
 * further than the last time. */
void lt_part_failed(struct lt_engine *e, struct lt_part *p, const char *why);
void lt_part_drop(struct lt_engine *e, struct lt_part *p); /* items, lanes, writes */
void lt_part_free(struct lt_engine *e, struct lt_part *p);
void lt_part_dirty(struct lt_engine *e, struct lt_part *p);
void lt_parts_share_rate(struct lt_engine *e);
void lt_parts_load(struct lt_engine *e);  /* those that are due */
void lt_parts_pause(struct lt_engine *e); /* byte budget and span */
void lt_part_record_take(struct lt_engine *e, struct lt_log_record *r);
/* Ask what is known of the item from before: an I record of a former owner (rule 2), or its P record's headers.
 * replaced: an operator gave it other data, with which it begins anew. */
void lt_item_recall(struct lt_engine *e, struct lt_item *i, const struct lt_parked_state *parked, bool replaced);

/* ---- work (run.c, results.c) ---- */
void lt_engine_start_ready(struct lt_engine *e);
int64_t lt_engine_ready_wait_ms(const struct lt_engine *e, int64_t now); /* until what is READY may start, about */
void lt_engine_submit(struct lt_engine *e, struct lt_item *i, int64_t start_by_ms);
/* Corners of the target that its adapter paused, and the work that waits for them: at that moment, not later. false:
 * there are none. */
bool lt_engine_try_corners(struct lt_engine *e, int64_t at_ms);
void lt_engine_take_results(struct lt_engine *e);
void lt_item_finish(struct lt_engine *e, struct lt_item *i); /* every step is done: its records, once */
/* Nothing new; calls in flight end or time out; what is finished is committed. p NULL: all partitions. */
void lt_engine_drain(struct lt_engine *e, struct lt_part *p);
/* How long after its intent a step may still be at work at the target, whatever became of its sender. */
int64_t lt_engine_settled_ms(const struct lt_engine *e, enum lt_step step);
/* The same whoever sent it and however slow his commits were. */
int64_t lt_engine_settled_ms_max(const struct lt_engine *e, enum lt_step step);
int64_t lt_engine_start_by_ms(const struct lt_engine *e, enum lt_step step);

/* ---- our files (identity.c) ---- */
void lt_identity_begin(struct lt_engine *e); /* after the adapter's new */
void lt_identity_end(struct lt_engine *e);   /* before its free */
/* Secrets that were replaced are taken up. Files that were replaced while they were the trouble: probe soon. */
void lt_identity_look(struct lt_engine *e);
/* Not let in: with a secret that was replaced while the call was out? Then nothing is known of the new one: probe. */
void lt_identity_refused(struct lt_engine *e, int64_t sent_ms);
void lt_identity_status(const struct lt_engine *e, struct lt_json_writer *w);
void lt_identity_metrics(const struct lt_engine *e, struct lt_buf *out);

/* ---- calls (calls.c) ---- */
void lt_engine_move_calls(struct lt_engine *e, int wait_ms);

/* ---- transactions (build.c, commit.c) ---- */
bool lt_engine_commit_due(const struct lt_engine *e);
bool lt_engine_held(const struct lt_engine *e); /* by an operator, in every partition that could send */
void lt_engine_twin(struct lt_engine *e, const struct lt_err *err); /* LT_LOG_TWIN: this process must end */
void lt_engine_commit(struct lt_engine *e);                         /* one attempt */
void lt_engine_resolve(struct lt_engine *e);                        /* txn.in_doubt: look what became of it (rule 11) */
void lt_txn_reset(struct lt_engine *e);
void lt_txn_build(struct lt_engine *e);
int lt_txn_write(struct lt_engine *e, struct lt_err *err);
/* It went away: it may have been made again with fewer partitions. One that grew keeps its count, because keys must not
 * move. */
void lt_txn_recount_topic(struct lt_engine *e, const char *topic);
void lt_txn_forget_topics(struct lt_engine *e);

static inline int64_t lt_engine_now(const struct lt_engine *e)
{
    return e->set.now_ms(e->set.ctx);
}
/* The adapter's timers; when it wants to be called again. */
static inline int64_t lt_engine_tick(struct lt_engine *e)
{
    return e->set.adapter->tick ? e->set.adapter->tick(e->adapter, lt_engine_now(e)) : INT64_MAX;
}
static inline int64_t lt_engine_wall(const struct lt_engine *e)
{
    return e->set.wall_ms(e->set.ctx);
}

#endif
