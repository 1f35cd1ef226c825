/* What a server tells epoll: this program's epoll_ctl stands before libc's, for libevent too. */
#include "harness.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/http_fixture.h"

static atomic_int removed, missed;

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    int r = (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
    if (op == EPOLL_CTL_DEL && r == 0)
        atomic_fetch_add(&removed, 1);
    if (op == EPOLL_CTL_DEL && r != 0 && (errno == ENOENT || errno == EBADF))
        atomic_fetch_add(&missed, 1);
    return r;
}

/* Else the number may be another loop's connection by then, and what is said of it is said of that one. */
static void a_connection_is_taken_from_epoll_before_its_number_is_given_back(void **state)
{
    struct fixture *f = *state;
    atomic_store(&removed, 0);
    atomic_store(&missed, 0);
    for (int i = 0; i < 40; i++) {
        struct wire w;
        assert_true(wire_open(&w, f->port, NULL, NULL));
        if (i % 2)
            exchange(&w, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, "");
        wire_close(&w);
    }
    WAIT_UNTIL(stats_of(f).connections_now == 0);
    one_exchange(f, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 200, ""); /* the loops have gone on since */
    assert_int_equal(atomic_load(&missed), 0);
    assert_true(atomic_load(&removed) >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(a_connection_is_taken_from_epoll_before_its_number_is_given_back),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
