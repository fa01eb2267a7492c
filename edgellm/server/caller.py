"""Who is asking: a tenant with a role and limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgellm.store.keys import Key, Limits, Role

LOCAL = "local"
"""The tenant of this machine's own user, where no key is needed, and of a handshake's token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Found once a request, by its key; everything later asks this."""

    tenant: str
    role: Role
    limits: Limits = field(default_factory=Limits)
    key_id: str | None = None
    """None: the local administrator, whose right cannot be revoked while the server runs."""

    @property
    def is_admin(self) -> bool:
        """Whether every model and collection is open to the caller."""
        return self.role == "admin"

    @property
    def keeps_text(self) -> bool:
        """Whether what was asked and answered may be kept."""
        return self.limits.log == "full"


def local_admin() -> Caller:
    """The user of this machine."""
    return Caller(tenant=LOCAL, role="admin")


def caller_of(key: Key) -> Caller:
    """The tenant that a valid key names."""
    return Caller(tenant=key.id, role=key.role, limits=key.limits, key_id=key.id)
