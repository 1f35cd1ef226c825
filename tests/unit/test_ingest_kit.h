/* Ingest without Kafka: the small dialects of the mapping kit, four clients, and a log that is a list in memory with
 * outcomes on demand. */
#ifndef LT_TESTS_UNIT_INGEST_KIT_H
#define LT_TESTS_UNIT_INGEST_KIT_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/ingest/intake.h"
#include "tests/unit/test_mapping_kit.h"

struct fake_record {
    char *topic, *key, *value;
    size_t value_len;
    struct lt_headers headers; /* of memory below */
    struct lt_arena arena;
};

struct fake_log {
    pthread_mutex_t lock;
    LT_VEC(struct fake_record *) records; /* PERSISTED ones, in order */
    /* How sends to a topic end; NULL topic: all. Once `times` are used up: PERSISTED. */
    struct {
        const char *topic;
        int rc;                   /* != LT_OK: what send returns */
        enum lt_delivery outcome; /* else what the report says */
        int times;
    } fault;
    bool hold; /* reports wait for fake_release */
    struct {
        lt_delivery_fn fn;
        void *ctx;
        struct lt_delivery_report report;
    } held[64];
    size_t held_len;
    atomic_bool ready, genesis; /* read by the server's threads */
    bool freed;
};

struct ingest_kit {
    struct kit mapping; /* its config is the configuration */
    struct lt_config_client clients[5];
    struct fake_log log;
    struct lt_ingest_counters counters;
    struct lt_clients *known;
    struct lt_intake intake;
};

enum { H22, H40, POST_OFFICE, OPERATOR, GATEWAY }; /* clients */

void ingest_kit_init(struct ingest_kit *k);
void ingest_kit_deinit(struct ingest_kit *k);
struct lt_intake_port fake_port(struct fake_log *log);
bool ingest_kit_genesis(void *log);
void fake_release(struct fake_log *log);
size_t fake_count(struct fake_log *log, const char *topic);
/* Record i of a topic; NULL when there are fewer. */
const struct fake_record *fake_at(struct fake_log *log, const char *topic, size_t i);
struct lt_span fake_header(const struct fake_record *r, const char *name);
void fake_fault(struct fake_log *log, const char *topic, int rc, enum lt_delivery outcome, int times);

/* A JSON event of the small dialect; unit "H22.01" is known. Static, overwritten by the eighth call after. */
const char *small_event(const char *code, const char *action, const char *unit);
#endif
