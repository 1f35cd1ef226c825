/*
 * Runs simulations: many seeds over several child processes, or one seed with its steps.
 *
 *   lt_sim [--of core|delivery] [--seeds N] [--from S] [--jobs J] [--json] [--no-coverage] [--first]
 *   lt_sim [--of core|delivery] --seed S [--trace]
 *
 * A seed that fails ends its child with a message; the parent tells the seed and goes on with the next. Exit 1 when a
 * seed failed, when one took other steps among others than in a process of its own, or when something was never
 * reached. With --first the seeds are run in their order, and the first that fails is the last.
 */
#include "tests/sim/simulation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEED_SECONDS 60     /* a run that takes longer hangs */
#define REPLAY_EVERY 50     /* each so many seeds one is run alone too, and must take the same steps */
#define COVERAGE_SEEDS 1000 /* from so many on everything must have been reached */
#define FAILED_MAX 20

static const struct simulation *const simulations[] = {&simulation_core, &simulation_delivery};

struct shared { /* of one child */
    uint64_t seed, done;
    struct sim_coverage coverage;
};

/* Hashes of the seeds that were run alone, by seed / REPLAY_EVERY; 0: that run failed, and will fail again. */
static uint64_t *alone;

struct options {
    const struct simulation *of;
    uint64_t from, seeds, jobs;
    bool single, trace, json, coverage, first;
};

static uint64_t number(const char *s)
{
    uint64_t n;
    if (!s || !lt_span_u64(lt_span_str(s), &n)) {
        fprintf(stderr, "lt_sim: expected a number, got %s\n", s ? s : "nothing");
        exit(2);
    }
    return n;
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.of = simulations[0], .from = 1, .seeds = 100, .jobs = 1, .coverage = true};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(a, "--trace") == 0)
            o.trace = true;
        else if (strcmp(a, "--json") == 0)
            o.json = true;
        else if (strcmp(a, "--no-coverage") == 0)
            o.coverage = false;
        else if (strcmp(a, "--first") == 0)
            o.first = true;
        else if (strcmp(a, "--seeds") == 0)
            o.seeds = number(next), i++;
        else if (strcmp(a, "--from") == 0)
            o.from = number(next), i++;
        else if (strcmp(a, "--jobs") == 0)
            o.jobs = LT_MAX(number(next), 1), i++;
        else if (strcmp(a, "--seed") == 0)
            o.from = number(next), o.single = true, i++;
        else if (strcmp(a, "--of") == 0 && next) {
            o.of = NULL;
            for (size_t s = 0; s < LT_ARRAY_LEN(simulations); s++)
                if (strcmp(simulations[s]->name, next) == 0)
                    o.of = simulations[s];
            i++;
        } else
            o.of = NULL;
        if (!o.of) {
            fprintf(stderr, "lt_sim: what is %s?\n", a);
            exit(2);
        }
    }
    if (o.first)
        o.jobs = 1;
    return o;
}

static uint64_t *alone_of(const struct options *o, uint64_t seed)
{
    return &alone[seed / REPLAY_EVERY - o->from / REPLAY_EVERY];
}

/* Every jobs-th seed from `first` on. */
static void child(const struct options *o, uint64_t first, struct shared *s)
{
    for (s->seed = first; s->seed < o->from + o->seeds; s->seed += o->jobs) {
        alarm(SEED_SECONDS);
        uint64_t hash = o->of->run(s->seed, false, &s->coverage);
        if (s->seed % REPLAY_EVERY == 0 && *alone_of(o, s->seed) && *alone_of(o, s->seed) != hash) {
            fprintf(stderr, "seed %" PRIu64 ": took other steps among others than alone\n", s->seed);
            _exit(1);
        }
        s->done++;
    }
    exit(0);
}

static void wait_one(void)
{
    while (wait(NULL) < 0 && errno == EINTR)
        ;
}

/*
 * Some seeds each in a process of its own, whose memory is as it was at the start. What the same seed does after many
 * others may differ by nothing: a static variable that was left, or an address that was used before, would show.
 */
static void run_alone(const struct options *o)
{
    uint64_t running = 0, end = o->from + o->seeds;
    fflush(stdout);
    for (uint64_t seed = (o->from + REPLAY_EVERY - 1) / REPLAY_EVERY * REPLAY_EVERY; seed < end; seed += REPLAY_EVERY) {
        if (running == o->jobs)
            wait_one(), running--;
        pid_t pid = fork();
        if (pid < 0) {
            fprintf(stderr, "lt_sim: fork: %s\n", strerror(errno));
            exit(1);
        }
        if (pid == 0) {
            /* It is told when it fails among the others; until then nobody would know what runs. */
            if (!freopen("/dev/null", "w", stderr))
                _exit(1);
            alarm(SEED_SECONDS);
            *alone_of(o, seed) = o->of->run(seed, false, &(struct sim_coverage){0});
            _exit(0);
        }
        running++;
    }
    for (; running; running--)
        wait_one();
}

static pid_t spawn(const struct options *o, uint64_t first, struct shared *s)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        child(o, first, s);
    if (pid < 0) {
        fprintf(stderr, "lt_sim: fork: %s\n", strerror(errno));
        exit(1);
    }
    return pid;
}

struct result {
    uint64_t done, failed, first_failed[FAILED_MAX];
    struct sim_coverage coverage;
    double seconds;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_many(const struct options *o, struct result *ret)
{
    size_t alone_len = (o->seeds / REPLAY_EVERY + 2) * sizeof(*alone);
    struct shared *s = mmap(NULL, o->jobs * sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t *pids = lt_calloc(o->jobs, sizeof(*pids));
    double begun = seconds();
    alone = mmap(NULL, alone_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED || alone == MAP_FAILED)
        exit(1);
    if (!o->first)
        run_alone(o);
    for (uint64_t j = 0; j < o->jobs; j++)
        pids[j] = spawn(o, o->from + j, &s[j]);
    for (uint64_t left = o->jobs; left > 0;) {
        int status;
        pid_t ended = wait(&status);
        uint64_t j = 0;
        while (j < o->jobs && pids[j] != ended)
            j++;
        if (j == o->jobs)
            continue;
        left--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        if (WIFSIGNALED(status))
            fprintf(stderr, "seed %" PRIu64 ": %s\n", s[j].seed, strsignal(WTERMSIG(status)));
        if (ret->failed < FAILED_MAX)
            ret->first_failed[ret->failed] = s[j].seed;
        ret->failed++;
        if (!o->first && ret->failed < FAILED_MAX && s[j].seed + o->jobs < o->from + o->seeds) {
            pids[j] = spawn(o, s[j].seed + o->jobs, &s[j]);
            left++;
        }
    }
    for (uint64_t j = 0; j < o->jobs; j++) {
        ret->done += s[j].done;
        for (size_t i = 0; i < SIM_COUNTERS_MAX; i++)
            ret->coverage.n[i] += s[j].coverage.n[i];
    }
    ret->seconds = seconds() - begun;
    free(pids);
    munmap(s, o->jobs * sizeof(*s));
    munmap(alone, alone_len);
}

static size_t not_reached(const struct options *o, const struct result *r)
{
    size_t missing = 0;
    for (size_t i = 0; o->of->counters[i]; i++)
        if (o->of->counters[i][0] == '!' && r->coverage.n[i] == 0) {
            fprintf(stderr, "lt_sim: never reached: %s\n", o->of->counters[i] + 1);
            missing++;
        }
    return missing;
}

static void print(const struct options *o, const struct result *r)
{
    if (o->json) {
        printf("{\"simulation\":\"%s\",\"seeds\":%" PRIu64 ",\"from\":%" PRIu64 ",\"failed\":%" PRIu64
               ",\"seconds\":%.1f,\"reached\":{",
               o->of->name, r->done + r->failed, o->from, r->failed, r->seconds);
        bool first = true;
        for (size_t i = 0; o->of->counters[i]; i++)
            if (o->of->counters[i][0]) {
                printf("%s\"%s\":%" PRIu64, first ? "" : ",", o->of->counters[i] + (o->of->counters[i][0] == '!'),
                       r->coverage.n[i]);
                first = false;
            }
        printf("},\"failing\":[");
        for (uint64_t i = 0; i < LT_MIN(r->failed, (uint64_t)FAILED_MAX); i++)
            printf("%s%" PRIu64, i ? "," : "", r->first_failed[i]);
        printf("]}\n");
        return;
    }
    for (size_t i = 0; o->of->counters[i]; i++)
        if (o->of->counters[i][0])
            printf("  %-18s %10" PRIu64 "\n", o->of->counters[i] + (o->of->counters[i][0] == '!'), r->coverage.n[i]);
    printf("%s: %" PRIu64 " seeds in %.1f s, %" PRIu64 " failed\n", o->of->name, r->done + r->failed, r->seconds,
           r->failed);
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    if (o.single) {
        struct sim_coverage c = {0};
        printf("%s seed %" PRIu64 ": %016" PRIx64 "\n", o.of->name, o.from, o.of->run(o.from, o.trace, &c));
        return 0;
    }
    struct result r = {0};
    run_many(&o, &r);
    print(&o, &r);
    size_t missing = o.coverage && o.seeds >= COVERAGE_SEEDS ? not_reached(&o, &r) : 0;
    return r.failed || missing ? 1 : 0;
}
