/*
 * What the portal's answer means (domain 1.1, 1.5, 1.6). The target's table (`answers:`, gateway/delivery/classifier.h)
 * gives the word; here stands what a table cannot say: whether a look-up found *this* dossier or definitely none, and
 * the session of a login. Pure but for the table's counters.
 */
#ifndef LT_PORTAL_ANSWER_H
#define LT_PORTAL_ANSWER_H

#include "adapters/portal/options.h"
#include "gateway/delivery/classifier.h"
#include "gateway/delivery/outcome.h"

/* Equal to the words of `on:` in the table, lt_portal_answers. */
enum lt_portal_call {
    LT_PORTAL_LOGIN,
    LT_PORTAL_LOOKUP,
    LT_PORTAL_CREATE,
    LT_PORTAL_UPDATE,
    LT_PORTAL_PROGRESS,
    LT_PORTAL_STATUS,     /* DongBoTrangThaiHoSo */
    LT_PORTAL_RATING,     /* DongBoDanhGia */
    LT_PORTAL_PROCEDURES, /* LayDanhSachTTHC */
    LT_PORTAL_PROCEDURE,  /* LayThuTuc */
};
extern const struct lt_classifier_form lt_portal_answers;

enum lt_portal_meaning {
    LT_PORTAL_DONE,      /* applied; login: session filled */
    LT_PORTAL_FOUND,     /* look-up: the portal has the dossier */
    LT_PORTAL_EMPTY,     /* look-up: definitely not there; update: refused because it is not there */
    LT_PORTAL_ALREADY,   /* create: it is there already */
    LT_PORTAL_SESSION,   /* the session has ended: certainly not applied */
    LT_PORTAL_BUSY,      /* certainly not applied: retry */
    LT_PORTAL_THROTTLED, /* 429, or 503 with Retry-After */
    LT_PORTAL_DENIED,    /* 401, 403, TLS, refused login */
    LT_PORTAL_REFUSED,   /* certainly refused */
    LT_PORTAL_UNCERTAIN, /* may have been applied; look-up, login: ask again */
};
const char *lt_portal_meaning_name(enum lt_portal_meaning m);

struct lt_portal_answer {
    enum lt_portal_meaning meaning;
    struct lt_span error_code, message; /* as answered, in the arena; empty when there was none */
    struct lt_span session;             /* login */
    const char *code;                   /* short, for logs: "error_code -1", "http-502" */
    const char *reason;                 /* a sentence, in the arena */
    int64_t wait_ms;                    /* what was asked for, -1 */
};

/* mahoso: the dossier that was asked about (look-up), to notice an answer about another one. */
void lt_portal_answer_read(struct lt_classifier *answers, enum lt_portal_call call, struct lt_span mahoso,
                           const struct lt_http_answer *http, struct lt_arena *a, struct lt_portal_answer *ret);
#endif
