"""The shipped configuration with other ports and folders, for tests and benchmarks: same files, nothing rewritten but places."""

import shutil

from tools.lt.stack import ROOT


def derive_config(folder, pki, state, bootstrap, ingest, admin, portal=None, population=None, province=None):
    """Copy config/ to `folder` with these places; returns the path of gateway.yaml. Without a province that listens there is nobody to call back."""
    shutil.copytree(ROOT / "config", folder)
    if not province:
        (folder / "targets/province.yaml").unlink()
    places = {
        "127.0.0.1:19092": bootstrap,
        "127.0.0.1:18443": f"127.0.0.1:{ingest}",
        "127.0.0.1:19464": f"127.0.0.1:{admin}",
        "127.0.0.1:18444": f"127.0.0.1:{portal}" if portal else None,
        "127.0.0.1:18445": f"127.0.0.1:{population}" if population else None,
        "127.0.0.1:18446": f"127.0.0.1:{province}" if province else None,
        "../../var/pki": str(pki),
        "../var/pki": str(pki),
        "../var/gateway": str(state),
        "../../schemas": str(ROOT / "schemas"),
        "../schemas": str(ROOT / "schemas"),
    }
    for path in folder.rglob("*.yaml"):
        text = path.read_text()
        for old, new in places.items():
            if new:
                text = text.replace(old, new)
        path.write_text(text)
    return folder / "gateway.yaml"
