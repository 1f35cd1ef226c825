/* What a simulation is to the program that runs many of them. */
#ifndef LT_TESTS_SIM_SIMULATION_H
#define LT_TESTS_SIM_SIMULATION_H

#include "gateway/base/base.h"

#define SIM_COUNTERS_MAX 96

/* How often each thing worth reaching was reached, over all runs of a process; named by the simulation. */
struct sim_coverage {
    uint64_t n[SIM_COUNTERS_MAX];
};

struct simulation {
    const char *name;
    /* One run; ends the process with a message when something is wrong. Returns the hash of its steps. */
    uint64_t (*run)(uint64_t seed, bool trace, struct sim_coverage *coverage);
    const char *const *counters; /* names, closed by NULL; those that begin with '!' must be reached in 1,000 seeds */
};

extern const struct simulation simulation_core, simulation_delivery;
#endif
