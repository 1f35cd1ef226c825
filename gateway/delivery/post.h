/*
 * What call-backs to provinces and notifications have in common: one POST of an event as a small document (message.h),
 * whose repetition the receiver cannot be asked about, and an answer that is an outcome as it stands in the table.
 *
 * Stateless; for adapters, on the engine's thread.
 */
#ifndef LT_DELIVERY_POST_H
#define LT_DELIVERY_POST_H

#include "gateway/delivery/adapter.h"
#include "gateway/delivery/classifier.h"
#include "gateway/delivery/message.h"

/* Of the classifier's form: the one operation, and what may come of it. */
extern const char *const lt_post_operations[];
#define LT_POST_CLASSES                                                                                                \
    (1u << LT_CLASS_OK | 1u << LT_CLASS_EXISTS | 1u << LT_CLASS_RETRY | 1u << LT_CLASS_UNAVAILABLE |                   \
     1u << LT_CLASS_THROTTLE | 1u << LT_CLASS_CREDENTIAL | 1u << LT_CLASS_REJECT | 1u << LT_CLASS_UNKNOWN)
enum lt_outcome lt_post_outcome(enum lt_class is); /* one of LT_POST_CLASSES */

/* Words of the option `on_unknown`, in this order. */
enum { LT_POST_HOLD, LT_POST_RESEND };
extern const char *const lt_post_unknown_words[];

/*
 * The document for an event, at most out->max bytes. false: it has none, and *ret is the refusal (its reason is in the
 * work's arena).
 */
bool lt_post_document(const struct lt_message *m, const struct lt_work *w, struct lt_buf *out, struct lt_result *ret);

/* Slots of the adapter's type. */
size_t lt_post_steps(const struct lt_event_type *t,
                     const enum lt_step **ret); /* one call, for whatever a route brings */
bool lt_post_once(enum lt_step step);

#endif
