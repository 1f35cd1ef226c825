/*
 * Delivery under simulation: a cluster in memory, up to three processes of the gateway (and a twin of one of them) that
 * run the real engine for one target, the target itself, operators who decide about parked dossiers, and a director who
 * does to all of them what the world does. Private to tests/sim.
 *
 *   delivery_sim.c       one run from seed to verdict
 *   delivery_gateway.c   what runs in the processes: the real engine
 *   delivery_adapter.c   the thin adapter they use, as adapters/portal: look up, create or update, then a row
 *   delivery_target.c    what is at the other end of the calls, and what it does with them
 *   delivery_cause.c     what makes a partition stop, and how it is mended
 *   delivery_operator.c  events that arrive in the queue, decisions, changes of the world
 *   delivery_check.c     the oracle's reading: topics and offsets after every commit
 *   delivery_rules.c     the oracle's rules: what a call, an application, a forward may be
 *
 * The oracle knows protocol 3 and 5, the topics' contents and what the target saw; it calls nothing of gateway/delivery
 * and looks into no engine.
 */
#ifndef LT_TESTS_SIM_DELIVERY_H
#define LT_TESTS_SIM_DELIVERY_H

#include "gateway/delivery/control.h"
#include "gateway/delivery/engine.h"
#include "tests/sim/process.h"

#define TARGET "sim"
#define QUEUE "lt." TARGET
#define NEXT_TOPIC "lt.next"
#define DELIVERY_PARTITIONS_MAX 3
#define DOSSIERS_MAX 12
#define ALIEN_VALUE "no event" /* of a record that somebody else wrote to the queue */
#define NEXT_RECORD_MAX 1400   /* bytes: a big event does not fit there */

/* What an event asks of the target, in this order. */
enum stage { STAGE_PUT, STAGE_CHECK, STAGE_ROW, STAGES };

/* What a seed does to a call, beyond answering it. */
enum fate {
    FATE_DONE,     /* applied and answered */
    FATE_SLOW,     /* the same, after most of the time limit */
    FATE_REFUSED,  /* 422, though nothing is wrong with it */
    FATE_BUSY,     /* 503 */
    FATE_THROTTLE, /* 429 with a time */
    FATE_NOT_SENT, /* no connection */
    FATE_LOST,     /* applied, the answer never comes */
    FATE_CUT,      /* applied, the connection breaks before the answer */
    FATE_VANISHED, /* not applied, and nobody says so */
    FATE_BROKEN,   /* 500: applied or not */
    FATE_LATE,     /* no answer; applied at any time within settle */
    FATE_LOCKED,   /* 401 */
    FATES
};

enum park_reason { REASON_REJECTED, REASON_UNKNOWN, REASON_RETRYING, REASON_UNDELIVERABLE, REASONS };

struct delivery_plan {
    int partitions, gateways, dossiers, actions, events_max, next_partitions;
    struct sim_disorder disorder;
    unsigned fates, fate_per_mille;                       /* of the calls */
    unsigned bad_per_mille, odd_per_mille, big_per_mille; /* of the events */
    bool slow_checks; /* questions that take most of a long time limit, and outlast a session */
    bool strict;      /* the target refuses everything for some time, now and then, and has no other troubles */
    int64_t latency_ms;
    int64_t concurrency, rate, timeout_ms, settle_ms, park_after_ms, retry_min_ms, retry_max_ms, refused_max;
    size_t memory, span_max;
    int turn_ms;
    bool resend; /* unknown rows are sent again, else held */
    bool kills, restarts, rebalances, outages, lockouts, decisions, pauses, born, foreign, compaction, retention,
        causes;
    bool clocks_back, clocks_ahead;
};

struct event {
    int dossier, number; /* within the dossier, from 0 */
    int partition;
    int64_t offset; /* -1: its place is another's */
    char id[33];
    const char *type;
    unsigned stages; /* bits 1 << enum stage; 0: nothing to do here */
    bool ensure;     /* its PUT creates, and updates nothing */
    bool odd;        /* of a type nobody knows */
    bool alien;      /* no event at all, of no dossier (-1): a record that nobody can deliver */
    bool lost;       /* its record was deleted, or cut away, before it was finished or parked */
    bool big;
    size_t headers_len, bytes;
    int bad;     /* 1: its PUT is refused until the rule is mended or the data replaced; 2: its row */
    int version; /* of its data: 0, or what an operator's decision made of it, which is neither bad nor big */
    /* at the target */
    unsigned sent[STAGES], applied[STAGES];
    int open_rows;   /* rows sent whose sender was not told that they were certainly not taken */
    int row_repeats; /* rows sent while there were such */
    int refusals;
    bool refused_by_all; /* when it was refused last, so much was that the gateway had to see that it is the target */
    /* in the topics */
    char open, open_step[16]; /* its I record: first letter of its state, 0 none */
    int opens, intents;       /* I records not closed; intents of its row so far */
    int64_t intent_seen_ms;   /* its last intent, closed or not */
    int64_t intent_until_ms;  /* how long after it was written a successor waits */
    char intent_step[16];
    bool data; /* has an R record */
    bool forwarded, skipped, parked;
    int repeats;       /* listed in lt.history */
    int redrives;      /* decisions that let it go on itself */
    bool anew;         /* its data was replaced since: from its first step again */
    bool may_skip;     /* an operator said so */
    unsigned released; /* stages an operator took for done */
    int deadletters, answers, told;
    int attempts, attempts_listed; /* that the adapter has ended; in lt.history */
};

struct dossier {
    LT_VEC(struct event *) events;
    int partition;
    bool there, created, born; /* at the target; by us; by somebody else */
    int content;               /* number of the event whose content it has, -1 */
    int finished;              /* events that are forwarded or skipped, all from the first on */
    /* its L record */
    enum { LANE_OPEN, LANE_PARKED, LANE_RETRYING } lane;
    enum park_reason reason;
    enum stage parked_at;
    bool new_parked; /* in the commit being read */
};

/* A call at the target. It outlives its caller. */
struct target_call {
    struct target_call *next;
    struct event *event;
    enum { CALL_ASK, CALL_CREATE, CALL_UPDATE, CALL_ROW, CALL_CHECK } kind;
    enum fate fate;
    int64_t sent_ms, apply_ms; /* INT64_MAX: never */
    uint64_t sequence;
    bool applied, there; /* there: what an ASK or CREATE found when it was applied */
    bool closed;         /* nobody waits for the answer any more */
};

/* The caller's side. */
struct flight {
    struct target_call *call;
    lt_http_done_fn fn;
    void *ctx;
    int64_t answer_ms, deadline_ms; /* answer INT64_MAX: none comes */
};

struct scene;
struct gateway {
    struct sim_process sim;
    struct scene *scene;
    struct lt_config_target target;
    struct lt_engine *engine;
    int64_t skew_ms;                                                    /* of its wall clock */
    int64_t still_ms;                                                   /* the clock stood here */
    unsigned still;                                                     /* for so many questions */
    int64_t from[DELIVERY_PARTITIONS_MAX], to[DELIVERY_PARTITIONS_MAX]; /* of the queue, that it has polled */
    struct {
        uint64_t bits; /* its last 64 definite answers, 1 = refused */
        int len;
        bool clouded; /* there were answers of other kinds: what its gate made of them is its own */
        bool all;     /* so many refused that nothing may be parked for it */
    } answers;
    int64_t asked_ms, wait_until_ms; /* the target asked it to wait: when, and until when */
    LT_VEC(struct flight) flights;
};

/* What an operator wrote, by its number: decision ids are d<number>. */
struct decision {
    enum lt_verb verb;
    struct event *event; /* the first parked one as the operator saw it; NULL: of a whole partition */
    int partition;
    int version;                        /* REPLACE: of the data it gives */
    bool twice;                         /* written so */
    bool told[DELIVERY_PARTITIONS_MAX]; /* in lt.history: at most once for each partition */
};

/* A topic's partition as the oracle reads it. */
struct reader {
    const char *topic;
    int partition;
    int64_t stable; /* everything before it was taken */
    LT_VEC(int64_t) beyond;
    void (*take)(struct scene *s, int partition, const struct lt_log_record *r);
};

/* An I record that is not closed. */
struct open_record {
    char *key;
    struct event *event;
};

enum {
    POSITION_OK,
    POSITION_EXISTS,
    POSITION_PASS,
    POSITION_SKIPPED,
    POSITION_PARKED,
    POSITION_UNPARKED,
    POSITION_REJECTS,
    POSITION_UNKNOWNS,
    POSITION_REPEATS,
    POSITION_COUNTS
};

struct position {
    uint64_t number;
    int64_t base, control, open, counts[POSITION_COUNTS];
};

/* What the oracle has counted of a partition. */
struct observed_queue {
    LT_VEC(struct event *) events; /* by offset */
    struct position position;
    LT_VEC(struct lt_log_offset) past;   /* every position it had, as the group told it, genesis first */
    const struct lt_log_offset *planted; /* the group tells of this one, which is not the last */
    bool still;                          /* a cause has stopped it: nothing of it moves */
    int64_t low, came;                   /* where the queue begins; records that ever came */
    size_t passed;                       /* of the events: those before the committed offset */
    int64_t forwarded, passes, skipped, parked, parked_ever, unparked, deadletters, unknowns, repeats;
    LT_VEC(struct open_record) opens;
    uint64_t noted;                      /* O record: the number of its transaction */
    bool paused;                         /* T record */
    int64_t paused_ms;                   /* since when */
    LT_VEC(struct event *) unparked_now; /* in the commit being read */
};

enum delivery_cause_kind {
    DCAUSE_NONE,
    DCAUSE_OFFSET_OLDER,   /* the group tells of a former position and stays so (decision 0015) */
    DCAUSE_OFFSET_BRIEFLY, /* the same, and it comes right before anybody need believe it */
    DCAUSE_BAD_RECORD,     /* somebody else writes to the queue what is no event */
    DCAUSE_LOSS,           /* records are deleted that were not delivered */
    DCAUSE_END_LOST,       /* the queue has lost its end */
    DCAUSE_MADE_ANEW,      /* it was made again */
    DCAUSES
};

struct delivery_cause {
    enum delivery_cause_kind kind;
    int partition;
    enum { DCAUSE_IDLE, DCAUSE_DRAINING, DCAUSE_ACTIVE } phase;
    int64_t since_ms, right_ms, look_ms;
    bool observed, decided;
    struct event *record; /* BAD_RECORD */
    struct lt_log_offset saved;
};

struct scene {
    struct delivery_plan plan;
    struct lt_memory *memory;
    struct sim_fleet fleet;
    struct gateway gateways[SIM_SLOTS];
    struct dossier dossiers[DOSSIERS_MAX];
    struct observed_queue queues[DELIVERY_PARTITIONS_MAX];
    LT_VEC(struct event *) events, aliens;
    struct delivery_cause cause;
    bool chaos; /* the seed's faults have not ended yet; the fleet's may be suspended */
    LT_VEC(struct decision) decisions;
    LT_VEC(struct reader) readers;
    LT_VEC(char *) notes;      /* ids in lt.answers and lt.province */
    struct target_call *calls; /* not settled yet, oldest first */
    uint64_t calls_made;
    double rate_left; /* calls that the rate lets out now, all gateways together */
    int64_t rate_ms, refusing_until_ms;
    int resumes;     /* decisions; what a gateway knew of refusals is forgotten with them */
    int creates_met; /* creates that found the dossier there */
    int64_t away_until_ms, locked_until_ms;
    enum fate away; /* how it is away */
    bool mended;    /* the target's rules: nothing is bad any more */
    bool withheld;  /* a call was never made for reasons of the gateway's own */
    bool foreign[DELIVERY_PARTITIONS_MAX];
    int64_t next_action_ms;
    struct sim_coverage *coverage;
};

enum delivery_count {
    DCOUNT_FROZEN_CALLS = SIM_COUNTS, /* between the check of an intent's age and the socket (rule 13) */
    DCOUNT_HANDOVERS,                 /* a ledger read with deliveries open in it */
    DCOUNT_FOREIGN,
    DCOUNT_COMPACTED,
    DCOUNT_CLOCK_BACK,
    DCOUNT_CLOCK_AHEAD,
    DCOUNT_OUTAGES,
    DCOUNT_BORN,
    DCOUNT_REPEATS_RESENT,
    DCOUNT_REPEATS_DECIDED,
    DCOUNT_DECIDED_ONCE, /* a decision that was written twice */
    DCOUNT_IGNORED,
    DCOUNT_DONE_BEYOND,
    DCOUNT_OUTCOMES,
    DCOUNT_FATES = DCOUNT_OUTCOMES + LT_OUTCOMES,
    DCOUNT_REASONS = DCOUNT_FATES + FATES,
    DCOUNT_VERBS = DCOUNT_REASONS + REASONS,
    DCOUNT_CAUSES = DCOUNT_VERBS + LT_VERBS, /* from NONE on */
    DCOUNT_RETENTION = DCOUNT_CAUSES + DCAUSES,
    DCOUNT_REFUSING, /* the target refuses all for a while */
    DCOUNTS
};

/* delivery_gateway.c */
extern const struct sim_program delivery_program; /* of a fleet whose ctx is a scene */

/* delivery_adapter.c */
extern const struct lt_adapter_type delivery_adapter;
/* What the adapter calls for: "<kind> <dossier> <number> <version> <bad>". */
struct adapter_call {
    int kind, dossier, number, version, bad;
};
bool adapter_call_read(struct lt_span body, struct adapter_call *ret);

/* delivery_target.c */
extern const struct lt_caller target_caller;                         /* but for its ctx, a gateway */
void target_move(struct scene *s);                                   /* what is due by now is applied */
bool target_pending(const struct scene *s, const struct dossier *d); /* something of it may still change */
void target_forget(struct scene *s);

/* delivery_cause.c */
void trouble_begin(struct scene *s);
void trouble_step(struct scene *s);                             /* looked at in every turn of the director */
bool trouble_holds_end(const struct scene *s);                  /* faults do not end before it is mended */
bool trouble_holds_queue(const struct scene *s, int partition); /* nothing may be written to it now */

/* delivery_operator.c */
void source_event(struct scene *s);
void operator_decide(struct scene *s, struct dossier *d, enum lt_verb verb);
void operator_decide_something(struct scene *s);
void operator_redrive(struct scene *s); /* everything that is parked */
void operator_pause(struct scene *s, int partition, bool pause);
void operator_pass_over(struct scene *s, struct event *e); /* a record that is no event, or mistakenly one that is */
void operator_resolve(struct scene *s);                    /* what would help, for each parked dossier */
void world_compact(struct scene *s);
char *event_data(const struct event *e, int version); /* heap */

/* delivery_check.c */
void audit_begin(struct scene *s);
void audit_commits(struct scene *s); /* after every commit */
void audit_deinit(struct scene *s);
bool audit_at_rest(
    const struct scene *s); /* everything is forwarded, skipped or parked, and the position is behind it */
void audit_describe(const struct scene *s); /* to stderr: what is not */

/* delivery_rules.c */
/* It leaves the gateway now; decided_ms: when the gateway looked at the age of its intent. */
void rules_call(struct gateway *g, const struct target_call *c, int64_t decided_ms);
/* How a call of the adapter's work ended: whether the target refuses whatever it gets. */
void rules_outcome(struct gateway *g, struct event *e, enum lt_outcome outcome);
void rules_applied(struct scene *s, const struct target_call *c);
void rules_forwarded(struct scene *s, struct event *e, const struct lt_log_record *r);
/* It gets this record of the queue now. */
void rules_polled(struct gateway *g, int partition, int64_t offset);
void rules_parked(struct scene *s, struct dossier *d);
void rules_queue(struct scene *s, int partition);
void rules_end(struct scene *s); /* after the last decision was carried out */
struct event *first_parked(const struct dossier *d);
#endif
