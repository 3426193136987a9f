"""Moves the users of one project into another of the same organisation, by a plan that can be looked at.

`plan_migration` reads both sides and writes what is to be done, `applying` reads them again and gives a
`BatchRunner` what is still as it was planned, `compare_groups` holds both sides against each other. People
are connected by their ``clogin_id``, parents before their children. Passwords, payments, carts, statuses,
mails and the files of forms do not move.
"""

from .applying import Application, Change, applying
from .comparing import Comparison, Unlike, compare_groups
from .fields import FieldMap
from .plan import MigrationOptions, Plan, PlanError, PlanSummary, Step
from .planning import plan_migration

__all__ = [
    "Application",
    "Change",
    "Comparison",
    "FieldMap",
    "MigrationOptions",
    "Plan",
    "PlanError",
    "PlanSummary",
    "Step",
    "Unlike",
    "applying",
    "compare_groups",
    "plan_migration",
]
