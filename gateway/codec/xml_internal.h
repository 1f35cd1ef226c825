/* What the files behind xml.h share. Private to gateway/codec. */
#ifndef LT_CODEC_XML_INTERNAL_H
#define LT_CODEC_XML_INTERNAL_H

#include <libxml/tree.h>
#include <libxml/xmlerror.h>

#include "gateway/codec/xml.h"

/* libxml2 keeps elements deeper than 256 out by itself, with a vaguer message: limits above this one count as it. */
#define LT_XML_DEPTH_CAP 250
#define LT_XML_ATTRIBUTES_MAX 256 /* of one element, and namespaces in scope: its checks of them are quadratic */

struct lt_xml {
    xmlDoc *doc;
};

static inline xmlNode *lt_xml_of(lt_xml_node n)
{
    return n.n;
}

static inline lt_xml_node lt_xml_lend(const xmlNode *n)
{
    return (lt_xml_node){(void *)n};
}

static inline struct lt_span lt_xml_span(const xmlChar *s)
{
    return lt_span_str((const char *)s);
}

/* The message of libxml2 without its newline, in out. */
const char *lt_xml_message(const xmlError *e, char *out, size_t size);

/* Text and pointer of err from one message of the schema validator. */
void lt_xsd_explain(const xmlError *e, struct lt_err *err);

/* While a folder is set, the files in it and only they can be opened, by this thread; otherwise nothing can be. */
void lt_xml_allow_folder(const char *real_path);
/* The first file that was refused or not found since, "" when none; lent. */
const char *lt_xml_refused_file(void);

#endif
