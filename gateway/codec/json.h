/*
 * JSON documents behind a C seam (RapidJSON inside; no other folder sees it).
 *
 * Parsing is strict: RFC 8259, valid UTF-8 without BOM, no half surrogate pairs, bounded depth and size, no duplicate
 * members, nothing after the value. A document is immutable once parsed and owns everything its values point to; values
 * are light and lent. A document may be read from any one thread at a time.
 *
 * lt_json_writer writes compact JSON into an lt_buf and keeps the commas right.
 */
#ifndef LT_CODEC_JSON_H
#define LT_CODEC_JSON_H

#include "gateway/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lt_json_type { LT_JSON_NULL, LT_JSON_BOOL, LT_JSON_NUMBER, LT_JSON_STRING, LT_JSON_ARRAY, LT_JSON_OBJECT };

struct lt_json; /* a parsed document */
typedef struct {
    const void *v;
} lt_json_value; /* {NULL} = absent; lent by its document */

struct lt_json_limits {
    size_t bytes_max;
    unsigned depth_max;
};

/*
 * LT_OK; LT_E_INVALID (kind json-syntax, json-duplicate-member, json-encoding; line, column (in characters), and the
 * pointer of the member for a duplicate); LT_E_LIMIT (kind json-depth, json-size). The text is copied: s need not
 * outlive the call. A depth_max above 1000 counts as 1000. Numbers beyond double are refused, not rounded to infinity;
 * integers beyond 64 bits become the nearest double.
 */
int lt_json_parse(struct lt_span s, const struct lt_json_limits *limits, struct lt_json **ret,
                  struct lt_err *err) LT_MUST_CHECK;
void lt_json_free(struct lt_json *j);
void lt_json_freep(struct lt_json **j);
#define LT_AUTO_JSON LT_CLEANUP(lt_json_freep)

lt_json_value lt_json_root(const struct lt_json *j);
static inline bool lt_json_present(lt_json_value v)
{
    return v.v != NULL;
}
enum lt_json_type lt_json_type_of(lt_json_value v); /* v present */
const char *lt_json_type_name(enum lt_json_type t);
/* Absent when v is absent, no object, or has no such member. */
lt_json_value lt_json_member(lt_json_value v, struct lt_span name);
lt_json_value lt_json_get(lt_json_value v, const char *name);
size_t lt_json_len(lt_json_value v);                 /* elements or members; 0 for anything else */
lt_json_value lt_json_at(lt_json_value v, size_t i); /* element i; absent past the end */
/* Member i in document order. */
lt_json_value lt_json_member_at(lt_json_value v, size_t i, struct lt_span *ret_name);
bool lt_json_string(lt_json_value v, struct lt_span *ret); /* strings only; lent, NUL-terminated */
bool lt_json_int(lt_json_value v, int64_t *ret);           /* integral numbers that fit */
bool lt_json_bool(lt_json_value v, bool *ret);
/*
 * Strings as they are, integers in decimal (1.0 and 1e3 too, up to 2^53), other numbers shortest round-trip, true and
 * false; returns false for null, arrays, objects.
 */
bool lt_json_scalar(lt_json_value v, struct lt_arena *a, struct lt_span *ret);
void lt_json_write(lt_json_value v, struct lt_buf *out); /* the value, compact */

/* ---- JSON Schema -------------------------------------------------------------------------------------------------
 *
 * Draft 4 by RapidJSON, less what it does wrong. Known: type, enum (of scalars), const, allOf, anyOf, oneOf, not,
 * properties, required, dependencies, additionalProperties, minProperties, maxProperties, items (one or a list),
 * additionalItems, minItems, maxItems, minLength, maxLength (in characters), pattern (gateway/codec/pattern.h: searched
 * anywhere in the text unless ^ and $ are given), minimum, maximum, exclusiveMinimum, exclusiveMaximum (true or false),
 * definitions, $ref. Read over: title, description, default, example, examples, $schema, id, $id, $comment, and format,
 * which checks nothing. Anything else, also patternProperties, multipleOf and uniqueItems, is refused when the schema
 * is loaded, as are references that lead nowhere or round in a circle: nothing is silently not checked.
 */

struct lt_json_schema; /* compiled; shared freely between threads */
/*
 * $ref within the document and to files beside it ("common.json#/definitions/x"; at most 64 files of 1 MiB).
 * LT_E_INVALID (kind json-schema-file or one of lt_json_parse's; source = the file, pointer = the place in it),
 * LT_E_NOT_FOUND, LT_E_IO, LT_E_LIMIT.
 */
int lt_json_schema_load(const char *path, struct lt_json_schema **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_json_schema_free(struct lt_json_schema *s);
/*
 * LT_OK or LT_E_INVALID with kind json-schema: pointer = JSON Pointer of the offending value (for a missing or unknown
 * member: of the member itself), text = "expected …, got …" naming the keyword's demand. The text may quote up to 40
 * characters of the value: an answer to its sender, not something for a log. v is present. Texts and names with U+0000
 * are refused by every schema.
 */
int lt_json_schema_check(const struct lt_json_schema *s, lt_json_value v, struct lt_err *err) LT_MUST_CHECK;

/*
 * The same verdict for a value that this process is about to write itself (no duplicate members, strings in UTF-8),
 * without text and document: `tell` says the value's parts in their order and ends with false as soon as one of the
 * calls does. False may also mean "look closer": write and parse it, and call lt_json_schema_check for the reason.
 */
struct lt_json_teller;
bool lt_json_schema_accepts(const struct lt_json_schema *s, bool (*tell)(void *ctx, struct lt_json_teller *t),
                            void *ctx);
bool lt_json_tell_begin_object(struct lt_json_teller *t);
bool lt_json_tell_key(struct lt_json_teller *t, struct lt_span name);
bool lt_json_tell_end_object(struct lt_json_teller *t, size_t members);
bool lt_json_tell_begin_array(struct lt_json_teller *t);
bool lt_json_tell_end_array(struct lt_json_teller *t, size_t elements);
bool lt_json_tell_string(struct lt_json_teller *t, struct lt_span s);

/* ---- writer ---- */

/* Nested deeper than this, or closed more often than opened: out->over is set and the text is not whole. */
#define LT_JSON_WRITER_DEPTH 64
struct lt_json_writer {
    struct lt_buf *out;
    unsigned depth;
    bool need_comma[LT_JSON_WRITER_DEPTH];
};
void lt_json_writer_init(struct lt_json_writer *w, struct lt_buf *out);
void lt_json_begin_object(struct lt_json_writer *w);
void lt_json_end_object(struct lt_json_writer *w);
void lt_json_begin_array(struct lt_json_writer *w);
void lt_json_end_array(struct lt_json_writer *w);
void lt_json_key(struct lt_json_writer *w, struct lt_span name);
void lt_json_key_ready(struct lt_json_writer *w, struct lt_span quoted); /* as lt_json_key writes it: "name": */
void lt_json_put_string(struct lt_json_writer *w, struct lt_span s);
void lt_json_put_int(struct lt_json_writer *w, int64_t n);
void lt_json_put_bool(struct lt_json_writer *w, bool b);
void lt_json_put_null(struct lt_json_writer *w);
void lt_json_put_raw(struct lt_json_writer *w, struct lt_span json); /* json is already a value */
/* key and value in one call */
void lt_json_str(struct lt_json_writer *w, const char *name, struct lt_span s);
void lt_json_num(struct lt_json_writer *w, const char *name, int64_t n);
void lt_json_flag(struct lt_json_writer *w, const char *name, bool b);

#ifdef __cplusplus
}
#endif
#endif
