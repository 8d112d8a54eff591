"""``python -m tests.threats [WORD ...]``: take each answer of SECURITY.md out, and see that its test fails without it.

Works on a copy of the tree, in which the tests must pass before anything is taken out. It takes half an hour. With
words, only those answers are tried whose test or file holds one of them; a test's name is such a word, so that one can
be tried alone. Each line says what the test said: one that fails for another reason than its promise proves nothing.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import PROJECT
from tests.trees import copied_tree, write


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a threat: what it is in the code, and what is there once it is taken out."""

    test: str
    """As SECURITY.md names it; with a parameter in brackets where one is enough."""
    file: str
    code: str
    instead: str
    and_also: tuple[tuple[str, str, str], ...] = ()


GATE, CONFINED, ACCESS_OF = (
    "bot/handlers/gatekeeper.py",
    "tests/unit/inference/test_confinement.py",
    "storage/access.py",
)
ATTACK = f"{CONFINED}::test_a_worker_that_was_taken_over_can_not"
OF_PERSON = (
    "storage/scans.py",
    '_OF_PERSON = select(*_SCAN_COLUMNS).where(SCANS.c.person_id == bindparam("person"), _NOT_HIDDEN)',
    '_OF_PERSON = select(*_SCAN_COLUMNS).where(bindparam("person").is_not(None), _NOT_HIDDEN)',
)
ADMINS = ("bot/handlers/admins.py", "if context.is_admin:", "if True:")
NOT_LET_IN = (GATE, "if not context.is_let_in:", "if False:")
SENDER = "bot/delivery/broadcasting.py"
ASKED_AGAIN = (SENDER, "if not await self._storage.persist(lambda: may_read(chat_id)):", "if False:")
LAST_USE = (ACCESS_OF, 'bindparam("typed"), *_IS_OPEN)', 'bindparam("typed"))')

ANSWERS: tuple[Answer, ...] = (
    # spoofing
    Answer("tests/integration/test_webhook.py::test_only_updates_with_the_secret_are_accepted",
           "bot/delivery/webhook.py", "return hmac.compare_digest(shown.encode(), self._secret.encode())",
           "return True"),
    Answer("tests/integration/test_gatekeeper.py::test_nobody_else_presses_or_writes_in_a_private_chat",
           GATE, "if user.id != chat.id or not is_ours:", "if not is_ours:"),
    Answer("tests/integration/test_guarded_handlers.py::test_no_handler_works_on_what_nobody_let_in", *NOT_LET_IN),
    Answer("tests/integration/test_handlers.py::test_no_button_id_or_number_reaches_another_persons_scan", *OF_PERSON),
    Answer("tests/integration/test_sandbox_people.py::test_other_sites_can_neither_read_nor_drive_sandbox",
           "bot/sandbox/guard.py", 'if not origin_allowed(headers.get("Origin"), self.request.host):', "if False:"),
    Answer("tests/integration/test_polling.py::test_of_two_bots_with_one_token_the_newcomer_leaves",
           "bot/delivery/polling.py", "return self._contest.go_on(asyncio.get_running_loop().time())", "return 0.1"),
    Answer("tests/unit/storage/test_access.py::test_a_made_up_code_lets_nobody_in",
           ACCESS_OF, ".rowcount != 1:\n                raise _Spent", ".rowcount > 1:\n                raise _Spent"),
    Answer("tests/integration/test_access.py::test_commands_of_administrators_are_unknown_to_others", *ADMINS),
    Answer("tests/integration/test_broadcast.py::test_nobody_else_sends_or_stops_one", *ADMINS),
    Answer("tests/unit/storage/test_access.py::test_last_use_goes_to_one_of_many", *LAST_USE),
    Answer("tests/integration/test_access.py::test_words_dressed_as_a_way_out_open_nothing[invite]",
           "bot/delivery/raw_update.py", "if first.type != MessageEntity.BOT_COMMAND or first.offset:",
           "if first.offset:"),
    # tampering
    Answer("tests/unit/inference/test_analyser.py::test_an_altered_weight_file_is_named_with_the_fix",
           "inference/card.py", "if actual != expected:", "if False:"),
    Answer("tests/unit/storage/test_sealing.py::test_a_value_opens_nowhere_but_in_its_own_record",
           "storage/vault.py", 'return ":".join(str(values[part]) for part in self._record).encode()', 'return b""'),
    Answer("tests/unit/bot/test_wording.py::test_a_hostile_label_is_shown_as_it_was_typed",
           "bot/chat/texts.py", "if escape:", "if False:"),
    Answer("tests/unit/reports/test_render.py::test_an_override_cannot_disguise_a_label",
           "reports/text.py", 'elif category in ("Cc", "Cf") or', 'elif category == "Cc" or'),
    Answer("tests/unit/storage/test_copying.py::test_broken_off_copy_is_refused_until_it_is_whole",
           "storage/database.py", "if UNFINISHED_COPY in tables:", "if False:"),
    Answer("tests/unit/test_security_md.py::test_everything_that_is_installed_is_pinned_by_its_hash",
           "requirements.lock", "--hash=sha256:", "--hash=md5:"),
    Answer("tests/unit/storage/test_sealing.py::test_bot_continuing_with_an_old_key_is_noticed",
           "storage/sessions.py", "if self.vault.key_ids and began", "if False and began"),
    Answer("tests/unit/reports/test_seal.py::test_no_changed_byte_of_a_report_goes_unnoticed",
           "reports/seal.py", "hmac.compare_digest(_mac(key, file, start, end), found) for key", "True for key"),
    Answer("tests/unit/reports/test_seal.py::test_what_was_done_to_a_report_is_told_apart",
           "reports/seal.py", "State.UNALTERED if whole else State.ADDED", "State.UNALTERED"),
    Answer("tests/unit/bot/test_table.py::test_no_cell_begins_as_a_formula_wherever_cells_end",
           "bot/scan/table.py", "(^|[;|", "(^|^["),
    Answer("tests/integration/test_sandbox_demo.py::test_demo_touches_nothing_of_the_operators_bot",
           "bot/cli/demo.py", "        data_key=None,\n        report_key=None,\n", ""),
    # repudiation
    Answer("tests/unit/bot/test_operations.py::test_the_audit_log_names_nobody",
           "bot/operations/audit_file.py", "else pseudonym(self._key, who)", "else str(who)"),
    Answer("tests/integration/test_gatekeeper.py::test_a_press_that_says_nothing_is_no_yes",
           GATE, "if update.callback_query and context.press is None:", "if False:"),
    Answer("tests/integration/test_handlers.py::test_redelivered_update_makes_no_second_scan_or_answer",
           "bot/scan/incoming.py", 'return f"{self.message_id}:', "return f\"{__import__('time').time_ns()}:"),
    # information disclosure
    Answer("tests/unit/storage/test_sealing.py::test_sealed_data_shows_in_no_file_or_backup",
           "storage/vault.py", "        if not value:\n            return value\n        if not self._ciphers:",
           "        if True:\n            return value\n        if not self._ciphers:"),
    Answer("tests/unit/storage/test_sealing.py::test_length_of_sealed_finding_does_not_tell_which",
           "storage/outcomes.py", "found.ljust(LENGTH)", "found"),
    Answer("tests/integration/test_gatekeeper.py::test_deleting_leaves_nothing_on_the_disk",
           "bot/delivery/inbox.py", "if delivery.erases:", "if False:"),
    Answer("tests/integration/test_forgetting.py::test_of_a_forgotten_scan_nothing_is_left_anywhere",
           "bot/scan/pipeline.py", "        self.context.delivery.erases = True\n", "        return\n"),
    Answer("tests/integration/test_forgetting.py::test_a_copy_holds_nothing_that_is_about_to_go",
           "storage/database.py", "                _leave_out_what_goes(copy)\n", ""),
    Answer("tests/unit/bot/test_logs.py::test_library_log_omits_what_people_wrote",
           "bot/logs.py", "    if is_ours(record.name):\n        return record\n", "    return record\n"),
    Answer("tests/unit/bot/test_logs.py::test_traceback_quotes_nobody_and_shows_the_lines_of_code",
           "bot/logs.py", '(f": {error}" if is_ours(kind.__module__) else "")', 'f": {error}"'),
    Answer("tests/unit/bot/test_sentry.py::test_envelope_holds_error_without_name_token_or_chat",
           "bot/operations/sentry.py", "discreet_message(record)}", "record.getMessage()}"),
    Answer("tests/integration/test_status_port.py::test_scan_and_refusal_are_counted_and_name_nobody",
           "bot/scan/pipeline.py", "self._metrics.refused(reason)",
           'self._metrics.refused(f"{reason} of {self.context.person.chat_id}")'),
    Answer(f"{ATTACK}[read a secret]", "inference/workers/worker.py", "    files = confinement.close_files(",
           "    files = (lambda *_: None)("),
    Answer("tests/unit/inference/test_executor.py::test_worker_does_not_see_the_bots_environment",
           "inference/workers/fork_server.py", "if name in _HANDED_ON}", 'if name in _HANDED_ON or name[:3] == "TF_"}'),
    Answer("tests/integration/test_gatekeeper.py::test_who_says_no_yes_is_forgotten_after_a_while",
           "bot/delivery/inbox.py",
           "await self.rows.expire_consent(before), await self._people.forget_without_consent(before)", "0, 0"),
    Answer("tests/unit/storage/test_database.py::test_unusable_address_is_named_without_its_password",
           "storage/url.py", 'is not a database address: write', '({text}) is not a database address: write'),
    Answer("tests/unit/bot/test_settings.py::test_what_settings_say_of_themselves_holds_no_secret",
           "bot/settings.py", "Annotated[str, Field(repr=False)]", "str"),
    Answer("tests/integration/test_export.py::test_copy_holds_all_of_one_person_and_nobody_else", *OF_PERSON),
    Answer("tests/unit/storage/test_outcomes.py::test_picture_is_handed_on_only_after_consent_to_that",
           "storage/outcomes.py", ".where(OUTCOMES.c.shared_at.is_not(None), _IS_THERE)", ".where(_IS_THERE)"),
    Answer("tests/unit/bot/test_cli_outcomes.py::test_the_export_is_read_by_the_training",
           "bot/cli/outcomes_export.py", 'return "p" + self', 'return f"p{person_id}" or self'),
    Answer("tests/unit/bot/test_cli_outcomes.py::test_export_and_program_reveal_no_number_of_people",
           "bot/cli/outcomes_export.py", "hmac.new(self._key, ", "hmac.new(bytes(32), "),
    Answer("tests/unit/bot/test_cli_outcomes.py::test_export_order_hides_who_came_first",
           "bot/cli/outcomes_export.py", "lambda one: names.place(one[0].scan_id)", "lambda one: one[0].scan_id"),
    # denial of service
    Answer("tests/unit/inference/test_bombs.py::test_a_bomb_stays_within_its_budget[DICOM of 2,000,000 elements]",
           "inference/decode/limits.py", "MOST_ELEMENTS: Final = 50_000", "MOST_ELEMENTS: Final = 50_000_000",
           (("inference/decode/budget.py", "SECONDS: Final = 2.5", "SECONDS: Final = 90.0"),
            ("inference/decode/budget.py", "is not None:\n        seconds =", "is Ellipsis:\n        seconds ="))),
    Answer("tests/unit/inference/test_bombs.py::test_a_container_stays_within_its_budget[gzip of empty streams]",
           "inference/study/archives.py", "if streams > MAX_ENTRIES:", "if False:",
           (("inference/study/opening.py", "budget.spending(budget.STUDY_SECONDS)", "budget.spending(8.0)"),
            ("inference/study/opening.py", "with budget.spending():", "with budget.spending(8.0):"),
            ("inference/study/archives.py", "_PIECE: Final = 16 << 10", "_PIECE: Final = 32 << 20"))),
    Answer("tests/unit/inference/test_odd_containers.py::test_series_beyond_the_room_are_set_aside[folders]",
           "inference/study/opening.py", "list(found[::stride])[: _room(series)]", "list(found[::stride])"),
    Answer("tests/unit/inference/test_bombs.py::test_white_space_in_a_header_is_gone_through_once[spaces in an NRRD]",
           "inference/study/volume_pairs.py", 'data ?file:([^\\r\\n]*)[\\r\\n]*")',
           'data ?file:[ \\t]*([^\\r\\n]+?)[ \\t\\r]*$\\n?")'),
    Answer("tests/unit/inference/test_bombs.py::test_many_slow_pictures_share_one_budget",
           "inference/decode/budget.py", "_Enforced.ends.append(time.process_time() + seconds)",
           "_Enforced.ends[:] = [time.process_time() + SECONDS] * (len(_Enforced.ends) + 1)"),
    Answer("tests/integration/test_admission.py::test_pictures_do_not_wait_for_long_files_of_others",
           "bot/scan/pipeline.py", "self._read_among(services.long_files, slots)",
           "self._read_among(services.admission, slots)",
           (("bot/scan/pipeline.py", "if is_container(data) and not may_be_long:", "if False:"),)),
    Answer("tests/unit/inference/test_study_opening.py::test_limits_hold_across_archives_in_one_another",
           "inference/study/listing.py", "walk(load(), nested, contents, budget, depth + 1)",
           "walk(load(), nested, contents, Budget(), depth + 1)"),
    Answer("tests/unit/inference/test_fairness.py::test_senders_of_overlong_jobs_leave_a_worker_free",
           "inference/workers/queued.py", "if not is_heavy and not self._time.has_failed(client):", "if not is_heavy:"),
    Answer("tests/unit/inference/test_fairness.py::test_long_jobs_of_many_people_leave_a_worker_free",
           "inference/workers/queued.py", "if not is_heavy and not", "if not"),
    Answer("tests/integration/test_gatekeeper.py::test_a_flood_of_texts_is_bounded_and_answered_once",
           "bot/delivery/durable_queue.py", "if self._commands[chat_id] >= MOST_COMMANDS_OF_CHAT:", "if False:"),
    Answer("tests/integration/test_webhook.py::test_nothing_is_read_of_what_no_secret_announces",
           "bot/delivery/webhook.py", "@stream_request_body\n", ""),
    Answer("tests/integration/test_webhook.py::test_strangers_can_not_jam_it",
           "bot/operations/bounded_server.py",
           "        if len(self._connections) >= self.most_connections:\n            stream",
           "        if False:\n            stream"),
    Answer("tests/integration/test_webhook.py::test_strangers_who_fall_silent_are_hung_up_on",
           "bot/operations/bounded_server.py", "idle_connection_timeout=PATIENCE", "idle_connection_timeout=3600"),
    Answer("tests/integration/test_inbox.py::test_deadly_update_is_set_aside_and_others_are_answered",
           "bot/delivery/inbox.py", "if attempt.failed >= MOST_ATTEMPTS:", "if False:"),
    Answer("tests/unit/bot/test_raw_update.py::test_unknown_kind_of_origin_is_set_aside_and_kept",
           "bot/delivery/raw_update.py", "    except Exception as error:", "    except KeyError as error:"),
    Answer("tests/integration/test_storage_health.py::test_a_disk_that_is_really_full_is_waited_for",
           "bot/delivery/storage_health.py", "await self._apologise_all(updates, apology)\n            raise",
           "await self._apologise_all(updates, apology)\n            return"),
    Answer("tests/unit/test_fuzz.py::test_few_changed_inputs_of_every_kind_have_their_answer",
           "bot/delivery/webhook.py", "except (ValueError, RecursionError):", "except RecursionError:"),
    Answer("tests/integration/test_quotas.py::test_picture_over_limit_is_refused_before_it_is_fetched",
           "bot/chat/quota.py", "        await self._check_day(person_id)\n", ""),
    Answer("tests/integration/test_quotas.py::test_deleting_everything_does_not_begin_the_day_anew",
           "bot/chat/quota.py", "scans = self._spent.pop(self._hash(chat_id), 0) if self._spent else 0", "scans = 0"),
    Answer("tests/unit/storage/test_access.py::test_a_block_does_not_end_by_deleting_everything",
           ACCESS_OF, "delete(ACCESS).where(_OF_CHAT, ACCESS.c.blocked_at.is_(None))",
           "delete(ACCESS).where(_OF_CHAT)"),
    # elevation of privilege
    Answer(f"{ATTACK}[run a program]", "inference/workers/worker.py", "kernel = confinement.close_kernel()",
           "kernel = None",
           (("inference/workers/worker.py", "files = confinement.close_files(", "files = (lambda *_: None)("),)),
    Answer("tests/integration/test_handlers.py::test_answer_that_no_model_gives_is_not_kept",
           "bot/scan/pipeline.py", "if not is_plausible(", "if False and not is_plausible("),
    Answer(f"{ATTACK}[have the kernel signal the bot]", "inference/workers/confinement.py",
           '"fcntl": ((72, 25), (8, 10,', '"fcntl": ((72, 25), (10,'),
    Answer(f"{CONFINED}::test_nothing_that_a_worker_started_outlives_it",
           "inference/workers/fork_server.py", "        os.setsid()  #", "        os.getpid()  #"),
    Answer(f"{CONFINED}::test_where_memory_ends_a_worker_ends_before_the_bot",
           "inference/workers/confinement.py", "GOES_FIRST: Final = 500", "GOES_FIRST: Final = 0"),
    Answer("tests/services/test_cluster.py::test_worker_with_other_models_is_refused",
           "inference/workers/cluster_worker.py", 'models {fingerprint(models_dir)}, {backend}"', '{backend}"'),
    Answer("tests/unit/inference/test_wire.py::test_a_frame_that_makes_no_sense_is_refused",
           "inference/workers/wire.py", "raise FrameError(type(error).__name__) from None", 'return "done", None'),
    Answer("tests/unit/inference/test_wire.py::test_a_workers_words_never_pass_for_log_lines",
           "inference/workers/supervisor.py", "_indented(detail[:LONGEST_DETAIL])", "detail"),
    Answer("tests/unit/inference/test_dask_messages.py::test_pickle_in_a_message_runs_nothing_in_a_bot",
           "inference/workers/dask_messages.py", "if (module, name) in KNOWN else Nothing", ""),
    Answer("tests/unit/inference/test_wire.py::test_json_of_worker_may_not_fill_the_bots_memory",
           "inference/workers/wire.py", " or text_length > most_text:", ":"),
    Answer("tests/integration/test_broadcast.py::test_who_was_refused_gets_no_broadcast",
           "bot/chat/access.py", 'if settings.access == "open":\n        return Readers()', "return Readers()",
           (ASKED_AGAIN,)),
    Answer("tests/integration/test_access.py::test_last_link_opened_twice_at_once_admits_one", *LAST_USE),
    Answer("tests/unit/test_deploy.py::test_the_image_runs_as_nobody_in_particular",
           "Dockerfile", "USER 10001", "USER 0"),
)  # fmt: skip
BY_CONSTRUCTION = {
    "tests/integration/test_verify.py::test_somebody_else_learns_only_that_this_bot_made_it":
        "a code holds a day and an id, and no scan is looked up: there is no line to take out",
    "tests/unit/inference/test_imaging.py::test_no_metadata_survive":
        "pixels alone are handed on: there is no line to take out",
    "tests/unit/storage/test_scans.py::test_a_scan_comes_back_as_it_was_kept":
        "statements are built of columns and parameters: there is no line to take out",
}  # fmt: skip
"""Answers that are no line of code, and why."""


def named() -> set[str]:
    """The tests that SECURITY.md names."""
    page = (PROJECT / "SECURITY.md").read_text("utf-8")
    return set(re.findall(r"`(tests/[\w/]+\.py::test_\w+)`", page))


def tried() -> set[str]:
    """Those of which it is known how they fail, or why they can't."""
    return {answer.test.partition("[")[0] for answer in ANSWERS} | set(BY_CONSTRUCTION)


def take_out(tree: Path, file: str, code: str, instead: str) -> str:
    """Change a file of a tree; returns what it was. Raises ValueError when the code is not there."""
    path = tree / file
    before = path.read_text("utf-8")
    if code not in before:
        raise ValueError(f"{file} has no {code!r}: what is the answer now?")
    write(path, before.replace(code, instead))
    return before


def run_tests(tree: Path, *tests: str, until_one_fails: bool = True) -> subprocess.CompletedProcess[str]:
    """Run tests of a tree; raises ValueError when they could not be run."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(["-x"] if until_one_fails else []),
        *tests,
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, check=False, text=True)
    if done.returncode not in (0, 1):
        raise ValueError(f"{tests}: pytest ended with {done.returncode}: {done.stdout[-800:]}")
    return done


def failing_anyway(tree: Path, tests: Sequence[str]) -> set[str]:
    """Those that fail while their answers are there: what they say without them means nothing."""
    done = run_tests(tree, *dict.fromkeys(tests), "-rfE", until_one_fails=False)
    failed = re.findall(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return {test for test in tests if any(one == test or one.startswith(f"{test}[") for one in failed)}


def fails_without(tree: Path, answer: Answer) -> str | None:
    """What the test says in a tree without the answer; None when it passes."""
    edits = ((answer.file, answer.code, answer.instead), *answer.and_also)
    before = {file: (tree / file).read_text("utf-8") for file, _, _ in edits}
    try:
        for edit in edits:
            take_out(tree, *edit)
        done = run_tests(tree, answer.test)
    finally:
        for file, text in before.items():
            write(tree / file, text)
    if done.returncode == 0:
        return None
    # A time limit cancels what it waits for, which says nothing of what that was.
    said = re.findall(r"^E +(?!asyncio\.exceptions\.CancelledError)(\S.*)$", done.stdout, re.MULTILINE)
    return said[0][:160] if said else done.stdout.strip().rpartition("\n")[2]


def main(words: Sequence[str]) -> int:
    """Try them all; exit status 1 when a test did not notice, 2 when there is none of these words."""
    chosen = [one for one in ANSWERS if not words or any(word in one.test or word in one.file for word in words)]
    if not chosen:
        print(f"no answer's test or file holds {' or '.join(words)}")
        return 2
    unnoticed = 0
    with copied_tree() as tree:
        anyway = failing_anyway(tree, [one.test for one in chosen])
        for number, answer in enumerate(chosen, 1):
            said = "FAILS WITH ITS ANSWER, TOO" if answer.test in anyway else fails_without(tree, answer)
            noticed = said is not None and answer.test not in anyway
            unnoticed += not noticed
            result = f"red: {answer.test}: {said}" if noticed else f"{said or 'NOT NOTICED'}: {answer.test}"
            print(f"{number}/{len(chosen)} {result}", flush=True)
    print(f"{len(chosen) - unnoticed} of {len(chosen)} tests fail without their answer")
    for test in sorted(named() - tried()):
        print(f"not tried, since nobody has said what its answer is: {test}")
    return 1 if unnoticed or named() - tried() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
