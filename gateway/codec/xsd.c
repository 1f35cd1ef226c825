/*
 * XML Schema. A schema is compiled once and only read afterwards; the state of a check is made for each check.
 *
 * Files are opened only while a schema is loaded, only by the loading thread and only in the schema's own folder
 * (lt_xml_allow_folder). A check opens nothing: with a schema given, libxml2 ignores xsi:schemaLocation.
 */
#include "gateway/codec/xml_internal.h"

#include <limits.h>
#include <stdio.h>

#include <libxml/xmlschemas.h>

struct lt_xsd {
    xmlSchema *schema;
};

/* The first message; libxml2 sends on what follows from it. */
struct first {
    bool any;
    char file[256];
    int line;
    char text[512];
};

static void on_schema_error(void *user, xmlErrorPtr e)
{
    struct first *f = user;
    if (f->any || e->level < XML_ERR_ERROR)
        return;
    f->any = true;
    f->line = e->line;
    const char *slash = e->file ? strrchr(e->file, '/') : NULL;
    snprintf(f->file, sizeof(f->file), "%s", slash ? slash + 1 : e->file ? e->file : "");
    lt_xml_message(e, f->text, sizeof(f->text));
}

static int load_error(const char *path, const struct first *f, const char *refused, struct lt_err *err)
{
    if (refused[0])
        lt_err_set(err, LT_E_INVALID, "xsd-file", "cannot read %s: expected a file in the folder of the schema",
                   refused);
    else
        lt_err_set(err, LT_E_INVALID, "xsd-file", "%s", f->any ? f->text : "this is not an XML Schema");
    if (err) {
        const char *slash = strrchr(path, '/');
        bool other = f->any && f->file[0] && strcmp(f->file, slash ? slash + 1 : path) != 0;
        snprintf(err->source, sizeof(err->source), "%s", other ? f->file : path);
        err->line = f->any && !refused[0] ? f->line : 0;
    }
    return LT_E_INVALID;
}

int lt_xsd_load(const char *path, struct lt_xsd **ret, struct lt_err *err)
{
    char real[PATH_MAX], folder[PATH_MAX];
    lt_xml_init();
    if (!realpath(path, real)) {
        int rc = lt_err_set(err, LT_E_NOT_FOUND, "xsd-file", "%s: %m", path);
        if (err)
            snprintf(err->source, sizeof(err->source), "%s", path);
        return rc;
    }
    snprintf(folder, sizeof(folder), "%s", real);
    *strrchr(folder, '/') = '\0';

    struct first first = {0};
    lt_xml_allow_folder(folder);
    xmlSchemaParserCtxt *parser = xmlSchemaNewParserCtxt(real);
    if (!parser)
        abort();
    xmlSchemaSetParserStructuredErrors(parser, on_schema_error, &first);
    xmlSchema *schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    char refused[256];
    snprintf(refused, sizeof(refused), "%s", lt_xml_refused_file());
    lt_xml_allow_folder(NULL);

    if (!schema || first.any || refused[0]) { /* an import that was not found is only a warning to libxml2 */
        xmlSchemaFree(schema);
        return load_error(path, &first, refused, err);
    }
    *ret = lt_alloc(sizeof(**ret));
    (*ret)->schema = schema;
    return LT_OK;
}

void lt_xsd_free(struct lt_xsd *s)
{
    if (!s)
        return;
    xmlSchemaFree(s->schema);
    free(s);
}

struct check {
    bool any;
    struct lt_err *err;
};

static void on_violation(void *user, xmlErrorPtr e)
{
    struct check *c = user;
    if (c->any || e->level < XML_ERR_ERROR)
        return;
    c->any = true;
    if (c->err)
        lt_xsd_explain(e, c->err);
}

static int check(const struct lt_xsd *s, xmlDoc *doc, xmlNode *node, struct lt_err *err)
{
    struct check c = {.err = err};
    xmlSchemaValidCtxt *ctxt = xmlSchemaNewValidCtxt(s->schema);
    if (!ctxt)
        abort();
    xmlSchemaSetValidStructuredErrors(ctxt, on_violation, &c);
    int rc = node ? xmlSchemaValidateOneElement(ctxt, node) : xmlSchemaValidateDoc(ctxt, doc);
    xmlSchemaFreeValidCtxt(ctxt);
    if (rc == 0 && !c.any)
        return LT_OK;
    if (!c.any)
        lt_err_set(err, LT_E_INVALID, "xml-schema", "does not fit the schema");
    return LT_E_INVALID;
}

int lt_xsd_check(const struct lt_xsd *s, const struct lt_xml *x, struct lt_err *err)
{
    return check(s, x->doc, NULL, err);
}

int lt_xsd_check_node(const struct lt_xsd *s, lt_xml_node n, struct lt_err *err)
{
    return check(s, NULL, lt_xml_of(n), err);
}

int lt_xsd_check_without(const struct lt_xsd *s, const struct lt_xml *x, const lt_xml_node *without, size_t n,
                         struct lt_err *err)
{
    xmlNode **next = lt_calloc(n + 1, sizeof(*next)), **parent = lt_calloc(n + 1, sizeof(*parent));

    for (size_t i = 0; i < n; i++) {
        xmlNode *node = lt_xml_of(without[i]);
        next[i] = node->next;
        parent[i] = node->parent;
        xmlUnlinkNode(node);
    }
    int rc = check(s, x->doc, NULL, err);
    for (size_t i = n; i-- > 0;) { /* backwards: the next one is in its place again */
        if (next[i])
            xmlAddPrevSibling(next[i], lt_xml_of(without[i]));
        else
            xmlAddChild(parent[i], lt_xml_of(without[i]));
    }
    free(next);
    free(parent);
    return rc;
}
