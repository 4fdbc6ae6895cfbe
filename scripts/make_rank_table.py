"""Write a rank table file, which names the cards that train together (HCCL's JSON, version 1.0).

    bash scripts/make_rank_table.sh 8
        cards 0 to 7 of this host, into rank_table_8pcs.json
    bash scripts/make_rank_table.sh --device-ids 4,5,6,7
        some of its cards
    bash scripts/make_rank_table.sh 8 --servers 10.0.0.1,10.0.0.2 --device-ips 192.168.1.1,...
        16 cards of two hosts; the cards' addresses in the order of the hosts
    bash scripts/make_rank_table.sh --merge host1.json host2.json
        the same, from a file made on each host

Ranks are counted through the hosts in the dictionary order of their addresses (10.0.0.10 before 10.0.0.2),
which MindSpore demands of a rank table; the first host in it has rank 0, and is SERVER_ID=0.
The cards' own addresses come from --device-ips, or else from /etc/hccn.conf (lines `address_0=192.168.1.1`),
which Ascend hosts have.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from scripts.rank_table import outward_address, read_rank_table
from src.engine.entry import run_main
from src.errors import UserError
from src.log import logger

Addresses = Dict[int, str]  # {card number: its address}


def read_hccn_conf(path: Union[str, Path]) -> Addresses:
    """{card number: address} from the `address_N=...` lines of an hccn.conf."""
    lines = re.findall(r"^\s*address_(\d+)\s*=\s*(\S+)", Path(path).read_text(encoding="utf-8"), re.M)
    return {int(card): address for card, address in lines}


def build_table(
    servers: Sequence[str], cards: Sequence[int], addresses: Sequence[Optional[Addresses]]
) -> Dict[str, Any]:
    """The table. Every server has the same cards, and the ranks count through the sorted servers.

    Args:
        servers: The servers' ids.
        cards: The card numbers of each server.
        addresses: For each server the addresses of its cards; None where they are not known.
    """
    server_list = []
    for server, known in zip(servers, addresses):
        devices = []
        for rank, card in enumerate(cards):
            device = {"device_id": str(card)}
            if known:
                device["device_ip"] = known[card]
            device["rank_id"] = str(rank)
            devices.append(device)
        server_list.append({"server_id": server, "device": devices})
    return _table_of(server_list)


def merge_tables(paths: Sequence[Union[str, Path]]) -> Dict[str, Any]:
    """One table with the servers of several tables; ranks are counted anew."""
    servers = []
    for path in paths:
        read_rank_table(path)  # checks it
        servers += json.loads(Path(path).read_text(encoding="utf-8"))["server_list"]
    names = [server["server_id"] for server in servers]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--merge: server {name} is in more than one file")
    return _table_of(servers)


def _table_of(servers: List[Dict[str, Any]]) -> Dict[str, Any]:
    """The table of these servers in the order that MindSpore demands, with their ranks counted anew."""
    servers = sorted(servers, key=lambda server: str(server["server_id"]))
    rank = 0
    for server in servers:
        devices = sorted(server["device"], key=lambda device: int(device["rank_id"]))
        server["device"] = [{**device, "rank_id": str(number)} for number, device in enumerate(devices, rank)]
        rank += len(devices)
    return {
        "version": "1.0",
        "server_count": str(len(servers)),
        "server_list": servers,
        "status": "completed",
    }


def find_addresses(
    servers: Sequence[str], cards: Sequence[int], given: Optional[Sequence[str]], conf: str
) -> List[Optional[Addresses]]:
    """The addresses of each server's cards.

    Args:
        servers: The servers' ids.
        cards: The card numbers of each server.
        given: The addresses, server after server; None: those of this host's `conf`, for a single server.
        conf: The path of hccn.conf.

    Returns:
        One entry a server; None where the addresses are not known.
    """
    count = len(servers) * len(cards)
    if given:
        if len(given) != count:
            raise UserError(f"--device-ips: {count} addresses expected (cards x servers), found {len(given)}")
        for address in given:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise UserError(f"--device-ips: '{address}' is not an address") from None
        return [dict(zip(cards, given[i * len(cards) :])) for i in range(len(servers))]
    if len(servers) > 1:
        raise UserError(
            "--servers: the cards of several hosts need --device-ips; "
            "or make a file on each host and --merge them"
        )
    if not os.path.exists(conf):
        logger.warning(
            "no %s here, so the table lacks the cards' addresses (device_ip): make it on the Ascend host",
            conf,
        )
        return [None]
    known = read_hccn_conf(conf)
    for card in cards:
        if card not in known:
            raise UserError(
                f"{conf} has no address of card {card} (only of {', '.join(map(str, sorted(known)))}): "
                "give --device-ips"
            )
    return [known]


def _split_numbers(text: str) -> List[int]:
    return [int(word) for word in text.split(",")]


def _split_words(text: str) -> List[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make_rank_table.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cards", nargs="?", type=int, metavar="N", help="how many cards a host, 0 to N-1")
    parser.add_argument("--device-ids", type=_split_numbers, metavar="0,1,...", help="these cards instead")
    parser.add_argument(
        "--servers", type=_split_words, metavar="IP,...", help="the hosts' addresses (default: this host's)"
    )
    parser.add_argument(
        "--device-ips", type=_split_words, metavar="IP,...", help="the cards' addresses, host after host"
    )
    parser.add_argument(
        "--hccn-conf",
        default="/etc/hccn.conf",
        metavar="FILE",
        help="where else they are read (default: %(default)s)",
    )
    parser.add_argument("--merge", nargs="+", metavar="FILE", help="put the tables of several hosts together")
    parser.add_argument(
        "--out", metavar="FILE", help="the file to write (default: rank_table_{cards}pcs.json)"
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it is there")
    options = parser.parse_args(argv)
    if (options.cards is not None) + (options.device_ids is not None) + (options.merge is not None) != 1:
        parser.error("one of N, --device-ids and --merge is needed")
    return options


def main() -> None:
    options = parse(sys.argv[1:])
    if options.merge:
        table = merge_tables(options.merge)
    else:
        cards = options.device_ids if options.device_ids is not None else list(range(options.cards))
        if not cards or min(cards) < 0 or len(set(cards)) < len(cards):
            raise UserError(f"cards {cards}: one or more different card numbers from 0 on expected")
        servers = options.servers or [outward_address()]
        if len(set(servers)) < len(servers):
            raise UserError("--servers: the same host twice")
        addresses = find_addresses(servers, cards, options.device_ips, options.hccn_conf)
        table = build_table(servers, cards, addresses)
    server_count = len(table["server_list"])
    count = sum(len(server["device"]) for server in table["server_list"])
    out = Path(options.out or f"rank_table_{count}pcs.json")
    try:
        with open(out, "w" if options.force else "x", encoding="utf-8") as file:
            file.write(json.dumps(table, indent=4) + "\n")
    except FileExistsError:
        raise UserError(f"{out} is there already: --force replaces it, --out names another") from None
    except OSError as error:
        raise UserError(f"{out}: {error.strerror or error}") from None
    order = ", ".join(str(server["server_id"]) for server in table["server_list"])
    remark = f", ranks in this order: {order}" if server_count > 1 else ""
    print(f"{out}: {_counted(count, 'card')} of {_counted(server_count, 'host')}{remark}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}"


if __name__ == "__main__":
    run_main(main, modules=())
