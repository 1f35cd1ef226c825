/* Rows of a classifier, shared by reading them (classifier_rows.c), applying them (classifier.c) and proving them
 * (classifier_check.c), and by nobody else. */
#ifndef LT_DELIVERY_CLASSIFIER_INTERNAL_H
#define LT_DELIVERY_CLASSIFIER_INTERNAL_H

#include "gateway/config/opt.h"
#include "gateway/delivery/classifier.h"

enum lt_class_form { LT_FORM_JSON, LT_FORM_SOAP, LT_FORM_XML, LT_FORM_EMPTY, LT_FORM_OTHER, LT_FORMS };

struct lt_class_range {
    long from, to;
};

/* A place in an answer and what may stand there. */
struct lt_class_place {
    const char *name; /* header or JSON Pointer */
    struct lt_opt_strings globs;
};

/* One `when` or `unless`; what is empty holds. */
struct lt_class_cond {
    bool written;
    uint32_t transports; /* bit per enum lt_http_failure */
    uint32_t forms;      /* bit per enum lt_class_form */
    struct lt_class_range *statuses;
    size_t statuses_len;
    struct lt_class_place *headers, *bodies;
    size_t headers_len, bodies_len;
    struct lt_opt_strings curls, alerts, missing, faults;
    struct lt_opt_strings messages; /* folded; "" = none */
};

struct lt_class_row {
    const char *name, *text;
    uint32_t operations; /* bit each */
    struct lt_class_cond when, unless;
    enum lt_class is;
    int64_t wait_ms; /* -1 none */
    const struct lt_yaml_node *node, *examples;
    uint64_t count;
};

struct lt_classifier {
    const struct lt_classifier_form *form;
    const char *code, *message; /* JSON Pointers */
    enum lt_class unlisted;
    struct lt_class_row *rows;
    size_t rows_len;
    uint64_t unlisted_count;
    struct lt_arena arena;
};

/* What conditions look at. */
struct lt_class_facts {
    unsigned operation;
    const struct lt_http_answer *http;
    enum lt_class_form form;
    lt_json_value json;            /* root, absent when form is not JSON */
    struct lt_span fault, message; /* fault code without prefix; message folded */
    bool has_fault;
};

/* ---- classifier_rows.c ---- */
/* Reads the table; findings in diags. */
void lt_class_rows_read(struct lt_classifier *c, const struct lt_yaml_node *answers, struct lt_diags *diags);
/* For comparing: NFC, trimmed, one case; empty when it is no UTF-8. */
struct lt_span lt_class_folded(struct lt_arena *a, struct lt_span s);
/* The words of `transport`, in the order of enum lt_http_failure; NULL-terminated. */
extern const char *const lt_class_transports[];
int lt_class_word(const char *const *words, struct lt_span word); /* index, -1 none */

/* ---- classifier.c ---- */
/* The first row that fits, NULL none. */
struct lt_class_row *lt_class_find(const struct lt_classifier *c, const struct lt_class_facts *f);
void lt_class_facts_read(const struct lt_classifier *c, unsigned operation, const struct lt_http_answer *http,
                         struct lt_arena *a, struct lt_class_facts *f, struct lt_classified *r);
/* What may be said of an answer that came this way (never applied unless asked). */
enum lt_class lt_class_bounded(const struct lt_classifier_form *f, unsigned operation, enum lt_http_failure failure,
                               enum lt_class is);

/* ---- classifier_check.c ---- */
void lt_class_rows_check(struct lt_classifier *c, struct lt_diags *diags);

#endif
