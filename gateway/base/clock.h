/*
 * Time: the two clocks, and the forms dates take on the wires of domain 1.6.
 *
 * A moment is int64 milliseconds since 1970-01-01T00:00:00Z. Vietnam is UTC+7 without daylight saving, so wall-clock
 * forms without an offset are read at +07:00. Every parser refuses dates that do not exist (20240230).
 */
#ifndef LT_BASE_CLOCK_H
#define LT_BASE_CLOCK_H

#include <pthread.h>
#include <time.h>

#include "gateway/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

int64_t lt_now_ms(void);      /* wall clock */
int64_t lt_mono_ms(void);     /* CLOCK_MONOTONIC */
int64_t lt_boottime_ms(void); /* CLOCK_BOOTTIME: goes on while the machine is suspended */

/* For pthread_cond_timedwait by CLOCK_MONOTONIC: a wall clock that is set must neither prolong nor end a wait. */
void lt_mono_cond_init(pthread_cond_t *c);
struct timespec lt_mono_after(int64_t ms);

enum lt_time_format {
    LT_TIME_PORTAL,    /* yyyyMMddHHmmss, +07:00 */
    LT_TIME_RFC3339,   /* 2024-01-01T08:30:00[.mmm](Z|+07:00|+0700); without an offset: +07:00 */
    LT_TIME_ISO_SPACE, /* yyyy-MM-dd HH:mm:ss, +07:00 */
    LT_TIME_EPOCH_MS,
    LT_TIME_EPOCH_S,
    LT_TIME_DATE_COMPACT, /* yyyyMMdd, midnight +07:00 */
    LT_TIME_DATE_ISO,     /* yyyy-MM-dd */
    LT_TIME_DATE_SLASH,   /* dd/MM/yyyy */
    LT_TIME_FORMATS
};

/* "yyyyMMddHHmmss", "rfc3339", "yyyy-MM-dd HH:mm:ss", "epoch-ms", "epoch-s", "yyyyMMdd", "yyyy-MM-dd", "dd/MM/yyyy" */
const char *lt_time_format_name(enum lt_time_format f);
bool lt_time_format_parse(struct lt_span name, enum lt_time_format *ret);

bool lt_time_parse(enum lt_time_format f, struct lt_span s, int64_t *ret_ms); /* whole span; false: no such date */
void lt_time_portal(int64_t ms, char out[15]);                                /* yyyyMMddHHmmss at +07:00 */
void lt_time_rfc3339(int64_t ms, char out[30]);                               /* 2024-01-01T08:30:00.000+07:00 */
void lt_time_date(int64_t ms, char out[9]);                                   /* yyyyMMdd at +07:00 */
bool lt_duration_parse(struct lt_span s, int64_t *ret_ms);                    /* 500ms 10s 5m 2h 400d */

#ifdef __cplusplus
}
#endif
#endif
