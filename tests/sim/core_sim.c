/*
 * One run of the core: the seed draws a plan (which faults at all, how often, how many processes and partitions), the
 * director acts, the faults end, everything must get finished; then all processes are killed, one starts alone with
 * re-sends of what is known, and everything must be finished again.
 */
#include "tests/sim/core.h"

#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define START_MS 1700000000000LL
#define FINISH_MS 400000 /* to finish what is left, once nothing disturbs any more */

const char *output_topic(enum output o)
{
    static const char *const topics[OUTPUTS] = {
        [OUTPUT_PLAIN] = TOPIC_PLAIN,
        [OUTPUT_HOP] = TOPIC_HOP,
        [OUTPUT_UNROUTED] = LT_TOPIC_UNROUTED,
        [OUTPUT_QUARANTINE] = LT_TOPIC_QUARANTINE,
        [OUTPUT_DEADLETTER] = LT_TOPIC_DEADLETTER,
        [OUTPUT_PROVINCE] = LT_TOPIC_PROVINCE,
    };
    return topics[o];
}

/* ---- the configuration, made once ---- */

static struct {
    struct lt_config config;
    struct lt_config_target targets[2];
    const struct lt_yaml_node *nodes[1];
    struct lt_yaml *file, *told;
    struct lt_tables *tables;
    struct lt_routes *routes;
    struct lt_diags diags;
} made;

const struct lt_config *core_config(void)
{
    if (made.routes)
        return &made.config;
    static const char text[] =
        "routes:\n"
        "  - {name: all, when: {province: [H22, H40]}, to: \"topic:" TOPIC_PLAIN "\"}\n"
        "  - {name: portal, when: {type: \"vn.lienthong.dossier.*\", province: [H22, H40]}, via: [population], to: "
        "portal}\n";
    made.targets[0] = (struct lt_config_target){.name = "portal", .adapter = "portal"};
    made.targets[1] = (struct lt_config_target){.name = "population", .adapter = "population"};
    sim_check(lt_yaml_parse("routes.yaml", LT_SPAN_LIT(text), &made.file, &made.diags) == LT_OK, "the routes");
    made.nodes[0] = lt_yaml_root(made.file);
    sim_check(lt_yaml_parse("gateway.yaml", LT_SPAN_LIT("[duplicate, conflict, invalid]"), &made.told, &made.diags) ==
                  LT_OK,
              "the verdicts that are told");
    made.config = (struct lt_config){
        .path = "gateway.yaml", .targets = made.targets, .targets_len = 2, .routes = made.nodes, .routes_len = 1};
    made.config.topics.record_max = 1 << 20;
    made.config.core.workers = 1;
    made.config.core.tell_province = lt_yaml_root(made.told);
    made.config.core.commit_bytes = 1 << 20;
    made.config.core.index_memory = 256 << 20;
    made.config.ingest.advertise = "127.0.0.1:1";
    sim_check(lt_tables_new(&made.config, &made.diags, &made.tables) == LT_OK &&
                  lt_routes_new(&made.config, made.tables, &made.diags, &made.routes) == LT_OK,
              "the routes do not compile");
    return &made.config;
}

const struct lt_routes *core_routes(void)
{
    (void)core_config();
    return made.routes;
}

/* ---- the plan ---- */

static struct plan draw_plan(void)
{
    static const int64_t windows[] = {20000, 60000, 200000, 400000};
    static const unsigned rates[] = {0, 2, 5, 10, 20, 50};
    struct plan p = {
        .partitions = (int)sim_between(1, PARTITIONS_MAX),
        .processes = (int)sim_between(1, SIM_PROCESSES),
        .actions = (int)sim_between(10, 50),
        .commit_records = (int64_t[]){1, 3, 8, 40}[sim_between(0, 3)],
        .linger_ms = (int64_t[]){0, 0, 20}[sim_between(0, 2)],
        .disorder = {.fault_per_mille = rates[sim_between(0, 5)],
                     .switch_per_mille = (unsigned[]){30, 150, 500}[sim_between(0, 2)],
                     .tick_per_mille = (unsigned[]){20, 100}[sim_between(0, 1)],
                     .freezes = sim_chance(400),
                     .twins = sim_chance(200)},
        .kills = sim_chance(600),
        .restarts = sim_chance(500),
        .clocks = sim_chance(250),
        .replays = sim_chance(500),
        .bigs = sim_chance(300),
        .causes = sim_chance(500),
        .bulk = sim_chance(40) ? (int)sim_between(1000, 2500) : 0,
    };
    p.window_ms[0] = p.window_ms[1] = windows[sim_between(0, 3)];
    if (sim_chance(200))
        p.window_ms[1] = windows[sim_between(0, 3)];
    p.retention = !p.clocks && sim_chance(300);
    /* TAKEN is swept step by step in tests/unit. */
    for (int f = LT_FAULT_NONE + 1; f < LT_FAULT_TAKEN; f++)
        if (sim_chance(f == LT_FAULT_TWIN ? 150 : 600))
            p.disorder.faults |= 1u << f;
    p.files = sim_chance(850);
    p.one_folder = sim_chance(200);
    p.write_per_mille = (unsigned[]){0, 0, 5, 50}[sim_between(0, 3)];
    return p;
}

/* ---- what the director does ---- */

/*
 * What retention may delete: what is judged, and older than every window with generations to spare, counted from the
 * last judged record, because a retention must be as much longer than the window as an outage or a silence lasts. Or
 * all of a partition that has been quiet for that long.
 */
static void retain(struct world *w)
{
    int p = (int)sim_between(0, w->plan.partitions - 1);
    int64_t keep_ms = 0, committed = w->seen[p].committed;
    const struct sent_log *log = &w->logs[p];
    for (int i = 0; i < 2; i++)
        keep_ms = LT_MAX(keep_ms, w->plan.window_ms[i] + 3 * model_window(w->plan.window_ms[i]).generation_ms);
    if (committed == 0 || (w->cause.phase != CAUSE_IDLE && w->cause.partition == p))
        return;
    /* Under another window there is no sum to prove what is left of such a partition once it is used again. */
    bool same = w->plan.window_ms[0] == w->plan.window_ms[1];
    bool quiet = same && committed == (int64_t)log->v.len && log->v.v[committed - 1].append_ms < sim_now() - keep_ms;
    int64_t until_ms = quiet ? sim_now() : log->v.v[committed - 1].append_ms;
    /* And one old record is left to show how old what lay before it is. */
    while (w->low[p] + !same < committed && log->v.v[w->low[p] + !same].append_ms < until_ms - keep_ms)
        w->low[p]++;
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, p, w->low[p]);
    sim_note("broker", "retention", p, w->low[p]);
    w->coverage->n[COUNT_RETENTION]++;
}

static void change_window(struct world *w)
{
    if (w->plan.window_ms[0] == w->plan.window_ms[1] || w->window_changed)
        return;
    w->window_changed = true; /* for those who start from now on */
    sim_note("operator", "window", w->plan.window_ms[1], 0);
    w->coverage->n[COUNT_WINDOWS]++;
}

static void act(struct world *w)
{
    const struct plan *plan = &w->plan;
    struct sim_process *p;
    switch (sim_between(0, 19)) {
    case 0:
        if (w->fleet.faults_on)
            lt_memory_rebalance(w->memory, LT_GROUP_CORE);
        break;
    case 1:
    case 2:
        if (w->fleet.faults_on && plan->kills)
            sim_fleet_end_one(&w->fleet, false);
        break;
    case 3:
        if (w->fleet.faults_on && plan->restarts)
            sim_fleet_end_one(&w->fleet, true);
        break;
    case 4:
        if (w->fleet.faults_on && plan->disorder.freezes && (p = sim_fleet_any(&w->fleet)))
            sim_process_freeze(p, (int64_t[]){1000, 12000, 16000, 30000, 90000}[sim_between(0, 4)]);
        break;
    case 5:
        if (w->fleet.faults_on && plan->disorder.twins)
            sim_fleet_twin(&w->fleet);
        break;
    case 6:
        lt_memory_disturb(w->memory);
        break;
    case 7:
        if (plan->retention)
            retain(w);
        break;
    case 8:
        change_window(w);
        break;
    case 9:
        if (plan->causes && w->chaos)
            cause_begin(w);
        break;
    case 10:
    case 11:
        if (w->fleet.faults_on)
            files_disturb(w);
        break;
    default:
        ingest_some(w, (int)sim_between(1, 20));
        break;
    }
}

/* ---- running ---- */

/* One turn of somebody, or time moves on to the next thing that is due. */
static void turn(struct world *w, int64_t limit_ms)
{
    if (w->cause.phase != CAUSE_IDLE)
        limit_ms = LT_MIN(limit_ms, sim_now() + 1000);
    sim_fleet_turn(&w->fleet, limit_ms);
    check_stops(w);
    cause_step(w);
}

static void disturb(struct world *w)
{
    w->chaos = w->fleet.faults_on = true;
    for (int n = w->plan.actions; n > 0 || w->cause.phase != CAUSE_IDLE;) {
        turn(w, w->next_action_ms);
        if (sim_now() < w->next_action_ms)
            continue;
        act(w);
        n--;
        w->next_action_ms = sim_now() + sim_pause_between_actions();
    }
    w->chaos = w->fleet.faults_on = false;
}

/* Each partition is run by exactly one process, or waits there for a record that shows what of its past has expired. */
static bool settled(const struct world *w)
{
    for (int n = 0; n < w->plan.partitions; n++) {
        int running = 0, waiting = 0;
        for (int i = 0; i < SIM_SLOTS; i++) {
            const struct process *p = &w->processes[i];
            if (!sim_process_alive(&p->sim) || p->worker.partitions_len != w->plan.partitions)
                continue;
            running += p->worker.partitions[n].state == LT_PARTITION_RUNNING;
            waiting += p->worker.partitions[n].state == LT_PARTITION_STOPPED;
        }
        if (running + waiting != 1 || (waiting && w->low[n] == 0))
            return false;
    }
    return true;
}

/* Nobody's unfinished transaction hides what others have committed. */
static bool all_visible(struct world *w)
{
    check_commits(w);
    for (int t = 0; t < OUTPUTS; t++)
        if (w->cursor[t] < lt_memory_end(w->memory, output_topic((enum output)t), 0))
            return false;
    return true;
}

static void must_finish(struct world *w)
{
    int64_t until = sim_now() + FINISH_MS;
    while (!all_committed(w) || !settled(w) || !all_visible(w)) {
        turn(w, until);
        if (sim_now() < until)
            continue;
        for (int i = 0; i < SIM_SLOTS; i++)
            for (int n = 0; sim_process_alive(w->fleet.slots[i]) && n < w->processes[i].worker.partitions_len; n++) {
                const struct lt_partition *part = &w->processes[i].worker.partitions[n];
                fprintf(stderr, "%s partition %d: state %d %s %s\n", w->fleet.slots[i]->instance, n, (int)part->state,
                        lt_stop_name(part->stop), part->stop_text);
            }
        for (int n = 0; n < w->plan.partitions; n++)
            if (w->seen[n].committed < (int64_t)w->logs[n].v.len)
                sim_fail("partition %d stays at %" PRId64 " of %zu", n, w->seen[n].committed, w->logs[n].v.len);
        sim_fail("some partition is run by nobody, or by two");
    }
    check_all(w);
}

static void begin(struct world *w)
{
    static const char *const plain[] = {LT_TOPIC_POSITION,   TOPIC_HOP,           LT_TOPIC_UNROUTED,
                                        LT_TOPIC_QUARANTINE, LT_TOPIC_DEADLETTER, LT_TOPIC_PROVINCE};
    char metadata[LT_POSITION_MAX];
    lt_memory_topic(w->memory, LT_TOPIC_INTAKE, w->plan.partitions, 0, true);
    lt_memory_topic(w->memory, TOPIC_PLAIN, 1, PLAIN_MAX, false);
    for (size_t i = 0; i < LT_ARRAY_LEN(plain); i++)
        lt_memory_topic(w->memory, plain[i], 1, 0, false);
    lt_position_genesis(INCARNATION, w->plan.partitions, w->plan.window_ms[0], metadata);
    for (int p = 0; p < w->plan.partitions; p++) {
        lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, 0, metadata);
        lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, lt_vec_push(&w->seen[p].past));
    }
    w->fleet = (struct sim_fleet){.ctx = w,
                                  .program = &core_program,
                                  .disorder = &w->plan.disorder,
                                  .memory = w->memory,
                                  .coverage = w->coverage,
                                  .len = w->plan.processes};
    for (int i = 0; i < SIM_SLOTS; i++)
        w->fleet.slots[i] = &w->processes[i].sim;
    sim_fleet_begin(&w->fleet);
    for (int i = 0; i < w->plan.bulk; i++)
        ingest_one(w, 0);
    w->next_action_ms = sim_now();
}

static uint64_t run(uint64_t seed, bool trace, struct sim_coverage *coverage)
{
    struct world *w = lt_alloc(sizeof(*w));
    lt_log_threshold = trace ? LT_LOG_INFO : LT_LOG_ERROR + 1;
    w->memory = lt_memory_new(START_MS);
    w->coverage = coverage;
    sim_begin(seed, trace, w->memory);
    w->plan = draw_plan();
    files_begin(w);
    begin(w);
    disturb(w);
    sim_fleet_calm_down(&w->fleet);
    must_finish(w);

    sim_fleet_end(&w->fleet, false);
    for (int i = 0; i < 20; i++)
        (i % 2 ? ingest_again : ingest_one)(w, (int)sim_between(0, w->plan.partitions - 1));
    w->fleet.slots[sim_between(0, w->plan.processes - 1)]->start_ms = sim_now();
    must_finish(w);
    sim_fleet_end(&w->fleet, true);

    files_end(w);
    for (int p = 0; p < PARTITIONS_MAX; p++) {
        lt_vec_deinit(&w->logs[p].v);
        lt_vec_deinit(&w->seen[p].past);
    }
    lt_vec_deinit(&w->orders);
    uint64_t hash = sim_end();
    lt_memory_free(w->memory);
    free(w);
    return hash;
}

static const char *const counters[] = {SIM_PROCESS_COUNTERS("taken"),
                                       "!retention",
                                       "!windows",
                                       "!forgotten",
                                       "!remapped",
                                       "!undeliverable",
                                       "!loads-from-files",
                                       "!files-locked",
                                       "!disk-full",
                                       "!file-torn",
                                       "!file-flipped",
                                       "!file-removed",
                                       "!file-foreign",
                                       "!file-old",
                                       "!folder-lost",
                                       "!new",
                                       "!duplicate",
                                       "!conflict",
                                       "!replay",
                                       "!invalid",
                                       "",
                                       "!metadata-wiped",
                                       "!offset-deleted",
                                       "!offset-older",
                                       "!offset-briefly",
                                       "!sum-flipped",
                                       "!tail-cut",
                                       "!tail-replaced",
                                       "!hole-ahead",
                                       "!hole-behind",
                                       "!unjudged-deleted",
                                       "!head-cut",
                                       "!foreign",
                                       NULL};
_Static_assert(LT_ARRAY_LEN(counters) == COUNTS + 1, "a name for each counter");

const struct simulation simulation_core = {.name = "core", .run = run, .counters = counters};
