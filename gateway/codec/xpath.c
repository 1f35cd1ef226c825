/*
 * XPath 1.0: compiled once, evaluated by an evaluator of one thread.
 *
 * Simple paths go through xpath_steps.c. For the rest libxml2's compiled expression is shared between threads only when
 * it calls no function: the first call of a function is remembered inside the expression, unguarded. Expressions with
 * calls are compiled once more by each evaluator.
 */
#include "gateway/codec/xml_internal.h"
#include "gateway/codec/xpath_steps.h"

#include <stdatomic.h>
#include <stdio.h>

#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#define OPERATIONS_MAX 5000000 /* about a tenth of a second */
#define KEPT_MAX 1024

struct lt_xpath {
    char *expr;
    uint64_t id; /* never given twice, unlike addresses */
    struct lt_xpath_steps *steps;
    xmlXPathCompExpr *shared; /* NULL: each evaluator compiles */
    xmlNs **namespaces;
    int n_namespaces;
};

struct kept {
    uint64_t id;
    xmlXPathCompExpr *comp;
};

struct lt_xpath_eval {
    xmlXPathContext *ctxt;
    lt_xml_nodes nodes;
    struct kept kept[KEPT_MAX]; /* by id modulo size */
    char text[256];             /* of the last error */
};

/* ---- what an expression may say ---- */

static const char *const functions[] = {
    "last",
    "position",
    "count",
    "id",
    "local-name",
    "namespace-uri",
    "name",
    "string",
    "concat",
    "starts-with",
    "contains",
    "substring",
    "translate",
    "substring-before",
    "string-length",
    "boolean",
    "substring-after",
    "not",
    "true",
    "false",
    "normalize-space",
    "lang",
    "number",
    "sum",
    "floor",
    "ceiling",
    "round",
};
static const char *const node_tests[] = {"node", "text", "comment", "processing-instruction"};

static bool known(const char *const *words, size_t n, struct lt_span s)
{
    for (size_t i = 0; i < n; i++) {
        if (lt_span_is(s, words[i]))
            return true;
    }
    return false;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || (unsigned char)c >= 0x80;
}

/*
 * libxml2 finds an unknown prefix or function only when it comes to evaluate it, which may be never on one document and
 * on the next one in the middle of the night. ret_calls: a function is called.
 */
static int look_through(const char *expr, const struct lt_xml_ns *ns, size_t n, bool *ret_calls, struct lt_err *err)
{
    *ret_calls = false;
    for (const char *p = expr; *p;) {
        if (*p == '"' || *p == '\'') {
            const char *close = strchr(p + 1, *p);
            if (!close)
                return lt_err_set(err, LT_E_INVALID, "xpath", "%s: a quote that is not closed", expr);
            p = close + 1;
            continue;
        }
        if (*p == '$')
            return lt_err_set(err, LT_E_INVALID, "xpath", "%s: there are no variables", expr);
        if (!name_char(*p) || *p == '-' || *p == '.' || (*p >= '0' && *p <= '9')) {
            p++;
            continue;
        }
        const char *from = p;
        while (name_char(*p))
            p++;
        struct lt_span word = lt_span(from, (size_t)(p - from));
        const char *after = p;
        while (*after == ' ' || *after == '\t' || *after == '\n' || *after == '\r')
            after++;
        if (*p == ':' && p[1] != ':') {
            bool declared = false;
            for (size_t i = 0; i < n; i++)
                declared |= lt_span_is(word, ns[i].prefix);
            if (!declared)
                return lt_err_set(err, LT_E_INVALID, "xpath",
                                  "%s: unknown prefix " LT_SPAN_FMT ", expected one of namespaces", expr,
                                  LT_SPAN_ARG(word));
            p++;
            while (name_char(*p))
                p++;
            if (*p == '(')
                return lt_err_set(err, LT_E_INVALID, "xpath", "%s: only the functions of XPath 1.0 can be called",
                                  expr);
        } else if (*after == '(') {
            bool function = known(functions, LT_ARRAY_LEN(functions), word);
            bool joins =
                lt_span_is(word, "and") || lt_span_is(word, "or") || lt_span_is(word, "div") || lt_span_is(word, "mod");
            if (!function && !joins && !known(node_tests, LT_ARRAY_LEN(node_tests), word))
                return lt_err_set(err, LT_E_INVALID, "xpath", "%s: unknown function " LT_SPAN_FMT, expr,
                                  LT_SPAN_ARG(word));
            *ret_calls |= function;
        }
    }
    return LT_OK;
}

/* ---- compile ---- */

static void on_error(void *user, xmlErrorPtr e)
{
    char *text = user;
    if (!text[0])
        lt_xml_message(e, text, sizeof(((struct lt_xpath_eval *)0)->text));
}

static xmlXPathCompExpr *compile(const struct lt_xpath *p, xmlXPathContext *ctxt)
{
    ctxt->namespaces = p->namespaces;
    ctxt->nsNr = p->n_namespaces;
    return xmlXPathCtxtCompile(ctxt, (const xmlChar *)p->expr);
}

static void keep_namespaces(struct lt_xpath *p, const struct lt_xml_ns *namespaces, size_t n)
{
    p->namespaces = lt_calloc(n + 1, sizeof(*p->namespaces));
    p->n_namespaces = (int)n;
    for (size_t i = 0; i < n; i++) {
        xmlNs *ns = p->namespaces[i] = lt_alloc(sizeof(*ns));
        ns->type = XML_LOCAL_NAMESPACE;
        ns->prefix = (xmlChar *)lt_strdup(namespaces[i].prefix);
        ns->href = (xmlChar *)lt_strdup(namespaces[i].uri);
    }
}

int lt_xpath_compile(const char *expr, const struct lt_xml_ns *namespaces, size_t n_namespaces, struct lt_xpath **ret,
                     struct lt_err *err)
{
    static atomic_uint_fast64_t ids;
    bool calls;
    lt_xml_init();
    int rc = look_through(expr, namespaces, n_namespaces, &calls, err);
    if (rc)
        return rc;
    struct lt_xpath *p = lt_alloc(sizeof(*p));
    struct lt_xpath_eval *e = lt_xpath_eval_new();
    p->expr = lt_strdup(expr);
    p->id = atomic_fetch_add(&ids, 1) + 1;
    keep_namespaces(p, namespaces, n_namespaces);
    xmlXPathCompExpr *comp = compile(p, e->ctxt);
    if (!comp) {
        rc = lt_err_set(err, LT_E_INVALID, "xpath", "%s: this is not an XPath 1.0 expression (%s)", expr, e->text);
        lt_xpath_eval_free(e);
        lt_xpath_free(p);
        return rc;
    }
    lt_xpath_eval_free(e);
    p->steps = lt_xpath_steps_compile(expr, namespaces, n_namespaces);
    if (calls || p->steps)
        xmlXPathFreeCompExpr(comp);
    else
        p->shared = comp;
    *ret = p;
    return LT_OK;
}

void lt_xpath_free(struct lt_xpath *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n_namespaces; i++) {
        free((void *)p->namespaces[i]->prefix);
        free((void *)p->namespaces[i]->href);
        free(p->namespaces[i]);
    }
    free(p->namespaces);
    xmlXPathFreeCompExpr(p->shared);
    lt_xpath_steps_free(p->steps);
    free(p->expr);
    free(p);
}

/* ---- evaluate ---- */

struct lt_xpath_eval *lt_xpath_eval_new(void)
{
    lt_xml_init();
    struct lt_xpath_eval *e = lt_alloc(sizeof(*e));
    e->ctxt = xmlXPathNewContext(NULL);
    if (!e->ctxt)
        abort();
    e->ctxt->error = on_error;
    e->ctxt->userData = e->text;
    return e;
}

void lt_xpath_eval_free(struct lt_xpath_eval *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < KEPT_MAX; i++)
        xmlXPathFreeCompExpr(e->kept[i].comp);
    e->ctxt->namespaces = NULL; /* of an expression */
    e->ctxt->nsNr = 0;
    xmlXPathFreeContext(e->ctxt);
    lt_vec_deinit(&e->nodes);
    free(e);
}

static xmlXPathCompExpr *compiled_for(struct lt_xpath_eval *e, const struct lt_xpath *p)
{
    if (p->shared)
        return p->shared;
    struct kept *k = &e->kept[p->id % KEPT_MAX];
    if (k->id != p->id) {
        xmlXPathFreeCompExpr(k->comp);
        k->comp = compile(p, e->ctxt);
        k->id = p->id;
    }
    return k->comp;
}

/* *ret is the caller's to free. */
static int evaluate(struct lt_xpath_eval *e, const struct lt_xpath *p, lt_xml_node at, xmlXPathObject **ret,
                    struct lt_err *err)
{
    xmlXPathContext *c = e->ctxt;
    e->text[0] = '\0';
    xmlXPathCompExpr *comp = compiled_for(e, p);
    c->namespaces = p->namespaces;
    c->nsNr = p->n_namespaces;
    c->doc = lt_xml_of(at)->doc;
    c->node = lt_xml_of(at);
    c->opLimit = OPERATIONS_MAX;
    c->opCount = 0;
    xmlResetError(&c->lastError);
    xmlXPathObject *result = comp ? xmlXPathCompiledEval(comp, c) : NULL;
    if (result) {
        *ret = result;
        return LT_OK;
    }
    if (c->lastError.code == XML_XPATH_EXPRESSION_OK + XPATH_OP_LIMIT_EXCEEDED || c->opCount >= OPERATIONS_MAX)
        return lt_err_set(err, LT_E_LIMIT, "xpath-limit", "%s: needs more than %d operations on this document", p->expr,
                          OPERATIONS_MAX);
    return lt_err_set(err, LT_E_INVALID, "xpath", "%s: %s", p->expr, e->text[0] ? e->text : "cannot be evaluated");
}

int lt_xpath_nodes(struct lt_xpath_eval *e, const struct lt_xpath *p, lt_xml_node at, lt_xml_node **ret, size_t *ret_n,
                   struct lt_err *err)
{
    e->nodes.len = 0;
    if (p->steps) {
        lt_xpath_steps_walk(p->steps, at, SIZE_MAX, &e->nodes);
    } else if (at.n) {
        xmlXPathObject *result;
        int rc = evaluate(e, p, at, &result, err);
        if (rc)
            return rc;
        if (result->type != XPATH_NODESET) {
            xmlXPathFreeObject(result);
            return lt_err_set(err, LT_E_INVALID, "xpath",
                              "%s: expected an expression that selects elements or attributes", p->expr);
        }
        xmlXPathNodeSetSort(result->nodesetval);
        for (int i = 0; i < xmlXPathNodeSetGetLength(result->nodesetval); i++) {
            xmlNode *n = result->nodesetval->nodeTab[i];
            if (n->type == XML_ELEMENT_NODE || n->type == XML_ATTRIBUTE_NODE)
                *lt_vec_push(&e->nodes) = lt_xml_lend(n);
        }
        xmlXPathFreeObject(result);
    }
    *ret = e->nodes.v;
    *ret_n = e->nodes.len;
    return LT_OK;
}

static struct lt_span first_text(xmlXPathObject *result, struct lt_arena *a, bool *ret_found, lt_xml_node *ret_node)
{
    struct lt_span out = lt_span("", 0);
    if (result->type == XPATH_NODESET) {
        xmlXPathNodeSetSort(result->nodesetval);
        *ret_found = xmlXPathNodeSetGetLength(result->nodesetval) > 0;
        if (!*ret_found)
            return out;
        xmlNode *n = result->nodesetval->nodeTab[0];
        if (n->type == XML_NAMESPACE_DECL)
            return lt_arena_span(a, lt_xml_span(((const xmlNs *)n)->href));
        if (n->type == XML_ELEMENT_NODE || n->type == XML_ATTRIBUTE_NODE)
            *ret_node = lt_xml_lend(n);
        else if (n->parent && n->parent->type == XML_ELEMENT_NODE)
            *ret_node = lt_xml_lend(n->parent); /* of a text() */
        return lt_xml_text(lt_xml_lend(n->type == XML_DOCUMENT_NODE ? xmlDocGetRootElement((xmlDoc *)n) : n), a);
    }
    xmlChar *s = xmlXPathCastToString(result);
    out = lt_arena_span(a, lt_xml_span(s));
    xmlFree(s);
    *ret_found = true;
    return out;
}

int lt_xpath_string(struct lt_xpath_eval *e, const struct lt_xpath *p, lt_xml_node at, struct lt_arena *a,
                    struct lt_span *ret, bool *ret_found, lt_xml_node *ret_node, struct lt_err *err)
{
    struct lt_span text = lt_span("", 0);
    lt_xml_node node = {NULL};
    bool found = false;
    if (p->steps) {
        e->nodes.len = 0;
        lt_xpath_steps_walk(p->steps, at, 1, &e->nodes);
        found = e->nodes.len > 0;
        if (found) {
            node = e->nodes.v[0];
            text = lt_xml_text(node, a);
        }
    } else if (at.n) {
        xmlXPathObject *result;
        int rc = evaluate(e, p, at, &result, err);
        if (rc)
            return rc;
        text = first_text(result, a, &found, &node);
        xmlXPathFreeObject(result);
    }
    *ret = text;
    *ret_found = found;
    if (ret_node)
        *ret_node = node;
    return LT_OK;
}
