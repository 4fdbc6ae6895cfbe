"""The check that a person with an Ascend card runs: `bash scripts/check_ascend.sh`."""
