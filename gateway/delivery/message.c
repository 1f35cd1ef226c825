#include "gateway/delivery/message.h"

#include <string.h>

#define DEPTH_MAX 24

enum source { ID, TYPE, SOURCE, SUBJECT, TIME, PROVINCE, UNIT, PROCEDURE, CHANNEL, DATA, POINTER, LITERAL };
static const char *const sources[] = {"id",   "type",      "source",  "subject", "time", "province",
                                      "unit", "procedure", "channel", "data",    NULL};

struct field {
    const char *name;
    enum source source;
    const char *text; /* of POINTER and LITERAL */
};

struct lt_message {
    bool xml;
    const char *root, *space; /* local name and namespace */
    struct field *fields;
    size_t fields_len;
    struct lt_arena arena;
};

static const struct field everything[] = {{"id", ID, NULL},
                                          {"type", TYPE, NULL},
                                          {"source", SOURCE, NULL},
                                          {"time", TIME, NULL},
                                          {"province", PROVINCE, NULL},
                                          {"unit", UNIT, NULL},
                                          {"procedure", PROCEDURE, NULL},
                                          {"MaHoSo", SUBJECT, NULL},
                                          {"data", DATA, NULL}};

static bool xml_name(struct lt_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '.')))
            return false;
    }
    return s.len > 0;
}

/* ---- reading the configuration ---- */

static void field_read(struct lt_message *m, const struct lt_yaml_node *name, const struct lt_yaml_node *value,
                       struct lt_diags *diags)
{
    struct field *f = &m->fields[m->fields_len++];
    const char *text = value->kind == LT_YAML_SCALAR ? value->text : "";
    *f = (struct field){.name = name->text, .source = LITERAL, .text = text};
    if (m->xml && !xml_name(lt_yaml_text(name)))
        lt_yaml_expected(diags, name, "message.fields", "the name of an XML element");
    if (text[0] == '/') {
        f->source = POINTER;
        return;
    }
    if (text[0] == '=') {
        f->text++;
        return;
    }
    for (int i = 0; sources[i]; i++)
        if (strcmp(sources[i], text) == 0) {
            f->source = (enum source)i;
            return;
        }
    lt_yaml_expected(
        diags, value, name->text,
        "id, type, source, subject, time, province, unit, procedure, channel, data, /a/json/pointer or =text");
}

static void root_read(struct lt_message *m, const struct lt_yaml_node *n, struct lt_diags *diags)
{
    struct lt_span text = n ? lt_yaml_text(n) : LT_SPAN_LIT("{urn:lienthong:thong-bao:1}ThongBao"),
                   space = LT_SPAN_NULL;
    const char *end = text.len > 0 && text.ptr[0] == '{' ? memchr(text.ptr, '}', text.len) : NULL;
    if (end) {
        space = lt_span(text.ptr + 1, (size_t)(end - text.ptr) - 1);
        text = lt_span(end + 1, text.len - space.len - 2);
    }
    if (!xml_name(text))
        lt_yaml_expected(diags, n, "message.root", "{namespace}Element");
    m->root = lt_arena_str(&m->arena, text);
    m->space = lt_arena_str(&m->arena, space);
}

int lt_message_new(const struct lt_yaml_node *n, struct lt_message **ret, struct lt_diags *diags)
{
    static const char *const known[] = {"format", "root", "fields", NULL};
    size_t errors = diags->errors;
    if (n && n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, "message", "a mapping with format, root and fields");
        return LT_E_INVALID;
    }
    struct lt_message *m = lt_alloc(sizeof(*m));
    m->arena = LT_ARENA_INIT;
    lt_yaml_only_keys(diags, n, "message", known);
    const struct lt_yaml_node *format = lt_yaml_get(n, "format"), *fields = lt_yaml_get(n, "fields");
    m->xml = format && lt_span_is(lt_yaml_text(format), "xml");
    if (format && !m->xml && !lt_span_is(lt_yaml_text(format), "json"))
        lt_yaml_expected(diags, format, "message.format", "json or xml");
    root_read(m, lt_yaml_get(n, "root"), diags);
    if (fields && (fields->kind != LT_YAML_MAP || fields->len == 0)) {
        lt_yaml_expected(diags, fields, "message.fields", "a mapping of names to what they take");
    } else if (fields) {
        m->fields = lt_arena_alloc(&m->arena, fields->len * sizeof(*m->fields));
        for (size_t i = 0; i < fields->len; i++)
            field_read(m, fields->keys[i], fields->items[i], diags);
    } else {
        m->fields = lt_arena_alloc(&m->arena, sizeof(everything));
        memcpy(m->fields, everything, sizeof(everything));
        m->fields_len = LT_ARRAY_LEN(everything);
    }
    if (diags->errors > errors) {
        lt_message_free(m);
        return LT_E_INVALID;
    }
    *ret = m;
    return LT_OK;
}

void lt_message_free(struct lt_message *m)
{
    if (!m)
        return;
    lt_arena_deinit(&m->arena);
    free(m);
}

const char *lt_message_media(const struct lt_message *m)
{
    return m->xml ? "application/xml; charset=utf-8" : "application/json; charset=utf-8";
}

/* ---- writing ---- */

static struct lt_span attribute(const struct field *f, const struct lt_event *e)
{
    const struct lt_span values[] = {e->id,       e->type, e->source,    e->subject, e->time,
                                     e->province, e->unit, e->procedure, e->channel};
    return f->source == LITERAL ? lt_span_str(f->text) : values[f->source];
}

/* Object members only: the data of events are objects of objects. */
static lt_json_value at_pointer(lt_json_value v, const char *pointer)
{
    struct lt_span rest = lt_span_str(pointer + 1), part;
    while (lt_json_present(v) && lt_span_cut(&rest, '/', &part)) {
        uint64_t i;
        v = lt_json_type_of(v) == LT_JSON_ARRAY && lt_span_u64(part, &i) ? lt_json_at(v, (size_t)i)
                                                                         : lt_json_member(v, part);
    }
    return v;
}

static lt_json_value value_of(const struct field *f, lt_json_value data)
{
    return f->source == DATA || !lt_json_present(data) ? data : at_pointer(data, f->text);
}

static void write_json(const struct lt_message *m, const struct lt_event *e, lt_json_value data, struct lt_buf *out)
{
    struct lt_json_writer w;
    lt_json_writer_init(&w, out);
    lt_json_begin_object(&w);
    for (size_t i = 0; i < m->fields_len; i++) {
        const struct field *f = &m->fields[i];
        lt_json_key(&w, lt_span_str(f->name));
        if (f->source != DATA && f->source != POINTER) {
            lt_json_put_string(&w, attribute(f, e));
            continue;
        }
        lt_json_value v = value_of(f, data);
        LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(out->max);
        if (lt_json_present(v))
            lt_json_write(v, &text);
        lt_json_put_raw(&w, lt_json_present(v) ? lt_buf_view(&text) : LT_SPAN_LIT("\"\""));
    }
    lt_json_end_object(&w);
}

static void write_element(struct lt_span name, lt_json_value v, unsigned depth, struct lt_arena *a, struct lt_buf *out)
{
    if (!xml_name(name) || depth == 0)
        return;                                                      /* the names of canonical data all are */
    if (lt_json_present(v) && lt_json_type_of(v) == LT_JSON_ARRAY) { /* repeated, whatever their number */
        for (size_t i = 0; i < lt_json_len(v); i++)
            write_element(name, lt_json_at(v, i), depth - 1, a, out);
        return;
    }
    lt_buf_printf(out, "<" LT_SPAN_FMT ">", LT_SPAN_ARG(name));
    if (lt_json_present(v) && lt_json_type_of(v) == LT_JSON_OBJECT) {
        for (size_t i = 0; i < lt_json_len(v); i++) {
            struct lt_span member;
            lt_json_value inner = lt_json_member_at(v, i, &member);
            write_element(member, inner, depth - 1, a, out);
        }
    } else {
        struct lt_span text;
        if (lt_json_present(v) && lt_json_scalar(v, a, &text))
            lt_buf_xml(out, text);
    }
    lt_buf_printf(out, "</" LT_SPAN_FMT ">", LT_SPAN_ARG(name));
}

static void write_xml(const struct lt_message *m, const struct lt_event *e, lt_json_value data, struct lt_buf *out)
{
    struct lt_arena a = LT_ARENA_INIT;
    lt_buf_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s", m->root);
    if (*m->space) {
        lt_buf_str(out, " xmlns=\"");
        lt_buf_xml(out, lt_span_str(m->space));
        lt_buf_char(out, '"');
    }
    lt_buf_char(out, '>');
    for (size_t i = 0; i < m->fields_len; i++) {
        const struct field *f = &m->fields[i];
        if (f->source == DATA || f->source == POINTER) {
            write_element(lt_span_str(f->name), value_of(f, data), DEPTH_MAX, &a, out);
            continue;
        }
        lt_buf_printf(out, "<%s>", f->name);
        lt_buf_xml(out, attribute(f, e));
        lt_buf_printf(out, "</%s>", f->name);
    }
    lt_buf_printf(out, "</%s>\n", m->root);
    lt_arena_deinit(&a);
}

void lt_message_write(const struct lt_message *m, const struct lt_event *e, lt_json_value data, struct lt_buf *out)
{
    if (m->xml)
        write_xml(m, e, data, out);
    else
        write_json(m, e, data, out);
}
