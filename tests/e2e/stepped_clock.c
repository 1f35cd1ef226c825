/*
 * Preloaded (LD_PRELOAD) it lets a process live by a wall clock that a test can step while it runs: LT_TEST_CLOCK is a
 * file with so many seconds, one int64_t. The monotonic clock goes on as ever, as when somebody sets a machine's clock.
 * Not libfaketime, which calls itself for ever where the allocator asks for the time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define REALTIME_S 1000000000 /* no machine is up for so long: a deadline beyond it is one of the wall clock */

static const volatile int64_t *ahead_s;
static int (*posix_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*c11_timedwait)(cnd_t *, mtx_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("LT_TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof(*ahead_s), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    posix_timedwait = (__typeof__(posix_timedwait))dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    c11_timedwait = (__typeof__(c11_timedwait))dlsym(RTLD_NEXT, "cnd_timedwait");
    if (at != MAP_FAILED)
        ahead_s = at;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int r = (int)syscall(SYS_clock_gettime, id, ts);
    if (r == 0 && ahead_s && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        ts->tv_sec += *ahead_s;
    return r;
}

int timespec_get(struct timespec *ts, int base)
{
    return clock_gettime(CLOCK_REALTIME, ts) == 0 ? base : 0;
}

int gettimeofday(struct timeval *tv, void *zone)
{
    struct timespec ts;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    *tv = (struct timeval){.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    if (ret)
        *ret = ts.tv_sec;
    return ts.tv_sec;
}

/* The kernel waits by the true clock. */
static struct timespec truly(const struct timespec *until)
{
    struct timespec ts = *until;
    if (ahead_s && ts.tv_sec > REALTIME_S)
        ts.tv_sec -= *ahead_s;
    return ts;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    struct timespec ts = truly(until);
    return posix_timedwait(cond, mutex, &ts);
}

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until)
{
    struct timespec ts = truly(until);
    return c11_timedwait(cond, mutex, &ts);
}
