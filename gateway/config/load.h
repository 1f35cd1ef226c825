/*
 * Inside gateway/config: what the sections share while a configuration is read. One thread, one load.
 * Each section's function reads its part of gateway.yaml, tells every mistake to diags and goes on.
 */
#ifndef LT_CONFIG_LOAD_H
#define LT_CONFIG_LOAD_H

#include "gateway/base/crypto.h"
#include "gateway/config/config.h"

struct lt_config_load {
    struct lt_config *c;
    const struct lt_yaml_node *root; /* of gateway.yaml */
    struct lt_diags *diags;
    struct lt_sha256 *hash;
    const char **event_words; /* received, …, NULL; NULL when schemas_dir is wrong */
};

/* A table of options with the section it belongs to, for lt_config_print_options. */
struct lt_config_section {
    const char *context;
    const struct lt_opt *opts;
    size_t n_opts;
};
typedef void (*lt_config_section_fn)(const struct lt_config_section *s, void *ctx);

struct lt_config_roots {
    const struct lt_yaml_node **v;
    size_t len;
};

/* ---- files: read, hashed, owned by the configuration ---- */

/* One file. Mistakes in it that can be read past are told and the tree is given anyway. < 0: told, no tree. */
int lt_config_read(struct lt_config_load *l, const char *path, const struct lt_yaml_node *from,
                   const struct lt_yaml_node **ret);
/* All files of a pattern or a list of patterns, in name order, each once; those that cannot be read are told and left
 * out. */
struct lt_config_roots lt_config_read_all(struct lt_config_load *l, const struct lt_yaml_node *patterns,
                                          const char *key);

/* ---- places ---- */

/* The node at a dotted path of gateway.yaml, or the deepest one on the way: where to point when a value is wrong. */
const struct lt_yaml_node *lt_config_at(const struct lt_config_load *l, const char *dotted);
/* n, or an empty mapping at the place of its parent, so that what is missing in it is told with a position. */
const struct lt_yaml_node *lt_config_section(struct lt_config_load *l, const struct lt_yaml_node *n,
                                             const struct lt_yaml_node *parent);
/* " (did you mean 'x'?)" for the nearest of the NULL-terminated list, or "". In the configuration's arena. */
const char *lt_config_suggest(struct lt_config_load *l, const char *word, const char *const *known);

/* ---- sections ---- */

void lt_config_load_settings(struct lt_config_load *l); /* log, topics, ingest, admin, core */
void lt_config_load_kafka(struct lt_config_load *l, const struct lt_yaml_node *n);
void lt_config_load_clients(struct lt_config_load *l, const struct lt_yaml_node *patterns);
void lt_config_load_sources(struct lt_config_load *l, const struct lt_yaml_node *folders,
                            const struct lt_yaml_node *bridges); /* after clients */
void lt_config_load_targets(struct lt_config_load *l, const struct lt_config_roots *files);
void lt_config_check(struct lt_config_load *l); /* what no section sees alone */

/* certificate, key and ca; every message names `context`. Absent n: all NULL, told only when required. */
void lt_config_decode_tls(struct lt_config_load *l, const struct lt_yaml_node *n, const char *context,
                          const char *ca_key, struct lt_config_tls *ret);

void lt_config_settings_sections(lt_config_section_fn fn, void *ctx);
void lt_config_clients_sections(lt_config_section_fn fn, void *ctx);
void lt_config_sources_sections(lt_config_section_fn fn, void *ctx);
void lt_config_targets_sections(lt_config_section_fn fn, void *ctx);
#endif
