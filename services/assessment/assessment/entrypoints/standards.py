"""The methods for standards."""

from typing import Any

from assessment.application.publish_standard import publish_standard
from assessment.presenters.standards import publication, publication_line, standard_line
from assessment.schemas.standards import (
    GetPublishedStandard,
    GetStandard,
    ListStandards,
    PublishStandard,
)
from assessment.storage.standards import CatalogueCache, Standards
from touchstone_chassis.api import Stored, command, page, query
from touchstone_contracts import roles
from touchstone_contracts.callers import Caller
from touchstone_contracts.publication_calls import ListEditions


class StandardEntrypoints:
    """What is audited against."""

    clock: Any
    standards = Stored(Standards)

    catalogue_cache = CatalogueCache()  # of the process: nameko makes an instance of the class for each worker

    @command(PublishStandard(), roles=(roles.SECRETARIAT,))
    def publish_standard(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Publish a standard as a new version, effective from a day that is still to come; answers it in short.

        The Secretariat accepts reports, and says by what. The same document again is answered as it was published.
        Errors: invalid_request (all that is wrong), already_exists (the version with another content: what differs).
        """
        now = self.clock.now()
        return publication_line(publish_standard(request["document"], self.standards, by=caller.subject, now=now))

    @query(GetStandard(), roles=roles.ALL)
    def get_standard(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """A standard version's data file as it is effective today: criteria, rules, sources and confidences."""
        catalogue = self.standards.catalogue(self.clock.now().date(), self.catalogue_cache)
        standard = catalogue.get(request["code"], request["version"])
        file: dict[str, Any] = catalogue.publications[standard.code, standard.version].document["standard"]
        return file

    @query(ListStandards(), roles=roles.ALL)
    def list_standards(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Every standard version that is known today."""
        versions = self.standards.catalogue(self.clock.now().date(), self.catalogue_cache).versions
        return {"items": [standard_line(versions[key]) for key in sorted(versions)], "next": None}

    @query(GetPublishedStandard(), roles=roles.ALL)
    def get_published_standard(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """What was published of a standard: a version, or the one that is effective on a day, today by default."""
        day = request["on"] or self.clock.now().date()
        return publication(self.standards.asked_for(request["id"], request["version"], day))

    @query(ListEditions(), roles=roles.ALL)
    def list_published_standards(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """What was published, without what it says: `{"items": [...], "next": cursor or null}`."""
        found = self.standards.listed(after=request["after"], limit=request["limit"] + 1)
        return page(found, request["limit"], publication_line, lambda one: one.key)
