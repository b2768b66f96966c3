"""Imports every module that declares tables, so that the metadata is whole."""

from ferryman.billing import alarms, findings, gift, methods, order, refund, renewal
from ferryman.catalog import discount, plan
from ferryman.faces.bot import tables
from ferryman.fleet import key, location, node
from ferryman.messaging import notice
from ferryman.people import customer, staff
from ferryman.subscriptions import adjusting, subscription, upgrading

ALL = (
    adjusting, alarms, findings, gift, methods, order, refund, renewal, discount, plan, tables, key, location, node,
    notice, customer, staff, subscription, upgrading,
)  # fmt: skip
