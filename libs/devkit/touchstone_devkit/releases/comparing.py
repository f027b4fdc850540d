"""Says what of a release's promises a later state breaks; pure: each broken promise is a sentence."""

from collections.abc import Iterator, Mapping
from typing import Any

from touchstone_devkit.releases.describing import Description

Described = Mapping[str, Any]
_GROW, _SHRINK = ("most", "longest"), ("least",)
_PARTS = ("fields", "items", "keys", "values")
MOVED = {
    "assessment.forms.Day": "touchstone_contracts.moments.Day",
    "assessment.forms.": "touchstone_contracts.fields.",
    "membership.schemas.Address": "membership.schemas.fields.Address",
    "membership.schemas._Once": "membership.schemas.fields.Once",
    "membership.schemas._language": "membership.schemas.fields.known_language",
    "membership.schemas._one_of_data": "membership.schemas.fields.one_of_data",
}
"""Where field classes and checks that a record names stand now, by how their names began."""
STRICTER = ("touchstone_contracts.fields.", "touchstone_contracts.moments.")
"""How the names of field classes begin that take less than what the newest record, 0.1.0, read in their place. That is
meant and stands in the CHANGELOG; limits that both have are compared all the same. Empty it with the next record."""


def event_problems(old: Described, new: Described) -> list[str]:
    """`old` and `new` map type names to events as `recording.events` gives them.

    Within a version nothing changes but that attributes with a default are added, at any depth: then old and new read
    each other. A type goes only after a release that does not publish it any more.
    """
    found = []
    for name, before in old.items():
        if name not in new:
            found += [f"{name} is gone, and the release before publishes it"] if before["published"] else []
            continue
        for what in ("subject", "personal"):
            if before[what] != new[name][what]:
                found.append(f"{name}: its {what} was {before[what]!r} and is {new[name][what]!r}")
        found += _changed_attributes(name, before["attributes"], new[name]["attributes"])
    return found


def _changed_attributes(where: str, old: Described, new: Described) -> Iterator[str]:
    yield from (f"{where}.{name} is gone" for name in old.keys() - new.keys())
    for name in sorted(new.keys() - old.keys()):
        if "default" not in new[name]:
            yield f"{where}.{name} is new and has no default: what the release before wrote cannot be read"
    for name in old.keys() & new.keys():
        yield from _changed(f"{where}.{name}", old[name], new[name])


def _changed(where: str, old: Description, new: Description) -> Iterator[str]:
    for what in sorted((old.keys() | new.keys()) - set(_PARTS)):
        if old.get(what) != new.get(what):
            yield f"{where}: {what} was {old.get(what)!r} and is {new.get(what)!r}"
    for part in ("items", "keys", "values"):
        if part in old and part in new:
            yield from _changed(f"{where}[{part}]", old[part], new[part])
    if "fields" in old and "fields" in new:
        yield from _changed_attributes(where, old["fields"], new["fields"])


def delivery_problems(old: Described, new: Described) -> list[str]:
    """Who would wait in vain, if producers are of one of the two states and consumers of the other.

    Both are whole records, `{"events": ..., "services": ...}`. A consumer takes an event in some versions; one of them
    must be published. That an event is published which the older consumer never heard of harms nobody.
    """
    return _unheard(old, new, "consumers of the release before") + _unheard(new, old, "producers of the release before")


def _unheard(consumers: Described, producers: Described, who: str) -> list[str]:
    published = {name for name, event in producers["events"].items() if event["published"]}
    told = {_without_version(name) for name in producers["events"]}
    found = []
    for service, promised in consumers["services"].items():
        for versions in promised["consumes"]:
            is_known = who.startswith("consumers") or _without_version(versions[0]) in told
            if is_known and not published & set(versions):
                found.append(f"with {who}: {service} takes {' or '.join(versions)}, and none of it is published")
    return found


def _without_version(type_name: str) -> str:
    return type_name.rpartition(".v")[0]


def request_problems(old: Described, new: Described) -> list[str]:
    """Requests that the release before took and that are refused now; both map services to what is recorded of them."""
    found = []
    for service, before in old.items():
        after = new.get(service, {"methods": {}, "messages": {}, "forms": {}})
        for group in ("methods", "messages", "forms"):
            for name, promised in before[group].items():
                where = f"{service}.{name}"
                if name not in after[group]:
                    found.append(f"{where} is gone")
                else:
                    found += _changed_method(where, promised, after[group][name])
    return found


def _changed_method(where: str, old: Described, new: Described) -> Iterator[str]:
    if old.get("changes") is False and new.get("changes"):
        yield f"{where} now needs an idempotency key"
    for role in old.get("roles", []):
        if role not in new["roles"] and "public" not in new["roles"]:
            yield f"{where} is closed to {role}"
    yield from _narrower_fields(where, old["arguments"], new["arguments"])


def _narrower_fields(where: str, old: Described, new: Described) -> Iterator[str]:
    yield from (f"{where}({name}) is gone" for name in sorted(old.keys() - new.keys()))
    for name in sorted(new.keys() - old.keys()):
        if new[name].get("required"):
            yield f"{where}({name}) is new and required"
    for name in sorted(old.keys() & new.keys()):
        yield from _narrower(f"{where}({name})", old[name], new[name])


def _narrower(where: str, old: Description, new: Description) -> Iterator[str]:
    if old["kind"] != new["kind"] and new["kind"] not in ("Raw", "Field"):
        yield f"{where} was a {old['kind']} and is a {new['kind']}"
    for what, meaning in (("required", "is required now"), ("strict", "is strict now")):
        if new.get(what) and not old.get(what):
            yield f"{where} {meaning}"
    if old.get("null") and not new.get("null"):
        yield f"{where} may not be null any more"
    if "choices" in new:
        gone = [str(choice) for choice in old.get("choices", ()) if choice not in new["choices"]]
        if gone or "choices" not in old:
            yield f"{where} does not take {', '.join(gone) or 'everything'} any more"
    for what in ("length", "range"):
        yield from _narrower_bounds(f"{where}: {what}", old.get(what), new.get(what))
    yield from _incomparable(where, old, new)
    for part in ("items", "keys", "values"):
        if part in old and part in new:
            yield from _narrower(f"{where}[{part}]", old[part], new[part])
    if "fields" in old and "fields" in new:
        yield from _narrower_fields(where, old["fields"], new["fields"])


def _narrower_bounds(where: str, old: Any, new: Any) -> Iterator[str]:
    (old_least, old_most), (least, most) = old or (None, None), new or (None, None)
    if least is not None and (old_least is None or least > old_least):
        yield f"{where} began at {old_least} and begins at {least}"
    if most is not None and (old_most is None or most < old_most):
        yield f"{where} ended at {old_most} and ends at {most}"


def _incomparable(where: str, old: Description, new: Description) -> Iterator[str]:
    """Patterns, checks and field classes of our own: a new or another one may refuse what the old one took."""
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{where} has another pattern"
    known = [_name_now(check) for check in old.get("checks", [])]
    if more := [check for check in new.get("checks", []) if check not in known]:
        yield f"{where} is checked by {', '.join(more)}"
    before, now = _limits(old), new.get("own", {})
    if new.get("form", "").startswith(STRICTER):
        now = {name: value for name, value in now.items() if name in before}
    elif "form" in new and new["form"] != _name_now(old.get("form", "")):
        yield f"{where} is read by another class, {new['form']}"
        return
    for name in sorted(now):
        wider = before.get(name) is not None and (
            (name in _GROW and now[name] >= before[name]) or (name in _SHRINK and now[name] <= before[name])
        )
        if now[name] != before.get(name) and not wider:
            yield f"{where}: {name} was {before.get(name)!r} and is {now[name]!r}"


def _limits(described: Description) -> dict[str, Any]:
    """What a field class of ours keeps, and what marshmallow's checks say of the same."""
    checked = {"longest": (described.get("length") or (None, None))[1], "pattern": described.get("pattern")}
    return {name: value for name, value in checked.items() if value is not None} | described.get("own", {})


def _name_now(name: str) -> str:
    return next((name.replace(old, new, 1) for old, new in MOVED.items() if name.startswith(old)), name)


def answer_problems(old: Described, new: Described) -> list[str]:
    """Fields of answers that a caller of the release before may read and that are not there any more."""
    found = []
    for service, before in old.items():
        after = new.get(service, {"answers": {}})["answers"]
        for function, names in before["answers"].items():
            if function not in after:
                found.append(f"{service}: {function} made a part of an answer and is gone")
                continue
            gone = [name for name in names if name not in after[function]]
            found += [f"{service}: {function} leaves out {name}" for name in gone]
    return found
