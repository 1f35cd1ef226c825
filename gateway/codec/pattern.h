/*
 * Regular expressions for the `pattern` keyword of JSON Schema: compiled once, matched in linear time.
 *
 * RapidJSON 1.1.0 brings an engine of its own that writes into the compiled expression while matching (so a schema
 * could not be shared between threads), ignores what it does not know (\d) and recurses without end on (a*)*. This one
 * replaces it. Matching walks all alternatives at once and never backtracks: time is text length times expression size.
 *
 * What is known, after ECMA 262, on code points: literals, . [...] [^...] \d \D \w \W \s \S, \t \n \r \f \v \xHH
 * \uHHHH, escaped punctuation, ( ) (?: ), |, ^ $ (start and end of the text), * + ? {n} {n,} {n,m} with or without a
 * lazy ?. Anything else (look-around, back references, \b, \p) is refused when compiled, never ignored.
 *
 * Compiled patterns are immutable: any number of threads may match at once.
 */
#ifndef LT_CODEC_PATTERN_H
#define LT_CODEC_PATTERN_H

#include "gateway/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LT_PATTERN_SIZE_MAX 2000 /* steps of a compiled pattern: {n,m} counts m times */

struct lt_pattern;
/* LT_E_INVALID: text says what is wrong and column where. LT_E_LIMIT: longer than LT_PATTERN_SIZE_MAX. */
int lt_pattern_compile(struct lt_span source, struct lt_pattern **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_pattern_free(struct lt_pattern *p);
/*
 * Make ASCII texts cheap: a table of at most 60 states by 128 characters, if the pattern does with them (else nothing
 * happens). Before the pattern is shared; the answers stay the same.
 */
void lt_pattern_prepare(struct lt_pattern *p);
/* True when some part of s matches (use ^ and $ for the whole). s is valid UTF-8. */
bool lt_pattern_search(const struct lt_pattern *p, struct lt_span s);

#ifdef __cplusplus
}
#endif
#endif
