"""`make demo`: runs the examples through the whole system, shows it live, checks every result, says where to look."""

import argparse
import email
import json
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from touchstone_devkit.backing.choosing import NoBacking, start_backing
from touchstone_devkit.demo import checks
from touchstone_devkit.demo.cases import EXAMPLES, addresses_to_tell, load_cases, load_setup
from touchstone_devkit.demo.display import Progress, results
from touchstone_devkit.demo.journey import Journey
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import Register
from touchstone_devkit.demo.wire_tap import WireTap
from touchstone_devkit.demo.worlds import set_up
from touchstone_devkit.folders import CHECKOUT, STATE
from touchstone_devkit.system.runner import System, SystemDidNotStart

FOLDER = STATE / "demo"
PLAIN_WIDTH = 150


def main(arguments: list[str] | None = None) -> int:
    """0 when all came out as it must; 1 with what is missing, doubled or different; 2 when nothing could run."""
    options = _options(arguments)
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the system is stopped on the way out
    begun = time.monotonic()

    def announce(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    try:
        # A system on servers that it did not start itself removes its databases from them.
        with start_backing(announce=announce) as backing, System(backing=backing, announce=announce) as system:
            faults = _run(system, console, options)
            console.print(_verdict(faults, time.monotonic() - begun))
            if options.keep:
                _keep(system, console)
            else:
                console.print("the system stops now; `--keep` leaves it running.")
            return 1 if faults else 0
    except (NoBacking, SystemDidNotStart) as error:
        announce(str(error))
        return 2
    except KeyboardInterrupt:
        return 130


def _run(system: System, console: Console, options: argparse.Namespace) -> list[str]:
    journey = Journey(load_cases(options.examples), load_setup(options.examples))
    with Register(system.calls_uri, system.token) as register, WireTap(system.amqp_uri, journey.hear) as wire_tap:
        commands = set_up(register, journey.setup)
        console.print(f"set up: {commands} commands from {_shown(options.examples / 'setup.json')}")
        journey.changed = Progress(console, journey.story).update
        failures = []
        try:
            journey.travel(register, wire_tap)
        except TimeoutError as error:
            failures.append(str(error))
        wait_until_quiet(system.amqp_uri, system.mongo_uri, system.database_prefix)
        console.print(results(journey.story))
        numbers = [c["number"] for c in register.every(None, "certification.list_certificates")]
    _say_where(system, console, journey, options.folder)
    return failures + _faults(journey, numbers, system.mail_folder)


def _faults(journey: Journey, numbers: list[int], mail_folder: Path) -> list[str]:
    cases = [case for case, _ in journey.story.values()]
    faults = [fault for case, outcome in journey.story.values() for fault in checks.faults_of_case(case, outcome)]
    expected: Counter[str] = Counter()
    for case in cases:
        if case.outcome != "not_submitted":
            expected += addresses_to_tell(journey.setup, case)
    faults += checks.faults_of_register(cases, numbers)
    mails = [email.message_from_bytes(path.read_bytes()) for path in mail_folder.glob("*.eml")]
    return faults + checks.faults_of_mails(expected, mails)


def _say_where(system: System, console: Console, journey: Journey, folder: Path) -> None:
    for earlier in [*folder.glob("notices/*.eml"), *folder.glob("certificate-*.json")]:
        earlier.unlink()
    shutil.copytree(system.mail_folder, folder / "notices", dirs_exist_ok=True)
    for _, outcome in journey.story.values():
        if outcome.certificate:
            path = folder / f"certificate-{outcome.certificate['number']}.json"
            path.write_text(json.dumps(outcome.certificate, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(f"the notices as mails: {_shown(folder / 'notices')}/*.eml", soft_wrap=True)
    console.print(f"the certificates: {_shown(folder)}/certificate-<number>.json", soft_wrap=True)
    console.print(f"logs: {_shown(system.log_folder)}", soft_wrap=True)


def _keep(system: System, console: Console) -> None:
    """Leave the system running until Ctrl-C or SIGTERM."""
    console.print("the system keeps running until Ctrl-C; in another shell:")
    for name in ("AMQP_URI", "MONGO_URI", "TOUCHSTONE_KEY", "TOUCHSTONE_DATABASE_PREFIX"):
        console.print(f"  export {name}='{system.environment[name]}'", markup=False, soft_wrap=True)
    if system.management_uri:
        console.print(f"  export AMQP_MANAGEMENT_URI='{system.management_uri}'", markup=False, soft_wrap=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _verdict(faults: list[str], took_s: float) -> str:
    if not faults:
        return f"[green]Everything came out as it must[/green], in {took_s:.1f} s all told."
    return "[red]Not as it must be:[/red]\n" + "\n".join(f"  - {escape(fault)}" for fault in faults)


def _shown(path: Path) -> str:
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the system running until Ctrl-C")
    parser.add_argument("--examples", type=Path, default=EXAMPLES, help="folder of the examples")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the notices and certificates are put")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
