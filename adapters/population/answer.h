/*
 * What the population database's answer means. No match, error and unavailable are three different things (domain 2.1).
 * The target's table (`answers:`, gateway/delivery/classifier.h) tells errors apart; the verdict on a citizen is read
 * here. Pure but for the table's counters.
 */
#ifndef LT_POPULATION_ANSWER_H
#define LT_POPULATION_ANSWER_H

#include "adapters/population/options.h"
#include "gateway/delivery/classifier.h"

/* Equal to the words of `on:` in the table, lt_population_answers. */
enum lt_population_operation { LT_POPULATION_LOOKUP /* TraCuu… */, LT_POPULATION_VERIFY /* XacThuc… */ };
extern const struct lt_classifier_form lt_population_answers;

enum lt_population_meaning {
    LT_POPULATION_MATCH,
    LT_POPULATION_NO_MATCH,
    LT_POPULATION_ERROR,       /* it answered, but no answer to the question: fault, 5xx, not SOAP */
    LT_POPULATION_UNAVAILABLE, /* it did not answer */
};

struct lt_population_answer {
    enum lt_population_meaning meaning;
    enum lt_outcome outcome;   /* OK for match and no match */
    const char *code, *reason; /* free of citizen data; in the arena or static */
    int64_t wait_ms;
};

/* What was asked, to notice an answer to something else. */
struct lt_population_asked {
    enum lt_population_operation operation;
    struct lt_span id;       /* the citizen's number */
    struct lt_span xroad_id; /* of the X-Road message, which its answer repeats; empty: none */
};
void lt_population_answer_read(struct lt_classifier *answers, const struct lt_population_asked *asked,
                               const struct lt_http_answer *http, struct lt_arena *a, struct lt_population_answer *ret);

#endif
