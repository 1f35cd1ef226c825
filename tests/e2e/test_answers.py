"""What a target answers and nobody has said the meaning of."""

from tests.e2e.load import Dossier, accept, hurry
from tests.e2e.world import LIENTHONG, run
from tools.lt.stack import get, wait_for


def test_an_answer_that_no_row_fits_counts_as_the_default_says_and_is_shown(world):
    hurry(world)
    world.edit("targets/portal.yaml", "      when: {status: 5xx}\n      is: unknown\n", "      when: {status: 505}\n      is: unknown\n")
    world.edit("targets/portal.yaml", "when: {form: [soap,", "when: {status: 200, form: [soap,")
    world.edit("targets/portal.yaml", "examples: [{status: 500}, ", "examples: [{status: 505}, ")
    world.edit("targets/portal.yaml", ", {status: 502, body: \"<html><h1>Bad gateway</h1></html>\"}, {status: 504}]", "]")
    world.start()
    d = Dossier(1)
    world.fault("portal", kind="http500", service="DongBoHoSoMC")
    accept(world, d.received())
    wait_for("it to be done", lambda: world.target("portal")["ledger"]["ok"] == 1)  # unknown: asked about after its settle time, and created
    assert len(world.dossier(d.code)["creates"]) == len(world.dossier(d.code)["progress"]) == 1
    assert (world.target("portal")["counters"]["unknown"], world.target("portal")["details"]["answers"]["unlisted"]) == (1, 1)
    assert "unlisted: 1 answers fit no row of its table and were taken as unknown" in run(LIENTHONG, "status", "--config", world.config).stdout
    assert 'lienthong_delivery_answers_unlisted_total{target="portal"} 1' in get(f"{world.admin}/metrics")[1].decode()
