"""The files of kept graphs: nothing that is damaged is read, and the oldest go."""

import os

import pytest

from src.engine.runtime.graph_store import GraphStore, graph_file, prune


def test_a_graph_that_was_cut_short_or_lost_its_checksum_is_none(tmp_path):
    copy = tmp_path / "graph"
    with GraphStore(copy, 0) as store:
        written = store.used_folder / "rank_0" / "graph_cache"  # as MindSpore writes them
        written.mkdir(parents=True)
        (written / "compile_cache_0.mindir").write_bytes(bytes(range(200)))
        with pytest.raises(OSError, match="could not write"):
            store.keep()
        (written / "compile_dependency.hash").write_text("1")
        store.keep()
    assert GraphStore(copy, 0).used_folder == copy and GraphStore(copy, 1).used_folder != copy
    graph = graph_file(copy / "rank_0")
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-7])
    assert GraphStore(copy, 0).used_folder != copy
    graph.write_bytes(whole)
    assert GraphStore(copy, 0).used_folder == copy
    (copy / "rank_0" / "crc32").unlink()
    assert GraphStore(copy, 0).used_folder != copy


def test_the_graphs_longest_unused_go(tmp_path):
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        os.utime(tmp_path / str(number), (1000 + number, 1000 + number))
    os.utime(tmp_path / "1", (2000, 2000))
    prune(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "4", "5"]
