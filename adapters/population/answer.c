#include "adapters/population/answer.h"

#define NS_XROAD "http://x-road.eu/xsd/xroad.xsd"
#define SEARCH_DEPTH 4 /* CongdanCollection may stand in an operation's response element */

static const char *const operations[] = {"lookup", "verify", NULL};

const struct lt_classifier_form lt_population_answers = {
    .who = "the population database",
    .operations = operations,
    .asks = 1u << LT_POPULATION_LOOKUP | 1u << LT_POPULATION_VERIFY,
    .classes = 1u << LT_CLASS_OK | 1u << LT_CLASS_RETRY | 1u << LT_CLASS_UNAVAILABLE | 1u << LT_CLASS_THROTTLE |
               1u << LT_CLASS_CREDENTIAL | 1u << LT_CLASS_REJECT | 1u << LT_CLASS_UNKNOWN,
    .quotes = false, /* a fault's words may name a citizen */
};

static void says(struct lt_population_answer *r, enum lt_population_meaning m, enum lt_outcome o, const char *code,
                 const char *reason)
{
    r->meaning = m;
    r->outcome = o;
    r->code = code;
    r->reason = reason;
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

/* KetQuaXacThucResponse{TonTai}: is there such a person? */
static void existence(lt_xml_node body, struct lt_arena *a, struct lt_population_answer *r)
{
    lt_xml_node n = find(body, "TonTai", SEARCH_DEPTH);
    struct lt_span said = lt_xml_present(n) ? lt_span_trim(lt_xml_text(n, a)) : LT_SPAN_NULL;
    if (lt_span_is(said, "true") || lt_span_is(said, "1"))
        says(r, LT_POPULATION_MATCH, LT_OUTCOME_OK, "match", "there is such a person");
    else if (lt_span_is(said, "false") || lt_span_is(said, "0"))
        says(r, LT_POPULATION_NO_MATCH, LT_OUTCOME_OK, "no-match", "there is no such person");
    else
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, "other-answer",
             "the population database answered without TonTai");
}

static void content(unsigned operation, struct lt_span id, const struct lt_classified *c, struct lt_arena *a,
                    struct lt_population_answer *r)
{
    lt_xml_node root = lt_xml_root(c->xml);
    /* Some buses take the envelope off. */
    bool bare =
        lt_span_is(lt_xml_name(root), "CongdanCollection") || lt_span_is(lt_xml_name(root), "KetQuaXacThucResponse");
    if (!c->soap && !bare) {
        says(r, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, "not-soap",
             "the population database answered with something that is no SOAP 1.1 envelope");
        return;
    }
    lt_xml_node at = c->soap ? lt_xml_child(root, NULL, "Body") : root;
    if (operation == LT_POPULATION_VERIFY)
        existence(at, a, r);
    else
        collection(at, id, a, r);
}

/* X-Road repeats the headers of the question in its answer (domain 2.2). */
static bool other_message(const struct lt_classified *c, struct lt_span xroad_id, struct lt_arena *a)
{
    lt_xml_node header = lt_xml_child(lt_xml_root(c->xml), NULL, "Header");
    lt_xml_node id = lt_xml_present(header) ? lt_xml_child(header, NS_XROAD, "id") : header;
    return xroad_id.len > 0 && lt_xml_present(id) && !lt_span_eq(lt_span_trim(lt_xml_text(id, a)), xroad_id);
}

void lt_population_answer_read(struct lt_classifier *answers, const struct lt_population_asked *asked,
                               const struct lt_http_answer *http, struct lt_arena *a, struct lt_population_answer *ret)
{
    static const struct {
        enum lt_population_meaning meaning;
        enum lt_outcome outcome;
    } meanings[LT_CLASSES] = {
        [LT_CLASS_RETRY] = {LT_POPULATION_ERROR, LT_OUTCOME_RETRY},
        [LT_CLASS_UNAVAILABLE] = {LT_POPULATION_UNAVAILABLE, LT_OUTCOME_RETRY},
        [LT_CLASS_THROTTLE] = {LT_POPULATION_UNAVAILABLE, LT_OUTCOME_THROTTLE},
        [LT_CLASS_CREDENTIAL] = {LT_POPULATION_ERROR, LT_OUTCOME_CREDENTIAL},
        [LT_CLASS_REJECT] = {LT_POPULATION_ERROR, LT_OUTCOME_REJECT},
        [LT_CLASS_UNKNOWN] = {LT_POPULATION_ERROR, LT_OUTCOME_RETRY}, /* a question: it is asked again */
    };
    LT_AUTO_CLASSIFIED struct lt_classified c;
    lt_classifier_read(answers, asked->operation, http, a, &c);
    *ret = (struct lt_population_answer){.wait_ms = c.wait_ms};
    if (c.is == LT_CLASS_OK && c.xml && other_message(&c, asked->xroad_id, a))
        says(ret, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, "other-message", "the answer is to another X-Road message");
    else if (c.is == LT_CLASS_OK && c.xml)
        content(asked->operation, asked->id, &c, a, ret);
    else if (c.is == LT_CLASS_OK)
        says(ret, LT_POPULATION_ERROR, LT_OUTCOME_RETRY, c.code, "the population database's answer is no document");
    else
        says(ret, meanings[c.is].meaning, meanings[c.is].outcome, c.code, c.reason);
}
