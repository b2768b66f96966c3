"""Imports every module that declares tables, so that the metadata is whole."""

from ferryman.billing import methods, order
from ferryman.catalog import plan
from ferryman.faces.bot import tables
from ferryman.fleet import key, location, node
from ferryman.messaging import notice
from ferryman.people import customer, staff
from ferryman.subscriptions import subscription

ALL = (methods, order, plan, tables, key, location, node, notice, customer, staff, subscription)
