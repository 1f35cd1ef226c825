/*
 * XML documents behind a C seam (libxml2 inside; no other folder sees it).
 *
 * Parsing is hostile-input safe: no network, no external entity, no external DTD, and any DOCTYPE at all is refused
 * (kind xml-doctype) so that no expansion can happen; bounded size and depth; encodings UTF-8 and UTF-16 (with BOM or
 * declaration), anything else is refused (kind xml-encoding). No blank CDATA surprises: text of a node is its string
 * value.
 *
 * A document and its nodes belong to one thread at a time. Compiled schemas and paths are immutable and may be shared
 * between threads; evaluation state is per call.
 */
#ifndef LT_CODEC_XML_H
#define LT_CODEC_XML_H

#include "gateway/base/err.h"

void lt_xml_init(void); /* once, before any thread uses XML; installs a silent error handler */

struct lt_xml; /* a parsed document */
typedef struct {
    void *n;
} lt_xml_node; /* {NULL} = absent; lent by its document */

struct lt_xml_limits {
    size_t bytes_max;
    unsigned depth_max;
};

/*
 * LT_OK; LT_E_INVALID (kind xml-syntax, xml-doctype, xml-encoding; line, column); LT_E_LIMIT (xml-depth; xml-size: too
 * many bytes, more than 256 attributes in an element, or more than 256 namespaces in scope). The text is copied. A
 * depth_max above 250 counts as 250.
 */
int lt_xml_parse(struct lt_span s, const struct lt_xml_limits *limits, struct lt_xml **ret,
                 struct lt_err *err) LT_MUST_CHECK;
void lt_xml_free(struct lt_xml *x);
void lt_xml_freep(struct lt_xml **x);
#define LT_AUTO_XML LT_CLEANUP(lt_xml_freep)

lt_xml_node lt_xml_root(const struct lt_xml *x);
static inline bool lt_xml_present(lt_xml_node n)
{
    return n.n != NULL;
}
struct lt_span lt_xml_name(lt_xml_node n);      /* local name */
struct lt_span lt_xml_namespace(lt_xml_node n); /* URI, empty when none */
int lt_xml_line(lt_xml_node n);
lt_xml_node lt_xml_first_child(lt_xml_node n); /* element children only */
lt_xml_node lt_xml_next(lt_xml_node n);
lt_xml_node lt_xml_child(lt_xml_node n, const char *ns, const char *name); /* first; ns NULL = any */
struct lt_span lt_xml_text(lt_xml_node n, struct lt_arena *a);             /* string value, copied */
void lt_xml_path_of(lt_xml_node n, char *out, size_t size);                /* /s:A/s:B[2], for messages */
/* The element, UTF-8, namespaces declared, without comments and processing instructions. */
void lt_xml_write(lt_xml_node n, struct lt_buf *out);

/* ---- XPath 1.0, compiled once ---- */

struct lt_xml_ns {
    const char *prefix, *uri;
};
struct lt_xpath;
/* LT_E_INVALID: bad syntax, unknown prefix or function, or a variable; text says which. namespaces is copied. */
int lt_xpath_compile(const char *expr, const struct lt_xml_ns *namespaces, size_t n_namespaces, struct lt_xpath **ret,
                     struct lt_err *err) LT_MUST_CHECK;
void lt_xpath_free(struct lt_xpath *p);
/* Evaluation state of one thread, reused over documents. */
struct lt_xpath_eval;
struct lt_xpath_eval *lt_xpath_eval_new(void);
void lt_xpath_eval_free(struct lt_xpath_eval *e);
/*
 * Nodes selected from `at` in document order (elements and attributes). ret points into e until its next use.
 * LT_E_LIMIT when the expression needs more operations than the evaluator allows.
 */
int lt_xpath_nodes(struct lt_xpath_eval *e, const struct lt_xpath *p, lt_xml_node at, lt_xml_node **ret, size_t *ret_n,
                   struct lt_err *err) LT_MUST_CHECK;
/*
 * String value of the first node, or of a string/number/boolean result. ret_found false when the node set is empty.
 * ret_node (NULL is fine): the element or attribute it came from, absent for computed results. Errors as above.
 */
int lt_xpath_string(struct lt_xpath_eval *e, const struct lt_xpath *p, lt_xml_node at, struct lt_arena *a,
                    struct lt_span *ret, bool *ret_found, lt_xml_node *ret_node, struct lt_err *err) LT_MUST_CHECK;

/* ---- XML Schema ---- */

struct lt_xsd;
/*
 * Imports and includes from its folder only. LT_E_NOT_FOUND; LT_E_INVALID, kind xsd-file, source and line: not a
 * schema, or a file outside the folder or not there.
 */
int lt_xsd_load(const char *path, struct lt_xsd **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_xsd_free(struct lt_xsd *s);
/*
 * First violation: LT_E_INVALID, kind xml-schema, line, pointer = path of the element or attribute, text in plain
 * words. The text may quote up to 40 characters of the value: an answer to its sender, not something for a log.
 */
int lt_xsd_check(const struct lt_xsd *s, const struct lt_xml *x, struct lt_err *err) LT_MUST_CHECK;
/* The same for one element (global in the schema) of a batch: a bad item is that item's refusal alone. */
int lt_xsd_check_node(const struct lt_xsd *s, lt_xml_node n, struct lt_err *err) LT_MUST_CHECK;
/*
 * The document as if these elements, in document order, were not in it: is the envelope of a batch right, now that its
 * bad items are known? They are taken out and put back, so nobody else may read the document meanwhile.
 */
int lt_xsd_check_without(const struct lt_xsd *s, const struct lt_xml *x, const lt_xml_node *without, size_t n,
                         struct lt_err *err) LT_MUST_CHECK;
#endif
