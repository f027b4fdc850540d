"""The service's own settings."""

from typing import Any

from marshmallow import Schema, ValidationError, post_load

from assessment.data.catalogue import CatalogueError, load_catalogue
from touchstone_contracts.fields import Text


class SettingsSchema(Schema):
    """`standards_folder`: the scheme owner's own data files. Loading them is part of the check at the start."""

    standards_folder = Text(4_096, load_default=None, allow_none=True)

    @post_load
    def _load_standards(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        try:
            return data | {"catalogue": load_catalogue(data["standards_folder"])}
        except CatalogueError as error:
            raise ValidationError({"standards_folder": [str(error)]}) from error
