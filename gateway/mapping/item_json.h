/*
 * Items in the form of examples (docs/mapping-language.md, Examples): what `explain --json` prints and `out` files
 * hold. Private to gateway/mapping; pure.
 */
#ifndef LT_MAPPING_ITEM_JSON_H
#define LT_MAPPING_ITEM_JSON_H

#include "gateway/codec/json.h"
#include "gateway/mapping/mapping.h"

/* {"type": …, "data": {…}} of an accepted item, {"refused": …, "field": …} of a refused one. */
void lt_item_json(const struct lt_item *item, struct lt_json_writer *w);
void lt_refusal_json(const struct lt_refusal *r, struct lt_json_writer *w);
/*
 * First difference: false and the pointer, expected and got as compact JSON (cut to the buffers). Members that only
 * `got` has count when strict; otherwise only those of `want` are looked at (one level: what is below is always
 * strict).
 */
bool lt_json_same(lt_json_value want, lt_json_value got, bool strict, struct lt_buf *pointer, struct lt_buf *expected,
                  struct lt_buf *found);
#endif
