"""What a step of a plan sends. No I/O."""

from __future__ import annotations

from typing import Any

from usersapi_async.payloads import Create, CreateChild, Ref, Update

from .plan import MigrationOptions, Step, key_of


def payload_of(step: Step, options: MigrationOptions) -> Create | CreateChild | Update:
    """The payload of a step that creates or updates. Raises `PayloadError`."""
    given: dict[str, Any] = {
        "clogin_id": step.clogin_id,
        "group_id": options.target,
        "doc": step.doc,
        "submit_forms": options.submit_forms,
        "disable_email_sending": not options.send_emails,
    }
    if step.work == "update":
        return Update(**given, connected_to=step.parent)
    if step.parent is None:
        return Create(**given)
    return CreateChild(**given, connected_to=Ref(key_of(step.parent)) if step.waits else step.parent)
