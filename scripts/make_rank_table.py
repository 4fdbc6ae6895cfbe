"""Write a rank table file, which names the cards that train together (HCCL's JSON, version 1.0).

    bash scripts/make_rank_table.sh 8                                       cards 0 to 7 of this host -> rank_table_8pcs.json
    bash scripts/make_rank_table.sh --device-ids 4,5,6,7                    some of its cards
    bash scripts/make_rank_table.sh 8 --servers 10.0.0.1,10.0.0.2 --device-ips 192.168.1.1,...    16 cards of two hosts, in that order
    bash scripts/make_rank_table.sh --merge host1.json host2.json           the same from a file made on each host

The cards' own addresses come from --device-ips, or else from /etc/hccn.conf (lines `address_0=192.168.1.1`), which Ascend hosts have.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scripts.rank_table import outward_address, read_rank_table  # noqa: E402
from src.engine.entry import run_main
from src.errors import UserError  # noqa: E402


def read_hccn_conf(path):
    """{card number: address} from the `address_N=...` lines of an hccn.conf."""
    lines = re.findall(r"^\s*address_(\d+)\s*=\s*(\S+)", Path(path).read_text(encoding="utf-8"), re.M)
    return {int(card): address for card, address in lines}


def build_table(servers, cards, addresses):
    """The table: every server has the same cards, and ranks count through server after server.

    `addresses` holds for each server {card: address}, or None where they are unknown.
    """
    ranks = iter(range(len(servers) * len(cards)))
    return {
        "version": "1.0",
        "server_count": str(len(servers)),
        "server_list": [
            {
                "server_id": server,
                "device": [
                    {
                        "device_id": str(card),
                        **({"device_ip": known[card]} if known else {}),
                        "rank_id": str(next(ranks)),
                    }
                    for card in cards
                ],
            }
            for server, known in zip(servers, addresses)
        ],
        "status": "completed",
    }


def merge_tables(paths):
    """One table of the servers of several, in the order given; ranks are counted anew."""
    servers = []
    for path in paths:
        read_rank_table(path)
        servers += json.loads(Path(path).read_text(encoding="utf-8"))["server_list"]
    names = [server["server_id"] for server in servers]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--merge: server {name} is in more than one file")
    ranks = iter(range(sum(len(server["device"]) for server in servers)))
    for server in servers:
        in_order = sorted(server["device"], key=lambda device: int(device["rank_id"]))
        server["device"] = [{**device, "rank_id": str(next(ranks))} for device in in_order]
    return {
        "version": "1.0",
        "server_count": str(len(servers)),
        "server_list": servers,
        "status": "completed",
    }


def find_addresses(servers, cards, given, conf):
    """[{card: address} or None, one a server]: the given ones, or this host's hccn.conf for a table of one server."""
    if given:
        if len(given) != len(servers) * len(cards):
            raise UserError(
                f"--device-ips: {len(servers) * len(cards)} addresses expected (cards x servers), found {len(given)}"
            )
        for address in given:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise UserError(f"--device-ips: '{address}' is not an address") from None
        return [dict(zip(cards, given[i * len(cards) :])) for i in range(len(servers))]
    if len(servers) > 1:
        raise UserError(
            "--servers: the cards of several hosts need --device-ips; or make a file on each host and --merge them"
        )
    if not os.path.exists(conf):
        print(
            f"warning: no {conf} here, so the table lacks the cards' addresses (device_ip): make it on the Ascend host",
            file=sys.stderr,
        )
        return [None]
    known = read_hccn_conf(conf)
    for card in cards:
        if card not in known:
            raise UserError(
                f"{conf} has no address of card {card} (only of {', '.join(map(str, sorted(known)))}): give --device-ips"
            )
    return [known]


def numbers(text):
    return [int(word) for word in text.split(",")]


def words(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="make_rank_table.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cards", nargs="?", type=int, metavar="N", help="how many cards a host, 0 to N-1")
    parser.add_argument("--device-ids", type=numbers, metavar="0,1,...", help="these cards instead")
    parser.add_argument(
        "--servers", type=words, metavar="IP,...", help="the hosts' addresses (default: this host's)"
    )
    parser.add_argument(
        "--device-ips", type=words, metavar="IP,...", help="the cards' addresses, host after host"
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


def main():
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
        table = build_table(
            servers, cards, find_addresses(servers, cards, options.device_ips, options.hccn_conf)
        )
    count = sum(len(server["device"]) for server in table["server_list"])
    out = Path(options.out or f"rank_table_{count}pcs.json")
    try:
        with open(out, "w" if options.force else "x", encoding="utf-8") as file:
            file.write(json.dumps(table, indent=4) + "\n")
    except FileExistsError:
        raise UserError(f"{out} is there already: --force replaces it, --out names another") from None
    except OSError as error:
        raise UserError(f"{out}: {error.strerror or error}") from None
    print(
        f"{out}: {count} card{'s'[: count > 1]} of {len(table['server_list'])} host{'s'[: len(table['server_list']) > 1]}"
    )


if __name__ == "__main__":
    run_main(main)
