"""The actions that add to a user: add_product and add_email. Either all entries are added or none."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from .arguments import (
    JsonObject,
    RefusalError,
    check_date,
    check_email,
    read_id,
    read_map,
    read_objects,
    read_text,
)
from .catalogue import PRODUCTS
from .state import CartEntry, Group, Organisation, RecordedEmail
from .views import cart_entry, reply
from .writing import user_of

_READ_KEYS = frozenset({"p_id", "name", "q", "price", "product_remark"})


def add_product(organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    user = user_of(group, body)
    products = body["product_list"] if "product_list" in body else read_map(body, "doc").get("product_list")
    added = [_cart_entry(item) for item in read_objects(products, "product_list")]
    entries = [CartEntry(organisation.next_cart_id(), *parts) for parts in added]
    user.cart.extend(entries)
    return reply(user, "The products were added.", product_list=[cart_entry(entry) for entry in entries])


def _cart_entry(item: JsonObject) -> tuple[int | None, str, int, Decimal, str, JsonObject]:
    quantity = read_id(item, "q")
    if quantity is None:
        raise RefusalError("q must be 1 or more.")
    p_id, name, price = _product(item)
    start = read_text(item, "recurring_start_date")
    if start and not read_text(item, "date_structure"):
        check_date(start, "recurring_start_date")
    extra = {key: value for key, value in item.items() if key not in _READ_KEYS}
    return p_id, name, quantity, price, read_text(item, "product_remark"), extra


def _product(item: JsonObject) -> tuple[int | None, str, Decimal]:
    p_id = read_id(item, "p_id")
    if p_id is not None:
        if p_id not in PRODUCTS:
            raise RefusalError(f"There is no product {p_id}.")
        return p_id, PRODUCTS[p_id].name, PRODUCTS[p_id].price
    name = read_text(item, "name")
    if not name:
        raise RefusalError("A product needs a p_id, or a name if it is private.")
    return None, name, _private_price(item)


def _private_price(item: JsonObject) -> Decimal:
    """The price of a private product; the platform's documentation names no key for it, so it is taken
    from `price`, and is zero without one."""
    try:
        price = Decimal(str(item.get("price", 0)))
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or price < 0:
        raise RefusalError("price must be an amount of money.")
    return price


def add_email(organisation: Organisation, group: Group, body: JsonObject) -> JsonObject:
    user = user_of(group, body)
    given = read_map(body, "doc").get("email_list")
    items = read_objects([given] if isinstance(given, dict) else given, "email_list")
    user.emails.extend([_recorded(organisation, item) for item in items])
    return reply(user, "The emails were recorded.")


def _recorded(organisation: Organisation, item: JsonObject) -> RecordedEmail:
    texts = {key: read_text(item, key) for key in ("from", "to", "subject", "body", "cc", "bcc")}
    for key in ("from", "to", "subject", "body"):
        if not texts[key]:
            raise RefusalError(f"{key} is missing from an email.")
    for key in ("from", "to", "cc", "bcc"):
        for address in filter(None, texts[key].split(",")):
            check_email(address.strip(), key, organisation.dead_domains)
    return RecordedEmail(
        sender=texts["from"],
        to=texts["to"],
        subject=texts["subject"],
        body=texts["body"],
        cc=texts["cc"],
        bcc=texts["bcc"],
        admin_id=read_id(item, "admin_id"),
    )
