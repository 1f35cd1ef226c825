/* Options of a target with `adapter: population` (domain 2). */
#ifndef LT_POPULATION_OPTIONS_H
#define LT_POPULATION_OPTIONS_H

#include "gateway/config/config.h"
#include "gateway/delivery/outcome.h"

enum lt_accents { LT_ACCENTS_STRIP, LT_ACCENTS_KEEP };
enum lt_population_ask { LT_POPULATION_ASK_LOOKUP, LT_POPULATION_ASK_VERIFY };
enum lt_population_auth { LT_POPULATION_OPEN, LT_POPULATION_BASIC };
enum lt_population_mismatch { LT_MISMATCH_FORWARD, LT_MISMATCH_PARK };
enum lt_population_away { LT_UNAVAILABLE_WAIT, LT_UNAVAILABLE_FORWARD };

struct lt_population_options {
    const char *service_code;     /* MaDVC; empty: the event's procedure */
    const char *integration_code; /* MaTichHop */
    const char *officer;          /* MaCanBo of events that name no officer */
    const char *unit, *account, *phone;
    int accents; /* enum lt_accents */
    bool upper;
    const char *database_code; /* MaCSDL */
    int operation;             /* enum lt_population_ask */
    int auth;                  /* enum lt_population_auth */
    int media;                 /* index in the option's words */
    const char *username, *service_url;
    struct lt_secret secret, api_key;         /* their holder's to deinit */
    const char *xroad_client, *xroad_service; /* NULL: no X-Road headers */
    struct lt_opt_strings officers;
    int on_mismatch;    /* enum lt_population_mismatch */
    int on_unavailable; /* enum lt_population_away */
    int64_t unavailable_attempts, cache_ms, cache_max;
};

#define LT_POPULATION_OPTS 24
extern const struct lt_opt lt_population_opts[LT_POPULATION_OPTS];

size_t lt_population_options_read(const struct lt_config_target *t, struct lt_population_options *ret,
                                  struct lt_arena *a, struct lt_diags *diags);
#endif
