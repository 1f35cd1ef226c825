/*
 * What the tests against a real Kafka share: names that no other run uses, topics, a worker that starts its partitions
 * where the group stands, and reading back. Every wait has a deadline and fails the test when it passes.
 */
#ifndef LT_TESTS_INTEGRATION_KAFKA_SUPPORT_H
#define LT_TESTS_INTEGRATION_KAFKA_SUPPORT_H

#include "tests/unit/harness.h"

#include "gateway/config/config.h"
#include "gateway/kafka/admin.h"
#include "gateway/kafka/log.h"
#include "gateway/kafka/producer.h"
#include "gateway/kafka/reader.h"

#define SUPPORT_PARTITIONS 3
#define SUPPORT_WAIT_MS 40000

/* bootstrap.servers of LT_TEST_BOOTSTRAP. */
extern struct lt_config_prop support_props[1];
bool support_init(void); /* false: said on stderr what is missing */

char *support_name(const char *word);                      /* unique; caller frees */
char *support_topic(const char *word, int32_t partitions); /* created with log append time; caller frees the name */
char *support_topic_with(const char *word, int32_t partitions, const char *setting, const char *value);
void support_genesis(const char *group, const char *topic); /* offset 0, metadata "genesis <partition>" */

/* A worker: a log and what its callbacks said. */
struct worker {
    struct lt_log *log;
    char *group, *topic, *instance;
    struct lt_log_claim claim;
    const char *other; /* other_topic of logs that are opened again */
    bool assigned[SUPPORT_PARTITIONS], started[SUPPORT_PARTITIONS];
    int assigns, revokes, lost;
    void (*revoking)(struct worker *w, int32_t partition); /* NULL: nothing to finish */
    int meanwhile;                                         /* how often the owner could work beside a transaction */
};
struct worker *worker_new(const char *group, const char *topic, const char *instance);
/* Its log claims nothing: what a join looks like whose answer nobody waits for any more. */
struct worker *worker_ghost(const char *group, const char *topic, const char *instance);
/* Close the log (unless it is closed) and open another; what opening said. */
int worker_reopen(struct worker *w, struct lt_err *err);
void worker_free(struct worker *w);
/* Poll (nothing may come) until `count` partitions are assigned. */
void worker_join(struct worker *w, int count);
void worker_await(struct worker *w, const int *counter, int value);
int worker_count(const struct worker *w);
void worker_start(struct worker *w); /* every assigned partition at its committed offset */
/* Poll until a record comes; others' wait. */
struct lt_log_record *worker_record(struct worker *w);
struct lt_log_membership *worker_capture(struct worker *w);
/* Poll until poll returns `result`. */
void worker_until(struct worker *w, int result);

/* One record with key and value through the idempotent producer, waiting for its report. */
struct lt_delivery_report support_produce(const char *topic, const char *key, const char *value);
size_t support_count(const char *topic); /* committed records */
/* Waits for so many: a commit is answered before its markers stand in every partition. */
void support_must_count(const char *topic, size_t count);

#define assert_ok(expression, err)                                                                                     \
    do {                                                                                                               \
        int r_ = (expression);                                                                                         \
        if (r_ != 0)                                                                                                   \
            fail_msg("%s = %d: %s", #expression, r_, (err).text);                                                      \
    } while (0)

/* The program as a process of its own: joins, and dies in the middle of giving partitions up. argv: group, topic. */
int group_die(char **argv);

/* The groups of tests. */
int edges_tests(void);
int headers_tests(void);
int group_tests(void);
int order_tests(void);
int transaction_tests(void);
#endif
