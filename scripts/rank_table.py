"""What a rank table says about this server, for run_distribute_train.sh: `rank_table RANK_TABLE_FILE`.

Prints a line `RANK_SIZE DEVICES SERVER SERVERS ADDRESS`, then for each device of this server a line
`RANK DEVICE CORES`.

SERVER   The position of this server in the table, from 0: the only one, or the environment variable
         SERVER_ID, or the one with an address of this host.
ADDRESS  The address of rank 0's server: its server_id, or the address of the host that it names.
CORES    An equal share of this process's processor cores, as taskset takes them; '-' where there are fewer
         cores than devices.

Form of the file (HCCL's template 1):

    {"server_list": [{"server_id": "10.0.0.1", "device": [{"device_id": "0", "rank_id": "0"}]}]}
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Collection, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from src.engine.entry import run_main
from src.errors import UserError


class Server(NamedTuple):
    """A server of a rank table: its id, and (rank, device) of its cards, in the order of the ranks."""

    server_id: str
    devices: List[Tuple[int, int]]


def read_rank_table(path: Union[str, Path]) -> List[Server]:
    """The servers of a rank table file.

    Raises:
        UserError: The file cannot be used.
    """
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"RANK_TABLE_FILE {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise UserError(f"RANK_TABLE_FILE {path}: not a JSON file: {error}") from None
    try:
        servers = [
            Server(
                str(server["server_id"]),
                sorted((int(device["rank_id"]), int(device["device_id"])) for device in server["device"]),
            )
            for server in table["server_list"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"RANK_TABLE_FILE {path}: a server_list of server_id and device (device_id, rank_id) expected; "
            f"at fault: {error}; scripts/make_rank_table.sh writes one"
        ) from None
    ranks = sorted(rank for server in servers for rank, _ in server.devices)
    if not ranks or ranks != list(range(len(ranks))):
        raise UserError(
            f"RANK_TABLE_FILE {path}: the rank_ids are {ranks}; 0, 1, 2, ... without gaps or doubles expected"
        )
    for name, devices in servers:
        if not devices:
            raise UserError(f"RANK_TABLE_FILE {path}: server {name} has no device")
        if len({device for _, device in devices}) < len(devices):
            raise UserError(f"RANK_TABLE_FILE {path}: server {name} has the same device_id twice")
    return servers


def this_server(
    path: Union[str, Path], servers: Sequence[Server], server_id: str, addresses: Collection[str]
) -> int:
    """The position of the server that this process runs on.

    Args:
        path: The rank table, for messages.
        servers: Its servers.
        server_id: The environment variable SERVER_ID, or "".
        addresses: The addresses of this host.
    """
    names = [server.server_id for server in servers]
    if len(servers) == 1:
        return 0
    if server_id:
        if not server_id.isdigit() or int(server_id) >= len(servers):
            raise UserError(
                f"SERVER_ID={server_id}: 0 to {len(servers) - 1} expected, "
                f"the position of this server in {path}"
            )
        return int(server_id)
    found = [index for index, name in enumerate(names) if name in addresses]
    if not found:
        resolved = [find_address(name) for name in names]
        found = [index for index, address in enumerate(resolved) if address in addresses]
    if len(found) != 1:
        raise UserError(
            f"RANK_TABLE_FILE {path}: this host's addresses are not one of {', '.join(names)}: "
            "set SERVER_ID=0, 1, ..."
        )
    return found[0]


def find_address(name: str) -> Optional[str]:
    """The IPv4 address of a host; None of a name that is not known here."""
    try:
        return socket.gethostbyname(name)
    except OSError:
        return None


def meeting_address(path: Union[str, Path], server_id: str, is_here: bool) -> str:
    """The address where all ranks find rank 0's server. MindSpore takes no host names.

    Args:
        path: The rank table, for messages.
        server_id: The server's id in it: an address or a host name.
        is_here: Whether this process runs on that server.

    Raises:
        UserError: The name is not known here.
    """
    address = find_address(server_id)
    if address is None:
        raise UserError(
            f"RANK_TABLE_FILE {path}: no address of rank 0's server {server_id} is found: "
            "write its address instead of the name, or set MASTER_ADDR"
        )
    # Many hosts give their own name an address that only they reach.
    if is_here and address.startswith("127.") and server_id != address:
        return outward_address()
    return address


def host_addresses() -> Set[str]:
    """This host's name and the IPv4 addresses that it answers to."""
    name = socket.gethostname()
    addresses = {name, outward_address()}
    try:
        addresses.update(socket.gethostbyname_ex(name)[2])
    except OSError:  # a host name that no server resolves
        pass
    return addresses


def outward_address() -> str:
    """The address of the interface with the default route; 127.0.0.1 without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # An address that is reserved for documentation (RFC 5737). Connecting a datagram socket sends
            # nothing.
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def share_cores(cores: Sequence[int], devices: int) -> List[str]:
    """Equal, contiguous shares of the core numbers, one a device, as "0,1,2"; '-' where there are too few."""
    share = len(cores) // devices
    return [",".join(map(str, cores[i * share : (i + 1) * share])) or "-" for i in range(devices)]


def main() -> None:
    path = sys.argv[1]
    servers = read_rank_table(path)
    index = this_server(path, servers, os.environ.get("SERVER_ID", ""), host_addresses())
    devices = servers[index].devices
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    ranks = sum(len(server.devices) for server in servers)
    first = min(servers, key=lambda server: server.devices[0])  # of rank 0
    address = first.server_id
    if len(servers) > 1 and not os.environ.get("MASTER_ADDR"):
        address = meeting_address(path, first.server_id, servers[index] is first)
    print(ranks, len(devices), index, len(servers), address)
    for (rank, device), share in zip(devices, share_cores(cores, len(devices))):
        print(rank, device, share)


if __name__ == "__main__":
    run_main(main, modules=())
