"""The network and its parts from the configuration: here its keys become the parts' plain arguments.

The few keys that also depend on the device or on whether weights are loaded (`shapes`, `cpu_kernels`,
`compute_type`, `norm`, `freeze_at`) are read in `build.py`, which calls `make_mask_rcnn`.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np

from ..config import Config
from .anchor_generator import pyramid_anchors
from .bbox_assign_sample import AnchorSampler
from .bbox_assign_sample_stage2 import RoISampler
from .detection_generator import DetectionGenerator
from .fpn_neck import FeaturePyramid
from .mask_rcnn_r50 import MaskRcnn
from .ops.losses import BoxLossSettings
from .proposal_generator import ProposalGenerator
from .rcnn_cls import BoxHead
from .rcnn_mask import MaskHead
from .resnet50 import ResNet
from .roi_align import RoIAlign
from .rpn import RPN


def make_mask_rcnn(
    config: Config,
    norm: str,
    freeze_at: int = 0,
    dynamic: bool = True,
    kernels: bool = True,
    dtype: ms.Type = ms.float32,
    matrix_nms: bool = False,
) -> MaskRcnn:
    """The whole network.

    Args:
        config: The configuration.
        norm: The backbone's norm, as in `ResNet`.
        freeze_at: How many stages of the backbone are frozen, as in `ResNet`.
        dynamic: As in `MaskRcnn`.
        kernels: Whether compiled CPU kernels are used instead of MindSpore's operators.
        dtype: As in `MaskRcnn`.
        matrix_nms: Whether `MatrixNMS` is used instead of MindSpore's operator.
    """
    nms_kernel = kernels and config.nms == "auto"
    # Weights are drawn in this order, so that a seed gives the same ones.
    return MaskRcnn(
        backbone=make_backbone(config, norm, freeze_at, dtype, kernels),
        fpn=make_pyramid(config, dtype, kernels),
        rpn=make_rpn(config, dtype, kernels),
        box_head=make_box_head(config, dtype, kernels),
        mask_head=make_mask_head(config, dtype, kernels),
        box_align=make_roi_align(config, config.roi_layer["out_size"], kernels),
        mask_align=make_roi_align(config, config.roi_layer["mask_out_size"], kernels),
        train_proposals=make_train_proposals(config, nms_kernel, matrix_nms),
        test_proposals=make_test_proposals(config, nms_kernel, matrix_nms),
        anchor_sampler=make_anchor_sampler(config, kernels),
        roi_sampler=make_roi_sampler(config, kernels),
        detections=make_detections(config, nms_kernel, matrix_nms),
        anchors=make_anchors(config),
        pixel_mean=config.img_mean,
        pixel_std=config.img_std,
        channel_order=config.channel_order,
        mask_size=config.mask_shape[0],
        num_mask_rois=config.num_mask_rois or config.num_expected_pos_stage2,
        dynamic=dynamic,
        dtype=dtype,
    )


def make_anchors(config: Config) -> list[np.ndarray]:
    return pyramid_anchors(
        canvas_size=(config.img_height, config.img_width),
        feature_shapes=config.feature_shapes,
        strides=config.anchor_strides,
        scales=config.anchor_scales,
        ratios=config.anchor_ratios,
        rounded=config.anchor_round,
    )


def make_backbone(
    config: Config, norm: str, freeze_at: int = 0, dtype: ms.Type = ms.float32, kernels: bool = False
) -> ResNet:
    return ResNet(
        blocks=config.resnet_block,
        in_channels=config.resnet_in_channels,
        out_channels=config.resnet_out_channels,
        norm=norm,
        norm_eps=config.norm_eps,
        fold_norms=config.fold_norms,
        freeze_at=freeze_at,
        stride_in_1x1=config.stride_in_1x1,
        dtype=dtype,
        kernels=kernels,
    )


def make_pyramid(config: Config, dtype: ms.Type = ms.float32, kernels: bool = False) -> FeaturePyramid:
    return FeaturePyramid(
        in_channels=config.fpn_in_channels,
        out_channels=config.fpn_out_channels,
        norm=config.fpn_norm,
        norm_eps=config.norm_eps,
        dtype=dtype,
        kernels=kernels,
    )


def make_rpn(config: Config, dtype: ms.Type = ms.float32, kernels: bool = False) -> RPN:
    return RPN(
        in_channels=config.rpn_in_channels,
        channels=config.rpn_feat_channels,
        num_anchors=config.num_anchors,
        feature_shapes=config.feature_shapes,
        num_scores=config.rpn_cls_out_channels,
        loss_settings=BoxLossSettings(
            means=config.rpn_target_means,
            stds=config.rpn_target_stds,
            beta=config.rpn_smooth_l1_beta,
            cls_weight=config.rpn_loss_cls_weight,
            reg_weight=config.rpn_loss_reg_weight,
        ),
        head_weight=config.rpn_head_weight,
        dtype=dtype,
        kernels=kernels,
    )


def make_box_head(config: Config, dtype: ms.Type = ms.float32, kernels: bool = False) -> BoxHead:
    return BoxHead(
        in_channels=config.rcnn_in_channels,
        roi_size=config.roi_layer["out_size"],
        num_classes=config.num_classes,
        fc_channels=config.rcnn_fc_out_channels,
        num_fcs=config.rcnn_num_layers,
        num_convs=config.rcnn_num_convs,
        conv_channels=config.rcnn_conv_out_channels,
        norm=config.rcnn_norm,
        norm_eps=config.norm_eps,
        loss_settings=BoxLossSettings(
            means=config.rcnn_target_means,
            stds=config.rcnn_target_stds,
            beta=config.rcnn_smooth_l1_beta,
            cls_weight=config.rcnn_loss_cls_weight,
            reg_weight=config.rcnn_loss_reg_weight,
        ),
        dtype=dtype,
        kernels=kernels,
    )


def make_mask_head(config: Config, dtype: ms.Type = ms.float32, kernels: bool = True) -> MaskHead:
    return MaskHead(
        in_channels=config.rcnn_in_channels,
        channels=config.rcnn_mask_out_channels,
        num_classes=config.num_classes,
        norm=config.rcnn_mask_norm,
        norm_eps=config.norm_eps,
        loss_weight=config.rcnn_loss_mask_fb_weight,
        dtype=dtype,
        kernels=kernels,
    )


def make_roi_align(config: Config, size: int, kernel: bool) -> RoIAlign:
    return RoIAlign(
        size=size,
        samples=config.roi_layer["sample_num"],
        strides=config.roi_align_featmap_strides,
        shapes=config.feature_shapes[:4],
        finest_scale=config.roi_align_finest_scale,
        aligned=config.roi_align_aligned,
        kernel=kernel,
    )


def make_train_proposals(config: Config, kernel: bool = False, matrix: bool = False) -> ProposalGenerator:
    return ProposalGenerator(
        nms_pre=config.rpn_proposal_nms_pre,
        nms_post=config.rpn_proposal_nms_post,
        max_num=config.rpn_proposal_max_num,
        nms_threshold=config.rpn_proposal_nms_thr,
        nms_across_levels=config.rpn_proposal_nms_across_levels,
        min_size=config.rpn_proposal_min_bbox_size,
        means=config.rpn_target_means,
        stds=config.rpn_target_stds,
        kernel=kernel,
        matrix=matrix,
    )


def make_test_proposals(config: Config, kernel: bool = False, matrix: bool = False) -> ProposalGenerator:
    return ProposalGenerator(
        nms_pre=config.rpn_nms_pre,
        nms_post=config.rpn_nms_post,
        max_num=config.rpn_max_num,
        nms_threshold=config.rpn_nms_thr,
        nms_across_levels=config.rpn_nms_across_levels,
        min_size=config.rpn_min_bbox_min_size,
        means=config.rpn_target_means,
        stds=config.rpn_target_stds,
        kernel=kernel,
        matrix=matrix,
    )


def make_anchor_sampler(config: Config, kernel: bool) -> AnchorSampler:
    return AnchorSampler(
        pos_iou=config.pos_iou_thr,
        neg_iou=config.neg_iou_thr,
        min_pos_iou=config.min_pos_iou,
        num_pos=config.num_expected_pos,
        num_total=config.num_expected_neg,
        kernel=kernel,
    )


def make_roi_sampler(config: Config, kernel: bool) -> RoISampler:
    return RoISampler(
        pos_iou=config.pos_iou_thr_stage2,
        neg_iou=config.neg_iou_thr_stage2,
        min_pos_iou=config.min_pos_iou_stage2,
        num_pos=config.num_expected_pos_stage2,
        num_neg=config.num_expected_neg_stage2,
        num_total=config.num_expected_total_stage2,
        kernel=kernel,
    )


def make_detections(config: Config, kernel: bool = False, matrix: bool = False) -> DetectionGenerator:
    return DetectionGenerator(
        num_classes=config.num_classes,
        canvas_size=(config.img_height, config.img_width),
        score_threshold=config.test_score_thr,
        nms_threshold=config.test_iou_thr,
        num_candidates=config.test_nms_pre,
        num_detections=config.test_max_per_img,
        min_size=config.test_min_bbox_size,
        kernel=kernel,
        matrix=matrix,
    )
