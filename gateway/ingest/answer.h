/* What a sender is told of a finished submission: the same JSON in an HTTP answer and in the files beside a spool file.
 */
#ifndef LT_INGEST_ANSWER_H
#define LT_INGEST_ANSWER_H

#include "gateway/ingest/intake.h"

struct lt_answer {
    int status;        /* 202, 200, 4xx, 503 */
    int retry_after_s; /* 0 none */
    bool problem;      /* application/problem+json */
    struct lt_buf body;
};
void lt_answer_of(const struct lt_submission *s, struct lt_answer *ret);
void lt_answer_deinit(struct lt_answer *a);
#endif
