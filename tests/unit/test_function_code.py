"""How code comes to lie where an executor can import it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zipfile

import pytest

from stagefright.aws_api.errors import ApiError
from stagefright.functions.code import CodeStore, import_roots


def zip_of(files, *, mode=0o644):
    """A zip of these files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            bundle.writestr(entry, text)
    return archive.getvalue()


@pytest.fixture
def store(tmp_path):
    """A store whose S3 holds nothing."""

    def read_s3(bucket, key, version):
        raise ApiError("NoSuchBucket", "The specified bucket does not exist", status=404)

    return CodeStore(tmp_path / "code", read_s3)


def test_equal_zips_are_unpacked_once(store, tmp_path):
    """The directory is named by the content, so equal code shares it."""
    content = zip_of({"app.py": "x = 1"})
    first, second = store.from_zip(content), store.from_zip(content)

    assert first == second
    assert [path.name for path in (tmp_path / "code").iterdir()] == [hashlib.sha256(content).hexdigest()]
    assert base64.b64encode(hashlib.sha256(content).digest()).decode() == first.sha256
    assert len(content) == first.size


def test_inline_text_becomes_an_index_file(store):
    """CloudFormation's `ZipFile` text is index.py or index.js by runtime; equal text is equal code."""
    python = store.resolve({"ZipFile": "x = 1"}, runtime="python3.12")
    node = store.resolve({"ZipFile": "exports.x = 1"}, runtime="nodejs22.x")

    assert (python.root / "index.py").read_text() == "x = 1"
    assert (node.root / "index.js").exists()
    assert python.sha256 == store.from_inline("x = 1", runtime="python3.12").sha256


def test_a_local_directory_is_used_in_place(store, tmp_path):
    """No copy is made; an edit changes the hash."""
    source = tmp_path / "src"
    source.mkdir()
    (source / "app.py").write_text("x = 1")
    before = store.resolve({"LocalPath": str(source)})
    os.utime(source / "app.py", ns=(0, 1))
    after = store.from_local(source)

    assert (before.root, before.in_place, before.size) == (source, True, 5)
    assert before.sha256 != after.sha256
    assert not (tmp_path / "code").exists()


def test_derived_and_hidden_directories_do_not_count(store, tmp_path):
    """Byte code, virtual environments and node_modules do not change the hash."""
    source = tmp_path / "src"
    for name in ("__pycache__", ".venv", "node_modules", "lib"):
        (source / name).mkdir(parents=True)
    before = store.from_local(source)
    for name in ("__pycache__", ".venv", "node_modules"):
        (source / name / "x").write_text("x")

    assert before == store.from_local(source)
    (source / "lib" / "x").write_text("x")
    assert before != store.from_local(source)


def test_a_local_zip_is_unpacked(store, tmp_path):
    """`LocalPath` may name a zip file."""
    path = tmp_path / "built.zip"
    path.write_bytes(zip_of({"app.py": "x = 1"}))

    assert (store.from_local(path).root / "app.py").exists()


def test_a_missing_path_says_what_to_do(store, tmp_path):
    """The refusal names the path and the next step."""
    with pytest.raises(ApiError, match=r"none was asked for.*sam build"):
        store.from_local(tmp_path / "none")


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py", "..\\evil.py", "C:\\evil.py"])
def test_an_entry_that_leaves_the_directory_is_refused(store, tmp_path, name):
    """A zip cannot write outside its own directory."""
    with pytest.raises(ApiError, match="outside the function's directory"):
        store.from_zip(zip_of({name: "x"}))
    assert not (tmp_path / "evil.py").exists()


@pytest.mark.parametrize("content", [b"", b"no zip", zip_of({"app.py": "x" * 100})[:60]])
def test_a_broken_zip_is_refused(store, content):
    """What cannot be unpacked is refused in AWS's words, and leaves nothing behind."""
    with pytest.raises(ApiError, match="Could not unzip uploaded file"):
        store.from_zip(content)


def test_a_zip_with_a_damaged_entry_leaves_nothing_behind(store, tmp_path):
    """A zip that fails half way is not taken for unpacked code the next time."""
    content = bytearray(zip_of({"app.py": "x" * 100}))
    content[50] ^= 0xFF

    for _ in range(2):
        with pytest.raises(ApiError, match="Could not unzip"):
            store.from_zip(bytes(content))
    assert list((tmp_path / "code").iterdir()) == []


def test_an_empty_zip_is_refused(store):
    """A zip without entries is no code."""
    with pytest.raises(ApiError, match="Uploaded file must be a non-empty zip"):
        store.from_zip(zip_of({}))


def test_an_unpacked_bootstrap_is_executable(store):
    """A custom runtime's bootstrap keeps its permission."""
    code = store.from_zip(zip_of({"bootstrap": "#!/bin/sh"}, mode=0o755))

    assert os.access(code.root / "bootstrap", os.X_OK)


def test_a_large_upload_is_refused(store):
    """A zip over 50 MB must go through S3."""
    with pytest.raises(ApiError, match="Request must be smaller than 70167211 bytes"):
        store.resolve({"ZipFile": b"x" * 52_700_000})


def test_imports_look_in_the_function_then_in_its_layers(store, tmp_path):
    """Own code first, then layers' site-packages, then layers' python/; a later layer hides an earlier one."""
    code = store.from_zip(zip_of({"app.py": ""}))
    first = store.from_zip(zip_of({"python/shared.py": "1", "python/lib/python3.12/site-packages/x.py": ""}))
    second = store.from_zip(zip_of({"python/shared.py": "2"}))

    assert import_roots(code, [first, second], "python3.12") == (
        code.root,
        first.root / "python" / "lib" / "python3.12" / "site-packages",
        second.root / "python",
        first.root / "python",
    )


def test_a_local_layer_that_was_not_built_is_importable(store, tmp_path):
    """A layer's source directory without python/ counts as python/ itself, as `sam build` would have it."""
    (tmp_path / "layer").mkdir()
    code, layer = store.from_zip(zip_of({"app.py": ""})), store.from_local(tmp_path / "layer")

    assert import_roots(code, [layer], "python3.12") == (code.root, layer.root)
