/*
 * Bodies for the portal (domain 1.1, 1.3, 1.4, 1.11), built from canonical data. Pure.
 *
 * Every scalar goes out as a text. The fields that everybody sends are always there, empty when unknown; further fields
 * go out when the snapshot has them, in its order. Fields longer than the portal takes are cut at a whole character,
 * and the list of what was cut is returned so that the answer event shows it.
 */
#ifndef LT_PORTAL_REQUEST_H
#define LT_PORTAL_REQUEST_H

#include "adapters/portal/options.h"
#include "gateway/codec/json.h"

/* JSON Pointers of fields that were cut, in the arena: LT_VEC freed by the caller. */
struct lt_portal_cuts {
    LT_VEC(const char *) fields;
};
void lt_portal_cuts_deinit(struct lt_portal_cuts *c);

void lt_portal_login_body(const struct lt_portal_options *o, struct lt_buf *out);
void lt_portal_lookup_body(const struct lt_portal_options *o, struct lt_span session, struct lt_span mahoso,
                           struct lt_buf *out);
/* service: DongBoHoSoMC (updating NULL leaves isUpdating out) or CapNhatTienDoHoSoMC. items are JSON objects. */
void lt_portal_data_body(const struct lt_portal_options *o, struct lt_span session, const char *service,
                         const char *updating, const struct lt_span *items, size_t n, struct lt_buf *out);
/* {session, madonvi, service, members…}: members is JSON without braces, or empty. */
void lt_portal_service_body(const struct lt_portal_options *o, struct lt_span session, const char *service,
                            struct lt_span members, struct lt_buf *out);
/* DongBoTrangThaiHoSo: data is one object, not a list (domain 1.2). */
void lt_portal_status_body(const struct lt_portal_options *o, struct lt_span session, struct lt_span item,
                           struct lt_buf *out);
/* Its object: MaHoSo, TrangThai, and of the progress row when and what. Which fields beside the first two are read over
 * there was not found. */
void lt_portal_status_item(lt_json_value tiendo, struct lt_span mahoso, struct lt_span status, struct lt_arena *a,
                           struct lt_portal_cuts *cuts, struct lt_buf *out);
/* One element of data: the snapshot HoSo, and the progress row TienDo. */
void lt_portal_dossier_item(const struct lt_portal_options *o, lt_json_value hoso, struct lt_arena *a,
                            struct lt_portal_cuts *cuts, struct lt_buf *out);
void lt_portal_progress_item(lt_json_value tiendo, struct lt_span mahoso, struct lt_arena *a,
                             struct lt_portal_cuts *cuts, struct lt_buf *out);

#endif
