"""`usersapi call`: one action, and what the service answers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import typer

from usersapi_async.payloads import AnyPayload
from usersapi_async.responses import Record, Response

from .connection import Access
from .failures import CommandError
from .operations import OperationBuilder
from .report import make_console
from .texts import printable


def operation_of(action: str, arguments: Iterable[str], data: str | None) -> dict[str, Any]:
    """What ``name=value`` and ``name:=JSON`` say, on top of `data`: JSON, ``@file`` or ``-`` for the standard
    input. Raises `CommandError`."""
    operation = _object(data) if data is not None else {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals or not name.strip(":"):
            raise CommandError(f"{name!r}: expected name=value, or name:=JSON")
        path = name.removesuffix(":").split(".")
        place = operation
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise CommandError(f"{name!r}: {part} is given as a value already")
        place[path[-1]] = _value(name, text, is_top=len(path) == 1)
    return {**operation, "action": action}


def _object(data: str) -> dict[str, Any]:
    if data == "-":
        text = sys.stdin.read()
    else:
        text = Path(data[1:]).read_text("utf-8-sig") if data.startswith("@") else data
    found = _parsed("--data", text)
    if not isinstance(found, dict):
        raise CommandError("--data: expected a JSON object")
    return found


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"{name}: not JSON: {error}") from None


def _value(name: str, text: str, *, is_top: bool) -> Any:
    if name.endswith(":"):
        return _parsed(name, text)
    # Arguments are ids and switches; what stands in the doc is text, and a leading zero belongs to it.
    if is_top:
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text


def run_call(access: Access, operation: dict[str, Any], builder: OperationBuilder, *, as_json: bool) -> None:
    """Sends it and prints the answer. Raises `UsersApiError`."""
    answer = plain(asyncio.run(_sent(access, builder.payload(operation))))
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    console = make_console()
    for line in json.dumps(answer, ensure_ascii=False, indent=2).splitlines():
        console.print(printable(line), soft_wrap=True)


async def _sent(access: Access, payload: AnyPayload) -> Response:
    async with access.session() as users:
        return await users.send(payload)


def plain(value: Any) -> Any:
    """An answer as JSON can say it: keys that the documentation does not name stand among the others, and
    nothing stands for what did not come."""
    if isinstance(value, Record):
        found = {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
        found |= found.pop("extra")
        return {name: plain(inner) for name, inner in found.items() if inner not in (None, (), {}, Record())}
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Decimal) else value
