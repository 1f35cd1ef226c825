/*
 * Matches that were answered lately: spares the same question for a stated time. Positive answers only.
 *
 * Privacy: nothing of a citizen is kept. An entry is an HMAC-SHA-256 of who was asked about, by which officer and for
 * which procedure, under a random key of this process that is never written down; an entry cannot be turned back into a
 * number or a name, nor compared with one outside this process. A restart forgets all of them.
 *
 * Bounded: when it is full the oldest entry goes. One thread.
 */
#ifndef LT_POPULATION_MATCHES_H
#define LT_POPULATION_MATCHES_H

#include "adapters/population/request.h"

struct lt_matches;
struct lt_matches *lt_matches_new(size_t max, int64_t life_ms); /* life_ms or max 0: remembers nothing */
void lt_matches_free(struct lt_matches *m);
void lt_matches_add(struct lt_matches *m, const struct lt_citizen *c, struct lt_span procedure, int64_t now_ms);
bool lt_matches_has(struct lt_matches *m, const struct lt_citizen *c, struct lt_span procedure, int64_t now_ms);
size_t lt_matches_count(const struct lt_matches *m);

#endif
