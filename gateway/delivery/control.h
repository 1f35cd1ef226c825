/*
 * What an operator decides about parked dossiers (rule 9): the records of lt.control.<target>. Written by the command
 * line, read by the engine that owns the partition, which applies each decision id once, in the transaction that
 * records the control position.
 *
 *   key    the dossier; beginning with "*" for what concerns the whole partition, whatever brought it there
 *   value  {"decision":…,"verb":…,"order":…,"who":…,"at":…,"data":{…}}
 */
#ifndef LT_DELIVERY_CONTROL_H
#define LT_DELIVERY_CONTROL_H

#include "gateway/codec/json.h"
#include "gateway/delivery/ledger.h"

enum lt_verb {
    LT_VERB_RETRY,   /* the parked events run in order; what is unknown is sent again */
    LT_VERB_REPLACE, /* the first one gets other data and runs from its first step, then the others */
    LT_VERB_SKIP,    /* the first one goes no further, neither here nor on its path; then the others */
    LT_VERB_RELEASE, /* the step of the first one is taken as done at the target: it goes on behind it */
    LT_VERB_PAUSE,   /* nothing starts */
    LT_VERB_RESUME,  /* it does again, at once also where the target was paused by itself */
    LT_VERB_PASS,    /* of the partition: the record at `order` is no event, it goes to the dead letters */
    LT_VERBS
};
const char *lt_verb_name(enum lt_verb v);
bool lt_verb_parse(struct lt_span name, enum lt_verb *ret);

struct lt_decision {
    char id[LT_DECISION_MAX];
    enum lt_verb verb;
    int64_t order; /* PASS: the record's offset. Else the first parked event as the operator saw it; -1 any. Another is
                      there by now: not applied */
    char who[64];
    int64_t at_ms;
    struct lt_span data; /* REPLACE: JSON, in the document given to parse */
};

char *lt_decision_value(const struct lt_decision *d); /* heap */
/* Texts are lent from the arena. LT_OK or LT_E_INVALID. */
int lt_decision_parse(struct lt_span value, struct lt_arena *a, struct lt_decision *ret,
                      struct lt_err *err) LT_MUST_CHECK;

#endif
