"""torchvision's names of `maskrcnn_resnet50_fpn`, as a table, and what they become here."""
from __future__ import annotations

import re

_LEAF = r"(weight|bias|running_mean|running_var)"
# (pattern of torchvision's name, this project's name); a norm's four arrays and a dense or convolution's two are renamed by _LEAVES
_RULES = (
    (r"backbone\.body\.(layer[1-4]\.\d+)\.downsample\.(\d)\." + _LEAF, r"backbone.\1.down_sample.\2.\3"),
    (r"backbone\.body\.((?:layer[1-4]\.\d+\.)?(?:conv|bn)\d)\." + _LEAF, r"backbone.\1.\2"),
    (r"backbone\.fpn\.inner_blocks\.(\d)\.(?:0\.)?" + _LEAF, r"fpn.lateral.\1.\2"),
    (r"backbone\.fpn\.layer_blocks\.(\d)\.(?:0\.)?" + _LEAF, r"fpn.output.\1.\2"),
    (r"rpn\.head\.conv\.(?:0\.0\.)?" + _LEAF, r"rpn.conv.\1"),
    (r"rpn\.head\.cls_logits\." + _LEAF, r"rpn.cls.\1"),
    (r"rpn\.head\.bbox_pred\." + _LEAF, r"rpn.reg.\1"),
    (r"roi_heads\.box_head\.fc6\." + _LEAF, r"box_head.fc.0.\1"),
    (r"roi_heads\.box_head\.fc7\." + _LEAF, r"box_head.fc.1.\1"),
    (r"roi_heads\.box_predictor\.cls_score\." + _LEAF, r"box_head.cls.\1"),
    (r"roi_heads\.box_predictor\.bbox_pred\." + _LEAF, r"box_head.reg.\1"),
    (r"roi_heads\.mask_predictor\.conv5_mask\." + _LEAF, r"mask_head.up_\1"),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\." + _LEAF, r"mask_head.logits_\1"),
)
_MASK_CONV = re.compile(r"roi_heads\.mask_head\.(?:mask_fcn(\d)|(\d)\.0)\.(weight|bias)")
_NORM_LEAVES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def project_name(name):
    """This project's name of a torchvision state_dict entry, or None where there is no counterpart."""
    if name.endswith("num_batches_tracked"):
        return None
    mask = _MASK_CONV.fullmatch(name)
    if mask:
        place = int(mask.group(1)) - 1 if mask.group(1) else int(mask.group(2))
        return f"mask_head.conv.{place}.{mask.group(3)}"
    for pattern, ours in _RULES:
        if re.fullmatch(pattern, name):
            new = re.sub(pattern, ours, name)
            owner, leaf = new.rsplit(".", 1)
            is_norm = re.search(r"\.bn\d$|\.down_sample\.1$", "." + owner) is not None
            return f"{owner}.{_NORM_LEAVES[leaf]}" if is_norm else new
    return None


def from_torchvision(state):
    """{this project's name: array} of a torchvision state_dict {name: array}."""
    result = {}
    for name, array in state.items():
        ours = project_name(name)
        if ours is not None:
            result[ours] = array.reshape(array.shape[:2]) if ours == "mask_head.logits_weight" else array
    return result
