"""A moment on the wire: a time with its zone that UTC has, too."""

import datetime
from typing import Any

from marshmallow import fields


class Moment(fields.AwareDateTime):
    """The year 9999 ends earlier elsewhere: what lies outside UTC's years, no database could keep or compare."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime.datetime:
        moment: datetime.datetime = super()._deserialize(value, *args, **kwargs)
        try:
            moment.astimezone(datetime.UTC)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None
        return moment
