"""Every stop of the core that a real Kafka can show: reached, explained, led out of by exactly the command it names, and nothing doubled."""

import time

import pytest
from confluent_kafka import Producer, TopicPartition

from tests.e2e.intake import NO_ROUTE, Core, judged_core
from tests.e2e.world import LIENTHONG, run
from tools.lt.stack import wait_for


@pytest.fixture
def core(world):
    """The core alone; topics and first positions are there."""
    c = Core(world)
    world.topics()
    return c


@pytest.fixture
def judged(world):
    return judged_core(world)


def test_not_initialised_ends_with_topics_create(world):
    core = Core(world)
    run(LIENTHONG, "topics", "create", "--config", world.config, check=0)
    core.forget()
    core.start(ready=False)
    assert core.stop_of("NOT-INITIALISED")["command"] == "lienthong topics create"
    report = core.command("status", check=1)
    assert [p["stop"]["reason"] for p in report["partitions"]] == ["NOT-INITIALISED"] * 2
    refused = core.command("position", check=1)
    assert {p["outcome"] for p in refused["partitions"]} == {"refused"} and "topics create" in refused["partitions"][0]["text"]
    run(LIENTHONG, "topics", "create", "--config", world.config, check=0)
    core.append_range(0, 5)
    core.wait_judged()
    core.must_be_exactly_once()


def test_lost_offsets_are_written_back_from_lt_position(judged):
    core = judged
    core.forget()
    core.append_range(5, 12)
    core.start(ready=False)
    stop = core.stop_of("OFFSETS-LOST")
    core.stop_of("OFFSETS-LOST", partition=1)
    dry = core.told(stop["command"] + " --dry-run")
    assert [(p["partition"], p["outcome"], p["offset"]) for p in dry["partitions"]] == [(0, "would be written", 10)]
    assert core.committed() < 0 and core.audited("core-position") == []
    done = core.told(stop["command"] + " --who an.nguyen")
    assert [(p["partition"], p["outcome"], p["offset"]) for p in done["partitions"]] == [(0, "written", 10)]
    core.wait_judged(0)
    assert core.partitions()[1]["stop"]["reason"] == "OFFSETS-LOST", "the other one waits for its own decision"
    core.command("position")
    core.wait_judged(1)
    core.must_be_exactly_once()
    assert core.command("position")["partitions"][0]["outcome"] == "nothing to do"
    first = core.audited("core-position")[0]
    assert (first["actor"], first["partition"], first["offset"]) == ("an.nguyen", 0, 10)
    assert core.command("verify")["partitions"][0]["records"] == 17


def test_a_moved_offset_is_set_right_and_the_other_partition_never_stopped(judged):
    core = judged
    core.move(2)
    core.append_range(5, 12)
    core.append_range(103, 106, partition=1)
    core.start(ready=False)
    stop = core.stop_of("MOVED")
    core.wait_judged(1)
    assert core.command("status", check=1)["partitions"][0]["stop"]["command"] == stop["command"]
    core.told(stop["command"])
    core.wait_judged(0)
    core.must_be_exactly_once()


def test_a_position_older_than_what_was_written_is_not_written_back(judged):
    core = judged
    before = core.committed()
    # lt.position as a backup would bring it back: partition 0's record of an earlier day is the last one
    (old,) = [r for r in core.world.read("lt.position") if r[2] == "0"][:1]
    text = old[4].decode().replace(f'"offset":{before}', '"offset":4')
    producer = Producer({"bootstrap.servers": core.world.bootstrap})
    producer.produce("lt.position", key="0", value=text, partition=0)
    assert producer.flush(20) == 0
    core.forget()
    refused = core.command("position", "--partition", "0", check=1)["partitions"][0]
    assert refused["outcome"] == "refused" and "decided again" in refused["text"]
    assert core.committed() < 0


def test_a_foreign_transaction_is_an_alarm_then_a_hole_that_can_be_accepted(core):
    core.start()
    core.append_range(0, 5)
    core.wait_judged()
    foreign = Producer({"bootstrap.servers": core.world.bootstrap, "transactional.id": "somebody-else", "transaction.timeout.ms": 120000})
    foreign.init_transactions(20)
    foreign.begin_transaction()
    core.append("foreign", producer=foreign, ce_id=None)
    core.append_range(3, 9)
    core.append_range(100, 103, partition=1)
    core.wait_judged(1)
    found = core.alarm_of("FOREIGN-TRANSACTION")
    assert found["command"].endswith("describe-producers --topic lt.intake --partition 0")
    for command in (["status"], ["core", "status"]):
        assert "ALARM" in run(LIENTHONG, *command, "--config", core.world.config, check=1).stdout
    refused = core.command("accept-hole", "--partition", "0", "--from", "5", "--to", "6", check=1)["partitions"][0]
    assert "transaction is open" in refused["text"]
    assert core.committed() == 5

    foreign.commit_transaction(20)
    wait_for("the marker", lambda: core.ends()[1] == 13, 30)  # it may be written after the answer
    core.append_range(200, 203)
    stop = core.stop_of("HOLE")
    assert stop["command"] == "lienthong core accept-hole --partition 0 --from 12 --to 13", "the marker after its record and six of ours"
    refused = core.command("accept-hole", "--partition", "0", "--from", "11", "--to", "13", check=1)["partitions"][0]
    assert "holds a record" in refused["text"]
    core.told(stop["command"] + " --dry-run")
    assert core.partitions()[0]["stop"]["reason"] == "HOLE"
    core.told(stop["command"])
    core.wait_judged()
    core.must_be_exactly_once()
    whole = core.command("status")
    report = whole["partitions"][0]
    assert whole["gateway"]["answers"] and [p["state"] for p in whole["partitions"]] == ["running"] * 2 and whole["workers"][0]["trouble"] == ""
    assert "gateway-1 has stopped for nothing" in run(LIENTHONG, "core", "status", "--config", core.world.config, check=0).stdout
    for verb in ("status", "verify"):
        assert "lt.intake has no partition 99, only 0 to " in run(LIENTHONG, "core", verb, "--partition", "99", "--config", core.world.config, check=1).stderr
    assert report["holes"] == 1 and report["adds_up"] and report["accepted_holes"] == [[12, 13]] and report["invalid"] == 1
    core.stop()
    core.append(2)
    core.start()
    core.wait_judged()
    core.must_be_exactly_once()
    assert core.command("verify")["partitions"][0]["holes"] == 1
    core.stop()
    assert "no gateway answers" in run(LIENTHONG, "core", "status", "--config", core.world.config, check=0).stdout


def test_unjudged_records_that_retention_took_are_given_up_by_name(world):
    core = Core(world, window="1h")
    world.topics()
    core.start()
    long_ago = str(int((time.time() - 7200) * 1000))  # the clock is the gateway's where the broker's is later: these have expired by now
    for n in range(5):
        core.append(n, lt_time=long_ago)
    core.wait_judged()
    core.stop()
    core.append_range(5, 9)
    last = max(r[1] for r in world.read("lt.intake"))
    core.delete_before(last)
    core.start(ready=False)
    stop = core.stop_of("UNJUDGED-DELETED")
    assert "3 records" in stop["text"] and stop["command"] == "lienthong core accept-hole --partition 0 --from 5 --to 8"
    core.append_range(100, 103, partition=1)
    core.wait_judged(1)
    done = core.told(stop["command"])
    assert done["partitions"][0]["outcome"] == "written"
    core.append_range(8, 12)
    core.wait_judged()
    report = core.command("status")["partitions"][0]
    assert report["holes"] == 3 and report["adds_up"]
    assert report["new"] == 5 + 4 and report["duplicate"] == 1
    assert all(n == 1 for c in core.copies().values() for n in c.values())


def test_a_log_that_lost_its_end_goes_on_after_the_last_record_that_was_routed(judged):
    core = judged
    records = sorted((r for r in core.world.read("lt.intake") if r[0] == 0), key=lambda r: r[1])
    for future in core.admin.delete_topics(["lt.intake"]).values():
        future.result()
    wait_for("the topic to be gone", lambda: "lt.intake" not in core.admin.list_topics(timeout=10).topics, 30)
    run(LIENTHONG, "topics", "create", "--config", core.world.config)
    core.forget()
    for r in records[:5]:  # restored from a backup that lacks 5 to 9, and ingest went on
        core.append(int(r[3]["ce_subject"].removeprefix("HS-")))
    core.append(7)
    core.append_range(300, 306)
    core.command("position", "--partition", "0")  # the kept one: offset 10
    core.start(ready=False)
    stop = core.stop_of("INTAKE-CHANGED")
    assert stop["command"] == "lienthong core position --relog --partition 0 --dry-run"
    dry = core.told(stop["command"])
    assert [(p["outcome"], p["offset"]) for p in dry["partitions"]] == [("would be written", 5)]
    assert core.committed() == 10
    again = {(r["key"], r["in_log"]) for r in dry["repeats"]}
    assert again == {("H22/HS-5", False), ("H22/HS-6", False), ("H22/HS-7", True)}
    core.told(stop["command"].removesuffix(" --dry-run"))
    core.wait_judged()
    report = core.command("status", "--partition", "0")["partitions"][0]
    assert report["adds_up"] and report["new"] == 5 + 7 and report["conflict"] == 0
    keys = [r[2] for t in core.outputs() if t not in NO_ROUTE for r in core.world.read(t)]
    assert {k for k in keys if keys.count(k) > 1 and k.startswith("H22/HS-") and len(k) < 9} == {"H22/HS-7"}, "the one that was named, no other"
    assert core.audited("core-position-relog")[0]["offset"] == 5


def test_rebuild_builds_the_index_again_while_it_runs(core):
    core.start()
    core.append_range(0, 5)
    core.wait_judged()
    assert core.command("rebuild", "--partition", "0")["partitions"][0]["outcome"] == "asked"
    wait_for("the rebuilding", lambda: "as an operator asked" in core.world.gateway.log.read_text(), 30)
    core.append_range(3, 8)
    core.wait_judged()
    core.must_be_exactly_once()
    assert core.audited("core-rebuild")
    core.stop()
    run(LIENTHONG, "core", "rebuild", "--partition", "0", "--config", core.world.config, check=69)


def test_verify_finds_what_outputs_and_log_do_not_agree_on(judged):
    core = judged
    clean = core.command("verify")
    assert {(p["partition"], p["records"], p["lost"], p["doubled"], p["wrong_verdict"]) for p in clean["partitions"]} == {(0, 10, 0, 0, 0),
                                                                                                                       (1, 3, 0, 0, 0)}
    topic = next(t for t in core.outputs() if t not in NO_ROUTE and core.world.count(t))
    partition, offset, key, headers, value = next(r for r in core.world.read(topic) if "/0/" in r[3]["lt_origin"])
    producer = Producer({"bootstrap.servers": core.world.bootstrap})
    producer.produce(topic, key=key, value=value, headers=list(headers.items()))
    duplicate = headers | {"lt_origin": headers["lt_origin"].rpartition("/")[0] + "/8"}
    producer.produce(topic, key=key, value=value, headers=list(duplicate.items()))
    assert producer.flush(20) == 0
    found = core.command("verify", "--partition", "0", check=1)["partitions"][0]
    assert (found["doubled"], found["wrong_verdict"], found["lost"]) == (1, 1, 0)
    assert {(f["what"], f["verdict"]) for f in found["findings"]} == {("doubled", "new"), ("wrong-verdict", "duplicate")}
    core.command("verify", "--partition", "0", "--from", "9", "--to", "10")


def test_verify_takes_nothing_for_lost_that_an_open_transaction_holds_back(core):
    core.start()
    core.append(0)
    core.wait_judged()
    topic = wait_for("its copy", lambda: next((t for t in core.outputs() if t not in NO_ROUTE and core.world.count(t)), None), 30)
    holder = Producer({"bootstrap.servers": core.world.bootstrap, "transactional.id": "holder", "transaction.timeout.ms": 120000})
    holder.init_transactions(20)
    holder.begin_transaction()
    for partition in range(2):
        holder.produce(topic, partition=partition, value=b"not yet")
    assert holder.flush(20) == 0
    core.append_range(1, 5)
    core.wait_judged()
    for asked in (["verify"], ["position", "--relog", "--dry-run"]):  # neither lost, nor to be gone back behind
        told = run(LIENTHONG, "core", *asked, "--partition", "0", "--config", core.world.config, check=69, timeout=90)
        assert topic in told.stderr and "a transaction has been open" in told.stderr, told
    holder.abort_transaction(20)
    clean = core.command("verify", "--partition", "0")["partitions"][0]
    assert (clean["records"], clean["lost"], clean["doubled"], clean["wrong_verdict"]) == (5, 0, 0, 0)


def test_verify_tells_what_an_outputs_retention_took_from_what_is_lost(judged):
    core = judged
    routed = [t for t in core.outputs() if t not in NO_ROUTE and core.world.count(t)]
    everything = [TopicPartition(t, p, -1) for t in routed for p in range(2)]
    for future in core.admin.delete_records(everything).values():
        future.result()
    kept = core.command("verify", "--partition", "0")["partitions"][0]
    assert (kept["new"], kept["gone"], kept["lost"], kept["findings"]) == (8, 8, 0, [])
    assert "8 records have no copy any more" in run(LIENTHONG, "core", "verify", "--config", core.world.config, check=0).stdout
    for future in core.admin.delete_topics(routed).values():
        future.result()
    wait_for("the outputs to be gone", lambda: not set(routed) & set(core.admin.list_topics(timeout=10).topics), 30)
    run(LIENTHONG, "topics", "create", "--config", core.world.config)
    lost = core.command("verify", "--partition", "0", check=1)["partitions"][0]
    assert (lost["lost"], lost["gone"], lost["wrong_verdict"]) == (8, 0, 0)
    assert {(f["what"], f["verdict"]) for f in lost["findings"]} == {("lost", "new")}


@pytest.mark.parametrize("argv", [["accept-index", "--partition", "0", "--offset", "1", "--sum", "12"], ["accept-hole", "--partition", "0"], ["accept-hole", "--from", "1", "--to", "2"], ["accept-index", "--partition", "0"],
                                  ["position", "--relog"], ["verify", "--from", "3"], ["rebuild"], ["status", "--partition", "-1"], ["stat"], []])
def test_a_command_that_says_too_little_is_a_usage_error(world, argv):
    run(LIENTHONG, "core", *argv, "--config", world.config, check=2)


def test_without_kafka_the_command_says_so_with_69(world):
    world.edit("gateway.yaml", world.bootstrap, "127.0.0.1:1")
    r = run(LIENTHONG, "core", "status", "--config", world.config, check=69, timeout=120)
    assert any(line.startswith("lienthong core: ") for line in r.stderr.splitlines()), r.stderr  # the library may warn once more behind it
