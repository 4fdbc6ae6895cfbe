"""What a rank table says of this server: `python rank_table.py RANK_TABLE_FILE`, for run_distribute_train.sh.

Prints a line `RANK_SIZE DEVICES SERVER`, then for each device of this server a line `RANK DEVICE CORES`. A table with one server
is this server's; of several, the environment variable SERVER_ID (a position, from 0) or else this host's addresses choose.
CORES is an equal share of this process's processor cores, as taskset takes them, or '-' where there are fewer cores than devices.
Form of the file (HCCL's template 1): {"server_list": [{"server_id": "10.0.0.1", "device": [{"device_id": "0", "rank_id": "0"}]}]}.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from src.engine.entry import run_main
from src.errors import UserError  # noqa: E402


def read_rank_table(path):
    """[(server_id, [(rank, device), ...] by rank), ...] of a rank table file; UserError for one that cannot be used."""
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"RANK_TABLE_FILE {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise UserError(f"RANK_TABLE_FILE {path}: not a JSON file: {error}") from None
    try:
        servers = [
            (
                str(server["server_id"]),
                sorted((int(device["rank_id"]), int(device["device_id"])) for device in server["device"]),
            )
            for server in table["server_list"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"RANK_TABLE_FILE {path}: a server_list of server_id and device (device_id, rank_id) expected; at fault: {error}; "
            "scripts/make_rank_table.sh writes one"
        ) from None
    ranks = sorted(rank for _, devices in servers for rank, _ in devices)
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


def this_server(path, servers, wanted, addresses):
    """The position in `servers` of the one that this process runs on."""
    names = [name for name, _ in servers]
    if len(servers) == 1:
        return 0
    if wanted:
        if not wanted.isdigit() or int(wanted) >= len(servers):
            raise UserError(
                f"SERVER_ID={wanted}: 0 to {len(servers) - 1} expected, the position of this server in {path}"
            )
        return int(wanted)
    found = [index for index, name in enumerate(names) if name in addresses]
    if len(found) != 1:
        raise UserError(
            f"RANK_TABLE_FILE {path}: this host's addresses are not one of {', '.join(names)}: set SERVER_ID=0, 1, ..."
        )
    return found[0]


def host_addresses():
    """This host's name and the IPv4 addresses that it answers to."""
    name = socket.gethostname()
    addresses = {name, outward_address()}
    try:
        addresses.update(socket.gethostbyname_ex(name)[2])
    except OSError:  # a host name that no server resolves
        pass
    return addresses


def outward_address():
    """The address of the interface with the default route; 127.0.0.1 without one. Connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for documentation (RFC 5737)
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def deal_cores(cores, devices):
    """Equal, contiguous shares of the core numbers, one a device, as comma lists; '-' for each where there are too few."""
    share = len(cores) // devices
    return [",".join(map(str, cores[i * share : (i + 1) * share])) or "-" for i in range(devices)]


def main():
    path = sys.argv[1]
    servers = read_rank_table(path)
    index = this_server(path, servers, os.environ.get("SERVER_ID", ""), host_addresses())
    devices = servers[index][1]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    print(sum(len(each) for _, each in servers), len(devices), index)
    for (rank, device), share in zip(devices, deal_cores(cores, len(devices))):
        print(rank, device, share)


if __name__ == "__main__":
    run_main(main)
