/*
 * The messages of libxml2's schema validator as sentences for the sender.
 *
 *   Element '{urn:x}MaHoSo': [facet 'minLength'] The value '' has a length of '0'; this underruns the allowed ...
 *   MaHoSo: expected at least 5 characters, got ''
 *
 * The code of a message says which sentence it is; what it demands stands in quotes at its end. Messages this file
 * does not know keep their own words, without namespaces.
 */
#include "gateway/base/text.h"
#include "gateway/codec/xml_internal.h"

#include <stdio.h>

#define VALUE_CHARS_MAX 40
#define LIST_BYTES_MAX 200

/* ---- pieces of a message ---- */

/* What stands in the last pair of quotes: the value comes before it and may hold quotes itself. */
static struct lt_span last_quoted(const char *m)
{
    const char *end = strrchr(m, '\'');
    if (!end || end == m)
        return lt_span("", 0);
    const char *from = end - 1;
    while (from > m && *from != '\'')
        from--;
    return *from == '\'' ? lt_span(from + 1, (size_t)(end - from) - 1) : lt_span("", 0);
}

/* What follows the last `after`, up to the last `until`. */
static struct lt_span between(const char *m, const char *after, const char *until)
{
    const char *from = NULL;
    for (const char *p = strstr(m, after); p; p = strstr(p + 1, after))
        from = p;
    if (!from)
        return lt_span("", 0);
    from += strlen(after);
    const char *to = NULL;
    for (const char *p = strstr(from, until); p; p = strstr(p + 1, until))
        to = p;
    return lt_span(from, to ? (size_t)(to - from) : strlen(from));
}

/* Copy without {namespace} before names and * for any, "a, b" from "a, b". */
static void plain_names(struct lt_span s, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < s.len && used + 5 < size; i++) {
        if (s.ptr[i] == '{') {
            const char *close = memchr(s.ptr + i, '}', s.len - i);
            if (close) {
                i = (size_t)(close - s.ptr);
                continue;
            }
        }
        out[used++] = s.ptr[i];
    }
    bool cut = used + 5 >= size;
    size_t bad;
    if (!lt_utf8_valid(lt_span(out, used), &bad)) /* cut within a character */
        used = bad;
    out[used] = '\0';
    if (cut)
        strcpy(out + used, "\u2026");
}

/*
 * The element of a message, or its attribute: "Element 'X', attribute '{ns}a': [facet ...". The validator gives the
 * element for both.
 */
static const xmlNode *place_of(const xmlError *e)
{
    const xmlNode *n = e->node;
    const char *colon = e->message ? strstr(e->message, "': ") : NULL,
               *word = e->message ? strstr(e->message, "', attribute '") : NULL;
    if (!n || n->type != XML_ELEMENT_NODE || !word || word > colon)
        return n;
    struct lt_span name = lt_span(word + 14, (size_t)(colon - word) - 14), uri = lt_span("", 0);
    const char *brace = memrchr(name.ptr, '}', name.len);
    if (name.ptr[0] == '{' && brace) {
        uri = lt_span(name.ptr + 1, (size_t)(brace - name.ptr) - 1);
        name = lt_span(brace + 1, (size_t)(name.ptr + name.len - brace) - 1);
    }
    for (const xmlAttr *at = n->properties; at; at = at->next) {
        lt_xml_node one = lt_xml_lend((const xmlNode *)at);
        if (lt_span_eq(lt_xml_name(one), name) && lt_span_eq(lt_xml_namespace(one), uri))
            return (const xmlNode *)at;
    }
    return n;
}

/* The text in question, in quotes. */
static const char *shown_value(const xmlError *e, struct lt_arena *a)
{
    struct lt_span s = lt_xml_text(lt_xml_lend(place_of(e)), a);
    struct lt_span first = lt_text_first_chars(s, VALUE_CHARS_MAX);
    return lt_arena_printf(a, "'" LT_SPAN_FMT "%s'", LT_SPAN_ARG(first), first.len < s.len ? "\u2026" : "");
}

static const char *characters(struct lt_span n)
{
    return lt_span_is(n, "1") ? "character" : "characters";
}

/* ---- sentences ---- */

/* "Expected is ( a )." or "Expected is one of ( a, b )." */
static void expected_names(const char *m, const char *sentence_none, const char *what, char *out, size_t size)
{
    char names[LIST_BYTES_MAX];
    struct lt_span list = lt_span_trim(between(m, "( ", " )"));
    if (!strstr(m, "Expected is")) {
        snprintf(out, size, "%s", sentence_none);
        return;
    }
    plain_names(list, names, sizeof(names));
    snprintf(out, size, "expected %s%s%s", strstr(m, "one of") ? "one of " : "", names, what);
}

/* 'xs:dateTime' or a type of the schema or "local". */
static const char *type_words(struct lt_span type)
{
    static const struct {
        const char *type, *words;
    } known[] = {
        {"xs:date", "a date like 2024-01-31"},
        {"xs:dateTime", "a date and time like 2024-01-31T08:30:00+07:00"},
        {"xs:time", "a time like 08:30:00"},
        {"xs:boolean", "true or false"},
        {"xs:decimal", "a number"},
        {"xs:double", "a number"},
        {"xs:float", "a number"},
        {"xs:integer", "a whole number"},
        {"xs:int", "a whole number"},
        {"xs:long", "a whole number"},
        {"xs:short", "a whole number"},
        {"xs:nonNegativeInteger", "a whole number of 0 or more"},
        {"xs:unsignedInt", "a whole number of 0 or more"},
        {"xs:unsignedLong", "a whole number of 0 or more"},
        {"xs:positiveInteger", "a whole number of 1 or more"},
        {"xs:anyURI", "an address (URI)"},
        {"xs:base64Binary", "base64"},
        {"xs:hexBinary", "hexadecimal digits"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(known); i++) {
        if (lt_span_is(type, known[i].type))
            return known[i].words;
    }
    return NULL;
}

static void type_sentence(const xmlError *e, const char *m, struct lt_arena *a, char *out, size_t size)
{
    const char *marker = strstr(m, "type '");
    struct lt_span type = marker ? last_quoted(m) : lt_span("", 0);
    const char *words = type_words(type);
    char name[LIST_BYTES_MAX];
    plain_names(type, name, sizeof(name));
    if (words)
        snprintf(out, size, "expected %s, got %s", words, shown_value(e, a));
    else
        snprintf(out, size, "expected a value of %s%s%s, got %s", name[0] ? "the type " : "its type", name,
                 strstr(m, "list type") ? " (a list)" : "", shown_value(e, a));
}

static void limit_sentence(const xmlError *e, const char *m, const char *format, struct lt_arena *a, char *out,
                           size_t size)
{
    struct lt_span limit = last_quoted(m);
    char *demand = lt_arena_str(a, limit);
    char *head = lt_arena_printf(a, "%s", format);
    snprintf(out, size, "expected %s %s, got %s", head, demand, shown_value(e, a));
}

static void length_sentence(const xmlError *e, const char *m, const char *how, struct lt_arena *a, char *out,
                            size_t size)
{
    struct lt_span limit = last_quoted(m);
    struct lt_span value = lt_xml_text(lt_xml_lend(place_of(e)), a);
    size_t n = lt_text_chars(value);
    if (n <= VALUE_CHARS_MAX / 2)
        snprintf(out, size, "expected %s" LT_SPAN_FMT " %s, got %s", how, LT_SPAN_ARG(limit), characters(limit),
                 shown_value(e, a));
    else
        snprintf(out, size, "expected %s" LT_SPAN_FMT " %s, got %zu", how, LT_SPAN_ARG(limit), characters(limit), n);
}

static void enumeration_sentence(const xmlError *e, const char *m, struct lt_arena *a, char *out, size_t size)
{
    char list[LIST_BYTES_MAX];
    plain_names(between(m, "of the set {", "}"), list, sizeof(list));
    snprintf(out, size, "expected %s%s, got %s", strchr(list, ',') ? "one of " : "", list, shown_value(e, a));
}

/* The attribute a message is about, without namespace. */
static void attribute_name(const char *m, char *out, size_t size)
{
    plain_names(between(m, "The attribute '", "' is"), out, size);
}

static bool is_attribute_fault(int code)
{
    return code == XML_SCHEMAV_CVC_COMPLEX_TYPE_3_2_1 || code == XML_SCHEMAV_CVC_COMPLEX_TYPE_3_2_2 ||
           code == XML_SCHEMAV_CVC_TYPE_3_1_1 || code == XML_SCHEMAV_CVC_COMPLEX_TYPE_4;
}

/* The message without "Element 'X': " and "[facet 'y'] ", names without namespaces. */
static void own_words(const char *m, char *out, size_t size)
{
    const char *p = strstr(m, "': ");
    p = p && (lt_span_starts(lt_span_str(m), "Element '")) ? p + 3 : m;
    if (*p == '[') {
        const char *close = strstr(p, "] ");
        p = close ? close + 2 : p;
    }
    size_t len = strlen(p);
    if (len && p[len - 1] == '.')
        len--;
    plain_names(lt_span(p, len), out, size);
}

static void sentence(const xmlError *e, const char *m, struct lt_arena *a, char *out, size_t size)
{
    char name[LIST_BYTES_MAX];
    switch (e->code) {
    case XML_SCHEMAV_CVC_MINLENGTH_VALID:
        length_sentence(e, m, "at least ", a, out, size);
        break;
    case XML_SCHEMAV_CVC_MAXLENGTH_VALID:
        length_sentence(e, m, "at most ", a, out, size);
        break;
    case XML_SCHEMAV_CVC_LENGTH_VALID:
        length_sentence(e, m, "", a, out, size);
        break;
    case XML_SCHEMAV_CVC_PATTERN_VALID:
        limit_sentence(e, m, "a text like", a, out, size);
        break;
    case XML_SCHEMAV_CVC_ENUMERATION_VALID:
        enumeration_sentence(e, m, a, out, size);
        break;
    case XML_SCHEMAV_CVC_MININCLUSIVE_VALID:
        limit_sentence(e, m, "a value of at least", a, out, size);
        break;
    case XML_SCHEMAV_CVC_MAXINCLUSIVE_VALID:
        limit_sentence(e, m, "a value of at most", a, out, size);
        break;
    case XML_SCHEMAV_CVC_MINEXCLUSIVE_VALID:
        limit_sentence(e, m, "a value above", a, out, size);
        break;
    case XML_SCHEMAV_CVC_MAXEXCLUSIVE_VALID:
        limit_sentence(e, m, "a value below", a, out, size);
        break;
    case XML_SCHEMAV_CVC_TOTALDIGITS_VALID:
        limit_sentence(e, m, "at most this number of digits:", a, out, size);
        break;
    case XML_SCHEMAV_CVC_FRACTIONDIGITS_VALID:
        limit_sentence(e, m, "at most this number of digits after the point:", a, out, size);
        break;
    case XML_SCHEMAV_CVC_DATATYPE_VALID_1_2_1:
    case XML_SCHEMAV_CVC_DATATYPE_VALID_1_2_2:
    case XML_SCHEMAV_CVC_DATATYPE_VALID_1_2_3:
        type_sentence(e, m, a, out, size);
        break;
    case XML_SCHEMAV_ELEMENT_CONTENT:
        if (strstr(m, "Missing child element"))
            expected_names(m, "an element is missing", " inside, got the end of the element", out, size);
        else
            expected_names(m, "this element is not allowed here", " here, got this element", out, size);
        break;
    case XML_SCHEMAV_CVC_ELT_1:
        snprintf(out, size, "the schema knows no such element at the top");
        break;
    case XML_SCHEMAV_CVC_COMPLEX_TYPE_2_3:
        snprintf(out, size, "expected elements only, got text between them");
        break;
    case XML_SCHEMAV_CVC_COMPLEX_TYPE_2_1:
        snprintf(out, size, "expected an empty element, got content");
        break;
    case XML_SCHEMAV_CVC_TYPE_3_1_2:
    case XML_SCHEMAV_CVC_COMPLEX_TYPE_2_2:
        snprintf(out, size, "expected a text only, got elements inside");
        break;
    case XML_SCHEMAV_CVC_COMPLEX_TYPE_3_2_1:
    case XML_SCHEMAV_CVC_COMPLEX_TYPE_3_2_2:
    case XML_SCHEMAV_CVC_TYPE_3_1_1:
        attribute_name(m, name, sizeof(name));
        snprintf(out, size, "unknown attribute %s", name);
        break;
    case XML_SCHEMAV_CVC_COMPLEX_TYPE_4:
        attribute_name(m, name, sizeof(name));
        snprintf(out, size, "missing attribute %s", name);
        break;
    case XML_SCHEMAV_CVC_ELT_3_1:
    case XML_SCHEMAV_CVC_ELT_3_2_1:
        snprintf(out, size, "xsi:nil is not allowed here");
        break;
    default:
        own_words(m, name, sizeof(name));
        snprintf(out, size, "%s", name);
        break;
    }
}

void lt_xsd_explain(const xmlError *e, struct lt_err *err)
{
    struct lt_arena a = LT_ARENA_INIT;
    char text[sizeof(err->text)] = "";
    const xmlNode *n = place_of(e);
    char *message = lt_arena_str(&a, lt_span_trim(lt_span_str(e->message ? e->message : "")));
    sentence(e, message, &a, text, sizeof(text));
    bool attribute = n && n->type == XML_ATTRIBUTE_NODE;
    if (n)
        lt_err_set(err, LT_E_INVALID, "xml-schema", "%s%s: %s", attribute ? "@" : "", (const char *)n->name, text);
    else
        lt_err_set(err, LT_E_INVALID, "xml-schema", "%s", text);
    err->line = n ? lt_xml_line(lt_xml_lend(n)) : e->line;
    lt_xml_path_of(lt_xml_lend(n), err->pointer, sizeof(err->pointer));
    if (is_attribute_fault(e->code) && !attribute) {
        char name[LIST_BYTES_MAX];
        size_t used = strlen(err->pointer);
        attribute_name(message, name, sizeof(name));
        if (used + strlen(name) + 3 < sizeof(err->pointer))
            snprintf(err->pointer + used, sizeof(err->pointer) - used, "/@%s", name);
    }
    lt_arena_deinit(&a);
}
