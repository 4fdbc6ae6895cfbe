"""Constants of oneDNN 2.2's header dnnl_types.h; the comments give their names there."""

FLOAT32 = 3  # dnnl_f32 of dnnl_data_type_t
ANY_LAYOUT = 1  # dnnl_format_tag_any of dnnl_format_tag_t: oneDNN chooses
CPU = 1  # dnnl_cpu of dnnl_engine_kind_t
DEFAULT_STREAM = 1  # dnnl_stream_default_flags of dnnl_stream_flags_t
FORWARD_TRAINING = 64  # dnnl_forward_training of dnnl_prop_kind_t
DIRECT = 1  # dnnl_convolution_direct of dnnl_alg_kind_t
SCRATCHPAD_USER = 1  # dnnl_scratchpad_mode_user of dnnl_scratchpad_mode_t: the caller gives scratch memory

# Which argument of a primitive a memory is: the DNNL_ARG_* macros.
SRC = 1  # DNNL_ARG_SRC, also DNNL_ARG_FROM of a reorder
DST = 17  # DNNL_ARG_DST, also DNNL_ARG_TO of a reorder
WEIGHTS = 33  # DNNL_ARG_WEIGHTS
BIAS = 41  # DNNL_ARG_BIAS
SCRATCHPAD = 80  # DNNL_ARG_SCRATCHPAD
DIFF_SRC = 129  # DNNL_ARG_DIFF_SRC
DIFF_DST = 145  # DNNL_ARG_DIFF_DST
DIFF_WEIGHTS = 161  # DNNL_ARG_DIFF_WEIGHTS

# What to ask a primitive descriptor for an argument's memory descriptor: dnnl_query_t.
QUERIES = {
    SRC: 129,  # dnnl_query_src_md
    DIFF_SRC: 130,  # dnnl_query_diff_src_md
    WEIGHTS: 131,  # dnnl_query_weights_md
    DIFF_WEIGHTS: 132,  # dnnl_query_diff_weights_md
    DST: 133,  # dnnl_query_dst_md
    DIFF_DST: 134,  # dnnl_query_diff_dst_md
    SCRATCHPAD: 136,  # dnnl_query_scratchpad_md
}

# dnnl_memory_desc_t and dnnl_convolution_desc_t are filled by oneDNN and never read here.
DESCRIPTOR_BYTES = 16384  # more than any of these structures has
MAX_DIMS = 12  # DNNL_MAX_NDIMS
