"""Makes what every subject gets alike: the report, who hands it in, the keys and a token that is always fresh."""

import json
import threading
from pathlib import Path
from typing import Any

from bench.environments import PEERS
from touchstone.auth import keys, tokens
from touchstone_contracts.roles import ASSESSOR
from touchstone_devkit.demo.worlds import World, a_world

TITLE, SUFFIX = "a minor, plan approved", "bench"
RENEW_S = 30.0
STANDARD = ("PS", "3.0")


class GivenWork:
    """Files in `folder`: the report, the token (renewed every 30 s until `close`), keys, and the standard's own rule.

    `environment` names them to every process. Touchstone's standard says that the Secretariat accepts each report; here
    a report is accepted automatically, so that the work of an audit is the same for every subject.
    """

    def __init__(self, folder: Path, standards: Path) -> None:
        self.world: World = a_world(TITLE, SUFFIX)
        self.report: dict[str, Any] = self.world.conforming()
        self.report["scope"] |= {"type": "business", "facilities": []}  # each audit is of an entity of its own
        self.keys_folder, self._token_path = folder / "keys", folder / "token"
        self.keys_folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(self.report))
        private_path, jwks_path = self.keys_folder / "issuer.json", self.keys_folder / "jwks.json"
        keys.init(keys.DEFAULT_ISSUER, private_path, jwks_path)
        self._key = keys.load(private_path)
        self.standards_folder = _automatic(folder / "standards", standards)
        self.environment = {
            "BENCH_REPORT": str(folder / "report.json"),
            "BENCH_TOKENS": str(self._token_path),
            "BENCH_JWKS": str(jwks_path),
            "BENCH_AUDIENCE": tokens.AUDIENCE,
            "BENCH_ISSUERS": keys.DEFAULT_ISSUER,
            "PYTHONPATH": str(PEERS),
        }
        self._ended = threading.Event()
        self._renew()
        self._thread = threading.Thread(target=self._keep_fresh, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _keep_fresh(self) -> None:
        while not self._ended.wait(RENEW_S):
            self._renew()

    def _renew(self) -> None:
        draft = self._token_path.with_suffix(".new")
        draft.write_text(tokens.sign(self._key, "reports@bench", ASSESSOR, cab=self.report["body_id"]))
        draft.replace(self._token_path)


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
