/*
 * The log of the process: one line an event to stderr, text or JSON, with an event id that docs/operations.md explains.
 *
 * Thread-safe. The level is tested before anything is formatted. No personal data: log keys, codes, digests and
 * states, never names, citizen numbers, sessions or payloads.
 */
#ifndef LT_BASE_LOG_H
#define LT_BASE_LOG_H

#include "gateway/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lt_log_level { LT_LOG_DEBUG, LT_LOG_INFO, LT_LOG_WARN, LT_LOG_ERROR };

extern enum lt_log_level lt_log_threshold;

void lt_log_init(enum lt_log_level threshold, bool json);
bool lt_log_level_parse(const char *word, enum lt_log_level *ret); /* debug info warn error */
void lt_log_write(enum lt_log_level level, const char *subject, const char *event, const char *fmt, ...)
    LT_PRINTF(4, 5);

/* subject: the module or object ("ingest", "core/3"); event: stable lower-case id ("topic-missing"). */
#define lt_log(level, subject, event, ...)                                                                             \
    do {                                                                                                               \
        if ((level) >= lt_log_threshold)                                                                               \
            lt_log_write((level), (subject), (event), __VA_ARGS__);                                                    \
    } while (0)
#define lt_debug(subject, event, ...) lt_log(LT_LOG_DEBUG, subject, event, __VA_ARGS__)
#define lt_info(subject, event, ...) lt_log(LT_LOG_INFO, subject, event, __VA_ARGS__)
#define lt_warn(subject, event, ...) lt_log(LT_LOG_WARN, subject, event, __VA_ARGS__)
#define lt_error(subject, event, ...) lt_log(LT_LOG_ERROR, subject, event, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
