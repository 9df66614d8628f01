"""Files of FIX messages: what stops a read, what is skipped, and that no cut and no bytes confuse the scanner."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.fix import FixScanner, FixSource
from protocols.layouts import COMMAND
from protocols.source import MAX_ERRORS, MAX_SESSIONS, DecodeError
from tests.protocols.fix_helpers import (
    CANCEL,
    NEW,
    REPLACE,
    VENUE,
    decode,
    facts,
    message,
    open_source,
    read_all,
    texts,
)

BAD = message(NEW, t44="abc")
PIECES = [
    message(NEW),
    message(CANCEL),
    message(REPLACE, t49="FIRM2"),
    message(NEW, log=True) + b"\n",
    message(CANCEL, log=True)[:-1] + b"\n",
    message({35: "0", 34: "1"}),
    b"2026-01-05 09:30:00 in > ",
    b"8=",
    b"\n",
    b"|35=D|",
    BAD,
    message(NEW, log=True, t38="x"),
    message(NEW)[:60],
    message(NEW)[20:],
    message(NEW).replace(b"9=1", b"9=2", 1),
    message(NEW)[:-4] + b"000\x01",
    message({35: "V", 34: "1"}),
    b"8=FIX.4.4\x019=999999\x0135=D\x01",
    b"8=FIX.4.1\x01",
    bytes(range(256)),
]


class TestPolicy:
    def test_stop_hands_out_the_good_commands_first(self) -> None:
        """The commands before a bad message come out, then its error, and then nothing but that error."""
        with open_source(message(NEW) + message(CANCEL) + BAD + message(REPLACE)) as source:
            out = np.zeros(10, COMMAND)
            assert source.read(out) == 2
            for _ in range(3):
                with pytest.raises(DecodeError, match=r"record 3, line 1, .*Price\(44\), value 'abc'"):
                    source.read(out)
            assert source.skipped == 0 and len(source.errors) == 1

    @pytest.mark.parametrize("chunk_bytes", [1, 100, 1 << 16])
    def test_skip_goes_on_at_the_next_message(self, chunk_bytes: int) -> None:
        """Bad messages are counted and remembered, and the file is read to its end."""
        content = BAD + message(NEW) + b"8=FIX.4.9|junk" + message(CANCEL) + BAD[:50]
        commands, errors, source = decode(content, chunk_bytes)
        assert (len(commands), source.skipped, len(errors)) == (2, 3, 3)
        assert [error.record for error in errors] == [1, 3, 5]
        assert source.position == source.total_bytes == len(content)

    def test_only_the_first_errors_are_kept(self) -> None:
        """A file of nothing but errors is counted in full and remembered in part."""
        commands, errors, source = decode(BAD * (MAX_ERRORS + 20) + message(NEW))
        assert (len(commands), len(errors), source.skipped) == (1, MAX_ERRORS, MAX_ERRORS + 20)

    def test_a_full_batch_is_no_end(self) -> None:
        """Commands come out in batches of the caller's size, all of them, in order."""
        with open_source(b"".join(message(NEW, t11=f"A{i}") for i in range(10))) as source:
            assert source.read(np.zeros(0, COMMAND)) == 0
            commands = read_all(source, batch=3)
        assert len({int(command["cl0"]) for command in commands}) == 10

    def test_position_follows_what_was_decoded(self) -> None:
        """Position is the end of the last message that was handed out, then the end of the file."""
        first = message(NEW)
        with open_source(first + message(CANCEL)) as source:
            assert source.position == 0
            assert source.read(np.zeros(1, COMMAND)) == 1
            assert source.position == len(first)
            read_all(source)
            assert source.position == source.total_bytes

    def test_lines_are_counted_across_chunks(self) -> None:
        """An error deep in a file names its line."""
        content = (message(NEW, log=True) + b"\n") * 40 + BAD + b"\n\n" + BAD
        for chunk_bytes in (7, 1 << 16):
            assert [error.line for error in decode(content, chunk_bytes)[1]] == [41, 43]

    def test_an_error_survives_a_pickle(self) -> None:
        """An injector in another process can send its error home."""
        error = decode(BAD)[1][0]
        copy = pickle.loads(pickle.dumps(error))
        assert (str(copy), copy.__dict__, type(copy)) == (str(error), error.__dict__, type(error))


class TestFiles:
    def test_an_empty_file_holds_no_commands(self) -> None:
        """No bytes are no error."""
        commands, errors, source = decode(b"")
        assert (len(commands), errors, source.total_bytes) == (0, [], 0)

    @pytest.mark.parametrize("content", [b"\n", b"hello, world\n" * 1000, bytes(10_000)])
    def test_a_file_without_messages_is_an_error(self, content: bytes) -> None:
        """A wrong file is told from an empty one, once."""
        commands, errors, source = decode(content)
        assert len(commands) == 0 and source.position == len(content)
        assert [error.problem for error in errors] == ["expected FIX messages, found no 8=FIX"]

    def test_a_missing_file_is_an_os_error(self, tmp_path: Path) -> None:
        """What the system says about a file is passed on."""
        with pytest.raises(FileNotFoundError):
            FixSource(tmp_path / "none.fix", VENUE)
        with pytest.raises(IsADirectoryError):
            FixSource(tmp_path, VENUE)

    def test_an_unknown_policy_is_refused(self, tmp_path: Path) -> None:
        """on_error is stop or skip."""
        (tmp_path / "a.fix").write_bytes(b"")
        with pytest.raises(ValueError, match="expected 'stop' or 'skip', was 'ignore'"):
            FixSource(tmp_path / "a.fix", VENUE, "ignore")  # type: ignore[arg-type]

    def test_a_pipe_is_read_to_its_end(self, tmp_path: Path) -> None:
        """A source needs no file that can be sought or mapped."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(message(NEW) * 2000,))
        writer.start()
        with FixSource(pipe, VENUE) as source:
            assert len(read_all(source)) == 2000
        writer.join()

    def test_sessions_are_numbered_as_they_appear(self) -> None:
        """A command's session is its place in ``sessions``, counted from 1; bad messages name none."""
        names = ["F2", "F1", "F2", "F3", "F1", "a-name-of-20-bytes-1", "a-name-of-20-bytes-2"]
        content = message(NEW, t49="BAD", t44="x") + b"".join(message(NEW, t49=name) for name in names)
        commands, _, source = decode(content)
        assert source.sessions == list(dict.fromkeys(names))
        assert [source.sessions[int(command["session"]) - 1] for command in commands] == names

    def test_one_session_too_many_is_an_error(self) -> None:
        """The session table holds 1024 names; the next one is refused, the others still work."""
        content = b"".join(message(NEW, t49=f"S{i}") for i in range(MAX_SESSIONS + 1)) + message(
            NEW, t49="S7"
        )
        commands, errors, source = decode(content)
        assert len(commands) == MAX_SESSIONS + 1 and len(source.sessions) == MAX_SESSIONS
        assert int(commands[-1]["session"]) == 8
        assert [(error.field, error.value) for error in errors] == [("SenderCompID(49)", f"S{MAX_SESSIONS}")]


class TestAnyBytes:
    @pytest.mark.jitoff
    @given(st.lists(st.sampled_from(PIECES), max_size=6), st.integers(1, 400))
    @example([*PIECES, *PIECES], 1)
    @example([*PIECES, *reversed(PIECES)], 97)
    def test_the_cut_into_chunks_changes_nothing(self, pieces: list[bytes], chunk_bytes: int) -> None:
        """Commands, errors and counters are the same for any size of chunk."""
        content = b"".join(pieces)
        whole, errors, source = decode(content)
        parts, part_errors, part_source = decode(content, chunk_bytes)
        assert texts(parts) == texts(whole)
        assert [facts(error) for error in part_errors] == [facts(error) for error in errors]
        for name in ("sessions", "skipped", "position", "record_count", "passed_over"):
            assert getattr(part_source, name) == getattr(source, name), name

    @pytest.mark.jitoff
    @given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=40), max_size=8), st.data())
    def test_any_bytes_give_commands_or_decode_errors(self, pieces: list[bytes], data: st.DataObject) -> None:
        """Damaged files raise nothing but DecodeError, and every good message in a gap of its own is found."""
        content = bytearray(b"".join(pieces))
        for _ in range(data.draw(st.integers(0, 4))):
            if content:
                place = data.draw(st.integers(0, len(content) - 1))
                content[place] = data.draw(st.integers(0, 255))
        _, errors, source = decode(bytes(content))
        assert source.position == len(content)
        for error in errors:
            assert 0 <= error.offset <= len(content) and error.problem and "\n" not in str(error)

    @given(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), min_size=1, max_size=3))
    def test_a_good_message_behind_any_damage_is_found(self, damage: bytes, pieces: list[bytes]) -> None:
        """After garbage, a message that begins its line is read."""
        content = b"".join(pieces) + damage + b"\n" + message(CANCEL, t11="LAST")
        commands, _, _ = decode(content)
        assert texts(commands)[-1:] and int(commands[-1]["cl0"]) == int.from_bytes(b"LAST", "little")

    @pytest.mark.jitoff
    @given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3), st.data(), st.booleans())
    def test_nothing_is_read_outside_the_bytes_given(
        self, pieces: list[bytes], data: st.DataObject, final: bool
    ) -> None:
        """What stands before and behind the range cannot be seen in commands, errors or state."""
        content = b"".join(pieces)
        stop = data.draw(st.integers(0, len(content)))
        results = []
        for tail in (b"", content[stop:], b"\x01" * 99, b"0" * 99, message(NEW)):
            whole = np.frombuffer(b"10=8\n" + content[:stop] + tail, dtype=np.uint8)
            scanner = FixScanner(VENUE)
            out = np.zeros(8, COMMAND)
            count = scanner.scan(whole, 5, 5 + stop, final, out)
            results.append((count, texts(out), scanner.position, scanner.code, scanner.sessions))
        assert all(result == results[0] for result in results), results

    @given(st.integers(0, 7), st.sampled_from([NEW, CANCEL, REPLACE]), st.data())
    def test_one_flipped_bit_is_never_another_command(
        self, bit: int, fields: dict[int, str], data: st.DataObject
    ) -> None:
        """The checksum catches every single flipped bit: the command is the same, or there is none."""
        good = message(fields)
        place = data.draw(st.integers(0, len(good) - 1))
        damaged = bytearray(good)
        damaged[place] ^= 1 << bit
        commands, _, _ = decode(bytes(damaged))
        assert texts(commands) in ([], texts(decode(good)[0]))
