/*
 * What a mapping is once compiled: rules without any YAML look-up or hashing left, and the tree of values they make.
 * Private to gateway/mapping.
 *
 * Compiled parts are immutable, live in the arena of lt_mappings and are shared by all threads; values live in the
 * arena of one item.
 */
#ifndef LT_MAPPING_RULES_H
#define LT_MAPPING_RULES_H

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/mapping/doc.h"
#include "gateway/mapping/mapping.h"
#include "gateway/mapping/tables.h"
#include "gateway/model/steps.h"

#define LT_SHAPE_DEPTH 16
#define LT_FORMAT_YEAR LT_TIME_FORMATS /* `yyyy`: one more than the formats of clock.h */

/* ---- compiled ---- */

struct lt_word {
    struct lt_span from, to;
};

struct lt_vocabulary {
    const char *name;
    struct lt_word *words; /* sorted by from */
    size_t len;
};

enum lt_unknown { LT_UNKNOWN_REFUSE, LT_UNKNOWN_KEEP, LT_UNKNOWN_DEFAULT };

struct lt_rule {
    const struct lt_yaml_node *node; /* NULL: there is no such rule */
    const char *field;               /* in refusals: canonical pointer or attribute */
    struct lt_path *from;
    size_t from_len;
    bool join;
    struct lt_span with;
    bool is_const;
    struct lt_span constant;
    int formats[LT_TIME_FORMATS + 1];
    size_t formats_len;
    bool as_date;
    const struct lt_vocabulary *normal;
    const struct lt_table *table;
    bool table_later; /* the unit's: its table is asked when the data is known */
    enum lt_unknown unknown;
    const char *table_field; /* NULL: the value */
    const char *unknown_code;
    bool has_default;
    struct lt_span fallback;
    size_t max;
    bool truncate;
    bool required;
    struct lt_span *one_of;
    size_t one_of_len;
    const char *pattern;
};

/* A path that must lead somewhere, or to a certain text. */
struct lt_condition {
    struct lt_path path;
    bool has_value;
    struct lt_span value;
};

enum lt_shape_kind { LT_SHAPE_VALUE, LT_SHAPE_OBJECT, LT_SHAPE_LIST };

struct lt_shape {
    enum lt_shape_kind kind;
    const struct lt_yaml_node *node;
    struct lt_span name;
    struct lt_span quoted; /* the name as it is written: "name": */
    const char *pointer;   /* canonical, elements of lists as `*` */
    bool has_if;
    struct lt_condition condition;
    uint32_t types; /* bit a type of lt_event_types; 0 = all */
    bool has_place;
    struct lt_path place; /* at or each */
    struct lt_rule rule;
    struct lt_shape *kids; /* OBJECT */
    size_t kids_len;
    struct lt_shape *element; /* LIST */
};

/* A canonical pointer as steps through shapes. */
#define LT_REF_ALL (-1)
#define LT_REF_NOWHERE INT32_MAX /* no such member: the empty value */
struct lt_ref {
    int steps[LT_SHAPE_DEPTH * 2];
    size_t len;
};

enum lt_attr {
    LT_ATTR_SOURCE,
    LT_ATTR_TYPE,
    LT_ATTR_SUBJECT,
    LT_ATTR_TIME,
    LT_ATTR_PROVINCE,
    LT_ATTR_UNIT,
    LT_ATTR_PROCEDURE,
    LT_ATTR_CHANNEL,
    LT_ATTRS
};
extern const char *const lt_attr_names[LT_ATTRS + 1]; /* source type subject …, NULL at the end */

struct lt_identity {
    bool is_ref;
    enum lt_attr attr;
    struct lt_ref ref;
};

struct lt_profile {
    const struct lt_yaml_node *node;
    const char *name;
    unsigned version;
    const char **sources;
    size_t sources_len;
    const struct lt_yaml_node *fields; /* type word or "*" -> list of pointers */
};

struct lt_example {
    const struct lt_yaml_node *node;
    const char *in, *out, *refused, *field, *same_as;
    int status;
};

struct lt_mapping {
    const struct lt_yaml_node *node;
    bool broken; /* errors were found in it: never chosen */
    const char *name;
    enum lt_doc_kind kind;
    struct lt_span root_uri, root_name;
    struct lt_condition *discriminators;
    size_t discriminators_len;
    struct lt_xsd *xsd;
    struct lt_json_schema *schema;
    struct lt_xml_ns *ns;
    size_t ns_len;
    bool has_each;
    struct lt_path each;
    struct lt_vocabulary *vocabularies;
    size_t vocabularies_len;
    struct lt_rule attrs[LT_ATTRS];
    struct lt_identity *identity;
    size_t identity_len;
    struct lt_shape data;
    const struct lt_profile *profile;
    struct lt_ref **digest; /* per event type, in order */
    size_t *digest_len;
    struct lt_example *examples;
    size_t examples_len;
};

struct lt_mappings {
    struct lt_arena arena;
    struct lt_tables *tables;
    const struct lt_event_type *types;
    size_t types_len;
    struct lt_json_schema **canonical; /* per type; NULL: no mapping makes it */
    struct lt_profile *profiles;
    size_t profiles_len;
    struct lt_mapping *v;
    size_t len;
};

/* -1 when word is no event type */
int lt_mappings_type(const struct lt_mappings *m, struct lt_span word);

/* ---- compiling ---- */

struct lt_compile {
    const struct lt_config *config;
    struct lt_mappings *all;
    struct lt_mapping *m;
    struct lt_path_scope scope;
    struct lt_diags *diags;
};

/* A value rule; n NULL leaves ret empty. extra: further allowed keys, NULL-terminated (may be NULL). */
void lt_rule_compile(struct lt_compile *c, const struct lt_yaml_node *n, const char *field, const char *const *extra,
                     struct lt_rule *ret);
void lt_rule_deinit(struct lt_rule *r);
void lt_shape_compile(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_span name, const char *pointer,
                      unsigned depth, struct lt_shape *ret);
void lt_shape_deinit(struct lt_shape *s);
/* false: no value has this pointer; ret then leads nowhere, through the same `*`. */
bool lt_ref_compile(const struct lt_shape *root, const char *pointer, struct lt_ref *ret);
/* All pointers of values below root, NULL-terminated, caller frees the array: for suggestions. */
const char **lt_shape_pointers(const struct lt_shape *root);

void lt_profiles_compile(struct lt_compile *c);
const struct lt_profile *lt_profile_find(const struct lt_mappings *all, struct lt_span name);
/* After all mappings: pointers to refs, sister mappings agree, sources do not overlap. */
void lt_profiles_link(struct lt_compile *c);
bool lt_profile_serves(const struct lt_profile *p, struct lt_span source);

/* `path` or, for JSON, `path=value`. */
bool lt_condition_compile(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_condition *ret);
/* Text of key when it is a text; anything else is a finding and NULL. */
const char *lt_compile_text(struct lt_compile *c, const struct lt_yaml_node *n, const char *key);
char *lt_compile_schema_path(struct lt_compile *c, const char *path); /* caller frees */

/* ---- values ---- */

struct lt_trace {
    const char *place; /* JSON Pointer or element path; "" for constants */
    int line;
    const char *steps;
};

struct lt_value {
    const struct lt_shape *shape; /* NULL for attributes */
    const struct lt_rule *rule;   /* values */
    bool present;
    struct lt_span normal, text;
    bool has_ms;
    int64_t ms;
    struct lt_value *kids;
    size_t len;
    struct lt_trace *trace; /* only while tracing */
};

struct lt_eval {
    struct lt_walk walk;
    struct lt_arena *arena;
    int64_t time_ms; /* tables are looked up here */
    uint32_t type_bit;
    bool tracing;
    unsigned truncated;
    const char *cut[LT_CUTS_SHOWN]; /* the first fields that were */
    struct lt_refusal *refusal;
};

/* 0, or -1 with the refusal filled. */
int lt_rule_eval(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *ret) LT_MUST_CHECK;
/* > 0 holds, 0 does not, < 0 LT_E_LIMIT with w->err. */
int lt_condition_holds(struct lt_walk *w, const struct lt_condition *c, struct lt_place *at);
int lt_shape_eval(struct lt_eval *e, const struct lt_shape *s, struct lt_place *at, struct lt_value *ret) LT_MUST_CHECK;
/* The object's members; values that are not present are left out. */
void lt_value_write(const struct lt_value *v, struct lt_json_writer *w);
/* The same to a schema, without writing it. */
bool lt_value_tell(const struct lt_value *v, struct lt_json_teller *t);
/* Feed the normal values a ref leads to into the hash, with counts at `*` (docs/mapping-language.md, digest profiles).
 */
void lt_ref_hash(const struct lt_ref *r, const struct lt_value *root, struct lt_sha256 *h);
/* The one value of a ref without `*`; NULL when absent. */
const struct lt_value *lt_ref_value(const struct lt_ref *r, const struct lt_value *root);
void lt_eval_step(struct lt_eval *e, struct lt_value *v, const char *fmt, ...) LT_PRINTF(3, 4);

void lt_refusal_set(struct lt_refusal *r, int status, const char *code, const char *field, const char *fmt, ...)
    LT_PRINTF(5, 6);
/* Where the rule looked: its first path from `at`. */
void lt_refusal_at(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at);

/* ---- events ---- */

struct lt_observer {
    void (*item)(void *arg, const struct lt_mapping *m, const struct lt_item *item, const struct lt_value *attrs,
                 const struct lt_value *data);
    void *arg;
};

struct lt_translator {
    const struct lt_mappings *m;
    struct lt_xpath_eval *xpath;
    struct lt_sha256 *sha;
    struct lt_arena doc, item; /* of one input, of one item */
    struct lt_buf out;
    const struct lt_observer *observer; /* explain */
};

/* One event from one place: accepted, or refused. `ret` strings in `keep`. */
void lt_event_make(struct lt_translator *t, const struct lt_mapping *m, struct lt_place *at, struct lt_arena *keep,
                   struct lt_item *ret);
/* Source, subject and province of an item that was refused before its rules ran, as far as they can be found. */
void lt_event_sketch(struct lt_translator *t, const struct lt_mapping *m, struct lt_place *at, struct lt_arena *keep,
                     struct lt_item *ret);
#endif
