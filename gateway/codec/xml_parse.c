/*
 * Text to document.
 *
 * libxml2 only ever sees UTF-8 that was checked here: UTF-16 is converted first, every other encoding is refused by
 * name. A DOCTYPE stops the parser in the callback that announces it, before anything in it is read; depth and
 * attributes are counted in the callback of each element.
 */
#include "gateway/codec/utf8_check.h"
#include "gateway/codec/xml_internal.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlschemastypes.h>

/* ---- once a process ---- */

static _Thread_local char allowed_folder[PATH_MAX];
static _Thread_local char refused_file[256];

void lt_xml_allow_folder(const char *real_path)
{
    snprintf(allowed_folder, sizeof(allowed_folder), "%s", real_path ? real_path : "");
    refused_file[0] = '\0';
}

const char *lt_xml_refused_file(void)
{
    return refused_file;
}

/* For all of libxml2 in this process: a file in the folder that is allowed just now, or nothing. */
static xmlParserInput *load_entity(const char *url, const char *id, xmlParserCtxt *ctxt)
{
    char real[PATH_MAX];
    (void)id;
    if (allowed_folder[0] && url && realpath(url, real)) {
        char *slash = strrchr(real, '/');
        *slash = '\0';
        bool inside = strcmp(real, allowed_folder) == 0;
        *slash = '/';
        if (inside)
            return xmlNewInputFromFile(ctxt, real);
    }
    if (!refused_file[0])
        snprintf(refused_file, sizeof(refused_file), "%s", url ? url : "?");
    return NULL;
}

static void say_nothing(void *ctx, const char *msg, ...)
{
    (void)ctx;
    (void)msg;
}

static void hear_nothing(void *ctx, xmlErrorPtr e)
{
    (void)ctx;
    (void)e;
}

static void init_once(void)
{
    LIBXML_TEST_VERSION
    xmlInitParser();
    xmlSchemaInitTypes(); /* not guarded by libxml2 when two threads load their first schema */
    xmlSetExternalEntityLoader(load_entity);
    /* The handlers of the main thread and the defaults of those that start later. */
    xmlSetGenericErrorFunc(NULL, say_nothing);
    xmlSetStructuredErrorFunc(NULL, hear_nothing);
    xmlThrDefSetGenericErrorFunc(NULL, say_nothing);
    xmlThrDefSetStructuredErrorFunc(NULL, hear_nothing);
}

void lt_xml_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
}

const char *lt_xml_message(const xmlError *e, char *out, size_t size)
{
    snprintf(out, size, "%s", e && e->message ? e->message : "unknown error");
    size_t len = strlen(out), bad;
    if (!lt_utf8_valid(lt_span(out, len), &bad)) /* cut within a character, or bytes quoted from bad input */
        out[len = bad] = '\0';
    while (len && (out[len - 1] == '\n' || out[len - 1] == ' '))
        out[--len] = '\0';
    return out;
}

/* ---- encoding ---- */

static void locate(struct lt_span s, size_t offset, struct lt_err *err)
{
    if (!err)
        return;
    err->line = err->column = 1;
    for (size_t i = 0; i < offset && i < s.len; i++) {
        if (s.ptr[i] == '\n') {
            err->line++;
            err->column = 1;
        } else if (((unsigned char)s.ptr[i] & 0xC0) != 0x80) {
            err->column++;
        }
    }
}

static int encoding_error(struct lt_err *err, const char *what)
{
    return lt_err_set(err, LT_E_INVALID, "xml-encoding", "%s; expected UTF-8, or UTF-16 with a byte order mark", what);
}

static void put_utf8(char *out, size_t *at, uint32_t cp)
{
    if (cp < 0x80) {
        out[(*at)++] = (char)cp;
        return;
    }
    if (cp < 0x800) {
        out[(*at)++] = (char)(0xC0 | cp >> 6);
    } else {
        if (cp < 0x10000) {
            out[(*at)++] = (char)(0xE0 | cp >> 12);
        } else {
            out[(*at)++] = (char)(0xF0 | cp >> 18);
            out[(*at)++] = (char)(0x80 | (cp >> 12 & 0x3F));
        }
        out[(*at)++] = (char)(0x80 | (cp >> 6 & 0x3F));
    }
    out[(*at)++] = (char)(0x80 | (cp & 0x3F));
}

/* ret is the caller's. The line of an error is counted in what was converted before it. */
static int from_utf16(struct lt_span s, bool big, char **ret, size_t *ret_len, struct lt_err *err)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    char *out = lt_realloc(NULL, s.len / 2 * 3 + 1);
    size_t len = 0, i = 0;
    bool good = true;
    for (; good && i + 1 < s.len; i += 2) {
        uint32_t cp = big ? (uint32_t)p[i] << 8 | p[i + 1] : (uint32_t)p[i + 1] << 8 | p[i];
        if (cp >= 0xD800 && cp <= 0xDFFF) {
            uint32_t low = 0;
            if (cp <= 0xDBFF && i + 3 < s.len)
                low = big ? (uint32_t)p[i + 2] << 8 | p[i + 3] : (uint32_t)p[i + 3] << 8 | p[i + 2];
            good = low >= 0xDC00 && low <= 0xDFFF;
            cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
            i += 2;
        }
        if (good)
            put_utf8(out, &len, cp);
    }
    if (!good || i != s.len) {
        encoding_error(err, good ? "half a character at the end of UTF-16" : "half of a surrogate pair in UTF-16");
        locate(lt_span(out, len), len, err);
        free(out);
        return LT_E_INVALID;
    }
    *ret = out;
    *ret_len = len;
    return LT_OK;
}

/* The name in <?xml ... encoding="name"?>, empty when there is none. s is ASCII-compatible. */
static struct lt_span declared_encoding(struct lt_span s)
{
    if (!lt_span_starts(s, "<?xml") || s.len < 6 || !strchr(" \t\r\n", s.ptr[5]))
        return LT_SPAN_NULL;
    const char *end = memmem(s.ptr, LT_MIN(s.len, (size_t)1024), "?>", 2);
    struct lt_span decl = lt_span(s.ptr, end ? (size_t)(end - s.ptr) : LT_MIN(s.len, (size_t)1024));
    const char *word = memmem(decl.ptr, decl.len, "encoding", 8);
    if (!word)
        return LT_SPAN_NULL;
    struct lt_span rest = lt_span(word + 8, (size_t)(decl.ptr + decl.len - word) - 8);
    rest = lt_span_trim(rest);
    if (!lt_span_starts(rest, "="))
        return LT_SPAN_NULL;
    rest = lt_span_trim(lt_span(rest.ptr + 1, rest.len - 1));
    if (rest.len < 2 || (rest.ptr[0] != '"' && rest.ptr[0] != '\''))
        return LT_SPAN_NULL;
    const char *close = memchr(rest.ptr + 1, rest.ptr[0], rest.len - 1);
    return close ? lt_span(rest.ptr + 1, (size_t)(close - rest.ptr) - 1) : LT_SPAN_NULL;
}

static bool is_word(struct lt_span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

enum form { FORM_UTF8, FORM_UTF16_LE, FORM_UTF16_BE, FORM_UTF32, FORM_EBCDIC };

static enum form form_of(struct lt_span s, size_t *ret_mark)
{
    static const struct {
        const char *start;
        size_t len, mark;
        enum form form;
    } forms[] = {
        {"\xFF\xFE\0\0", 4, 4, FORM_UTF32}, {"\0\0\xFE\xFF", 4, 4, FORM_UTF32},
        {"<\0\0\0", 4, 0, FORM_UTF32},      {"\0\0\0<", 4, 0, FORM_UTF32},
        {"\xFF\xFE", 2, 2, FORM_UTF16_LE},  {"\xFE\xFF", 2, 2, FORM_UTF16_BE},
        {"<\0", 2, 0, FORM_UTF16_LE},       {"\0<", 2, 0, FORM_UTF16_BE},
        {"\xEF\xBB\xBF", 3, 3, FORM_UTF8},  {"\x4C\x6F\xA7\x94", 4, 0, FORM_EBCDIC},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(forms); i++) {
        if (s.len >= forms[i].len && memcmp(s.ptr, forms[i].start, forms[i].len) == 0) {
            *ret_mark = forms[i].mark;
            return forms[i].form;
        }
    }
    *ret_mark = 0;
    return FORM_UTF8;
}

/* Taken from bytes that nobody checked yet. */
static const char *shown_name(struct lt_span name, char *out, size_t size)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
            return "an unknown encoding";
    }
    snprintf(out, size, LT_SPAN_FMT, (int)LT_MIN(name.len, size - 1), name.ptr);
    return out;
}

static int declared_error(struct lt_span name, bool utf16, struct lt_err *err)
{
    char what[128], shown[40];
    const char *but = utf16                                                      ? " but the text is UTF-16"
                      : name.len >= 6 && is_word(lt_span(name.ptr, 6), "UTF-16") ? " but the text is not"
                                                                                 : "";
    snprintf(what, sizeof(what), "the XML declaration says %s%s", shown_name(name, shown, sizeof(shown)), but);
    encoding_error(err, what);
    if (err)
        err->line = 1;
    return LT_E_INVALID;
}

/* *ret is checked UTF-8 without mark; *ret_own what to free. */
static int to_utf8(struct lt_span s, struct lt_span *ret, char **ret_own, struct lt_err *err)
{
    size_t mark, len = 0;
    enum form form = form_of(s, &mark);
    char *own = NULL;
    if (form == FORM_UTF32)
        return encoding_error(err, "the text is UTF-32");
    if (form == FORM_EBCDIC)
        return encoding_error(err, "the text is EBCDIC");
    s = lt_span(s.ptr ? s.ptr + mark : "", s.len - mark);
    bool utf16 = form != FORM_UTF8;
    if (utf16) {
        int rc = from_utf16(s, form == FORM_UTF16_BE, &own, &len, err);
        if (rc)
            return rc;
        s = lt_span(own, len);
    }
    struct lt_span name = declared_encoding(s);
    bool fits =
        !name.len || (utf16 ? is_word(name, "UTF-16") || is_word(name, form == FORM_UTF16_BE ? "UTF-16BE" : "UTF-16LE")
                            : is_word(name, "UTF-8") || is_word(name, "UTF8") || is_word(name, "US-ASCII"));
    if (!fits) {
        int rc = declared_error(name, utf16, err);
        free(own);
        return rc;
    }
    size_t bad = 0;
    if (!utf16 && !lt_codec_utf8_valid(s, &bad)) {
        encoding_error(err, "a byte that is not UTF-8");
        locate(s, bad, err);
        return LT_E_INVALID;
    }
    const char *nul = s.len ? memchr(s.ptr, 0, s.len) : NULL;
    if (nul) {
        lt_err_set(err, LT_E_INVALID, "xml-syntax", "U+0000 is not allowed in XML");
        locate(s, (size_t)(nul - s.ptr), err);
        free(own);
        return LT_E_INVALID;
    }
    *ret = s;
    *ret_own = own;
    return LT_OK;
}

/* ---- parse ---- */

/* Lives beside the parser context as its _private. */
struct watch {
    unsigned depth, depth_max;
    bool doctype, too_deep, too_many;
    bool failed;
    int line, column;
    char text[256];
};

static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    xmlParserCtxt *ctxt = ctx;
    struct watch *w = ctxt->_private;
    (void)name;
    (void)external;
    (void)system;
    if (!w->doctype && !w->failed) {
        w->doctype = true;
        w->line = ctxt->input ? ctxt->input->line : 0;
        w->column = ctxt->input ? ctxt->input->col : 0;
    }
    xmlStopParser(ctxt);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int nb_namespaces,
                     const xmlChar **namespaces, int nb_attributes, int nb_defaulted, const xmlChar **attributes)
{
    xmlParserCtxt *ctxt = ctx;
    struct watch *w = ctxt->_private;
    if (w->too_deep || w->too_many)
        return;
    w->depth++;
    w->too_deep = w->depth > w->depth_max;
    w->too_many = ctxt->nsNr / 2 > LT_XML_ATTRIBUTES_MAX;
    if (w->too_deep || w->too_many) {
        w->line = ctxt->input ? ctxt->input->line : 0;
        w->column = ctxt->input ? ctxt->input->col : 0;
        xmlStopParser(ctxt);
        return;
    }
    xmlSAX2StartElementNs(ctx, name, prefix, uri, nb_namespaces, namespaces, nb_attributes, nb_defaulted, attributes);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    xmlParserCtxt *ctxt = ctx;
    struct watch *w = ctxt->_private;
    if (w->too_deep || w->too_many)
        return;
    w->depth--;
    xmlSAX2EndElementNs(ctx, name, prefix, uri);
}

/* The first fault; warnings (a relative namespace name) are none. */
static void on_error(void *user, xmlErrorPtr e)
{
    xmlParserCtxt *ctxt = user;
    struct watch *w = ctxt->_private;
    if (w->failed || w->doctype || w->too_deep || w->too_many || e->level < XML_ERR_ERROR)
        return;
    w->failed = true;
    w->line = e->line;
    w->column = e->int2;
    lt_xml_message(e, w->text, sizeof(w->text));
}

/* Counts the quoted values of the tag that starts s. */
static bool tag_is_crowded(struct lt_span s)
{
    size_t values = 0;
    for (size_t i = 0; i < s.len && s.ptr[i] != '>'; i++) {
        if (s.ptr[i] != '"' && s.ptr[i] != '\'')
            continue;
        const char *end = memchr(s.ptr + i + 1, s.ptr[i], s.len - i - 1);
        if (++values > LT_XML_ATTRIBUTES_MAX || !end)
            return values > LT_XML_ATTRIBUTES_MAX;
        i = (size_t)(end - s.ptr);
    }
    return false;
}

/*
 * The parser compares the attributes of an element with each other before it calls us, so they are counted here first.
 * A value cannot hold '<', so a tag ends before the next one, and one with that many attributes (" a=''" each) is long.
 * Returns the offset of an element with too many, or s.len.
 */
static size_t too_many_attributes(struct lt_span s)
{
    const char *end = s.ptr + s.len, *tag = s.len ? memchr(s.ptr, '<', s.len) : NULL;
    while (tag) {
        const char *next = memchr(tag + 1, '<', (size_t)(end - tag) - 1);
        size_t len = (size_t)((next ? next : end) - tag);
        if (len > 5 * LT_XML_ATTRIBUTES_MAX && tag[1] != '!' && tag[1] != '?' && tag_is_crowded(lt_span(tag, len)))
            return (size_t)(tag - s.ptr);
        tag = next;
    }
    return s.len;
}

static int too_many_error(struct lt_err *err)
{
    return lt_err_set(err, LT_E_LIMIT, "xml-size", "more than %d attributes in one element, or namespaces in scope",
                      LT_XML_ATTRIBUTES_MAX);
}

static int verdict(const struct watch *w, struct lt_err *err)
{
    int rc;
    if (w->doctype)
        rc = lt_err_set(err, LT_E_INVALID, "xml-doctype", "a DOCTYPE is not accepted; send the document without it");
    else if (w->too_deep)
        rc = lt_err_set(err, LT_E_LIMIT, "xml-depth", "elements nested deeper than %u levels", w->depth_max);
    else if (w->too_many)
        rc = too_many_error(err);
    else
        rc = lt_err_set(err, LT_E_INVALID, "xml-syntax", "%s",
                        w->failed ? w->text : "expected an XML document, got nothing");
    if (err) {
        err->line = w->line;
        err->column = w->column;
    }
    return rc;
}

static int parse_utf8(struct lt_span s, unsigned depth_max, xmlDoc **ret, struct lt_err *err)
{
    struct watch w = {.depth_max = LT_MIN(depth_max, (unsigned)LT_XML_DEPTH_CAP)};
    size_t crowded = too_many_attributes(s);
    if (crowded < s.len) {
        int rc = too_many_error(err);
        locate(s, crowded, err);
        return rc;
    }
    xmlParserCtxt *ctxt = xmlNewParserCtxt();
    if (!ctxt)
        abort();
    ctxt->_private = &w;
    ctxt->sax->internalSubset = on_doctype;
    ctxt->sax->externalSubset = on_doctype;
    ctxt->sax->startElementNs = on_start;
    ctxt->sax->endElementNs = on_end;
    ctxt->sax->serror = on_error;
    /* NOCDATA: CDATA becomes text. The declaration was judged by us, so it is not looked at again. */
    xmlDoc *doc = xmlCtxtReadMemory(ctxt, s.len ? s.ptr : "", (int)s.len, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC | XML_PARSE_BIG_LINES |
                                        XML_PARSE_COMPACT);
    bool good = doc && ctxt->wellFormed && !w.doctype && !w.too_deep && !w.too_many && !w.failed;
    xmlFreeParserCtxt(ctxt);
    if (!good) {
        xmlFreeDoc(doc);
        return verdict(&w, err);
    }
    *ret = doc;
    return LT_OK;
}

int lt_xml_parse(struct lt_span s, const struct lt_xml_limits *limits, struct lt_xml **ret, struct lt_err *err)
{
    lt_xml_init();
    if (s.len > limits->bytes_max || s.len > INT_MAX / 2)
        return lt_err_set(err, LT_E_LIMIT, "xml-size", "%zu bytes, expected at most %zu", s.len, limits->bytes_max);
    LT_AUTOFREE char *own = NULL;
    xmlDoc *doc = NULL;
    int rc = to_utf8(s, &s, &own, err);
    if (!rc)
        rc = parse_utf8(s, limits->depth_max, &doc, err);
    if (rc)
        return rc;
    *ret = lt_alloc(sizeof(**ret));
    (*ret)->doc = doc;
    return LT_OK;
}

void lt_xml_free(struct lt_xml *x)
{
    if (!x)
        return;
    xmlFreeDoc(x->doc);
    free(x);
}

void lt_xml_freep(struct lt_xml **x)
{
    lt_xml_free(*x);
    *x = NULL;
}
