#include "adapters/population/mock_population.h"

#include <pthread.h>
#include <stdio.h>
#include <uthash.h>

#include "adapters/mock/arrivals.h"
#include "adapters/mock/faults.h"
#include "adapters/population/mock_soap.h"
#include "gateway/base/crypto.h"
#include "gateway/base/file.h"
#include "gateway/codec/json.h"

#define BODY_DEPTH 32
#define TALLIES_MAX 1000000 /* ids and officers that are counted; later ones are answered but not listed */

static const char *const accent_words[] = {"either", "strip", "keep", NULL};

#define AT(member) offsetof(struct lt_mock_population_settings, member)
const struct lt_opt lt_mock_population_opts[] = {
    {"path", LT_OPT_STRING, AT(path), false, NULL, 0, 0, NULL, "path of the endpoint; none: any"},
    {"citizens", LT_OPT_PATH, AT(citizens), false, NULL, 0, 0, NULL, "JSON file with the citizens; none: nobody"},
    {"accents", LT_OPT_ENUM, AT(accents), false, "either", 0, 0, accent_words, "how names must be written"},
    {"services", LT_OPT_STRINGS, AT(services), false, "VPCP", 0, 0, NULL, "registered MaDVC, * stands for any run"},
    {"officers", LT_OPT_STRINGS, AT(officers), false, NULL, 0, 0, NULL,
     "permitted MaCanBo, * stands for any run; none: any"},
    {"birth-optional", LT_OPT_BOOL, AT(birth_optional), false, "false", 0, 0, NULL,
     "answer TraCuuThongTinCongDan without a birth date too"},
    {"username", LT_OPT_STRING, AT(username), false, NULL, 0, 0, NULL,
     "user of Basic with timestamp; none: no login is asked for"},
    {"secret-file", LT_OPT_PATH, AT(secret_file), false, NULL, 0, 0, NULL, "file with its secret"},
    {"service-url", LT_OPT_STRING, AT(service_url), false, "", 0, 0, NULL, "the address its hash is taken over"},
    {"clock-skew", LT_OPT_DURATION, AT(clock_skew_ms), false, "5m", 0, 86400000, NULL,
     "how far the header timestamp may be from this clock"},
    {"xroad", LT_OPT_BOOL, AT(xroad), false, "false", 0, 0, NULL, "demand X-Road's client and id in the envelope"},
    {"request-max", LT_OPT_SIZE, AT(body_max), false, "1MiB", 1024, 67108864, NULL, "longest request"},
    {"hold", LT_OPT_DURATION, AT(hold_ms), false, "60s", 1, 600000, NULL, "silence of the fault timeout-after-apply"},
    {"fault-every", LT_OPT_STRINGS, AT(fault_every), false, NULL, 0, 0, NULL,
     "\"N KIND[:OPERATION]\": a fault at every N-th call"},
    {"fault-schedule", LT_OPT_PATH, AT(fault_schedule), false, NULL, 0, 0, NULL,
     "YAML file with a seed and rules, see adapters/mock/README.md"},
};
const size_t lt_mock_population_opts_len = LT_ARRAY_LEN(lt_mock_population_opts);

#define FAULTS                                                                                                         \
    (1u << LT_FAULT_TIMEOUT_AFTER_APPLY | 1u << LT_FAULT_DROP_AFTER_APPLY | 1u << LT_FAULT_DROP_BEFORE |               \
     1u << LT_FAULT_HTTP401 | 1u << LT_FAULT_HTTP500 | 1u << LT_FAULT_HTTP503 | 1u << LT_FAULT_HTML200 |               \
     1u << LT_FAULT_SOAP_FAULT | LT_MOCK_FAULTS_COMMON)

/* How often somebody asked, or somebody was asked about. */
struct tally {
    char *word;
    uint64_t calls, match, no_match;
    UT_hash_handle hh;
};

struct lt_mock_population {
    const struct lt_mock_population_settings *settings;
    struct lt_mock_citizens *citizens; /* immutable: read outside the lock */
    pthread_mutex_t lock;              /* of all below */
    struct lt_mock_faults faults;
    struct lt_mock_arrivals arrivals;
    struct lt_arena arena;
    char *secret; /* NULL: no login */
    uint64_t calls, match, no_match, soap_faults, errors;
    struct tally *officers, *ids;
};

static struct tally *tally_of(struct tally **all, struct lt_span word)
{
    struct tally *t;
    HASH_FIND(hh, *all, word.ptr, word.len, t);
    if (!t && HASH_COUNT(*all) < TALLIES_MAX) {
        t = lt_alloc(sizeof *t);
        t->word = lt_strndup(word.ptr, word.len);
        HASH_ADD_KEYPTR(hh, *all, t->word, word.len, t);
    }
    return t;
}

static void tallies_clear(struct tally **all)
{
    struct tally *t, *next;
    HASH_ITER (hh, *all, t, next) {
        HASH_DEL(*all, t);
        free(t->word);
        free(t);
    }
}

int lt_mock_population_new(const struct lt_mock_population_settings *s, struct lt_mock_population **ret,
                           struct lt_err *err)
{
    struct lt_mock_population *p = lt_alloc(sizeof *p);
    int r;
    lt_xml_init();
    p->settings = s;
    pthread_mutex_init(&p->lock, NULL);
    lt_mock_faults_init(&p->faults, FAULTS, s->hold_ms);
    r = lt_mock_faults_every_of(&p->faults, &s->fault_every, err);
    if (r == LT_OK)
        r = lt_mock_faults_schedule(&p->faults, s->fault_schedule, &p->arena, err);
    if (r == LT_OK)
        r = lt_mock_citizens_load(s->citizens, &p->citizens, err);
    if (r == LT_OK && s->username) {
        LT_AUTOFREE char *text = NULL;
        size_t len = 0;
        r = s->secret_file ? lt_file_read(s->secret_file, 4096, &text, &len, err)
                           : lt_err_set(err, LT_E_INVALID, "no-secret", "username: expected --secret-file beside it");
        struct lt_span word = lt_span_trim(lt_span(text, len));
        p->secret = lt_strndup(word.ptr ? word.ptr : "", word.len);
    }
    if (r < 0) {
        lt_mock_population_free(p);
        return r;
    }
    *ret = p;
    return LT_OK;
}

void lt_mock_population_free(struct lt_mock_population *p)
{
    if (!p)
        return;
    tallies_clear(&p->officers);
    tallies_clear(&p->ids);
    lt_mock_citizens_free(p->citizens);
    lt_mock_faults_deinit(&p->faults);
    lt_mock_arrivals_deinit(&p->arrivals);
    lt_arena_deinit(&p->arena);
    free(p->secret);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- oracle ---- */

static void oracle_counters(void *self, const struct lt_mock_call *call LT_UNUSED, const char *rest LT_UNUSED,
                            struct lt_mock_reply *reply)
{
    const struct lt_mock_population *p = self;
    struct lt_json_writer w;
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    lt_json_num(&w, "calls", (int64_t)p->calls);
    lt_json_num(&w, "match", (int64_t)p->match);
    lt_json_num(&w, "no_match", (int64_t)p->no_match);
    lt_json_num(&w, "faults", (int64_t)p->soap_faults);
    lt_json_num(&w, "errors", (int64_t)p->errors);
    lt_json_num(&w, "injected", (int64_t)p->faults.injected);
    lt_json_num(&w, "citizens", (int64_t)lt_mock_citizens_len(p->citizens));
    lt_json_key(&w, LT_SPAN_LIT("by_officer"));
    lt_json_begin_object(&w);
    for (const struct tally *t = p->officers; t; t = t->hh.next)
        lt_json_num(&w, t->word, (int64_t)t->calls);
    lt_json_end_object(&w);
    lt_json_end_object(&w);
}

static void oracle_citizen(void *self, const struct lt_mock_call *call LT_UNUSED, const char *rest,
                           struct lt_mock_reply *reply)
{
    const struct lt_mock_population *p = self;
    const char *end = strrchr(rest, '/');
    struct tally *t = NULL;
    if (!end || strcmp(end, "/calls") != 0) {
        lt_mock_refuse(reply, 404, "expected /oracle/citizens/{SoDinhDanh}/calls");
        return;
    }
    HASH_FIND(hh, p->ids, rest, (size_t)(end - rest), t);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    lt_json_num(&w, "calls", t ? (int64_t)t->calls : 0);
    lt_json_num(&w, "match", t ? (int64_t)t->match : 0);
    lt_json_num(&w, "no_match", t ? (int64_t)t->no_match : 0);
    lt_json_end_object(&w);
}

static void oracle_reset(void *self, const struct lt_mock_call *call LT_UNUSED, const char *rest LT_UNUSED,
                         struct lt_mock_reply *reply)
{
    struct lt_mock_population *p = self;
    tallies_clear(&p->officers);
    tallies_clear(&p->ids);
    lt_mock_faults_reset(&p->faults);
    lt_mock_arrivals_reset(&p->arrivals);
    p->calls = p->match = p->no_match = p->soap_faults = p->errors = 0;
    lt_buf_str(&reply->body, "{\"reset\":true}");
}

static void control_faults(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                           struct lt_mock_reply *reply)
{
    struct lt_mock_population *p = self;
    lt_mock_faults_control(&p->faults, call, reply);
}

static void oracle_arrivals(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                            struct lt_mock_reply *reply)
{
    lt_mock_arrivals_page(&((const struct lt_mock_population *)self)->arrivals, call, reply);
}

static const struct lt_mock_path oracle_paths[] = {
    {"/control/faults", NULL, control_faults},    {"/oracle/reset", "POST", oracle_reset},
    {"/oracle/counters", "GET", oracle_counters}, {"/oracle/arrivals", "GET", oracle_arrivals},
    {"/oracle/citizens/", "GET", oracle_citizen},
};

static bool population_oracle(struct lt_mock_population *p, const struct lt_mock_call *call,
                              struct lt_mock_reply *reply)
{
    const char *path = call->path;
    if (lt_mock_dispatch(oracle_paths, LT_ARRAY_LEN(oracle_paths), p, call, reply))
        return true;
    if (!lt_mock_after(path, "/oracle") && !lt_mock_after(path, "/control") &&
        (!p->settings->path || strcmp(path, p->settings->path) == 0))
        return false;
    lt_mock_refuse(reply, 404, "nothing at %s", path);
    return true;
}

/* ---- SOAP ---- */

static void answer_fault(struct lt_mock_population *p, const struct lt_mock_soap_fault *fault, lt_xml_node header,
                         struct lt_mock_reply *reply)
{
    p->soap_faults++;
    reply->status = 500; /* SOAP 1.1, section 6.2 */
    reply->content_type = LT_MOCK_XML;
    lt_mock_soap_write_fault(fault, header, &reply->body);
}

static bool one_of(const struct lt_opt_strings *list, struct lt_span word)
{
    for (size_t i = 0; i < list->len; i++)
        if (lt_glob_match(list->v[i], word))
            return true;
    return false;
}

static void count_question(struct lt_mock_population *p, const struct lt_mock_soap_request *req, bool found)
{
    struct lt_span id = req->question.id.len ? req->question.id : req->question.old_id;
    struct tally *t[2] = {tally_of(&p->officers, req->officer), tally_of(&p->ids, id)};
    *(found ? &p->match : &p->no_match) += 1;
    for (size_t i = 0; i < LT_ARRAY_LEN(t); i++) {
        if (!t[i])
            continue;
        t[i]->calls++;
        *(found ? &t[i]->match : &t[i]->no_match) += 1;
    }
}

static void population_answer(struct lt_mock_population *p, const struct lt_mock_soap_request *req,
                              struct lt_mock_reply *reply)
{
    const struct lt_mock_population_settings *s = p->settings;
    struct lt_mock_soap_fault fault = {.code = "soapenv:Client", .text = ""};
    if (s->xroad && !lt_mock_soap_xroad(req->header)) {
        fault.code = "Server.ClientProxy.MissingHeader";
        snprintf(fault.text, sizeof fault.text, "client, service and id must stand in the header");
        answer_fault(p, &fault, req->header, reply);
        return;
    }
    if (!one_of(&s->services, req->service)) {
        snprintf(fault.text, sizeof fault.text, "MaDVC is not registered");
        answer_fault(p, &fault, req->header, reply);
        return;
    }
    if (s->officers.len && !one_of(&s->officers, req->officer)) {
        snprintf(fault.text, sizeof fault.text, "MaCanBo is not permitted");
        answer_fault(p, &fault, req->header, reply);
        return;
    }
    const struct lt_mock_citizen *found =
        lt_mock_citizens_match(p->citizens, &req->question, (enum lt_mock_accents)s->accents);
    count_question(p, req, found != NULL);
    reply->content_type = LT_MOCK_XML;
    lt_mock_soap_write_answer(req, found, &reply->body);
}

/* Basic of user and SHA-256 over address, user, timestamp and secret; the timestamp near to our clock. */
static bool login_ok(const struct lt_mock_population *p, const struct lt_mock_call *call)
{
    const struct lt_mock_population_settings *s = p->settings;
    int64_t at;
    if (!p->secret)
        return true;
    if (!call->authorization || !call->timestamp || !lt_span_i64(lt_span_str(call->timestamp), &at) ||
        at < call->now_ms - s->clock_skew_ms || at > call->now_ms + s->clock_skew_ms)
        return false;
    uint8_t digest[LT_SHA256_SIZE];
    char hex[2 * LT_SHA256_SIZE + 1];
    LT_AUTOBUF struct lt_buf want = LT_BUF_INIT(4096);
    LT_AUTOFREE char *text = lt_asprintf("%s%s%s%s", s->service_url, s->username, call->timestamp, p->secret);
    lt_sha256_once(lt_span_str(text), digest);
    lt_hex(digest, sizeof digest, hex);
    LT_AUTOFREE char *pair = lt_asprintf("%s:%s", s->username, hex);
    lt_buf_str(&want, "Basic ");
    lt_base64(lt_span_str(pair), &want);
    return lt_span_eq(lt_buf_view(&want), lt_span_str(call->authorization));
}

static bool transport_ok(struct lt_mock_population *p, const struct lt_mock_call *call, struct lt_mock_reply *reply)
{
    const char *type = call->content_type ? call->content_type : "";
    if (strcmp(call->method, "POST") != 0)
        lt_mock_refuse(reply, 405, "expected POST, got %s", call->method);
    else if (strncmp(type, "text/xml", 8) != 0 && strncmp(type, "application/xml", 15) != 0)
        lt_mock_refuse(reply, 415, "expected Content-Type text/xml or application/xml");
    else if (!login_ok(p, call))
        lt_mock_refuse(reply, 401, "expected Basic with timestamp");
    else
        return true;
    p->errors++;
    return false;
}

static void population_run(struct lt_mock_population *p, const struct lt_mock_call *call, const struct lt_xml *doc,
                           const struct lt_err *parse_err, struct lt_mock_reply *reply)
{
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_mock_soap_request req = {.operation = LT_MOCK_TRA_CUU};
    struct lt_mock_soap_fault fault = {.code = "soapenv:Client", .text = ""};
    bool ok = doc && lt_mock_soap_read(doc, p->settings->birth_optional, &a, &req, &fault);
    if (!doc)
        snprintf(fault.text, sizeof fault.text, "%.200s", parse_err->text);

    const char *operation = req.operation == LT_MOCK_TRA_CUU ? "TraCuuThongTinCongDan" : "XacThucThongTinCongDan";
    struct lt_mock_taken injected = {LT_FAULT_NONE, 0};
    uint64_t matches = p->match, none = p->no_match, faults = p->soap_faults;
    if (!call->late)
        injected = lt_mock_faults_take(&p->faults, operation, call->now_ms);
    if (injected.kind == LT_FAULT_SOAP_FAULT) {
        fault.code = "soapenv:Server";
        snprintf(fault.text, sizeof fault.text, "Hệ thống đang bận");
        answer_fault(p, &fault, req.header, reply);
    } else if (lt_mock_fault_before(&injected, reply)) {
        p->errors++;
    } else {
        if (ok)
            population_answer(p, &req, reply);
        else
            answer_fault(p, &fault, req.header, reply);
        lt_mock_fault_after(&injected, reply);
        if (reply->action != LT_MOCK_ANSWER)
            p->errors++;
    }
    const char *what = p->match > matches        ? "match"
                       : p->no_match > none      ? "no-match"
                       : p->soap_faults > faults ? "fault"
                                                 : "";
    lt_mock_arrivals_add(&p->arrivals, doc ? operation : "", what, req.question.id, lt_mock_fault_name(injected.kind),
                         call->late, call->now_ms);
    if (req.request_id.ptr)
        lt_mock_arrivals_note(&p->arrivals, req.request_id);
    lt_arena_deinit(&a);
}

void lt_mock_population_handle(void *self, const struct lt_mock_call *call, struct lt_mock_reply *reply)
{
    struct lt_mock_population *p = self;
    LT_AUTO_XML struct lt_xml *doc = NULL;
    struct lt_err err = LT_ERR_INIT;
    const struct lt_xml_limits limits = {.bytes_max = (size_t)p->settings->body_max, .depth_max = BODY_DEPTH};
    if (call->body.len &&
        lt_xml_parse(call->body, &limits, &doc, &err) < 0) /* outside the lock: the only costly part */
        doc = NULL;
    if (!call->body.len)
        (void)lt_err_set(&err, LT_E_INVALID, "xml-empty", "the request has no body"); /* only its text is used */

    pthread_mutex_lock(&p->lock);
    if (!population_oracle(p, call, reply)) {
        p->calls += !call->late;
        if (transport_ok(p, call, reply))
            population_run(p, call, doc, &err, reply);
        else
            lt_mock_arrivals_add(&p->arrivals, "", "refused", LT_SPAN_NULL, lt_mock_fault_name(LT_FAULT_NONE),
                                 call->late, call->now_ms);
    }
    pthread_mutex_unlock(&p->lock);
}
