"""Compares the validation of a good report with marshmallow as it comes, by CPU time, the two in turn.

    python bench/validating.py AUDITS

Environment: BENCH_REPORT, a JSON file with a report that has no fault. Stdout: one JSON line with microseconds each.
"""

import json
import os
import sys
import time
from pathlib import Path

from assessment.schemas.report import ReportSchema
from assessment.schemas.report_parsing import parse_report

AT_ONCE = 20
"""Reports before it is the other's turn: what disturbs the machine then disturbs both."""


def main() -> None:
    turns = max(1, int(sys.argv[1]) // AT_ONCE)
    report, form = json.loads(Path(os.environ["BENCH_REPORT"]).read_text()), ReportSchema()
    assert not parse_report(report).faults, "the report has faults"
    assert dict(parse_report(report).content) == dict(form.load(report)), "the two do not read the same"
    ways, spent_s = {"touchstone": parse_report, "marshmallow": form.load}, {"touchstone": 0.0, "marshmallow": 0.0}
    for _ in range(turns):
        for name, way in ways.items():
            begun_s = time.process_time()
            for _ in range(AT_ONCE):
                way(report)
            spent_s[name] += time.process_time() - begun_s
    print(json.dumps({name: round(s / turns / AT_ONCE * 1e6, 2) for name, s in spent_s.items()}))


if __name__ == "__main__":
    main()
