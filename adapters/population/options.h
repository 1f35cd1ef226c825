/* Options of a target with `adapter: population` (domain 2). */
#ifndef LT_POPULATION_OPTIONS_H
#define LT_POPULATION_OPTIONS_H

#include "gateway/config/config.h"
#include "gateway/delivery/outcome.h"

enum lt_accents { LT_ACCENTS_STRIP, LT_ACCENTS_KEEP };

struct lt_population_options {
    const char *service_code;     /* MaDVC; empty: the event's procedure */
    const char *integration_code; /* MaTichHop */
    const char *officer;          /* MaCanBo of events that name no officer */
    const char *unit, *account, *phone;
    int accents; /* enum lt_accents */
    bool upper;
    const char *database_code; /* MaCSDL */
};

#define LT_POPULATION_OPTS 9
extern const struct lt_opt lt_population_opts[LT_POPULATION_OPTS];

size_t lt_population_options_read(const struct lt_config_target *t, struct lt_population_options *ret,
                                  struct lt_arena *a, struct lt_diags *diags);
#endif
