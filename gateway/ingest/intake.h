/*
 * The one way in, shared by HTTP, folders and bridges: translate, authorise, produce, and say what became of each event
 * (protocol 4).
 *
 * A submission is one request, one file, or some records of a foreign topic. Its events of one dossier are produced one
 * after the other, each when the one before is PERSISTED; different dossiers at the same time. Once an event of a
 * dossier was not accepted, the later ones of that dossier are not attempted, so that sending the same again keeps
 * their order. A refusal counts only when its dead letter is PERSISTED; else the item is `unavailable`: Kafka away is
 * never the sender's fault.
 *
 * A submission belongs to the thread that fills it until start; then to nobody until `done`, which comes exactly once,
 * on any thread (also inside start), and must not block. Bodies are lent until done. The intake is thread-safe and must
 * outlive its submissions.
 */
#ifndef LT_INGEST_INTAKE_H
#define LT_INGEST_INTAKE_H

#include "gateway/ingest/clients.h"
#include "gateway/ingest/counters.h"
#include "gateway/ingest/port.h"
#include "gateway/ingest/record.h"
#include "gateway/model/receipt.h"

struct lt_intake {
    const struct lt_config *config;
    struct lt_intake_port port;
    struct lt_ingest_counters *counters;
    void *genesis_ctx;
    bool (*genesis_ready)(void *ctx);
};

enum lt_item_state {
    LT_ITEM_PENDING,
    LT_ITEM_ACCEPTED,      /* receipt and id filled */
    LT_ITEM_REFUSED,       /* refusal filled; its dead letter is in Kafka */
    LT_ITEM_NOT_ATTEMPTED, /* an earlier one of the dossier was not accepted */
    LT_ITEM_UNAVAILABLE,   /* send again, same content; code says why */
};

struct lt_submission;
struct lt_submission_item {
    struct lt_submission *submission;
    size_t part, index;           /* which input, and which item of it */
    const struct lt_event *event; /* what is known of it, never NULL */
    const char *type_word;
    struct lt_raw raw;
    const char *position;
    enum lt_item_state state;
    char receipt[LT_RECEIPT_MAX];
    struct lt_refusal refusal;
    const char *code;                     /* UNAVAILABLE: not-initialised, busy, kafka-away, unknown-outcome */
    struct lt_submission_item *next_same; /* of the same dossier, to be produced after this one */
    bool refused;                         /* not to be produced */
    atomic_int acks;                      /* of dead letter and audit still awaited */
    atomic_bool ack_lost;
};

struct lt_submission_part {
    struct lt_span media, body;
    const char *position;
    struct lt_translation translation;
    bool whole_refused; /* the input as a whole: one item stands for it */
};

struct lt_submission {
    struct lt_intake *intake;
    const struct lt_config_client *client;
    char *origin;
    bool go_on_after_refusal; /* bridge: a refused record does not hold up the dossier's later ones */
    const char *resubmit_of;  /* of its dead letters, as in record.h; lent until done */
    int64_t resubmits;
    LT_VEC(struct lt_submission_part *) parts;
    LT_VEC(struct lt_submission_item) items; /* in input order, all parts */
    struct lt_arena arena;
    atomic_size_t open;
    void (*done)(void *ctx, struct lt_submission *s);
    void *done_ctx;
};

struct lt_submission *lt_submission_new(struct lt_intake *in, const struct lt_config_client *client,
                                        const char *origin);
void lt_submission_free(struct lt_submission *s); /* after done, or never started */
/* Translate one input. position: "" or the place of the input ("a.xml", "topic/0/17"); copied. Returns how many events
 * it holds. */
size_t lt_submission_add(struct lt_submission *s, struct lt_translator *t, struct lt_span media, struct lt_span body,
                         const char *position);
/* An input that is refused without being read (too large, wrong encoding). raw lent until done. */
void lt_submission_refuse(struct lt_submission *s, const struct lt_refusal *why, struct lt_span media,
                          const struct lt_raw *raw, const char *position);
void lt_submission_start(struct lt_submission *s, void (*done)(void *ctx, struct lt_submission *s), void *ctx);
/* The same for threads that may wait: returns when it is done. */
void lt_submission_run(struct lt_submission *s);

/* What an accepted item was translated to. */
static inline const struct lt_item *lt_submission_item_made(const struct lt_submission_item *it)
{
    return &it->submission->parts.v[it->part]->translation.items.v[it->index];
}

/* After done: was any item left that sending again may change? */
bool lt_submission_unavailable(const struct lt_submission *s);
bool lt_submission_all_accepted(const struct lt_submission *s);
/* Answered item by item: the input was a list. */
bool lt_submission_is_batch(const struct lt_submission *s);

/* Seconds of Retry-After and words for an UNAVAILABLE item's code. */
int lt_intake_retry_after(const char *code);
const char *lt_intake_explain(const char *code);

/* An audit entry about a request that never became a submission (rate, unknown-client); not waited for. */
void lt_intake_audit(struct lt_intake *in, const char *actor, const char *origin, const char *code, const char *detail);
#endif
