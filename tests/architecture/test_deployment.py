"""What the Dockerfile and the compose file promise: one Dockerfile, no root, a stop that is longer than the drain."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from touchstone_chassis.config import ConfigSchema
from touchstone_contracts.roles import MEMBER_OF_KEY
from touchstone_contracts.services import SERVICES
from touchstone_devkit.processes.ports import usual_http_ports

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
KEY_HOLDERS = {
    "issuer": {"keys", "touchstone"},
    "reconciler": {"keys", "reconciler"},
    "operator": {"mongo-keys", "replica-set", "provision", "touchstone"},
    "mongo-keys": {"mongo-keys", "mongo"},
}
"""Who makes each volume's key or password, and who needs it; the first signs for every role, the third makes users."""
GUARDED = {"--auth", "--keyFile"}
HALF_OF_RECONCILER = "reconciler/reconciler.json"
ASSESSMENTS_BROKER_USER = {"ASSESSMENT_AMQP_CREDENTIALS": "/var/lib/touchstone/assessment/amqp"}
DRAIN_S = ConfigSchema().fields["drain_s"].load_default


def dockerfile_problems(text: str) -> list[str]:
    """What a Dockerfile lacks or has too much of."""
    rules = {
        "starts by an exec form": r'^ENTRYPOINT \["',
        "says how it is stopped": r"^STOPSIGNAL SIGTERM$",
        "has a healthcheck by exec form": r'^\s+CMD \["python", "-c", .*urlopen',
        "runs as a number that is not root": r"^USER [1-9]\d*:[1-9]\d*$",
        "is built in stages": r"^COPY --from=build ",
    }
    missing = [what for what, pattern in rules.items() if not re.search(pattern, text, re.MULTILINE)]
    return missing + (["needs no syntax line, which has to be fetched"] if text.startswith("# syntax=") else [])


def compose_problems(compose: dict[str, Any], drain_s: float) -> list[str]:
    """What the compose file's services lack."""
    described = compose["services"]
    found = [f"{name} has no block" for name in SERVICES if name not in described]
    for name in set(SERVICES) & set(described):
        service = described[name]
        if [f"127.0.0.1:${{{name.upper()}_HTTP_PORT:-{usual_http_ports()[name]}}}:8080"] != service.get("ports"):
            found.append(f"{name} is elsewhere than make up puts it")
        if seconds(service.get("stop_grace_period", "10s")) <= drain_s + 5:
            found.append(f"{name} is killed before it has drained")
        if service.get("restart") != "unless-stopped":
            found.append(f"{name} is not started again")
        if set(service.get("depends_on", {})) & (set(SERVICES) - {name}):
            found.append(f"{name} depends on the order of services")
        for server in ("amqp", "mongo"):
            credentials = service.get("environment", {}).get(f"{name.upper()}_{server.upper()}_CREDENTIALS")
            if credentials != f"/var/lib/touchstone/{name}/{server}":
                found.append(f"{name} has no {server} user of its own")
    for volume, holders in KEY_HOLDERS.items():
        for name in sorted(set(described) - holders):
            if any(mounted.startswith(f"{volume}:") for mounted in described[name].get("volumes", [])):
                found.append(f"{name} can read the secret in {volume}")
    if 'keys init --roles operator --private "$$reconciler"' not in " ".join(described["keys"]["command"]):
        found.append("the reconciler's key signs for every role")
    if "--every" not in described.get("reconciler", {}).get("command", []):
        found.append("nobody reconciles")
    if "transactionLifetimeLimitSeconds=5" not in described["mongo"]["command"]:
        found.append("mongo lets transactions of dead processes live")
    if not set(described["mongo"]["command"]) >= GUARDED:
        found.append("mongo lets in everybody")
    ports = [str(port) for service in described.values() for port in service.get("ports", [])]
    return found + [f"{port} is open to the network" for port in ports if not port.startswith("127.0.0.1:")]


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_there_is_one_dockerfile_and_it_keeps_its_promises() -> None:
    others = [p for p in ROOT.glob("**/Dockerfile*") if ".venv" not in p.parts and ".touchstone" not in p.parts]

    assert others == [ROOT / "deploy" / "Dockerfile"]
    assert dockerfile_problems(DOCKERFILE) == []


def test_the_compose_file_keeps_its_promises() -> None:
    assert compose_problems(COMPOSE, DRAIN_S) == []


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ('ENTRYPOINT ["/opt/touchstone/start"]', "ENTRYPOINT /opt/touchstone/start", "starts by an exec form"),
        ("USER 10001:10001", "USER touchstone", "runs as a number that is not root"),
        ("USER 10001:10001", "USER 0:0", "runs as a number that is not root"),
        ("STOPSIGNAL SIGTERM", "", "says how it is stopped"),
        ("# One file", "# syntax=docker/dockerfile:1\n# One file", "needs no syntax line, which has to be fetched"),
    ],
)
def test_a_careless_dockerfile_is_seen(good: str, bad: str, problem: str) -> None:
    assert good in DOCKERFILE

    assert dockerfile_problems(DOCKERFILE.replace(good, bad)) == [problem]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"stop_grace_period": "25s"}, "assessment is killed before it has drained"),
        ({"restart": "no"}, "assessment is not started again"),
        ({"depends_on": {"membership": {}}}, "assessment depends on the order of services"),
        ({"volumes": ["issuer:/keys"]}, "assessment can read the secret in issuer"),
        (
            {"environment": COMPOSE["services"]["membership"]["environment"] | ASSESSMENTS_BROKER_USER},
            "assessment has no mongo user of its own",
        ),
        ({"ports": ["127.0.0.1:${ASSESSMENT_HTTP_PORT:-8103}:8080"]}, "assessment is elsewhere than make up puts it"),
    ],
)
def test_a_careless_compose_file_is_seen(change: dict[str, Any], problem: str) -> None:
    careless = copy.deepcopy(COMPOSE)
    careless["services"]["assessment"] |= change

    assert compose_problems(careless, DRAIN_S) == [problem]


def test_a_service_without_a_block_is_seen() -> None:
    careless = copy.deepcopy(COMPOSE)
    del careless["services"]["assessment"]

    assert compose_problems(careless, DRAIN_S) == ["assessment has no block"]


def test_a_database_with_its_default_lifetime_of_transactions_is_seen() -> None:
    careless = copy.deepcopy(COMPOSE)
    careless["services"]["mongo"]["command"] = ["--replSet", "rs0", *GUARDED]

    assert compose_problems(careless, DRAIN_S) == ["mongo lets transactions of dead processes live"]


def test_a_database_that_lets_in_everybody_is_seen() -> None:
    careless = copy.deepcopy(COMPOSE)
    careless["services"]["mongo"]["command"].remove("--auth")

    assert compose_problems(careless, DRAIN_S) == ["mongo lets in everybody"]


def test_a_compose_file_without_a_reconciler_is_seen() -> None:
    careless = copy.deepcopy(COMPOSE)
    del careless["services"]["reconciler"]

    assert compose_problems(careless, DRAIN_S) == ["nobody reconciles"]


def test_a_port_that_is_open_to_the_network_is_seen() -> None:
    careless = copy.deepcopy(COMPOSE)
    careless["services"]["mongo"]["ports"] = ["27017:27017"]

    assert compose_problems(careless, DRAIN_S) == ["27017:27017 is open to the network"]


@pytest.mark.parametrize(
    ("container", "volume"),
    [
        ("mail-sink", "issuer"),
        ("reconciler", "issuer"),
        ("certification", "reconciler"),
        ("notification", "operator"),
        ("reconciler", "mongo-keys"),
    ],
)
def test_another_container_that_can_read_a_key_is_seen(container: str, volume: str) -> None:
    careless = copy.deepcopy(COMPOSE)
    careless["services"][container]["volumes"] = [f"{volume}:/keys"]

    assert compose_problems(careless, DRAIN_S) == [f"{container} can read the secret in {volume}"]


def test_a_key_of_the_reconciler_for_every_role_is_seen() -> None:
    careless = copy.deepcopy(COMPOSE)
    careless["services"]["keys"]["command"] = [
        COMPOSE["services"]["keys"]["command"][0].replace("--roles operator", "")
    ]

    assert compose_problems(careless, DRAIN_S) == ["the reconciler's key signs for every role"]


@pytest.mark.other_pythons
def test_the_keys_are_made_once_and_the_reconcilers_is_for_operators_alone(tmp_path: Path) -> None:
    (command,) = COMPOSE["services"]["keys"]["command"]
    script = command.replace("$$", "$").replace("/var/lib/touchstone", str(tmp_path))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    for _ in range(2):
        subprocess.run(["sh", "-c", script], check=True, capture_output=True, env={**os.environ, "PATH": path})

    keys = json.loads((tmp_path / "jwks" / "jwks.json").read_text())["keys"]
    assert [key.get(MEMBER_OF_KEY) for key in keys] == [None, ["operator"]]
    kids = [json.loads((tmp_path / half).read_text())["kid"] for half in ("issuer/issuer.json", HALF_OF_RECONCILER)]
    assert kids == [key["kid"] for key in keys]


def test_the_databases_key_and_its_operators_password_are_made_once(tmp_path: Path) -> None:
    (command,) = COMPOSE["services"]["mongo-keys"]["command"]
    script = re.sub(r"(?=/(keys|operator)\b)", str(tmp_path), command.replace("$$", "$"))
    for folder in ("keys", "operator"):
        (tmp_path / folder).mkdir()
    made = []

    for _ in range(2):  # whose files they are is for the container, which has these users
        subprocess.run(["bash", "-euc", f"chown() {{ :; }}\n{script}"], check=True, capture_output=True)
        made.append([(tmp_path / path).read_text() for path in ("keys/members", "operator/mongo")])

    first, (key, operator) = made
    assert first == [key, operator]
    assert re.fullmatch(r"[A-Za-z0-9]{500,1024}", key), "what a keyFile may hold"
    assert re.fullmatch(r"operator:[\w-]{44}\n", operator)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*")} == {0o600}
