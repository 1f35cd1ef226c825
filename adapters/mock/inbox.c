#include "adapters/mock/inbox.h"

#include <pthread.h>
#include <stdio.h>
#include <uthash.h>

#include "adapters/mock/arrivals.h"
#include "adapters/mock/faults.h"
#include "gateway/codec/json.h"
#include "gateway/codec/xml.h"

#define MESSAGES_MAX 1000000
#define PAGE_MAX 100000
#define BODY_MAX ((size_t)8 << 20)
#define BODY_DEPTH 64

#define AT(member) offsetof(struct lt_mock_inbox_settings, member)
const struct lt_opt lt_mock_inbox_opts[] = {
    {"id-field", LT_OPT_STRING, AT(id_field), false, NULL, 0, 0, NULL, "name of the id beside \"id\""},
    {"refuse", LT_OPT_STRINGS, AT(refuse), false, NULL, 0, 0, NULL, "paths answered 422, * stands for any run"},
    {"hold", LT_OPT_DURATION, AT(hold_ms), false, "60s", 1, 600000, NULL, "silence of the fault timeout-after-apply"},
    {"fault-every", LT_OPT_STRINGS, AT(fault_every), false, NULL, 0, 0, NULL,
     "\"N KIND[:SERVICE]\": a fault at every N-th call"},
    {"fault-schedule", LT_OPT_PATH, AT(fault_schedule), false, NULL, 0, 0, NULL,
     "YAML file with a seed and rules, see adapters/mock/README.md"},
};
const size_t lt_mock_inbox_opts_len = LT_ARRAY_LEN(lt_mock_inbox_opts);

struct message {
    char *id, *path, *media, *body;
    uint64_t seq, repeats;
    int64_t at_ms;
    UT_hash_handle hh;
};

struct lt_mock_inbox {
    const struct lt_mock_inbox_settings *settings;
    pthread_mutex_t lock;
    struct lt_mock_faults faults;
    struct lt_mock_arrivals arrivals;
    struct lt_arena arena;
    struct message *messages; /* in the order of arrival */
    uint64_t taken, repeats, refused, malformed, calls, errors;
};

int lt_mock_inbox_new(const struct lt_mock_inbox_settings *s, struct lt_mock_inbox **ret, struct lt_err *err)
{
    struct lt_mock_inbox *p = lt_alloc(sizeof *p);
    lt_xml_init();
    p->settings = s;
    p->arena = LT_ARENA_INIT;
    pthread_mutex_init(&p->lock, NULL);
    lt_mock_faults_init(&p->faults,
                        LT_MOCK_FAULTS_COMMON | 1u << LT_FAULT_TIMEOUT_AFTER_APPLY | 1u << LT_FAULT_DROP_AFTER_APPLY |
                            1u << LT_FAULT_DROP_BEFORE | 1u << LT_FAULT_HTTP401 | 1u << LT_FAULT_HTTP500 |
                            1u << LT_FAULT_HTTP503 | 1u << LT_FAULT_HTML200,
                        s->hold_ms);
    int r = lt_mock_faults_every_of(&p->faults, &s->fault_every, err);
    if (r == LT_OK)
        r = lt_mock_faults_schedule(&p->faults, s->fault_schedule, &p->arena, err);
    if (r < 0) {
        lt_mock_inbox_free(p);
        return r;
    }
    *ret = p;
    return LT_OK;
}

static void forget(struct lt_mock_inbox *p)
{
    struct message *m, *next;
    HASH_ITER (hh, p->messages, m, next) {
        HASH_DEL(p->messages, m);
        free(m->id);
        free(m->path);
        free(m->media);
        free(m->body);
        free(m);
    }
}

void lt_mock_inbox_free(struct lt_mock_inbox *p)
{
    if (!p)
        return;
    forget(p);
    lt_mock_faults_deinit(&p->faults);
    lt_mock_arrivals_deinit(&p->arrivals);
    lt_arena_deinit(&p->arena);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- what a message is known by ---- */

static bool id_in_json(const char *name, struct lt_span body, struct lt_arena *a, struct lt_span *ret)
{
    LT_AUTO_JSON struct lt_json *doc = NULL;
    const struct lt_json_limits limits = {.bytes_max = BODY_MAX, .depth_max = BODY_DEPTH};
    if (lt_json_parse(body, &limits, &doc, NULL) != LT_OK)
        return false;
    lt_json_value v = lt_json_get(lt_json_root(doc), "id");
    if (!lt_json_present(v) && name)
        v = lt_json_get(lt_json_root(doc), name);
    struct lt_span s;
    if (!lt_json_present(v) || !lt_json_scalar(v, a, &s))
        return false;
    *ret = lt_arena_span(a, s);
    return ret->len > 0;
}

static bool id_in_xml(const char *name, struct lt_span body, struct lt_arena *a, struct lt_span *ret)
{
    LT_AUTO_XML struct lt_xml *doc = NULL;
    const struct lt_xml_limits limits = {.bytes_max = BODY_MAX, .depth_max = BODY_DEPTH};
    if (lt_xml_parse(body, &limits, &doc, NULL) != LT_OK)
        return false;
    lt_xml_node n = lt_xml_child(lt_xml_root(doc), NULL, "id");
    if (!lt_xml_present(n) && name)
        n = lt_xml_child(lt_xml_root(doc), NULL, name);
    if (!lt_xml_present(n))
        return false;
    *ret = lt_span_trim(lt_xml_text(n, a));
    return ret->len > 0;
}

static bool refused_path(const struct lt_mock_inbox *p, const char *path)
{
    for (size_t i = 0; i < p->settings->refuse.len; i++)
        if (lt_glob_match(p->settings->refuse.v[i], lt_span_str(path)))
            return true;
    return false;
}

static void take(struct lt_mock_inbox *p, const struct lt_mock_call *call, struct lt_span id,
                 struct lt_mock_reply *reply)
{
    struct message *m;
    if (refused_path(p, call->path)) {
        p->refused++;
        lt_mock_refuse(reply, 422, "not taken at %s", call->path);
        return;
    }
    HASH_FIND(hh, p->messages, id.ptr, id.len, m);
    if (m) {
        m->repeats++;
        p->repeats++;
        lt_mock_refuse(reply, 409, "there is such a message already");
        return;
    }
    if (HASH_COUNT(p->messages) >= MESSAGES_MAX) {
        lt_mock_refuse(reply, 503, "full: POST /oracle/reset");
        return;
    }
    m = lt_alloc(sizeof *m);
    m->id = lt_strndup(id.ptr, id.len);
    m->path = lt_strdup(call->path);
    m->media = lt_strdup(call->content_type ? call->content_type : "");
    m->body = lt_strndup(call->body.ptr, call->body.len);
    m->seq = ++p->taken;
    m->at_ms = call->now_ms;
    HASH_ADD_KEYPTR(hh, p->messages, m->id, id.len, m);
    reply->status = 202;
    lt_buf_str(&reply->body, "{\"taken\":true}");
}

/* ---- oracle ---- */

static void oracle_messages(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                            struct lt_mock_reply *reply)
{
    const struct lt_mock_inbox *p = self;
    uint64_t offset, limit, at = 0;
    if (!lt_mock_query_u64(call, "offset", 0, &offset, reply) || !lt_mock_query_u64(call, "limit", 1000, &limit, reply))
        return;
    limit = LT_MIN(limit, (uint64_t)PAGE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    lt_json_num(&w, "total", (int64_t)HASH_COUNT(p->messages));
    lt_json_key(&w, LT_SPAN_LIT("messages"));
    lt_json_begin_array(&w);
    for (const struct message *m = p->messages; m; m = m->hh.next, at++) {
        if (at < offset || at - offset >= limit)
            continue;
        lt_json_begin_object(&w);
        lt_json_num(&w, "seq", (int64_t)m->seq);
        lt_json_num(&w, "at", m->at_ms);
        lt_json_str(&w, "id", lt_span_str(m->id));
        lt_json_str(&w, "path", lt_span_str(m->path));
        lt_json_str(&w, "media", lt_span_str(m->media));
        lt_json_num(&w, "repeats", (int64_t)m->repeats);
        lt_json_str(&w, "body", lt_span_str(m->body));
        lt_json_end_object(&w);
    }
    lt_json_end_array(&w);
    lt_json_end_object(&w);
}

static void oracle_counters(void *self, const struct lt_mock_call *call LT_UNUSED, const char *rest LT_UNUSED,
                            struct lt_mock_reply *reply)
{
    const struct lt_mock_inbox *p = self;
    struct lt_json_writer w;
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    lt_json_num(&w, "taken", (int64_t)p->taken);
    lt_json_num(&w, "repeats", (int64_t)p->repeats);
    lt_json_num(&w, "refused", (int64_t)p->refused);
    lt_json_num(&w, "malformed", (int64_t)p->malformed);
    lt_json_num(&w, "errors", (int64_t)p->errors);
    lt_json_num(&w, "faults", (int64_t)p->faults.injected);
    lt_json_num(&w, "calls", (int64_t)p->calls);
    lt_json_end_object(&w);
}

static void oracle_arrivals(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                            struct lt_mock_reply *reply)
{
    lt_mock_arrivals_page(&((const struct lt_mock_inbox *)self)->arrivals, call, reply);
}

static void oracle_reset(void *self, const struct lt_mock_call *call LT_UNUSED, const char *rest LT_UNUSED,
                         struct lt_mock_reply *reply)
{
    struct lt_mock_inbox *p = self;
    forget(p);
    lt_mock_faults_reset(&p->faults);
    lt_mock_arrivals_reset(&p->arrivals);
    p->taken = p->repeats = p->refused = p->malformed = p->calls = p->errors = 0;
    lt_buf_str(&reply->body, "{\"reset\":true}");
}

static void control_faults(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                           struct lt_mock_reply *reply)
{
    lt_mock_faults_control(&((struct lt_mock_inbox *)self)->faults, call, reply);
}

static const struct lt_mock_path paths[] = {
    {"/control/faults", NULL, control_faults},    {"/oracle/reset", "POST", oracle_reset},
    {"/oracle/counters", "GET", oracle_counters}, {"/oracle/messages", "GET", oracle_messages},
    {"/oracle/arrivals", "GET", oracle_arrivals},
};

static void inbox_call(struct lt_mock_inbox *p, const struct lt_mock_call *call, struct lt_mock_reply *reply)
{
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_span id = LT_SPAN_NULL;
    const char *slash = strrchr(call->path, '/'), *service = slash ? slash + 1 : call->path;
    bool xml = call->content_type && strncmp(call->content_type, "application/xml", 15) == 0;
    bool known = xml ? id_in_xml(p->settings->id_field, call->body, &a, &id)
                     : id_in_json(p->settings->id_field, call->body, &a, &id);
    struct lt_mock_taken fault = {LT_FAULT_NONE, 0};
    if (!call->late)
        fault = lt_mock_faults_take(&p->faults, service, call->now_ms);
    lt_mock_arrivals_add(&p->arrivals, service, "", id, lt_mock_fault_name(fault.kind), call->late, call->now_ms);
    if (!lt_mock_fault_before(&fault, reply)) {
        if (known) {
            take(p, call, id, reply);
        } else {
            p->malformed++;
            lt_mock_refuse(reply, 400, "expected a JSON object or an XML document with an id");
        }
        lt_mock_fault_after(&fault, reply);
    }
    p->errors += fault.kind != LT_FAULT_NONE;
    lt_arena_deinit(&a);
}

void lt_mock_inbox_handle(void *self, const struct lt_mock_call *call, struct lt_mock_reply *reply)
{
    struct lt_mock_inbox *p = self;
    pthread_mutex_lock(&p->lock);
    if (!lt_mock_dispatch(paths, LT_ARRAY_LEN(paths), p, call, reply)) {
        if (lt_mock_after(call->path, "/oracle") || lt_mock_after(call->path, "/control")) {
            lt_mock_refuse(reply, 404, "nothing at %s", call->path);
        } else {
            p->calls += !call->late;
            if (lt_mock_method_is(call, "POST", reply))
                inbox_call(p, call, reply);
        }
    }
    pthread_mutex_unlock(&p->lock);
}
