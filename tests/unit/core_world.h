/*
 * The core's surroundings in one object: the in-memory log with intake and every output, a configuration, compiled
 * routes, and one worker driven turn by turn on the test's thread. Made anew for every test, so that no test sees
 * another's records.
 *
 * A test that needs more (a log with a hand in it, another way to end) keeps the world as the first member of its own
 * struct and changes `settings` or `config` before the worker is opened. Knows nothing of verdicts: what ought to come
 * out is for the tests to say.
 */
#ifndef LT_TESTS_UNIT_CORE_WORLD_H
#define LT_TESTS_UNIT_CORE_WORLD_H

#include "gateway/core/worker.h"
#include "gateway/kafka/log_memory.h"
#include "tests/unit/harness.h"

#define CORE_WINDOW_MS (400LL * 86400000)
#define CORE_START_MS 1700000000000LL
#define CORE_INCARNATION 0xfeedULL
#define CORE_INCARNATION_HEX "000000000000feed"
/* Plain topic of the route `all`; the route `portal` goes by way of lt.population. */
#define CORE_PLAIN "lt.events.all"
#define CORE_HOP "lt.population"

struct core_world_plan {
    int32_t partitions;    /* of intake */
    bool plain_first;      /* the route `all` stands before the route `portal` */
    size_t plain_max;      /* largest record of CORE_PLAIN; 0: any */
    size_t deadletter_max; /* of lt.deadletter */
    size_t province_max;   /* of lt.province */
    const char *told;      /* core.tell_province as YAML; NULL: not given */
    int64_t commit_records;
};

struct core_world {
    struct lt_memory *memory;
    int32_t partitions;
    struct lt_config config;
    struct lt_config_target targets[2];
    const struct lt_yaml_node *routes_nodes[1];
    struct lt_yaml *routes_file, *told_file;
    struct lt_tables *tables;
    struct lt_routes *routes;
    struct lt_diags diags;
    struct lt_core_settings settings;
    struct lt_worker worker;
    bool worker_open;
    int fatal_code;    /* of the last on_fatal; 0 none */
    int64_t append_ms; /* append time of what is appended; 0: the memory's clock, -1: none */
};

/* Caller's storage. The group has no position yet. */
void core_world_init(struct core_world *w, const struct core_world_plan *plan);
void core_world_deinit(struct core_world *w);
/* The state of a cmocka test: a world on the heap with first positions. */
int core_world_setup(void **state, const struct core_world_plan *plan);
int core_world_teardown(void **state);

/* What `lienthong topics create` leaves: offset 0 of every partition, under this incarnation and window. */
void core_world_genesis(struct core_world *w);

void core_world_open(struct core_world *w); /* a fresh worker; its log opens with the first turn */
void core_world_close(struct core_world *w);
void core_world_turn(struct core_world *w); /* opens the worker when none is */
void core_world_turns(struct core_world *w, int n);
void core_world_retry_now(struct core_world *w); /* no stopped partition waits for its next try */

/* What core_event.more is made of. */
#define CORE_HEADER(n, v)                                                                                              \
    {                                                                                                                  \
        LT_SPAN_LIT(n), LT_SPAN_LIT(v)                                                                                 \
    }
#define CORE_HEADERS_END                                                                                               \
    {                                                                                                                  \
        LT_SPAN_NULL, LT_SPAN_NULL                                                                                     \
    }

/* One record of intake. */
struct core_event {
    int32_t partition;
    int subject;            /* HS-<subject> */
    int id, digest;         /* ce_id and lt_digest are made of these numbers */
    bool broken;            /* without ce_id: no event */
    const char *value;      /* NULL: a small one */
    struct lt_header *more; /* beside the event's own; closed by one without a name */
    int64_t sent_ms;        /* lt_time; 0: the memory's clock */
};
/* Appended at the memory's clock; returns the offset. */
int64_t core_world_append(struct core_world *w, const struct core_event *e);

/* What an event of these numbers has as ce_id and lt_digest; lent from out. */
struct lt_span core_event_id(char out[LT_EVENT_ID_LEN + 1], int id);
struct lt_span core_event_digest(char out[LT_EVENT_DIGEST_LEN + 1], int digest);

/* Committed offset of the core's group; ret_position (may be NULL) is filled from its metadata, which must be valid. */
int64_t core_world_committed(struct core_world *w, int32_t partition, struct lt_position *ret_position);
bool core_world_finished(struct core_world *w);    /* every partition is committed up to its end */
void core_world_must_finish(struct core_world *w); /* fails, with every partition's stop, when it is not */
void core_world_must_stop(struct core_world *w, int32_t partition, enum lt_stop stop);
#endif
