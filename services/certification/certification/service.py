"""The certification service: decides on accepted audits and keeps the public register of certificates."""

from certification.entrypoints.cases import CaseEntrypoints
from certification.entrypoints.certificates import CertificateEntrypoints
from certification.entrypoints.mandates import MandateEntrypoints
from certification.entrypoints.members import MemberEntrypoints
from certification.entrypoints.pending_work import PendingWorkEntrypoints
from certification.entrypoints.plan_reviews import PlanReviewEntrypoints
from certification.entrypoints.rule_sets import RuleSetEntrypoints
from certification.reconciliation import DECLARATIONS
from certification.schemas.settings import SettingsSchema
from certification.storage import cases, certificates, mandates, members, plan_reviews, rule_sets
from touchstone_chassis.api import OperatorApi, Settings


class CertificationService(
    CaseEntrypoints,
    CertificateEntrypoints,
    MandateEntrypoints,
    MemberEntrypoints,
    PlanReviewEntrypoints,
    RuleSetEntrypoints,
    PendingWorkEntrypoints,
    OperatorApi,
):
    """One case for each accepted audit, one decision for each case, one certificate for each decision to certify."""

    name = "certification"
    collections = members.COLLECTIONS
    indexes = (*certificates.INDEXES, *cases.INDEXES, *mandates.INDEXES, *plan_reviews.INDEXES, *rule_sets.INDEXES)
    migrations = rule_sets.MIGRATIONS
    reconciliation = DECLARATIONS
    settings = Settings(SettingsSchema())
