"""
What `serverless package` wrote stands up as it is: its template, and its zips.

The output in the two `sls_...` apps is real; `generate.py` makes it anew.
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

import stagefright
from stagefright.errors import StagefrightWarning, TemplateError, UnknownResource

APPS = Path(__file__).parent


@pytest.fixture
def stand():
    """Stand the project in a directory up, from what is found there; it is dropped when the test ends."""
    stages = []

    def stand(directory, **settings):
        stages.append(stagefright.open_stage("dev", directory=directory, **settings))
        return stages[-1]

    yield stand
    for stage in reversed(stages):
        stage.close()


@pytest.fixture
def copy_of(tmp_path):
    """A copy of an app, to be changed."""

    def copy_of(app):
        return shutil.copytree(APPS / app, tmp_path / app)

    return copy_of


def lines_of(stage, function):
    """What a function printed."""
    printed = [record.detail["line"] for record in stage.journal if (record.kind, record.resource) == ("log", function)]
    return [line for line in printed if not line.startswith(("START", "END", "REPORT", "INIT_START"))]


class TestOrders:
    """An HTTP API, a topic, a queue, a table's stream, a rule and a bucket, each with a function behind it."""

    @pytest.fixture
    def stage(self, stand):
        return stand(APPS / "sls_orders")

    def test_an_order_goes_all_the_way(self, stage):
        """Every event source that the framework wrote out delivers."""
        answer = stage.http.post("/orders", json={"id": "o-1"})
        assert (answer.status_code, answer.json()) == (201, {"id": "o-1"})
        assert stage.http.get("/orders/o-1").json() == {"id": "o-1"}

        stage.client("sqs").send_message(QueueUrl=stage.outputs["QueueUrl"], MessageBody=json.dumps({"id": "o-1"}))
        stage.client("s3").put_object(Bucket=stage.ref("S3BucketOrdersdevinvoices"), Key="o-1.pdf", Body=b"%PDF")
        stage.client("s3").put_object(Bucket=stage.ref("S3BucketOrdersdevinvoices"), Key="o-1.txt", Body=b"text")
        stage.settle()

        assert lines_of(stage, "BillLambdaFunction") == ['bill {"id": "o-1"}']
        assert lines_of(stage, "AuditDashlogLambdaFunction") == ["audit INSERT o-1"]
        assert lines_of(stage, "AnnounceLambdaFunction") == ['announce {"id": "o-1"}']
        assert lines_of(stage, "InvoiceLambdaFunction") == ["invoice o-1.pdf"]

    def test_outputs_versions_and_names(self, stage):
        """The framework's outputs have values, and each function a version; its name is the one that the framework chose."""
        assert stage.outputs["HttpApiUrl"].startswith("https://")
        assert stage.outputs["PlaceLambdaFunctionQualifiedArn"].endswith(":function:orders-dev-place:1")
        assert stage.invoke("orders-dev-announce", {"detail": {}}).error is None

    def test_a_name_of_serverless_yml_suggests_the_logical_id(self, stage):
        """Logical ids are the names on a stage, as they are in flows and plans."""
        with pytest.raises(UnknownResource, match=r"no resource 'audit-log'\. .*you mean AuditDashlogLambdaFunction"):
            stage.ref("audit-log")

    def test_code_runs_as_the_files_of_the_project(self, stage):
        """Breakpoints and coverage look for it there; the package says what there is, and the files are equal."""
        stage.invoke("AnnounceLambdaFunction", {"detail": {}})

        assert stage.module("AnnounceLambdaFunction").__file__ == str(APPS / "sls_orders" / "src" / "consumers.py")


class TestGallery:
    """`package: individually`, a REST API, a stream and a schedule."""

    @pytest.fixture
    def stage(self, stand):
        return stand(APPS / "sls_gallery")

    def test_the_rest_api_answers(self, stage):
        """Its deployment's id has a timestamp in it, and its stage is a by-product of that."""
        assert stage.http.get("/pictures/cat").json() == {"pictures": ["[cat]"]}
        assert stage.outputs["ServiceEndpoint"].endswith("/dev")

    def test_the_stream_and_the_schedule_reach_their_functions(self, stage):
        """One record, one night."""
        stage.client("kinesis").put_record(StreamName=stage.ref("Views"), PartitionKey="a", Data=b"cat")
        stage.settle()
        stage.clock.advance("1d")

        assert lines_of(stage, "ViewedLambdaFunction") == ["viewed cat"]
        assert lines_of(stage, "NightlyLambdaFunction") == ["nightly"]

    def test_a_bucket_that_is_taken_for_existing_notifies(self, stage):
        """A custom resource of the framework adds the notification; the bucket itself is nobody's, and there."""
        for key in ("cat.jpg", "cat.txt"):
            stage.client("s3").put_object(Bucket="gallery-uploads", Key=key, Body=b"")
        stage.settle()

        assert lines_of(stage, "ViewedLambdaFunction") == ["viewed cat.jpg"]

    def test_each_function_has_its_own_package_only(self, stage):
        """What is not packaged with a function cannot be imported by it, although it lies in the project."""
        stage.invoke("ViewedLambdaFunction", {"Records": []})

        with pytest.raises(ImportError):
            stage.module("ViewedLambdaFunction", "src.pictures")


class TestChangedSince:
    def test_code_that_was_edited_since_runs_as_packaged_and_warns(self, copy_of, stand):
        """What would be deployed is what runs; the warning names the file and the command."""
        app = copy_of("sls_gallery")
        (app / "src" / "pictures.py").write_text("raise RuntimeError('not this')\n")

        with pytest.warns(StagefrightWarning, match=r"list\.zip is older than your src/pictures\.py.*`sls package`"):
            stage = stand(app)

        assert stage.http.get("/pictures").status_code == 200

    def test_a_package_without_its_sources_runs_too(self, tmp_path, stand):
        """Only `.serverless/` was handed on, as between the jobs of a pipeline."""
        shutil.copytree(APPS / "sls_gallery" / ".serverless", tmp_path / ".serverless")

        stage = stand(tmp_path)

        assert stage.http.get("/pictures").status_code == 200
        assert str(tmp_path) not in stage.module("ListLambdaFunction").__file__

    def test_dependencies_in_the_zip_are_found_beside_the_project_s_own_files(self, copy_of, stand):
        """As plugins for Python requirements pack them: at the root of the zip, and nowhere in the project."""
        app = copy_of("sls_gallery")
        (app / "src" / "pictures.py").write_text(
            "import packed_dependency\n\ndef list_all(*_):\n    return packed_dependency.ANSWER\n"
        )
        with zipfile.ZipFile(app / ".serverless" / "list.zip", "w") as bundle:
            bundle.write(app / "src" / "pictures.py", "src/pictures.py")
            bundle.writestr("packed_dependency.py", "ANSWER = 42\n")

        stage = stand(app)

        assert stage.invoke("ListLambdaFunction").payload == 42
        assert stage.module("ListLambdaFunction").__file__ == str(app / "src" / "pictures.py")
        assert "packed_dependency" not in sys.modules

    def test_a_missing_zip_is_a_mistake_of_the_template(self, copy_of, stand):
        """It names the function, the zip and the command."""
        app = copy_of("sls_orders")
        (app / ".serverless" / "orders.zip").unlink()

        with pytest.raises(
            TemplateError, match=r"(?s)PlaceLambdaFunction.*orders\.zip, which is not there.*`sls package`"
        ):
            stand(app)

    def test_the_directory_can_be_named(self, stand, copy_of):
        """`template` may be the directory that the framework wrote, wherever it is."""
        app = copy_of("sls_gallery")
        (app / ".serverless").rename(app / "package")

        assert stand(app, template="package").http.get("/pictures").status_code == 200
