"""One case as a whole: what all services know of an audit, gathered by the client."""

import functools
from collections.abc import Callable
from typing import Any

from touchstone.rpc.client import Client, NoAnswer, UnknownService
from touchstone.rpc.fan_out import pages
from touchstone_contracts.errors import Forbidden, NotFound

_PAGE = 200
_SEE = ": see touchstone reconcile"


def case_file(client: Client, case: str, *, timeout_s: float | None = None) -> dict[str, Any]:
    """`audit`, `case`, `certificate` and `notices` of a case; each None while there is none.

    `missing` says why a part is None where it is the caller's role, an absent or silent service (`timeout_s` for
    each answer), or two services that do not agree; not time. Raises NotFound when neither audit nor case is known.
    """
    missing: dict[str, str] = {}
    ask = functools.partial(client.call, timeout_s=timeout_s)
    # What is downstream is asked for first: its cause was there before.
    opened = _part(missing, "case", lambda: ask("certification", "get_case", case_id=case))
    audit = _part(missing, "audit", lambda: ask("assessment", "get_audit", audit_id=case))
    if audit is None and opened is None and not missing:
        raise NotFound(f"There is no audit and no case {case!r}.")
    number = _certificate_number(opened)
    certificate = None
    if number is not None:
        certificate = _part(missing, "certificate", lambda: ask("certification", "get_certificate", number=number))
    listed = pages(functools.partial(ask, "notification", "list_notices"), audit_id=case, limit=_PAGE)
    notices = _part(missing, "notices", lambda: [notice for page in listed for notice in page["items"]])
    found = {"audit": audit, "case": opened, "certificate": certificate, "notices": notices, "missing": missing}
    if audit is None and opened is not None:
        missing.setdefault("audit", f"assessment knows no audit {case}, and certification has a case for it{_SEE}")
    if number is not None and certificate is None:
        missing.setdefault("certificate", f"the case gives certificate {number}, and the register has none{_SEE}")
    return found


def _part(missing: dict[str, str], name: str, ask: Callable[[], Any]) -> Any:
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
