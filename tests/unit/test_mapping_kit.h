/* A configuration put together in a test: mappings, tables and digest profiles from texts or files, without
 * gateway.yaml. */
#ifndef LT_TESTS_UNIT_MAPPING_KIT_H
#define LT_TESTS_UNIT_MAPPING_KIT_H

#include "gateway/mapping/mapping.h"
#include "gateway/mapping/tables.h"
#include "tests/unit/harness.h"

#define KIT_DATA "tests/unit/data/mapping"
#define KIT_MAX 32

enum kit_part { KIT_MAPPING, KIT_TABLE, KIT_DIGEST };

struct kit {
    struct lt_config config;
    const struct lt_yaml_node *parts[3][KIT_MAX];
    struct lt_yaml *files[KIT_MAX * 3];
    size_t files_len;
    struct lt_diags diags;
    struct lt_mappings *m;
    struct lt_translator *t;
    struct lt_translation out;
};

void kit_init(struct kit *k);
void kit_deinit(struct kit *k);
void kit_file(struct kit *k, enum kit_part part, const char *path);
/* name: the file that messages name, and that examples are beside. */
void kit_text(struct kit *k, enum kit_part part, const char *name, const char *text);
/* The same with every `from` replaced by `to`; `from` must be there. */
void kit_text_with(struct kit *k, enum kit_part part, const char *name, const char *text, const char *from,
                   const char *to);
/* The small dialects of the tests: XML and JSON forms of one system, with their tables and digest profile. */
void kit_small(struct kit *k);
void kit_tables(struct kit *k);       /* their tables alone */
void kit_open_small(struct kit *k);   /* compiled, from the start */
void kit_open_shipped(struct kit *k); /* what config/ ships, likewise */
/* Every file of the pattern. */
void kit_glob(struct kit *k, enum kit_part part, const char *pattern);
extern const char kit_small_xml[], kit_small_json[], kit_units[], kit_procedures[], kit_digest[];

/* Compiles; on failure prints the findings and fails the test. */
void kit_compile(struct kit *k);
/* All findings of a compile that must fail, in one text; caller frees. */
char *kit_findings(struct kit *k);
char *kit_print(struct kit *k);
void kit_translate(struct kit *k, const char *media, const char *body);
/* The only item, accepted (refusals are printed). */
const struct lt_event *kit_event(struct kit *k, const char *media, const char *body);
/* The refusal of the whole input or of its only item. */
const struct lt_refusal *kit_refusal(struct kit *k, const char *media, const char *body);

#define XML "application/xml"
#define JSON "application/json"
#define NDJSON "application/x-ndjson"
#endif
