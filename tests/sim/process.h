/*
 * The gateway's processes under simulation: up to three that share a cluster in memory, and a twin of one of them. Each
 * is a task with a hand in its log: between any two steps of the port time passes, others have their turn, a fault is
 * drawn, the process stands still. And all is done to it that happens to a process: kill -9, SIGTERM, SIGSTOP, a second
 * one under its name, a service manager who starts it again.
 *
 * What runs in it is the simulation's (struct sim_program); this module knows neither the core nor delivery.
 *
 *   process.c       one process from start to end, and the fleet of them
 *   process_log.c   the hand in its log
 */
#ifndef LT_TESTS_SIM_PROCESS_H
#define LT_TESTS_SIM_PROCESS_H

#include "tests/sim/kernel.h"
#include "tests/sim/simulation.h"

#define SIM_PROCESSES 3
#define SIM_SLOTS (SIM_PROCESSES + 1) /* the last is for a twin */

/* What a seed draws of this, before anything runs. */
struct sim_disorder {
    unsigned faults;          /* bits 1 << LT_FAULT_… */
    unsigned fault_per_mille; /* of the steps */
    unsigned switch_per_mille, tick_per_mille;
    bool freezes, twins;
};

struct sim_process;

/* What runs in a process. Slots that say so may be NULL. */
struct sim_program {
    void (*start)(struct sim_process *p);  /* in the director: all that life needs is as in a new process */
    void (*life)(struct sim_process *p);   /* in its task: until it has ended by itself, was killed or asked to stop */
    void (*unwind)(struct sim_process *p); /* it was killed or asked to stop; NULL: life looks at the flags itself */
    void (*assigned)(struct sim_process *p, int32_t partition);           /* its log starts this partition now; NULL */
    void (*polled)(struct sim_process *p, const struct lt_log_record *r); /* it gets this record now; NULL */
    void (*committed)(struct sim_process *p); /* a commit was answered, somehow; nobody else had a turn since */
    int64_t freezes_ms[8];                    /* what is drawn when it stands still between two steps */
    int freezes_len;
    bool stop_ends_poll; /* SIGTERM ends the wait of its poll */
};

struct sim_process {
    struct sim_fleet *fleet;
    int slot;
    char instance[4];
    struct lt_log *log; /* open, of this process; NULL none */
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    struct sim_task *task; /* NULL: no process */
    bool killed, stopping; /* killed: its code only unwinds, the world takes nothing of it any more */
    int fatal;             /* it ended for good, as with exit code 78; 0 no */
    int64_t frozen_until_ms;
    int64_t start_ms;       /* without a process: when one is started; INT64_MAX not by itself */
    int64_t transaction_ms; /* its transaction began */
};

struct sim_fleet {
    void *ctx; /* the simulation's */
    const struct sim_program *program;
    const struct sim_disorder *disorder;
    struct lt_memory *memory;
    struct sim_coverage *coverage;
    struct sim_process *slots[SIM_SLOTS];
    int len;            /* processes beside the twin */
    bool faults_on;     /* the seed's faults have not ended and are not suspended */
    bool hold_down;     /* nobody is started */
    bool disturbed;     /* some process has lost something it knew */
    int64_t slowest_ms; /* transaction of any process so far */
};

/* Counters of the coverage that every simulation begins with, after one for each fault of the log. */
enum sim_process_count {
    SIM_COUNT_COMMITS = LT_FAULTS,
    SIM_COUNT_FATAL,
    SIM_COUNT_FREEZES,
    SIM_COUNT_ZOMBIES, /* frozen for longer than a session */
    SIM_COUNT_TWINS,
    SIM_COUNT_KILLS,
    SIM_COUNT_RESTARTS,
    SIM_COUNTS
};

/* Their names, in that order; taken: that of LT_FAULT_TAKEN, which not every simulation draws. */
#define SIM_PROCESS_COUNTERS(taken)                                                                                    \
    "", "!crash", "!crash-after", "!abortable", "!retry", "!lost-applied", "!lost-dropped", "!fenced", "!twin",        \
        "!rebalance", "!nothing", taken, "!commits", "!ended-78", "!freezes", "!zombies", "!twins", "!kills",          \
        "!restarts"

/* ---- the fleet: what the director has to do with it ---- */

/* f holds ctx, program, disorder, memory, coverage, slots and len, all lent until sim_fleet_end. The processes are
 * started within 3 s. */
void sim_fleet_begin(struct sim_fleet *f);
void sim_fleet_end(struct sim_fleet *f, bool kindly); /* with SIGTERM or kill -9; nobody is started any more */
/* One turn of somebody, or time moves on to the next thing that is due, not beyond limit_ms. Who has ended is freed,
 * who is due is started. */
void sim_fleet_turn(struct sim_fleet *f, int64_t limit_ms);
struct sim_process *sim_fleet_any(struct sim_fleet *f); /* drawn; NULL: that one does not run */
void sim_fleet_end_one(struct sim_fleet *f, bool kindly);
void sim_fleet_twin(struct sim_fleet *f);      /* of any, unless there is one */
void sim_fleet_calm_down(struct sim_fleet *f); /* frozen ones go on, missing ones come soon, the twin is killed */
int64_t sim_pause_between_actions(void);       /* of the director, drawn */

/* ---- one process ---- */

struct sim_process *sim_process_current(void); /* whose task it is; NULL: the director */
bool sim_process_alive(const struct sim_process *p);
void sim_process_start(struct sim_process *p);
void sim_process_kill(struct sim_process *p);               /* kill -9 */
void sim_process_stop(struct sim_process *p);               /* SIGTERM */
void sim_process_freeze(struct sim_process *p, int64_t ms); /* SIGSTOP, and SIGCONT so much later; needs an open log */
/* In its task: others have their turn for so long. */
void sim_process_wait(struct sim_process *p, int64_t ms);
/* In its task, before each step: time passes, others have their turn; now and then the process stands still. */
void sim_process_between(struct sim_process *p, const char *what);
/* In its task: it ends for good, as 78 says; wrong where there was no twin. */
void sim_process_twin_met(struct sim_process *p, int code, const char *text);

/* lt_*_settings.open_log, ctx a struct sim_process. */
int sim_process_open_log(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err);

/* ---- between the two files ---- */

struct sim_process *sim_process_of(const struct lt_log *l);
void sim_process_log_begin(struct sim_fleet *f); /* the hand in every log of its cluster */
#endif
