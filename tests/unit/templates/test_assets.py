"""Which local file a template means by an address in a bucket that only the deploying tool will fill."""

from __future__ import annotations

from pathlib import Path

import pytest

from stagefright.templates.assets import Assets
from stagefright.templates.sources import Source, source_of

OUT = Path("/project/cdk.out")
ASSETS = Assets(OUT, "cdk synth", {"abc.zip": OUT / "asset.abc", "prefix/def.json": OUT / "def.json"})
BUCKET = {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"S3Bucket": BUCKET, "S3Key": "abc.zip"}, OUT / "asset.abc"),
        ({"Bucket": BUCKET, "Key": "prefix/def.json"}, OUT / "def.json"),
        ({"S3Bucket": "b", "S3Key": {"Fn::Sub": "${Prefix}/abc.zip"}}, OUT / "asset.abc"),
        (
            {"Fn::Sub": "https://s3.${AWS::Region}.${AWS::URLSuffix}/bucket-${AWS::AccountId}/abc.zip"},
            OUT / "asset.abc",
        ),
        ({"Fn::Join": ["", ["https://s3.", {"Ref": "AWS::Region"}, "/", BUCKET, "/abc.zip"]]}, OUT / "asset.abc"),
        ({"Fn::Join": ["/", ["https://s3.amazonaws.com", {"Ref": "Bucket"}, "a/b/abc.zip"]]}, OUT / "asset.abc"),
        ("https://s3.eu-west-1.amazonaws.com/bucket/prefix/def.json", OUT / "def.json"),
        ("s3://bucket/abc.zip", OUT / "asset.abc"),
        ({"S3Bucket": "mine", "S3Key": "other.zip"}, None),
        ({"ZipFile": "def handler(*_): ..."}, None),
        ({"Ref": "Url"}, None),
        ({"Fn::Join": ["", ["https://", {"Ref": "Url"}]]}, None),
        ("local/path", None),
    ],
)
def test_the_key_names_the_asset(value, path):
    """However the bucket before it is written; a key that is nobody's stays an address."""
    assert ASSETS.find(value, {}, "Code") == path


def test_metadata_names_it_where_the_key_is_a_parameter():
    """As the first synthesizer of CDK wrote it; only for the property that it is about."""
    metadata = {"Metadata": {"aws:asset:path": "asset.abc", "aws:asset:property": "Code"}}
    value = {"S3Bucket": {"Ref": "Bucket"}, "S3Key": {"Fn::Select": [0, {"Fn::Split": ["||", {"Ref": "Key"}]}]}}

    assert ASSETS.find(value, metadata, "Code") == OUT / "asset.abc"
    assert ASSETS.find(value, metadata, "Content") is None


def test_a_key_with_the_tool_s_prefix_is_an_asset_that_is_missing():
    """The path says where it should be."""
    assets = Assets(OUT, "sls package", {}, prefix="serverless/orders/dev/123")

    found = assets.find({"S3Bucket": "b", "S3Key": "serverless/orders/dev/123/orders.zip"}, {}, "Code")

    assert found == OUT / "orders.zip"
    assert "Run `sls package` again." in assets.missing(found, "Code")


class TestWhereItWasMadeFrom:
    """CDK does not say which directory it copied."""

    @pytest.fixture
    def assets(self, tmp_path):
        """A project with two functions, and a copy of each; `write` changes a file."""
        for name in ("a", "b"):
            for directory in (tmp_path / name, tmp_path / "cdk.out" / f"asset.{name}"):
                directory.mkdir(parents=True)
                lines = [f"LINE_{number} = {number}" for number in range(8)]
                (directory / "index.py").write_text("\n".join([*lines, f"NAME = {name!r}", ""]))
        packages = {f"{name}.zip": tmp_path / "cdk.out" / f"asset.{name}" for name in ("a", "b")}
        return Assets(tmp_path / "cdk.out", "cdk synth", packages, sources=tmp_path)

    def test_the_directory_with_equal_files(self, assets, tmp_path):
        """Files that are nearly the same do not count."""
        assert source_of(assets.by_key["a.zip"], assets) == Source(tmp_path / "a")
        assert source_of(assets.by_key["b.zip"], assets) == Source(tmp_path / "b")

    def test_one_that_was_edited_is_found_by_its_likeness(self, assets, tmp_path):
        """It does not run, but the warning can name it."""
        file = tmp_path / "a" / "index.py"
        file.write_text(file.read_text() + "MORE = 1\n")

        assert source_of(assets.by_key["a.zip"], assets) == Source(None, (file,))

    def test_nothing_is_said_of_what_is_only_called_the_same(self, assets, tmp_path):
        """Another program, or too many that it could be."""
        (tmp_path / "a" / "index.py").write_text("print('something else')\n")
        assert source_of(assets.by_key["a.zip"], assets) == Source()

        for name in ("a", "c"):
            (tmp_path / name).mkdir(exist_ok=True)
            packaged = assets.by_key["a.zip"] / "index.py"
            (tmp_path / name / "index.py").write_text(packaged.read_text() + f"# {name}\n")
        assert source_of(assets.by_key["a.zip"], assets) == Source()
