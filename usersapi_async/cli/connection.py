"""Who calls, and where to: credentials from the environment, a file or a prompt, never from an argument."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs
import typer

from usersapi_async.assumptions import DEFAULT_BASE_URL
from usersapi_async.limiter import Concurrency
from usersapi_async.rate import RateLimit
from usersapi_async.session import UsersSession
from usersapi_async.settings import Credentials

from .failures import CommandError
from .variables import BASE_URL, GROUP, ID, TOKEN, USER

_QUESTIONS = {ID: "API id", USER: "API user (login email)", TOKEN: "API token (not shown)"}
_NAMES = frozenset((*_QUESTIONS, BASE_URL, GROUP))


@attrs.frozen(kw_only=True)
class Access:
    """The account, the server and the group that a command works on."""

    credentials: Credentials
    base_url: str
    group_id: int

    def session(self, rate: RateLimit | None = None, concurrency: Concurrency = "auto") -> UsersSession:
        """A session there, not yet open."""
        return UsersSession(
            self.credentials,
            group_id=self.group_id,
            base_url=self.base_url,
            rate=rate,
            concurrency=concurrency,
        )


def access_from(file: Path | None, base_url: str | None, group: int | None) -> Access:
    """Puts it together: options come before the file, the file before the environment, and what is missing
    of the credentials is asked for if somebody sits at the terminal.

    Raises `CommandError` or `ConfigurationError` when something is missing or can't be right.
    """
    found = {name: os.environ[name] for name in _NAMES if os.environ.get(name, "").strip()}
    if file is not None:
        found.update(_read(file))
    group_id = _group_from(found) if group is None else group
    if can_answer():
        found.update(_asked({name: text for name, text in _QUESTIONS.items() if name not in found}))
    return Access(
        credentials=Credentials.from_env(found),
        base_url=base_url or found.get(BASE_URL) or DEFAULT_BASE_URL,
        group_id=group_id,
    )


def can_answer() -> bool:
    """Whether somebody sits at the terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _group_from(found: Mapping[str, str]) -> int:
    text = found.get(GROUP, "").strip()
    if not text:
        raise CommandError(f"which group? Give --group, or set {GROUP}")
    if not (text.isascii() and text.isdecimal()):
        raise CommandError(f"{GROUP}: expected the group's id, digits only")
    return int(text)


def _asked(questions: Mapping[str, str]) -> dict[str, str]:
    return {
        name: typer.prompt(text, hide_input=name == TOKEN, err=True).strip()
        for name, text in questions.items()
    }


def _read(file: Path) -> dict[str, str]:
    """The variables of a file with lines like ``export USERSAPI_ID=1``; complaints show no values."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            mode = os.fstat(lines.fileno()).st_mode
            text = lines.read()
    except UnicodeDecodeError:
        raise CommandError(f"{file}: not a text in UTF-8") from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        typer.echo(f"usersapi: warning: others may read {file}; do: chmod 600 {file}", err=True)
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            raise CommandError(f"{file}, line {number}: a quote is not closed") from None
        if words[:1] == ["export"]:
            del words[0]
        if not words:
            continue
        name, _, value = words[0].partition("=")
        if len(words) > 1 or name not in _NAMES or not value:
            raise CommandError(f"{file}, line {number}: expected NAME=value, of {', '.join(sorted(_NAMES))}")
        found[name] = value
    return found
