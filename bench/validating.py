"""Compares the validation of a good report with marshmallow as it comes, by CPU time, the two in turn.

    python bench/validating.py --audits 400

Environment: BENCH_REPORT, a JSON file with a report that has no fault. Stdout: one JSON line with microseconds each.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assessment.schemas.report import ReportSchema
from assessment.schemas.report_parsing import parse_report

AT_ONCE = 20
"""Reports before it is the other's turn: what disturbs the machine then disturbs both."""


def compared(ours: Callable[[Any], Any], theirs: Callable[[Any], Any], report: Any, audits: int) -> dict[str, float]:
    """Microseconds of CPU for each report, `touchstone` and `marshmallow`."""
    spent_s = {"touchstone": 0.0, "marshmallow": 0.0}
    ways = (("touchstone", ours), ("marshmallow", theirs))
    for _, way in ways:
        way(report)
    for _ in range(max(1, audits // AT_ONCE)):
        for name, way in ways:
            begun_s = time.process_time()
            for _ in range(AT_ONCE):
                way(report)
            spent_s[name] += time.process_time() - begun_s
    counted = max(1, audits // AT_ONCE) * AT_ONCE
    return {name: round(s / counted * 1e6, 2) for name, s in spent_s.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--audits", type=int, required=True)
    given = parser.parse_args()
    report = json.loads(Path(os.environ["BENCH_REPORT"]).read_text())
    schema = ReportSchema()
    assert not parse_report(report).faults, "the report has faults"
    assert dict(parse_report(report).content) == dict(schema.load(report)), "the two do not read the same"
    print(json.dumps(compared(parse_report, schema.load, report, given.audits)))


if __name__ == "__main__":
    main()
