/*
 * What a province is told of the core's verdicts (the call-back): one event in lt.province for one
 * record of intake, written in the transaction that decides it. Which verdicts: core.tell_province (routes.h).
 *
 *   ce_id       first 128 bits of SHA-256 over (origin, ce_id, lt_digest, verdict): the same decision written again,
 *               after a repair say, has the same id, and whoever takes it knows it already
 *   ce_type     vn.lienthong.verdict.<verdict>.v1
 *   ce_time     append time of the record, else the running clock: nothing of it depends on when it is written
 *   lt_cause    ce_id of the event; lt_verdict the verdict; lt_origin as in every copy of the core's
 *   data        {"MaHoSo","verdict","reason","event","type","source","time","receipt","first"}: codes and places,
 * nothing of the event's own data. receipt and first are what the receipts of the record, and of the first one of its
 * identity, begin with
 *
 * Bounded: what a foreign record brings is cut to LT_TELL_TEXT_MAX characters, except the dossier's key and subject,
 * which cannot be cut; a telling that does not fit its topic is undeliverable like any copy (protocol 2 rule 14). Pure,
 * any thread.
 */
#ifndef LT_CORE_TELL_H
#define LT_CORE_TELL_H

#include "gateway/kafka/log.h"
#include "gateway/model/verdict.h"

#define LT_TELL_SOURCE "urn:lienthong:core"
#define LT_TELL_TYPE_PREFIX "vn.lienthong.verdict."
#define LT_TELL_TEXT_MAX 256

/*
 * Whom to tell: ce_province and ce_subject each once, not empty, and the key made of them. true for every valid event;
 * an invalid record may not say, and then nobody is told.
 */
bool lt_tell_has_addressee(struct lt_span key, const struct lt_headers *h);

struct lt_telling {
    enum lt_verdict_kind verdict;
    struct lt_span reason; /* conflict: conflict or remapped; invalid: why; else empty */
    struct lt_span origin; /* of the record */
    int64_t first_offset;  /* conflict, duplicate: of the same partition; -1 none */
    int64_t clock_ms;      /* running clock after the record */
};

/*
 * The event about record r, whose headers are h (they may have left r by now). Spans of the result are lent from h, t
 * and the arena. Its key is r's.
 */
void lt_tell_write(const struct lt_telling *t, const struct lt_log_record *r, const struct lt_headers *h,
                   struct lt_arena *a, struct lt_headers *ret_headers, struct lt_span *ret_value);
#endif
