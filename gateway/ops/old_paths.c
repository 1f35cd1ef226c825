#include "gateway/ops/old_paths.h"

#include "gateway/delivery/ledger.h"
#include "gateway/kafka/reader.h"
#include "gateway/model/event.h"
#include "gateway/ops/read_whole.h"

struct parked {
    char *key; /* of its P record */
    size_t at; /* in the list */
    UT_hash_handle hh;
};

struct search {
    const struct lt_routes *routes;
    const char *target, *queue;
    struct lt_old_paths *found;
    struct parked *parked; /* a ledger is compacted some time later: its last word counts */
    LT_VEC(struct lt_genesis_row) rows;
};

static struct lt_span last_of(struct lt_span path)
{
    struct lt_span part = path;
    while (lt_span_cut(&path, ',', &part))
        ;
    return part;
}

/* The path that the routes have for this event of a queue instead of its own; NULL: its own, or the queue is its end.
 */
static const char *other_path(const struct lt_routes *routes, const char *target, const struct lt_log_record *r)
{
    struct lt_span path = lt_headers_value(&r->headers, "lt_path"), to = last_of(path);
    struct lt_event e;
    struct lt_copy copies[LT_ROUTE_COPIES_MAX];
    if (path.len == 0 || lt_span_is(to, target) || lt_event_read(r->key, &r->headers, r->value, &e, NULL) != LT_OK)
        return NULL;
    size_t n = lt_routes_match(routes, &e, false, LT_SPAN_NULL, copies);
    for (size_t i = 0; i < n; i++)
        if (copies[i].path && lt_span_eq(last_of(lt_span_str(copies[i].path)), to) && !lt_span_is(path, copies[i].path))
            return copies[i].path;
    return NULL;
}

/* Its entry in the list; -1: on the path of the routes. */
static int64_t entry_of(struct search *s, const struct lt_log_record *r, struct lt_span dossier)
{
    const char *now = other_path(s->routes, s->target, r);
    struct lt_span path = lt_headers_value(&r->headers, "lt_path");
    if (!now)
        return -1;
    for (size_t i = 0; i < s->found->list.len; i++) {
        const struct lt_old_path *p = &s->found->list.v[i];
        if (strcmp(p->queue, s->queue) == 0 && lt_span_is(path, p->path) && strcmp(p->now, now) == 0)
            return (int64_t)i;
    }
    *lt_vec_push(&s->found->list) = (struct lt_old_path){.queue = lt_strdup(s->queue),
                                                         .path = lt_strndup(path.ptr, path.len),
                                                         .now = lt_strdup(now),
                                                         .dossier = lt_strndup(dossier.ptr, dossier.len)};
    return (int64_t)s->found->list.len - 1;
}

static int take_waiting(void *ctx, const struct lt_log_record *r)
{
    struct search *s = ctx;
    int64_t i = entry_of(s, r, r->key);
    if (i >= 0)
        s->found->list.v[i].waiting++;
    return 0;
}

static void forget(struct search *s, struct parked *p)
{
    s->found->list.v[p->at].parked--;
    HASH_DEL(s->parked, p);
    free(p->key);
    free(p);
}

static int take_parked(void *ctx, const struct lt_log_record *r)
{
    struct search *s = ctx;
    enum lt_ledger_kind kind;
    struct lt_span dossier;
    int64_t order, i;
    struct parked *p;
    if (!lt_ledger_key(r->key, &kind, &dossier, &order) || kind != LT_LEDGER_PARKED)
        return 0;
    HASH_FIND(hh, s->parked, r->key.ptr, r->key.len, p);
    if (p)
        forget(s, p);
    struct lt_log_record event = *r;
    struct lt_parked_state ignored;
    lt_parked_state_get(&event.headers, &ignored);
    event.key = dossier;
    if (r->value_null || (i = entry_of(s, &event, dossier)) < 0)
        return 0;
    p = lt_alloc(sizeof(*p));
    *p = (struct parked){.key = lt_strndup(r->key.ptr, r->key.len), .at = (size_t)i};
    HASH_ADD_KEYPTR(hh, s->parked, p->key, r->key.len, p);
    s->found->list.v[i].parked++;
    return 0;
}

static void take_row(void *ctx, const struct lt_genesis_row *row)
{
    struct search *s = ctx;
    *lt_vec_push(&s->rows) = *row;
}

static int find_at(struct search *s, struct lt_admin *a, struct lt_reader *reader, struct lt_err *err)
{
    LT_AUTOFREE char *ledger = lt_asprintf(LT_TOPIC_LEDGER_PREFIX "%s", s->target);
    int r = lt_admin_group_offsets(a, s->queue, s->queue, take_row, s, err);
    for (size_t i = 0; r == LT_OK && i < s->rows.len; i++) {
        const struct lt_genesis_row *row = &s->rows.v[i];
        if (row->offset >= 0)
            r = lt_read_whole(a, reader, s->queue, row->partition, row->offset, take_waiting, s, err);
        if (r == LT_OK)
            r = lt_read_whole(a, reader, ledger, row->partition, 0, take_parked, s, err);
    }
    struct parked *p, *next;
    HASH_ITER (hh, s->parked, p, next) {
        HASH_DEL(s->parked, p);
        free(p->key);
        free(p);
    }
    lt_vec_deinit(&s->rows);
    return r;
}

int lt_old_paths_find(struct lt_admin *a, const struct lt_config *c, const struct lt_routes *routes,
                      struct lt_old_paths *ret, struct lt_err *err)
{
    struct lt_reader *reader = NULL;
    int r = lt_reader_new(c->kafka.props, c->kafka.props_len, &reader, err);
    *ret = (struct lt_old_paths){0};
    for (size_t i = 0; r == LT_OK && i < c->targets_len; i++) {
        LT_AUTOFREE char *queue = lt_asprintf(LT_TOPIC_QUEUE_PREFIX "%s", c->targets[i].name);
        struct search s = {.routes = routes, .target = c->targets[i].name, .queue = queue, .found = ret};
        r = find_at(&s, a, reader, err);
    }
    lt_reader_free(reader);
    if (r != LT_OK)
        lt_old_paths_deinit(ret);
    return r;
}

void lt_old_paths_deinit(struct lt_old_paths *p)
{
    for (size_t i = 0; i < p->list.len; i++) {
        free(p->list.v[i].queue);
        free(p->list.v[i].path);
        free(p->list.v[i].now);
        free(p->list.v[i].dossier);
    }
    lt_vec_deinit(&p->list);
}
