/* Applying a table to an answer, and counting what it said. */
#include "gateway/delivery/classifier_internal.h"

#include "gateway/base/log.h"
#include "gateway/base/text.h"

#include <inttypes.h>

#define NS_SOAP "http://schemas.xmlsoap.org/soap/envelope/"
#define JSON_DEPTH_MAX 32
#define XML_DEPTH_MAX 64
#define MESSAGE_CHARS_MAX 500
#define CODE_CHARS_MAX 100

/* ---- the answer's form ---- */

/* RFC 6901; absent when the way is not there. */
static lt_json_value at_pointer(lt_json_value v, const char *pointer, struct lt_arena *a)
{
    struct lt_span rest = lt_span_str(pointer + 1), part;
    while (lt_json_present(v) && lt_span_cut(&rest, '/', &part)) {
        uint64_t i;
        if (lt_json_type_of(v) == LT_JSON_ARRAY) {
            v = lt_span_u64(part, &i) ? lt_json_at(v, (size_t)i) : (lt_json_value){NULL};
            continue;
        }
        char *name = lt_arena_str(a, part), *to = name;
        for (const char *from = name; *from; from++)
            *to++ = from[0] == '~' && from[1] == '1'   ? (from++, '/')
                    : from[0] == '~' && from[1] == '0' ? (from++, '~')
                                                       : *from;
        v = lt_json_member(v, lt_span(name, (size_t)(to - name)));
    }
    return v;
}

static struct lt_span scalar_at(lt_json_value root, const char *pointer, struct lt_arena *a)
{
    struct lt_span s = LT_SPAN_NULL;
    lt_json_value v = lt_json_present(root) ? at_pointer(root, pointer, a) : root;
    if (lt_json_present(v))
        (void)lt_json_scalar(v, a, &s);
    return lt_span_trim(s);
}

static struct lt_span without_prefix(struct lt_span code)
{
    const char *colon = code.len ? memchr(code.ptr, ':', code.len) : NULL;
    return colon ? lt_span(colon + 1, code.len - (size_t)(colon + 1 - code.ptr)) : code;
}

static struct lt_span child_text(lt_xml_node n, const char *name, struct lt_arena *a)
{
    lt_xml_node child = lt_xml_child(n, NULL, name);
    return lt_xml_present(child) ? lt_span_trim(lt_xml_text(child, a)) : LT_SPAN_NULL;
}

static void read_xml(const struct lt_http_answer *http, struct lt_arena *a, struct lt_class_facts *f,
                     struct lt_classified *r)
{
    const struct lt_xml_limits limits = {.bytes_max = http->body.len, .depth_max = XML_DEPTH_MAX};
    if (lt_xml_parse(http->body, &limits, &r->xml, NULL) != LT_OK)
        return;
    lt_xml_node root = lt_xml_root(r->xml), body = lt_xml_child(root, NS_SOAP, "Body");
    r->soap = lt_span_is(lt_xml_name(root), "Envelope") && lt_xml_present(body);
    f->form = r->soap ? LT_FORM_SOAP : LT_FORM_XML;
    lt_xml_node fault = r->soap ? lt_xml_child(body, NS_SOAP, "Fault") : (lt_xml_node){NULL};
    if (lt_xml_present(fault)) {
        f->has_fault = true;
        f->fault = without_prefix(child_text(fault, "faultcode", a));
        r->error_code = lt_span(f->fault.ptr, lt_text_first_chars(f->fault, CODE_CHARS_MAX).len);
        r->message = lt_text_first_chars(child_text(fault, "faultstring", a), MESSAGE_CHARS_MAX);
    }
}

static void read_json(const struct lt_classifier *c, const struct lt_http_answer *http, struct lt_arena *a,
                      struct lt_class_facts *f, struct lt_classified *r)
{
    const struct lt_json_limits limits = {.bytes_max = http->body.len, .depth_max = JSON_DEPTH_MAX};
    if (lt_json_parse(http->body, &limits, &r->json, NULL) != LT_OK)
        return;
    lt_json_value root = lt_json_root(r->json);
    if (lt_json_type_of(root) != LT_JSON_OBJECT)
        return;
    f->form = LT_FORM_JSON;
    f->json = root;
    r->error_code = lt_arena_span(a, lt_text_first_chars(scalar_at(root, c->code, a), CODE_CHARS_MAX));
    r->message = lt_arena_span(a, lt_text_first_chars(scalar_at(root, c->message, a), MESSAGE_CHARS_MAX));
}

void lt_class_facts_read(const struct lt_classifier *c, unsigned operation, const struct lt_http_answer *http,
                         struct lt_arena *a, struct lt_class_facts *f, struct lt_classified *r)
{
    *f = (struct lt_class_facts){.operation = operation, .http = http, .form = LT_FORM_OTHER};
    if (http->failure != LT_HTTP_ANSWERED)
        return;
    struct lt_span body = lt_span_trim(http->body);
    if (body.len == 0)
        f->form = LT_FORM_EMPTY;
    else if (body.ptr[0] == '{')
        read_json(c, http, a, f, r);
    else /* the parser knows UTF-16 and byte order marks */
        read_xml(http, a, f, r);
    f->message = lt_class_folded(a, r->message);
}

/* ---- conditions ---- */

static bool any_glob(const struct lt_opt_strings *globs, struct lt_span s)
{
    for (size_t i = 0; i < globs->len; i++)
        if (lt_glob_match(globs->v[i], s))
            return true;
    return false;
}

static bool contains(struct lt_span s, const char *part)
{
    size_t n = strlen(part);
    return s.len >= n && memmem(s.ptr, s.len, part, n) != NULL;
}

static bool any_message(const struct lt_opt_strings *words, struct lt_span message)
{
    for (size_t i = 0; i < words->len; i++)
        if (*words->v[i] ? message.len > 0 && contains(message, words->v[i]) : message.len == 0)
            return true;
    return false;
}

static bool any_alert(const struct lt_opt_strings *alerts, const char *text, struct lt_arena *a)
{
    for (size_t i = 0; i < alerts->len; i++)
        if (contains(lt_span_str(text), lt_arena_printf(a, "alert %s", alerts->v[i])))
            return true;
    return false;
}

static bool any_status(const struct lt_class_cond *w, long status)
{
    for (size_t i = 0; i < w->statuses_len; i++)
        if (status >= w->statuses[i].from && status <= w->statuses[i].to)
            return true;
    return false;
}

static bool places_fit(const struct lt_class_cond *w, const struct lt_class_facts *f, struct lt_arena *a)
{
    for (size_t i = 0; i < w->headers_len; i++) {
        struct lt_span value;
        if (!lt_http_answer_header(f->http, w->headers[i].name, &value) || !any_glob(&w->headers[i].globs, value))
            return false;
    }
    for (size_t i = 0; i < w->bodies_len; i++) {
        lt_json_value v = f->form == LT_FORM_JSON ? at_pointer(f->json, w->bodies[i].name, a) : (lt_json_value){NULL};
        struct lt_span text;
        if (!lt_json_present(v) || !lt_json_scalar(v, a, &text) || !any_glob(&w->bodies[i].globs, lt_span_trim(text)))
            return false;
    }
    for (size_t i = 0; i < w->missing.len; i++) {
        if (f->form == LT_FORM_JSON && scalar_at(f->json, w->missing.v[i], a).len == 0)
            return true;
    }
    return w->missing.len == 0;
}

static bool cond_fits(const struct lt_class_cond *w, const struct lt_class_facts *f, struct lt_arena *a)
{
    const struct lt_http_answer *h = f->http;
    return (!w->transports || (w->transports & 1u << h->failure)) && (!w->forms || (w->forms & 1u << f->form)) &&
           (!w->statuses_len || any_status(w, h->status)) &&
           (!w->curls.len || any_glob(&w->curls, lt_span_str(h->curl))) &&
           (!w->alerts.len || any_alert(&w->alerts, h->text, a)) &&
           (!w->faults.len || (f->has_fault && any_glob(&w->faults, f->fault))) &&
           (!w->messages.len || any_message(&w->messages, f->message)) && places_fit(w, f, a);
}

struct lt_class_row *lt_class_find(const struct lt_classifier *c, const struct lt_class_facts *f)
{
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_class_row *found = NULL;
    for (size_t i = 0; !found && i < c->rows_len; i++) {
        struct lt_class_row *row = &c->rows[i];
        if ((row->operations & 1u << f->operation) && cond_fits(&row->when, f, &a) &&
            (!row->unless.written || !cond_fits(&row->unless, f, &a)))
            found = row;
    }
    lt_arena_deinit(&a);
    return found;
}

/* ---- words about it ---- */

#define CODE_DIGITS_MAX 8 /* in a row: nine are an identity card, ten a telephone, twelve a citizen's number */

/*
 * The code goes to the log, and the log names no people (docs/operations.md, "Secrets and people"): what a target puts
 * where its code belongs is taken for one only if it looks like one.
 */
static struct lt_span as_code(struct lt_span s)
{
    size_t digits = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool digit = c >= '0' && c <= '9';
        digits = digit ? digits + 1 : 0;
        if (digits > CODE_DIGITS_MAX ||
            !(digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c != 0 && strchr("-_.:/", c))))
            return LT_SPAN_LIT("that is no code");
    }
    return s;
}

static const char *code_of(const struct lt_classifier *c, const struct lt_class_facts *f, const struct lt_classified *r,
                           struct lt_arena *a)
{
    const struct lt_http_answer *h = f->http;
    if (h->failure != LT_HTTP_ANSWERED)
        return h->failure == LT_HTTP_TOO_LARGE ? "answer-too-large" : lt_class_transports[h->failure];
    if (f->has_fault)
        return lt_arena_printf(a, "fault " LT_SPAN_FMT, LT_SPAN_ARG(as_code(r->error_code)));
    if (h->status != 200)
        return lt_arena_printf(a, "http-%ld", h->status);
    if (r->error_code.len > 0)
        return lt_arena_printf(a, "%s " LT_SPAN_FMT, strrchr(c->code, '/') + 1, LT_SPAN_ARG(as_code(r->error_code)));
    return r->row;
}

static const char *reason_of(const struct lt_classifier *c, const struct lt_class_row *row,
                             const struct lt_class_facts *f, const struct lt_classified *r, struct lt_arena *a)
{
    const struct lt_http_answer *h = f->http;
    const char *who = c->form->who;
    bool quote = c->form->quotes && r->message.len > 0;
    if (row && row->text)
        return row->text;
    if (h->failure != LT_HTTP_ANSWERED)
        return lt_arena_str(a, lt_span_str(h->text));
    if (f->has_fault)
        return lt_arena_printf(a, "%s answered with SOAP fault " LT_SPAN_FMT "%s" LT_SPAN_FMT, who,
                               LT_SPAN_ARG(r->error_code), quote ? ": " : "",
                               LT_SPAN_ARG(quote ? r->message : LT_SPAN_NULL));
    if (h->status != 200)
        return lt_arena_printf(a, "%s answered HTTP %ld%s" LT_SPAN_FMT, who, h->status, quote ? ": " : "",
                               LT_SPAN_ARG(quote ? r->message : LT_SPAN_NULL));
    if (r->error_code.len > 0)
        return lt_arena_printf(
            a, "%s answered %s" LT_SPAN_FMT, who, r->code,
            LT_SPAN_ARG(quote ? lt_span_str(lt_arena_printf(a, ": " LT_SPAN_FMT, LT_SPAN_ARG(r->message)))
                              : LT_SPAN_NULL));
    return lt_arena_printf(a, "%s's answer is of the kind %s", who, r->row);
}

static void count_unlisted(struct lt_classifier *c, const struct lt_classified *r)
{
    c->unlisted_count++;
    if ((c->unlisted_count & (c->unlisted_count - 1)) == 0) /* the first, then ever more seldom */
        lt_warn("delivery/answers", "answer-unlisted",
                "%s: no row of the table fits %s: taken as %s; %" PRIu64 " so far", c->form->who, r->code,
                lt_class_name(c->unlisted), c->unlisted_count);
}

void lt_classifier_read(struct lt_classifier *c, unsigned operation, const struct lt_http_answer *http,
                        struct lt_arena *a, struct lt_classified *ret)
{
    struct lt_class_facts f;
    *ret = (struct lt_classified){.wait_ms = -1, .row = "unlisted"};
    lt_class_facts_read(c, operation, http, a, &f, ret);
    struct lt_class_row *row = lt_class_find(c, &f);
    if (row)
        ret->row = row->name;
    ret->is = lt_class_bounded(c->form, operation, http->failure, row ? row->is : c->unlisted);
    ret->code = code_of(c, &f, ret, a);
    ret->reason = reason_of(c, row, &f, ret, a);
    if (http->failure == LT_HTTP_ANSWERED && http->retry_after_s >= 0)
        ret->wait_ms = (int64_t)http->retry_after_s * 1000;
    else if (row)
        ret->wait_ms = row->wait_ms;
    if (row)
        row->count++;
    else
        count_unlisted(c, ret);
}

void lt_classified_deinit(struct lt_classified *r)
{
    lt_json_free(r->json);
    lt_xml_free(r->xml);
    r->json = NULL;
    r->xml = NULL;
}

/* ---- life ---- */

int lt_classifier_new(const struct lt_classifier_form *f, const struct lt_yaml_node *answers,
                      const struct lt_yaml_node *at, struct lt_classifier **ret, struct lt_diags *diags)
{
    size_t errors = diags->errors;
    if (!answers || answers->kind != LT_YAML_MAP) {
        if (answers)
            lt_yaml_expected(diags, answers, "answers", "a mapping with unlisted and rows");
        else
            lt_yaml_error(diags, at,
                          "answers: expected the table of what the target's answers mean, got nothing; "
                          "config/targets shows it");
        return LT_E_INVALID;
    }
    struct lt_classifier *c = lt_alloc(sizeof(*c));
    lt_xml_init();
    c->form = f;
    c->arena = LT_ARENA_INIT;
    lt_class_rows_read(c, answers, diags);
    if (diags->errors == errors)
        lt_class_rows_check(c, diags);
    if (diags->errors > errors) {
        lt_classifier_free(c);
        return LT_E_INVALID;
    }
    *ret = c;
    return LT_OK;
}

void lt_classifier_free(struct lt_classifier *c)
{
    if (!c)
        return;
    lt_arena_deinit(&c->arena);
    free(c);
}

/* ---- counters ---- */

void lt_classifier_status(const struct lt_classifier *c, struct lt_json_writer *w)
{
    lt_json_key(w, LT_SPAN_LIT("answers"));
    lt_json_begin_object(w);
    lt_json_num(w, "unlisted", (int64_t)c->unlisted_count);
    lt_json_str(w, "unlisted_is", lt_span_str(lt_class_name(c->unlisted)));
    lt_json_key(w, LT_SPAN_LIT("rows"));
    lt_json_begin_object(w);
    for (size_t i = 0; i < c->rows_len; i++)
        if (c->rows[i].count > 0)
            lt_json_num(w, c->rows[i].name, (int64_t)c->rows[i].count);
    lt_json_end_object(w);
    lt_json_end_object(w);
}

void lt_classifier_metrics(const struct lt_classifier *c, const char *target, struct lt_buf *out)
{
    for (size_t i = 0; i < c->rows_len; i++)
        lt_buf_printf(out, "lienthong_delivery_answers_by_row_total{target=\"%s\",row=\"%s\",is=\"%s\"} %" PRIu64 "\n",
                      target, c->rows[i].name, lt_class_name(c->rows[i].is), c->rows[i].count);
    lt_buf_printf(out, "lienthong_delivery_answers_unlisted_total{target=\"%s\"} %" PRIu64 "\n", target,
                  c->unlisted_count);
}
