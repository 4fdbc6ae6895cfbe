"""The job of `check_data.py`: check, print, and write the report, its plots and drawn pictures."""

from __future__ import annotations

from ..config import Config
from ..data.check.data_check import check_data, report_text
from ..data.check.statistics import data_statistics, measure_objects
from ..data.check.statistics_table import statistics_text
from ..data_settings import data_check_settings, statistics_settings
from ..dataset import resolve_classes
from ..errors import ConfigError, one_line
from .output_folder import prepare_output_file, prepare_output_folder

_SHOWN_FILES = 6


def report_data(config: Config, split: str, out, limit: int = 10_000, browse: int = 0) -> int:
    """Check a split of the data and report on it.

    Args:
        config: The settings.
        split: "train" or "val".
        out: The folder for data_report.json, data_report.png and data_browse/.
        limit: The number of findings of a kind that are listed.
        browse: The number of pictures that are drawn with their objects.

    Returns:
        The exit code of `check_data.py`.
    """
    if limit < 1 or browse < 0:
        raise ConfigError(f"--limit {limit} --browse {browse}: a limit from 1 and a number from 0 expected")
    out = prepare_output_folder(out, "--out")
    report = prepare_output_file(out / "data_report.json", "--out")
    plots = prepare_output_file(out / "data_report.png", "--out")
    if browse:
        prepare_output_folder(out / "data_browse", "--out")
    check = check_data(data_check_settings(config, split), limit=limit)
    source = check.source
    title = f"{check.findings.annotation_file} (check_data={check.mode})"
    print("\n".join([title, "", *report_text(check)]), flush=True)
    written = [report]
    if source is None or not source.records:
        check.save(report)
    else:
        config = resolve_classes(config, source)
        settings = statistics_settings(config)
        objects = measure_objects(settings, source)
        check.statistics = data_statistics(settings, source, objects)
        print("\n".join(["", *statistics_text(check.statistics), ""]), flush=True)
        check.save(report)
        from .display.data_plots import plot_statistics  # matplotlib takes a second to load

        written.append(plots)
        plot_statistics(settings, source, plots, objects)
        if browse:
            from .display.browse import browse_data

            written += browse_data(config, source, browse, out / "data_browse")
    shown = ", ".join(map(str, written[:_SHOWN_FILES]))
    more = len(written) - _SHOWN_FILES
    print(one_line(f"wrote {shown}") + (f" and {more} more" if more > 0 else ""), flush=True)
    return check.exit_code
