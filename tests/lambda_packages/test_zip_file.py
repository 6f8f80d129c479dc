import io
import zipfile

from lambda_packages.zip_file import zipped


def test_entries_are_sorted_and_say_nothing_of_this_machine() -> None:
    archive = zipfile.ZipFile(io.BytesIO(zipped({"b/c.py": b"c", "a.py": b"a" * 1000, "b.py": b""})))
    assert archive.namelist() == ["a.py", "b.py", "b/c.py"]
    assert archive.testzip() is None
    for info in archive.infolist():
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert info.external_attr >> 16 == 0o100644
        assert (info.create_system, info.extra, info.comment) == (3, b"", b"")
        assert info.compress_type == zipfile.ZIP_DEFLATED


def test_the_order_of_entries_does_not_matter() -> None:
    assert zipped({"a": b"1", "b": b"2"}) == zipped({"b": b"2", "a": b"1"})
