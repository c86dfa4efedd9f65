"""Profiles: which gateway, which price book, and where that was decided.

Order: --profile, `NEXCTL_PROFILE`, `NEXCTL_BASE_URL` with `NEXCTL_DRIVER`, the `default_profile`
setting, and last the built-in `local` (the embedded gateway with book nextoken, plan business).
Finding one out creates nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from nexctl.errors import ConfigError, UsageError
from nexctl.settings import config as settings

LOCAL = "local"
ENVIRONMENT = "environment"


class Profile(NamedTuple):
    """A named local setting. `origin` says how it came into force:

    "option", "NEXCTL_PROFILE", "environment", "config" or "built-in".
    """

    name: str
    driver: str | None = None
    base_url: str | None = None
    book: str | None = None
    plan: str | None = None
    tier: str | None = None
    model: str | None = None
    calibration: str | None = None
    org: str | None = None
    origin: str = "built-in"


BUILT_IN = Profile(LOCAL, driver="embedded", book="nextoken", plan="business")


def active(
    name: str | None = None,
    *,
    config: settings.Config | None = None,
    environ: Mapping[str, str] | None = None,
) -> Profile:
    """The profile in force; `name` is what --profile says.

    UsageError (exit 2) for an unknown name that was typed, ConfigError (exit 78) for one that a
    variable or the configuration names, for half an environment profile and for a bad address.
    """
    env = os.environ if environ is None else environ
    conf = settings.load(env) if config is None else config
    if name:
        return find(name, conf, "option")
    if env.get("NEXCTL_PROFILE"):
        return find(env["NEXCTL_PROFILE"], conf, "NEXCTL_PROFILE")
    if env.get("NEXCTL_BASE_URL") or env.get("NEXCTL_DRIVER"):
        return _of_environment(env, conf)
    if conf.exists and "default_profile" in conf.values:
        return find(conf.values["default_profile"], conf, "config")
    return find(LOCAL, conf, "built-in")


def find(name: str, config: settings.Config, origin: str) -> Profile:
    """The profile called `name`; its `origin` is recorded as given."""
    stored = config.profiles.get(name)
    if stored is None and name != LOCAL:
        known = ", ".join(names(config))
        message = f"no such profile: {name}"
        hint = f"profiles here: {known}; 'nexctl profile add' makes one"
        if origin == "option":
            raise UsageError(message, hint=hint, code="unknown_profile")
        source = config.path if origin == "config" else origin
        raise ConfigError(f"{source}: {message}", hint=hint, code="unknown_profile")
    base = BUILT_IN if name == LOCAL else Profile(name)
    profile = base._replace(**(stored or {}), origin=origin)
    if profile.model is None:
        profile = profile._replace(model=config.values.get("model"))
    if profile.calibration is not None:
        folder = os.path.dirname(config.path)
        path = os.path.join(folder, os.path.expanduser(profile.calibration))
        profile = profile._replace(calibration=path)
    return profile


def names(config: settings.Config) -> tuple[str, ...]:
    """The names of all profiles, `local` first."""
    return (LOCAL, *sorted(name for name in config.profiles if name != LOCAL))


def _of_environment(env: Mapping[str, str], config: settings.Config) -> Profile:
    base_url, driver = env.get("NEXCTL_BASE_URL"), env.get("NEXCTL_DRIVER")
    if not base_url or not driver:
        missing, given = (
            ("NEXCTL_BASE_URL", "NEXCTL_DRIVER") if driver else ("NEXCTL_DRIVER", "NEXCTL_BASE_URL")
        )
        raise ConfigError(
            f"{given} is set but {missing} is not",
            hint=f"set {missing} too, or unset {given} and use a profile",
        )
    fault = address_fault(base_url)
    if fault is not None:
        raise ConfigError(f"NEXCTL_BASE_URL: {fault}", hint="use https, or http to this machine")
    return Profile(
        ENVIRONMENT,
        driver=driver,
        base_url=base_url,
        book=env.get("NEXCTL_BOOK") or None,
        plan=env.get("NEXCTL_PLAN") or None,
        model=env.get("NEXCTL_MODEL") or config.values.get("model"),
        origin="environment",
    )


def address_fault(url: str) -> str | None:
    """What is wrong with a gateway's address, None where nothing is.

    https anywhere, http to loopback only; no user, password, query or fragment in it.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port_known = parts.port is None or parts.port > 0
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_known:
        return "must be an address like https://gateway.example.com"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    if parts.query or parts.fragment:
        return "must not hold a query or fragment"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "http goes to this machine only; use https"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine by definition (no look-up is made)."""
    if host == "localhost":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
