/* Calls to a mock from a test: one fixed clock, one reply kept for looking at. For test_mock_*.c only. */
#ifndef LT_TESTS_UNIT_TEST_MOCK_CALL_H
#define LT_TESTS_UNIT_TEST_MOCK_CALL_H

#include "tests/unit/harness.h"

#include "adapters/mock/call.h"
#include "gateway/codec/json.h"

#define CALL_NOW_MS INT64_C(1704072600000) /* 2024-01-01T08:30:00+07:00 */

struct caller {
    struct lt_mock mock;
    int64_t now_ms;
    const char *content_type, *dstcode, *authorization, *timestamp, *xroad_client;
    struct lt_mock_reply reply; /* of the last call */
    struct lt_json *doc;        /* the reply, when it is JSON */
};

static inline void caller_reset(struct caller *c)
{
    lt_mock_reply_deinit(&c->reply);
    lt_json_free(c->doc);
    c->doc = NULL;
    c->reply = LT_MOCK_REPLY_INIT;
}

static inline int caller_send(struct caller *c, const char *method, const char *path, const char *query,
                              struct lt_span body)
{
    caller_reset(c);
    const struct lt_mock_call call = {.method = method,
                                      .path = path,
                                      .query = query,
                                      .content_type = c->content_type,
                                      .dstcode = c->dstcode,
                                      .body = body,
                                      .now_ms = c->now_ms,
                                      .authorization = c->authorization,
                                      .timestamp = c->timestamp,
                                      .xroad_client = c->xroad_client,
                                      .peer = ""};
    c->mock.handle(c->mock.self, &call, &c->reply);
    const struct lt_json_limits limits = {.bytes_max = (size_t)1 << 26, .depth_max = 64};
    if (c->reply.action == LT_MOCK_ANSWER && strcmp(c->reply.content_type, LT_MOCK_JSON) == 0)
        assert_int_equal(lt_json_parse(lt_buf_view(&c->reply.body), &limits, &c->doc, NULL), LT_OK);
    return c->reply.status;
}

static inline int caller_get(struct caller *c, const char *path)
{
    return caller_send(c, "GET", path, "", LT_SPAN_NULL);
}

static inline int caller_post(struct caller *c, const char *path, const char *body)
{
    return caller_send(c, "POST", path, "", lt_span_str(body));
}

static inline lt_json_value caller_root(const struct caller *c)
{
    assert_non_null(c->doc);
    return lt_json_root(c->doc);
}

/* error_code whatever its form; is_text when the caller wants to know. */
static inline int64_t caller_code(const struct caller *c, bool *is_text)
{
    lt_json_value v = lt_json_get(caller_root(c), "error_code");
    struct lt_span s;
    int64_t n;
    bool text = lt_json_string(v, &s);
    assert_true(text ? lt_span_i64(s, &n) : lt_json_int(v, &n));
    if (is_text)
        *is_text = text;
    return n;
}

static inline struct lt_span caller_text(const struct caller *c, const char *member)
{
    struct lt_span s;
    assert_true(lt_json_string(lt_json_get(caller_root(c), member), &s));
    return s;
}

static inline int64_t caller_number(struct caller *c, const char *path, const char *member)
{
    int64_t n;
    assert_int_equal(caller_get(c, path), 200);
    assert_true(lt_json_int(lt_json_get(caller_root(c), member), &n));
    return n;
}

static inline bool caller_body_has(const struct caller *c, const char *text)
{
    return c->reply.body.len > 0 && strstr(c->reply.body.ptr, text) != NULL;
}

#endif
