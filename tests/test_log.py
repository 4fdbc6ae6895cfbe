"""The project's logger, as the entry points configure it."""

import logging

import pytest

from src import log


@pytest.fixture
def configured():
    """The logger with its handler; afterwards it is as before."""
    log.configure_logging()
    log.configure_logging()  # a second time changes nothing
    yield log.logger
    log.set_log_rank(0)
    log.logger.removeHandler(log._console)
    log.logger.setLevel(logging.NOTSET)
    log.logger.propagate = True


def test_notices_are_plain_and_warnings_have_their_level(configured, capsys):
    configured.info("passed over %s", "a.ckpt")
    configured.warning("the graph is not kept")
    assert capsys.readouterr() == ("passed over a.ckpt\n", "warning: the graph is not kept\n")


def test_other_ranks_lines_begin_with_their_number(configured, capsys):
    log.set_log_rank(3)
    configured.info("converted")
    configured.warning("MindSpore 2.9 is installed")
    assert capsys.readouterr() == ("rank 3: converted\n", "rank 3: warning: MindSpore 2.9 is installed\n")
