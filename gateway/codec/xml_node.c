/* Walking a document, its texts, and writing an element. */
#include "gateway/codec/xml_internal.h"

#include <stdio.h>

static struct lt_span str(const xmlChar *s)
{
    return s ? lt_xml_span(s) : lt_span("", 0);
}

lt_xml_node lt_xml_root(const struct lt_xml *x)
{
    return lt_xml_lend(xmlDocGetRootElement(x->doc));
}

struct lt_span lt_xml_name(lt_xml_node n)
{
    return n.n ? str(lt_xml_of(n)->name) : lt_span("", 0);
}

struct lt_span lt_xml_namespace(lt_xml_node n)
{
    return n.n && lt_xml_of(n)->ns ? str(lt_xml_of(n)->ns->href) : lt_span("", 0);
}

int lt_xml_line(lt_xml_node n)
{
    const xmlNode *node = lt_xml_of(n);
    if (node && node->type == XML_ATTRIBUTE_NODE)
        node = node->parent;
    return node ? (int)xmlGetLineNo(node) : 0;
}

static xmlNode *element_from(xmlNode *n)
{
    while (n && n->type != XML_ELEMENT_NODE)
        n = n->next;
    return n;
}

lt_xml_node lt_xml_first_child(lt_xml_node n)
{
    if (!n.n || lt_xml_of(n)->type != XML_ELEMENT_NODE)
        return lt_xml_lend(NULL);
    return lt_xml_lend(element_from(lt_xml_of(n)->children));
}

lt_xml_node lt_xml_next(lt_xml_node n)
{
    return lt_xml_lend(n.n ? element_from(lt_xml_of(n)->next) : NULL);
}

lt_xml_node lt_xml_child(lt_xml_node n, const char *ns, const char *name)
{
    lt_xml_node c = lt_xml_first_child(n);
    while (lt_xml_present(c) && !(lt_span_is(lt_xml_name(c), name) && (!ns || lt_span_is(lt_xml_namespace(c), ns))))
        c = lt_xml_next(c);
    return c;
}

/* ---- string value ---- */

static bool is_text(const xmlNode *n)
{
    return n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE;
}

/* The next node of the tree below top, in document order. */
static const xmlNode *walk(const xmlNode *n, const xmlNode *top)
{
    if (n->children && n->type == XML_ELEMENT_NODE)
        return n->children;
    while (n != top && !n->next)
        n = n->parent;
    return n == top ? NULL : n->next;
}

struct lt_span lt_xml_text(lt_xml_node node, struct lt_arena *a)
{
    const xmlNode *top = lt_xml_of(node), *first, *n;
    if (!top)
        return lt_span("", 0);
    if (top->type != XML_ELEMENT_NODE && top->type != XML_ATTRIBUTE_NODE)
        return lt_arena_span(a, str(top->content));
    first = top->children;
    if (!first)
        return lt_span("", 0);
    if (!first->next && is_text(first))
        return lt_arena_span(a, str(first->content));
    size_t len = 0, at = 0;
    for (n = first; n; n = walk(n, top)) {
        if (is_text(n))
            len += str(n->content).len;
    }
    char *out = lt_arena_alloc(a, len + 1);
    for (n = first; n; n = walk(n, top)) {
        if (is_text(n) && n->content) {
            size_t part = strlen((const char *)n->content);
            memcpy(out + at, n->content, part);
            at += part;
        }
    }
    return lt_span(out, len);
}

/* ---- path ---- */

static bool same_name(const xmlNode *a, const xmlNode *b)
{
    return b->type == XML_ELEMENT_NODE && xmlStrEqual(a->name, b->name) &&
           (a->ns == b->ns || (a->ns && b->ns && xmlStrEqual(a->ns->href, b->ns->href)));
}

/* 0: the only one of its name. */
static unsigned place_among_equals(const xmlNode *n)
{
    unsigned before = 0;
    for (const xmlNode *p = n->prev; p; p = p->prev)
        before += same_name(n, p);
    if (before)
        return before + 1;
    for (const xmlNode *p = n->next; p; p = p->next) {
        if (same_name(n, p))
            return 1;
    }
    return 0;
}

/* Steps that do not fit are left out at the front, where they tell least. */
void lt_xml_path_of(lt_xml_node node, char *out, size_t size)
{
    size_t used = 0;
    if (!size)
        return;
    out[0] = '\0';
    for (const xmlNode *n = lt_xml_of(node); n; n = n->parent) {
        char step[256];
        unsigned place = 0;
        if (n->type != XML_ELEMENT_NODE && n->type != XML_ATTRIBUTE_NODE)
            continue;
        const char *prefix = n->ns && n->ns->prefix ? (const char *)n->ns->prefix : NULL;
        int len = snprintf(step, sizeof(step), "/%s%s%s%s", n->type == XML_ATTRIBUTE_NODE ? "@" : "",
                           prefix ? prefix : "", prefix ? ":" : "", (const char *)n->name);
        if (n->type == XML_ELEMENT_NODE)
            place = place_among_equals(n);
        if (place && len > 0 && (size_t)len < sizeof(step))
            len += snprintf(step + len, sizeof(step) - (size_t)len, "[%u]", place);
        if (len < 0 || (size_t)len >= sizeof(step) || used + (size_t)len >= size)
            break;
        memmove(out + len, out, used + 1);
        memcpy(out, step, (size_t)len);
        used += (size_t)len;
    }
}

/* ---- write ---- */

/* lt_buf_xml escapes what must not stand in a text; these would not survive reading: CR, and white space in attributes.
 */
static void write_text(struct lt_buf *out, struct lt_span s, bool attribute)
{
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\r' || (attribute && (c == '\n' || c == '\t'))) {
            if (i > from)
                lt_buf_xml(out, lt_span(s.ptr + from, i - from));
            lt_buf_printf(out, "&#%d;", c);
            from = i + 1;
        }
    }
    if (s.len > from)
        lt_buf_xml(out, lt_span(s.ptr + from, s.len - from));
}

static void write_name(struct lt_buf *out, const xmlNs *ns, const xmlChar *name)
{
    if (ns && ns->prefix) {
        lt_buf_str(out, (const char *)ns->prefix);
        lt_buf_char(out, ':');
    }
    lt_buf_str(out, (const char *)name);
}

static void write_namespace(struct lt_buf *out, const xmlNs *ns)
{
    lt_buf_str(out, ns->prefix ? " xmlns:" : " xmlns");
    if (ns->prefix)
        lt_buf_str(out, (const char *)ns->prefix);
    lt_buf_str(out, "=\"");
    if (ns->href)
        write_text(out, lt_xml_span(ns->href), true);
    lt_buf_char(out, '"');
}

static void write_inherited(struct lt_buf *out, xmlNode *n)
{
    xmlNs **all = xmlGetNsList(n->doc, n);
    for (size_t i = 0; all && all[i]; i++) {
        bool own = false;
        for (const xmlNs *ns = n->nsDef; ns; ns = ns->next)
            own |= xmlStrEqual(ns->prefix, all[i]->prefix);
        if (!own && all[i]->href && (all[i]->href[0] || all[i]->prefix))
            write_namespace(out, all[i]);
    }
    xmlFree(all);
}

static void write_start(struct lt_buf *out, xmlNode *n, bool top)
{
    lt_buf_char(out, '<');
    write_name(out, n->ns, n->name);
    for (const xmlNs *ns = n->nsDef; ns; ns = ns->next)
        write_namespace(out, ns);
    if (top)
        write_inherited(out, n);
    for (const xmlAttr *at = n->properties; at; at = at->next) {
        lt_buf_char(out, ' ');
        write_name(out, at->ns, at->name);
        lt_buf_str(out, "=\"");
        for (const xmlNode *t = at->children; t; t = t->next)
            write_text(out, str(t->content), true);
        lt_buf_char(out, '"');
    }
    lt_buf_str(out, n->children ? ">" : "/>");
}

static void write_end(struct lt_buf *out, const xmlNode *n)
{
    lt_buf_str(out, "</");
    write_name(out, n->ns, n->name);
    lt_buf_char(out, '>');
}

/* Comments and processing instructions say nothing to a receiver and are left out. */
void lt_xml_write(lt_xml_node node, struct lt_buf *out)
{
    xmlNode *top = lt_xml_of(node), *n = top;
    if (!top || top->type != XML_ELEMENT_NODE)
        return;
    for (;;) {
        if (n->type == XML_ELEMENT_NODE) {
            write_start(out, n, n == top);
            if (n->children) {
                n = n->children;
                continue;
            }
        } else if (is_text(n)) {
            write_text(out, str(n->content), false);
        }
        while (n != top && !n->next) {
            n = n->parent;
            write_end(out, n);
        }
        if (n == top)
            return;
        n = n->next;
    }
}
