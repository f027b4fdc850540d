"""The membership service, put together from its parts."""

from membership.entrypoints.contacts import ContactEntrypoints
from membership.entrypoints.obligations import ObligationsEntrypoints
from membership.entrypoints.organisations import OrganisationEntrypoints
from membership.entrypoints.sites import SiteEntrypoints
from membership.reconciliation import DECLARATIONS
from membership.schemas.settings import SettingsSchema
from membership.storage import contacts, obligations, organisations, sites
from touchstone_chassis.api import OperatorApi, Settings


class MembershipService(
    OrganisationEntrypoints, ObligationsEntrypoints, SiteEntrypoints, ContactEntrypoints, OperatorApi
):
    """Who is a member, of which class and in what standing; what it wants certified; and who is told on its behalf."""

    name = "membership"
    collections = organisations.COLLECTIONS
    indexes = (*sites.INDEXES, *contacts.INDEXES, *obligations.INDEXES)
    migrations = obligations.MIGRATIONS
    reconciliation = DECLARATIONS
    settings = Settings(SettingsSchema())
