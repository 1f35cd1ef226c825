"""`cmake --install` gives something that works away from the source tree."""

import subprocess

from tests.e2e.world import BUILD, run
from tools.lt.stack import ROOT


def test_an_installed_gateway_explains_an_installed_example(tmp_path):
    prefix = tmp_path / "usr"
    run("cmake", "--install", BUILD, "--prefix", prefix, check=0)
    share = prefix / "share/lienthong"
    run(ROOT / "tools/pki", "make", "--dir", share / "var/pki", check=0)
    example = share / "config/mappings/examples/onegate-xml/buoc-xu-ly.xml"
    r = subprocess.run([str(prefix / "bin/lienthong"), "explain", "--config", str(share / "config/gateway.yaml"), str(example)], cwd=tmp_path,
                       capture_output=True, text=True)
    assert "onegate-xml.yaml" in r.stdout, r.stdout + r.stderr


def test_an_installed_configuration_passes_its_check(tmp_path):
    prefix = tmp_path / "usr"
    run("cmake", "--install", BUILD, "--prefix", prefix, check=0)
    share = prefix / "share/lienthong"
    run(ROOT / "tools/pki", "make", "--dir", share / "var/pki", check=0)
    r = subprocess.run([str(prefix / "bin/lienthong"), "check", "--config", str(share / "config/gateway.yaml")], cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    assert (prefix / "bin/lienthong-mock").exists()
