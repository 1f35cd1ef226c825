/*
 * One intake partition as its worker sees it: assignment, proof, position, stop (protocol 2, rules 1-9).
 *
 * The worker's thread is the only writer. Index, position and state are read by receipts and status under `lock`; the
 * writer holds it while it changes them.
 */
#ifndef LT_CORE_PARTITION_H
#define LT_CORE_PARTITION_H

#include "gateway/base/pulse.h"
#include "gateway/core/accepted.h"
#include "gateway/core/index.h"
#include "gateway/core/index_files.h"
#include "gateway/core/position.h"
#include "gateway/core/rows.h"
#include "gateway/core/stop.h"

#include <pthread.h>
#include <stdatomic.h>

enum lt_partition_state {
    LT_PARTITION_ABSENT,  /* not assigned to this worker */
    LT_PARTITION_LOADING, /* assigned; index being built and proved */
    LT_PARTITION_RUNNING,
    LT_PARTITION_STOPPED, /* stop says why; tried again at retry_at_ms */
};

enum lt_files_state {
    LT_FILES_OFF,     /* no state_dir is configured */
    LT_FILES_IN_USE,  /* written at every commit */
    LT_FILES_WITHOUT, /* gone on without: the next load reads the log */
};

/* The counter of an output that no route leads to at present. */
#define LT_PARTITION_FORMER_MAX 64
struct lt_former {
    char *topic;
    uint64_t n;
};

struct lt_partition {
    int32_t number;
    enum lt_partition_state state;
    uint64_t epoch;  /* raised at every assignment and revocation (rule 1) */
    bool hole;       /* a record is missing at `next`: what came before it is judged, then the partition stops */
    bool started;    /* the log fetches it */
    bool paused;     /* but not now: a batch is being retried (rule 14) */
    int64_t hole_to; /* while hole: offset of the first record after it */
    int64_t next;    /* offset of the next record expected from the log */
    struct lt_accepted accepted; /* by an operator: missing offsets that are no hole */
    int64_t offset;              /* committed */
    struct lt_position position; /* as committed */
    int64_t clock_ms;            /* running: of the last judged record */
    struct lt_index *index;
    struct lt_files *files; /* local files, while the partition is loaded or runs; NULL: none */
    uint64_t *routed;       /* per output of the routes, committed */
    size_t routed_len;
    struct lt_former former[LT_PARTITION_FORMER_MAX]; /* committed with the others, changed by loads only */
    size_t former_len;
    uint64_t disturbances;           /* rule 10: as last seen when the anchor was verified */
    int64_t unstable_since_ms;       /* rule 10: last stable offset below the high watermark since; 0 not */
    bool foreign_transaction;        /* alarm FOREIGN-TRANSACTION is up */
    int64_t fetch_failed_at;         /* `next` when fetching failed last; -1 never */
    bool no_append_time;             /* alarm NO-APPEND-TIME is up: of the last record taken */
    atomic_bool look;                /* an operator mended something: try again at once; set by any thread */
    atomic_bool rebuild;             /* an operator asked: drop the index and build it again; set by any thread */
    enum lt_files_state files_state; /* while it runs, as the three below */
    char files_why[192];             /* WITHOUT */
    char files_passed_over[192];     /* why the load did not use all that lay there; "" when it did */
    uint64_t files_records;          /* how much of the log they stood for */
    bool distrust;                   /* until it runs again: local files are not used, the log alone is read */
    enum lt_stop stop;
    char stop_text[384];
    char stop_command[LT_STOP_COMMAND_MAX];
    int64_t retry_at_ms;    /* monotonic */
    int64_t short_since_ms; /* rule 6: log end below committed since, monotonic; 0 not */
    int64_t
        lost_since_ms; /* rule 3: no committed offset, or an older one than was committed, since; monotonic; 0 not */
    uint64_t loaded_records, load_ms;
    pthread_mutex_t lock;
};

void lt_partition_init(struct lt_partition *p, int32_t number);
void lt_partition_deinit(struct lt_partition *p);
/* Before a load takes them from lt.position. */
void lt_partition_forget_counters(struct lt_partition *p);
/* What has become of the writing of its files; with the lock held. */
void lt_partition_note_files(struct lt_partition *p);
/* Rule 1 and rule 17: the index is dropped, a new epoch begins. */
void lt_partition_reset(struct lt_partition *p, enum lt_partition_state state);
/* The log cannot read it on: one that runs is loaded again at once, and stopped when it came no further than the last
 * time: what had come before the failure is dropped with it, and comes again. */
void lt_partition_fetch_failed(struct lt_partition *p, const char *why);
/* command NULL: the one of the stop's row, if it has one. */
void lt_partition_stop(struct lt_partition *p, enum lt_stop stop, const char *command, const char *fmt, ...)
    LT_PRINTF(4, 5);
/* Rule 9: offsets from <= o < to are missing and nobody has accepted it. */
void lt_partition_stop_hole(struct lt_partition *p, int64_t from, int64_t to);

struct lt_load {
    struct lt_log *log;
    const atomic_bool *stopping;    /* the process ends: a load is given up */
    struct lt_pulse *pulse;         /* a long load beats it */
    const struct lt_window *window; /* configured */
    int32_t intake_partitions;      /* of the topic now */
    uint64_t *incarnation;          /* first one seen by this process; 0 none yet */
    size_t index_bytes_max;
    const char *state_dir;      /* of local index files; NULL: none are used */
    const char *const *outputs; /* topics of the per-output counters */
    size_t outputs_len;
    struct lt_rows *rows; /* of lt.position, shared by the loads of a log */
};

/*
 * Rules 2-9: read the committed position, build the index from the log, prove it, start fetching at the committed
 * offset. On return the partition is RUNNING, STOPPED (with reason), or still LOADING when its epoch changed meanwhile
 * or there is nothing to decide yet. Blocks; keeps the group membership alive.
 */
void lt_partition_load(struct lt_partition *p, const struct lt_load *load);
/* It runs, and its load was done in a moment. Told by what was read and not by a clock: a seed must play the same way
 * again. */
bool lt_partition_loaded_little(const struct lt_partition *p);
/* Rule 10: is the record the position was written for still there? Stops the partition when it is not. */
void lt_partition_verify(struct lt_partition *p, const struct lt_load *load);
#endif
