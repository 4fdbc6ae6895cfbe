"""Training: batch, optimiser, precision, evaluation, checkpoints, devices."""

from __future__ import annotations

from .key import Key

KEYS = (
    Key("batch_size", 2, "pictures a step and device", low=1),
    Key("accumulate_steps", 1, "batches whose gradients are averaged for one update of the weights", low=1),
    Key(
        "loss_scale",
        "auto",
        "what the loss is multiplied by before its gradients are taken, or 'dynamic'; auto: 1024 where "
        "compute_type is float16, so that small gradients do not become 0, else 1",
        kind=("auto", ("dynamic", float)),
        above=0,
    ),
    Key(
        "loss_scale_window",
        2000,
        "loss_scale=dynamic: finite updates after which it is doubled; it is halved at every one that "
        "overflows",
        low=1,
    ),
    Key("momentum", 0.91, "momentum of SGD", low=0, high=1),
    Key("optimizer", "sgd", "'sgd' with momentum, or 'adamw'", choices=("sgd", "adamw")),
    Key("clip_grad_norm", None, "limit of the gradients' global L2 norm", kind=float, above=0),
    Key(
        "clip_grad_value",
        None,
        "limit of every gradient's absolute value, before clip_grad_norm",
        kind=float,
        above=0,
    ),
    Key("weight_decay", 0.0001, "weight decay, not on norms", low=0),
    Key("decay_biases", True, "weight decay on biases too"),
    Key(
        "ema_decay",
        None,
        "keep an average of the weights that fades by this factor an update (0.999, say); evaluated and "
        "saved beside them",
        kind=float,
        low=0,
        high=1,
    ),
    Key(
        "pretrain_epoch_size",
        0,
        "over 0: pre_trained is a whole model to go on from, at this epoch of the schedule",
        low=0,
        in_graph=False,
    ),
    Key("epoch_size", 12, "epochs to train", low=1, in_graph=False),
    Key(
        "max_steps",
        None,
        "end after this many steps of the run",
        kind=int,
        low=1,
        per_call=True,
        in_graph=False,
    ),
    Key(
        "seed", 1, "seed of weights, order, augmentation and sampling", low=0, high=2**32 - 1, in_graph=False
    ),
    Key(
        "log_interval",
        1,
        "steps between lines of loss_{rank}.log, of metrics.jsonl and of TensorBoard's scalars",
        low=1,
        in_graph=False,
    ),
    Key(
        "tensorboard",
        True,
        "write TensorBoard's event files into tensorboard/ of the work folder",
        in_graph=False,
    ),
    Key(
        "tracker",
        "none",
        "hand settings, figures and report.html to a tracker of experiments too: mlflow (in the folder "
        "mlruns/, or where MLFLOW_TRACKING_URI says), or wandb (offline files in wandb/)",
        choices=("none", "mlflow", "wandb"),
        in_graph=False,
    ),
    Key(
        "eval_interval",
        None,
        "epochs between evaluations while training, by which best.ckpt is chosen; not set: none",
        kind=int,
        low=1,
        in_graph=False,
    ),
    Key(
        "early_stop",
        None,
        "end after so many evaluations without a better AP; not set: never",
        kind=int,
        low=1,
        in_graph=False,
    ),
    Key(
        "picture_interval",
        None,
        "steps between pictures of detections in TensorBoard; not set: after each evaluation",
        kind=int,
        low=1,
        in_graph=False,
    ),
    Key(
        "profile",
        None,
        "write where so many steps went, by operator, to profile.csv, and end",
        kind=int,
        low=1,
        in_graph=False,
    ),
    Key("save_checkpoint", True, "whether checkpoints are written", in_graph=False),
    Key("save_checkpoint_epochs", 1, "epochs between checkpoints", low=1, in_graph=False),
    Key("save_checkpoint_steps", None, "also every so many steps", kind=int, low=1, in_graph=False),
    Key(
        "save_checkpoint_minutes",
        "auto",
        "minutes between writes of latest.ckpt, from which resume=auto goes on; auto: after a twentieth "
        "of the time so far, within ten minutes, at most 2% of the time; 0: never",
        kind=("auto", float),
        low=0,
        in_graph=False,
    ),
    Key("keep_checkpoint_max", 12, "checkpoints kept, the newest", low=1, in_graph=False),
    Key(
        "save_checkpoint_path",
        "./",
        "the folder that holds checkpoint/; relative to the work folder",
        path=True,
        in_graph=False,
    ),
    Key(
        "resume",
        None,
        "the checkpoint to go on from; auto: the newest whole one of the work folder, or none if there "
        "is none",
        kind=str,
        words=("auto",),
        per_host=True,
        per_call=True,
        path=True,
        in_graph=False,
    ),
    Key(
        "check_sync_steps",
        "auto",
        "several devices: compare all ranks' weights and optimiser states after every so many steps; "
        "auto: every half minute; 0: never",
        kind=("auto", int),
        low=0,
        in_graph=False,
    ),
    Key(
        "pre_trained",
        None,
        "weights to start from (train)",
        kind=str,
        per_host=True,
        path=True,
        in_graph=False,
    ),
    Key(
        "checkpoint_path",
        None,
        "weights to use (eval, export, predict)",
        kind=str,
        per_call=True,
        path=True,
        in_graph=False,
    ),
    Key(
        "device_target",
        "auto",
        "Ascend, CPU, or auto: Ascend where it is",
        choices=("auto", "Ascend", "CPU"),
        per_call=True,
    ),
    Key(
        "shapes",
        "auto",
        "'dynamic': work on real RoIs only (CPU); 'static': padded shapes (Ascend, exported files); "
        "auto by device",
        choices=("auto", "static", "dynamic"),
    ),
    Key(
        "cpu_kernels",
        "auto",
        "'on': this project's compiled kernels (CPU); 'off': MindSpore's operators; auto by device",
        choices=("auto", "on", "off"),
    ),
    Key(
        "nms",
        "auto",
        "how boxes are suppressed: 'operator' by MindSpore's NMSWithMask; 'matrix' by a matrix of IoUs in "
        "float32; auto: the CPU's kernel, the matrix on Ascend 910 and for over 2,864 boxes on Ascend, else "
        "the operator",
        choices=("auto", "operator", "matrix"),
    ),
    Key(
        "compute_type",
        "auto",
        "type of convolutions and matrix products; bfloat16 needs an Atlas A2, and no loss scale; auto: "
        "amp_level's, else float16 on Ascend and float32 on the CPU",
        choices=("auto", "float32", "float16", "bfloat16"),
    ),
    Key(
        "amp_level",
        "auto",
        "mixed precision: 'O0' all float32; 'O2' float16 but for norms, boxes and losses; 'O3' gn and "
        "sync_bn in float16 too; auto: compute_type's",
        choices=("auto", "O0", "O2", "O3"),
    ),
    Key(
        "jit_level",
        "auto",
        "how MindSpore executes a graph on Ascend: 'O0' kernel by kernel; 'O1' the same, operators fused; "
        "'O2' the whole graph by CANN's graph engine; auto: MindSpore's choice, O2 on Ascend 910 and O0 on "
        "Atlas A2",
        choices=("auto", "O0", "O1", "O2"),
        in_graph=False,  # the digest of a kept graph holds MindSpore's own
    ),
    Key(
        "compile_cache",
        "auto",
        "compiled graphs kept between runs, so that a second start reads its graph: 'auto' in the "
        "user's cache folder (~/.cache/maskrcnn_mindspore), on the CPU alone; 'off'; or a folder, on "
        "any device",
        words=("auto", "off"),
        path=True,
        in_graph=False,
    ),
)
