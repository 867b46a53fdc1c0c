"""Where webhooks may not go: an explicit table of networks, asked at registration and again at each connection.

Source: the IANA special-purpose address registries; `ipaddress.is_global` wrongly passes 6to4, NAT64 and multicast.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from app.errors import FieldError, Invalid

Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

BLOCKED: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
        "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip


class BlockedAddress(Invalid):
    """A webhook's address lies in a network that it may not reach."""

    code = "blocked_address"


class BadUrl(Invalid):
    """A webhook's address is none that can be posted to."""

    code = "bad_url"


@dataclass(frozen=True, slots=True)
class Gate:
    """Which addresses may be contacted. `inside_only`: none but the allowed networks, as for plain http."""

    allowed: Sequence[Network]
    inside_only: bool = False

    def passes(self, text: str) -> bool:
        """Say whether an address may be contacted; one mapped into IPv6 is judged as what it maps.

        What is no address in its usual form is not passed: somebody else would read it in his own way.
        """
        try:
            address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if _within(address, self.allowed):
            return True
        return not self.inside_only and not _within(address, BLOCKED)

    def open_socket(self, info: Any) -> socket.socket:
        """Return a socket for one connection: the last place before the wire, and nothing gets around it.

        Raises:
            BlockedAddress: the address that is about to be dialled may not be contacted.
        """
        family, kind, protocol, _, target = info
        if not self.passes(str(target[0])):
            raise blocked()
        return socket.socket(family=family, type=kind, proto=protocol)


async def system_resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


async def check_url(url: str, *, allowed: Sequence[Network], resolve: Resolve) -> None:
    """Judge an address as it is registered: nothing is contacted, every answer of the resolver is checked.

    Raises:
        BadUrl: no http(s) address, one with a user or fragment, or a name that is not known.
        BlockedAddress: it leads into a blocked network, or is http outside the allowed ones.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise _bad(BadUrl, "is no address") from error
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.fragment:
        raise _bad(BadUrl, "must be https://HOST/PATH, without user or fragment")
    addresses = await _addresses(host, port, resolve)
    if not addresses or not all(Gate(allowed).passes(one) for one in addresses):
        raise blocked()
    inside = Gate(allowed, inside_only=True)
    if parts.scheme == "http" and not all(inside.passes(one) for one in addresses):
        raise _bad(BlockedAddress, "must be https: http goes only to allowed networks")


class GuardedResolver(AbstractResolver):
    """The resolver of the sending client: one look-up, all answers checked, and those addresses are dialled."""

    def __init__(self, gate: Gate, resolve: Resolve = system_resolve) -> None:
        self._gate, self._resolve = gate, resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the host's addresses.

        Raises:
            BlockedAddress: one of them may not be contacted.
        """
        del family
        addresses = await self._resolve(host, port)
        if not all(self._gate.passes(one) for one in addresses):
            raise blocked()
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=0,
                flags=int(socket.AI_NUMERICHOST),
            )
            for one in addresses
        ]

    async def close(self) -> None:
        """Hold nothing, close nothing."""


def blocked() -> BlockedAddress:
    """Return the error that says so, without the address."""
    error: BlockedAddress = _bad(BlockedAddress, "leads into a network that webhooks may not reach")
    return error


async def _addresses(host: str, port: int, resolve: Resolve) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        if host.replace(".", "").isdigit():
            # The sending client takes any such text for an address and asks no resolver.
            raise _bad(BadUrl, "must write an address of numbers in its usual form") from None
    try:
        return await resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise _bad(BadUrl, "names a host that is not known") from error


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _bad(kind: type[Invalid], detail: str) -> Any:
    return kind("the webhook's address cannot be used", errors=(FieldError("/url", detail),))
