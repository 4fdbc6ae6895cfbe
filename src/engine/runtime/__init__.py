"""MindSpore on this machine: the device and the kept graphs.

This file has to stay without imports and not empty: `compile_cache.py` shows it to MindSpore.
"""
