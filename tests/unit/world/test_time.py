"""Time is the world's for the test and for handlers, and real for everybody else."""

from __future__ import annotations

import os
import threading
import time
import timeit
from datetime import UTC, datetime
from time import sleep as sleep_by_name

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

READ_EVERY_CLOCK = """
    import time, datetime
    def handler(event, context):
        def read():
            return [time.time(), datetime.datetime.now(datetime.timezone.utc).timestamp(), time.monotonic(), time.perf_counter()]
        before = read()
        time.sleep(2)
        return [after - start for after, start in zip(read(), before)]
"""


def test_every_clock_of_a_handler_moves_by_exactly_what_it_slept(systems):
    """Wall clock and monotonic clocks agree to the nanosecond that floats allow."""
    _, ask = systems.function(READ_EVERY_CLOCK)

    began = timeit.default_timer()
    assert [2.0, 2.0, 2.0, 2.0] == [round(span, 6) for span in ask()]

    assert timeit.default_timer() - began < 1


def test_the_test_itself_lives_in_virtual_time(systems):
    """A sleep in a test lets the world run for that long and costs nothing."""
    systems.open()
    assert time.time() == START
    monotonic, perf, ns = time.monotonic(), time.perf_counter(), time.time_ns()

    time.sleep(3600)

    assert time.time() == START + 3600
    assert datetime.now(UTC).timestamp() == START + 3600
    assert round(time.monotonic() - monotonic, 6) == 3600
    assert round(time.perf_counter() - perf, 6) == 3600
    assert time.time_ns() - ns == 3600 * 10**9


def test_a_sleep_that_a_module_took_by_name_is_virtual(systems):
    """`from time import sleep` at the top of a test module, or of a handler, is reached like any other."""
    _, ask = systems.function(
        """
        from time import sleep, monotonic
        def handler(event, context):
            began = monotonic()
            sleep(1.5)
            return monotonic() - began
        """
    )
    began = timeit.default_timer()
    sleep_by_name(3600)

    assert time.time() == START + 3600
    assert 1.5 == round(ask(), 6)
    assert timeit.default_timer() - began < 1


def test_names_taken_from_time_are_real_again_after_the_world(systems):
    """What was found in a test module is put back."""
    before = sleep_by_name
    stage = systems.open()
    assert sleep_by_name is not before

    stage.close()

    assert sleep_by_name is before
    assert time.sleep is before


def test_time_is_real_in_other_threads(systems):
    """A thread that was there before the world (xdist, a debugger) sees the real clock and really sleeps."""
    ask, answers = threading.Event(), []

    def other():
        ask.wait()
        began = timeit.default_timer()
        time.sleep(0.05)
        answers.append((time.time(), datetime.now(UTC).timestamp(), timeit.default_timer() - began))

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    stage = systems.open()
    ask.set()
    stage.close()
    thread.join()

    wall, now, slept = answers[0]
    assert abs(wall - time.time()) < 60
    assert abs(now - time.time()) < 60
    assert slept >= 0.05


def test_naive_local_time_is_utc_and_the_zone_comes_back(systems, monkeypatch):
    """Whatever zone the machine is in, `datetime.now()` in the world is what it is on Lambda."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    stage, ask = systems.function(
        """
        import datetime, time
        def handler(event, context):
            return [datetime.datetime.now().isoformat(), time.strftime("%H:%M", time.localtime())]
        """
    )

    assert ["2026-01-01T00:00:00", "00:00"] == ask()
    assert datetime.now().isoformat() == "2026-01-01T00:00:00"  # noqa: DTZ005

    stage.close()
    assert os.environ["TZ"] == "Asia/Tokyo"
    assert time.tzname == ("JST", "JST")


def test_a_loop_that_polls_a_deadline_without_sleeping_long_gets_there(systems):
    """`time.sleep(0)` takes a little, so time passes in the end."""
    _, ask = systems.function(
        """
        import time
        def handler(event, context):
            until, rounds = time.monotonic() + 0.01, 0
            while time.monotonic() < until:
                time.sleep(0)
                rounds += 1
            return rounds
        """
    )

    assert 900 <= ask() <= 1100


def test_a_negative_sleep_is_refused_as_everywhere(systems):
    """`time.sleep(-1)` raises ValueError in the world too."""
    stage, _ = systems.function("import time\ndef handler(event, context): time.sleep(-1)")

    assert stage.invoke("Fn").error == "ValueError"


def test_durations_in_reports_are_real(pytester):
    """pytest's own durations say how long a test really took."""
    pytester.makepyfile(
        """
        import time
        from stagefright.world import World

        def test_hour():
            world = World()
            world.open()
            world._deployed = None
            time.sleep(3600)
            world.close()
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:stagefright", "--durations=1", "-vv")

    result.assert_outcomes(passed=1)
    seconds = [float(line.split("s ")[0]) for line in result.outlines if "s call" in line]
    assert seconds
    assert seconds[0] < 30
