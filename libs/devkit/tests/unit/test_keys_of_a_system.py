"""The keys of a system on this machine: who signs with which."""

import json
from pathlib import Path

from touchstone_devkit.system.runner import System


def test_the_reconciler_has_a_key_of_its_own_for_operators_alone_also_beside_older_keys(tmp_path: Path) -> None:
    for _ in range(2):
        System(keys_folder=tmp_path)._make_keys()
    older = json.loads((tmp_path / "jwks.json").read_text())["keys"]
    (tmp_path / "reconciler.json").unlink()
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": older[:1]}))

    System(keys_folder=tmp_path)._make_keys()

    named = json.loads((tmp_path / "jwks.json").read_text())["keys"]
    own = json.loads((tmp_path / "reconciler.json").read_text())
    assert [key.get("touchstone:roles") for key in named] == [None, ["operator"]]
    assert own["kid"] == named[1]["kid"] and len(older) == 2
