#include "adapters/population/answer.h"

#include "gateway/codec/xml.h"

#define NS_SOAP "http://schemas.xmlsoap.org/soap/envelope/"
#define ANSWER_BYTES_MAX ((size_t)4 << 20)
#define ANSWER_DEPTH_MAX 64
#define SEARCH_DEPTH 4 /* CongdanCollection may stand in an operation's response element */

static void says(struct lt_population_answer *r, enum lt_population_meaning m, enum lt_outcome o, const char *code,
                 const char *reason)
{
    r->meaning = m;
    r->outcome = o;
    r->code = code;
    r->reason = reason;
}

static bool transport(const struct lt_http_answer *h, struct lt_arena *a, struct lt_population_answer *r)
{
    const char *text = lt_arena_str(a, lt_span_str(h->text));
    r->wait_ms = h->retry_after_s >= 0 ? (int64_t)h->retry_after_s * 1000 : -1;
    switch (h->failure) {
    case LT_HTTP_NOT_SENT:
        says(r, LT_POPULATION_UNAVAILABLE, LT_OUTCOME_RETRY, "not-sent", text);
        return true;
    case LT_HTTP_UNKNOWN: /* a question changes nothing: it is asked again */
        says(r, LT_POPULATION_UNAVAILABLE, LT_OUTCOME_RETRY, "cut", text);
        return true;
    case LT_HTTP_TOO_LARGE:
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, "answer-too-large", text);
        return true;
    case LT_HTTP_CREDENTIAL:
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_CREDENTIAL, "tls", text);
        return true;
    case LT_HTTP_ANSWERED:
        break;
    }
    const char *code = lt_arena_printf(a, "http-%ld", h->status);
    const char *reason = lt_arena_printf(a, "the population database answered HTTP %ld", h->status);
    if (h->status == 200)
        return false;
    if (h->status == 401 || h->status == 403)
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_CREDENTIAL, code, reason);
    else if (h->status == 429 || (h->status == 503 && r->wait_ms >= 0))
        says(r, LT_POPULATION_UNAVAILABLE, LT_OUTCOME_THROTTLE, code, reason);
    else if (h->status == 502 || h->status == 503 || h->status == 504)
        says(r, LT_POPULATION_UNAVAILABLE, LT_OUTCOME_RETRY, code, reason);
    else if (h->status >= 400 && h->status < 500 && h->status != 404 && h->status != 408)
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_REJECT, code, reason);
    else if (h->status == 500 && h->body.len > 0)
        return false; /* SOAP 1.1 sends faults with 500 */
    else
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, code, reason);
    return true;
}

static lt_xml_node find(lt_xml_node at, const char *name, unsigned depth)
{
    for (lt_xml_node n = lt_xml_first_child(at); lt_xml_present(n); n = lt_xml_next(n)) {
        if (lt_span_is(lt_xml_name(n), name))
            return n;
        lt_xml_node inner = depth > 0 ? find(n, name, depth - 1) : (lt_xml_node){NULL};
        if (lt_xml_present(inner))
            return inner;
    }
    return (lt_xml_node){NULL};
}

static void fault(const struct lt_population_options *o, lt_xml_node n, struct lt_arena *a,
                  struct lt_population_answer *r)
{
    lt_xml_node code = lt_xml_child(n, NULL, "faultcode");
    struct lt_span text = lt_xml_present(code) ? lt_span_trim(lt_xml_text(code, a)) : LT_SPAN_NULL;
    const char *what = lt_arena_printf(a, "fault " LT_SPAN_FMT, LT_SPAN_ARG(text));
    says(r, LT_POPULATION_ERROR, lt_population_fault(o, text), what,
         lt_arena_printf(a, "the population database answered with SOAP fault " LT_SPAN_FMT, LT_SPAN_ARG(text)));
}

static void collection(lt_xml_node body, struct lt_span id, struct lt_arena *a, struct lt_population_answer *r)
{
    lt_xml_node person = find(body, "CongDan", SEARCH_DEPTH);
    bool known = lt_span_is(lt_xml_name(body), "CongdanCollection") ||
                 lt_xml_present(find(body, "CongdanCollection", SEARCH_DEPTH));
    if (!lt_xml_present(person) && !known && lt_span_trim(lt_xml_text(body, a)).len > 0) {
        /* "Not there" is a verdict on a citizen and goes to the province: only an answer to the question may say it. */
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, "other-answer",
             "the population database answered with something else than a collection");
        return;
    }
    if (!lt_xml_present(person) || lt_span_trim(lt_xml_text(person, a)).len == 0) {
        says(r, LT_POPULATION_NO_MATCH, LT_OUTCOME_OK, "no-match", "id, name and birth do not belong together");
        return;
    }
    lt_xml_node number = lt_xml_child(person, NULL, id.len == 12 ? "SoDinhDanh" : "SoCMND");
    struct lt_span got = lt_xml_present(number) ? lt_span_trim(lt_xml_text(number, a)) : LT_SPAN_NULL;
    if (got.len > 0 && !lt_span_eq(got, id))
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, "other-citizen", "the answer is about somebody else");
    else
        says(r, LT_POPULATION_MATCH, LT_OUTCOME_OK, "match", "id, name and birth belong together");
}

void lt_population_answer_read(const struct lt_population_options *o, struct lt_span id,
                               const struct lt_http_answer *http, struct lt_arena *a, struct lt_population_answer *ret)
{
    *ret = (struct lt_population_answer){.wait_ms = -1, .code = "", .reason = ""};
    if (transport(http, a, ret))
        return;
    LT_AUTO_XML struct lt_xml *xml = NULL;
    const struct lt_xml_limits limits = {.bytes_max = ANSWER_BYTES_MAX, .depth_max = ANSWER_DEPTH_MAX};
    const char *status = lt_arena_printf(a, "http-%ld", http->status);
    if (lt_xml_parse(http->body, &limits, &xml, NULL) != LT_OK) {
        says(ret, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, http->status == 200 ? "not-xml" : status,
             "the population database answered with something that is no XML");
        return;
    }
    lt_xml_node root = lt_xml_root(xml), body = lt_xml_child(root, NS_SOAP, "Body");
    if (http->status == 200 &&
        lt_span_is(lt_xml_name(root), "CongdanCollection")) { /* some buses take the envelope off */
        collection(root, id, a, ret);
        return;
    }
    if (!lt_span_is(lt_xml_name(root), "Envelope") || !lt_xml_present(body)) {
        says(ret, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, http->status == 200 ? "not-soap" : status,
             "the population database answered with something that is no SOAP 1.1 envelope");
        return;
    }
    lt_xml_node f = lt_xml_child(body, NS_SOAP, "Fault");
    if (lt_xml_present(f))
        fault(o, f, a, ret);
    else if (http->status != 200)
        says(ret, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, status,
             "the population database answered HTTP 500 without a fault");
    else
        collection(body, id, a, ret);
}
