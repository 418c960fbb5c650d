"""What a protocol says of interruptions and silent instruments as the plan holds it, or the bench's defaults. Pure."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from daemon.plan import RECOVERY_REST, LinkLoss, ResumePolicy
from protocols import units
from protocols.settings import OnLinkLoss, OnResume

Said = TypeVar("Said", OnResume, OnLinkLoss)


def resume_policy(said: OnResume | None, *, lower_guard_volt: float, upper_guard_volt: float) -> ResumePolicy:
    """What may happen by itself after an interruption.

    Args:
        said: by the protocol; None for the defaults.
        lower_guard_volt: of a rest.
        upper_guard_volt: likewise.
    """
    guarded = msgspec.structs.replace(
        RECOVERY_REST, lower_guard_volt=lower_guard_volt, upper_guard_volt=upper_guard_volt
    )
    policy = ResumePolicy(rest=guarded)
    if said is None:
        return policy
    verify = said.verify
    known: dict[str, object] = {
        "action": "hold" if verify is not None and verify.same_sample else said.action,
        "within_second": said.within_second,
        "within_volt": None if verify is None or verify.max_dV_mV is None else units.volt(verify.max_dV_mV),
        "pressure_share": None if verify is None else _share(verify.max_pressure_change_percent),
        "band_kelvin": None if verify is None else verify.max_temperature_change_C,
    }
    if said.rest_before_second is not None:
        known["rest"] = msgspec.structs.replace(guarded, until_time_second=said.rest_before_second)
    return msgspec.structs.replace(policy, **{name: value for name, value in known.items() if value is not None})


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def overridden(top: Said | None, own: Said) -> Said:
    """What a step says, and where it is silent what the top says. Of a duration both ways of writing go together."""
    if top is None:
        return own
    said = {key: getattr(own, key) for key in own.model_fields_set}
    twins = {key.removesuffix("_s") if key.endswith("_s") else f"{key}_s" for key in said}
    dropped = dict.fromkeys(twins & set(type(own).model_fields) - set(said))
    return top.model_copy(update={**dropped, **said})


def link_loss(said: OnLinkLoss | None) -> LinkLoss:
    """What a silent instrument means to a protocol; None for the defaults."""
    default = LinkLoss()
    if said is None:
        return default
    return LinkLoss(
        mask_second=default.mask_second if said.mask_second is None else said.mask_second,
        fail_second=default.fail_second if said.fail_second is None else said.fail_second,
        action=said.action,
    )


def tighter(one: LinkLoss, other: LinkLoss) -> LinkLoss:
    """Both at once: the shorter times; `action` is that of the first."""
    return LinkLoss(
        mask_second=min(one.mask_second, other.mask_second),
        fail_second=min(one.fail_second, other.fail_second),
        action=one.action,
    )
