/*
 * What the mock portal remembers: dossiers by MaHoSo in the order they were created, and of each every create, update
 * and progress row as it arrived, with one sequence over all of them. Guarded by the mock's lock.
 *
 * Bounded by bytes_max: above it nothing is stored any more and the mock answers 503 until it is reset.
 */
#ifndef LT_PORTAL_MOCK_PORTAL_STORE_H
#define LT_PORTAL_MOCK_PORTAL_STORE_H

#include "gateway/codec/json.h"

enum lt_mock_portal_row_kind { LT_MOCK_CREATE, LT_MOCK_UPDATE, LT_MOCK_PROGRESS, LT_MOCK_ROW_KINDS };

struct lt_mock_portal_store;
struct lt_mock_portal_dossier;

struct lt_mock_portal_store *lt_mock_portal_store_new(size_t bytes_max);
void lt_mock_portal_store_free(struct lt_mock_portal_store *s);
void lt_mock_portal_store_reset(struct lt_mock_portal_store *s); /* the sequence begins at 1 again */
bool lt_mock_portal_store_full(const struct lt_mock_portal_store *s);
size_t lt_mock_portal_store_len(const struct lt_mock_portal_store *s);

struct lt_mock_portal_dossier *lt_mock_portal_store_find(const struct lt_mock_portal_store *s, struct lt_span code);
/* Add a row; a create makes the dossier, the others need one (asserted). item is copied as compact JSON. */
void lt_mock_portal_store_add(struct lt_mock_portal_store *s, enum lt_mock_portal_row_kind kind, struct lt_span code,
                              struct lt_span unit, lt_json_value item, int64_t now_ms);
/* The newest snapshot of the dossier (last update, else the create), as JSON text; lent until the next add or reset. */
struct lt_span lt_mock_portal_dossier_snapshot(const struct lt_mock_portal_dossier *d);

/* {"MaHoSo","creates","updates","progress"} numbers of the n-th dossier. */
void lt_mock_portal_store_write_line(const struct lt_mock_portal_store *s, size_t n, struct lt_json_writer *w);
/* {"MaHoSo","creates":[…],"updates":[…],"progress":[…]}, rows {"seq","at","madonvi","item"} in arrival order. */
void lt_mock_portal_dossier_write(const struct lt_mock_portal_dossier *d, struct lt_json_writer *w);

#endif
