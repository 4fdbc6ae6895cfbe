"""`check_data.py`'s job: check, print, and write the report, its plots and the pictures to look at."""

from __future__ import annotations

from pathlib import Path

from ..data.annotations.sources import resolve_classes
from ..data.check.data_check import check_data, report_text
from ..data.check.statistics import columns_of, data_statistics, statistics_text
from ..errors import ConfigError


def report_data(config, split, out, limit=10_000, browse=0):
    """Check a split, print the report and write out/data_report.json and .png, and with browse > 0 out/data_browse/; returns the exit code."""
    if limit < 1 or browse < 0:
        raise ConfigError(f"--limit {limit} --browse {browse}: a limit from 1 and a number from 0 expected")
    check = check_data(config, split, limit=limit)
    source, out = check.source, Path(out)
    print(
        "\n".join([f"{check.findings.annotation_file} (check_data={check.mode})", "", *report_text(check)]), flush=True
    )
    written = [out / "data_report.json"]
    if source is not None and source.records:
        config = resolve_classes(config, source)
        columns = columns_of(config, source)
        check.statistics = data_statistics(config, source, columns)
        print("\n".join(["", *statistics_text(check.statistics), ""]), flush=True)
        check.save(written[0])
        from .display.data_plots import plot_statistics  # matplotlib takes a second to load

        written.append(out / "data_report.png")
        plot_statistics(config, source, written[-1], columns)
        if browse:
            from .display.browse import browse_data

            written += browse_data(config, source, browse, out / "data_browse")
    else:
        check.save(written[0])
    print(
        "wrote "
        + ", ".join(map(str, written[:6]))
        + (f" and {len(written) - 6} more" if len(written) > 6 else ""),
        flush=True,
    )
    return check.exit_code
