"""The methods for standards."""

from typing import Any

from assessment.data.catalogue import Catalogue
from assessment.presenters.standards import standard_line
from assessment.schemas.standards import GetStandard, ListStandards
from touchstone_chassis.api import query
from touchstone_contracts import roles
from touchstone_contracts.callers import Caller


class StandardEntrypoints:
    """What is audited against."""

    settings: Any

    @query(GetStandard(), roles=roles.ALL)
    def get_standard(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """A standard version's data file, with its criteria, rules, sources and confidences."""
        catalogue: Catalogue = self.settings["catalogue"]
        standard = catalogue.get(request["code"], request["version"])
        return dict(catalogue.files[standard.code, standard.version])

    @query(ListStandards(), roles=roles.ALL)
    def list_standards(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Every standard version that is known."""
        versions = self.settings["catalogue"].versions
        return {"items": [standard_line(versions[key]) for key in sorted(versions)], "next": None}
