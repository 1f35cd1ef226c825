#include "adapters/mock/arrivals.h"

#include "gateway/base/utf8.h"
#include "gateway/codec/json.h"

#include <stdio.h>

#define PAGE_MAX 100000

void lt_mock_arrivals_reset(struct lt_mock_arrivals *a)
{
    for (size_t i = 0; i < a->list.len; i++) {
        free(a->list.v[i].service);
        free(a->list.v[i].subject);
    }
    a->list.len = 0;
    a->total = 0;
}

void lt_mock_arrivals_deinit(struct lt_mock_arrivals *a)
{
    lt_mock_arrivals_reset(a);
    lt_vec_deinit(&a->list);
}

void lt_mock_arrivals_add(struct lt_mock_arrivals *a, const char *service, const char *what, struct lt_span subject,
                          const char *fault, bool late, int64_t now_ms)
{
    a->total++;
    if (a->list.len >= LT_MOCK_ARRIVALS_MAX)
        return;
    *lt_vec_push(&a->list) =
        (struct lt_mock_arrival){.service = lt_strdup(service),
                                 .subject = lt_strndup(subject.ptr ? subject.ptr : "", subject.len),
                                 .what = what,
                                 .fault = fault,
                                 .late = late,
                                 .at_ms = now_ms};
}

/* NULL: it was one too many to be kept. */
static struct lt_mock_arrival *last(struct lt_mock_arrivals *a)
{
    return a->total > 0 && a->list.len == a->total ? &a->list.v[a->list.len - 1] : NULL;
}

void lt_mock_arrivals_note(struct lt_mock_arrivals *a, struct lt_span note)
{
    struct lt_mock_arrival *l = last(a);
    if (l) {
        size_t n = lt_utf8_whole(note.ptr, LT_MIN(note.len, sizeof l->note - 1));
        snprintf(l->note, sizeof l->note, "%.*s", (int)n, note.ptr);
    }
}

void lt_mock_arrivals_applied(struct lt_mock_arrivals *a)
{
    struct lt_mock_arrival *l = last(a);
    if (l)
        l->applied = true;
}

void lt_mock_arrivals_page(const struct lt_mock_arrivals *a, const struct lt_mock_call *c, struct lt_mock_reply *r)
{
    uint64_t offset, limit;
    if (!lt_mock_query_u64(c, "offset", 0, &offset, r) || !lt_mock_query_u64(c, "limit", 1000, &limit, r))
        return;
    limit = LT_MIN(limit, (uint64_t)PAGE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &r->body);
    lt_json_begin_object(&w);
    lt_json_num(&w, "total", (int64_t)a->total);
    lt_json_key(&w, LT_SPAN_LIT("arrivals"));
    lt_json_begin_array(&w);
    for (uint64_t i = offset; i < a->list.len && i - offset < limit; i++) {
        const struct lt_mock_arrival *one = &a->list.v[i];
        lt_json_begin_object(&w);
        lt_json_num(&w, "seq", (int64_t)i + 1);
        lt_json_num(&w, "at", one->at_ms);
        lt_json_str(&w, "service", lt_span_str(one->service));
        lt_json_str(&w, "what", lt_span_str(one->what));
        lt_json_str(&w, "subject", lt_span_str(one->subject));
        lt_json_str(&w, "note", lt_span_str(one->note));
        lt_json_str(&w, "fault", lt_span_str(one->fault));
        lt_json_flag(&w, "late", one->late);
        lt_json_flag(&w, "applied", one->applied);
        lt_json_end_object(&w);
    }
    lt_json_end_array(&w);
    lt_json_end_object(&w);
}
