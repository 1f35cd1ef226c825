#include "gateway/kafka/memory.h"

#include <stdio.h>

#define SESSION_MS 10000

struct lt_log_membership {
    uint64_t member_id;
    int32_t generation;
};

/* ---- groups and offsets ---- */

struct memory_group *memory_group_of(struct lt_memory *m, const char *name)
{
    for (size_t i = 0; i < m->groups.len; i++)
        if (strcmp(m->groups.v[i]->name, name) == 0)
            return m->groups.v[i];
    struct memory_group *g = lt_alloc(sizeof(*g));
    g->name = lt_strdup(name);
    *lt_vec_push(&m->groups) = g;
    return g;
}

static void member_free(struct memory_member *member)
{
    free(member->instance_id);
    free(member);
}

void memory_group_free(struct memory_group *g)
{
    for (size_t i = 0; i < g->offsets.len; i++)
        free(g->offsets.v[i].topic);
    for (size_t i = 0; i < g->members.len; i++)
        member_free(g->members.v[i]);
    lt_vec_deinit(&g->offsets);
    lt_vec_deinit(&g->members);
    lt_vec_deinit(&g->shares);
    free(g->topic);
    free(g->name);
    free(g);
}

struct memory_offset *memory_offset_of(struct memory_group *g, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < g->offsets.len; i++)
        if (g->offsets.v[i].partition == partition && strcmp(g->offsets.v[i].topic, topic) == 0)
            return &g->offsets.v[i];
    struct memory_offset *o = lt_vec_push(&g->offsets);
    *o = (struct memory_offset){.topic = lt_strdup(topic), .partition = partition, .offset = -1};
    return o;
}

void memory_offsets_end(struct lt_memory *m, uint64_t txn, bool commit)
{
    for (size_t g = 0; g < m->groups.len; g++) {
        for (size_t i = 0; i < m->groups.v[g]->offsets.len; i++) {
            struct memory_offset *o = &m->groups.v[g]->offsets.v[i];
            if (o->pending_txn != txn)
                continue;
            if (commit) {
                o->offset = o->pending_offset;
                memcpy(o->metadata, o->pending_metadata, sizeof(o->metadata));
            }
            o->pending_txn = 0;
        }
    }
}

void lt_memory_offset_set(struct lt_memory *m, const char *group, const char *topic, int32_t partition, int64_t offset,
                          const char *metadata)
{
    struct memory_offset *o = memory_offset_of(memory_group_of(m, group), topic, partition);
    o->offset = offset;
    snprintf(o->metadata, sizeof(o->metadata), "%s", metadata);
}

void lt_memory_offset_get(struct lt_memory *m, const char *group, const char *topic, int32_t partition,
                          struct lt_log_offset *ret)
{
    const struct memory_offset *o = memory_offset_of(memory_group_of(m, group), topic, partition);
    ret->partition = partition;
    ret->offset = o->offset;
    memcpy(ret->metadata, o->offset >= 0 ? o->metadata : "", o->offset >= 0 ? sizeof(ret->metadata) : 1);
}

/* ---- shares ---- */

static void give(struct memory_group *g, int32_t partition)
{
    struct memory_share *s = &g->shares.v[partition];
    s->owner = s->target;
    if (s->owner && s->owner->log)
        *lt_vec_push(&s->owner->log->events) = (struct memory_event){.assign = true, .partition = partition};
}

static bool revoke_waits(const struct lt_log_memory *l, int32_t partition)
{
    bool waits = false;
    for (size_t i = 0; i < l->events.len; i++)
        if (l->events.v[i].partition == partition)
            waits = !l->events.v[i].assign;
    return waits;
}

static void take_back(struct memory_group *g, int32_t partition, bool lost)
{
    struct lt_log_memory *l = g->shares.v[partition].owner->log;
    if (!revoke_waits(l, partition))
        *lt_vec_push(&l->events) = (struct memory_event){.partition = partition, .lost = lost};
}

/* Start moving what is not where it should be. What a vanished member owns waits for its return or the end of its
 * session. */
static void settle(struct memory_group *g)
{
    for (int32_t p = 0; p < (int32_t)g->shares.len; p++) {
        struct memory_share *s = &g->shares.v[p];
        if (s->owner == s->target)
            continue;
        if (!s->owner)
            give(g, p);
        else if (s->owner->log)
            take_back(g, p, false);
    }
}

/* Shares in the order of instance ids, as equal as can be. */
static void deal(struct memory_group *g)
{
    for (size_t i = 1; i < g->members.len; i++)
        for (size_t k = i; k > 0 && strcmp(g->members.v[k - 1]->instance_id, g->members.v[k]->instance_id) > 0; k--) {
            struct memory_member *tmp = g->members.v[k];
            g->members.v[k] = g->members.v[k - 1];
            g->members.v[k - 1] = tmp;
        }
    for (size_t p = 0; p < g->shares.len; p++)
        g->shares.v[p].target = g->members.len ? g->members.v[p % g->members.len] : NULL;
    g->generation++;
    settle(g);
}

void lt_memory_rebalance(struct lt_memory *m, const char *group)
{
    struct memory_group *g = memory_group_of(m, group);
    LT_VEC(struct memory_member *) live = {0};
    for (size_t i = 0; i < g->members.len; i++)
        if (g->members.v[i]->log)
            *lt_vec_push(&live) = g->members.v[i];
    if (live.len > 0) {
        uint64_t draw = memory_random(m);
        g->generation++;
        for (size_t p = 0; p < g->shares.len; p++) {
            struct memory_share *s = &g->shares.v[p];
            if (s->owner && !s->owner->log)
                continue;
            if (live.len > 1)
                s->target = live.v[memory_random(m) % live.len];
            else if (s->owner == live.v[0] && (p == draw % g->shares.len || memory_random(m) % 2))
                take_back(g, (int32_t)p, draw >> 32 & 1); /* alone: it gets it again */
        }
        settle(g);
    }
    lt_vec_deinit(&live);
}

/* ---- members ---- */

static struct memory_member *member_find(struct memory_group *g, const char *instance_id)
{
    for (size_t i = 0; i < g->members.len; i++)
        if (strcmp(g->members.v[i]->instance_id, instance_id) == 0)
            return g->members.v[i];
    return NULL;
}

void memory_group_join(struct lt_log_memory *l)
{
    struct memory_group *g = l->group;
    if (!g->topic)
        g->topic = lt_strdup(l->topic->name);
    while ((int32_t)g->shares.len < l->topic->partitions_len)
        *lt_vec_push(&g->shares) = (struct memory_share){0};
    struct memory_member *member = member_find(g, l->instance_id);
    bool known = member;
    if (member && member->log) { /* the one before is a twin now */
        member->log->twin = true;
        memory_group_leave(member->log);
    }
    if (!member) {
        member = lt_alloc(sizeof(*member));
        member->instance_id = lt_strdup(l->instance_id);
        *lt_vec_push(&g->members) = member;
    }
    member->id = l->member_id = ++l->m->member_last;
    member->log = l;
    l->member = member;
    if (!known) {
        deal(g);
        return;
    }
    for (int32_t p = 0; p < (int32_t)g->shares.len;
         p++) { /* a static member takes up its share under the same generation */
        struct memory_share *s = &g->shares.v[p];
        if (s->owner == member || (!s->owner && s->target == member))
            give(g, p);
    }
}

void memory_group_leave(struct lt_log_memory *l)
{
    if (!l->member)
        return;
    struct memory_group *g = l->group;
    l->member->log = NULL;
    l->member->gone_ms = l->m->clock_ms;
    for (int32_t p = 0; p < (int32_t)g->shares.len; p++)
        if (g->shares.v[p].owner == l->member && g->shares.v[p].target != l->member)
            give(g, p); /* it was to give it up, and it does nothing with it any more */
    l->member = NULL;
    l->events.len = 0;
}

static void member_remove(struct memory_group *g, struct memory_member *member)
{
    for (size_t p = 0; p < g->shares.len; p++) {
        if (g->shares.v[p].owner == member)
            g->shares.v[p].owner = NULL;
        if (g->shares.v[p].target == member)
            g->shares.v[p].target = NULL;
    }
    for (size_t i = 0; i < g->members.len; i++)
        if (g->members.v[i] == member) {
            memmove(&g->members.v[i], &g->members.v[i + 1], (--g->members.len - i) * sizeof(g->members.v[0]));
            break;
        }
    member_free(member);
}

void memory_group_quit(struct lt_log_memory *l)
{
    struct memory_member *member = l->member;
    if (!member)
        return;
    memory_group_leave(l);
    member_remove(l->group, member);
    deal(l->group);
}

/* Gone, or standing still, for longer than its session. */
static bool session_over(const struct lt_memory *m, const struct memory_member *member)
{
    if (!member->log)
        return m->clock_ms - member->gone_ms > SESSION_MS;
    return member->log->frozen && m->clock_ms - member->log->frozen_ms > SESSION_MS;
}

static void expel(struct lt_log_memory *l)
{
    l->member = NULL;
    l->expelled = true;
    l->events.len = 0;
}

void memory_return(struct lt_log_memory *l)
{
    l->expelled = false;
    for (int32_t p = 0; p < (int32_t)l->fetch.len; p++)
        if (l->fetch.v[p].assigned) {
            l->fetch.v[p] = (struct memory_fetch){0};
            l->callbacks.on_revoke(l->callbacks.ctx, p, true);
        }
    if (!l->crashed)
        memory_group_join(l);
}

void memory_sessions_expire(struct lt_memory *m)
{
    for (size_t i = 0; i < m->groups.len; i++) {
        struct memory_group *g = m->groups.v[i];
        bool changed = false;
        for (size_t k = 0; k < g->members.len;) {
            struct memory_member *member = g->members.v[k];
            if (!session_over(m, member)) {
                k++;
                continue;
            }
            if (member->log)
                expel(member->log);
            member_remove(g, member);
            changed = true;
        }
        if (changed)
            deal(g);
    }
}

/* ---- callbacks ---- */

static void revoked(struct lt_log_memory *l, struct memory_event e)
{
    struct memory_group *g = l->group;
    struct memory_member *member = l->member;
    l->callbacks.on_revoke(l->callbacks.ctx, e.partition, e.lost);
    l->fetch.v[e.partition] = (struct memory_fetch){0};
    if (l->member != member || g->shares.v[e.partition].owner != member)
        return; /* the log crashed or lost its place inside the callback */
    g->shares.v[e.partition].owner = NULL;
    g->generation++; /* only now is the partition free: the group meets again */
    give(g, e.partition);
}

void memory_serve(struct lt_log_memory *l)
{
    if (l->serving)
        return;
    l->serving = true;
    if (l->expelled)
        memory_return(l);
    while (l->events.len > 0 && !l->crashed) {
        struct memory_event e = l->events.v[0];
        memmove(&l->events.v[0], &l->events.v[1], --l->events.len * sizeof(l->events.v[0]));
        l->served_generation = l->group->generation;
        if (e.assign) {
            l->fetch.v[e.partition] = (struct memory_fetch){.assigned = true};
            l->callbacks.on_assign(l->callbacks.ctx, e.partition);
        } else if (l->fetch.v[e.partition].assigned) {
            revoked(l, e);
        }
    }
    l->served_generation = l->group->generation;
    l->serving = false;
}

/* ---- membership ---- */

int memory_alive(struct lt_log_memory *l, struct lt_err *err)
{
    if (!l->twin && !l->taken)
        return LT_LOG_OK;
    if (!l->twin)
        return lt_err_set(err, LT_E_UNAVAILABLE, "membership-taken", "the membership of %s was taken", l->instance_id);
    lt_err_set(err, LT_E_INVALID, "twin", "another process took over the group instance id %s", l->instance_id);
    return LT_LOG_TWIN;
}

bool memory_membership_valid(const struct lt_log_memory *l, const struct lt_log_membership *ms)
{
    return l->member && l->member->id == ms->member_id && l->group->generation == ms->generation;
}

int memory_capture(struct lt_log *log, struct lt_log_membership **ret, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    if (l->crashed)
        return memory_dead(l, err);
    int r = memory_alive(l, err);
    if (r != LT_LOG_OK)
        return r;
    if (!l->expelled && (l->served_generation != l->group->generation || (l->events.len > 0 && !l->serving))) {
        lt_err_set(err, LT_E_UNAVAILABLE, "membership", "not a member yet, or callbacks were not served");
        return LT_LOG_RETRY;
    }
    struct lt_log_membership *ms = lt_alloc(sizeof(*ms));
    *ms = (struct lt_log_membership){l->member_id, l->served_generation};
    *ret = ms;
    return LT_LOG_OK;
}

void memory_membership_free(struct lt_log *l LT_UNUSED, struct lt_log_membership *ms)
{
    free(ms);
}

bool memory_membership_same(struct lt_log *log, const struct lt_log_membership *ms)
{
    return memory_log_of(log)->member_id == ms->member_id;
}

bool memory_share(struct lt_log *log, struct lt_log_share *ret)
{
    const struct memory_group *g = memory_log_of(log)->group;
    struct lt_log_share s = {.members = (int32_t)g->members.len, .partitions = (int32_t)g->shares.len};
    for (size_t p = 0; p < g->shares.len; p++)
        s.unowned += !g->shares.v[p].owner && !g->shares.v[p].target;
    *ret = s;
    return true;
}
