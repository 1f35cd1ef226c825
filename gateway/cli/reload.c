#include "gateway/cli/reload.h"

#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

struct lt_reload {
    const char *path;
    struct lt_compiled *running;
    struct lt_config *source; /* of the contents that run; NULL: those of the start */
    LT_VEC(struct lt_file_mark) files;
    pthread_mutex_t lock; /* of what follows */
    uint64_t taken, refused;
    int64_t taken_ms, refused_ms; /* wall clock; 0 never */
    bool kept;                    /* the files are not what runs */
    char why[512];
};

/* Looks at each file of a table; true when one is not as it was. */
static bool changed(struct lt_reload *r)
{
    const struct lt_config *c = r->running->config;
    bool any = false;
    for (size_t i = 0; i < c->tables_len; i++)
        any = lt_file_mark_look(c->tables[i]->file, &r->files.v[i]) || any;
    return any;
}

struct lt_reload *lt_reload_new(const char *path, struct lt_compiled *running)
{
    struct lt_reload *r = lt_alloc(sizeof(*r));
    r->path = path;
    r->running = running;
    pthread_mutex_init(&r->lock, NULL);
    for (size_t i = 0; i < running->config->tables_len; i++)
        lt_file_mark_take(running->config->tables[i]->file, lt_vec_push(&r->files));
    return r;
}

void lt_reload_free(struct lt_reload *r)
{
    if (!r)
        return;
    lt_vec_deinit(&r->files);
    lt_config_free(r->source);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void refuse(struct lt_reload *r, const char *why)
{
    pthread_mutex_lock(&r->lock);
    r->refused++;
    r->refused_ms = lt_now_ms();
    r->kept = true;
    snprintf(r->why, sizeof(r->why), "%s", why);
    pthread_mutex_unlock(&r->lock);
    lt_error("run", "tables-kept", "the changed tables are not taken up, the former ones go on: %s", why);
}

static void note_taken(struct lt_reload *r)
{
    pthread_mutex_lock(&r->lock);
    r->taken++;
    r->taken_ms = lt_now_ms();
    r->kept = false;
    r->why[0] = '\0';
    pthread_mutex_unlock(&r->lock);
    lt_info("run", "tables-taken", "the changed tables of the configuration are in use, generation %016" PRIx64,
            lt_config_generation(r->running->config));
}

/* The first finding that is an error, as one line. */
static void first_error(const struct lt_diags *diags, char *out, size_t size)
{
    snprintf(out, size, "lienthong check has findings");
    for (size_t i = 0; i < diags->items.len; i++) {
        const struct lt_diag *d = &diags->items.v[i];
        if (d->severity != LT_DIAG_ERROR)
            continue;
        snprintf(out, size, "%s:%d:%d: %s", d->file ? d->file : "", d->line, d->column, d->text);
        return;
    }
}

static void take(struct lt_reload *r, struct lt_compiled *fresh)
{
    struct lt_mappings *running = r->running->mappings, *next = fresh->mappings;
    lt_tables_take(r->running->tables, fresh->tables);
    lt_mappings_take_tables(running, next);
    lt_config_generation_set(r->running->config, fresh->config->generation);
    struct lt_config *former = r->source;
    r->source = lt_steal(&fresh->config); /* the entries are texts of its trees */
    lt_compiled_deinit(fresh);            /* with the former contents, */
    lt_config_free(former);               /* and then what they were texts of */
    note_taken(r);
}

void lt_reload_look(struct lt_reload *r, bool force)
{
    struct lt_compiled fresh;
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_err err = LT_ERR_INIT;
    if (!changed(r) && !force)
        return;
    int code = lt_compiled_load(r->path, &fresh, &diags);
    if (code == LT_EXIT_OK)
        (void)lt_mappings_run_examples(fresh.mappings, &diags);
    if (code != LT_EXIT_OK || diags.errors > 0)
        first_error(&diags, err.text, sizeof(err.text));
    else if (lt_tables_fit(r->running->tables, fresh.tables, &err) == LT_OK) {
        take(r, &fresh);
        lt_diags_deinit(&diags);
        return;
    }
    refuse(r, err.text);
    lt_compiled_deinit(&fresh);
    lt_diags_deinit(&diags);
}

void lt_reload_metrics(struct lt_reload *r, struct lt_buf *out)
{
    pthread_mutex_lock(&r->lock);
    lt_buf_printf(out,
                  "lt_tables_reloads_total{result=\"taken\"} %" PRIu64
                  "\nlt_tables_reloads_total{result=\"refused\"} %" PRIu64 "\nlt_tables_kept %d\n",
                  r->taken, r->refused, r->kept);
    pthread_mutex_unlock(&r->lock);
}

void lt_reload_status(struct lt_reload *r, struct lt_json_writer *w)
{
    pthread_mutex_lock(&r->lock);
    lt_json_begin_object(w);
    lt_json_str(w, "state", r->kept ? LT_SPAN_LIT("kept") : LT_SPAN_LIT("current"));
    lt_json_num(w, "taken", (int64_t)r->taken);
    lt_json_num(w, "refused", (int64_t)r->refused);
    if (r->taken_ms > 0)
        lt_json_num(w, "taken_ms", r->taken_ms);
    if (r->kept) {
        lt_json_num(w, "refused_ms", r->refused_ms);
        lt_json_str(w, "text", lt_span_str(r->why));
    }
    lt_json_end_object(w);
    pthread_mutex_unlock(&r->lock);
}
