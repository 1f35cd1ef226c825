#include "gateway/core/partition.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/model/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define RETRY_MS 30000

void lt_partition_init(struct lt_partition *p, int32_t number)
{
    *p = (struct lt_partition){.number = number, .fetch_failed_at = -1};
    pthread_mutex_init(&p->lock, NULL);
}

void lt_partition_deinit(struct lt_partition *p)
{
    lt_index_free(p->index);
    lt_files_close(p->files);
    lt_partition_forget_counters(p);
    pthread_mutex_destroy(&p->lock);
}

void lt_partition_forget_counters(struct lt_partition *p)
{
    pthread_mutex_lock(&p->lock);
    free(lt_steal(&p->routed));
    p->routed_len = 0;
    for (size_t i = 0; i < p->former_len; i++)
        free(p->former[i].topic);
    p->former_len = 0;
    pthread_mutex_unlock(&p->lock);
}

void lt_partition_reset(struct lt_partition *p, enum lt_partition_state state)
{
    pthread_mutex_lock(&p->lock);
    lt_index_free(lt_steal(&p->index));
    lt_files_close(lt_steal(&p->files));
    p->state = state;
    p->epoch++;
    p->stop = LT_STOP_NONE;
    p->retry_at_ms = 0;
    p->short_since_ms = 0;
    p->lost_since_ms = 0;
    p->unstable_since_ms = 0;
    p->foreign_transaction = p->no_append_time = false;
    p->hole = false;
    pthread_mutex_unlock(&p->lock);
}

void lt_partition_fetch_failed(struct lt_partition *p, const char *why)
{
    if (p->state != LT_PARTITION_RUNNING)
        return; /* given up already: another answer that was on its way */
    bool again = p->next <= p->fetch_failed_at;
    lt_partition_reset(p, LT_PARTITION_LOADING);
    p->fetch_failed_at = p->next;
    if (again) /* it came no further: loading finds nothing wrong, so people must be told */
        lt_partition_stop(p, LT_STOP_FETCH_FAILED, NULL, "%s", why);
    else
        lt_warn("core", "partition-error", "partition %d: %s; loading it again", (int)p->number, why);
}

void lt_partition_note_files(struct lt_partition *p)
{
    const char *trouble = p->files ? lt_files_trouble(p->files) : "";
    if (p->files_state != LT_FILES_IN_USE || !trouble[0])
        return;
    p->files_state = LT_FILES_WITHOUT;
    snprintf(p->files_why, sizeof(p->files_why), "%s", trouble);
}

void lt_partition_stop(struct lt_partition *p, enum lt_stop stop, const char *command, const char *fmt, ...)
{
    char text[sizeof(p->stop_text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    char of_the_row[LT_STOP_COMMAND_MAX];
    lt_stop_command(stop, p->number, of_the_row);
    command = command ? command : of_the_row;
    /* The same stop found again at a retry is not news. */
    bool known = p->state == LT_PARTITION_STOPPED && p->stop == stop && strcmp(p->stop_text, text) == 0;
    pthread_mutex_lock(&p->lock);
    lt_index_free(lt_steal(&p->index));
    lt_files_close(lt_steal(&p->files));
    p->state = LT_PARTITION_STOPPED;
    p->stop = stop;
    snprintf(p->stop_text, sizeof(p->stop_text), "%s", text);
    snprintf(p->stop_command, sizeof(p->stop_command), "%s", command);
    p->retry_at_ms = lt_mono_ms() + (stop == LT_STOP_WAITING ? 1000 : RETRY_MS);
    pthread_mutex_unlock(&p->lock);
    if (known)
        return;
    char subject[24];
    snprintf(subject, sizeof(subject), "core/%d", (int)p->number);
    if (stop == LT_STOP_WAITING)
        lt_warn(subject, "waiting", "%s", text);
    else
        lt_error(subject, "stopped", "%s: %s%s%s", lt_stop_name(stop), text, p->stop_command[0] ? "; run: " : "",
                 p->stop_command);
}

void lt_partition_stop_hole(struct lt_partition *p, int64_t from, int64_t to)
{
    char command[LT_STOP_COMMAND_MAX];
    snprintf(command, sizeof(command),
             "lienthong core accept-hole --partition %" PRId32 " --from %" PRId64 " --to %" PRId64, p->number, from,
             to);
    lt_partition_stop(p, LT_STOP_HOLE, command,
                      LT_TOPIC_INTAKE " has no record at offsets %" PRId64 " to %" PRId64
                                      " although later ones exist: something other than the gateway wrote to it or "
                                      "records were deleted",
                      from, to - 1);
}
