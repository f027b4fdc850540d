"""Asks every query of every service in all ways in which it can be asked: each combination of optional arguments."""

import datetime
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from planning.entrances import methods
from planning.tour import Places

from touchstone_contracts.errors import Forbidden, NotFound
from touchstone_devkit.demo.register import OPERATOR, REGISTRAR, SECRETARIAT, Speaker
from touchstone_devkit.demo.scheme import Scheme

_ONE = {"limit": 1}
"""A page so small that there is always another: it is asked for, too."""
LONG_AGO = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


def ask_everything(scheme: Scheme, places: Places) -> None:
    """Every query, as everybody who may ask it, with every set of what may be given."""
    asked = 0
    for name, method in sorted(methods().items()):
        if method.changes:
            continue
        service, _, short = name.partition(".")
        known = _arguments(places, service)
        wanted = known[name if name in known else short]
        for speaker, arguments in itertools.product(_speakers(method.roles, places), wanted):
            _ask(scheme, speaker, name, arguments)
            asked += 1
    assert asked > 500


def _ask(scheme: Scheme, speaker: Speaker | None, name: str, arguments: Mapping[str, Any]) -> None:
    try:
        answer = scheme.register.call(speaker, name, **arguments)
    except (NotFound, Forbidden):  # what is somebody else's
        return
    if isinstance(answer, dict) and answer.get("next") and "after" not in arguments:
        scheme.register.call(speaker, name, **arguments, after=answer["next"])


def _speakers(roles: tuple[str, ...], places: Places) -> Iterator[Speaker | None]:
    known = [OPERATOR, SECRETARIAT, REGISTRAR, places.world.body, places.world.member]
    admitted = [speaker for speaker in known if speaker.role in roles]
    if not admitted:
        yield None
    yield from admitted


def _all_of(required: Mapping[str, Any] | None = None, /, **optional: Any) -> list[dict[str, Any]]:
    """Every combination of the optional arguments beside the required ones; a tuple is several values of one."""
    choices = [
        [None, *(value if isinstance(value, tuple) else (value,))] if value is not None else [None]
        for value in optional.values()
    ]
    return [
        dict(required or {}) | {name: value for name, value in zip(optional, chosen, strict=True) if value is not None}
        for chosen in itertools.product(*choices)
    ]


def _own(places: Places) -> dict[str, list[dict[str, Any]]]:
    """The queries of single services."""
    audit, world, party = places.audit_id, places.world, {"kind": "member", "id": places.world.case.member_id}
    return {
        "membership.get_organisation": _all_of({"member_id": world.case.member_id}),
        "membership.list_organisations": _all_of(_ONE),
        "membership.list_contacts": _all_of({"party": party} | _ONE),
        "membership.get_obligations": [{}, {"version": 1}, {"on": "2020-01-01"}],
        "membership.list_obligations": _all_of(_ONE),
        "assessment.get_audit": _all_of({"audit_id": audit}),
        "assessment.list_audits": _all_of(_ONE, state=("submitted", "returned", "accepted")),
        "assessment.get_body": _all_of({"body_id": world.case.body_id}),
        "assessment.list_auditors": _all_of({"body_id": world.case.body_id} | _ONE),
        "assessment.get_scope": _all_of(
            {"entity_id": world.case.report["entity"]["id"], "standard": {"code": "PS", "version": "3.0"}},
            facility_ids=[world.case.report["scope"]["facilities"][0]["id"]],
        ),
        "assessment.get_standard": _all_of({"code": "PS", "version": "3.0"}),
        "assessment.list_standards": _all_of(),
        "assessment.get_published_standard": [
            {"id": "PS-3.0"},
            {"id": "PS-3.0", "version": 1},
            {"id": "PS-3.0", "on": "2020-01-01"},
        ],
        "assessment.list_published_standards": _all_of(_ONE),
        "assessment.list_unfinished": _all_of(_ONE, case=audit),
        "certification.get_case": _all_of({"case_id": audit}),
        "certification.list_cases": _all_of(_ONE, state=("awaiting_member", "awaiting_decision", "held", "decided")),
        "certification.get_certificate": _all_of({"number": places.number}),
        "certification.verify_certificate": _all_of({"number": places.number}),
        "certification.list_certificates": _all_of(
            _ONE, member_id=world.case.member_id, standard="PS", status=("not_yet_valid", "valid", "expired")
        ),
        "certification.get_rule_set": [{}, {"version": 1}, {"on": "2020-01-01"}],
        "certification.list_rule_sets": _all_of(_ONE),
        "certification.list_unfinished": _all_of(_ONE, case=audit),
        "notification.get_notice": _all_of({"notice_id": places.notice_id}),
        "notification.list_notices": _all_of(
            _ONE, audit_id=audit, party=places.party, state=("pending", "sent", "failed", "dead")
        ),
        "notification.list_unfinished": _all_of(_ONE, case=audit, after="announcements/"),
    }


def _arguments(places: Places, service: str) -> dict[str, list[dict[str, Any]]]:
    """By method, or by `service.method`, the sets of arguments to ask with."""
    since, until = LONG_AGO.isoformat(), (LONG_AGO + datetime.timedelta(days=3)).isoformat()
    ids, letter = places.event_ids[service], places.letters[service]
    return _own(places) | {
        "find_events": [
            *_all_of({"ids": ids}, types=places.types),
            *_all_of({"subjects": places.subjects}, types=places.types),
            *_all_of({"caused_by": places.causes}, types=places.types),
            *_all_of({"since": since, "limit": 1}, types=places.types),
        ],
        "trace_events": _all_of({"ids": places.all_events}),
        "list_hindrances": _all_of(),
        "list_dead_letters": _all_of(
            _ONE,
            state=("parked", "replayed", "discarded"),
            queue=letter["queue"] or "no.such.queue",
            event=letter["event_type"] or "no.such_event.v1",
            reason=letter["reason"],
            older_than_s=1,
        ),
        "get_dead_letter": _all_of({"id": letter["id"]}),
        "get_reconciliation_state": _all_of({"overdue_s": 1}),
        "list_processed_events": _all_of({"since": since, "limit": 1}, until=until),
        "list_unprocessed_events": [{"events": places.consumed[service] or {"no.such_event.v1": ["none"]}}],
        "get_backfill_target": _all_of(),
        "list_not_backfilled": [{"run": "r-1", "events": places.consumed[service] or {"no.such_event.v1": ["none"]}}],
        "count_events": _all_of({"boundary": "f0"}),
        "get_freshness": _all_of(),
        "list_facts": [{"name": name, "keys": keys} for name, keys in places.facts.get(service, {}).items()],
    }
