"""The command blocks of the documents that say they can be run: ```sh test … ``` blocks, in order, in a copy of the tree."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from tools.lt.stack import ROOT

BUILD = ROOT / "build/release"
DOCUMENTS = sorted(p for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if "```sh test" in p.read_text())


def blocks(document):
    return re.findall(r"^```sh test\n(.*?)^```", document.read_text(), re.M | re.S)


def test_there_are_documents_with_commands():
    assert DOCUMENTS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_the_commands_of_the_document_do_what_it_says(document, tmp_path):
    tree = tmp_path / "lienthong"
    tree.mkdir()
    for name in ("config", "schemas", "tools", "docs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([str(tree / "tools/pki"), "make"], cwd=tree, check=True, capture_output=True)
    env = {**os.environ, "PATH": f"{BUILD}{os.pathsep}{os.environ['PATH']}"}
    script = "set -euo pipefail\n" + "\n".join(blocks(document))
    r = subprocess.run(["bash", "-c", script], cwd=tree, env=env, capture_output=True, text=True, timeout=300)
    assert r.returncode == 0, f"{document.name}:\n{r.stdout}\n{r.stderr}"


def test_every_file_a_document_links_to_exists():
    missing = []
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "adapters").rglob("*.md"), *(ROOT / "schemas").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
            if not target.startswith("http") and not (pathlib.Path(document).parent / target).exists():
                missing.append(f"{document.relative_to(ROOT)}: {target}")
    assert not missing
