/*
 * One view of the two kinds of input: a document is a tree of places, a path leads from a place to values or further
 * places. The rule engine is written against this and never sees whether the input was XML or JSON.
 *
 * Paths are compiled once and shared between threads. Places belong to one walk, live in the arena they were made with,
 * and remember how they were reached, so that a refusal or `explain` can name the spot. XML: plain child steps are
 * walked over child lists that are read once per place; anything else is XPath. JSON: pointers with the extensions of
 * docs/mapping-language.md.
 */
#ifndef LT_MAPPING_DOC_H
#define LT_MAPPING_DOC_H

#include "gateway/codec/json.h"
#include "gateway/codec/xml.h"
#include "gateway/config/yaml.h"

enum lt_doc_kind { LT_DOC_XML, LT_DOC_JSON };

enum lt_seg_kind { LT_SEG_NAME, LT_SEG_SELECT, LT_SEG_ALL, LT_SEG_UP };

struct lt_seg {
    enum lt_seg_kind kind;
    struct lt_span name;  /* NAME: member or element name; SELECT: member that is compared */
    struct lt_span value; /* NAME in XML: namespace URI; SELECT: wanted text */
    bool is_index;        /* NAME in JSON: may also be element `index` of an array */
    size_t index;
};

struct lt_path {
    const char *text; /* as written */
    bool absolute;    /* JSON: from the document root */
    bool simple;      /* XML: segs suffice, XPath is only needed where a parent is unknown */
    struct lt_seg *segs;
    size_t segs_len;
    struct lt_xpath *xpath; /* XML */
};

/* Prefixes of the mapping, for XML. */
struct lt_path_scope {
    enum lt_doc_kind kind;
    const struct lt_xml_ns *ns;
    size_t ns_len;
    struct lt_arena *arena; /* strings of compiled paths */
};

/* A path from its text. many: `*` and every match of a selector are allowed (each). Mistakes to diags at n. */
bool lt_path_compile(const struct lt_path_scope *s, const struct lt_yaml_node *n, struct lt_span text, bool many,
                     struct lt_path *ret, struct lt_diags *diags);
void lt_path_deinit(struct lt_path *p);

struct lt_kid;
struct lt_place {
    enum lt_doc_kind kind;
    const struct lt_place *up; /* the containing element or value; NULL: root, or not known (XPath) */
    bool is_document;          /* absolute JSON paths start here */
    struct lt_arena *arena;    /* for what hangs below it */
    lt_xml_node xml;
    struct lt_kid *kids; /* XML children, read on first use */
    size_t kids_len;
    bool kids_read;
    lt_json_value json;
    struct lt_span name; /* JSON: member of up; without a name: element `index` of up */
    size_t index;
};

/* One thread's evaluation state. */
struct lt_walk {
    struct lt_xpath_eval *xpath;
    struct lt_arena *arena; /* texts */
    struct lt_err err;
};

struct lt_place *lt_place_xml(struct lt_arena *a, lt_xml_node n, struct lt_place *up);
struct lt_place *lt_place_json(struct lt_arena *a, lt_json_value v, const struct lt_place *up);
/* Forget what hangs below: the arena of its children is about to be reset. */
void lt_place_reset(struct lt_place *p);

/* Outcomes of looking a text up. */
enum lt_path_result {
    LT_PATH_TEXT = 0,
    LT_PATH_ABSENT = 1, /* nothing there, null, or (XML) an empty node set */
    LT_PATH_NO_TEXT = 2 /* an object or array; w->err says so */
};
/* The text the path leads to, neither trimmed nor normalised. < 0: LT_E_LIMIT, w->err filled. */
int lt_path_text(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_span *ret);
/* > 0 somewhere, 0 nowhere, < 0 LT_E_LIMIT with w->err. */
int lt_path_exists(struct lt_walk *w, const struct lt_path *p, struct lt_place *from);
/* The first place; *ret NULL when there is none. < 0 as above. */
int lt_path_place(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_place **ret);
/* All places in document order, in the arena of `from` (each). */
int lt_path_places(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_place ***ret,
                   size_t *ret_n);

/* Where the path leads, or would lead: JSON Pointer or element path, and the line (0 when unknown). */
void lt_path_spot(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, char *out, size_t size,
                  int *ret_line);
void lt_place_spot(const struct lt_place *p, char *out, size_t size, int *ret_line);
#endif
