/*
 * The portal adapter's own structures, shared by portal.c (what to do with a dossier) and wire.c (calls, batches,
 * session), and by nobody else. One thread.
 */
#ifndef LT_PORTAL_INTERNAL_H
#define LT_PORTAL_INTERNAL_H

#include "adapters/portal/answer.h"
#include "adapters/portal/known.h"
#include "adapters/portal/options.h"
#include "adapters/portal/request.h"
#include "gateway/delivery/adapter.h"

#define LT_PORTAL_BODY_MAX ((size_t)32 << 20)

enum { LT_PORTAL_GATHER_CREATE, LT_PORTAL_GATHER_UPDATE, LT_PORTAL_GATHER_PROGRESS, LT_PORTAL_GATHERS };

/* One submitted step. Lives from submit to done. */
struct lt_portal_job {
    struct lt_work *work;
    struct lt_arena arena;
    struct lt_json *json;
    lt_json_value hoso, tiendo;
    struct lt_portal_cuts cuts;
    struct lt_span item; /* element of data, built once */
    bool already;        /* a create met the dossier: the update makes it `exists` */
    bool created, asked_again;
};

struct lt_portal_jobs {
    LT_VEC(struct lt_portal_job *) list;
};

/* One call on its way, or waiting for a session. */
struct lt_portal_out {
    struct lt_portal *portal;
    enum lt_portal_call kind;
    struct lt_portal_jobs jobs;
    uint64_t session; /* number of the session it was sent with */
    bool relogged, waiting;
    struct lt_portal_out *prev, *next;
};

struct lt_portal {
    struct lt_portal_options options;
    struct lt_arena arena;
    struct lt_engine *engine;
    struct lt_known *known;
    struct lt_classifier *answers;
    const char *headers[5];
    char *session;
    uint64_t session_number;
    int64_t session_until_ms;
    bool login_out;
    struct lt_portal_out *calls;
    struct {
        struct lt_portal_jobs jobs;
        int64_t since_ms;
    } gathers[LT_PORTAL_GATHERS];
};

/* ---- portal.c ---- */
void lt_portal_job_free(struct lt_portal_job *j);
/* Complete the job with what was answered; it is freed. */
void lt_portal_finish(struct lt_portal *p, struct lt_portal_job *j, enum lt_outcome o,
                      const struct lt_portal_answer *a);
/* Outcomes that do not depend on the operation; the good ones and UNCERTAIN are the caller's. */
enum lt_outcome lt_portal_outcome(enum lt_portal_meaning m);
/* The answer of a call is passed to each of its jobs, which go on or are completed; the call is the caller's to free.
 */
void lt_portal_deal_out(struct lt_portal *p, struct lt_portal_out *c, const struct lt_portal_answer *a);
/* The job's element of data, built once. */
struct lt_span lt_portal_item(struct lt_portal *p, struct lt_portal_job *j, bool progress);

/* ---- wire.c ---- */
struct lt_portal_out *lt_portal_out_new(struct lt_portal *p, enum lt_portal_call kind,
                                        struct lt_portal_job *const *jobs, size_t n);
void lt_portal_out_free(struct lt_portal_out *c); /* its jobs have been passed on */
/* Send it, after a login when there is no session. */
void lt_portal_send(struct lt_portal *p, struct lt_portal_out *c);
void lt_portal_look_up(struct lt_portal *p, struct lt_portal_job *j);
/* Into the batch of this kind, which goes out when it is full or old. */
void lt_portal_gather(struct lt_portal *p, int gather, struct lt_portal_job *j);
int64_t lt_portal_tick(void *self, int64_t now_ms);

#endif
