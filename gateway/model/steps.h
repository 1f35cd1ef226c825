/*
 * The table event -> steps (schemas/canonical/steps.yaml): what each target does with each event type. Read once at
 * load, immutable afterwards. An event type that is not in the table is refused at ingest: nothing guesses.
 */
#ifndef LT_MODEL_STEPS_H
#define LT_MODEL_STEPS_H

#include "gateway/base/err.h"

enum lt_step {
    LT_STEP_CHECK,    /* population: identity check of CongDan */
    LT_STEP_UPSERT,   /* portal: look up, then create or update with the snapshot HoSo */
    LT_STEP_ENSURE,   /* portal: create from the snapshot only when the portal definitely does not have the dossier */
    LT_STEP_PROGRESS, /* portal: one progress row TienDo */
    LT_STEP_CALL,     /* call-back and notification: one POST of the event; any type of event */
};

struct lt_event_type {
    const char *word;   /* received, progressed, … */
    const char *type;   /* vn.lienthong.dossier.received.v1 */
    const char *schema; /* schemas/canonical/<word>.json */
    enum lt_step population[4], portal[4];
    size_t population_len, portal_len;
    const char *status[4]; /* TrangThaiHoSo such an event may carry */
    size_t status_len;
};

/* The table is compiled in from one list; schemas/canonical/steps.yaml documents it and a test keeps them equal. */
const struct lt_event_type *lt_event_type_by_word(struct lt_span word); /* NULL: unknown */
const struct lt_event_type *lt_event_type_by_name(struct lt_span type); /* NULL: unknown */
const struct lt_event_type *lt_event_types(size_t *ret_len);
bool lt_event_type_status(const struct lt_event_type *t,
                          struct lt_span status); /* does the event allow this TrangThaiHoSo? */
const char *lt_step_name(enum lt_step s);
#endif
