"""What is allowed although it looks wasteful, each with its reason. What nothing needs any more has to go."""

import dataclasses
import re

from planning.judging import ENDLESS, SCAN, SORT, WASTE, Finding


@dataclasses.dataclass(frozen=True)
class Allowed:
    """`shape` is a regular expression for the whole name of a shape; `problem` what may be so there, and why.

    `sometimes`: there is a choice of plans, and not each run takes the one that is allowed here.
    """

    shape: str
    problem: str
    why: str
    sometimes: bool = False

    def covers(self, finding: Finding) -> bool:
        return finding.problem == self.problem and re.fullmatch(self.shape, finding.shape) is not None


ALLOWED = (
    Allowed(
        r"\w+\.restores find .*",
        SCAN,
        "One document for each restore of the database, read once when a service starts.",
    ),
    Allowed(
        r"\w+\.(event_counts|handled_counts|heartbeats) find \{\} whole",
        SCAN,
        "One document for each type of event, or for each producer: all of them are wanted.",
    ),
    Allowed(
        r"\w+\.(events|outbox) aggregate \[\{\$match: \{_id: \{\$lt: text, \$regex: text\}.*",
        WASTE,
        "A backfill counts once what was committed before it: the whole log.",
        sometimes=True,
    ),
    Allowed(
        r"\w+\.dead_letters aggregate \[\{\$match: \{state: text\}\}, \{\$group: .*",
        WASTE,
        "Counts what is parked, by the index alone, while a consumer lacks events: few letters wait for a person.",
        sometimes=True,
    ),
    Allowed(
        r"\w+\.inbox find \{_id: \{\$gte: text, \$lt: text\}\} in part",
        ENDLESS,
        "A backfill counts once what was handled while it went on.",
        sometimes=True,
    ),
    Allowed(
        r"\w+\.(outbox|events) find \{_id: \{\$in: \[text\]\}.* by recorded_at.*",
        SORT,
        "Found by 500 ids at most that the caller named, and no more than these are sorted.",
    ),
    Allowed(
        r"\w+\.(outbox|events) find .*(subject|causation_id): \{\$in: \[text\]\}.* by recorded_at.*",
        SORT,
        "The events of 500 aggregates or causes at most that the caller named: each has a few.",
    ),
    Allowed(
        r"\w+\.outbox (find .*(causation_id: |pending: True, properties: ).*|aggregate .*pending: True.*)",
        WASTE,
        "What waits for the broker: none or little, unless it is away; another index would cost each event a write.",
    ),
    Allowed(
        r"certification\.certificates find \{(expires_on: .* open: True.*|issued_on: \{\$gt.*)\} by .*number whole",
        SORT,
        "What lapsed minutes ago and is about to be closed, or is not valid yet: few or none.",
    ),
    Allowed(
        r"notification\.notices find .*audit_id: text\} by position whole",
        SORT,
        "The notices of one audit, in two states.",
        sometimes=True,
    ),
    Allowed(
        r"certification\.certificates find \{expires_on: .*open: False,.* withdrawn: \{\$ne.* by .*number whole",
        WASTE,
        "What has expired, past what was withdrawn, which is little among it in the years of a register.",
        sometimes=True,
    ),
    Allowed(
        r"(assessment\.audits|certification\.cases) find \{.*state: text\} by (body|member)_id, _id whole",
        SORT,
        "Of what is in one state, where that is less than what the party has.",
        sometimes=True,
    ),
    Allowed(
        r"certification\.cases find .*standard: text, state: .* by _id in part",
        WASTE,
        "A mandate's signature looks at all cases that wait, also those of other standards; an index for it would cost "
        "each audit a write.",
        sometimes=True,
    ),
    Allowed(
        r"certification\.certificates find .*member_id: text.* by .*number whole",
        WASTE,
        "The certificates of one member, some of which are not in force: dozens, in the largest group of companies.",
        sometimes=True,
    ),
)

KEPT_ANYWAY: dict[str, str] = {
    "certification.certificates.expires_on_1": "What lapsed minutes ago among all that is in force: here little is.",
    "certification.certificates.suspended_1_number_1": "The few that are suspended among all: one is, in a tour.",
    "certification.certificates.withdrawn_1_number_1": "The few that were withdrawn in all the years: one, in a tour.",
}
"""Indexes, `service.collection.name`, that no query misses here, and why they stay."""

PROBLEMS = (SCAN, SORT, WASTE, ENDLESS)
