"""One case as a whole: what the four services know of an audit, gathered by the client."""

import functools
from collections.abc import Callable
from typing import Any

from touchstone.cli.render import Output, masked
from touchstone.rpc.client import Client, NoAnswer, UnknownService
from touchstone_contracts.errors import Forbidden, NotFound

_PAGE = 200
_SHOWN = {
    "audit": (
        *("state", "report_id", "standard", "audit_type", "body_id", "member_id", "entity"),
        *("audited_from", "audited_until", "submitted_at", "accepted_at", "accepted_by", "ratings", "nonconformities"),
    ),
    "case": (
        *("state", "waits", "outcome", "row", "rule_set", "decided_by", "decided_on", "reasons"),
        "certificate_number",
    ),
    "certificate": ("number", "status", "level", "issued_on", "expires_on", "certified_since", "member_name"),
}
_NOTICE_COLUMNS = ("type", "party", "contact_id", "address", "state", "sent_at", "attempts")


def case_file(client: Client, case: str, *, timeout_s: float | None = None) -> dict[str, Any]:
    """`audit`, `case`, `certificate` and `notices` of a case; each None while there is none.

    `missing` says why a part is None where it is the caller's role or an absent or silent service (`timeout_s` for
    each answer), not time. Raises NotFound when neither the audit nor the case is known.
    """
    missing: dict[str, str] = {}
    ask = functools.partial(client.call, timeout_s=timeout_s)
    audit = _part(missing, "audit", lambda: ask("assessment", "get_audit", audit_id=case))
    opened = _part(missing, "case", lambda: ask("certification", "get_case", case_id=case))
    if audit is None and opened is None and not missing:
        raise NotFound(f"There is no audit and no case {case!r}.")
    number = _certificate_number(opened)
    certificate = None
    if number is not None:
        certificate = _part(missing, "certificate", lambda: ask("certification", "get_certificate", number=number))
    notices = _part(missing, "notices", lambda: _all_notices(ask, case))
    return {"audit": audit, "case": opened, "certificate": certificate, "notices": notices, "missing": missing}


def _part(missing: dict[str, str], name: str, ask: Any) -> Any:
    try:
        return ask()
    except NotFound:
        return None
    except (Forbidden, UnknownService, NoAnswer) as error:
        missing[name] = str(error)
        return None


def _certificate_number(case: Any) -> int | None:
    """The number in a case, in its decision or in its certificate."""
    if not isinstance(case, dict):
        return None
    for place in (case, case.get("decision"), case.get("certificate")):
        for name in ("certificate_number", "number"):
            if isinstance(place, dict) and isinstance(place.get(name), int):
                return place[name]
    return None


def _all_notices(ask: Callable[..., Any], audit_id: str) -> list[dict[str, Any]]:
    notices: list[dict[str, Any]] = []
    page: dict[str, Any] = ask("notification", "list_notices", audit_id=audit_id, limit=_PAGE)
    notices += page["items"]
    while page.get("next"):
        page = ask("notification", "list_notices", audit_id=audit_id, limit=_PAGE, after=page["next"])
        notices += page["items"]
    return notices


def show_case_file(output: Output, case: str, found: dict[str, Any]) -> None:
    """Print the parts one below the other, what matters of each, saying of a part that is not there why."""
    output.line(case, style="bold")
    for part, names in _SHOWN.items():
        value = found[part]
        if value is None:
            output.line(f"{part}: {found['missing'].get(part, 'none yet')}", style="dim")
        else:
            known = {**value, **(value.get("decision") or {})}
            output.facts(part, {name: known[name] for name in names if known.get(name) not in (None, [], {})})
    notices = found["notices"]
    if notices:
        output.table(f"notices ({len(notices)})", masked(notices), _NOTICE_COLUMNS)
    else:
        output.line(f"notices: {found['missing'].get('notices', 'none yet')}", style="dim")
