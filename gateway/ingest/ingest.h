/*
 * Ingest: provincial input over mutual TLS, from folders and from foreign Kafka topics, to lt.intake (protocol 4).
 *
 * All three ways in share one path: translate, authorise, produce. A 2xx is answered only when Kafka has the event; a
 * refusal only when its dead letter is there. Starts at once even when Kafka is away: requests get 503 + Retry-After
 * until it answers.
 */
#ifndef LT_INGEST_INGEST_H
#define LT_INGEST_INGEST_H

#include "gateway/codec/json.h"
#include "gateway/config/config.h"
#include "gateway/mapping/mapping.h"
#include "gateway/model/verdict.h"

struct lt_ingest;

struct lt_ingest_settings {
    const struct lt_config *config;     /* lent until free */
    const struct lt_mappings *mappings; /* lent until free */
    struct lt_fate_port fate;           /* who knows verdicts */
    void *genesis_ctx;
    bool (*genesis_ready)(void *ctx); /* thread-safe; false: 503 (protocol 2, genesis) */
};

/* Listener, folders and bridges. LT_E_IO and others: port taken, certificate unreadable, state folder unwritable …, err
 * says what to do. */
int lt_ingest_start(const struct lt_ingest_settings *s, struct lt_ingest **ret, struct lt_err *err) LT_MUST_CHECK;
/* Stop accepting, answer what was begun (at most deadline_ms), stop folders and bridges. */
void lt_ingest_drain(struct lt_ingest *i, int deadline_ms);
void lt_ingest_free(struct lt_ingest *i); /* after drain; NULL is fine */

/* Thread-safe. One object: {"ready":bool,"accepted":n,"refused":{code:n,…},"folders":[…],"bridges":[…],…} */
void lt_ingest_status(struct lt_ingest *i, struct lt_json_writer *w);
void lt_ingest_metrics(struct lt_ingest *i, struct lt_buf *out);
/* false: why, one line, in ret_why. */
bool lt_ingest_ready(struct lt_ingest *i, struct lt_buf *ret_why);
/*
 * Certificates anew when their files changed, or when forced (lt_http_server_renew); said in the log. What cannot be
 * used leaves the last good ones in force and shows in status and metrics until it is mended.
 */
void lt_ingest_renew(struct lt_ingest *i, bool force);
unsigned lt_ingest_port(const struct lt_ingest *i);
#endif
