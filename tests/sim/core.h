/*
 * The core under simulation: a cluster in memory, up to three processes of the gateway that share it (and a twin of one
 * of them), ingest that goes on, and a director who does to them what the world does. Private to tests/sim.
 *
 *   core_process.c   what runs in the processes: the real worker
 *   core_ingest.c    what is sent
 *   core_files.c     local index files, and what happens to them
 *   core_cause.c     what makes a partition stop, and how it is mended
 *   core_check.c     the oracle: compares what is committed with the model after every commit
 *   core_sim.c       one run from seed to verdict
 */
#ifndef LT_TESTS_SIM_CORE_H
#define LT_TESTS_SIM_CORE_H

#include "gateway/core/worker.h"
#include "tests/sim/kernel.h"
#include "tests/sim/model.h"
#include "tests/sim/process.h"

#define PARTITIONS_MAX 4
#define INCARNATION 0xfeedULL
#define TOPIC_PLAIN "lt.events.all"
#define TOPIC_HOP "lt.population"
#define PLAIN_MAX 1500

/* What a seed draws before anything runs. */
struct plan {
    int partitions, processes, actions;
    int64_t window_ms[2]; /* the second after a change of the configuration; the same when it does not change */
    int64_t commit_records, linger_ms;
    struct sim_disorder disorder;
    bool kills, restarts, clocks, replays, bigs, retention, causes;
    bool files, one_folder;   /* local index files; all processes on one folder */
    unsigned write_per_mille; /* of the writes to files fail */
    int bulk;                 /* records sent at once in the beginning: the index grows in the middle */
};

struct world;

/* Last record seen of a key in an output. */
struct order {
    enum output output;
    int partition, subject;
    int64_t offset;
};

#define FILE_PATH_MAX 160

/* Local files that a process holds open, by partition. */
struct file_use {
    const struct lt_files *files;
    bool whole; /* the index was read from them */
};

struct kept_file {
    char path[FILE_PATH_MAX];
    LT_VEC(unsigned char) bytes;
};

struct process {
    struct sim_process sim;
    char state_dir[64];
    struct file_use file_uses[PARTITIONS_MAX];
    struct lt_config config;
    struct lt_core_settings settings;
    struct lt_worker worker;
};

enum cause_kind {
    CAUSE_NONE,
    CAUSE_METADATA_WIPED,
    CAUSE_OFFSET_DELETED,
    CAUSE_OFFSET_OLDER,   /* the group tells of a former position and stays so (decision 0015) */
    CAUSE_OFFSET_BRIEFLY, /* the same, and it comes right before anybody need believe it */
    CAUSE_SUM_FLIPPED,
    CAUSE_TAIL_CUT,
    CAUSE_TAIL_REPLACED,
    CAUSE_HOLE_AHEAD,
    CAUSE_HOLE_BEHIND,
    CAUSE_UNJUDGED_DELETED,
    CAUSE_HEAD_CUT,
    CAUSE_FOREIGN,
    CAUSES
};

struct cause {
    enum cause_kind kind;
    int partition;
    enum { CAUSE_IDLE, CAUSE_DRAINING, CAUSE_ACTIVE } phase;
    int64_t since_ms;
    bool insist;   /* the stop must be seen before it is mended */
    bool observed; /* a process stopped with the right reason */
    bool restarted;
    int64_t right_ms; /* OFFSET_BRIEFLY: comes right after so long */
    struct lt_memory_copy *copy;
    struct lt_log_offset saved;
};

struct observed { /* what the oracle has seen of a partition */
    int64_t committed;
    uint64_t verdicts[VERDICTS], undeliverable, routed[OUTPUTS];
    int64_t checked;                   /* all copies of the records below were found */
    bool tampered;                     /* its offset is not the core's own at the moment, */
    struct lt_log_offset planted;      /* but this one */
    LT_VEC(struct lt_log_offset) past; /* every position it had, genesis first */
    uint64_t stops_allowed;
};

struct world {
    struct plan plan;
    struct lt_memory *memory;
    struct sim_fleet fleet;
    struct process processes[SIM_SLOTS];
    struct sent_log logs[PARTITIONS_MAX];
    struct observed seen[PARTITIONS_MAX];
    struct cause cause;
    int next_id, next_digest;
    int64_t cursor[OUTPUTS]; /* of the outputs, as far as the oracle has read */
    LT_VEC(struct order) orders;
    int64_t low[PARTITIONS_MAX]; /* retention has deleted what lies before */
    bool chaos;                  /* the seed's faults have not ended yet; the fleet's may be suspended */
    bool window_changed;
    int64_t next_action_ms;
    char root[48];         /* of the state folders */
    struct kept_file kept; /* an older state of a file */
    struct sim_coverage *coverage;
};
/* Counters of the coverage, after those of the processes. */
enum count {
    COUNT_RETENTION = SIM_COUNTS,
    COUNT_WINDOWS,
    COUNT_FORGOTTEN, /* new again after the window */
    COUNT_REMAPPED,
    COUNT_UNDELIVERABLE,
    COUNT_FILE_LOADS, /* an index from local files */
    COUNT_FILE_LOCKED,
    COUNT_FILE_FULL,
    COUNT_FILE_TORN, /* what files_disturb draws: to COUNT_FILE_FOLDER */
    COUNT_FILE_FLIPPED,
    COUNT_FILE_REMOVED,
    COUNT_FILE_FOREIGN,
    COUNT_FILE_OLD,
    COUNT_FILE_FOLDER,
    COUNT_VERDICTS,
    COUNT_STOPS = COUNT_VERDICTS + VERDICTS,
    COUNTS = COUNT_STOPS + CAUSES
};

/* core_sim.c */
const char *output_topic(enum output o);
const struct lt_config *core_config(void); /* made once */
const struct lt_routes *core_routes(void);

/* core_process.c */
extern const struct sim_program core_program; /* of a fleet whose ctx is a world */
struct process *core_process_of(const struct sim_process *p);

/* core_ingest.c */
void ingest_one(struct world *w, int partition);
void ingest_some(struct world *w, int n);
void ingest_again(struct world *w, int partition);   /* re-send of a known one */
void ingest_unknown(struct world *w, int partition); /* a record of another log: the model never hears of it */

/* core_files.c */
void files_begin(struct world *w);
void files_end(struct world *w);
const char *files_folder(struct process *p); /* state_dir; NULL: this seed has none */
void files_disturb(struct world *w);         /* something happens to one of the files */
void files_lose(struct world *w);            /* all of them */

/* core_cause.c */
void cause_begin(struct world *w);
void cause_step(struct world *w); /* looked at in every turn of the director */
bool cause_allows(const struct world *w, int partition, enum lt_stop stop);

/* core_check.c */
void check_commits(struct world *w); /* after every commit */
void check_stops(struct world *w);
void check_all(struct world *w); /* at rest: everything is judged, every copy is there */
bool all_committed(const struct world *w);
/* The last row of lt.position for this partition; false: none yet. */
bool position_row(struct world *w, int partition, struct lt_log_offset *ret);
#endif
