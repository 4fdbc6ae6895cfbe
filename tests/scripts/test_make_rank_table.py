"""make_rank_table.sh: the file's form, the cards' addresses, and mistakes."""

from __future__ import annotations

import json

import pytest


def table_of(sandbox, name):
    return json.loads((sandbox.folder / name).read_text())


def test_a_table_of_one_host(sandbox):
    conf = sandbox.folder / "hccn.conf"
    conf.write_text(
        "address_0=192.98.92.1\nnetmask_0=255.255.255.0\naddress_1=192.98.93.1\naddress_10=192.98.94.1\n"
    )
    run = sandbox.run("make_rank_table.sh", 2, "--servers", "10.0.0.1", "--hccn-conf", conf)
    assert run.returncode == 0 and "rank_table_2pcs.json" in run.stdout, run.stderr
    assert table_of(sandbox, "rank_table_2pcs.json") == {
        "version": "1.0",
        "server_count": "1",
        "status": "completed",
        "server_list": [
            {
                "server_id": "10.0.0.1",
                "device": [
                    {"device_id": "0", "device_ip": "192.98.92.1", "rank_id": "0"},
                    {"device_id": "1", "device_ip": "192.98.93.1", "rank_id": "1"},
                ],
            }
        ],
    }


def test_a_python_with_the_standard_library_alone_will_do(sandbox, bare_python):
    table = sandbox.folder / "rank_table_1pcs.json"
    words = (1, "--servers", "10.0.0.1", "--device-ips", "1.1.1.1")
    run = sandbox.run("make_rank_table.sh", *words, PATH=f"{bare_python}:/usr/bin:/bin")
    assert run.returncode == 0 and table.exists(), run.stderr


def test_some_cards_of_two_hosts(sandbox):
    run = sandbox.run(
        "make_rank_table.sh",
        "--device-ids",
        "4,6",
        "--servers",
        "10.0.0.1,10.0.0.2",
        "--device-ips",
        "1.1.1.4,1.1.1.6,2.2.2.4,2.2.2.6",
        "--out",
        "my table.json",
    )
    assert run.returncode == 0, run.stderr
    table = table_of(sandbox, "my table.json")
    assert table["server_count"] == "2"
    assert [
        [(d["device_id"], d["device_ip"], d["rank_id"]) for d in server["device"]]
        for server in table["server_list"]
    ] == [[("4", "1.1.1.4", "0"), ("6", "1.1.1.6", "1")], [("4", "2.2.2.4", "2"), ("6", "2.2.2.6", "3")]]


def test_tables_of_several_hosts_are_merged(sandbox):
    for host, card in (("10.0.0.1", "1.1.1.1"), ("10.0.0.2", "2.2.2.2")):
        assert (
            sandbox.run(
                "make_rank_table.sh", 1, "--servers", host, "--device-ips", card, "--out", f"{host}.json"
            ).returncode
            == 0
        )
    run = sandbox.run("make_rank_table.sh", "--merge", "10.0.0.2.json", "10.0.0.1.json")
    assert run.returncode == 0, run.stderr
    assert [
        (s["server_id"], s["device"]) for s in table_of(sandbox, "rank_table_2pcs.json")["server_list"]
    ] == [
        ("10.0.0.1", [{"device_id": "0", "device_ip": "1.1.1.1", "rank_id": "0"}]),
        ("10.0.0.2", [{"device_id": "0", "device_ip": "2.2.2.2", "rank_id": "1"}]),
    ]
    run = sandbox.run("make_rank_table.sh", "--merge", "10.0.0.1.json", "10.0.0.1.json", "--force")
    assert run.returncode == 2 and "10.0.0.1" in run.stderr


def test_ranks_follow_the_dictionary_order_of_the_servers(sandbox):
    """MindSpore demands it of a rank table. As text, 10.0.0.10 comes before 10.0.0.9."""
    addresses = "9.9.9.1,9.9.9.2,1.1.1.1,1.1.1.2"
    words = (2, "--servers", "10.0.0.9,10.0.0.10", "--device-ips", addresses, "--out", "t.json")
    run = sandbox.run("make_rank_table.sh", *words)
    assert run.returncode == 0 and "10.0.0.10, 10.0.0.9" in run.stdout, run.stderr
    assert [
        (server["server_id"], [(device["device_ip"], device["rank_id"]) for device in server["device"]])
        for server in table_of(sandbox, "t.json")["server_list"]
    ] == [
        ("10.0.0.10", [("1.1.1.1", "0"), ("1.1.1.2", "1")]),
        ("10.0.0.9", [("9.9.9.1", "2"), ("9.9.9.2", "3")]),
    ]


@pytest.mark.parametrize("cards", [1, 2, 8])
def test_the_training_script_reads_what_is_written(sandbox, cards):
    run = sandbox.run("make_rank_table.sh", cards, "--hccn-conf", "none.conf")
    assert run.returncode == 0 and "warning: no none.conf" in run.stderr
    run = sandbox.run("run_distribute_train.sh", f"rank_table_{cards}pcs.json")
    assert run.returncode == 0, run.stderr
    assert [call["env"]["DEVICE_ID"] for call in sandbox.ranks()] == [str(card) for card in range(cards)]


def test_an_existing_file_is_kept_unless_forced(sandbox):
    (sandbox.folder / "t.json").write_text("mine")
    words = (1, "--device-ips", "1.1.1.1", "--out", "t.json")
    run = sandbox.run("make_rank_table.sh", *words)
    assert (
        run.returncode == 2
        and "t.json is there already" in run.stderr
        and (sandbox.folder / "t.json").read_text() == "mine"
    )
    assert (
        sandbox.run("make_rank_table.sh", *words, "--force").returncode == 0
        and table_of(sandbox, "t.json")["server_count"] == "1"
    )


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "N, --device-ids"),
        (["0"], "cards []"),
        (["two"], "two"),
        (["--device-ids", "1,1"], "cards [1, 1]"),
        (["2", "--device-ips", "1.1.1.1"], "2 addresses"),
        (["1", "--device-ips", "1.1.1"], "'1.1.1'"),
        (["1", "--servers", "a,b"], "--device-ips"),
        (["1", "--servers", "a,a"], "twice"),
        (["1", "--device-ips", "1.1.1.1", "--out", "no/where.json"], "no/where.json"),
        (["--merge", "none.json"], "none.json"),
    ],
)
def test_mistakes(sandbox, words, part):
    run = sandbox.run("make_rank_table.sh", *words)
    assert run.returncode == 2 and part in run.stderr and "Traceback" not in run.stderr
    assert not list(sandbox.folder.iterdir())
