/*
 * Our identity towards the target, as files: its certificate with key and CA, and the secrets of the adapter's options.
 * What was replaced is tried without waiting for the back-off. Certificates are read by libcurl with each connection;
 * secrets are read here, in place of the former ones, which stay in use while the file cannot be.
 */
#include "gateway/delivery/internal.h"

#include "gateway/base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define LOOK_MS 1000
#define OLD_CONNECTIONS_MS 5000 /* by then connections made with the former files are given up (gateway/http) */

static bool paused_for_it(const struct lt_engine *e)
{
    return e->gate.state == LT_GATE_PAUSED && e->gate.reason == LT_OUTCOME_CREDENTIAL;
}

/* ---- certificate, key and CA ---- */

/* true: one is not as it was. */
static bool files_changed(struct lt_engine *e)
{
    const struct lt_config_tls *tls = &e->set.target->tls;
    const char *const paths[] = {tls->certificate, tls->key, tls->ca};
    bool changed = false;
    for (size_t i = 0; i < LT_ARRAY_LEN(paths); i++)
        changed = lt_file_mark_look(paths[i], &e->identity.files[i]) || changed;
    return changed;
}

/* ---- secrets ---- */

static void kept(struct lt_engine *e, struct lt_watched_secret *w, const struct lt_err *err)
{
    bool known = w->kept[0] != '\0';
    snprintf(w->kept, sizeof(w->kept), "%s", err->text);
    w->again = true;
    if (!known) /* once, whatever becomes of it until it is good again: status tells how it is now */
        lt_warn(e->subject, "secret-kept",
                "%s; the former one goes on: write the new one beside it with mode 0600 and rename it over", err->text);
}

static void renewed(struct lt_engine *e, struct lt_watched_secret *w, int64_t now)
{
    bool probe = paused_for_it(e);
    w->renewed++;
    e->identity.renewed_ms = now;
    lt_info(e->subject, "secret-taken", "%s: what %s holds now is in use%s", w->secret->key, w->path,
            probe ? "; one call probes" : "");
    if (probe)
        lt_gate_try_at(&e->gate, now);
}

/*
 * A file is read only when two looks find it alike: one that is being written is left alone until it rests. One that
 * says what is in use already is no reason to probe: it was refused, and asking often locks an account.
 */
static void secret_look(struct lt_engine *e, struct lt_watched_secret *w, int64_t now)
{
    struct lt_file_mark mark;
    struct lt_err err = LT_ERR_INIT;
    lt_file_mark_take(w->path, &mark);
    bool rests = lt_file_mark_same(&mark, &w->seen);
    w->seen = mark;
    if (!rests || (!w->again && lt_file_mark_same(&mark, &w->taken)))
        return;
    w->taken = mark;
    w->again = false;
    int r = lt_secret_renew(w->secret, &err);
    if (r < 0) {
        kept(e, w, &err);
        return;
    }
    if (w->kept[0] && r == LT_OK)
        lt_info(e->subject, "secret-good", "%s: %s can be used again and holds what is in use", w->secret->key,
                w->path);
    w->kept[0] = '\0';
    if (r == LT_SECRET_RENEWED)
        renewed(e, w, now);
}

/* What the table of options calls a secret and the configuration puts into a file. */
static void find_secrets(struct lt_engine *e)
{
    const struct lt_adapter_type *a = e->set.adapter;
    for (size_t i = 0; i < a->opts_len; i++) {
        if (a->opts[i].type != LT_OPT_SECRET)
            continue;
        assert(a->options); /* the contract */
        struct lt_secret *s = (struct lt_secret *)((char *)a->options(e->adapter) + a->opts[i].offset);
        char *path = s->text ? lt_secret_path(s) : NULL;
        if (path)
            *lt_vec_push(&e->identity.secrets) = (struct lt_watched_secret){.secret = s, .path = path, .again = true};
    }
}

/* ---- what the engine calls ---- */

void lt_identity_begin(struct lt_engine *e)
{
    (void)files_changed(e);
    find_secrets(e);
}

void lt_identity_end(struct lt_engine *e)
{
    for (size_t i = 0; i < e->identity.secrets.len; i++)
        free(e->identity.secrets.v[i].path);
    lt_vec_deinit(&e->identity.secrets);
}

void lt_identity_look(struct lt_engine *e)
{
    int64_t now = lt_engine_now(e);
    if (now < e->identity.look_ms)
        return;
    e->identity.look_ms = now + LOOK_MS;
    for (size_t i = 0; i < e->identity.secrets.len; i++)
        secret_look(e, &e->identity.secrets.v[i], now);
    if (!files_changed(e))
        return;
    bool corners = lt_engine_try_corners(e, now + OLD_CONNECTIONS_MS);
    if (!corners && !paused_for_it(e))
        return;
    lt_info(e->subject, "identity-replaced", "certificate, key or CA was replaced: one call probes");
    if (paused_for_it(e))
        lt_gate_try_at(&e->gate, now + OLD_CONNECTIONS_MS);
}

void lt_identity_refused(struct lt_engine *e, int64_t sent_ms)
{
    if (paused_for_it(e) && sent_ms <= e->identity.renewed_ms)
        lt_gate_try_at(&e->gate, lt_engine_now(e));
}

void lt_identity_status(const struct lt_engine *e, struct lt_json_writer *w)
{
    if (e->identity.secrets.len == 0)
        return;
    lt_json_key(w, LT_SPAN_LIT("secrets"));
    lt_json_begin_array(w);
    for (size_t i = 0; i < e->identity.secrets.len; i++) {
        const struct lt_watched_secret *s = &e->identity.secrets.v[i];
        lt_json_begin_object(w);
        lt_json_str(w, "option", lt_span_str(s->secret->key));
        lt_json_str(w, "file", lt_span_str(s->path));
        lt_json_str(w, "state", s->kept[0] ? LT_SPAN_LIT("kept") : LT_SPAN_LIT("current"));
        lt_json_num(w, "renewed", (int64_t)s->renewed);
        if (s->kept[0])
            lt_json_str(w, "why", lt_span_str(s->kept));
        lt_json_end_object(w);
    }
    lt_json_end_array(w);
}

void lt_identity_metrics(const struct lt_engine *e, struct lt_buf *out)
{
    uint64_t files_kept = 0, times = 0;
    for (size_t i = 0; i < e->identity.secrets.len; i++) {
        files_kept += e->identity.secrets.v[i].kept[0] != '\0';
        times += e->identity.secrets.v[i].renewed;
    }
    lt_buf_printf(out, "lienthong_delivery_secrets_kept{target=\"%s\"} %" PRIu64 "\n", e->name, files_kept);
    lt_buf_printf(out, "lienthong_delivery_secrets_renewed_total{target=\"%s\"} %" PRIu64 "\n", e->name, times);
}
