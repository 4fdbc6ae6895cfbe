"""MindSpore's table of operators, summed."""

from __future__ import annotations

from src.engine.hooks.profiling import operator_table


def test_operators_are_summed_by_kind_and_part(tmp_path):
    """MindSpore's table, as its profiler writes it on the CPU, of two steps."""
    path = tmp_path / "cpu_op_detail_info_0.csv"
    path.write_text(
        "op_side,op_type,op_name,full_op_name,op_occurrences,op_total_time(ms),op_avg_time(ms),total_proportion,subgraph,pid\n"
        "Host,Conv2D,Conv2D-op0,Default/network-MaskRcnn/backbone-ResNet/conv1-Conv/Conv2D-op0,2,30,15,0.3,Default,7\n"
        "Host,Conv2D,Conv2D-op1,Default/network-MaskRcnn/backbone-ResNet/layer1-CellList/Conv2D-op1,2,10,5,0.1,Default,7\n"
        "Host,Conv2DBackpropInput,Conv2DBackpropInput-op0,Gradients/Default/network-MaskRcnn/fpn-FeaturePyramid/X-op0,4,50,5,.5,D,7\n"
        "Host,Add,Add-op0,Default/Add-op0,2,10,5,0.1,Default,7\n"
    )
    assert operator_table(path, 2) == [
        ("Conv2DBackpropInput", "fpn, backward", 2, 25, 0.5),
        ("Conv2D", "backbone", 2, 20, 0.4),
        ("Add", "other", 1, 5, 0.1),
    ]
