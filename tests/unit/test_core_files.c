/* Local index files under the worker: whatever happens to them, the verdicts are those of the log. */
#include "tests/unit/core_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    struct core_world core;
    char state[64], folder[128];
    int next_id;
};

static struct world *world_new(void)
{
    struct world *w = lt_alloc(sizeof(*w));
    core_world_init(&w->core, &(struct core_world_plan){.partitions = 1, .commit_records = 7});
    snprintf(w->state, sizeof(w->state), "/tmp/lt-test-files-XXXXXX");
    assert_non_null(mkdtemp(w->state));
    snprintf(w->folder, sizeof(w->folder), "%s/core/" CORE_INCARNATION_HEX "/0", w->state);
    w->core.config.state_dir = w->state;
    core_world_genesis(&w->core);
    return w;
}

static void world_free(struct world *w)
{
    char command[160];
    core_world_deinit(&w->core);
    snprintf(command, sizeof(command), "rm -rf %s", w->state);
    assert_int_equal(system(command), 0);
    free(w);
}

static void append(struct world *w, int id, int digest)
{
    core_world_append(&w->core, &(struct core_event){.subject = id % 5, .id = id, .digest = digest});
}

static void run(struct world *w)
{
    for (int i = 0; i < 60 && !core_world_finished(&w->core); i++)
        core_world_turn(&w->core);
    core_world_must_finish(&w->core);
}

static void append_new(struct world *w, int n)
{
    for (int i = 0; i < n; i++, w->next_id++)
        append(w, w->next_id, w->next_id);
    run(w);
}

/* A process that ends and starts again; the partition runs afterwards. */
static void restart(struct world *w)
{
    core_world_close(&w->core);
    for (int i = 0; i < 20 && (i == 0 || w->core.worker.partitions[0].state != LT_PARTITION_RUNNING); i++) {
        core_world_turn(&w->core);
        core_world_retry_now(&w->core);
    }
    assert_int_equal(w->core.worker.partitions[0].state, LT_PARTITION_RUNNING);
}

static uint64_t read_from_log(const struct world *w)
{
    return w->core.worker.partitions[0].loaded_records;
}

/* Everything sent so far, again: not one of it may come out. */
static void nothing_comes_out_again(struct world *w)
{
    size_t before = lt_memory_count(w->core.memory, CORE_PLAIN);
    for (int id = 0; id < w->next_id; id++)
        append(w, id, id);
    run(w);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), before);
    assert_int_equal(before, w->next_id);
}

static int files(const struct world *w, char last[256])
{
    DIR *d = opendir(w->folder);
    struct dirent *e;
    int n = 0;
    while (d && (e = readdir(d)))
        if (strstr(e->d_name, ".idx")) {
            if (last)
                snprintf(last, 256, "%.100s/%.60s", w->folder, e->d_name);
            n++;
        }
    if (d)
        closedir(d);
    return n;
}

static long size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (long)st.st_size;
}

static void a_start_reads_the_files_and_not_the_log(void **state)
{
    (void)state;
    struct world *w = world_new();
    append_new(w, 40);
    restart(w);
    assert_int_equal(read_from_log(w), 0);
    assert_int_equal(w->core.worker.partitions[0].files_records, 40);
    assert_int_equal(w->core.worker.partitions[0].files_state, LT_FILES_IN_USE);
    assert_string_equal(w->core.worker.partitions[0].files_passed_over, "");
    assert_int_equal(lt_index_live(w->core.worker.partitions[0].index), 40);
    nothing_comes_out_again(w);
    world_free(w);
}

/* `lienthong core position` writes the position back and asks the gateway to look again: no reason to read a whole log.
 */
static void a_stop_that_was_mended_is_tried_at_once_and_from_the_files(void **state)
{
    (void)state;
    struct world *w = world_new();
    append_new(w, 40);
    struct lt_log_offset at;
    lt_memory_offset_get(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &at);
    core_world_close(&w->core);
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, 0, "");
    core_world_turns(&w->core, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_MOVED);
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, at.offset, at.metadata);
    core_world_turns(&w->core, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_MOVED);
    atomic_store(&w->core.worker.partitions[0].look, true);
    core_world_turns(&w->core, 3);
    assert_int_equal(w->core.worker.partitions[0].state, LT_PARTITION_RUNNING);
    assert_int_equal(read_from_log(w), 0);
    assert_int_equal(w->core.worker.partitions[0].files_records, 40);
    nothing_comes_out_again(w);
    world_free(w);
}

static void the_loader_writes_what_it_reads_from_the_log(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->core.config.state_dir = NULL;
    append_new(w, 40);
    w->core.config.state_dir = w->state;
    restart(w);
    assert_int_equal(read_from_log(w), 40);
    restart(w);
    assert_int_equal(read_from_log(w), 0);
    nothing_comes_out_again(w);
    world_free(w);
}

static void a_torn_end_is_cut_off_and_read_from_the_log(void **state)
{
    (void)state;
    char path[256];
    struct world *w = world_new();
    append_new(w, 40);
    assert_int_equal(files(w, path), 1);
    for (long cut = 1; cut < 200; cut += 7) {
        core_world_close(&w->core);
        assert_int_equal(truncate(path, size_of(path) - cut), 0);
        restart(w);
        assert_in_range(read_from_log(w), 1, 39);
        restart(w);
        assert_int_equal(read_from_log(w), 0); /* what was read is written again */
    }
    nothing_comes_out_again(w);
    world_free(w);
}

static void flip(const char *path, long at, unsigned char mask)
{
    int fd = open(path, O_RDWR);
    unsigned char c;
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= mask;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void any_flipped_bit_is_found(void **state)
{
    (void)state;
    char path[256];
    struct world *w = world_new();
    append_new(w, 12);
    assert_int_equal(files(w, path), 1);
    long size = size_of(path);
    for (long at = 0; at < size; at++) {
        core_world_close(&w->core);
        assert_int_equal(size_of(path), size);
        flip(path, at, (unsigned char)(1u << at % 8));
        restart(w);
        assert_true(read_from_log(w) > 0); /* the damaged batch was not used */
        core_world_close(&w->core);
        size = size_of(path);
    }
    restart(w);
    nothing_comes_out_again(w);
    world_free(w);
}

static void a_file_of_another_partition_or_topic_is_refused(void **state)
{
    (void)state;
    char path[256], command[700];
    struct world *w = world_new();
    append_new(w, 20);
    assert_int_equal(files(w, path), 1);
    core_world_close(&w->core);
    /* The same bytes under another incarnation, and of partition 1. */
    snprintf(command, sizeof(command), "cp -r %s %s/core/" CORE_INCARNATION_HEX "/1", w->folder, w->state);
    assert_int_equal(system(command), 0);
    struct lt_files *other;
    struct lt_err err = LT_ERR_INIT;
    struct lt_window window = lt_window_of(CORE_WINDOW_MS);
    struct lt_files_span span;
    assert_int_equal(lt_files_open(w->state, CORE_INCARNATION, 1, &window, &other, &err), LT_OK);
    lt_files_survey(other, 20, CORE_START_MS, NULL, &span);
    assert_int_equal(span.to, 0);
    lt_files_close(other);
    world_free(w);
}

static void files_of_another_window_are_refused(void **state)
{
    (void)state;
    struct world *w = world_new();
    append_new(w, 20);
    core_world_close(&w->core);
    struct lt_files *f;
    struct lt_err err = LT_ERR_INIT;
    struct lt_window window = lt_window_of(CORE_WINDOW_MS / 2);
    struct lt_files_span span;
    assert_int_equal(lt_files_open(w->state, CORE_INCARNATION, 0, &window, &f, &err), LT_OK);
    lt_files_survey(f, 20, CORE_START_MS, NULL, &span);
    assert_int_equal(span.to, 0);
    lt_files_close(f);
    world_free(w);
}

static void files_ahead_of_the_committed_offset_are_used_up_to_it(void **state)
{
    (void)state;
    struct world *w = world_new();
    append_new(w, 40);
    core_world_close(&w->core);
    struct lt_files *f;
    struct lt_err err = LT_ERR_INIT;
    struct lt_window window = lt_window_of(CORE_WINDOW_MS);
    struct lt_files_span span;
    assert_int_equal(lt_files_open(w->state, CORE_INCARNATION, 0, &window, &f, &err), LT_OK);
    lt_files_survey(f, 25, CORE_START_MS, NULL, &span);
    assert_in_range(span.to, 1, 25);
    lt_files_close(f);
    restart(w);
    assert_int_equal(read_from_log(w), 40 - span.to);
    nothing_comes_out_again(w);
    world_free(w);
}

/* What files say, taken out of them and written back otherwise. */
struct said {
    struct lt_index_key key[64];
    int64_t offset[64];
    size_t len;
};

static bool take_said(void *ctx, const struct lt_index_key *k, int64_t offset, uint64_t generation)
{
    struct said *s = ctx;
    (void)generation;
    assert_in_range(s->len, 0, 63);
    s->key[s->len] = *k;
    s->offset[s->len++] = offset;
    return true;
}

/* The files of partition 0 as a whole and sound set that says something else. */
static void write_otherwise(const struct world *w, uint32_t digest_flip, uint64_t anchor_flip)
{
    struct lt_files *f;
    struct lt_err err = LT_ERR_INIT;
    struct lt_window window = lt_window_of(CORE_WINDOW_MS);
    struct lt_files_span span;
    struct said s = {0};
    assert_int_equal(lt_files_open(w->state, CORE_INCARNATION, 0, &window, &f, &err), LT_OK);
    struct lt_pulse pulse = {0};
    lt_files_survey(f, w->next_id, CORE_START_MS, &pulse, &span);
    assert_true(atomic_load(&pulse.beat_ms) > 0); /* however long it took, it is not taken for one that hangs */
    assert_int_equal(span.to, w->next_id);
    assert_true(lt_files_read(f, take_said, &s));
    lt_files_discard(f);
    lt_files_begin(f, 0, 0);
    for (size_t i = 0; i < s.len; i++) {
        s.key[i].digest ^= i == 3 ? digest_flip : 0;
        lt_files_add(f, &s.key[i], s.offset[i], span.clock_ms);
    }
    lt_files_flush(f, span.anchor ^ anchor_flip);
    lt_files_close(f);
}

static void are_discarded_and_written_anew(struct world *w, const char *why)
{
    restart(w);
    assert_non_null(strstr(w->core.worker.partitions[0].files_passed_over, why));
    assert_int_equal(read_from_log(w), 20);
    assert_int_equal(w->core.worker.partitions[0].files_records, 0);
    append_new(w, 5);
    restart(w); /* nothing of the former files stands before what was written since */
    assert_string_equal(w->core.worker.partitions[0].files_passed_over, "");
    assert_int_equal(read_from_log(w), 0);
    assert_int_equal(w->core.worker.partitions[0].files_records, 25);
    nothing_comes_out_again(w);
}

static void sound_files_that_do_not_give_the_committed_sum_are_discarded_and_the_log_is_read(void **state)
{
    (void)state;
    struct world *w = world_new();
    append_new(w, 20);
    core_world_close(&w->core);
    write_otherwise(w, 1, 0);
    are_discarded_and_written_anew(w, "committed sum");
    world_free(w);
}

static void files_whose_last_record_is_not_the_logs_are_discarded_though_their_sum_agrees(void **state)
{
    (void)state;
    struct world *w = world_new();
    append_new(w, 20);
    core_world_close(&w->core);
    write_otherwise(w, 0, 1);
    are_discarded_and_written_anew(w, "another log");
    world_free(w);
}

/* Entries of another log, up to a record before the committed one: the log goes on where they end and hides nothing. */
static void files_of_a_shorter_other_log_are_discarded_too(void **state)
{
    (void)state;
    struct world *w = world_new();
    append_new(w, 15);
    core_world_close(&w->core);
    write_otherwise(w, 0, 1);
    w->core.config.state_dir = NULL;
    append_new(w, 5);
    w->core.config.state_dir = w->state;
    core_world_close(&w->core);
    are_discarded_and_written_anew(w, "another log");
    world_free(w);
}

static void a_full_disk_ends_writing_and_nothing_else(void **state)
{
    (void)state;
    char path[256];
    struct world *w = world_new();
    append_new(w, 20);
    assert_int_equal(files(w, path), 1);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = (rlim_t)size_of(path) + 30, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    append_new(w, 20);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    append_new(w, 20); /* room again: written only after the next load, which closes the gap */
    assert_int_equal(w->core.worker.partitions[0].files_state, LT_FILES_WITHOUT);
    assert_non_null(strstr(w->core.worker.partitions[0].files_why, "appending"));
    restart(w);
    assert_int_equal(w->core.worker.partitions[0].files_state, LT_FILES_IN_USE);
    assert_string_equal(w->core.worker.partitions[0].files_why, "");
    assert_non_null(strstr(w->core.worker.partitions[0].files_passed_over, "torn"));
    assert_in_range(read_from_log(w), 40, 59);
    restart(w);
    assert_int_equal(read_from_log(w), 0);
    nothing_comes_out_again(w);
    world_free(w);
}

static void a_folder_that_cannot_be_made_is_no_reason_to_stop(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->core.config.state_dir = "/dev/null/nowhere";
    append_new(w, 20);
    assert_int_equal(w->core.worker.partitions[0].files_state, LT_FILES_WITHOUT);
    assert_non_null(strstr(w->core.worker.partitions[0].files_why, "/dev/null/nowhere"));
    restart(w);
    assert_int_equal(read_from_log(w), 20);
    nothing_comes_out_again(w);
    world_free(w);
}

static void files_that_another_process_holds_are_neither_read_nor_written(void **state)
{
    (void)state;
    char path[256], lock[160];
    struct world *w = world_new();
    append_new(w, 20);
    core_world_close(&w->core);
    assert_int_equal(files(w, path), 1);
    snprintf(lock, sizeof(lock), "%s/lock", w->folder);
    int fd = open(lock, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    long size = size_of(path);
    restart(w);
    assert_int_equal(read_from_log(w), 20);
    append_new(w, 10);
    assert_int_equal(size_of(path), size);
    assert_int_equal(w->core.worker.partitions[0].files_state, LT_FILES_WITHOUT);
    assert_non_null(strstr(w->core.worker.partitions[0].files_why, "another process holds it"));
    close(fd);
    restart(w);
    assert_int_equal(w->core.worker.partitions[0].files_state, LT_FILES_IN_USE);
    assert_int_equal(read_from_log(w), 10);
    nothing_comes_out_again(w);
    world_free(w);
}

static void files_of_dead_generations_go_and_the_others_still_prove_their_head(void **state)
{
    (void)state;
    struct world *w = world_new();
    int64_t generation_ms = lt_window_of(CORE_WINDOW_MS).generation_ms;
    for (int i = 0; i < 230; i++) {
        append_new(w, 2);
        lt_memory_advance(w->core.memory, generation_ms);
    }
    assert_in_range(files(w, NULL), 201, 205);
    restart(w);
    assert_int_equal(read_from_log(w), 0);
    assert_in_range(lt_index_live(w->core.worker.partitions[0].index), 400, 404);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_reads_the_files_and_not_the_log),
        cmocka_unit_test(a_stop_that_was_mended_is_tried_at_once_and_from_the_files),
        cmocka_unit_test(the_loader_writes_what_it_reads_from_the_log),
        cmocka_unit_test(a_torn_end_is_cut_off_and_read_from_the_log),
        cmocka_unit_test(any_flipped_bit_is_found),
        cmocka_unit_test(a_file_of_another_partition_or_topic_is_refused),
        cmocka_unit_test(files_of_another_window_are_refused),
        cmocka_unit_test(files_ahead_of_the_committed_offset_are_used_up_to_it),
        cmocka_unit_test(sound_files_that_do_not_give_the_committed_sum_are_discarded_and_the_log_is_read),
        cmocka_unit_test(files_whose_last_record_is_not_the_logs_are_discarded_though_their_sum_agrees),
        cmocka_unit_test(files_of_a_shorter_other_log_are_discarded_too),
        cmocka_unit_test(a_full_disk_ends_writing_and_nothing_else),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_no_reason_to_stop),
        cmocka_unit_test(files_that_another_process_holds_are_neither_read_nor_written),
        cmocka_unit_test(files_of_dead_generations_go_and_the_others_still_prove_their_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
