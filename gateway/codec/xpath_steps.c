#include "gateway/codec/xpath_steps.h"
#include "gateway/codec/xml_internal.h"

enum axis { AXIS_CHILD, AXIS_PARENT, AXIS_ATTRIBUTE };

#define STEPS_MAX 32

struct one_step {
    enum axis axis;
    char *name; /* NULL: any */
    char *uri;  /* NULL: no namespace; not looked at for any name in any namespace */
    bool any_namespace;
};

struct lt_xpath_steps {
    bool absolute;
    LT_VEC(struct one_step) steps;
};

/* ---- compile ---- */

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || (unsigned char)c >= 0x80;
}

static struct lt_span take_name(const char **p)
{
    const char *from = *p;
    if (*from == '-' || *from == '.' || (*from >= '0' && *from <= '9'))
        return LT_SPAN_NULL;
    while (name_char(**p))
        (*p)++;
    return lt_span(from, (size_t)(*p - from));
}

static void skip_space(const char **p)
{
    while (**p == ' ' || **p == '\t' || **p == '\r' || **p == '\n')
        (*p)++;
}

/* NAME, PREFIX:NAME, PREFIX:* or *; false when it is something else. */
static bool take_test(const char **p, struct one_step *step, const struct lt_xml_ns *namespaces, size_t n)
{
    struct lt_span first, second = LT_SPAN_NULL;
    bool star = false;
    if (**p == '*') {
        (*p)++;
        step->any_namespace = true;
        return true;
    }
    first = take_name(p);
    if (!first.len)
        return false;
    if (**p == ':' && (*p)[1] != ':') {
        (*p)++;
        star = **p == '*';
        if (star)
            (*p)++;
        else
            second = take_name(p);
        if (!star && !second.len)
            return false;
        for (size_t i = 0; i < n; i++) {
            if (lt_span_is(first, namespaces[i].prefix))
                step->uri = lt_strdup(namespaces[i].uri);
        }
        if (!step->uri)
            return false;
    } else {
        second = first;
    }
    if (!star)
        step->name = lt_strndup(second.ptr, second.len);
    return true;
}

static bool take_step(const char **p, struct lt_xpath_steps *path, const struct lt_xml_ns *namespaces, size_t n)
{
    if (path->steps.len == STEPS_MAX)
        return false;
    struct one_step *step = lt_vec_push(&path->steps);
    *step = (struct one_step){.axis = AXIS_CHILD};
    if (**p == '.') {
        (*p)++;
        if (**p == '.') {
            (*p)++;
            step->axis = AXIS_PARENT;
        } else {
            path->steps.len--;
        }
        return true;
    }
    if (**p == '@') {
        (*p)++;
        step->axis = AXIS_ATTRIBUTE;
    }
    return take_test(p, step, namespaces, n);
}

/* After a step only white space, "/" and another step, or the end; after an attribute only the end. */
static bool compile(const char *p, struct lt_xpath_steps *path, const struct lt_xml_ns *namespaces, size_t n)
{
    skip_space(&p);
    if (*p == '/') {
        path->absolute = true;
        p++;
    }
    for (;;) {
        skip_space(&p);
        if (!take_step(&p, path, namespaces, n))
            return false;
        skip_space(&p);
        if (!*p)
            return true;
        if (*p++ != '/')
            return false;
        if (path->steps.len && path->steps.v[path->steps.len - 1].axis == AXIS_ATTRIBUTE)
            return false;
    }
}

struct lt_xpath_steps *lt_xpath_steps_compile(const char *expr, const struct lt_xml_ns *namespaces, size_t n_namespaces)
{
    struct lt_xpath_steps *path = lt_alloc(sizeof(*path));
    if (!compile(expr, path, namespaces, n_namespaces)) {
        lt_xpath_steps_free(path);
        return NULL;
    }
    return path;
}

void lt_xpath_steps_free(struct lt_xpath_steps *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->steps.len; i++) {
        free(p->steps.v[i].name);
        free(p->steps.v[i].uri);
    }
    lt_vec_deinit(&p->steps);
    free(p);
}

/* ---- walk ---- */

struct visit {
    const struct lt_xpath_steps *path;
    size_t max;
    lt_xml_nodes *out;
    const xmlNs *last_ns; /* the namespace that was compared last, and whether it was the one wanted then */
    const char *last_uri;
    bool last_same;
    const xmlNode *parents[STEPS_MAX]; /* of each ".." step the last one gone through */
};

static bool test(struct visit *v, const struct one_step *step, const xmlNs *ns, const xmlChar *name)
{
    if (step->name && (name[0] != (xmlChar)step->name[0] || strcmp((const char *)name, step->name) != 0))
        return false;
    if (step->any_namespace)
        return true;
    if (!step->uri || !ns)
        return !step->uri && !ns;
    if (v->last_ns != ns || v->last_uri != step->uri) {
        v->last_ns = ns;
        v->last_uri = step->uri;
        v->last_same = ns->href && strcmp((const char *)ns->href, step->uri) == 0;
    }
    return v->last_same;
}

static bool full(const struct visit *v)
{
    return v->out->len >= v->max;
}

static void visit(struct visit *v, const xmlNode *n, size_t depth);

static void visit_attributes(struct visit *v, const xmlNode *n, const struct one_step *step)
{
    for (const xmlAttr *at = n->properties; at && !full(v); at = at->next) {
        if (test(v, step, at->ns, at->name))
            *lt_vec_push(v->out) = (lt_xml_node){(void *)at};
    }
}

static void visit(struct visit *v, const xmlNode *n, size_t depth)
{
    bool element = n->type == XML_ELEMENT_NODE, document = n->type == XML_DOCUMENT_NODE;
    if (depth == v->path->steps.len) {
        lt_xml_nodes *out = v->out;
        if (!document)
            *lt_vec_push(out) = lt_xml_lend(n);
        return;
    }
    const struct one_step *step = &v->path->steps.v[depth];
    switch (step->axis) {
    case AXIS_PARENT:
        if (n->parent && v->parents[depth] != n->parent) {
            v->parents[depth] = n->parent;
            visit(v, n->parent, depth + 1);
        }
        break;
    case AXIS_ATTRIBUTE:
        if (element)
            visit_attributes(v, n, step);
        break;
    case AXIS_CHILD:
        for (const xmlNode *c = element || document ? n->children : NULL; c && !full(v); c = c->next) {
            if (c->type == XML_ELEMENT_NODE && test(v, step, c->ns, c->name))
                visit(v, c, depth + 1);
        }
        break;
    }
}

void lt_xpath_steps_walk(const struct lt_xpath_steps *p, lt_xml_node at, size_t max, lt_xml_nodes *out)
{
    struct visit v = {.path = p, .max = max, .out = out};
    const xmlNode *n = lt_xml_of(at);
    if (n)
        visit(&v, p->absolute ? (const xmlNode *)n->doc : n, 0);
}
