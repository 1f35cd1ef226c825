#include "gateway/core/partition.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <stdarg.h>
#include <stdio.h>

#define RETRY_MS 30000

const char *lt_stop_name(enum lt_stop s)
{
    static const char *const names[] = {
        [LT_STOP_NONE] = "NONE",
        [LT_STOP_NOT_INITIALISED] = "NOT-INITIALISED",
        [LT_STOP_OFFSETS_LOST] = "OFFSETS-LOST",
        [LT_STOP_MOVED] = "MOVED",
        [LT_STOP_INTAKE_CHANGED] = "INTAKE-CHANGED",
        [LT_STOP_UNJUDGED_DELETED] = "UNJUDGED-DELETED",
        [LT_STOP_TRUNCATED] = "TRUNCATED",
        [LT_STOP_HOLE] = "HOLE",
        [LT_STOP_INDEX_DIFFERS] = "INDEX-DIFFERS",
        [LT_STOP_INDEX_FULL] = "INDEX-FULL",
        [LT_STOP_TOPIC_MISSING] = "TOPIC-MISSING",
        [LT_STOP_WAITING] = "WAITING",
    };
    return names[s];
}

void lt_partition_init(struct lt_partition *p, int32_t number)
{
    *p = (struct lt_partition){.number = number};
    pthread_mutex_init(&p->lock, NULL);
}

void lt_partition_deinit(struct lt_partition *p)
{
    lt_index_free(p->index);
    free(p->routed);
    pthread_mutex_destroy(&p->lock);
}

void lt_partition_reset(struct lt_partition *p, enum lt_partition_state state)
{
    pthread_mutex_lock(&p->lock);
    lt_index_free(lt_steal(&p->index));
    p->state = state;
    p->epoch++;
    p->stop = LT_STOP_NONE;
    p->retry_at_ms = 0;
    p->short_since_ms = 0;
    p->unstable_since_ms = 0;
    p->foreign_transaction = false;
    p->hole = false;
    pthread_mutex_unlock(&p->lock);
}

void lt_partition_stop(struct lt_partition *p, enum lt_stop stop, const char *command, const char *fmt, ...)
{
    char text[sizeof(p->stop_text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    /* The same stop found again at a retry is not news. */
    bool known = p->state == LT_PARTITION_STOPPED && p->stop == stop && strcmp(p->stop_text, text) == 0;
    pthread_mutex_lock(&p->lock);
    lt_index_free(lt_steal(&p->index));
    p->state = LT_PARTITION_STOPPED;
    p->stop = stop;
    snprintf(p->stop_text, sizeof(p->stop_text), "%s", text);
    snprintf(p->stop_command, sizeof(p->stop_command), "%s", command ? command : "");
    p->retry_at_ms = lt_mono_ms() + (stop == LT_STOP_WAITING ? 1000 : RETRY_MS);
    pthread_mutex_unlock(&p->lock);
    if (known)
        return;
    char subject[24];
    snprintf(subject, sizeof(subject), "core/%d", (int)p->number);
    if (stop == LT_STOP_WAITING)
        lt_warn(subject, "waiting", "%s", text);
    else
        lt_error(subject, "stopped", "%s: %s%s%s", lt_stop_name(stop), text, command ? "; run: " : "",
                 command ? command : "");
}
