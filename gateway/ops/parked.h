/*
 * A target's ledger for people: which dossiers are parked, why, with which events; and the way of a decision to the
 * engine that owns them (protocol 3 rule 9). Reads and writes Kafka only: no gateway needs to run.
 */
#ifndef LT_OPS_PARKED_H
#define LT_OPS_PARKED_H

#include "gateway/config/config.h"
#include "gateway/delivery/control.h"
#include "gateway/delivery/ledger.h"

struct lt_parked_event {
    int64_t order; /* queue offset */
    char *id, *type, *procedure, *unit, *time;
    struct lt_parked_state state;
    char *data; /* JSON; NULL unless asked for */
    UT_hash_handle hh;
    char *key; /* of its P record */
};

struct lt_parked_lane {
    char *dossier;
    int32_t partition;
    struct lt_lane_record record;
    LT_VEC(struct lt_parked_event *) events; /* in order; lent */
};

struct lt_parked {
    LT_VEC(struct lt_parked_lane) lanes; /* by time of parking */
    struct lt_parked_event *events;
    int32_t partitions;
    size_t open;              /* deliveries open or in the done set */
    LT_VEC(char *) paused_by; /* of each partition, NULL not */
};

/* data_of: the dossier whose events' data is wanted, named as for lt_parked_find, NULL none. LT_OK, LT_E_INVALID (not a
 * ledger), or what Kafka says.
 */
int lt_parked_read(const struct lt_config *c, const char *target, const char *data_of, struct lt_parked *ret,
                   struct lt_err *err) LT_MUST_CHECK;
void lt_parked_deinit(struct lt_parked *p);
/* By <province>/<MaHoSo>, or by MaHoSo where one province alone has it parked. NULL: not parked, or several. */
struct lt_parked_lane *lt_parked_find(const struct lt_parked *p, const char *name);

/* NULL and 0 match everything; globs. Attributes are those of the first event. */
struct lt_parked_filter {
    const char *reason, *code, *procedure, *province;
    int64_t since_ms, until_ms;
};
bool lt_parked_match(const struct lt_parked_lane *l, const struct lt_parked_filter *f);

/* ---- decisions ---- */

struct lt_decider;
int lt_decider_new(const struct lt_config *c, const char *target, const char *who, struct lt_decider **ret,
                   struct lt_err *err) LT_MUST_CHECK;
void lt_decider_free(struct lt_decider *d);
/*
 * Write one decision and its audit record; returns when both are durable. key: the dossier. ret_id gets the decision's
 * id, under which lt.history tells what came of it. order, data: as in control.h.
 */
int lt_decider_send(struct lt_decider *d, const char *key, enum lt_verb verb, int64_t order, struct lt_span data,
                    char ret_id[LT_DECISION_MAX], struct lt_err *err) LT_MUST_CHECK;
/* A decision about a partition of the target. LT_E_INVALID: there is none of this number. */
int lt_decider_send_one(struct lt_decider *d, int32_t partition, enum lt_verb verb, int64_t order,
                        char ret_id[LT_DECISION_MAX], struct lt_err *err) LT_MUST_CHECK;
/* One decision about every partition of the target (pause, resume), and one audit record, of dossier "*". */
int lt_decider_send_all(struct lt_decider *d, enum lt_verb verb, struct lt_err *err) LT_MUST_CHECK;

#endif
