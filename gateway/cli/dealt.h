/* Refused inputs that `deadletter resubmit` dealt with, as lt.audit has it. */
#ifndef LT_CLI_DEALT_H
#define LT_CLI_DEALT_H

#include "gateway/kafka/reader.h"

struct lt_dealt;
enum lt_dealt_how {
    LT_DEALT_NOT,
    LT_DEALT_ACCEPTED,
    LT_DEALT_REFUSED, /* a newer letter stands for it */
};

/* Reads lt.audit to its end. *ret is NULL where nothing was dealt with; unchanged on failure. */
int lt_dealt_read(struct lt_reader *reader, struct lt_dealt **ret, struct lt_err *err) LT_MUST_CHECK;
/* What became of the letter PARTITION.OFFSET. */
enum lt_dealt_how lt_dealt_how(const struct lt_dealt *d, const char *id);
void lt_dealt_free(struct lt_dealt *d); /* NULL is fine */

#endif
