/*
 * One event as one small document for a receiver that has names of its own: call-backs to provinces, notifications.
 *
 *     message:
 *       format: xml                     # json (default) or xml
 *       root: "{urn:h40:thong-bao:1}ThongBao"
 *       fields:                         # in this order; left out: everything, see below
 *         maHoSo: subject
 *         ketQua: /outcome              # JSON Pointer into the data
 *         nguon: =lienthong             # a text of its own
 *
 * A field takes id, type, source, subject, time, province, unit, procedure, channel, data (the whole of it), a JSON
 * Pointer, or a text behind '='. What the event does not have goes out empty. Without fields: id, type, source, time,
 * province, unit, procedure, MaHoSo and data. Immutable once made, points into the YAML tree.
 */
#ifndef LT_DELIVERY_MESSAGE_H
#define LT_DELIVERY_MESSAGE_H

#include "gateway/codec/json.h"
#include "gateway/config/yaml.h"
#include "gateway/model/event.h"

struct lt_message;
/* n NULL: all defaults. LT_OK, or LT_E_INVALID with all findings in diags. */
int lt_message_new(const struct lt_yaml_node *n, struct lt_message **ret, struct lt_diags *diags) LT_MUST_CHECK;
void lt_message_free(struct lt_message *m);
const char *lt_message_media(const struct lt_message *m); /* application/json or application/xml, with charset */
/* data: the event's own, parsed; absent when it is none. out->over is set when it does not fit. */
void lt_message_write(const struct lt_message *m, const struct lt_event *e, lt_json_value data, struct lt_buf *out);

#endif
