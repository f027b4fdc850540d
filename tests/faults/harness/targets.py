"""Says what was to be reached in a case (issue: "to reach"), and which of it a result missed: from the result alone."""

import dataclasses

from harness import cases, catalogue, infrastructure
from harness.infrastructure import CONSUMER_KILLED_S, DEPLOY, InfrastructureCase
from harness.results import LONGEST_SILENCE, Result

NOT_JUDGED = "not judged"
_FAULTS = {fault.name: fault.recovery_s_max for fault in infrastructure.FAULTS}
_CRASHES = {case.name: CONSUMER_KILLED_S if case.mode == "kill" else None for case in cases.ALL}


def recovery_s_max(fault: str) -> float | None:
    """Of a fault or a crash point by its name; None where there is no target."""
    return (_FAULTS | _CRASHES).get(fault)


def cell(result: Result) -> str:
    """What the table says: seconds, nothing where there is no target, or that it is not judged."""
    fault, limit_s = _fault_of(result), recovery_s_max(_fault_of(result))
    if result.kind == "soak":
        return "of each fault" if _is_judged(result) else NOT_JUDGED
    if fault == infrastructure.NO_FAULT:
        return "none again"
    if limit_s is None:
        return ""
    return f"{limit_s:g} s" if _is_judged(result) else NOT_JUDGED


def judged(result: Result) -> list[tuple[str, float | None, float]]:
    """Each fault or crash point with a target that it can be judged by, its recovery (None: nothing new came) and the
    target, in seconds."""
    if not _is_judged(result):
        return []
    limits = [(name, seconds, recovery_s_max(name)) for name, seconds in _recoveries(result)]
    return [(name, seconds, limit_s) for name, seconds, limit_s in limits if limit_s is not None]


def is_missed(seconds: float | None, limit_s: float) -> bool:
    return seconds is None or seconds > limit_s


def missed(result: Result) -> list[str]:
    """A sentence for each target that was not reached."""
    sentences = []
    for name, seconds, limit_s in judged(result):
        if is_missed(seconds, limit_s):
            said = "no new work was seen" if seconds is None else f"recovery took {seconds:.1f} s"
            sentences.append(f"{name}: {said}, at most {limit_s:g} s were to be reached")
    if _fault_of(result) == infrastructure.NO_FAULT and result.repeated:
        sentences.append(f"{result.repeated} messages came again that a drained handler had carried out")
    return sentences


def judged_again(result: Result) -> Result:
    """A kept result by the targets of today: an older harness judged more, or less."""
    return dataclasses.replace(result, missed=missed(result))


def _recoveries(result: Result) -> list[tuple[str, float | None]]:
    if result.kind == "soak":
        return [(name, seconds) for name, seconds in result.recoveries]
    return [(_fault_of(result), result.recovery_s)] if result.reached else []


def _is_judged(result: Result) -> bool:
    """Not during a deploy, whose own silence hides the fault's, and not where the older measure saw nothing."""
    if result.kind == "crash":
        return True
    if result.kind == "soak":
        return result.measure >= LONGEST_SILENCE
    return not _is_deploy(result) and not result.unmeasured


def _is_deploy(result: Result) -> bool:
    case = catalogue.named(result.case)
    return isinstance(case, InfrastructureCase) and case.moment == DEPLOY


def _fault_of(result: Result) -> str:
    """The fault of an infrastructure case; else the name of the case."""
    return result.case.rpartition("/")[0] if result.kind == "infrastructure" else result.case
