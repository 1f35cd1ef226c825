#include "gateway/kafka/memory.h"

#include <assert.h>

/* ---- records ---- */

void memory_record_unref(struct memory_record *r)
{
    if (--r->refs > 0)
        return;
    free(r->bytes);
    free(r);
}

static struct lt_span put(char **at, struct lt_span s)
{
    char *to = *at;
    if (s.len)
        memcpy(to, s.ptr, s.len);
    *at += s.len;
    return s.ptr ? lt_span(to, s.len) : LT_SPAN_NULL;
}

static struct memory_record *record_new(struct lt_span key, const struct lt_headers *headers, struct lt_span value)
{
    struct memory_record *r = lt_alloc(sizeof(*r));
    r->refs = 1;
    r->size = key.len + value.len;
    for (size_t i = 0; headers && i < headers->len; i++)
        r->size += headers->v[i].name.len + headers->v[i].value.len;
    char *at = r->bytes = lt_alloc(r->size + 1);
    r->rec.key = put(&at, key);
    r->rec.value = put(&at, value);
    r->rec.value_null = !value.ptr;
    for (size_t i = 0; headers && i < headers->len; i++) {
        struct lt_span name = put(&at, headers->v[i].name);
        lt_headers_add(&r->rec.headers, name, put(&at, headers->v[i].value));
    }
    return r;
}

static size_t lower_bound(const struct memory_partition *p, int64_t offset)
{
    size_t from = 0, to = p->records.len;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (p->records.v[mid]->rec.offset < offset)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static void place(struct memory_topic *t, int32_t partition, struct memory_record *r)
{
    struct memory_partition *p = &t->partitions[partition];
    r->rec.topic = t->name;
    r->rec.partition = partition;
    r->rec.offset = p->next++;
    *lt_vec_push(&p->records) = r;
}

struct memory_record *memory_append(struct lt_memory *m, struct memory_topic *t, int32_t partition, struct lt_span key,
                                    const struct lt_headers *headers, struct lt_span value, uint64_t txn)
{
    struct memory_partition *p = &t->partitions[partition];
    struct memory_record *r = record_new(key, headers, value);
    r->rec.append_ms = t->append_time ? m->clock_ms : -1;
    r->txn = txn;
    r->state = txn ? MEMORY_OPEN : MEMORY_COMMITTED;
    place(t, partition, r);
    if (!txn)
        return r;
    for (size_t i = 0; i < p->open.len; i++)
        if (p->open.v[i].txn == txn)
            return r;
    *lt_vec_push(&p->open) = (struct memory_open){txn, r->rec.offset};
    return r;
}

void memory_mark(struct lt_memory *m, struct memory_topic *t, int32_t partition, uint64_t txn, bool commit)
{
    struct memory_partition *p = &t->partitions[partition];
    for (size_t i = 0; i < p->open.len; i++) {
        if (p->open.v[i].txn != txn)
            continue;
        for (size_t k = lower_bound(p, p->open.v[i].first); k < p->records.len; k++)
            if (p->records.v[k]->txn == txn)
                p->records.v[k]->state = commit ? MEMORY_COMMITTED : MEMORY_ABORTED;
        p->open.v[i] = p->open.v[--p->open.len];
        break;
    }
    struct memory_record *marker = record_new(LT_SPAN_NULL, NULL, LT_SPAN_NULL);
    marker->marker = true;
    marker->rec.append_ms = m->clock_ms;
    place(t, partition, marker);
}

int64_t memory_stable_end(const struct memory_partition *p)
{
    int64_t end = p->next;
    for (size_t i = 0; i < p->open.len; i++)
        end = LT_MIN(end, p->open.v[i].first);
    return end;
}

struct memory_record *memory_next(const struct memory_partition *p, int64_t from, int64_t *ret_position)
{
    int64_t end = memory_stable_end(p);
    for (size_t i = lower_bound(p, from); i < p->records.len && p->records.v[i]->rec.offset < end; i++) {
        struct memory_record *r = p->records.v[i];
        if (!r->marker && r->state == MEMORY_COMMITTED) {
            *ret_position = r->rec.offset + 1;
            return r;
        }
    }
    *ret_position = LT_MAX(from, end);
    return NULL;
}

/* ---- topics ---- */

struct memory_topic *memory_topic_find(struct lt_memory *m, const char *name)
{
    for (size_t i = 0; i < m->topics.len; i++)
        if (strcmp(m->topics.v[i]->name, name) == 0)
            return m->topics.v[i];
    return NULL;
}

struct memory_partition *memory_partition_find(struct lt_memory *m, const char *topic, int32_t partition)
{
    struct memory_topic *t = memory_topic_find(m, topic);
    return t && partition >= 0 && partition < t->partitions_len ? &t->partitions[partition] : NULL;
}

static struct memory_partition *must_find(struct lt_memory *m, const char *topic, int32_t partition)
{
    struct memory_partition *p = memory_partition_find(m, topic, partition);
    assert(p && "the test names a topic or partition that it did not make");
    return p;
}

void lt_memory_topic(struct lt_memory *m, const char *name, int32_t partitions, size_t record_max, bool append_time)
{
    assert(!memory_topic_find(m, name));
    struct memory_topic *t = lt_alloc(sizeof(*t));
    t->name = lt_strdup(name);
    t->partitions_len = partitions;
    t->partitions = lt_calloc((size_t)partitions, sizeof(*t->partitions));
    t->record_max = record_max;
    t->append_time = append_time;
    *lt_vec_push(&m->topics) = t;
}

static void topic_free(struct memory_topic *t)
{
    for (int32_t n = 0; n < t->partitions_len; n++) {
        struct memory_partition *p = &t->partitions[n];
        for (size_t i = 0; i < p->records.len; i++)
            memory_record_unref(p->records.v[i]);
        lt_vec_deinit(&p->records);
        lt_vec_deinit(&p->open);
    }
    free(t->partitions);
    free(t->name);
    free(t);
}

void lt_memory_topic_drop(struct lt_memory *m, const char *name)
{
    for (size_t i = 0; i < m->topics.len; i++) {
        struct memory_topic *t = m->topics.v[i];
        if (strcmp(t->name, name) != 0)
            continue;
        for (size_t g = 0; g < m->groups.len; g++) {
            assert(!m->groups.v[g]->topic || strcmp(m->groups.v[g]->topic, name) != 0 ||
                   m->groups.v[g]->members.len == 0);
            for (size_t o = 0; o < m->groups.v[g]->offsets.len; o++)
                if (strcmp(m->groups.v[g]->offsets.v[o].topic, name) == 0)
                    m->groups.v[g]->offsets.v[o].offset = -1;
        }
        for (size_t k = 0; k < m->producers.len; k++)
            for (size_t j = 0; j < m->producers.v[k]->touched.len; j++)
                assert(m->producers.v[k]->touched.v[j].topic != t && "a transaction is open in it");
        topic_free(t);
        m->topics.v[i] = m->topics.v[--m->topics.len];
        return;
    }
}

/* ---- life, time ---- */

struct lt_memory *lt_memory_new(int64_t clock_ms)
{
    struct lt_memory *m = lt_alloc(sizeof(*m));
    m->clock_ms = clock_ms;
    m->schedule.random = 1;
    return m;
}

void lt_memory_free(struct lt_memory *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->topics.len; i++)
        topic_free(m->topics.v[i]);
    for (size_t i = 0; i < m->producers.len; i++)
        memory_producer_free(m->producers.v[i]);
    for (size_t i = 0; i < m->groups.len; i++)
        memory_group_free(m->groups.v[i]);
    lt_vec_deinit(&m->topics);
    lt_vec_deinit(&m->producers);
    lt_vec_deinit(&m->groups);
    free(m);
}

int64_t lt_memory_clock(const struct lt_memory *m)
{
    return m->clock_ms;
}

void lt_memory_advance(struct lt_memory *m, int64_t ms)
{
    m->clock_ms += ms;
    memory_transactions_expire(m);
    memory_sessions_expire(m);
}

void lt_memory_disturb(struct lt_memory *m)
{
    m->disturbances++;
}

/* ---- other writers and readers ---- */

int64_t lt_memory_append(struct lt_memory *m, const char *topic, int32_t partition, struct lt_span key,
                         const struct lt_headers *headers, struct lt_span value)
{
    must_find(m, topic, partition);
    return memory_append(m, memory_topic_find(m, topic), partition, key, headers, value, 0)->rec.offset;
}

int64_t lt_memory_read_from(struct lt_memory *m, const char *topic, int32_t partition, int64_t from,
                            void (*fn)(void *ctx, const struct lt_log_record *r), void *ctx)
{
    struct memory_partition *p = must_find(m, topic, partition);
    struct memory_record *r;
    for (from = LT_MAX(from, p->low); (r = memory_next(p, from, &from));)
        fn(ctx, &r->rec);
    return from;
}

int64_t lt_memory_read_all(struct lt_memory *m, const char *topic, int32_t partition, int64_t from,
                           void (*fn)(void *ctx, const struct lt_log_record *r), void *ctx)
{
    struct memory_partition *p = must_find(m, topic, partition);
    for (size_t i = lower_bound(p, from); i < p->records.len; i++)
        if (!p->records.v[i]->marker && p->records.v[i]->state == MEMORY_COMMITTED)
            fn(ctx, &p->records.v[i]->rec);
    return memory_stable_end(p);
}

void lt_memory_read(struct lt_memory *m, const char *topic, int32_t partition,
                    void (*fn)(void *ctx, const struct lt_log_record *r), void *ctx)
{
    (void)lt_memory_read_from(m, topic, partition, 0, fn, ctx);
}

int64_t lt_memory_append_at(struct lt_memory *m, const char *topic, int32_t partition, struct lt_span key,
                            const struct lt_headers *headers, struct lt_span value, int64_t append_ms)
{
    must_find(m, topic, partition);
    struct memory_record *r = memory_append(m, memory_topic_find(m, topic), partition, key, headers, value, 0);
    r->rec.append_ms = append_ms;
    return r->rec.offset;
}

static void count_one(void *ctx, const struct lt_log_record *r LT_UNUSED)
{
    ++*(size_t *)ctx;
}

size_t lt_memory_count(struct lt_memory *m, const char *topic)
{
    size_t n = 0;
    struct memory_topic *t = memory_topic_find(m, topic);
    for (int32_t p = 0; t && p < t->partitions_len; p++)
        lt_memory_read(m, topic, p, count_one, &n);
    return n;
}

int64_t lt_memory_end(struct lt_memory *m, const char *topic, int32_t partition)
{
    return must_find(m, topic, partition)->next;
}

void lt_memory_foreign_open(struct lt_memory *m, const char *topic, int32_t partition)
{
    must_find(m, topic, partition);
    memory_append(m, memory_topic_find(m, topic), partition, LT_SPAN_LIT("foreign"), NULL, LT_SPAN_LIT("foreign"),
                  UINT64_MAX);
}

void lt_memory_foreign_close(struct lt_memory *m, const char *topic, int32_t partition)
{
    must_find(m, topic, partition);
    memory_mark(m, memory_topic_find(m, topic), partition, UINT64_MAX, false);
}

/* ---- damage ---- */

static void cut(struct memory_partition *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        memory_record_unref(p->records.v[i]);
    if (to < p->records.len)
        memmove(&p->records.v[from], &p->records.v[to], (p->records.len - to) * sizeof(p->records.v[0]));
    p->records.len -= to - from;
}

void lt_memory_delete_head(struct lt_memory *m, const char *topic, int32_t partition, int64_t low)
{
    struct memory_partition *p = must_find(m, topic, partition);
    assert(low >= p->low && low <= p->next);
    cut(p, 0, lower_bound(p, low));
    p->low = low;
}

void lt_memory_truncate(struct lt_memory *m, const char *topic, int32_t partition, int64_t end)
{
    struct memory_partition *p = must_find(m, topic, partition);
    assert(end >= p->low && end <= p->next && p->open.len == 0);
    cut(p, lower_bound(p, end), p->records.len);
    p->next = end;
}

void lt_memory_hole(struct lt_memory *m, const char *topic, int32_t partition, int64_t offsets)
{
    must_find(m, topic, partition)->next += offsets;
}

void lt_memory_remove(struct lt_memory *m, const char *topic, int32_t partition, int64_t offset)
{
    struct memory_partition *p = must_find(m, topic, partition);
    size_t at = lower_bound(p, offset);
    assert(at < p->records.len && p->records.v[at]->rec.offset == offset);
    cut(p, at, at + 1);
}

struct lt_memory_copy *lt_memory_copy_new(struct lt_memory *m, const char *topic, int32_t partition)
{
    struct memory_partition *p = must_find(m, topic, partition);
    struct lt_memory_copy *c = lt_alloc(sizeof(*c));
    assert(p->open.len == 0);
    c->topic = lt_strdup(topic);
    c->partition = partition;
    c->low = p->low;
    c->next = p->next;
    for (size_t i = 0; i < p->records.len; i++) {
        p->records.v[i]->refs++;
        *lt_vec_push(&c->records) = p->records.v[i];
    }
    return c;
}

void lt_memory_copy_restore(struct lt_memory *m, struct lt_memory_copy *c)
{
    struct memory_partition *p = must_find(m, c->topic, c->partition);
    assert(p->open.len == 0);
    cut(p, 0, p->records.len);
    p->low = c->low;
    p->next = c->next;
    for (size_t i = 0; i < c->records.len; i++)
        *lt_vec_push(&p->records) = c->records.v[i];
    c->records.len = 0;
    lt_memory_copy_free(c);
}

void lt_memory_copy_free(struct lt_memory_copy *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->records.len; i++)
        memory_record_unref(c->records.v[i]);
    lt_vec_deinit(&c->records);
    free(c->topic);
    free(c);
}
