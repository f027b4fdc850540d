"""Keeps results.json: each part with the commit and the moment at which it was measured, and the goals judged anew."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.goals import judged
from touchstone_devkit.folders import CHECKOUT

RESULTS_PATH = CHECKOUT / "bench" / "results.json"


def read(path: Path) -> dict[str, Any]:
    """What is there, or nothing yet: `goals` and `parts`."""
    return json.loads(path.read_text()) if path.exists() else {"goals": [], "parts": {}}


def merged(results: Mapping[str, Any], part: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    """With this part in place of what it was; all others stay, and every goal is judged again."""
    parts = {**results.get("parts", {}), part: dict(measured)}
    return {"goals": judged(parts), "parts": {name: parts[name] for name in sorted(parts)}}


def write(path: Path, results: Mapping[str, Any]) -> None:
    """Whole or not at all; one line for each run, so that a difference can be read."""
    parts = []
    for name, part in results["parts"].items():
        about = json.dumps({key: value for key, value in part.items() if key != "runs"})[1:-1]
        parts.append(f'{json.dumps(name)}: {{{about}, "runs": {_lines(part["runs"])}}}')
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(f'{{"goals": {_lines(results["goals"])},\n"parts": {{\n' + ",\n".join(parts) + "}}\n")
    json.loads(draft.read_text())
    draft.replace(path)


def part_of(runs: list[dict[str, Any]], *, quick: bool, backing: str, servers_known: bool) -> dict[str, Any]:
    """A part as it is kept."""
    return {
        "commit": commit(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": quick,
        "rounds": max((run.get("round", 0) for run in runs), default=0),
        "discarded": sum(bool(run.get("discarded")) for run in runs),
        "failed": sum(bool(run["faults"]) for run in runs),
        "backing": backing,
        "servers_unknown": None if servers_known else "which processes are the servers' is not known",
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "runs": runs,
    }


def commit() -> str:
    """With `+` behind it when the work tree differs from it."""
    changed = _git(
        "status", "--porcelain", "--untracked-files=no", "--", "libs", "services", "bench/*.py", "bench/peers"
    )
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _lines(items: Iterable[Mapping[str, Any]]) -> str:
    return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"
