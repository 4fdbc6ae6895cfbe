"""How many groups a group norm has; apart from the layers, as what writes ONNX files needs no MindSpore."""


def norm_groups(channels):
    """32 (Wu & He 2018), or fewer so that the channels divide and a group has at least 4 of them."""
    return next(groups for groups in (32, 16, 8, 4, 2, 1) if channels % groups == 0 and channels // groups >= 4 or groups == 1)
