"""Makes what every subject gets alike: the report, who hands it in, the keys and a token that is always fresh."""

import json
import threading
from pathlib import Path
from typing import Any

from touchstone.auth import keys, tokens
from touchstone_contracts.roles import ASSESSOR
from touchstone_devkit.demo.worlds import World, a_world

TITLE, SUFFIX = "a minor, plan approved", "bench"
RENEW_S = 30.0
STANDARD = ("PS", "3.0")


class GivenWork:
    """Files in `folder`: the report, the token (renewed every 30 s until `close`), keys, and the standard's own rule.

    Touchstone's standard says that the Secretariat accepts each report; here a report is accepted automatically, so
    that the work of an audit is the same for every subject.
    """

    def __init__(self, folder: Path, standards: Path) -> None:
        folder.mkdir(parents=True)
        self.world: World = a_world(TITLE, SUFFIX)
        self.report: dict[str, Any] = self.world.conforming()
        self.report_path, self.token_path = folder / "report.json", folder / "token"
        self.report_path.write_text(json.dumps(self.report))
        self.keys_folder = folder / "keys"
        self.keys_folder.mkdir()
        self.jwks_path = self.keys_folder / "jwks.json"
        keys.init(keys.DEFAULT_ISSUER, self.keys_folder / "issuer.json", self.jwks_path)
        self._key = keys.load(self.keys_folder / "issuer.json")
        self.standards_folder = _automatic(folder / "standards", standards)
        self._ended = threading.Event()
        self._renew()
        self._thread = threading.Thread(target=self._keep_fresh, daemon=True)
        self._thread.start()

    def token(self) -> str:
        return tokens.sign(self._key, "reports@bench", ASSESSOR, cab=self.report["body_id"])

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _keep_fresh(self) -> None:
        while not self._ended.wait(RENEW_S):
            self._renew()

    def _renew(self) -> None:
        draft = self.token_path.with_suffix(".new")
        draft.write_text(self.token() + "\n")
        draft.replace(self.token_path)


def _automatic(folder: Path, standards: Path) -> Path:
    """A copy of the standard's file, with automatic acceptance."""
    folder.mkdir()
    for path in standards.glob("*.json"):
        written = json.loads(path.read_text())
        if (written["code"], written["version"]) == STANDARD:
            written["acceptance"]["value"] = "automatic"
            (folder / path.name).write_text(json.dumps(written))
    assert list(folder.iterdir()), f"no file of {STANDARD} in {standards}"
    return folder
