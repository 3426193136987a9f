"""The actions that register and change people: create, create_child, update, login, set_status."""

from __future__ import annotations

from .arguments import (
    JsonObject,
    RefusalError,
    check_email,
    is_email,
    read_fields,
    read_flag,
    read_id,
    read_integer,
    read_map,
    read_text,
    require_id,
    take_credentials,
)
from .catalogue import STATUSES
from .state import Account, FieldValue, Group, Organisation, User
from .views import reply, touched_forms


def create(organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    return _register(organisation, group, body, None)


def create_child(organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    parent = group.users.get(require_id(body, "connected_to"))
    if parent is None or parent.is_child:
        raise RefusalError("connected_to must be a parent of this group.")
    if "doc" not in body:
        raise RefusalError("doc is missing.")
    return _register(organisation, group, body, parent)


def _register(organisation: Organisation, group: Group, body: JsonObject, parent: User | None) -> JsonObject:
    known = _known_account(organisation, group, read_id(body, "clogin_id"))
    fields = read_fields(read_map(body, "doc"), at_creation=True)
    username, password = take_credentials(fields)
    _check_main_email(organisation, fields)
    _check_username(organisation, username, known)
    submits, mails = _read_trigger_flags(body)
    account = known or organisation.open_account(
        username or _username_from_emails(organisation, fields), password or None
    )
    connected_to = account.clogin_id if parent is None else parent.clogin_id
    user = User(account, group.group_id, connected_to, fields)
    organisation.register(group, user)
    actions = ["user_created" if known is None else "user_connected"]
    if submits:
        user.completed_forms |= touched_forms(fields)
        organisation.mails_sent += mails
        actions.append("forms_submitted")
    return reply(user, "The user was registered.", system_action=actions)


def _known_account(organisation: Organisation, group: Group, clogin_id: int | None) -> Account | None:
    if clogin_id is None:
        return None
    if clogin_id in group.users:
        raise RefusalError("This user is already registered in this group.")
    if clogin_id not in organisation.people:
        raise RefusalError("clogin_id is not known to this organisation.")
    return organisation.people[clogin_id].account


def _check_main_email(organisation: Organisation, fields: dict[str, FieldValue]) -> None:
    address = read_text(fields, "main_email")
    if address:
        check_email(address, "main_email", organisation.dead_domains)


def _check_username(organisation: Organisation, username: str, account: Account | None) -> None:
    owner = organisation.owner_of(username)
    if owner is not None and (account is None or owner != account.clogin_id):
        raise RefusalError(f"The username {username} is already taken.")


def _username_from_emails(organisation: Organisation, fields: dict[str, FieldValue]) -> str | None:
    """The main email, else another email among the fields, whichever is the first that is free."""
    for value in (fields.get("main_email"), *fields.values()):
        if is_email(value) and organisation.owner_of(value) is None:
            return value
    return None


def _read_trigger_flags(body: JsonObject) -> tuple[bool, bool]:
    """Whether forms are submitted, and whether mails may go out."""
    return read_flag(body, "submit_forms", default=True), not read_flag(body, "disable_email_sending")


def user_of(group: Group, body: JsonObject) -> User:
    user = group.users.get(require_id(body, "clogin_id"))
    if user is None:
        raise RefusalError("There is no such user in this group.")
    return user


def update(organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    user = user_of(group, body)
    if read_id(body, "connected_to") not in (None, user.connected_to):
        raise RefusalError("connected_to is not the parent of this user.")
    fields = read_fields(read_map(body, "doc"), at_creation=False)
    username, password = take_credentials(fields)
    _check_main_email(organisation, fields)
    _check_username(organisation, username, user.account)
    submits, mails = _read_trigger_flags(body)
    if username:
        organisation.rename(user.account, username)
    user.account.password = password or user.account.password
    user.doc.update(fields)
    touched = touched_forms(fields)
    if submits and touched:
        user.completed_forms |= touched
        organisation.mails_sent += mails
    return reply(user, "The user was updated.")


def login(organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    user = user_of(group, body)
    token = organisation.hand_out_token(user)
    return reply(user, "The user was logged in.", user_token=token, system_action=["login"])


def set_status(_organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    user = user_of(group, body)
    status_id = read_integer(body, "status_id")
    if status_id is None:
        raise RefusalError("status_id is missing.")
    if status_id and status_id not in STATUSES:
        raise RefusalError(f"There is no status {status_id}.")
    group.set_status(user, status_id)
    return reply(user, "The status was set.", users=[str(user.clogin_id)], effected_users="1")
