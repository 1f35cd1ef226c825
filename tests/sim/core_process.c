/* What runs in the processes: the real worker, on a log with a hand in it. */
#include "tests/sim/core.h"

struct process *core_process_of(const struct sim_process *p)
{
    struct world *w = p->fleet->ctx;
    return &w->processes[p->slot];
}

static void on_fatal(void *ctx, int code, const char *text)
{
    struct sim_process *p = ctx;
    sim_note(p->instance, "fatal", code, 0);
    sim_process_twin_met(p, code, text);
}

static void start(struct sim_process *p)
{
    const struct world *w = p->fleet->ctx;
    struct process *own = core_process_of(p);
    own->config = *core_config();
    own->config.instance = p->instance;
    own->config.state_dir = files_folder(own);
    own->config.window_ms = w->plan.window_ms[w->window_changed];
    own->config.core.commit_records = w->plan.commit_records;
    own->config.core.commit_linger_ms = w->plan.linger_ms;
    own->settings = (struct lt_core_settings){.config = &own->config,
                                              .routes = core_routes(),
                                              .ctx = p,
                                              .open_log = sim_process_open_log,
                                              .on_fatal = on_fatal};
    memset(own->file_uses, 0, sizeof(own->file_uses));
    memset(&own->worker, 0, sizeof(own->worker));
}

static void life(struct sim_process *p)
{
    struct process *own = core_process_of(p);
    lt_worker_init(&own->worker, &own->settings, 0);
    if (p->killed)
        atomic_store(&own->worker.stopping, true);
    while (!atomic_load(&own->worker.stopping))
        lt_worker_turn(&own->worker);
    lt_worker_close(&own->worker);
    lt_worker_deinit(&own->worker);
    sim_note(p->instance, "ended", p->fatal, 0);
}

static void unwind(struct sim_process *p)
{
    atomic_store(&core_process_of(p)->worker.stopping, true);
}

static void committed(struct sim_process *p)
{
    check_commits(p->fleet->ctx);
}

const struct sim_program core_program = {
    .start = start,
    .life = life,
    .unwind = unwind,
    .committed = committed,
    .freezes_ms = {2000, 11000, 14000, 17000, 40000},
    .freezes_len = 5,
};
