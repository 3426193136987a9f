"""The actions that read: get_info and get_user_list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import views
from .arguments import JsonObject, RefusalError, read_flag, read_integer, read_map
from .catalogue import NAME_OF_FIELD_ID
from .state import Exclusion, Group, Kind, Organisation, User, admits
from .writing import user_of

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE_SIZE: Final = 50

_LIST_OPTIONS: Final = frozenset(
    {
        "with_excluded",
        "only_excluded",
        "only_parents",
        "only_children",
        "return_families",
        "starting_position",
    }
)
_SECTIONS: Final[dict[str, Callable[[User], object]]] = {
    "_userproducts": views.bought_products,
    "_userforms": views.forms,
    "_usercart": lambda user: [views.cart_entry(entry) for entry in user.cart],
    "_userpayments": lambda _user: [],
    "_utm": lambda _user: [],
}
_READABLE_SYSTEM_FIELDS: Final = frozenset({"_allfields", "_family", "_application_date"})


def get_info(_organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    user = user_of(group, body)
    values, around = _information(group, user, _wanted(read_map(body, "doc")))
    return views.reply(user, "", doc=views.php_map(values), **around)


def _wanted(asked: JsonObject) -> list[str]:
    """The keys that are asked for: those with a true value. `_usercart` may have an object of options."""
    wanted = []
    for key in asked:
        if key.startswith("_") and key not in _SECTIONS and key not in _READABLE_SYSTEM_FIELDS:
            raise RefusalError(f"There is no system field {key}.")
        if (key == "_usercart" and isinstance(asked[key], dict)) or read_flag(asked, key):
            wanted.append(key)
    return wanted


def _information(group: Group, user: User, wanted: list[str]) -> tuple[JsonObject, JsonObject]:
    """The values asked for, and what the service adds beside them."""
    values: JsonObject = {}
    around: JsonObject = {}
    for key in wanted:
        if key == "_allfields":
            values |= {"username": user.username}
            values |= {name: views.shown(value) for name, value in user.doc.items()}
            around["field_index"] = views.field_index()
            around["error"] = views.php_map(views.incomplete_fields(user))
        elif key == "_family":
            parent = group.users[user.connected_to]
            around["parent"] = views.meta_info(parent)
            around["children"] = [views.meta_info(child) for child in group.children_of(parent)]
        elif key in _SECTIONS:
            values[key] = _SECTIONS[key](user)
        elif key == "username":
            values[key] = user.username
        else:
            values[key] = views.shown(user.doc.get(NAME_OF_FIELD_ID.get(key, key), ""))
    return values, around


def get_user_list(_organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    """One page, in the order of registration; 50 users count over both lists together. With families a
    page holds 50 parents and individuals, each with all children that the filter admits."""
    options = read_map(body, "doc")
    wanted = _wanted({key: value for key, value in options.items() if key not in _LIST_OPTIONS})
    families = read_flag(options, "return_families")
    exclusion = _exclusion(options)
    selected = group.select(_kind(options, families=families), exclusion)
    start = read_integer(options, "starting_position") or 0
    parents: list[JsonObject] = []
    children: list[JsonObject] = []
    for user in selected[start : start + PAGE_SIZE]:
        item = _listed(group, user, wanted)
        if families:
            item["children"] = [
                _listed(group, child, wanted) for child in group.children_of(user) if admits(exclusion, child)
            ]
        (children if user.is_child else parents).append(item)
    return {
        "success": True,
        "msg": "",
        "msg_type": "success",
        "meta_info": [],
        "user_info": [],
        "total_users": str(len(selected)),
        "records_per_page": str(PAGE_SIZE),
        "parents": parents,
        "children": children,
    }


def _exclusion(options: JsonObject) -> Exclusion:
    if read_flag(options, "only_excluded"):
        return "only"
    return "shown" if read_flag(options, "with_excluded") else "hidden"


def _kind(options: JsonObject, *, families: bool) -> Kind:
    only_parents = read_flag(options, "only_parents")
    if read_flag(options, "only_children"):
        if only_parents or families:
            raise RefusalError("only_children goes with neither only_parents nor return_families.")
        return "children"
    return "parents" if only_parents or families else "all"


def _listed(group: Group, user: User, wanted: list[str]) -> JsonObject:
    item: JsonObject = {"user_info": views.user_info(user), "meta_info": views.meta_info(user)}
    if wanted:
        values, around = _information(group, user, wanted)
        item["doc"] = views.php_map(values | around)
    return item
