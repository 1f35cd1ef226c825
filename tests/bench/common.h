/*
 * What the programs of tools/bench share: an end that says why, two clocks, a handle of librdkafka. Nothing of the
 * gateway's: a yardstick must not share what it measures.
 */
#ifndef LT_TESTS_BENCH_COMMON_H
#define LT_TESTS_BENCH_COMMON_H

/* Prints "<program>: what: why" and ends with 1. */
_Noreturn void bench_die(const char *what, const char *why);
double bench_now(void); /* seconds of a clock that only goes on */
double bench_cpu(void); /* seconds that this process has computed */

#endif
