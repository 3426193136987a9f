"""What every emulated organisation has from the start: groups, forms, products and statuses."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class FormField:
    field_id: str
    name: str
    form_id: int
    mandatory: bool


@dataclass(frozen=True, slots=True)
class Product:
    p_id: int
    name: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Status:
    """A status that `excludes` hides its users from lists that don't ask for excluded ones."""

    status_id: int
    name: str
    color: str
    excludes: bool = False


GROUP_ID: Final = 100909072
OTHER_GROUP_ID: Final = 100909073
FOREIGN_GROUP_ID: Final = 100555001

FORMS: Final = {251473: "Registration", 251474: "Health"}

FIELDS: Final = (
    FormField("f_251473_6251473", "your_instrument", 251473, mandatory=True),
    FormField("f_251473_6251474", "date_of_birth", 251473, mandatory=True),
    FormField("f_251473_6251475", "phone", 251473, mandatory=False),
    FormField("f_251474_6251480", "allergies", 251474, mandatory=True),
    FormField("f_251474_6251481", "doctor", 251474, mandatory=False),
)
NAME_OF_FIELD_ID: Final = {field.field_id: field.name for field in FIELDS}
FORM_OF_FIELD: Final = {field.name: field.form_id for field in FIELDS}

PRODUCTS: Final = {
    product.p_id: product
    for product in (
        Product(70101, "Summer camp", Decimal("450.00")),
        Product(70102, "Piano lesson", Decimal("62.50")),
        Product(70103, "Choir membership", Decimal("19.99")),
        Product(70104, "Bus ticket", Decimal("3.20")),
        Product(70105, "Open day", Decimal("0.00")),
    )
}

STATUSES: Final = {
    status.status_id: status
    for status in (
        Status(8101, "Accepted", "#2e7d32"),
        Status(8102, "Waiting list", "#f9a825"),
        Status(8103, "Cancelled", "#c62828", excludes=True),
        Status(8104, "Withdrawn", "#6a1b9a", excludes=True),
    )
}
