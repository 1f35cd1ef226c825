/*
 * Regular expressions for the `pattern` keyword of JSON Schema: RE2 behind the syntax of ECMA 262. Linear time in the
 * text, whatever the pattern.
 *
 * RapidJSON 1.1.0 brings an engine of its own that writes into the compiled expression while matching (so a schema
 * could not be shared between threads), ignores what it does not know (\d) and recurses without end on (a*)*. This one
 * stands in its place.
 *
 * What is known, on code points: literals, . [...] [^...] \d \D \w \W \s \S, \t \n \r \f \v \xHH \uHHHH, escaped
 * punctuation, ( ) (?: ), |, ^ $ (start and end of the text), * + ? {n} {n,} {n,m} with or without a lazy ?. Anything
 * else (look-around, back references, \b, \p) is refused when compiled, never ignored or taken for something else.
 *
 * Compiled patterns are shared: any number of threads may match at once.
 */
#ifndef LT_CODEC_PATTERN_H
#define LT_CODEC_PATTERN_H

#include "gateway/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lt_pattern;
/* LT_E_INVALID: text says what is wrong, and column where if that is known. LT_E_LIMIT: a repetition beyond 1000, or
 * all of them together too many. */
int lt_pattern_compile(struct lt_span source, struct lt_pattern **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_pattern_free(struct lt_pattern *p);
/* True when some part of s matches (use ^ and $ for the whole). s is valid UTF-8. */
bool lt_pattern_search(const struct lt_pattern *p, struct lt_span s);

#ifdef __cplusplus
}
#endif
#endif
