/*
 * A delivery engine in a world of its own: the log in memory, an adapter that makes one call a step, and a target that
 * answers as the test's script says and remembers what it applied.
 *
 * The queue is lt.sim with PARTITIONS partitions; events carry the path "sim,next". A second target on the same log is
 * a world beside it. The steps of an event are those of
 * the portal, so "received" is upsert (may be repeated) and progress (may not).
 */
#ifndef LT_TESTS_UNIT_DELIVERY_WORLD_H
#define LT_TESTS_UNIT_DELIVERY_WORLD_H

#include "gateway/delivery/control.h"
#include "gateway/delivery/engine.h"
#include "gateway/kafka/log_memory.h"
#include "tests/unit/harness.h"

#define WORLD_PARTITIONS 2

enum reply {
    REPLY_OK,
    REPLY_RETRY,
    REPLY_THROTTLE,
    REPLY_CREDENTIAL,
    REPLY_REJECT,
    REPLY_GONE, /* refused: what the steps before saw to is not there */
    REPLY_LOST /* applied, answer lost */,
    REPLY_VANISHED
    /* not applied, and nobody knows */,
    REPLY_HOLD /* stays in flight */
};

/* One call as the target saw it: dossier, number of the event within it, step. */
struct seen {
    char dossier[24];
    int number;
    enum lt_step step;
    int after_unknown;
};

struct world;
typedef enum reply (*script_fn)(struct world *w, const struct seen *call);

struct world_call {
    struct seen what;
    lt_http_done_fn fn;
    void *ctx;
};

struct world {
    struct lt_memory *memory;
    bool guest; /* the memory is another world's */
    const char *name;
    char queue[32], ledger[32], control[32], history[32], instance[48];
    struct lt_config_target target;
    struct lt_adapter_type adapter; /* a copy, so that a test can change it */
    struct lt_engine *engine;
    struct lt_log *log;              /* of the engine, NULL when closed */
    void (*on_log)(struct world *w); /* a log was opened, and nothing done with it yet; NULL: nobody cares */
    script_fn script;                /* NULL: always OK */
    void *ctx;                       /* the test's own */
    struct world_call flying[256];
    size_t flying_len, flying_most;
    struct seen *applied;
    size_t applied_len, applied_cap;
    bool keeps_nothing;  /* applied is not filled: for very many calls */
    size_t calls, asked; /* asked: for scripts that count */
    int64_t now_ms;
    int64_t wall_shift_ms; /* the wall clock is now_ms and so much */
    size_t memory_bytes, span_max;
    bool repeat_unknown, tell_no_refusals;
    bool tells;  /* its adapter tells the province of every create */
    bool audits; /* it leaves an audit record of every call with a row */
    bool fatal, crashed;
};

struct world *world_new(void); /* topics made, genesis written */
/* Another target on the same log, with topics and an engine of its own; freed before its host. name: static. */
struct world *world_beside(struct world *host, const char *name);
void world_free(struct world *w);

/* The first calls of dossiers A… at this step get this reply, everything else is taken. */
struct world_first {
    int n;
    enum reply reply;
    enum lt_step step;
};
struct world *world_that_answers_first(struct world_first *f); /* a new world with that script; not open yet */
/* An open world where A stands parked in partition 0 with so many events: its first call of f's step got f's reply. */
struct world *world_with_parked(struct world_first *f, int events);

void world_genesis(struct world *w);
/* Event `number` of a dossier into the queue; returns its offset. */
int64_t world_event(struct world *w, int32_t partition, const char *dossier, int number, const char *type);
/* A received event whose lt_path does not name the target. */
int64_t world_stray(struct world *w, int32_t partition, const char *dossier);
int64_t world_received(struct world *w, int32_t partition, const char *dossier, int number);

void world_open(struct world *w);  /* a new process */
void world_close(struct world *w); /* ends in order */
void world_crash(struct world *w); /* kill -9 */
void world_turn(struct world *w);  /* one step of the engine, one millisecond later */
void world_turns(struct world *w, int n);
/* Turns until nothing is left that could happen by itself, or the target of the wait is met; fails after many. */
void world_run_until_forwarded(struct world *w, size_t n);
void world_advance(struct world *w, int64_t ms); /* time only */

size_t world_forwarded(struct world *w);
size_t world_answers(struct world *w);
size_t world_applied_count(const struct world *w, const char *dossier, int number, enum lt_step step);
char *world_status(struct world *w); /* JSON, caller frees */
void world_expect_status(struct world *w, const char *part);
void world_committed(struct world *w, int32_t partition, struct lt_log_offset *ret);

/* What lt.ledger.sim says now; deinit it. */
void world_ledger(struct world *w, int32_t partition, struct lt_ledger *ret);
const struct lt_ledger_lane *world_lane(const struct lt_ledger *l, const char *dossier); /* NULL: open */
size_t world_parked(struct world *w, const char *dossier);
/* An operator's decision, order -1 any; "*" for the partition. */
void world_decide(struct world *w, int32_t partition, const char *dossier, const char *id, enum lt_verb verb,
                  int64_t order, const char *data);
size_t world_history(struct world *w, const char *text); /* lines of lt.history.sim that hold it */

/* Every event 0 .. n-1 of the dossier was forwarded exactly once and in order. */
void world_check_forwarded_in_order(struct world *w, const char *dossier, int n);

#endif
