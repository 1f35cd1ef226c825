#include "gateway/ingest/clients.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

struct bucket {
    double tokens;
    int64_t filled_ms;
    bool begun;
};

struct lt_clients {
    const struct lt_config *config;
    char (*fingerprints)[65]; /* of each client, lower case, without colons; "" none */
    struct bucket *buckets;
    pthread_mutex_t lock; /* buckets */
};

struct lt_clients *lt_clients_new(const struct lt_config *c)
{
    struct lt_clients *cs = lt_alloc(sizeof(*cs));
    cs->config = c;
    cs->fingerprints = lt_calloc(LT_MAX(c->clients_len, 1), sizeof(*cs->fingerprints));
    cs->buckets = lt_calloc(LT_MAX(c->clients_len, 1), sizeof(*cs->buckets));
    pthread_mutex_init(&cs->lock, NULL);
    for (size_t i = 0; i < c->clients_len; i++) {
        size_t len = 0;
        for (const char *p = c->clients[i].fingerprint; p && *p && len < 64; p++)
            if (*p != ':')
                cs->fingerprints[i][len++] = (char)tolower((unsigned char)*p);
    }
    return cs;
}

void lt_clients_free(struct lt_clients *cs)
{
    if (!cs)
        return;
    pthread_mutex_destroy(&cs->lock);
    free(cs->fingerprints);
    free(cs->buckets);
    free(cs);
}

static bool has_san(const struct lt_http_peer *p, const char *name)
{
    for (size_t i = 0; i < p->san_len; i++)
        if (strcasecmp(p->san[i], name) == 0)
            return true;
    return false;
}

const struct lt_config_client *lt_clients_of(const struct lt_clients *cs, const struct lt_http_peer *p)
{
    const struct lt_config *c = cs->config;
    if (!*p->fingerprint)
        return NULL;
    for (size_t i = 0; i < c->clients_len; i++)
        if (*cs->fingerprints[i] && strcmp(cs->fingerprints[i], p->fingerprint) == 0)
            return &c->clients[i];
    for (size_t i = 0; i < c->clients_len; i++)
        if (c->clients[i].san && *c->clients[i].san && has_san(p, c->clients[i].san))
            return &c->clients[i];
    for (size_t i = 0; i < c->clients_len; i++)
        if (c->clients[i].subject_cn && *c->clients[i].subject_cn &&
            strcmp(c->clients[i].subject_cn, p->subject_cn) == 0)
            return &c->clients[i];
    return NULL;
}

bool lt_client_sends(const struct lt_config_client *c)
{
    return c->role == LT_ROLE_PROVINCE || c->role == LT_ROLE_POSTAL;
}

static bool any_matches(const struct lt_opt_strings *globs, struct lt_span s)
{
    for (size_t i = 0; i < globs->len; i++)
        if (lt_glob_match(globs->v[i], s))
            return true;
    return globs->len == 0;
}

static bool refuse(struct lt_refusal *ret, const char *code, const char *field, const char *what, struct lt_span value)
{
    memset(ret, 0, sizeof(*ret));
    ret->status = 403;
    snprintf(ret->code, sizeof(ret->code), "%s", code);
    snprintf(ret->field, sizeof(ret->field), "%s", field);
    snprintf(ret->detail, sizeof(ret->detail), "this client may not send events %s " LT_SPAN_FMT, what,
             LT_SPAN_ARG(lt_span(value.ptr, LT_MIN(value.len, (size_t)100))));
    return false;
}

bool lt_client_may_send(const struct lt_config_client *c, const struct lt_event *e, struct lt_span type_word,
                        struct lt_refusal *ret)
{
    bool province = c->provinces.len == 0 && c->role != LT_ROLE_PROVINCE;
    for (size_t i = 0; i < c->provinces.len && !province; i++)
        province = lt_span_is(e->province, c->provinces.v[i]);
    if (!province)
        return refuse(ret, "other-province", "province", "of province", e->province);
    if (!any_matches(&c->sources, e->source))
        return refuse(ret, "source-not-allowed", "source", "of source", e->source);
    if (!any_matches(&c->units, e->unit))
        return refuse(ret, "unit-not-allowed", "unit", "of unit", e->unit);
    if (!any_matches(&c->types, type_word))
        return refuse(ret, "type-not-allowed", "type", "of type", type_word);
    return true;
}

int lt_clients_admit(struct lt_clients *cs, const struct lt_config_client *c, int64_t mono_ms)
{
    if (c->rate <= 0)
        return 0;
    double rate = (double)c->rate, missing;
    struct bucket *b = &cs->buckets[c - cs->config->clients];
    pthread_mutex_lock(&cs->lock);
    if (!b->begun)
        b->tokens = rate;
    else
        b->tokens = LT_MIN(rate, b->tokens + rate * (double)LT_MAX(0, mono_ms - b->filled_ms) / 1000.0);
    b->begun = true;
    b->filled_ms = mono_ms;
    missing = 1.0 - b->tokens;
    pthread_mutex_unlock(&cs->lock);
    return missing <= 0 ? 0 : 1 + (int)(missing / rate);
}

void lt_clients_charge(struct lt_clients *cs, const struct lt_config_client *c, size_t events)
{
    if (c->rate <= 0)
        return;
    pthread_mutex_lock(&cs->lock);
    cs->buckets[c - cs->config->clients].tokens -= (double)events;
    pthread_mutex_unlock(&cs->lock);
}
