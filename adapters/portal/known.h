/*
 * Dossiers that the portal is known to have: spares their look-up. Bounded; when full, the one that was learned first
 * goes. A hint only: an update of a dossier that the portal turns out not to have is looked up again. One thread.
 */
#ifndef LT_PORTAL_KNOWN_H
#define LT_PORTAL_KNOWN_H

#include "gateway/base/base.h"

struct lt_known;
struct lt_known *lt_known_new(size_t max); /* 0: remembers nothing */
void lt_known_free(struct lt_known *k);
void lt_known_add(struct lt_known *k, struct lt_span key);
void lt_known_drop(struct lt_known *k, struct lt_span key);
bool lt_known_has(const struct lt_known *k, struct lt_span key);
size_t lt_known_count(const struct lt_known *k);

#endif
