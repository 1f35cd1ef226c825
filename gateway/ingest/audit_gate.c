#include "gateway/ingest/audit_gate.h"

#include <pthread.h>

struct slot {
    bool used;
    uint64_t name; /* hash of actor and code: two that collide share a slot, which is all that happens */
    int64_t passed_ms;
    uint64_t left_out;
};

struct lt_audit_gate {
    pthread_mutex_t lock;
    struct slot slots[LT_AUDIT_SLOTS], others;
};

struct lt_audit_gate *lt_audit_gate_new(void)
{
    struct lt_audit_gate *g = lt_alloc(sizeof(*g));
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

void lt_audit_gate_free(struct lt_audit_gate *g)
{
    if (!g)
        return;
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* FNV-1a; the NUL between keeps ("ab","c") and ("a","bc") apart. */
static uint64_t name_of(const char *actor, const char *code)
{
    const char *const parts[] = {actor, code};
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < LT_ARRAY_LEN(parts); i++)
        for (const char *p = parts[i];; p++) {
            h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
            if (!*p)
                break;
        }
    return h;
}

/* Under the lock. The slot of that name; a fresh or rested one made its own; the shared one when there is none. */
static struct slot *slot_of(struct lt_audit_gate *g, uint64_t name, int64_t now)
{
    struct slot *free_slot = NULL;
    for (size_t i = 0; i < LT_ARRAY_LEN(g->slots); i++) {
        struct slot *s = &g->slots[i];
        if (s->used && s->name == name)
            return s;
        if (!free_slot && (!s->used || now - s->passed_ms >= LT_AUDIT_EVERY_MS))
            free_slot = s;
    }
    if (!free_slot)
        return &g->others;
    g->others.left_out += free_slot->left_out; /* still to be told */
    *free_slot = (struct slot){.used = true, .name = name, .passed_ms = now - LT_AUDIT_EVERY_MS};
    return free_slot;
}

bool lt_audit_gate_pass(struct lt_audit_gate *g, const char *actor, const char *code, int64_t mono_ms,
                        uint64_t *ret_left_out)
{
    pthread_mutex_lock(&g->lock);
    struct slot *s = slot_of(g, name_of(actor, code), mono_ms);
    bool pass = !s->used || mono_ms - s->passed_ms >= LT_AUDIT_EVERY_MS;
    if (pass) {
        *ret_left_out = s->left_out;
        s->left_out = 0;
        s->passed_ms = mono_ms;
        s->used = true;
    } else {
        s->left_out++;
    }
    pthread_mutex_unlock(&g->lock);
    return pass;
}
