/*
 * The ledger of a target (protocol 3): the records of lt.ledger.<target>, and what a reader makes of them. Used by the
 * engine at assignment (rules 1, 2) and by the command line, which reads the same topic.
 *
 * A dossier is its key <province>/<MaHoSo>; it may hold '/', what follows it in a ledger key may not.
 *
 *   I/<dossier>/<ce_id>/<run>/<step>/<order>  a delivery that is open: JSON. run is the replay or decision id, "-"
 *                                     without; the order tells two records of one event in a queue apart
 *   L/<dossier>                       a lane that is not open (parked or retrying): JSON
 *   P/<dossier>/<order>               a parked event: headers and value of the queue record, what is known of it in
 *                                     lt_park_* headers. order is its queue offset, 20 digits
 *   R/<dossier>/<order>               new data for a parked event, given by an operator
 *   C                                 the last decision ids that were applied, and until when: JSON
 *   T                                 the partition is paused by an operator: JSON
 *   O                                 the group's position as the same transaction commits it (position.h): what is
 *                                     written back when the group's own is gone or was moved. When it was written
 *                                     stands in lt_time
 *
 * A tombstone closes. The topic is compacted; the state is what the last record of each key says.
 */
#ifndef LT_DELIVERY_LEDGER_H
#define LT_DELIVERY_LEDGER_H

#include "gateway/delivery/outcome.h"
#include "gateway/delivery/position.h"
#include "gateway/kafka/log.h"
#include "gateway/model/steps.h"

#include <uthash.h>

#define LT_TOPIC_LEDGER_PREFIX "lt.ledger."
#define LT_TOPIC_CONTROL_PREFIX "lt.control."
#define LT_TOPIC_HISTORY_PREFIX "lt.history."
#define LT_PARK_PREFIX "lt_park_"
#define LT_DECISION_MAX 64
#define LT_DECISIONS_KEPT 64

enum lt_open_state {
    LT_OPEN_NONE,
    LT_OPEN_WAITING, /* certainly not sent, or certainly not applied: an owner starts at `step` */
    LT_OPEN_INTENT,  /* may be out: without another record its outcome is unknown */
    LT_OPEN_UNKNOWN, /* its outcome is unknown */
    LT_OPEN_DONE,    /* finished, and not yet passed by the committed offset: the done set */
};
const char *lt_open_state_name(enum lt_open_state s);

/* An I record. */
struct lt_open {
    char *key;
    int64_t offset; /* of the queue record; also the order of a parked one */
    enum lt_open_state state;
    char step[16];           /* lt_step_name */
    enum lt_outcome outcome; /* of the steps before it: pass, ok, exists */
    int64_t since_ms;        /* wall clock */
    int64_t until_ms;        /* INTENT, UNKNOWN: settled by then, whoever sent it */
    UT_hash_handle hh;       /* by key while a ledger is read, by offset afterwards */
};

/* An L record: why the lane is not open. */
struct lt_lane_record {
    bool retrying; /* an operator let it go on: parked events run in order, arrivals append (rule 9) */
    char reason[24];
    char code[48], text[256], step[16];
    int64_t since_ms;
    int64_t rounds;  /* how often it was parked again after a redrive */
    int64_t release; /* order of an event whose step is taken as done at the target, -1 none */
    int64_t skip;    /* order of an event that goes no further, -1 none */
    char decision[LT_DECISION_MAX];
};

struct lt_ledger_lane {
    char *key;
    bool recorded; /* has an L record */
    struct lt_lane_record record;
    LT_VEC(int64_t) parked; /* orders, ascending */
    UT_hash_handle hh;
};

/* Beside the ids of the decisions that were applied (C). */
struct lt_decided {
    int64_t newest_ms; /* of all that were applied */
    int64_t after_ms;  /* the control topic was made again when these were: what it holds from before is not applied */
};

struct lt_ledger {
    struct lt_open *opens;        /* by key */
    struct lt_ledger_lane *lanes; /* by key */
    size_t opens_len, parked_len;
    char paused_by[64]; /* "" when not paused */
    int64_t paused_ms;
    LT_VEC(char *) decisions; /* oldest first */
    struct lt_decided decided;
    char position[LT_DELIVERY_POSITION_MAX]; /* "" none: the former version wrote none */
    int64_t position_ms;                     /* when, by the clock of who wrote it; 0 not said */
};

/* Take the next record. LT_OK, or LT_E_INVALID: not written by a gateway of this version. */
int lt_ledger_take(struct lt_ledger *l, const struct lt_log_record *r, struct lt_err *err) LT_MUST_CHECK;
void lt_ledger_deinit(struct lt_ledger *l);
void lt_open_free(struct lt_open *o);

enum lt_ledger_kind {
    LT_LEDGER_OPEN = 'I',
    LT_LEDGER_LANE = 'L',
    LT_LEDGER_PARKED = 'P',
    LT_LEDGER_DATA = 'R',
    LT_LEDGER_CONTROL = 'C',
    LT_LEDGER_TARGET = 'T',
    LT_LEDGER_POSITION = 'O'
};
/* The parts of a key; dossier is empty and order -1 where the kind has none. false: no key of a ledger. */
bool lt_ledger_key(struct lt_span key, enum lt_ledger_kind *ret_kind, struct lt_span *ret_dossier, int64_t *ret_order);

#define LT_LEDGER_POSITION_KEY "O" /* the whole key of that kind */
#define LT_LEDGER_TIME "lt_time"   /* its header: ms */
/* Keys and values, on the heap. */
char *lt_ledger_open_key(struct lt_span dossier, struct lt_span id, struct lt_span run, const char *step,
                         int64_t order);
char *lt_ledger_order_key(enum lt_ledger_kind kind, struct lt_span dossier, int64_t order); /* P, R */
char *lt_ledger_lane_key(struct lt_span dossier);
char *lt_ledger_open_value(const struct lt_open *o);
char *lt_ledger_lane_value(const struct lt_lane_record *l);
char *lt_ledger_pause_value(const char *who, int64_t at_ms);
char *lt_ledger_decisions_value(char *const *ids, size_t n, const struct lt_decided *d);

/* What is known of a parked event besides the event, in its P record's headers. */
struct lt_parked_state {
    char step[16];
    char sent[16]; /* the first step that was never sent with the data it had before they were replaced; "" the first */
    bool unknown;  /* a call of that step may have been applied */
    int64_t until_ms;   /* then: by the wall clock of who parked it, settled at */
    int64_t settles_ms; /* then: so long after it was parked; INT64_MAX: the former version did not say */
    enum lt_outcome outcome;
};
/* put: values are allocated in the arena; headers that are not ours give way where there is no room. get: takes the
 * headers out of h. */
void lt_parked_state_put(const struct lt_parked_state *s, struct lt_arena *a, struct lt_headers *h);
void lt_parked_state_get(struct lt_headers *h, struct lt_parked_state *ret);

#endif
