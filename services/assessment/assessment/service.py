"""The assessment service, put together from its parts."""

from assessment.entrypoints.accreditation import AccreditationEntrypoints
from assessment.entrypoints.audits import AuditEntrypoints
from assessment.entrypoints.corrective_actions import CorrectiveActionEntrypoints
from assessment.entrypoints.pending_work import PendingWorkEntrypoints
from assessment.entrypoints.register import RegisterEntrypoints
from assessment.entrypoints.standards import StandardEntrypoints
from assessment.reconciliation import DECLARATIONS
from assessment.schemas.settings import SettingsSchema
from assessment.storage import accreditation, audits, refusals, register, standards
from touchstone_chassis.api import OperatorApi, Settings


class AssessmentService(
    StandardEntrypoints,
    AccreditationEntrypoints,
    AuditEntrypoints,
    CorrectiveActionEntrypoints,
    RegisterEntrypoints,
    PendingWorkEntrypoints,
    OperatorApi,
):
    """Standards, who may audit against them, and audit reports from submission to acceptance."""

    name = "assessment"
    collections = (*accreditation.COLLECTIONS, *audits.COLLECTIONS, *refusals.COLLECTIONS, *register.COLLECTIONS)
    indexes = (*accreditation.INDEXES, *audits.INDEXES, *standards.INDEXES)
    migrations = standards.MIGRATIONS
    reconciliation = DECLARATIONS
    settings = Settings(SettingsSchema())
