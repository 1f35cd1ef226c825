/*
 * The mock portal's dictionaries: procedures (domain 1.7, upper-case keys), fields, agencies. Built in, or read from a
 * JSON file {"procedures": [LayThuTuc objects], "agencies": [{MADONVI, TENDONVI, CAPDONVI}]}. Immutable once made.
 */
#ifndef LT_PORTAL_MOCK_PORTAL_CATALOGUE_H
#define LT_PORTAL_MOCK_PORTAL_CATALOGUE_H

#include "gateway/codec/json.h"

struct lt_mock_portal_catalogue;
/* path NULL: the built-in one. */
int lt_mock_portal_catalogue_new(const char *path, struct lt_mock_portal_catalogue **ret,
                                 struct lt_err *err) LT_MUST_CHECK;
void lt_mock_portal_catalogue_free(struct lt_mock_portal_catalogue *c);

bool lt_mock_portal_catalogue_has(const struct lt_mock_portal_catalogue *c, struct lt_span procedure);
/* `result` arrays of the services. */
void lt_mock_portal_catalogue_procedure(const struct lt_mock_portal_catalogue *c, struct lt_span procedure,
                                        struct lt_json_writer *w); /* LayThuTuc: [] when unknown */
void lt_mock_portal_catalogue_list(const struct lt_mock_portal_catalogue *c,
                                   struct lt_json_writer *w); /* LayDanhSachTTHC */
void lt_mock_portal_catalogue_fields(const struct lt_mock_portal_catalogue *c,
                                     struct lt_json_writer *w); /* LayDanhMucLinhVuc */
void lt_mock_portal_catalogue_agencies(const struct lt_mock_portal_catalogue *c,
                                       struct lt_json_writer *w); /* LayDanhMucCoQuan */

#endif
