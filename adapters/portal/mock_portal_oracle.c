#include "adapters/portal/mock_portal_internal.h"

#define PAGE_MAX 100000

static void oracle_counters(void *self, const struct lt_mock_call *call LT_UNUSED, const char *rest LT_UNUSED,
                            struct lt_mock_reply *reply)
{
    const struct lt_mock_portal *p = self;
    const struct lt_mock_portal_counters *c = &p->counters;
    struct lt_json_writer w;
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    lt_json_num(&w, "creates", (int64_t)c->creates);
    lt_json_num(&w, "updates", (int64_t)c->updates);
    lt_json_num(&w, "progress", (int64_t)c->progress);
    lt_json_num(&w, "exists_refused", (int64_t)c->exists_refused);
    lt_json_num(&w, "rejected", (int64_t)c->rejected);
    lt_json_num(&w, "logins", (int64_t)c->logins);
    lt_json_num(&w, "login_refused", (int64_t)c->login_refused);
    lt_json_num(&w, "lookups", (int64_t)c->lookups);
    lt_json_num(&w, "statuses", (int64_t)c->statuses);
    lt_json_num(&w, "ratings", (int64_t)c->ratings);
    lt_json_num(&w, "sessions_expired", (int64_t)c->sessions_expired);
    lt_json_num(&w, "errors", (int64_t)c->errors);
    lt_json_num(&w, "faults", (int64_t)p->faults.injected);
    lt_json_num(&w, "calls", (int64_t)c->calls);
    lt_json_num(&w, "dossiers", (int64_t)lt_mock_portal_store_len(p->store));
    lt_json_end_object(&w);
}

static void oracle_page(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                        struct lt_mock_reply *reply)
{
    const struct lt_mock_portal *p = self;
    uint64_t offset, limit, total = lt_mock_portal_store_len(p->store);
    if (!lt_mock_query_u64(call, "offset", 0, &offset, reply) || !lt_mock_query_u64(call, "limit", 1000, &limit, reply))
        return;
    limit = LT_MIN(limit, (uint64_t)PAGE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    lt_json_num(&w, "total", (int64_t)total);
    lt_json_key(&w, LT_SPAN_LIT("dossiers"));
    lt_json_begin_array(&w);
    for (uint64_t i = offset; i < total && i - offset < limit; i++)
        lt_mock_portal_store_write_line(p->store, (size_t)i, &w);
    lt_json_end_array(&w);
    lt_json_end_object(&w);
}

static void oracle_dossier(void *self, const struct lt_mock_call *call LT_UNUSED, const char *code,
                           struct lt_mock_reply *reply)
{
    const struct lt_mock_portal *p = self;
    const struct lt_mock_portal_dossier *d = lt_mock_portal_store_find(p->store, lt_span_str(code));
    if (!d) {
        lt_mock_refuse(reply, 404, "no dossier %s", code);
        return;
    }
    struct lt_json_writer w;
    lt_json_writer_init(&w, &reply->body);
    lt_mock_portal_dossier_write(d, &w);
}

/* Sessions stay: a reset between two tests is not a restart of the portal. */
static void oracle_reset(void *self, const struct lt_mock_call *call LT_UNUSED, const char *rest LT_UNUSED,
                         struct lt_mock_reply *reply)
{
    struct lt_mock_portal *p = self;
    lt_mock_portal_store_reset(p->store);
    lt_mock_faults_reset(&p->faults);
    lt_mock_arrivals_reset(&p->arrivals);
    p->counters = (struct lt_mock_portal_counters){0};
    p->answers = p->exists_answers = 0;
    lt_buf_str(&reply->body, "{\"reset\":true}");
}

static void control_faults(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                           struct lt_mock_reply *reply)
{
    struct lt_mock_portal *p = self;
    lt_mock_faults_control(&p->faults, call, reply);
}

/* Somebody at the portal changes the password: what was logged in with the former one is over. */
static void control_password(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                             struct lt_mock_reply *reply)
{
    struct lt_mock_portal *p = self;
    LT_AUTO_JSON struct lt_json *doc = NULL;
    const struct lt_json_limits limits = {.bytes_max = 4096, .depth_max = 2};
    struct lt_span word;
    if (lt_json_parse(call->body, &limits, &doc, NULL) != LT_OK ||
        !lt_json_string(lt_json_get(lt_json_root(doc), "password"), &word) || word.len == 0) {
        lt_mock_refuse(reply, 400, "expected {\"password\": \"…\"}");
        return;
    }
    free(p->password);
    p->password = lt_strndup(word.ptr, word.len);
    lt_mock_sessions_end_all(p->sessions);
    lt_buf_str(&reply->body, "{\"changed\":true}");
}

static void oracle_arrivals(void *self, const struct lt_mock_call *call, const char *rest LT_UNUSED,
                            struct lt_mock_reply *reply)
{
    const struct lt_mock_portal *p = self;
    lt_mock_arrivals_page(&p->arrivals, call, reply);
}

bool lt_mock_portal_oracle(struct lt_mock_portal *p, const struct lt_mock_call *call, struct lt_mock_reply *reply)
{
    static const struct lt_mock_path paths[] = {
        {"/control/faults", NULL, control_faults},    {"/control/password", "POST", control_password},
        {"/oracle/reset", "POST", oracle_reset},      {"/oracle/counters", "GET", oracle_counters},
        {"/oracle/dossiers", "GET", oracle_page},     {"/oracle/arrivals", "GET", oracle_arrivals},
        {"/oracle/dossiers/", "GET", oracle_dossier}, /* the code may hold a slash */
    };
    return lt_mock_dispatch(paths, LT_ARRAY_LEN(paths), p, call, reply);
}
