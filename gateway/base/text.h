/* Unicode text: validity, NFC (protocol 4: identities are taken in NFC), Vietnamese accents, over utf8proc. */
#ifndef LT_BASE_TEXT_H
#define LT_BASE_TEXT_H

#include "gateway/base/base.h"

bool lt_utf8_valid(struct lt_span s, size_t *ret_bad); /* ret_bad: offset of the first bad byte; NULL is fine */
/* NFC and trimmed, in the arena (or s itself when it is already so). s must be valid UTF-8. */
struct lt_span lt_text_normal(struct lt_arena *a, struct lt_span s);
/* NGUYỄN VĂN ĐỨC -> NGUYEN VAN DUC; case kept. */
struct lt_span lt_text_strip_accents(struct lt_arena *a, struct lt_span s);
struct lt_span lt_text_upper(struct lt_arena *a, struct lt_span s);
size_t lt_text_chars(struct lt_span s);                           /* code points */
struct lt_span lt_text_first_chars(struct lt_span s, size_t max); /* at most max code points, never half of one */
#endif
