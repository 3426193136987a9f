"""From a decoded request to its answer: whose request it is, which group it is about, which action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import additions, reading, writing
from .arguments import JsonObject, RefusalError, require_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .state import AccessData, Group, Organisation

ACTIONS: Final[Mapping[str, Callable[[Organisation, Group, JsonObject], JsonObject]]] = {
    "create": writing.create,
    "create_child": writing.create_child,
    "login": writing.login,
    "update": writing.update,
    "add_product": additions.add_product,
    "add_email": additions.add_email,
    "get_info": reading.get_info,
    "set_status": writing.set_status,
    "get_user_list": reading.get_user_list,
}
_CLOCK_SKEW: Final = 300


def check_access(headers: Mapping[str, str], credentials: AccessData, now: float) -> None:
    """Refuses with 401 whoever is not the admin, and a request whose Timestamp is not about now."""
    expected = {
        "Api-id": str(credentials["api_id"]),
        "Api-user": credentials["api_user"],
        "Api-token": credentials["api_token"],
    }
    for name, value in expected.items():
        if headers.get(name) != value:
            raise RefusalError(f"The header {name} is missing or wrong.", status=401)
    timestamp = headers.get("Timestamp", "")
    if not (timestamp.isascii() and timestamp.isdecimal()):
        raise RefusalError("The header Timestamp must be Unix time in whole seconds.", status=401)
    if abs(float(timestamp) - now) > _CLOCK_SKEW:
        raise RefusalError("The header Timestamp is more than five minutes from now.", status=401)


def perform(organisation: Organisation, body: JsonObject) -> JsonObject:
    """Does what the request asks; raises `RefusalError`, having done nothing, if it may not."""
    group = organisation.groups.get(require_id(body, "group_id"))
    if group is None:
        raise RefusalError("This group belongs to another organisation.", status=403)
    name = body.get("action")
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        raise RefusalError(f"There is no action {name}.")
    return action(organisation, group, body)
