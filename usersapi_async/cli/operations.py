"""Makes an operation, as a JSON object says it, a payload.

The names are those of the endpoint's requests, and those of this library's payloads where they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from usersapi_async.errors import PayloadError
from usersapi_async.payloads import (
    AddEmail,
    AddProduct,
    AnyPayload,
    Create,
    CreateChild,
    Custom,
    Email,
    GetInfo,
    GetUserList,
    Login,
    Product,
    Ref,
    SetStatus,
    Update,
)

_KINDS: Mapping[str, type[AnyPayload]] = {
    kind.action: kind
    for kind in (
        Create,
        CreateChild,
        Login,
        Update,
        AddProduct,
        AddEmail,
        GetInfo,
        SetStatus,
        GetUserList,
    )
}
ACTIONS = tuple(_KINDS)
CREATES = (Create.action, CreateChild.action)
_READS = (GetInfo, GetUserList)
_PARTS: Mapping[str, type[Any]] = {"products": Product, "emails": Email}


@attrs.frozen(kw_only=True)
class OperationBuilder:
    """Mails and forms are off where an operation does not say it."""

    send_emails: bool = False
    submit_forms: bool = False

    def payload(self, operation: Mapping[str, Any]) -> AnyPayload:
        """Raises `PayloadError` with all faults."""
        said = dict(operation)
        action = said.pop("action", None)
        if not isinstance(action, str) or not action.strip():
            raise PayloadError(["required: the name of an action @ $.action"])
        kind = _KINDS.get(action)
        if kind is None:
            return Custom(action=action, repeatable=said.pop("repeatable", False), extra=said)
        faults: list[str] = []
        given = _arguments(kind, said, faults)
        if not issubclass(kind, _READS):
            given.setdefault("disable_email_sending", not self.send_emails)
            given.setdefault("submit_forms", self.submit_forms)
        _require(kind, given, faults)
        if faults:
            raise PayloadError(faults)
        return kind(**given)


def _arguments(kind: type[AnyPayload], said: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    """The arguments of a payload's class; what can't be one becomes a fault."""
    top, inner = _names(kind)
    given: dict[str, Any] = {}
    if "doc" not in top:
        _spread(said.pop("doc", {}), top, inner, said, faults)
    for name, value in said.items():
        if name not in top:
            faults.append(
                f"no argument of {kind.action}; if the service knows it, give it in extra @ $.{name}"
            )
        elif top[name] in given:
            faults.append(f"given twice @ $.{name}")
        else:
            given[top[name]] = _read(top[name], value, f"$.{name}", faults)
    return given


def _names(kind: type[Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Under which names an argument may stand in the request, and in its doc."""
    top, inner = {}, {}
    for field in attrs.fields(kind):
        top[field.name] = field.name
        where, _, within = field.metadata["wire"].partition(".")
        if within:
            inner[within] = field.name
        elif where and where != "doc":
            top[where] = field.name
    return top, inner


def _spread(
    doc: Any, top: Mapping[str, str], inner: Mapping[str, str], said: dict[str, Any], faults: list[str]
) -> None:
    """Moves what stands in a doc to where the library has it."""
    if not isinstance(doc, Mapping):
        faults.append("expected an object @ $.doc")
        return
    for name, value in doc.items():
        if name in inner:
            said[inner[name]] = value
        elif "fields" in top and value is True:
            said["fields"] = [*said.get("fields", ()), name]
        elif "fields" not in top or value is not False:
            faults.append(f"does not belong there @ $.doc.{name}")


def _read(name: str, value: Any, path: str, faults: list[str]) -> Any:
    if name in ("clogin_id", "connected_to") and isinstance(value, Mapping):
        key = value.get("ref")
        if len(value) == 1 and isinstance(key, str) and key:
            return Ref(key)
        faults.append(f'expected an id or {{"ref": "key"}} @ {path}')
        return 1
    if name in _PARTS:
        items = [value] if isinstance(value, Mapping) else value
        if isinstance(items, (list, tuple)):
            return [_part(_PARTS[name], item, f"{path}[{at}]", faults) for at, item in enumerate(items)]
    return value


def _part(kind: type[Any], item: Any, path: str, faults: list[str]) -> Any:
    if not isinstance(item, Mapping):
        faults.append(f"expected an object @ {path}")
        return item
    names, _ = _names(kind)
    given = {names[name]: value for name, value in item.items() if name in names}
    others = {name: value for name, value in item.items() if name not in names}
    if others and "extra" in names:
        given["extra"] = {**given.get("extra", {}), **others}
    elif others:
        faults.extend(f"does not belong there @ {path}.{name}" for name in others)
    missing = len(faults)
    _require(kind, given, faults, path)
    if len(faults) > missing:
        return item
    try:
        return kind(**given)
    except PayloadError as error:
        faults.extend(fault.replace(" @ $", f" @ {path}", 1) for fault in error.faults)
        return item


def _require(kind: type[Any], given: Mapping[str, Any], faults: list[str], path: str = "$") -> None:
    told = {fault.rpartition(" @ ")[2] for fault in faults}
    for field in attrs.fields(kind):
        where = f"{path}.{field.metadata['wire'] or field.name}"
        if field.default is attrs.NOTHING and field.name not in given and where not in told:
            faults.append(f"required @ {where}")
