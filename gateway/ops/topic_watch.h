/*
 * Looks every few seconds whether the topics that this process needs are there and as they should be, so that one that
 * goes away under it is named in status, /ready, the metrics and the log (topic_book.h), whether anything flows or not.
 * One thread with a handle of its own; what it found is read from any thread.
 */
#ifndef LT_OPS_TOPIC_WATCH_H
#define LT_OPS_TOPIC_WATCH_H

#include "gateway/ops/topic_book.h"

struct lt_topic_watch;
/* users: enum lt_topic_user. c and routes are lent until stop. */
int lt_topic_watch_start(const struct lt_config *c, const struct lt_routes *routes, unsigned users,
                         struct lt_topic_watch **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_topic_watch_stop(struct lt_topic_watch *w); /* and free; NULL is fine; waits for a call to Kafka */

/* As in topic_book.h. */
bool lt_topic_watch_ready(struct lt_topic_watch *w, struct lt_buf *why);
void lt_topic_watch_status(struct lt_topic_watch *w, struct lt_json_writer *out);
void lt_topic_watch_metrics(struct lt_topic_watch *w, struct lt_buf *out);
#endif
