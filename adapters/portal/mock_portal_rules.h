/*
 * What the mock portal demands of a dossier item, of a progress item, of a status and of ratings
 * (domain 1.3, 1.4, 1.6): mandatory fields, every scalar a text, lengths, code lists, dates that exist, no field the
 * portal does not know. Pure, any thread.
 */
#ifndef LT_PORTAL_MOCK_PORTAL_RULES_H
#define LT_PORTAL_MOCK_PORTAL_RULES_H

#include "gateway/codec/json.h"

/* true: acceptable. Otherwise why holds a sentence in the portal's language, naming the field and never its value. */
bool lt_mock_portal_dossier_ok(lt_json_value item, struct lt_buf *why);
bool lt_mock_portal_progress_ok(lt_json_value item, struct lt_buf *why);
/* The same of a whole DongBoTrangThaiHoSo and DongBoDanhGia request. */
bool lt_mock_portal_status_ok(lt_json_value body, struct lt_buf *why);
bool lt_mock_portal_rating_ok(lt_json_value body, struct lt_buf *why);

#endif
