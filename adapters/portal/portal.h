/*
 * The national portal as a delivery target (`adapter: portal`; domain 1.1-1.6, 1.11).
 *
 *   upsert    known? update : look-up -> update or create; a create that meets a known dossier goes on with an update
 *   ensure    known? nothing : look-up -> nothing or create from the snapshot; without a snapshot it is rejected
 *   progress  one row; cannot be asked and may be appended twice, so it is sent at most once
 *
 * A dossier born at the portal (options ttkm_*) is told its status by DongBoTrangThaiHoSo instead, and nothing else.
 * What the portal refused, or every answer, also goes to lt.province (option tell_province).
 *
 * A dossier is created only after the portal definitely said that it does not have it; a look-up that failed is asked
 * again, never taken for "not there". One login at a time; a call that meets an ended session logs in once and is sent
 * again, a second time is a credential trouble of the whole target. With batch > 1, items of the same call and flag of
 * different dossiers share a call; a refused batch of creates or updates is split until the refused item is alone, a
 * refused batch of rows is unknown.
 */
#ifndef LT_PORTAL_PORTAL_H
#define LT_PORTAL_PORTAL_H

#include "gateway/delivery/adapter.h"

#define LT_PORTAL_ANSWER_TYPE "vn.lienthong.portal.answer.v1"
#define LT_PORTAL_REFUSAL_TYPE "vn.lienthong.portal.refusal.v1"

extern const struct lt_adapter_type lt_portal_adapter;

#endif
