/*
 * Options as tables: one row an option (style: "one table row per option"). From a row come the parser, the messages,
 * the default, and `lienthong check --options`, which prints the table for docs.
 *
 * lt_opts_decode fills a caller's struct (zeroed before) from a YAML map: defaults first, then what is written; unknown
 * keys are errors with a suggestion, wrong values errors naming the expected form. Strings and lists live in the arena.
 */
#ifndef LT_CONFIG_OPT_H
#define LT_CONFIG_OPT_H

#include "gateway/config/secret.h"
#include "gateway/config/yaml.h"

enum lt_opt_type {
    LT_OPT_STRING,   /* const char *; empty only when not required and written "" */
    LT_OPT_PATH,     /* const char *, made relative to the folder of the file it is written in */
    LT_OPT_INT,      /* int64_t within min..max */
    LT_OPT_BOOL,     /* bool: true | false */
    LT_OPT_DURATION, /* int64_t milliseconds: 500ms 10s 5m 2h 400d, within min..max */
    LT_OPT_SIZE,     /* int64_t bytes: 4096 64KiB 4MiB 2GiB, within min..max */
    LT_OPT_STRINGS,  /* struct lt_opt_strings: list of text (a single text is a list of one) */
    LT_OPT_ENUM,     /* int: index in `words` */
    LT_OPT_SECRET,   /* struct lt_secret: {file: PATH} (trailing newline dropped; mode must not be group/world readable)
                        or {env: NAME}; never printed. Not in the arena: its holder owes lt_secret_deinit */
    LT_OPT_ADDRESS,  /* const char *: host:port, port 1..65535 (0 allowed: any free port) */
    LT_OPT_URL,      /* const char *: https://… (http://127.0.0.1… only) */
    LT_OPT_URL_PATH, /* const char *: /…, appended to a URL: it must not be able to change whose it is */
    LT_OPT_NODE,     /* const struct lt_yaml_node *: decoded by somebody else */
};

#define LT_OPT_NOWHERE SIZE_MAX /* offset of a NODE that is known but not stored: a section with a table of its own */

struct lt_opt_strings {
    const char **v;
    size_t len;
};

struct lt_opt {
    const char *key;
    enum lt_opt_type type;
    size_t offset; /* in the struct that is filled */
    bool required;
    const char *fallback;     /* default as it would be written; NULL: zero */
    int64_t min, max;         /* INT, DURATION (ms), SIZE (bytes); both 0 = any non-negative */
    const char *const *words; /* ENUM, NULL-terminated */
    const char *help;
};

/*
 * Errors go to diags; returns how many were added. context names the section in messages ("ingest.tls"). n NULL: the
 * section is not there, every option has its default (a PATH default then is relative to the working folder) and
 * required ones are errors without a place. A NODE that is absent is NULL.
 */
size_t lt_opts_decode(const struct lt_yaml_node *n, const char *context, const struct lt_opt *opts, size_t n_opts,
                      void *ret, struct lt_arena *a, struct lt_diags *diags);
/* One line an option: "<context>.<key>: <type and range>, default <d> | required. <help>". */
void lt_opts_print(const char *context, const struct lt_opt *opts, size_t n_opts, struct lt_buf *out);
#endif
