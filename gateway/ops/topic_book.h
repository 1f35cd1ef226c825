/*
 * What a running process knows of the topics that it needs: which are gone, refused, divided otherwise than when it
 * began, or set so that records would be lost or put aside; with what is safe, what to do and the command. Filled by
 * looks (topic_watch.h), which say nothing of what may be a broker that has just started: a topic is gone when two
 * looks in a row did not find it.
 *
 * Not thread-safe: whoever owns it keeps the lock.
 */
#ifndef LT_OPS_TOPIC_BOOK_H
#define LT_OPS_TOPIC_BOOK_H

#include "gateway/codec/json.h"
#include "gateway/ops/topics.h"

/* Roles of this process: the topics of the others are not its business. */
enum lt_topic_user { LT_TOPIC_OF_INGEST = 1, LT_TOPIC_OF_CORE = 2, LT_TOPIC_OF_DELIVERY = 4 };

enum lt_topic_finding {
    LT_TOPIC_FINE,
    LT_TOPIC_SETTINGS, /* alarm */
    LT_TOPIC_DIVIDED,  /* alarm: another number of partitions than at the first look */
    LT_TOPIC_REFUSED,  /* not ready */
    LT_TOPIC_GONE,     /* not ready */
    LT_TOPIC_FINDINGS
};

struct lt_topic_book;

struct lt_topic_book *lt_topic_book_new(const struct lt_config *c, const struct lt_routes *routes, unsigned users);
void lt_topic_book_free(struct lt_topic_book *b);

size_t lt_topic_book_len(const struct lt_topic_book *b);
const struct lt_topic_plan *lt_topic_book_plan(const struct lt_topic_book *b, size_t i);

/* Topic i has so many partitions, 0: there is none, < 0: this principal may not see it. */
void lt_topic_book_see(struct lt_topic_book *b, size_t i, int32_t partitions, int64_t now_ms);
/* How the settings of topic i differ from the plan. */
void lt_topic_book_see_settings(struct lt_topic_book *b, size_t i, const struct lt_topic_report *r, int64_t now_ms);

bool lt_topic_book_ready(const struct lt_topic_book *b, struct lt_buf *why); /* one line a topic */
void lt_topic_book_status(const struct lt_topic_book *b, int64_t now_ms, struct lt_json_writer *w); /* one array */
void lt_topic_book_metrics(const struct lt_topic_book *b, struct lt_buf *out);

#endif
