#include "gateway/base/clock.h"

#include <stdio.h>

#define DAY_MS INT64_C(86400000)
#define VIETNAM_MS (INT64_C(7) * 3600000)
#define TIME_MIN_MS INT64_C(-62135596800000) /* 0001-01-01T00:00:00Z */
#define TIME_MAX_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

struct civil {
    int year, month, day, hour, minute, second, ms;
};

static int64_t clock_ms(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t lt_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t lt_mono_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t lt_boottime_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

void lt_mono_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec lt_mono_after(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static const char *const format_names[LT_TIME_FORMATS] = {
    [LT_TIME_PORTAL] = "yyyyMMddHHmmss",
    [LT_TIME_RFC3339] = "rfc3339",
    [LT_TIME_ISO_SPACE] = "yyyy-MM-dd HH:mm:ss",
    [LT_TIME_EPOCH_MS] = "epoch-ms",
    [LT_TIME_EPOCH_S] = "epoch-s",
    [LT_TIME_DATE_COMPACT] = "yyyyMMdd",
    [LT_TIME_DATE_ISO] = "yyyy-MM-dd",
    [LT_TIME_DATE_SLASH] = "dd/MM/yyyy",
};

const char *lt_time_format_name(enum lt_time_format f)
{
    return format_names[f];
}

bool lt_time_format_parse(struct lt_span name, enum lt_time_format *ret)
{
    for (int i = 0; i < LT_TIME_FORMATS; i++) {
        if (lt_span_is(name, format_names[i])) {
            *ret = (enum lt_time_format)i;
            return true;
        }
    }
    return false;
}

/* Days since 1970-01-01, proleptic Gregorian; years begin in March so that the leap day is the last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_of_days(int64_t days, struct civil *c)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    c->day = (int)(of_year - (153 * month + 2) / 5 + 1);
    c->month = (int)(month < 10 ? month + 3 : month - 9);
    c->year = (int)(year + era * 400 + (c->month <= 2));
}

static bool civil_exists(const struct civil *c)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    if (c->year < 1 || c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    if (c->day > lengths[c->month - 1] + (leap && c->month == 2))
        return false;
    return c->hour < 24 && c->minute < 60 && c->second < 60;
}

/* Exactly n digits off the front of s. */
static bool take_digits(struct lt_span *s, size_t n, int *ret)
{
    uint64_t value;
    if (s->len < n || !lt_span_u64(lt_span(s->ptr, n), &value))
        return false;
    *ret = (int)value;
    *s = lt_span(s->ptr + n, s->len - n);
    return true;
}

static bool take_char(struct lt_span *s, char c)
{
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = lt_span(s->ptr + 1, s->len - 1);
    return true;
}

/* Reads s along a pattern of y M d H m s runs; anything else stands for itself. */
static bool take_civil(struct lt_span *s, const char *pattern, struct civil *c)
{
    while (*pattern) {
        char field = *pattern;
        int *to = field == 'y'   ? &c->year
                  : field == 'M' ? &c->month
                  : field == 'd' ? &c->day
                  : field == 'H' ? &c->hour
                  : field == 'm' ? &c->minute
                  : field == 's' ? &c->second
                                 : NULL;
        size_t n = to ? strspn(pattern, (const char[]){field, '\0'}) : 1;
        if (to ? !take_digits(s, n, to) : !take_char(s, field))
            return false;
        pattern += n;
    }
    return true;
}

/* Fraction of a second: one to nine digits, cut to milliseconds. */
static bool take_fraction(struct lt_span *s, int *ret_ms)
{
    int ms = 0, digits = 0, digit;
    while (s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
        if (!take_digits(s, 1, &digit) || ++digits > 9)
            return false;
        if (digits <= 3)
            ms = ms * 10 + digit;
    }
    for (int i = digits; i < 3; i++)
        ms *= 10;
    *ret_ms = ms;
    return digits > 0;
}

/* Z, +07:00, +0700 or nothing (Vietnam). */
static bool take_offset(struct lt_span *s, int64_t *ret_ms)
{
    int hours, minutes, sign;
    if (!s->len) {
        *ret_ms = VIETNAM_MS;
        return true;
    }
    if (take_char(s, 'Z') || take_char(s, 'z')) {
        *ret_ms = 0;
        return true;
    }
    sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
    if (!sign || !take_digits(s, 2, &hours))
        return false;
    (void)take_char(s, ':'); /* both +07:00 and +0700 are sent */
    if (!take_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_ms = sign * (hours * 60 + minutes) * INT64_C(60000);
    return true;
}

static bool moment(const struct civil *c, int64_t offset_ms, int64_t *ret_ms)
{
    if (!civil_exists(c))
        return false;
    int64_t ms = days_of(c->year, c->month, c->day) * DAY_MS +
                 ((c->hour * INT64_C(60) + c->minute) * 60 + c->second) * 1000 + c->ms - offset_ms;
    if (ms < TIME_MIN_MS - VIETNAM_MS || ms > TIME_MAX_MS - VIETNAM_MS) /* it must have four year digits at +07:00 */
        return false;
    *ret_ms = ms;
    return true;
}

static bool parse_epoch(struct lt_span s, int64_t unit_ms, int64_t *ret_ms)
{
    int64_t value, ms;
    if (!lt_span_i64(s, &value) || __builtin_mul_overflow(value, unit_ms, &ms))
        return false;
    if (ms < TIME_MIN_MS - VIETNAM_MS || ms > TIME_MAX_MS - VIETNAM_MS)
        return false;
    *ret_ms = ms;
    return true;
}

static bool parse_rfc3339(struct lt_span s, int64_t *ret_ms)
{
    struct civil c = {0};
    int64_t offset;
    if (!take_civil(&s, "yyyy-MM-dd", &c) || !(take_char(&s, 'T') || take_char(&s, 't')) ||
        !take_civil(&s, "HH:mm:ss", &c))
        return false;
    if (take_char(&s, '.') && !take_fraction(&s, &c.ms))
        return false;
    if (!take_offset(&s, &offset) || s.len)
        return false;
    return moment(&c, offset, ret_ms);
}

bool lt_time_parse(enum lt_time_format f, struct lt_span s, int64_t *ret_ms)
{
    struct civil c = {0};
    switch (f) {
    case LT_TIME_EPOCH_MS:
        return parse_epoch(s, 1, ret_ms);
    case LT_TIME_EPOCH_S:
        return parse_epoch(s, 1000, ret_ms);
    case LT_TIME_RFC3339:
        return parse_rfc3339(s, ret_ms);
    default: /* the names of the others are their patterns */
        return take_civil(&s, format_names[f], &c) && !s.len && moment(&c, VIETNAM_MS, ret_ms);
    }
}

/* Wall clock of Vietnam. Outside of the years 1 to 9999 the nearest moment inside is shown. */
static struct civil civil_at(int64_t ms)
{
    struct civil c;
    int64_t local = LT_MIN(LT_MAX(ms, TIME_MIN_MS - VIETNAM_MS), TIME_MAX_MS - VIETNAM_MS) + VIETNAM_MS;
    int64_t days = local / DAY_MS, rest = local % DAY_MS;
    if (rest < 0) {
        rest += DAY_MS;
        days--;
    }
    civil_of_days(days, &c);
    c.ms = (int)(rest % 1000);
    c.second = (int)(rest / 1000 % 60);
    c.minute = (int)(rest / 60000 % 60);
    c.hour = (int)(rest / 3600000);
    return c;
}

/* n digits of value, right to left: the parts are in range, and snprintf cannot be shown that they are. */
static char *put_digits(char *out, int n, int value)
{
    for (int i = n - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + n;
}

static char *put_char(char *out, char c)
{
    *out = c;
    return out + 1;
}

void lt_time_portal(int64_t ms, char out[15])
{
    struct civil c = civil_at(ms);
    char *at = put_digits(out, 4, c.year);
    at = put_digits(at, 2, c.month);
    at = put_digits(at, 2, c.day);
    at = put_digits(at, 2, c.hour);
    at = put_digits(at, 2, c.minute);
    at = put_digits(at, 2, c.second);
    *at = '\0';
}

void lt_time_rfc3339(int64_t ms, char out[30])
{
    struct civil c = civil_at(ms);
    char *at = put_char(put_digits(out, 4, c.year), '-');
    at = put_char(put_digits(at, 2, c.month), '-');
    at = put_char(put_digits(at, 2, c.day), 'T');
    at = put_char(put_digits(at, 2, c.hour), ':');
    at = put_char(put_digits(at, 2, c.minute), ':');
    at = put_char(put_digits(at, 2, c.second), '.');
    at = put_digits(at, 3, c.ms);
    memcpy(at, "+07:00", 7);
}

void lt_time_date(int64_t ms, char out[9])
{
    struct civil c = civil_at(ms);
    char *at = put_digits(out, 4, c.year);
    at = put_digits(at, 2, c.month);
    at = put_digits(at, 2, c.day);
    *at = '\0';
}

bool lt_duration_parse(struct lt_span s, int64_t *ret_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", DAY_MS}};
    size_t digits = 0;
    uint64_t value;
    int64_t ms;
    while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
        digits++;
    if (!lt_span_u64(lt_span(s.ptr, digits), &value))
        return false;
    for (size_t i = 0; i < LT_ARRAY_LEN(units); i++) {
        if (!lt_span_is(lt_span(s.ptr + digits, s.len - digits), units[i].name))
            continue;
        if (__builtin_mul_overflow(value, units[i].ms, &ms))
            return false;
        *ret_ms = ms;
        return true;
    }
    return false;
}
