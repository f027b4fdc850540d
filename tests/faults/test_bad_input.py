"""Bad input at every queue and every RPC method of the real services: answered or parked, and nothing else happens.

TOUCHSTONE_BAD_INPUT=full sends every row to every entrance, and many times as many generated messages. A long run deals
the rows out among the entrances of one kind in one service. A short one deals them out among those of all services, of
which it takes one for a method that several have. TOUCHSTONE_SEED chooses other generated messages.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from corpus import walking
from corpus.bodies import BODIES, MARKER, MEGABYTE
from corpus.contents import CALLS, EVENTS, KEYS
from corpus.entrances import COMMAND, EVENT, RPC, Entrance, entrances
from corpus.headers import HEADERS
from corpus.rows import BROKER, FINE, UNHEARD, Row, answered, parked
from corpus.shapes import anything, drawn, nearly_valid, valid
from corpus.verdicts import NOISE, Scene, Tally, disturbances, problem, problem_of_generated
from corpus.walking import Walker
from corpus.watching import Watcher
from corpus.wire import Message, Wire
from harness.workload import Say

from touchstone.provisioning.broker_plan import broker_plan
from touchstone.provisioning.provision import installed_topologies, provision_broker
from touchstone_contracts.topology import (
    RETRY_DELAYS_S,
    dead_letter,
    events_exchange,
    heard_from,
    retry_queue,
    rpc_queue,
    unconsumed,
    unconsumed_records,
)
from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import SERVICES, System

FULL = os.environ.get("TOUCHSTONE_BAD_INPUT") == "full"
SEED = int(os.environ.get("TOUCHSTONE_SEED", "0"))
LONG = FULL or os.environ.get("TOUCHSTONE_LONG", "") not in ("", "0")
EXAMPLES = 200 if FULL else 2 if LONG else 1
DEALT_AMONG = 1 if FULL else 16 if LONG else 32
GOOD_AFTER = 1 if FULL else 8
"""So many bad messages, then a good one."""
ENTRANCES = entrances()
WRITES_NOTHING = (FINE, UNHEARD)
pytestmark = pytest.mark.timeout(3600 if FULL else 300)


@pytest.fixture(scope="module")
def target(backing: Backing, say: Say) -> Iterator[System]:
    """A system of this module's own: what is sent here, nobody else should find."""
    if not backing.management_uri:
        pytest.skip("without the management API this broker gives no virtual host of its own")
    with System(backing=backing, sandbox=True, announce=lambda _line: None) as system:
        yield system


@pytest.fixture(scope="module")
def watcher(target: System) -> Iterator[Watcher]:
    with Watcher(target) as watcher:
        yield watcher


@pytest.fixture(scope="module")
def tally(say: Say) -> Iterator[Tally]:
    tally = Tally()
    yield tally
    say(str(tally))


class Bench:
    """Makes messages for an entrance and sends them."""

    def __init__(self, system: System, wire: Wire, watcher: Watcher, tally: Tally) -> None:
        self.wire, self.watcher = wire, watcher
        self.walker = Walker(wire, watcher)
        self._system, self._tally = system, tally

    def message(self, entrance: Entrance, content: Any = None) -> Message:
        """A message with that content: a good one where none is given, the same each time but for its ids."""
        if content is None and entrance.kind != EVENT:
            content = drawn(valid(entrance.schema), 1, SEED)[-1]
        if entrance.kind == RPC:
            return walking.call(entrance, self._system, content, self.wire.reply_to)
        if entrance.kind == COMMAND:
            return walking.submission(entrance, self._system, content)
        return walking.event(entrance, content)

    def send(self, entrance: Entrance, name: str, message: Message) -> walking.Outcome:
        outcome = self.walker.outcome(entrance, message)
        self._tally.add(entrance, name, outcome)
        return outcome

    def quiet(self) -> None:
        """Returns when nothing is under way: what was sent before this has left its traces."""
        system = self._system
        wait_until_quiet(system.amqp_uri, system.mongo_uri, system.database_prefix, timeout_s=60)

    @contextlib.contextmanager
    def undisturbed(self, *, contents: bool) -> Iterator[None]:
        """Fails at the end of the block if something happened beside it; `contents`: if anything at all was written."""
        before = Scene.of(self.watcher, contents=contents)
        yield
        found = disturbances(before, Scene.of(self.watcher, contents=contents), self.watcher.logged)
        assert found == []


@pytest.fixture(scope="module")
def bench(target: System, watcher: Watcher, tally: Tally) -> Iterator[Bench]:
    with Wire(target.amqp_uri, target.environment) as wire:
        yield Bench(target, wire, watcher, tally)


def rows_for(entrance: Entrance) -> list[Row]:
    """Of the rows that mean something to this entrance, its share; all that are alike get all of them together."""
    alike = [e for e in ENTRANCES if (e.service, e.kind) == (entrance.service, entrance.kind)]
    if not LONG:
        alike = [e for e in one_for_each_method() if (e.kind == RPC) == (entrance.kind == RPC)]
    commands = [e for e in alike if e.changes]
    keys = _dealt(KEYS, entrance, commands) if entrance in commands else []
    return [*_dealt([*BODIES, *HEADERS, *EVENTS, *CALLS], entrance, alike), *keys]


def _dealt(rows: list[Row], entrance: Entrance, alike: list[Entrance]) -> list[Row]:
    meant = [row for row in rows if row.allowed(entrance)]
    hands = min(DEALT_AMONG, len(alike))
    return meant[alike.index(entrance) % hands :: hands] if entrance in alike else []


def fresh(message: Message) -> Message:
    """The same under another id: the same body under the same id would be the same dead letter."""
    return message.but(message_id=f"corpus-{uuid.uuid4().hex}")


def is_refused(row: Row, entrance: Entrance) -> bool:
    return not set(row.allowed(entrance)) & set(WRITES_NOTHING)


def one_of_each_kind() -> list[Entrance]:
    """One entrance for each kind of queue that a service has."""
    return list({(entrance.service, entrance.kind): entrance for entrance in ENTRANCES}.values())


def one_for_each_method() -> list[Entrance]:
    """Of a method that every service has, that of one service: of each service about as many. Every queue of events."""
    alike: dict[str, list[Entrance]] = {}
    for entrance in ENTRANCES:
        alike.setdefault(entrance.name if entrance.kind == RPC else entrance.queue, []).append(entrance)
    return [entrances[number % len(entrances)] for number, entrances in enumerate(alike.values())]


def some(entrances: list[Entrance]) -> list[Any]:
    """All of them, those that a short run leaves out marked as such."""
    short = set(map(str, one_for_each_method()))
    return [e if str(e) in short else pytest.param(e, marks=pytest.mark.long) for e in entrances]


every_entrance = pytest.mark.parametrize("entrance", some(ENTRANCES), ids=str)


def test_every_queue_of_every_service_is_walked() -> None:
    aside = {
        name(service) for service in SERVICES for name in (dead_letter, unconsumed, unconsumed_records, heard_from)
    }
    aside |= {retry_queue(service, delay_s) for service in SERVICES for delay_s in RETRY_DELAYS_S}

    queues = set(broker_plan(installed_topologies()).queues) - aside

    assert queues == {entrance.queue for entrance in ENTRANCES}
    assert {entrance.service for entrance in ENTRANCES} == set(SERVICES)


def test_all_rows_reach_every_queue_in_a_long_run_and_a_method_in_a_short_one() -> None:
    queues = {entrance.queue for entrance in ENTRANCES if entrance.kind == RPC}
    for together in [{queue} for queue in queues] if LONG else [queues]:
        inside = [entrance for entrance in ENTRANCES if entrance.queue in together]
        sent = {row.name for entrance in inside for row in rows_for(entrance)}

        assert sent >= {row.name for row in [*BODIES, *HEADERS, *CALLS, *KEYS] if row.call}


def test_a_short_run_comes_by_every_queue() -> None:
    assert {entrance.queue for entrance in one_for_each_method()} == {entrance.queue for entrance in ENTRANCES}


@every_entrance
def test_what_is_bad_is_refused_and_the_next_good_message_is_handled(bench: Bench, entrance: Entrance) -> None:
    good, problems = bench.message(entrance), []
    usual = bench.send(entrance, "a good message", good).what
    bench.quiet()

    with bench.undisturbed(contents=entrance.kind != COMMAND):  # there an event tells the sender
        for number, row in enumerate(row for row in rows_for(entrance) if is_refused(row, entrance)):
            outcome = bench.send(entrance, row.name, row.spoil(fresh(good)))
            problems.append(problem(row.name, outcome, row.allowed(entrance)))
            if number % GOOD_AFTER == 0:
                next_one = bench.send(entrance, "a good message", good)
                problems.append(problem(f"the next after {row.name}", next_one, [FINE], usual))
        bench.quiet()

    assert [found for found in problems if found] == []
    assert not Path(MARKER).exists()


@every_entrance
def test_what_is_odd_but_can_be_read_is_handled(bench: Bench, entrance: Entrance) -> None:
    usual = bench.send(entrance, "a good message", bench.message(entrance)).what

    with bench.undisturbed(contents=False):
        problems = [
            problem(row.name, bench.send(entrance, row.name, row.spoil(bench.message(entrance))), allowed, usual)
            for row in rows_for(entrance)
            if (allowed := row.allowed(entrance)) and not is_refused(row, entrance)
        ]

    assert [found for found in problems if found] == []


MADE_UP: dict[str, Callable[[Entrance], Any]] = {
    "valid": lambda entrance: valid(entrance.schema),
    "nearly valid": lambda entrance: nearly_valid(entrance.schema),
    "random": lambda _entrance: anything().map(lambda made: made if isinstance(made, dict) else {"x": made}),
}


@every_entrance
def test_what_is_made_up_from_the_schema_is_handled_or_refused(bench: Bench, entrance: Entrance) -> None:
    problems = []

    with bench.undisturbed(contents=False):
        for kind, strategy in MADE_UP.items():
            for content in drawn(strategy(entrance), EXAMPLES, SEED):
                name = f"{kind}, seed {SEED}: {content!r:.500}"
                problems.append(
                    problem_of_generated(name, bench.send(entrance, kind, bench.message(entrance, content)))
                )

    assert [found for found in problems if found] == []


@pytest.mark.parametrize("entrance", some([e for e in ENTRANCES if e.kind == RPC]), ids=str)
def test_an_empty_call_is_told_everything_that_is_missing(bench: Bench, entrance: Entrance) -> None:
    required = {name for name, field in entrance.schema.load_fields.items() if field.required}

    outcome = bench.send(entrance, "no arguments", bench.message(entrance, {}))

    if required:
        assert outcome.what == answered("invalid_request")
        assert {error["path"] for error in outcome.reply["error"]["errors"] if error["code"] == "required"} == required
    else:
        assert outcome.what in (FINE, answered("invalid_request"))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "name", ["nothing", "__class__", "record_refusal", "", "x" * 200, "$where", "\u202e", b"\xff\xfe"]
)
def test_a_method_that_is_none_is_answered_or_parked(bench: Bench, service: str, name: str | bytes) -> None:
    entrance = next(e for e in ENTRANCES if e.kind == RPC and e.service == service)
    key = name if isinstance(name, bytes) else name.encode()
    unknown = dataclasses.replace(entrance, routing_key=f"{service}.".encode() + key)
    bench.quiet()

    with bench.undisturbed(contents=True):
        outcome = bench.send(unknown, "an unknown method", bench.message(unknown))
        mute = bench.send(unknown, "an unknown method", bench.message(unknown).but(reply_to=None))

    assert problem("with an address", outcome, [answered("unknown_method"), parked("rejected")]) is None
    assert problem("without one", mute, [parked("unknown_method"), parked("rejected")]) is None


@pytest.mark.parametrize("arguments", [80_000, 1_300], ids=["1 MB", "16 KB"])
def test_a_storm_of_calls_without_a_token_holds_nobody_up(bench: Bench, arguments: int) -> None:
    public = next(e for e in ENTRANCES if e.kind == RPC and e.caller is None)
    other = next(e for e in ENTRANCES if e.kind == RPC and e.caller and not e.changes and e.service == public.service)
    usual = bench.send(other, "a call with a token", bench.message(other)).what
    storm = bench.message(public, {f"k{number}": 1 for number in range(arguments)})
    bench.quiet()

    with bench.undisturbed(contents=True):
        for number in range(100):
            bench.wire.send(storm.but(correlation_id=str(number)))
        outcome = bench.send(other, "a call with a token, in a storm", bench.message(other))
        replies = [bench.wire.reply_to_call(str(number), within_s=walking.WAIT_S) for number in range(100)]
        bench.quiet()

    assert problem("a call with a token, in a storm", outcome, [FINE], usual) is None
    assert {walking.word_of(json.loads(reply.body)) for reply in replies if reply} == {answered("malformed_request")}
    assert None not in replies


@pytest.mark.parametrize("entrance", one_of_each_kind(), ids=str)
def test_a_body_of_20_mb_is_refused_by_the_broker_or_parked(bench: Bench, entrance: Entrance) -> None:
    good = bench.message(entrance)
    allowed = (answered("malformed_request"), parked("too_large"))

    with bench.undisturbed(contents=False):
        largest = bench.send(entrance, "16 MB", good.but(body=b" " * (16 * MEGABYTE - 1)))
        larger = bench.send(entrance, "20 MB", good.but(body=b" " * (20 * MEGABYTE)))
        next_one = bench.send(entrance, "a good message", bench.message(entrance))

    assert largest.what in allowed
    assert larger.what in (BROKER, *allowed)
    assert next_one.what in (FINE, UNHEARD) or next_one.what.startswith("answered: ")


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_a_stranger_puts_into_the_dead_letter_queue_is_kept(bench: Bench, service: str) -> None:
    entrance = next(e for e in ENTRANCES if e.service == service)
    queue = dead_letter(service)
    rows = [row for row in [*BODIES, *HEADERS] if BROKER not in row.call and "expiration" not in row.name]
    bench.quiet()

    with bench.undisturbed(contents=True):
        problems = []
        for number, row in enumerate(rows[:: 1 if FULL else 4]):
            message = row.spoil(bench.message(entrance)).but(exchange="", routing_key=queue)
            message = message.but(body=message.body + f"{service} {number}".encode())
            refused = bench.wire.send(message)
            digest = hashlib.sha256(message.body).hexdigest()
            if refused or not eventually(lambda d=digest: bench.watcher.kept(service, d), within_s=NOISE):
                problems.append(f"{row.name}: {refused or 'not kept'}")

    assert problems == []
    assert bench.wire.count(queue) == 0


@pytest.mark.parametrize("entrance", [e for e in ENTRANCES if e.kind == EVENT], ids=str)
def test_nonsense_from_a_strangers_event_is_parked_by_its_consumer(bench: Bench, entrance: Entrance) -> None:
    producer, key = entrance.event_class.producer, entrance.event_class.routing_key
    good = bench.message(entrance).but(exchange=events_exchange(producer), routing_key=key)
    bench.quiet()

    with bench.undisturbed(contents=True):
        outcome = bench.send(entrance, "nonsense on the exchange", good.but(body=b'{"specversion": 1}'))

    assert problem("nonsense", outcome, [parked("unsigned")]) is None


def test_an_event_that_nobody_knows_waits_where_it_can_be_seen(bench: Bench) -> None:
    entrance = next(e for e in ENTRANCES if e.kind == EVENT)
    producer = entrance.event_class.producer
    before = bench.wire.count(unconsumed(producer))

    bench.wire.send(bench.message(entrance).but(exchange=events_exchange(producer), routing_key="unheard_of.v99"))

    assert eventually(lambda: bench.wire.count(unconsumed(producer)) == before + 1, within_s=NOISE)


def test_nonsense_in_a_retry_queue_comes_back_and_is_parked(bench: Bench, subtests: pytest.Subtests) -> None:
    sent = []
    for entrance in one_of_each_kind():
        retry, body = retry_queue(entrance.service, RETRY_DELAYS_S[0]), f"{{ {entrance} {uuid.uuid4().hex}".encode()
        message = bench.message(entrance).but(exchange=retry, routing_key=entrance.queue, body=body, reply_to=None)
        sent.append((entrance, hashlib.sha256(body).hexdigest(), bench.wire.send(message)))

    for entrance, digest, refused in sent:
        with subtests.test(str(entrance)):
            kept = lambda e=entrance, d=digest: bench.watcher.kept(e.service, d)  # noqa: E731
            assert refused is None
            reason = eventually(kept, within_s=RETRY_DELAYS_S[0] + NOISE)
            assert reason in ("undecodable", "no_reply_to", "unknown_method")


def test_a_call_whose_answer_would_be_a_call_is_parked_and_goes_no_further(bench: Bench) -> None:
    entrance = next(e for e in ENTRANCES if e.kind == RPC and e.caller is None)
    other = next(e for e in ENTRANCES if e.kind == RPC and e.service != entrance.service)
    bench.quiet()

    with bench.undisturbed(contents=True):
        since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=10)
        known, elsewhere = (len(bench.watcher.parked(each, since)) for each in (entrance, other))
        bench.wire.send(bench.message(entrance).but(reply_to=other.routing_key))
        reasons = eventually(lambda: bench.watcher.parked(entrance, since)[known:], within_s=NOISE)

    assert reasons == ["no_reply_to"]
    assert len(bench.watcher.parked(other, since)) == elsewhere


def with_another_body(message: Message) -> Message:
    return message.but(body=json.dumps(json.loads(message.body) | {"other": 1}).encode())


@pytest.mark.parametrize("entrance", [e for e in ENTRANCES if e.kind == EVENT], ids=str)
def test_one_id_with_two_bodies_counts_once(bench: Bench, entrance: Entrance) -> None:
    first = bench.message(entrance)
    bench.send(entrance, "the first", first)
    bench.quiet()

    with bench.undisturbed(contents=True):
        outcome = bench.send(entrance, "another body under the same id", with_another_body(first))
        bench.quiet()

    assert outcome.what == FINE


@pytest.mark.parametrize("entrance", [e for e in ENTRANCES if e.kind == COMMAND], ids=str)
def test_another_body_under_the_id_of_a_command_is_answered_once(bench: Bench, entrance: Entrance) -> None:
    first = fresh(bench.message(entrance))
    bench.send(entrance, "the first", first)
    bench.quiet()
    log = f"{entrance.service}.events"
    before = bench.watcher.contents()[log]

    outcomes = [bench.send(entrance, "another body under the same id", with_another_body(first)) for _ in range(2)]
    bench.quiet()

    assert {outcome.what for outcome in outcomes} <= {FINE, UNHEARD}
    assert bench.watcher.contents()[log] == before + 1


def test_what_waits_for_a_queue_that_is_gone_holds_up_nobody_else(amqp_uri: str) -> None:
    service = SERVICES[0]
    provision_broker(amqp_uri, broker_plan(installed_topologies()))
    retry, queue = retry_queue(service, RETRY_DELAYS_S[0]), rpc_queue(service)

    with Wire(amqp_uri) as wire:
        for _ in range(40):  # the broker moves 32 at a time, and goes on when they have arrived
            wire.send(Message(retry, "no-such-queue", b"{}"))
        wire.send(Message(retry, queue, b"{}"))

        assert eventually(lambda: wire.count(queue), within_s=RETRY_DELAYS_S[0] + 4)
