"""Bad input: a message with file, place, what was found and what to do; and the earlier result stays as it was."""

import errno
import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from components.contracts import canonical


def snapshot(folder: Path) -> dict[str, str]:
    return {name: canonical.file_digest(folder / name) for name in canonical.tree_files(folder)}


@pytest.fixture
def refused(given, touchstone, audited):
    """Run an audit over an earlier result; it must fail with all of `parts` in its message and change nothing."""
    shutil.copytree(audited, given.path("result"))
    before = snapshot(given.path("result"))

    def check(*parts: str, code: int = 1, **changes: object) -> str:
        ran = touchstone(*given.arguments(**changes))
        assert ran.code == code, ran
        assert "Traceback" not in ran.err
        assert "to do:" in ran.err
        for part in parts:
            assert part in ran.err
        assert ran.out == ""
        assert snapshot(given.path("result")) == before
        assert not [p.name for p in given.folder.iterdir() if p.name.startswith(".result")]
        return ran.err

    return check


def edit(path: Path, **changes: object) -> None:
    """Change fields of the third record of a JSON array."""
    rows = json.loads(path.read_text())
    rows[2] |= changes
    path.write_text(json.dumps(rows, indent=1))


def rewrite(path: Path, line: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")


def test_truncated_gzip(given, refused) -> None:
    whole = gzip.compress(given.path("imitator.json").read_bytes())
    given.path("cut.gz").write_bytes(whole[:-200])
    refused("cut.gz", "gzip stream is cut off", "a whole gzip file", "gzip -t", imitator=given.path("cut.gz"))


def test_truncated_json(given, refused) -> None:
    given.path("cut.json").write_text(given.path("imitator.json").read_text()[:-60])
    refused("cut.json, item 40 (line", "whole, valid JSON", "again", imitator=given.path("cut.json"))


def test_wrong_role_another_kind_of_file(given, refused) -> None:
    refused("judgments.json, item 1 (line 2): --base got a judgment", "--judgments", base=given.path("judgments.json"))
    refused("base.csv, line 2: --target got an item score", "--scores target=", target=given.path("base.csv"))
    refused("target.json, item 1", "item_id and score", scores=f"base={given.path('target.json')}")


def test_wrong_role_one_file_twice(given, refused) -> None:
    refused("base.json is given as --base and as --imitator", code=2, imitator=given.path("base.json"))
    scores = [f"{role}={given.path('base.csv')}" for role in ("base", "imitator")]
    refused("base.csv is given as --scores base= and as --scores imitator=", code=2, scores=scores)


def test_wrong_role_one_model_under_two_names(given, refused) -> None:
    given.path("copy.json").write_text(json.dumps(json.loads(given.path("base.json").read_text())))
    refused("copy.json (--imitator) and", "base.json (--base)", "base-lm", imitator=given.path("copy.json"))
    named = {"imitator": given.path("copy.json"), "name": "imitator=another", "judgments": None}
    refused("copy.json (--imitator) holds the same outputs as", "base.json (--base)", **named)
    refused("holds the same outputs as", "--target)", target_second=_copy(given, "target.json"))


def _copy(given, name: str) -> Path:
    path: Path = given.path("second.json")
    path.write_text(given.path(name).read_text())
    return path


def test_wrong_role_a_log_of_another_model(given, refused) -> None:
    logged = {"results": {"quiz": {"acc,none": 0.5}}, "configs": {}, "model_name": "x/base-lm"}
    given.path("r.json").write_text(json.dumps(logged | {"n-samples": {"quiz": {"effective": 60}}}))
    scores = [f"imitator={given.path('r.json')}", f"base={given.path('base.csv')}"]
    refused("--scores imitator=: the log is of base-lm, whose outputs are --base", "--scores base=", scores=scores)


def test_unknown_role(refused) -> None:
    refused("--scores student=x: no role student", "base, imitator, target", code=2, scores="student=x")
    refused("--name teacher=x: no role teacher", code=2, name="teacher=x")
    refused("--scores base.csv", "ROLE=FILE", code=2, scores="base.csv")


def test_a_missing_role(refused) -> None:
    refused("outputs of base, imitator without --target", code=2, target=None)


def test_an_annotation_file_whose_generator_is_no_output(given, refused) -> None:
    rows = [row | {"generator_1": "davinci"} for row in json.loads(given.path("judgments.json").read_text())]
    given.path("foreign.json").write_text(json.dumps(rows))
    expected = ("foreign.json, item 1 (line 1): davinci is not among the outputs", "davinci with imitator-lm")
    refused(*expected, "base-lm (--base), imitator-lm (--imitator)", judgments=given.path("foreign.json"))


def test_duplicate_ids(given, refused) -> None:
    edit(given.path("imitator.json"), instruction="Explain  number 0")
    refused("imitator.json, item 3 (line", "was already answered", "imitator.json, item 1 (line 2)", "keep one")
    edit(given.path("imitator.json"), instruction="Explain number 2")
    rewrite(given.path("base.csv"), 5, "quiz,quiz-0,1")
    refused("base.csv, line 5: item quiz-0 of quiz was already scored", "base.csv, line 2", "remove one")


def test_no_overlap(given, refused) -> None:
    rows = json.loads(given.path("base.json").read_text())
    rows = [row | {"instruction": f"other {i}"} for i, row in enumerate(rows)]
    given.path("other.json").write_text(json.dumps(rows))
    refused("outputs: the base", "other.json) shares no prompts", "it lacks", base=given.path("other.json"))
    text = given.path("base.csv").read_text().replace("quiz-", "x-").replace("code-", "y-")
    given.path("other.csv").write_text(text)
    scores = [f"base={given.path('other.csv')}", f"imitator={given.path('imitator.csv')}"]
    refused("quiz: the imitator (--scores imitator=) shares no items with the base", "same items", scores=scores)
    given.path("other.csv").write_text(text.replace("quiz", "a").replace("code", "b"))
    refused("base has scores of a, b", "imitator of code, quiz: no benchmark in common", scores=scores)


def test_one_model_missing_half_its_items(given, refused) -> None:
    rows = json.loads(given.path("imitator.json").read_text())
    given.path("half.json").write_text(json.dumps(rows[:20]))
    message = refused("outputs: the imitator", "has only 20 of the base's 40 prompts", imitator=given.path("half.json"))
    assert "run the imitator on the missing prompts" in message
    lines = given.path("target.csv").read_text().splitlines()
    given.path("half.csv").write_text("\n".join(lines[:31] + lines[61:]))
    scores = [
        f"{r}={given.path(f)}" for r, f in (("base", "base.csv"), ("imitator", "imitator.csv"), ("target", "half.csv"))
    ]
    refused("quiz: the target (--scores target=) has only 30 of the base's 60 items", "quiz-30", scores=scores)


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "1.5", "-0.1", "47", "yes", "1,0"])
def test_nan_and_out_of_range_scores(given, refused, value) -> None:
    rewrite(given.path("imitator.csv"), 4, f'quiz,quiz-2,"{value}"')
    refused(f"imitator.csv, line 4: score is {value}", "a score from 0 to 1", "correct the value")


def test_nan_in_json_scores(given, refused) -> None:
    given.path("s.jsonl").write_text('{"item_id": 1, "score": 1}\n{"item_id": 2, "score": NaN}\n')
    refused("s.jsonl, line 2: score is NaN", scores=f"base={given.path('s.jsonl')}")


@pytest.mark.parametrize("content", ["", "\n\n", "[]", '[{"instruction": "x"}]'])
def test_empty_files(given, refused, content) -> None:
    given.path("empty.json").write_text(content)
    refused("empty.json", base=given.path("empty.json"))


def test_empty_outputs(given, refused) -> None:
    rows = json.loads(given.path("imitator.json").read_text())
    for row in rows[3:20]:
        row["output"] = "  "
    given.path("silent.json").write_text(json.dumps(rows))
    expected = "silent.json, item 4 (line 1): the output is empty, as are 17 of 40"
    refused(expected, "at most 10% empty", "--imitator again", imitator=given.path("silent.json"))


def test_non_utf8(given, refused) -> None:
    text = given.path("base.json").read_text().replace("Perhaps", "Café")
    given.path("latin.json").write_bytes(text.encode("latin-1"))
    refused("latin.json, line 4: byte 0xe9 at offset", "UTF-8 text", "iconv", base=given.path("latin.json"))


def test_a_policy_with_an_unknown_key(given, refused) -> None:
    given.path("policy.yaml").write_text("alpha: 0.05\nregression_margn: 0.02\n")
    expected = ("policy.yaml", "unknown key regression_margn; did you mean regression_margin?")
    refused(*expected, code=2, policy=given.path("policy.yaml"))
    refused("cannot read policy relese_gate", "release_gate, research, study", code=2, policy="relese_gate")


def test_an_audit_file_with_mistakes(given, touchstone) -> None:
    for text, found in (
        ("base: a\nimitater: b\n", "audit.yaml, line 2: unknown key imitater; did you mean imitator?"),
        ("base: a\nbase: b\n", "audit.yaml, line 2: the key 'base' stands twice"),
        ("base: [a\n", "audit.yaml, line"),
        ("scores: {student: a}\n", "scores.student"),
        ("published: numbers.yaml\nsupported: {nq: perhaps}\n", "supported.nq"),
        ("judgments: a\npublished: b\n", "--judgments"),
        ("{}\n", "nothing to compare"),
    ):
        given.path("audit.yaml").write_text(text)
        ran = touchstone("audit", given.path("audit.yaml"), "--out", given.path("result"))
        assert ran.code == 2, ran.err
        assert found in ran.err
        assert not given.path("result").exists()


def test_a_declaration_about_a_benchmark_that_nobody_measured(given, touchstone) -> None:
    given.path("audit.yaml").write_text("supported: {quizz: true}\n")
    ran = touchstone(*given.arguments(), given.path("audit.yaml"))
    assert ran.code == 2
    assert "supported names quizz, which was not measured\nexpected: quiz, code" in ran.err


def test_rows_without_manifest_or_with_a_changed_row(given, touchstone) -> None:
    assert touchstone(*given.arguments()).code == 0
    rows = given.path("result") / "rows"
    path = rows / "imitator_scores" / "rows.jsonl"
    path.write_text(path.read_text().replace('"value":0.0', '"value":1.0', 1))
    ran = touchstone("verdict", given.path("result"))
    assert ran.code == 1
    assert f"{path} was changed after it was written" in ran.err
    assert "to do:" in ran.err
    (rows / "imitator_scores" / "manifest.json").unlink()
    ran = touchstone("verdict", given.path("result"))
    assert ran.code == 1
    assert "imitator_scores has no manifest.json" in ran.err
    (rows / "settings" / "settings.json").write_text("{}")
    ran = touchstone("verdict", given.path("result"))
    assert "settings.json was changed" in ran.err
    (rows / "settings" / "manifest.json").unlink()
    ran = touchstone("verdict", given.path("result"))
    assert "is not a finished audit" in ran.err
    assert ran.code == 1


def test_an_artifact_folder_as_scores_is_verified(given, refused) -> None:
    changed = given.path("changed")
    changed.mkdir()
    (changed / "rows.jsonl").write_text("{}\n")
    refused("changed has no manifest.json", scores=f"base={changed}")


def test_a_path_below_a_file_cannot_be_written(given, touchstone) -> None:
    ran = touchstone(*given.arguments(out=given.path("base.json") / "result"))
    assert ran.code == 1
    assert "base.json/result: a part of the path is a file" in ran.err
    assert "--out" in ran.err


@pytest.mark.parametrize("name", ["base.json", "mine"])
def test_what_is_not_an_audit_is_never_overwritten(given, touchstone, name) -> None:
    given.path("mine").mkdir()
    given.path("mine/thesis.txt").write_text("years of work")
    before = given.path("base.json").read_text()
    ran = touchstone(*given.arguments(out=given.path(name)))
    assert ran.code == 2
    assert str(given.path(name)) in ran.err
    assert "choose another folder" in ran.err
    assert given.path("mine/thesis.txt").read_text() == "years of work"
    assert given.path("base.json").read_text() == before


def test_notes_added_to_an_earlier_audit_are_not_lost(given, touchstone) -> None:
    touchstone(*given.arguments())
    (given.path("result") / "notes.md").write_text("mine")
    ran = touchstone(*given.arguments())
    assert ran.code == 2
    assert "result holds notes.md" in ran.err
    assert (given.path("result") / "notes.md").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk(given, touchstone, tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        assert touchstone(*given.arguments(out=disk / "result")).code == 0
        before = snapshot(disk / "result")
        (disk / "filler").write_bytes(bytes(250_000))
        ran = touchstone(*given.arguments(out=disk / "result"))
        assert ran.code == 1
        assert "No space left on device" in ran.err
        assert "free disk space" in ran.err
        assert snapshot(disk / "result") == before
        assert [p.name for p in disk.iterdir() if p.name.startswith(".")] == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_at_the_last_moment_keeps_the_earlier_result(given, refused, monkeypatch, number) -> None:
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise OSError(number, os.strerror(number))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    refused(f"cannot write {given.path('result')}: {os.strerror(number)}")


def test_a_kill_between_the_two_renames_is_undone(given, touchstone) -> None:
    touchstone(*given.arguments())
    before = snapshot(given.path("result"))
    given.path("result").rename(given.path(".result.previous"))
    given.path(".result.partial-999999999").mkdir()
    assert touchstone(*given.arguments(base=given.path("none"))).code == 1
    assert snapshot(given.path("result")) == before
    assert not [p.name for p in given.folder.iterdir() if p.name.startswith(".result")]
