"""Each function has its own environment variables; the test keeps those of its process."""

from __future__ import annotations

import os
from os import environ

SPEAKING = {"Environment": {"Variables": {"LANGUAGE_OF_CHOICE": "Basque"}}}


def test_a_function_sees_lambdas_variables_and_its_own_and_nothing_else(systems, monkeypatch):
    """What is exported in the developer's shell does not leak into a function."""
    monkeypatch.setenv("SECRET_OF_MY_SHELL", "leaked")
    _, ask = systems.function(
        {"app.py": "import os\ndef handler(event, context): return dict(os.environ)", **SPEAKING},
    )

    seen = ask()

    assert "SECRET_OF_MY_SHELL" not in seen
    assert "Basque" == seen["LANGUAGE_OF_CHOICE"]
    assert ("Fn", "us-east-1", "app.handler", ":UTC") == tuple(
        seen[name] for name in ("AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "_HANDLER", "TZ")
    )


def test_every_way_to_read_and_write_agrees(systems):
    """`os.environ`, `os.getenv` and an `environ` that was imported earlier are the same thing."""
    _, ask = systems.function(
        {
            "app.py": """
            import os
            from os import environ, getenv
            def handler(event, context):
                environ["MINE"] = "1"
                found = [os.getenv("MINE"), getenv("LANGUAGE_OF_CHOICE"), "MINE" in os.environ, environ.get("NONE", "-")]
                del os.environ["MINE"]
                environ.setdefault("OTHER", "2")
                found += ["MINE" in environ, os.environ.pop("OTHER"), len(environ) == len(list(environ)), "OTHER" in environ.copy()]
                try:
                    environ["NUMBER"] = 1
                except TypeError as error:
                    found.append(str(error))
                return found
            """,
            **SPEAKING,
        }
    )

    assert ["1", "Basque", True, "-", False, "2", True, False, "str expected, not int"] == ask()


def test_an_environ_that_was_imported_before_the_world_is_reached(systems):
    """A shared helper of the test that kept `environ` sees the variables of whichever function calls it."""
    stage = systems.open(dict.fromkeys(("A", "B"), "def handler(event, context): return helper()"))
    for name in ("A", "B"):
        stage.module(name).helper = lambda: environ["AWS_LAMBDA_FUNCTION_NAME"]

    assert ["A", "B"] == [stage.invoke(name).payload for name in ("A", "B")]
    assert "AWS_LAMBDA_FUNCTION_NAME" not in environ


def test_changes_stay_in_the_environment_that_made_them(systems):
    """A warm start finds them, a cold start and the test do not."""
    stage, ask = systems.function(
        """
        import os
        def handler(event, context):
            before, os.environ["SEEN"] = os.environ.get("SEEN"), "yes"
            return before
        """
    )

    assert [None, "yes"] == [ask(), ask()]
    assert "SEEN" not in os.environ
    stage.reset()
    assert ask() is None


def test_child_processes_inherit_the_functions_variables(systems):
    """`subprocess` and `os.system` hand on what the function sees; waiting for a child takes no virtual time."""
    _, ask = systems.function(
        {
            "app.py": """
            import os, subprocess, time
            SAY = "echo $LANGUAGE_OF_CHOICE $SECRET_OF_MY_SHELL"
            def handler(event, context):
                began = time.monotonic()
                said = [
                    subprocess.check_output(SAY, shell=True, text=True).strip(),
                    subprocess.run(["/bin/sh", "-c", SAY], capture_output=True, text=True, timeout=20).stdout.strip(),
                    os.popen(SAY).read().strip(),
                    subprocess.check_output(SAY, shell=True, text=True, env={"LANGUAGE_OF_CHOICE": "Welsh"}).strip(),
                    os.system("sleep 0.05; exit 3") >> 8,
                    subprocess.Popen(["/bin/sh", "-c", "sleep 0.05"]).wait(timeout=20),
                ]
                return [said, time.monotonic() - began]
            """,
            **SPEAKING,
        }
    )

    assert [["Basque", "Basque", "Basque", "Welsh", 3, 0], 0.0] == ask()


def test_threads_of_a_function_see_its_variables(systems):
    """Also in pools, and while other functions' threads run in between."""
    _, ask = systems.function(
        """
        import os, time
        from concurrent.futures import ThreadPoolExecutor
        def read(_):
            time.sleep(1)
            return os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        def handler(event, context):
            with ThreadPoolExecutor(3) as pool:
                return list(pool.map(read, range(3)))
        """
    )

    assert ["Fn"] * 3 == ask()
