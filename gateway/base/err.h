/*
 * One error, and lists of them.
 *
 * lt_err is caller-owned and optional (NULL is fine everywhere). It is filled where the fact is known, with a text
 * complete enough to print as it is. Functions return 0, a positive outcome named by their module, or one of the
 * negative LT_E... below, which are forwarded unchanged.
 *
 * lt_diags collects the findings of a check, so that ten mistakes are ten messages in one run.
 */
#ifndef LT_BASE_ERR_H
#define LT_BASE_ERR_H

#include "gateway/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lt_error {
    LT_OK = 0,
    LT_E_INVALID = -1,     /* the input is wrong; err says where */
    LT_E_LIMIT = -2,       /* a size, depth or count limit was reached */
    LT_E_IO = -3,          /* a file or socket failed */
    LT_E_UNAVAILABLE = -4, /* a dependency is away: try again later */
    LT_E_AUTH = -5,        /* not allowed */
    LT_E_NOT_FOUND = -6,
    LT_E_TIMEOUT = -7,
    LT_E_BUG = -8, /* ours */
};

struct lt_err {
    int code;          /* enum lt_error */
    char kind[32];     /* short stable word: "xml-syntax", "unknown-unit", ... ("" when none applies) */
    char text[512];    /* what is wrong, what was expected, what to do */
    char source[256];  /* file or input the position belongs to, "" when none */
    int line, column;  /* 1-based, 0 = unknown */
    char pointer[256]; /* JSON Pointer or XPath of the place, "" when none */
};
#define LT_ERR_INIT ((struct lt_err){0})

/* The same for a path that is taken for every record: a kilobyte of zeros each time is felt there. */
static inline void lt_err_clear(struct lt_err *err)
{
    err->code = err->line = err->column = 0;
    err->kind[0] = err->text[0] = err->source[0] = err->pointer[0] = '\0';
}

/* Fill err (NULL is fine) and return code. The position fields are cleared. */
int lt_err_set(struct lt_err *err, int code, const char *kind, const char *fmt, ...) LT_PRINTF(4, 5);
/* Put "prefix: " before the text. */
void lt_err_prefix(struct lt_err *err, const char *fmt, ...) LT_PRINTF(2, 3);

enum lt_severity { LT_DIAG_ERROR, LT_DIAG_WARNING };

struct lt_diag {
    enum lt_severity severity;
    char *file; /* NULL: none */
    int line, column;
    char *text; /* "key: expected X, got Y" */
};

struct lt_diags {
    LT_VEC(struct lt_diag) items;
    size_t errors;
};
#define LT_DIAGS_INIT ((struct lt_diags){0})

void lt_diags_add(struct lt_diags *d, enum lt_severity severity, const char *file, int line, int column,
                  const char *fmt, ...) LT_PRINTF(6, 7);
/* All findings, one a line, "file:line:col: text" ("warning: " before the text of a warning), in the order of file and
 * line. */
void lt_diags_print(struct lt_diags *d, struct lt_buf *out);
void lt_diags_deinit(struct lt_diags *d);

#ifdef __cplusplus
}
#endif
#endif
