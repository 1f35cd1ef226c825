/*
 * YAML files as trees whose every node knows its file, line and column (libyaml inside; no other folder sees it).
 *
 * One document a file; anchors, aliases and tags are refused (a configuration should read as it stands), duplicate keys
 * are an error with both positions; depth and size are bounded. Scalars keep their text; `quoted` tells "007" from 7.
 * The tree is immutable and owned by lt_yaml; nodes are lent.
 */
#ifndef LT_CONFIG_YAML_H
#define LT_CONFIG_YAML_H

#include "gateway/base/err.h"

enum lt_yaml_kind { LT_YAML_SCALAR, LT_YAML_SEQ, LT_YAML_MAP };

struct lt_yaml_node {
    enum lt_yaml_kind kind;
    const char *file;
    int line, column;
    const char *text; /* scalar: NUL-terminated, valid UTF-8 */
    size_t text_len;
    bool quoted;                       /* scalar written in quotes: never null, a number or a boolean */
    size_t len;                        /* elements or pairs */
    const struct lt_yaml_node **items; /* seq: elements; map: values */
    const struct lt_yaml_node **keys;  /* map: keys, scalars */
};

struct lt_yaml;
/* LT_E_INVALID, LT_E_NOT_FOUND, LT_E_LIMIT or LT_E_IO: diags (may be NULL) say where. */
#define LT_YAML_SIZE_MAX ((size_t)16 << 20)
#define LT_YAML_NODES_MAX ((size_t)1 << 20)
#define LT_YAML_DEPTH_MAX 64
int lt_yaml_load(const char *path, struct lt_yaml **ret, struct lt_diags *diags) LT_MUST_CHECK;
int lt_yaml_parse(const char *name, struct lt_span text, struct lt_yaml **ret, struct lt_diags *diags) LT_MUST_CHECK;
/*
 * As lt_yaml_parse, but what can be read past is a finding only: a duplicate key (the first counts), an anchor, a tag.
 * The tree is given anyway, so that one run tells the other mistakes of the file too; callers compare diags->errors
 * before and after.
 */
int lt_yaml_parse_tolerant(const char *name, struct lt_span text, struct lt_yaml **ret,
                           struct lt_diags *diags) LT_MUST_CHECK;
void lt_yaml_free(struct lt_yaml *y);
const struct lt_yaml_node *lt_yaml_root(const struct lt_yaml *y);

/* NULL when n is NULL, no map, or has no such key. */
const struct lt_yaml_node *lt_yaml_get(const struct lt_yaml_node *n, const char *key);
struct lt_span lt_yaml_text(const struct lt_yaml_node *n);   /* scalar text, empty for anything else or NULL */
bool lt_yaml_is_null(const struct lt_yaml_node *n);          /* NULL, or a plain ~, null or empty scalar */
const char *lt_yaml_kind_name(const struct lt_yaml_node *n); /* "a text", "a list", "a mapping", "nothing" */

/* "file:line:col: <key>: expected <expected>, got <what n is>" into diags. */
void lt_yaml_expected(struct lt_diags *diags, const struct lt_yaml_node *n, const char *key, const char *expected);
/* file:line:col of n before a free text. */
void lt_yaml_error(struct lt_diags *diags, const struct lt_yaml_node *n, const char *fmt, ...) LT_PRINTF(3, 4);
void lt_yaml_warning(struct lt_diags *diags, const struct lt_yaml_node *n, const char *fmt, ...) LT_PRINTF(3, 4);
/* Error for each key of map n that is not in the NULL-terminated list, with the nearest known key as a suggestion. */
void lt_yaml_only_keys(struct lt_diags *diags, const struct lt_yaml_node *n, const char *context,
                       const char *const *known);
/* The entry of the NULL-terminated list nearest to word by edit distance, or NULL when none is near. */
const char *lt_nearest(struct lt_span word, const char *const *known);
#endif
