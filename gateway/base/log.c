#include "gateway/base/log.h"
#include "gateway/base/clock.h"
#include "gateway/base/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LOG_TEXT_MAX = 4096, LOG_LINE_MAX = 32768 };

enum lt_log_level lt_log_threshold = LT_LOG_INFO;
static bool log_json;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void lt_log_init(enum lt_log_level threshold, bool json)
{
    lt_log_threshold = threshold;
    log_json = json;
}

bool lt_log_level_parse(const char *word, enum lt_log_level *ret)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(level_names); i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *ret = (enum lt_log_level)i;
            return true;
        }
    }
    return false;
}

/* One line an event: a line end that came in with the text must not make a second one. */
static void line_text(struct lt_buf *line, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\n')
            lt_buf_str(line, "\\n");
        else if (c < 0x20 || c == 0x7F)
            lt_buf_printf(line, "\\x%02x", c);
        else
            lt_buf_char(line, *p);
    }
}

static void line_build(struct lt_buf *line, const char *level, const char *subject, const char *event, const char *text)
{
    char now[30];
    lt_time_rfc3339(lt_now_ms(), now);
    if (log_json) {
        lt_buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"subject\":", now, level);
        lt_buf_json(line, lt_span_str(subject));
        lt_buf_str(line, ",\"event\":");
        lt_buf_json(line, lt_span_str(event));
        lt_buf_str(line, ",\"message\":");
        lt_buf_json(line, lt_span_str(text));
        lt_buf_str(line, "}\n");
    } else {
        lt_buf_printf(line, "%s %-5s %s %s: ", now, level, subject, event);
        line_text(line, text);
        lt_buf_char(line, '\n');
    }
}

/* A log that cannot be written is no reason to stop: there is nowhere left to say so. */
static void line_write(struct lt_span s)
{
    while (s.len) {
        ssize_t n = write(STDERR_FILENO, s.ptr, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        s = lt_span(s.ptr + n, s.len - (size_t)n);
    }
}

void lt_log_write(enum lt_log_level level, const char *subject, const char *event, const char *fmt, ...)
{
    int saved = errno;
    char text[LOG_TEXT_MAX];
    LT_AUTOBUF struct lt_buf line = LT_BUF_INIT(LOG_LINE_MAX); /* every byte of text may grow to six */
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= sizeof(text)) {
        static const char more[] = "...";
        size_t keep = lt_utf8_whole(text, sizeof(text) - sizeof(more));
        memcpy(text + keep, more, sizeof(more));
    }
    line_build(&line, level_names[level], subject, event, text);
    pthread_mutex_lock(&log_lock);
    line_write(lt_buf_view(&line));
    pthread_mutex_unlock(&log_lock);
    errno = saved;
}
