/* The outcomes of a delivery. Every adapter ends each piece of work in exactly one of them. */
#ifndef LT_DELIVERY_OUTCOME_H
#define LT_DELIVERY_OUTCOME_H

enum lt_outcome {
    LT_OUTCOME_OK,         /* the target took it */
    LT_OUTCOME_EXISTS,     /* the target had it already: brought up to date with our content */
    LT_OUTCOME_PASS,       /* nothing to do here for this event */
    LT_OUTCOME_RETRY,      /* certainly not applied, may go later: back-off with full jitter */
    LT_OUTCOME_THROTTLE,   /* certainly not applied, the target names a time: the whole target waits */
    LT_OUTCOME_CREDENTIAL, /* certainly not applied, we are not let in: the whole target pauses, probed again by itself
                            */
    LT_OUTCOME_REJECT,     /* certainly refused: a dead letter, its dossier is parked */
    LT_OUTCOME_UNKNOWN,    /* may have been applied (rule 7): settle, then by operation: ask, send again, or hold */
    LT_OUTCOMES
};

const char *lt_outcome_name(enum lt_outcome o);

#endif
