"""Keys with which services sign events, for tests that publish events as a neighbour would."""

import functools
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from touchstone.auth import keys
from touchstone_chassis.auth.signatures import Signer
from touchstone_contracts.envelope import SIGNATURE


class EventKeys:
    """The keys in a folder, made as they are asked for."""

    def __init__(self, folder: Path):
        self.folder, self.public = folder, folder / "event-keys.json"
        self._signers: dict[str, Signer] = {}

    def private(self, service: str) -> Path:
        path = self.folder / f"{service}.events.json"
        if not path.exists():
            keys.init_service(service, path, self.public)
        return path

    def settings(self, service: str) -> dict[str, str]:
        """What the service's configuration says of them."""
        return {"signing_key_path": str(self.private(service)), "event_keys_path": str(self.public)}

    def environment(self, service: str) -> dict[str, str]:
        """What a service's config file is filled in with."""
        return {
            f"{service.upper()}_SIGNING_KEY": str(self.private(service)),
            "TOUCHSTONE_EVENT_KEYS": str(self.public),
        }

    def headers(self, service: str, body: bytes) -> dict[str, str]:
        """The headers of a message with this body that the service would publish."""
        if service not in self._signers:
            self._signers[service] = Signer.load(self.private(service))
        (signature,) = self._signers[service].sign([body])
        return {SIGNATURE: signature}


def signed(environment: Mapping[str, str], service: str, body: bytes) -> dict[str, str]:
    """The headers of a message that a service of a system with this environment would publish."""
    (signature,) = Signer.load(environment[f"{service.upper()}_SIGNING_KEY"]).sign([body])
    return {SIGNATURE: signature}


@functools.cache
def event_keys() -> EventKeys:
    """Those of this test run, for services that a test runs alone."""
    folder = tempfile.TemporaryDirectory(prefix="touchstone-event-keys-")
    keys = EventKeys(Path(folder.name))
    keys._folder_until_the_end = folder  # type: ignore[attr-defined]
    return keys


def unsigned(bodies: Iterable[bytes]) -> list[str]:
    """What stands for signatures where no message goes over a broker."""
    return ["" for _ in bodies]
