/*
 * Mappings: provincial dialects to canonical events, by YAML alone.
 *
 * lt_mappings is compiled once from the configuration and immutable but for the content of its tables; any number of
 * threads translate with it, each with its own lt_translator (XPath state, scratch). Translation is pure: same bytes,
 * same configuration, same result; no I/O, no clock (tables are looked up at the event's own time).
 */
#ifndef LT_MAPPING_MAPPING_H
#define LT_MAPPING_MAPPING_H

#include "gateway/config/config.h"
#include "gateway/model/event.h"

struct lt_tables;
struct lt_mappings;
/* All findings to diags; LT_E_INVALID when there was an error. */
int lt_mappings_new(const struct lt_config *c, struct lt_diags *diags, struct lt_mappings **ret) LT_MUST_CHECK;
/*
 * For `check`: the mappings that are right, even when others are not, so that their examples can be run
 * (lt_mappings_run_examples leaves the others out); free it in every case.
 */
int lt_mappings_survey(const struct lt_config *c, struct lt_diags *diags, struct lt_mappings **ret) LT_MUST_CHECK;
void lt_mappings_free(struct lt_mappings *m);
const struct lt_tables *lt_mappings_tables(const struct lt_mappings *m); /* lent */
/* The running mappings look up in the fresh ones' tables from now on (lt_tables_take). */
void lt_mappings_take_tables(struct lt_mappings *running, struct lt_mappings *fresh);
/* Run every example of every mapping, compare, and check outputs against the canonical schemas. Returns examples run.
 */
size_t lt_mappings_run_examples(const struct lt_mappings *m, struct lt_diags *diags);

/* Why something was refused: goes to the sender (problem+json), to the dead letter and to the counters. */
struct lt_refusal {
    int status;        /* HTTP status that fits: 400 413 415 422 */
    char code[40];     /* stable word: xml-syntax, xml-schema, json-schema, unknown-unit, bad-date, field-missing … */
    char detail[512];  /* may quote what was sent: for the sender and the dead letter, never for a log */
    char field[128];   /* canonical or source field, "" */
    char pointer[256]; /* JSON Pointer, or path of the XML element, "" */
    int line, column;  /* 0 unknown */
};

#define LT_CUTS_SHOWN 8

struct lt_item {
    bool accepted;
    struct lt_event event; /* accepted; spans live in the result's arena */
    const char *type_word; /* accepted: received … */
    struct lt_refusal
        refusal; /* refused; event.source, subject, province, unit, key are filled as far as they were found */
    struct lt_span
        raw; /* the item's own bytes (XML element or JSON value), for the dead letter; of a single event: the body */
    unsigned truncated; /* accepted: fields cut by `over: truncate`, and which: static, the first of them */
    const char *cut[LT_CUTS_SHOWN];
};

struct lt_translation {
    const char *mapping; /* name, NULL when none was chosen */
    bool batch;          /* the envelope was a list: answer item by item */
    bool refused;        /* the whole input; refusal filled, no items */
    struct lt_refusal refusal;
    LT_VEC(struct lt_item) items; /* in input order */
    struct lt_arena arena;
};
void lt_translation_init(struct lt_translation *t);
void lt_translation_deinit(struct lt_translation *t);

struct lt_translator;
struct lt_translator *lt_translator_new(const struct lt_mappings *m);
void lt_translator_free(struct lt_translator *t);

struct lt_input {
    struct lt_span media; /* Content-Type as sent, parameters allowed */
    struct lt_span body;
    size_t depth_max, batch_max;
};
/* Never fails: what is wrong becomes a refusal, of the input or of one item. */
void lt_translate(struct lt_translator *t, const struct lt_input *in, struct lt_translation *ret);

/*
 * An item of an XML list that has to go its way alone: its bytes as lt_item.raw has them, in the elements that lead to
 * it. What else the envelope held is not there. false: no such mapping any more, or its path to the items is no plain
 * one; out untouched.
 */
bool lt_mappings_envelope(const struct lt_mappings *m, struct lt_span mapping, struct lt_span item, struct lt_buf *out);

/* One line a canonical field: pointer, value, rule (file:line), place in the input, table steps. For `lienthong
 * explain`. */
void lt_explain(struct lt_translator *t, const struct lt_input *in, bool json, struct lt_buf *out);
#endif
