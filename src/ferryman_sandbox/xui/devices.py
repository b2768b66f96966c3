"""Limits on devices, from 3.7 on: the subscription listener counts the apps that fetch one subId."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ferryman_sandbox.xui.envelope import Refusal
from ferryman_sandbox.xui.panel import Panel

Document = dict[str, Any]

SHORTEST = 6
_SENT = {"userAgent": "User-Agent", "deviceOs": "X-Device-OS", "osVersion": "X-Ver-OS", "deviceModel": "X-Device-Model"}


@dataclass
class Admission:
    """May this device fetch the subscription, and what is it told."""

    allowed: bool = True
    headers: dict[str, str] = field(default_factory=dict)


def admit(panel: Panel, sub_id: str, headers: Mapping[str, str]) -> Admission:
    """The largest limit of the subId's enabled clients holds; a device that was seen before is always let in."""
    limit = _limit(panel, sub_id)
    if limit <= 0:
        return Admission()
    told = {"X-Hwid-Active": "true"}
    hwid = headers.get("X-HWID", "").strip()
    if len(hwid) < SHORTEST:
        return Admission(False, told | {"X-Hwid-Not-Supported": "true"})
    digest = hashlib.sha256(hwid.encode()).hexdigest()
    registered = _of(panel, sub_id)
    mine = next((device for device in registered if device["digest"] == digest), None)
    if mine is None and len(registered) >= limit:
        return Admission(False, told | {"X-Hwid-Max-Devices-Reached": "true", "X-Hwid-Limit": "true"})
    _remember(panel, sub_id, digest, mine, headers)
    full = len(_of(panel, sub_id)) >= limit
    return Admission(True, told | ({"X-Hwid-Limit": "true"} if full else {}))


def _limit(panel: Panel, sub_id: str) -> int:
    if not panel.rules.limits_devices:
        return 0
    records = [panel.state.records[email] for email in panel.emails_of_sub(sub_id)]
    return max((record.get("limitHwid", 0) for record in records if record["enable"]), default=0)


def _of(panel: Panel, sub_id: str) -> list[Document]:
    return [device for device in panel.state.devices.values() if device["subId"] == sub_id]


def _remember(panel: Panel, sub_id: str, digest: str, mine: Document | None, headers: Mapping[str, str]) -> None:
    now_ms = panel.now_ms
    device = mine or {"id": panel.state.next_id("xui.device"), "subId": sub_id, "digest": digest, "firstSeen": now_ms}
    sent = {name: headers.get(header, "") for name, header in _SENT.items()}
    panel.state.save_device(device | sent | {"lastSeen": now_ms})


def known(panel: Panel, sub_id: str) -> list[Document]:
    """The subId's devices as the API lists them, last seen first."""
    found = sorted(_of(panel, sub_id), key=lambda device: (-device["lastSeen"], -device["id"]))
    return [{name: device[name] for name in ("id", "firstSeen", "lastSeen", *_SENT)} for device in found]


def forget(panel: Panel, sub_id: str, device_id: int = 0) -> None:
    """One device, or all with 0. Raises Refusal for one that is not of that subId."""
    gone = [device for device in _of(panel, sub_id) if device_id in (0, device["id"])]
    if device_id and not gone:
        raise Refusal("device not found")
    for device in gone:
        panel.state.drop_device(device["id"])
