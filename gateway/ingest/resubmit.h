/*
 * Refused inputs once more: after a mapping, a table or a client's rights are mended, a dead letter of ingest goes the
 * one way in again (intake.h; protocol 3 rule 9, last sentence). The bytes are translated with today's mappings and
 * authorised as the client that sent them, with today's rights of that client; what is accepted is an event like any
 * other, so that a second time is a duplicate. What is refused again is a new dead letter that names the old one and
 * counts the rounds.
 *
 * A letter counts as dealt with when the audit entry about it is in Kafka (lt_resubmit_audit), never before: a command
 * that is cut short does some of its last letter again, and leaves none out.
 *
 * Thread-safe as the intake is; a resubmitter belongs to one thread.
 */
#ifndef LT_INGEST_RESUBMIT_H
#define LT_INGEST_RESUBMIT_H

#include "gateway/ingest/intake.h"
#include "gateway/kafka/log.h"

#define LT_RESUBMITS_MAX 5 /* refused so often: it is not the mapping that is wrong with it */
#define LT_LETTER_ID_MAX 40
#define LT_RESUBMIT_AUDITED                                                                                            \
    "lt_deadletter" /* header of an audit entry: the letter's id; lt_result: what became of it */

/* A dead letter of ingest; spans lent by the record. */
struct lt_letter {
    char id[LT_LETTER_ID_MAX]; /* partition.offset */
    int64_t time_ms;
    struct lt_span key, value, reason, client, source, position, media, mapping, province;
    int64_t resubmits; /* rounds it has behind it */
    bool truncated;
};
/* false: no refused input, but a refused delivery or what the core could not judge. */
bool lt_letter_read(const struct lt_log_record *r, struct lt_letter *ret);

/* NULL and 0 match everything; texts are globs. since <= time < until. */
struct lt_letter_filter {
    const char *reason, *client, *province;
    int64_t since_ms, until_ms;
};
/* The province of a letter that does not know its own is its client's, if that has just one. */
bool lt_letter_match(const struct lt_letter *l, const struct lt_config *c, const struct lt_letter_filter *f);

struct lt_resubmitter {
    struct lt_intake *intake;
    const struct lt_mappings *mappings;
    struct lt_translator *translator;
    const char *actor;
    int64_t rounds_max;
};

/*
 * Make the submission, not started: its items tell already which are refused.
 *
 * ret        the submission, to be run and freed before the letter's record goes
 * ret_why    why the letter is left out: truncated, unknown-client, role-not-allowed, body-too-large, too-often,
 *            part-of-list
 * Results    LT_OK; LT_E_INVALID: left out, nothing of it was or will be sent
 */
int lt_resubmit_prepare(const struct lt_resubmitter *r, const struct lt_letter *l, struct lt_submission **ret,
                        struct lt_refusal *ret_why) LT_MUST_CHECK;

struct lt_resubmit_count {
    size_t accepted, refused, unavailable;
};
/* Of a submission: items as they ended, or, before it was started, as they would. */
void lt_resubmit_count(const struct lt_submission *s, struct lt_resubmit_count *ret);

/* Who sent which letter once more and what became of it; returns when Kafka has it. LT_OK, LT_E_UNAVAILABLE. */
int lt_resubmit_audit(const struct lt_resubmitter *r, const struct lt_letter *l, const struct lt_resubmit_count *n,
                      struct lt_err *err) LT_MUST_CHECK;
#endif
