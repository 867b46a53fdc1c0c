"""Webhooks never contact a blocked address. Nothing here is dialled: the loop's own `sock_connect` is a stub."""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from app.pipeline import guard
from app.pipeline.guard import BadUrl, BlockedAddress, Gate, check_url
from app.pipeline.sender import guarded_client

PUBLIC = "93.184.216.34"
ON_PREMISES = (ip_network("10.20.0.0/16"),)


def answering(*addresses: str) -> guard.Resolve:
    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.fixture
async def dialled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been contacted; every connection is refused before it is made."""
    targets: list[Any] = []

    async def refuse(_: socket.socket, address: Any) -> None:
        targets.append(address)
        raise ConnectionRefusedError("nothing is dialled in tests")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse)
    return targets


# Source: the IANA IPv4 and IPv6 special-purpose address registries, and multicast (RFC 5771, RFC 4291).
BLOCKED = [
    "0.0.0.0",  # noqa: S104 - to be refused, not bound
    "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.1.1",
    "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2001:10::1",
    "2002:7f00:1::1", "2002:a00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
REACHABLE = [PUBLIC, "8.8.8.8", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700:4700::1111"]


@pytest.mark.parametrize("address", BLOCKED)
async def test_no_special_address_is_registered_or_passed(address: str) -> None:
    assert not Gate(()).passes(address)
    with pytest.raises(BlockedAddress):
        await check_url("https://hooks.example.org/", allowed=(), resolve=answering(address))
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises((BlockedAddress, BadUrl)):
        await check_url(f"https://{literal}/", allowed=(), resolve=answering(PUBLIC))


@pytest.mark.parametrize("address", REACHABLE)
async def test_public_addresses_are_passed(address: str) -> None:
    assert Gate(()).passes(address)
    await check_url("https://hooks.example.org/", allowed=(), resolve=answering(address))


@pytest.mark.parametrize(
    "text", ["", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "1.2.3.4.5"]
)
def test_what_is_no_address_in_its_usual_form_is_not_passed(text: str) -> None:
    assert not Gate(()).passes(text)


async def test_one_bad_answer_of_the_resolver_spoils_all() -> None:
    with pytest.raises(BlockedAddress):
        await check_url("https://hooks.example.org/", allowed=(), resolve=answering(PUBLIC, "10.0.0.1"))
    with pytest.raises(BlockedAddress):
        await check_url("https://hooks.example.org/", allowed=(), resolve=answering())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "https:///path",
        "https://user@hooks.example.org/",
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org:99999/",
        "https://[::1/",
        "https://2130706433/",
        "https://017700000001/",
        "https://127.1/",
    ],
)
async def test_what_cannot_be_posted_to_is_no_address(url: str) -> None:
    with pytest.raises(BadUrl):
        await check_url(url, allowed=(), resolve=answering(PUBLIC))


@pytest.mark.parametrize("host", ["0x7f000001", "0x7f.0.0.1", "localhost"])
async def test_a_name_that_the_system_reads_as_loopback_is_blocked(host: str) -> None:
    with pytest.raises(BlockedAddress):
        await check_url(f"https://{host}/", allowed=(), resolve=guard.system_resolve)


async def test_plain_http_goes_only_to_allowed_networks() -> None:
    inside, outside = answering("10.20.0.7"), answering(PUBLIC)

    await check_url("http://hooks.example.org/", allowed=ON_PREMISES, resolve=inside)
    await check_url("https://hooks.example.org/", allowed=ON_PREMISES, resolve=inside)
    with pytest.raises(BlockedAddress):
        await check_url("http://hooks.example.org/", allowed=ON_PREMISES, resolve=outside)
    with pytest.raises(BlockedAddress):
        await check_url("https://hooks.example.org/", allowed=ON_PREMISES, resolve=answering("10.21.0.1"))


async def post(url: str, resolve: guard.Resolve, allowed: Any = ()) -> BaseException:
    """Try to post and return what went wrong: something always does, for nobody is there."""
    async with guarded_client(allowed, resolve=resolve, connections=4) as client:
        try:
            await client.post(url, content=b"{}")
        except Exception as error:  # noqa: BLE001 - which one it is, the test says
            return error
    raise AssertionError("somebody answered")


def causes(error: BaseException) -> set[type[BaseException]]:
    found: set[type[BaseException]] = set()
    step: BaseException | None = error
    while step is not None:
        found.add(type(step))
        step = step.__cause__ or step.__context__
    return found


async def test_an_address_that_passes_is_dialled_as_it_was_checked(dialled: list[Any]) -> None:
    await post("https://hooks.example.org/", answering(PUBLIC))

    assert [target[0] for target in dialled] == [PUBLIC]


async def test_a_name_that_moved_inside_after_its_registration_is_not_dialled(dialled: list[Any]) -> None:
    await check_url("https://hooks.example.org/", allowed=(), resolve=answering(PUBLIC))

    error = await post("https://hooks.example.org/", answering("169.254.169.254"))

    assert BlockedAddress in causes(error)
    assert dialled == []


async def test_one_bad_answer_among_good_ones_is_not_dialled_either(dialled: list[Any]) -> None:
    error = await post("https://hooks.example.org/", answering(PUBLIC, "127.0.0.1"))

    assert BlockedAddress in causes(error)
    assert dialled == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "[fe80::1%25lo]", "[ff02::1]", "224.0.0.1", "2130706433", "017700000001", "0177.0.0.1", "127.1",
        "127.0.0.1.", "１２７.０.０.１",
        "①②⑦.0.0.1", "0",
    ],
)  # fmt: skip
async def test_no_way_of_writing_an_address_gets_around_the_resolver(dialled: list[Any], host: str) -> None:
    async def resolve(name: str, port: int) -> list[str]:
        return [PUBLIC] if name[0].isalpha() else await guard.system_resolve(name, port)

    await post(f"https://{host}/", resolve)
    await post(f"http://{host}/", resolve)

    assert dialled == []


async def test_plain_http_is_not_dialled_outside_the_allowed_networks(dialled: list[Any]) -> None:
    error = await post("http://hooks.example.org/", answering(PUBLIC), allowed=ON_PREMISES)
    await post("http://hooks.example.org/", answering("10.20.0.7"), allowed=ON_PREMISES)

    assert BlockedAddress in causes(error)
    assert [target[0] for target in dialled] == ["10.20.0.7"]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"])
async def test_a_proxy_in_the_environment_is_not_asked(
    dialled: list[Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:3128")

    await post("https://hooks.example.org/", answering(PUBLIC))

    assert [target[:2] for target in dialled] == [(PUBLIC, 443)]


async def test_the_gate_makes_sockets_only_for_what_it_passes() -> None:
    info: Callable[[str], Any] = lambda host: (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, 443))  # noqa: E731

    with Gate(()).open_socket(info(PUBLIC)) as made:
        assert made.type == socket.SOCK_STREAM
    with pytest.raises(BlockedAddress):
        Gate(()).open_socket(info("127.0.0.1"))
    with pytest.raises(BlockedAddress):
        Gate((), inside_only=True).open_socket(info(PUBLIC))
