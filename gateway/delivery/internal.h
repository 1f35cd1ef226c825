/*
 * The engine's own structures, shared by its files and by nobody else: item, lane, partition, transaction. Everything
 * here belongs to the engine's thread.
 *
 *   item   one queue record on its way; sits in its lane, in its partition's list (by offset), and in the list of its
 * state lane   the items of one dossier in one partition; only the head moves part   an assigned partition txn    the
 * transaction being written, or whose outcome is in doubt
 */
#ifndef LT_DELIVERY_INTERNAL_H
#define LT_DELIVERY_INTERNAL_H

#include "gateway/delivery/effects.h"
#include "gateway/delivery/engine.h"
#include "gateway/delivery/gate.h"
#include "gateway/delivery/position.h"

#include <uthash.h>
#include <utlist.h>

#define LT_ENGINE_NOTES_MAX 8
#define LT_TXN_ITEMS_MAX ((size_t)500)

enum lt_item_state {
    LT_ITEM_QUEUED,   /* behind its lane's head, or its partition does not run */
    LT_ITEM_READY,    /* may start */
    LT_ITEM_DELAYED,  /* may start at not_before_ms */
    LT_ITEM_INTENT,   /* its intent goes into the next transaction */
    LT_ITEM_RUNNING,  /* the adapter has it */
    LT_ITEM_FINISHED, /* its outcome goes into the next transaction */
    LT_ITEM_HELD,     /* the reason its partition stopped */
    LT_ITEM_STATES
};

struct lt_item {
    struct lt_work work; /* first: the adapter's pointer is the item */
    struct lt_event event;
    struct lt_arena arena;
    struct lt_log_record *record;
    struct lt_part *part; /* NULL: the partition is gone, whatever comes is dropped */
    struct lt_lane *lane;
    struct lt_item *lane_next;
    struct lt_item *part_prev, *part_next;
    struct lt_item *prev, *next; /* list of its state */
    enum lt_item_state state;
    const enum lt_step *steps;
    size_t steps_len, step_at;
    enum lt_outcome outcome; /* of the event so far: pass, ok, exists */
    bool done;               /* RUNNING, and the result has come */
    struct lt_result result; /* code and reason point to the two below */
    char code[48], reason[256];
    struct lt_span forward; /* changed data, ptr NULL: none */
    struct {
        struct lt_note note;
        enum lt_step step;
    } notes[LT_ENGINE_NOTES_MAX];
    size_t notes_len;
    struct lt_effect *effects; /* from FINISHED on */
    size_t effects_len;
    bool unknown;   /* an attempt of a step that cannot be repeated has an unknown outcome */
    bool once_sent; /* such a step was applied: only "done" may follow its intent */
    bool in_txn;
    int64_t not_before_ms, arrived_ms;
    size_t bytes;
};

struct lt_lane {
    char *key;
    size_t key_len;
    struct lt_item *head, *tail;
    UT_hash_handle hh;
};

enum lt_part_state { LT_PART_LOADING, LT_PART_RUNNING, LT_PART_STOPPED };

struct lt_part {
    int32_t number;
    uint64_t epoch;
    enum lt_part_state state;
    bool fetching, paused, dirty;
    struct lt_delivery_position position; /* as committed */
    struct lt_log_offset committed;       /* the same, as text */
    int64_t next;                         /* after the last record that came */
    struct lt_item *items;                /* by offset, neither finished nor passed */
    size_t items_len, running;
    struct lt_lane *lanes;
    char reason[32], text[512], command[256];
    int64_t since_ms, retry_at_ms; /* retry_at_ms 0: trying cannot help */
    struct lt_part *prev, *next_part;
};

struct lt_txn_part {
    int32_t number;
    uint64_t epoch;
    struct lt_delivery_position after;
    struct lt_log_offset offset;
};

struct lt_txn {
    LT_VEC(struct lt_txn_part) parts;
    LT_VEC(struct lt_item *) items; /* NULL: dropped meanwhile */
    struct lt_log_membership *membership;
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
    struct lt_out_call *prev, *next;
};

struct lt_topic_count {
    char *topic;
    int32_t partitions;
};

struct lt_engine {
    struct lt_engine_settings set;
    const char *name;
    char *subject; /* "delivery/<target>" for the log */
    char *topic, *instance_id;
    void *adapter;
    struct lt_adapter_traits traits;
    struct lt_log *log;
    int64_t log_retry_ms;
    char log_error[256];
    uint64_t epochs;
    struct lt_part *parts;
    struct lt_item *lists[LT_ITEM_STATES]; /* QUEUED and HELD are in no list */
    size_t counts[LT_ITEM_STATES];
    struct lt_out_call *waiting;
    size_t flying;
    bool refusing;          /* draining or closing: calls that did not start yet are not sent any more */
    int64_t drain_since_ms; /* lt_mono_ms of the first revocation in this poll, 0 none */
    bool closed, fatal;
    size_t bytes, records;
    bool over_memory;
    struct lt_gate gate;
    struct lt_txn txn;
    int64_t dirty_since_ms; /* -1: nothing to commit */
    int64_t txn_retry_ms, txn_trouble_since_ms;
    unsigned txn_failures;
    size_t txn_limit; /* items in a transaction; lowered to find a record that is too large */
    char txn_error[256];
    int64_t fenced_ms; /* producer fenced while young, last time */
    LT_VEC(struct lt_topic_count) topics;
    uint64_t outcomes[LT_OUTCOMES]; /* of events: ok, exists, pass; of attempts: the others */
    uint64_t calls, skipped, repeats, transactions, forwarded, notes;
    uint64_t latency_ms_sum;
};

/* ---- items and lanes (lane.c) ---- */
struct lt_item *lt_item_new(struct lt_engine *e, struct lt_part *p, struct lt_log_record *r, const struct lt_event *ev,
                            const struct lt_event_type *type);
void lt_item_set(struct lt_engine *e, struct lt_item *i, enum lt_item_state s);       /* to the end of the list */
void lt_item_set_first(struct lt_engine *e, struct lt_item *i, enum lt_item_state s); /* to its beginning */
void lt_item_delay(struct lt_engine *e, struct lt_item *i, int64_t until_ms);
void lt_item_finished(struct lt_engine *e, struct lt_item *i); /* the outcome is committed: the lane goes on */
void lt_item_free(struct lt_engine *e, struct lt_item *i);     /* not in lane or partition any more */
/* What the metadata must say of the item now. */
enum lt_mark lt_item_mark(const struct lt_engine *e, const struct lt_item *i);

/* ---- partitions (partition.c) ---- */
void lt_part_on_assign(void *ctx, int32_t partition);
void lt_part_on_revoke(void *ctx, int32_t partition, bool lost);
struct lt_part *lt_part_find(const struct lt_engine *e, int32_t number);
void lt_part_stop(struct lt_engine *e, struct lt_part *p, const char *reason, bool retry, const char *command,
                  const char *fmt, ...) LT_PRINTF(6, 7);
void lt_part_reload(struct lt_engine *e, struct lt_part *p); /* drop what is known of it and load it again */
void lt_part_drop_items(struct lt_engine *e, struct lt_part *p);
void lt_part_free(struct lt_engine *e, struct lt_part *p);
void lt_part_dirty(struct lt_engine *e, struct lt_part *p);
void lt_parts_load(struct lt_engine *e);  /* those that are due */
void lt_parts_pause(struct lt_engine *e); /* byte budget and window */
void lt_part_record_take(struct lt_engine *e, struct lt_log_record *r);

/* ---- work (run.c) ---- */
void lt_engine_start_ready(struct lt_engine *e);
void lt_engine_submit(struct lt_engine *e, struct lt_item *i, int64_t start_by_ms);
void lt_engine_take_results(struct lt_engine *e);
/* Nothing new; calls in flight end or time out; what is finished is committed. p NULL: all partitions. */
void lt_engine_drain(struct lt_engine *e, struct lt_part *p);

/* ---- calls (calls.c) ---- */
void lt_engine_move_calls(struct lt_engine *e, int wait_ms);

/* ---- transactions (commit.c) ---- */
bool lt_engine_commit_due(const struct lt_engine *e);
void lt_engine_commit(struct lt_engine *e);  /* one attempt */
void lt_engine_resolve(struct lt_engine *e); /* txn.in_doubt: look what became of it (rule 15) */
void lt_txn_reset(struct lt_engine *e);

static inline int64_t lt_engine_now(const struct lt_engine *e)
{
    return e->set.now_ms(e->set.ctx);
}

#endif
