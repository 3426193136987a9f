"""How the service shows a user: numbers as strings, money with two decimals, empty maps as []."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .catalogue import FIELDS, FORM_OF_FIELD, FORMS, STATUSES

if TYPE_CHECKING:
    from .arguments import JsonObject
    from .state import CartEntry, FieldValue, User


def reply(user: User, msg: str, **more: object) -> JsonObject:
    """The answer to a call about one user that went well."""
    return {
        "success": True,
        "msg": msg,
        "msg_type": "success",
        "meta_info": meta_info(user),
        "user_info": user_info(user),
        **more,
    }


def refusal(msg: str) -> JsonObject:
    return {"success": False, "msg": msg, "msg_type": "error", "meta_info": [], "user_info": []}


def user_info(user: User) -> JsonObject:
    return {
        "clogin_id": str(user.clogin_id),
        "group_id": str(user.group_id),
        "connected_to": str(user.connected_to),
    }


def meta_info(user: User) -> JsonObject:
    status = STATUSES.get(user.status_id)
    total, completed = str(len(FORMS)), str(len(user.completed_forms))
    order = money(sum((entry.total for entry in user.cart), Decimal()))
    return {
        "u_name": full_name(user),
        "total_forms": total,
        "completed_forms": completed,
        "total_user_forms": total,
        "total_completed_user_forms": completed,
        "total_user_mandatory_forms": total,
        "total_completed_user_mandatory_forms": completed,
        "total_order": order,
        "total_paid": "0.00",
        "total_balance": order,
        "status_id": str(user.status_id),
        "status_name": status.name if status else None,
        "status_color": status.color if status else None,
    }


def full_name(user: User) -> str:
    names = (str(user.doc.get(key, "")) for key in ("first_name", "last_name"))
    return " ".join(filter(None, names)) or str(user.doc.get("org_name", "")) or user.username


def money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def php_map(values: JsonObject) -> object:
    """PHP has one type for maps and lists, so an empty map is written as []."""
    return values or []


def shown(value: FieldValue) -> object:
    return value if isinstance(value, list) else str(value)


def cart_entry(entry: CartEntry) -> JsonObject:
    return {
        **entry.extra,
        "cart_id": str(entry.cart_id),
        "p_id": None if entry.p_id is None else str(entry.p_id),
        "name": entry.name,
        "q": str(entry.quantity),
        "price": money(entry.price),
        "total": money(entry.total),
        "product_remark": entry.remark,
    }


def bought_products(user: User) -> list[JsonObject]:
    """The products of the cart by p_id, however many entries each has; private ones have none."""
    quantities: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in user.cart:
        if entry.p_id is not None:
            quantities[entry.p_id] = quantities.get(entry.p_id, 0) + entry.quantity
            names[entry.p_id] = entry.name
    return [{"p_id": str(p_id), "name": names[p_id], "q": str(q)} for p_id, q in quantities.items()]


def forms(user: User) -> list[JsonObject]:
    return [
        {
            "form_id": str(form_id),
            "form_name": name,
            "completed": "1" if form_id in user.completed_forms else "0",
        }
        for form_id, name in FORMS.items()
    ]


def field_index() -> JsonObject:
    return {
        field.field_id: {
            "name": field.name,
            "form_id": str(field.form_id),
            "mandatory": "1" if field.mandatory else "0",
        }
        for field in FIELDS
    }


def incomplete_fields(user: User) -> JsonObject:
    return {
        field.name: "This field is mandatory."
        for field in FIELDS
        if field.mandatory and user.doc.get(field.name, "") in ("", [])
    }


def touched_forms(fields: dict[str, FieldValue]) -> set[int]:
    """The forms that have at least one of these fields, filled in."""
    return {
        FORM_OF_FIELD[name]
        for name, value in fields.items()
        if name in FORM_OF_FIELD and value not in ("", [])
    }
