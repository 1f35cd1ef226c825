/*
 * A secret of an option: the text in use, and where it stands, so that it can be read again when its file was replaced.
 *
 * What it holds is owned, never printed, and cleansed when it is replaced or given up. One thread at a time. Whoever
 * uses it reads `text` each time and keeps no copy, and so uses the one in force.
 */
#ifndef LT_CONFIG_SECRET_H
#define LT_CONFIG_SECRET_H

#include "gateway/config/yaml.h"

struct lt_secret {
    const char *text;                /* NULL: not given */
    const struct lt_yaml_node *node; /* {file: PATH} or {env: NAME}; lent from the configuration, as is key */
    const char *key;                 /* "options.password", for messages */
};

enum lt_secret_result {
    LT_SECRET_RENEWED = 1, /* another one than before is in use */
};

/* Is n what lt_secret_read takes: a mapping with file or env? */
bool lt_secret_is(const struct lt_yaml_node *n);
/*
 * What {file: PATH} or {env: NAME} holds, without the line break at its end. PATH is relative to the folder of the file
 * it is written in; the file must not be readable by group or others. false after an error went to diags, ret is
 * unchanged then. The caller owes lt_secret_deinit.
 */
bool lt_secret_read(const struct lt_yaml_node *n, const char *key, struct lt_secret *ret, struct lt_diags *diags);
/* The file it stands in; NULL: it comes from the environment, which does not change. Caller frees. */
char *lt_secret_path(const struct lt_secret *s);
/*
 * Read its file again. LT_OK: it says what is in use already; LT_SECRET_RENEWED; < 0: it cannot be used (gone, empty,
 * readable by others …), err says why, and what was in use stays.
 */
int lt_secret_renew(struct lt_secret *s, struct lt_err *err) LT_MUST_CHECK;
/* Cleansed and empty, as one that was not given. */
void lt_secret_deinit(struct lt_secret *s);
#endif
