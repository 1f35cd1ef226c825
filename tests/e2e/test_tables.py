"""Tables that change while the gateway runs: taken up when everything is right, else the former ones go on."""

import os
import re

from tests.e2e.events import new_code, xml, xml_item
from tests.e2e.world import LIENTHONG, run
from tools.lt.stack import get, wait_for

TABLE = "tables/procedures.yaml"
LOCAL = "9.000123.000.00.00.H22"


def metric(world, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", get(f"{world.admin}/metrics")[1].decode(), re.M).group(1))


def send(world):
    return world.post("h22", xml(xml_item(new_code(), procedure=LOCAL)), media="application/xml")


def replace(world, text):
    """As the gateway's own commands write a file: whole, or not at all."""
    path = world.config.parent / TABLE
    path.with_suffix(".new").write_text(text)
    os.replace(path.with_suffix(".new"), path)


def test_a_changed_table_is_taken_up_and_one_that_is_wrong_leaves_the_former_in_use(world):
    world.topics()
    world.start_gateway(ready=False)
    wait_for("ingest", lambda: world.status()["core"] and send(world)[0] != 503)
    status, answer = send(world)
    assert status == 422 and "9.000123" in str(answer)
    generation = world.status()["generation"]

    good = (world.config.parent / TABLE).read_text()
    more = good.replace("entries:\n", f'entries:\n  - {{code: "{LOCAL}", value: "9.000123", name: "Thủ tục mới", linh-vuc: HT, linh-vuc-name: "Hộ tịch", sector: tu-phap}}\n', 1)
    replace(world, more)
    wait_for("the new table", lambda: world.status()["tables"]["taken"] == 1)
    assert send(world)[0] in (200, 202)
    assert world.status()["generation"] != generation
    assert metric(world, 'lt_tables_reloads_total{result="taken"}') == 1
    headers = world.read("lt.intake")[-1][3]
    assert headers["ce_procedure"] == "9.000123" and headers["lt_generation"] == world.status()["generation"]

    replace(world, more + '  - {code: "1.001193", name: "twice"}\n')
    shown = wait_for("the refusal", lambda: world.status()["tables"] if world.status()["tables"]["state"] == "kept" else None)
    assert "do not overlap" in shown["text"] and "procedures.yaml:" in shown["text"]
    assert metric(world, "lt_tables_kept") == 1
    told = run(LIENTHONG, "status", "--config", world.config, check=1).stdout
    assert "TROUBLE   tables: the former ones go on: " in told and "do not overlap" in told
    assert send(world)[0] in (200, 202)

    replace(world, good)
    wait_for("the first table again", lambda: world.status()["tables"]["taken"] == 2)
    assert metric(world, "lt_tables_kept") == 0
    assert send(world)[0] == 422
