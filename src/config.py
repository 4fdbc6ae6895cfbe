"""The configuration: every key with its default and what it means, and `load_config`, which every command uses.

Precedence: the defaults below < `--config FILE` (YAML) < `KEY=VALUE` words. `src/settings/reader.py` reads and types the values,
`src/settings/derived.py` computes the keys that follow from others and checks what was written against them.
"""

from __future__ import annotations

from .errors import ConfigError
from .settings.derived import finalize
from .settings.reader import Config, Key, read_settings

# fmt: off
COCO_CLASSES = (
    "background", "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear",
    "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball",
    "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork",
    "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
    "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush")
# fmt: on

# Key(name, default, meaning). A default of None means "not set"; `kind` types a key whose default does not.
KEYS = (
    # picture and augmentation
    Key("img_width", 1280, "width of the canvas a picture is placed on, in pixels; a multiple of 32"),
    Key("img_height", 768, "height of the canvas, in pixels"),
    Key("keep_ratio", True, "keep the picture's aspect ratio when it is resized"),
    Key("flip_ratio", 0.5, "probability of a horizontal flip (training)"),
    Key(
        "expand_ratio",
        1.0,
        "probability of drawing an expansion, which in half of the cases places the picture on a canvas up to 4x",
    ),
    Key("crop_ratio", 0.0, "probability of a random crop, which keeps the centre of an object"),
    Key("crop_min_side", 0.3, "smallest side of a random crop over the picture's"),
    Key(
        "multi_scale",
        None,
        "short sides, e.g. [640, 704, 768], one of which is drawn for a picture; up to resize_long and the canvas",
        kind=(int,),
    ),
    Key(
        "large_scale_jitter",
        None,
        "range of scales, e.g. [0.1, 2.0]: resized by a random one, then cut or padded to the canvas",
        kind=(float,),
    ),
    Key(
        "color_jitter",
        None,
        "strengths for brightness, contrast, saturation (factors 1 +- strength) and hue (of the circle), e.g. "
        "[0.4, 0.4, 0.4, 0.1]",
        kind=(float,),
    ),
    Key("copy_paste_ratio", 0.0, "probability of pasting objects of another picture (needs masks)"),
    Key(
        "repeat_factor_threshold",
        0.0,
        "classes in under this part of the pictures repeat theirs (LVIS: 0.001); 0: every picture once",
    ),
    Key("max_instance_count", 128, "objects kept in a picture, the largest first"),
    Key("mask_shape", (28, 28), "mask head output; derived: twice roi_layer.mask_out_size"),
    Key(
        "resize",
        "fit",
        "'fit' the canvas, or 'short_side': resize_short / resize_long as published weights want",
        choices=("fit", "short_side"),
    ),
    Key("resize_short", 800, "resize=short_side: target of the shorter side, in pixels"),
    Key("resize_long", 1333, "resize=short_side: limit of the longer side, in pixels"),
    Key(
        "padding",
        "zero",
        "what fills the canvas beside a picture: 'zero', or the 'mean' (others pad with zeros after normalising)",
        choices=("zero", "mean"),
    ),
    Key(
        "img_mean",
        (123.675, 116.28, 103.53),
        "pixel mean a channel in channel_order, subtracted on the device",
    ),
    Key(
        "img_std",
        (58.395, 57.12, 57.375),
        "pixel standard deviation a channel in channel_order, divided by on the device",
    ),
    Key(
        "channel_order",
        "RGB",
        "order in which the network takes a picture's channels: RGB, or BGR for weights trained so",
        choices=("RGB", "BGR"),
    ),
    Key(
        "gt_mask_size", 112, "side of a ground-truth mask in its own box's frame, as it is sent to the device"
    ),
    # anchors
    Key(
        "feature_shapes",
        ((192, 320), (96, 160), (48, 80), (24, 40), (12, 20)),
        "feature map sizes P2 to P6; derived from the canvas",
    ),
    Key("anchor_scales", (8,), "anchor side over its level's stride", kind=(float,)),
    Key("anchor_ratios", (0.5, 1.0, 2.0), "anchor height over width"),
    Key("anchor_strides", (4, 8, 16, 32, 64), "stride of each pyramid level, in pixels"),
    Key("num_anchors", 3, "anchors a location; derived: scales x ratios"),
    Key("anchor_round", False, "round base anchors to whole pixels (torchvision's published weights)"),
    # ResNet
    Key("resnet_block", (3, 4, 6, 3), "bottleneck blocks in each stage"),
    Key(
        "resnet_in_channels", (64, 256, 512, 1024), "channels into each stage; the first is the stem's width"
    ),
    Key(
        "resnet_out_channels",
        (256, 512, 1024, 2048),
        "channels out of each stage; a block's inner width is a quarter",
    ),
    Key(
        "stride_in_1x1",
        False,
        "a block's stride is in its first 1x1 convolution (Caffe2's ResNet, detectron2) instead of its 3x3",
    ),
    Key(
        "norm",
        "auto",
        "'frozen' (folded into its convolution), 'bn', 'sync_bn', 'gn'; 'auto': frozen when weights are loaded, else bn",
        choices=("auto", "frozen", "bn", "sync_bn", "gn"),
    ),
    Key("norm_eps", 1e-5, "epsilon of the norms"),
    Key(
        "fold_norms",
        True,
        "frozen norms are folded into the convolutions' weights; False: computed after them, slower, rounding as torchvision",
    ),
    Key(
        "freeze_at",
        2,
        "fixed stages (batch norms too) when weights are loaded: 0 none, 1 stem, 2 stem and first stage, ... 5 the trunk",
    ),
    # FPN
    Key("fpn_in_channels", (256, 512, 1024, 2048), "derived: resnet_out_channels"),
    Key("fpn_out_channels", 256, "channels of every pyramid level"),
    Key(
        "fpn_norm",
        "none",
        "norm of the pyramid's convolutions: 'none', 'bn', 'sync_bn', 'gn'",
        choices=("none", "bn", "sync_bn", "gn"),
    ),
    Key("fpn_num_outs", 5, "pyramid levels; derived: one a stride"),
    # RPN
    Key("rpn_in_channels", 256, "derived: fpn_out_channels"),
    Key("rpn_feat_channels", 256, "channels of the RPN's 3x3 convolution"),
    Key("rpn_loss_cls_weight", 1.0, "weight of the objectness loss within the RPN loss"),
    Key("rpn_loss_reg_weight", 1.0, "weight of the box loss within the RPN loss"),
    Key(
        "rpn_cls_out_channels",
        1,
        "objectness channels an anchor; derived: 1 with a sigmoid, 2 with a softmax",
    ),
    Key("rpn_target_means", (0.0, 0.0, 0.0, 0.0), "means of the RPN's box deltas"),
    Key("rpn_target_stds", (1.0, 1.0, 1.0, 1.0), "standard deviations of the RPN's box deltas"),
    Key("rpn_smooth_l1_beta", 1 / 9, "where the RPN's smooth L1 turns from square to line"),
    # assignment and sampling of anchors
    Key("neg_iou_thr", 0.3, "an anchor under this IoU with every object is negative"),
    Key("pos_iou_thr", 0.7, "an anchor of at least this IoU with an object is positive"),
    Key("min_pos_iou", 0.3, "floor under an object's best anchor, which is positive too"),
    Key("num_bboxes", 245520, "anchors of a picture; derived from feature_shapes and num_anchors"),
    Key("num_gts", 128, "derived: max_instance_count"),
    Key("num_expected_neg", 256, "anchors sampled a picture in all"),
    Key("num_expected_pos", 128, "at most this many of them positive"),
    # proposals
    Key("activate_num_classes", 2, "classes of the RPN; derived: object or not"),
    Key("use_sigmoid_cls", True, "objectness by a sigmoid (else a softmax of two)"),
    Key("rpn_head_use_sigmoid", True, "another name of use_sigmoid_cls", alias="use_sigmoid_cls"),
    Key("rpn_head_weight", 1.0, "weight of the whole RPN loss"),
    # RoIAlign
    Key(
        "roi_layer",
        {"type": "RoIAlign", "out_size": 7, "mask_out_size": 14, "sample_num": 2},
        "RoIAlign's output sizes and samples a cell side (0: as many as it is cells wide, CPU kernels only)",
    ),
    Key("roi_align_out_channels", 256, "derived: fpn_out_channels"),
    Key(
        "roi_align_featmap_strides",
        (4, 8, 16, 32),
        "strides of the levels RoIs are taken from; derived: the first four",
    ),
    Key("roi_align_finest_scale", 56, "RoIs up to twice this side come from P2, to four times from P3, ..."),
    Key("roi_sample_num", 640, "padded RoI slots a picture; derived: positives + all"),
    Key("roi_align_aligned", True, "half-pixel-correct RoIAlign"),
    # assignment and sampling of RoIs
    Key(
        "num_mask_rois",
        None,
        "positive RoIs a picture that the mask branch learns from; not set: all of them",
        kind=int,
    ),
    Key("neg_iou_thr_stage2", 0.5, "a RoI under this IoU is background"),
    Key("pos_iou_thr_stage2", 0.5, "a RoI of at least this IoU takes the object's class"),
    Key("min_pos_iou_stage2", 0.5, "floor under an object's best RoI"),
    Key("num_bboxes_stage2", 2000, "derived: rpn_proposal_max_num"),
    Key("num_expected_pos_stage2", 128, "at most this many sampled RoIs positive"),
    Key("num_expected_neg_stage2", 512, "at most this many sampled RoIs background"),
    Key("num_expected_total_stage2", 512, "RoIs sampled a picture in all"),
    # second stage
    Key("rcnn_num_layers", 2, "fully connected layers of the box head"),
    Key("rcnn_in_channels", 256, "derived: fpn_out_channels"),
    Key("rcnn_num_convs", 0, "3x3 convolutions before them (4, with rcnn_num_layers=1: the 4conv1fc head)"),
    Key("rcnn_conv_out_channels", 256, "channels of those convolutions"),
    Key("rcnn_norm", "gn", "norm of those convolutions", choices=("none", "bn", "sync_bn", "gn")),
    Key("rcnn_fc_out_channels", 1024, "width of the box head"),
    Key("rcnn_mask_out_channels", 256, "width of the mask head"),
    Key(
        "rcnn_mask_norm",
        "none",
        "norm of the mask head's 3x3 convolutions",
        choices=("none", "bn", "sync_bn", "gn"),
    ),
    Key("rcnn_loss_cls_weight", 1, "weight of the class loss", kind=float),
    Key("rcnn_loss_reg_weight", 1, "weight of the box loss", kind=float),
    Key("rcnn_loss_mask_fb_weight", 1, "weight of the mask loss", kind=float),
    Key("rcnn_target_means", (0.0, 0.0, 0.0, 0.0), "means of the second stage's box deltas"),
    Key("rcnn_target_stds", (0.1, 0.1, 0.2, 0.2), "standard deviations of the second stage's box deltas"),
    Key("rcnn_smooth_l1_beta", 1.0, "where the second stage's smooth L1 turns from square to line"),
    # proposals in training
    Key("rpn_proposal_nms_across_levels", False, "one NMS over all levels (training)"),
    Key("rpn_proposal_nms_pre", 2000, "best anchors a level before NMS (training)"),
    Key("rpn_proposal_nms_post", 2000, "proposals a level after NMS (training)"),
    Key("rpn_proposal_max_num", 2000, "proposals a picture (training)"),
    Key("rpn_proposal_nms_thr", 0.7, "IoU of the proposals' NMS (training)"),
    Key(
        "rpn_proposal_min_bbox_size",
        0,
        "drop proposals under this width or height, in pixels (training)",
        kind=float,
    ),
    # proposals and detections in inference
    Key("rpn_nms_across_levels", False, "one NMS over all levels"),
    Key("rpn_nms_pre", 1000, "best anchors a level before NMS"),
    Key("rpn_nms_post", 1000, "proposals a level after NMS"),
    Key("rpn_max_num", 1000, "proposals a picture"),
    Key("rpn_nms_thr", 0.7, "IoU of the proposals' NMS"),
    Key("rpn_min_bbox_min_size", 0, "drop proposals under this width or height, in pixels", kind=float),
    Key("test_score_thr", 0.05, "detections at or under this score are dropped"),
    Key("test_iou_thr", 0.5, "IoU of the detections' NMS, which runs a class at a time"),
    Key("test_max_per_img", 100, "detections a picture"),
    Key("test_nms_pre", 2000, "best (RoI, class) pairs of a picture that enter the detections' NMS"),
    Key("test_min_bbox_size", 0, "drop detections under this width or height, in pixels", kind=float),
    Key("test_batch_size", 2, "pictures a batch in evaluation"),
    Key("mask_thr_binary", 0.5, "a pasted mask's pixel is set from this probability on"),
    # learning rate
    Key("base_lr", 0.02, "learning rate after the warm-up"),
    Key(
        "base_step", None, "steps an epoch on one device for the schedule; not set: the data set's", kind=int
    ),
    Key("total_epoch", 13, "epochs the cosine takes to reach zero"),
    Key(
        "lr_schedule",
        "cosine",
        "'cosine' (the original's), 'multi_step', or detectron2's '1x', '2x', '3x', which also set how long a run is",
        choices=("cosine", "multi_step", "1x", "2x", "3x"),
    ),
    Key(
        "lr_milestones",
        (2 / 3, 8 / 9),
        "lr_schedule=multi_step: where the rate falls: fractions of the run (up to 1), or updates",
    ),
    Key("lr_gamma", 0.1, "what the rate is multiplied by at a milestone"),
    Key(
        "base_batch",
        None,
        "linear rule: base_lr is for so many pictures an update and is scaled to this run's; not set: as written",
        kind=int,
    ),
    Key("warmup_step", 500, "steps of linear warm-up"),
    Key("warmup_ratio", 1 / 3, "learning rate at step 0 over base_lr"),
    Key(
        "sgd_momentum",
        0.9,
        "another name of momentum; as in the original, 0.91 is what acts when neither is written",
        alias="momentum",
    ),
    # training
    Key("batch_size", 2, "pictures a step and device"),
    Key("accumulate_steps", 1, "batches whose gradients are averaged for one update of the weights"),
    Key(
        "loss_scale",
        1,
        "what the loss is multiplied by before its gradients are taken (float16), or 'dynamic'",
        kind=("dynamic", float),
    ),
    Key(
        "loss_scale_window",
        2000,
        "loss_scale=dynamic: finite updates after which it is doubled; it is halved at every one that overflows",
    ),
    Key("momentum", 0.91, "momentum of SGD"),
    Key("optimizer", "sgd", "'sgd' with momentum, or 'adamw'", choices=("sgd", "adamw")),
    Key("clip_grad_norm", None, "limit of the gradients' global L2 norm", kind=float),
    Key(
        "clip_grad_value", None, "limit of every gradient's absolute value, before clip_grad_norm", kind=float
    ),
    Key("weight_decay", 1e-4, "weight decay, not on norms"),
    Key("decay_biases", True, "weight decay on biases too"),
    Key(
        "ema_decay",
        None,
        "keep an average of the weights that fades by this factor an update (0.999, say); evaluated and saved beside them",
        kind=float,
    ),
    Key(
        "pretrain_epoch_size",
        0,
        "over 0: pre_trained is a whole model to go on from, at this epoch of the schedule",
    ),
    Key("epoch_size", 12, "epochs to train"),
    Key("max_steps", None, "end after this many steps of the run", kind=int),
    Key("seed", 1, "seed of weights, order, augmentation and sampling"),
    Key(
        "log_interval",
        1,
        "steps between lines of loss_{rank}.log, of metrics.jsonl and of TensorBoard's scalars",
    ),
    Key("tensorboard", True, "write TensorBoard's event files into tensorboard/ of the work folder"),
    Key(
        "eval_interval",
        None,
        "epochs between evaluations while training, by which best.ckpt is chosen; not set: none",
        kind=int,
    ),
    Key("early_stop", None, "end after so many evaluations without a better AP; not set: never", kind=int),
    Key(
        "picture_interval",
        None,
        "steps between pictures of detections in TensorBoard; not set: after each evaluation",
        kind=int,
    ),
    Key("profile", None, "write where so many steps went, by operator, to profile.csv, and end", kind=int),
    Key("save_checkpoint", True, "whether checkpoints are written"),
    Key("save_checkpoint_epochs", 1, "epochs between checkpoints"),
    Key("save_checkpoint_steps", None, "also every so many steps", kind=int),
    Key(
        "save_checkpoint_minutes",
        "auto",
        "minutes between writes of latest.ckpt, from which resume=auto goes on; auto: after a twentieth of the "
        "time so far, within ten minutes, at most 2% of the time; 0: never",
        kind=("auto", float),
    ),
    Key("keep_checkpoint_max", 12, "checkpoints kept, the newest"),
    Key("save_checkpoint_path", "./", "the folder that holds checkpoint/; relative to the work folder"),
    Key(
        "resume",
        None,
        "the checkpoint to go on from; auto: the newest whole one of the work folder, or none if there is none",
        kind=str,
    ),
    Key(
        "check_sync_steps",
        "auto",
        "several devices: compare all ranks' weights and optimiser states after every so many steps; auto: every "
        "half minute; 0: never",
        kind=("auto", int),
    ),
    Key("pre_trained", None, "weights to start from (train)", kind=str),
    Key("checkpoint_path", None, "weights to use (eval, export, predict)", kind=str),
    Key(
        "device_target", "auto", "Ascend, CPU, or auto: Ascend where it is", choices=("auto", "Ascend", "CPU")
    ),
    Key(
        "shapes",
        "auto",
        "'dynamic': work on real RoIs only (CPU); 'static': padded shapes (Ascend, exported files); auto by device",
        choices=("auto", "static", "dynamic"),
    ),
    Key(
        "cpu_kernels",
        "auto",
        "'on': this project's compiled kernels (CPU); 'off': MindSpore's operators; auto by device",
        choices=("auto", "on", "off"),
    ),
    Key(
        "compute_type",
        "auto",
        "type of convolutions and matrix products: float32 or float16; auto: amp_level's, else float16 on Ascend",
        choices=("auto", "float32", "float16"),
    ),
    Key(
        "amp_level",
        "auto",
        "mixed precision: 'O0' all float32; 'O2' float16 but for norms, boxes and losses; 'O3' gn and sync_bn in float16 too; "
        "auto: compute_type's",
        choices=("auto", "O0", "O2", "O3"),
    ),
    Key(
        "compile_cache",
        "auto",
        "compiled graphs kept between runs, so that a second start reads its graph: 'auto' in the user's cache folder "
        "(~/.cache/maskrcnn_mindspore), on the CPU alone; 'off'; or a folder, on any device",
        words=("auto", "off"),
    ),
    # data
    Key("dataset", "coco", "'coco' (JSON) or 'other' (txt)", choices=("coco", "other")),
    Key(
        "mindrecord_dir",
        None,
        "folder of the MindRecord files; not set: ./mindrecord/<digest of source and settings>",
        kind=str,
    ),
    Key(
        "shard_mb",
        None,
        "size of a MindRecord file in MB, about; not set: a 64th of the data, at least 128",
        kind=float,
    ),
    Key("coco_root", "./data", "folder of a COCO-format data set"),
    Key("train_data_type", "train2017", "picture folder and annotation name of the training split"),
    Key("val_data_type", "val2017", "the same of the evaluation split"),
    Key("instance_set", "annotations/instances_{}.json", "annotation file below coco_root"),
    Key("ann_file", None, "annotations to evaluate, instead of the evaluation split's", kind=str),
    Key("IMAGE_DIR", None, "dataset=other: folder the txt file's paths start from", kind=str),
    Key("ANNO_PATH", None, "dataset=other: the txt file", kind=str),
    Key("keep_empty", False, "train on pictures without objects too"),
    Key(
        "check_data",
        "full",
        "check of the data before it is converted: 'full' decodes every picture, 'quick' reads their headers and ends, "
        "'off' the annotations alone",
        choices=("full", "quick", "off"),
    ),
    Key(
        "bad_pictures",
        "error",
        "'error': a picture that cannot be used ends the run before its first step; 'skip': it is left out, and said",
        choices=("error", "skip"),
    ),
    Key("num_parallel_workers", 2, "processes that convert and prepare pictures"),
    Key(
        "coco_classes",
        COCO_CLASSES,
        "class names, 'background' first; 'auto': the JSON's",
        kind=("auto", (str,)),
    ),
    Key("num_classes", 81, "derived: the number of coco_classes"),
)


def load_config(words=(), config_file=None) -> Config:
    """The frozen configuration from a YAML file (or None) and `KEY=VALUE` words; a ConfigError names what is wrong."""
    values, written = read_settings(KEYS, config_file, words)
    return Config(finalize(values, written), written)


def changed(config, **changes) -> Config:
    """A copy of `config` with other values, as if the user had written them: derived keys are computed and checked again."""
    written = config.written | set(changes)
    return Config(finalize({**config.replace(**changes)}, written), written)


def settings_from(config, origin, settings) -> Config:
    """`config` with the settings that `origin` (a checkpoint's name) carries, for the keys the user did not write."""
    known = {name: value for name, value in settings.items() if name in config}
    values = {**config, **known}
    derived_anew = config.written | set(known)
    try:
        return Config(finalize(values, derived_anew), derived_anew)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None
