#include "gateway/ops/topic_watch.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/stopper.h"

#define LOOK_MS 5000
#define SETTINGS_TURNS 6 /* each topic's settings are asked for in one of so many looks */

struct lt_topic_watch {
    const struct lt_config *config;
    struct lt_admin *admin; /* the thread's */
    unsigned turn;
    bool settings_refused; /* describing settings takes a right of its own: without it they are not looked at */
    struct lt_stopper stopper;
    struct lt_topic_book *book; /* under stopper.lock */
};

/* false: Kafka does not answer, which says nothing of any topic. */
static bool look_at(struct lt_topic_watch *w, size_t i)
{
    struct lt_err err = LT_ERR_INIT;
    int32_t n = 0;
    int r = lt_admin_topic_partitions(w->admin, lt_topic_book_plan(w->book, i)->name, &n, &err);
    if (r != LT_OK && r != LT_E_AUTH)
        return false;
    pthread_mutex_lock(&w->stopper.lock);
    lt_topic_book_see(w->book, i, r == LT_E_AUTH ? -1 : n, lt_mono_ms());
    pthread_mutex_unlock(&w->stopper.lock);
    return true;
}

static bool look_at_settings(struct lt_topic_watch *w, size_t i)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_topic_report report;
    int r = lt_admin_topic_describe(w->admin, lt_topic_book_plan(w->book, i), &report, &err);
    if (r == LT_E_AUTH) {
        w->settings_refused = true;
        lt_debug("topics", "settings-refused", "%s", err.text);
    }
    if (r != LT_OK)
        return r == LT_E_AUTH;
    pthread_mutex_lock(&w->stopper.lock);
    lt_topic_book_see_settings(w->book, i, &report, lt_mono_ms());
    pthread_mutex_unlock(&w->stopper.lock);
    lt_topic_report_deinit(&report);
    return true;
}

static void look(struct lt_topic_watch *w)
{
    bool answers =
        w->admin || lt_admin_new(w->config->kafka.props, w->config->kafka.props_len, &w->admin, NULL) == LT_OK;
    size_t n = lt_topic_book_len(w->book); /* does not change */
    for (size_t i = 0; i < n && answers && !lt_stopper_stopping(&w->stopper); i++)
        answers = look_at(w, i);
    for (size_t i = w->turn++ % SETTINGS_TURNS;
         i < n && answers && !w->settings_refused && !lt_stopper_stopping(&w->stopper); i += SETTINGS_TURNS)
        answers = look_at_settings(w, i);
}

static void *watch_main(void *ctx)
{
    struct lt_topic_watch *w = ctx;
    do
        look(w);
    while (!lt_stopper_wait(&w->stopper, LOOK_MS));
    return NULL;
}

int lt_topic_watch_start(const struct lt_config *c, const struct lt_routes *routes, unsigned users,
                         struct lt_topic_watch **ret, struct lt_err *err)
{
    struct lt_topic_watch *w = lt_alloc(sizeof(*w));
    w->config = c;
    w->book = lt_topic_book_new(c, routes, users);
    lt_stopper_init(&w->stopper);
    if (!lt_stopper_start(&w->stopper, watch_main, w)) {
        lt_topic_watch_stop(w);
        return lt_err_set(err, LT_E_IO, "thread", "cannot start a thread");
    }
    *ret = w;
    return LT_OK;
}

void lt_topic_watch_stop(struct lt_topic_watch *w)
{
    if (!w)
        return;
    lt_stopper_stop(&w->stopper);
    lt_stopper_deinit(&w->stopper);
    lt_topic_book_free(w->book);
    lt_admin_free(w->admin);
    free(w);
}

bool lt_topic_watch_ready(struct lt_topic_watch *w, struct lt_buf *why)
{
    pthread_mutex_lock(&w->stopper.lock);
    bool ready = lt_topic_book_ready(w->book, why);
    pthread_mutex_unlock(&w->stopper.lock);
    return ready;
}

void lt_topic_watch_status(struct lt_topic_watch *w, struct lt_json_writer *out)
{
    pthread_mutex_lock(&w->stopper.lock);
    lt_topic_book_status(w->book, lt_mono_ms(), out);
    pthread_mutex_unlock(&w->stopper.lock);
}

void lt_topic_watch_metrics(struct lt_topic_watch *w, struct lt_buf *out)
{
    pthread_mutex_lock(&w->stopper.lock);
    lt_topic_book_metrics(w->book, out);
    pthread_mutex_unlock(&w->stopper.lock);
}
