"""What the platform's documentation leaves open, each answer in one place.

Change a value here if the service turns out to behave otherwise; nothing else has to change.
"""

from __future__ import annotations

from typing import Final

DEFAULT_BASE_URL: Final = "https://www.regpack.com/reg/api2/users/"

SEND_TIMESTAMP: Final = True
"""An older revision of the documentation demands the header, newer samples leave it out."""

REDIRECT_MEANS_NOTHING_DONE: Final = True
"""A 3xx is taken for a wrong URL, and not for the way in which a form answers once it is done."""

REJECTED_MEANS_NOTHING_DONE: Final = True
"""``200`` with ``"success": false`` is taken to mean that the action was not carried out."""

USER_LISTS: Final = ("users",)
PARENT_LISTS: Final = ("parents", "parent")
CHILD_LISTS: Final = ("children", "child")
"""The names under which ``get_user_list`` may send its lists; the documentation names none."""

CART_LISTS: Final = ("product_list", "products", "cart", "_usercart")
"""The names under which ``add_product`` may send the cart's entries."""

VALUES: Final = ("doc",)
"""The name under which ``get_info`` sends the values that were asked for."""

NOT_FIELDS: Final = frozenset({"field_index", "error"})
"""What comes with all fields of a user, and may stand among them."""

LOGIN_COMES_WITH_ID: Final = True
"""A person who is connected by a known ``clogin_id`` is taken to keep username and password: a migration
sends no username unless its mapping says so."""

FAMILIES: Final = ("_family", "family")
"""Where ``get_info`` may put ``parent`` and ``children``: under one of these names, at the top level or
among the values; else they are looked for at the top level itself."""

WEBHOOK_NAMES: Final = ("event", "event_name", "webhook", "action")
"""Where a webhook may say which event it is. That it does is not documented, nor is its format: it is read
as a JSON object if it begins like one, whatever its content type, else as a form with PHP's brackets."""

WEBHOOK_PARTS: Final = ("user_info", "meta_info", "form_info", "doc")
"""The fields of a webhook that is a form which may hold JSON instead of brackets."""
